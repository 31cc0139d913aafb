//! Floor 1: payloads of jobs that are too large for a message, in chunks of [`UPLOAD_CHUNK_BYTES`]: on this node's disk, in memory, or
//! where all nodes of a cluster find them. A chunk is written once and never changed, so that chunks may come in any order, more
//! than once, and through any node. Whether a payload is still needed is not known here.

mod jetstream;
mod key;
mod local;
mod memory;

use std::fmt;

use bytes::Bytes;
use futures_util::future::BoxFuture;

pub use self::{
    jetstream::StreamUploads,
    key::{UploadId, UploadKey},
    local::LocalUploads,
    memory::MemoryUploads,
};
use crate::base::limits::UPLOAD_CHUNK_BYTES;

/// Why a store did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UploadError {
    /// Another chunk is there, which stays.
    #[error("another chunk is stored in that place")]
    Taken,
    /// There is no space for more. Nothing was stored; it may work again later.
    #[error("there is no space left for uploads")]
    Full,
    /// What is stored is not what was written.
    #[error("chunk {index} of {name}: {what}")]
    Damaged {
        /// Which upload.
        name: String,
        /// Which chunk.
        index: u32,
        /// What is wrong.
        what: String,
    },
    /// It cannot be had at the moment, or it is not known whether it was done.
    #[error("uploads cannot be had: {0}")]
    Away(String),
}

/// What the chunks of an upload amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All of so many bytes are there.
    Whole(u64),
    /// Some chunk is missing, or one before the last is short.
    Broken,
    /// Nothing is there.
    Nothing,
}

/// What comes of asking a store.
pub type Stored<'a, T> = BoxFuture<'a, Result<T, UploadError>>;

/// Chunks of uploads.
pub trait Uploads: fmt::Debug + Send + Sync {
    /// Stores a chunk: durable when it returns. One that is there already is stored once.
    fn put<'a>(&'a self, key: &'a UploadKey, index: u32, chunk: Bytes) -> Stored<'a, ()>;

    /// Reads a chunk; `None` when it is not there.
    fn get<'a>(&'a self, key: &'a UploadKey, index: u32) -> Stored<'a, Option<Bytes>>;

    /// What there is of an upload.
    fn extent<'a>(&'a self, key: &'a UploadKey) -> Stored<'a, Extent>;

    /// The uploads of a part of which anything is there.
    fn list(&self, part: u32) -> Stored<'_, Vec<UploadKey>>;

    /// Forgets an upload.
    fn remove<'a>(&'a self, key: &'a UploadKey) -> Stored<'a, ()>;
}

/// What chunks amount to, each by its place and its bytes.
fn extent(mut chunks: Vec<(u32, u64)>) -> Extent {
    const FULL: u64 = UPLOAD_CHUNK_BYTES as u64;
    chunks.sort_unstable();
    let Some(((_, last_bytes), before)) = chunks.split_last() else { return Extent::Nothing };
    let in_place = (0..).zip(&chunks).all(|(place, (index, _))| place == *index);
    if in_place && before.iter().all(|(_, bytes)| *bytes == FULL) {
        Extent::Whole(before.len() as u64 * FULL + last_bytes)
    } else {
        Extent::Broken
    }
}

#[cfg(test)]
mod tests;
