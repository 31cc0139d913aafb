//! Reading messages of a stream by their numbers: direct gets, several by one request. Any replica may answer them, also one
//! that is behind or hangs; then the leader is asked.

use std::{collections::VecDeque, time::Duration};

use async_nats::{
    Client, Message, StatusCode,
    jetstream::stream::{DirectGetErrorKind, LastRawMessageErrorKind, Stream},
};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::time::timeout;

/// What ends the answers to a request for several.
const NO_CONTENT: u16 = 204;
/// Time for one answer.
const ANSWER_MAX: Duration = Duration::from_secs(1);
/// Messages of one request.
const MESSAGES_MAX: usize = 256;
/// Bytes of one request.
const BYTES_MAX: usize = 8 << 20;

/// Why a message was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum FetchError {
    /// There is none of that number.
    #[error("there is no message {0}")]
    Gone(u64),
    /// It cannot be had at the moment.
    #[error("{0}")]
    Away(String),
}

fn away(error: impl ToString) -> FetchError {
    FetchError::Away(error.to_string())
}

/// One message.
pub(super) async fn one(stream: &Stream, sequence: u64) -> Result<Bytes, FetchError> {
    match timeout(ANSWER_MAX, stream.direct_get(sequence)).await {
        Ok(Ok(message)) => return Ok(message.payload),
        Ok(Err(error))
            if !matches!(error.kind(), DirectGetErrorKind::NotFound | DirectGetErrorKind::TimedOut) =>
        {
            return Err(away(error));
        }
        Ok(Err(_)) | Err(_) => {}
    }
    match stream.get_raw_message(sequence).await {
        Ok(message) => Ok(message.payload),
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => {
            Err(FetchError::Gone(sequence))
        }
        Err(error) => Err(away(error)),
    }
}

/// Some messages from `from` on, one after the other, at least one; each with its number.
pub(super) async fn some(
    client: &Client,
    stream: &Stream,
    from: u64,
) -> Result<VecDeque<(u64, Bytes)>, FetchError> {
    let subject = format!("$JS.API.DIRECT.GET.{}", stream.cached_info().config.name);
    let request = format!(r#"{{"seq":{from},"batch":{MESSAGES_MAX},"max_bytes":{BYTES_MAX}}}"#);
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await.map_err(away)?;
    client.publish_with_reply(subject, inbox, request.into()).await.map_err(away)?;
    let mut messages = VecDeque::new();
    while let Ok(Some(answer)) = timeout(ANSWER_MAX, answers.next()).await {
        match answer.status {
            None => messages.push_back(numbered(answer)?),
            // The end of what was asked for, or nothing at all.
            Some(status) if status.as_u16() == NO_CONTENT || status == StatusCode::NOT_FOUND => break,
            Some(status) => return Err(away(format!("direct get answers {status}"))),
        }
    }
    if messages.front().is_none_or(|(sequence, _)| *sequence != from) {
        messages = VecDeque::from([(from, one(stream, from).await?)]);
    }
    Ok(messages)
}

fn numbered(message: Message) -> Result<(u64, Bytes), FetchError> {
    let headers = message.headers.as_ref();
    let sequence = headers.and_then(|headers| headers.get(async_nats::header::NATS_SEQUENCE));
    let sequence = sequence.and_then(|sequence| sequence.as_str().parse().ok());
    Ok((sequence.ok_or_else(|| away("a message has no number"))?, message.payload))
}
