//! Who owns which part, by what the register says, and what this node is to do about it. An entry that is not written again in
//! time may be taken by others; so an owner that has not written it in time does not trust in it either, and sooner. That two
//! nodes never write one log is not a matter of time: the log sees to that.
//!
//! Which node is to own a part follows from the names of both, so that all nodes think the same, and one that comes or goes
//! moves as few parts as can be. Pure: time comes as an argument.

use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::base::{clock::Instant, ids::NodeId};

/// How often an owner writes its entry again.
const RENEWED_EVERY: Duration = Duration::from_millis(500);
/// An owner that has not written its entry for so long does nothing more with the part.
const TRUSTED_FOR: Duration = Duration::from_millis(1_800);
/// An entry that was not written for so long is anybody's.
const TAKEN_AFTER: Duration = Duration::from_millis(2_500);
/// A part is left to the node that is to own it for so long; then another one takes it.
const LEFT_FOR: Duration = Duration::from_millis(700);
/// A node must have been there for so long before it is handed parts.
const SETTLED_AFTER: Duration = Duration::from_millis(1_500);

/// A node whose entry was taken because it was not written in time, or that has not taken what was left to it, is given nothing
/// for so long, or until it was away.
const SUSPECT_FOR: Duration = Duration::from_secs(10);

const _: () = assert!(TRUSTED_FOR.as_millis() + RENEWED_EVERY.as_millis() < TAKEN_AFTER.as_millis());

/// An entry of the register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Who has written it.
    pub owner: NodeId,
    /// Its revision.
    pub revision: u64,
    /// How far the log of the part had come.
    pub reached: u64,
}

/// What this node is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Write the entry of a part that is nobody's; it has this revision now, 0 when there is none.
    Take {
        /// The part.
        part: u32,
        /// The revision.
        revision: u64,
    },
    /// Write its own entry again.
    Renew {
        /// The part.
        part: u32,
        /// The revision that it has.
        revision: u64,
    },
    /// Hand a part over to another node that is to own it.
    HandOver {
        /// The part.
        part: u32,
    },
}

/// What is known of a part.
#[derive(Debug, Clone, Copy)]
struct Known {
    lease: Option<Lease>,
    /// When the entry was last seen to change, or to go.
    changed: Instant,
    /// When this node began to write its own entry last, of what was written.
    renewed: Option<Instant>,
    /// The revision with which this node has given its own entry up last.
    let_go: u64,
    /// This node is writing it, taking the part up, or handing it over.
    busy: bool,
}

/// What is known of all parts.
#[derive(Debug)]
pub struct Leases {
    node: NodeId,
    parts: Vec<Known>,
    /// Other nodes, and since when they are there.
    nodes: Vec<(NodeId, Instant)>,
    /// Nodes that are given nothing, and since when.
    suspects: Vec<(NodeId, Instant)>,
}

impl Leases {
    /// Nothing is known yet of so many parts.
    pub fn new(node: NodeId, parts: u32, now: Instant) -> Self {
        let unknown = Known { lease: None, changed: now, renewed: None, let_go: 0, busy: false };
        Self { node, parts: vec![unknown; parts as usize], nodes: Vec::new(), suspects: Vec::new() }
    }

    /// The register says this of a part. Returns who owns it now, when that has changed.
    pub fn note(&mut self, part: u32, lease: Option<Lease>, now: Instant) -> Option<Option<NodeId>> {
        let known = self.parts.get_mut(part as usize)?;
        let older = |lease: &Lease| match known.lease {
            Some(known) => lease.revision < known.revision,
            None => lease.revision <= known.let_go,
        };
        if lease.as_ref().is_some_and(older) {
            // It was seen when this node wrote it, or gave it up.
            return None;
        }
        let before = known.lease.map(|lease| lease.owner);
        if known.lease != lease {
            known.changed = now;
        }
        known.lease = lease;
        let owner = lease.map(|lease| lease.owner);
        if owner != Some(self.node) {
            known.renewed = None;
        }
        if before == owner {
            return None;
        }
        if let (Some(before), Some(_)) = (before, owner) {
            // It has not given it up.
            self.suspects.push((before, now));
        }
        Some(owner)
    }

    /// This node has written its own entry of a part; it began with that at `began`.
    pub fn wrote(&mut self, part: u32, lease: Lease, began: Instant, now: Instant) {
        self.note(part, Some(lease), now);
        if let Some(known) = self.parts.get_mut(part as usize) {
            let (node, let_go) = (self.node, known.let_go);
            let trusted = known.lease.filter(|lease| lease.owner == node && lease.revision > let_go);
            known.renewed = trusted.map(|_| began);
        }
    }

    /// This node is about to give its own entry of a part up, and does not trust in it from now on: whether the register has taken
    /// that may never be known. Returns the entry.
    pub fn let_go(&mut self, part: u32) -> Option<Lease> {
        let known = self.parts.get_mut(part as usize)?;
        let lease = known.lease.filter(|lease| lease.owner == self.node)?;
        (known.renewed, known.let_go) = (None, lease.revision);
        Some(lease)
    }

    /// The register has taken that this node gave its own entry up.
    pub fn gave_up(&mut self, part: u32, now: Instant) {
        let known = self.parts.get(part as usize).filter(|known| {
            known.lease.is_some_and(|lease| lease.owner == self.node && lease.revision <= known.let_go)
        });
        if known.is_some() {
            self.note(part, None, now);
        }
    }

    /// This node has something to do with a part, or is done with that: meanwhile nothing else is to be done.
    pub fn busy(&mut self, part: u32, busy: bool) {
        if let Some(known) = self.parts.get_mut(part as usize) {
            known.busy = busy;
        }
    }

    /// Which other nodes are there.
    pub fn meet(&mut self, nodes: &[NodeId], now: Instant) {
        self.nodes.retain(|(node, _)| nodes.contains(node));
        self.suspects.retain(|(node, since)| {
            nodes.contains(node) && now.saturating_duration_since(*since) < SUSPECT_FOR
        });
        let known = std::mem::take(&mut self.nodes);
        let new = nodes.iter().filter(|node| known.iter().all(|(other, _)| other != *node));
        self.nodes = known.iter().copied().chain(new.map(|node| (*node, now))).collect();
    }

    /// What the register says of a part.
    pub fn lease(&self, part: u32) -> Option<Lease> {
        self.parts.get(part as usize)?.lease
    }

    /// Whether this node owns a part, and may trust in that.
    pub fn is_trusted(&self, part: u32, now: Instant) -> bool {
        let renewed = self.parts.get(part as usize).and_then(|known| known.renewed);
        renewed.is_some_and(|renewed| now.saturating_duration_since(renewed) < TRUSTED_FOR)
    }

    /// What is to be done now.
    pub fn deeds(&mut self, now: Instant) -> Vec<Deed> {
        let mut sluggish = Vec::new();
        let deeds = (0..).zip(&self.parts).filter_map(|(part, known)| {
            let deed = self.deed(part, known, now);
            if let Some(Deed::Take { revision: 0, .. }) = deed {
                // It was left to the node that is to own it, which has not taken it.
                sluggish.extend(Some(self.rightful(part, None, None)).filter(|node| *node != self.node));
            }
            deed
        });
        let deeds = deeds.collect();
        self.suspects.extend(sluggish.into_iter().map(|node| (node, now)));
        deeds
    }

    fn deed(&self, part: u32, known: &Known, now: Instant) -> Option<Deed> {
        if known.busy {
            return None;
        }
        let since = |at: Instant| now.saturating_duration_since(at);
        let Some(lease) = known.lease else {
            let mine = self.rightful(part, None, None) == self.node;
            return (mine || since(known.changed) >= LEFT_FOR).then_some(Deed::Take { part, revision: 0 });
        };
        if lease.owner == self.node {
            let due = known.renewed.is_none_or(|renewed| since(renewed) >= RENEWED_EVERY);
            if due {
                return Some(Deed::Renew { part, revision: lease.revision });
            }
            let settled = now.checked_sub(SETTLED_AFTER);
            let elsewhere = self.rightful(part, None, settled) != self.node;
            return elsewhere.then_some(Deed::HandOver { part });
        }
        let silent = since(known.changed);
        let mine = self.rightful(part, Some(lease.owner), None) == self.node;
        let due = silent >= TAKEN_AFTER && (mine || silent >= TAKEN_AFTER + LEFT_FOR);
        due.then_some(Deed::Take { part, revision: lease.revision })
    }

    /// Which node is to own a part: of those that are there, without `gone`, and since `settled`.
    fn rightful(&self, part: u32, gone: Option<NodeId>, settled: Option<Instant>) -> NodeId {
        let there = self.nodes.iter().filter(|(_, since)| settled.is_none_or(|settled| *since <= settled));
        let suspect = |node: &NodeId| self.suspects.iter().any(|(suspect, _)| suspect == node);
        let there = there.map(|(node, _)| *node).filter(|node| Some(*node) != gone && !suspect(node));
        let nodes = there.chain(std::iter::once(self.node));
        nodes.max_by_key(|node| (weight(part, *node), *node)).unwrap_or(self.node)
    }
}

/// Rendezvous hashing: Thaler and Ravishankar, "Using name-based mappings to increase hit rates", 1998.
fn weight(part: u32, node: NodeId) -> [u8; 8] {
    let mut weight = [0; 8];
    weight.copy_from_slice(&Sha256::digest(format!("{part} {node}"))[..8]);
    weight
}

#[cfg(test)]
#[path = "lease_model.rs"]
mod model;
