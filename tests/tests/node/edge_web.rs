//! Browsers and TLS against the running edge: origins, preflights, grpc-web over both protocols, pages, probes, and both
//! protocols behind TLS.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{fs, sync::Arc, time::Duration};

use rialto_server::{
    base::{
        config::{TlsConfig, WebConfig},
        limits::ConnectionLimits,
    },
    grpc::edge::tls,
};
use rialto_tests::raw::{
    Call, Wire, eventually, message, soon,
    stub::{Setup, Stub},
};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName},
    },
};

const NOTE: &[u8] = b"\x0a\x02hi";

async fn stub() -> Stub {
    let setup = Setup {
        web: WebConfig { origins: vec!["https://app.example.com".to_owned()], ..WebConfig::default() },
        ..Setup::default()
    };
    setup.start().await
}

/// Sends an HTTP/1.1 request and returns the whole answer.
async fn exchange(stub: &Stub, head: &str, body: &[u8]) -> String {
    let mut wire = Wire::connect(stub.address).await;
    let length = body.len();
    let request = format!("{head}\r\nhost: node\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    wire.send(&[request.as_bytes(), body].concat()).await.unwrap();
    wire.text().await
}

#[tokio::test]
async fn pages_of_other_origins_may_not_call() {
    let stub = stub().await;
    for (turn, origin) in (1..).zip([
        "null",
        "https://evil.example",
        "https://app.example.com.evil.example",
        "https://evilapp.example.com",
        "http://app.example.com",
        "https://app.example.com:444",
        "http://node.evil.example",
        "http://node:81",
    ]) {
        let call = Call::new("/stub.Stub/Echo", message(NOTE)).and("origin", origin);
        let answer = call.with("content-type", "application/grpc-web").make(stub.address).await;
        assert_eq!(answer.http, 403, "{origin}");
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{origin}");
        assert_eq!(stub.refused("origin"), turn);
    }
    let preflight =
        Call::new("/stub.Stub/Echo", Vec::new()).method("OPTIONS").and("origin", "https://evil.example");
    assert_eq!(preflight.and("access-control-request-method", "POST").make(stub.address).await.http, 403);
    stub.is_well().await;
}

#[tokio::test]
async fn pages_of_permitted_origins_call_and_read_the_status() {
    let stub = stub().await;
    for origin in ["https://app.example.com", "http://node"] {
        let call = Call::new("/stub.Stub/Nothing", message(NOTE)).and("origin", origin);
        let answer = call.with("content-type", "application/grpc-web+proto").make(stub.address).await;
        assert_eq!((answer.http.as_u16(), answer.status()), (200, 12), "{origin}: {answer:?}");
        assert_eq!(answer.headers["access-control-allow-origin"], origin);
        let exposed = answer.headers["access-control-expose-headers"].to_str().unwrap();
        for name in ["grpc-status", "grpc-message", "grpc-status-details-bin"] {
            assert!(exposed.split(',').any(|held| held.trim() == name), "{name} is not in {exposed}");
        }
        assert!(!answer.headers.contains_key("access-control-allow-credentials"));
    }
}

#[tokio::test]
async fn a_preflight_names_what_is_permitted() {
    let stub = stub().await;
    let head = "OPTIONS /stub.Stub/Echo HTTP/1.1\r\norigin: https://app.example.com\r\n\
        access-control-request-method: POST\r\naccess-control-request-headers: content-type,x-grpc-web,authorization";
    let answer = exchange(&stub, head, b"").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("access-control-allow-origin: https://app.example.com\r\n"), "{answer}");
    assert!(answer.contains("access-control-allow-methods: POST\r\n"), "{answer}");
    for name in ["content-type", "x-grpc-web", "authorization", "grpc-timeout"] {
        let allowed = answer.lines().find(|line| line.starts_with("access-control-allow-headers")).unwrap();
        assert!(allowed.contains(name), "{name} is not in {allowed}");
    }
}

#[tokio::test]
async fn grpc_web_works_over_http_1() {
    let stub = stub().await;
    for kind in ["application/grpc-web", "application/grpc-web+proto"] {
        let head = format!("POST /stub.Stub/Echo HTTP/1.1\r\ncontent-type: {kind}\r\nx-grpc-web: 1");
        let answer = exchange(&stub, &head, &message(NOTE)).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("\nhi") || answer.contains("\u{2}hi"), "{answer}");
        assert!(answer.contains("grpc-status:0"), "{answer}");
    }
    let text = "POST /stub.Stub/Echo HTTP/1.1\r\ncontent-type: application/grpc-web-text\r\naccept: application/grpc-web-text";
    // The message in base64.
    let answer = exchange(&stub, text, b"AAAAAAQKAmhp").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("AAAAAAQKAmhp"), "{answer}");
}

#[tokio::test]
async fn bad_calls_of_browsers_get_the_right_status() {
    let stub = stub().await;
    let head = "POST /stub.Stub/Echo HTTP/1.1\r\ncontent-type: application/grpc-web";
    let answer = exchange(&stub, head, &[0, 0xff, 0xff, 0xff, 0xff]).await;
    assert!(answer.contains("grpc-status: 8\r\n") || answer.contains("grpc-status:8"), "{answer}");
    let answer = exchange(&stub, head, &message(&[0x0f, 1])).await;
    assert!(answer.contains("grpc-status: 3\r\n") || answer.contains("grpc-status:3"), "{answer}");
    let late = "POST /stub.Stub/Pour HTTP/1.1\r\ncontent-type: application/grpc-web\r\ngrpc-timeout: 200m";
    let answer = exchange(&stub, late, &message(b"\x0a\x07silence")).await;
    assert!(answer.contains("grpc-status:4"), "{answer}");
}

#[tokio::test]
async fn http_1_that_is_neither_page_nor_grpc_web_is_told_what_it_is() {
    let stub = stub().await;
    for (head, status) in [
        ("POST /stub.Stub/Echo HTTP/1.1\r\ncontent-type: application/grpc", 415),
        ("POST /stub.Stub/Echo HTTP/1.1\r\ncontent-type: application/json", 415),
        ("POST /stub.Stub/Echo HTTP/1.1", 415),
        ("GET /stub.Stub/Echo HTTP/1.1", 405),
        ("GET /no/page HTTP/1.1", 404),
        ("GET /../../etc/passwd HTTP/1.1", 404),
        ("GET /%2e%2e/etc/passwd HTTP/1.1", 404),
        ("DELETE / HTTP/1.1", 405),
        ("GET / HTTP/1.1\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__", 200),
    ] {
        let answer = exchange(&stub, head, b"").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{head}: {answer}");
    }
    stub.is_well().await;
}

#[tokio::test]
async fn the_front_page_is_guarded_and_remembered() {
    let stub = stub().await;
    let page = exchange(&stub, "GET / HTTP/1.1", b"").await;
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("<html"), "{page}");
    for field in [
        "content-type: text/html; charset=utf-8",
        "content-security-policy: default-src 'self'; connect-src 'self'",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
        "cache-control: no-cache",
    ] {
        assert!(page.contains(field), "{field} is not in {page}");
    }
    let tag = page.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
    let again = exchange(&stub, &format!("GET / HTTP/1.1\r\nif-none-match: {tag}"), b"").await;
    assert!(again.starts_with("HTTP/1.1 304"), "{again}");
}

#[tokio::test]
async fn probes_and_metrics_answer() {
    let stub = stub().await;
    assert!(exchange(&stub, "GET /healthz HTTP/1.1", b"").await.starts_with("HTTP/1.1 200"));
    assert!(exchange(&stub, "GET /readyz HTTP/1.1", b"").await.starts_with("HTTP/1.1 200"));
    assert!(
        exchange(&stub, "GET /metrics HTTP/1.1", b"").await.contains("rialto_connections_accepted_total 3")
    );
    stub.health.drain();
    assert!(exchange(&stub, "GET /healthz HTTP/1.1", b"").await.starts_with("HTTP/1.1 200"));
    assert!(exchange(&stub, "GET /readyz HTTP/1.1", b"").await.starts_with("HTTP/1.1 503"));
}

#[tokio::test]
async fn a_node_that_may_not_be_looked_into_shows_nothing() {
    let setup = Setup {
        web: WebConfig { inspection: false, pages: false, ..WebConfig::default() },
        ..Setup::default()
    };
    let stub = setup.start().await;
    assert!(exchange(&stub, "GET /metrics HTTP/1.1", b"").await.starts_with("HTTP/1.1 404"));
    assert!(exchange(&stub, "GET / HTTP/1.1", b"").await.starts_with("HTTP/1.1 404"));
    let path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    assert_eq!(Call::new(path, message(&[0x3a, 0])).make(stub.address).await.status(), 12);
}

/// An edge behind TLS, and the certificate to trust.
async fn encrypted(limits: ConnectionLimits) -> (Stub, CertificateDer<'static>) {
    let pair = rcgen::generate_simple_self_signed(["node".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config =
        TlsConfig { certificate: folder.path().join("certificate.pem"), key: folder.path().join("key.pem") };
    fs::write(&config.certificate, pair.cert.pem()).unwrap();
    fs::write(&config.key, pair.signing_key.serialize_pem()).unwrap();
    let setup = Setup { limits, tls: Some(tls::load(&config).unwrap()), ..Setup::default() };
    (setup.start().await, pair.cert.der().clone())
}

async fn shake(stub: &Stub, trusted: &CertificateDer<'static>, offers: &[&str]) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = offers.iter().map(|offer| offer.as_bytes().to_vec()).collect();
    let io = TcpStream::connect(stub.address).await.unwrap();
    let name = ServerName::try_from("node").unwrap();
    soon(TlsConnector::from(Arc::new(config)).connect(name, io)).await.unwrap()
}

#[tokio::test]
async fn both_protocols_work_behind_tls() {
    let (stub, trusted) = encrypted(ConnectionLimits::default()).await;
    let http2 = shake(&stub, &trusted, &["h2", "http/1.1"]).await;
    assert_eq!(http2.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let answer = Call::new("/stub.Stub/Echo", message(NOTE)).make_over(http2).await;
    assert_eq!((answer.status(), &answer.body[5..]), (0, NOTE));

    for offers in [&["http/1.1"][..], &[]] {
        let http1 = shake(&stub, &trusted, offers).await;
        assert_eq!(http1.get_ref().1.alpn_protocol().is_some(), !offers.is_empty());
        let mut wire = Wire::over(http1);
        wire.send(b"GET /healthz HTTP/1.1\r\nhost: node\r\nconnection: close\r\n\r\n").await.unwrap();
        assert!(wire.text().await.ends_with("alive\n"));
    }
}

#[tokio::test]
async fn a_slow_or_false_handshake_is_ended() {
    let limits = ConnectionLimits {
        tls_timeout: Duration::from_millis(200),
        preface_timeout: Duration::from_millis(200),
        ..ConnectionLimits::default()
    };
    let (stub, trusted) = encrypted(limits).await;
    for (turn, beginning) in (1..).zip([&b""[..], b"\x16\x03\x01\x02\0\x01", b"GET / HTTP/1.1\r\n\r\n"]) {
        let mut wire = Wire::connect(stub.address).await;
        wire.send(beginning).await.unwrap();
        wire.text().await;
        eventually("it is counted", || stub.cut("tls") == turn).await;
    }
    // A good handshake and then silence is the matter of the preface.
    let mut silent = Wire::over(shake(&stub, &trusted, &["h2"]).await);
    assert_eq!(silent.text().await, "");
    eventually("it is counted", || stub.cut("preface") == 1).await;
}

#[tokio::test]
async fn a_false_certificate_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty.pem");
    fs::write(&path, "").unwrap();
    let missing = folder.path().join("missing.pem");
    for certificate in [&path, &missing] {
        let config = TlsConfig { certificate: certificate.clone(), key: path.clone() };
        let error = tls::load(&config).unwrap_err().to_string();
        assert!(error.contains(certificate.to_str().unwrap()), "{error}");
    }
}

#[tokio::test]
async fn pages_are_sent_compressed_to_browsers_that_can_read_it() {
    let stub = Stub::start(ConnectionLimits::default()).await;
    let plain = exchange(&stub, "GET /assets/chat.js HTTP/1.1", b"").await;
    let packed = exchange(&stub, "GET /assets/chat.js HTTP/1.1\r\naccept-encoding: gzip", b"").await;

    assert!(plain.starts_with("HTTP/1.1 200") && !plain.contains("content-encoding"));
    assert!(packed.contains("content-encoding: gzip") && packed.contains("vary: accept-encoding"));
    // What is not text is one sign for each byte, or fewer.
    let (packed, plain) = (packed.chars().count(), plain.chars().count());
    assert!(packed * 2 < plain, "{packed} bytes instead of {plain}");
}
