//! What is said: payloads of text or bytes, on their way out and in. No transport, no names.

use bytes::Bytes;
use rialto_proto::v1::{self, content, reply, reply_item};

/// What an event or an answer carries: text, bytes or nothing, and what kind of either.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Payload {
    pub(crate) body: Body,
    pub(crate) content_type: String,
}

/// Text and bytes stay apart, so that tools show text as text.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Body {
    /// Nothing at all.
    #[default]
    Nothing,
    /// UTF-8 text.
    Text(String),
    /// Bytes.
    Binary(Bytes),
}

impl Body {
    /// The bytes, also of text.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Nothing => &[],
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// As the contract has it at one of its places; nothing as no body.
    pub(crate) fn said_as<T>(self, text: fn(String) -> T, binary: fn(Bytes) -> T) -> Option<T> {
        match self {
            Self::Nothing => None,
            Self::Text(said) => Some(text(said)),
            Self::Binary(bytes) => Some(binary(bytes)),
        }
    }
}

#[cfg(feature = "json")]
impl Payload {
    /// A value as JSON text, of type `application/json` unless another one is said afterwards.
    ///
    /// *Errors*: [`Error::Invalid`](crate::Error::Invalid) for what JSON cannot say.
    pub fn json(value: &impl serde::Serialize) -> Result<Self, crate::Error> {
        let text = serde_json::to_string(value).map_err(|error| crate::Error::Invalid(error.to_string()))?;
        Ok(Self::from(text).of_type("application/json"))
    }

    /// The value that it says as JSON text.
    ///
    /// *Errors*: [`Error::Invalid`](crate::Error::Invalid) when it says none, or another kind of value.
    pub fn to_value<T: serde::de::DeserializeOwned>(&self) -> Result<T, crate::Error> {
        from_json(self.bytes())
    }
}

/// The value that JSON text says.
#[cfg(feature = "json")]
pub(crate) fn from_json<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, crate::Error> {
    serde_json::from_slice(bytes)
        .map_err(|error| crate::Error::Invalid(format!("it is no such JSON: {error}")))
}

impl Payload {
    /// Says what kind of payload it is, for example `application/json`.
    #[must_use]
    pub fn of_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = content_type.into();
        self
    }

    /// The text or the bytes.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// The bytes, also of text.
    pub fn bytes(&self) -> &[u8] {
        self.body.as_bytes()
    }

    /// The text; `None` when the bytes are not UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.bytes()).ok()
    }

    /// Media type; empty when none was given.
    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    pub(crate) fn into_content(self, event: String) -> v1::Content {
        v1::Content {
            event,
            body: self.body.said_as(content::Body::Text, content::Body::Binary),
            content_type: self.content_type,
            ..v1::Content::default()
        }
    }

    pub(crate) fn into_reply(self, reply_token: String) -> v1::Reply {
        v1::Reply {
            reply_token,
            body: self.body.said_as(reply::Body::Text, reply::Body::Binary),
            content_type: self.content_type,
        }
    }
}

impl From<()> for Payload {
    fn from((): ()) -> Self {
        Self::default()
    }
}

impl From<String> for Payload {
    fn from(text: String) -> Self {
        Self { body: Body::Text(text), content_type: String::new() }
    }
}

impl From<&str> for Payload {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<&String> for Payload {
    fn from(text: &String) -> Self {
        text.clone().into()
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self { body: Body::Binary(bytes), content_type: String::new() }
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<&[u8]> for Payload {
    fn from(bytes: &[u8]) -> Self {
        Bytes::copy_from_slice(bytes).into()
    }
}

/// One receiver's answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The session that answered.
    pub session: String,
    /// Its user.
    pub user: String,
    /// The answer, or the error that the receiver gave instead.
    pub outcome: Result<Body, String>,
    /// Media type of the answer.
    pub content_type: String,
}

impl Reply {
    /// The answer as text; `None` when it is an error or not UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.outcome.as_ref().ok()?.as_bytes()).ok()
    }
}

impl From<v1::ReplyItem> for Reply {
    fn from(item: v1::ReplyItem) -> Self {
        let from = item.from.unwrap_or_default();
        Self {
            session: from.session,
            user: from.user,
            outcome: match item.body {
                Some(reply_item::Body::Text(text)) => Ok(Body::Text(text)),
                Some(reply_item::Body::Binary(bytes)) => Ok(Body::Binary(bytes)),
                Some(reply_item::Body::Error(error)) => Err(error),
                None => Ok(Body::Nothing),
            },
            content_type: item.content_type,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_no_body_and_no_bytes_are_bytes() {
        let said = |payload: Payload| payload.into_content("message".to_owned()).body;
        assert_eq!(said(Payload::from(())), None);
        assert_eq!(said(Payload::from(Vec::new())), Some(content::Body::Binary(Bytes::new())));
        assert_eq!(said(Payload::from("")), Some(content::Body::Text(String::new())));
        assert_eq!(Payload::from(()).into_reply("token".to_owned()).body, None);
        assert_eq!(Payload::default().into_job().body, None);
    }
}

#[cfg(all(test, feature = "json"))]
mod json_tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_value_travels_as_json_text() {
        let value = BTreeMap::from([("one".to_owned(), 1)]);
        let payload = Payload::json(&value).unwrap();
        assert_eq!((payload.text(), payload.content_type()), (Some(r#"{"one":1}"#), "application/json"));
        assert_eq!(payload.to_value(), Ok(value));
        assert!(matches!(payload.to_value::<u8>(), Err(crate::Error::Invalid(_))));
    }
}
