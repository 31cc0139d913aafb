//! Where revocations are kept: by this node, or by all nodes together.

use std::time::SystemTime;

use bytes::Bytes;
use rialto_proto::v1::Durability;

use super::wire;
use crate::{
    auth::revoked::{Revocation, Revoked},
    base::refusal::Refusal,
    log::{
        self,
        map::{LogMap, MapError},
    },
    owners::{RegisterError, SharedMap},
    router::{keep::storage_failed, others::unreachable_part},
};

/// How often a change is tried while others change the same.
const TRIES_MAX: usize = 16;

/// What keeps revocations.
#[derive(Debug, Clone)]
pub enum Keeper {
    /// This node, for itself.
    Here(LogMap),
    /// All nodes together, as durably as that says.
    Together(SharedMap, Durability),
}

impl Default for Keeper {
    /// One that outlives nothing.
    fn default() -> Self {
        Self::Here(LogMap::default())
    }
}

impl Keeper {
    /// What a revocation outlives.
    pub(super) fn durability(&self) -> Durability {
        match self {
            Self::Here(map) => map.durability(),
            Self::Together(_, durability) => *durability,
        }
    }

    /// Keeps one, or that it was taken back; unless a newer one is kept.
    pub(super) async fn put(&self, revocation: &Revocation, withdrawn: bool) -> Result<(), Refusal> {
        let (key, value) = (wire::key(&revocation.revoked), wire::kept(revocation, withdrawn));
        let shared = match self {
            Self::Here(map) => return map.put(&key, value).await.map_err(not_kept),
            Self::Together(shared, _) => shared,
        };
        for _ in 0..TRIES_MAX {
            let (kept, revision) = shared.read(&key).await.map_err(unreached)?;
            if kept.and_then(wire::read_kept).is_some_and(|(kept, _)| kept.at > revocation.at) {
                return Ok(());
            }
            match shared.write(&key, value.clone(), revision).await {
                Ok(()) => return Ok(()),
                // Somebody else has changed it: what it is now may be newer.
                Err(RegisterError::Lost) => {}
                Err(error) => return Err(unreached(error)),
            }
        }
        Err(unreachable_part())
    }

    /// Forgets what is kept of one that is over at the time of day `wall`.
    pub(super) async fn forget(&self, revoked: &Revoked, wall: SystemTime) -> Result<(), Refusal> {
        let key = wire::key(revoked);
        let shared = match self {
            Self::Here(map) => return map.put(&key, Bytes::new()).await.map_err(not_kept),
            Self::Together(shared, _) => shared,
        };
        let (kept, revision) = shared.read(&key).await.map_err(unreached)?;
        if kept.and_then(wire::read_kept).is_none_or(|(kept, _)| kept.until > wall) {
            return Ok(());
        }
        match shared.remove_if(&key, revision).await {
            // Another node has forgotten it, or it is a new one.
            Ok(()) | Err(RegisterError::Lost) => Ok(()),
            Err(error) => Err(unreached(error)),
        }
    }

    /// All that are kept, and whether each was taken back.
    pub(super) async fn all(&self) -> Result<Vec<(Revocation, bool)>, RegisterError> {
        let all = match self {
            Self::Here(map) => map.all(),
            Self::Together(shared, _) => shared.all().await?,
        };
        let read = |(key, kept)| {
            let revocation = wire::read_kept(kept);
            if revocation.is_none() {
                tracing::warn!(key, "what is kept of revocations is something else");
            }
            revocation
        };
        Ok(all.into_iter().filter_map(read).collect())
    }
}

fn unreached(error: RegisterError) -> Refusal {
    tracing::warn!(%error, "the register of revocations cannot be had");
    unreachable_part()
}

fn not_kept(error: MapError) -> Refusal {
    match error {
        MapError::Log(error) => log::refused(error),
        MapError::Ended(_) => storage_failed(),
    }
}
