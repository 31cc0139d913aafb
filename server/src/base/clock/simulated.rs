//! Time of day and chance for a simulation: one world to a thread, from a seed, so that a run can be repeated. A thread
//! that has begun none has the real ones. For simulations only.

use std::{
    cell::RefCell,
    time::{Duration, SystemTime},
};

use super::Instant;

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// 2026-01-01, in milliseconds since 1970: where simulated days begin.
const FIRST_DAY_MS: u64 = 1_767_225_600_000;

struct World {
    chance: u64,
    began: Instant,
    day: SystemTime,
    disk_delay_max: Duration,
}

/// From now on this thread has the time and the chance of `seed`. What would wait for a disk waits up to
/// `disk_delay_max` instead. Needs a runtime, whose clock this follows.
pub fn begin(seed: u64, disk_delay_max: Duration) {
    let day = SystemTime::UNIX_EPOCH + Duration::from_millis(FIRST_DAY_MS);
    WORLD.set(Some(World { chance: seed, began: Instant::now(), day, disk_delay_max }));
}

/// This thread has the real time and chance again.
pub fn end() {
    WORLD.set(None);
}

/// Whether this thread is in a simulation.
pub fn is_begun() -> bool {
    WORLD.with_borrow(Option::is_some)
}

/// Sets the time of day forward or, with `back`, backward.
pub fn shift_day(by: Duration, back: bool) {
    WORLD.with_borrow_mut(|world| {
        if let Some(world) = world {
            world.day = if back { world.day - by } else { world.day + by };
        }
    });
}

/// Carries out on this thread what would wait for a disk on another one, a while later.
pub async fn blocking<T>(work: impl FnOnce() -> T) -> T {
    for _ in 0..2 {
        let max = WORLD.with_borrow(|world| world.as_ref().map(|world| world.disk_delay_max));
        let delay = max.unwrap_or_default().mul_f64(f64::from(random_u64().unwrap_or(0) as u16) / 65_536.0);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }
    work()
}

pub(super) fn wall() -> Option<SystemTime> {
    WORLD.with_borrow(|world| world.as_ref().map(|world| world.day + world.began.elapsed()))
}

/// The generator is written out so that a seed means the same for ever.
pub(super) fn random_u64() -> Option<u64> {
    WORLD.with_borrow_mut(|world| {
        let chance = &mut world.as_mut()?.chance;
        *chance = chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *chance;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Some(z ^ (z >> 31))
    })
}
