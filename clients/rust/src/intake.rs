//! What each frame of the server means to the session: whom it is given to and what changes by it. One match, in the
//! order of the contract; called by the loop in `conversation.rs`.

use rialto_proto::v1::{self, Drain, ServerFrame, client_frame::Command as Wire, server_frame::Frame};
use tokio::time::Instant;

use crate::{
    conversation::Conversation,
    error::{Refusal, Retry, span},
    link::{Awaiting, Command},
    membership::one_by_one,
    outstanding::Settled,
    room::RoomState,
    status::{Missed, Report},
    step::Ending,
};

impl Conversation<'_> {
    /// Takes one frame. Kinds that this version does not know are passed over.
    pub(super) fn take(&mut self, frame: ServerFrame) -> Option<Ending> {
        match frame.frame? {
            Frame::Event(event) => self.event(event),
            Frame::Presence(presence) => self.presence(presence),
            Frame::StateChanges(changes) => self.far.audience.state(changes, &mut self.kept.parked),
            Frame::Missed(missed) => {
                self.kept.positions().missed(&missed);
                self.far.audience.tell(Report::Missed(missed.into()));
            }
            Frame::Drain(drain) => self.drain(&drain),
            Frame::Close(close) => return Some(Ending::Closed(close.into())),
            // A sign of life, which has been noted already and needs no answer.
            Frame::Ping(_) | Frame::Welcome(_) => {}
            answer if frame.r#ref == 0 && !self.kept.greeted.is_empty() => self.greeted(answer),
            answer => self.settle(frame.r#ref, answer),
        }
        None
    }

    /// Makes the payload whole first, also of an event that the application has had: the next may build on it.
    fn event(&mut self, mut event: v1::Event) {
        let builds =
            event.delta.is_some() || self.kept.membership().takes_deltas(&event.namespace, &event.rooms);
        let made = if builds { self.kept.deltas.restore(&mut event) } else { Ok(()) };
        if !self.kept.positions().is_new(&event) {
            return;
        }
        match made {
            Ok(()) => {
                let reached = self.kept.reached(&event);
                self.far.audience.event(event, reached, &mut self.kept.parked);
            }
            Err(unmade) => {
                tracing::debug!(id = event.event_id, %unmade, "an event cannot be made whole");
                self.far.audience.tell(Report::Missed(Missed::unmade(&event)));
                for room in &event.rooms {
                    self.kept.join_again(&event.namespace, room, |join| join.delta);
                }
            }
        }
    }

    /// When names are missing that could be there the room is joined once more, which tells them.
    fn presence(&mut self, presence: v1::Presence) {
        let place = (presence.namespace.clone(), presence.room.clone());
        if self.far.audience.presence(presence, &mut self.kept.parked) {
            self.kept.join_again(&place.0, &place.1, |join| join.presence);
        }
    }

    /// A join was answered: what is known of its rooms begins with that.
    fn found(&mut self, join: &v1::Join, joined: &v1::Joined) {
        self.kept.positions().joined(join, joined);
        for state in joined.rooms.iter().filter(|_| join.presence) {
            self.far.audience.found(&joined.namespace, state, &mut self.kept.parked);
        }
    }

    /// The server will stop: move in the time that it gave to this session.
    fn drain(&mut self, drain: &Drain) {
        let now = Instant::now();
        let delay = span(drain.delay.as_ref());
        let within = span(drain.reconnect_within.as_ref()).max(delay);
        self.move_between.get_or_insert((now + delay, now + within));
        self.far.audience.tell(Report::Draining);
    }

    /// An answer to what the greeting asked for. They come in order, and before anything else that has no number.
    fn greeted(&mut self, answer: Frame) {
        let Some(join) = self.kept.greeted.pop_front() else { return };
        match answer {
            Frame::Joined(joined) if joined.rooms.iter().map(|state| &state.room).eq(&join.rooms) => {
                self.found(&join, &joined);
                self.rejoined(&join, joined);
            }
            Frame::Refused(refused) => self.rejoin_refused(Wire::Join(join), refused.into()),
            other => {
                self.kept.greeted.push_front(join);
                self.unasked(other);
            }
        }
    }

    fn settle(&mut self, number: u32, answer: Frame) {
        if let Frame::Refreshed(refreshed) = &answer
            && refreshed.expires_in.is_some()
        {
            self.renewal.lasts(Some(span(refreshed.expires_in.as_ref())));
        }
        match (&answer, self.kept.outstanding.command(number)) {
            (Frame::Joined(joined), Some(Wire::Join(join))) => {
                let (join, joined) = (join.clone(), joined.clone());
                self.found(&join, &joined);
                if self.kept.outstanding.is_rejoin(number) {
                    self.rejoined(&join, joined);
                }
            }
            (Frame::Accepted(accepted), Some(Wire::Emit(emit))) => {
                self.kept.positions().accepted(emit, accepted);
            }
            _ => {}
        }
        match self.kept.outstanding.settle(number, answer, &mut self.kept.parked) {
            Settled::Nothing => {}
            Settled::Done(command) => self.done(&command),
            Settled::RejoinRefused(command, refusal) => self.rejoin_refused(command, refusal),
            Settled::Refused(refusal) => self.far.audience.tell(Report::Refused(refusal)),
            // With a number it is a late answer, whose caller has given up.
            Settled::Unasked(frame) if number == 0 => self.unasked(frame),
            Settled::Unasked(_) => {}
        }
    }

    fn done(&mut self, command: &Wire) {
        match command {
            Wire::Part(part) => self.parted(&part.namespace, &part.rooms),
            Wire::Leave(leave) => self.left(&leave.namespace),
            Wire::Refresh(refresh) => self.far.line.renew(&refresh.token),
            other => self.kept.membership().done(other),
        }
    }

    /// Rooms of the session before are joined again. Where nothing says what came between, something may be missing.
    fn rejoined(&mut self, join: &v1::Join, joined: v1::Joined) {
        let rooms = joined.rooms.iter().map(|state| state.room.as_str());
        self.kept.membership().returned(&joined.namespace, rooms);
        for state in &joined.rooms {
            let asked = join.recover.iter().any(|at| at.room == state.room);
            if !asked || state.recovery() == v1::Recovery::Unspecified {
                self.far.audience.tell(Report::Missed(Missed::unknown(&joined.namespace, &state.room)));
            }
        }
        self.far.audience.tell(Report::Rejoined {
            namespace: joined.namespace,
            rooms: joined.rooms.into_iter().map(RoomState::from).collect(),
        });
    }

    /// A room that cannot be joined again now is tried later if the server says so, and given up otherwise.
    fn rejoin_refused(&mut self, command: Wire, refusal: Refusal) {
        match (&command, refusal.retry) {
            (Wire::Join(join), _) if join.rooms.len() > 1 => {
                for wire in one_by_one(join) {
                    self.kept.send(Command { wire, awaiting: Awaiting::Rejoin });
                }
            }
            (_, Retry::After(wait)) => self.kept.later.push((Instant::now() + wait, command)),
            (Wire::Join(join), _) => {
                self.parted(&join.namespace, &join.rooms);
                self.give_up(&join.namespace, join.rooms.first(), refusal);
            }
            (Wire::Enter(enter), _) => {
                self.left(&enter.namespace);
                self.give_up(&enter.namespace, None, refusal);
            }
            _ => {}
        }
    }

    fn give_up(&self, namespace: &str, room: Option<&String>, refusal: Refusal) {
        self.far.audience.tell(Report::RejoinRefused {
            namespace: namespace.to_owned(),
            room: room.cloned().unwrap_or_default(),
            refusal,
        });
    }

    fn parted(&mut self, namespace: &str, rooms: &[String]) {
        self.kept.parted(namespace, rooms);
        self.far.audience.parted(namespace, Some(rooms));
    }

    fn left(&mut self, namespace: &str) {
        self.kept.left(namespace);
        self.far.audience.parted(namespace, None);
    }

    /// What somebody else has done to this session, or a refusal of something that nobody waits for.
    fn unasked(&mut self, frame: Frame) {
        let report = match frame {
            Frame::Refused(refused) => Report::Refused(refused.into()),
            Frame::Joined(joined) => {
                // A position is known of every room that the session is in, so that nothing of it is handed on twice.
                self.kept.positions().joined(&v1::Join::default(), &joined);
                let rooms: Vec<String> = joined.rooms.into_iter().map(|state| state.room).collect();
                self.kept.membership().brought(&joined.namespace, &rooms);
                Report::Joined { namespace: joined.namespace, rooms }
            }
            Frame::Parted(parted) => {
                self.parted(&parted.namespace, &parted.rooms);
                Report::Parted { namespace: parted.namespace, rooms: parted.rooms }
            }
            Frame::Left(left) => {
                self.left(&left.namespace);
                Report::Parted { namespace: left.namespace, rooms: Vec::new() }
            }
            _ => return,
        };
        self.far.audience.tell(report);
    }
}
