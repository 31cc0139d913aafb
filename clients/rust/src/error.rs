//! Every way in which something can fail, as types that a program can match on. Refusals answer one command, closings
//! end a session; both come from the server. This file alone knows `tonic::Status`: all other files see [`Error`].

use std::{fmt, time::Duration};

use rialto_proto::v1::{self, RetryAdvice, Then};
pub use rialto_proto::v1::{CloseCode, RefusalCode};
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// The `domain` of `google.rpc.ErrorInfo` in statuses of a Rialto server.
const DOMAIN: &str = "rialto";

/// Why something did not succeed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server answered no. Nothing of the command has happened; the session goes on.
    #[error("{0}")]
    Refused(Refusal),
    /// The session has ended and does not come back by itself.
    #[error("{0}")]
    Closed(Closing),
    /// The server was not reached, or the session was not attached in time. Nothing was sent.
    #[error("server unavailable: {0}")]
    Unavailable(String),
    /// No answer came in time, connecting again included. The command may have been carried out.
    #[error("timed out: {0}")]
    TimedOut(String),
    /// The session was lost after the command was sent and before its answer came: it may have been carried out.
    /// It is not sent again, because it could take effect twice.
    #[error("the session was lost before the answer came, so the outcome is unknown")]
    UnknownOutcome,
    /// It waited for the connection and was given up before it was sent.
    #[error("not sent: {0}")]
    Unsent(Unsent),
    /// The request makes no sense and was not sent.
    #[error("{0}")]
    Invalid(String),
    /// What was to be uploaded could not be read.
    #[error("cannot read what is to be uploaded: {0}")]
    Source(String),
    /// A failure without details of Rialto: a proxy on the way, another program at that address.
    #[error("{message} ({code:?})")]
    Failed {
        /// The gRPC code.
        code: Code,
        /// What the other side says about it.
        message: String,
    },
}

impl Error {
    /// Holds when time ran out, here or at the server.
    pub fn timed_out(&self) -> bool {
        match self {
            Self::TimedOut(_) => true,
            Self::Refused(refusal) => {
                matches!(refusal.code, RefusalCode::TimedOut | RefusalCode::Deadline)
            }
            _ => false,
        }
    }

    /// Holds when the server could not be reached.
    pub fn unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// The refusal, if it is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// Why a stream broke, or did not begin. Commands on it are told of their own outcome by others.
    pub(crate) fn of_stream(status: Status) -> Self {
        let cause = deepest(&status);
        match Self::from(status) {
            Self::UnknownOutcome => Self::Unavailable(format!("the connection broke: {cause}")),
            other => other,
        }
    }

    /// Whether trying again would end in the same way.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::Refused(refusal) => {
                let later = matches!(refusal.retry, Retry::After(_));
                !later && refusal.code != RefusalCode::Internal
            }
            Self::Unavailable(_) | Self::UnknownOutcome | Self::TimedOut(_) | Self::Failed { .. } => false,
            _ => true,
        }
    }

    /// An answer of a kind that does not fit the command.
    pub(crate) fn unexpected(what: &str) -> Self {
        Self::Failed {
            code: Code::Internal,
            message: format!("the server answered {what} with something else"),
        }
    }
}

/// Why something that waited for the connection was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsent {
    /// The offline buffer was full.
    #[error("the offline buffer is full")]
    Full,
    /// It was the oldest, and newer ones needed its place.
    #[error("the offline buffer was full and newer ones needed its place")]
    MadeRoom,
    /// The application cleared the offline buffer.
    #[error("the offline buffer was cleared")]
    Cleared,
    /// It had waited for as long as the offline buffer keeps anything.
    #[error("it waited too long for the connection")]
    TooOld,
}

/// Why one command was refused.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The kind; `Unspecified` for one that this version does not know.
    pub code: RefusalCode,
    /// For a human being: names the field, room or limit.
    pub reason: String,
    /// Whether to try again.
    pub retry: Retry,
    /// Name of the limit that was reached; empty for none.
    pub limit: String,
    /// The revision that a key of a room's state has now, for `CONFLICT`; 0 when there is no such key.
    pub revision: Option<u64>,
}

impl Default for Refusal {
    fn default() -> Self {
        Self {
            code: RefusalCode::Unspecified,
            reason: String::new(),
            retry: Retry::Never,
            limit: String::new(),
            revision: None,
        }
    }
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
    /// The name of the code, as in the documentation: `FORBIDDEN`.
    pub fn code_name(&self) -> &'static str {
        let name = self.code.as_str_name();
        name.strip_prefix("REFUSAL_CODE_").unwrap_or(name)
    }

    /// How long to wait before trying again; zero when the server does not say.
    pub(crate) fn wait(&self) -> Duration {
        match self.retry {
            Retry::After(wait) => wait,
            Retry::Never | Retry::AfterChange => Duration::ZERO,
        }
    }
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
        Self {
            code: refused.code(),
            retry: match advice {
                RetryAdvice::Later => Retry::After(span(after.as_ref())),
                RetryAdvice::AfterChange => Retry::AfterChange,
                RetryAdvice::Never | RetryAdvice::Unspecified => Retry::Never,
            },
            reason: refused.reason,
            limit: refused.limit,
            revision: refused.revision,
        }
    }
}

/// Why a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// The kind; `Unspecified` when there was no close frame, or for one that this version does not know.
    pub code: CloseCode,
    /// For a human being.
    pub reason: String,
    /// What the server advises.
    pub then: Then,
    /// Not before this long from now.
    pub after: Duration,
}

impl Closing {
    /// An ending that the server did not announce.
    pub(crate) fn unannounced(reason: impl Into<String>) -> Self {
        Self {
            code: CloseCode::Unspecified,
            reason: reason.into(),
            then: Then::StayAway,
            after: Duration::ZERO,
        }
    }

    /// The name of the code, as in the documentation: `FELL_BEHIND`.
    pub fn code_name(&self) -> &'static str {
        let name = self.code.as_str_name();
        name.strip_prefix("CLOSE_CODE_").unwrap_or(name)
    }
}

impl fmt::Display for Closing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code, self.reason.as_str()) {
            (CloseCode::Unspecified, reason) => write!(f, "session closed: {reason}"),
            (_, "") => write!(f, "session closed ({})", self.code_name()),
            (_, reason) => write!(f, "session closed: {reason} ({})", self.code_name()),
        }
    }
}

impl From<v1::Close> for Closing {
    fn from(close: v1::Close) -> Self {
        // The hundreds decide even where this version does not know the code itself.
        let then = match close.code / 100 {
            1 => Then::Resume,
            2 => Then::Reconnect,
            3 => Then::StayAway,
            _ => close.then(),
        };
        Self { code: close.code(), then, after: span(close.after.as_ref()), reason: close.reason }
    }
}

/// A duration of the contract; zero when it is absent or negative.
pub(crate) fn span(duration: Option<&prost_types::Duration>) -> Duration {
    duration.and_then(|duration| Duration::try_from(*duration).ok()).unwrap_or_default()
}

/// A duration for the contract. Longer ones than it can carry are cut.
pub(crate) fn carried(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or_default(),
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        announced(&status).unwrap_or_else(|| plain(&status))
    }
}

/// What a Rialto server says by the details of a status.
fn announced(status: &Status) -> Option<Error> {
    let details = status.get_error_details();
    let info = details.error_info().filter(|info| info.domain == DOMAIN)?;
    let after = details.retry_info().and_then(|retry| retry.retry_delay);
    // Two names are in both vocabularies. A status answers a call or a greeting, so it is read as a refusal first; a
    // session that ends has said why by a frame before.
    let refusal = RefusalCode::from_str_name(&format!("REFUSAL_CODE_{}", info.reason));
    let close = CloseCode::from_str_name(&format!("CLOSE_CODE_{}", info.reason));
    if let (None, Some(code)) = (refusal, close) {
        return Some(Error::Closed(Closing::from(v1::Close {
            code: code.into(),
            reason: status.message().to_owned(),
            then: Then::Unspecified.into(),
            after: after.map(carried),
        })));
    }
    Some(Error::Refused(Refusal {
        code: refusal.unwrap_or(RefusalCode::Unspecified),
        reason: status.message().to_owned(),
        retry: after.map_or(Retry::Never, Retry::After),
        limit: info.metadata.get("limit").cloned().unwrap_or_default(),
        revision: info.metadata.get("revision").and_then(|revision| revision.parse().ok()),
    }))
}

/// What is left to say about a status without such details.
fn plain(status: &Status) -> Error {
    let message = deepest(status);
    match status.code() {
        _ if not_connected(status) => Error::Unavailable(message),
        Code::DeadlineExceeded => Error::TimedOut(message),
        // Said by a server or a proxy, not by the transport: it has not taken the request.
        Code::Unavailable if std::error::Error::source(status).is_none() => Error::Unavailable(message),
        Code::Unavailable | Code::Cancelled | Code::Unknown if from_transport(status) => {
            Error::UnknownOutcome
        }
        code => Error::Failed { code, message },
    }
}

/// Holds when the connection was never made, so that nothing can have been sent.
fn not_connected(status: &Status) -> bool {
    causes(status).any(|cause| cause.is::<tonic::ConnectError>())
}

fn from_transport(status: &Status) -> bool {
    std::error::Error::source(status).is_some()
}

fn causes(error: &dyn std::error::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(error.source(), |cause| cause.source())
}

/// The message of the innermost cause: "Connection refused" says more than "transport error".
pub(crate) fn deepest(error: &dyn std::error::Error) -> String {
    let own = error.to_string();
    causes(error).last().map_or(own, ToString::to_string)
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn details_of_a_status_become_a_refusal() {
        let mut details = ErrorDetails::with_retry_info(Some(Duration::from_secs(2)));
        details.set_error_info("RATE_LIMITED", DOMAIN, [("limit".to_owned(), "emits_per_second".to_owned())]);
        let status = Status::with_error_details(Code::ResourceExhausted, "too fast", details);
        let expected = Refusal {
            code: RefusalCode::RateLimited,
            reason: "too fast".into(),
            retry: Retry::After(Duration::from_secs(2)),
            limit: "emits_per_second".into(),
            revision: None,
        };
        assert_eq!(Error::from(status), Error::Refused(expected));
    }

    #[test]
    fn details_with_a_close_code_become_a_closing() {
        let details = ErrorDetails::with_error_info("FELL_BEHIND", DOMAIN, []);
        let Error::Closed(closing) = Error::from(Status::with_error_details(Code::Aborted, "slow", details))
        else {
            panic!("not a closing");
        };
        assert_eq!((closing.code, closing.then), (CloseCode::FellBehind, Then::Resume));
    }

    #[test]
    fn names_of_both_vocabularies_are_read_as_refusals() {
        for (reason, code) in
            [("UNAUTHENTICATED", RefusalCode::Unauthenticated), ("DRAINING", RefusalCode::Draining)]
        {
            let details = ErrorDetails::with_error_info(reason, DOMAIN, []);
            let error = Error::from(Status::with_error_details(Code::Unavailable, "no", details));
            assert_eq!(error.refusal().map(|refusal| refusal.code), Some(code));
        }
    }

    #[test]
    fn details_of_another_domain_are_not_ours() {
        let details = ErrorDetails::with_error_info("FORBIDDEN", "example.com", []);
        let status = Status::with_error_details(Code::PermissionDenied, "no", details);
        assert!(matches!(Error::from(status), Error::Failed { code: Code::PermissionDenied, .. }));
    }

    #[test]
    fn unknown_close_codes_are_read_by_their_range() {
        for (code, then) in [(142, Then::Resume), (299, Then::Reconnect), (377, Then::StayAway)] {
            let close = v1::Close { code, ..v1::Close::default() };
            assert_eq!(Closing::from(close).then, then, "{code}");
        }
    }

    #[test]
    fn negative_durations_are_none() {
        let negative = prost_types::Duration { seconds: -5, nanos: 0 };
        assert_eq!(span(Some(&negative)), Duration::ZERO);
    }
}
