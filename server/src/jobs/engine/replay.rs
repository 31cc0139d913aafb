//! Taking up what the log holds.

use super::{Engine, EngineLimits, Now, OpenError, record::Kind};
use crate::{base::clock::Instant, log::Position};

impl Engine {
    /// Takes up the jobs of the log. `at` is the same moment as `now`. Whoever has a lease has the resume window to come back. Waits
    /// for the disk.
    pub fn open(number: u32, limits: EngineLimits, at: Instant, now: &Now<'_>) -> Result<Self, OpenError> {
        let mut engine = Self::new(number, limits, at, now.ms);
        // What is read is durable.
        engine.durable = Position(u64::MAX);
        engine.is_replaying = true;
        let (first, _) = now.log.bounds();
        let mut result = Ok(());
        now.log.replay(first, &mut |position, bytes| {
            match Kind::parse(position, bytes) {
                Ok(kind) => {
                    engine.last = position;
                    engine.apply(now.ms, position, kind);
                }
                Err(error) => result = Err(error),
            }
            result.is_ok()
        })?;
        result?;
        engine.durable = now.log.progress().borrow().durable;
        engine.is_replaying = false;
        engine.release_batches();
        engine.schedule_all();
        engine.all_away(now.ms);
        Ok(engine)
    }
}
