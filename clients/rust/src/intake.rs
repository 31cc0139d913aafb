//! What each frame of the server means to the session: whom it is given to and what changes by it. One match, in the
//! order of the contract; called by the loop in `conversation.rs`.

use rialto_proto::v1::{Drain, ServerFrame, client_frame::Command as Wire, server_frame::Frame};
use tokio::time::Instant;

use crate::{
    conversation::Conversation,
    error::{Refusal, Retry, span},
    link::{Awaiting, Command},
    membership::one_by_one,
    outstanding::Settled,
    status::Incident,
    step::Ending,
};

impl Conversation<'_> {
    /// Takes one frame. Kinds that this version does not know are passed over.
    pub(super) fn take(&mut self, frame: ServerFrame) -> Option<Ending> {
        match frame.frame? {
            Frame::Event(event) => self.far.audience.event(event, &mut self.parked),
            Frame::Presence(presence) => self.far.audience.presence(presence, &mut self.parked),
            Frame::Missed(missed) => self.far.audience.tell(Incident::Missed(missed.into())),
            Frame::Drain(drain) => self.drain(&drain),
            Frame::Close(close) => return Some(Ending::Closed(close.into())),
            // A sign of life, which has been noted already and needs no answer.
            Frame::Ping(_) | Frame::Welcome(_) => {}
            answer => return self.settle(frame.r#ref, answer),
        }
        None
    }

    /// The server will stop: move in the time that it gave to this session.
    fn drain(&mut self, drain: &Drain) {
        let now = Instant::now();
        let delay = span(drain.delay.as_ref());
        let within = span(drain.reconnect_within.as_ref()).max(delay);
        self.move_between.get_or_insert((now + delay, now + within));
        self.far.audience.tell(Incident::Draining);
    }

    fn settle(&mut self, number: u32, answer: Frame) -> Option<Ending> {
        if let Frame::Refreshed(refreshed) = &answer
            && refreshed.expires_in.is_some()
        {
            self.renewal.lasts(Some(span(refreshed.expires_in.as_ref())));
        }
        match self.outstanding.settle(number, answer, &mut self.parked) {
            Settled::Nothing => None,
            Settled::Done(command) => {
                self.kept.membership.done(&command);
                None
            }
            Settled::RejoinRefused(command, refusal) => self.rejoin_refused(command, refusal),
            Settled::RefreshRefused(refusal) => {
                self.far.audience.tell(Incident::Refused(refusal));
                None
            }
            Settled::Unasked(frame) => {
                // With a number it is a late answer, whose caller has given up.
                if number == 0 {
                    self.unasked(frame);
                }
                None
            }
        }
    }

    /// A room that cannot be joined again now is tried later if the server says so, and given up otherwise.
    fn rejoin_refused(&mut self, command: Wire, refusal: Refusal) -> Option<Ending> {
        match (&command, refusal.retry) {
            (Wire::Join(join), _) if join.rooms.len() > 1 => {
                return one_by_one(join).find_map(|wire| {
                    let awaiting = Awaiting::Rejoin;
                    self.send(Command { wire, awaiting }).err()
                });
            }
            (_, Retry::After(wait)) => self.later.push((Instant::now() + wait, command)),
            (Wire::Join(join), _) => {
                self.kept.membership.parted(&join.namespace, &join.rooms);
                self.give_up(&join.namespace, join.rooms.first(), refusal);
            }
            (Wire::Enter(enter), _) => {
                self.kept.membership.left(&enter.namespace);
                self.give_up(&enter.namespace, None, refusal);
            }
            _ => {}
        }
        None
    }

    fn give_up(&self, namespace: &str, room: Option<&String>, refusal: Refusal) {
        self.far.audience.tell(Incident::RejoinRefused {
            namespace: namespace.to_owned(),
            room: room.cloned().unwrap_or_default(),
            refusal,
        });
    }

    /// What somebody else has done to this session, or a refusal of something that nobody waits for.
    fn unasked(&mut self, frame: Frame) {
        let incident = match frame {
            Frame::Refused(refused) => Incident::Refused(refused.into()),
            Frame::Joined(joined) => Incident::Joined {
                namespace: joined.namespace,
                rooms: joined.rooms.into_iter().map(|state| state.room).collect(),
            },
            Frame::Parted(parted) => {
                self.kept.membership.parted(&parted.namespace, &parted.rooms);
                Incident::Parted { namespace: parted.namespace, rooms: parted.rooms }
            }
            Frame::Left(left) => {
                self.kept.membership.left(&left.namespace);
                Incident::Parted { namespace: left.namespace, rooms: Vec::new() }
            }
            _ => return,
        };
        self.far.audience.tell(incident);
    }
}
