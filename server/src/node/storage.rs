//! What a node has on disk, taken up before it serves anybody.

use std::{path::PathBuf, sync::Arc};

use tokio::task::JoinError;

use crate::{
    base::{clock, config::Config, metrics::Metrics},
    history::{self, Histories, SettingsOf, Tuning},
    hub::Namespaces,
    log::{Log, local, memory::MemoryLog},
};

/// The folder of the log of histories, under the data directory.
const HISTORY: &str = "history";

/// The namespaces, what their rooms keep, and the log of it.
pub(super) type Stored = (Arc<Namespaces>, Arc<Histories>, Arc<dyn Log>);

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
    /// The histories in it cannot be taken up.
    #[error("cannot take up the histories: {0}")]
    History(#[from] history::OpenError),
    /// The node was told to end meanwhile.
    #[error("the node ended before it had begun")]
    Ended(#[from] JoinError),
}

/// Opens the log under the data directory, or one in memory where there is no such directory or where the nodes of a cluster
/// keep everything together, and takes up what it holds.
pub(super) async fn open(config: &Config, metrics: &Metrics) -> Result<Stored, StorageError> {
    let namespaces_max = config.limits.node.namespaces_max;
    let gauge = metrics.namespaces.clone();
    let namespaces = Arc::new(Namespaces::new(&config.namespaces, namespaces_max, gauge));
    let alone = config.cluster.nats.is_empty();
    let folder = (alone && !config.data.as_os_str().is_empty()).then(|| config.data.join(HISTORY));
    let of = Arc::clone(&namespaces);
    // The disk has to be waited for.
    let opened = tokio::task::spawn_blocking(move || {
        let log = open_log(folder)?;
        let settings: SettingsOf = Arc::new(move |name| of.settings(name));
        let histories = Histories::open(Some(Arc::clone(&log)), settings, clock::wall(), Tuning::default())?;
        Ok::<_, StorageError>((Arc::new(histories), log))
    });
    let (histories, log) = opened.await??;
    Ok((namespaces, histories, log))
}

fn open_log(folder: Option<PathBuf>) -> Result<Arc<dyn Log>, StorageError> {
    let Some(folder) = folder else { return Ok(Arc::new(MemoryLog::default())) };
    let opened = local::LocalLog::open(&folder, &local::LocalOptions::default());
    let log = opened.map_err(|source| StorageError::Log { folder: folder.display().to_string(), source })?;
    Ok(Arc::new(log))
}
