//! Where a watch of a queue goes on: in which log, and from which position on it was not told what has changed. Text of 13 digits each
//! in base 32.

use std::{fmt, str::FromStr};

use crate::{
    base::{
        ids::MalformedId,
        text::{read_base32, write_base32},
    },
    log::Position,
};

/// Where a watch goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResumePoint {
    /// Differs for each log of one part that does not go on where another one has ended.
    pub log: u64,
    /// Everything before it was told.
    pub from: Position,
}

const DIGITS: usize = 13;

impl fmt::Display for ResumePoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_base32(f, self.log.into(), DIGITS as u32)?;
        write_base32(f, self.from.0.into(), DIGITS as u32)
    }
}

impl FromStr for ResumePoint {
    type Err = MalformedId;

    fn from_str(text: &str) -> Result<Self, MalformedId> {
        if text.len() != 2 * DIGITS || !text.is_ascii() {
            return Err(MalformedId);
        }
        let (log, from) = text.split_at(DIGITS);
        let number = |text: &str| {
            let bits = read_base32(text).ok_or(MalformedId)?;
            u64::try_from(bits).map_err(|_| MalformedId)
        };
        Ok(Self { log: number(log)?, from: Position(number(from)?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_watch_goes_on_is_read_back_as_it_was_written() {
        for (log, from) in [(0, 0), (u64::MAX, 7), (3, u64::MAX)] {
            let point = ResumePoint { log, from: Position(from) };
            assert_eq!(point.to_string().parse(), Ok(point));
        }
        for text in ["", "é", "zzzzzzzzzzzzzzzzzzzzzzzzzz", "000000000000000000000000000"] {
            assert_eq!(text.parse::<ResumePoint>(), Err(MalformedId), "{text}");
        }
    }
}
