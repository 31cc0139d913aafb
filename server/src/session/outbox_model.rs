//! The outbox against a naive model of it: a list that is searched and summed up anew at each step. Random steps, and
//! after each of them the same answer, the same wake-ups and a consistent outbox; what is read must be the same frames
//! in the same order.

#![allow(clippy::panic, clippy::unwrap_used, reason = "this is test code")]

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    task::Wake,
};

use proptest::prelude::*;
use prost::Message;
use rialto_proto::v1::{AttachResponse, Content, Event, Pong, content::Body as Payload};

use super::*;
use crate::base::refusal::Closing;

const BOUNDS: Bounds = Bounds { frames: 12, bytes: 1_200 };

#[derive(Debug, Clone)]
enum Step {
    Put { class: Class, room: u8, name: u8, bytes: usize, together: u8, policy: BehindPolicy },
    Answer { bytes: usize },
    Ping,
    Poll,
    Close,
    Abandon,
}

fn step() -> impl Strategy<Value = Step> {
    let class = prop_oneof![3 => Just(Class::Reliable), 1 => Just(Class::Volatile), 1 => Just(Class::Latest)];
    let policy = prop_oneof![
        4 => Just(BehindPolicy::Drop),
        4 => Just(BehindPolicy::Latest),
        1 => Just(BehindPolicy::Close),
    ];
    let bytes = prop_oneof![12 => 0..80_usize, 3 => 80..500_usize, 1 => 1_000..1_400_usize];
    let together = prop_oneof![6 => Just(1_u8), 1 => 2..4_u8];
    let put = (class, 0..2_u8, 0..2_u8, bytes, together, policy).prop_map(
        |(class, room, name, bytes, together, policy)| Step::Put {
            class,
            room,
            name,
            bytes,
            together,
            policy,
        },
    );
    prop_oneof![
        40 => put,
        6 => (0..200_usize).prop_map(|bytes| Step::Answer { bytes }),
        1 => Just(Step::Ping),
        6 => Just(Step::Poll),
        1 => Just(Step::Close),
        1 => Just(Step::Abandon),
    ]
}

/// A frame that waits, with the words by which it is recognised when it is read.
#[derive(Debug, Clone)]
struct Waiting {
    frame: Frame,
    words: Vec<String>,
}

#[derive(Debug, Default)]
struct Model {
    queue: Vec<Waiting>,
    missed: BTreeMap<String, u32>,
    behind: bool,
    closed: bool,
}

impl Model {
    fn fits(&self, frame: &Frame, share: u32) -> bool {
        let waiting = self.queue.iter().map(|waiting| &waiting.frame).chain([frame]);
        let bytes: usize = waiting.clone().map(Frame::bytes).sum();
        let frames: u32 = waiting.map(Frame::count).sum();
        frames <= BOUNDS.frames * share / 4 && bytes as u32 <= BOUNDS.bytes * share / 4
    }

    fn find(&self, wanted: impl Fn(&Frame) -> bool) -> Option<usize> {
        self.queue.iter().position(|waiting| wanted(&waiting.frame))
    }

    fn miss(&mut self, room: &str, count: u32) {
        *self.missed.entry(room.to_owned()).or_default() += count;
    }

    fn put(&mut self, new: &Waiting, policy: BehindPolicy) -> Put {
        let frame = &new.frame;
        let mut displaced = 0;
        if self.behind || self.closed {
            return Put::Closed;
        }
        if frame.class() == Class::Volatile {
            if self.fits(frame, 1) || (self.queue.is_empty() && self.fits(frame, 4)) {
                self.queue.push(new.clone());
                return Put::Waits { displaced };
            }
            return Put::Dropped;
        }
        let twin = |old: &Frame| old.class() == Class::Latest && old.topic() == frame.topic();
        if frame.class() == Class::Latest
            && let Some(at) = self.find(twin)
        {
            self.queue.remove(at);
        }
        while !self.fits(frame, 4)
            && let Some(at) = self.find(|old| old.class() == Class::Volatile)
        {
            displaced += self.queue.remove(at).frame.count();
        }
        if policy == BehindPolicy::Latest {
            let same = |old: &Frame| old.topic() == frame.topic() && frame.topic() != 0;
            while !self.fits(frame, 4)
                && let Some(at) = self.find(same).or_else(|| self.find(|old| old.class() != Class::Answer))
            {
                let old = self.queue.remove(at).frame;
                displaced += old.count();
                self.miss(&room_of(&old), old.count());
            }
        }
        if self.fits(frame, 4) {
            self.queue.push(new.clone());
            Put::Waits { displaced }
        } else if policy == BehindPolicy::Close {
            self.behind = true;
            Put::Behind
        } else {
            self.miss(&room_of(frame), frame.count());
            Put::Dropped
        }
    }

    fn answer(&mut self, new: Waiting) -> Put {
        if self.behind || self.closed {
            return Put::Closed;
        }
        if !self.fits(&new.frame, 8) {
            self.behind = true;
            return Put::Behind;
        }
        self.queue.push(new);
        Put::Waits { displaced: 0 }
    }

    fn close(&mut self) {
        if !self.closed {
            self.closed = true;
            self.tell_missed();
            self.queue.push(Waiting { frame: closing(), words: vec!["close".to_owned()] });
        }
    }

    fn tell_missed(&mut self) {
        for (room, count) in std::mem::take(&mut self.missed) {
            self.queue.push(Waiting {
                frame: Frame::answer(0, Body::Pong(Pong {})),
                words: vec![format!("missed {count} of {room}")],
            });
        }
    }

    /// What a poll hands over; `None` at the end, nothing while there is nothing.
    fn read(&mut self) -> Poll<Option<Vec<String>>> {
        self.tell_missed();
        if self.queue.is_empty() {
            return if self.closed { Poll::Ready(None) } else { Poll::Pending };
        }
        Poll::Ready(Some(self.queue.drain(..).flat_map(|waiting| waiting.words).collect()))
    }
}

fn room_of(frame: &Frame) -> String {
    frame.events().remove(0).rooms.remove(0)
}

fn closing() -> Frame {
    Frame::close(&Closing::new(CloseCode::Bye, "bye"))
}

fn event(id: &str, room: u8, name: u8, bytes: usize) -> Event {
    let content = Content {
        event: format!("e{name}"),
        body: Some(Payload::Text("x".repeat(bytes))),
        ..Content::default()
    };
    Event {
        rooms: vec![format!("r{room}")],
        content: Some(content),
        event_id: id.to_owned(),
        ..Event::default()
    }
}

/// The words of a burst, and its first sequence number.
fn words(burst: &Burst) -> (u32, Vec<String>) {
    let response = AttachResponse::decode(burst.encode_to_vec().as_slice()).unwrap();
    let word = |frame: rialto_proto::v1::ServerFrame| match frame.frame.unwrap() {
        Body::Event(event) => event.event_id,
        Body::Missed(missed) => format!("missed {} of {}", missed.count, missed.rooms[0]),
        Body::Welcome(welcome) => welcome.node,
        Body::Ping(_) => "ping".to_owned(),
        Body::Close(_) => "close".to_owned(),
        other => panic!("{other:?}"),
    };
    (response.first_seq, response.frames.into_iter().map(word).collect())
}

#[derive(Debug, Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Both of them, driven side by side.
struct Pair {
    outbox: Outbox,
    model: Model,
    bell: Arc<Bell>,
    next_seq: u32,
    /// The reader found nothing and sleeps since then.
    asleep: bool,
    id: u32,
}

impl Pair {
    fn new() -> Self {
        let (outbox, model) = (Outbox::new(BOUNDS), Model::default());
        Self { outbox, model, bell: Arc::default(), next_seq: 1, asleep: false, id: 0 }
    }

    fn step(&mut self, step: Step) {
        self.id += 1;
        let id = self.id;
        match step {
            Step::Put { class, room, name, bytes, together, policy } => {
                let words: Vec<String> = (0..together).map(|part| format!("{id}.{part}")).collect();
                let frame = |word: &String| Frame::event(event(word, room, name, bytes), class);
                let mut frames: Vec<Frame> = words.iter().map(frame).collect();
                // What is gathered has no topic, so only reliable events are.
                let (frame, words) = if together > 1 && class == Class::Reliable {
                    (Frame::gathered(&frames), words)
                } else {
                    (frames.remove(0), words[..1].to_vec())
                };
                let expected = self.model.put(&Waiting { frame: frame.clone(), words }, policy);
                assert_eq!(self.outbox.put(&frame, policy), expected);
            }
            Step::Answer { bytes } => {
                let word = format!("{id}{}", "-".repeat(bytes));
                let welcome = rialto_proto::v1::Welcome { node: word.clone(), ..Default::default() };
                let frame = Frame::answer(1, Body::Welcome(welcome));
                let expected = self.model.answer(Waiting { frame: frame.clone(), words: vec![word] });
                assert_eq!(self.outbox.answer(frame), expected);
            }
            Step::Ping => {
                if self.model.queue.is_empty() {
                    let frame = Frame::answer(0, Body::Ping(Ping {}));
                    self.model.answer(Waiting { frame, words: vec!["ping".to_owned()] });
                }
                self.outbox.ping();
            }
            Step::Poll => self.poll(),
            Step::Close => {
                self.model.close();
                self.outbox.close(CloseCode::Bye, closing());
            }
            Step::Abandon => {
                self.model = Model { closed: true, behind: self.model.behind, ..Model::default() };
                self.outbox.abandon();
                // Whoever polled it is gone.
                self.asleep = false;
            }
        }
        self.outbox.check();
        let readable = !self.model.queue.is_empty() || !self.model.missed.is_empty();
        if self.asleep && readable {
            assert!(self.bell.0.load(Ordering::Relaxed) > 0, "the reader sleeps on");
        }
    }

    fn poll(&mut self) {
        let waker = Waker::from(Arc::clone(&self.bell));
        let read = self.outbox.poll_burst(&mut Context::from_waker(&waker));
        self.bell.0.store(0, Ordering::Relaxed);
        self.asleep = read.is_pending();
        let read = read.map(|burst| {
            burst.as_ref().map(words).map(|(first_seq, words)| {
                assert_eq!(first_seq, self.next_seq, "frames are numbered without a gap");
                self.next_seq += words.len() as u32;
                words
            })
        });
        assert_eq!(read, self.model.read());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_outbox_does_what_its_model_does(steps in prop::collection::vec(step(), 1..120)) {
        let mut pair = Pair::new();
        for step in steps {
            pair.step(step);
        }
        pair.poll();
        pair.step(Step::Close);
        pair.poll();
        pair.poll();
    }

    /// Without volatile and `latest` events nothing vanishes unsaid, whatever is dropped or displaced.
    #[test]
    fn what_is_put_in_is_read_or_told_as_missed(steps in prop::collection::vec(step(), 1..120)) {
        let outbox = Outbox::new(BOUNDS);
        let (mut put, mut told) = (0, 0);
        let mut read = |outbox: &Outbox| {
            while let Poll::Ready(Some(burst)) = outbox.poll_burst(&mut Context::from_waker(Waker::noop())) {
                for word in words(&burst).1 {
                    let count = word.strip_prefix("missed ").and_then(|rest| rest.split(' ').next());
                    told += count.map_or(1, |count| count.parse::<u32>().unwrap());
                }
            }
        };
        for (id, step) in steps.into_iter().enumerate() {
            match step {
                Step::Put { room, name, bytes, policy, .. } if policy != BehindPolicy::Close => {
                    let frame = Frame::event(event(&id.to_string(), room, name, bytes), Class::Reliable);
                    outbox.put(&frame, policy);
                    put += 1;
                }
                Step::Poll => read(&outbox),
                _ => {}
            }
            outbox.check();
        }
        read(&outbox);
        prop_assert_eq!(put, told);
    }
}

#[test]
fn drops_for_very_many_targets_are_told_together() {
    let outbox = Outbox::new(Bounds { frames: 1, bytes: 10_000 });
    for number in 0..300_u32 {
        let event = Event { rooms: vec![format!("r{number}")], ..Event::default() };
        outbox.put(&Frame::event(event, Class::Reliable), BehindPolicy::Drop);
        outbox.check();
    }
    let Poll::Ready(Some(burst)) = outbox.poll_burst(&mut Context::from_waker(Waker::noop())) else {
        panic!("nothing waits")
    };
    let response = AttachResponse::decode(burst.encode_to_vec().as_slice()).unwrap();
    let missed = response.frames.into_iter().filter_map(|frame| match frame.frame {
        Some(Body::Missed(missed)) => Some((missed.rooms, missed.count)),
        _ => None,
    });
    let missed: BTreeMap<_, _> = missed.collect();
    assert_eq!(missed.len(), MISSED_TARGETS_MAX + 1);
    assert_eq!(missed[&Vec::new()], 299 - MISSED_TARGETS_MAX as u32);
}
