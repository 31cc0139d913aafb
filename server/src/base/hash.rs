//! How tables are hashed whose order can be seen: at random, and in a simulation by its seed.

#[cfg(not(feature = "simulation"))]
pub use std::hash::RandomState as Hashing;

#[cfg(feature = "simulation")]
pub use simulated::Hashing;

/// A map by numbers that nobody outside can choose: quick, and always in the same order.
pub type NumberMap<K, V> = std::collections::HashMap<K, V, foldhash::fast::FixedState>;

/// A map whose order is the same for the same seed.
pub type HashMap<K, V> = std::collections::HashMap<K, V, Hashing>;

#[cfg(feature = "simulation")]
mod simulated {
    use std::hash::{BuildHasher, DefaultHasher, Hasher};

    use crate::base::clock;

    /// Hashes with a key that is drawn when it is made.
    #[derive(Debug, Clone)]
    pub struct Hashing(u64);

    impl Default for Hashing {
        fn default() -> Self {
            Self(clock::random_u64())
        }
    }

    impl BuildHasher for Hashing {
        type Hasher = DefaultHasher;

        fn build_hasher(&self) -> DefaultHasher {
            let mut hasher = DefaultHasher::new();
            hasher.write_u64(self.0);
            hasher
        }
    }
}
