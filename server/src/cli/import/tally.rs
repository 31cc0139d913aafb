//! How far an import has come and what it has found: what people are shown, what the next attempt goes on with, and the result.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{columns::Rejection, rows::Place};
use crate::{base::text::truncate, cli::output::counted};

/// Rejected rows of which it is said why.
const REASONS_MAX: usize = 100;
/// Bytes of the name of a column where it is said why.
const COLUMN_BYTES_MAX: usize = 32;

/// What an import has found so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tally {
    rows: u64,
    rejected: u64,
    /// Of the first rejected rows.
    reasons: Vec<Reason>,
}

/// Why a row was rejected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Reason {
    line: u64,
    column: String,
    reason: String,
}

/// What the next attempt goes on with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    /// The byte behind the last row that counts.
    pub(super) at: u64,
    /// The line of that.
    pub(super) line: u64,
    /// What separates fields.
    pub(super) delimiter: u8,
    /// What the columns are called.
    pub(super) columns: Vec<String>,
    /// What was found until there.
    pub(super) tally: Tally,
    /// Bytes of the rows that were taken.
    pub(super) written: u64,
    /// Time that it took.
    pub(super) millis: u64,
}

impl Checkpoint {
    /// Reads one; `None` for anything else.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// As it is left for the next attempt.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        // Nothing in it can fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Where reading goes on.
    pub(super) fn place(&self) -> Place {
        Place { at: self.at, line: self.line }
    }
}

impl Tally {
    /// A row was taken.
    pub(super) fn take(&mut self) {
        self.rows += 1;
    }

    /// A row was rejected.
    pub(super) fn reject(&mut self, line: u64, rejection: Rejection) {
        self.rows += 1;
        self.rejected += 1;
        if self.reasons.len() < REASONS_MAX {
            let Rejection { column, reason } = rejection;
            self.reasons.push(Reason {
                line,
                column: truncate(&column, COLUMN_BYTES_MAX).to_owned(),
                reason,
            });
        }
    }

    /// For people.
    pub(super) fn words(&self) -> String {
        format!("{}, {} rejected", counted(self.rows, "row"), self.rejected)
    }

    /// The result, as JSON.
    pub(super) fn result(&self, millis: u64) -> String {
        let Self { rows, rejected, reasons } = self;
        let result = json!({
            "rows": rows,
            "accepted": rows - rejected,
            "rejected": rejected,
            "reasons": reasons,
            "seconds": millis as f64 / 1_000.0,
        });
        result.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::{JOB_CHECKPOINT_BYTES_MAX, JOB_RESULT_BYTES_MAX};

    #[test]
    fn the_largest_checkpoint_and_result_fit() {
        let mut tally = Tally::default();
        for line in 0..1_000 {
            let column = "\u{1}".repeat(1_000);
            tally.reject(
                u64::MAX - line,
                Rejection { column, reason: "is not a date like 2026-11-30".to_owned() },
            );
        }
        assert!(tally.result(1).len() < JOB_RESULT_BYTES_MAX);
        let columns = vec!["x".repeat(16 << 10)];
        let checkpoint =
            Checkpoint { at: 1, line: 1, delimiter: b',', columns, tally, written: 0, millis: 0 };
        assert!(checkpoint.to_bytes().len() < JOB_CHECKPOINT_BYTES_MAX);
        assert_eq!(Checkpoint::parse(&checkpoint.to_bytes()), Some(checkpoint));
        assert_eq!(Checkpoint::parse(b"row 30"), None);
    }
}
