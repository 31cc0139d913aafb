//! Any one member of a room of which this node has none: the other nodes are asked, one after the other, until one has a
//! member that is asked.

use std::sync::Arc;

use rialto_proto::{
    node::{Fanout, Reach, errand_done},
    v1::{Replies, RepliesDone, server_frame::Frame as Body},
};

use super::{
    Router,
    asker::{Asked, Asker, GiveUp, Heard, Question, nobody},
    directory,
    emit::{Origin, accepted, encode},
};
use crate::{
    base::{
        clock,
        ids::{EventId, NodeId},
        refusal::Refusal,
    },
    bridge::{Bridge, Carried},
    hub::FanOut,
    session::Session,
    wire::{Frame, command::Emit, target::Who},
};

impl Router {
    /// Whether an event is for any one member of a room of which this node has none but the sender.
    pub(super) fn is_elsewhere(&self, session: Option<&Session>, emit: &Emit) -> bool {
        let Who::AnyOf(room) = &emit.target.who else { return false };
        let sender = session.filter(|_| !emit.target.include_sender).map(|session| session.id.key);
        let nodes = !self.nodes_of_any(&emit.target).is_empty();
        nodes && !self.hub.has_member(emit.namespace.as_str(), room.as_str(), sender)
    }

    /// Hands an event that asks for no replies to any one member on another node, and answers the session when that is done. What
    /// the session says next waits behind it.
    pub(super) fn emit_elsewhere(&self, session: &Arc<Session>, reference: u32, emit: Emit) {
        let Some(router) = self.this.upgrade() else { return };
        session.pipeline.block();
        let session = Arc::clone(session);
        self.tasks.spawn("elsewhere", async move {
            let id = router.send_elsewhere(Origin::Session(&session), emit).await;
            router.accept(&session, reference, accepted(id, 0), FanOut::default());
            router.unblocked(&session);
        });
    }

    /// Hands an event to any one member on another node: nodes are tried one after the other.
    pub(super) async fn send_elsewhere(&self, origin: Origin<'_>, emit: Emit) -> EventId {
        let (id, nodes) = (self.next_event_id(), self.nodes_of_any(&emit.target));
        let (target, namespace, frame) = encode(origin, emit, id, String::new());
        let what = Bridge::for_any_of(&namespace, &target, &frame);
        for node in nodes {
            let done = self.send_errand(node, what.clone()).await.map(|done| done.what);
            if matches!(done, Ok(Some(errand_done::What::Reach(Reach { changed: 1.., .. })))) {
                break;
            }
        }
        id
    }

    /// Hands an event of another node to any one member here, if there is one.
    pub(super) fn emit_any_of(&self, fanout: Fanout) -> Result<directory::Reach, Refusal> {
        let event = Carried::parse(fanout).map_err(|error| Refusal::invalid("any_of", error))?;
        Ok(directory::Reach { changed: self.emit_here(event), refused: 0 })
    }

    /// Asks for a session, which is told that its question was taken and then what came of it.
    pub(super) fn ask_elsewhere(
        &self,
        question: Arc<Question>,
        (id, emit): (EventId, Emit),
        payload_bytes_max: u32,
    ) {
        let Some(router) = self.this.upgrade() else { return };
        self.close_behind(
            question
                .take(Frame::answer(question.reference, Body::Accepted(accepted(id, 0))))
                .into_iter()
                .collect(),
        );
        self.tasks.spawn("question", async move {
            let outcome = tokio::select! {
                outcome = router.ask_one_by_one(&question, emit, payload_bytes_max) => outcome,
                () = router.tasks.stopping().cancelled() => return,
            };
            let behind = match outcome {
                Heard::Answer(item) => {
                    let told = question.tell(Body::Replies(Replies { items: vec![item] }));
                    let ended = question.end(RepliesDone { answered: 1, ..RepliesDone::default() });
                    told.or(ended)
                }
                Heard::Nothing(summary) => question.end(summary),
            };
            router.close_behind(behind.into_iter().collect());
        });
    }

    async fn ask_one_by_one(&self, question: &Question, emit: Emit, payload_bytes_max: u32) -> Heard {
        for node in self.nodes_of_any(&emit.target) {
            let (asker, hears) = Asker::call(payload_bytes_max);
            let origin = Origin::Session(&question.session);
            let asked = self.ask_there(origin, emit.clone(), (self.next_event_id(), asker), node);
            let Ok(_give_up) = asked else { break };
            match hears.await {
                Ok(Heard::Nothing(summary)) if nobody(&summary) => {}
                Ok(heard) => return heard,
                Err(_) => break,
            }
        }
        Heard::Nothing(RepliesDone::default())
    }

    /// Asks one member on one other node. What is returned gives up the wait when it is dropped.
    pub(super) fn ask_there(
        &self,
        origin: Origin<'_>,
        emit: Emit,
        (id, asker): (EventId, Asker),
        node: NodeId,
    ) -> Result<GiveUp<'_>, Refusal> {
        let timeout = emit.replies.unwrap_or_default();
        let (target, namespace, frame) = encode(origin, emit, id, id.to_string());
        let asked = Asked { receivers: &[], nodes: [node].into() };
        self.wait_for_replies(id, asker, asked, clock::now() + timeout)?;
        self.ask_nodes(&[node].into(), (&namespace, &target, &frame), id, timeout);
        Ok(GiveUp { router: self, id })
    }
}
