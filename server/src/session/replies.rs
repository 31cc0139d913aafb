//! Emits that wait for replies: who was asked, who has answered, until when. Pure: time and sessions come as
//! arguments, what is to be told comes back as values. The router holds the one table of a node and says the rest.

use std::{
    collections::{BTreeSet, HashMap},
    hash::Hash,
    time::Duration,
};

use rialto_proto::v1::{MissingReply, RepliesDone, Sender};

use crate::base::{clock::Instant, ids::NodeId, limits::SESSIONS_PER_COMMAND_MAX};

/// How much longer other nodes have to say who has not answered them in time: their clocks began a little later.
const NODES_GRACE: Duration = Duration::from_secs(1);

/// All waits of one node. `T` is under what is asked, `A` who asked.
#[derive(Debug)]
pub struct Replies<T, A> {
    waits: HashMap<T, Wait<A>>,
    deadlines: BTreeSet<(Instant, T)>,
    asked_of: HashMap<u64, Vec<T>>,
    asked_by: HashMap<u64, BTreeSet<T>>,
}

/// What is to be waited for.
#[derive(Debug)]
pub struct Wanted<A> {
    /// Who asked.
    pub asker: A,
    /// The session of who asked, if it has one: its waits are given up when it is gone.
    pub by: Option<u64>,
    /// The sessions that were asked, key and name; each once.
    pub asked: Vec<(u64, Sender)>,
    /// Other nodes that ask sessions of theirs; each says when it is done.
    pub nodes: BTreeSet<NodeId>,
    /// Until when.
    pub deadline: Instant,
}

#[derive(Debug)]
struct Wait<A> {
    asker: A,
    by: Option<u64>,
    deadline: Instant,
    asked: HashMap<u64, Sender>,
    /// Those of whom is known that they will not answer; the first of them, and how many there are.
    missing: Vec<MissingReply>,
    missing_count: u32,
    answered: u32,
    nodes: BTreeSet<NodeId>,
    /// Nodes that are gone.
    nodes_gone: Vec<NodeId>,
    timed_out: bool,
    /// Only other nodes are waited for any more.
    late: bool,
}

/// A wait that has ended.
#[derive(Debug, PartialEq)]
pub struct Done<A> {
    /// Who asked.
    pub asker: A,
    /// What the asker is told.
    pub summary: RepliesDone,
}

/// What an answer, or the leaving of a receiver, led to.
#[derive(Debug, PartialEq)]
pub struct Progress<A> {
    /// Who asked.
    pub asker: A,
    /// Set when that was the last one.
    pub done: Option<RepliesDone>,
}

/// The token is not known, or this session was not asked or has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no reply is expected from this session under this token")]
pub struct NotExpected;

impl<T, A> Default for Replies<T, A> {
    fn default() -> Self {
        Self {
            waits: HashMap::new(),
            deadlines: BTreeSet::new(),
            asked_of: HashMap::new(),
            asked_by: HashMap::new(),
        }
    }
}

impl<T: Copy + Eq + Hash + Ord, A: Clone> Replies<T, A> {
    /// Begins to wait. `token` is new.
    pub fn wait(&mut self, token: T, wanted: Wanted<A>) {
        let Wanted { asker, by, asked, nodes, deadline } = wanted;
        for (receiver, _) in &asked {
            self.asked_of.entry(*receiver).or_default().push(token);
        }
        if let Some(by) = by {
            self.asked_by.entry(by).or_default().insert(token);
        }
        self.deadlines.insert((deadline, token));
        let asked = asked.into_iter().collect();
        let wait = Wait {
            asker,
            by,
            deadline,
            asked,
            missing: Vec::new(),
            missing_count: 0,
            answered: 0,
            nodes,
            nodes_gone: Vec::new(),
            timed_out: false,
            late: false,
        };
        self.waits.insert(token, wait);
    }

    /// Whether something is waited for under a token.
    pub fn has(&self, token: T) -> bool {
        self.waits.contains_key(&token)
    }

    /// Ends a wait at once if nobody is left to answer: after an emit that reached nobody.
    pub fn settle(&mut self, token: T) -> Option<Done<A>> {
        let over = |wait: &Wait<A>| wait.asked.is_empty() && wait.nodes.is_empty();
        self.waits.get(&token).is_some_and(over).then(|| self.end(token, false))?
    }

    /// Gives up a wait: nobody listens any more. Returns the nodes that were waited for.
    pub fn forget(&mut self, token: T) -> BTreeSet<NodeId> {
        let nodes = self.waits.get(&token).map(|wait| wait.nodes.clone()).unwrap_or_default();
        self.end(token, false);
        nodes
    }

    /// Gives up the waits of a session that is gone. Returns each with the nodes that were waited for.
    pub fn asker_gone(&mut self, by: u64) -> Vec<(T, BTreeSet<NodeId>)> {
        let tokens = self.asked_by.remove(&by).unwrap_or_default();
        tokens.into_iter().map(|token| (token, self.forget(token))).collect()
    }

    /// Who waits for an answer of `receiver` under `token`.
    pub fn expecting(&self, token: T, receiver: u64) -> Result<&A, NotExpected> {
        let wait = self.waits.get(&token).filter(|wait| wait.asked.contains_key(&receiver));
        wait.map(|wait| &wait.asker).ok_or(NotExpected)
    }

    /// Takes the answer of `receiver`.
    pub fn answer(&mut self, token: T, receiver: u64) -> Result<(Sender, Progress<A>), NotExpected> {
        let wait = self.waits.get_mut(&token).ok_or(NotExpected)?;
        let from = wait.asked.remove(&receiver).ok_or(NotExpected)?;
        wait.answered += 1;
        let asker = wait.asker.clone();
        self.no_longer_asked(receiver, token);
        let done = self.settle(token).map(|done| done.summary);
        Ok((from, Progress { asker, done }))
    }

    /// Who waits for answers that `node` passes on under `token`.
    pub fn expecting_of(&self, token: T, node: NodeId) -> Result<&A, NotExpected> {
        let wait = self.waits.get(&token).filter(|wait| wait.nodes.contains(&node));
        wait.map(|wait| &wait.asker).ok_or(NotExpected)
    }

    /// Takes an answer that another node passes on. More may come from it.
    pub fn answer_of(&mut self, token: T, node: NodeId) -> Result<A, NotExpected> {
        let wait = self.waits.get_mut(&token).filter(|wait| wait.nodes.contains(&node)).ok_or(NotExpected)?;
        wait.answered += 1;
        Ok(wait.asker.clone())
    }

    /// Notes that no more answers will come from a node, and whose it says are missing.
    pub fn node_done(&mut self, token: T, node: NodeId, summary: RepliesDone) -> Option<Done<A>> {
        let wait = self.waits.get_mut(&token)?;
        if !wait.nodes.remove(&node) {
            return None;
        }
        wait.missing_count = wait.missing_count.saturating_add(summary.missing_count);
        wait.missing.extend(summary.missing);
        wait.missing.truncate(SESSIONS_PER_COMMAND_MAX);
        wait.timed_out |= summary.timed_out;
        self.settle(token)
    }

    /// Notes that a node is gone: it will say nothing more. Returns the waits that ended by it.
    pub fn node_gone(&mut self, node: NodeId) -> Vec<Done<A>> {
        let mut tokens = Vec::new();
        for (token, wait) in &mut self.waits {
            if wait.nodes.remove(&node) {
                wait.nodes_gone.push(node);
                tokens.push(*token);
            }
        }
        tokens.sort();
        tokens.into_iter().filter_map(|token| self.settle(token)).collect()
    }

    /// What `receiver` is asked.
    pub fn asked_of(&self, receiver: u64) -> Vec<T> {
        self.asked_of.get(&receiver).cloned().unwrap_or_default()
    }

    /// Notes that `receiver` is asked by somebody else under the same token, and not here.
    pub fn not_asked(&mut self, token: T, receiver: u64) {
        if let Some(wait) = self.waits.get_mut(&token) {
            wait.asked.remove(&receiver);
        }
        self.no_longer_asked(receiver, token);
    }

    /// Notes that `receiver` will not answer `token`: the event did not reach it.
    pub fn unreached(&mut self, token: T, receiver: u64) -> Option<Done<A>> {
        self.lose(token, receiver);
        self.no_longer_asked(receiver, token);
        self.settle(token)
    }

    /// Notes that `receiver` is gone: it will answer nothing. Returns the waits that ended by it.
    pub fn gone(&mut self, receiver: u64) -> Vec<Done<A>> {
        let tokens = self.asked_of.remove(&receiver).unwrap_or_default();
        let mut ended = Vec::new();
        for token in tokens {
            self.lose(token, receiver);
            ended.extend(self.settle(token));
        }
        ended
    }

    /// Ends the waits whose time is up.
    pub fn expire(&mut self, now: Instant) -> Vec<Done<A>> {
        let mut ended = Vec::new();
        while let Some((deadline, token)) = self.deadlines.first().copied()
            && deadline <= now
        {
            let waits_for_nodes = |wait: &Wait<A>| !wait.nodes.is_empty() && !wait.late;
            if self.waits.get(&token).is_some_and(waits_for_nodes) {
                self.wait_for_nodes(token);
            } else {
                ended.extend(self.end(token, true));
            }
        }
        ended
    }

    /// The time of those who were asked here is over. What other nodes have to say is on its way.
    fn wait_for_nodes(&mut self, token: T) {
        let Some(wait) = self.waits.get_mut(&token) else { return };
        let silent = std::mem::take(&mut wait.asked);
        wait.missing_count =
            wait.missing_count.saturating_add(u32::try_from(silent.len()).unwrap_or(u32::MAX));
        let receivers: Vec<u64> = silent.keys().copied().collect();
        wait.missing.extend(silent.into_values().map(|who| MissingReply { from: Some(who), left: false }));
        wait.missing.truncate(SESSIONS_PER_COMMAND_MAX);
        self.deadlines.remove(&(wait.deadline, token));
        wait.deadline += NODES_GRACE;
        (wait.late, wait.timed_out) = (true, true);
        self.deadlines.insert((wait.deadline, token));
        for receiver in receivers {
            self.no_longer_asked(receiver, token);
        }
    }

    /// How many answers one asker waits for, over all its questions.
    pub fn asked_count(&self, by: u64) -> usize {
        let tokens = self.asked_by.get(&by).into_iter().flatten();
        tokens.filter_map(|token| self.waits.get(token)).map(|wait| wait.asked.len()).sum()
    }

    /// When the next wait ends by itself.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// How many waits there are.
    pub fn len(&self) -> usize {
        self.waits.len()
    }

    /// True when nothing is waited for.
    pub fn is_empty(&self) -> bool {
        self.waits.is_empty()
    }

    fn lose(&mut self, token: T, receiver: u64) {
        let Some(wait) = self.waits.get_mut(&token) else {
            return;
        };
        let Some(who) = wait.asked.remove(&receiver) else {
            return;
        };
        wait.missing_count = wait.missing_count.saturating_add(1);
        if wait.missing.len() < SESSIONS_PER_COMMAND_MAX {
            wait.missing.push(MissingReply { from: Some(who), left: true });
        }
    }

    fn end(&mut self, token: T, timed_out: bool) -> Option<Done<A>> {
        let wait = self.waits.remove(&token)?;
        self.deadlines.remove(&(wait.deadline, token));
        for receiver in wait.asked.keys() {
            self.no_longer_asked(*receiver, token);
        }
        if let Some(by) = wait.by
            && let Some(tokens) = self.asked_by.get_mut(&by)
        {
            tokens.remove(&token);
            if tokens.is_empty() {
                self.asked_by.remove(&by);
            }
        }
        let silent = u32::try_from(wait.asked.len()).unwrap_or(u32::MAX);
        let missing_count = wait.missing_count.saturating_add(silent);
        let silent = wait.asked.into_values().map(|who| MissingReply { from: Some(who), left: false });
        let missing = wait.missing.into_iter().chain(silent).take(SESSIONS_PER_COMMAND_MAX).collect();
        let nodes_missing = wait.nodes_gone.iter().chain(&wait.nodes).map(ToString::to_string).collect();
        let timed_out = timed_out || wait.timed_out;
        let summary =
            RepliesDone { answered: wait.answered, missing, missing_count, timed_out, nodes_missing };
        Some(Done { asker: wait.asker, summary })
    }

    fn no_longer_asked(&mut self, receiver: u64, token: T) {
        if let Some(tokens) = self.asked_of.get_mut(&receiver) {
            tokens.retain(|asked| *asked != token);
            if tokens.is_empty() {
                self.asked_of.remove(&receiver);
            }
        }
    }

    /// Panics when the four tables disagree. For tests, after each step.
    #[cfg(test)]
    pub fn check(&self) {
        assert_eq!(self.waits.len(), self.deadlines.len());
        for (deadline, token) in &self.deadlines {
            assert_eq!(self.waits[token].deadline, *deadline);
        }
        for (receiver, tokens) in &self.asked_of {
            assert!(!tokens.is_empty());
            assert!(tokens.iter().all(|token| self.waits[token].asked.contains_key(receiver)));
        }
        let asked: usize = self.waits.values().map(|wait| wait.asked.len()).sum();
        assert_eq!(asked, self.asked_of.values().map(Vec::len).sum::<usize>());
        for (by, tokens) in &self.asked_by {
            assert!(!tokens.is_empty());
            assert!(tokens.iter().all(|token| self.waits[token].by == Some(*by)));
        }
        let by: usize = self.waits.values().filter(|wait| wait.by.is_some()).count();
        assert_eq!(by, self.asked_by.values().map(BTreeSet::len).sum::<usize>());
    }
}

#[cfg(test)]
#[path = "replies_model.rs"]
mod model;
