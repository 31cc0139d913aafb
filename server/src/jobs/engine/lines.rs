//! Jobs with an ordering key, one line for each key: the one at its head may be worked on, the others wait until it has ended.

use std::collections::BTreeSet;

use super::Seq;
use crate::base::hash::HashMap;

/// The lines of one queue.
#[derive(Debug, Default)]
pub(super) struct Lines {
    lines: HashMap<Box<str>, Line>,
}

#[derive(Debug)]
struct Line {
    head: Seq,
    waiting: BTreeSet<Seq>,
}

impl Lines {
    /// A job comes. Whether it is at the head.
    pub(super) fn enter(&mut self, key: &str, seq: Seq) -> bool {
        match self.lines.get_mut(key) {
            Some(line) => {
                if line.head != seq {
                    line.waiting.insert(seq);
                }
                line.head == seq
            }
            None => {
                self.lines.insert(key.into(), Line { head: seq, waiting: BTreeSet::new() });
                true
            }
        }
    }

    /// A job is at the head, whoever was before: it runs, or waits for its next attempt. Who has to stand behind it, if anybody.
    pub(super) fn lead(&mut self, key: &str, seq: Seq) -> Option<Seq> {
        if self.enter(key, seq) {
            return None;
        }
        let line = self.lines.get_mut(key)?;
        line.waiting.remove(&seq);
        let displaced = std::mem::replace(&mut line.head, seq);
        line.waiting.insert(displaced);
        Some(displaced)
    }

    /// A job goes. Who is at the head now, if it was at the head.
    pub(super) fn leave(&mut self, key: &str, seq: Seq) -> Option<Seq> {
        let line = self.lines.get_mut(key)?;
        if line.head != seq {
            line.waiting.remove(&seq);
            return None;
        }
        match line.waiting.pop_first() {
            Some(next) => {
                line.head = next;
                Some(next)
            }
            None => {
                self.lines.remove(key);
                None
            }
        }
    }

    /// Whether a job is at the head of its line.
    pub(super) fn is_head(&self, key: &str, seq: Seq) -> bool {
        self.lines.get(key).is_some_and(|line| line.head == seq)
    }
}
