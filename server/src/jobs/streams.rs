//! Workers that are here, or whose node says that they are there: whom to tell that jobs are to be cancelled or paused.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::base::hash::HashMap;

/// What somebody wants of jobs that a worker has, by its leases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// They are to be cancelled.
    pub cancelling: Vec<String>,
    /// They are to be paused.
    pub pausing: Vec<String>,
}

impl Wanted {
    /// Without what was told before.
    pub(super) fn but(mut self, told: &Self) -> Self {
        self.cancelling.retain(|token| !told.cancelling.contains(token));
        self.pausing.retain(|token| !told.pausing.contains(token));
        self
    }
}

/// A worker's stream.
#[derive(Debug, Default)]
pub struct Stream {
    id: u64,
    wanted: Mutex<Wanted>,
    notify: Notify,
    /// Another stream of the same session has taken over.
    pub replaced: CancellationToken,
}

impl Stream {
    /// What somebody wants of jobs, as it comes.
    ///
    /// *Cancel safety*: nothing is lost.
    pub async fn wanted(&self) -> Wanted {
        loop {
            let wanted = std::mem::take(&mut *self.wanted.lock());
            if wanted != Wanted::default() {
                return wanted;
            }
            self.notify.notified().await;
        }
    }

    pub(super) fn want(&self, wanted: Wanted) {
        let mut all = self.wanted.lock();
        all.cancelling.extend(wanted.cancelling);
        all.pausing.extend(wanted.pausing);
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

    /// Tells a worker what somebody wants of its jobs.
    pub(super) fn want(&self, worker: u64, wanted: Wanted) {
        if let Some(stream) = self.here.get(&worker) {
            stream.want(wanted);
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
        let wanted = Wanted { cancelling: vec!["a".to_owned()], pausing: vec!["b".to_owned()] };
        streams.want(1, wanted.clone());
        assert_eq!(second.wanted().now_or_never(), Some(wanted.clone()));
        assert_eq!(second.wanted().now_or_never(), None);
        assert_eq!(first_again.wanted().now_or_never(), None);
        let told = Wanted { cancelling: vec!["b".to_owned()], pausing: vec!["b".to_owned()] };
        assert_eq!(wanted.but(&told), Wanted { cancelling: vec!["a".to_owned()], pausing: Vec::new() });
        assert!(streams.leave(1, &second));
        assert!(!streams.leave(1, &second));
    }
}
