//! What all nodes have to know alike, in a bucket of NATS: the namespaces that were made or changed at run time, and what is revoked.
//! What is stored is the caller's; an entry is changed only if it is still as it was read.

use async_nats::{
    Client,
    jetstream::{
        self,
        kv::{self, CreateErrorKind, Operation, Store, UpdateErrorKind},
    },
};
use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};

use super::register::{RegisterError, away, bucket};

/// Every key.
const ALL: &str = ">";

/// Entries by key, the same for all nodes.
#[derive(Debug, Clone)]
pub struct SharedMap {
    store: Store,
}

impl SharedMap {
    /// Opens what a cluster has of `what`, and makes it when there is none.
    pub async fn open(
        client: Client,
        cluster: &str,
        what: &str,
        replicas: usize,
    ) -> Result<Self, RegisterError> {
        let context = jetstream::new(client);
        Ok(Self { store: bucket(&context, format!("rialto_{cluster}_{what}"), replicas).await? })
    }

    /// What is stored under a key, and its revision; 0 for what is not there.
    pub async fn read(&self, key: &str) -> Result<(Option<Bytes>, u64), RegisterError> {
        let entry = self.store.entry(key).await.map_err(away)?;
        let there = entry.filter(|entry| entry.operation == Operation::Put);
        Ok(there.map_or((None, 0), |entry| (Some(entry.value), entry.revision)))
    }

    /// Stores something, if what is stored still has this revision; 0 for nothing.
    pub async fn write(&self, key: &str, value: Bytes, revision: u64) -> Result<(), RegisterError> {
        if revision == 0 {
            let created = self.store.create(key, value).await;
            return created.map(drop).map_err(|error| match error.kind() {
                CreateErrorKind::AlreadyExists => RegisterError::Lost,
                _ => away(error),
            });
        }
        let written = self.store.update(key, value, revision).await;
        written.map(drop).map_err(|error| match error.kind() {
            UpdateErrorKind::WrongLastRevision => RegisterError::Lost,
            _ => away(error),
        })
    }

    /// Takes something away.
    pub async fn remove(&self, key: &str) -> Result<(), RegisterError> {
        self.store.delete(key).await.map_err(away)
    }

    /// Takes something away, if what is stored still has this revision.
    pub async fn remove_if(&self, key: &str, revision: u64) -> Result<(), RegisterError> {
        let removed = self.store.delete_expect_revision(key, Some(revision)).await;
        removed.map_err(|error| match error.kind() {
            UpdateErrorKind::WrongLastRevision => RegisterError::Lost,
            _ => away(error),
        })
    }

    /// All that is stored now.
    pub async fn all(&self) -> Result<Vec<(String, Bytes)>, RegisterError> {
        let mut all = Vec::new();
        let mut keys = self.store.keys().await.map_err(away)?;
        while let Some(key) = keys.next().await {
            let key = key.map_err(away)?;
            if let (Some(value), _) = self.read(&key).await? {
                all.push((key, value));
            }
        }
        Ok(all)
    }

    /// What changes from now on: a key and what is stored under it. Ends when it cannot be had any more.
    pub async fn changes(&self) -> Result<BoxStream<'static, (String, Option<Bytes>)>, RegisterError> {
        Ok(entries(self.store.watch_all().await.map_err(away)?))
    }

    /// The same, after all that is stored now, and after what was taken away.
    pub async fn all_and_changes(
        &self,
    ) -> Result<BoxStream<'static, (String, Option<Bytes>)>, RegisterError> {
        Ok(entries(self.store.watch_with_history(ALL).await.map_err(away)?))
    }
}

fn entries(changes: kv::Watch) -> BoxStream<'static, (String, Option<Bytes>)> {
    let changes = changes.take_while(|entry| futures_util::future::ready(entry.is_ok()));
    let changes = changes.filter_map(|entry| async move {
        let entry = entry.ok()?;
        let there = entry.operation == Operation::Put;
        Some((entry.key, there.then_some(entry.value)))
    });
    changes.boxed()
}
