//! Who else is there, as members are told who have asked: in small rooms by name and one by one; in large ones by number
//! and at most once a second, so that to join one costs the same however many are there. Pure but for the outboxes
//! that it fills: time comes as an argument, and when the next second is over is returned.

use std::{sync::Arc, time::Duration};

use rialto_proto::v1::{Member as MemberInfo, Presence, Sender};

use super::{
    Hub,
    address::Address,
    membership::Changed,
    room::{FanOut, Room, info},
};
use crate::{
    base::{
        clock::{self, Instant},
        config::BehindPolicy,
    },
    session::{Session, outbox::Put},
    wire::{Class, Frame},
};

/// Rooms of more members than this do not name them in `Joined` and `Presence`.
pub(super) const MEMBERS_NAMED_MAX: usize = 256;
/// What is named again after it was counted fits every outbox; members with longer descriptions are counted on.
const LIST_BYTES_MAX: usize = 64 << 10;
/// How often the number of members is told.
const COUNTS_EVERY: Duration = Duration::from_secs(1);

/// When the number of members of a room is to be told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// When.
    pub at: Instant,
    /// The namespace.
    pub namespace: Arc<str>,
    /// The room.
    pub room: Arc<str>,
}

/// How a room tells who is there.
#[derive(Debug, Default)]
pub(super) struct Counting {
    /// Members are counted and not named: they are too many, or it was not told yet that they are not any more.
    counted: bool,
    /// Nothing is told before.
    quiet_until: Option<Instant>,
    /// Something is to be told then.
    waiting: bool,
    /// To everybody who has asked, not only to those who had no room for it.
    changed: bool,
}

/// What to do with a change.
#[derive(Debug, PartialEq, Eq)]
enum Telling {
    /// Tell who it is.
    Names,
    /// Tell the number.
    Number,
    /// Tell the number at this time.
    NumberAt(Instant),
    /// It is told with one before.
    Nothing,
}

impl Counting {
    /// Decides about a change that has left `members`.
    fn change(&mut self, members: usize, now: Instant) -> Telling {
        self.counted |= members > MEMBERS_NAMED_MAX;
        if !self.counted {
            return Telling::Names;
        }
        self.changed = true;
        match self.quiet_until.filter(|until| now < *until) {
            None => Telling::Number,
            Some(_) if self.waiting => Telling::Nothing,
            Some(until) => {
                self.waiting = true;
                Telling::NumberAt(until)
            }
        }
    }

    /// Decides about a change that nobody wants to hear of.
    fn pass(&mut self, members: usize) {
        self.counted = members > MEMBERS_NAMED_MAX;
    }

    fn is_due(&self, now: Instant) -> bool {
        self.waiting && self.quiet_until.is_none_or(|until| until <= now)
    }

    /// Notes that it is told how many there are, or who if they are few enough. Says whether everybody is to be told.
    fn tell(&mut self, members: usize, now: Instant) -> bool {
        let changed = self.changed;
        let counted = members > MEMBERS_NAMED_MAX;
        *self = Self { counted, quiet_until: now.checked_add(COUNTS_EVERY), waiting: false, changed: false };
        changed
    }

    /// Tells those once more who had no room for it.
    fn again(&mut self) -> Option<Instant> {
        self.waiting = true;
        self.quiet_until
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_room_tells_names_at_once() {
        let (mut counting, now) = (Counting::default(), clock::now());
        assert_eq!(counting.change(1, now), Telling::Names);
        assert_eq!(counting.change(MEMBERS_NAMED_MAX, now), Telling::Names);
    }

    #[test]
    fn a_large_room_tells_the_first_change_at_once_and_the_last_one_after_a_second() {
        let (mut counting, now) = (Counting::default(), clock::now());
        let later = now + COUNTS_EVERY;
        assert_eq!(counting.change(257, now), Telling::Number);
        assert!(counting.tell(257, now));
        assert_eq!(counting.change(258, now), Telling::NumberAt(later));
        assert_eq!(counting.change(259, now), Telling::Nothing);
        assert!(!counting.is_due(now) && counting.is_due(later));
        assert!(counting.tell(259, later));
        assert!(!counting.is_due(later + COUNTS_EVERY), "nothing has changed");
        assert_eq!(counting.change(258, later + COUNTS_EVERY), Telling::Number);
    }

    #[test]
    fn a_room_that_has_shrunk_names_its_members_once_all_of_them_were_told() {
        let (mut counting, now) = (Counting::default(), clock::now());
        assert_eq!(counting.change(257, now), Telling::Number);
        assert!(counting.tell(257, now));
        assert!(matches!(counting.change(256, now), Telling::NumberAt(_)));
        assert_eq!(counting.change(255, now), Telling::Nothing, "nobody has the names yet");
        assert!(counting.tell(255, now + COUNTS_EVERY));
        assert_eq!(counting.change(254, now + COUNTS_EVERY), Telling::Names);
    }

    #[test]
    fn who_had_no_room_for_it_is_told_alone_a_second_later() {
        let (mut counting, now) = (Counting::default(), clock::now());
        assert_eq!(counting.change(300, now), Telling::Number);
        assert!(counting.tell(300, now));
        assert_eq!(counting.again(), Some(now + COUNTS_EVERY));
        assert!(counting.is_due(now + COUNTS_EVERY));
        assert!(!counting.tell(300, now + COUNTS_EVERY));
    }
}
