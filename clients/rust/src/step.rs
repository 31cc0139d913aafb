//! What to do when a stream has ended or could not be opened: come back, and not before when, or stay away. A pure
//! function of the ending; `actor.rs` carries its answer out.

use std::time::Duration;

use rialto_proto::v1::{CloseCode, RefusalCode, Then};

use crate::error::{Closing, Error};

/// How a stream ended, or why it did not begin.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Ending {
    /// The server said so by `Close`.
    Closed(Closing),
    /// The greeting was refused, or nobody answered it.
    Failed(Error),
    /// The stream was there and broke, in whatever way.
    Lost(Error),
    /// The server asked to come back elsewhere, and the time it gave is over.
    Moved,
    /// The session has no more numbers for commands.
    UsedUp,
    /// The server went on with another session than it was asked for.
    Mistaken,
    /// The application wants no more.
    Stopped,
}

/// What is known when a stream has ended.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Known {
    /// A callback can be asked for another token.
    pub(crate) renewable: bool,
    /// The server has already turned down a token since the session was last attached.
    pub(crate) turned_down: bool,
    /// The greeting asked to go on with a session.
    pub(crate) resuming: bool,
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
pub(crate) fn next_step(ending: Ending, known: Known) -> Step {
    match ending {
        Ending::Closed(closing) | Ending::Failed(Error::Closed(closing)) => match closing.then {
            Then::Resume | Then::Reconnect => Step::after(closing.after),
            Then::StayAway | Then::Unspecified => Step::Stop(Error::Closed(closing)),
        },
        Ending::Failed(error) => after_failure(error, known),
        Ending::Moved | Ending::UsedUp | Ending::Mistaken | Ending::Lost(_) => Step::AT_ONCE,
        Ending::Stopped => Step::Stop(Error::Closed(Closing::by_application())),
    }
}

/// Holds when a greeting was refused because the session that it asked for cannot go on: the next one asks for none.
pub(crate) fn gives_up(code: RefusalCode) -> bool {
    matches!(
        code,
        RefusalCode::SessionUnknown
            | RefusalCode::ResumeLate
            | RefusalCode::PositionGone
            | RefusalCode::Invalid
    )
}

fn after_failure(error: Error, known: Known) -> Step {
    match &error {
        error_of_token if error_of_token.is_unauthenticated() => with_new_token(error, known),
        Error::Refused(refusal) => match (refusal.code, refusal.later()) {
            (code, later) if known.resuming && gives_up(code) => Step::after(later.unwrap_or_default()),
            (_, Some(wait)) => Step::after(wait),
            // It would be refused again.
            (
                RefusalCode::Invalid
                | RefusalCode::NameInvalid
                | RefusalCode::Forbidden
                | RefusalCode::NamespaceUnknown
                | RefusalCode::OutOfOrder
                | RefusalCode::PayloadTooLarge,
                None,
            ) => Step::Stop(error),
            // A count may be free again once the server has noticed that the old session is gone.
            (_, None) => Step::AT_ONCE,
        },
        Error::Invalid(_) | Error::Source(_) | Error::Closed(_) => Step::Stop(error),
        // What is no word of a Rialto server is not obeyed: a proxy that knows no server for a moment must not end a
        // session for good.
        Error::Failed { .. }
        | Error::Unavailable(_)
        | Error::TimedOut(_)
        | Error::UnknownOutcome
        | Error::Unsent(_) => Step::AT_ONCE,
    }
}

/// A token that was turned down is replaced once; a second no is final.
fn with_new_token(error: Error, known: Known) -> Step {
    if known.renewable && !known.turned_down {
        Step::Again { not_before: error.wait(), turned_down: true }
    } else {
        Step::Stop(error)
    }
}

/// An ending by the server's own word is worth telling even if the application wanted to end as well; that it has heard
/// the goodbye is not.
pub(crate) fn stopped_by(ending: Ending) -> Ending {
    match ending {
        Ending::Closed(closing) if closing.then == Then::StayAway && closing.code != CloseCode::Bye => {
            Ending::Closed(closing)
        }
        _ => Ending::Stopped,
    }
}

#[cfg(test)]
mod tests {
    use rialto_proto::v1;
    use tonic::Code;

    use super::*;
    use crate::error::{Refusal, Retry};

    fn closed(code: CloseCode) -> Ending {
        closed_then(code, Then::Unspecified)
    }

    fn closed_then(code: CloseCode, then: Then) -> Ending {
        let close = v1::Close { code: code.into(), then: then.into(), ..v1::Close::default() };
        Ending::Closed(close.into())
    }

    fn refused(code: RefusalCode, retry: Retry) -> Ending {
        Ending::Failed(Error::Refused(Refusal { code, retry, ..Refusal::default() }))
    }

    fn comes_back(ending: Ending) -> bool {
        matches!(next_step(ending, Known::default()), Step::Again { .. })
    }

    #[test]
    fn the_range_of_a_close_code_decides() {
        for code in [CloseCode::Draining, CloseCode::FellBehind] {
            assert!(comes_back(closed(code)), "{code:?}");
        }
        for code in [
            CloseCode::SessionLost,
            CloseCode::SessionExhausted,
            CloseCode::TokenExpired,
            CloseCode::Silent,
            CloseCode::Overrun,
        ] {
            assert!(comes_back(closed(code)), "{code:?}");
        }
        for code in [
            CloseCode::Bye,
            CloseCode::Disconnected,
            CloseCode::Protocol,
            CloseCode::Unauthenticated,
            CloseCode::Replaced,
        ] {
            assert!(!comes_back(closed(code)), "{code:?}");
        }
    }

    #[test]
    fn an_operator_can_send_a_session_away_for_a_moment_or_for_good() {
        assert!(comes_back(closed_then(CloseCode::Disconnected, Then::Reconnect)));
        assert!(comes_back(closed_then(CloseCode::Disconnected, Then::Resume)));
        assert!(!comes_back(closed_then(CloseCode::Draining, Then::StayAway)));
    }

    #[test]
    fn a_token_that_was_revoked_is_not_replaced() {
        let known = Known { renewable: true, ..Known::default() };
        assert!(matches!(next_step(closed(CloseCode::Unauthenticated), known), Step::Stop(_)));
    }

    #[test]
    fn the_server_is_given_the_time_it_asks_for() {
        let close = v1::Close {
            code: CloseCode::Draining.into(),
            after: Some(prost_types::Duration { seconds: 3, nanos: 0 }),
            ..v1::Close::default()
        };
        let wait = Duration::from_secs(3);
        assert_eq!(next_step(Ending::Closed(close.into()), Known::default()), Step::after(wait));
        for code in [RefusalCode::Draining, RefusalCode::Forbidden, RefusalCode::NodesUnreachable] {
            let busy = refused(code, Retry::After(wait));
            assert_eq!(next_step(busy, Known::default()), Step::after(wait), "{code:?}");
        }
    }

    #[test]
    fn a_token_that_is_turned_down_is_replaced_once() {
        let plain = Error::Failed { code: Code::Unauthenticated, message: String::new() };
        for ending in [refused(RefusalCode::Unauthenticated, Retry::AfterChange), Ending::Failed(plain)] {
            let mut known = Known { renewable: true, ..Known::default() };
            let again = Step::Again { not_before: Duration::ZERO, turned_down: true };
            assert_eq!(next_step(ending.clone(), known), again);
            known.turned_down = true;
            assert!(matches!(next_step(ending.clone(), known), Step::Stop(_)));
            assert!(!comes_back(ending), "a fixed token is final");
        }
    }

    #[test]
    fn what_will_be_refused_again_is_not_tried_again() {
        for code in [
            RefusalCode::Forbidden,
            RefusalCode::Invalid,
            RefusalCode::NameInvalid,
            RefusalCode::OutOfOrder,
            RefusalCode::NamespaceUnknown,
            RefusalCode::PayloadTooLarge,
        ] {
            assert!(!comes_back(refused(code, Retry::Never)), "{code:?}");
        }
        for code in [
            RefusalCode::RateLimited,
            RefusalCode::LimitReached,
            RefusalCode::Internal,
            RefusalCode::StorageFull,
            RefusalCode::Unspecified,
        ] {
            assert!(comes_back(refused(code, Retry::AfterChange)), "{code:?}");
        }
    }

    #[test]
    fn a_session_that_cannot_go_on_is_followed_by_another_one() {
        let known = Known { resuming: true, ..Known::default() };
        for code in [
            RefusalCode::SessionUnknown,
            RefusalCode::ResumeLate,
            RefusalCode::PositionGone,
            RefusalCode::Invalid,
        ] {
            assert_eq!(next_step(refused(code, Retry::Never), known), Step::AT_ONCE, "{code:?}");
        }
        assert!(matches!(next_step(refused(RefusalCode::Forbidden, Retry::Never), known), Step::Stop(_)));
    }

    #[test]
    fn a_status_of_somebody_else_is_not_obeyed() {
        for code in [
            Code::NotFound,
            Code::PermissionDenied,
            Code::Unimplemented,
            Code::InvalidArgument,
            Code::Internal,
        ] {
            let error = Error::Failed { code, message: String::new() };
            assert!(comes_back(Ending::Failed(error)), "{code:?}");
        }
    }

    #[test]
    fn a_broken_connection_comes_back_and_a_goodbye_does_not() {
        assert!(comes_back(Ending::Failed(Error::Unavailable("refused".into()))));
        assert!(comes_back(Ending::Failed(Error::UnknownOutcome)));
        assert!(comes_back(Ending::Lost(Error::Refused(Refusal::new(RefusalCode::Forbidden, "")))));
        assert!(comes_back(Ending::Moved) && comes_back(Ending::UsedUp));
        assert!(!comes_back(Ending::Stopped));
    }

    #[test]
    fn the_answer_to_a_goodbye_is_the_applications_own_ending() {
        assert_eq!(stopped_by(closed(CloseCode::Bye)), Ending::Stopped);
        assert_eq!(stopped_by(closed(CloseCode::Draining)), Ending::Stopped);
        assert_ne!(stopped_by(closed(CloseCode::Disconnected)), Ending::Stopped);
    }
}
