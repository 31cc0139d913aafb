//! Chance that can be had again: a seed, printed, and generators made of it.

use rand::{RngExt, SeedableRng, rngs::StdRng};

/// The variable that names a seed to be taken in place of chance.
const VARIABLE: &str = "RIALTO_TEST_SEED";

/// Where all chance of a run comes from.
#[derive(Debug, Clone, Copy)]
pub struct Seed(u64);

impl Seed {
    /// The seed that the surroundings name, or one by chance. Printed, so that a run that failed can be had again.
    pub fn of(test: &str) -> Self {
        let named = std::env::var(VARIABLE).ok().and_then(|text| text.parse().ok());
        let seed = named.unwrap_or_else(|| rand::rng().random());
        println!("{test}: {VARIABLE}={seed}");
        Self(seed)
    }

    /// A generator for one of several that take chances.
    pub fn rng(self, who: u64) -> StdRng {
        StdRng::seed_from_u64(self.0.wrapping_add(who.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }
}
