//! Where a session is and wants to be, and how far it was handed what was said there. Kept right by the session's actor, by
//! way of `kept.rs`; handles of rooms look at it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use parking_lot::Mutex;

use crate::{
    event::Position,
    membership::{Membership, Place},
    positions::Positions,
    room::RoomStatus,
    status::Status,
};

/// Where a session is. Cheap to clone; all clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Whereabouts {
    /// Locked before `positions`, where both are.
    pub(crate) membership: Arc<Mutex<Membership>>,
    pub(crate) positions: Arc<Mutex<Positions>>,
    /// How many joins of each room the application waits for.
    joining: Arc<Mutex<BTreeMap<Place, usize>>>,
    /// Counts sessions, so that what belongs to one is not taken for another's.
    session: Arc<AtomicU32>,
}

/// A join that the application waits for, until this is dropped.
#[derive(Debug)]
pub(crate) struct Joining {
    joining: Arc<Mutex<BTreeMap<Place, usize>>>,
    places: Vec<Place>,
}

impl Whereabouts {
    /// Which of the sessions that followed each other this is.
    pub(crate) fn session(&self) -> u32 {
        self.session.load(Ordering::Acquire)
    }

    /// Another session has begun.
    pub(crate) fn next_session(&self) {
        self.session.fetch_add(1, Ordering::AcqRel);
    }

    /// The application begins to join these rooms.
    pub(crate) fn begins_to_join(&self, namespace: &str, rooms: &[String]) -> Joining {
        let places: Vec<Place> = rooms.iter().map(|room| (namespace.to_owned(), room.clone())).collect();
        let mut joining = self.joining.lock();
        places.iter().for_each(|place| *joining.entry(place.clone()).or_default() += 1);
        Joining { joining: Arc::clone(&self.joining), places }
    }

    /// How a session that is in this state stands to a room.
    pub(crate) fn status(&self, session: &Status, namespace: &str, room: &str) -> RoomStatus {
        let place = (namespace.to_owned(), room.to_owned());
        let membership = self.membership.lock();
        match session {
            Status::Closed(_) => RoomStatus::Out,
            Status::Attached { .. } if membership.is_in(&place) => RoomStatus::In,
            _ if membership.is_in(&place) || membership.wants(&place) => RoomStatus::Recovering,
            _ if self.joining.lock().contains_key(&place) => RoomStatus::Joining,
            _ => RoomStatus::Out,
        }
    }

    /// How far the history of a room was handed over, also after the room was left.
    pub(crate) fn position(&self, namespace: &str, room: &str) -> Option<Position> {
        self.positions.lock().last(namespace, room).map(Position::from)
    }
}

impl Drop for Joining {
    fn drop(&mut self) {
        let mut joining = self.joining.lock();
        for place in &self.places {
            if let Some(count) = joining.get_mut(place) {
                *count -= 1;
                if *count == 0 {
                    joining.remove(place);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rialto_proto::v1::{self, client_frame::Command as Wire};

    use super::*;
    use crate::closing::Closing;

    #[test]
    fn the_status_of_a_room_never_lies() {
        let at = Whereabouts::default();
        let attached = Status::attached("s", "n");
        let status = |session: &Status| at.status(session, "chat", "hall");
        assert_eq!(status(&attached), RoomStatus::Out);
        let under_way = at.begins_to_join("chat", &["hall".to_owned()]);
        assert_eq!(status(&attached), RoomStatus::Joining);
        drop(under_way);
        assert_eq!(status(&attached), RoomStatus::Out, "whoever waited has given up");
        let join = v1::Join { namespace: "chat".into(), rooms: vec!["hall".into()], ..v1::Join::default() };
        at.membership.lock().done(&Wire::Join(join));
        assert_eq!(status(&attached), RoomStatus::In);
        assert_eq!(status(&Status::Connecting), RoomStatus::Recovering);
        at.membership.lock().afresh();
        assert_eq!(status(&attached), RoomStatus::Recovering, "another session is nowhere at first");
        at.membership.lock().returned("chat", ["hall"]);
        assert_eq!(status(&attached), RoomStatus::In);
        assert_eq!(status(&Status::Closed(Closing::by_application())), RoomStatus::Out);
    }
}
