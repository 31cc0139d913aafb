//! What becomes of leases: what workers say of them, each where its job is.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use rialto_proto::v1::{
    ExtendRequest, ExtendResponse, Extension, LeaseOutcome, SettleRequest, SettleResponse, Settlement,
};

use super::{
    call::{Here, InPart},
    count,
};
use crate::{
    auth::{Identity, Right},
    base::refusal::Refusal,
    jobs::{Engine, Token},
    router::Router,
    wire::job,
};

/// What is said of leases, each with its place among all: in the parts in which they are.
type InParts<T> = BTreeMap<u32, Vec<(usize, T)>>;

impl Router {
    /// Takes what became of jobs. What could not be said to whoever keeps them may be said again.
    pub async fn settle(
        &self,
        identity: &Identity,
        request: SettleRequest,
    ) -> Result<SettleResponse, Refusal> {
        count("items", request.items.len())?;
        let mut outcomes = vec![LeaseOutcome::Temporary.into(); request.items.len()];
        let parts = self.in_parts(request.items, |item| &item.token, &mut outcomes);
        let settled = parts.into_iter().map(async |(part, items)| {
            let (places, items): (Vec<usize>, _) = items.into_iter().unzip();
            let call = SettleRequest { items, ..SettleRequest::default() };
            (places, self.call_queue(identity, InPart { part, call }).await)
        });
        for (places, answer) in join_all(settled).await {
            note(&mut outcomes, places, answer.map(|answer| answer.outcomes));
        }
        Ok(SettleResponse { request_id: request.request_id, outcomes })
    }

    /// Prolongs leases.
    pub async fn extend(
        &self,
        identity: &Identity,
        request: ExtendRequest,
    ) -> Result<ExtendResponse, Refusal> {
        count("items", request.items.len())?;
        let mut outcomes = vec![LeaseOutcome::Temporary.into(); request.items.len()];
        let parts = self.in_parts(request.items, |item| &item.token, &mut outcomes);
        let extended = parts.into_iter().map(async |(part, items)| {
            let (places, items): (Vec<usize>, _) = items.into_iter().unzip();
            let call = ExtendRequest { items, ..ExtendRequest::default() };
            (places, self.call_queue(identity, InPart { part, call }).await)
        });
        let (mut cancelling, mut pausing) = (Vec::new(), Vec::new());
        for (places, answer) in join_all(extended).await {
            let told = answer.map(|answer| {
                cancelling.extend(answer.cancelling);
                pausing.extend(answer.pausing);
                answer.outcomes
            });
            note(&mut outcomes, places, told);
        }
        Ok(ExtendResponse { request_id: request.request_id, outcomes, cancelling, pausing })
    }

    /// What is said of leases, in the parts in which their jobs are; of what is no token, or one of nowhere, that is noted.
    fn in_parts<T>(&self, items: Vec<T>, token: impl Fn(&T) -> &String, outcomes: &mut [i32]) -> InParts<T> {
        let mut parts: InParts<T> = BTreeMap::new();
        for (place, item) in items.into_iter().enumerate() {
            match token(&item).parse::<Token>() {
                Ok(token) if token.shard < self.parts.count() => {
                    parts.entry(token.shard).or_default().push((place, item));
                }
                Ok(_) => outcomes[place] = LeaseOutcome::NotFound.into(),
                Err(_) => outcomes[place] = LeaseOutcome::Invalid.into(),
            }
        }
        parts
    }
}

/// Notes what became of leases. Of those of which nothing was heard it is not known.
fn note(outcomes: &mut [i32], places: Vec<usize>, told: Result<Vec<i32>, Refusal>) {
    match told {
        Ok(told) => places.into_iter().zip(told).for_each(|(place, outcome)| outcomes[place] = outcome),
        Err(refusal) => tracing::debug!(%refusal, "what a worker says of leases is not known"),
    }
}

impl Here<'_> {
    /// Takes what became of jobs.
    pub(super) async fn settle(self, request: SettleRequest) -> Result<SettleResponse, Refusal> {
        count("items", request.items.len())?;
        let checked = request.items.into_iter().map(|item: Settlement| {
            let invalid = job::settlement(&item).is_err();
            let token = if invalid { Err(LeaseOutcome::Invalid) } else { self.token(&item.token) };
            token.map(|token| (token, item))
        });
        let checked: Vec<_> = checked.collect();
        let (mut outcomes, position) = self.shard.ask(|engine, now| {
            let mut position = None;
            let outcome = |checked: Result<(Token, Settlement), LeaseOutcome>| {
                let settled = checked.and_then(|(token, item)| {
                    may_settle(engine, self.identity, token)?;
                    let settled = engine.settle(now, vec![(token, item)]);
                    position = position.max(settled.position);
                    settled.outcomes.first().copied().ok_or(LeaseOutcome::Invalid)
                });
                settled.unwrap_or_else(|outcome| outcome).into()
            };
            (checked.into_iter().map(outcome).collect::<Vec<i32>>(), position)
        });
        if self.shard.durable(position).await.is_err() {
            unsettle(&mut outcomes);
        }
        Ok(SettleResponse { outcomes, ..SettleResponse::default() })
    }

    /// Prolongs leases.
    pub(super) async fn extend(self, request: ExtendRequest) -> Result<ExtendResponse, Refusal> {
        count("items", request.items.len())?;
        let (mut answer, mut position) = (ExtendResponse::default(), None);
        for item in request.items {
            let checked = self.checked_extension(&item);
            let outcome = checked.and_then(|token| {
                self.shard.ask(|engine, now| {
                    may_settle(engine, self.identity, token)?;
                    let extended = engine.extend(now, vec![(token, item)]);
                    position = position.max(extended.position);
                    answer.cancelling.extend(extended.response.cancelling);
                    answer.pausing.extend(extended.response.pausing);
                    Ok(extended.response.outcomes.first().copied().unwrap_or_default())
                })
            });
            answer.outcomes.push(outcome.unwrap_or_else(LeaseOutcome::into));
        }
        if self.shard.durable(position).await.is_err() {
            unsettle(&mut answer.outcomes);
        }
        Ok(answer)
    }

    fn checked_extension(self, item: &Extension) -> Result<Token, LeaseOutcome> {
        if job::extension(item).is_err() { Err(LeaseOutcome::Invalid) } else { self.token(&item.token) }
    }

    fn token(self, text: &str) -> Result<Token, LeaseOutcome> {
        let token: Token = text.parse().map_err(|_| LeaseOutcome::Invalid)?;
        if token.shard == self.shard.number { Ok(token) } else { Err(LeaseOutcome::NotFound) }
    }
}

/// Nobody knows whether what was done is written down.
fn unsettle(outcomes: &mut [i32]) {
    let done = |outcome: &&mut i32| **outcome == LeaseOutcome::Ok as i32;
    outcomes.iter_mut().filter(done).for_each(|outcome| *outcome = LeaseOutcome::Temporary.into());
}

/// Whether somebody may work in the queue of a lease. A job that may not be known is answered like none.
fn may_settle(engine: &Engine, identity: &Identity, token: Token) -> Result<(), LeaseOutcome> {
    match engine.queue_of(token.seq) {
        Some((namespace, queue)) if identity.may(Right::Work, namespace, Some(queue)) => Ok(()),
        _ => Err(LeaseOutcome::NotFound),
    }
}
