//! The outbox and the model, side by side: each step is done to both, by callers that do what callers must: the stream
//! of who fell behind is suspended, the session of who does not read its answers is closed.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    task::Wake,
};

use rialto_proto::v1::{CloseCode, Ping, Welcome};

use super::{
    super::owed::{Rest, StateAfter},
    oracle::{Model, Told},
    *,
};
use crate::base::{clock::Instant, refusal::Closing};

#[derive(Debug, Clone)]
pub(super) enum Step {
    Put {
        class: Class,
        room: u8,
        name: u8,
        bytes: usize,
        together: u8,
        kept: bool,
        policy: BehindPolicy,
    },
    Answer {
        bytes: usize,
    },
    PutState {
        room: u8,
        bytes: usize,
    },
    OweState {
        room: u8,
    },
    Ping,
    Poll,
    /// What is being read has been read, up to this many events.
    Settle {
        count: u64,
    },
    Seen {
        back: u32,
    },
    Suspend,
    Detach {
        which: u32,
    },
    /// Another stream comes, that has seen all but this many; or more than there is.
    Attach {
        back: i32,
    },
    GiveUp,
    Pass {
        seconds: u64,
    },
    Close,
    Abandon,
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let class = prop_oneof![6 => Just(Class::Reliable), 1 => Just(Class::Volatile), 1 => Just(Class::Latest)];
    let policy = prop_oneof![
        4 => Just(BehindPolicy::Drop),
        4 => Just(BehindPolicy::Latest),
        3 => Just(BehindPolicy::Close),
    ];
    let bytes = prop_oneof![12 => 0..80_usize, 3 => 80..500_usize, 1 => 1_000..2_200_usize];
    let together = prop_oneof![6 => Just(1_u8), 1 => 2..4_u8];
    let put = (class, 0..2_u8, 0..2_u8, bytes, together, any::<bool>(), policy).prop_map(
        |(class, room, name, bytes, together, kept, policy)| Step::Put {
            class,
            room,
            name,
            bytes,
            together,
            kept,
            policy,
        },
    );
    prop_oneof![
        80 => put,
        12 => (0..200_usize).prop_map(|bytes| Step::Answer { bytes }),
        6 => (0..2_u8, 0..500_usize).prop_map(|(room, bytes)| Step::PutState { room, bytes }),
        1 => (0..2_u8).prop_map(|room| Step::OweState { room }),
        2 => Just(Step::Ping),
        20 => Just(Step::Poll),
        10 => (0..=u64::from(PAGE.frames)).prop_map(|count| Step::Settle { count }),
        6 => (0..25_u32).prop_map(|back| Step::Seen { back }),
        3 => Just(Step::Suspend),
        4 => (0..2_u32).prop_map(|which| Step::Detach { which }),
        6 => (-1..25_i32).prop_map(|back| Step::Attach { back }),
        1 => Just(Step::GiveUp),
        4 => (0..60_u64).prop_map(|seconds| Step::Pass { seconds }),
        1 => Just(Step::Close),
        1 => Just(Step::Abandon),
    ]
}

#[derive(Debug, Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Both of them.
pub(super) struct Pair {
    outbox: Outbox,
    model: Model,
    bell: Arc<Bell>,
    /// The reader found nothing and sleeps since then.
    asleep: bool,
    reading: Option<Owed>,
    now: Instant,
    id: u32,
    offsets: [u64; 2],
    /// Words of the events of the histories, by room and offset.
    histories: [Vec<String>; 2],
}

impl Pair {
    pub(super) fn new(held: ReplayBounds) -> Self {
        Self {
            outbox: Outbox::new(BOUNDS, held),
            model: Model::new(held),
            bell: Arc::default(),
            asleep: false,
            reading: None,
            now: clock::now(),
            id: 0,
            offsets: [0; 2],
            histories: [Vec::new(), Vec::new()],
        }
    }

    pub(super) fn step(&mut self, step: Step) {
        self.id += 1;
        match step {
            Step::Put { .. } => self.put(step),
            Step::Answer { bytes } => {
                let waiting = self.answer(bytes);
                let expected = self.model.answer(&waiting);
                assert_eq!(self.outbox.answer(waiting.frame), expected);
                self.follow(expected);
            }
            Step::PutState { room, bytes } => {
                let (waiting, before) = (self.answer(bytes), self.state(room));
                let expected = self.model.put_state(&waiting, before.clone());
                assert_eq!(unpressed(self.outbox.put_state(&waiting.frame, before)), expected);
            }
            Step::OweState { room } => {
                let owed = Owed::State(self.state(room));
                assert_eq!(self.outbox.owe(owed.clone()), self.model.owe(owed));
            }
            Step::Ping => {
                if self.model.waiting() == 0 {
                    let frame = Frame::answer(0, Body::Ping(Ping {}));
                    self.model.answer(&Waiting { frame, words: vec!["ping".to_owned()] });
                }
                self.outbox.ping();
            }
            Step::Poll => drop(self.poll()),
            Step::Settle { count } => self.settle(count),
            Step::Pass { seconds } => self.now += Duration::from_secs(seconds),
            other => self.change(other),
        }
        self.check();
    }

    /// What happens to the stream and to the session.
    fn change(&mut self, step: Step) {
        match step {
            Step::Seen { back } => {
                let seq = self.model.last_seq().saturating_sub(back);
                self.model.seen(seq);
                self.outbox.seen(seq);
            }
            Step::Suspend => {
                assert_eq!(self.outbox.suspend(closing()), self.model.attached);
                self.model.suspend();
            }
            Step::Detach { which } => {
                let stream = self.model.stream.saturating_sub(which);
                let current = self.model.detach(stream);
                assert_eq!(self.outbox.detach(stream), current);
                self.asleep &= !current;
            }
            Step::Attach { back } => self.attach(back),
            Step::GiveUp => {
                let away = !self.model.attached;
                if away {
                    self.model.abandon();
                }
                assert_eq!(self.outbox.give_up(), away);
            }
            Step::Close => {
                self.model.close();
                self.outbox.close(CloseCode::Disconnected, closing());
            }
            Step::Abandon => {
                self.model.abandon();
                self.outbox.abandon();
                // Whoever polled it is gone.
                self.asleep = false;
            }
            other => panic!("{other:?} is not of this kind"),
        }
    }

    fn put(&mut self, step: Step) {
        let Step::Put { class, room, name, bytes, together, kept, policy } = step else { return };
        let (at, id) = (usize::from(room), self.id);
        let kept = kept && class == Class::Reliable;
        // What is gathered has no topic, so only reliable events are.
        let together = if class == Class::Reliable { together } else { 1 };
        let words: Vec<String> = (0..together).map(|part| format!("{id}.{part}")).collect();
        let frames: Vec<Frame> = words
            .iter()
            .map(|word| {
                let event = event(word, room, name, bytes);
                if !kept {
                    return Frame::event(event, class);
                }
                self.offsets[at] += 1;
                self.histories[at].push(word.clone());
                Frame::event(super::kept(event, self.offsets[at]), class)
            })
            .collect();
        let frame = Frame::gathered(&frames);
        let expected = self.model.put(&Waiting { frame: frame.clone(), words }, policy);
        assert_eq!(unpressed(self.outbox.put(&frame, policy)), expected);
        self.follow(expected);
    }

    /// What a caller must do.
    fn follow(&mut self, put: Put) {
        match put {
            Put::Behind => self.change(Step::Suspend),
            Put::Overrun => {
                assert!(self.outbox.overran());
                self.change(Step::Close);
            }
            _ => {}
        }
    }

    fn answer(&self, bytes: usize) -> Waiting {
        let word = format!("{}{}", self.id, "-".repeat(bytes));
        let welcome = Welcome { node: word.clone(), ..Default::default() };
        Waiting { frame: Frame::answer(1, Body::Welcome(welcome)), words: vec![word] }
    }

    fn state(&self, room: u8) -> StateAfter {
        let room = format!("r{room}").into();
        StateAfter { namespace: "".into(), room, epoch: "e".to_owned(), revision: self.id.into(), known: 0 }
    }

    fn settle(&mut self, count: u64) {
        let Some(owed) = self.reading.take() else { return };
        let (read, rest) = match &owed {
            Owed::State(state) => {
                let word = format!("state of {} after {}", state.room, state.revision);
                let welcome = Welcome { node: word.clone(), ..Default::default() };
                let read = StateAfter { revision: state.revision + count, ..state.clone() };
                let page = Waiting { frame: Frame::answer(0, Body::Welcome(welcome)), words: vec![word] };
                (vec![page], if count == 0 { Rest::Owed(Owed::State(read)) } else { Rest::Since(read) })
            }
            Owed::Events(all) => {
                let room: u8 = all.room[1..].parse().unwrap();
                let end = (all.from + count).min(all.to + 1);
                let read = (all.from..end).map(|offset| self.recalled(room, offset)).collect();
                let rest = || Rest::Owed(Owed::Events(Stretch { from: end, ..all.clone() }));
                (read, if end <= all.to { rest() } else { Rest::Nothing })
            }
        };
        self.model.settle(&owed, &read, &rest);
        self.outbox.settle(&owed, read.into_iter().map(|waiting| waiting.frame).collect(), rest);
        // The stream reads on.
        self.asleep = false;
    }

    fn recalled(&self, room: u8, offset: u64) -> Waiting {
        let word = self.histories[usize::from(room)][offset as usize - 1].clone();
        let event = kept(event(&word, room, 0, 100), offset);
        Waiting { frame: Frame::event(event, Class::Reliable), words: vec![word] }
    }

    fn attach(&mut self, back: i32) {
        let seq = self.model.last_seq().saturating_add_signed(-back);
        let expected = self.model.attach(seq);
        let before = self.outbox.stream();
        let welcome =
            || Frame::answer(0, Body::Welcome(Welcome { node: "welcome".to_owned(), ..Default::default() }));
        assert_eq!(self.outbox.attach(seq, welcome), expected);
        if expected.is_ok() {
            let rung = self.bell.0.load(Ordering::Relaxed) > 0;
            assert!(rung || !self.asleep, "the stream before sleeps on");
            let next = self.outbox.poll_next(before, self.now, &mut Context::from_waker(Waker::noop()));
            assert!(matches!(next, Poll::Ready(Next::Cut(None))), "the stream before goes on: {next:?}");
            // What it was reading comes to nothing, or comes late.
            self.asleep = false;
        }
    }

    fn check(&self) {
        self.outbox.check_beside(PAGE_BESIDE);
        assert_eq!(self.outbox.waiting().0, self.model.waiting());
        assert_eq!((self.outbox.stream(), self.outbox.attached()), (self.model.stream, self.model.attached));
        assert_eq!(self.outbox.closed().is_some(), self.model.closed);
        let readable = self.model.clone().read(self.now).is_ready();
        if self.asleep && readable {
            assert!(self.bell.0.load(Ordering::Relaxed) > 0, "the reader sleeps on");
        }
    }

    /// Reads on as a stream does, which ends when it is cut.
    pub(super) fn read_all(&mut self) {
        loop {
            match self.poll() {
                Some(Told::Burst(..)) => {}
                Some(Told::Read(_)) => self.step(Step::Settle { count: 1 }),
                _ => return,
            }
        }
    }

    fn poll(&mut self) -> Option<Told> {
        if !self.model.attached {
            return None;
        }
        let waker = Waker::from(Arc::clone(&self.bell));
        let next = self.outbox.poll_next(self.model.stream, self.now, &mut Context::from_waker(&waker));
        self.bell.0.store(0, Ordering::Relaxed);
        self.asleep = next.is_pending();
        let told = next.map(|next| match next {
            Next::Burst(burst) => {
                let (first_seq, words) = words(&burst);
                Told::Burst(first_seq, words)
            }
            Next::Read(owed) => Told::Read(owed),
            Next::End => Told::End,
            Next::Cut(last) => Told::Cut(last.is_some()),
        });
        assert_eq!(told, self.model.read(self.now));
        let Poll::Ready(told) = told else { return None };
        match &told {
            Told::Read(owed) => self.reading = Some(owed.clone()),
            // A stream that is cut or at its end is dropped.
            Told::Cut(_) | Told::End => self.change(Step::Detach { which: 0 }),
            Told::Burst(..) => {}
        }
        Some(told)
    }
}

/// Pages come one after the other while what was read before waits to be sent.
const PAGE_BESIDE: Bounds = Bounds { frames: 40 * PAGE.frames, bytes: 40 * PAGE.bytes };

fn closing() -> Frame {
    Frame::close(&Closing::new(CloseCode::Bye, "bye"))
}

/// The same without the wish that the sender pause, which has tests of its own.
fn unpressed(put: Put) -> Put {
    match put {
        Put::Waits { displaced, .. } => Put::Waits { displaced, pressed: false },
        other => other,
    }
}
