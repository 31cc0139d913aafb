//! What a member says to be in the room, and what it must answer to stay there, for each server. Bytes in, bytes out;
//! no sockets.

use crate::{
    http2,
    member::{ROOM, Stamps},
    server::Kind,
};

/// A WebSocket text frame of one byte, `2`: Engine.IO's ping; a client answers `3`.
const ENGINE_PING: [u8; 3] = [0x81, 0x01, b'2'];

/// Reads of up to so many bytes are searched for pings.
const QUIET_BYTES_MAX: usize = 2048;

/// The language of a server's clients.
#[derive(Debug)]
pub(crate) enum Dialect {
    /// gRPC over HTTP/2.
    Rialto(http2::Reader, http2::Seeing),
    /// NATS' lines.
    Nats,
    /// WebSocket, Engine.IO and Socket.IO.
    SocketIo,
}

impl Dialect {
    /// The dialect of `kind`, for one connection.
    pub(crate) fn of(kind: Kind) -> Self {
        match kind {
            Kind::Rialto(_) | Kind::Keeping(_) => {
                Self::Rialto(http2::Reader::default(), http2::Seeing::default())
            }
            Kind::Nats => Self::Nats,
            Kind::SocketIo => Self::SocketIo,
        }
    }

    /// What member `number` says first. It is in the room when it hears the room's name, or NATS' `PONG`.
    pub(crate) fn greeting(&self, number: usize) -> Vec<u8> {
        match self {
            Self::Rialto(..) => http2::greeting(http2::hello(number)),
            Self::Nats => format!("{NATS_CONNECT}SUB {ROOM} 1\r\nPING\r\n").into_bytes(),
            Self::SocketIo => socketio_greeting("member"),
        }
    }

    /// Takes what the server said: stamps go to `stamps`, what must be answered to `answer`.
    pub(crate) fn take(&mut self, bytes: &[u8], stamps: &mut Stamps, answer: &mut Vec<u8>) {
        match self {
            Self::Rialto(reader, seeing) => {
                let before = stamps.found.len();
                reader.take(bytes, answer, |data| stamps.search(data));
                seeing.receive(stamps.found.len() - before, answer);
            }
            Self::Nats => {
                stamps.room_seen |= contains(bytes, b"PONG");
                if contains(bytes, b"PING\r\n") {
                    answer.extend_from_slice(b"PONG\r\n");
                }
                stamps.search(bytes);
            }
            Self::SocketIo => {
                // Engine.IO has opened; what comes before that is lost. Now Socket.IO connects to its main namespace.
                if contains(bytes, b"\"upgrades\"") {
                    websocket_text(b"40", answer);
                }
                if contains(bytes, &ENGINE_PING) {
                    websocket_text(b"3", answer);
                }
                stamps.search(bytes);
            }
        }
    }
}

/// Whether `what` is in `bytes`. A full read is full of events and no place for a ping: not looking keeps members light.
fn contains(bytes: &[u8], what: &[u8]) -> bool {
    bytes.len() <= QUIET_BYTES_MAX && bytes.windows(what.len()).any(|window| window == what)
}

/// A NATS client that wants no confirmation.
pub(crate) const NATS_CONNECT: &str = "CONNECT {\"verbose\":false,\"pedantic\":false,\"echo\":false,\"lang\":\"load\",\"version\":\"1\",\"protocol\":1}\r\n";

/// The upgrade to WebSocket.
pub(crate) fn socketio_greeting(role: &str) -> Vec<u8> {
    format!(
        "GET /socket.io/?EIO=4&transport=websocket&role={role} HTTP/1.1\r\nHost: 127.0.0.1\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .into_bytes()
}

/// Writes a text frame as clients send it, with a mask of zeros.
pub(crate) fn websocket_text(text: &[u8], out: &mut Vec<u8>) {
    const MASKED: u8 = 0x80;
    out.push(0x81);
    match u8::try_from(text.len()) {
        Ok(short @ ..=125) => out.push(MASKED | short),
        _ => {
            out.push(MASKED | 126);
            out.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_frame_has_its_length_and_a_mask() {
        let mut short = Vec::new();
        websocket_text(b"40", &mut short);
        assert_eq!(short, [0x81, 0x82, 0, 0, 0, 0, b'4', b'0']);
        let mut long = Vec::new();
        websocket_text(&[b'x'; 300], &mut long);
        assert_eq!(long[..4], [0x81, 0xfe, 1, 44]);
        assert_eq!(long.len(), 8 + 300);
    }

    #[test]
    fn pings_are_answered() {
        let (mut stamps, mut answer) = (Stamps::default(), Vec::new());
        Dialect::Nats.take(b"PING\r\n", &mut stamps, &mut answer);
        assert_eq!(answer, b"PONG\r\n");
        answer.clear();
        Dialect::SocketIo.take(&ENGINE_PING, &mut stamps, &mut answer);
        assert_eq!(answer.last(), Some(&b'3'));
    }
}
