//! How fast emits may leave, so that the server need not refuse them: a bucket of the size and speed that the welcome
//! told, a little smaller, because what leaves evenly may arrive bunched. Pure; used by `kept.rs`.

use std::time::Duration;

use rialto_proto::v1::Limits;
use tokio::time::Instant;

/// The part of the server's burst that is used.
const SHARE: f64 = 0.8;

/// What is left of the bucket. Without a rate it is never empty.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    per_second: f64,
    burst: f64,
    left: f64,
    at: Option<Instant>,
}

impl Pace {
    /// A stream has begun under these limits. The bucket of a session that goes on is not filled anew.
    pub(crate) fn begin(&mut self, limits: &Limits, goes_on: bool, now: Instant) {
        self.refill(now);
        let known = goes_on && self.burst > 0.0;
        self.per_second = f64::from(limits.emits_per_second);
        self.burst = (f64::from(limits.emits_burst) * SHARE).max(1.0);
        self.left = if known { self.left.min(self.burst) } else { self.burst };
    }

    /// One emit leaves.
    pub(crate) fn spend(&mut self, now: Instant) {
        self.refill(now);
        self.left -= 1.0;
    }

    /// From when on an emit may leave; `None`: at once.
    pub(crate) fn free_at(&mut self, now: Instant) -> Option<Instant> {
        if self.per_second == 0.0 {
            return None;
        }
        self.refill(now);
        // A rest that is too small for a clock would have the same moment come again and again.
        let lacks = (1.0 - self.left).max(0.0);
        (lacks > 1e-9)
            .then(|| now + Duration::from_secs_f64(lacks / self.per_second) + Duration::from_nanos(1))
    }

    fn refill(&mut self, now: Instant) {
        let since = self.at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        self.left = (self.left + since.as_secs_f64() * self.per_second).min(self.burst);
        self.at = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(emits_per_second: u32, emits_burst: u32) -> Limits {
        Limits { emits_per_second, emits_burst, ..Limits::default() }
    }

    /// How many may leave at once.
    fn spent(pace: &mut Pace, now: Instant) -> u32 {
        let mut count = 0;
        while pace.free_at(now).is_none() && count < 1000 {
            pace.spend(now);
            count += 1;
        }
        count
    }

    #[test]
    fn a_burst_leaves_at_once_and_the_rest_evenly() {
        let (mut pace, began) = (Pace::default(), Instant::now());
        pace.begin(&limits(10, 20), false, began);
        assert_eq!(spent(&mut pace, began), 16, "a share of the server's burst");
        let next = pace.free_at(began).unwrap();
        assert!(next - began >= Duration::from_millis(100) && next - began < Duration::from_millis(101));
        assert_eq!(spent(&mut pace, next), 1);
        assert_eq!(spent(&mut pace, next + Duration::from_secs(3600)), 16);
    }

    #[test]
    fn a_session_that_goes_on_keeps_what_is_left() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        pace.begin(&limits(10, 20), false, now);
        spent(&mut pace, now);
        pace.begin(&limits(10, 20), true, now);
        assert_eq!(spent(&mut pace, now), 0);
        pace.begin(&limits(10, 20), false, now);
        assert_eq!(spent(&mut pace, now), 16, "another session begins anew");
    }

    #[test]
    fn without_a_rate_nothing_waits() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        pace.begin(&limits(0, 0), false, now);
        assert_eq!(spent(&mut pace, now), 1000);
    }

    #[test]
    fn a_burst_is_never_less_than_one() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        pace.begin(&limits(1, 1), false, now);
        assert_eq!(spent(&mut pace, now), 1);
    }
}
