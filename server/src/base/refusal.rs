//! The two ways to say no. A [`Refusal`] answers one command and the session goes on; a [`Closing`] ends the session
//! and tells the client what to do next. Every module maps its own errors to these once; `grpc/status.rs` alone turns
//! them into gRPC statuses.

use std::{borrow::Cow, time::Duration};

use rialto_proto::v1::{CloseCode, RefusalCode, Then};

/// Why one command was not carried out. Nothing of it has happened.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{code:?}: {reason}")]
pub struct Refusal {
    /// The kind of refusal.
    pub code: RefusalCode,
    /// For a human being: names the field, room or limit. Never holds internals.
    pub reason: Cow<'static, str>,
    /// Whether to try again.
    pub retry: Retry,
    /// Name of the limit that was reached; empty for none.
    pub limit: &'static str,
    /// The field that is wrong; empty for none.
    pub field: &'static str,
    /// The revision that a key has now, for a conflict; 0 when there is no such key.
    pub revision: Option<u64>,
}

/// Whether a refused command may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It will be refused again.
    Never,
    /// Not before this long from now.
    After(Duration),
    /// When something else has changed.
    AfterChange,
}

impl Refusal {
    /// A refusal that will not change by itself.
    pub fn new(code: RefusalCode, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { code, reason: reason.into(), retry: Retry::Never, limit: "", field: "", revision: None }
    }

    /// `field` is missing, malformed or contradicts another one.
    pub fn invalid(field: &'static str, what: impl std::fmt::Display) -> Self {
        Self { field, ..Self::new(RefusalCode::Invalid, format!("{field} {what}")) }
    }

    /// The name in `field` breaks the rules of names.
    pub fn name(field: &'static str, error: super::ids::NameError) -> Self {
        Self { field, ..Self::new(RefusalCode::NameInvalid, format!("{field} {error}")) }
    }

    /// The count `limit`, which is `max`, is reached.
    pub fn limit(limit: &'static str, max: impl std::fmt::Display) -> Self {
        let reason = format!("{limit} is {max}");
        Self { limit, retry: Retry::AfterChange, ..Self::new(RefusalCode::LimitReached, reason) }
    }

    /// The rate `limit` is exceeded; there is room again in `after`.
    pub fn rate(limit: &'static str, after: Duration) -> Self {
        let reason = format!("{limit} is exceeded");
        Self { limit, retry: Retry::After(after), ..Self::new(RefusalCode::RateLimited, reason) }
    }

    /// The right is missing, or the thing may not be known: both are answered alike.
    pub fn forbidden(reason: &'static str) -> Self {
        Self { retry: Retry::AfterChange, ..Self::new(RefusalCode::Forbidden, reason) }
    }

    /// The credentials are not accepted.
    pub fn unauthenticated(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { retry: Retry::AfterChange, ..Self::new(RefusalCode::Unauthenticated, reason) }
    }

    /// A key has another revision than expected: `revision`, 0 when there is no such key.
    pub fn conflict(revision: u64) -> Self {
        let refusal = Self::new(RefusalCode::Conflict, "the key has another revision than expected");
        Self { retry: Retry::AfterChange, revision: Some(revision), ..refusal }
    }

    /// The node is stopping.
    pub fn draining() -> Self {
        let retry = Retry::After(Duration::from_secs(1));
        Self { retry, ..Self::new(RefusalCode::Draining, "the node is stopping") }
    }
}

/// Why a session ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// The kind of ending.
    pub code: CloseCode,
    /// For a human being. Never holds internals.
    pub reason: Cow<'static, str>,
    /// What the client does next.
    pub then: Then,
    /// Not before this long from now.
    pub after: Duration,
}

impl Closing {
    /// An ending whose advice follows from the range of `code`.
    pub fn new(code: CloseCode, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { code, reason: reason.into(), then: advice(code), after: Duration::ZERO }
    }
}

/// What the hundreds of a close code tell the client to do.
pub fn advice(code: CloseCode) -> Then {
    match code as i32 / 100 {
        1 => Then::Resume,
        2 => Then::Reconnect,
        _ => Then::StayAway,
    }
}
