//! Which life of a room's history, or of its state, numbers count in: 64 random bits, new when the life begins. What
//! was numbered in another life says nothing in this one.

use std::{fmt, str::FromStr};

use crate::base::{
    clock,
    ids::MalformedId,
    text::{read_base32, write_base32},
};

/// Digits of an epoch as text.
const DIGITS: u32 = 13;

/// A life of a history or of a state. Text: 13 digits in base 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(pub(super) u64);

impl Epoch {
    /// A new life.
    pub fn random() -> Self {
        Self(clock::random_u64())
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_base32(f, self.0.into(), DIGITS)
    }
}

impl FromStr for Epoch {
    type Err = MalformedId;

    fn from_str(text: &str) -> Result<Self, MalformedId> {
        if text.len() != DIGITS as usize {
            return Err(MalformedId);
        }
        let bits = read_base32(text).ok_or(MalformedId)?;
        u64::try_from(bits).map(Self).map_err(|_| MalformedId)
    }
}
