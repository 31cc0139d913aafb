//! What mutants of runs are made with: where things stand in a record, and how they are taken out, put in and changed.

use rand::{RngExt, rngs::StdRng};
use rialto_tests::checks::{Done, Durability, Hole, Message, Position, Room, Run, Seen, Stamped};

/// Stamps are spread so far that something fits between.
const SPREAD: u64 = 1024;

/// An event at a receiver.
#[derive(Debug, Clone)]
pub(crate) struct Sight {
    pub(crate) who: String,
    pub(crate) index: usize,
    pub(crate) room: Room,
    pub(crate) position: Option<Position>,
    pub(crate) message: Message,
    /// Which membership of the receiver in the room.
    pub(crate) membership: usize,
}

impl Sight {
    pub(crate) fn seen(&self) -> Seen {
        let (room, position) = (self.room.clone(), self.position.clone());
        Seen::Event { room, position, message: self.message.clone() }
    }
}

/// A range that a receiver was told is missing.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) who: String,
    pub(crate) index: usize,
    pub(crate) room: Room,
    pub(crate) epoch: String,
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// A run and chance, to make a mutant of it.
pub(crate) struct Edit<'a> {
    pub(crate) run: &'a mut Run,
    pub(crate) rng: StdRng,
}

impl Edit<'_> {
    pub(crate) fn spread(&mut self) {
        self.run.done.iter_mut().for_each(|done| done.at *= SPREAD);
        let receivers = self.run.receivers.values_mut();
        receivers.flat_map(|receiver| &mut receiver.seen).for_each(|seen| seen.at *= SPREAD);
    }

    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        (!from.is_empty()).then(|| from[self.rng.random_range(0..from.len())].clone())
    }

    /// Everything at every receiver that `choose` finds, with who and where.
    pub(crate) fn find<T>(&self, choose: impl Fn(&Seen) -> Option<T>) -> Vec<(String, usize, T)> {
        let mut found = Vec::new();
        for (name, receiver) in &self.run.receivers {
            for (index, seen) in receiver.seen.iter().enumerate() {
                found.extend(choose(&seen.what).map(|what| (name.clone(), index, what)));
            }
        }
        found
    }

    /// Every event at a receiver that is a member.
    pub(crate) fn sights(&self) -> Vec<Sight> {
        let mut found = Vec::new();
        for (name, receiver) in &self.run.receivers {
            let mut membership = 0;
            for (index, seen) in receiver.seen.iter().enumerate() {
                match &seen.what {
                    Seen::Joined { .. } | Seen::Ended | Seen::Reset { .. } => membership += 1,
                    Seen::Event { room, position, message } => found.push(Sight {
                        who: name.clone(),
                        index,
                        room: room.clone(),
                        position: position.clone(),
                        message: message.clone(),
                        membership,
                    }),
                    _ => {}
                }
            }
        }
        found
    }

    /// Pairs of events that follow each other in a membership.
    pub(crate) fn neighbours(&self, fits: impl Fn(&Sight, &Sight) -> bool) -> Vec<(Sight, Sight)> {
        let sights = self.sights();
        let mut found = Vec::new();
        for (at, first) in sights.iter().enumerate() {
            let same = |other: &&Sight| {
                other.who == first.who && other.room == first.room && other.membership == first.membership
            };
            let second = sights[at + 1..].iter().take_while(|other| other.who == first.who).find(same);
            found.extend(
                second.filter(|second| fits(first, second)).map(|second| (first.clone(), second.clone())),
            );
        }
        found
    }

    /// Whether the next that a receiver sees of a room is an event.
    pub(crate) fn an_event_follows(&self, who: &str, index: usize, room: &Room) -> bool {
        let mut after = self.run.receivers[who].seen[index + 1..].iter().map(|seen| &seen.what);
        let next = after.find(|seen| match seen {
            Seen::Event { room: other, .. } | Seen::Parted { room: other } => other == room,
            Seen::Missed { room: other, .. } | Seen::Reset { room: other, .. } => other == room,
            Seen::Joined { room: other, .. } => other == room,
            Seen::Ended => true,
            Seen::HistoryRead { .. } => false,
        });
        matches!(next, Some(Seen::Event { .. }))
    }

    /// Whether a receiver was told, anywhere, that it missed something of a room without history.
    pub(crate) fn was_told_counts(&self, who: &str, room: &Room) -> bool {
        self.run.receivers[who].seen.iter().any(
            |seen| matches!(&seen.what, Seen::Missed { room: other, hole: Hole::Count(_) } if other == room),
        )
    }

    pub(crate) fn remove(&mut self, who: &str, index: usize) -> Option<Seen> {
        Some(self.run.receivers.get_mut(who)?.seen.remove(index).what)
    }

    /// Puts something before what is at `index`.
    pub(crate) fn insert(&mut self, who: &str, index: usize, what: Seen) -> Option<()> {
        let seen = &mut self.run.receivers.get_mut(who)?.seen;
        let at = index.checked_sub(1).map_or(1, |before| seen[before].at + 1);
        seen.insert(index, Stamped { at, what });
        Some(())
    }

    pub(crate) fn replace(&mut self, who: &str, index: usize, what: Seen) -> Option<()> {
        self.run.receivers.get_mut(who)?.seen[index].what = what;
        Some(())
    }

    /// Takes a message out of all that anybody saw; offsets stay as they were.
    pub(crate) fn lose(&mut self, message: &Message) -> Option<()> {
        for receiver in self.run.receivers.values_mut() {
            receiver
                .seen
                .retain(|seen| !matches!(&seen.what, Seen::Event { message: other, .. } if other == message));
        }
        self.reads(|_, _, events| events.retain(|(_, other)| other != message));
        Some(())
    }

    /// Changes the histories that were read: stamp, room, events.
    pub(crate) fn reads(&mut self, mut change: impl FnMut(u64, &Room, &mut Vec<(u64, Message)>)) {
        for seen in self.run.receivers.values_mut().flat_map(|receiver| &mut receiver.seen) {
            if let Seen::HistoryRead { room, events, .. } = &mut seen.what {
                change(seen.at, room, events);
            }
        }
    }

    /// Changes the history that was read last of a room; for the others a mutant would be another one.
    pub(crate) fn final_read(
        &mut self,
        of: &Room,
        change: impl FnOnce(&mut Vec<(u64, Message)>),
    ) -> Option<()> {
        let mut last = None;
        for seen in self.run.receivers.values_mut().flat_map(|receiver| &mut receiver.seen) {
            if let Seen::HistoryRead { room, events, .. } = &mut seen.what
                && room == of
                && last.as_ref().is_none_or(|(at, _)| *at < seen.at)
            {
                last = Some((seen.at, events));
            }
        }
        change(last?.1);
        Some(())
    }

    /// Acknowledged messages that are in the final read of a room, in their order.
    pub(crate) fn kept(&mut self, room: &Room) -> Vec<Message> {
        let mut kept = Vec::new();
        let accepted = self.accepted();
        self.final_read(room, |events| {
            kept = events.iter().map(|(_, message)| message.clone()).collect();
        });
        kept.retain(|message| accepted.iter().any(|(_, other, ..)| other == message));
        kept
    }

    /// Index, message, position and durability of every acknowledgement.
    pub(crate) fn accepted(&self) -> Vec<(usize, Message, Option<Position>, Durability)> {
        let accepted = self.run.done.iter().enumerate().filter_map(|(index, done)| match &done.what {
            Done::Accepted { message, position, durability } => {
                Some((index, message.clone(), position.clone(), *durability))
            }
            _ => None,
        });
        accepted.collect()
    }

    /// The last crash.
    pub(crate) fn crash(&self) -> Option<(usize, u64)> {
        let crashes = self.run.done.iter().enumerate().rev();
        crashes.filter(|(_, done)| done.what == Done::Crashed).map(|(index, done)| (index, done.at)).next()
    }

    /// A range told as missing to a receiver that hears everybody, with an event of the room after it.
    pub(crate) fn range(&mut self) -> Option<Told> {
        let ranges = self.find(|seen| match seen {
            Seen::Missed { room, hole: Hole::Range { epoch, from, to: Some(to) } } => {
                Some((room.clone(), epoch.to_string(), *from, *to))
            }
            _ => None,
        });
        let told = ranges.into_iter().map(|(who, index, (room, epoch, from, to))| Told {
            who,
            index,
            room,
            epoch,
            from,
            to,
        });
        let fits = |told: &Told| {
            let hears_all = self.run.receivers[&told.who].own.is_none();
            hears_all && self.an_event_follows(&told.who, told.index, &told.room)
        };
        let fit: Vec<Told> = told.filter(fits).collect();
        self.pick(&fit)
    }
}
