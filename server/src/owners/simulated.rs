//! Entries that several nodes of a simulation see. What a node asks takes a while, and is lost, before or after it was done, when
//! that node loses its way; what changes is seen by each a little later. For simulations only.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{
    bucket::{Bucket, Change, Entry, Watched},
    error::{RegisterError, away},
};
use crate::log::simulated::Way;

/// A bucket; clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct SimulatedBucket {
    stored: Arc<Mutex<Stored>>,
    changed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Stored {
    entries: BTreeMap<String, Entry>,
    revision: u64,
    /// All that ever happened.
    changes: Vec<Change>,
}

impl SimulatedBucket {
    /// The bucket as one node has it.
    pub fn by(&self, way: Way) -> Arc<dyn Bucket> {
        Arc::new(BucketOf { bucket: self.clone(), way })
    }

    /// Changes a key, if it still has this revision. Returns the revision of the change.
    fn change(&self, key: &str, value: Option<Bytes>, revision: Option<u64>) -> Result<u64, RegisterError> {
        let mut stored = self.stored.lock();
        let known = stored.entries.get(key).map_or(0, |entry| entry.revision);
        if revision.is_some_and(|revision| revision != known) {
            return Err(RegisterError::Lost);
        }
        stored.revision += 1;
        let revision = stored.revision;
        let entry = value.map(|value| Entry { value, revision });
        match entry.clone() {
            Some(entry) => _ = stored.entries.insert(key.to_owned(), entry),
            None => _ = stored.entries.remove(key),
        }
        stored.changes.push((key.to_owned(), entry));
        self.changed.notify_waiters();
        Ok(revision)
    }
}

#[derive(Debug)]
struct BucketOf {
    bucket: SimulatedBucket,
    way: Way,
}

impl BucketOf {
    fn ask<'a, T: Send + 'a>(
        &'a self,
        what: impl FnOnce() -> T + Send + 'a,
    ) -> BoxFuture<'a, Result<T, RegisterError>> {
        async move { self.way.ask(what).await.map_err(away) }.boxed()
    }
}

impl Bucket for BucketOf {
    fn read<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Entry>, RegisterError>> {
        self.ask(move || self.bucket.stored.lock().entries.get(key).cloned())
    }

    fn write<'a>(
        &'a self,
        key: &'a str,
        value: Bytes,
        revision: u64,
    ) -> BoxFuture<'a, Result<u64, RegisterError>> {
        let written = self.ask(move || self.bucket.change(key, Some(value), Some(revision)));
        async { written.await? }.boxed()
    }

    fn remove<'a>(&'a self, key: &'a str, revision: Option<u64>) -> BoxFuture<'a, Result<(), RegisterError>> {
        let removed = self.ask(move || self.bucket.change(key, None, revision).map(drop));
        async { removed.await? }.boxed()
    }

    fn watch(&self) -> BoxFuture<'_, Result<Watched, RegisterError>> {
        let begun = self.ask(|| {
            let stored = self.bucket.stored.lock();
            // The last change of each key, also when it was taken away: NATS tells that as well.
            let all: BTreeMap<_, _> = stored.changes.iter().cloned().collect();
            (all.into_iter().collect(), stored.changes.len())
        });
        async {
            let (all, begun) = begun.await?;
            let seen = (self.bucket.clone(), self.way.clone(), begun);
            let changes = stream::unfold(seen, |(bucket, way, at)| async move {
                while bucket.stored.lock().changes.len() <= at {
                    bucket.changed.notified().await;
                }
                way.opened().await;
                way.go().await;
                way.opened().await;
                let change = bucket.stored.lock().changes.get(at).cloned()?;
                Some((change, (bucket, way, at + 1)))
            });
            Ok((all, changes.boxed()))
        }
        .boxed()
    }
}
