//! Who else is there, as members are told who have asked. What to tell and when is decided in `counting`; here it is told.
//! Pure but for the outboxes that it fills: time comes as an argument, and when the next second is over is returned.

use std::sync::Arc;

use rialto_proto::v1::{Member as MemberInfo, Presence, Sender};

use super::{
    Hub,
    address::Address,
    changed::{Changed, Due},
    counting::{MEMBERS_NAMED_MAX, Telling},
    fan_out::FanOut,
    member::info,
    room::Room,
};
use crate::{
    base::{
        clock::{self, Instant},
        config::BehindPolicy,
    },
    session::{Session, outbox::Put},
    wire::{Class, Frame},
};

/// What is named again after it was counted fits every outbox; members with longer descriptions are counted on.
const LIST_BYTES_MAX: usize = 64 << 10;

/// What telling has led to.
#[derive(Debug, Default)]
pub(super) struct Reported {
    pub(super) behind: Vec<Arc<Session>>,
    pub(super) due: Option<Instant>,
}

impl Reported {
    /// The same for the caller of the hub.
    pub(super) fn add_to(self, changed: &mut Changed, namespace: &str, room: &str) {
        changed.behind.extend(self.behind);
        changed.due.extend(self.due.map(|at| Due { at, namespace: namespace.into(), room: room.into() }));
    }
}

/// Somebody who came or went.
pub(super) struct Change<'a> {
    pub(super) namespace: &'a str,
    pub(super) room: &'a str,
    pub(super) joined: Option<&'a Session>,
    pub(super) left: Option<&'a Session>,
}

impl Change<'_> {
    fn presence(&self) -> Presence {
        Presence {
            namespace: self.namespace.to_owned(),
            room: self.room.to_owned(),
            joined: self.joined.map(info).into_iter().collect(),
            left: self.left.map(Session::sender).into_iter().collect::<Vec<Sender>>(),
            ..Presence::default()
        }
    }
}

impl Room {
    /// Tells the members who asked for it that another one came or went, now or when the room's second is over.
    pub(super) fn report(&mut self, change: &Change<'_>, except: u64, now: Instant) -> Reported {
        let members = self.members.len();
        if self.presence_wanted == 0 {
            self.counting.pass(members);
            return Reported::default();
        }
        match self.counting.change(members, now) {
            Telling::Names => Reported { behind: self.tell_names(change.presence(), except), due: None },
            Telling::Number => Reported {
                due: self.tell_number((change.namespace, change.room), except, now),
                ..Reported::default()
            },
            Telling::NumberAt(due) => Reported { due: Some(due), ..Reported::default() },
            Telling::Nothing => Reported::default(),
        }
    }

    /// Tells the members who asked for it how another one is described now. Where members are counted nobody is told.
    fn report_description(&self, change: &Change<'_>) -> Vec<Arc<Session>> {
        if self.presence_wanted == 0 || self.counting.counted {
            return Vec::new();
        }
        self.tell_names(change.presence(), 0)
    }

    fn tell_names(&self, presence: Presence, except: u64) -> Vec<Arc<Session>> {
        let (member_count, user_count) = (self.count(), self.user_count());
        let frame = Frame::presence(Presence { member_count, user_count, ..presence }, Class::Answer);
        let mut fan_out = FanOut::default();
        let told = self.members.iter().filter(|(key, member)| member.wishes.presence && **key != except);
        told.for_each(|(_, member)| fan_out.put(&member.session, &frame, BehindPolicy::Drop));
        fan_out.behind
    }

    /// Tells how many members there are, or who if they are few enough again. Who has no room for it is told in a second:
    /// returns when that is.
    fn tell_number(&mut self, (namespace, room): (&str, &str), except: u64, now: Instant) -> Option<Instant> {
        let all = self.counting.tell(self.members.len(), now);
        let (namespace, room) = (namespace.to_owned(), room.to_owned());
        let (member_count, user_count) = (self.count(), self.user_count());
        let number = Presence { namespace, room, member_count, user_count, ..Presence::default() };
        let list = Frame::presence(Presence { joined: self.named(), ..number.clone() }, Class::Latest);
        let frame = if list.bytes() <= LIST_BYTES_MAX {
            list
        } else {
            self.counting.counted = true;
            Frame::presence(number, Class::Latest)
        };
        let mut owed = false;
        for (key, member) in &mut self.members {
            if member.wishes.presence && *key != except && (all || member.number_owed) {
                member.number_owed = member.session.outbox.put(&frame, BehindPolicy::Drop) == Put::Dropped;
                owed |= member.number_owed;
            }
        }
        if owed { self.counting.again() } else { None }
    }

    /// The members by name, if they are not too many.
    pub(super) fn named(&self) -> Vec<MemberInfo> {
        if self.members.len() > MEMBERS_NAMED_MAX {
            return Vec::new();
        }
        self.members.values().map(|member| info(&member.session)).collect()
    }
}

impl Hub {
    /// Tells the members of a room how many they are: its second is over.
    pub fn tell_number(&self, due: &Due, now: Instant) -> Changed {
        let address = Address::room(&due.namespace, &due.room);
        let mut changed = Changed::default();
        if let Some(room) = self.shards.lock_one(&address).get_mut(&address)
            && room.counting.is_due(now)
        {
            let due_again = room.tell_number((&due.namespace, &due.room), 0, now);
            Reported { due: due_again, ..Reported::default() }.add_to(
                &mut changed,
                &due.namespace,
                &due.room,
            );
        }
        changed
    }

    /// Tells members who asked for presence that a session's attributes have changed, or that it is away or back.
    pub fn describe(&self, session: &Arc<Session>) -> Vec<Arc<Session>> {
        let mut behind = Vec::new();
        let memberships = session.memberships.lock();
        for place in memberships.places() {
            for name in &place.rooms {
                let address = Address::room(&place.namespace, name);
                let shard = self.shards.lock_one(&address);
                let Some(room) = shard.get(&address) else { continue };
                let change =
                    Change { namespace: &place.namespace, room: name, joined: Some(session), left: None };
                behind.extend(room.report_description(&change));
            }
        }
        behind
    }

    /// Tells those who want to know that a session has left a room.
    pub(super) fn report_left(
        &self,
        room: &mut Room,
        session: &Session,
        (namespace, name): (&str, &str),
    ) -> Reported {
        let change = Change { namespace, room: name, joined: None, left: Some(session) };
        room.report(&change, session.id.key, clock::now())
    }
}
