//! Every way in which something can fail, as types that a program can match on. Refusals answer one command, closings
//! end a session; both come from the server. This file alone knows `tonic::Status`: all other files see [`Error`].

use std::time::Duration;

use rialto_proto::v1::{self, Then};
pub use rialto_proto::v1::{CloseCode, RefusalCode};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::refusal::UnknownCode;

pub use crate::{
    closing::Closing,
    refusal::{Refusal, Retry, Violation},
};

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

    /// Why a stream broke that had been there. What is no word of a Rialto server, and what cannot be read, is a loss like
    /// any other.
    pub(crate) fn of_broken_stream(status: Status) -> Self {
        match Self::of_stream(status) {
            Self::Failed { message, .. } => Self::Unavailable(message),
            other => other,
        }
    }

    /// Holds when what has failed may have been carried out all the same. A new attempt is harmless only when it does not
    /// hold, or when the command has a name of its own.
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.may_have_happened(),
            Self::Closed(closing) => closing.sent,
            Self::Unavailable(_) | Self::Unsent(_) | Self::Invalid(_) => false,
            Self::TimedOut(_) | Self::UnknownOutcome | Self::Source(_) | Self::Failed { .. } => true,
        }
    }

    /// Holds when the same may go well later: the server was not reached or did not answer, or asks to come later.
    pub fn passes(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.later().is_some() || refusal.code == RefusalCode::Internal,
            Self::Unavailable(_) | Self::UnknownOutcome | Self::TimedOut(_) => true,
            _ => false,
        }
    }

    /// Holds when the credentials were turned down.
    pub(crate) fn is_unauthenticated(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.code == RefusalCode::Unauthenticated,
            Self::Failed { code, .. } => *code == Code::Unauthenticated,
            _ => false,
        }
    }

    /// How long the server asks to wait; zero when it does not.
    pub(crate) fn wait(&self) -> Duration {
        self.refusal().and_then(Refusal::later).unwrap_or_default()
    }

    /// The ending of a session that this ends.
    pub(crate) fn closing(&self) -> Closing {
        match self {
            Self::Closed(closing) => closing.clone(),
            Self::Refused(refusal) => Closing::from(refusal),
            other if other.is_unauthenticated() => {
                Closing::refused(RefusalCode::Unauthenticated, other.to_string())
            }
            other => Closing::unannounced(other.to_string()),
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

/// No wait is longer, whatever a server says: clocks end somewhere, and what lies beyond would end the program.
pub(crate) const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// A duration of the contract; zero when it is absent or negative.
pub(crate) fn span(duration: Option<&prost_types::Duration>) -> Duration {
    let span = duration.and_then(|duration| Duration::try_from(*duration).ok());
    span.unwrap_or_default().min(LONGEST)
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
    let after = after.map(|after| after.min(LONGEST));
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
    let code = refusal.unwrap_or(RefusalCode::Unspecified);
    let unknown = refusal.is_none().then(|| Box::new(UnknownCode(info.reason.clone())));
    Some(Error::Refused(Refusal {
        code,
        unknown,
        reason: status.message().to_owned(),
        retry: after.map_or_else(|| Retry::by_code(code), Retry::After),
        limit: info.metadata.get("limit").cloned().unwrap_or_default(),
        revision: info.metadata.get("revision").and_then(|revision| revision.parse().ok()),
        violations: violations(&details),
    }))
}

/// The fields that are wrong.
fn violations(details: &ErrorDetails) -> Vec<Violation> {
    let named = details.bad_request().map(|request| request.field_violations.iter());
    let violation = |violation: &tonic_types::FieldViolation| Violation {
        field: violation.field.clone(),
        description: violation.description.clone(),
    };
    named.into_iter().flatten().map(violation).collect()
}

/// What is left to say about a status without such details.
fn plain(status: &Status) -> Error {
    let message = deepest(status);
    match status.code() {
        _ if not_connected(status) => Error::Unavailable(message),
        Code::DeadlineExceeded => Error::TimedOut(message),
        _ if causes(status).any(|cause| cause.is::<tonic::TimeoutExpired>()) => Error::TimedOut(message),
        // Said by a proxy: it may have passed the request on before it lost the server.
        Code::Unavailable => Error::UnknownOutcome,
        Code::Cancelled | Code::Unknown | Code::Internal if from_transport(status) => Error::UnknownOutcome,
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
            ..Refusal::default()
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
    fn a_refusal_of_another_version_keeps_the_name_that_the_status_has_for_it() {
        let details = ErrorDetails::with_error_info("OUT_OF_TUNE", DOMAIN, []);
        let error = Error::from(Status::with_error_details(Code::FailedPrecondition, "no", details));
        assert_eq!(error.refusal().map(Refusal::code_name), Some("OUT_OF_TUNE"));
        assert_eq!(error.closing().code_name(), "OUT_OF_TUNE");
    }

    #[test]
    fn details_of_another_domain_are_not_ours() {
        let details = ErrorDetails::with_error_info("FORBIDDEN", "example.com", []);
        let status = Status::with_error_details(Code::PermissionDenied, "no", details);
        assert!(matches!(Error::from(status), Error::Failed { code: Code::PermissionDenied, .. }));
    }

    #[test]
    fn fields_that_are_wrong_are_named() {
        let mut details = ErrorDetails::with_bad_request_violation("job.delay", "too long");
        details.set_error_info("INVALID", DOMAIN, []);
        let error = Error::from(Status::with_error_details(Code::InvalidArgument, "no", details));
        let violation = Violation { field: "job.delay".into(), description: "too long".into() };
        let refusal = error.refusal().unwrap();
        assert_eq!((refusal.retry, refusal.violations.as_slice()), (Retry::Never, &[violation][..]));
    }

    #[test]
    fn a_failure_says_whether_it_may_have_happened_and_whether_it_passes() {
        let refused = |code| Error::Refused(Refusal::new(code, ""));
        let later =
            Refusal { retry: Retry::After(Duration::ZERO), ..Refusal::new(RefusalCode::RateLimited, "") };
        for (error, happened, passes) in [
            (refused(RefusalCode::Forbidden), false, false),
            (refused(RefusalCode::Internal), true, true),
            (refused(RefusalCode::StorageFailed), true, false),
            (refused(RefusalCode::RecipientFailed), true, false),
            (Error::Refused(later), false, true),
            (Error::Closed(Closing::by_application()), false, false),
            (Error::Unavailable(String::new()), false, true),
            (Error::TimedOut(String::new()), true, true),
            (Error::UnknownOutcome, true, true),
            (Error::Unsent(Unsent::Full), false, false),
            (Error::Invalid(String::new()), false, false),
            (Error::unexpected("it"), true, false),
        ] {
            assert_eq!((error.may_have_happened(), error.passes()), (happened, passes), "{error:?}");
        }
    }

    #[test]
    fn a_stream_that_somebody_else_ends_is_lost() {
        assert!(Error::of_broken_stream(Status::not_found("no route")).passes());
        assert!(Error::of_broken_stream(Status::internal("not a message")).passes());
        let details = ErrorDetails::with_error_info("FORBIDDEN", DOMAIN, []);
        let refused = Status::with_error_details(Code::PermissionDenied, "no", details);
        assert!(!Error::of_broken_stream(refused).passes());
    }

    #[test]
    fn no_wait_that_a_server_asks_for_is_beyond_what_clocks_can_tell() {
        let longest = prost_types::Duration { seconds: i64::MAX, nanos: 0 };
        assert_eq!(span(Some(&longest)), LONGEST);
        let mut details = ErrorDetails::with_retry_info(Some(Duration::from_secs(1 << 40)));
        details.set_error_info("RATE_LIMITED", DOMAIN, []);
        let error = Error::from(Status::with_error_details(Code::ResourceExhausted, "no", details));
        assert_eq!(error.wait(), LONGEST);
        assert!(tokio::time::Instant::now().checked_add(LONGEST.mul_f64(2.5)).is_some());
    }

    #[test]
    fn negative_durations_are_none() {
        let negative = prost_types::Duration { seconds: -5, nanos: 0 };
        assert_eq!(span(Some(&negative)), Duration::ZERO);
    }
}
