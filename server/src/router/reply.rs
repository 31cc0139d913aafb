//! Replies on their way back to who asked: a session, or a call that waits.

use std::sync::Arc;

use parking_lot::Mutex;
use rialto_proto::v1::{
    CallResponse, RefusalCode, Replies, RepliesDone, ReplyItem, Sender, reply, reply_item,
    server_frame::Frame as Body,
};
use tokio::sync::oneshot;

use super::{Router, emit::Origin};
use crate::{
    auth::Identity,
    base::{
        clock::Instant,
        config::NamespaceSettings,
        ids::EventId,
        refusal::{Refusal, Retry},
    },
    session::{
        Session,
        replies::{Done, Progress},
    },
    wire::{
        Frame,
        command::{Emit, Reply},
        content,
    },
};

/// Who waits for replies.
#[derive(Debug, Clone)]
pub(super) enum Asker {
    /// A session, under the ref of its emit.
    Session(Arc<Session>, u32),
    /// A call. It hears the first answer or the end, whichever comes first.
    Call(Arc<Mutex<Option<oneshot::Sender<Heard>>>>),
}

/// What a call hears.
#[derive(Debug)]
pub(super) enum Heard {
    /// The answer.
    Answer(ReplyItem),
    /// There will be none.
    Nothing(RepliesDone),
}

/// Gives up a wait when the one who asked has gone.
struct GiveUp<'a> {
    router: &'a Router,
    id: EventId,
}

impl Drop for GiveUp<'_> {
    fn drop(&mut self) {
        self.router.replies.lock().forget(self.id.number);
        self.router.count_waits();
    }
}

impl Router {
    /// Emits for a session that wants replies.
    pub(super) fn emit_for_replies(
        &self,
        session: &Arc<Session>,
        reference: u32,
        emit: Emit,
        settings: &NamespaceSettings,
    ) -> Result<(), Refusal> {
        if reference == 0 {
            return Err(Refusal::invalid("ref", "is 0, so replies would have no place to go"));
        }
        session.await_replies(self.limits.session.replies_outstanding_max)?;
        let asker = Asker::Session(Arc::clone(session), reference);
        let sent = self.send_asking(Origin::Session(session), emit, settings, asker);
        let (id, fan_out) = sent.inspect_err(|_| session.replies_done())?;
        let unreached = fan_out.unreached.clone();
        self.accept(session, reference, id, fan_out);
        self.account_for(id, &unreached);
        Ok(())
    }

    /// Asks one session without being one, and waits for its answer.
    ///
    /// *Cancel safety*: dropping the future gives up the wait; the callee's answer is then refused.
    pub async fn call(&self, identity: &Identity, emit: Emit) -> Result<CallResponse, Refusal> {
        let settings = self.allow(identity, &emit)?;
        let (teller, hears) = oneshot::channel();
        let asker = Asker::Call(Arc::new(Mutex::new(Some(teller))));
        let (id, fan_out) = self.send_asking(Origin::Identity(identity), emit, &settings, asker)?;
        let give_up = GiveUp { router: self, id };
        let (reached, unreached) = (fan_out.delivered > 0, fan_out.unreached.clone());
        self.settle_fan_out(fan_out);
        self.account_for(id, &unreached);
        if !reached {
            return Err(no_recipient());
        }
        let heard = hears.await;
        drop(give_up);
        let event_id = id.to_string();
        match heard {
            Ok(Heard::Answer(ReplyItem { body: Some(reply_item::Body::Error(error)), .. })) => {
                Err(Refusal::new(RefusalCode::RecipientFailed, error))
            }
            Ok(Heard::Answer(item)) => Ok(CallResponse { reply: Some(item), event_id }),
            Ok(Heard::Nothing(done)) if done.timed_out => {
                Err(Refusal::new(RefusalCode::TimedOut, "no answer within the timeout"))
            }
            Ok(Heard::Nothing(_)) | Err(_) => {
                Err(Refusal::new(RefusalCode::RecipientLeft, "the receiver went away before it answered"))
            }
        }
    }

    /// Takes an answer and passes it to who asked.
    pub(super) fn reply(&self, session: &Arc<Session>, reply: Reply) -> Result<(), Refusal> {
        let Reply { token, body, content_type } = reply;
        let ceiling = crate::base::limits::PAYLOAD_BYTES_CEILING;
        content::payload(content::reply_bytes(body.as_ref()), ceiling)?;
        let unknown = || {
            Refusal::new(RefusalCode::ReplyUnknown, "no reply is expected from this session under this token")
        };
        let id: EventId = token.parse().map_err(|_| unknown())?;
        let answered = if id.node == self.node {
            self.replies.lock().answer(id.number, session.id.key)
        } else {
            return Err(unknown());
        };
        let (from, progress) = answered.map_err(|_| unknown())?;
        self.pass_on(progress, item(from, body, content_type));
        Ok(())
    }

    /// Begins to wait.
    pub(super) fn wait_for_replies(
        &self,
        id: EventId,
        asker: Asker,
        asked: Vec<(u64, Sender)>,
        deadline: Instant,
    ) {
        self.replies.lock().wait(id.number, asker, asked, deadline);
        self.timers_changed.notify_one();
        self.count_waits();
    }

    /// Ends waits for a receiver that is gone.
    pub(super) fn receiver_gone(&self, receiver: u64) {
        let ended = self.replies.lock().gone(receiver);
        self.tell_ended(ended);
    }

    /// Ends waits whose time is up.
    pub(super) fn expire_replies(&self, now: Instant) {
        let ended = self.replies.lock().expire(now);
        self.tell_ended(ended);
    }

    /// When the next wait ends by itself.
    pub(super) fn next_reply_deadline(&self) -> Option<Instant> {
        self.replies.lock().next_deadline()
    }

    /// Notes whom an event did not reach, and ends the wait if nobody is left.
    fn account_for(&self, id: EventId, unreached: &[u64]) {
        let ended = {
            let mut replies = self.replies.lock();
            let mut ended: Vec<_> =
                unreached.iter().filter_map(|key| replies.unreached(id.number, *key)).collect();
            ended.extend(replies.settle(id.number));
            ended
        };
        self.tell_ended(ended);
    }

    fn tell_ended(&self, ended: Vec<Done<Asker>>) {
        if ended.is_empty() {
            return;
        }
        self.count_waits();
        ended.into_iter().for_each(|done| self.tell_done(done.asker, done.summary));
    }

    fn pass_on(&self, progress: Progress<Asker>, item: ReplyItem) {
        match &progress.asker {
            Asker::Session(session, reference) => {
                let replies = Replies { items: vec![item] };
                self.answer(session, Frame::answer(*reference, Body::Replies(replies)));
            }
            Asker::Call(teller) => tell_call(teller, Heard::Answer(item)),
        }
        if let Some(summary) = progress.done {
            self.count_waits();
            self.tell_done(progress.asker, summary);
        }
    }

    fn tell_done(&self, asker: Asker, summary: RepliesDone) {
        match asker {
            Asker::Session(session, reference) => {
                session.replies_done();
                self.answer(&session, Frame::answer(reference, Body::RepliesDone(summary)));
            }
            Asker::Call(teller) => tell_call(&teller, Heard::Nothing(summary)),
        }
    }

    fn count_waits(&self) {
        let waits = self.replies.lock().len();
        self.metrics.replies_outstanding.set(i64::try_from(waits).unwrap_or(i64::MAX));
    }
}

fn tell_call(teller: &Mutex<Option<oneshot::Sender<Heard>>>, heard: Heard) {
    if let Some(teller) = teller.lock().take() {
        // The caller may have gone in between: then nobody wants to know.
        drop(teller.send(heard));
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
