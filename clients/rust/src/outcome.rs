//! What becomes of a job: the function's outcome as it is sent, within the bounds of the server. Pure; used by `labour.rs`.

use std::time::Duration;

use rialto_proto::v1::{JobCompleted, JobDiscarded, JobFailed, JobReleased, settlement::Outcome};

use crate::{
    content::Payload,
    error::{Error, carried},
};

/// Bytes of a result or a checkpoint.
pub(crate) const RESULT_BYTES_MAX: usize = 64 << 10;
/// Bytes of the code of a failure, of its message or another reason, of the text of progress.
const CODE_BYTES_MAX: usize = 64;
const MESSAGE_BYTES_MAX: usize = 4 << 10;
pub(crate) const PROGRESS_BYTES_MAX: usize = 1 << 10;
/// The code of a job whose outcome cannot be told.
pub(crate) const INVALID_OUTCOME: &str = "INVALID_OUTCOME";

/// Why a job was not done.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NotDone {
    /// The attempt has failed.
    #[error("{message}")]
    Failed {
        /// For programs; cut to 64 bytes.
        code: String,
        /// For people; cut to 4 KiB.
        message: String,
        /// It would fail again: the job is dead at once.
        permanent: bool,
        /// When to try again; `None`: as the retry policy says.
        retry_after: Option<Duration>,
    },
    /// Given back: no attempt is counted, and it may begin after this long.
    #[error("given back")]
    Released(Duration),
    /// It is not to be done.
    #[error("{0}")]
    Discarded(String),
}

impl NotDone {
    /// The attempt has failed; another one may not.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::with_code("", message, false)
    }

    /// It would fail again.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self::with_code("", message, true)
    }

    /// The attempt has failed by this error, whose type is the code; another one may not.
    pub fn of<E: std::error::Error>(error: &E) -> Self {
        let name = std::any::type_name::<E>();
        let name = name.split('<').next().and_then(|path| path.rsplit("::").next()).unwrap_or(name);
        Self::with_code(name, error.to_string(), false)
    }

    /// The work has panicked; it may not the next time.
    pub(crate) fn panicked() -> Self {
        Self::with_code("PANICKED", "the work has panicked", false)
    }

    fn with_code(code: &str, message: impl Into<String>, permanent: bool) -> Self {
        Self::Failed { code: code.to_owned(), message: message.into(), permanent, retry_after: None }
    }
}

/// Fails the attempt, not for good, with the code that the error has.
impl From<Error> for NotDone {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::Refused(refusal) => refusal.code_name().to_owned(),
            Error::Closed(closing) => closing.code_name().into_owned(),
            _ => "Error".to_owned(),
        };
        Self::with_code(&code, error.to_string(), false)
    }
}

/// The outcome as it is sent, and what is wrong with it if it cannot be sent as it is: then the job fails for good.
pub(crate) fn settled(outcome: Result<Payload, NotDone>) -> (Outcome, Option<String>) {
    let outcome = match outcome {
        Ok(result) if result.bytes().len() > RESULT_BYTES_MAX => {
            let wrong = format!("the result has {} bytes, {RESULT_BYTES_MAX} at most", result.bytes().len());
            return (invalid(wrong.clone()), Some(wrong));
        }
        Ok(result) => Outcome::Completed(JobCompleted { result: Some(result.into_job()) }),
        Err(NotDone::Failed { code, message, permanent, retry_after }) => Outcome::Failed(JobFailed {
            code: cut(code, CODE_BYTES_MAX),
            message: cut(message, MESSAGE_BYTES_MAX),
            permanent,
            retry_after: retry_after.map(carried),
        }),
        Err(NotDone::Released(delay)) => Outcome::Released(JobReleased { delay: Some(carried(delay)) }),
        Err(NotDone::Discarded(reason)) => {
            Outcome::Discarded(JobDiscarded { reason: cut(reason, MESSAGE_BYTES_MAX) })
        }
    };
    (outcome, None)
}

/// What is said of a job whose outcome cannot be told.
pub(crate) fn invalid(message: String) -> Outcome {
    let code = INVALID_OUTCOME.to_owned();
    Outcome::Failed(JobFailed { code, message, permanent: true, retry_after: None })
}

/// A text of at most so many bytes, never cut within a character.
pub(crate) fn cut(mut text: String, bytes_max: usize) -> String {
    text.truncate(text.floor_char_boundary(bytes_max));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_and_never_within_a_character() {
        assert_eq!(cut("abc".into(), 3), "abc");
        assert_eq!(cut("aéé".into(), 4), "aé");
        let long = "é".repeat(MESSAGE_BYTES_MAX);
        let failed = NotDone::Failed {
            code: long.clone(),
            message: long.clone(),
            permanent: false,
            retry_after: None,
        };
        let (Outcome::Failed(failed), None) = settled(Err(failed)) else { panic!("not failed") };
        assert_eq!((failed.code.len(), failed.message.len()), (CODE_BYTES_MAX, MESSAGE_BYTES_MAX));
        let (Outcome::Discarded(gone), None) = settled(Err(NotDone::Discarded(long))) else { panic!("kept") };
        assert_eq!(gone.reason.len(), MESSAGE_BYTES_MAX);
    }

    #[test]
    fn a_result_that_is_too_large_fails_the_job_for_good_and_is_told() {
        let fits = settled(Ok(Payload::from(vec![0; RESULT_BYTES_MAX])));
        assert!(matches!(fits, (Outcome::Completed(_), None)));
        let (Outcome::Failed(failed), Some(_)) = settled(Ok(Payload::from(vec![0; RESULT_BYTES_MAX + 1])))
        else {
            panic!("it is sent");
        };
        assert_eq!((failed.code.as_str(), failed.permanent), (INVALID_OUTCOME, true));
    }

    #[test]
    fn an_error_fails_the_attempt_with_its_code_or_the_name_of_its_type() {
        let refused = crate::error::Refusal::new(rialto_proto::v1::RefusalCode::NotFound, "gone");
        for (error, expected) in [
            (NotDone::from(Error::Refused(refused)), "NOT_FOUND"),
            (NotDone::of(&std::fmt::Error), "Error"),
            (NotDone::of(&"x".parse::<u8>().unwrap_err()), "ParseIntError"),
        ] {
            let NotDone::Failed { code, permanent, .. } = error else { panic!("not failed") };
            assert_eq!((code.as_str(), permanent), (expected, false));
        }
    }
}
