//! Whoever keeps a queue is asked, wherever that is: this node, or another one. While nobody keeps it, or when whoever was asked
//! does not any more, it is asked again: what may be carried out twice in any case, and else what was not begun.

use std::{sync::Arc, time::Duration};

use rialto_proto::{
    node::{NotHere, job_answer},
    v1::RefusalCode,
};
use tokio::time::{sleep, timeout_at};

use super::call::{At, Here, QueueCall};
use crate::{
    auth::Identity,
    base::{
        clock,
        ids::NodeId,
        refusal::{Refusal, Retry},
    },
    router::{
        Router,
        afar::SILENT_MAX,
        others::unreachable_part,
        part::{Owner, Part},
    },
    wire::{frame, job},
};

/// How long it is tried to find whoever keeps a queue: longer than it takes until a part has another owner.
const FOUND_WITHIN: Duration = Duration::from_secs(10);
/// It is tried again without a word of another owner.
const AGAIN_AFTER: Duration = Duration::from_millis(250);

/// What was asked is not here any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gone {
    /// It was here when it was asked: nobody knows whether it was carried out.
    pub(super) begun: bool,
}

impl Router {
    /// Asks whoever keeps the queue.
    pub async fn call_queue<C: QueueCall>(&self, identity: &Identity, call: C) -> Result<C::Answer, Refusal> {
        if self.bridge.is_none() {
            let own = Arc::clone(self.parts.own());
            let answer = self.carry_out_here(&own, identity, self.node, call).await;
            return answer.unwrap_or_else(|_| Err(Refusal::draining()));
        }
        let part = match call.at() {
            At::Part(part) => part,
            At::Queue(namespace, queue) => {
                let (namespace, queue) = job::queue(namespace.to_owned(), queue.to_owned())?;
                self.parts.of(&namespace, &queue)
            }
        };
        self.call_owner(identity, part, call).await
    }

    async fn call_owner<C: QueueCall>(
        &self,
        identity: &Identity,
        part: u32,
        call: C,
    ) -> Result<C::Answer, Refusal> {
        let until = clock::now() + FOUND_WITHIN + call.patience();
        let mut changes = self.parts.changes();
        loop {
            changes.mark_unchanged();
            let gone = match self.parts.owner(part) {
                Owner::Here(part) => {
                    match self.carry_out_here(&part, identity, self.node, call.clone()).await {
                        Ok(outcome) => return outcome,
                        Err(gone) => gone,
                    }
                }
                Owner::There(node) if !self.is_silent(node) => {
                    match self.carry_out_at((node, part), identity, call.clone()).await {
                        Ok(outcome) => return outcome,
                        Err(gone) => gone,
                    }
                }
                Owner::There(_) | Owner::Nobody => Gone { begun: false },
            };
            if gone.begun && !C::REPEATABLE {
                return Err(outcome_unknown());
            }
            let changed = async {
                tokio::select! {
                    changed = changes.changed() => drop(changed),
                    () = sleep(AGAIN_AFTER) => {}
                }
            };
            if timeout_at(until, changed).await.is_err() {
                return Err(unreachable_part());
            }
        }
    }

    /// Whether a node was not heard for so long that it is not asked.
    fn is_silent(&self, node: NodeId) -> bool {
        self.bridge.as_ref().is_none_or(|bridge| bridge.silent(node, clock::now()) > SILENT_MAX)
    }

    /// Carries something out where the part is, which is here.
    pub(super) async fn carry_out_here<C: QueueCall>(
        &self,
        part: &Arc<Part>,
        identity: &Identity,
        from: NodeId,
        call: C,
    ) -> Result<Result<C::Answer, Refusal>, Gone> {
        let shard = tokio::select! {
            biased;
            () = part.leaving.cancelled() => return Err(Gone { begun: false }),
            shard = part.jobs.wait() => shard,
            // Its log cannot be taken up.
            () = sleep(FOUND_WITHIN) => return Err(Gone { begun: false }),
        };
        // Whoever hands the part over waits for those who are here.
        let _here = part.calls.token();
        // What waits for something else than the log does not hold that up, where it may be asked again.
        let waits = C::REPEATABLE && !call.patience().is_zero();
        let ends = if waits { &part.leaving } else { &part.closed };
        let here = Here { router: self, shard, identity, from };
        tokio::select! {
            biased;
            answer = call.carry_out(here) => match answer {
                Err(refusal) if self.goes_on_elsewhere(&refusal) => Err(Gone { begun: true }),
                answer => Ok(answer),
            },
            () = ends.cancelled() => Err(Gone { begun: true }),
        }
    }

    /// Whether another node may have taken over what could not be written or was closed here.
    pub(super) fn goes_on_elsewhere(&self, refusal: &Refusal) -> bool {
        let ends = matches!(refusal.code, RefusalCode::StorageFailed | RefusalCode::Draining);
        ends && self.bridge.is_some()
    }

    /// The same for another node.
    pub(super) async fn answer_there<C: QueueCall>(
        &self,
        part: &Arc<Part>,
        identity: &Identity,
        from: NodeId,
        call: C,
    ) -> job_answer::What {
        match self.carry_out_here(part, identity, from, call).await {
            Ok(Ok(answer)) => C::wire_answer(answer),
            Ok(Err(refusal)) => refused(&refusal),
            Err(Gone { begun }) => job_answer::What::NotHere(NotHere { begun }),
        }
    }
}

/// As it is said.
pub(super) fn refused(refusal: &Refusal) -> job_answer::What {
    let refused = Some(frame::refused(refusal));
    job_answer::What::Refused(rialto_proto::node::Refusal { refused, field: refusal.field.to_owned() })
}

/// Whoever keeps the queue went away while it was asked.
fn outcome_unknown() -> Refusal {
    let reason = "the node that keeps the queue went away; the outcome is not known";
    let refusal = Refusal::new(RefusalCode::NodesUnreachable, reason);
    Refusal { retry: Retry::After(Duration::from_secs(1)), ..refusal }
}
