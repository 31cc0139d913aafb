//! Refusals and closes as gRPC statuses: the canonical code, `google.rpc.ErrorInfo` with the name of our code, and
//! `RetryInfo` or `BadRequest` where they apply. Nothing else in the server makes statuses of its own.

use std::{collections::HashMap, time::Duration};

use rialto_proto::v1::{CloseCode, RefusalCode};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::base::{
    limits::STATUS_MESSAGE_BYTES_MAX,
    refusal::{Closing, Refusal, Retry},
    text::truncate,
};

/// The domain of all reasons.
const DOMAIN: &str = "rialto";

/// A refusal as the status of a call.
pub fn refused(refusal: &Refusal) -> Status {
    let mut details = ErrorDetails::new();
    let reason = refusal.code.as_str_name().trim_start_matches("REFUSAL_CODE_");
    let limit = (!refusal.limit.is_empty()).then(|| ("limit".to_owned(), refusal.limit.to_owned()));
    details.set_error_info(reason, DOMAIN, limit.into_iter().collect::<HashMap<_, _>>());
    let message = truncate(&refusal.reason, STATUS_MESSAGE_BYTES_MAX);
    if let Retry::After(after) = refusal.retry {
        details.set_retry_info(Some(after));
    }
    if !refusal.field.is_empty() {
        details.add_bad_request_violation(refusal.field, message);
    }
    Status::with_error_details(refusal_status(refusal.code), message, details)
}

/// The status with which the stream of a closed session ends; `None` when it ends well.
pub fn closed(closing: &Closing) -> Option<Status> {
    let code = close_status(closing.code)?;
    let mut details = ErrorDetails::new();
    let reason = closing.code.as_str_name().trim_start_matches("CLOSE_CODE_");
    details.set_error_info(reason, DOMAIN, HashMap::new());
    if closing.after > Duration::ZERO {
        details.set_retry_info(Some(closing.after));
    }
    let message = truncate(&closing.reason, STATUS_MESSAGE_BYTES_MAX);
    Some(Status::with_error_details(code, message, details))
}

/// The canonical code of a refusal; `docs/errors.md` has the same table.
fn refusal_status(code: RefusalCode) -> Code {
    match code {
        RefusalCode::Unspecified | RefusalCode::Internal => Code::Internal,
        RefusalCode::Invalid
        | RefusalCode::NameInvalid
        | RefusalCode::TargetEmpty
        | RefusalCode::ReplyUnknown => Code::InvalidArgument,
        RefusalCode::PayloadTooLarge
        | RefusalCode::LimitReached
        | RefusalCode::RateLimited
        | RefusalCode::StorageFull => Code::ResourceExhausted,
        RefusalCode::Forbidden | RefusalCode::SessionUnknown => Code::PermissionDenied,
        RefusalCode::NamespaceUnknown | RefusalCode::NotFound => Code::NotFound,
        RefusalCode::NotAMember | RefusalCode::OutOfOrder => Code::FailedPrecondition,
        RefusalCode::NoRecipient
        | RefusalCode::Draining
        | RefusalCode::StorageFailed
        | RefusalCode::NodesUnreachable => Code::Unavailable,
        RefusalCode::RecipientLeft => Code::Aborted,
        RefusalCode::RecipientFailed => Code::Unknown,
        RefusalCode::TimedOut | RefusalCode::Deadline => Code::DeadlineExceeded,
        RefusalCode::RefReused | RefusalCode::AlreadyExists => Code::AlreadyExists,
        RefusalCode::Conflict => Code::Aborted,
        RefusalCode::PositionGone => Code::OutOfRange,
        RefusalCode::ResumeLate => Code::FailedPrecondition,
        RefusalCode::Unauthenticated => Code::Unauthenticated,
    }
}

fn close_status(code: CloseCode) -> Option<Code> {
    match code {
        CloseCode::Bye => None,
        CloseCode::FellBehind | CloseCode::Overrun => Some(Code::ResourceExhausted),
        CloseCode::Draining => Some(Code::Unavailable),
        CloseCode::TokenExpired | CloseCode::Unauthenticated => Some(Code::Unauthenticated),
        CloseCode::Protocol => Some(Code::FailedPrecondition),
        CloseCode::Silent => Some(Code::DeadlineExceeded),
        CloseCode::Unspecified
        | CloseCode::SessionLost
        | CloseCode::SessionExhausted
        | CloseCode::Disconnected
        | CloseCode::Replaced => Some(Code::Aborted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_carries_its_code_its_field_and_when_to_come_back() {
        let status = refused(&Refusal::rate("emits_per_second", Duration::from_millis(20)));
        assert_eq!(status.code(), Code::ResourceExhausted);
        let details = status.get_error_details();
        assert_eq!(details.error_info().map(|info| info.reason.as_str()), Some("RATE_LIMITED"));
        assert_eq!(
            details.error_info().map(|info| info.metadata["limit"].as_str()),
            Some("emits_per_second")
        );
        let retry = details.retry_info().and_then(|info| info.retry_delay);
        assert_eq!(retry, Some(Duration::from_millis(20)));

        let status = refused(&Refusal::invalid("rooms", "is empty"));
        let details = status.get_error_details();
        let violations = &details.bad_request().unwrap().field_violations;
        assert_eq!(violations[0].field, "rooms");
    }

    #[test]
    fn no_text_makes_a_status_too_long_for_grpc_core() {
        let status = refused(&Refusal::new(RefusalCode::RecipientFailed, "é".repeat(5_000)));
        assert!(status.message().len() <= STATUS_MESSAGE_BYTES_MAX);
        assert!(status.details().len() <= crate::base::limits::STATUS_DETAILS_BYTES_MAX);
    }
}
