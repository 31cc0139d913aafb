//! HTTP/2 attacks on the running edge: each test sends what a bound forbids and sees its effective value, and that the
//! node serves others afterwards.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use rialto_server::base::limits::ConnectionLimits;
use rialto_tests::raw::{
    ENHANCE_YOUR_CALM, Frame, PREFACE, REFUSED_STREAM, Wire, block, call_block, eventually, flag, frame,
    kind, message,
    stub::{POURED_BYTES, Stub},
};
use tokio::net::TcpSocket;

async fn stub() -> Stub {
    Stub::start(ConnectionLimits::default()).await
}

/// "431" in the Huffman code of HPACK, as h2 writes it.
const TOO_LARGE: [u8; 3] = [0x69, 0x90, 0xff];

fn is_431(frame: &Frame) -> bool {
    frame.kind == kind::HEADERS && frame.payload.windows(3).any(|bytes| bytes == TOO_LARGE)
}

fn says_calm(frames: &[Frame]) -> bool {
    frames.iter().any(|frame| frame.kind == kind::GOAWAY && frame.error() == ENHANCE_YOUR_CALM)
}

fn head(stream: u32, flags: u8, block: &[u8]) -> Vec<u8> {
    frame(kind::HEADERS, flag::END_HEADERS | flags, stream, block)
}

fn reset(stream: u32) -> Vec<u8> {
    frame(kind::RST_STREAM, 0, stream, &8_u32.to_be_bytes())
}

fn window(stream: u32, increment: u32) -> Vec<u8> {
    frame(kind::WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

#[tokio::test]
async fn the_bounds_are_announced() {
    let stub = stub().await;
    let mut wire = Wire::http2(stub.address).await;
    let settings = wire.next(kind::SETTINGS).await.unwrap().settings();
    for (id, value) in [(3, 100), (4, 64 << 10), (6, 8 << 10)] {
        assert!(settings.contains(&(id, value)), "setting {id} is not {value} in {settings:?}");
    }
    // Frames of the smallest permitted size are the protocol's default, which may go unsaid.
    assert!(settings.iter().all(|(id, value)| *id != 5 || *value == 16 << 10));
    let update = wire.next(kind::WINDOW_UPDATE).await.unwrap();
    assert_eq!((update.stream, update.error()), (0, (128 << 10) - 65_535));
}

#[tokio::test]
async fn the_101st_stream_is_refused() {
    let stub = stub().await;
    let mut wire = Wire::http2(stub.address).await;
    for stream in 0..101 {
        wire.open(1 + 2 * stream, "/stub.Stub/Hang").await;
    }
    let refused = wire.next(kind::RST_STREAM).await.unwrap();
    assert_eq!((refused.stream, refused.error()), (201, REFUSED_STREAM));
    // One ends, and there is room again.
    wire.send(&reset(1)).await.unwrap();
    wire.send(&head(203, 0, &call_block("/stub.Stub/Echo", &[]))).await.unwrap();
    wire.send(&frame(kind::DATA, flag::END_STREAM, 203, &message(b"\x0a\x01a"))).await.unwrap();
    assert_eq!(wire.next(kind::DATA).await.unwrap().stream, 203);
    stub.is_well().await;
}

#[tokio::test]
async fn a_header_list_over_8_kib_is_431() {
    let stub = stub().await;
    let mut wire = Wire::http2(stub.address).await;
    let long = "a".repeat(9 << 10);
    wire.send(&head(1, flag::END_STREAM, &call_block("/stub.Stub/Echo", &[("long", &long)]))).await.unwrap();
    let answer = wire.next(kind::HEADERS).await.unwrap();
    assert!(is_431(&answer), "{answer:?}");
    // The connection lives on.
    wire.send(&head(3, 0, &call_block("/stub.Stub/Echo", &[]))).await.unwrap();
    wire.send(&frame(kind::DATA, flag::END_STREAM, 3, &message(b""))).await.unwrap();
    assert_eq!(wire.next(kind::DATA).await.unwrap().stream, 3);
}

#[tokio::test]
async fn more_than_64_header_fields_are_431() {
    let stub = stub().await;
    let mut wire = Wire::http2(stub.address).await;
    let many = vec![("a", "1"); 65];
    wire.send(&head(1, flag::END_STREAM, &call_block("/stub.Stub/Echo", &many))).await.unwrap();
    let answer = wire.next(kind::HEADERS).await.unwrap();
    assert!(is_431(&answer), "{answer:?}");
    assert_eq!(stub.refused("header_fields"), 1);
    stub.is_well().await;
}

#[tokio::test]
async fn many_references_to_one_long_field_do_not_fill_memory() {
    let stub = stub().await;
    let mut wire = Wire::http2(stub.address).await;
    // The field enters the table once; each later byte names it again.
    let mut bomb = call_block("/stub.Stub/Hang", &[]);
    bomb.push(0x40);
    bomb.extend(&block(&[("long", &"a".repeat(3000))])[1..]);
    bomb.extend([0x80 | 62; 490]);
    wire.send(&head(1, flag::END_STREAM, &bomb)).await.unwrap();
    let mut ended = false;
    while let Some(frame) = wire.frame().await {
        ended |= is_431(&frame) || frame.kind == kind::GOAWAY;
        if ended {
            break;
        }
    }
    assert!(ended);
    stub.is_well().await;
}

#[tokio::test]
async fn continuation_without_end_ends_the_connection() {
    let stub = stub().await;
    let mut wire = Wire::http2(stub.address).await;
    let begin = frame(kind::HEADERS, 0, 1, &call_block("/stub.Stub/Echo", &[]));
    wire.send(&begin).await.unwrap();
    let (_, frames) = wire.flood(100_000, |_| frame(kind::CONTINUATION, 0, 1, &block(&[("a", "b")]))).await;
    assert!(says_calm(&frames), "{frames:?}");
    eventually("the connection ends", || stub.cut("protocol") + stub.cut("control_frames") == 1).await;
    stub.is_well().await;
}

#[tokio::test]
async fn a_rapid_reset_ends_the_connection() {
    let stub = stub().await;
    let wire = Wire::http2(stub.address).await;
    let call = call_block("/stub.Stub/Hang", &[]);
    let (sent, frames) = wire
        .flood(50_000, |time| {
            let stream = 1 + 2 * time as u32;
            [head(stream, flag::END_STREAM, &call), reset(stream)].concat()
        })
        .await;
    assert!(sent < 50_000);
    assert!(says_calm(&frames));
    assert!(frames.iter().filter(|frame| frame.kind == kind::HEADERS).count() == 0);
    stub.is_well().await;
}

#[tokio::test]
async fn provoked_resets_end_the_connection() {
    // The guard is off, so that h2's own bound is what is seen.
    let stub = Stub::start(ConnectionLimits { control_frames_max: 0, ..ConnectionLimits::default() }).await;
    let call = call_block("/stub.Stub/Hang", &[]);
    let provocations: [fn(u32) -> Vec<u8>; 3] = [
        |stream| window(stream, 0),
        |stream| window(stream, 0x7fff_ffff),
        |stream| frame(kind::PRIORITY, 0, stream, &[&stream.to_be_bytes()[..], &[0]].concat()),
    ];
    for provoke in provocations {
        let wire = Wire::http2(stub.address).await;
        let (sent, frames) = wire
            .flood(10_000, |time| {
                let stream = 1 + 2 * time as u32;
                [head(stream, 0, &call), provoke(stream)].concat()
            })
            .await;
        let resets = frames.iter().filter(|frame| frame.kind == kind::RST_STREAM).count();
        assert!(sent < 10_000 && resets <= 65, "{sent} provocations, {resets} resets");
        assert!(frames.iter().any(|frame| frame.kind == kind::GOAWAY));
    }
    stub.is_well().await;
}

type Control = fn() -> Vec<u8>;

#[tokio::test]
async fn control_frames_without_reason_end_the_connection() {
    let controls: [(&str, Control); 6] = [
        ("PING", || frame(kind::PING, 0, 0, &[7; 8])),
        ("PING that answers", || frame(kind::PING, flag::ACK, 0, &[7; 8])),
        ("SETTINGS", || frame(kind::SETTINGS, 0, 0, &[])),
        ("WINDOW_UPDATE", || window(0, 1)),
        ("PRIORITY", || frame(kind::PRIORITY, 0, 1, &[0, 0, 0, 3, 0])),
        ("an unknown type", || frame(0xfa, 0, 0, &[1, 2, 3])),
    ];
    let stub = stub().await;
    for (turn, (name, control)) in (1..).zip(controls) {
        let mut wire = Wire::http2(stub.address).await;
        wire.open(1, "/stub.Stub/Hang").await;
        let (sent, _) = wire.flood(1_000_000, |_| control()).await;
        assert!(sent < 1_000_000, "{name}");
        eventually(name, || stub.cut("control_frames") == turn).await;
    }
    stub.is_well().await;
}

#[tokio::test]
async fn data_frames_without_data_end_the_connection() {
    let stub = stub().await;
    for (turn, payload) in (1..).zip([&[][..], &[0]]) {
        let mut wire = Wire::http2(stub.address).await;
        wire.open(1, "/stub.Stub/Hang").await;
        let (sent, _) = wire.flood(1_000_000, |_| frame(kind::DATA, 0, 1, payload)).await;
        assert!(sent < 1_000_000);
        // h2 has a budget for small frames too; whichever is reached first.
        eventually("the connection ends", || stub.cut("protocol") + stub.cut("control_frames") == turn).await;
    }
    stub.is_well().await;
}

#[tokio::test]
async fn exactly_the_permitted_control_frames_pass() {
    let stub = stub().await;
    let mut wire = Wire::http2(stub.address).await;
    // The node's SETTINGS explain one frame more, which is its acknowledgement. The client's SETTINGS are one.
    wire.send(&frame(kind::PING, 0, 0, &[7; 8]).repeat(199)).await.unwrap();
    for _ in 0..199 {
        wire.next(kind::PING).await.unwrap();
    }
    wire.send(&frame(kind::PING, 0, 0, &[7; 8])).await.unwrap();
    let frames = wire.ended().await;
    assert!(says_calm(&frames), "{frames:?}");
    assert_eq!(stub.cut("control_frames"), 1);
}

#[tokio::test]
async fn a_receiver_may_answer_what_it_receives() {
    let stub = stub().await;
    let mut wire = Wire::http2(stub.address).await;
    wire.send(&head(1, 0, &call_block("/stub.Stub/Pour", &[]))).await.unwrap();
    wire.send(&frame(kind::DATA, flag::END_STREAM, 1, &message(b""))).await.unwrap();
    for _ in 0..1_000 {
        let length = wire.next(kind::DATA).await.unwrap().payload.len() as u32;
        let answers = [window(0, length), window(1, length), frame(kind::PING, 0, 0, &[1; 8])].concat();
        wire.send(&answers).await.unwrap();
    }
    assert_eq!(stub.cut("control_frames"), 0);
}

/// Serves others until the toy pours no more; how many bytes it has poured.
async fn poured_in_the_end(stub: &Stub) -> usize {
    loop {
        let before = stub.poured.load(Relaxed);
        for _ in 0..10 {
            stub.is_well().await;
        }
        if before > 0 && before == stub.poured.load(Relaxed) {
            return before * POURED_BYTES;
        }
    }
}

#[tokio::test]
async fn a_reader_without_a_window_costs_one_buffer() {
    let stub = stub().await;
    let mut wire = Wire::http2_with(stub.address, &[(4, 0)]).await;
    pour(&mut wire, 1).await;
    wire.next(kind::HEADERS).await.unwrap();
    let poured = poured_in_the_end(&stub).await;
    assert!(poured <= 64 << 10, "{poured} bytes were made for a reader that takes none");
}

#[tokio::test]
async fn a_reader_with_endless_windows_that_stops_costs_its_buffers_and_no_more() {
    let stub = stub().await;
    // The kernel holds little, so that what the node holds can be told.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    let mut wire = Wire::over(socket.connect(stub.address).await.unwrap());
    let endless = [0, 4, 0x7f, 0xff, 0xff, 0xff];
    let settings = frame(kind::SETTINGS, 0, 0, &endless);
    wire.send(&[PREFACE, &settings, &window(0, 0x7fff_0000)].concat()).await.unwrap();
    for stream in 0..16 {
        pour(&mut wire, 1 + 2 * stream).await;
    }
    let poured = poured_in_the_end(&stub).await;
    assert!(poured <= 16 * (64 << 10) * 2, "{poured} bytes were made for a reader that has stopped");
}

async fn pour(wire: &mut Wire, stream: u32) {
    wire.send(&head(stream, 0, &call_block("/stub.Stub/Pour", &[]))).await.unwrap();
    wire.send(&frame(kind::DATA, flag::END_STREAM, stream, &message(b""))).await.unwrap();
}

#[tokio::test]
async fn a_peer_that_does_not_answer_a_ping_is_cut() {
    let stub = Stub::start(ConnectionLimits {
        keepalive_interval: Duration::from_millis(100),
        keepalive_timeout: Duration::from_millis(100),
        ..ConnectionLimits::default()
    })
    .await;
    let mut wire = Wire::http2(stub.address).await;
    wire.open(1, "/stub.Stub/Hang").await;
    let frames = wire.ended().await;
    assert!(frames.iter().any(|frame| frame.kind == kind::PING && frame.flags & flag::ACK == 0));
    eventually("the connection is given back", || stub.metrics.connections.get() == 0).await;
}

#[tokio::test]
async fn frames_that_break_the_protocol_end_the_connection() {
    let stub = stub().await;
    let attacks: [(&str, Vec<u8>); 6] = [
        ("a frame that is too long", frame(kind::DATA, 0, 1, &vec![0; 17 << 10])),
        ("DATA on no stream", frame(kind::DATA, 0, 0, b"a")),
        ("HEADERS on an even stream", head(2, 0, &call_block("/stub.Stub/Echo", &[]))),
        ("a PING of 7 bytes", frame(kind::PING, 0, 0, &[0; 7])),
        ("a window beyond 2^31 - 1", [window(0, 0x7fff_ffff), window(0, 0x7fff_ffff)].concat()),
        ("header fields that cannot be decoded", head(1, 0, &[0xff; 12])),
    ];
    for (name, attack) in attacks {
        let mut wire = Wire::http2(stub.address).await;
        wire.send(&attack).await.unwrap();
        let frames = wire.ended().await;
        assert!(frames.iter().any(|frame| frame.kind == kind::GOAWAY), "{name}: {frames:?}");
    }
    eventually("each is counted", || stub.cut("protocol") == 6).await;
    stub.is_well().await;
}
