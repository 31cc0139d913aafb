//! Numbers as short text: base 32 with Crockford's lower-case alphabet, which has no letters that are mistaken for
//! digits. Used for ids and secrets.

use std::fmt::{self, Write};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Writes the lowest `digits * 5` bits of `value`, most significant digit first.
pub fn write_base32(out: &mut impl Write, value: u128, digits: u32) -> fmt::Result {
    for place in (0..digits).rev() {
        let digit = (value >> (place * 5)) & 31;
        out.write_char(char::from(ALPHABET[digit as usize]))?;
    }
    Ok(())
}

/// Reads what [`write_base32`] wrote; `None` for any other text.
pub fn read_base32(text: &str) -> Option<u128> {
    if text.is_empty() || text.len() > 26 {
        return None;
    }
    text.bytes().try_fold(0_u128, |value, byte| {
        let digit = ALPHABET.iter().position(|letter| *letter == byte)?;
        if value >> 123 != 0 {
            return None;
        }
        Some(value << 5 | digit as u128)
    })
}

/// Cuts `text` to at most `bytes_max` bytes, at the border of a character.
pub fn truncate(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_read_back_as_it_was_written() {
        for value in [0, 1, 31, 32, u128::from(u64::MAX), u128::MAX] {
            let mut text = String::new();
            write_base32(&mut text, value, 26).unwrap();
            assert_eq!(read_base32(&text), Some(value), "{text}");
        }
    }

    #[test]
    fn foreign_letters_and_too_large_numbers_are_not_read() {
        for text in ["", "u", "A", "é", "00000000000000000000000000z", "zzzzzzzzzzzzzzzzzzzzzzzzzz"] {
            assert_eq!(read_base32(text), None, "{text}");
        }
    }

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(truncate("aé", 2), "a");
        assert_eq!(truncate("aé", 3), "aé");
        assert_eq!(truncate("a", 9), "a");
    }
}
