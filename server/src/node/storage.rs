//! What a node has on disk, taken up before it serves anybody.

use std::{io, path::PathBuf, sync::Arc};

use tokio::task::JoinError;

use crate::{
    base::{clock, config::Config, metrics::Metrics},
    history::{self, Histories, SettingsOf, Tuning},
    hub::Namespaces,
    jobs::{self, EngineLimits, Shard, Shared},
    log::{
        Log, LogError,
        local::{self, LocalOptions},
        map::LogMap,
        memory::MemoryLog,
    },
    uploads::{LocalUploads, MemoryUploads, Uploads},
};

/// The folder of the log of histories, under the data directory.
const HISTORY: &str = "history";

/// The folder of the log of revocations, beside it.
const REVOCATIONS: &str = "revocations";
/// The folder of the log of jobs.
const JOBS: &str = "jobs";
/// The folder of uploads.
const UPLOADS: &str = "uploads";
/// Bytes of uploads that are kept in memory, where nothing else is kept.
const MEMORY_UPLOADS_BYTES_MAX: u64 = 256 << 20;
/// They are few and short.
const REVOCATIONS_SEGMENT_BYTES: u64 = 1 << 20;

/// What a node has for itself.
pub(super) struct Stored {
    pub(super) namespaces: Arc<Namespaces>,
    /// What rooms keep, and the log of it.
    pub(super) histories: Arc<Histories>,
    pub(super) log: Arc<dyn Log>,
    pub(super) revocations: LogMap,
    /// Jobs, unless other nodes would have to know of them.
    pub(super) jobs: Option<Arc<Shard>>,
    /// Payloads of jobs that are too large for a message.
    pub(super) uploads: Arc<dyn Uploads>,
}

/// Why what is stored was not taken up.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The log cannot be opened.
    #[error("cannot open {folder}: {source}")]
    Log {
        /// Where it is.
        folder: String,
        /// Why not.
        source: local::OpenError,
    },
    /// What is in the log of revocations cannot be taken up.
    #[error("cannot take up the revocations: {0}")]
    Revocations(#[from] LogError),
    /// The histories in it cannot be taken up.
    #[error("cannot take up the histories: {0}")]
    History(#[from] history::OpenError),
    /// The jobs cannot be taken up.
    #[error("cannot take up the jobs: {0}")]
    Jobs(#[from] jobs::engine::OpenError),
    /// Uploads cannot be taken up.
    #[error("cannot open {folder}: {source}")]
    Uploads {
        /// Where they are.
        folder: String,
        /// Why not.
        source: io::Error,
    },
    /// The node was told to end meanwhile.
    #[error("the node ended before it had begun")]
    Ended(#[from] JoinError),
}

/// Opens the log under the data directory, or one in memory where there is no such directory or where the nodes of a cluster
/// keep everything together, and takes up what it holds.
pub(super) async fn open(config: &Config, metrics: &Arc<Metrics>) -> Result<Stored, StorageError> {
    let namespaces_max = config.limits.node.namespaces_max;
    let gauge = metrics.namespaces.clone();
    let namespaces = Arc::new(Namespaces::new(&config.namespaces, namespaces_max, gauge));
    let alone = config.cluster.nats.is_empty();
    let folder = (alone && !config.data.as_os_str().is_empty()).then(|| config.data.clone());
    let (of, metrics) = (Arc::clone(&namespaces), Arc::clone(metrics));
    let limits = EngineLimits::of(&config.limits.node);
    let uploads_bytes_max = config.limits.node.uploads_bytes_max;
    // The disk has to be waited for.
    let opened = tokio::task::spawn_blocking(move || {
        let log = open_log(folder.as_ref().map(|data| data.join(HISTORY)), &LocalOptions::default())?;
        let settings: SettingsOf = Arc::new(move |name| of.settings(name));
        let histories = Histories::open(Some(Arc::clone(&log)), settings, clock::wall(), Tuning::default())?;
        let options = LocalOptions { segment_bytes: REVOCATIONS_SEGMENT_BYTES, ..LocalOptions::default() };
        let revocations =
            LogMap::open(open_log(folder.as_ref().map(|data| data.join(REVOCATIONS)), &options)?)?;
        let shared = Shared { limits, metrics, bytes: Arc::default() };
        let uploads = open_uploads(folder.clone(), uploads_bytes_max)?;
        let jobs = alone.then(|| open_jobs(folder, &shared)).transpose()?.map(Arc::new);
        Ok::<_, StorageError>((Arc::new(histories), log, revocations, jobs, uploads))
    });
    let (histories, log, revocations, jobs, uploads) = opened.await??;
    Ok(Stored { namespaces, histories, log, revocations, jobs, uploads })
}

fn open_jobs(folder: Option<PathBuf>, shared: &Shared) -> Result<Shard, StorageError> {
    let log = open_log(folder.map(|data| data.join(JOBS)), &LocalOptions::default())?;
    Ok(Shard::open(0, log, shared)?)
}

fn open_uploads(folder: Option<PathBuf>, bytes_max: u64) -> Result<Arc<dyn Uploads>, StorageError> {
    let Some(data) = folder else {
        return Ok(Arc::new(MemoryUploads::new(bytes_max.min(MEMORY_UPLOADS_BYTES_MAX))));
    };
    let folder = data.join(UPLOADS);
    let opened = LocalUploads::open(&folder, bytes_max);
    let uploads =
        opened.map_err(|source| StorageError::Uploads { folder: folder.display().to_string(), source })?;
    Ok(Arc::new(uploads))
}

fn open_log(folder: Option<PathBuf>, options: &LocalOptions) -> Result<Arc<dyn Log>, StorageError> {
    let Some(folder) = folder else { return Ok(Arc::new(MemoryLog::default())) };
    let opened = local::LocalLog::open(&folder, options);
    let log = opened.map_err(|source| StorageError::Log { folder: folder.display().to_string(), source })?;
    Ok(Arc::new(log))
}
