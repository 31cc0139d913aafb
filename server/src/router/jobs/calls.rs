//! Calls between nodes: what this one asks of those that keep queues, and what they ask of it.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use prost::Message;
use rialto_proto::node::{JobAnswer, JobCall, NotHere, Piece, job_answer};
use tokio::{sync::oneshot, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    call::QueueCall,
    owner::{Gone, refused},
    pieces::{Assembly, Came, split},
};
use crate::{
    auth::Identity,
    base::{ids::NodeId, refusal::Refusal},
    bridge::Bridge,
    router::Router,
    wire::frame,
};

/// How long an answer may take that waits for nothing but the log.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);

/// Calls of which pieces have come, and not all.
const COMING_MAX: usize = 1_024;

/// Calls that are under way.
#[derive(Debug, Default)]
pub(in super::super) struct Calls {
    /// What this node has asked.
    sent: HashMap<u64, Sent>,
    /// Pieces of what others ask.
    coming: HashMap<(NodeId, u64), Assembly>,
    /// What is carried out for others.
    carried_out: HashMap<(NodeId, u64), CancellationToken>,
}

#[derive(Debug)]
struct Sent {
    to: (NodeId, u32),
    answer: Assembly,
    tells: oneshot::Sender<job_answer::What>,
}

/// Tells whoever was asked when nobody waits for the answer any more.
struct Waits<'a> {
    router: &'a Router,
    node: NodeId,
    call: u64,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        // An answer takes it out.
        if self.router.calls.lock().sent.remove(&self.call).is_some()
            && let Some(bridge) = &self.router.bridge
        {
            bridge.give_up_call(self.node, self.call);
        }
    }
}

impl Router {
    /// Has another node carry something out.
    pub(super) async fn carry_out_at<C: QueueCall>(
        &self,
        (node, part): (NodeId, u32),
        identity: &Identity,
        call: C,
    ) -> Result<Result<C::Answer, Refusal>, Gone> {
        let Some(bridge) = &self.bridge else { return Err(Gone { begun: false }) };
        let patience = call.patience();
        let message = JobCall { part, granted: Some(identity.granted_there()), what: Some(call.into_wire()) };
        let id = self.next_ask.fetch_add(1, Ordering::Relaxed);
        let (tells, hears) = oneshot::channel();
        // It is put in before it can be answered.
        let sent = Sent { to: (node, part), answer: Assembly::default(), tells };
        self.calls.lock().sent.insert(id, sent);
        let _waits = Waits { router: self, node, call: id };
        let all = split(id, message.encode_to_vec().into()).all(|piece| bridge.call_jobs(node, piece));
        if !all {
            // What lacks a piece is not carried out.
            return Err(Gone { begun: false });
        }
        match timeout(ANSWERED_WITHIN + patience, hears).await {
            Ok(Ok(job_answer::What::NotHere(NotHere { begun }))) => Err(Gone { begun }),
            Ok(Ok(job_answer::What::Refused(refusal))) => {
                Ok(Err(frame::refusal(refusal.refused.unwrap_or_default(), &refusal.field)))
            }
            Ok(Ok(answer)) => C::read_answer(answer).map(Ok).ok_or(Gone { begun: true }),
            Ok(Err(_)) | Err(_) => Err(Gone { begun: true }),
        }
    }

    /// Hears a piece of an answer.
    pub(in super::super) fn hear_job_answer(&self, from: NodeId, piece: Piece) {
        let mut calls = self.calls.lock();
        let id = piece.call;
        let Some(sent) = calls.sent.get_mut(&id).filter(|sent| sent.to.0 == from) else { return };
        let whole = match sent.answer.add(piece) {
            Came::Part => return,
            Came::Whole(bytes) => JobAnswer::decode(bytes).ok().and_then(|answer| answer.what),
            Came::Broken => None,
        };
        if let Some(Sent { tells, .. }) = calls.sent.remove(&id) {
            let unknown = job_answer::What::NotHere(NotHere { begun: true });
            // Whoever waited may have given up.
            drop(tells.send(whole.unwrap_or(unknown)));
        }
    }

    /// Carries out what another node asks, once all of it has come.
    pub(in super::super) fn hear_job_call(
        self: &Arc<Self>,
        bridge: &Arc<Bridge>,
        from: NodeId,
        piece: Piece,
    ) {
        let id = piece.call;
        let ends = CancellationToken::new();
        let bytes = {
            let mut calls = self.calls.lock();
            if calls.coming.len() >= COMING_MAX {
                // The rest of some of them never comes. The others are given up and asked again.
                calls.coming.clear();
            }
            match calls.coming.entry((from, id)).or_default().add(piece) {
                Came::Part => return,
                came => {
                    calls.coming.remove(&(from, id));
                    // Nobody answers what is broken: whoever asks gives it up, and asks again.
                    let Came::Whole(bytes) = came else { return };
                    calls.carried_out.insert((from, id), ends.clone());
                    bytes
                }
            }
        };
        let (router, bridge) = (Arc::clone(self), Arc::clone(bridge));
        self.tasks.spawn("call", async move {
            let answer = ends.run_until_cancelled(router.answer_call(from, bytes)).await;
            router.calls.lock().carried_out.remove(&(from, id));
            if let Some(what) = answer {
                let answer = JobAnswer { what: Some(what) }.encode_to_vec();
                // What finds no place is missed there.
                let all = split(id, answer.into()).all(|piece| bridge.answer_jobs(from, piece));
                tracing::trace!(%from, id, all, "a call is answered");
            }
        });
    }

    async fn answer_call(&self, from: NodeId, bytes: bytes::Bytes) -> job_answer::What {
        let call = JobCall::decode(bytes).unwrap_or_default();
        let JobCall { part, granted, what: Some(what) } = call else {
            return refused(&Refusal::invalid("what", "is missing"));
        };
        let Some(identity) = Identity::of_granted(granted.unwrap_or_default()) else {
            return refused(&Refusal::invalid("granted", "is more than anybody can be granted"));
        };
        match self.parts.here(part) {
            Some(part) => self.carry_out_there(&part, &identity, from, what).await,
            None => job_answer::What::NotHere(NotHere { begun: false }),
        }
    }

    /// Nobody waits for a call of another node any more, or for what is watched under its number.
    pub(in super::super) fn hear_call_given_up(&self, from: NodeId, call: u64) {
        let mut calls = self.calls.lock();
        calls.coming.remove(&(from, call));
        if let Some(ends) = calls.carried_out.remove(&(from, call)) {
            ends.cancel();
        }
        drop(calls);
        for shard in self.shards_here() {
            shard.end_poll((from, call));
        }
    }

    /// A node is gone, or has lost a part: it answers nothing any more of that.
    pub(in super::super) fn lose_calls(&self, node: NodeId, part: Option<u32>) {
        let is_of = |to: (NodeId, u32)| to.0 == node && part.is_none_or(|part| to.1 == part);
        self.calls.lock().sent.retain(|_, sent| !is_of(sent.to));
        if part.is_some() {
            return;
        }
        let mut calls = self.calls.lock();
        calls.coming.retain(|(from, _), _| *from != node);
        calls.carried_out.retain(|(from, _), ends| {
            if *from == node {
                ends.cancel();
            }
            *from != node
        });
        drop(calls);
        for shard in self.shards_here() {
            shard.end_polls_of(node);
        }
    }
}
