//! What an outbox must do, in the most naive way: everything is searched and summed up anew.

use super::{
    super::{
        missed::told_bytes,
        outbox::Lost,
        owed::{Rest, StateAfter, Stretch},
    },
    holes::{Hole, note, note_hole, told_of},
    *,
};
use crate::base::clock::Instant;

#[derive(Debug, Clone)]
enum Entry {
    Frame(Waiting),
    Owed(Owed),
    Gap(Vec<(String, Vec<Hole>)>),
}

/// What a stream is told to do, in words.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Told {
    Burst(u32, Vec<String>),
    Read(Owed),
    End,
    Cut(bool),
}

#[derive(Debug, Clone)]
struct Sent {
    count: u32,
    bytes: u32,
    at: Instant,
}

#[derive(Debug, Clone)]
pub(super) struct Model {
    held: ReplayBounds,
    entries: Vec<Entry>,
    /// The newest change of the state that is owed at the front.
    changed: Option<u64>,
    missed: Vec<(String, Vec<Hole>)>,
    behind: bool,
    replay: Vec<Sent>,
    /// Everything that was ever sent, by number.
    sent: Vec<String>,
    pub(super) stream: u32,
    pub(super) attached: bool,
    catching_up: bool,
    preface: bool,
    again: Option<Told>,
    cut: bool,
    pub(super) closed: bool,
    last: bool,
}

impl Model {
    pub(super) fn new(held: ReplayBounds) -> Self {
        Self {
            held,
            entries: Vec::new(),
            changed: None,
            missed: Vec::new(),
            behind: false,
            replay: Vec::new(),
            sent: Vec::new(),
            stream: 0,
            attached: true,
            catching_up: false,
            preface: false,
            again: None,
            cut: false,
            closed: false,
            last: false,
        }
    }

    fn frames(&self) -> impl Iterator<Item = &Frame> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Frame(waiting) => Some(&waiting.frame),
            Entry::Owed(_) | Entry::Gap(_) => None,
        })
    }

    pub(super) fn waiting(&self) -> u32 {
        self.frames().map(Frame::count).sum::<u32>() + u32::from(self.last)
    }

    pub(super) fn last_seq(&self) -> u32 {
        self.sent.len() as u32
    }

    fn bounds(&self) -> Bounds {
        if self.attached && !self.catching_up {
            return BOUNDS;
        }
        Bounds { frames: BOUNDS.frames.max(self.held.frames), bytes: BOUNDS.bytes.max(self.held.bytes) }
    }

    /// Whether `frame` fits beside what waits and what is still to be said of what is missing.
    fn fits(&self, frame: &Frame, (times, share): (u32, u32)) -> bool {
        let untold: Vec<u32> = self
            .missed
            .iter()
            .flat_map(|(room, holes)| vec![told_bytes("", std::slice::from_ref(room)); holes.len()])
            .collect();
        self.fits_beside(frame, (times, share), &untold)
    }

    fn fits_beside(&self, frame: &Frame, (times, share): (u32, u32), untold: &[u32]) -> bool {
        let all = || self.frames().chain([frame]);
        let bytes = all().map(Frame::bytes).sum::<usize>() as u32 + untold.iter().sum::<u32>();
        let frames = all().map(Frame::count).sum::<u32>() + untold.len() as u32;
        let bounds = self.bounds();
        frames <= bounds.frames * times / share && bytes <= bounds.bytes * times / share
    }

    fn find(&self, wanted: impl Fn(&Frame) -> bool) -> Option<usize> {
        self.entries.iter().position(|entry| matches!(entry, Entry::Frame(waiting) if wanted(&waiting.frame)))
    }

    fn remove(&mut self, at: usize) -> Frame {
        match self.entries.remove(at) {
            Entry::Frame(waiting) => waiting.frame,
            other => panic!("{other:?} is no frame"),
        }
    }

    /// Notes where a frame was taken out what is missing there.
    fn leave_gap(&mut self, at: usize, old: &Frame) {
        let is_gap = |at: &usize| matches!(self.entries.get(*at), Some(Entry::Gap(_)));
        let gap = [at.wrapping_sub(1), at].into_iter().find(is_gap).unwrap_or_else(|| {
            self.entries.insert(at, Entry::Gap(Vec::new()));
            at
        });
        let Entry::Gap(missed) = &mut self.entries[gap] else { panic!("{gap} is no gap") };
        let later = if gap == at { std::mem::take(missed) } else { Vec::new() };
        note(missed, old);
        for (room, holes) in later {
            holes.into_iter().for_each(|hole| note_hole(missed, &room, hole));
        }
    }

    fn append(&mut self, new: &Waiting) -> Put {
        self.tell_missed();
        self.entries.push(Entry::Frame(new.clone()));
        Put::Waits { displaced: 0, pressed: false }
    }

    pub(super) fn put(&mut self, new: &Waiting, policy: BehindPolicy) -> Put {
        if self.closed {
            return Put::Closed;
        }
        let frame = &new.frame;
        if frame.class() == Class::Volatile {
            let empty = self.entries.iter().all(|entry| matches!(entry, Entry::Gap(_)));
            let idle = empty && self.fits(frame, (1, 1));
            if self.behind || !(idle || self.fits(frame, (1, 4))) {
                return Put::Dropped;
            }
            return self.append(new);
        }
        let twin = |old: &Frame| old.class() == Class::Latest && old.topic() == frame.topic();
        if frame.class() == Class::Latest
            && let Some(at) = self.find(twin)
        {
            self.remove(at);
        }
        let mut displaced = 0;
        while !self.fits(frame, (1, 1))
            && let Some(at) = self.find(|old| old.class() == Class::Volatile)
        {
            displaced += self.remove(at).count();
        }
        if policy == BehindPolicy::Latest {
            let same = |old: &Frame| old.topic() == frame.topic() && frame.topic() != 0;
            while !self.fits(frame, (1, 1))
                && let Some(at) = self.find(same).or_else(|| self.find(|old| old.class() != Class::Answer))
            {
                let old = self.remove(at);
                displaced += old.count();
                self.leave_gap(at, &old);
            }
        }
        if self.fits(frame, (1, 1)) {
            self.append(new);
            return Put::Waits { displaced, pressed: false };
        }
        match policy {
            BehindPolicy::Close if frame.is_kept() => {
                self.lag(frame);
                Put::Lags
            }
            BehindPolicy::Close if !self.behind => {
                self.behind = true;
                note(&mut self.missed, frame);
                Put::Behind
            }
            _ => {
                note(&mut self.missed, frame);
                Put::Dropped
            }
        }
    }

    fn lag(&mut self, frame: &Frame) {
        for event in frame.events() {
            let (room, offset) = (event.rooms[0].as_str(), event.offset.unwrap());
            match self.entries.last_mut() {
                Some(Entry::Owed(Owed::Events(last))) if &*last.room == room && last.to + 1 == offset => {
                    last.to = offset;
                }
                _ => {
                    let room = room[1..].parse().unwrap();
                    self.owe(Owed::Events(stretch(room, offset, offset)));
                }
            }
        }
    }

    pub(super) fn owe(&mut self, owed: Owed) -> Put {
        if self.closed {
            return Put::Closed;
        }
        self.tell_missed();
        self.entries.push(Entry::Owed(owed));
        Put::Lags
    }

    pub(super) fn put_state(&mut self, new: &Waiting, before: StateAfter) -> Put {
        if self.closed {
            return Put::Closed;
        }
        let same =
            |entry: &Entry| matches!(entry, Entry::Owed(Owed::State(known)) if known.room == before.room);
        // What is owed at the front may have been read already.
        match self.entries.iter().rposition(same) {
            None if self.fits(&new.frame, (1, 1)) => self.append(new),
            None => self.owe(Owed::State(before)),
            Some(at) => {
                if at == 0 {
                    self.changed = Some(before.revision + 1);
                }
                Put::Lags
            }
        }
    }

    pub(super) fn answer(&mut self, new: &Waiting) -> Put {
        if self.closed {
            return Put::Closed;
        }
        if !self.fits_beside(&new.frame, (2, 1), &[]) {
            return Put::Overrun;
        }
        self.append(new)
    }

    /// The frames of `owed` up to `count`, and what is left of it then.
    pub(super) fn settle(&mut self, owed: &Owed, frames: &[Waiting], rest: &Rest) {
        let Some(Entry::Owed(front)) = self.entries.first() else { return };
        let rest = match (front, owed) {
            (Owed::State(now), Owed::State(then)) if now == then => match rest {
                Rest::Since(read) => {
                    self.changed.filter(|change| *change > read.revision).map(|_| Owed::State(read.clone()))
                }
                Rest::Owed(rest) => Some(rest.clone()),
                Rest::Nothing => None,
            },
            (Owed::Events(now), Owed::Events(then))
                if now.room == then.room && now.from == then.from && now.to >= then.to =>
            {
                let from = now.from + frames.len() as u64;
                (from <= now.to).then(|| Owed::Events(Stretch { from, ..now.clone() }))
            }
            _ => return,
        };
        if self.closed {
            return;
        }
        self.changed = None;
        let frames = frames.iter().cloned().map(Entry::Frame);
        self.entries.splice(..1, frames.chain(rest.map(Entry::Owed)));
    }

    pub(super) fn close(&mut self) {
        if !self.closed {
            (self.closed, self.last) = (true, true);
            self.replay.clear();
        }
    }

    pub(super) fn abandon(&mut self) {
        let gone = Self::new(self.held);
        *self = Self {
            closed: true,
            sent: std::mem::take(&mut self.sent),
            stream: self.stream,
            attached: self.attached,
            catching_up: self.catching_up,
            cut: self.cut,
            ..gone
        };
    }

    pub(super) fn suspend(&mut self) {
        self.behind = true;
        self.cut |= self.attached;
    }

    pub(super) fn detach(&mut self, stream: u32) -> bool {
        let current = self.stream == stream && self.attached;
        if current {
            (self.attached, self.preface, self.again, self.cut) = (false, false, None, false);
        }
        current
    }

    pub(super) fn attach(&mut self, seq: u32) -> Result<u32, Lost> {
        let last_seq = self.last_seq();
        let held: u32 = self.replay.iter().map(|sent| sent.count).sum();
        if self.closed {
            return Err(Lost::Ended);
        } else if seq > last_seq {
            return Err(Lost::Ahead);
        } else if seq < last_seq - held {
            return Err(Lost::Gone);
        }
        let again = self.sent[seq as usize..].to_vec();
        self.again = (!again.is_empty()).then(|| Told::Burst(seq + 1, again));
        self.seen(seq);
        (self.preface, self.cut, self.behind, self.attached, self.catching_up) =
            (true, false, false, true, true);
        self.stream += 1;
        Ok(self.stream)
    }

    pub(super) fn seen(&mut self, seq: u32) {
        while let Some(oldest) = self.replay.first() {
            let held: u32 = self.replay.iter().map(|sent| sent.count).sum();
            if self.last_seq() - held + oldest.count > seq {
                return;
            }
            self.replay.remove(0);
        }
    }

    /// What the stream that reads is told now.
    pub(super) fn read(&mut self, now: Instant) -> Poll<Told> {
        if std::mem::take(&mut self.cut) {
            return Poll::Ready(Told::Cut(true));
        }
        if std::mem::take(&mut self.preface) {
            return Poll::Ready(Told::Burst(0, vec!["welcome".to_owned()]));
        }
        if let Some(again) = self.again.take() {
            return Poll::Ready(again);
        }
        let first_owed = self.entries.iter().position(|entry| matches!(entry, Entry::Owed(_)));
        if first_owed != Some(0) {
            self.catching_up = false;
        }
        if first_owed.is_none() {
            self.tell_missed();
        }
        let frames = self.entries.drain(..first_owed.unwrap_or(self.entries.len()).min(self.entries.len()));
        let frames: Vec<Waiting> = frames
            .flat_map(|entry| match entry {
                Entry::Frame(waiting) => vec![waiting],
                Entry::Gap(missed) => told_of(missed),
                Entry::Owed(owed) => panic!("{owed:?} is no frame"),
            })
            .collect();
        if !frames.is_empty() {
            return Poll::Ready(self.send(frames, now));
        }
        match self.entries.first() {
            Some(Entry::Owed(owed)) if !self.closed => Poll::Ready(Told::Read(owed.clone())),
            _ if std::mem::take(&mut self.last) => Poll::Ready(Told::Burst(0, vec!["close".to_owned()])),
            _ if self.closed => Poll::Ready(Told::End),
            _ => Poll::Pending,
        }
    }

    fn send(&mut self, frames: Vec<Waiting>, now: Instant) -> Told {
        let first_seq = self.last_seq() + 1;
        let mut all = Vec::new();
        for Waiting { frame, words } in frames {
            self.sent.extend(words.clone());
            all.extend(words);
            if self.closed || self.held.frames == 0 {
                continue;
            }
            self.replay.push(Sent { count: frame.count(), bytes: frame.bytes() as u32, at: now });
            while let Some(oldest) = self.replay.first()
                && (self.replay.iter().map(|sent| sent.count).sum::<u32>() > self.held.frames
                    || self.replay.iter().map(|sent| sent.bytes).sum::<u32>() > self.held.bytes
                    || now - oldest.at > self.held.age)
            {
                self.replay.remove(0);
            }
        }
        Told::Burst(first_seq, all)
    }

    fn tell_missed(&mut self) {
        let told = told_of(std::mem::take(&mut self.missed));
        self.entries.extend(told.into_iter().map(Entry::Frame));
    }
}
