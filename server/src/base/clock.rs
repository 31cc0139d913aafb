//! The only source of time and of chance. Pure code takes both as arguments; the edges ask here. Monotonic time is
//! tokio's, so that tests can pause and move it.

#[cfg(feature = "simulation")]
pub mod simulated;

use std::time::{Duration, SystemTime};

pub use tokio::time::Instant;

/// Monotonic time.
pub fn now() -> Instant {
    Instant::now()
}

/// Time of day, for people and for tokens.
#[allow(clippy::disallowed_methods, reason = "this is the one place")]
pub fn wall() -> SystemTime {
    #[cfg(feature = "simulation")]
    if let Some(wall) = simulated::wall() {
        return wall;
    }
    SystemTime::now()
}

/// Whole milliseconds since 1970; 0 when the clock stands before that.
pub fn unix_ms(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// 64 random bits.
pub fn random_u64() -> u64 {
    #[cfg(feature = "simulation")]
    if let Some(bits) = simulated::random_u64() {
        return bits;
    }
    rand::random()
}

/// 128 random bits, from a generator that is fit for secrets.
pub fn random_secret() -> [u8; 16] {
    #[cfg(feature = "simulation")]
    if let (Some(high), Some(low)) = (simulated::random_u64(), simulated::random_u64()) {
        return (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
    }
    rand::random()
}

/// A random duration below `max`; zero for zero.
pub fn jitter(max: Duration) -> Duration {
    #[cfg(feature = "simulation")]
    if let Some(bits) = simulated::random_u64() {
        return max.mul_f64(f64::from(bits as u32) / (f64::from(u32::MAX) + 1.0));
    }
    max.mul_f64(rand::random::<f64>())
}
