//! A token bucket: so many per second, so many at once. Pure; the caller brings the time.

use std::time::Duration;

use super::clock::Instant;

/// How fast something may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Sustained, in one `period`; 0 is without bound.
    pub count: u32,
    /// The time in which `count` may happen; not zero.
    pub period: Duration,
    /// At once.
    pub burst: u32,
}

impl Rate {
    /// So many per second, so many at once.
    pub const fn per_second(count: u32, burst: u32) -> Self {
        Self { count, period: Duration::from_secs(1), burst }
    }

    /// So many per minute, all of them at once if it must be.
    pub const fn per_minute(count: u32) -> Self {
        Self { count, period: Duration::from_secs(60), burst: count }
    }

    /// What one token costs, in units of which every nanosecond brings `count`.
    fn token(&self) -> u64 {
        u64::try_from(self.period.as_nanos()).unwrap_or(u64::MAX).max(1)
    }
}

/// What is left of a [`Rate`]. The level is kept in fractions of a token that every nanosecond brings a whole number
/// of, so that nothing is lost to rounding.
#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    level: u64,
    filled: Instant,
}

impl Bucket {
    /// A full bucket.
    pub fn full(rate: Rate, now: Instant) -> Self {
        Self { level: u64::from(rate.burst).saturating_mul(rate.token()), filled: now }
    }

    /// Takes one token, or says how long to wait for it.
    pub fn take(&mut self, rate: Rate, now: Instant) -> Result<(), Duration> {
        self.take_many(rate, 1, now)
    }

    /// Takes `tokens` tokens, or none and says how long to wait for them. More than the burst are never there at once.
    pub fn take_many(&mut self, rate: Rate, tokens: u32, now: Instant) -> Result<(), Duration> {
        if rate.count == 0 {
            return Ok(());
        }
        let passed = now.saturating_duration_since(self.filled);
        let passed_ns = u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX);
        let gained = passed_ns.saturating_mul(u64::from(rate.count));
        let full = u64::from(rate.burst.max(1)).saturating_mul(rate.token());
        self.level = self.level.saturating_add(gained).min(full);
        self.filled = now;
        let wanted = u64::from(tokens).saturating_mul(rate.token());
        match self.level.checked_sub(wanted) {
            Some(level) => {
                self.level = level;
                Ok(())
            }
            None => Err(Duration::from_nanos((wanted - self.level).div_ceil(u64::from(rate.count)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate::per_second(10, 3);

    #[test]
    fn a_burst_is_taken_at_once_and_the_next_token_has_its_time() {
        let start = Instant::now();
        let mut bucket = Bucket::full(RATE, start);
        for _ in 0..3 {
            assert_eq!(bucket.take(RATE, start), Ok(()));
        }
        assert_eq!(bucket.take(RATE, start), Err(Duration::from_millis(100)));
        assert_eq!(bucket.take(RATE, start + Duration::from_millis(60)), Err(Duration::from_millis(40)));
        assert_eq!(bucket.take(RATE, start + Duration::from_millis(100)), Ok(()));
    }

    #[test]
    fn a_long_rest_fills_it_to_the_burst_and_no_further() {
        let start = Instant::now();
        let mut bucket = Bucket::full(RATE, start);
        let later = start + Duration::from_secs(1_000_000_000);
        let taken = (0..10).filter(|_| bucket.take(RATE, later).is_ok()).count();
        assert_eq!(taken, 3);
    }

    #[test]
    fn many_tokens_are_taken_together_or_not_at_all() {
        let start = Instant::now();
        let mut bucket = Bucket::full(RATE, start);
        assert_eq!(bucket.take(RATE, start), Ok(()));
        assert_eq!(bucket.take_many(RATE, 3, start), Err(Duration::from_millis(100)));
        assert_eq!(bucket.take_many(RATE, 2, start), Ok(()));
        assert_eq!(bucket.take_many(RATE, 0, start), Ok(()));
    }

    #[test]
    fn a_rate_of_zero_has_no_bound() {
        let rate = Rate::per_second(0, 0);
        let mut bucket = Bucket::full(rate, Instant::now());
        assert!((0..1000).all(|_| bucket.take(rate, Instant::now()).is_ok()));
    }
}
