//! The history of one room: where its events are, and the newest of them at hand. Pure: time, positions and bounds come
//! as arguments, what became free comes back as a value. An event is taken first and shown later; only shown ones are
//! read, counted against bounds and let go.

use std::collections::{BTreeSet, VecDeque};

use super::epoch::Epoch;
use crate::{
    base::{config::NamespaceSettings, ids::SessionId},
    log::Position,
    wire::Frame,
};

/// In no log.
pub(super) const NOWHERE: Position = Position(u64::MAX);

/// Where an event is. One for each event of each room, so it is small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its record, or [`NOWHERE`].
    pub(super) position: Position,
    /// When it was taken; never before the one before it.
    pub(super) at_ms: u64,
    /// Bytes of its frame: what bounds count.
    pub(super) bytes: u32,
    /// This room's share of the bytes of its record.
    pub(super) share: u32,
}

const _: () = assert!(size_of::<Entry>() <= 32);

impl Entry {
    pub(super) fn durable(&self) -> bool {
        self.position != NOWHERE
    }

    fn freed(&self) -> u64 {
        if self.durable() { self.share.into() } else { 0 }
    }
}

/// An event as it is kept.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Its place in the history.
    pub offset: u64,
    /// The event as it goes to receivers.
    pub frame: Frame,
    /// The session that sent it, when that does not hear its own event.
    pub excluded: Option<SessionId>,
}

/// How much the history of a room keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) events_max: u64,
    pub(super) bytes_max: u64,
    pub(super) age_max_ms: u64,
}

impl From<&NamespaceSettings> for Bounds {
    fn from(settings: &NamespaceSettings) -> Self {
        Self {
            events_max: settings.history_events_max.max(1).into(),
            bytes_max: settings.history_bytes_max,
            age_max_ms: u64::try_from(settings.history_age_max.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// What was let go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Freed {
    /// Bytes of the log that are not needed any more.
    pub(super) live: u64,
    /// Bytes of frames that were at hand and are on disk.
    pub(super) cached: usize,
}

impl Freed {
    fn add(&mut self, other: Self) {
        self.live += other.live;
        self.cached += other.cached;
    }
}

/// Says that what follows is not on the disk. It counts until a later event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seal {
    /// Its record.
    pub(super) position: Position,
    /// The last durable event before it.
    pub(super) offset: u64,
}

/// Where an event is found.
#[derive(Debug, Clone)]
pub(super) enum Found {
    /// At hand.
    Here(Kept),
    /// In the log.
    At(Position),
}

/// One life of the history of a room.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) epoch: Epoch,
    pub(super) bounds: Bounds,
    /// Offset of the first entry, or of the next one when there is none.
    first: u64,
    entries: VecDeque<Entry>,
    /// The newest events, as many as are at hand.
    tail: VecDeque<Kept>,
    /// Bytes of frames at hand that are on disk too.
    cached: usize,
    /// The last event that was shown.
    shown: u64,
    /// Events that were to be shown before the ones before them.
    early: BTreeSet<u64>,
    /// Bytes of the shown events.
    bytes: u64,
    last_durable: Option<u64>,
    /// What must be durable before the newest event may be shown.
    pub(super) wait_for: Option<Position>,
    /// The newest durable seal, and those after it.
    seals: Vec<Seal>,
    /// Nothing is added: the next event begins a new life.
    pub(super) ended: bool,
}

impl Life {
    /// Begins.
    pub(super) fn new(epoch: Epoch, bounds: Bounds) -> Self {
        Self::restored(epoch, bounds, 1, VecDeque::new())
    }

    /// As it was, everything shown.
    pub(super) fn restored(epoch: Epoch, bounds: Bounds, first: u64, entries: VecDeque<Entry>) -> Self {
        let last = first - 1 + entries.len() as u64;
        let bytes = entries.iter().map(|entry| u64::from(entry.bytes)).sum();
        Self {
            epoch,
            bounds,
            first,
            shown: last,
            last_durable: (!entries.is_empty()).then_some(last),
            entries,
            tail: VecDeque::new(),
            cached: 0,
            early: BTreeSet::new(),
            bytes,
            wait_for: None,
            seals: Vec::new(),
            ended: false,
        }
    }

    /// The offset that the next event gets.
    pub(super) fn next(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// The shown events, when there is one.
    pub(super) fn shown(&self) -> Option<std::ops::RangeInclusive<u64>> {
        (self.first <= self.shown).then_some(self.first..=self.shown)
    }

    /// Whether the log knows of it: then its end must be in the log too.
    pub(super) fn in_log(&self) -> bool {
        self.last_durable.is_some()
    }

    /// The last event that the log knows, when what follows is to be kept elsewhere and the log does not know that.
    pub(super) fn unsealed(&self) -> Option<u64> {
        self.last_durable.filter(|last| self.seals.last().is_none_or(|seal| seal.offset < *last))
    }

    /// The log says that what follows is kept elsewhere. Before `durable` it says so for ever.
    pub(super) fn seal(&mut self, seal: Seal, durable: Position) {
        self.seals.push(seal);
        let known = self.seals.iter().rposition(|seal| seal.position < durable).unwrap_or(0);
        self.seals.drain(..known);
    }

    /// The newest seal before a position.
    pub(super) fn sealed_before(&self, position: Position) -> Option<Seal> {
        self.seals.iter().rfind(|seal| seal.position < position).copied()
    }

    /// Takes an event, which is shown later. Returns the bytes that are at hand and on disk by that.
    pub(super) fn take(&mut self, mut entry: Entry, kept: Kept) -> usize {
        if let Some(before) = self.entries.back() {
            entry.at_ms = entry.at_ms.max(before.at_ms);
        }
        let cached = if entry.durable() { entry.bytes as usize } else { 0 };
        if entry.durable() {
            self.last_durable = Some(kept.offset);
        }
        self.cached += cached;
        self.entries.push_back(entry);
        self.tail.push_back(kept);
        cached
    }

    /// Shows an event, and those after it that were to be shown already; lets go what is too much by that.
    pub(super) fn show(&mut self, offset: u64) -> Freed {
        if offset <= self.shown || offset >= self.next() {
            return Freed::default();
        }
        self.early.insert(offset);
        while self.early.remove(&(self.shown + 1)) {
            self.shown += 1;
            if let Some(entry) = self.entry(self.shown) {
                self.bytes += u64::from(entry.bytes);
            }
        }
        self.shrink()
    }

    /// Lets go what is beyond the bounds of count and bytes. The newest stays.
    pub(super) fn shrink(&mut self) -> Freed {
        let mut freed = Freed::default();
        while self.first < self.shown
            && (self.shown - self.first + 1 > self.bounds.events_max || self.bytes > self.bounds.bytes_max)
        {
            freed.add(self.drop_first());
        }
        freed
    }

    /// Lets go what is too old. The newest stays: without it offsets would begin anew.
    pub(super) fn age(&mut self, now_ms: u64) -> Freed {
        let mut freed = Freed::default();
        while self.first < self.shown && self.entries.front().is_some_and(|entry| self.too_old(entry, now_ms))
        {
            freed.add(self.drop_first());
        }
        freed
    }

    /// Whether everything is too old.
    pub(super) fn is_over(&self, now_ms: u64) -> bool {
        self.entries.back().is_none_or(|entry| self.too_old(entry, now_ms)) && self.next() == self.shown + 1
    }

    fn too_old(&self, entry: &Entry, now_ms: u64) -> bool {
        entry.at_ms.saturating_add(self.bounds.age_max_ms) < now_ms
    }

    /// Lets go everything.
    pub(super) fn end(&mut self) -> Freed {
        let live = self.entries.iter().map(Entry::freed).sum();
        let freed = Freed { live, cached: self.cached };
        self.entries.clear();
        self.tail.clear();
        self.cached = 0;
        freed
    }

    fn drop_first(&mut self) -> Freed {
        let at_hand = self.tail.len() == self.entries.len();
        let Some(entry) = self.entries.pop_front() else { return Freed::default() };
        self.first += 1;
        self.bytes = self.bytes.saturating_sub(entry.bytes.into());
        let mut freed = Freed { live: entry.freed(), cached: 0 };
        if at_hand {
            self.tail.pop_front();
            freed.cached = self.uncached(entry);
        }
        freed
    }

    fn uncached(&mut self, entry: Entry) -> usize {
        let cached = if entry.durable() { entry.bytes as usize } else { 0 };
        self.cached -= cached;
        cached
    }

    /// Lets go of events at hand, oldest first, that can be read from the disk, until at most `bytes_max` of those are
    /// left. Returns the bytes.
    pub(super) fn cool(&mut self, bytes_max: usize) -> usize {
        let mut cooled = 0;
        while self.cached > bytes_max {
            let offset = self.next() - self.tail.len() as u64;
            let entry = self.entry(offset).copied().filter(|entry| entry.durable() && offset <= self.shown);
            let Some(entry) = entry else { break };
            self.tail.pop_front();
            cooled += self.uncached(entry);
        }
        cooled
    }

    /// Takes events to hand that were read from the disk: they end where those at hand begin. Returns the bytes.
    pub(super) fn warm(&mut self, events: &[Kept], bytes_max: usize) -> usize {
        let mut warmed = 0;
        for kept in events.iter().rev() {
            let before = self.next() - self.tail.len() as u64;
            let Some(entry) = self.entry(kept.offset).filter(|entry| entry.durable()) else { break };
            let bytes = entry.bytes as usize;
            if kept.offset + 1 != before || self.cached + bytes > bytes_max {
                break;
            }
            self.tail.push_front(kept.clone());
            self.cached += bytes;
            warmed += bytes;
        }
        warmed
    }

    /// The entry of an event, shown or not.
    pub(super) fn entry(&self, offset: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(offset.checked_sub(self.first)?).ok()?)
    }

    /// All entries with their offsets.
    pub(super) fn entries(&self) -> impl Iterator<Item = (u64, &Entry)> {
        (self.first..).zip(&self.entries)
    }

    /// Where a shown event is.
    pub(super) fn find(&self, offset: u64) -> Option<Found> {
        if offset > self.shown {
            return None;
        }
        let entry = self.entry(offset)?;
        let at_hand = self.next() - self.tail.len() as u64;
        match offset.checked_sub(at_hand).and_then(|at| self.tail.get(usize::try_from(at).ok()?)) {
            Some(kept) => Some(Found::Here(kept.clone())),
            None => Some(Found::At(entry.position)),
        }
    }

    /// The record of an event was written again elsewhere. Returns by how much this changes the bytes that are live.
    pub(super) fn moved(&mut self, offset: u64, from: Position, to: Position, share: u32) -> i64 {
        let Some(at) = offset.checked_sub(self.first).and_then(|at| usize::try_from(at).ok()) else {
            return 0;
        };
        match self.entries.get_mut(at) {
            Some(entry) if entry.position == from => {
                let change = i64::from(share) - i64::from(entry.share);
                entry.position = to;
                entry.share = share;
                change
            }
            _ => 0,
        }
    }

    /// The first shown event that was taken at `at_ms` or later; the one after the last when there is none.
    pub(super) fn since(&self, at_ms: u64) -> u64 {
        let shown = self.entries.range(..(self.shown + 1 - self.first) as usize);
        let (mut low, mut high) = (0, shown.len() as u64);
        while low < high {
            let middle = low.midpoint(high);
            let later = self.entry(self.first + middle).is_some_and(|entry| entry.at_ms >= at_ms);
            if later { high = middle } else { low = middle + 1 }
        }
        self.first + low
    }

    /// Bytes of the log that are needed.
    pub(super) fn live(&self) -> u64 {
        self.entries.iter().map(Entry::freed).sum()
    }

    /// When the newest event was taken.
    pub(super) fn newest_at_ms(&self) -> u64 {
        self.entries.back().map_or(0, |entry| entry.at_ms)
    }

    /// Panics when the books disagree.
    #[cfg(test)]
    pub(super) fn check(&self) -> Freed {
        assert!(self.tail.len() <= self.entries.len());
        assert!(self.first <= self.shown + 1 && self.shown < self.next());
        assert!(self.early.iter().all(|offset| *offset > self.shown + 1 && *offset < self.next()));
        let shown = (self.shown + 1 - self.first) as usize;
        let bytes: u64 = self.entries.iter().take(shown).map(|entry| u64::from(entry.bytes)).sum();
        assert_eq!(bytes, self.bytes);
        assert!(self.entries.iter().zip(self.entries.iter().skip(1)).all(|(a, b)| a.at_ms <= b.at_ms));
        let away = self.entries.len() - self.tail.len();
        assert!(self.entries.iter().take(away).all(Entry::durable), "an event is nowhere");
        assert!(away <= shown, "an event that is not shown is not at hand");
        let mut cached = 0;
        for ((offset, entry), kept) in self.entries().skip(away).zip(&self.tail) {
            assert_eq!(offset, kept.offset);
            assert_eq!(entry.bytes as usize, kept.frame.bytes());
            cached += if entry.durable() { kept.frame.bytes() } else { 0 };
        }
        assert_eq!(cached, self.cached);
        Freed { live: self.entries.iter().map(Entry::freed).sum(), cached }
    }
}
