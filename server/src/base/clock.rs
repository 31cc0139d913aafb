//! The only source of time and of chance. Pure code takes both as arguments; the edges ask here. Monotonic time is
//! tokio's, so that tests can pause and move it.

use std::time::{Duration, SystemTime};

pub use tokio::time::Instant;

/// Monotonic time.
pub fn now() -> Instant {
    Instant::now()
}

/// Time of day, for people and for tokens.
#[allow(clippy::disallowed_methods, reason = "this is the one place")]
pub fn wall() -> SystemTime {
    SystemTime::now()
}

/// Whole milliseconds since 1970; 0 when the clock stands before that.
pub fn unix_ms(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// 64 random bits.
pub fn random_u64() -> u64 {
    rand::random()
}

/// 128 random bits, from a generator that is fit for secrets.
pub fn random_secret() -> [u8; 16] {
    rand::random()
}

/// A random duration below `max`; zero for zero.
pub fn jitter(max: Duration) -> Duration {
    max.mul_f64(rand::random::<f64>())
}
