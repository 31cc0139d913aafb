//! An event for rooms of several parts: each part keeps it by itself, and whoever is in several of the rooms hears it by the
//! first of them.

use std::sync::Arc;

use parking_lot::Mutex;
use rialto_proto::v1::Accepted;

use super::{
    Router,
    keeping::{Done, Keeping, Taken},
};
use crate::{
    base::{ids::RoomName, refusal::Refusal},
    hub::FanOut,
    wire::target::Who,
};

impl Router {
    /// Keeps an event in rooms of several parts: in each by itself, and with whoever is in several rooms it comes by the first.
    pub(super) fn keep_apart(&self, keeping: Keeping, done: Done) {
        let mut groups: Vec<(u32, Vec<RoomName>)> = Vec::new();
        for room in &keeping.rooms {
            let part = self.parts.of(&keeping.namespace, room.as_str());
            match groups.iter_mut().find(|(of, _)| *of == part) {
                Some((_, rooms)) => rooms.push(room.clone()),
                None => groups.push((part, vec![room.clone()])),
            }
        }
        let apart = Arc::new(Mutex::new(Apart {
            left: groups.len(),
            taken: Vec::new(),
            refused: None,
            done: Some(done),
        }));
        let mut before: Vec<RoomName> = Vec::new();
        for (part, rooms) in groups {
            let mut one = keeping.clone();
            one.target.except_rooms.clone_from(&before);
            if let Who::Union { rooms: said, sessions, users } = &mut one.target.who {
                said.clone_from(&rooms);
                if !before.is_empty() {
                    sessions.clear();
                    users.clear();
                }
            }
            before.extend(rooms.iter().cloned());
            one.rooms = rooms;
            let apart = Arc::clone(&apart);
            self.keep_in(part, one, Box::new(move |router, outcome| Apart::note(&apart, router, outcome)));
        }
    }
}

/// An event that is kept in several parts.
struct Apart {
    left: usize,
    taken: Vec<Taken>,
    refused: Option<Refusal>,
    done: Option<Done>,
}

impl Apart {
    fn note(apart: &Mutex<Self>, router: &Router, outcome: Result<Taken, Refusal>) {
        let mut all = apart.lock();
        all.left -= 1;
        match outcome {
            Ok(taken) => all.taken.push(taken),
            Err(refusal) => all.refused = Some(refusal),
        }
        if all.left > 0 {
            return;
        }
        let (taken, refused, done) = (std::mem::take(&mut all.taken), all.refused.take(), all.done.take());
        drop(all);
        let Some(done) = done else { return };
        match refused {
            // Somewhere it may have been taken.
            Some(refusal) => done(router, Err(refusal)),
            None => done(router, Ok(together(taken))),
        }
    }
}

fn together(taken: Vec<Taken>) -> Taken {
    let mut all = Taken { accepted: Accepted::default(), fan_out: FanOut::default() };
    all.accepted.duplicate = true;
    for Taken { accepted, fan_out } in taken {
        all.accepted.event_id = accepted.event_id;
        all.accepted.positions.extend(accepted.positions);
        all.accepted.durability = accepted.durability;
        all.accepted.duplicate &= accepted.duplicate;
        all.accepted.recipients_here += accepted.recipients_here;
        all.fan_out.delivered += fan_out.delivered;
        all.fan_out.absorb(fan_out);
    }
    all
}
