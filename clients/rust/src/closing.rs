//! Why a session ended: by the server's word, by a refusal of its greeting, or by this side. A value.

use std::{borrow::Cow, fmt, time::Duration};

use rialto_proto::v1::{self, CloseCode, RefusalCode, Then};

use crate::{
    error::span,
    refusal::{self, Refusal, UnknownCode},
};

/// Why a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// The kind; `Unspecified` when there was no close frame, or for one that this version does not know.
    pub code: CloseCode,
    /// The refusal that ended it, where one did: of its greeting, or of its token.
    pub refusal: Option<RefusalCode>,
    /// For a human being.
    pub reason: String,
    /// What the server advises.
    pub then: Then,
    /// Not before this long from now.
    pub after: Duration,
    /// The code as it came; 0 when none did.
    pub(crate) number: i32,
    /// What the code of `refusal` is called when this version does not know it.
    pub(crate) unknown: Option<Box<UnknownCode>>,
    /// Of a command: it was sent before, and may have been carried out.
    pub(crate) sent: bool,
}

impl Closing {
    /// An ending of this side.
    pub(crate) fn unannounced(reason: impl Into<String>) -> Self {
        Self {
            code: CloseCode::Unspecified,
            refusal: None,
            reason: reason.into(),
            then: Then::StayAway,
            after: Duration::ZERO,
            number: 0,
            unknown: None,
            sent: false,
        }
    }

    /// The application wants no more.
    pub(crate) fn by_application() -> Self {
        Self::unannounced("closed by the application")
    }

    /// The ending by a refusal.
    pub(crate) fn refused(code: RefusalCode, reason: impl Into<String>) -> Self {
        Self { refusal: Some(code), ..Self::unannounced(reason) }
    }

    /// The name of the code, as in the documentation: `FELL_BEHIND`; that of the refusal where one ended the session,
    /// as `FORBIDDEN`; `CLOSED` when this side has ended it; the number of a code that this version does not know.
    pub fn code_name(&self) -> Cow<'static, str> {
        match (self.refusal, &self.unknown) {
            (Some(_), Some(unknown)) => return Cow::Owned(unknown.0.clone()),
            (Some(code), None) => return Cow::Borrowed(refusal::name_of(code)),
            (None, _) => {}
        }
        let name = self.code.as_str_name();
        match (self.code, self.number) {
            (CloseCode::Unspecified, 0) => Cow::Borrowed("CLOSED"),
            (CloseCode::Unspecified, number) => Cow::Owned(number.to_string()),
            _ => Cow::Borrowed(name.strip_prefix("CLOSE_CODE_").unwrap_or(name)),
        }
    }
}

impl fmt::Display for Closing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason.as_str() {
            "" => write!(f, "session closed ({})", self.code_name()),
            reason if self.number == 0 && self.refusal.is_none() => write!(f, "session closed: {reason}"),
            reason => write!(f, "session closed: {reason} ({})", self.code_name()),
        }
    }
}

impl From<v1::Close> for Closing {
    fn from(close: v1::Close) -> Self {
        // What the server advises counts more than the code, so that an operator can send a session away for a moment.
        // Without it the hundreds decide, even where this version does not know the code itself.
        let then = match (close.then(), close.code / 100) {
            (Then::Unspecified, 1) => Then::Resume,
            (Then::Unspecified, 2) => Then::Reconnect,
            (Then::Unspecified, _) => Then::StayAway,
            (then, _) => then,
        };
        Self {
            code: close.code(),
            refusal: None,
            then,
            after: span(close.after.as_ref()),
            number: close.code,
            unknown: None,
            reason: close.reason,
            sent: false,
        }
    }
}

impl From<&Refusal> for Closing {
    fn from(refusal: &Refusal) -> Self {
        let unknown = refusal.unknown.clone();
        Self { unknown, ..Self::refused(refusal.code, refusal.reason.as_str()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_close_codes_are_read_by_their_range() {
        for (code, then) in
            [(142, Then::Resume), (299, Then::Reconnect), (377, Then::StayAway), (7, Then::StayAway)]
        {
            let closing = Closing::from(v1::Close { code, ..v1::Close::default() });
            assert_eq!((closing.then, &*closing.code_name()), (then, &*code.to_string()), "{code}");
        }
    }

    #[test]
    fn what_the_server_advises_counts_more_than_the_code() {
        for then in [Then::Resume, Then::Reconnect, Then::StayAway] {
            for code in [CloseCode::Draining, CloseCode::SessionLost, CloseCode::Disconnected] {
                let close = v1::Close { code: code.into(), then: then.into(), ..v1::Close::default() };
                assert_eq!(Closing::from(close).then, then, "{code:?}");
            }
        }
    }

    #[test]
    fn who_has_ended_a_session_is_in_the_name_of_the_code() {
        assert_eq!(Closing::by_application().code_name(), "CLOSED");
        assert_eq!(Closing::refused(RefusalCode::Forbidden, "no").code_name(), "FORBIDDEN");
        let close = v1::Close { code: CloseCode::Replaced.into(), ..v1::Close::default() };
        assert_eq!(Closing::from(close).code_name(), "REPLACED");
    }
}
