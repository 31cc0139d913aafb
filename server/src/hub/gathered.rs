//! Where something waits in a delivery window, by the session that has said it, on whatever node that is: what the same session
//! says elsewhere must not overtake it.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

/// A namespace and a room of it, or everyone where that is empty.
pub(super) type Busy = (Arc<str>, Arc<str>);

/// Sessions are spread over so many locks.
const SHARDS: u64 = 16;
/// Sessions that one of them knows. They are not told when sessions end: rather than to grow, all is handed out and forgotten.
const SESSIONS_MAX: usize = 1024;

/// Where something of a session waits; nothing may wait there any more.
#[derive(Debug)]
pub(super) struct Gathered {
    shards: Vec<Mutex<HashMap<u64, Busy>>>,
}

impl Gathered {
    /// Nothing.
    pub(super) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }

    /// Something of a session waits there. Returns what has to be handed out, so that it may be forgotten.
    pub(super) fn note(&self, session: u64, at: Busy) -> Vec<Busy> {
        let mut shard = self.shard(session).lock();
        let crowded = shard.len() >= SESSIONS_MAX && !shard.contains_key(&session);
        let forgotten = if crowded { std::mem::take(&mut *shard) } else { HashMap::new() };
        shard.insert(session, at);
        drop(shard);
        let mut rooms: Vec<Busy> = forgotten.into_values().collect();
        rooms.sort_unstable();
        rooms.dedup();
        rooms
    }

    /// Where something of a session waits, if it is `wanted`: then it is not known any more.
    pub(super) fn take_if(&self, session: u64, wanted: impl Fn(&Busy) -> bool) -> Option<Busy> {
        let mut shard = self.shard(session).lock();
        if !shard.get(&session).is_some_and(wanted) {
            return None;
        }
        shard.remove(&session)
    }

    fn shard(&self, session: u64) -> &Mutex<HashMap<u64, Busy>> {
        // The remainder is below their number.
        &self.shards[(session % SHARDS) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_are_known_and_rooms_of_those_that_are_forgotten_are_named_once() {
        let (gathered, room) = (Gathered::new(), |name: &str| ("chat".into(), name.into()));
        let of_one_shard = |number: usize| number as u64 * SHARDS;
        for number in 0..SESSIONS_MAX {
            let at = room(if number % 2 == 0 { "even" } else { "odd" });
            assert!(gathered.note(of_one_shard(number), at).is_empty());
        }
        assert!(gathered.note(0, room("odd")).is_empty(), "it is known already");
        assert!(gathered.note(1, room("even")).is_empty(), "that is another shard");
        let forgotten = gathered.note(of_one_shard(SESSIONS_MAX), room("odd"));
        assert_eq!(forgotten, [room("even"), room("odd")]);
        assert_eq!(gathered.take_if(0, |_| true), None);
        let last = of_one_shard(SESSIONS_MAX);
        assert_eq!(gathered.take_if(last, |_| false), None);
        assert_eq!([(); 2].map(|()| gathered.take_if(last, |_| true)), [Some(room("odd")), None]);
    }
}
