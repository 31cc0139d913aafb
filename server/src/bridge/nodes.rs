//! Which other nodes there are: those that have been heard lately. Pure: time comes as an argument.

use std::{collections::BTreeMap, time::Duration};

use crate::base::{clock::Instant, ids::NodeId};

/// How often a node says that it is there.
pub const ANNOUNCED_EVERY: Duration = Duration::from_secs(1);
/// A node that was not heard for so long is gone.
const GONE_AFTER: Duration = Duration::from_secs(5);
/// Nodes that are known at once: beyond, somebody makes them up.
const NODES_MAX: usize = 4_096;

/// The other nodes.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    heard: BTreeMap<NodeId, Instant>,
}

impl Nodes {
    /// Notes that a node is there. True when it was not known.
    pub(super) fn hear(&mut self, node: NodeId, now: Instant) -> bool {
        if self.heard.len() >= NODES_MAX && !self.heard.contains_key(&node) {
            return false;
        }
        self.heard.insert(node, now).is_none()
    }

    /// Notes that a node has said that it goes. True when it was known.
    pub(super) fn leave(&mut self, node: NodeId) -> bool {
        self.heard.remove(&node).is_some()
    }

    /// Forgets and returns those that were not heard for too long.
    pub(super) fn gone(&mut self, now: Instant) -> Vec<NodeId> {
        let is_gone = |heard: &Instant| now.saturating_duration_since(*heard) > GONE_AFTER;
        let gone: Vec<NodeId> =
            self.heard.iter().filter(|(_, heard)| is_gone(heard)).map(|(node, _)| *node).collect();
        for node in &gone {
            self.heard.remove(node);
        }
        gone
    }

    /// For how long a node was not heard; for ever when it is not known.
    pub(super) fn silent(&self, node: NodeId, now: Instant) -> Duration {
        self.heard.get(&node).map_or(Duration::MAX, |heard| now.saturating_duration_since(*heard))
    }

    /// All that are there.
    pub(super) fn all(&self) -> Vec<NodeId> {
        self.heard.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock;

    #[test]
    fn a_node_is_there_until_it_was_not_heard_for_a_while_or_has_said_that_it_goes() {
        let (mut nodes, now) = (Nodes::default(), clock::now());
        let [silent, loud, leaving] = [(); 3].map(|()| NodeId::random());
        assert!([silent, loud, leaving].iter().all(|node| nodes.hear(*node, now)));
        let later = now + GONE_AFTER;
        assert!(!nodes.hear(loud, later));
        assert!(nodes.leave(leaving) && !nodes.leave(leaving));
        assert_eq!(nodes.gone(later), []);
        assert_eq!(nodes.gone(later + Duration::from_millis(1)), [silent]);
        assert_eq!(nodes.all(), [loud]);
    }

    #[test]
    fn nodes_that_are_made_up_are_bounded() {
        let (mut nodes, now) = (Nodes::default(), clock::now());
        for _ in 0..NODES_MAX + 10 {
            nodes.hear(NodeId::random(), now);
        }
        assert_eq!(nodes.all().len(), NODES_MAX);
    }
}
