//! What operators ask for about revocations.

use std::time::{Duration, SystemTime};

use rialto_proto::{
    node::{errand, errand_done},
    v1,
};

use super::wire;
use crate::{
    auth::{Identity, Right, revoked::Revocation},
    base::{
        clock,
        refusal::{Refusal, Retry},
    },
    router::{
        Router,
        directory::{page_size, require},
        errand::Everywhere,
    },
    wire::content,
};

/// How long a revocation is kept when nothing else is said.
const KEEP_DEFAULT: Duration = Duration::from_secs(30 * 24 * 3600);
/// No token lives longer.
const KEEP_MAX: Duration = Duration::from_secs(10 * 366 * 24 * 3600);
const REASON_BYTES_MAX: usize = 256;

impl Router {
    /// Revokes, on all nodes. When it returns, the sessions that it is about have ended, and what they had said is heard.
    pub async fn revoke(
        &self,
        identity: &Identity,
        request: v1::RevokeRequest,
    ) -> Result<v1::RevokeResponse, Refusal> {
        require(may_revoke(identity))?;
        let v1::RevokeRequest { revoked, keep, reason } = request;
        let revoked = wire::read(revoked)?;
        if reason.len() > REASON_BYTES_MAX {
            let bound = format_args!("has more than {REASON_BYTES_MAX} bytes");
            return Err(Refusal::invalid("reason", bound));
        }
        let at = clock::wall();
        let until = at + read_keep(keep)?;
        let revocation = Revocation { revoked, at, until, reason };
        self.check_room(&revocation)?;
        self.revoking.keeper.put(&revocation, false).await?;
        let mut sessions_ended = self.put_in_force(revocation.clone());
        let told = wire::told(&revocation);
        let Everywhere { answers, missing } = self.everywhere(&errand::What::Revoke(told.clone())).await;
        for answer in answers {
            let Some(errand_done::What::Reach(reach)) = answer.what else { continue };
            sessions_ended += reach.changed;
        }
        self.round().await;
        tracing::info!(revoked = ?revocation.revoked.kind, sessions_ended, ?missing, "revoked");
        Ok(v1::RevokeResponse {
            revocation: Some(told),
            sessions_ended,
            nodes_missing: missing,
            durability: self.revoking.keeper.durability().into(),
        })
    }

    /// Lists what is revoked, the newest first.
    pub fn list_revocations(
        &self,
        identity: &Identity,
        request: &v1::ListRevocationsRequest,
    ) -> Result<v1::ListRevocationsResponse, Refusal> {
        require(may_revoke(identity))?;
        let size = page_size(request.page_size)?;
        let now = clock::wall();
        let table = self.revoking.table.read();
        let mut all: Vec<&Revocation> = table.all().filter(|revocation| revocation.until > now).collect();
        all.sort_unstable_by_key(|revocation| place(revocation));
        let begin = all.partition_point(|revocation| {
            !request.page_token.is_empty() && place_token(revocation) <= request.page_token
        });
        let page = all.get(begin..).unwrap_or_default();
        let more = page.len() > size;
        let page = page.get(..size.min(page.len())).unwrap_or_default();
        Ok(v1::ListRevocationsResponse {
            revocations: page.iter().map(|revocation| wire::told(revocation)).collect(),
            next_page_token: page.last().filter(|_| more).map(|last| place_token(last)).unwrap_or_default(),
            total_count: u32::try_from(all.len()).unwrap_or(u32::MAX),
        })
    }

    /// Ends a revocation, on all nodes.
    pub async fn reinstate(
        &self,
        identity: &Identity,
        request: v1::ReinstateRequest,
    ) -> Result<v1::ReinstateResponse, Refusal> {
        require(may_revoke(identity))?;
        let revoked = wire::read(request.revoked)?;
        let found = self.revoking.table.read().get(&revoked, clock::wall()).cloned();
        let Some(revocation) = found else { return Ok(v1::ReinstateResponse::default()) };
        self.revoking.keeper.put(&revocation, true).await?;
        self.take_back(&revocation);
        let everywhere = self.everywhere(&errand::What::Reinstate(wire::told(&revocation))).await;
        Ok(v1::ReinstateResponse { was_revoked: true, nodes_missing: everywhere.missing })
    }

    /// None is forgotten to make room for another one.
    fn check_room(&self, revocation: &Revocation) -> Result<(), Refusal> {
        let table = self.revoking.table.read();
        let max = self.limits.node.revocations_max;
        if table.len() >= max as usize && table.get(&revocation.revoked, revocation.at).is_none() {
            let refusal = Refusal::limit("revocations_max", max);
            return Err(Refusal { retry: Retry::AfterChange, ..refusal });
        }
        Ok(())
    }
}

fn may_revoke(identity: &Identity) -> bool {
    // Only `*` matches the namespace without a name.
    identity.may(Right::Admin, "", None)
}

fn read_keep(keep: Option<prost_types::Duration>) -> Result<Duration, Refusal> {
    let Some(keep) = keep else { return Ok(KEEP_DEFAULT) };
    match content::duration("keep", keep)? {
        Duration::ZERO => Err(Refusal::invalid("keep", "is nothing")),
        keep if keep > KEEP_MAX => Err(Refusal::invalid("keep", "is more than ten years")),
        keep => Ok(keep),
    }
}

/// The newest first; what is revoked in one moment by its name.
fn place(revocation: &Revocation) -> (std::cmp::Reverse<SystemTime>, String) {
    (std::cmp::Reverse(revocation.at), wire::key(&revocation.revoked))
}

/// The same as text that is in the same order.
fn place_token(revocation: &Revocation) -> String {
    let since = revocation.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("{:032x}.{}", u128::MAX / 2 - since.as_nanos(), wire::key(&revocation.revoked))
}
