//! What a simulation writes down beside the record for the checkers: chance, trace, counts, and the values of keys that
//! were acknowledged.

use std::collections::{BTreeMap, BTreeSet};

use rialto_proto::v1::{Durability, GetStateResponse, StateSet, state_entry};

use rialto_server::{base::metrics::Metrics, bridge::simulated::NetworkCounts};

use super::{chance::Chance, cluster::Cluster, trace::Trace};
use crate::checks::{Recorder, Room, Seen};

/// How much has happened.
#[derive(Debug, Default, Clone, Copy)]
pub struct Counts {
    /// Events that were acknowledged.
    pub accepted: u64,
    /// Of these, again.
    pub duplicates: u64,
    /// Commands that were refused.
    pub refused: u64,
    /// Values that were set.
    pub sets: u64,
    /// Sessions that were taken up again.
    pub resumed: u64,
    /// Times that something was missing, and told.
    pub missed: u64,
    /// Times that a node ended.
    pub crashes: u64,
    /// Times that a link was lost.
    pub partitions: u64,
    /// Sessions that went to another node.
    pub moves: u64,
    /// Parts of the rooms that were taken up.
    pub take_overs: u64,
    /// Jobs of which it was heard that they are done.
    pub jobs_done: u64,
    /// Times that a worker has heard that its lease is over.
    pub leases_lost: u64,
    /// Times that something was written too late by one who did not keep it any more, and was not taken.
    pub fenced: u64,
    /// Messages between nodes that were heard.
    pub heard: u64,
    /// Of these, twice.
    pub twice: u64,
    /// Messages between nodes that were lost.
    pub lost: u64,
}

impl Counts {
    /// Counts what a node has done.
    pub(super) fn add_node(&mut self, metrics: &Metrics) {
        self.moves += metrics.sessions_moved.get();
    }

    /// Counts what nodes had together.
    pub(super) fn add_cluster(&mut self, cluster: &Cluster) {
        let NetworkCounts { heard, lost, twice } = cluster.network.counts();
        (self.heard, self.lost, self.twice) = (heard, lost, twice);
        self.take_overs = cluster.logs.claims();
        self.fenced = cluster.logs.fenced();
    }

    /// Counts another run.
    pub fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.duplicates += other.duplicates;
        self.refused += other.refused;
        self.sets += other.sets;
        self.resumed += other.resumed;
        self.missed += other.missed;
        self.crashes += other.crashes;
        self.partitions += other.partitions;
        self.moves += other.moves;
        self.take_overs += other.take_overs;
        self.fenced += other.fenced;
        self.jobs_done += other.jobs_done;
        self.leases_lost += other.leases_lost;
        self.heard += other.heard;
        self.twice += other.twice;
        self.lost += other.lost;
    }
}

/// What everybody in a simulation writes to.
#[derive(Debug)]
pub(super) struct Notes {
    /// What the seed decides.
    pub chance: Chance,
    /// Everything that happens.
    pub trace: Trace,
    /// For the checkers.
    pub recorder: Recorder,
    /// How much of it there was.
    pub counts: Counts,
    /// Values that were acknowledged.
    pub sets: Sets,
    /// The rooms.
    pub rooms: Vec<Room>,
    /// The nodes that run; one at least when somebody connects.
    pub sites: Vec<usize>,
    /// Whether there are several nodes.
    pub several: bool,
}

impl Notes {
    /// The number of a room. One that nobody has joined is no room of the simulation.
    pub(super) fn room(&self, namespace: &str, name: &str) -> usize {
        let found = self.rooms.iter().position(|room| *room.namespace == *namespace && *room.name == *name);
        found.unwrap_or_else(|| panic!("there is no room {namespace}/{name}"))
    }

    /// Whether an idempotency key of this room says nothing to other nodes.
    pub(super) fn is_keyless(&self, room: usize) -> bool {
        self.is_carried(room) && &*self.rooms[room].namespace != "loose"
    }

    /// Whether what is said in this room goes to other nodes without being kept.
    pub(super) fn is_carried(&self, room: usize) -> bool {
        self.several && !self.is_kept(room)
    }

    /// Whether events of a room are kept.
    pub(super) fn is_kept(&self, room: usize) -> bool {
        matches!(&*self.rooms[room].namespace, "durable" | "memory")
    }

    /// `receiver` has seen something.
    pub(super) fn seen(&mut self, receiver: &str, seen: Seen) {
        self.counts.missed += u64::from(matches!(seen, Seen::Missed { .. }));
        self.trace.note(format_args!("{receiver} saw {seen:?}"));
        self.recorder.seen(receiver, seen);
    }
}

/// A value that was acknowledged.
#[derive(Debug, Clone)]
struct Set {
    revision: u64,
    epoch: String,
    value: Option<String>,
    durable: bool,
}

/// Values of keys that were acknowledged, and whose revision they replaced.
#[derive(Debug, Default)]
pub(super) struct Sets {
    newest: BTreeMap<(usize, String), Set>,
    replaced: BTreeSet<(usize, String, String, u64)>,
}

impl Sets {
    /// A value was acknowledged. Two that replace the same revision are a breach.
    pub(super) fn take(
        &mut self,
        (room, key, set): (usize, String, &StateSet),
        value: Option<String>,
        expected: Option<u64>,
    ) -> Result<(), String> {
        let durable = set.durability() != Durability::Memory;
        let new = Set { revision: set.revision, epoch: set.epoch.clone(), value, durable };
        let known = self.newest.get(&(room, key.clone()));
        if known.is_none_or(|known| known.epoch != new.epoch || known.revision < new.revision) {
            self.newest.insert((room, key.clone()), new);
        }
        let Some(expected) = expected.filter(|expected| *expected > 0) else { return Ok(()) };
        if self.replaced.insert((room, set.epoch.clone(), key.clone(), expected)) {
            return Ok(());
        }
        Err(format!("two values of {key} have replaced revision {expected}"))
    }

    /// A node was lost, and with it what was in its memory.
    pub(super) fn crashed(&mut self) {
        self.newest.retain(|_, set| set.durable);
    }

    /// What of the values that stay (their keys begin with `k`) is not in the state of a room.
    pub(super) fn lost(&self, room: usize, state: &GetStateResponse) -> Vec<String> {
        let of_room = self.newest.iter().filter(|((of, key), _)| *of == room && key.starts_with('k'));
        let lost = of_room.filter_map(|((_, key), set)| {
            let entry = state.entries.iter().find(|entry| entry.key == *key);
            let Some(entry) =
                entry.filter(|entry| entry.revision >= set.revision && set.epoch == state.epoch)
            else {
                return Some(format!("{key} was set to {set:?} and is {entry:?}"));
            };
            let Some(state_entry::Body::Text(text)) = &entry.body else {
                return Some(format!("{key} has no text: {entry:?}"));
            };
            let same = entry.revision > set.revision || Some(text) == set.value.as_ref();
            (!same).then(|| format!("{key} was set to {set:?} and is {text}"))
        });
        lost.collect()
    }
}
