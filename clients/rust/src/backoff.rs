//! How long to wait before the next attempt to connect: full jitter between nothing and a bound that doubles, from
//! 250 ms up to 30 s. Chance is an argument, so that tests decide it. Asked by `step.rs` only.

use std::time::Duration;

use rand::RngExt;

/// The bound of the first wait.
pub(crate) const FLOOR: Duration = Duration::from_millis(250);
/// The bound of the longest wait.
pub(crate) const CEILING: Duration = Duration::from_secs(30);
/// A session that was attached for so long has earned a fresh start.
pub(crate) const STABLE: Duration = Duration::from_secs(10);

/// Counts attempts and draws the waits between them.
#[derive(Debug)]
pub(crate) struct Backoff {
    attempts: u32,
    ceiling: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::up_to(CEILING)
    }
}

impl Backoff {
    /// With another bound of the longest wait. Waits are drawn below it, not cut, so that they stay spread.
    pub(crate) fn up_to(ceiling: Duration) -> Self {
        Self { attempts: 0, ceiling }
    }

    /// The wait before the next attempt, for a `chance` in `0.0..1.0`.
    pub(crate) fn next(&mut self, chance: f64) -> Duration {
        let bound = FLOOR.saturating_mul(2_u32.saturating_pow(self.attempts)).min(self.ceiling);
        self.attempts = self.attempts.saturating_add(1);
        bound.mul_f64(chance.clamp(0.0, 1.0))
    }

    /// The wait before the next attempt, by chance.
    pub(crate) fn draw(&mut self) -> Duration {
        self.next(rand::rng().random())
    }

    /// Takes note that a session has ended that was attached for `attached`.
    pub(crate) fn ended_after(&mut self, attached: Duration) {
        if attached >= STABLE {
            self.attempts = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_up_to_its_ceiling() {
        let mut backoff = Backoff::default();
        let bounds: Vec<u128> = (0..9).map(|_| backoff.next(1.0).as_millis()).collect();
        assert_eq!(bounds, [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
    }

    #[test]
    fn chance_spreads_the_wait_from_nothing_to_the_bound() {
        for (chance, millis) in [(0.0, 0), (0.5, 125), (1.0, 250)] {
            assert_eq!(Backoff::default().next(chance), Duration::from_millis(millis), "{chance}");
        }
    }

    #[test]
    fn only_a_stable_session_resets_it() {
        let mut backoff = Backoff { attempts: 5, ..Backoff::default() };
        backoff.ended_after(STABLE - Duration::from_millis(1));
        assert_eq!(backoff.next(1.0), Duration::from_secs(8));
        backoff.ended_after(STABLE);
        assert_eq!(backoff.next(1.0), FLOOR);
    }

    #[test]
    fn a_lower_ceiling_spreads_waits_below_it() {
        let mut backoff = Backoff { attempts: 9, ..Backoff::up_to(Duration::from_secs(5)) };
        assert_eq!(backoff.next(0.5), Duration::from_millis(2500));
    }

    #[test]
    fn it_can_be_asked_for_ever() {
        let mut backoff = Backoff { attempts: u32::MAX, ..Backoff::default() };
        assert_eq!(backoff.next(1.0), CEILING);
    }
}
