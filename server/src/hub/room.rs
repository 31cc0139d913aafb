//! The members of one address, and the loop that hands them an event. Pure but for the outboxes that it fills.

use std::{collections::HashMap, sync::Arc};

use indexmap::IndexMap;

use super::{
    counting::Counting,
    delta::{Bases, Run, Said},
    fan_out::FanOut,
    member::{Member, Wishes},
    window::{Pace, Step, Window},
};
use crate::{
    base::{clock::Instant, config::BehindPolicy, ids::UserName, rate::Bucket},
    session::{
        Session,
        owed::{Owed, StateAfter},
    },
    wire::Frame,
};

/// The members of one address.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) members: IndexMap<u64, Member>,
    pub(super) rate: Bucket,
    pub(super) presence_wanted: u32,
    pub(super) counting: Counting,
    state_wanted: u32,
    /// Sessions of each user, and of nobody in particular.
    pub(super) users: HashMap<UserName, u32>,
    pub(super) nameless: u32,
    window: Window,
    delta_wanted: u32,
    bases: Option<Box<Bases>>,
    /// Members that come from another node, which still has them.
    arriving: usize,
}

impl Room {
    /// A room without members.
    pub(super) fn new(rate: Bucket) -> Self {
        Self {
            members: IndexMap::new(),
            rate,
            presence_wanted: 0,
            counting: Counting::default(),
            state_wanted: 0,
            users: HashMap::new(),
            nameless: 0,
            window: Window::default(),
            delta_wanted: 0,
            bases: None,
            arriving: 0,
        }
    }

    /// Adds a member, or what a member wants beside what it has. False when it was one.
    pub(super) fn add(&mut self, session: &Arc<Session>, wishes: Wishes) -> bool {
        let known = self.members.get(&session.id.key);
        let arriving = known.is_some_and(|member| member.arriving);
        let before = known.map(|member| member.wishes);
        let wishes = before.map_or(wishes, |before| before.and(wishes));
        self.count_wishes(before.unwrap_or_default(), wishes);
        self.keep_bases();
        // What it had before it joined, or joined again, is not built upon.
        let (clean_since, losses) = (self.next_number(), session.outbox.losses());
        let session = Arc::clone(session);
        let member = Member { session, wishes, arriving, number_owed: false, clean_since, losses };
        if before.is_none() {
            self.note_user(&member.session);
        }
        self.members.insert(member.session.id.key, member);
        before.is_none()
    }

    /// The same of a session that another node still has. Nothing changes for one that is a member already.
    pub(super) fn add_arriving(&mut self, session: &Arc<Session>, wishes: Wishes) {
        if self.add(session, wishes)
            && let Some(member) = self.members.get_mut(&session.id.key)
        {
            member.arriving = true;
            self.arriving += 1;
            self.forget_user(&session.identity().user);
        }
    }

    /// A session that has arrived is a member like any other. False when it is none that was arriving.
    pub(super) fn arrive(&mut self, session: &Session) -> bool {
        let member = self.members.get_mut(&session.id.key).filter(|member| member.arriving);
        let Some(member) = member else { return false };
        member.arriving = false;
        self.arriving -= 1;
        self.note_user(session);
        true
    }

    /// What a member wants to be told, and whether another node still has it.
    pub(super) fn member(&self, key: u64) -> Option<(Wishes, bool)> {
        self.members.get(&key).map(|member| (member.wishes, member.arriving))
    }

    /// Members that are counted and named.
    pub(super) fn named(&self) -> impl Iterator<Item = &Member> {
        self.members.values().filter(|member| !member.arriving)
    }

    fn note_user(&mut self, session: &Session) {
        match &session.identity().user {
            Some(user) => *self.users.entry(user.clone()).or_default() += 1,
            None => self.nameless += 1,
        }
    }

    /// Removes a member. False when it was none.
    pub(super) fn remove(&mut self, key: u64) -> bool {
        let Some(member) = self.members.swap_remove(&key) else {
            return false;
        };
        self.count_wishes(member.wishes, Wishes::default());
        self.keep_bases();
        if member.arriving {
            self.arriving -= 1;
        } else {
            self.forget_user(&member.session.identity().user);
        }
        true
    }

    fn forget_user(&mut self, user: &Option<UserName>) {
        let Some(user) = user else {
            self.nameless -= 1;
            return;
        };
        if let Some(sessions) = self.users.get_mut(user) {
            *sessions -= 1;
            if *sessions == 0 {
                self.users.remove(user);
            }
        }
    }

    /// How many users it has: sessions of one user count once, sessions without a user each.
    pub(super) fn user_count(&self) -> u32 {
        u32::try_from(self.users.len()).unwrap_or(u32::MAX).saturating_add(self.nameless)
    }

    fn count_wishes(&mut self, before: Wishes, after: Wishes) {
        self.presence_wanted += u32::from(after.presence);
        self.presence_wanted -= u32::from(before.presence);
        self.state_wanted += u32::from(after.state);
        self.state_wanted -= u32::from(before.state);
        self.delta_wanted += u32::from(after.delta);
        self.delta_wanted -= u32::from(before.delta);
    }

    /// Tells the members who asked for it that the keyed state has changed.
    /// A member without room for it is owed the state.
    pub(super) fn tell_state(&self, frame: &Frame, before: &StateAfter) {
        if self.state_wanted > 0 {
            let told = self.members.values().filter(|member| member.wishes.state);
            for member in told {
                member.session.outbox.put_state(frame, before.clone());
            }
        }
    }

    /// Has the members who asked for it read what has changed in the keyed state after something.
    pub(super) fn owe_state(&self, after: &StateAfter, only: Option<u64>) {
        let owed = |key: &u64| only.is_none_or(|only| only == *key);
        let members = self.members.iter().filter(|(key, member)| member.wishes.state && owed(key));
        for (_, member) in members {
            member.session.outbox.owe(Owed::State(after.clone()));
        }
    }

    /// How many members it has.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.members.len() - self.arriving).unwrap_or(u32::MAX)
    }

    /// Hands `frame` to every member but `except`, now or when the room's window closes.
    pub(super) fn emit(
        &mut self,
        frame: &Frame,
        policy: BehindPolicy,
        except: Option<u64>,
        pace: Pace,
    ) -> FanOut {
        let said = self.said(frame, except);
        match self.window.take(&said, self.members.len(), pace) {
            Step::Gathered(until) => {
                let excepted = except.is_some_and(|key| self.members.contains_key(&key));
                let delivered = self.count().saturating_sub(u32::from(excepted));
                let due = self.window.has_one().then_some(until);
                FanOut { delivered, due, ..FanOut::default() }
            }
            Step::AtOnce => {
                let before = self.close_window(policy, pace);
                let mut fan_out = self.fan_out(&said, policy);
                fan_out.absorb(before);
                fan_out
            }
        }
    }

    /// Whether something waits for the window to close.
    pub(super) fn gathering(&self) -> bool {
        !self.window.is_empty()
    }

    /// Hands out what was gathered. Must come before anything that does not go through [`Room::emit`], and before a
    /// change of membership.
    pub(super) fn close_window(&mut self, policy: BehindPolicy, pace: Pace) -> FanOut {
        let mut fan_out = FanOut::default();
        if self.window.is_empty() {
            return fan_out;
        }
        let next = self.next_number();
        let mut batch = self.window.close(pace.now.checked_add(pace.window));
        for (key, member) in &mut self.members {
            if member.wishes.delta {
                let runs = batch.runs_for(*key, member.clean_since);
                fan_out.put_runs(member, &runs, policy, next);
                continue;
            }
            for frame in batch.frames_for(*key).iter() {
                fan_out.put(&member.session, frame, policy);
            }
        }
        fan_out
    }

    fn fan_out(&mut self, said: &Said, policy: BehindPolicy) -> FanOut {
        let mut fan_out = FanOut::default();
        let next = self.next_number();
        for (key, member) in &mut self.members {
            if Some(*key) == said.except {
                continue;
            }
            if !member.wishes.delta {
                fan_out.put(&member.session, &said.frame, policy);
                continue;
            }
            let delta = said.delta.as_ref().filter(|delta| delta.is_for(*key, member.clean_since));
            let run = Run { full: said.frame.clone(), delta: delta.map(|delta| delta.frame.clone()) };
            fan_out.put_runs(member, &[run], policy, next);
        }
        fan_out
    }

    /// Begins to keep what deltas are made from when the first member wants them, and ends with the last.
    fn keep_bases(&mut self) {
        match self.delta_wanted {
            0 => self.bases = None,
            _ => drop(self.bases.get_or_insert_default()),
        }
    }

    /// The number of the next event.
    fn next_number(&self) -> u64 {
        self.bases.as_ref().map_or(0, |bases| bases.next)
    }

    /// An event for the members of this room alone.
    fn said(&mut self, frame: &Frame, except: Option<u64>) -> Said {
        let delta = self.bases.as_mut().and_then(|bases| bases.take(frame, except));
        Said { frame: frame.clone(), delta, except }
    }

    /// Notes an event that some members have got in another way than by [`Room::emit`].
    pub(super) fn said_elsewhere(&mut self, frame: &Frame) {
        if let Some(bases) = &mut self.bases {
            bases.pass(frame);
        }
    }

    /// Panics when its count of those who want presence is wrong, or when nobody is there. For tests, after each step.
    #[cfg(test)]
    pub(super) fn check(&self) {
        let wanted = self.members.values().filter(|member| member.wishes.presence).count();
        assert_eq!(self.presence_wanted as usize, wanted);
        assert_eq!(self.arriving, self.members.values().filter(|member| member.arriving).count());
        let deltas = self.members.values().filter(|member| member.wishes.delta).count();
        assert_eq!(self.delta_wanted as usize, deltas);
        assert_eq!(self.bases.is_some(), deltas > 0);
        self.bases.iter().for_each(|bases| bases.check());
        assert!(!self.members.is_empty(), "a room without members exists");
        assert!(self.members.iter().all(|(key, member)| *key == member.session.id.key));
    }
}

/// A bucket for a room that has just begun.
pub(super) fn fresh_rate(per_second: u32, now: Instant) -> Bucket {
    Bucket::full(rate(per_second), now)
}

/// A room takes a tenth of a second's events at once, and at least 100.
pub(super) fn rate(per_second: u32) -> crate::base::rate::Rate {
    crate::base::rate::Rate::per_second(per_second, (per_second / 10).max(100))
}
