//! Follows the 9-byte frame heads of an HTTP/2 byte stream without holding its payload, and weighs the client's control
//! frames against what the server has sent. Pure: bytes and time come in, verdicts go out. It never changes a byte and
//! judges no frame's content, that is h2's part. Called by `guard`.

use std::time::Duration;

use crate::base::clock::Instant;

/// What every HTTP/2 client sends first.
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Time over which control frames are counted.
const WINDOW: Duration = Duration::from_secs(10);

const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const SETTINGS: u8 = 0x4;
const PING: u8 = 0x6;
const END_STREAM: u8 = 0x1;
const ACK: u8 = 0x1;

/// The head of one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// Bytes of the payload.
    pub(super) length: u32,
    /// Type of the frame.
    pub(super) kind: u8,
    /// Its flags.
    pub(super) flags: u8,
    /// The stream it belongs to; 0 is the connection.
    pub(super) stream: u32,
}

impl Head {
    fn read(bytes: [u8; 9]) -> Self {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = bytes;
        Self {
            length: u32::from_be_bytes([0, l0, l1, l2]),
            kind,
            flags,
            stream: u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]),
        }
    }
}

/// Where a byte stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follower {
    /// So many bytes of the client's preface were seen.
    Preface(u8),
    /// So many bytes of a frame's head were seen.
    Head([u8; 9], u8),
    /// So many bytes of a frame's payload are to come.
    Payload(u32),
    /// The stream did not begin with the preface, it is not HTTP/2.
    Foreign,
}

impl Follower {
    /// Follows what a client sends, from the first byte of the connection.
    pub(super) fn client() -> Self {
        Self::Preface(0)
    }

    /// Follows what a server sends, which begins with a frame.
    pub(super) fn server() -> Self {
        Self::Head([0; 9], 0)
    }

    /// Whether the next byte begins a frame.
    pub(super) fn between_frames(&self) -> bool {
        matches!(self, Self::Head(_, 0))
    }

    /// Takes the next bytes, in pieces of any size, and shows each head as soon as it is complete.
    pub(super) fn follow(&mut self, mut bytes: &[u8], mut show: impl FnMut(Head)) {
        while !bytes.is_empty() {
            bytes = match *self {
                Self::Foreign => return,
                Self::Preface(seen) => self.follow_preface(seen, bytes),
                Self::Head(head, seen) => self.follow_head(head, seen, bytes, &mut show),
                Self::Payload(left) => {
                    let taken = bytes.len().min(left as usize);
                    // Bounded by `left`, so the cast keeps its value.
                    let left = left - taken as u32;
                    *self = if left == 0 { Self::server() } else { Self::Payload(left) };
                    &bytes[taken..]
                }
            };
        }
    }

    fn follow_preface<'b>(&mut self, seen: u8, bytes: &'b [u8]) -> &'b [u8] {
        let wanted = &PREFACE[usize::from(seen)..];
        let taken = bytes.len().min(wanted.len());
        *self = if bytes[..taken] != wanted[..taken] {
            Self::Foreign
        } else if taken == wanted.len() {
            Self::server()
        } else {
            Self::Preface(seen + taken as u8)
        };
        &bytes[taken..]
    }

    fn follow_head<'b>(
        &mut self,
        mut head: [u8; 9],
        seen: u8,
        bytes: &'b [u8],
        show: &mut impl FnMut(Head),
    ) -> &'b [u8] {
        let from = usize::from(seen);
        let taken = bytes.len().min(9 - from);
        head[from..from + taken].copy_from_slice(&bytes[..taken]);
        *self = if from + taken < 9 {
            Self::Head(head, seen + taken as u8)
        } else {
            let head = Head::read(head);
            show(head);
            match head.length {
                0 => Self::server(),
                length => Self::Payload(length),
            }
        };
        &bytes[taken..]
    }
}

/// Counts the client's control frames, less those that the server's own frames explain.
///
/// An honest client's control frames are answers: at most a PING (gRPC probes the bandwidth when data comes) and two
/// WINDOW_UPDATEs for each DATA frame it was sent, a RST_STREAM or PRIORITY for each HEADERS, an acknowledgement for
/// each SETTINGS and PING. What goes beyond is unexplained, and so much of it is bounded: `max` in the current and the
/// last window of 10 s each, where the frames sent in the last window still explain. A client that resets streams
/// before they are answered, or that asks for nothing and pings, has only this allowance.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tally {
    max: u32,
    began: Instant,
    counted: u32,
    explained: u32,
    explained_before: u32,
}

impl Tally {
    /// A tally that permits `max` unexplained frames in a window; 0 permits all.
    pub(super) fn new(max: u32, now: Instant) -> Self {
        Self { max, began: now, counted: 0, explained: 0, explained_before: 0 }
    }

    /// Counts a frame that the client sent.
    pub(super) fn count(&mut self, head: Head) {
        let unexplained = match head.kind {
            HEADERS => false,
            DATA => head.length == 0 && head.flags & END_STREAM == 0,
            _ => true,
        };
        self.counted = self.counted.saturating_add(u32::from(unexplained));
    }

    /// Takes account of a frame that the server sent.
    pub(super) fn explain(&mut self, head: Head) {
        let answers = match head.kind {
            DATA => 3,
            HEADERS => 2,
            SETTINGS | PING if head.flags & ACK == 0 => 1,
            _ => 0,
        };
        self.explained = self.explained.saturating_add(answers);
    }

    /// Whether too many frames are unexplained at `now`.
    pub(super) fn exceeded(&mut self, now: Instant) -> bool {
        let allowed = self.max.saturating_add(self.explained).saturating_add(self.explained_before);
        let exceeded = self.max != 0 && self.counted > allowed;
        let since = now.saturating_duration_since(self.began);
        if since >= WINDOW {
            let previous = if since < 2 * WINDOW { self.explained } else { 0 };
            *self = Self { explained_before: previous, ..Self::new(self.max, now) };
        }
        exceeded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        bytes.extend([kind, flags]);
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    fn conversation() -> (Vec<u8>, Vec<Head>) {
        let mut bytes = PREFACE.to_vec();
        let mut heads = Vec::new();
        for (kind, flags, stream, length) in
            [(4, 0, 0, 6), (1, 4, 1, 30), (0, 0, 1, 0), (0, 1, 1, 300), (6, 1, 0, 8), (0xfa, 9, 77, 1)]
        {
            bytes.extend(frame(kind, flags, stream, &vec![0xff; length]));
            heads.push(Head { length: length as u32, kind, flags, stream });
        }
        (bytes, heads)
    }

    #[test]
    fn every_split_of_the_bytes_shows_the_same_frames() {
        let (bytes, heads) = conversation();
        for first in 0..bytes.len() {
            for second in [first, first + 1, first + 9, bytes.len()] {
                let second = second.min(bytes.len());
                let mut seen = Vec::new();
                let mut follower = Follower::client();
                for piece in [&bytes[..first], &bytes[first..second], &bytes[second..]] {
                    follower.follow(piece, |head| seen.push(head));
                }
                assert_eq!(seen, heads, "split at {first} and {second}");
                assert!(follower.between_frames());
            }
        }
    }

    #[test]
    fn single_bytes_show_the_same_frames() {
        let (bytes, heads) = conversation();
        let mut seen = Vec::new();
        let mut follower = Follower::client();
        for byte in bytes {
            follower.follow(&[byte], |head| seen.push(head));
        }
        assert_eq!(seen, heads);
    }

    #[test]
    fn the_reserved_bit_of_a_stream_is_ignored() {
        let mut seen = Vec::new();
        Follower::server().follow(&frame(1, 0, 0x8000_0003, &[]), |head| seen.push(head.stream));
        assert_eq!(seen, [3]);
    }

    #[test]
    fn http_1_is_not_followed_however_it_is_split() {
        let request = b"POST /PRI HTTP/1.1\r\nhost: a\r\n\r\n";
        for split in 0..request.len() {
            let mut follower = Follower::client();
            follower.follow(&request[..split], |_| panic!("no frame"));
            follower.follow(&request[split..], |_| panic!("no frame"));
            assert_eq!(follower, Follower::Foreign);
        }
    }

    fn head(kind: u8, flags: u8, length: u32) -> Head {
        Head { length, kind, flags, stream: 1 }
    }

    #[test]
    fn one_frame_over_the_allowance_exceeds() {
        let now = crate::base::clock::now();
        for kind in [2, 3, 4, 6, 8, 9, 0xfa] {
            let mut tally = Tally::new(200, now);
            (0..200).for_each(|_| tally.count(head(kind, 0, 8)));
            assert!(!tally.exceeded(now), "kind {kind}");
            tally.count(head(kind, 0, 8));
            assert!(tally.exceeded(now), "kind {kind}");
        }
    }

    #[test]
    fn empty_data_counts_unless_it_ends_the_stream() {
        let now = crate::base::clock::now();
        let mut tally = Tally::new(1, now);
        (0..9).for_each(|_| tally.count(head(DATA, END_STREAM, 0)));
        (0..9).for_each(|_| tally.count(head(DATA, 0, 1)));
        assert!(!tally.exceeded(now));
        (0..2).for_each(|_| tally.count(head(DATA, 0, 0)));
        assert!(tally.exceeded(now));
    }

    #[test]
    fn an_honest_receiver_may_answer_each_data_frame() {
        let now = crate::base::clock::now();
        let mut tally = Tally::new(10, now);
        for _ in 0..10_000 {
            tally.explain(head(DATA, 0, 40));
            tally.count(head(8, 0, 4));
            tally.count(head(8, 0, 4));
            tally.count(head(PING, 0, 8));
        }
        assert!(!tally.exceeded(now));
    }

    #[test]
    fn answers_to_pings_explain_no_pings() {
        let now = crate::base::clock::now();
        let mut tally = Tally::new(10, now);
        for _ in 0..11 {
            tally.count(head(PING, 0, 8));
            tally.explain(head(PING, ACK, 8));
        }
        assert!(tally.exceeded(now));
    }

    #[test]
    fn the_allowance_returns_with_the_next_window() {
        let start = crate::base::clock::now();
        let mut tally = Tally::new(10, start);
        (0..10).for_each(|_| tally.count(head(PING, 0, 8)));
        assert!(!tally.exceeded(start + WINDOW));
        (0..10).for_each(|_| tally.count(head(PING, 0, 8)));
        assert!(!tally.exceeded(start + WINDOW));
        tally.count(head(PING, 0, 8));
        assert!(tally.exceeded(start + WINDOW));
    }

    #[test]
    fn late_answers_are_explained_by_the_last_window() {
        let start = crate::base::clock::now();
        let mut tally = Tally::new(1, start);
        (0..10).for_each(|_| tally.explain(head(DATA, 0, 40)));
        assert!(!tally.exceeded(start + WINDOW));
        (0..30).for_each(|_| tally.count(head(8, 0, 4)));
        assert!(!tally.exceeded(start + WINDOW));
    }
}
