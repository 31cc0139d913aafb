//! grpc-web as a browser speaks it: HTTP/1.1 on a socket, length-prefixed messages in a chunked body, trailers as a last
//! message. Written by hand, so that the node's translation is not tested with itself.

use std::collections::VecDeque;

use bytes::{Buf, BytesMut};
use prost::Message;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{node::TestNode, within};

/// Set in the first byte of the message that holds the trailers.
const TRAILERS: u8 = 0x80;

/// One call, of which the answer is read piece by piece.
#[derive(Debug)]
pub struct WebCall {
    socket: TcpStream,
    raw: BytesMut,
    body: BytesMut,
    /// The head of the answer, in lower case.
    pub head: String,
    over: bool,
}

/// A piece of an answer.
#[derive(Debug, PartialEq)]
pub enum Piece<T> {
    /// A message.
    Message(T),
    /// The trailers, line by line.
    Trailers(VecDeque<String>),
}

impl WebCall {
    /// Calls `path` with one message, and reads the head of the answer.
    pub async fn make(node: &TestNode, path: &str, message: &impl Message) -> Self {
        Self::make_with(node, path, "", message).await
    }

    /// The same with more lines in the head, each ended by CRLF.
    pub async fn make_with(node: &TestNode, path: &str, more: &str, message: &impl Message) -> Self {
        let mut body = vec![0];
        body.extend(u32::try_from(message.encoded_len()).expect("short").to_be_bytes());
        body.extend(message.encode_to_vec());
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/grpc-web+proto\r\nx-grpc-web: 1\r\n\
             content-length: {}\r\n{more}\r\n",
            node.address(),
            body.len()
        );
        let mut socket = within("a connection", TcpStream::connect(node.address())).await.expect("a socket");
        socket.write_all(head.as_bytes()).await.expect("the node reads");
        socket.write_all(&body).await.expect("the node reads");
        let (raw, body) = (BytesMut::new(), BytesMut::new());
        let mut call = Self { socket, raw, body, head: String::new(), over: false };
        let end = call.until(b"\r\n\r\n").await;
        call.head = String::from_utf8_lossy(&end).to_lowercase();
        assert!(call.head.starts_with("http/1.1 200"), "{}", call.head);
        call
    }

    /// The next piece; waits no longer than for that piece.
    pub async fn next<T: Message + Default>(&mut self) -> Piece<T> {
        while !self.complete() {
            assert!(!self.over, "the answer ended within a message");
            self.chunk().await;
        }
        let flag = self.body.get_u8();
        let length = self.body.get_u32() as usize;
        let message = self.body.split_to(length);
        if flag & TRAILERS == 0 {
            return Piece::Message(T::decode(message.freeze()).expect("a message"));
        }
        let lines = String::from_utf8_lossy(&message).to_lowercase();
        Piece::Trailers(lines.split("\r\n").filter(|line| !line.is_empty()).map(str::to_owned).collect())
    }

    /// The next message.
    pub async fn message<T: Message + Default>(&mut self) -> T {
        match self.next().await {
            Piece::Message(message) => message,
            Piece::Trailers(trailers) => panic!("expected a message, not {trailers:?}"),
        }
    }

    /// The status of the call after all messages, which must be of no interest; it may be in the head.
    pub async fn status(&mut self) -> String {
        let find = |line: &str| line.strip_prefix("grpc-status:").map(|status| status.trim().to_owned());
        if let Some(status) = self.head.split("\r\n").find_map(find) {
            return status;
        }
        loop {
            if let Piece::Trailers(trailers) = self.next::<()>().await {
                return trailers.iter().find_map(|line| find(line)).expect("a status");
            }
        }
    }

    fn complete(&self) -> bool {
        let length = self.body.get(1..5).map(|mut length| length.get_u32() as usize);
        length.is_some_and(|length| self.body.len() >= 5 + length)
    }

    /// Reads one chunk of the body.
    async fn chunk(&mut self) {
        let line = self.until(b"\r\n").await;
        let size = String::from_utf8_lossy(&line[..line.len() - 2]).into_owned();
        let size = usize::from_str_radix(size.split(';').next().unwrap_or_default(), 16).expect("a size");
        while self.raw.len() < size + 2 {
            self.read().await;
        }
        self.body.extend_from_slice(&self.raw.split_to(size));
        self.raw.advance(2);
        self.over = size == 0;
    }

    async fn until(&mut self, end: &[u8]) -> BytesMut {
        loop {
            if let Some(at) = self.raw.windows(end.len()).position(|window| window == end) {
                return self.raw.split_to(at + end.len());
            }
            self.read().await;
        }
    }

    async fn read(&mut self) {
        let read = within("bytes of an answer", self.socket.read_buf(&mut self.raw)).await;
        assert_ne!(read.expect("a socket"), 0, "the node hung up");
    }
}
