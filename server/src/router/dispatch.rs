//! One match over the commands of a session. Every command has one answer: done, or refused.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use rialto_proto::v1::{
    self, ClientFrame, CloseCode, RefusalCode, client_frame::Command as Wire, content,
    server_frame::Frame as Body, set_state,
};

use super::{Router, recover::Before};
use crate::{
    auth::{Identity, Right},
    base::{
        clock,
        ids::{NamespaceName, RoomName},
        refusal::{Closing, Refusal},
    },
    hub::{Found, Joining, Told, Wishes},
    session::{Session, answers::Recall},
    wire::{
        Frame,
        command::{Command, Emit, Join},
        target::Target,
    },
};

impl Router {
    /// Carries out one frame of a session and answers it. Waits for nothing.
    pub fn dispatch(&self, session: &Arc<Session>, frame: ClientFrame) {
        let reference = frame.r#ref;
        let digest = once_only(&frame);
        let fresh = session.take_ref(reference);
        if let Some(digest) = digest.filter(|_| fresh) {
            session.note_taken(reference, digest);
        }
        let outcome = if fresh { Ok(true) } else { self.repeat(session, reference, digest) };
        let outcome = outcome.and_then(|carry_out| {
            if !carry_out {
                return Ok(());
            }
            let command = Command::parse(frame, &self.limits.session)?;
            self.in_turn(session, reference, command)
        });
        if let Err(refusal) = outcome {
            self.refuse(session, reference, refusal);
        }
    }

    /// Carries out a command now or, while something of the session waits for the log, behind that: so that neither
    /// events nor answers overtake each other. What is for the log as well goes there at once.
    pub(super) fn in_turn(
        &self,
        session: &Arc<Session>,
        reference: u32,
        command: Command,
    ) -> Result<(), Refusal> {
        if matches!(command, Command::Pong | Command::Seen(_)) {
            return self.carry_out(session, reference, command);
        }
        match session.pipeline.enter(reference, command, |command| self.way(command)) {
            Some(command) => self.carry_out(session, reference, command),
            None => Ok(()),
        }
    }

    /// Notes that something of a session was written and answered, and carries out what has waited behind it.
    pub(super) fn written(&self, session: &Arc<Session>) {
        if session.pipeline.written() {
            self.advance(session);
        }
    }

    /// The same of what kept everything waiting.
    pub(super) fn unblocked(&self, session: &Arc<Session>) {
        if session.pipeline.unblock() {
            self.advance(session);
        }
    }

    fn advance(&self, session: &Arc<Session>) {
        while let Some((reference, command)) = session.pipeline.next(|command| self.way(command)) {
            if let Err(refusal) = self.carry_out(session, reference, command) {
                self.refuse(session, reference, refusal);
            }
        }
    }

    /// The part whose log a command is for, when it is for one: of those one does not overtake another.
    fn way(&self, command: &Command) -> Option<u32> {
        match command {
            Command::Emit(emit) if self.is_written(emit) => {
                self.part_of(emit.namespace.as_str(), &emit.target)
            }
            Command::SetState(set) if self.is_durable(&set.namespace) => {
                Some(self.parts.of(set.namespace.as_str(), set.room.as_str()))
            }
            _ => None,
        }
    }

    /// The part that all rooms of a target fall into; `None` for several.
    pub(super) fn part_of(&self, namespace: &str, target: &Target) -> Option<u32> {
        let mut parts = target.rooms().iter().map(|room| self.parts.of(namespace, room.as_str()));
        let first = parts.next()?;
        parts.all(|part| part == first).then_some(first)
    }

    /// Whether an event is for the log.
    pub fn is_written(&self, emit: &Emit) -> bool {
        let settings = self.hub.namespaces.settings(emit.namespace.as_str());
        emit.replies.is_none()
            && settings.is_some_and(|settings| {
                self.is_written_down(&settings) && self.is_kept(&settings, &emit.target, emit.class)
            })
    }

    fn is_durable(&self, namespace: &NamespaceName) -> bool {
        let settings = self.hub.namespaces.settings(namespace.as_str());
        settings.is_some_and(|settings| self.is_written_down(&settings))
    }

    /// Answers a command that comes again as it was answered. True when it may as well be carried out again.
    fn repeat(&self, session: &Arc<Session>, reference: u32, digest: Option<u64>) -> Result<bool, Refusal> {
        let Some(digest) = digest else { return Ok(true) };
        match session.recall(reference, digest) {
            Recall::Answered(frame) => {
                self.answer(session, frame);
                Ok(false)
            }
            Recall::Pending => Ok(false),
            Recall::Other => {
                let reason = format!("ref {reference} was another command");
                Err(Refusal::new(RefusalCode::RefReused, reason))
            }
            Recall::Nothing => {
                let reason = format!("ref {reference} was taken before and its answer is not remembered");
                Err(Refusal::new(RefusalCode::RefReused, reason))
            }
        }
    }

    fn carry_out(&self, session: &Arc<Session>, reference: u32, command: Command) -> Result<(), Refusal> {
        match command {
            Command::Emit(emit) => self.emit(session, reference, *emit),
            Command::Reply(reply) => self.reply(session, reference, reply),
            Command::Join(join) => self.join(session, reference, join),
            Command::Part(namespace, rooms) => {
                self.part(session, reference, namespace.as_str(), &rooms);
                Ok(())
            }
            Command::Enter(namespace) => self.enter(session, reference, namespace),
            Command::Leave(namespace) => {
                self.leave(session, reference, namespace.as_str());
                Ok(())
            }
            Command::Refresh(token) => {
                let refreshed = self.refresh(session, &token)?;
                self.answer(session, Frame::answer(reference, Body::Refreshed(refreshed)));
                Ok(())
            }
            Command::Ping => {
                self.answer(session, Frame::answer(reference, Body::Pong(v1::Pong {})));
                Ok(())
            }
            // A sign of life is all that this is.
            Command::Pong => Ok(()),
            Command::Seen(seq) => {
                session.outbox.seen(seq);
                Ok(())
            }
            Command::SetState(set) => self.set_state(session, reference, *set),
            Command::Wrong(refusal) => Err(refusal),
            Command::Bye => {
                self.close(session, &Closing::new(CloseCode::Bye, "bye"));
                Ok(())
            }
            Command::Hello(_) => {
                let reason = "a second hello";
                self.close(session, &Closing::new(CloseCode::Protocol, reason));
                Err(Refusal::new(RefusalCode::OutOfOrder, reason))
            }
        }
    }

    /// Joins all rooms or none, once this node hears them.
    fn join(&self, session: &Arc<Session>, reference: u32, join: Join) -> Result<(), Refusal> {
        may_join(&session.identity(), &join)?;
        let (namespace, rooms) = (join.namespace.clone(), join.rooms.clone());
        let place = (namespace.as_str(), rooms.as_slice(), join.state);
        self.once_heard((session, reference), place, move |router, session| {
            router.join_now(session, reference, &join)
        })
    }

    fn join_now(&self, session: &Arc<Session>, reference: u32, join: &Join) -> Result<(), Refusal> {
        let identity = session.identity();
        may_join(&identity, join)?;
        let namespace = join.namespace.as_str();
        let wishes = Wishes { presence: join.presence, state: join.state, delta: join.delta };
        let (rooms, now) = (join.rooms.as_slice(), clock::now());
        let joining = Joining { session, namespace, rooms, wishes, arriving: false, now };
        self.join_or_enter(joining, |found| {
            self.told((reference, &identity, namespace), found, Before::of(join))
        })
    }

    fn enter(&self, session: &Arc<Session>, reference: u32, namespace: NamespaceName) -> Result<(), Refusal> {
        let namespace = namespace.into_string();
        if !session.identity().may_enter(&namespace) {
            return Err(forbidden());
        }
        let place = namespace.clone();
        self.once_heard((session, reference), (&place, &[], false), move |router, session| {
            router.enter_now(session, reference, &namespace)
        })
    }

    fn enter_now(&self, session: &Arc<Session>, reference: u32, namespace: &str) -> Result<(), Refusal> {
        let (wishes, now) = (Wishes::default(), clock::now());
        let joining = Joining { session, namespace, rooms: &[], wishes, arriving: false, now };
        self.join_or_enter(joining, |_| {
            let entered = v1::Entered { namespace: namespace.to_owned() };
            Told { frames: vec![Frame::answer(reference, Body::Entered(entered))], owed: Vec::new() }
        })
    }

    fn join_or_enter(
        &self,
        joining: Joining<'_>,
        answer: impl FnOnce(Vec<Found>) -> Told,
    ) -> Result<(), Refusal> {
        let changed = self.hub.join(joining, |states, _| Some(answer(states)))?;
        self.settle_change(changed);
        Ok(())
    }

    pub(super) fn part(&self, session: &Arc<Session>, reference: u32, namespace: &str, rooms: &[RoomName]) {
        let changed = self.hub.part(session, namespace, rooms, |rooms| {
            let namespace = namespace.to_owned();
            Some(Frame::answer(reference, Body::Parted(v1::Parted { namespace, rooms })))
        });
        self.settle_change(changed);
    }

    pub(super) fn leave(&self, session: &Arc<Session>, reference: u32, namespace: &str) {
        let changed = self.hub.leave(session, namespace, |rooms| {
            let namespace = namespace.to_owned();
            Some(Frame::answer(reference, Body::Left(v1::Left { namespace, rooms })))
        });
        self.settle_change(changed);
    }
}

/// Whether an identity may join these rooms, as it asks to.
fn may_join(identity: &Identity, join: &Join) -> Result<(), Refusal> {
    let namespace = join.namespace.as_str();
    for room in &join.rooms {
        let room = Some(room.as_str());
        let allowed = identity.may(Right::Join, namespace, room)
            && (!join.presence || identity.may(Right::Presence, namespace, room))
            && (join.newest == 0 || identity.may(Right::History, namespace, room));
        if !allowed {
            return Err(forbidden());
        }
    }
    Ok(())
}

/// What tells a command that must not be carried out twice from others; `None` for those that may be.
fn once_only(frame: &ClientFrame) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    match frame.command.as_ref()? {
        Wire::Emit(emit) => {
            let content = emit.content.as_ref();
            let name = content.map(|content| (&content.event, &content.key, &content.content_type));
            (&emit.namespace, &emit.target, name).hash(&mut hasher);
            match content.and_then(|content| content.body.as_ref()) {
                Some(content::Body::Text(text)) => text.hash(&mut hasher),
                Some(content::Body::Binary(binary)) => binary.hash(&mut hasher),
                None => {}
            }
        }
        Wire::SetState(set) => {
            (&set.namespace, &set.room, &set.key, set.expected_revision).hash(&mut hasher);
            match &set.body {
                Some(set_state::Body::Text(text)) => text.hash(&mut hasher),
                Some(set_state::Body::Binary(binary)) => binary.hash(&mut hasher),
                None => {}
            }
        }
        Wire::Reply(reply) => reply.reply_token.hash(&mut hasher),
        _ => return None,
    }
    Some(hasher.finish())
}

/// The right is missing. Says the same whatever exists.
pub(super) fn forbidden() -> Refusal {
    Refusal::forbidden("the right for this is missing")
}
