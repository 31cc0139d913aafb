//! Everything that happens in a simulation, as one hash, and the last lines of it for people.

use std::{
    collections::VecDeque,
    fmt::Display,
    hash::{DefaultHasher, Hasher},
};

/// Lines that are shown of a run that failed.
const SHOWN_MAX: usize = 60;

/// What has happened so far.
#[derive(Debug)]
pub(super) struct Trace {
    hasher: DefaultHasher,
    lines: VecDeque<String>,
    shown_max: usize,
}

impl Trace {
    /// Nothing yet. `whole`: all lines are kept, for a run that somebody looks at.
    pub(super) fn new(whole: bool) -> Self {
        let shown_max = if whole { usize::MAX } else { SHOWN_MAX };
        Self { hasher: DefaultHasher::new(), lines: VecDeque::new(), shown_max }
    }

    /// Something has happened.
    pub(super) fn note(&mut self, line: impl Display) {
        let line = line.to_string();
        self.hasher.write(line.as_bytes());
        self.hasher.write_u8(0);
        if self.lines.len() >= self.shown_max {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    /// The hash of all of it.
    pub(super) fn hash(&self) -> u64 {
        self.hasher.finish()
    }

    /// The last lines.
    pub(super) fn lines(&self) -> String {
        self.lines.iter().map(|line| format!("  {line}\n")).collect()
    }
}
