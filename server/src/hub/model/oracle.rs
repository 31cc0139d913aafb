//! What the model says: who is where, who hears what, and what everybody is told. Maps and lists, no locks, no shards;
//! never asks the hub.

use std::collections::{BTreeMap, BTreeSet};

use rialto_proto::v1::{
    Entered, Joined, Member, Presence, RefusalCode, RoomState, Sender, server_frame::Frame as Body,
};

use super::{
    bench::Bench,
    steps::{
        Aim, DYNAMIC_NAMESPACES, NAMESPACES_PER_SESSION, ROOMS, ROOMS_PER_NAMESPACE, ROOMS_PER_SESSION,
        Reach, USERS,
    },
};

impl Bench {
    /// What the model says to a join; it is carried out in the model.
    pub(super) fn expect_join(
        &mut self,
        who: usize,
        namespace: &'static str,
        rooms: &[&'static str],
        presence: bool,
    ) -> Result<bool, RefusalCode> {
        let client = &self.clients[who];
        let held = client.places.get(namespace).cloned();
        let fresh: BTreeSet<_> =
            rooms.iter().copied().filter(|room| !self.holds(who, namespace, room)).collect();
        let created = fresh.iter().filter(|room| self.members(namespace, room).is_empty()).count();
        let rooms_held: usize = client.places.values().map(BTreeMap::len).sum();
        let dynamic: BTreeSet<_> = self.occupied().filter(|name| name.starts_with("tenant-")).collect();
        let is_new = namespace.starts_with("tenant-") && !dynamic.contains(namespace);
        let in_namespace = ROOMS.iter().filter(|room| !self.members(namespace, room).is_empty()).count();
        if client.gone {
            return Err(RefusalCode::SessionUnknown);
        }
        if namespace == "nowhere" {
            return Err(RefusalCode::NamespaceUnknown);
        }
        if (is_new && dynamic.len() >= DYNAMIC_NAMESPACES)
            || rooms_held + fresh.len() > ROOMS_PER_SESSION
            || (held.is_none() && client.places.len() >= NAMESPACES_PER_SESSION)
            || (created > 0 && in_namespace + created > ROOMS_PER_NAMESPACE)
        {
            return Err(RefusalCode::LimitReached);
        }
        let states: Vec<_> = rooms.iter().map(|room| self.state(who, namespace, room, presence)).collect();
        let namespace_text = namespace.to_owned();
        let entered = Body::Entered(Entered { namespace: namespace_text.clone() });
        let joined = Body::Joined(Joined { namespace: namespace_text, rooms: states });
        self.clients[who].told.push(if rooms.is_empty() { entered } else { joined });
        let place = self.clients[who].places.entry(namespace).or_default();
        rooms.iter().for_each(|room| *place.entry(room).or_default() |= presence);
        for room in &fresh {
            let came = vec![self.info(who)];
            self.expect_presence(namespace, room, Some(who), (came, Vec::new()));
        }
        Ok(held.is_none() || !fresh.is_empty())
    }

    pub(super) fn expect_receivers(&self, sender: usize, namespace: &str, aim: &Aim) -> BTreeSet<usize> {
        let is_in =
            |who: usize, rooms: &[usize]| rooms.iter().any(|room| self.holds(who, namespace, ROOMS[*room]));
        let is_one =
            |who: usize, numbers: &[usize]| numbers.iter().any(|number| number % self.clients.len() == who);
        let covered = |who: usize| match &aim.kind {
            Reach::Everyone => true,
            Reach::AnyOf(room) => is_in(who, &[*room]),
            Reach::Union(rooms, sessions, users) => {
                let user = self.clients[who].user;
                is_in(who, rooms)
                    || is_one(who, sessions)
                    || users.iter().any(|other| user == Some(USERS[*other]))
            }
        };
        let passed = |who: usize| {
            is_in(who, &aim.except_rooms)
                || is_one(who, &aim.except_sessions)
                || (who == sender && !aim.include_sender)
        };
        let entered = |who: &usize| self.clients[*who].places.contains_key(namespace);
        (0..self.clients.len()).filter(entered).filter(|who| covered(*who) && !passed(*who)).collect()
    }

    fn holds(&self, who: usize, namespace: &str, room: &str) -> bool {
        self.clients[who].places.get(namespace).is_some_and(|place| place.contains_key(room))
    }

    fn members(&self, namespace: &str, room: &str) -> Vec<usize> {
        (0..self.clients.len()).filter(|who| self.holds(*who, namespace, room)).collect()
    }

    fn occupied(&self) -> impl Iterator<Item = &'static str> {
        self.clients.iter().flat_map(|client| client.places.keys().copied())
    }

    pub(super) fn info(&self, who: usize) -> Member {
        crate::hub::info(&self.clients[who].session)
    }

    /// The room as `who` finds it, itself counted.
    fn state(&self, who: usize, namespace: &str, room: &str, presence: bool) -> RoomState {
        let mut members = self.members(namespace, room);
        members.extend((!members.contains(&who)).then_some(who));
        let member_count = u32::try_from(members.len()).unwrap();
        let user_count = self.user_count(&members);
        let members = members.into_iter().filter(|_| presence).map(|who| self.info(who)).collect();
        RoomState { room: room.to_owned(), member_count, user_count, members, ..Default::default() }
    }

    /// Sessions of one user count once, sessions without a user each.
    fn user_count(&self, members: &[usize]) -> u32 {
        let users: BTreeSet<_> = members.iter().filter_map(|who| self.clients[*who].user).collect();
        let nameless = members.iter().filter(|who| self.clients[**who].user.is_none()).count();
        u32::try_from(users.len() + nameless).unwrap()
    }

    pub(super) fn expect_gone(&mut self, who: usize, namespace: &str, room: &str) {
        let left = vec![self.clients[who].session.sender()];
        self.expect_presence(namespace, room, Some(who), (Vec::new(), left));
    }

    pub(super) fn expect_presence(
        &mut self,
        namespace: &str,
        room: &str,
        except: Option<usize>,
        (joined, left): (Vec<Member>, Vec<Sender>),
    ) {
        let members = self.members(namespace, room);
        let (namespace, room) = (namespace.to_owned(), room.to_owned());
        let member_count = u32::try_from(members.len()).unwrap();
        let user_count = self.user_count(&members);
        for who in members.into_iter().filter(|who| Some(*who) != except) {
            let client = &mut self.clients[who];
            if client.places[namespace.as_str()][room.as_str()] {
                let (namespace, room, joined, left) =
                    (namespace.clone(), room.clone(), joined.clone(), left.clone());
                client.told.push(Body::Presence(Presence {
                    namespace,
                    room,
                    joined,
                    left,
                    member_count,
                    user_count,
                }));
            }
        }
    }
}
