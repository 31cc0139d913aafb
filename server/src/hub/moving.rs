//! A session that goes from one node to another stays a member of its rooms: nobody is told that it has left or joined. The old
//! node says to which one it has gone, and the new one that it is there.

use std::sync::Arc;

use rialto_proto::{
    node::{Head, MovingPlace, MovingRoom, RoomChange},
    v1::Member,
};

use super::{
    Hub,
    address::Address,
    changed::Changed,
    member::{Wishes, info},
    others::Heard,
    presence::{Change, Reported},
    shard::Shard,
};
use crate::{
    base::{clock, ids::NodeId},
    session::Session,
};

impl Hub {
    /// Where a session is a member, and what it wants to be told there.
    pub fn places_of(&self, session: &Session) -> Vec<MovingPlace> {
        let memberships = session.memberships.lock();
        let places = memberships.places().iter().map(|place| {
            let rooms = place.rooms.iter().filter_map(|name| {
                let address = Address::room(&place.namespace, name);
                let shard = self.shards.lock_one(&address);
                let (wishes, _) = shard.rooms.get(&address)?.member(session.id.key)?;
                Some(moving_room(name, wishes, None))
            });
            MovingPlace { namespace: place.namespace.to_string(), rooms: rooms.collect() }
        });
        places.collect()
    }

    /// Takes a session out of everything that has gone to another node. Returns where it was, and for each room what `head` says
    /// in that moment.
    pub fn exit_to(
        &self,
        session: &Arc<Session>,
        to: NodeId,
        head: impl Fn(&str, &str) -> Option<Head>,
    ) -> (Changed, Vec<MovingPlace>) {
        let (mut changed, mut left) = (Changed::default(), Vec::new());
        let places = session.memberships.lock().go();
        for place in places {
            let namespace = &*place.namespace;
            let rooms = place.rooms.iter();
            let rooms = rooms
                .filter_map(|name| self.remove_to((session, to), (namespace, name), &mut changed, &head));
            left.push(MovingPlace { namespace: namespace.to_owned(), rooms: rooms.collect() });
            self.remove_from_lists(session, namespace, &mut changed);
        }
        changed.changed = self.sessions.remove(session);
        (changed, left)
    }

    fn remove_to(
        &self,
        (session, to): (&Arc<Session>, NodeId),
        (namespace, name): (&str, &Arc<str>),
        changed: &mut Changed,
        head: &impl Fn(&str, &str) -> Option<Head>,
    ) -> Option<MovingRoom> {
        let address = Address::room(namespace, name);
        let mut shard = self.shards.lock_one(&address);
        let Shard { rooms, others, .. } = &mut *shard;
        let room = rooms.get_mut(&address)?;
        changed.behind.extend(self.close_window(room, namespace));
        let (wishes, _) = room.member(session.id.key)?;
        let left = moving_room(name, wishes, head(namespace, name));
        room.remove(session.id.key);
        if let Some(others) = others.get_mut(&address) {
            others.place(to, info(session));
            let gone = Change { left: Some(session), moved_to: Some(to), ..Change::of(namespace, name) };
            let told = self.tell_nodes((namespace, name), (Some(room), others), Some(&gone), clock::now());
            told.add_to(changed, namespace, name);
        }
        self.announce_moved((namespace, name), session, room.count());
        if room.members.is_empty() {
            rooms.swap_remove(&address);
            self.room_gone(namespace);
        }
        Some(left)
    }

    /// A session that was arriving is here, and a member like any other.
    pub fn arrive(&self, session: &Arc<Session>) -> Changed {
        let mut changed = Changed::default();
        let memberships = session.memberships.lock();
        for place in memberships.places() {
            let user = session.user();
            for address in [Address::everyone(&place.namespace), Address::user(&place.namespace, &user)] {
                if let Some(room) = self.shards.lock_one(&address).rooms.get_mut(&address) {
                    changed.behind.extend(self.close_window(room, &place.namespace));
                    room.arrive(session);
                }
            }
            for name in &place.rooms {
                self.arrive_in(session, (&place.namespace, name), &mut changed);
            }
        }
        changed
    }

    fn arrive_in(&self, session: &Arc<Session>, (namespace, name): (&str, &Arc<str>), changed: &mut Changed) {
        let address = Address::room(namespace, name);
        let mut shard = self.shards.lock_one(&address);
        let Shard { rooms, others, .. } = &mut *shard;
        let Some(room) = rooms.get_mut(&address) else { return };
        changed.behind.extend(self.close_window(room, namespace));
        if !room.arrive(session) {
            return;
        }
        let mut others = others.get_mut(&address);
        let known = others.as_mut().and_then(|others| others.take(&session.id.to_string()));
        let change = Change { joined: Some(session), ..Change::of(namespace, name) };
        if known != Some(info(session)) {
            let behind = room.report_description(others.as_deref(), || change.presence());
            Reported { behind, due: None }.add_to(changed, namespace, name);
        }
        self.announce_moved((namespace, name), session, room.count());
        if let Some(others) = others {
            let told = self.tell_nodes((namespace, name), (Some(room), others), Some(&change), clock::now());
            told.add_to(changed, namespace, name);
        }
    }

    /// Takes a session out of everything that has not arrived at this node. It has left where it was said to be here already.
    pub fn give_up_arriving(&self, session: &Arc<Session>, this: NodeId) -> Changed {
        let rooms: Vec<(Arc<str>, Arc<str>)> = {
            let memberships = session.memberships.lock();
            let rooms = |place: &crate::session::memberships::Place| {
                let named = place.rooms.iter().map(|room| (Arc::clone(&place.namespace), Arc::clone(room)));
                named.collect::<Vec<_>>()
            };
            memberships.places().iter().flat_map(rooms).collect()
        };
        let mut changed = self.exit(session);
        for (namespace, name) in rooms {
            let address = Address::room(&namespace, &name);
            let mut shard = self.shards.lock_one(&address);
            let others = shard.others.get_mut(&address);
            let lost = others.and_then(|others| others.take_from(this, &session.id.to_string()));
            let Some(Member { who, .. }) = lost else { continue };
            let heard = Heard { left: who.into_iter().collect(), counts: true, ..Heard::default() };
            let told = self.settle_heard(&mut shard, (&namespace, &name), heard, clock::now());
            changed.behind.extend(told.behind);
            changed.due.extend(told.due);
            let Shard { rooms, others, .. } = &mut *shard;
            if let Some(others) = others.get_mut(&address) {
                let gone = Change { left: Some(session), ..Change::of(&namespace, &name) };
                let place = (&*namespace, &*name);
                let told = self.tell_nodes(place, (rooms.get(&address), others), Some(&gone), clock::now());
                told.add_to(&mut changed, &namespace, &name);
            }
        }
        changed
    }

    fn announce_moved(&self, (namespace, room): (&str, &Arc<str>), session: &Session, here: u32) {
        if let Some(outward) = &self.outward {
            outward.tell_watchers(namespace, &|| RoomChange {
                namespace: namespace.to_owned(),
                room: room.to_string(),
                who: Some(session.sender()),
                joined: true,
                member_count: here,
                moved: true,
            });
        }
    }
}

fn moving_room(name: &str, wishes: Wishes, head: Option<Head>) -> MovingRoom {
    let Wishes { presence, state, delta } = wishes;
    MovingRoom { room: name.to_owned(), presence, state, delta, head }
}
