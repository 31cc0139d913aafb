//! What workers say of their leases: outcomes, and that they go on. A lease that is not the present one has no effect, and whoever
//! shows it is told.

use rialto_proto::v1::{ExtendResponse, Extension, JobState, LeaseOutcome, Settlement, settlement::Outcome};

use super::{
    Engine, Now, Seq, Token,
    ending::{Ending, Failure},
    record::{ExtendedRecord, Kind},
    settings::ms,
};
use crate::log::{LogError, Position};

/// What became of settlements.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// One outcome an item, true once `position` is durable.
    pub outcomes: Vec<LeaseOutcome>,
    /// What has to be durable before anybody is told; none when nothing has changed.
    pub position: Option<Position>,
}

/// What became of extensions.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Extended {
    /// The answer, true once `position` is durable.
    pub response: ExtendResponse,
    /// What has to be durable before anybody is told; none when nothing has changed.
    pub position: Option<Position>,
}

impl Engine {
    /// Takes what became of jobs. All tokens are of this shard.
    pub fn settle(&mut self, now: &Now<'_>, items: Vec<(Token, Settlement)>) -> Settled {
        let mut settled = Settled::default();
        for (token, item) in items {
            let (outcome, position) = self.settle_one(now, token, item);
            settled.outcomes.push(outcome);
            settled.position = settled.position.max(position);
        }
        settled
    }

    fn settle_one(
        &mut self,
        now: &Now<'_>,
        token: Token,
        item: Settlement,
    ) -> (LeaseOutcome, Option<Position>) {
        let Some(outcome) = item.outcome else { return (LeaseOutcome::Invalid, None) };
        match self.holds(token, Some(kind(&outcome))) {
            Held::Now => {}
            Held::Settled => return (LeaseOutcome::Ok, Some(self.last)),
            Held::Not => return (LeaseOutcome::LeaseLost, None),
            Held::Gone => return (LeaseOutcome::NotFound, None),
        }
        let by = (token.nonce, kind(&outcome));
        let settled = match outcome {
            Outcome::Completed(completed) => self.complete(now, token.seq, by, completed.result),
            Outcome::Discarded(discarded) => {
                self.end(now, token.seq, by, Ending::discarded(discarded.reason))
            }
            Outcome::Released(released) => {
                self.release(now, token.seq, by, ms(released.delay.as_ref()).unwrap_or_default())
            }
            Outcome::Failed(failed) => self.fail(now, token.seq, by, Failure::said(failed)),
        };
        match settled {
            Ok(position) => (LeaseOutcome::Ok, Some(position)),
            Err(error) => (unsettled(&error), None),
        }
    }

    /// Prolongs leases. All tokens are of this shard.
    pub fn extend(&mut self, now: &Now<'_>, items: Vec<(Token, Extension)>) -> Extended {
        let mut extended = Extended::default();
        for (token, item) in items {
            let text = item.token.clone();
            let outcome = match self.holds(token, None) {
                Held::Now => match self.extend_one(now, token.seq, item) {
                    Ok(position) => {
                        extended.position = extended.position.max(Some(position));
                        LeaseOutcome::Ok
                    }
                    Err(error) => unsettled(&error),
                },
                Held::Settled | Held::Not => LeaseOutcome::LeaseLost,
                Held::Gone => LeaseOutcome::NotFound,
            };
            extended.response.outcomes.push(outcome.into());
            if outcome == LeaseOutcome::Ok && self.jobs.get(&token.seq).is_some_and(|job| job.cancelling) {
                extended.response.cancelling.push(text);
            } else if outcome == LeaseOutcome::Ok && self.is_pausing(token.seq) {
                extended.response.pausing.push(text);
            }
        }
        extended
    }

    fn extend_one(&mut self, now: &Now<'_>, seq: Seq, item: Extension) -> Result<Position, LogError> {
        let made_for = self.jobs.get(&seq).and_then(|job| job.run()).map_or(0, |run| run.lease_ms);
        let lease_ms = ms(item.lease_duration.as_ref()).unwrap_or(made_for);
        let record = ExtendedRecord {
            seq: seq.0,
            until_ms: now.ms.saturating_add(lease_ms),
            progress: item.progress,
            checkpoint: item.checkpoint,
        };
        self.write(now, Kind::Extended(record))
    }

    /// Whether a token is that of the present lease of its job. With `settling`, whether it was settled in the same way.
    fn holds(&self, token: Token, settling: Option<u32>) -> Held {
        let Some(job) = self.jobs.get(&token.seq) else { return Held::Gone };
        let runs = job.state == JobState::Running && job.run().is_some_and(|run| run.nonce == token.nonce);
        if runs {
            return Held::Now;
        }
        let same = |settling| job.rest().is_some_and(|rest| rest.settled == (token.nonce, settling));
        if settling.is_some_and(same) { Held::Settled } else { Held::Not }
    }
}

/// Whose lease it is.
enum Held {
    Now,
    /// It was settled in the same way before: the answer was lost.
    Settled,
    Not,
    Gone,
}

/// Which of the outcomes it is, for knowing it again.
fn kind(outcome: &Outcome) -> u32 {
    match outcome {
        Outcome::Completed(_) => 1,
        Outcome::Failed(_) => 2,
        Outcome::Released(_) => 3,
        Outcome::Discarded(_) => 4,
    }
}

/// What is said when the log does not take it.
fn unsettled(error: &LogError) -> LeaseOutcome {
    match error {
        LogError::TooLong(_) => LeaseOutcome::Invalid,
        LogError::Full
        | LogError::Busy
        | LogError::Failed(_)
        | LogError::Gone(_)
        | LogError::Damaged { .. } => LeaseOutcome::Temporary,
    }
}
