//! Requests that are no gRPC calls, or bad ones, against the running edge: the rows of the table of bad inputs that need
//! no session. After each row an honest call is served.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use rialto_server::base::limits::ConnectionLimits;
use rialto_tests::raw::{
    Answer, Call, Wire, eventually, flag, frame, kind, message,
    stub::{MESSAGE_BYTES_MAX, Stub},
};

async fn stub() -> Stub {
    Stub::start(ConnectionLimits::default()).await
}

fn echo(body: Vec<u8>) -> Call {
    Call::new("/stub.Stub/Echo", body)
}

/// A note with a text of this many bytes.
fn note(bytes: usize) -> Vec<u8> {
    let mut note = vec![0x0a];
    let mut length = bytes;
    while length >= 128 {
        note.push(length as u8 | 128);
        length >>= 7;
    }
    note.push(length as u8);
    note.extend(vec![b'a'; bytes]);
    note
}

/// Notes within notes.
fn nested(depth: usize) -> Vec<u8> {
    (0..depth).fold(Vec::new(), |inner, _| {
        let mut outer = vec![0x12];
        let mut length = inner.len();
        while length >= 128 {
            outer.push(length as u8 | 128);
            length >>= 7;
        }
        outer.push(length as u8);
        outer.extend(inner);
        outer
    })
}

#[tokio::test]
async fn what_is_not_grpc_is_refused_by_http() {
    let stub = stub().await;
    let call = || echo(message(b""));
    for (name, call, status, cause) in [
        ("text/plain", call().with("content-type", "text/plain"), 415, "content_type"),
        ("no content type", call().without("content-type"), 415, "content_type"),
        ("two content types", call().and("content-type", "application/grpc"), 415, "content_type"),
        ("grpc+json", call().with("content-type", "application/grpc+json"), 415, "content_type"),
        ("grpc-web+json", call().with("content-type", "application/grpc-web+json"), 415, "content_type"),
        ("GET of a method", call().method("GET"), 405, "method"),
        ("GET of grpc-web", call().method("GET").with("content-type", "application/grpc-web"), 405, "method"),
        ("PUT", call().method("PUT"), 405, "method"),
        ("OPTIONS without origin", call().method("OPTIONS"), 405, "method"),
        ("GET of nothing", Call::new("/nothing", Vec::new()).method("GET"), 404, "path"),
    ] {
        let before = stub.refused(cause);
        let answer = call.make(stub.address).await;
        assert_eq!(answer.http, status, "{name}: {answer:?}");
        assert_eq!(answer.status(), -1, "{name}");
        assert_eq!(stub.refused(cause), before + 1, "{name}");
        if status == 405 {
            assert_eq!(answer.headers["allow"], "POST", "{name}");
        }
    }
    stub.is_well().await;
}

#[tokio::test]
async fn unknown_methods_are_unimplemented() {
    let stub = stub().await;
    for path in ["/stub.Stub/Nothing", "/no.such.Service/Method", "/", "/a/b/c", "/stub.Stub"] {
        let answer = Call::new(path, message(b"")).make(stub.address).await;
        // The root is a page, which takes no calls.
        let expected = if path == "/" { (405, -1) } else { (200, 12) };
        assert_eq!((answer.http.as_u16(), answer.status()), expected, "{path}: {answer:?}");
    }
    stub.is_well().await;
}

#[tokio::test]
async fn connect_is_refused() {
    let stub = stub().await;
    let mut wire = Wire::http2(stub.address).await;
    let block = rialto_tests::raw::block(&[(":method", "CONNECT"), (":authority", "example.com:443")]);
    wire.send(&frame(kind::HEADERS, flag::END_HEADERS, 1, &block)).await.unwrap();
    let answer = wire.next(kind::HEADERS).await.unwrap();
    // "405" in the Huffman code of HPACK.
    assert!(answer.payload.windows(3).any(|bytes| bytes == [0x68, 0x0d, 0xff]), "{answer:?}");

    let mut http1 = Wire::connect(stub.address).await;
    http1.send(b"CONNECT example.com:443 HTTP/1.1\r\nhost: example.com\r\n\r\n").await.unwrap();
    assert!(http1.text_until("\r\n").await.contains(" 405 "));
    stub.is_well().await;
}

#[tokio::test]
async fn bad_messages_get_the_right_status() {
    let stub = stub().await;
    let compressed = |body: &[u8]| [&[1], &message(body)[1..]].concat();
    let large = (MESSAGE_BYTES_MAX as u32 + 1).to_be_bytes();
    let gzip = |body| echo(body).and("grpc-encoding", "gzip");
    for (name, call, status) in [
        ("a length over the limit", echo([&[0][..], &large].concat()), 8),
        ("a length of 4 GiB", echo(vec![0, 0xff, 0xff, 0xff, 0xff]), 8),
        ("a message one byte too large", echo(message(&note(MESSAGE_BYTES_MAX - 3))), 8),
        ("a bad wire type", echo(message(&[0x0f, 1])), 3),
        ("a bad UTF-8", echo(message(&[0x0a, 2, 0xc3, 0x28])), 3),
        ("nesting beyond 100", echo(message(&nested(102))), 3),
        ("a varint of 11 bytes", echo(message(&[0xff; 11])), 3),
        (
            "a negative length",
            echo(message(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1])),
            3,
        ),
        ("a text longer than its message", echo(message(&[0x0a, 9, b'a'])), 3),
        ("a flag without encoding", echo(compressed(b"")), 13),
        ("flag 2", echo([&[2], &message(b"")[1..]].concat()), 13),
        ("corrupt gzip", gzip(compressed(b"this is not gzip")), 13),
        ("a zip bomb", gzip(compressed(BOMB)), 8),
        ("a message that breaks off", echo(vec![0, 0, 0, 0, 9, b'a']), 13),
        ("no message", echo(Vec::new()), 13),
    ] {
        let answer = call.make(stub.address).await;
        assert_eq!((answer.http.as_u16(), answer.status()), (200, status), "{name}: {answer:?}");
        if status != 13 {
            assert!(answer.headers.contains_key("grpc-status-details-bin"), "{name}: {answer:?}");
        }
        stub.is_well().await;
    }
}

#[tokio::test]
async fn a_stream_that_goes_bad_gets_the_right_status() {
    let stub = stub().await;
    for (bad, status) in [(message(&[0x0f, 1]), "3"), (vec![0, 0xff, 0xff, 0xff, 0xff], "8")] {
        let body = [message(&note(1)), bad].concat();
        let answer = Call::new("/stub.Stub/Talk", body).make(stub.address).await;
        assert_eq!(answer.body, message(&note(1)));
        assert_eq!(answer.trailers["grpc-status"], status);
    }
    stub.is_well().await;
}

/// 100 KiB of zeros, packed by gzip.
const BOMB: &[u8] = include_bytes!("../data/zeros.gz");

#[tokio::test]
async fn the_largest_message_passes() {
    let stub = stub().await;
    let body = message(&note(MESSAGE_BYTES_MAX - 4));
    assert_eq!(body.len(), MESSAGE_BYTES_MAX + 5);
    let answer = echo(body.clone()).make(stub.address).await;
    assert_eq!((answer.status(), answer.body.len()), (0, body.len()));
    assert_eq!(echo(message(&nested(100))).make(stub.address).await.status(), 0);
}

#[tokio::test]
async fn an_unknown_encoding_is_unimplemented_and_the_known_are_named() {
    let stub = stub().await;
    let answer = echo(message(b"")).and("grpc-encoding", "br").make(stub.address).await;
    assert_eq!(answer.status(), 12, "{answer:?}");
    let accepted = answer.headers["grpc-accept-encoding"].to_str().unwrap();
    assert!(accepted.contains("gzip"), "{accepted}");
    stub.is_well().await;
}

#[tokio::test]
async fn deadlines_are_kept_and_malformed_ones_refused() {
    let stub = stub().await;
    let hang = || Call::new("/stub.Stub/Hang", message(b""));
    for (timeout, status) in
        [("1n", 4), ("0S", 4), ("50m", 4), ("abc", 3), ("123456789S", 3), ("-1S", 3), ("", 3), ("1", 3)]
    {
        let answer = hang().and("grpc-timeout", timeout).make(stub.address).await;
        assert_eq!(answer.status(), status, "{timeout:?}: {answer:?}");
    }
    assert_eq!(stub.refused("grpc_timeout"), 5);
    assert_eq!(echo(message(b"")).and("grpc-timeout", "20S").make(stub.address).await.status(), 0);
    stub.is_well().await;
}

#[tokio::test]
async fn a_deadline_ends_a_stream_that_has_begun() {
    let stub = stub().await;
    let pour = Call::new("/stub.Stub/Pour", message(b"\x0a\x07silence"));
    let answer = pour.and("grpc-timeout", "200m").make(stub.address).await;
    assert_eq!(answer.body.len(), 5 + rialto_tests::raw::stub::POURED_BYTES);
    assert_eq!(answer.trailers["grpc-status"], "4");
}

#[tokio::test]
async fn two_credentials_are_none() {
    let stub = stub().await;
    let call = echo(message(b"")).and("authorization", "Bearer a").and("authorization", "Bearer b");
    assert_eq!(call.make(stub.address).await.status(), 16);
    assert_eq!(stub.refused("authorization"), 1);
    stub.is_well().await;
}

#[tokio::test]
async fn a_panic_is_internal_and_hurts_nobody_else() {
    let stub = stub().await;
    let answer = Call::new("/stub.Stub/Panic", message(b"")).make(stub.address).await;
    assert_eq!((answer.http.as_u16(), answer.status()), (200, 13));
    let answer = Call::new("/stub.Stub/Pour", message(b"\x0a\x05panic")).make(stub.address).await;
    assert_eq!(answer.trailers["grpc-status"], "13");
    assert_eq!(stub.metrics.panics.get(), 2);
    stub.is_well().await;
}

#[tokio::test]
async fn a_client_that_goes_away_frees_its_stream() {
    let stub = stub().await;
    let mut wire = Wire::http2(stub.address).await;
    wire.open(1, "/stub.Stub/Hang").await;
    wire.next(kind::SETTINGS).await.unwrap();
    drop(wire);
    eventually("the connection is given back", || stub.metrics.connections.get() == 0).await;
}

#[tokio::test]
async fn health_tells_the_state_of_known_services() {
    let stub = stub().await;
    let check = async |service: &str| {
        let request = [&[0x0a, service.len() as u8], service.as_bytes()].concat();
        Call::new("/grpc.health.v1.Health/Check", message(&request)).make(stub.address).await
    };
    let says = |answer: &Answer| (answer.status(), answer.body.last().copied());
    for service in ["", "rialto.v1.MessagingService", "rialto.v1.DirectoryService"] {
        assert_eq!(says(&check(service).await), (0, Some(1)), "{service}");
    }
    assert_eq!(check("no.such.Service").await.status(), 5);
    stub.health.drain();
    assert_eq!(says(&check("").await), (0, Some(2)));
}

#[tokio::test]
async fn reflection_lists_the_services_in_both_versions() {
    let stub = stub().await;
    for version in ["v1", "v1alpha"] {
        let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
        let answer = Call::new(&path, message(&[0x3a, 0])).make(stub.address).await;
        assert_eq!(answer.status(), 0, "{answer:?}");
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        for service in ["rialto.v1.MessagingService", "rialto.v1.DirectoryService", "grpc.health.v1.Health"] {
            assert!(text.contains(service), "{version} does not know {service}");
        }
    }
}
