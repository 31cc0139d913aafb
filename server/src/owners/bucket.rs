//! Entries under keys that all nodes see, on which they agree: one is changed only if it is still as it was read.

use std::fmt::Debug;

use bytes::Bytes;
use futures_util::{future::BoxFuture, stream::BoxStream};

use super::error::RegisterError;

/// What is stored under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The value.
    pub value: Bytes,
    /// Rises with each change of any entry.
    pub revision: u64,
}

/// What happened to a key: what is stored there now, or nothing any more.
pub type Change = (String, Option<Entry>);

/// What there is, and what becomes of it.
pub type Watched = (Vec<Change>, BoxStream<'static, Change>);

/// Entries under keys.
pub trait Bucket: Debug + Send + Sync {
    /// What is stored under a key.
    fn read<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Entry>, RegisterError>>;

    /// Stores something, if what is stored still has this revision; 0 for nothing. Returns the revision that it has by that. When
    /// it cannot be had, it may have been stored.
    fn write<'a>(
        &'a self,
        key: &'a str,
        value: Bytes,
        revision: u64,
    ) -> BoxFuture<'a, Result<u64, RegisterError>>;

    /// Takes something away; with a revision only if it still has that.
    fn remove<'a>(&'a self, key: &'a str, revision: Option<u64>) -> BoxFuture<'a, Result<(), RegisterError>>;

    /// All that is stored now and what was taken away, and then what changes, in order; something may come twice. Ends when it
    /// cannot be had any more.
    fn watch(&self) -> BoxFuture<'_, Result<Watched, RegisterError>>;
}
