//! Who is in one room as the session knows it, made of what `Joined` and `Presence` say: both counts always, names as long
//! as the server tells them. Pure; used by `audience.rs`.

use std::collections::BTreeMap;

use rialto_proto::v1;

use crate::presence::{Member, PresenceCounts, Present};

/// A room of more members is counted and not named.
const NAMED_MAX: u32 = 256;

/// Who is in a room that was joined with presence.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    members: BTreeMap<String, v1::Member>,
    member_count: u32,
    user_count: u32,
}

fn session(member: &v1::Member) -> &str {
    member.who.as_ref().map_or("", |who| &who.session)
}

fn by_session(members: &[v1::Member]) -> BTreeMap<String, v1::Member> {
    members.iter().map(|member| (session(member).to_owned(), member.clone())).collect()
}

impl Roster {
    /// As it is now.
    pub(crate) fn present(&self) -> Present {
        let member =
            |(session, member): (&String, &v1::Member)| (session.clone(), Member::from(member.clone()));
        Present {
            members: self.members.iter().map(member).collect(),
            counts: PresenceCounts {
                members: self.member_count,
                users: self.user_count,
                nodes_missing: Vec::new(),
            },
            complete: self.is_whole(),
        }
    }

    fn is_whole(&self) -> bool {
        u32::try_from(self.members.len()).is_ok_and(|named| named == self.member_count)
    }

    /// Holds when names and count disagree though all could be named: another join tells them.
    pub(crate) fn has_hole(&self) -> bool {
        self.member_count <= NAMED_MAX && !self.is_whole()
    }

    /// A join was answered. Returns what is different from what was known, as the server would have told it.
    pub(crate) fn found(&mut self, namespace: &str, state: &v1::RoomState) -> Option<v1::Presence> {
        let before = std::mem::replace(&mut self.members, by_session(&state.members));
        let counts_before = (self.member_count, self.user_count);
        (self.member_count, self.user_count) = (state.member_count, state.user_count);
        let new = |member: &&v1::Member| before.get(session(member)) != Some(member);
        let joined: Vec<v1::Member> = self.members.values().filter(new).cloned().collect();
        // Where nobody is named nobody is named as gone either.
        let named = !self.members.is_empty();
        let gone = before.iter().filter(|(session, _)| named && !self.members.contains_key(*session));
        let left: Vec<v1::Sender> = gone.filter_map(|(_, member)| member.who.clone()).collect();
        let differs =
            !(joined.is_empty() && left.is_empty()) || counts_before != (self.member_count, self.user_count);
        differs.then(|| v1::Presence {
            namespace: namespace.to_owned(),
            room: state.room.clone(),
            joined,
            left,
            member_count: self.member_count,
            user_count: self.user_count,
        })
    }

    /// Members came or went.
    pub(crate) fn changed(&mut self, presence: &v1::Presence) {
        (self.member_count, self.user_count) = (presence.member_count, presence.user_count);
        if u32::try_from(presence.joined.len()).is_ok_and(|named| named == presence.member_count) {
            // As many as there are: these are all.
            self.members.clear();
        }
        self.members.extend(by_session(&presence.joined));
        for gone in &presence.left {
            self.members.remove(&gone.session);
        }
        if self.member_count > NAMED_MAX {
            // They are kept up no more, so they are no names of now.
            self.members.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(numbers: std::ops::Range<u32>) -> Vec<v1::Member> {
        let who = |number: u32| v1::Sender { session: number.to_string(), ..v1::Sender::default() };
        numbers.map(|number| v1::Member { who: Some(who(number)), ..v1::Member::default() }).collect()
    }

    fn state(numbers: std::ops::Range<u32>) -> v1::RoomState {
        let member_count = numbers.end - numbers.start;
        v1::RoomState { member_count, members: members(numbers), ..v1::RoomState::default() }
    }

    fn counted(member_count: u32) -> v1::Presence {
        v1::Presence { member_count, ..v1::Presence::default() }
    }

    #[test]
    fn who_comes_and_goes_is_kept_and_who_is_told_as_all_are_all() {
        let mut roster = Roster::default();
        roster.found("chat", &state(0..2));
        roster.changed(&v1::Presence { joined: members(7..8), ..counted(3) });
        let left = members(0..1).into_iter().filter_map(|member| member.who).collect();
        roster.changed(&v1::Presence { left, ..counted(2) });
        let present = roster.present();
        assert_eq!(present.members.keys().collect::<Vec<_>>(), ["1", "7"]);
        assert!(present.complete && !roster.has_hole());
        roster.changed(&v1::Presence { joined: members(3..6), ..counted(3) });
        assert_eq!(roster.present().members.keys().collect::<Vec<_>>(), ["3", "4", "5"]);
    }

    #[test]
    fn a_large_room_is_counted_and_one_that_was_large_has_a_hole() {
        let mut roster = Roster::default();
        roster.found("chat", &state(0..256));
        assert!(roster.present().complete);
        roster.changed(&counted(257));
        let present = roster.present();
        assert_eq!((present.members.len(), present.counts.members, present.complete), (0, 257, false));
        assert!(!roster.has_hole(), "it is not to be had");
        roster.changed(&v1::Presence { left: vec![v1::Sender::default()], ..counted(256) });
        assert!(roster.has_hole());
        roster.found("chat", &state(0..256));
        assert!(!roster.has_hole() && roster.present().complete);
    }

    #[test]
    fn what_became_different_between_two_joins_is_told() {
        let mut roster = Roster::default();
        roster.found("chat", &state(0..3));
        assert_eq!(roster.found("chat", &state(0..3)), None);
        let told = roster.found("chat", &state(1..5)).unwrap();
        let sessions =
            |members: &[v1::Member]| members.iter().map(|m| session(m).to_owned()).collect::<Vec<_>>();
        assert_eq!(sessions(&told.joined), ["3", "4"]);
        assert_eq!((told.left[0].session.as_str(), told.left.len(), told.member_count), ("0", 1, 4));
        let unnamed = v1::RoomState { member_count: 900, ..v1::RoomState::default() };
        let told = roster.found("chat", &unnamed).unwrap();
        assert_eq!((told.joined.len(), told.left.len(), told.member_count), (0, 0, 900));
    }
}
