//! The mutants: one thing is made wrong in a run that was right, and one checker is meant to catch it.

use rialto_tests::checks::{Checker, Done, Durability, Hole, Message, Position, Room, Seen};

use crate::editing::{Edit, Sight};

/// What is made wrong, who must catch it, and how it is made; nothing where the run gives no opportunity.
pub(crate) type Mutant = (&'static str, Checker, fn(&mut Edit<'_>) -> Option<()>);

pub(crate) const MUTANTS: &[Mutant] = &[
    ("the first acknowledged message is lost", Checker::NothingLost, |edit| lose_nth(edit, |_| 0)),
    ("an acknowledged message in the middle is lost", Checker::NothingLost, |edit| {
        lose_nth(edit, |len| len / 2)
    }),
    ("the last acknowledged message is lost", Checker::NothingLost, |edit| lose_nth(edit, |len| len - 1)),
    ("a message that was delivered is not kept", Checker::NothingLost, |edit| {
        let message = nth_kept(edit, |len| len / 2)?;
        edit.final_read(&vault(), |events| events.retain(|(_, other)| *other != message))
    }),
    ("a member is not sent one", Checker::NoSilentGap, |edit| {
        let pairs = edit.neighbours(|first, _| first.position.is_some());
        let first = edit.pick(&pairs)?.0;
        edit.remove(&first.who, first.index).map(|_| ())
    }),
    ("a member is not sent the last one", Checker::NoSilentGap, |edit| {
        let last =
            edit.sights().into_iter().rfind(|sight| sight.who == "auditor" && sight.room == vault())?;
        let mut after = edit.run.receivers[&last.who].seen[last.index..].iter();
        if after.any(|seen| seen.what == Seen::Ended) {
            return None;
        }
        edit.remove(&last.who, last.index).map(|_| ())
    }),
    ("a member is not sent one in a room without history", Checker::NoSilentGap, |edit| {
        let sights = edit.sights();
        let accepted = edit.accepted();
        let between = |sight: &&Sight| {
            if sight.position.is_some() || edit.was_told_counts(&sight.who, &sight.room) {
                return false;
            }
            let fits = |other: &&Sight| {
                (&other.who, &other.room, other.membership) == (&sight.who, &sight.room, sight.membership)
                    && other.message.sender == sight.message.sender
            };
            let mut same = sights.iter().filter(fits).map(|other| other.index);
            let around =
                same.clone().any(|index| index < sight.index) && same.any(|index| index > sight.index);
            around && accepted.iter().any(|(_, message, ..)| *message == sight.message)
        };
        let fit: Vec<Sight> = sights.iter().filter(between).cloned().collect();
        let sight = edit.pick(&fit)?;
        edit.remove(&sight.who, sight.index).map(|_| ())
    }),
    ("two of one sender change places", Checker::PerSenderOrder, |edit| {
        swap(edit, |first, second| first.message.sender == second.message.sender, false)
    }),
    ("two of different senders change places, and not their offsets", Checker::TotalRoomOrder, |edit| {
        let differ = |first: &Sight, second: &Sight| {
            first.message.sender != second.message.sender && first.position.is_some()
        };
        swap(edit, differ, false)
    }),
    ("two of different senders change places, with their offsets", Checker::TotalRoomOrder, |edit| {
        let differ = |first: &Sight, second: &Sight| {
            first.message.sender != second.message.sender && first.position.is_some()
        };
        swap(edit, differ, true)
    }),
    ("one comes twice", Checker::ExactlyOnce, |edit| {
        let sights = edit.sights();
        let sight = edit.pick(&sights)?;
        edit.insert(&sight.who, sight.index + 1, sight.seen())
    }),
    ("one comes again at a later offset", Checker::ExactlyOnce, |edit| {
        let (first, second) = pick_pair(edit, |first, _| first.position.is_some())?;
        let again = Seen::Event { room: second.room, position: second.position, message: first.message };
        edit.replace(&second.who, second.index, again)
    }),
    ("an unknown outcome is kept twice", Checker::ExactlyOnce, |edit| {
        let unknown = edit.run.done.iter().filter_map(|done| match &done.what {
            Done::Unknown { message } => Some(message.clone()),
            _ => None,
        });
        let unknown: Vec<Message> = unknown.collect();
        edit.final_read(&vault(), |events| {
            let again = events.iter().map(|(_, message)| message).find(|message| unknown.contains(message));
            let (again, last) = (again.cloned(), events.last().map(|(offset, _)| *offset));
            events.extend(last.zip(again).map(|(last, again)| (last + 1, again)));
        })
    }),
    ("one leaks into another room", Checker::Separation, |edit| leak(edit, &Room::new("chat", "hall"))),
    ("one leaks into another namespace", Checker::Separation, |edit| {
        leak(edit, &Room::new("other", "vault"))
    }),
    ("one leaks into the history of another namespace", Checker::Separation, |edit| {
        let message = nth_kept(edit, |len| len / 2)?;
        edit.final_read(&Room::new("other", "vault"), |events| {
            let last = events.last().map_or(0, |(offset, _)| *offset);
            events.push((last + 1, message));
        })
    }),
    ("one comes after parted", Checker::Fence, |edit| {
        let parted = edit.find(|seen| match seen {
            Seen::Parted { room } => Some(room.clone()),
            _ => None,
        });
        let (who, index, room) = edit.pick(&parted)?;
        let sights = edit.sights();
        let fits = |sight: &&Sight| sight.who == who && sight.index < index && sight.room == room;
        let before = sights.iter().rfind(fits)?;
        edit.insert(&who, index + 1, before.seen())
    }),
    ("one comes before joined", Checker::Fence, |edit| {
        let first = edit.sights().into_iter().find(|sight| sight.who == "cleo" || sight.who == "ben")?;
        let joined =
            edit.find(|seen| matches!(seen, Seen::Joined { room, .. } if *room == first.room).then_some(()));
        let (who, index, ()) = joined.into_iter().find(|(who, ..)| *who == first.who)?;
        let event = edit.remove(&first.who, first.index)?;
        edit.insert(&who, index, event)
    }),
    ("what is older than the joining comes", Checker::Fence, |edit| {
        let joined = edit.find(|seen| match seen {
            Seen::Joined { room, at: Some(at), recovers: None } if at.offset > 0 => {
                Some((room.clone(), at.clone()))
            }
            _ => None,
        });
        let (who, index, (room, at)) = edit.pick(&joined)?;
        let fits = |sight: &&Sight| sight.room == room && sight.position.as_ref() == Some(&at);
        let older = edit.sights().iter().find(fits)?.seen();
        edit.insert(&who, index + 1, older)
    }),
    ("missed before joined", Checker::Fence, |edit| {
        edit.insert("auditor", 0, Seen::Missed { room: vault(), hole: Hole::Count(1) })
    }),
    ("what is missed is told too wide at its end", Checker::NoSilentGap, |edit| {
        reshape(edit, |from, to| (from, to + 1))
    }),
    ("what is missed is told too wide at its start", Checker::NoSilentGap, |edit| {
        reshape(edit, |from, to| (from - 1, to))
    }),
    ("what is missed is told too narrow at its end", Checker::NoSilentGap, |edit| {
        reshape(edit, |from, to| (from, to - 1))
    }),
    ("what is missed is told too narrow at its start", Checker::NoSilentGap, |edit| {
        reshape(edit, |from, to| (from + 1, to))
    }),
    ("what is missed is not told", Checker::NoSilentGap, |edit| {
        let told = edit.range()?;
        edit.remove(&told.who, told.index).map(|_| ())
    }),
    ("a lost epoch is not told", Checker::NoSilentGap, |edit| {
        remove_before_an_event(edit, |seen| {
            matches!(seen, Seen::Missed { hole: Hole::Range { to: None, .. }, .. })
        })
    }),
    ("a count is far too high", Checker::NoSilentGap, |edit| count(edit, |count| count + 10_000)),
    ("a new epoch is not told", Checker::NoSilentGap, |edit| {
        remove_before_an_event(edit, |seen| matches!(seen, Seen::Reset { .. }))
    }),
    ("a history has a hole", Checker::NoSilentGap, |edit| {
        edit.final_read(&vault(), |events| drop(events.remove(events.len() / 2)))
    }),
    ("an offset has another payload for one member", Checker::TotalRoomOrder, |edit| {
        let (first, second) = pick_pair(edit, |first, _| first.position.is_some())?;
        let event = Seen::Event { room: first.room, position: first.position, message: second.message };
        edit.replace(&first.who, first.index, event)
    }),
    ("an offset has another payload in the history", Checker::TotalRoomOrder, |edit| {
        edit.final_read(&vault(), |events| {
            let (first, second) = (events.len() / 3, events.len() / 2);
            events[first].1 = events[second].1.clone();
        })
    }),
    ("an offset is used again after a crash", Checker::TotalRoomOrder, |edit| {
        let (crash, _) = edit.crash()?;
        let accepted = edit.accepted();
        let durable = accepted.iter().filter(|(.., durability)| *durability == Durability::Fsync);
        let (before, after): (Vec<_>, Vec<_>) = durable.cloned().partition(|(index, ..)| *index < crash);
        let (_, old, position, _) = edit.pick(&before)?;
        let same = |(_, new, ..): &(usize, Message, _, _)| {
            new.room == old.room && new.sender.starts_with(&old.sender[..1])
        };
        let after: Vec<_> = after.into_iter().filter(same).collect();
        let (index, message, _, durability) = edit.pick(&after)?;
        edit.run.done[index].what = Done::Accepted { message, position, durability };
        Some(())
    }),
    ("memory is called synced, and is lost", Checker::TruthOfAcknowledgements, |edit| {
        let (crash, _) = edit.crash()?;
        let mut den = edit.accepted();
        den.retain(|(index, message, ..)| *index < crash && message.room == "den".into());
        let (index, message, position, _) = edit.pick(&den)?;
        edit.run.done[index].what = Done::Accepted { message, position, durability: Durability::Fsync };
        Some(())
    }),
    ("a crash takes what was synced", Checker::TruthOfAcknowledgements, |edit| {
        let (message, crash) = synced(edit)?;
        edit.reads(|at, _, events| events.retain(|(_, other)| at < crash || *other != message));
        Some(())
    }),
    ("a crash moves what was synced", Checker::TruthOfAcknowledgements, |edit| {
        let (_, crash) = synced(edit)?;
        edit.reads(|at, room, events| {
            let moved = at > crash && *room == vault();
            events.iter_mut().filter(|_| moved).for_each(|(offset, _)| *offset += 1);
        });
        Some(())
    }),
    ("nobody has looked after a crash", Checker::TruthOfAcknowledgements, |edit| {
        let (_, crash) = synced(edit)?;
        for receiver in edit.run.receivers.values_mut() {
            receiver.seen.retain(|seen| seen.at < crash || !matches!(seen.what, Seen::HistoryRead { .. }));
        }
        Some(())
    }),
    ("too little succeeds", Checker::Conclusive, |edit| {
        for done in &mut edit.run.done {
            if let Done::Accepted { message, .. } = &done.what {
                done.what = Done::Unknown { message: message.clone() };
            }
        }
        Some(())
    }),
    ("one message is said to two rooms", Checker::Conclusive, |edit| {
        let mut said = edit.run.done.iter_mut().filter_map(|done| match &mut done.what {
            Done::Invoked { room, message } => Some((room, message)),
            _ => None,
        });
        let (room, message) = said.next().map(|(room, message)| (room.clone(), message.clone()))?;
        *said.find(|(other, _)| **other != room)?.1 = message;
        Some(())
    }),
    ("what was refused comes", Checker::NothingUnsaid, |edit| {
        let refused = edit.run.done.iter().find_map(|done| match &done.what {
            Done::Refused { message } => Some(message.clone()),
            _ => None,
        });
        say_instead(edit, refused?)
    }),
    ("what nobody said comes", Checker::NothingUnsaid, |edit| {
        say_instead(edit, Message::read("s0.vault.99999"))
    }),
    ("a payload is garbled", Checker::NothingUnsaid, |edit| say_instead(edit, Message::read("s0.vau"))),
];

fn vault() -> Room {
    Room::new("chat", "vault")
}

fn nth_kept(edit: &mut Edit<'_>, nth: fn(usize) -> usize) -> Option<Message> {
    let kept = edit.kept(&vault());
    kept.get(nth(kept.len())).cloned()
}

fn lose_nth(edit: &mut Edit<'_>, nth: fn(usize) -> usize) -> Option<()> {
    let message = nth_kept(edit, nth)?;
    edit.lose(&message)
}

fn pick_pair(edit: &mut Edit<'_>, fits: impl Fn(&Sight, &Sight) -> bool) -> Option<(Sight, Sight)> {
    let pairs = edit.neighbours(fits);
    edit.pick(&pairs)
}

fn swap(edit: &mut Edit<'_>, fits: impl Fn(&Sight, &Sight) -> bool, with_offsets: bool) -> Option<()> {
    let (first, second) = pick_pair(edit, fits)?;
    let (mut early, mut late) = (second.clone(), first.clone());
    if !with_offsets {
        (early.position, late.position) = (late.position, early.position);
    }
    edit.replace(&first.who, first.index, early.seen())?;
    edit.replace(&second.who, second.index, late.seen())
}

/// Somebody sees a message of the vault in `room`.
fn leak(edit: &mut Edit<'_>, room: &Room) -> Option<()> {
    let message = nth_kept(edit, |len| len / 2)?;
    let fit: Vec<Sight> = edit.sights().into_iter().filter(|sight| sight.room == *room).collect();
    let sight = edit.pick(&fit)?;
    let event = Seen::Event { room: sight.room.clone(), position: sight.position.clone(), message };
    edit.replace(&sight.who, sight.index, event)
}

fn reshape(edit: &mut Edit<'_>, shape: fn(u64, u64) -> (u64, u64)) -> Option<()> {
    let told = edit.range()?;
    let (from, to) = shape(told.from, told.to);
    let hole = Hole::Range { epoch: told.epoch.into(), from, to: Some(to) };
    edit.replace(&told.who, told.index, Seen::Missed { room: told.room, hole })
}

fn count(edit: &mut Edit<'_>, change: fn(u64) -> u64) -> Option<()> {
    let counts = edit.find(|seen| match seen {
        Seen::Missed { room, hole: Hole::Count(count) } => Some((room.clone(), *count)),
        _ => None,
    });
    let (who, index, (room, count)) = edit.pick(&counts)?;
    edit.replace(&who, index, Seen::Missed { room, hole: Hole::Count(change(count)) })
}

/// A synced message that is still kept at the end, and the stamp of a crash after it.
fn synced(edit: &mut Edit<'_>) -> Option<(Message, u64)> {
    let (crash, at) = edit.crash()?;
    let kept = edit.kept(&vault());
    let mut accepted = edit.accepted();
    accepted.retain(|(index, message, ..)| *index < crash && kept.contains(message));
    let (_, message, ..) = edit.pick(&accepted)?;
    Some((message, at))
}

fn say_instead(edit: &mut Edit<'_>, message: Message) -> Option<()> {
    let sights = edit.sights();
    let Sight { who, index, room, position, .. } = edit.pick(&sights)?;
    let position: Option<Position> = position;
    edit.replace(&who, index, Seen::Event { room, position, message })
}

/// Takes out something told of the room in memory, which an event of that room follows.
fn remove_before_an_event(edit: &mut Edit<'_>, which: impl Fn(&Seen) -> bool) -> Option<()> {
    let mut found = edit.find(|seen| which(seen).then_some(()));
    found.retain(|(who, index, ())| edit.an_event_follows(who, *index, &Room::new("chat", "den")));
    let (who, index, ()) = edit.pick(&found)?;
    edit.remove(&who, index).map(|_| ())
}
