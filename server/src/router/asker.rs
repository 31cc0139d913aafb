//! Who waits for replies, and the order in which it hears of them: that its event was taken, then the replies, then
//! that there will be no more. Called by `reply`, which tells under the lock of the table of waits, so that the end
//! never overtakes a reply.

use std::{collections::BTreeSet, sync::Arc};

use parking_lot::Mutex;
use rialto_proto::{
    node::Relay,
    v1::{Replies, RepliesDone, ReplyItem, server_frame::Frame as Body},
};
use tokio::sync::oneshot;

use super::{Router, moving::wire};

use crate::{
    base::ids::{EventId, NodeId},
    bridge::Bridge,
    session::{Session, moving::Stage, outbox::Put},
    wire::Frame,
};

/// Who waits for replies.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    /// The largest reply that it takes, in bytes.
    pub(super) payload_bytes_max: u32,
    listener: Listener,
}

#[derive(Debug, Clone)]
enum Listener {
    Session(Arc<Question>),
    /// Hears the first answer or the end, whichever comes first.
    Call(Arc<Mutex<Option<oneshot::Sender<Heard>>>>),
    /// Somebody on another node, under this token.
    Node(Arc<Bridge>, EventId),
}

/// What a call hears.
#[derive(Debug)]
pub(super) enum Heard {
    /// The answer.
    Answer(ReplyItem),
    /// There will be none.
    Nothing(RepliesDone),
}

/// The emit of a session that wants replies.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) session: Arc<Session>,
    pub(super) reference: u32,
    /// The way to the session when it has moved to another node, where there are any.
    bridge: Option<Arc<Bridge>>,
    /// What came before the session was told that its event was taken; `None` from then on. Receivers may answer, or
    /// leave, before the last of them has got the event.
    early: Mutex<Option<Vec<Frame>>>,
}

impl Question {
    /// A question of `session` that has not been taken.
    pub(super) fn new(session: &Arc<Session>, reference: u32, bridge: Option<Arc<Bridge>>) -> Arc<Self> {
        let (session, early) = (Arc::clone(session), Mutex::new(Some(Vec::new())));
        Arc::new(Self { session, reference, bridge, early })
    }

    /// Tells the session that its event was taken, and then what came early. Returns the session if it fell behind.
    pub(super) fn take(&self, accepted: Frame) -> Option<Arc<Session>> {
        self.session.note_answer(&accepted);
        let mut early = self.early.lock();
        let frames = std::iter::once(accepted).chain(early.take().unwrap_or_default());
        // All are handed over: once it fell behind, the rest is not taken.
        let behind = frames.filter(|frame| self.session.outbox.answer(frame.clone()) == Put::Overrun).count();
        (behind > 0).then(|| Arc::clone(&self.session))
    }

    /// Tells the session something, once it was told that its event was taken. Returns it if it fell behind.
    pub(super) fn tell(&self, body: Body) -> Option<Arc<Session>> {
        let done = matches!(body, Body::RepliesDone(_));
        let frame = Frame::answer(self.reference, body);
        let mut early = self.early.lock();
        if let Some(early) = early.as_mut() {
            early.push(frame);
            return None;
        }
        match self.session.outbox.answer(frame.clone()) {
            Put::Overrun => Some(Arc::clone(&self.session)),
            Put::Closed => {
                self.relay(&frame, done);
                None
            }
            _ => None,
        }
    }

    /// Tells the session that no more replies will come. Returns it if it fell behind.
    pub(super) fn end(&self, summary: RepliesDone) -> Option<Arc<Session>> {
        self.session.questions.lock().end(self.reference);
        self.tell(Body::RepliesDone(summary))
    }

    /// Tells it where it is now, if it has moved.
    fn relay(&self, frame: &Frame, done: bool) {
        if let (Some(bridge), Stage::Gone(node)) = (&self.bridge, self.session.stage()) {
            let (session, frame) = (self.session.id.to_string(), Some(wire::frame(frame)));
            bridge.relay(node, Relay { session, frame, done });
        }
    }
}

/// Gives up a wait when the one who asked has gone.
pub(super) struct GiveUp<'a> {
    pub(super) router: &'a Router,
    pub(super) id: EventId,
}

impl Drop for GiveUp<'_> {
    fn drop(&mut self) {
        self.router.give_up_wait(self.id);
    }
}

/// Who is asked: sessions here, and whoever it is for on other nodes.
pub(super) struct Asked<'a> {
    pub(super) receivers: &'a [Arc<Session>],
    pub(super) nodes: BTreeSet<NodeId>,
}

/// Whether nobody was asked.
pub(super) fn nobody(summary: &RepliesDone) -> bool {
    !summary.timed_out && summary.missing_count == 0 && summary.nodes_missing.is_empty()
}

impl Asker {
    /// A session.
    pub(super) fn session(question: &Arc<Question>, payload_bytes_max: u32) -> Self {
        Self { payload_bytes_max, listener: Listener::Session(Arc::clone(question)) }
    }

    /// A call, and where it hears.
    pub(super) fn call(payload_bytes_max: u32) -> (Self, oneshot::Receiver<Heard>) {
        let (teller, hears) = oneshot::channel();
        let listener = Listener::Call(Arc::new(Mutex::new(Some(teller))));
        (Self { payload_bytes_max, listener }, hears)
    }

    /// Another node, for somebody of its own.
    pub(super) fn node(bridge: &Arc<Bridge>, token: EventId, payload_bytes_max: u32) -> Self {
        Self { payload_bytes_max, listener: Listener::Node(Arc::clone(bridge), token) }
    }

    /// The key of the session that asks, if it is one.
    pub(super) fn key(&self) -> Option<u64> {
        match &self.listener {
            Listener::Session(question) => Some(question.session.id.key),
            Listener::Call(_) | Listener::Node(..) => None,
        }
    }

    /// Passes on a reply. Returns the asking session if it fell behind by it.
    pub(super) fn tell_reply(&self, item: ReplyItem) -> Option<Arc<Session>> {
        match &self.listener {
            Listener::Session(question) => question.tell(Body::Replies(Replies { items: vec![item] })),
            Listener::Call(teller) => tell_call(teller, Heard::Answer(item)),
            Listener::Node(bridge, token) => {
                bridge.answer(*token, item);
                None
            }
        }
    }

    /// Says that no more replies will come. Returns the asking session if it fell behind by it.
    pub(super) fn tell_done(&self, summary: RepliesDone) -> Option<Arc<Session>> {
        match &self.listener {
            Listener::Session(question) => question.end(summary),
            Listener::Call(teller) => tell_call(teller, Heard::Nothing(summary)),
            Listener::Node(bridge, token) => {
                bridge.done(*token, summary);
                None
            }
        }
    }
}

fn tell_call(teller: &Mutex<Option<oneshot::Sender<Heard>>>, heard: Heard) -> Option<Arc<Session>> {
    if let Some(teller) = teller.lock().take() {
        // The caller may have gone in between: then nobody wants to know.
        drop(teller.send(heard));
    }
    None
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use prost::Message;
    use rialto_proto::v1::{Accepted, AttachResponse, server_frame::Frame as Body};

    use super::*;
    use crate::{
        auth::Identity,
        base::{
            clock,
            ids::{NodeId, SessionId},
            limits::SessionLimits,
        },
        session::outbox::{Next, Outbox},
    };

    #[test]
    fn who_asked_hears_that_it_was_taken_before_what_came_early() {
        let limits = SessionLimits::default();
        let outbox = Arc::new(Outbox::of(&limits));
        let id = SessionId::random(NodeId::random());
        let session = Arc::new(Session::new(id, Identity::open(None), Arc::clone(&outbox), &limits));
        let question = Question::new(&session, 7, None);
        let asker = Asker::session(&question, 1_000);
        session.questions.lock().ask(7, 2).unwrap();

        assert!(asker.tell_reply(ReplyItem::default()).is_none());
        assert!(asker.tell_done(RepliesDone::default()).is_none());
        assert_eq!(outbox.waiting().0, 0);
        assert!(question.take(Frame::answer(7, Body::Accepted(Accepted::default()))).is_none());

        let mut context = Context::from_waker(Waker::noop());
        let next = outbox.poll_next(0, clock::now(), &mut context);
        let Poll::Ready(Next::Burst(burst)) = next else { panic!("nothing waits: {next:?}") };
        let response = AttachResponse::decode(burst.encode_to_vec().as_slice()).unwrap();
        let [accepted, replies, done] = response.frames.as_slice() else { panic!("{response:?}") };
        assert!(matches!(accepted.frame, Some(Body::Accepted(_))));
        assert!(matches!(replies.frame, Some(Body::Replies(_))));
        assert!(matches!(done.frame, Some(Body::RepliesDone(_))));
    }
}
