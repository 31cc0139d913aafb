//! The members of one address, and the loop that hands them an event. Pure but for the outboxes that it fills.

use std::sync::Arc;

use indexmap::IndexMap;
use rialto_proto::v1::{Member as MemberInfo, Presence};

use super::window::{Pace, Step, Window};
use crate::{
    base::{clock::Instant, config::BehindPolicy, rate::Bucket},
    session::{Session, outbox::Put},
    wire::Frame,
};

/// Rooms of more members than this do not name them in `Joined` and `Presence`.
pub(super) const MEMBERS_NAMED_MAX: usize = 256;

/// The members of one address.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) members: IndexMap<u64, Member>,
    pub(super) rate: Bucket,
    presence_wanted: u32,
    window: Window,
}

/// A session in a room.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) session: Arc<Session>,
    presence: bool,
}

/// What became of an event.
#[derive(Debug, Default)]
pub struct FanOut {
    /// Sessions whose outbox it is in.
    pub delivered: u32,
    /// Sessions that it was dropped for, and events that it displaced.
    pub dropped: u32,
    /// A receiver needs time to read: the sender should pause.
    pub pressed: bool,
    /// Sessions that fell behind by it and must be closed.
    pub behind: Vec<Arc<Session>>,
    /// Sessions that it was meant for and did not reach.
    pub unreached: Vec<u64>,
    /// When the room's window closes, if this event has opened it.
    pub due: Option<Instant>,
}

impl FanOut {
    /// The fan-out of an event that has reached nobody yet, with what the hand-over before it has led to.
    pub(super) fn after(before: FanOut) -> Self {
        let mut fan_out = Self::default();
        fan_out.absorb(before);
        fan_out
    }

    /// Adds what another hand-over has led to, but not whom it has reached: that was said when it was gathered.
    pub(super) fn absorb(&mut self, other: FanOut) {
        self.dropped += other.dropped;
        self.pressed |= other.pressed;
        self.behind.extend(other.behind);
    }

    /// Puts `frame` in the outbox of one session.
    pub(super) fn put(&mut self, session: &Arc<Session>, frame: &Frame, policy: BehindPolicy) {
        match session.outbox.put(frame, policy) {
            Put::Waits { displaced, pressed } => {
                self.delivered += 1;
                self.dropped += displaced;
                self.pressed |= pressed;
                return;
            }
            Put::Lags => {
                self.delivered += 1;
                return;
            }
            Put::Dropped => self.dropped += frame.count(),
            Put::Behind | Put::Overrun => {
                self.dropped += frame.count();
                self.behind.push(Arc::clone(session));
            }
            Put::Closed => {}
        }
        self.unreached.push(session.id.key);
    }
}

impl Room {
    /// A room without members.
    pub(super) fn new(rate: Bucket) -> Self {
        Self { members: IndexMap::new(), rate, presence_wanted: 0, window: Window::default() }
    }

    /// Adds a member. False when it was one; its wish to be told of others is taken over all the same.
    pub(super) fn add(&mut self, session: &Arc<Session>, presence: bool) -> bool {
        let member = Member { session: Arc::clone(session), presence };
        self.presence_wanted += u32::from(presence);
        let before = self.members.insert(session.id.key, member);
        self.presence_wanted -= u32::from(before.as_ref().is_some_and(|member| member.presence));
        before.is_none()
    }

    /// Removes a member. False when it was none.
    pub(super) fn remove(&mut self, key: u64) -> bool {
        let Some(member) = self.members.swap_remove(&key) else {
            return false;
        };
        self.presence_wanted -= u32::from(member.presence);
        true
    }

    /// How many members it has.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.members.len()).unwrap_or(u32::MAX)
    }

    /// Hands `frame` to every member but `except`, now or when the room's window closes.
    pub(super) fn emit(
        &mut self,
        frame: &Frame,
        policy: BehindPolicy,
        except: Option<u64>,
        pace: Pace,
    ) -> FanOut {
        match self.window.take(frame, except, self.members.len(), pace) {
            Step::Gathered(until) => {
                let excepted = except.is_some_and(|key| self.members.contains_key(&key));
                let delivered = self.count() - u32::from(excepted);
                let due = self.window.has_one().then_some(until);
                FanOut { delivered, due, ..FanOut::default() }
            }
            Step::AtOnce => {
                let before = self.close_window(policy, pace);
                let mut fan_out = self.fan_out(frame, policy, except);
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
        let batch = self.window.close(pace.now.checked_add(pace.window));
        for (key, member) in &self.members {
            for frame in batch.frames_for(*key).iter() {
                fan_out.put(&member.session, frame, policy);
            }
        }
        fan_out
    }

    fn fan_out(&self, frame: &Frame, policy: BehindPolicy, except: Option<u64>) -> FanOut {
        let mut fan_out = FanOut::default();
        for (key, member) in &self.members {
            if Some(*key) != except {
                fan_out.put(&member.session, frame, policy);
            }
        }
        fan_out
    }

    /// Tells the members who asked for it that others came or went. Returns those who fell behind by it.
    pub(super) fn report(&self, mut presence: Presence, except: u64) -> Vec<Arc<Session>> {
        if self.presence_wanted == 0 {
            return Vec::new();
        }
        presence.member_count = self.count();
        if self.members.len() > MEMBERS_NAMED_MAX {
            presence.joined.clear();
            presence.left.clear();
        }
        let frame = Frame::presence(presence);
        let mut fan_out = FanOut::default();
        let told = self.members.iter().filter(|(key, member)| member.presence && **key != except);
        told.for_each(|(_, member)| fan_out.put(&member.session, &frame, BehindPolicy::Drop));
        fan_out.behind
    }

    /// Panics when its count of those who want presence is wrong, or when nobody is there. For tests, after each step.
    #[cfg(test)]
    pub(super) fn check(&self) {
        let wanted = self.members.values().filter(|member| member.presence).count();
        assert_eq!(self.presence_wanted as usize, wanted);
        assert!(!self.members.is_empty(), "a room without members exists");
        assert!(self.members.iter().all(|(key, member)| *key == member.session.id.key));
    }

    /// The members by name, if they are not too many.
    pub(super) fn named(&self) -> Vec<MemberInfo> {
        if self.members.len() > MEMBERS_NAMED_MAX {
            return Vec::new();
        }
        self.members.values().map(|member| info(&member.session)).collect()
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

/// A session as others see it.
pub fn info(session: &Session) -> MemberInfo {
    let attributes = session.attributes();
    let away = !session.outbox.attached();
    MemberInfo { who: Some(session.sender()), attributes: (*attributes).clone(), away }
}
