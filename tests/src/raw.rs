//! Bytes as an attacker would send them: HTTP/2 frames, TCP, HTTP/1.1 text, and gRPC calls without a stub. Every wait has
//! a deadline. It knows nothing of Rialto's messages; `stub` holds a small node edge to attack. Used by `edge_*` tests
//! and by rows of the table of bad inputs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

pub mod stub;

use std::{future::Future, io, net::SocketAddr, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, StatusCode};
use rialto_server::base::tasks::Tasks;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// What a client of HTTP/2 sends first.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long a test waits for anything.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Types of frames.
pub mod kind {
    #![allow(missing_docs, reason = "the names are those of RFC 9113")]
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// Flags of frames.
pub mod flag {
    #![allow(missing_docs, reason = "the names are those of RFC 9113")]
    pub const END_STREAM: u8 = 1;
    pub const ACK: u8 = 1;
    pub const END_HEADERS: u8 = 4;
}

/// Error code: the peer makes too much noise.
pub const ENHANCE_YOUR_CALM: u32 = 0xb;
/// Error code: the stream was not begun.
pub const REFUSED_STREAM: u32 = 0x7;

/// `wait`, but the test fails when it takes too long.
pub async fn soon<F: Future>(wait: F) -> F::Output {
    timeout(PATIENCE, wait).await.expect("this takes too long")
}

/// Looks again and again, giving way to other tasks, until `holds`.
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let look = async {
        let mut pause = tokio::time::interval(Duration::from_millis(2));
        while !holds() {
            pause.tick().await;
        }
    };
    timeout(PATIENCE, look).await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// The bytes of a frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A header block, nothing indexed and nothing compressed.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for text in [name, value] {
            length(&mut bytes, text.len());
            bytes.extend(text.as_bytes());
        }
    }
    bytes
}

fn length(bytes: &mut Vec<u8>, mut length: usize) {
    if length < 127 {
        bytes.push(length as u8);
        return;
    }
    bytes.push(127);
    length -= 127;
    while length >= 128 {
        bytes.push(length as u8 | 128);
        length >>= 7;
    }
    bytes.push(length as u8);
}

/// The header block of a gRPC call of `path`, with `more` fields.
pub fn call_block(path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let mut fields = vec![
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "node"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ];
    fields.extend(more);
    block(&fields)
}

/// A message with its prefix.
pub fn message(bytes: &[u8]) -> Vec<u8> {
    let mut framed = vec![0];
    framed.extend((bytes.len() as u32).to_be_bytes());
    framed.extend(bytes);
    framed
}

/// A frame that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its type.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream.
    pub stream: u32,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl Frame {
    /// The error code of RST_STREAM or GOAWAY.
    pub fn error(&self) -> u32 {
        let at = if self.kind == kind::GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }

    /// The settings it carries.
    pub fn settings(&self) -> Vec<(u16, u32)> {
        let setting = |bytes: &[u8]| {
            let value = u32::from_be_bytes(bytes[2..].try_into().unwrap());
            (u16::from_be_bytes([bytes[0], bytes[1]]), value)
        };
        self.payload.chunks(6).map(setting).collect()
    }
}

/// What can be read and written.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// A connection whose every byte the test decides.
pub struct Wire {
    io: Box<dyn Io>,
}

impl Wire {
    /// TCP, and nothing sent.
    pub async fn connect(address: SocketAddr) -> Self {
        Self::over(soon(TcpStream::connect(address)).await.unwrap())
    }

    /// Over something that is connected already.
    pub fn over(io: impl Io + 'static) -> Self {
        Self { io: Box::new(io) }
    }

    /// HTTP/2 with empty settings.
    pub async fn http2(address: SocketAddr) -> Self {
        Self::http2_with(address, &[]).await
    }

    /// HTTP/2 with these settings.
    pub async fn http2_with(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let mut wire = Self::connect(address).await;
        let mut payload = Vec::new();
        for (id, value) in settings {
            payload.extend(id.to_be_bytes());
            payload.extend(value.to_be_bytes());
        }
        wire.send(PREFACE).await.unwrap();
        wire.send(&frame(kind::SETTINGS, 0, 0, &payload)).await.unwrap();
        wire.send(&frame(kind::SETTINGS, flag::ACK, 0, &[])).await.unwrap();
        wire
    }

    /// Sends bytes. An error means that the other end has gone.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        soon(self.io.write_all(bytes)).await
    }

    /// Begins a call on `stream` and leaves it open.
    pub async fn open(&mut self, stream: u32, path: &str) {
        let begin = frame(kind::HEADERS, flag::END_HEADERS, stream, &call_block(path, &[]));
        self.send(&begin).await.unwrap();
    }

    /// The next frame; `None` when the other end has gone.
    pub async fn frame(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        soon(self.io.read_exact(&mut head)).await.ok()?;
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, l0, l1, l2]) as usize];
        soon(self.io.read_exact(&mut payload)).await.ok()?;
        Some(Frame { kind, flags, stream: u32::from_be_bytes([s0, s1, s2, s3]), payload })
    }

    /// The next frame of this type; `None` when the other end has gone without one.
    pub async fn next(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.frame().await?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }

    /// Waits until the other end has gone; all frames before that.
    pub async fn ended(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.frame().await {
            frames.push(frame);
        }
        frames
    }

    /// Everything up to the end, as text.
    pub async fn text(&mut self) -> String {
        let mut bytes = Vec::new();
        // A reset is an end too; what came before it counts.
        soon(self.io.read_to_end(&mut bytes)).await.unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// HTTP/1.1 text up to and including `end`.
    pub async fn text_until(&mut self, end: &str) -> String {
        let mut bytes = Vec::new();
        while !String::from_utf8_lossy(&bytes).contains(end) {
            match soon(self.io.read_u8()).await {
                Ok(byte) => bytes.push(byte),
                Err(_) => break,
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Sends `attack` again and again until the other end has gone, at most `times`. Returns how often it was sent and
    /// the frames that came back; what comes back is read all the while, so that the other end is never stopped by it.
    pub async fn flood(self, times: usize, mut attack: impl FnMut(usize) -> Vec<u8>) -> (usize, Vec<Frame>) {
        let (read, mut write) = tokio::io::split(self.io);
        let mut reader = Wire::over(tokio::io::join(read, tokio::io::sink()));
        let writing = async {
            for time in 0..times {
                if write.write_all(&attack(time)).await.is_err() {
                    return time;
                }
            }
            times
        };
        let (sent, frames) = soon(async { tokio::join!(writing, reader.ended()) }).await;
        (sent, frames)
    }
}

/// The answer to a call.
#[derive(Debug)]
pub struct Answer {
    /// Status of HTTP.
    pub http: StatusCode,
    /// What came first.
    pub headers: HeaderMap,
    /// What came then.
    pub body: Bytes,
    /// What came last.
    pub trailers: HeaderMap,
}

impl Answer {
    /// The gRPC status, wherever it stands; -1 for none.
    pub fn status(&self) -> i32 {
        let status = self.trailers.get("grpc-status").or_else(|| self.headers.get("grpc-status"));
        status.map_or(-1, |status| status.to_str().unwrap().parse().unwrap())
    }
}

/// A call, described field by field.
#[derive(Debug, Clone)]
pub struct Call {
    method: &'static str,
    path: String,
    fields: Vec<(&'static str, String)>,
    body: Vec<u8>,
    open: bool,
}

impl Call {
    /// A gRPC call of `path` with the body `body`, prefix included.
    pub fn new(path: &str, body: Vec<u8>) -> Self {
        Self {
            method: "POST",
            path: path.to_owned(),
            fields: vec![("content-type", "application/grpc".to_owned()), ("te", "trailers".to_owned())],
            body,
            open: false,
        }
    }

    /// With another method.
    pub fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    /// With this field in place of others of its name.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.fields.retain(|(held, _)| *held != name);
        self.and(name, value)
    }

    /// With one more field.
    pub fn and(mut self, name: &'static str, value: &str) -> Self {
        self.fields.push((name, value.to_owned()));
        self
    }

    /// Without fields of this name.
    pub fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(held, _)| *held != name);
        self
    }

    /// The request is never finished.
    pub fn left_open(mut self) -> Self {
        self.open = true;
        self
    }

    /// Makes the call over HTTP/2, on a connection of its own.
    pub async fn make(self, address: SocketAddr) -> Answer {
        let io = soon(TcpStream::connect(address)).await.unwrap();
        self.make_over(io).await
    }

    /// Makes the call over what is connected already.
    pub async fn make_over(self, io: impl Io + 'static) -> Answer {
        soon(async {
            let (mut client, connection) = h2::client::handshake(io).await.unwrap();
            drop(Tasks::default().spawn("client", connection));
            let mut request = Request::builder().method(self.method).uri(format!("http://node{}", self.path));
            for (name, value) in &self.fields {
                request = request.header(*name, value);
            }
            let (answer, mut body) = client.send_request(request.body(()).unwrap(), false).unwrap();
            // The other end may have answered and gone before it is all sent.
            drop(body.send_data(Bytes::from(self.body), !self.open));
            let (head, mut rest) = answer.await.unwrap().into_parts();
            let mut collected = BytesMut::new();
            while let Some(data) = rest.data().await {
                let data = data.unwrap();
                rest.flow_control().release_capacity(data.len()).unwrap();
                collected.extend(data);
            }
            Answer {
                http: head.status,
                headers: head.headers,
                body: collected.freeze(),
                trailers: rest.trailers().await.unwrap().unwrap_or_default(),
            }
        })
        .await
    }
}
