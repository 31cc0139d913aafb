//! As much HTTP/2 and gRPC as a member of a Rialto room needs: one `Attach` whose receive windows are so large that
//! they never need an update. A full client would take more CPU than the server that is measured.

use prost::Message;
use rialto_proto::v1::{AttachRequest, ClientFrame, Hello, Join, Seen, client_frame::Command};

use crate::member::ROOM;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEAD_BYTES: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const INITIAL_WINDOW_SIZE: u16 = 4;
const WINDOW_MAX: u32 = (1 << 31) - 1;
const WINDOW_DEFAULT: u32 = 65_535;
/// Events after which a client confirms what it has seen.
const SEEN_EVERY: u32 = 64;
/// Frames before the first event: `Welcome` and `Joined`.
const FRAMES_BEFORE: u32 = 2;

/// Says what was seen, as often as the clients do.
#[derive(Debug, Default)]
pub(crate) struct Seeing {
    /// Events that were received and, of those, confirmed.
    received: u32,
    confirmed: u32,
}

impl Seeing {
    /// So many events more were received.
    pub(crate) fn receive(&mut self, events: usize, answer: &mut Vec<u8>) {
        self.received += u32::try_from(events).unwrap_or(u32::MAX);
        if self.received - self.confirmed >= SEEN_EVERY {
            self.confirmed = self.received;
            let seen = Seen { seq: FRAMES_BEFORE + self.received };
            data(ClientFrame { r#ref: 0, command: Some(Command::Seen(seen)) }, answer);
        }
    }
}

/// Reads frames that come in pieces.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    head: Vec<u8>,
    kind: u8,
    flags: u8,
    /// Bytes of the present frame that are still to come.
    left: usize,
    /// Payload of a `PING`, which goes back as it came.
    ping: Vec<u8>,
}

impl Reader {
    /// Takes what the server said: data is given on, `SETTINGS` and `PING` are acknowledged.
    pub(crate) fn take(&mut self, mut bytes: &[u8], answer: &mut Vec<u8>, mut data: impl FnMut(&[u8])) {
        while !bytes.is_empty() {
            if self.left == 0 {
                let missing = (HEAD_BYTES - self.head.len()).min(bytes.len());
                self.head.extend_from_slice(&bytes[..missing]);
                bytes = &bytes[missing..];
                if self.head.len() < HEAD_BYTES {
                    return;
                }
                self.begin();
            }
            let here = self.left.min(bytes.len());
            match self.kind {
                DATA => data(&bytes[..here]),
                PING => self.ping.extend_from_slice(&bytes[..here]),
                _ => {}
            }
            bytes = &bytes[here..];
            self.left -= here;
            if self.left == 0 {
                self.end(answer);
            }
        }
    }

    fn begin(&mut self) {
        self.left =
            usize::from(self.head[0]) << 16 | usize::from(self.head[1]) << 8 | usize::from(self.head[2]);
        (self.kind, self.flags) = (self.head[3], self.head[4]);
        self.head.clear();
    }

    fn end(&mut self, answer: &mut Vec<u8>) {
        let ping = std::mem::take(&mut self.ping);
        if self.flags & ACK != 0 {
            return;
        }
        match self.kind {
            SETTINGS => frame(SETTINGS, ACK, 0, &[], answer),
            PING => frame(PING, ACK, 0, &ping, answer),
            _ => {}
        }
    }
}

/// What member `number` begins with: who it is, and that it wants to be in the room.
pub(crate) fn hello(number: usize) -> Hello {
    let join = Join { namespace: "bench".into(), rooms: vec![ROOM.into()], ..Join::default() };
    Hello { user: format!("member-{number}"), joins: vec![join], ..Hello::default() }
}

/// Everything that is said first on a connection: preface, windows, the call and its greeting.
pub(crate) fn greeting(hello: Hello) -> Vec<u8> {
    let mut out = PREFACE.to_vec();
    let mut setting = INITIAL_WINDOW_SIZE.to_be_bytes().to_vec();
    setting.extend_from_slice(&WINDOW_MAX.to_be_bytes());
    frame(SETTINGS, 0, 0, &setting, &mut out);
    frame(WINDOW_UPDATE, 0, 0, &(WINDOW_MAX - WINDOW_DEFAULT).to_be_bytes(), &mut out);
    frame(HEADERS, END_HEADERS, 1, &attach_headers(), &mut out);
    data(ClientFrame { r#ref: 1, command: Some(Command::Hello(hello)) }, &mut out);
    out
}

/// One frame as a message on the call.
fn data(said: ClientFrame, out: &mut Vec<u8>) {
    let request = AttachRequest { frames: vec![said] }.encode_to_vec();
    let mut message = vec![0];
    message.extend_from_slice(&u32::try_from(request.len()).unwrap_or(u32::MAX).to_be_bytes());
    message.extend_from_slice(&request);
    frame(DATA, 0, 1, &message, out);
}

/// The request's fields in HPACK without compression.
fn attach_headers() -> Vec<u8> {
    // Entries of the static table: 3 is `:method: POST`, 6 is `:scheme: http`.
    let mut out = vec![0x80 | 3, 0x80 | 6];
    // Literals without indexing whose names are in the static table: 4 is `:path`, 1 is `:authority`, 31 is
    // `content-type`, written as 15 and the rest.
    for (name, value) in [
        (&[4][..], "/rialto.v1.MessagingService/Attach"),
        (&[1], "127.0.0.1"),
        (&[15, 31 - 15], "application/grpc"),
        (&[0, 2, b't', b'e'], "trailers"),
    ] {
        out.extend_from_slice(name);
        out.push(u8::try_from(value.len()).unwrap_or(u8::MAX));
        out.extend_from_slice(value.as_bytes());
    }
    out
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    out.extend_from_slice(&length[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::{Stamps, payload};

    #[test]
    fn frames_are_read_wherever_the_stream_is_cut() {
        let mut stream = Vec::new();
        frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 1], &mut stream);
        let text = payload(9);
        frame(DATA, 0, 1, &text.as_bytes()[..40], &mut stream);
        frame(PING, 0, 0, &[1, 2, 3, 4, 5, 6, 7, 8], &mut stream);
        frame(DATA, 0, 1, &text.as_bytes()[40..], &mut stream);
        frame(SETTINGS, ACK, 0, &[], &mut stream);
        let mut expected = Vec::new();
        frame(SETTINGS, ACK, 0, &[], &mut expected);
        frame(PING, ACK, 0, &[1, 2, 3, 4, 5, 6, 7, 8], &mut expected);
        for cut in 0..stream.len() {
            let (mut reader, mut stamps, mut answer) = (Reader::default(), Stamps::default(), Vec::new());
            reader.take(&stream[..cut], &mut answer, |data| stamps.search(data));
            reader.take(&stream[cut..], &mut answer, |data| stamps.search(data));
            assert_eq!(stamps.found, [9], "cut at {cut}");
            assert_eq!(answer, expected, "cut at {cut}");
        }
    }
}
