//! Puts what came by several listenings in the order in which each node said it. Every listening keeps its own order; what
//! came by two of them is taken from them in any order. Pure but for the streams that it polls.
//!
//! Why two looks are enough: the link hands everything over in the order in which it was said. So when something is found in
//! one listening, all that was said before it is in its listenings already, and a second look finds it.

use std::{
    collections::HashMap,
    task::{Context, Poll},
};

use futures_util::{Stream, StreamExt};

use crate::base::ids::NodeId;

/// What is taken at one look, at most.
const LOOK_MAX: usize = 16 << 10;

/// Something that a node has said, with its number.
pub(super) trait Said {
    /// Who.
    fn origin(&self) -> NodeId;
    /// The how manieth.
    fn seq(&self) -> u64;
}

/// What was found and has to wait for what may come before it.
#[derive(Debug)]
pub(super) struct Ordering<T> {
    waiting: Vec<T>,
}

impl<T> Default for Ordering<T> {
    fn default() -> Self {
        Self { waiting: Vec::new() }
    }
}

impl<T: Said> Ordering<T> {
    /// Everything that can be told now, in order.
    pub(super) fn poll(
        &mut self,
        streams: &mut (impl Stream<Item = T> + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<Vec<T>> {
        let mut first = std::mem::take(&mut self.waiting);
        look(streams, &mut first, cx);
        if first.is_empty() {
            return Poll::Pending;
        }
        let mut second = Vec::new();
        look(streams, &mut second, cx);
        let mut newest: HashMap<NodeId, u64> = HashMap::new();
        for said in &first {
            let newest = newest.entry(said.origin()).or_default();
            *newest = said.seq().max(*newest);
        }
        let is_before = |said: &T| newest.get(&said.origin()).is_some_and(|newest| said.seq() < *newest);
        let (before, after): (Vec<T>, Vec<T>) = second.into_iter().partition(is_before);
        first.extend(before);
        // Stable: copies of one message stay as they came.
        first.sort_by_key(Said::seq);
        self.waiting = after;
        Poll::Ready(first)
    }
}

/// Takes what is there.
fn look<T>(streams: &mut (impl Stream<Item = T> + Unpin), found: &mut Vec<T>, cx: &mut Context<'_>) {
    while found.len() < LOOK_MAX
        && let Poll::Ready(Some(said)) = streams.poll_next_unpin(cx)
    {
        found.push(said);
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, task::Waker};

    use futures_util::stream;
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Word(NodeId, u64);

    impl Said for Word {
        fn origin(&self) -> NodeId {
            self.0
        }

        fn seq(&self) -> u64 {
            self.1
        }
    }

    /// Listenings that are looked through from the first to the last; now and then something arrives between two looks at
    /// one of them.
    struct Listenings {
        queues: Vec<VecDeque<Word>>,
        arriving: VecDeque<(usize, Word)>,
        arrives: Vec<bool>,
        looks: usize,
        at: usize,
    }

    impl Listenings {
        fn next(&mut self) -> Option<Word> {
            self.looks += 1;
            while self.at < self.queues.len() {
                if let Some(word) = self.queues[self.at].pop_front() {
                    return Some(word);
                }
                // Behind the back of who looks.
                if self.arrives[(self.looks + self.at) % self.arrives.len()]
                    && let Some((to, word)) = self.arriving.pop_front()
                {
                    self.queues[to].push_back(word);
                }
                self.at += 1;
            }
            self.at = 0;
            None
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_way_it_comes_each_node_is_heard_in_its_order(
            said in prop::collection::vec((0..3_usize, 0..4_usize), 1..60),
            arrives in prop::collection::vec(any::<bool>(), 7..20),
        ) {
            let nodes: Vec<NodeId> = (0..3).map(|_| NodeId::random()).collect();
            let words = (1..).zip(&said).map(|(seq, (node, to))| (*to, Word(nodes[*node], seq)));
            let mut listenings =
                Listenings { queues: vec![VecDeque::new(); 4], arriving: words.collect(), arrives, looks: 0, at: 0 };
            let (mut ordering, mut heard) = (Ordering::default(), Vec::new());
            for _ in 0..10_000 {
                let mut streams = stream::poll_fn(|_| match listenings.next() {
                    Some(word) => Poll::Ready(Some(word)),
                    None => Poll::Pending,
                });
                if let Poll::Ready(now) = ordering.poll(&mut streams, &mut Context::from_waker(Waker::noop())) {
                    heard.extend(now);
                }
                if let Some((to, word)) = listenings.arriving.pop_front() {
                    listenings.queues[to].push_back(word);
                }
            }
            prop_assert_eq!(heard.len(), said.len());
            for node in nodes {
                prop_assert!(heard.iter().filter(|word| word.0 == node).is_sorted_by_key(|word| word.1));
            }
        }
    }
}
