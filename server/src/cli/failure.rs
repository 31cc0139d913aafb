//! Why a command of the client failed, in one sentence and one exit code. Scripts rely on the codes.

use rialto_client::{Error, RefusalCode};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The command line makes no sense, beyond what its parser can know.
    #[error("{0}")]
    Usage(String),
    /// Something on this machine is in the way.
    #[error("{0}")]
    Local(String),
    /// Time ran out.
    #[error("{0}")]
    TimedOut(String),
    /// Nobody reads the output any more.
    #[error("nobody reads the output")]
    Unread,
    /// The server was not reached.
    #[error("{server}: {error}")]
    Unreached {
        /// The server, as it was named.
        server: String,
        /// What was in the way.
        error: Box<Error>,
    },
    /// The server, or the way to it.
    #[error("{0}")]
    Server(#[from] Error),
}

impl Failure {
    /// The same, with the name of the server where that is what matters.
    pub(super) fn at(self, server: &str) -> Self {
        match self {
            Self::Server(error) if error.unavailable() => {
                Self::Unreached { server: server.to_owned(), error: Box::new(error) }
            }
            other => other,
        }
    }

    /// The exit code: 1 refused or failed, 2 makes no sense, 3 not reached, 4 time ran out, 5 another
    /// revision than expected.
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Server(Error::Invalid(_)) => 2,
            Self::TimedOut(_) => 4,
            Self::Server(error) if error.timed_out() => 4,
            Self::Unreached { .. } => 3,
            Self::Server(error) if error.unavailable() => 3,
            Self::Server(error) if conflicts(error) => 5,
            Self::Local(_) | Self::Unread | Self::Server(_) => 1,
        }
    }
}

fn conflicts(error: &Error) -> bool {
    error.refusal().is_some_and(|refusal| refusal.code == RefusalCode::Conflict)
}

#[cfg(test)]
mod tests {
    use rialto_client::v1::Refused;

    use super::*;

    #[test]
    fn scripts_can_tell_failures_apart() {
        let refused = |code: RefusalCode| {
            let refused = Refused { code: code.into(), ..Refused::default() };
            Failure::Server(Error::Refused(refused.into()))
        };
        for (failure, code) in [
            (refused(RefusalCode::Forbidden), 1),
            (Failure::Server(Error::UnknownOutcome), 1),
            (Failure::Usage(String::new()), 2),
            (Failure::Server(Error::Invalid(String::new())), 2),
            (Failure::Server(Error::Unavailable(String::new())), 3),
            (Failure::Server(Error::TimedOut(String::new())), 4),
            (refused(RefusalCode::TimedOut), 4),
            (refused(RefusalCode::Conflict), 5),
        ] {
            assert_eq!(failure.exit_code(), code, "{failure:?}");
        }
    }
}
