//! Uploads on the disk of this node: a folder each, a file for each chunk, with a CRC-32C behind its bytes. A file has its name only
//! once it is whole and synced, so that after a crash a chunk is there as it was written or not at all.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use futures_util::FutureExt;
use tempfile::NamedTempFile;

use super::{Extent, Stored, UploadError, UploadKey, Uploads, extent};
use crate::base::tasks;

/// Bytes of a file beside its chunk.
const CRC_BYTES: usize = 4;

/// Uploads in a folder.
#[derive(Debug, Clone)]
pub struct LocalUploads {
    folder: Arc<PathBuf>,
    /// What all files have together.
    bytes: Arc<AtomicU64>,
    bytes_max: u64,
}

impl LocalUploads {
    /// Those in a folder, which is made when it is not there; at most so many bytes. Waits for the disk.
    pub fn open(folder: &Path, bytes_max: u64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        folder.parent().map(File::open).transpose()?.map(|parent| parent.sync_all()).transpose()?;
        let mut bytes = 0;
        for upload in fs::read_dir(folder)? {
            bytes += folder_bytes(&upload?.path())?;
        }
        Ok(Self { folder: Arc::new(folder.to_owned()), bytes: Arc::new(AtomicU64::new(bytes)), bytes_max })
    }

    /// Carries something out that waits for the disk.
    fn on_disk<'a, T: Send + 'static>(
        &'a self,
        key: &UploadKey,
        work: impl FnOnce(&Self, &Path, &str) -> Result<T, UploadError> + Send + 'static,
    ) -> Stored<'a, T> {
        let (own, name) = (self.clone(), key.name().to_owned());
        let done = tasks::blocking(move || work(&own, &own.folder.join(&name), &name));
        async move { done.await.unwrap_or_else(|error| Err(away(error))) }.boxed()
    }

    fn write(&self, upload: &Path, name: &str, index: u32, chunk: &[u8]) -> Result<(), UploadError> {
        let path = upload.join(index.to_string());
        if let Some(there) = read(&path, name, index)? {
            return if there == chunk { Ok(()) } else { Err(UploadError::Taken) };
        }
        let bytes = (chunk.len() + CRC_BYTES) as u64;
        if self.bytes.fetch_add(bytes, Relaxed) + bytes > self.bytes_max {
            self.bytes.fetch_sub(bytes, Relaxed);
            return Err(UploadError::Full);
        }
        let written = self.write_new(upload, &path, chunk);
        if !matches!(written, Ok(true)) {
            self.bytes.fetch_sub(bytes, Relaxed);
        }
        match written {
            Ok(true) => Ok(()),
            // Somebody else was quicker.
            Ok(false) => self.write(upload, name, index, chunk),
            Err(error) => Err(refused(error)),
        }
    }

    /// Whether it was written; otherwise the chunk is there.
    fn write_new(&self, upload: &Path, path: &Path, chunk: &[u8]) -> io::Result<bool> {
        fs::create_dir_all(upload)?;
        let mut file = NamedTempFile::new_in(upload)?;
        file.write_all(chunk)?;
        file.write_all(&crc32c::crc32c(chunk).to_le_bytes())?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(path) {
            Ok(_) => {}
            Err(error) if error.error.kind() == ErrorKind::AlreadyExists => return Ok(false),
            Err(error) => return Err(error.error),
        }
        File::open(upload)?.sync_all()?;
        // Whoever made the folder may not have come so far yet.
        File::open(&*self.folder)?.sync_all()?;
        Ok(true)
    }

    fn forget(&self, upload: &Path) -> Result<(), UploadError> {
        let bytes = folder_bytes(upload).map_err(refused)?;
        match fs::remove_dir_all(upload) {
            Ok(()) => {
                self.bytes.fetch_sub(bytes, Relaxed);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(refused(error)),
        }
    }

    fn names(&self) -> io::Result<Vec<UploadKey>> {
        let mut keys = Vec::new();
        for upload in fs::read_dir(&*self.folder)? {
            // A node alone has one part.
            keys.extend(upload?.file_name().to_str().and_then(|name| UploadKey::parse(0, name)));
        }
        Ok(keys)
    }
}

impl Uploads for LocalUploads {
    fn put<'a>(&'a self, key: &'a UploadKey, index: u32, chunk: Bytes) -> Stored<'a, ()> {
        self.on_disk(key, move |own, upload, name| own.write(upload, name, index, &chunk))
    }

    fn get<'a>(&'a self, key: &'a UploadKey, index: u32) -> Stored<'a, Option<Bytes>> {
        self.on_disk(key, move |_, upload, name| {
            let chunk = read(&upload.join(index.to_string()), name, index)?;
            Ok(chunk.map(Bytes::from))
        })
    }

    fn extent<'a>(&'a self, key: &'a UploadKey) -> Stored<'a, Extent> {
        self.on_disk(key, |_, upload, _| measure(upload).map_err(refused))
    }

    fn list(&self, _: u32) -> Stored<'_, Vec<UploadKey>> {
        let own = self.clone();
        let names = tasks::blocking(move || own.names().map_err(refused));
        async move { names.await.unwrap_or_else(|error| Err(away(error))) }.boxed()
    }

    fn remove<'a>(&'a self, key: &'a UploadKey) -> Stored<'a, ()> {
        self.on_disk(key, |own, upload, _| own.forget(upload))
    }
}

/// The chunk of a file, if there is one.
fn read(path: &Path, name: &str, index: u32) -> Result<Option<Vec<u8>>, UploadError> {
    let damaged = |what: &str| UploadError::Damaged { name: name.to_owned(), index, what: what.to_owned() };
    let mut bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(refused(error)),
    };
    let Some((chunk, crc)) = bytes.split_last_chunk::<CRC_BYTES>() else {
        return Err(damaged("it is short"));
    };
    if crc32c::crc32c(chunk).to_le_bytes() != *crc {
        return Err(damaged("its checksum is another one"));
    }
    bytes.truncate(bytes.len() - CRC_BYTES);
    Ok(Some(bytes))
}

/// What the chunks in a folder amount to.
fn measure(upload: &Path) -> io::Result<Extent> {
    let entries = match fs::read_dir(upload) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Extent::Nothing),
        Err(error) => return Err(error),
    };
    let mut chunks = Vec::new();
    for entry in entries {
        let entry = entry?;
        // What is being written has another name.
        let Some(index) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        chunks.push((index, entry.metadata()?.len().saturating_sub(CRC_BYTES as u64)));
    }
    Ok(extent(chunks))
}

/// Bytes of all files in a folder; none when it is not there.
fn folder_bytes(folder: &Path) -> io::Result<u64> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut bytes = 0;
    for entry in entries {
        match entry?.metadata() {
            Ok(metadata) => bytes += metadata.len(),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

fn refused(error: io::Error) -> UploadError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => UploadError::Full,
        _ => away(error),
    }
}

fn away(error: impl ToString) -> UploadError {
    UploadError::Away(error.to_string())
}
