//! What carries messages between nodes: NATS, or a simulation of it. It knows subjects and bytes, and nothing of what they mean.

use std::fmt::Debug;

use bytes::Bytes;
use futures_util::{future::BoxFuture, stream::BoxStream};
use tokio::sync::watch;

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

    /// Sends something to the other side and waits until it has come back.
    fn probe(&self) -> BoxFuture<'_, Result<(), LinkError>>;

    /// Leaves the other side for another one, where there are several: this one is cut off from the rest.
    fn leave(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// How it is, now and from now on.
    fn state(&self) -> watch::Receiver<LinkState>;
}
