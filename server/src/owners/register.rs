//! The register of owners, as a bucket of NATS: an entry is written only if it is still as it was seen.

use std::time::Duration;

use async_nats::{
    Client,
    jetstream::{
        self, Context,
        context::KeyValueErrorKind,
        kv::{self, CreateErrorKind, Operation, Store, UpdateErrorKind},
        stream::StorageType,
    },
};
use futures_util::{StreamExt, stream::BoxStream};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::lease::Lease;
use crate::base::ids::NodeId;

/// Under what it stands into how many parts all rooms fall.
const PARTS: &str = "parts";

/// Time for one answer, once a node has the register: what an owner writes comes in time, or is written again. A bucket whose leader is
/// gone does not answer until it has another one.
const ANSWERED_MAX: Duration = Duration::from_secs(1);

/// Why an entry was not written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// Somebody else has written it meanwhile.
    #[error("another node has written it")]
    Lost,
    /// It cannot be had at the moment.
    #[error("{0}")]
    Away(String),
    /// The cluster is another one than this node takes it for.
    #[error("the cluster has {there} parts of rooms, and cluster.parts says {here}; that cannot be changed")]
    Parts {
        /// How many the cluster has.
        there: u32,
        /// How many this node would have.
        here: u32,
    },
}

pub(super) fn away(error: impl ToString) -> RegisterError {
    RegisterError::Away(error.to_string())
}

/// What an entry holds.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    node: String,
    reached: u64,
}

/// What the register says of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noted {
    /// Which part.
    pub part: u32,
    /// Its entry; `None` when it was given up.
    pub lease: Option<Lease>,
}

/// The register.
#[derive(Debug, Clone)]
pub struct Register {
    store: Store,
}

impl Register {
    /// Opens the register of a cluster, and makes it when there is none. All rooms fall into `parts` parts, now and for ever.
    pub async fn open(
        client: Client,
        cluster: &str,
        replicas: usize,
        parts: u32,
    ) -> Result<Self, RegisterError> {
        let context = jetstream::new(client);
        let store = bucket(&context, format!("rialto_{cluster}_owners"), replicas).await?;
        let register = Self { store };
        match register.store.create(PARTS, parts.to_string().into()).await {
            Ok(_) => return Ok(register),
            Err(error) if error.kind() == CreateErrorKind::AlreadyExists => {}
            Err(error) => return Err(away(error)),
        }
        let there = register.store.get(PARTS).await.map_err(away)?;
        let there = there.and_then(|there| std::str::from_utf8(&there).ok()?.parse().ok());
        match there {
            Some(there) if there == parts => Ok(register),
            Some(there) => Err(RegisterError::Parts { there, here: parts }),
            None => Err(away("the register of owners holds something else")),
        }
    }

    /// Writes the entry of a part, if it still has this revision; 0 for none. Returns the revision that it has by that.
    pub async fn write(&self, part: u32, lease: Lease) -> Result<u64, RegisterError> {
        let entry = Entry { node: lease.owner.to_string(), reached: lease.reached };
        let value = serde_json::to_vec(&entry).map_err(away)?;
        let key = part.to_string();
        if lease.revision == 0 {
            let created = timeout(ANSWERED_MAX, self.store.create(key, value.into())).await.map_err(away)?;
            return created.map_err(|error| match error.kind() {
                CreateErrorKind::AlreadyExists => RegisterError::Lost,
                _ => away(error),
            });
        }
        let written = self.store.update(key, value.into(), lease.revision);
        let written = timeout(ANSWERED_MAX, written).await.map_err(away)?;
        written.map_err(|error| match error.kind() {
            UpdateErrorKind::WrongLastRevision => RegisterError::Lost,
            _ => away(error),
        })
    }

    /// Gives the entry of a part up, if it still has this revision.
    pub async fn give_up(&self, part: u32, revision: u64) -> Result<(), RegisterError> {
        let deleted = self.store.delete_expect_revision(part.to_string(), Some(revision));
        timeout(ANSWERED_MAX, deleted).await.map_err(away)?.map_err(away)
    }

    /// What the register says, now and whenever it changes; ends when it cannot be had any more. First comes all that is there
    /// now.
    pub async fn watch(&self) -> Result<(Vec<Noted>, BoxStream<'static, Noted>), RegisterError> {
        // One listening tells both. Reading entries one by one would ask any server that has them, also one that hangs.
        let changes = timeout(ANSWERED_MAX, self.store.watch_with_history(">")).await.map_err(away)?;
        let mut changes = changes.map_err(away)?;
        let (mut now, mut current) = (Vec::new(), false);
        // There is an entry at least: how many parts there are.
        while !current {
            let entry = timeout(ANSWERED_MAX, changes.next()).await.map_err(away)?;
            let entry = entry.ok_or_else(|| away("the register has ended"))?.map_err(away)?;
            current = entry.seen_current;
            now.extend(noted(&entry));
        }
        let changes = changes.take_while(|entry| futures_util::future::ready(entry.is_ok()));
        let changes = changes.filter_map(|entry| async move { noted(&entry.ok()?) });
        Ok((now, changes.boxed()))
    }
}

/// Opens a bucket, and makes it when there is none.
pub(super) async fn bucket(context: &Context, name: String, replicas: usize) -> Result<Store, RegisterError> {
    match context.get_key_value(&name).await {
        Ok(store) => return Ok(store),
        Err(error) if error.kind() == KeyValueErrorKind::GetBucket => {}
        Err(error) => return Err(away(error)),
    }
    let config = kv::Config {
        bucket: name,
        history: 1,
        storage: StorageType::File,
        num_replicas: replicas,
        ..kv::Config::default()
    };
    context.create_key_value(config).await.map_err(away)
}

fn noted(entry: &kv::Entry) -> Option<Noted> {
    let part = entry.key.parse().ok()?;
    if entry.operation != Operation::Put {
        return Some(Noted { part, lease: None });
    }
    let Entry { node, reached } = serde_json::from_slice(&entry.value).ok()?;
    let owner: NodeId = node.parse().ok()?;
    Some(Noted { part, lease: Some(Lease { owner, revision: entry.revision, reached }) })
}
