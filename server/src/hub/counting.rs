//! How a room tells who is there: one by one and by name while it is small, by number and at most once a second when it is
//! large. Pure: time comes as an argument, and when the next second is over is returned.

use std::time::Duration;

use crate::base::clock::Instant;

/// Rooms of more members than this do not name them in `Joined` and `Presence`.
#[cfg(not(test))]
pub(super) const MEMBERS_NAMED_MAX: u32 = 256;
/// Few enough for models to go beyond.
#[cfg(test)]
pub(super) const MEMBERS_NAMED_MAX: u32 = 18;
/// How often the number of members is told.
const COUNTS_EVERY: Duration = Duration::from_secs(1);

/// How a room tells who is there.
#[derive(Debug, Default)]
pub(super) struct Counting {
    /// Members are counted and not named: they are too many, or it was not told yet that they are not any more.
    pub(super) counted: bool,
    /// Nothing is told before.
    quiet_until: Option<Instant>,
    /// Something is to be told then.
    waiting: bool,
    /// To everybody who has asked, not only to those who had no room for it.
    changed: bool,
}

/// What to do with a change.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Telling {
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
    /// Decides about a change after which the members can be named, or cannot.
    pub(super) fn change(&mut self, nameable: bool, now: Instant) -> Telling {
        self.counted |= !nameable;
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
    pub(super) fn pass(&mut self, nameable: bool) {
        self.counted = !nameable;
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.waiting && self.quiet_until.is_none_or(|until| until <= now)
    }

    /// Notes that it is told how many there are, or who if they are few enough. Says whether everybody is to be told.
    pub(super) fn tell(&mut self, nameable: bool, now: Instant) -> bool {
        let changed = self.changed;
        let quiet_until = now.checked_add(COUNTS_EVERY);
        *self = Self { counted: !nameable, quiet_until, waiting: false, changed: false };
        changed
    }

    /// What was told was not heard by anybody: all of it is told again.
    pub(super) fn anew(&mut self, now: Instant) -> Option<Instant> {
        let quiet_until = now.checked_add(COUNTS_EVERY);
        *self = Self { counted: true, quiet_until, waiting: true, changed: true };
        quiet_until
    }

    /// Tells those once more who had no room for it.
    pub(super) fn again(&mut self) -> Option<Instant> {
        self.waiting = true;
        self.quiet_until
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock;

    #[test]
    fn a_small_room_tells_names_at_once() {
        let (mut counting, now) = (Counting::default(), clock::now());
        assert_eq!(counting.change(true, now), Telling::Names);
    }

    #[test]
    fn a_large_room_tells_the_first_change_at_once_and_the_last_one_after_a_second() {
        let (mut counting, now) = (Counting::default(), clock::now());
        let later = now + COUNTS_EVERY;
        assert_eq!(counting.change(false, now), Telling::Number);
        assert!(counting.tell(false, now));
        assert_eq!(counting.change(false, now), Telling::NumberAt(later));
        assert_eq!(counting.change(false, now), Telling::Nothing);
        assert!(!counting.is_due(now) && counting.is_due(later));
        assert!(counting.tell(false, later));
        assert!(!counting.is_due(later + COUNTS_EVERY), "nothing has changed");
        assert_eq!(counting.change(false, later + COUNTS_EVERY), Telling::Number);
    }

    #[test]
    fn a_room_that_has_shrunk_names_its_members_once_all_of_them_were_told() {
        let (mut counting, now) = (Counting::default(), clock::now());
        assert_eq!(counting.change(false, now), Telling::Number);
        assert!(counting.tell(false, now));
        assert!(matches!(counting.change(true, now), Telling::NumberAt(_)));
        assert_eq!(counting.change(true, now), Telling::Nothing, "nobody has the names yet");
        assert!(counting.tell(true, now + COUNTS_EVERY));
        assert_eq!(counting.change(true, now + COUNTS_EVERY), Telling::Names);
    }

    #[test]
    fn who_had_no_room_for_it_is_told_alone_a_second_later() {
        let (mut counting, now) = (Counting::default(), clock::now());
        assert_eq!(counting.change(false, now), Telling::Number);
        assert!(counting.tell(false, now));
        assert_eq!(counting.again(), Some(now + COUNTS_EVERY));
        assert!(counting.is_due(now + COUNTS_EVERY));
        assert!(!counting.tell(false, now + COUNTS_EVERY));
    }
}
