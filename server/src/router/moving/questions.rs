//! What a session was asked, or has asked, before it moved: the node where that was has the wait. Answers of the session go there,
//! and what the session is told comes from there.

use std::sync::Arc;

use rialto_proto::{
    node::{Moved, MovedReply, MovingQuestion, Reach, Relay, errand},
    v1::{ClientFrame, RepliesDone, client_frame, server_frame::Frame as Body},
};

use super::{
    super::{Router, reply::unexpected},
    wire,
};
use crate::{
    base::{
        ids::{EventId, NodeId, SessionId},
        refusal::Refusal,
    },
    session::Session,
    wire::{
        Frame,
        command::{Command, Reply},
    },
};

impl Router {
    /// Everything that a session was asked and has not answered, and has asked and waits for, with the nodes that have the waits.
    pub(super) fn moving_questions(&self, session: &Session) -> (Vec<MovingQuestion>, Vec<MovingQuestion>) {
        // The table of waits is never asked while questions are held: it ends them.
        let asked_here = self.asked_of(session.id.key);
        let questions = session.questions.lock();
        let of = |token: EventId, node: NodeId| MovingQuestion {
            node: node.to_string(),
            token: token.to_string(),
            ..MovingQuestion::default()
        };
        let here = asked_here.into_iter().map(|token| of(token, self.node));
        let asked = here.chain(questions.asked().map(|(token, node)| of(*token, *node))).collect();
        let asking = questions.asking().iter().map(|(reference, node)| MovingQuestion {
            node: node.unwrap_or(self.node).to_string(),
            r#ref: *reference,
            ..MovingQuestion::default()
        });
        (asked, asking.collect())
    }

    /// Takes up what a session has brought along. What it has brought back is with this node as before.
    pub(super) fn bring_questions(
        &self,
        session: &Session,
        asked: Vec<MovingQuestion>,
        asking: Vec<MovingQuestion>,
    ) {
        let asked = asked
            .into_iter()
            .filter_map(|question| Some((question.token.parse().ok()?, question.node.parse().ok()?)));
        let asked: Vec<(EventId, NodeId)> = asked.filter(|(_, node)| *node != self.node).collect();
        let asking =
            asking.into_iter().filter_map(|question| Some((question.r#ref, question.node.parse().ok()?)));
        session.questions.lock().bring(asking.collect(), asked);
    }

    /// Tells the nodes where a session has open questions that it is here, or that it is over.
    pub(in super::super) fn tell_moved(&self, session: &Session, over: bool) {
        let nodes = session.questions.lock().nodes();
        let Some(router) = self.this.upgrade().filter(|_| !nodes.is_empty()) else { return };
        let moved = Moved { session: session.id.to_string(), over };
        self.tasks.spawn("errand", async move {
            for node in nodes.into_iter().filter(|node| *node != router.node) {
                // One that does not hear it waits until the time of the question is up.
                drop(router.send_errand(node, errand::What::Moved(moved.clone())).await);
            }
        });
    }

    /// A session that was here is with another node, or is over.
    pub(in super::super) fn hear_moved(&self, moved: &Moved, from: NodeId) -> Result<Reach, Refusal> {
        let id: SessionId = moved.session.parse().map_err(|_| unexpected())?;
        let mut departed = self.departed.lock();
        let at = departed.node(id).ok_or_else(unexpected)?;
        if moved.over {
            drop(departed);
            if at == from {
                self.party_gone(id.key);
            }
        } else {
            departed.go_on(id, from);
        }
        Ok(Reach { changed: 1, refused: 0 })
    }

    /// Has another node take an answer to what a session was asked there. What the session says next waits behind it.
    pub(in super::super) fn reply_to_node(
        &self,
        (session, reference): (&Arc<Session>, u32),
        (token, node): (EventId, NodeId),
        answer: Reply,
    ) {
        let Some(router) = self.this.upgrade() else { return };
        session.pipeline.block();
        let session = Arc::clone(session);
        let Reply { token: reply_token, body, content_type } = answer;
        let reply = Some(rialto_proto::v1::Reply { reply_token, body, content_type });
        let what = errand::What::MovedReply(MovedReply { session: session.id.to_string(), reply });
        self.tasks.spawn("errand", async move {
            match router.send_errand(node, what).await {
                Ok(_) => session.questions.lock().answered(token),
                Err(refusal) => router.refuse(&session, reference, refusal),
            }
            router.unblocked(&session);
        });
    }

    /// Takes an answer of a session that was here when it was asked.
    pub(in super::super) fn take_moved_reply(
        &self,
        moved: MovedReply,
        from: NodeId,
    ) -> Result<Reach, Refusal> {
        let id: SessionId = moved.session.parse().map_err(|_| unexpected())?;
        if self.departed.lock().node(id) != Some(from) {
            return Err(unexpected());
        }
        let command = moved.reply.map(client_frame::Command::Reply);
        let frame = ClientFrame { r#ref: 0, command };
        let Command::Reply(reply) = Command::parse(frame, &self.limits.session)? else {
            return Err(unexpected());
        };
        let token = reply.token.parse().map_err(|_| unexpected())?;
        self.reply_here(id.key, token, reply)?;
        Ok(Reach { changed: 1, refused: 0 })
    }

    /// Tells a session what another node has to say about what it has asked there, or passes it on to where the session is now.
    pub(in super::super) fn hear_relay(&self, relay: Relay) {
        let Some(session) = self.find(&relay.session) else {
            let node = relay.session.parse().ok().and_then(|id| self.departed.lock().node(id));
            if let (Some(bridge), Some(node)) = (&self.bridge, node) {
                bridge.relay(node, relay);
            }
            return;
        };
        let Some(frame) = relay.frame.and_then(wire::read_frame) else { return };
        if relay.done {
            session.questions.lock().end(frame.reference());
        }
        self.answer(&session, frame);
    }

    /// A node is gone: what sessions wait for with it will not come, and sessions that were here and went to it are gone too.
    pub(in super::super) fn lose_moved(&self, node: NodeId) {
        let lost = self.departed.lock().lose(node);
        lost.iter().for_each(|session| self.party_gone(session.key));
        for session in self.hub.sessions.all() {
            let lost = session.questions.lock().lose(node);
            for reference in lost {
                let nodes_missing = vec![node.to_string()];
                let done = RepliesDone { nodes_missing, ..RepliesDone::default() };
                self.answer(&session, Frame::answer(reference, Body::RepliesDone(done)));
            }
        }
    }
}
