//! What is answered when a log does not take something.

use std::time::Duration;

use rialto_proto::v1::RefusalCode;

use super::LogError;
use crate::base::refusal::{Refusal, Retry};

/// When a log that has too much waiting may be asked again.
const BUSY_AFTER: Duration = Duration::from_millis(20);
/// When a full disk may be asked again.
const FULL_AFTER: Duration = Duration::from_secs(5);

/// What is answered when the log does not take something.
pub fn refused(error: LogError) -> Refusal {
    match error {
        LogError::Full => {
            let refusal =
                Refusal::new(RefusalCode::StorageFull, "there is no space left for what is durable");
            Refusal { retry: Retry::After(FULL_AFTER), ..refusal }
        }
        LogError::Busy => Refusal::rate("log", BUSY_AFTER),
        LogError::TooLong(bytes) => {
            Refusal::new(RefusalCode::PayloadTooLarge, format!("a record of {bytes} bytes is too long"))
        }
        LogError::Failed(_) | LogError::Gone(_) | LogError::Damaged { .. } => {
            let refusal = Refusal::new(RefusalCode::StorageFailed, "the log has failed");
            Refusal { retry: Retry::AfterChange, ..refusal }
        }
    }
}
