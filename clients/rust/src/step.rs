//! What to do when a stream has ended or could not be opened: come back, and not before when, or stay away. A pure
//! function of the ending; `actor.rs` carries its answer out.

use std::time::Duration;

use rialto_proto::v1::{CloseCode, RefusalCode, Then};
use tonic::Code;

use crate::error::{Closing, Error};

/// How a stream ended, or why it did not begin.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Ending {
    /// The server said so by `Close`.
    Closed(Closing),
    /// The handshake or the stream failed.
    Failed(Error),
    /// The server asked to come back elsewhere, and the time it gave is over.
    Moved,
    /// The session has no more numbers for commands.
    UsedUp,
    /// The application wants no more.
    Stopped,
}

/// What is known about the credentials when a stream has ended.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Credentials {
    /// A callback can be asked for another token.
    pub(crate) renewable: bool,
    /// The server has already turned down a token since the session was last attached.
    pub(crate) turned_down: bool,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    /// Connect again, not before this long from now, and after the backoff.
    Again {
        /// What the server asked for.
        not_before: Duration,
        /// The credentials were turned down: this is the one attempt with new ones.
        turned_down: bool,
    },
    /// Do not come back.
    Stop(Error),
}

impl Step {
    const AT_ONCE: Self = Self::Again { not_before: Duration::ZERO, turned_down: false };

    fn after(not_before: Duration) -> Self {
        Self::Again { not_before, turned_down: false }
    }
}

/// What to do after `ending`.
pub(crate) fn next_step(ending: Ending, credentials: Credentials) -> Step {
    match ending {
        Ending::Closed(closing) | Ending::Failed(Error::Closed(closing)) => {
            after_closing(closing, credentials)
        }
        Ending::Failed(error) => after_failure(error, credentials),
        Ending::Moved | Ending::UsedUp => Step::AT_ONCE,
        Ending::Stopped => Step::Stop(Error::Closed(Closing {
            code: CloseCode::Bye,
            ..Closing::unannounced("closed by the application")
        })),
    }
}

fn after_closing(closing: Closing, credentials: Credentials) -> Step {
    match closing.then {
        Then::Resume | Then::Reconnect => Step::after(closing.after),
        Then::StayAway | Then::Unspecified => match closing.code {
            CloseCode::Unauthenticated => with_new_token(Error::Closed(closing), credentials),
            _ => Step::Stop(Error::Closed(closing)),
        },
    }
}

fn after_failure(error: Error, credentials: Credentials) -> Step {
    match &error {
        Error::Refused(refusal) => match refusal.code {
            RefusalCode::Unauthenticated => with_new_token(error, credentials),
            // A count may be free again once the server has noticed that the old session is gone.
            RefusalCode::RateLimited
            | RefusalCode::LimitReached
            | RefusalCode::Draining
            | RefusalCode::Deadline
            | RefusalCode::TimedOut
            | RefusalCode::SessionUnknown
            // The next greeting asks for a new session.
            | RefusalCode::PositionGone
            | RefusalCode::ResumeLate
            | RefusalCode::Internal => Step::after(refusal.wait()),
            _ => Step::Stop(error),
        },
        Error::Failed { code, .. } => match code {
            Code::Unauthenticated => with_new_token(error, credentials),
            Code::PermissionDenied
            | Code::InvalidArgument
            | Code::FailedPrecondition
            | Code::Unimplemented
            | Code::NotFound => Step::Stop(error),
            _ => Step::AT_ONCE,
        },
        Error::Invalid(_) | Error::Source(_) | Error::Closed(_) => Step::Stop(error),
        Error::Unavailable(_) | Error::TimedOut(_) | Error::UnknownOutcome | Error::Unsent(_) => {
            Step::AT_ONCE
        }
    }
}

/// A token that was turned down is replaced once; a second no is final.
fn with_new_token(error: Error, credentials: Credentials) -> Step {
    if credentials.renewable && !credentials.turned_down {
        Step::Again { not_before: Duration::ZERO, turned_down: true }
    } else {
        Step::Stop(error)
    }
}

#[cfg(test)]
mod tests {
    use rialto_proto::v1;

    use super::*;
    use crate::error::{Refusal, Retry};

    fn closed(code: CloseCode) -> Ending {
        let close = v1::Close { code: code.into(), ..v1::Close::default() };
        Ending::Closed(close.into())
    }

    fn refused(code: RefusalCode, retry: Retry) -> Ending {
        Ending::Failed(Error::Refused(Refusal { code, retry, ..Refusal::default() }))
    }

    fn comes_back(ending: Ending) -> bool {
        matches!(next_step(ending, Credentials::default()), Step::Again { .. })
    }

    #[test]
    fn the_range_of_a_close_code_decides() {
        for code in [CloseCode::Draining, CloseCode::FellBehind] {
            assert!(comes_back(closed(code)), "{code:?}");
        }
        for code in
            [CloseCode::SessionLost, CloseCode::SessionExhausted, CloseCode::TokenExpired, CloseCode::Silent]
        {
            assert!(comes_back(closed(code)), "{code:?}");
        }
        for code in [CloseCode::Bye, CloseCode::Disconnected, CloseCode::Protocol, CloseCode::Replaced] {
            assert!(!comes_back(closed(code)), "{code:?}");
        }
    }

    #[test]
    fn the_server_is_given_the_time_it_asks_for() {
        let close = v1::Close {
            code: CloseCode::Draining.into(),
            after: Some(prost_types::Duration { seconds: 3, nanos: 0 }),
            ..v1::Close::default()
        };
        let wait = Duration::from_secs(3);
        assert_eq!(next_step(Ending::Closed(close.into()), Credentials::default()), Step::after(wait));
        let busy = refused(RefusalCode::Draining, Retry::After(wait));
        assert_eq!(next_step(busy, Credentials::default()), Step::after(wait));
    }

    #[test]
    fn a_token_that_is_turned_down_is_replaced_once() {
        let mut credentials = Credentials { renewable: true, turned_down: false };
        for ending in
            [refused(RefusalCode::Unauthenticated, Retry::AfterChange), closed(CloseCode::Unauthenticated)]
        {
            credentials.turned_down = false;
            let again = Step::Again { not_before: Duration::ZERO, turned_down: true };
            assert_eq!(next_step(ending.clone(), credentials), again);
            credentials.turned_down = true;
            assert!(matches!(next_step(ending, credentials), Step::Stop(_)));
        }
    }

    #[test]
    fn a_fixed_token_that_is_turned_down_is_final() {
        assert!(!comes_back(refused(RefusalCode::Unauthenticated, Retry::AfterChange)));
    }

    #[test]
    fn what_will_be_refused_again_is_not_tried_again() {
        for code in
            [RefusalCode::Forbidden, RefusalCode::Invalid, RefusalCode::NameInvalid, RefusalCode::OutOfOrder]
        {
            assert!(!comes_back(refused(code, Retry::Never)), "{code:?}");
        }
        for code in [RefusalCode::RateLimited, RefusalCode::LimitReached, RefusalCode::Internal] {
            assert!(comes_back(refused(code, Retry::AfterChange)), "{code:?}");
        }
    }

    #[test]
    fn a_broken_connection_comes_back_and_a_goodbye_does_not() {
        assert!(comes_back(Ending::Failed(Error::Unavailable("refused".into()))));
        assert!(comes_back(Ending::Failed(Error::UnknownOutcome)));
        assert!(comes_back(Ending::Moved) && comes_back(Ending::UsedUp));
        assert!(!comes_back(Ending::Stopped));
    }
}
