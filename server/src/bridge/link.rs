//! What carries messages between nodes: NATS, or a simulation of it. It knows subjects and bytes, and nothing of what they mean.

use std::{fmt::Debug, future::ready};

use bytes::Bytes;
use futures_util::{
    FutureExt, StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::plain::Plain;

/// Why the link did not do something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Nobody is reached now.
    #[error("the other nodes are not reached: {0}")]
    Away(String),
    /// What is there cannot be used.
    #[error("{0}")]
    Unfit(String),
}

/// How the link is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkState {
    /// Whether it is connected.
    pub up: bool,
    /// Rises whenever something that was said may not have been heard: the connection was lost, or a listener was slow.
    pub losses: u64,
}

/// Carries messages.
///
/// *Order*: what one link publishes is heard by another in that order, by one listening as well as by several together.
/// *Cancel safety*: a listening that is dropped ends.
pub trait Link: Debug + Send + Sync {
    /// Says something to all who listen to `subject`, but not to this link. Waits while there is too much on the way.
    fn publish(&self, subject: String, message: Bytes) -> BoxFuture<'_, Result<(), LinkError>>;

    /// Listens to `subject`. When it returns, everything that is published from then on is heard.
    fn listen(&self, subject: String) -> BoxFuture<'_, Result<BoxStream<'static, Bytes>, LinkError>>;

    /// The same of all subjects below one with wildcards, each message with its subject.
    fn listen_all(
        &self,
        subject: String,
    ) -> BoxFuture<'_, Result<BoxStream<'static, (String, Bytes)>, LinkError>>;

    /// Says something to programs that speak NATS and not Rialto, in one order with [`Link::publish`]. Where there are none nothing
    /// is said.
    fn publish_plain(&self, _plain: Plain) -> BoxFuture<'_, Result<(), LinkError>> {
        ready(Ok(())).boxed()
    }

    /// What such programs publish at `subject`: each message comes to one of the links that take it. Ends when `ends` says so, with
    /// all that this link was handed before.
    fn take_plain(
        &self,
        _subject: String,
        ends: CancellationToken,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Plain>, LinkError>> {
        let nothing = stream::pending().take_until(ends.cancelled_owned()).boxed();
        ready(Ok(nothing)).boxed()
    }

    /// Sends something to the other side and waits until it has come back.
    fn probe(&self) -> BoxFuture<'_, Result<(), LinkError>>;

    /// Leaves the other side for another one, where there are several: this one is cut off from the rest.
    fn leave(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// How it is, now and from now on.
    fn state(&self) -> watch::Receiver<LinkState>;
}
