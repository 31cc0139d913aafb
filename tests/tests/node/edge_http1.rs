//! HTTP/1.1 attacks on the running edge: two readings of one request, heads without bounds, and bytes that are no HTTP.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use rialto_server::base::limits::ConnectionLimits;
use rialto_tests::raw::{Wire, stub::Stub};

/// Requests that are never complete end soon.
async fn stub() -> Stub {
    Stub::start(ConnectionLimits {
        preface_timeout: Duration::from_millis(200),
        idle_timeout: Duration::from_millis(200),
        ..ConnectionLimits::default()
    })
    .await
}

#[tokio::test]
async fn smuggled_requests_of_http_1_are_not_served() {
    let stub = stub().await;
    let smuggled = "GET /healthz HTTP/1.1\r\nhost: b\r\n\r\n";
    let chunked = format!("0\r\n\r\n{smuggled}");
    let attacks = [
        (
            "both lengths",
            format!("content-length: {}\r\ntransfer-encoding: chunked\r\n\r\n{chunked}", chunked.len()),
        ),
        ("two lengths", format!("content-length: 0\r\ncontent-length: {}\r\n\r\n{smuggled}", smuggled.len())),
        (
            "two codings",
            format!("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n{chunked}"),
        ),
        ("a coding that hides", format!("transfer-encoding : chunked\r\n\r\n{chunked}")),
        ("a coding with a tail", format!("transfer-encoding: xchunked\r\n\r\n{chunked}")),
        ("a folded line", format!("x: a\r\n transfer-encoding: chunked\r\n\r\n{chunked}")),
        ("a length with a sign", format!("content-length: +{}\r\n\r\n{smuggled}", smuggled.len())),
        (
            "a chunk that is too large",
            format!("transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n{smuggled}"),
        ),
    ];
    for (name, rest) in attacks {
        let mut wire = Wire::connect(stub.address).await;
        let head = "POST /a.B/C HTTP/1.1\r\nhost: a\r\ncontent-type: text/plain\r\n";
        wire.send(format!("{head}{rest}").as_bytes()).await.unwrap();
        let answer = wire.text().await;
        assert!(!answer.contains("alive"), "{name}: {answer}");
        assert!(!answer.contains("HTTP/1.1 2"), "{name}: {answer}");
    }
    stub.is_well().await;
}

#[tokio::test]
async fn http_1_has_bounds_too() {
    let stub = stub().await;
    for (name, fields) in
        [("many fields", "a: b\r\n".repeat(65)), ("a long field", format!("a: {}\r\n", "b".repeat(64 << 10)))]
    {
        let mut wire = Wire::connect(stub.address).await;
        // The node may have gone before all of it is sent.
        let request = format!("GET /healthz HTTP/1.1\r\nhost: a\r\n{fields}\r\n");
        drop(wire.send(request.as_bytes()).await);
        let answer = wire.text().await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{name}: {answer}");
    }
    stub.is_well().await;
}

#[tokio::test]
async fn garbage_is_ended() {
    let stub = stub().await;
    for garbage in
        [&[0; 100][..], &[0xff; 100], b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", b"SSH-2.0-x\r\n\r\n"]
    {
        let mut wire = Wire::connect(stub.address).await;
        wire.send(garbage).await.unwrap();
        let answer = wire.text().await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    stub.is_well().await;
}
