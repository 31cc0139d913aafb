//! What checkers say: breaches with the names of messages, receivers and rooms in them. Tests print them.

use std::{collections::BTreeMap, fmt};

/// How many breaches of one checker are printed; all are counted.
const SHOWN_MAX: usize = 12;

/// Which promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Checker {
    /// The run says something at all.
    Conclusive,
    /// What one sender says comes in its order.
    PerSenderOrder,
    /// Nothing comes twice.
    ExactlyOnce,
    /// One order of a room for everybody.
    TotalRoomOrder,
    /// Nothing is missing that the receiver was not told of, and nothing told that is not missing.
    NoSilentGap,
    /// What was acknowledged is there.
    NothingLost,
    /// Nothing before `Joined`, nothing after `Parted`.
    Fence,
    /// The durability said was the durability had.
    TruthOfAcknowledgements,
    /// Nothing crosses from room to room or from namespace to namespace.
    Separation,
    /// Nothing comes that nobody said or that was refused.
    NothingUnsaid,
}

/// One thing that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// What it breaks.
    pub checker: Checker,
    /// What, who, where.
    pub what: String,
}

/// What was found. Nothing is good.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// All breaches.
    pub breaches: Vec<Breach>,
}

impl Verdict {
    pub(super) fn of(checker: Checker, found: impl IntoIterator<Item = String>) -> Self {
        Self { breaches: found.into_iter().map(|what| Breach { checker, what }).collect() }
    }

    pub(super) fn and(mut self, other: Self) -> Self {
        self.breaches.extend(other.breaches);
        self
    }

    /// Whether the run keeps all promises that were looked at.
    pub fn holds(&self) -> bool {
        self.breaches.is_empty()
    }

    /// Whether `checker` found something.
    pub fn breaks(&self, checker: Checker) -> bool {
        self.breaches.iter().any(|breach| breach.checker == checker)
    }

    /// Fails the test with the breaches, if there are any.
    #[track_caller]
    pub fn assert_holds(&self) {
        assert!(self.holds(), "{self}");
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.holds() {
            return f.write_str("every promise holds");
        }
        let mut by_checker: BTreeMap<Checker, Vec<&str>> = BTreeMap::new();
        for breach in &self.breaches {
            by_checker.entry(breach.checker).or_default().push(&breach.what);
        }
        for (checker, found) in by_checker {
            writeln!(f, "{checker:?}: {} breaches", found.len())?;
            for what in found.iter().take(SHOWN_MAX) {
                writeln!(f, "  {what}")?;
            }
            if found.len() > SHOWN_MAX {
                writeln!(f, "  … and {} more", found.len() - SHOWN_MAX)?;
            }
        }
        Ok(())
    }
}
