//! Workers that are here, or whose node says that they are there: whom to tell that jobs are to be cancelled.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::base::hash::HashMap;

/// A worker's stream.
#[derive(Debug, Default)]
pub struct Stream {
    id: u64,
    cancelling: Mutex<Vec<String>>,
    notify: Notify,
    /// Another stream of the same session has taken over.
    pub replaced: CancellationToken,
}

impl Stream {
    /// Leases whose jobs are to be cancelled, as they come.
    ///
    /// *Cancel safety*: nothing is lost.
    pub async fn cancelling(&self) -> Vec<String> {
        loop {
            let tokens = std::mem::take(&mut *self.cancelling.lock());
            if !tokens.is_empty() {
                return tokens;
            }
            self.notify.notified().await;
        }
    }

    pub(super) fn cancel(&self, token: String) {
        self.cancelling.lock().push(token);
        self.notify.notify_one();
    }
}

/// All streams of a shard, by the sessions of their workers.
#[derive(Debug, Default)]
pub(super) struct Streams {
    here: HashMap<u64, Arc<Stream>>,
}

impl Streams {
    /// A stream is here. One that begins ends the one before; another one is not taken when that is there.
    pub(super) fn attend(&mut self, worker: u64, id: u64, begins: bool) -> Option<Arc<Stream>> {
        if let Some(other) = self.here.get(&worker).filter(|stream| stream.id != id) {
            if !begins {
                return None;
            }
            other.replaced.cancel();
        }
        let stream = Arc::new(Stream { id, ..Stream::default() });
        self.here.insert(worker, Arc::clone(&stream));
        Some(stream)
    }

    /// A stream is not here any more. False when it was not any more before.
    pub(super) fn leave(&mut self, worker: u64, stream: &Arc<Stream>) -> bool {
        let is_here = self.here.get(&worker).is_some_and(|present| Arc::ptr_eq(present, stream));
        if is_here {
            self.here.remove(&worker);
        }
        is_here
    }

    /// Tells a worker that the job of a lease is to be cancelled.
    pub(super) fn cancel(&self, worker: u64, token: String) {
        if let Some(stream) = self.here.get(&worker) {
            stream.cancel(token);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_stream_that_begins_ends_the_one_before_and_one_that_goes_on_does_not() {
        let mut streams = Streams::default();
        let first = streams.attend(1, 7, true).unwrap();
        let first_again = streams.attend(1, 7, false).unwrap();
        assert!(!streams.leave(1, &first), "it has gone on");
        let second = streams.attend(1, 8, true).unwrap();
        assert!(first_again.replaced.is_cancelled() && !second.replaced.is_cancelled());
        assert!(streams.attend(1, 7, false).is_none());
        streams.cancel(1, "a".to_owned());
        assert_eq!(second.cancelling().now_or_never(), Some(vec!["a".to_owned()]));
        assert_eq!(first_again.cancelling().now_or_never(), None);
        assert!(streams.leave(1, &second));
        assert!(!streams.leave(1, &second));
    }
}
