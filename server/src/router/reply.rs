//! Replies on their way back to who asked: a session, or a call that waits.

use std::{collections::BTreeSet, sync::Arc};

use parking_lot::MutexGuard;
use rialto_proto::v1::{
    CallResponse, RefusalCode, RepliesDone, ReplyItem, Sender, reply, reply_item, server_frame::Frame as Body,
};

use tokio::sync::oneshot::error::RecvError;

use super::{
    Router,
    asker::{Asked, Asker, GiveUp, Heard, Question, nobody},
    emit::{Origin, accepted},
};
use crate::{
    auth::Identity,
    base::{
        clock::Instant,
        config::NamespaceSettings,
        ids::{EventId, NodeId},
        limits::REPLIES_ASKED_MAX,
        refusal::{Refusal, Retry},
    },
    hub,
    session::{
        Session,
        replies::{Done, Progress, Replies, Wanted},
    },
    wire::{
        Frame,
        command::{Emit, Reply},
        content,
    },
};

impl Router {
    /// Emits for a session that wants replies.
    pub(super) fn emit_for_replies(
        &self,
        session: &Arc<Session>,
        reference: u32,
        emit: Emit,
        settings: Arc<NamespaceSettings>,
    ) -> Result<(), Refusal> {
        if reference == 0 {
            return Err(Refusal::invalid("ref", "is 0, so replies would have no place to go"));
        }
        let (id, origin) = (self.next_event_id(), Origin::Session(session));
        let named = if emit.idempotency_key.is_empty() {
            None
        } else {
            match self.name(&self.keeping(id, origin, emit.clone(), Arc::clone(&settings)))? {
                Ok(named) => Some(named),
                Err(accepted) => {
                    self.answer(session, Frame::answer(reference, Body::Accepted(accepted)));
                    return Ok(());
                }
            }
        };
        match (self.ask(session, reference, (id, emit), &settings), named) {
            (Ok(delivered), Some(named)) => {
                self.parts.own().histories.answered(&named, delivered);
            }
            (Ok(_), None) => {}
            (Err(refusal), named) => {
                named.iter().for_each(|named| self.parts.own().histories.withdraw(named));
                return Err(refusal);
            }
        }
        Ok(())
    }

    /// Sends a question of a session. Returns how many were asked.
    fn ask(
        &self,
        session: &Arc<Session>,
        reference: u32,
        (id, emit): (EventId, Emit),
        settings: &NamespaceSettings,
    ) -> Result<u32, Refusal> {
        session.questions.lock().ask(reference, self.limits.session.replies_outstanding_max)?;
        let question = Question::new(session, reference, self.bridge.clone());
        if self.is_elsewhere(Some(session), &emit) {
            self.ask_elsewhere(question, (id, emit), settings.payload_bytes_max);
            return Ok(0);
        }
        let asker = Asker::session(&question, settings.payload_bytes_max);
        let sent = self.send_asking(Origin::Session(session), emit, settings, (id, asker));
        let fan_out = sent.inspect_err(|_| session.questions.lock().end(reference))?;
        let delivered = fan_out.delivered;
        let taken = Frame::answer(reference, Body::Accepted(accepted(id, delivered)));
        session.note_answer(&taken);
        self.close_behind(question.take(taken).into_iter().collect());
        let unreached = fan_out.unreached.clone();
        self.settle_fan_out(fan_out);
        self.account_for(id, &unreached);
        Ok(delivered)
    }

    /// Asks one session without being one, and waits for its answer. Of any one member of a room those of this node are asked
    /// first, and then those of one other node after the other.
    ///
    /// *Cancel safety*: dropping the future gives up the wait; the callee's answer is then refused.
    pub async fn call(&self, identity: &Identity, emit: Emit) -> Result<CallResponse, Refusal> {
        let settings = self.allow(identity, &emit)?;
        let mut elsewhere = self.nodes_of_any(&emit.target);
        let mut outcome = self.call_here(identity, emit.clone(), &settings).await;
        while let Err(refusal) = &outcome
            && refusal.code == RefusalCode::NoRecipient
            && let Some(node) = elsewhere.pop()
        {
            let (asker, hears) = Asker::call(settings.payload_bytes_max);
            let id = self.next_event_id();
            let _give_up = self.ask_there(Origin::Identity(identity), emit.clone(), (id, asker), node)?;
            outcome = response(id, hears.await);
        }
        outcome
    }

    async fn call_here(
        &self,
        identity: &Identity,
        emit: Emit,
        settings: &NamespaceSettings,
    ) -> Result<CallResponse, Refusal> {
        let (asker, hears) = Asker::call(settings.payload_bytes_max);
        let id = self.next_event_id();
        let fan_out = self.send_asking(Origin::Identity(identity), emit, settings, (id, asker))?;
        let _give_up = GiveUp { router: self, id };
        let unreached = fan_out.unreached.clone();
        self.settle_fan_out(fan_out);
        self.account_for(id, &unreached);
        response(id, hears.await)
    }

    /// Takes an answer and passes it to who asked.
    pub(super) fn reply(&self, session: &Arc<Session>, reference: u32, reply: Reply) -> Result<(), Refusal> {
        let id: EventId = reply.token.parse().map_err(|_| unexpected())?;
        let elsewhere = session.questions.lock().asked_by(id);
        match elsewhere {
            Some(node) => {
                self.reply_to_node((session, reference), (id, node), reply);
                Ok(())
            }
            None => self.reply_here(session.id.key, id, reply),
        }
    }

    /// Takes an answer of a session that was here when it was asked, and passes it to who asked.
    pub(super) fn reply_here(&self, session: u64, id: EventId, reply: Reply) -> Result<(), Refusal> {
        let Reply { body, content_type, .. } = reply;
        let mut replies = self.replies.lock();
        let asker = replies.expecting(id, session).map_err(|_| unexpected())?;
        content::payload(content::reply_bytes(body.as_ref()), asker.payload_bytes_max)?;
        let (from, Progress { asker, done }) = replies.answer(id, session).map_err(|_| unexpected())?;
        let mut behind: Vec<_> = asker.tell_reply(item(from, body, content_type)).into_iter().collect();
        behind.extend(done.and_then(|summary| asker.tell_done(summary)));
        self.count_waits(&replies);
        drop(replies);
        self.close_behind(behind);
        Ok(())
    }

    /// Begins to wait, unless the asker has too many sessions to wait for already.
    pub(super) fn wait_for_replies(
        &self,
        id: EventId,
        asker: Asker,
        Asked { receivers, nodes }: Asked<'_>,
        deadline: Instant,
    ) -> Result<(), Refusal> {
        let mut replies = self.replies.lock();
        let by = asker.key();
        if by.map_or(0, |by| replies.asked_count(by)) + receivers.len() > REPLIES_ASKED_MAX {
            return Err(Refusal::limit("replies_asked_max", REPLIES_ASKED_MAX));
        }
        replies.wait(id, Wanted { by, asker, asked: hub::names(receivers), nodes, deadline });
        self.count_waits(&replies);
        drop(replies);
        self.timers_changed.notify_one();
        Ok(())
    }

    /// Ends waits for a session that is gone, and gives up those of which it was the asker.
    pub(super) fn party_gone(&self, session: u64) {
        let mut replies = self.replies.lock();
        let given_up = replies.asker_gone(session);
        let ended = replies.gone(session);
        self.tell_ended(replies, ended);
        given_up.iter().for_each(|(token, nodes)| self.tell_given_up(*token, nodes));
    }

    /// Gives up a wait: nobody listens any more.
    pub(super) fn give_up_wait(&self, token: EventId) {
        let mut replies = self.replies.lock();
        let nodes = replies.forget(token);
        self.count_waits(&replies);
        drop(replies);
        self.tell_given_up(token, &nodes);
    }

    fn tell_given_up(&self, token: EventId, nodes: &BTreeSet<NodeId>) {
        if let Some(bridge) = &self.bridge {
            nodes.iter().for_each(|node| bridge.give_up(*node, token));
        }
    }

    /// Another node does not want to know the answers any more.
    pub(super) fn given_up_by(&self, node: NodeId, token: EventId) {
        if token.node == node {
            self.give_up_wait(token);
        }
    }

    /// Ends waits whose time is up.
    pub(super) fn expire_replies(&self, now: Instant) {
        let mut replies = self.replies.lock();
        let ended = replies.expire(now);
        self.tell_ended(replies, ended);
    }

    /// When the next wait ends by itself.
    pub(super) fn next_reply_deadline(&self) -> Option<Instant> {
        self.replies.lock().next_deadline()
    }

    /// Takes an answer that another node passes on.
    pub(super) fn reply_of(&self, token: EventId, node: NodeId, item: ReplyItem) {
        let mut replies = self.replies.lock();
        let Ok(asker) = replies.expecting_of(token, node) else { return };
        if content::payload(item_bytes(&item), asker.payload_bytes_max).is_err() {
            return;
        }
        let behind = replies.answer_of(token, node).ok().and_then(|asker| asker.tell_reply(item));
        drop(replies);
        self.close_behind(behind.into_iter().collect());
    }

    /// Notes that no more answers will come from another node.
    pub(super) fn done_of(&self, token: EventId, node: NodeId, summary: RepliesDone) {
        let mut replies = self.replies.lock();
        let ended = replies.node_done(token, node, summary);
        self.tell_ended(replies, ended.into_iter().collect());
    }

    /// Ends waits for a node that is gone.
    pub(super) fn node_gone(&self, node: NodeId) {
        let mut replies = self.replies.lock();
        let ended = replies.node_gone(node);
        self.tell_ended(replies, ended);
    }

    /// What a session is asked that has moved: whoever has it passes its answers on.
    pub(super) fn asked_of(&self, session: u64) -> Vec<EventId> {
        self.replies.lock().asked_of(session)
    }

    /// Notes that a session is not asked here what it was asked with another node.
    pub(super) fn not_asked(&self, session: u64, id: EventId) {
        let mut replies = self.replies.lock();
        replies.not_asked(id, session);
        let ended = replies.settle(id);
        self.tell_ended(replies, ended.into_iter().collect());
    }

    /// Whether something is waited for under a token.
    pub(super) fn is_asked(&self, token: EventId) -> bool {
        self.replies.lock().has(token)
    }

    /// Notes whom an event did not reach, and ends the wait if nobody is left.
    pub(super) fn account_for(&self, id: EventId, unreached: &[u64]) {
        let mut replies = self.replies.lock();
        let mut ended: Vec<_> = unreached.iter().filter_map(|key| replies.unreached(id, *key)).collect();
        ended.extend(replies.settle(id));
        self.tell_ended(replies, ended);
    }

    /// Tells those who asked that their waits have ended, before anything else happens to the table.
    fn tell_ended(&self, replies: MutexGuard<'_, Replies<EventId, Asker>>, ended: Vec<Done<Asker>>) {
        let behind = ended.into_iter().filter_map(|done| done.asker.tell_done(done.summary)).collect();
        self.count_waits(&replies);
        drop(replies);
        self.close_behind(behind);
    }

    fn count_waits(&self, replies: &Replies<EventId, Asker>) {
        self.metrics.replies_outstanding.set(i64::try_from(replies.len()).unwrap_or(i64::MAX));
    }
}

/// What a call is answered with.
fn response(id: EventId, heard: Result<Heard, RecvError>) -> Result<CallResponse, Refusal> {
    let gone = || Refusal::new(RefusalCode::RecipientLeft, "the receiver went away before it answered");
    match heard {
        Ok(Heard::Answer(ReplyItem { body: Some(reply_item::Body::Error(error)), .. })) => {
            Err(Refusal::new(RefusalCode::RecipientFailed, error))
        }
        Ok(Heard::Answer(item)) => Ok(CallResponse { reply: Some(item), event_id: id.to_string() }),
        Ok(Heard::Nothing(done)) if done.timed_out => {
            Err(Refusal::new(RefusalCode::TimedOut, "no answer within the timeout"))
        }
        Ok(Heard::Nothing(done)) if nobody(&done) => Err(no_recipient()),
        Ok(Heard::Nothing(_)) | Err(_) => Err(gone()),
    }
}

pub(super) fn unexpected() -> Refusal {
    Refusal::new(RefusalCode::ReplyUnknown, "no reply is expected from this session under this token")
}

fn item_bytes(item: &ReplyItem) -> usize {
    match &item.body {
        Some(reply_item::Body::Text(text) | reply_item::Body::Error(text)) => text.len(),
        Some(reply_item::Body::Binary(binary)) => binary.len(),
        None => 0,
    }
}

fn item(from: Sender, body: Option<reply::Body>, content_type: String) -> ReplyItem {
    let body = body.map(|body| match body {
        reply::Body::Text(text) => reply_item::Body::Text(text),
        reply::Body::Binary(binary) => reply_item::Body::Binary(binary),
        reply::Body::Error(error) => reply_item::Body::Error(error),
    });
    ReplyItem { from: Some(from), body, content_type }
}

fn no_recipient() -> Refusal {
    let refusal = Refusal::new(RefusalCode::NoRecipient, "nobody could take the call");
    Refusal { retry: Retry::AfterChange, ..refusal }
}
