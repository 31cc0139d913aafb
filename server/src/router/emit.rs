//! The path of an event: allowed? → encoded once → in the outbox of everyone it is for → accepted.

use std::{
    sync::{Arc, atomic::Ordering},
    time::SystemTime,
};

use rialto_proto::v1::{
    Accepted, Content, Durability, Event, RefusalCode, Sender, server_frame::Frame as Body,
};

use tokio::sync::oneshot;

use super::{
    Router,
    asker::{Asked, Asker},
    dispatch::forbidden,
    keep::storage_failed,
    keeping::{Keeping, Taken},
};
use crate::{
    auth::{Identity, Right},
    base::{
        clock::{self, Instant},
        config::NamespaceSettings,
        ids::{EventId, RoomName},
        metrics::CauseLabel,
        refusal::{Refusal, Retry},
    },
    hub::{self, Emission, FanOut, Held, What},
    session::Session,
    wire::{
        Frame,
        command::Emit,
        content,
        target::{Target, Who},
    },
};

/// Who emits.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin<'a> {
    /// A session.
    Session(&'a Arc<Session>),
    /// Somebody without one.
    Identity(&'a Identity),
}

/// An event that was published.
#[derive(Debug)]
pub struct Published {
    /// What is answered.
    pub accepted: Accepted,
    /// A receiver needs time to read before the next one.
    pub pressed: bool,
}

/// What becomes of an event that is published.
#[derive(Debug)]
pub enum Publishing {
    /// It was taken.
    Done(Published),
    /// It is being written.
    Later(oneshot::Receiver<Result<Published, Refusal>>),
}

impl Publishing {
    /// Waits until it is durable, if it has to be.
    pub async fn outcome(self) -> Result<Published, Refusal> {
        match self {
            Self::Done(published) => Ok(published),
            Self::Later(hears) => hears.await.unwrap_or_else(|_| Err(storage_failed())),
        }
    }
}

impl Origin<'_> {
    fn sender(self) -> Sender {
        match self {
            Self::Session(session) => session.sender(),
            Self::Identity(identity) => Sender {
                session: String::new(),
                user: identity.user.as_ref().map(ToString::to_string).unwrap_or_default(),
            },
        }
    }

    fn session(&self) -> Option<&Arc<Session>> {
        match self {
            Self::Session(session) => Some(session),
            Self::Identity(_) => None,
        }
    }
}

impl Router {
    /// Emits for a session and answers it.
    pub(super) fn emit(&self, session: &Arc<Session>, reference: u32, emit: Emit) -> Result<(), Refusal> {
        let now = clock::now();
        let taken = session.take_emit(&self.limits.session, now);
        taken.map_err(|after| Refusal::rate("emits_per_second", after))?;
        let settings = self.allow(&session.identity(), &emit)?;
        check_membership(session, &emit, &settings)?;
        if emit.replies.is_some() {
            return self.emit_for_replies(session, reference, emit, settings);
        }
        if !emit.idempotency_key.is_empty() || self.is_kept(&settings, &emit.target, emit.class) {
            self.emit_kept(session, reference, emit, settings);
            return Ok(());
        }
        if self.is_elsewhere(Some(session), &emit) {
            self.emit_elsewhere(session, reference, emit);
            return Ok(());
        }
        let (id, fan_out) = self.send(Origin::Session(session), emit, &settings)?;
        if fan_out.pressed {
            session.press();
        }
        self.accept(session, reference, accepted(id, fan_out.delivered), fan_out);
        Ok(())
    }

    /// Emits an event that is kept or named for ever, and answers the session when that is done.
    fn emit_kept(
        &self,
        session: &Arc<Session>,
        reference: u32,
        emit: Emit,
        settings: Arc<NamespaceSettings>,
    ) {
        let keeping = self.keeping(self.next_event_id(), Origin::Session(session), emit, settings);
        let session = Arc::clone(session);
        session.pipeline.write(self.part_of(&keeping.namespace, &keeping.target));
        self.keep(
            keeping,
            Box::new(move |router, outcome| {
                match outcome {
                    Ok(Taken { accepted, fan_out }) => {
                        if fan_out.pressed {
                            session.press();
                        }
                        router.accept(&session, reference, accepted, fan_out);
                    }
                    Err(refusal) => router.refuse(&session, reference, refusal),
                }
                // Only now: what comes next must not be answered before this.
                router.written(&session);
            }),
        );
    }

    /// Emits without a session.
    pub fn publish(&self, identity: &Identity, emit: Emit) -> Result<Publishing, Refusal> {
        let settings = self.allow(identity, &emit)?;
        if !emit.idempotency_key.is_empty() || self.is_kept(&settings, &emit.target, emit.class) {
            let (tells, hears) = oneshot::channel();
            let keeping = self.keeping(self.next_event_id(), Origin::Identity(identity), emit, settings);
            self.keep(
                keeping,
                Box::new(move |router, outcome| {
                    let outcome = outcome.map(|taken| router.published(taken.accepted, taken.fan_out));
                    // The caller may have gone: then nobody wants to know.
                    drop(tells.send(outcome));
                }),
            );
            return Ok(Publishing::Later(hears));
        }
        if let (true, Some(router)) = (self.is_elsewhere(None, &emit), self.this.upgrade()) {
            let (tells, hears) = oneshot::channel();
            let identity = identity.clone();
            self.tasks.spawn("elsewhere", async move {
                let id = router.send_elsewhere(Origin::Identity(&identity), emit).await;
                // The caller may have gone: then nobody wants to know.
                drop(tells.send(Ok(router.published(accepted(id, 0), FanOut::default()))));
            });
            return Ok(Publishing::Later(hears));
        }
        let (id, fan_out) = self.send(Origin::Identity(identity), emit, &settings)?;
        Ok(Publishing::Done(self.published(accepted(id, fan_out.delivered), fan_out)))
    }

    fn published(&self, accepted: Accepted, fan_out: FanOut) -> Published {
        let pressed = fan_out.pressed;
        self.settle_fan_out(fan_out);
        Published { accepted, pressed }
    }

    pub(super) fn keeping(
        &self,
        id: EventId,
        origin: Origin<'_>,
        emit: Emit,
        settings: Arc<NamespaceSettings>,
    ) -> Keeping {
        let Emit { namespace, target, content, class, idempotency_key, replies } = emit;
        let kept = replies.is_none() && self.is_kept(&settings, &target, class);
        let rooms = if kept { target.rooms().to_vec() } else { Vec::new() };
        let (namespace, sender) = (namespace.into_string(), origin.sender());
        let user = sender.user.clone();
        let event = event(&namespace, &target, content, (id, sender));
        let sender = origin.session().map(|session| session.id);
        Keeping { namespace, settings, target, rooms, sender, user, event, class, idempotency_key }
    }

    /// Whether an identity may send this, and what holds in the namespace.
    pub(super) fn allow(&self, identity: &Identity, emit: &Emit) -> Result<Arc<NamespaceSettings>, Refusal> {
        let namespace = emit.namespace.as_str();
        let right = if matches!(emit.target.who, Who::AnyOf(_)) { Right::Call } else { Right::Emit };
        let rooms = emit.target.rooms();
        let in_rooms = rooms.iter().all(|room| identity.may(right, namespace, Some(room.as_str())));
        let beyond = !emit.target.beyond_rooms() || identity.may(right, namespace, None);
        if !in_rooms || !beyond {
            return Err(forbidden());
        }
        let settings = self.hub.namespaces.settings(namespace).ok_or_else(hub::unknown)?;
        content::payload(content::content_bytes(&emit.content), settings.payload_bytes_max)?;
        Ok(settings)
    }

    /// Sends an event that asks for no replies.
    fn send(
        &self,
        origin: Origin<'_>,
        emit: Emit,
        settings: &NamespaceSettings,
    ) -> Result<(EventId, FanOut), Refusal> {
        let id = self.next_event_id();
        let (target, namespace, frame) = encode(origin, emit, id, String::new());
        let sent = self.hub.emit(Emission {
            namespace: &namespace,
            settings,
            target: &target,
            sender: origin.session().map(|session| session.id.key),
            what: What::Frame(&frame),
            charged: false,
            now: clock::now(),
        });
        let mut fan_out = sent.map_err(|held| self.let_go(held))?;
        self.tell_others(&namespace, &target, &frame);
        if let (Some(session), Some(_), false) = (origin.session(), &self.bridge, target.local) {
            session.says_afar(frame.bytes(), &self.limits.session);
        }
        if !target.local {
            self.tell_programs(settings, target.rooms(), &frame);
        }
        if let Some(due) = fan_out.due.take() {
            self.flush_at(due, namespace, target);
        }
        Ok((id, fan_out))
    }

    /// Sends an event whose receivers are asked for replies, here and on other nodes; `asker` is told of them.
    pub(super) fn send_asking(
        &self,
        origin: Origin<'_>,
        emit: Emit,
        settings: &NamespaceSettings,
        (id, asker): (EventId, Asker),
    ) -> Result<FanOut, Refusal> {
        let timeout = emit.replies.unwrap_or_default();
        let (deadline, nodes) = (clock::now() + timeout, self.nodes_asked(&emit.target));
        let (target, namespace, frame) = encode(origin, emit, id, id.to_string());
        let emission = Emission {
            namespace: &namespace,
            settings,
            target: &target,
            sender: origin.session().map(|session| session.id.key),
            what: What::Frame(&frame),
            charged: false,
            now: clock::now(),
        };
        let sent = self.hub.emit_asking(emission, |receivers| {
            let asked = Asked { receivers, nodes: nodes.clone() };
            self.wait_for_replies(id, asker, asked, deadline)
        });
        let fan_out = sent.map_err(|held| self.let_go(held))?;
        self.ask_nodes(&nodes, (&namespace, &target, &frame), id, timeout);
        Ok(fan_out)
    }

    /// Tells a session that its event was taken, and sees to those who fell behind by it.
    pub(super) fn accept(&self, session: &Arc<Session>, reference: u32, accepted: Accepted, fan_out: FanOut) {
        if reference != 0 {
            self.answer(session, Frame::answer(reference, Body::Accepted(accepted)));
        }
        self.settle_fan_out(fan_out);
    }

    /// Counts, and closes those who fell behind.
    pub(super) fn settle_fan_out(&self, fan_out: FanOut) {
        self.metrics.events.inc();
        self.metrics.deliveries.inc_by(fan_out.delivered.into());
        self.settle_drops(fan_out);
    }

    /// The same of an event that another node has taken.
    pub(super) fn settle_heard(&self, fan_out: FanOut) {
        self.metrics.deliveries.inc_by(fan_out.delivered.into());
        self.settle_drops(fan_out);
    }

    /// Sees to what a refused event has led to all the same.
    pub(super) fn let_go(&self, held: Held) -> Refusal {
        self.settle_drops(*held.before);
        held.refusal
    }

    /// Counts what was dropped, and closes those who fell behind.
    fn settle_drops(&self, fan_out: FanOut) {
        if fan_out.dropped > 0 {
            let cause = CauseLabel { cause: "behind" };
            self.metrics.drops.get_or_create(&cause).inc_by(fan_out.dropped.into());
        }
        self.close_behind(fan_out.behind);
    }

    /// Sees to it that what a busy room gathers is handed out when its window is over. One task for each window.
    pub(super) fn flush_at(&self, due: Instant, namespace: String, target: Target) {
        let Some(router) = self.this.upgrade() else { return };
        self.tasks.spawn("window", async move {
            tokio::select! {
                () = tokio::time::sleep_until(due) => {}
                () = router.tasks.stopping().cancelled() => {}
            }
            let room = target.rooms().first().map(RoomName::as_str).unwrap_or_default();
            let fan_out = router.hub.flush(&namespace, room, clock::now());
            router.settle_drops(fan_out);
        });
    }

    pub(super) fn next_event_id(&self) -> EventId {
        EventId { node: self.node, number: self.next_event.fetch_add(1, Ordering::Relaxed) }
    }
}

/// A session emits only into namespaces that it has entered, and into rooms as the namespace demands.
fn check_membership(session: &Session, emit: &Emit, settings: &NamespaceSettings) -> Result<(), Refusal> {
    let memberships = session.memberships.lock();
    let namespace = emit.namespace.as_str();
    if memberships.rooms(namespace).is_none() {
        return Err(hub::not_entered());
    }
    let member = |room: &RoomName| memberships.holds(namespace, room.as_str());
    if settings.emit_requires_member && !emit.target.rooms().iter().all(member) {
        let refusal = Refusal::new(RefusalCode::NotAMember, "only members of the room may emit to it");
        return Err(Refusal { retry: Retry::AfterChange, ..refusal });
    }
    Ok(())
}

/// Encodes an event, once for all its receivers.
pub(super) fn encode(
    origin: Origin<'_>,
    emit: Emit,
    id: EventId,
    reply_token: String,
) -> (Target, String, Frame) {
    let Emit { namespace, target, content, class, .. } = emit;
    let namespace = namespace.into_string();
    let mut event = event(&namespace, &target, content, (id, origin.sender()));
    event.reply_token = reply_token;
    (target, namespace, Frame::event(event, class))
}

/// An event, complete but for its place in a history.
fn event(namespace: &str, target: &Target, content: Content, (id, sender): (EventId, Sender)) -> Event {
    Event {
        namespace: namespace.to_owned(),
        rooms: target.rooms().iter().map(|room| room.as_str().to_owned()).collect(),
        content: Some(content),
        event_id: id.to_string(),
        sender: Some(sender),
        sent_at: Some(timestamp(clock::wall())),
        ..Event::default()
    }
}

fn timestamp(at: SystemTime) -> prost_types::Timestamp {
    prost_types::Timestamp::from(at)
}

/// Nothing is kept: the event is in the memory of its receivers' outboxes.
pub(super) fn accepted(id: EventId, recipients_here: u32) -> Accepted {
    Accepted {
        event_id: id.to_string(),
        recipients_here,
        offset: None,
        durability: Durability::Memory.into(),
        ..Default::default()
    }
}

#[cfg(test)]
#[path = "emit_tests.rs"]
mod tests;
