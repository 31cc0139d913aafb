//! Where the session wants to be: namespaces and rooms that the application has entered, kept over reconnects. Says
//! which commands bring a new session there. Pure; used by `kept.rs` and `intake.rs`.

use std::collections::{BTreeMap, BTreeSet};

use rialto_proto::v1::{self, client_frame::Command as Wire};

use crate::positions::Positions;

/// Rooms that one `Join` may name.
const ROOMS_PER_JOIN: usize = 64;

/// What was asked for with a room, beside its events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Wishes {
    presence: bool,
    state: bool,
    delta: bool,
}

impl Wishes {
    /// They add up over several joins, as they do at the server.
    fn add(&mut self, more: Self) {
        self.presence |= more.presence;
        self.state |= more.state;
        self.delta |= more.delta;
    }
}

/// Namespace and room.
pub(crate) type Place = (String, String);

/// Namespaces and rooms, each room with what was asked for.
#[derive(Debug, Default)]
pub(crate) struct Membership {
    entered: BTreeSet<String>,
    rooms: BTreeMap<String, BTreeMap<String, Wishes>>,
    /// Rooms that somebody else has had the session join: it is in them, and does not return to them.
    guest: BTreeSet<Place>,
    /// Rooms to which another session has not returned yet.
    awaited: BTreeSet<Place>,
}

impl Membership {
    /// The server has carried out `command`.
    pub(crate) fn done(&mut self, command: &Wire) {
        match command {
            Wire::Enter(enter) => {
                self.entered.insert(enter.namespace.clone());
            }
            Wire::Join(join) => {
                let wishes = Wishes { presence: join.presence, state: join.state, delta: join.delta };
                let rooms = self.rooms.entry(join.namespace.clone()).or_default();
                for room in &join.rooms {
                    rooms.entry(room.clone()).or_default().add(wishes);
                    self.awaited.remove(&(join.namespace.clone(), room.clone()));
                }
            }
            Wire::Part(part) => self.parted(&part.namespace, &part.rooms),
            Wire::Leave(leave) => self.left(&leave.namespace),
            _ => {}
        }
    }

    /// The session is no longer in these rooms. It stays in the namespace, as at the server.
    pub(crate) fn parted(&mut self, namespace: &str, rooms: &[String]) {
        self.forget(|place| place.0 == namespace && rooms.contains(&place.1));
        if let Some(here) = self.rooms.get_mut(namespace) {
            here.retain(|room, _| !rooms.contains(room));
            if here.is_empty() {
                self.rooms.remove(namespace);
                self.entered.insert(namespace.to_owned());
            }
        }
    }

    /// The session is no longer in this namespace.
    pub(crate) fn left(&mut self, namespace: &str) {
        self.rooms.remove(namespace);
        self.entered.remove(namespace);
        self.forget(|place| place.0 == namespace);
    }

    fn forget(&mut self, gone: impl Fn(&Place) -> bool) {
        self.guest.retain(|place| !gone(place));
        self.awaited.retain(|place| !gone(place));
    }

    /// Somebody else has had the session join these rooms.
    pub(crate) fn brought(&mut self, namespace: &str, rooms: &[String]) {
        self.guest.extend(rooms.iter().map(|room| (namespace.to_owned(), room.clone())));
    }

    /// The session is another one, which is nowhere until its joins are answered. Returns the rooms that it does not
    /// return to.
    pub(crate) fn afresh(&mut self) -> Vec<Place> {
        let places = self
            .rooms
            .iter()
            .flat_map(|(namespace, rooms)| rooms.keys().map(|room| (namespace.clone(), room.clone())));
        self.awaited = places.collect();
        let guest = std::mem::take(&mut self.guest);
        guest.into_iter().filter(|place| !self.awaited.contains(place)).collect()
    }

    /// The session is in these rooms again.
    pub(crate) fn returned<'r>(&mut self, namespace: &str, rooms: impl IntoIterator<Item = &'r str>) {
        for room in rooms {
            self.awaited.remove(&(namespace.to_owned(), room.to_owned()));
        }
    }

    /// Holds when the session is in a room, or was when its stream was lost.
    pub(crate) fn is_in(&self, place: &Place) -> bool {
        self.guest.contains(place) || (self.wants(place) && !self.awaited.contains(place))
    }

    /// Holds when the application wants to be in a room.
    pub(crate) fn wants(&self, (namespace, room): &Place) -> bool {
        self.rooms.get(namespace).is_some_and(|rooms| rooms.contains_key(room))
    }

    /// Holds when deltas may come to one of these rooms.
    pub(crate) fn takes_deltas(&self, namespace: &str, rooms: &[String]) -> bool {
        let here = self.rooms.get(namespace);
        here.is_some_and(|here| rooms.iter().any(|room| here.get(room).is_some_and(|wishes| wishes.delta)))
    }

    /// The join that has a room begin anew, with what is wanted of it.
    pub(crate) fn again(&self, namespace: &str, room: &str) -> Option<v1::Join> {
        let Wishes { presence, state, delta } = *self.rooms.get(namespace)?.get(room)?;
        let (namespace, rooms) = (namespace.to_owned(), vec![room.to_owned()]);
        Some(v1::Join { namespace, rooms, presence, state, delta, ..v1::Join::default() })
    }

    /// The joins that bring a session that is nowhere to where this one was, and to what it has not heard there.
    pub(crate) fn joins(&self, positions: &Positions) -> Vec<v1::Join> {
        let mut joins = Vec::new();
        for (namespace, rooms) in &self.rooms {
            let mut alike: BTreeMap<Wishes, Vec<&String>> = BTreeMap::new();
            for (room, wishes) in rooms {
                alike.entry(*wishes).or_default().push(room);
            }
            for (Wishes { presence, state, delta }, rooms) in alike {
                joins.extend(rooms.chunks(ROOMS_PER_JOIN).map(|rooms| v1::Join {
                    namespace: namespace.clone(),
                    rooms: rooms.iter().map(|room| (*room).clone()).collect(),
                    presence,
                    recover: rooms.iter().filter_map(|room| positions.of(namespace, room)).collect(),
                    newest: 0,
                    state,
                    delta,
                }));
            }
        }
        joins
    }

    /// The commands that enter namespaces of which no room is joined.
    pub(crate) fn enters(&self) -> impl Iterator<Item = Wire> {
        let bare = self.entered.iter().filter(|namespace| !self.rooms.contains_key(*namespace));
        bare.map(|namespace| Wire::Enter(v1::Enter { namespace: namespace.clone() }))
    }
}

/// A join of several rooms as joins of one room each: one that is refused then spares the others.
pub(crate) fn one_by_one(join: &v1::Join) -> impl Iterator<Item = Wire> {
    join.rooms.iter().map(|room| {
        let recover = join.recover.iter().filter(|at| at.room == *room).cloned().collect();
        Wire::Join(v1::Join { rooms: vec![room.clone()], recover, ..join.clone() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(rooms: &[&str], presence: bool) -> v1::Join {
        let rooms = rooms.iter().map(|room| (*room).to_owned()).collect();
        v1::Join { namespace: "chat".into(), rooms, presence, ..v1::Join::default() }
    }

    fn joins(membership: &Membership) -> Vec<v1::Join> {
        membership.joins(&Positions::default())
    }

    #[test]
    fn rooms_are_joined_again_with_what_was_asked_for() {
        let mut membership = Membership::default();
        let everything = v1::Join { state: true, delta: true, newest: 9, ..join(&["d"], true) };
        for command in [join(&["a", "b"], false), join(&["c"], true), join(&["b"], true), everything.clone()]
        {
            membership.done(&Wire::Join(command));
        }
        let everything = v1::Join { newest: 0, ..everything };
        assert_eq!(joins(&membership), [join(&["a"], false), join(&["b", "c"], true), everything]);
        assert!(membership.takes_deltas("chat", &["a".into(), "d".into()]));
        assert!(!membership.takes_deltas("chat", &["a".into()]));
    }

    #[test]
    fn what_was_asked_for_adds_up_over_several_joins() {
        let mut membership = Membership::default();
        membership.done(&Wire::Join(join(&["a"], true)));
        membership.done(&Wire::Join(v1::Join { delta: true, ..join(&["a"], false) }));
        assert_eq!(joins(&membership), [v1::Join { delta: true, ..join(&["a"], true) }]);
        assert_eq!(membership.again("chat", "a"), Some(v1::Join { delta: true, ..join(&["a"], true) }));
        membership.parted("chat", &["a".to_owned()]);
        membership.done(&Wire::Join(join(&["a"], false)));
        assert_eq!(joins(&membership), [join(&["a"], false)], "who parts wants nothing any more");
        assert_eq!(membership.again("chat", "b"), None);
    }

    #[test]
    fn a_room_with_history_is_joined_again_from_its_position() {
        let mut membership = Membership::default();
        membership.done(&Wire::Join(join(&["a", "b"], false)));
        let mut positions = Positions::default();
        let state =
            v1::RoomState { room: "b".into(), epoch: "e".into(), offset: Some(7), ..Default::default() };
        let joined = v1::Joined { namespace: "chat".into(), rooms: vec![state] };
        positions.joined(&join(&["b"], false), &joined);
        let recover = vec![v1::RoomPosition { room: "b".into(), epoch: "e".into(), offset: 7 }];
        let again = membership.joins(&positions);
        assert_eq!(again, [v1::Join { recover: recover.clone(), ..join(&["a", "b"], false) }]);
        let alone: Vec<Wire> = one_by_one(&again[0]).collect();
        let second = v1::Join { recover, ..join(&["b"], false) };
        assert_eq!(alone, [Wire::Join(join(&["a"], false)), Wire::Join(second)]);
    }

    #[test]
    fn rooms_that_were_parted_are_not_joined_again_but_the_namespace_is_entered() {
        let mut membership = Membership::default();
        membership.done(&Wire::Join(join(&["a"], false)));
        membership.parted("chat", &["a".to_owned()]);
        let enter = Wire::Enter(v1::Enter { namespace: "chat".into() });
        assert_eq!(membership.enters().collect::<Vec<_>>(), [enter]);
        assert!(joins(&membership).is_empty());
        membership.left("chat");
        assert_eq!(membership.enters().count(), 0);
    }

    #[test]
    fn rooms_that_others_had_it_join_are_not_returned_to() {
        let mut membership = Membership::default();
        let place = |room: &str| ("chat".to_owned(), room.to_owned());
        membership.done(&Wire::Join(join(&["own"], false)));
        membership.brought("chat", &["guest".to_owned(), "own".to_owned()]);
        assert!(membership.is_in(&place("guest")) && membership.is_in(&place("own")));
        assert_eq!(membership.afresh(), [place("guest")]);
        assert!(!membership.is_in(&place("guest")) && !membership.is_in(&place("own")));
        assert!(membership.wants(&place("own")));
        membership.returned("chat", ["own"]);
        assert!(membership.is_in(&place("own")));
    }

    #[test]
    fn no_command_names_more_rooms_than_the_server_takes() {
        let mut membership = Membership::default();
        for number in 0..130 {
            membership.done(&Wire::Join(join(&[&format!("room {number}")], false)));
        }
        let sizes: Vec<usize> = joins(&membership).iter().map(|join| join.rooms.len()).collect();
        assert_eq!(sizes, [64, 64, 2]);
    }
}
