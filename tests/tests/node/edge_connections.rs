//! Connections that are silent, slow, too many, or told to go, against the running edge. Times are configured small; no
//! test sleeps, each waits for the close.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{net::SocketAddr, process::Command, time::Duration};

use rialto_server::base::{clock, limits::ConnectionLimits};
use rialto_tests::raw::{Call, Wire, eventually, flag, frame, kind, message, soon, stub::Stub};
use tokio::net::{TcpSocket, TcpStream};

const SHORT: Duration = Duration::from_millis(200);

async fn stub() -> Stub {
    Stub::start(ConnectionLimits {
        preface_timeout: SHORT,
        idle_timeout: SHORT * 2,
        message_timeout: SHORT,
        keepalive_timeout: SHORT,
        loopback_counted: true,
        connections_per_address_max: 0,
        new_per_address_per_second: 0,
        ..ConnectionLimits::default()
    })
    .await
}

#[tokio::test]
async fn silence_before_the_preface_is_ended() {
    let stub = stub().await;
    let began = clock::now();
    for (turn, beginning) in
        (1..).zip(["", "P", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r", "POST / HTTP/1.1\r\nhost: a\r\n"])
    {
        let mut wire = Wire::connect(stub.address).await;
        wire.send(beginning.as_bytes()).await.unwrap();
        assert_eq!(wire.text().await, "", "{beginning:?}");
        eventually("it is counted", || stub.cut("preface") == turn).await;
    }
    assert!(clock::now() - began >= SHORT * 4);
    stub.is_well().await;
}

#[tokio::test]
async fn the_second_head_of_http_1_has_as_little_time() {
    let stub = stub().await;
    let mut wire = Wire::connect(stub.address).await;
    wire.send(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert!(wire.text_until("alive\n").await.starts_with("HTTP/1.1 200"));
    wire.send(b"GET /healthz HTT").await.unwrap();
    assert_eq!(wire.text().await, "");
    eventually("it is counted", || stub.cut("preface") == 1).await;
}

#[tokio::test]
async fn a_connection_without_streams_is_told_to_leave_and_ends() {
    let stub = stub().await;
    let mut wire = Wire::http2(stub.address).await;
    // This peer never answers, so the end is not its own doing.
    let frames = wire.ended().await;
    assert!(frames.iter().any(|frame| frame.kind == kind::GOAWAY && frame.error() == 0), "{frames:?}");
    eventually("it is counted", || stub.cut("idle") == 1).await;

    let mut http1 = Wire::connect(stub.address).await;
    http1.send(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert!(http1.text().await.ends_with("alive\n"));
}

#[tokio::test]
async fn a_connection_with_a_stream_is_not_idle() {
    let stub = stub().await;
    let mut busy = Wire::http2(stub.address).await;
    // The half that the client sends is ended, so only the waiting answer is left.
    let call = rialto_tests::raw::call_block("/stub.Stub/Hang", &[]);
    let ends = flag::END_STREAM | flag::END_HEADERS;
    busy.send(&frame(kind::HEADERS, ends, 1, &call)).await.unwrap();
    for _ in 0..3 {
        let mut idle = Wire::http2(stub.address).await;
        assert!(!idle.ended().await.is_empty());
    }
    busy.send(&frame(kind::PING, 0, 0, b"are here")).await.unwrap();
    let pong = busy.next(kind::PING).await.unwrap();
    assert_eq!(pong.payload, b"are here");
    // When its stream ends it has its time from then on.
    busy.send(&frame(kind::RST_STREAM, 0, 1, &[0, 0, 0, 8])).await.unwrap();
    assert!(busy.ended().await.iter().any(|frame| frame.kind == kind::GOAWAY));
}

#[tokio::test]
async fn a_message_that_is_never_complete_is_late() {
    let stub = stub().await;
    for (turn, part) in (1..).zip([&b""[..], b"\0\0", b"\0\0\0\0\x05abcd"]) {
        let answer = Call::new("/stub.Stub/Echo", part.to_vec()).left_open().make(stub.address).await;
        assert_eq!(answer.status(), 4, "{answer:?}");
        assert_eq!(stub.refused("message_timeout"), turn);
    }
    stub.is_well().await;
}

#[tokio::test]
async fn silence_between_messages_is_not_late() {
    let stub = stub().await;
    let mut wire = Wire::http2(stub.address).await;
    wire.open(1, "/stub.Stub/Talk").await;
    let note = message(b"\x0a\x01a");
    wire.send(&frame(kind::DATA, 0, 1, &note)).await.unwrap();
    assert_eq!(wire.next(kind::DATA).await.unwrap().payload, note);
    // Another call that is late shows that the time has passed.
    let late = Call::new("/stub.Stub/Echo", Vec::new()).left_open().make(stub.address).await;
    assert_eq!(late.status(), 4);
    wire.send(&frame(kind::DATA, 0, 1, &note)).await.unwrap();
    assert_eq!(wire.next(kind::DATA).await.unwrap().payload, note);
    // The second message dribbles.
    wire.send(&frame(kind::DATA, 0, 1, &note[..6])).await.unwrap();
    let ended = wire.next(kind::HEADERS).await.unwrap();
    assert_eq!((ended.stream, ended.flags & flag::END_STREAM), (1, flag::END_STREAM));
    assert_eq!(stub.refused("message_timeout"), 2);
}

#[tokio::test]
async fn an_address_has_so_many_connections() {
    let stub = Stub::start(ConnectionLimits {
        loopback_counted: true,
        connections_per_address_max: 2,
        new_per_address_per_second: 0,
        ..ConnectionLimits::default()
    })
    .await;
    let mut first = Wire::http2(stub.address).await;
    let mut second = Wire::http2(stub.address).await;
    for wire in [&mut first, &mut second] {
        wire.next(kind::SETTINGS).await.unwrap();
    }
    let mut third = Wire::connect(stub.address).await;
    assert_eq!(third.text().await, "");
    assert_eq!(stub.cut("address"), 1);
    drop(first);
    eventually("the place is free", || stub.metrics.connections.get() == 1).await;
    stub.is_well().await;
}

#[tokio::test]
async fn an_address_connects_only_so_often() {
    let stub = Stub::start(ConnectionLimits {
        loopback_counted: true,
        new_per_address_per_second: 5,
        ..ConnectionLimits::default()
    })
    .await;
    let began = clock::now();
    let mut wires = Vec::new();
    for _ in 0..30 {
        wires.push(Wire::connect(stub.address).await);
    }
    eventually("all were looked at", || stub.metrics.connections_accepted.get() + stub.cut("rate") == 30)
        .await;
    let seconds = (clock::now() - began).as_secs() + 1;
    let accepted = stub.metrics.connections_accepted.get();
    assert!((5..=5 * (seconds + 1)).contains(&accepted), "{accepted} in {seconds} s");
}

#[tokio::test]
async fn beyond_the_bound_connections_wait_their_turn() {
    let stub = Stub::start(ConnectionLimits { connections_max: 2, ..ConnectionLimits::default() }).await;
    let mut first = Wire::http2(stub.address).await;
    let mut second = Wire::http2(stub.address).await;
    for wire in [&mut first, &mut second] {
        wire.next(kind::SETTINGS).await.unwrap();
    }
    let mut third = Wire::connect(stub.address).await;
    third.send(b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    // The others are served while it waits.
    first.send(&frame(kind::PING, 0, 0, b"are here")).await.unwrap();
    first.next(kind::PING).await.unwrap();
    assert_eq!(stub.metrics.connections_accepted.get(), 2);
    drop(second);
    assert!(third.text().await.ends_with("alive\n"));
}

/// Run by [`descriptor_exhaustion_does_not_spin_and_heals`] in a process that may have few descriptors.
#[tokio::test]
async fn child_without_descriptors() {
    let Some(report) = std::env::var_os("RIALTO_TEST_REPORT") else {
        return;
    };
    let stub = stub().await;
    let client = TcpSocket::new_v4().unwrap();
    let mut files = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        files.push(file);
    }
    assert!(files.len() < 100);
    let began = clock::now();
    let client = client.connect(stub.address).await.unwrap();
    eventually("three failures", || stub.cut("accept") >= 3).await;
    let took = clock::now() - began;
    assert!(took >= Duration::from_millis(300), "three failures in {took:?}: it spins");
    drop(files);
    let mut wire = Wire::over(client);
    wire.send(b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(wire.text().await.ends_with("alive\n"));
    assert!(stub.cut("accept") <= 6);
    std::fs::write(report, "seen").unwrap();
}

#[test]
fn descriptor_exhaustion_does_not_spin_and_heals() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report");
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 64; exec \"$0\" --exact edge_connections::child_without_descriptors"])
        .arg(std::env::current_exe().unwrap())
        .env("RIALTO_TEST_REPORT", &report)
        .output()
        .unwrap();
    assert!(output.status.success() && report.exists(), "{output:?}");
}

#[tokio::test]
async fn a_cut_ends_the_connection_and_all_on_it() {
    let stub = stub().await;
    let mut wire = Wire::http2(stub.address).await;
    wire.open(1, "/stub.Stub/Hang").await;
    wire.open(3, "/stub.Stub/Cut").await;
    wire.ended().await;
    eventually("it is counted", || stub.cut("ordered") == 1).await;
    eventually("it is given back", || stub.metrics.connections.get() == 0).await;
    stub.is_well().await;
}

#[tokio::test]
async fn a_node_that_stops_first_listens_no_more_then_says_goodbye_then_cuts() {
    let stub = Stub::start(ConnectionLimits::default()).await;
    let mut ends = Wire::http2(stub.address).await;
    ends.open(1, "/stub.Stub/Talk").await;
    ends.next(kind::HEADERS).await.unwrap();
    let mut stays = Wire::http2(stub.address).await;
    stays.open(1, "/stub.Stub/Hang").await;
    stays.next(kind::SETTINGS).await.unwrap();
    let mut silent = Wire::connect(stub.address).await;
    eventually("three connections", || stub.metrics.connections.get() == 3).await;

    stub.tasks.draining().cancel();
    refused(stub.address).await;
    let note = message(b"\x0a\x01a");
    ends.send(&frame(kind::DATA, 0, 1, &note)).await.unwrap();
    assert_eq!(ends.next(kind::DATA).await.unwrap().payload, note);

    stub.farewell.cancel();
    assert_eq!(silent.text().await, "");
    let goodbye = ends.next(kind::GOAWAY).await.unwrap();
    assert_eq!(goodbye.error(), 0);
    let ping = ends.next(kind::PING).await.unwrap();
    ends.send(&frame(kind::PING, flag::ACK, 0, &ping.payload)).await.unwrap();
    ends.send(&frame(kind::DATA, flag::END_STREAM, 1, &note)).await.unwrap();
    assert!(ends.ended().await.iter().any(|frame| frame.kind == kind::DATA && frame.payload == note));
    stays.next(kind::GOAWAY).await.unwrap();
    assert!(!stub.edge.is_finished());

    stub.tasks.stopping().cancel();
    stays.ended().await;
    soon(stub.edge).await.unwrap();
    soon(stub.tasks.ended()).await;
    assert_eq!(stub.metrics.connections.get(), 0);
}

async fn refused(address: SocketAddr) {
    let knock = async { while TcpStream::connect(address).await.is_ok() {} };
    soon(knock).await;
}

#[tokio::test]
async fn bounds_that_are_absurd_do_no_harm() {
    let longest = Duration::from_secs(u64::MAX / 4);
    let stub = Stub::start(ConnectionLimits {
        tls_timeout: longest,
        preface_timeout: longest,
        idle_timeout: longest,
        message_timeout: longest,
        keepalive_interval: longest,
        keepalive_timeout: longest,
        window_bytes: u32::MAX,
        stream_window_bytes: u32::MAX,
        stream_send_buffer_bytes: u32::MAX,
        header_list_bytes_max: u32::MAX / 4,
        connections_max: u32::MAX,
        ..ConnectionLimits::default()
    })
    .await;
    stub.is_well().await;
    let zero = Stub::start(ConnectionLimits {
        tls_timeout: Duration::ZERO,
        preface_timeout: Duration::ZERO,
        idle_timeout: Duration::ZERO,
        message_timeout: Duration::ZERO,
        keepalive_interval: Duration::ZERO,
        keepalive_timeout: Duration::ZERO,
        connections_per_address_max: 0,
        new_per_address_per_second: 0,
        header_fields_max: 0,
        control_frames_max: 0,
        streams_max: 0,
        ..ConnectionLimits::default()
    })
    .await;
    zero.is_well().await;
}
