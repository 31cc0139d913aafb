//! The statuses that the edge gives itself, and the correction of those that tonic gives: a message that is too large is
//! RESOURCE_EXHAUSTED and one that cannot be decoded is INVALID_ARGUMENT, where tonic says OUT_OF_RANGE and INTERNAL.
//! Only tonic's own words are corrected, recognised by code and beginning of the message; a test against the running
//! server notices when a new release words them differently. `call` applies it to every answer.

use http::{HeaderMap, header};
use rialto_proto::v1::RefusalCode;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::base::{limits::STATUS_MESSAGE_BYTES_MAX, text::truncate};

/// Domain of every `ErrorInfo`.
const DOMAIN: &str = "rialto";

/// tonic's code and the beginning of its message; the code that the client sees and the reason.
const CORRECTIONS: [(Code, &str, Code, RefusalCode); 3] = [
    (
        Code::OutOfRange,
        "Error, decoded message length too large: ",
        Code::ResourceExhausted,
        RefusalCode::PayloadTooLarge,
    ),
    (
        Code::ResourceExhausted,
        "Error decompressing: size limit, ",
        Code::ResourceExhausted,
        RefusalCode::PayloadTooLarge,
    ),
    (Code::Internal, "failed to decode Protobuf message: ", Code::InvalidArgument, RefusalCode::Invalid),
];

/// A status with `ErrorInfo`.
pub(super) fn status(code: Code, reason: RefusalCode, message: &str) -> Status {
    let reason = reason.as_str_name().trim_start_matches("REFUSAL_CODE_");
    let details = ErrorDetails::with_error_info(reason, DOMAIN, []);
    Status::with_error_details(code, truncate(message, STATUS_MESSAGE_BYTES_MAX), details)
}

/// What `given` is for the client. Statuses that are not tonic's own pass unchanged.
pub fn corrected(given: Status) -> Status {
    if !given.details().is_empty() {
        return given;
    }
    let correction = CORRECTIONS
        .iter()
        .find(|(code, beginning, ..)| given.code() == *code && given.message().starts_with(beginning));
    match correction {
        Some((_, _, code, reason)) => status(*code, *reason, given.message()),
        None => given,
    }
}

/// Corrects the status in headers or trailers.
pub(super) fn correct(headers: &mut HeaderMap) {
    let suspect =
        headers.get(Status::GRPC_STATUS).is_some_and(|code| matches!(code.as_bytes(), b"8" | b"11" | b"13"));
    if !suspect || headers.contains_key(Status::GRPC_STATUS_DETAILS) {
        return;
    }
    let Some(given) = Status::from_header_map(headers) else {
        return;
    };
    let right = corrected(given);
    if !right.details().is_empty() {
        headers.extend(trailers(right));
    }
}

/// A status as trailers.
pub(super) fn trailers(status: Status) -> HeaderMap {
    let mut headers = status.into_http::<()>().into_parts().0.headers;
    headers.remove(header::CONTENT_TYPE);
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(given: Status) -> Status {
        let mut headers = trailers(given);
        correct(&mut headers);
        Status::from_header_map(&headers).unwrap()
    }

    #[test]
    fn the_words_of_tonic_are_corrected() {
        for (given, code, reason) in [
            (
                Status::out_of_range(
                    "Error, decoded message length too large: found 9 bytes, the limit is: 8 bytes",
                ),
                Code::ResourceExhausted,
                "PAYLOAD_TOO_LARGE",
            ),
            (
                Status::internal("failed to decode Protobuf message: invalid varint"),
                Code::InvalidArgument,
                "INVALID",
            ),
        ] {
            let message = given.message().to_owned();
            let right = seen(given);
            assert_eq!((right.code(), right.message()), (code, message.as_str()));
            let info = right.get_details_error_info().unwrap();
            assert_eq!((info.domain.as_str(), info.reason.as_str()), ("rialto", reason));
        }
    }

    #[test]
    fn the_words_of_services_are_not_touched() {
        for given in [
            Status::out_of_range("offset 9 is after the end"),
            Status::internal("the log failed"),
            Status::resource_exhausted("too many rooms"),
            Status::with_details(Code::Internal, "failed to decode Protobuf message: x", vec![1].into()),
        ] {
            let right = seen(given.clone());
            assert_eq!(right.code(), given.code());
            assert_eq!(right.message(), given.message());
            assert_eq!(right.details(), given.details());
        }
    }
}
