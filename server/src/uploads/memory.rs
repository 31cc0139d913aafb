//! Uploads in memory, gone with the process: for nodes that are told to keep nothing, and for tests.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use bytes::Bytes;
use futures_util::{FutureExt, future::ready};
use parking_lot::Mutex;

use super::{Extent, Stored, UploadError, UploadKey, Uploads, extent};

/// Uploads in memory.
#[derive(Debug, Clone)]
pub struct MemoryUploads {
    held: Arc<Mutex<Held>>,
    bytes_max: u64,
}

#[derive(Debug, Default)]
struct Held {
    uploads: HashMap<UploadKey, BTreeMap<u32, Bytes>>,
    bytes: u64,
}

impl MemoryUploads {
    /// None, and at most so many bytes.
    pub fn new(bytes_max: u64) -> Self {
        Self { held: Arc::default(), bytes_max }
    }
}

impl Held {
    fn put(&mut self, key: &UploadKey, index: u32, chunk: &Bytes, bytes_max: u64) -> Result<(), UploadError> {
        if let Some(there) = self.uploads.get(key).and_then(|chunks| chunks.get(&index)) {
            return if there == chunk { Ok(()) } else { Err(UploadError::Taken) };
        }
        if self.bytes + chunk.len() as u64 > bytes_max {
            return Err(UploadError::Full);
        }
        self.bytes += chunk.len() as u64;
        // A copy: the message that it came in is not held.
        self.uploads.entry(key.clone()).or_default().insert(index, Bytes::copy_from_slice(chunk));
        Ok(())
    }

    fn extent(&self, key: &UploadKey) -> Extent {
        let chunks = self.uploads.get(key).into_iter().flatten();
        extent(chunks.map(|(index, chunk)| (*index, chunk.len() as u64)).collect())
    }

    fn remove(&mut self, key: &UploadKey) {
        let gone = self.uploads.remove(key).into_iter().flat_map(BTreeMap::into_values);
        self.bytes -= gone.map(|chunk| chunk.len() as u64).sum::<u64>();
    }
}

impl Uploads for MemoryUploads {
    fn put<'a>(&'a self, key: &'a UploadKey, index: u32, chunk: Bytes) -> Stored<'a, ()> {
        ready(self.held.lock().put(key, index, &chunk, self.bytes_max)).boxed()
    }

    fn get<'a>(&'a self, key: &'a UploadKey, index: u32) -> Stored<'a, Option<Bytes>> {
        let held = self.held.lock();
        ready(Ok(held.uploads.get(key).and_then(|chunks| chunks.get(&index)).cloned())).boxed()
    }

    fn extent<'a>(&'a self, key: &'a UploadKey) -> Stored<'a, Extent> {
        ready(Ok(self.held.lock().extent(key))).boxed()
    }

    fn list(&self, part: u32) -> Stored<'_, Vec<UploadKey>> {
        let held = self.held.lock();
        ready(Ok(held.uploads.keys().filter(|key| key.part == part).cloned().collect())).boxed()
    }

    fn remove<'a>(&'a self, key: &'a UploadKey) -> Stored<'a, ()> {
        self.held.lock().remove(key);
        ready(Ok(())).boxed()
    }
}
