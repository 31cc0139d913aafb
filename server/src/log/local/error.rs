//! Why a folder does not become a log. Nothing is changed in a folder that is refused. While a log is open the same
//! reasons come as a [`LogError`].

use std::io;

use crate::log::LogError;

/// Why a log was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Somebody else has it open.
    #[error("the log is in use by another process")]
    InUse,
    /// There is none, and none was to be made.
    #[error("there is no log here")]
    Absent,
    /// It cannot work with these options.
    #[error("{0}")]
    Options(&'static str),
    /// What is stored is not what was written.
    #[error("{file}: {what} at byte {byte}")]
    Damaged {
        /// The file, without its folder.
        file: String,
        /// What is wrong.
        what: &'static str,
        /// Where.
        byte: u64,
    },
    /// The disk does not do what it is asked.
    #[error("{file}: cannot {doing}: {error}")]
    Disk {
        /// The file, without its folder.
        file: String,
        /// What was asked.
        doing: &'static str,
        /// Its answer.
        error: io::Error,
    },
}

impl OpenError {
    /// What is wrong in `file`.
    pub(super) fn damaged(file: &str, what: &'static str, byte: u64) -> Self {
        Self::Damaged { file: file.to_owned(), what, byte }
    }

    /// For errors of the disk while `doing` something with `file`.
    pub(super) fn disk(file: &str, doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        let file = file.to_owned();
        move |error| Self::Disk { file, doing, error }
    }

    /// Whether it is only that there is no space left.
    pub(super) fn is_full(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self, Self::Disk { error, .. } if matches!(error.kind(), StorageFull | QuotaExceeded))
    }
}

impl From<OpenError> for LogError {
    fn from(error: OpenError) -> Self {
        match error {
            full if full.is_full() => Self::Full,
            OpenError::Damaged { file, what, byte } => Self::Damaged { file, what: what.to_owned(), byte },
            other => Self::Failed(other.to_string()),
        }
    }
}
