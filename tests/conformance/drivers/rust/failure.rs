//! How commands fail, as drivers write it.

use rialto_client::{Error, Refusal, Retry, Unsent};
use serde_json::{Value, json};

/// Why a command did not end well.
#[derive(Debug, Clone)]
pub(crate) struct Failure(pub(crate) Value);

impl Failure {
    /// Somebody cancelled it.
    pub(crate) fn cancelled() -> Self {
        Self(json!({"kind": "cancelled"}))
    }

    /// Something that only this driver has to say.
    pub(crate) fn other(reason: impl Into<String>) -> Self {
        Self(json!({"kind": "other", "reason": reason.into()}))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (reason, happened) = (error.to_string(), error.may_have_happened());
        let mut failure = match error {
            Error::Refused(refusal) => refused(&refusal),
            Error::Closed(closing) => {
                json!({"kind": "closed", "code": closing.code_name(), "reason": reason})
            }
            Error::Unavailable(_) => json!({"kind": "unavailable", "reason": reason}),
            Error::TimedOut(_) => json!({"kind": "timed_out", "reason": reason}),
            Error::UnknownOutcome => json!({"kind": "unknown_outcome"}),
            Error::Unsent(why) => json!({"kind": "unsent", "code": unsent(why)}),
            Error::Invalid(_) => json!({"kind": "invalid", "reason": reason}),
            _ => json!({"kind": "other", "reason": reason}),
        };
        failure["may_have_happened"] = happened.into();
        Self(failure)
    }
}

/// A refusal with the server's advice.
pub(crate) fn refused(refusal: &Refusal) -> Value {
    let (advice, after) = match refusal.retry {
        Retry::Never => (Some("never"), None),
        Retry::AfterChange => (Some("after-change"), None),
        Retry::After(after) => (Some("later"), u64::try_from(after.as_millis()).ok()),
        _ => (None, None),
    };
    json!({
        "kind": "refused",
        "code": refusal.code_name(),
        "reason": refusal.reason,
        "advice": advice,
        "after_ms": after,
        "limit": refusal.limit,
    })
}

fn unsent(why: Unsent) -> &'static str {
    match why {
        Unsent::Full => "FULL",
        Unsent::MadeRoom => "MADE_ROOM",
        Unsent::Cleared => "CLEARED",
        Unsent::TooOld => "TOO_OLD",
    }
}
