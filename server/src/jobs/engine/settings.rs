//! What holds in a queue, with the defaults in place of what was not set.

use std::time::Duration;

use rialto_proto::v1;

use crate::base::{
    limits::{DEAD_KEPT, ENDED_KEPT, ENDED_MAX, QUEUE_JOBS_MAX, RETRY_ATTEMPTS, RETRY_BASE, RETRY_MAX},
    rate::Rate,
};

/// What holds in a queue.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Settings {
    pub(super) concurrency_max: u32,
    pub(super) key_concurrency_max: u32,
    pub(super) rate_per_second: u32,
    pub(super) key_rate_per_second: u32,
    pub(super) jobs_max: u32,
    pub(super) retry: Retry,
    pub(super) ended_kept_ms: u64,
    pub(super) ended_max: u32,
    pub(super) dead_kept_ms: u64,
}

/// How often and when a job is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Retry {
    pub(super) attempts_max: u32,
    pub(super) base_ms: u64,
    pub(super) max_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self::from(&v1::QueueSettings::default())
    }
}

impl From<&v1::QueueSettings> for Settings {
    fn from(set: &v1::QueueSettings) -> Self {
        Self {
            concurrency_max: set.concurrency_max,
            key_concurrency_max: set.key_concurrency_max,
            rate_per_second: set.rate_per_second,
            key_rate_per_second: set.key_rate_per_second,
            jobs_max: or(set.jobs_max, QUEUE_JOBS_MAX),
            retry: Retry::DEFAULT.with(set.retry.as_ref()),
            ended_kept_ms: ms(set.ended_kept.as_ref()).unwrap_or(whole_ms(ENDED_KEPT)),
            ended_max: or(set.ended_max, ENDED_MAX),
            dead_kept_ms: ms(set.dead_kept.as_ref()).unwrap_or(whole_ms(DEAD_KEPT)),
        }
    }
}

impl Settings {
    /// How many may begin in a second.
    pub(super) fn rate(&self) -> Rate {
        rate(self.rate_per_second)
    }

    /// How many of one fairness key.
    pub(super) fn key_rate(&self) -> Rate {
        rate(self.key_rate_per_second)
    }

    /// Said in full.
    pub(super) fn told(&self) -> v1::QueueSettings {
        v1::QueueSettings {
            concurrency_max: self.concurrency_max,
            key_concurrency_max: self.key_concurrency_max,
            rate_per_second: self.rate_per_second,
            key_rate_per_second: self.key_rate_per_second,
            jobs_max: self.jobs_max,
            retry: Some(v1::RetryPolicy {
                attempts_max: self.retry.attempts_max,
                base: Some(duration(self.retry.base_ms)),
                max: Some(duration(self.retry.max_ms)),
            }),
            ended_kept: Some(duration(self.ended_kept_ms)),
            ended_max: self.ended_max,
            dead_kept: Some(duration(self.dead_kept_ms)),
        }
    }
}

impl Retry {
    pub(super) const DEFAULT: Self =
        Self { attempts_max: RETRY_ATTEMPTS, base_ms: whole_ms(RETRY_BASE), max_ms: whole_ms(RETRY_MAX) };

    /// The same where `policy` says nothing else.
    pub(super) fn with(self, policy: Option<&v1::RetryPolicy>) -> Self {
        let Some(policy) = policy else { return self };
        Self {
            attempts_max: or(policy.attempts_max, self.attempts_max),
            base_ms: ms(policy.base.as_ref()).unwrap_or(self.base_ms),
            max_ms: ms(policy.max.as_ref()).unwrap_or(self.max_ms),
        }
    }

    /// How long to wait after so many attempts that failed: full jitter, as in "Exponential Backoff And Jitter" (M. Brooker, 2015).
    pub(super) fn wait_ms(self, attempts: u32, chance: u64) -> u64 {
        let doublings = attempts.saturating_sub(1).min(40);
        let bound = self.base_ms.saturating_mul(1 << doublings).min(self.max_ms);
        chance % (bound + 1)
    }
}

/// So many a second, and as many at once.
fn rate(per_second: u32) -> Rate {
    Rate::per_second(per_second, per_second)
}

const fn whole_ms(duration: Duration) -> u64 {
    duration.as_secs() * 1_000 + duration.subsec_millis() as u64
}

fn or(set: u32, default: u32) -> u32 {
    if set == 0 { default } else { set }
}

/// Whole milliseconds of a duration that was checked; `None` when there is none.
pub(super) fn ms(duration: Option<&prost_types::Duration>) -> Option<u64> {
    let duration = duration?;
    let seconds = u64::try_from(duration.seconds).ok()?;
    let more = u64::try_from(duration.nanos).ok()?.div_ceil(1_000_000);
    Some(seconds.saturating_mul(1_000).saturating_add(more))
}

/// The same the other way round.
pub(super) fn duration(ms: u64) -> prost_types::Duration {
    let seconds = i64::try_from(ms / 1_000).unwrap_or(i64::MAX);
    prost_types::Duration { seconds, nanos: (ms % 1_000) as i32 * 1_000_000 }
}

/// A point in time; none for 0.
pub(super) fn timestamp(ms: u64) -> Option<prost_types::Timestamp> {
    let prost_types::Duration { seconds, nanos } = duration(ms);
    (ms > 0).then_some(prost_types::Timestamp { seconds, nanos })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_their_bound_and_are_drawn_from_all_below() {
        let retry = Retry { attempts_max: 20, base_ms: 1_000, max_ms: 60_000 };
        for (attempts, bound) in [(1, 1_000), (2, 2_000), (6, 32_000), (7, 60_000), (4_000_000, 60_000)] {
            assert_eq!(retry.wait_ms(attempts, bound), bound);
            assert_eq!(retry.wait_ms(attempts, bound + 1), 0);
        }
    }

    #[test]
    fn settings_that_are_told_in_full_are_the_same_settings() {
        let set =
            v1::QueueSettings { concurrency_max: 3, ended_kept: Some(duration(1_500)), ..Default::default() };
        let settings = Settings::from(&set);
        assert_eq!(Settings::from(&settings.told()), settings);
        assert_eq!(settings.retry, Retry::DEFAULT);
    }
}
