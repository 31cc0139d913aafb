//! The hub against a model of it that is too simple to be wrong: random sessions enter, join, part, emit and go; after
//! each step everybody must have been told exactly what the model says, and [`Hub::check`] must find that shards,
//! memberships, counts and sessions agree. Time stands still; nothing waits.

pub(super) mod bench;
mod oracle;
mod steps;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use proptest::prelude::*;
use rialto_proto::v1::NamespaceOrigin;

use super::{Hub, address::Kind};
use bench::Bench;
use steps::{USERS, steps};

impl Hub {
    /// Panics when shards, memberships, counts and sessions disagree. For tests, while nothing else runs.
    pub(super) fn check(&self) {
        let mut rooms = BTreeMap::<Arc<str>, u32>::new();
        let mut places = BTreeSet::new();
        self.shards.visit(|key, room| {
            room.check();
            if key.kind == Kind::Room {
                *rooms.entry(Arc::clone(&key.namespace)).or_default() += 1;
            }
            let place =
                |member: &u64| (*member, key.namespace.to_string(), key.kind as u8, key.name.to_string());
            places.extend(room.members.keys().map(place));
        });

        let mut sessions = BTreeMap::<Arc<str>, u32>::new();
        let mut expected = BTreeSet::new();
        for session in self.sessions.all() {
            let memberships = session.memberships.lock();
            assert!(!memberships.gone());
            for place in memberships.places() {
                *sessions.entry(Arc::clone(&place.namespace)).or_default() += 1;
                let mut at = |kind: Kind, name: &str| {
                    let place = (session.id.key, place.namespace.to_string(), kind as u8, name.to_owned());
                    assert!(expected.insert(place), "a session is somewhere twice");
                };
                at(Kind::Everyone, "");
                Some(session.user())
                    .filter(|user| !user.is_empty())
                    .iter()
                    .for_each(|user| at(Kind::User, user));
                place.rooms.iter().for_each(|room| at(Kind::Room, room));
            }
        }
        assert_eq!(places, expected, "rooms and memberships disagree");

        let live = self.namespaces.page("", usize::MAX, |_| true).entries;
        for namespace in &live {
            assert_eq!(namespace.session_count(), sessions.remove(&namespace.name).unwrap_or(0));
            assert_eq!(namespace.room_count(), rooms.remove(&namespace.name).unwrap_or(0));
            assert!(namespace.origin != NamespaceOrigin::Pattern || namespace.session_count() > 0);
        }
        assert!(sessions.is_empty() && rooms.is_empty(), "something is in a namespace that does not live");
        let counted: u32 = live.iter().map(|namespace| namespace.room_count()).sum();
        assert_eq!(self.metrics.rooms.get(), i64::from(counted));
        assert_eq!(self.metrics.namespaces.get(), i64::try_from(live.len()).unwrap());
        self.sessions.check();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_hub_agrees_with_a_model_that_is_too_simple_to_be_wrong(steps in steps()) {
        let mut bench = Bench::new();
        for user in [Some(USERS[0]), Some(USERS[1]), None] {
            bench.open(user);
        }
        for step in steps {
            bench.take(step);
            bench.compare();
            bench.hub.check();
        }
        (0..bench.clients.len()).for_each(|who| bench.exit(who));
        bench.hub.check();
        assert!(bench.hub.sessions.is_empty());
        assert_eq!(bench.hub.namespaces.page("", usize::MAX, |_| true).total, 1);
    }
}
