//! What the tests of histories stand on: a log in memory that becomes durable when it is told to, forgets the rest when it
//! crashes, and gives storage back in pieces; settings that change; drafts.

#![allow(clippy::panic, clippy::unwrap_used, reason = "this is test code")]

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use parking_lot::Mutex;
use rialto_proto::v1::{Content, Durability, Event, Sender, content};
use tokio::sync::watch;

use super::{Draft, Histories, Idempotency, OpenError, Outcome, SettingsOf, Staged, Tuning};
use crate::{
    base::{
        config::{HistoryKind, NamespaceSettings},
        ids::{RoomName, SessionId},
        refusal::Refusal,
    },
    log::{Log, LogError, Position, Progress},
    wire::Class,
};

/// Storage is given back in pieces of so many bytes.
const SEGMENT_BYTES: u64 = 700;

#[derive(Debug, Default, Clone)]
pub(super) struct Stored {
    records: BTreeMap<u64, Bytes>,
    first: u64,
    next: u64,
    snapshot: Option<(Position, Vec<Bytes>)>,
    full: bool,
    reads: usize,
}

/// A log in memory.
#[derive(Debug)]
pub(super) struct RigLog {
    stored: Mutex<Stored>,
    progress: watch::Sender<Progress>,
}

impl RigLog {
    pub(super) fn new(stored: Stored) -> Arc<Self> {
        let durable = Position(stored.next);
        let progress = watch::Sender::new(Progress { durable, failed: None });
        Arc::new(Self { stored: Mutex::new(stored), progress })
    }

    pub(super) fn durable(&self) -> Position {
        self.progress.borrow().durable
    }

    pub(super) fn end(&self) -> Position {
        Position(self.stored.lock().next)
    }

    /// Where the records from `from` on are.
    pub(super) fn positions(&self, from: Position) -> VecDeque<Position> {
        self.stored.lock().records.range(from.0..).map(|(at, _)| Position(*at)).collect()
    }

    /// Makes the next `records` records durable.
    pub(super) fn sync(&self, records: usize) {
        let stored = self.stored.lock();
        let durable = self.durable().0;
        let later = stored.records.range(durable..).nth(records);
        let durable = later.map_or(stored.next, |(at, _)| *at);
        self.progress.send_modify(|progress| progress.durable = Position(durable));
    }

    /// How often a record was read by itself.
    pub(super) fn reads(&self) -> usize {
        self.stored.lock().reads
    }

    pub(super) fn set_full(&self, full: bool) {
        self.stored.lock().full = full;
    }

    /// What is left after a crash now.
    pub(super) fn crashed(&self) -> Stored {
        let durable = self.durable().0;
        let mut stored = self.stored.lock().clone();
        stored.records.split_off(&durable);
        stored.next = durable;
        stored.full = false;
        stored
    }

    /// Appends what no history wrote.
    pub(super) fn append_raw(&self, record: &[u8]) {
        self.append(record).unwrap();
        self.sync(usize::MAX);
    }
}

impl Log for RigLog {
    fn durability(&self) -> Durability {
        Durability::Fsync
    }

    fn flush(&self) -> Result<Position, LogError> {
        self.sync(usize::MAX);
        Ok(self.progress().borrow().durable)
    }

    fn append(&self, record: &[u8]) -> Result<Position, LogError> {
        let mut stored = self.stored.lock();
        if stored.full {
            return Err(LogError::Full);
        }
        let at = stored.next;
        stored.records.insert(at, Bytes::copy_from_slice(record));
        stored.next += record.len() as u64 + 8;
        Ok(Position(at))
    }

    fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    fn bounds(&self) -> (Position, Position) {
        let stored = self.stored.lock();
        (Position(stored.first), Position(stored.next))
    }

    fn bytes(&self) -> u64 {
        let stored = self.stored.lock();
        stored.next - stored.first
    }

    fn read(&self, at: Position) -> Result<Bytes, LogError> {
        let durable = self.durable();
        let mut stored = self.stored.lock();
        stored.reads += 1;
        let record = stored.records.get(&at.0).filter(|_| at < durable).cloned();
        record.ok_or(LogError::Gone(at))
    }

    fn replay(&self, from: Position, visit: &mut dyn FnMut(Position, Bytes) -> bool) -> Result<(), LogError> {
        let records = self.stored.lock().records.clone();
        for (at, record) in records.range(from.0..self.durable().0) {
            if !visit(Position(*at), record.clone()) {
                break;
            }
        }
        Ok(())
    }

    fn snapshot(&self, at: Position, chunks: &mut dyn Iterator<Item = Bytes>) -> Result<(), LogError> {
        let chunks = chunks.collect();
        self.stored.lock().snapshot = Some((at, chunks));
        Ok(())
    }

    fn last_snapshot(&self, visit: &mut dyn FnMut(Bytes)) -> Result<Option<Position>, LogError> {
        let snapshot = self.stored.lock().snapshot.clone();
        Ok(snapshot.map(|(at, chunks)| {
            chunks.into_iter().for_each(visit);
            at
        }))
    }

    fn truncate(&self, before: Position) -> Result<(), LogError> {
        let mut stored = self.stored.lock();
        let piece = before.0 / SEGMENT_BYTES * SEGMENT_BYTES;
        let kept = stored.records.split_off(&piece);
        stored.first = kept.first_key_value().map_or(stored.next, |(at, _)| *at);
        stored.records = kept;
        Ok(())
    }
}

/// Histories over such a log, with one namespace `n`.
#[derive(Debug)]
pub(super) struct Rig {
    pub(super) log: Arc<RigLog>,
    pub(super) histories: Arc<Histories>,
    pub(super) settings: Arc<Mutex<NamespaceSettings>>,
    pub(super) now: SystemTime,
    tuning: Tuning,
    events: u64,
}

impl Rig {
    pub(super) fn new(settings: NamespaceSettings, tuning: Tuning) -> Self {
        let settings = Arc::new(Mutex::new(settings));
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let log = RigLog::new(Stored::default());
        let histories = Arc::new(open(&log, &settings, now, &tuning).unwrap());
        Self { log, histories, settings, now, tuning, events: 0 }
    }

    pub(super) fn durable() -> Self {
        Self::new(settings(HistoryKind::Durable), Tuning::default())
    }

    pub(super) fn pass(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
    }

    pub(super) fn shared(&self) -> Arc<Histories> {
        Arc::clone(&self.histories)
    }

    pub(super) fn keep(&self, kind: HistoryKind) {
        self.settings.lock().history = kind;
    }

    /// Starts anew with what was durable.
    pub(super) fn crash(&mut self) {
        self.log = RigLog::new(self.log.crashed());
        self.histories = Arc::new(self.reopen().unwrap());
    }

    pub(super) fn reopen(&self) -> Result<Histories, OpenError> {
        open(&self.log, &self.settings, self.now, &self.tuning)
    }

    /// Takes an event with a payload of so many bytes.
    pub(super) fn stage(
        &mut self,
        rooms: &[&str],
        bytes: usize,
        key: Option<(&str, u8)>,
    ) -> Result<Outcome, Refusal> {
        let rooms: Vec<RoomName> = rooms.iter().map(|room| room.parse().unwrap()).collect();
        self.events += 1;
        let excluded: Option<SessionId> = self.events.is_multiple_of(3).then(sender);
        let settings = self.settings.lock().clone();
        self.histories.stage(Draft {
            namespace: "n",
            settings: &settings,
            rooms: &rooms,
            event: Event {
                namespace: "n".to_owned(),
                event_id: format!("event-{}", self.events),
                content: Some(Content {
                    event: "e".to_owned(),
                    body: Some(content::Body::Text("x".repeat(bytes))),
                    ..Content::default()
                }),
                sender: Some(Sender::default()),
                ..Event::default()
            },
            class: Class::Reliable,
            excluded,
            idempotency: key.map(|(key, digest)| Idempotency { user: "u", key, digest: [digest; 16] }),
            now: self.now,
        })
    }

    /// Takes an event, makes it durable and shows it.
    pub(super) fn say(&mut self, room: &str) -> Staged {
        let Outcome::Staged(staged) = self.stage(&[room], 10, None).unwrap() else { panic!("seen before") };
        self.log.sync(usize::MAX);
        self.histories.publish(&staged);
        staged
    }

    /// The ids of all events that the history of a room shows.
    pub(super) fn ids(&self, room: &str) -> Vec<String> {
        let Ok(page) = self.histories.read(("n", room), None, 1..=u64::MAX, (usize::MAX, usize::MAX)) else {
            return Vec::new();
        };
        page.events.iter().map(|kept| kept.frame.events().remove(0).event_id).collect()
    }
}

fn open(
    log: &Arc<RigLog>,
    settings: &Arc<Mutex<NamespaceSettings>>,
    now: SystemTime,
    tuning: &Tuning,
) -> Result<Histories, OpenError> {
    let settings = Arc::clone(settings);
    let settings: SettingsOf = Arc::new(move |_| Some(Arc::new(settings.lock().clone())));
    Histories::open(Some(Arc::clone(log) as Arc<dyn Log>), settings, now, tuning.clone())
}

/// A session that does not hear its own events.
pub(super) fn sender() -> SessionId {
    "00000001-0000000000001".parse().unwrap()
}

pub(super) fn settings(kind: HistoryKind) -> NamespaceSettings {
    NamespaceSettings { history: kind, ..NamespaceSettings::default() }
}

impl Histories {
    /// Panics when the books disagree.
    pub(super) fn check(&self) {
        use std::sync::atomic::Ordering::Relaxed;
        let (mut live, mut cached, mut rooms) = (0, 0, 0);
        for shard in self.shards.all() {
            let shard = shard.lock();
            for (_, _, room) in shard.rooms() {
                rooms += 1;
                assert!(room.life.is_some() || room.state.is_some());
                if let Some(freed) = room.life.as_ref().map(super::life::Life::check) {
                    live += freed.live;
                    cached += freed.cached;
                }
                room.state.iter().for_each(super::state::State::check);
            }
        }
        assert_eq!(live, self.books.live.load(Relaxed), "bytes that are live");
        assert_eq!(cached, self.books.cached.load(Relaxed), "bytes at hand");
        assert_eq!(rooms, self.rooms.total(), "rooms");
        self.keys.lock().check();
    }
}
