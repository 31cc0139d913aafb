//! The connection of a client without a session, which all its clones share: made when it is first used, made again when
//! it is lost, and gone once the application closes the client. Then every call over it fails, also those under way.

use std::{future::Future, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::sync::watch;
use tonic::{Status, Streaming, transport::Channel};

use crate::error::{Closing, Error};

/// The connection of a client. Cheap to clone; all clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Uplink {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Absent once it is closed, so that nothing of it stays.
    channel: Mutex<Option<Channel>>,
    closed: watch::Sender<bool>,
}

fn closed(sent: bool) -> Error {
    Error::Closed(Closing { sent, ..Closing::by_application() })
}

impl Uplink {
    pub(crate) fn new(channel: Channel) -> Self {
        let shared = Shared { channel: Mutex::new(Some(channel)), closed: watch::Sender::new(false) };
        Self { shared: Arc::new(shared) }
    }

    /// The connection, unless it is closed.
    pub(crate) fn channel(&self) -> Result<Channel, Error> {
        self.shared.channel.lock().clone().ok_or_else(|| closed(false))
    }

    pub(crate) fn close(&self) {
        self.shared.channel.lock().take();
        self.shared.closed.send_replace(true);
    }

    /// Waits until it is closed.
    pub(crate) async fn closed(&self) {
        // Whoever could say so is part of this, so it does not go away meanwhile.
        self.shared.closed.subscribe().wait_for(|closed| *closed).await.ok();
    }

    /// What comes of `call`, unless it is closed before. `sent`: the server may have heard of it by then.
    pub(crate) async fn carry<T>(
        &self,
        sent: bool,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        tokio::select! {
            biased;
            () = self.closed() => Err(closed(sent)),
            outcome = call => outcome,
        }
    }

    /// Waits for so long before something is said again, unless it is closed before.
    pub(crate) async fn rest(&self, span: Duration) -> Result<(), Error> {
        let rested = async {
            tokio::time::sleep(span).await;
            Ok(())
        };
        self.carry(false, rested).await
    }
}

/// A stream of a client, which ends with it.
#[derive(Debug)]
pub(crate) struct Opened<T> {
    stream: Streaming<T>,
    uplink: Uplink,
}

impl<T> Opened<T> {
    pub(crate) fn new(stream: Streaming<T>, uplink: Uplink) -> Self {
        Self { stream, uplink }
    }

    /// The next message; `None` when the server has ended the stream. `failed` says what a status means.
    ///
    /// *Cancel safety*: nothing is lost.
    pub(crate) async fn message(&mut self, failed: fn(Status) -> Error) -> Result<Option<T>, Error> {
        let Self { stream, uplink } = self;
        uplink.carry(true, async { stream.message().await.map_err(failed) }).await
    }
}
