//! The token of a lease: which shard and job, and by which number the lease is known. Text of 13 digits each for job and lease behind
//! the shard, in base 32; says nothing to whoever holds it.

use std::{fmt, str::FromStr};

use super::Seq;
use crate::base::{
    ids::MalformedId,
    text::{read_base32, write_base32},
};

/// What proves a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token {
    /// The shard of the job.
    pub shard: u32,
    /// The job.
    pub seq: Seq,
    /// By which the lease is known: drawn when it was given.
    pub nonce: u64,
}

const SHARD_DIGITS: usize = 7;
const DIGITS: usize = 13;

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_base32(f, self.shard.into(), SHARD_DIGITS as u32)?;
        write_base32(f, self.seq.0.into(), DIGITS as u32)?;
        write_base32(f, self.nonce.into(), DIGITS as u32)
    }
}

impl FromStr for Token {
    type Err = MalformedId;

    fn from_str(text: &str) -> Result<Self, MalformedId> {
        if text.len() != SHARD_DIGITS + 2 * DIGITS || !text.is_ascii() {
            return Err(MalformedId);
        }
        let number = |text: &str| read_base32(text).ok_or(MalformedId);
        let (shard, rest) = text.split_at(SHARD_DIGITS);
        let (seq, nonce) = rest.split_at(DIGITS);
        let whole = |bits: u128| u64::try_from(bits).map_err(|_| MalformedId);
        Ok(Self {
            shard: u32::try_from(number(shard)?).map_err(|_| MalformedId)?,
            seq: Seq(whole(number(seq)?)?),
            nonce: whole(number(nonce)?)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_as_it_was_written() {
        for (shard, seq, nonce) in [(0, 1, 0), (u32::MAX, u64::MAX, u64::MAX), (7, 1 << 40, 99)] {
            let token = Token { shard, seq: Seq(seq), nonce };
            assert_eq!(token.to_string().parse(), Ok(token));
        }
        for text in ["", "é", "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz", "000000000000000000000000000000000000"] {
            assert_eq!(text.parse::<Token>(), Err(MalformedId), "{text}");
        }
    }
}
