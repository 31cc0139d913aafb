//! What a session has asked and waits for, and what it was asked while it was with another node. Whoever is named has the wait:
//! this node where nobody is. Pure, bounded.

use std::collections::VecDeque;

use crate::base::{
    ids::{EventId, NodeId},
    refusal::Refusal,
};

/// Questions put with other nodes that may be open: beyond, the oldest can be answered no more.
const ASKED_MAX: usize = 1_024;

/// Ends that may come before it is known of what.
const ENDED_MAX: usize = 256;

/// The open questions of a session.
#[derive(Debug, Default)]
pub struct Questions {
    asking: Vec<(u32, Option<NodeId>)>,
    asked: VecDeque<(EventId, NodeId)>,
    /// What another node has ended before it was known that it had it.
    ended: Vec<u32>,
}

impl Questions {
    /// Notes that the session waits for what it has asked by a command, unless it waits for `max` already.
    pub fn ask(&mut self, reference: u32, max: u32) -> Result<(), Refusal> {
        if self.asking.len() >= max as usize {
            return Err(Refusal::limit("replies_outstanding_max", max));
        }
        self.asking.push((reference, None));
        Ok(())
    }

    /// Notes that it waits no longer.
    pub fn end(&mut self, reference: u32) {
        match self.asking.iter().position(|(asked, _)| *asked == reference) {
            Some(at) => drop(self.asking.swap_remove(at)),
            None if self.ended.len() < ENDED_MAX => self.ended.push(reference),
            None => {}
        }
    }

    /// What it waits for, and with which other node.
    pub fn asking(&self) -> &[(u32, Option<NodeId>)] {
        &self.asking
    }

    /// What it can answer with other nodes.
    pub fn asked(&self) -> impl Iterator<Item = &(EventId, NodeId)> {
        self.asked.iter()
    }

    /// The node that takes its answer to what it was asked there.
    pub fn asked_by(&self, token: EventId) -> Option<NodeId> {
        self.asked.iter().find(|(asked, _)| *asked == token).map(|(_, node)| *node)
    }

    /// It has answered that.
    pub fn answered(&mut self, token: EventId) {
        self.asked.retain(|(asked, _)| *asked != token);
    }

    /// All nodes that it has something to do with.
    pub fn nodes(&self) -> Vec<NodeId> {
        let asking = self.asking.iter().filter_map(|(_, node)| *node);
        let mut nodes: Vec<NodeId> = asking.chain(self.asked.iter().map(|(_, node)| *node)).collect();
        nodes.sort();
        nodes.dedup();
        nodes
    }

    /// It has come with these from another node.
    pub fn bring(&mut self, asking: Vec<(u32, NodeId)>, asked: Vec<(EventId, NodeId)>) {
        let ended = std::mem::take(&mut self.ended);
        let open = asking.into_iter().filter(|(reference, _)| !ended.contains(reference));
        self.asking.extend(open.map(|(reference, node)| (reference, Some(node))));
        self.asked.extend(asked);
        while self.asked.len() > ASKED_MAX {
            self.asked.pop_front();
        }
    }

    /// A node is gone. Returns what was waited for with it.
    pub fn lose(&mut self, node: NodeId) -> Vec<u32> {
        self.asked.retain(|(_, with)| *with != node);
        let lost = self.asking.iter().filter(|(_, with)| *with == Some(node));
        let lost = lost.map(|(reference, _)| *reference).collect();
        self.asking.retain(|(_, with)| *with != Some(node));
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(number: u64) -> EventId {
        EventId { node: NodeId::random(), number }
    }

    #[test]
    fn what_another_node_has_is_open_until_it_ends_or_the_node_is_gone() {
        let (mut questions, nodes) = (Questions::default(), [(); 2].map(|()| NodeId::random()));
        questions.ask(1, 3).unwrap();
        // The end of one came before it was known of what.
        questions.end(2);
        questions.bring(vec![(2, nodes[0]), (3, nodes[0]), (4, nodes[1])], Vec::new());
        assert_eq!(questions.asking(), [(1, None), (3, Some(nodes[0])), (4, Some(nodes[1]))]);
        assert!(questions.ask(5, 3).is_err(), "they count wherever they are");
        assert_eq!(questions.lose(nodes[0]), [3]);
        questions.end(4);
        assert_eq!((questions.asking(), questions.nodes().len()), (&[(1, None)][..], 0));
    }

    #[test]
    fn an_answer_goes_once_to_the_node_that_has_asked_and_the_oldest_are_forgotten() {
        let (mut questions, node) = (Questions::default(), NodeId::random());
        let tokens: Vec<EventId> = (0..=ASKED_MAX as u64).map(token).collect();
        questions.bring(Vec::new(), tokens.iter().map(|token| (*token, node)).collect());
        assert_eq!((questions.asked_by(tokens[0]), questions.asked_by(tokens[1])), (None, Some(node)));
        questions.answered(tokens[1]);
        assert_eq!(questions.asked_by(tokens[1]), None);
        questions.lose(node);
        assert_eq!(questions.asked().count(), 0);
    }
}
