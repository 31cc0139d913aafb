//! Where what is kept and what is new meet: a session that joins is told, at the point where its membership holds, how far
//! the history of each room has come, and is owed what it asked for up to there. What is new comes behind that.

use std::sync::Arc;

use rialto_proto::{
    node::Head,
    v1::{self, Missed, Recovery, server_frame::Frame as Body},
};

use super::Router;
use crate::{
    auth::{Identity, Right},
    base::config::HistoryKind,
    hub::{Found, Told},
    session::owed::{Owed, StateAfter, Stretch},
    wire::{
        Frame,
        command::{Join, Place},
    },
};

/// What a join asks for from before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Before<'a> {
    pub(super) recover: &'a [Place],
    pub(super) newest: u32,
    pub(super) state: bool,
}

impl<'a> Before<'a> {
    /// Nothing.
    pub(super) const NOTHING: Before<'static> = Before { recover: &[], newest: 0, state: false };

    /// What a join asks for.
    pub(super) fn of(join: &'a Join) -> Self {
        Self { recover: &join.recover, newest: join.newest, state: join.state }
    }
}

impl Router {
    /// What a session is told that joins.
    pub(super) fn told(
        &self,
        (reference, identity, namespace): (u32, &Identity, &str),
        found: Vec<Found>,
        before: Before<'_>,
    ) -> Told {
        let name: Arc<str> = namespace.into();
        let (mut missed, mut owed) = (Vec::new(), Vec::new());
        let mut rooms = Vec::with_capacity(found.len());
        for Found { mut state, fresh } in found {
            let room: Arc<str> = state.room.as_str().into();
            let head = self.stand(namespace, &room);
            if let Some(head) = &head {
                state.epoch.clone_from(&head.epoch);
                state.offset = Some(head.last_offset);
                state.first_offset = Some(head.first_offset);
            } else if self.keeps_history(namespace) {
                // None yet: the first event will have 1.
                state.offset = Some(0);
            }
            // Who is a member already has everything; it would come out of order.
            if fresh {
                let may = identity.may(Right::History, namespace, Some(&room));
                let asked = Asked { namespace: &name, room: &room, head, may };
                let answer = asked.answer(before);
                state.recovery = answer.recovery.into();
                missed.extend(answer.missed);
                owed.extend(answer.stretch.map(Owed::Events));
            }
            if before.state {
                let (namespace, room) = (Arc::clone(&name), Arc::clone(&room));
                owed.push(Owed::State(StateAfter {
                    namespace,
                    room,
                    epoch: String::new(),
                    revision: 0,
                    known: 0,
                }));
            }
            rooms.push(state);
        }
        let joined = v1::Joined { namespace: namespace.to_owned(), rooms };
        let mut frames = vec![Frame::answer(reference, Body::Joined(joined))];
        frames.extend(missed.into_iter().map(Frame::missed));
        Told { frames, owed }
    }

    /// Where the history of a room stands for those here; `None` when it has none.
    pub(super) fn stand(&self, namespace: &str, room: &str) -> Option<Head> {
        let head = match self.parts.of_here(namespace, room) {
            Some(part) => part.histories.stand(namespace, room),
            None => self.mirror.lock().stand(namespace, room)?,
        };
        (!head.epoch.is_empty()).then_some(head)
    }

    pub(super) fn keeps_history(&self, namespace: &str) -> bool {
        let settings = self.hub.namespaces.settings(namespace);
        settings.is_some_and(|settings| settings.history != HistoryKind::Off)
    }
}

/// A room whose history may be asked for.
struct Asked<'a> {
    namespace: &'a Arc<str>,
    room: &'a Arc<str>,
    head: Option<Head>,
    may: bool,
}

/// What is answered to who asks for what was before.
#[derive(Default)]
struct Answer {
    recovery: Recovery,
    missed: Option<Missed>,
    stretch: Option<Stretch>,
}

impl Asked<'_> {
    fn answer(&self, before: Before<'_>) -> Answer {
        if let Some(place) = before.recover.iter().find(|place| place.room.as_str() == &**self.room) {
            return self.recover(place);
        }
        let newest = u64::from(before.newest);
        let stretch = self.head.as_ref().filter(|_| self.may && newest > 0).and_then(|head| {
            let from = (head.last_offset + 1).saturating_sub(newest).max(head.first_offset);
            self.stretch(head, from)
        });
        Answer { stretch, ..Answer::default() }
    }

    /// Everything after a place, or what is left of it.
    fn recover(&self, place: &Place) -> Answer {
        let Some(head) = self.head.as_ref().filter(|_| self.may) else {
            // Where there was nothing and is nothing, nothing is missing.
            let nothing = self.may && place.epoch.is_empty() && place.offset == 0;
            return if nothing { whole(None) } else { self.lost(place, None) };
        };
        // Before its first event a history has no epoch.
        let same = place.epoch == head.epoch || (place.epoch.is_empty() && place.offset == 0);
        if !same || place.offset > head.last_offset {
            return self.lost(place, self.stretch(head, head.first_offset));
        }
        let stretch = self.stretch(head, place.offset + 1);
        if place.offset + 1 < head.first_offset {
            return Answer { recovery: Recovery::Partial, missed: None, stretch };
        }
        whole(stretch)
    }

    /// What was after the place is not to be had.
    fn lost(&self, place: &Place, stretch: Option<Stretch>) -> Answer {
        let missed = Missed {
            namespace: self.namespace.to_string(),
            rooms: vec![self.room.to_string()],
            count: 0,
            from_offset: Some(place.offset.saturating_add(1)),
            to_offset: None,
            epoch: place.epoch.clone(),
        };
        Answer { recovery: Recovery::Lost, missed: Some(missed), stretch }
    }

    fn stretch(&self, head: &Head, from: u64) -> Option<Stretch> {
        (from <= head.last_offset).then(|| Stretch {
            namespace: Arc::clone(self.namespace),
            room: Arc::clone(self.room),
            epoch: head.epoch.clone(),
            from,
            to: head.last_offset,
        })
    }
}

fn whole(stretch: Option<Stretch>) -> Answer {
    Answer { recovery: Recovery::Whole, missed: None, stretch }
}
