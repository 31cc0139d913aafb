//! The register of owners: an entry is written only if it is still as it was seen.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, future::ready, stream::BoxStream};
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};

use super::{
    bucket::{Bucket, Change},
    error::{RegisterError, away},
    lease::Lease,
};
use crate::base::{clock, ids::NodeId};

/// Under what it stands into how many parts all rooms fall.
const PARTS: &str = "parts";
/// How long a register may take to answer that another node has made this moment: its servers have to agree first on who does. One
/// request of it that is lost takes 5 s.
const ANSWERS_WITHIN: Duration = Duration::from_secs(15);
/// How long is waited before it is asked again.
const ASKED_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Time for one answer, once a node has the register: what an owner writes comes in time, or is written again. A bucket whose leader is
/// gone does not answer until it has another one.
const ANSWERED_MAX: Duration = Duration::from_secs(1);

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
    bucket: Arc<dyn Bucket>,
}

impl Register {
    /// The register of a cluster that is kept in `bucket`. All rooms fall into `parts` parts, now and for ever.
    pub async fn open(bucket: Arc<dyn Bucket>, parts: u32) -> Result<Self, RegisterError> {
        let register = Self { bucket };
        let end = clock::now() + ANSWERS_WITHIN;
        loop {
            match register.agree(parts).await {
                Err(RegisterError::Away(error)) if clock::now() < end => {
                    tracing::debug!(error, "the register does not answer yet");
                    sleep(ASKED_AGAIN_AFTER).await;
                }
                agreed => return agreed.map(|()| register),
            }
        }
    }

    /// Writes into how many parts all rooms fall, or holds when that is what stands there.
    async fn agree(&self, parts: u32) -> Result<(), RegisterError> {
        match self.bucket.write(PARTS, parts.to_string().into(), 0).await {
            Ok(_) => return Ok(()),
            Err(RegisterError::Lost) => {}
            Err(error) => return Err(error),
        }
        let there = self.bucket.read(PARTS).await?;
        match there.and_then(|there| std::str::from_utf8(&there.value).ok()?.parse().ok()) {
            Some(there) if there == parts => Ok(()),
            Some(there) => Err(RegisterError::Parts { there, here: parts }),
            None => Err(away("the register of owners holds something else")),
        }
    }

    /// Writes the entry of a part, if it still has this revision; 0 for none. Returns the revision that it has by that.
    pub async fn write(&self, part: u32, lease: Lease) -> Result<u64, RegisterError> {
        let entry = Entry { node: lease.owner.to_string(), reached: lease.reached };
        let value = serde_json::to_vec(&entry).map_err(away)?;
        let key = part.to_string();
        let written = self.bucket.write(&key, value.into(), lease.revision);
        timeout(ANSWERED_MAX, written).await.map_err(away)?
    }

    /// Gives the entry of a part up, if it still has this revision.
    pub async fn give_up(&self, part: u32, revision: u64) -> Result<(), RegisterError> {
        let key = part.to_string();
        timeout(ANSWERED_MAX, self.bucket.remove(&key, Some(revision))).await.map_err(away)?
    }

    /// What the register says, now and whenever it changes; ends when it cannot be had any more. First comes all that is there
    /// now.
    pub async fn watch(&self) -> Result<(Vec<Noted>, BoxStream<'static, Noted>), RegisterError> {
        let (now, changes) = self.bucket.watch().await?;
        let now = now.into_iter().filter_map(noted).collect();
        Ok((now, changes.filter_map(|change| ready(noted(change))).boxed()))
    }
}

fn noted((key, stored): Change) -> Option<Noted> {
    let part = key.parse().ok()?;
    let Some(stored) = stored else { return Some(Noted { part, lease: None }) };
    let Entry { node, reached } = serde_json::from_slice(&stored.value).ok()?;
    let owner: NodeId = node.parse().ok()?;
    Some(Noted { part, lease: Some(Lease { owner, revision: stored.revision, reached }) })
}
