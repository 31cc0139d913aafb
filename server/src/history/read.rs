//! Reading histories: the newest events from memory, older ones from the log by their positions. No lock is held while
//! the disk is read; what has moved or gone meanwhile is looked up again.

use std::{ops::RangeInclusive, sync::atomic::Ordering, time::SystemTime};

use super::{
    Histories, OpenError,
    epoch::Epoch,
    life::{Found, Kept, Life},
    record::Kind,
};
use crate::{
    base::clock,
    log::{LogError, Position},
    wire::Frame,
};

/// How often a read begins again because what it looked up was cleaned away meanwhile. Each time a whole step of cleaning
/// must have come between.
const TURNS_MAX: usize = 16;

/// Where a history stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Which life.
    pub epoch: Epoch,
    /// The oldest event that is kept.
    pub first_offset: u64,
    /// The newest event that was shown.
    pub last_offset: u64,
}

/// Some events of a history, by rising offset without a hole.
#[derive(Debug)]
pub struct Page {
    /// Where the history stood.
    pub head: Head,
    /// The events.
    pub events: Vec<Kept>,
    /// What was asked for and is not kept any more; the events follow it.
    pub gone: Option<RangeInclusive<u64>>,
    /// True when there are more within what was asked for.
    pub more: bool,
}

impl Page {
    /// The offset after the last event of the page, or of what is gone when it has none; `from` when there is neither.
    pub fn next_offset(&self, from: u64) -> u64 {
        let gone = || self.gone.as_ref().map_or(from, |gone| gone.end() + 1);
        self.events.last().map_or_else(gone, |kept| kept.offset + 1)
    }
}

/// Why a history was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The room keeps none, or has not had an event.
    #[error("there is no history")]
    None,
    /// The history has another epoch.
    #[error("the history has another epoch")]
    OtherEpoch(Head),
    /// The history has not come so far.
    #[error("the history has not come so far")]
    Ahead(Head),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The log holds something else than what was written.
    #[error("the log holds something else than what was written: {0}")]
    Record(String),
}

/// What was looked up under the lock.
struct Looked {
    head: Head,
    gone: Option<RangeInclusive<u64>>,
    found: Vec<(u64, Found)>,
    more: bool,
}

impl Histories {
    /// Where the history of a room stands; `None` when there is none.
    pub fn head(&self, namespace: &str, room: &str) -> Option<Head> {
        let shard = self.shards.lock(namespace, room);
        shard.get(namespace, room)?.life.as_ref().and_then(head)
    }

    /// Reads forward: what `range` covers of the shown events, at most `events_max` and about `bytes_max`, at least one.
    /// `epoch`: `None` for whichever there is. A range that begins right after the newest event is empty, one that begins
    /// later is an error. May wait for the disk.
    pub fn read(
        &self,
        (namespace, room): (&str, &str),
        epoch: Option<&str>,
        range: RangeInclusive<u64>,
        (events_max, bytes_max): (usize, usize),
    ) -> Result<Page, ReadError> {
        self.turns((namespace, room), epoch, |life, head| {
            let from = (*range.start()).max(1);
            if from > head.last_offset + 1 {
                return Err(ReadError::Ahead(head));
            }
            let last = head.last_offset.min(*range.end());
            // Nothing is told to be gone that was not asked for.
            let gone_to = (head.first_offset - 1).min(*range.end());
            let gone = (from <= gone_to).then_some(from..=gone_to);
            let first = from.max(head.first_offset);
            let offsets = first..last.saturating_add(1);
            let (mut found, mut bytes) = (Vec::new(), 0_usize);
            let mut more = false;
            for offset in offsets {
                let size = life.entry(offset).map_or(0, |entry| entry.bytes as usize);
                if found.len() == events_max || (!found.is_empty() && bytes + size > bytes_max) {
                    more = true;
                    break;
                }
                bytes += size;
                found.extend(life.find(offset).map(|at| (offset, at)));
            }
            Ok(Looked { head, gone, found, more })
        })
    }

    /// Reads backward: the newest events before `before` (`None`: the newest of all), at most `events_max` and about
    /// `bytes_max`, at least one. The events of a page rise all the same. May wait for the disk.
    pub fn read_back(
        &self,
        (namespace, room): (&str, &str),
        epoch: Option<&str>,
        before: Option<u64>,
        (events_max, bytes_max): (usize, usize),
    ) -> Result<Page, ReadError> {
        self.turns((namespace, room), epoch, |life, head| {
            let before = before.unwrap_or(head.last_offset + 1);
            if before > head.last_offset + 1 {
                return Err(ReadError::Ahead(head));
            }
            let (mut found, mut bytes) = (Vec::new(), 0_usize);
            let mut more = false;
            for offset in (head.first_offset..before).rev() {
                let size = life.entry(offset).map_or(0, |entry| entry.bytes as usize);
                if found.len() == events_max || (!found.is_empty() && bytes + size > bytes_max) {
                    more = true;
                    break;
                }
                bytes += size;
                found.extend(life.find(offset).map(|at| (offset, at)));
            }
            found.reverse();
            Ok(Looked { head, gone: None, found, more })
        })
    }

    /// The first event that was taken at `time` or later; the offset of the next one when there is none yet.
    pub fn offset_at(&self, namespace: &str, room: &str, time: SystemTime) -> Option<u64> {
        let shard = self.shards.lock(namespace, room);
        let life = shard.get(namespace, room)?.life.as_ref()?;
        head(life).map(|_| life.since(clock::unix_ms(time)))
    }

    /// Looks up and fetches, again when what was looked up has gone meanwhile.
    fn turns(
        &self,
        (namespace, room): (&str, &str),
        epoch: Option<&str>,
        look: impl Fn(&Life, Head) -> Result<Looked, ReadError>,
    ) -> Result<Page, ReadError> {
        let mut gone = LogError::Gone(Position::default());
        for _ in 0..TURNS_MAX {
            let looked = {
                let shard = self.shards.lock(namespace, room);
                let life = shard.get(namespace, room).and_then(|room| room.life.as_ref());
                let (life, head) = life.and_then(|life| Some((life, head(life)?))).ok_or(ReadError::None)?;
                if epoch.is_some_and(|epoch| epoch.parse() != Ok(head.epoch)) {
                    return Err(ReadError::OtherEpoch(head));
                }
                look(life, head)?
            };
            let from_disk = looked.found.iter().any(|(_, found)| matches!(found, Found::At(_)));
            match self.fetch(looked.found) {
                Ok(events) => {
                    let page = Page { head: looked.head, events, gone: looked.gone, more: looked.more };
                    if from_disk {
                        self.warm(namespace, room, &page);
                    }
                    return Ok(page);
                }
                Err(ReadError::Log(LogError::Gone(at))) => gone = LogError::Gone(at),
                Err(error) => return Err(error),
            }
        }
        Err(gone.into())
    }

    fn fetch(&self, found: Vec<(u64, Found)>) -> Result<Vec<Kept>, ReadError> {
        let fetched = found.into_iter().map(|(offset, found)| match found {
            Found::Here(kept) => Ok(kept),
            Found::At(position) => self.fetch_one(offset, position),
        });
        fetched.collect()
    }

    fn fetch_one(&self, offset: u64, position: Position) -> Result<Kept, ReadError> {
        let log = self.log.as_deref().ok_or(LogError::Gone(position))?;
        let bytes = log.read(position)?;
        match Kind::parse(position, bytes) {
            Ok(Kind::Event(event)) => {
                Ok(Kept { offset, frame: Frame::kept(event.frame), excluded: event.excluded.parse().ok() })
            }
            Ok(_) => Err(ReadError::Record(format!("no event at {}", position.0))),
            Err(OpenError::Log(error)) => Err(error.into()),
            Err(error) => Err(ReadError::Record(error.to_string())),
        }
    }

    /// Takes to hand what was read of the newest events: others will ask for them too.
    fn warm(&self, namespace: &str, room: &str, page: &Page) {
        let bytes_max = self.cache_room_bytes();
        let mut shard = self.shards.lock(namespace, room);
        let life = shard.get_mut(namespace, room).and_then(|room| room.life.as_mut());
        if let Some(life) = life.filter(|life| life.epoch == page.head.epoch) {
            self.books.cached.fetch_add(life.warm(&page.events, bytes_max), Ordering::Relaxed);
        }
    }
}

fn head(life: &Life) -> Option<Head> {
    let shown = life.shown()?;
    Some(Head { epoch: life.epoch, first_offset: *shown.start(), last_offset: *shown.end() })
}
