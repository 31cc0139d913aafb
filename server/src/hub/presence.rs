//! Who else is there, as members are told who have asked. What to tell and when is decided in `counting`; here it is told.
//! Pure but for the outboxes that it fills: time comes as an argument, and when the next second is over is returned.

use std::sync::Arc;

use rialto_proto::v1::{Presence, Sender};

use super::{
    Hub,
    address::Address,
    changed::{Changed, Due},
    counting::Telling,
    everybody::Everybody,
    fan_out::FanOut,
    member::info,
    others::{Heard, Others},
    room::Room,
    shard::Shard,
};
use crate::{
    base::{
        clock::{self, Instant},
        config::BehindPolicy,
        ids::NodeId,
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
    /// With which node the one who went is now, when it is a member still.
    pub(super) moved_to: Option<NodeId>,
}

impl<'a> Change<'a> {
    /// Nobody yet, in a room.
    pub(super) fn of(namespace: &'a str, room: &'a str) -> Self {
        Self { namespace, room, joined: None, left: None, moved_to: None }
    }

    pub(super) fn presence(&self) -> Presence {
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
    pub(super) fn report(
        &mut self,
        others: Option<&Others>,
        change: &Change<'_>,
        except: u64,
        now: Instant,
    ) -> Reported {
        let place = (change.namespace, change.room);
        self.report_as((place, others), || change.presence(), except, now)
    }

    /// The same of those on other nodes.
    pub(super) fn report_others(
        &mut self,
        place: (&str, &str),
        others: Option<&Others>,
        heard: Heard,
        now: Instant,
    ) -> Reported {
        let Heard { joined, left, counts, .. } = heard;
        let somebody = !joined.is_empty() || !left.is_empty();
        let presence = || Presence {
            namespace: place.0.to_owned(),
            room: place.1.to_owned(),
            joined,
            left,
            ..Presence::default()
        };
        if counts {
            self.report_as((place, others), presence, 0, now)
        } else if somebody {
            Reported { behind: self.report_description(others, presence), due: None }
        } else {
            Reported::default()
        }
    }

    fn report_as(
        &mut self,
        (place, others): ((&str, &str), Option<&Others>),
        presence: impl FnOnce() -> Presence,
        except: u64,
        now: Instant,
    ) -> Reported {
        let nameable = Everybody { here: Some(self), others }.are_nameable();
        if self.presence_wanted == 0 {
            self.counting.pass(nameable);
            return Reported::default();
        }
        match self.counting.change(nameable, now) {
            Telling::Names => Reported { behind: self.tell_names(others, presence(), except), due: None },
            Telling::Number => {
                Reported { due: self.tell_number(place, others, except, now), ..Reported::default() }
            }
            Telling::NumberAt(due) => Reported { due: Some(due), ..Reported::default() },
            Telling::Nothing => Reported::default(),
        }
    }

    /// Tells the members who asked for it how another one is described now. Where members are counted nobody is told.
    pub(super) fn report_description(
        &self,
        others: Option<&Others>,
        presence: impl FnOnce() -> Presence,
    ) -> Vec<Arc<Session>> {
        if self.presence_wanted == 0 || self.counting.counted {
            return Vec::new();
        }
        self.tell_names(others, presence(), 0)
    }

    fn tell_names(&self, others: Option<&Others>, presence: Presence, except: u64) -> Vec<Arc<Session>> {
        let everybody = Everybody { here: Some(self), others };
        let (member_count, user_count) = (everybody.count(), everybody.user_count());
        let frame = Frame::presence(Presence { member_count, user_count, ..presence }, Class::Answer);
        let mut fan_out = FanOut::default();
        let told = self.members.iter().filter(|(key, member)| member.wishes.presence && **key != except);
        told.for_each(|(_, member)| fan_out.put(&member.session, &frame, BehindPolicy::Drop));
        fan_out.behind
    }

    /// Tells how many members there are, or who if they are few enough again. Who has no room for it is told in a second:
    /// returns when that is.
    fn tell_number(
        &mut self,
        (namespace, room): (&str, &str),
        others: Option<&Others>,
        except: u64,
        now: Instant,
    ) -> Option<Instant> {
        let everybody = Everybody { here: Some(self), others };
        let (member_count, user_count) = (everybody.count(), everybody.user_count());
        let (nameable, joined) = (everybody.are_nameable(), everybody.named());
        let (namespace, room) = (namespace.to_owned(), room.to_owned());
        let all = self.counting.tell(nameable, now);
        let number = Presence { namespace, room, member_count, user_count, ..Presence::default() };
        let list = Frame::presence(Presence { joined, ..number.clone() }, Class::Latest);
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
}

impl Hub {
    /// Tells the members of a room, and other nodes, how many there are: its second is over.
    pub fn tell_number(&self, due: &Due, now: Instant) -> Changed {
        let (namespace, name) = (&*due.namespace, &*due.room);
        let address = Address::room(namespace, name);
        let mut changed = Changed::default();
        let mut shard = self.shards.lock_one(&address);
        let Shard { rooms, others, .. } = &mut *shard;
        let (mut room, others) = (rooms.get_mut(&address), others.get_mut(&address));
        let mut again = |due| Reported { due, ..Reported::default() }.add_to(&mut changed, namespace, name);
        if let Some(room) = room.as_deref_mut().filter(|room| room.counting.is_due(now)) {
            again(room.tell_number((namespace, name), others.as_deref(), 0, now));
        }
        if let Some(others) = others.filter(|others| others.telling.is_due(now)) {
            again(self.tell_own((namespace, name), room.as_deref(), others, now));
        }
        changed
    }

    /// Tells members who asked for presence, and other nodes, that a session's attributes have changed, or that it is away or
    /// back.
    pub fn describe(&self, session: &Arc<Session>) -> Changed {
        let mut changed = Changed::default();
        let memberships = session.memberships.lock();
        for place in memberships.places() {
            for name in &place.rooms {
                let address = Address::room(&place.namespace, name);
                let mut shard = self.shards.lock_one(&address);
                let Shard { rooms, others, .. } = &mut *shard;
                let Some(room) = rooms.get(&address) else { continue };
                let others = others.get_mut(&address);
                let change = Change { joined: Some(session), ..Change::of(&place.namespace, name) };
                changed.behind.extend(room.report_description(others.as_deref(), || change.presence()));
                if let Some(others) = others.filter(|others| !others.telling.counted) {
                    let told = self.tell_nodes(
                        (&place.namespace, name),
                        (Some(room), others),
                        Some(&change),
                        clock::now(),
                    );
                    told.add_to(&mut changed, &place.namespace, name);
                }
            }
        }
        changed
    }

    /// Tells those who want to know, here and on other nodes, that a session has come to a room or has left it.
    pub(super) fn report_change(
        &self,
        (room, others): (&mut Room, Option<&mut Others>),
        change: &Change<'_>,
        except: u64,
        now: Instant,
    ) -> Changed {
        let mut changed = Changed::default();
        let Change { namespace, room: name, .. } = *change;
        room.report(others.as_deref(), change, except, now).add_to(&mut changed, namespace, name);
        if let Some(others) = others {
            self.tell_nodes((namespace, name), (Some(room), others), Some(change), now).add_to(
                &mut changed,
                namespace,
                name,
            );
        }
        changed
    }
}
