//! Looking at who is where, for the directory. Lists are made room by room under the lock and sorted outside of it.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use rialto_proto::v1::UserPresence;

use super::{
    Hub,
    address::{Address, Kind},
    room::Room,
};
use crate::session::Session;

/// Part of a list: the entries, and how many there are in all.
#[derive(Debug)]
pub struct Page<T> {
    /// The entries, in order.
    pub entries: Vec<T>,
    /// True when more follow.
    pub more: bool,
    /// How many there are in all.
    pub total: usize,
}

impl<T> Page<T> {
    /// The first `max` of sorted entries, of which those before the page are left out already.
    pub(super) fn of(mut entries: Vec<T>, max: usize, total: usize) -> Self {
        let more = entries.len() > max;
        entries.truncate(max);
        Self { entries, more, total }
    }
}

impl Hub {
    /// Rooms with members, by name: those that begin with `prefix`, after `after`.
    pub fn rooms(&self, namespace: &str, prefix: &str, after: &str, max: usize) -> Page<(Arc<str>, u32)> {
        let mut total = 0;
        let mut rooms = Vec::new();
        self.shards.visit(|key, room| {
            if key.kind == Kind::Room && *key.namespace == *namespace && key.name.starts_with(prefix) {
                total += usize::from(room.count() > 0);
                if room.count() > 0 && *key.name > *after {
                    rooms.push((Arc::clone(&key.name), room.count()));
                }
            }
        });
        rooms.sort_unstable();
        Page::of(rooms, max, total)
    }

    /// How many members a room has.
    pub fn member_count(&self, namespace: &str, room: &str) -> u32 {
        let address = Address::room(namespace, room);
        self.shards.lock_one(&address).rooms.get(&address).map_or(0, |room| room.count())
    }

    /// How many members a room has, and how many users they are.
    pub fn counts(&self, namespace: &str, room: &str) -> (u32, u32) {
        let address = Address::room(namespace, room);
        let shard = self.shards.lock_one(&address);
        shard.rooms.get(&address).map_or((0, 0), |room| (room.count(), room.user_count()))
    }

    /// The users in a room, by name, after `after`.
    pub fn users(&self, namespace: &str, room: &str, after: &str, max: usize) -> Page<UserPresence> {
        let mut users: BTreeMap<String, UserPresence> = BTreeMap::new();
        {
            let address = Address::room(namespace, room);
            let shard = self.shards.lock_one(&address);
            for member in shard.rooms.get(&address).into_iter().flat_map(Room::named) {
                let name = member.session.user();
                if !name.is_empty() {
                    let of_user = || UserPresence { user: name.clone(), session_count: 0, away: true };
                    let user = users.entry(name.clone()).or_insert_with(of_user);
                    user.session_count += 1;
                    user.away &= member.session.outbox.away();
                }
            }
        }
        let total = users.len();
        let after = (Bound::Excluded(after.to_owned()), Bound::Unbounded);
        let entries = users.range(after).map(|(_, user)| user.clone()).collect();
        Page::of(entries, max, total)
    }

    /// The members of a room, or of the namespace when `room` is empty, by session id, after `after`.
    pub fn members(&self, namespace: &str, room: &str, after: &str, max: usize) -> Page<Arc<Session>> {
        let address =
            if room.is_empty() { Address::everyone(namespace) } else { Address::room(namespace, room) };
        let all: Vec<Arc<Session>> = {
            let shard = self.shards.lock_one(&address);
            let room = shard.rooms.get(&address);
            room.into_iter().flat_map(Room::named).map(|member| Arc::clone(&member.session)).collect()
        };
        let total = all.len();
        let mut members: Vec<_> = all.into_iter().map(|session| (session.id.to_string(), session)).collect();
        members.retain(|(id, _)| id.as_str() > after);
        members.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
        Page::of(members.into_iter().map(|(_, session)| session).collect(), max, total)
    }

    /// Whether a session is in a room.
    pub fn holds(&self, session: &Session, namespace: &str, room: &str) -> bool {
        session.memberships.lock().holds(namespace, room)
    }
}
