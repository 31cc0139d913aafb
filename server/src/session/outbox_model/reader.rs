//! A client that reads an outbox over one stream after the other, loses some of what was sent on each, and in the end
//! must have all of it.

use rialto_proto::v1::Ping;

use super::*;

/// More than the rest of a story can fill.
const HELD: ReplayBounds = ReplayBounds { frames: 2_000, bytes: 1 << 20, age: Duration::from_secs(100) };

#[derive(Debug, Clone)]
pub(super) enum Chance {
    Put {
        room: u8,
        bytes: usize,
        kept: bool,
        policy: BehindPolicy,
    },
    /// Reads so many times.
    Read {
        bursts: usize,
    },
    /// Loses the stream with the last so many frames that were sent, and comes back.
    Lose {
        frames: usize,
        away: bool,
    },
    Seen,
}

pub(super) fn chance() -> impl Strategy<Value = Chance> {
    let policy = prop_oneof![Just(BehindPolicy::Drop), Just(BehindPolicy::Latest), Just(BehindPolicy::Close)];
    let bytes = prop_oneof![12 => 0..80_usize, 3 => 80..500_usize, 1 => 1_000..2_200_usize];
    let put = (0..2_u8, bytes, any::<bool>(), policy).prop_map(|(room, bytes, kept, policy)| Chance::Put {
        room,
        bytes,
        kept,
        policy,
    });
    prop_oneof![
        20 => put,
        3 => (1..4_usize).prop_map(|bursts| Chance::Read { bursts }),
        2 => (0..10_usize, any::<bool>()).prop_map(|(frames, away)| Chance::Lose { frames, away }),
        1 => Just(Chance::Seen),
    ]
}

pub(super) struct Story {
    outbox: Outbox,
    stream: u32,
    /// What was received, by number.
    received: Vec<String>,
    /// What was received once and lost again: it must come under its old numbers.
    lost: Vec<String>,
    put: u32,
    offsets: [u64; 2],
    histories: [Vec<u32>; 2],
}

impl Story {
    pub(super) fn new() -> Self {
        Self {
            outbox: Outbox::new(BOUNDS, HELD),
            stream: 0,
            received: Vec::new(),
            lost: Vec::new(),
            put: 0,
            offsets: [0; 2],
            histories: [Vec::new(), Vec::new()],
        }
    }

    pub(super) fn take(&mut self, chance: Chance) {
        match chance {
            Chance::Put { room, bytes, kept, policy } => self.put(room, bytes, kept, policy),
            Chance::Read { bursts } => {
                for _ in 0..bursts {
                    self.read();
                }
            }
            Chance::Lose { frames, away } => self.lose(frames, away),
            Chance::Seen => self.outbox.seen(self.received.len() as u32),
        }
        self.outbox.check_beside(Bounds { frames: 1_000, bytes: 1 << 20 });
    }

    fn put(&mut self, room: u8, bytes: usize, kept: bool, policy: BehindPolicy) {
        self.put += 1;
        let mut said = event(&format!("{:05}", self.put), room, 0, bytes);
        if kept {
            let at = usize::from(room);
            self.offsets[at] += 1;
            self.histories[at].push(self.put);
            said = super::kept(said, self.offsets[at]);
        }
        match self.outbox.put(&Frame::event(said, Class::Reliable), policy) {
            Put::Behind => {
                self.outbox.suspend(Frame::answer(0, Body::Ping(Ping {})));
            }
            Put::Closed | Put::Overrun => panic!("the session must go on"),
            Put::Waits { .. } | Put::Lags | Put::Dropped => {}
        }
    }

    /// Reads once; false when there is nothing more.
    fn read(&mut self) -> bool {
        match self.outbox.poll_next(self.stream, clock::now(), &mut Context::from_waker(Waker::noop())) {
            Poll::Pending => false,
            Poll::Ready(Next::Burst(burst)) => {
                let (first_seq, words) = words(&burst);
                if first_seq != 0 {
                    self.receive(first_seq, words);
                }
                true
            }
            Poll::Ready(Next::Read(owed)) => {
                self.settle(&owed);
                true
            }
            Poll::Ready(Next::Cut(last)) => {
                assert!(last.is_some(), "nobody else reads");
                self.lose(0, true);
                true
            }
            Poll::Ready(Next::End) => panic!("the session must go on"),
        }
    }

    fn receive(&mut self, first_seq: u32, words: Vec<String>) {
        assert_eq!(first_seq as usize, self.received.len() + 1, "numbers go on without a gap");
        for word in words {
            if !self.lost.is_empty() {
                assert_eq!(word, self.lost.remove(0), "what was lost comes again as it was");
            }
            self.received.push(word);
        }
    }

    fn settle(&self, owed: &Owed) {
        let Owed::Events(all) = owed else { panic!("{owed:?} was never put in") };
        let room: u8 = all.room[1..].parse().unwrap();
        let end = (all.from + 2).min(all.to + 1);
        let frame = |offset: u64| {
            let id = self.histories[usize::from(room)][offset as usize - 1];
            Frame::event(kept(event(&format!("{id:05}"), room, 0, 10), offset), Class::Reliable)
        };
        let rest = || Rest::Owed(Owed::Events(Stretch { from: end, ..all.clone() }));
        let rest = if end <= all.to { rest() } else { Rest::Nothing };
        self.outbox.settle(owed, (all.from..end).map(frame).collect(), rest);
    }

    fn lose(&mut self, frames: usize, away: bool) {
        let kept = self.received.len().saturating_sub(frames);
        let mut lost = self.received.split_off(kept);
        lost.append(&mut self.lost);
        if away {
            assert!(self.outbox.detach(self.stream));
        }
        // It may have said that it has seen more than it now knows: then that is refused.
        match self.outbox.attach(kept as u32, greeting) {
            Ok(stream) => (self.stream, self.lost) = (stream, lost),
            Err(_) => {
                self.received.append(&mut lost);
                self.stream = self.outbox.attach(self.received.len() as u32, greeting).unwrap();
                self.lost = Vec::new();
            }
        }
    }

    pub(super) fn finish(mut self) {
        while self.read() {}
        assert!(self.lost.is_empty(), "never came again: {:?}", self.lost);
        let (missed, events): (Vec<_>, Vec<_>) =
            self.received.iter().partition(|word| word.starts_with("missed "));
        assert!(events.is_sorted(), "in order: {events:?}");
        let mut once = events.clone();
        once.dedup();
        assert_eq!(once, events, "each once");
        let missed: u32 = missed
            .iter()
            .map(|word| word.split(' ').nth(1).and_then(|count| count.parse::<u32>().ok()).unwrap())
            .sum();
        assert_eq!(events.len() as u32 + missed, self.put);
    }
}

fn greeting() -> Frame {
    Frame::answer(0, Body::Ping(Ping {}))
}
