//! One match over the commands of a session. Every command has one answer: done, or refused.

use std::sync::Arc;

use rialto_proto::v1::{self, ClientFrame, CloseCode, RefusalCode, server_frame::Frame as Body};

use super::Router;
use crate::{
    auth::Right,
    base::{
        clock,
        ids::{NamespaceName, RoomName},
        refusal::{Closing, Refusal},
    },
    hub::Joining,
    session::Session,
    wire::{
        Frame,
        command::{Command, Join},
    },
};

impl Router {
    /// Carries out one frame of a session and answers it. Waits for nothing.
    pub fn dispatch(&self, session: &Arc<Session>, frame: ClientFrame) {
        let reference = frame.r#ref;
        let taken = session.take_ref(reference);
        let command = taken.and_then(|()| Command::parse(frame, &self.limits.session));
        let outcome = command.and_then(|command| self.carry_out(session, reference, command));
        if let Err(refusal) = outcome {
            self.refuse(session, reference, refusal);
        }
    }

    fn carry_out(&self, session: &Arc<Session>, reference: u32, command: Command) -> Result<(), Refusal> {
        match command {
            Command::Emit(emit) => self.emit(session, reference, *emit),
            Command::Reply(reply) => self.reply(session, reply),
            Command::Join(join) => self.join(session, reference, join),
            Command::Part(namespace, rooms) => {
                self.part(session, reference, &namespace, &rooms);
                Ok(())
            }
            Command::Enter(namespace) => self.enter(session, reference, namespace),
            Command::Leave(namespace) => {
                self.leave(session, reference, &namespace);
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
            // A sign of life is all that these two are while sessions end with their streams.
            Command::Pong | Command::Seen(_) => Ok(()),
            Command::SetState(_) => Err(Refusal::invalid("set_state", "is not carried out by this node")),
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

    /// Joins all rooms or none.
    pub(super) fn join(&self, session: &Arc<Session>, reference: u32, join: Join) -> Result<(), Refusal> {
        let Join { namespace, rooms, presence, .. } = join;
        let namespace = namespace.into_string();
        let identity = session.identity();
        for room in &rooms {
            let room = Some(room.as_str());
            let allowed = identity.may(Right::Join, &namespace, room)
                && (!presence || identity.may(Right::Presence, &namespace, room));
            if !allowed {
                return Err(forbidden());
            }
        }
        let joining = Joining { session, namespace: &namespace, rooms: &rooms, presence, now: clock::now() };
        self.join_or_enter(joining, |rooms| {
            Frame::answer(reference, Body::Joined(v1::Joined { namespace: namespace.clone(), rooms }))
        })
    }

    fn enter(&self, session: &Arc<Session>, reference: u32, namespace: NamespaceName) -> Result<(), Refusal> {
        let namespace = namespace.into_string();
        if !session.identity().may_enter(&namespace) {
            return Err(forbidden());
        }
        let joining =
            Joining { session, namespace: &namespace, rooms: &[], presence: false, now: clock::now() };
        self.join_or_enter(joining, |_| {
            Frame::answer(reference, Body::Entered(v1::Entered { namespace: namespace.clone() }))
        })
    }

    fn join_or_enter(
        &self,
        joining: Joining<'_>,
        answer: impl FnOnce(Vec<v1::RoomState>) -> Frame,
    ) -> Result<(), Refusal> {
        let changed = self.hub.join(joining, |states, _| Some(answer(states)))?;
        self.close_behind(changed.behind);
        Ok(())
    }

    fn part(&self, session: &Arc<Session>, reference: u32, namespace: &NamespaceName, rooms: &[RoomName]) {
        let changed = self.hub.part(session, namespace.as_str(), rooms, |rooms| {
            let namespace = namespace.as_str().to_owned();
            Some(Frame::answer(reference, Body::Parted(v1::Parted { namespace, rooms })))
        });
        self.close_behind(changed.behind);
    }

    fn leave(&self, session: &Arc<Session>, reference: u32, namespace: &NamespaceName) {
        let changed = self.hub.leave(session, namespace.as_str(), |rooms| {
            let namespace = namespace.as_str().to_owned();
            Some(Frame::answer(reference, Body::Left(v1::Left { namespace, rooms })))
        });
        self.close_behind(changed.behind);
    }
}

/// The right is missing. Says the same whatever exists.
pub(super) fn forbidden() -> Refusal {
    Refusal::forbidden("the right for this is missing")
}
