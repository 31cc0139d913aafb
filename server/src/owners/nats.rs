//! Entries in a bucket of NATS.

use std::time::Duration;

use async_nats::{
    Client,
    jetstream::{
        self,
        context::KeyValueErrorKind,
        kv::{self, CreateErrorKind, Operation, Store, UpdateErrorKind},
        stream::StorageType,
    },
};
use bytes::Bytes;
use futures_util::{
    FutureExt, StreamExt,
    future::{BoxFuture, ready},
};
use tokio::time::timeout;

use super::{
    bucket::{Bucket, Change, Entry, Watched},
    error::{RegisterError, away},
};

/// Every key.
const ALL: &str = ">";

/// Time for each answer while a bucket is read. One whose leader is gone does not answer until it has another one.
const ANSWERED_MAX: Duration = Duration::from_secs(1);

/// A bucket of NATS.
#[derive(Debug, Clone)]
pub struct NatsBucket {
    store: Store,
}

impl NatsBucket {
    /// Opens what a cluster calls `name`, and makes it when it is not there.
    pub async fn open(
        client: Client,
        cluster: &str,
        name: &str,
        replicas: usize,
    ) -> Result<Self, RegisterError> {
        let (context, bucket) = (jetstream::new(client), format!("rialto_{cluster}_{name}"));
        match context.get_key_value(&bucket).await {
            Ok(store) => return Ok(Self { store }),
            Err(error) if error.kind() == KeyValueErrorKind::GetBucket => {}
            Err(error) => return Err(away(error)),
        }
        let config = kv::Config {
            bucket,
            history: 1,
            storage: StorageType::File,
            num_replicas: replicas,
            ..kv::Config::default()
        };
        Ok(Self { store: context.create_key_value(config).await.map_err(away)? })
    }

    async fn put(&self, key: &str, value: Bytes, revision: u64) -> Result<u64, RegisterError> {
        if revision == 0 {
            let created = self.store.create(key, value).await;
            return created.map_err(|error| match error.kind() {
                CreateErrorKind::AlreadyExists => RegisterError::Lost,
                _ => away(error),
            });
        }
        let written = self.store.update(key, value, revision).await;
        written.map_err(|error| match error.kind() {
            UpdateErrorKind::WrongLastRevision => RegisterError::Lost,
            _ => away(error),
        })
    }

    async fn all_and_changes(&self) -> Result<Watched, RegisterError> {
        // A bucket into which nothing was ever written would tell nothing. What the library knows of it is as old as the connection.
        let there = timeout(ANSWERED_MAX, self.store.stream.get_info()).await.map_err(away)?;
        let some = there.map_err(away)?.state.messages > 0;
        // One listening tells both. Reading entries one by one would ask any server that has them, also one that hangs.
        let watch = timeout(ANSWERED_MAX, self.store.watch_with_history(ALL)).await.map_err(away)?;
        let (mut watch, mut all, mut current) = (watch.map_err(away)?, Vec::new(), !some);
        while !current {
            let entry = timeout(ANSWERED_MAX, watch.next()).await.map_err(away)?;
            let entry = entry.ok_or_else(|| away("the bucket has ended"))?.map_err(away)?;
            current = entry.seen_current;
            all.push(change(entry));
        }
        let changes = watch.take_while(|entry| ready(entry.is_ok()));
        Ok((all, changes.filter_map(|entry| ready(entry.ok().map(change))).boxed()))
    }
}

fn change(entry: kv::Entry) -> Change {
    (entry.key.clone(), stored(entry))
}

fn stored(entry: kv::Entry) -> Option<Entry> {
    let kv::Entry { value, revision, .. } = entry;
    (entry.operation == Operation::Put).then_some(Entry { value, revision })
}

impl Bucket for NatsBucket {
    fn read<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Entry>, RegisterError>> {
        async move { Ok(self.store.entry(key).await.map_err(away)?.and_then(stored)) }.boxed()
    }

    fn write<'a>(
        &'a self,
        key: &'a str,
        value: Bytes,
        revision: u64,
    ) -> BoxFuture<'a, Result<u64, RegisterError>> {
        self.put(key, value, revision).boxed()
    }

    fn remove<'a>(&'a self, key: &'a str, revision: Option<u64>) -> BoxFuture<'a, Result<(), RegisterError>> {
        async move {
            let removed = self.store.delete_expect_revision(key, revision).await;
            removed.map_err(|error| match error.kind() {
                UpdateErrorKind::WrongLastRevision => RegisterError::Lost,
                _ => away(error),
            })
        }
        .boxed()
    }

    fn watch(&self) -> BoxFuture<'_, Result<Watched, RegisterError>> {
        self.all_and_changes().boxed()
    }
}
