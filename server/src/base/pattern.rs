//! Patterns of names: a name, or the beginning of names and `*`, or `*` alone for all names. There is nothing else to
//! learn: `*` means something at the end only and is not allowed elsewhere. The configuration of namespaces and the
//! grants in `auth/rights.rs` use them.

use std::{fmt, str::FromStr};

use super::{
    ids::{NameError, check_name},
    limits::NAME_BYTES_MAX,
};

/// Why a text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// What is not `*` breaks the rules of names, so that nothing could ever match.
    #[error("{0}")]
    Name(#[from] NameError),
    /// `*` that is not at the end.
    #[error("may hold `*` at its end only")]
    Star,
}

/// A name, the beginning of names, or all names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: Box<str>,
    open: bool,
}

impl Pattern {
    /// Holds for `text` alone (`open` is false) or for all names that begin with it. `text` is data here: a `*` in it
    /// is a character like any other.
    pub fn literal(text: impl Into<Box<str>>, open: bool) -> Self {
        let text = text.into();
        Self { text, open }
    }

    /// Whether `name` is meant.
    pub fn matches(&self, name: &str) -> bool {
        if self.open { name.starts_with(&*self.text) } else { name == &*self.text }
    }

    /// The name, or the beginning of names.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether every name is meant.
    pub fn is_all(&self) -> bool {
        self.open && self.text.is_empty()
    }

    /// Whether more than one name can be meant.
    pub fn is_open(&self) -> bool {
        self.open
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let (beginning, open) = match text.strip_suffix('*') {
            Some(beginning) => (beginning, true),
            None => (text, false),
        };
        if beginning.contains('*') {
            return Err(PatternError::Star);
        }
        if open && !beginning.is_empty() {
            // Names may go on after a space, which may not be their end.
            check_name(&format!("{beginning}x"), NAME_BYTES_MAX)?;
        } else if !open {
            check_name(beginning, NAME_BYTES_MAX)?;
        }
        Ok(Self::literal(beginning, open))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        f.write_str(if self.open { "*" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_name_or_the_beginning_of_names_or_everything() {
        for (pattern, name, meant) in [
            ("chat", "chat", true),
            ("chat", "chat2", false),
            ("chat", "cha", false),
            ("team-*", "team-", true),
            ("team-*", "team-a*", true),
            ("team-*", "team", false),
            ("team-*", "Team-a", false),
            ("a *", "a b", true),
            ("*", "anything", true),
            ("日*", "日本", true),
        ] {
            assert_eq!(pattern.parse::<Pattern>().unwrap().matches(name), meant, "{pattern} {name}");
        }
    }

    #[test]
    fn what_could_never_match_or_means_something_elsewhere_is_no_pattern() {
        for (text, error) in [
            ("", PatternError::Name(NameError::Empty)),
            ("a*b", PatternError::Star),
            ("**", PatternError::Star),
            ("*a", PatternError::Star),
            ("$SYS*", PatternError::Name(NameError::Reserved)),
            (" *", PatternError::Name(NameError::Space)),
            ("a ", PatternError::Name(NameError::Space)),
            ("a\n*", PatternError::Name(NameError::Character)),
        ] {
            assert_eq!(text.parse::<Pattern>(), Err(error), "{text:?}");
        }
        let long = "x".repeat(NAME_BYTES_MAX + 1);
        assert_eq!(long.parse::<Pattern>(), Err(NameError::TooLong(NAME_BYTES_MAX).into()));
    }
}
