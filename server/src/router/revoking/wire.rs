//! Revocations as they are told: to operators, between nodes, and to whatever keeps them.

use std::time::SystemTime;

use bytes::Bytes;
use prost::Message;
use rialto_proto::{
    node::KeptRevocation,
    v1::{self, revoked::What},
};

use crate::{
    auth::revoked::{Kind, Revocation, Revoked, TOKEN_ID_BYTES_MAX},
    base::{
        ids::{SessionId, UserName},
        refusal::Refusal,
    },
    bridge::subjects::token,
};

/// What an operator names.
pub(super) fn read(revoked: Option<v1::Revoked>) -> Result<Revoked, Refusal> {
    let what = revoked.and_then(|revoked| revoked.what);
    let (kind, name) = match what.ok_or_else(|| Refusal::invalid("revoked", "is missing"))? {
        What::User(user) => {
            let user: Result<UserName, _> = user.parse();
            (Kind::User, user.map_err(|error| Refusal::invalid("revoked.user", error))?.into_string())
        }
        What::TokenId(id) if id.is_empty() || id.len() > TOKEN_ID_BYTES_MAX => {
            let bounds = format_args!("must have 1 to {TOKEN_ID_BYTES_MAX} bytes");
            return Err(Refusal::invalid("revoked.token_id", bounds));
        }
        What::TokenId(id) => (Kind::Token, id),
        What::SessionId(id) => {
            let id: Result<SessionId, _> = id.parse();
            (Kind::Session, id.map_err(|_| Refusal::invalid("revoked.session_id", "is none"))?.to_string())
        }
    };
    Ok(Revoked { kind, name })
}

/// One that was told by another node, or was kept.
pub(super) fn read_told(told: v1::Revocation) -> Option<Revocation> {
    let v1::Revocation { revoked, revoked_at, kept_until, reason } = told;
    let time = |at: Option<prost_types::Timestamp>| SystemTime::try_from(at?).ok();
    let (at, until) = (time(revoked_at)?, time(kept_until)?);
    Some(Revocation { revoked: read(revoked).ok()?, at, until, reason })
}

pub(super) fn told(revocation: &Revocation) -> v1::Revocation {
    let name = revocation.revoked.name.clone();
    let what = match revocation.revoked.kind {
        Kind::User => What::User(name),
        Kind::Token => What::TokenId(name),
        Kind::Session => What::SessionId(name),
    };
    v1::Revocation {
        revoked: Some(v1::Revoked { what: Some(what) }),
        revoked_at: Some(revocation.at.into()),
        kept_until: Some(revocation.until.into()),
        reason: revocation.reason.clone(),
    }
}

/// Under what one is kept.
pub(super) fn key(revoked: &Revoked) -> String {
    let kind = match revoked.kind {
        Kind::User => "user",
        Kind::Token => "token",
        Kind::Session => "session",
    };
    format!("{kind}.{}", token(&revoked.name))
}

pub(super) fn kept(revocation: &Revocation, withdrawn: bool) -> Bytes {
    KeptRevocation { revocation: Some(told(revocation)), withdrawn }.encode_to_vec().into()
}

/// What is kept of one, and whether it was taken back.
pub(super) fn read_kept(kept: Bytes) -> Option<(Revocation, bool)> {
    let KeptRevocation { revocation, withdrawn } = KeptRevocation::decode(kept).ok()?;
    Some((read_told(revocation?)?, withdrawn))
}
