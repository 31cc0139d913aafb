//! A link of the network in memory that counts: what a node says to a room and beside it, and what it hears of both.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::BoxStream};
use rialto_server::bridge::{
    link::{Link, LinkError, LinkState},
    simulated::SimulatedLink,
};
use tokio::sync::watch;

/// Messages, and their bytes.
#[derive(Debug, Default)]
pub(crate) struct Count {
    messages: AtomicU64,
    bytes: AtomicU64,
}

impl Count {
    fn add(&self, message: &Bytes) {
        self.messages.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(message.len() as u64, Ordering::Relaxed);
    }

    /// So many so far.
    pub(crate) fn read(&self) -> (u64, u64) {
        (self.messages.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }
}

/// What goes over one link.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Said to the room.
    pub(crate) said: Count,
    /// Heard of the room.
    pub(crate) heard: Count,
    /// Said anywhere else.
    pub(crate) said_beside: Count,
    /// Heard from anywhere else.
    pub(crate) heard_beside: Count,
}

/// The link.
#[derive(Debug)]
pub(crate) struct CountingLink {
    pub(crate) inner: SimulatedLink,
    /// The subject of the room.
    pub(crate) room: String,
    pub(crate) counts: Arc<Counts>,
}

impl Link for CountingLink {
    fn publish(&self, subject: String, message: Bytes) -> BoxFuture<'_, Result<(), LinkError>> {
        let count = if subject == self.room { &self.counts.said } else { &self.counts.said_beside };
        count.add(&message);
        self.inner.publish(subject, message)
    }

    fn listen(&self, subject: String) -> BoxFuture<'_, Result<BoxStream<'static, Bytes>, LinkError>> {
        let (is_room, counts) = (subject == self.room, Arc::clone(&self.counts));
        let listening = self.inner.listen(subject);
        async move {
            let count = move |message: &Bytes| {
                let count = if is_room { &counts.heard } else { &counts.heard_beside };
                count.add(message);
            };
            Ok(listening.await?.inspect(count).boxed())
        }
        .boxed()
    }

    fn listen_all(
        &self,
        subject: String,
    ) -> BoxFuture<'_, Result<BoxStream<'static, (String, Bytes)>, LinkError>> {
        self.inner.listen_all(subject)
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), LinkError>> {
        self.inner.probe()
    }

    fn state(&self) -> watch::Receiver<LinkState> {
        self.inner.state()
    }
}
