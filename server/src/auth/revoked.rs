//! What is revoked: tokens, users and sessions whose word is not taken any more. A table that decides from what it is given; the
//! router keeps it, and sees to it that all nodes have the same.
//!
//! A revocation of a user is about the tokens that were made until then: one that was made later is good, so that somebody who has
//! signed in again may come. Who presents something that does not say when it was made is revoked until the revocation is over.

use std::{collections::HashMap, time::SystemTime};

use super::Identity;

/// Bytes of the id of a token.
pub const TOKEN_ID_BYTES_MAX: usize = 128;

/// Of what kind it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A user, by name.
    User,
    /// A token, by its id.
    Token,
    /// A session, by its id.
    Session,
}

/// What is revoked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Revoked {
    /// Of what kind it is.
    pub kind: Kind,
    /// Its name or id.
    pub name: String,
}

/// A revocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// What is revoked.
    pub revoked: Revoked,
    /// Since when.
    pub at: SystemTime,
    /// Until when.
    pub until: SystemTime,
    /// Why, for operators.
    pub reason: String,
}

/// All that is revoked.
#[derive(Debug, Default)]
pub struct Revocations {
    held: HashMap<Revoked, Revocation>,
    /// What was taken back, and since when it had been revoked: what is heard of that later is old. Forgotten with its time.
    withdrawn: HashMap<Revoked, (SystemTime, SystemTime)>,
}

impl Revocations {
    /// Puts one in force. False when a newer one is known, or when it was taken back.
    pub fn put(&mut self, revocation: Revocation) -> bool {
        let known = self.held.get(&revocation.revoked).map(|known| known.at);
        let taken_back = self.withdrawn.get(&revocation.revoked).map(|(at, _)| *at);
        let is_new = known < Some(revocation.at) && taken_back < Some(revocation.at);
        if is_new {
            self.withdrawn.remove(&revocation.revoked);
            self.held.insert(revocation.revoked.clone(), revocation);
        }
        is_new
    }

    /// Takes one back. A newer one stays. False when there was none.
    pub fn withdraw(&mut self, revocation: &Revocation) -> bool {
        let known =
            self.withdrawn.entry(revocation.revoked.clone()).or_insert((revocation.at, revocation.until));
        *known = (*known).max((revocation.at, revocation.until));
        let is_old = self.held.get(&revocation.revoked).is_some_and(|known| known.at <= revocation.at);
        is_old && self.held.remove(&revocation.revoked).is_some()
    }

    /// Forgets what is over at the time of day `wall`, and returns what it was about.
    pub fn expire(&mut self, wall: SystemTime) -> Vec<Revoked> {
        let over = self.held.extract_if(|_, revocation| revocation.until <= wall).map(|(revoked, _)| revoked);
        let mut over: Vec<Revoked> = over.collect();
        let withdrawn = self.withdrawn.extract_if(|_, (_, until)| *until <= wall);
        over.extend(withdrawn.map(|(revoked, _)| revoked));
        over
    }

    /// One that is in force at the time of day `wall`.
    pub fn get(&self, revoked: &Revoked, wall: SystemTime) -> Option<&Revocation> {
        self.held.get(revoked).filter(|revocation| revocation.until > wall)
    }

    /// All, in no order.
    pub fn all(&self) -> impl Iterator<Item = &Revocation> {
        self.held.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether somebody is revoked at the time of day `wall`: by what they present, or by the session that they have.
    pub fn covers(&self, identity: &Identity, session: Option<&str>, wall: SystemTime) -> bool {
        // Nothing is revoked as a rule.
        !self.held.is_empty()
            && (self.covers_user(identity, wall)
                || self.has(Kind::Token, identity.token_id.as_deref(), wall)
                || self.has(Kind::Session, session, wall))
    }

    fn covers_user(&self, identity: &Identity, wall: SystemTime) -> bool {
        let Some(user) = &identity.user else { return false };
        let revoked = Revoked { kind: Kind::User, name: user.to_string() };
        let revocation = self.get(&revoked, wall);
        revocation.is_some_and(|revocation| identity.issued_at.is_none_or(|issued| issued <= revocation.at))
    }

    fn has(&self, kind: Kind, name: Option<&str>, wall: SystemTime) -> bool {
        name.is_some_and(|name| self.get(&Revoked { kind, name: name.to_owned() }, wall).is_some())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn revocation(kind: Kind, name: &str, (since, until): (u64, u64)) -> Revocation {
        let revoked = Revoked { kind, name: name.to_owned() };
        Revocation { revoked, at: at(since), until: at(until), reason: String::new() }
    }

    fn ann(token: Option<&str>, issued: Option<u64>) -> Identity {
        Identity::open("ann".parse().ok()).by_token(token, issued.map(at))
    }

    #[test]
    fn a_user_is_revoked_with_all_tokens_that_were_made_until_then() {
        let mut revocations = Revocations::default();
        assert!(revocations.put(revocation(Kind::User, "ann", (100, 200))));
        let covers = |identity: &Identity, wall| revocations.covers(identity, None, at(wall));
        assert!(covers(&ann(Some("t"), Some(99)), 150));
        assert!(covers(&ann(Some("t"), Some(100)), 150));
        assert!(!covers(&ann(Some("t"), Some(101)), 150));
        assert!(covers(&ann(None, None), 150), "it does not say when it was made");
        assert!(!covers(&ann(None, None), 200), "the revocation is over");
        assert!(!covers(&Identity::open("bob".parse().ok()), 150));
        assert!(!covers(&Identity::open(None), 150));
    }

    #[test]
    fn a_token_and_a_session_are_revoked_alone() {
        let mut revocations = Revocations::default();
        revocations.put(revocation(Kind::Token, "one", (100, 200)));
        revocations.put(revocation(Kind::Session, "s", (100, 200)));
        assert!(revocations.covers(&ann(Some("one"), Some(150)), None, at(160)));
        assert!(!revocations.covers(&ann(Some("two"), Some(50)), None, at(160)));
        assert!(!revocations.covers(&ann(None, None), Some("one"), at(160)));
        assert!(revocations.covers(&ann(None, None), Some("s"), at(160)));
        assert!(!revocations.covers(&ann(Some("s"), None), None, at(160)));
    }

    #[test]
    fn what_is_older_than_what_is_known_changes_nothing_in_whatever_order_it_is_heard() {
        let (first, second) =
            (revocation(Kind::User, "ann", (100, 900)), revocation(Kind::User, "ann", (200, 900)));
        let mut revocations = Revocations::default();
        assert!(revocations.put(second.clone()));
        assert!(!revocations.put(first.clone()));
        assert!(!revocations.withdraw(&first), "a newer one stays");
        assert!(revocations.withdraw(&second));
        assert!(!revocations.put(second), "it was taken back");
        assert!(revocations.is_empty());
        assert!(revocations.put(revocation(Kind::User, "ann", (300, 900))));
    }

    #[test]
    fn what_is_over_is_forgotten_and_told() {
        let mut revocations = Revocations::default();
        revocations.put(revocation(Kind::User, "ann", (100, 200)));
        revocations.put(revocation(Kind::User, "bob", (100, 300)));
        revocations.withdraw(&revocation(Kind::Token, "t", (100, 200)));
        let over = revocations.expire(at(200));
        assert_eq!(over.iter().map(|over| over.name.as_str()).collect::<Vec<_>>(), ["ann", "t"]);
        assert_eq!((revocations.len(), revocations.withdrawn.len()), (1, 0));
    }
}
