//! Why one command was refused, and whether to try again: values, and what each code advises where the server does not.

use std::{fmt, time::Duration};

use rialto_proto::v1::{self, RefusalCode, RetryAdvice};

use crate::error::span;

/// Why one command was refused.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The kind; `Unspecified` for one that this version does not know, which [`code_name`](Self::code_name) shows.
    pub code: RefusalCode,
    /// For a human being: names the field, room or limit.
    pub reason: String,
    /// Whether to try again.
    pub retry: Retry,
    /// Name of the limit that was reached; empty for none.
    pub limit: String,
    /// The revision that a key of a room's state has now, for `CONFLICT`; 0 when there is no such key.
    pub revision: Option<u64>,
    /// The fields that are wrong, where the server names them.
    pub violations: Vec<Violation>,
    pub(crate) unknown: Option<Box<UnknownCode>>,
}

/// What a code is called that this version does not know: its number, or the name that a status has for it. Kept apart, because
/// errors are small and this is rare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnknownCode(pub(crate) String);

/// A field of a request that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Where it is, as the contract names it.
    pub field: String,
    /// What is wrong with it, for a human being.
    pub description: String,
}

impl Default for Refusal {
    fn default() -> Self {
        Self {
            code: RefusalCode::Unspecified,
            reason: String::new(),
            retry: Retry::Unknown,
            limit: String::new(),
            revision: None,
            violations: Vec::new(),
            unknown: None,
        }
    }
}

/// Whether a refused command may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retry {
    /// It will be refused again.
    Never,
    /// Not before this long from now.
    After(Duration),
    /// When something else has changed.
    AfterChange,
    /// Nobody has said.
    Unknown,
}

impl Retry {
    /// What a code advises by itself.
    pub(crate) fn by_code(code: RefusalCode) -> Self {
        match code {
            RefusalCode::Invalid
            | RefusalCode::NameInvalid
            | RefusalCode::TargetEmpty
            | RefusalCode::PayloadTooLarge
            | RefusalCode::RefReused
            | RefusalCode::ReplyUnknown
            | RefusalCode::OutOfOrder
            | RefusalCode::AlreadyExists => Self::Never,
            RefusalCode::LimitReached
            | RefusalCode::Forbidden
            | RefusalCode::NamespaceUnknown
            | RefusalCode::NotAMember
            | RefusalCode::NoRecipient
            | RefusalCode::Unauthenticated
            | RefusalCode::SessionUnknown
            | RefusalCode::NotFound
            | RefusalCode::Conflict
            | RefusalCode::PositionGone
            | RefusalCode::ResumeLate
            | RefusalCode::StorageFailed => Self::AfterChange,
            _ => Self::Unknown,
        }
    }
}

impl Refusal {
    /// A refusal of this side, with the advice that its code has.
    pub(crate) fn new(code: RefusalCode, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into(), retry: Retry::by_code(code), ..Self::default() }
    }

    /// The name of the code, as in the documentation: `FORBIDDEN`; the number of one that this version does not know.
    pub fn code_name(&self) -> &str {
        self.unknown.as_ref().map_or_else(|| name_of(self.code), |unknown| &unknown.0)
    }

    /// How long to wait before trying again; `None` when trying again is not what the server advises.
    pub(crate) fn later(&self) -> Option<Duration> {
        match self.retry {
            Retry::After(wait) => Some(wait),
            Retry::Never | Retry::AfterChange | Retry::Unknown => None,
        }
    }

    /// Holds when the command may have been carried out all the same.
    pub(crate) fn may_have_happened(&self) -> bool {
        matches!(
            self.code,
            RefusalCode::StorageFailed
                | RefusalCode::NodesUnreachable
                | RefusalCode::Internal
                | RefusalCode::TimedOut
                | RefusalCode::RecipientLeft
                | RefusalCode::RecipientFailed
        )
    }
}

/// The name of a code, as in the documentation.
pub(crate) fn name_of(code: RefusalCode) -> &'static str {
    let name = code.as_str_name();
    name.strip_prefix("REFUSAL_CODE_").unwrap_or(name)
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.reason, self.code_name())
    }
}

impl From<v1::Refused> for Refusal {
    fn from(refused: v1::Refused) -> Self {
        let advice = refused.retry.as_ref().map_or(RetryAdvice::Unspecified, v1::Retry::advice);
        let after = refused.retry.and_then(|retry| retry.after);
        let code = refused.code();
        let is_known = RefusalCode::try_from(refused.code).is_ok();
        Self {
            code,
            unknown: (!is_known).then(|| Box::new(UnknownCode(refused.code.to_string()))),
            retry: match advice {
                RetryAdvice::Later => Retry::After(span(after.as_ref())),
                RetryAdvice::AfterChange => Retry::AfterChange,
                RetryAdvice::Never => Retry::Never,
                RetryAdvice::Unspecified => Retry::by_code(code),
            },
            reason: refused.reason,
            limit: refused.limit,
            revision: refused.revision,
            violations: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_without_advice_has_that_of_its_code() {
        for (code, retry) in [
            (RefusalCode::Invalid, Retry::Never),
            (RefusalCode::AlreadyExists, Retry::Never),
            (RefusalCode::NotAMember, Retry::AfterChange),
            (RefusalCode::StorageFailed, Retry::AfterChange),
            (RefusalCode::Internal, Retry::Unknown),
            (RefusalCode::Unspecified, Retry::Unknown),
        ] {
            let refused = v1::Refused { code: code.into(), ..v1::Refused::default() };
            assert_eq!(Refusal::from(refused).retry, retry, "{code:?}");
        }
    }

    #[test]
    fn a_code_that_this_version_does_not_know_is_shown_by_its_number() {
        let refused = v1::Refused { code: 4711, reason: "why".into(), ..v1::Refused::default() };
        let refusal = Refusal::from(refused);
        assert_eq!((refusal.code, refusal.code_name()), (RefusalCode::Unspecified, "4711"));
        assert_eq!(refusal.to_string(), "why (4711)");
    }

    #[test]
    fn the_servers_advice_counts_more_than_the_code() {
        let retry = v1::Retry { advice: RetryAdvice::Later.into(), after: None };
        let refused = v1::Refused {
            code: RefusalCode::LimitReached.into(),
            retry: Some(retry),
            ..v1::Refused::default()
        };
        assert_eq!(Refusal::from(refused).retry, Retry::After(Duration::ZERO));
    }
}
