//! What all nodes have to know alike: the namespaces that were made or changed at run time, and what is revoked. What is stored is
//! the caller's; an entry is changed only if it is still as it was read.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream, stream::BoxStream};

use super::{bucket::Bucket, error::RegisterError};

/// Entries by key, the same for all nodes.
#[derive(Debug, Clone)]
pub struct SharedMap {
    bucket: Arc<dyn Bucket>,
}

impl SharedMap {
    /// What is kept in `bucket`.
    pub fn new(bucket: Arc<dyn Bucket>) -> Self {
        Self { bucket }
    }

    /// What is stored under a key, and its revision; 0 for what is not there.
    pub async fn read(&self, key: &str) -> Result<(Option<Bytes>, u64), RegisterError> {
        let there = self.bucket.read(key).await?;
        Ok(there.map_or((None, 0), |entry| (Some(entry.value), entry.revision)))
    }

    /// Stores something, if what is stored still has this revision; 0 for nothing.
    pub async fn write(&self, key: &str, value: Bytes, revision: u64) -> Result<(), RegisterError> {
        self.bucket.write(key, value, revision).await.map(drop)
    }

    /// Takes something away.
    pub async fn remove(&self, key: &str) -> Result<(), RegisterError> {
        self.bucket.remove(key, None).await
    }

    /// Takes something away, if what is stored still has this revision.
    pub async fn remove_if(&self, key: &str, revision: u64) -> Result<(), RegisterError> {
        self.bucket.remove(key, Some(revision)).await
    }

    /// All that is stored now.
    pub async fn all(&self) -> Result<Vec<(String, Bytes)>, RegisterError> {
        let (all, _) = self.bucket.watch().await?;
        Ok(all.into_iter().filter_map(|(key, stored)| Some((key, stored?.value))).collect())
    }

    /// All that is stored now and what was taken away, and then what changes: a key and what is stored under it. Ends when it
    /// cannot be had any more.
    pub async fn all_and_changes(
        &self,
    ) -> Result<BoxStream<'static, (String, Option<Bytes>)>, RegisterError> {
        let (all, changes) = self.bucket.watch().await?;
        let changes = stream::iter(all).chain(changes);
        Ok(changes.map(|(key, stored)| (key, stored.map(|entry| entry.value))).boxed())
    }
}
