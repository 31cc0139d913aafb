//! What it costs to join and to leave a large room: sessions come and go in a room of 100,000 members of whom some, or
//! all, want to be told how many there are. On the hub alone, without streams. Prints one line a case:
//! `cargo bench -p rialto-tests --bench membership`.

use std::{hint::black_box, sync::Arc, time::Duration};

use rialto_server::{
    auth::Identity,
    base::{
        clock,
        config::Config,
        ids::{NodeId, RoomName, SessionId},
        metrics::Metrics,
    },
    hub::{Changed, Due, Hub, Joining, Namespaces, Wishes},
    session::{Session, outbox::Outbox},
};

const MEMBERS: usize = 100_000;
/// Long enough for the number of members to be told several times.
const TIME: Duration = Duration::from_secs(5);

fn main() {
    for wanting in [0, 1_000, MEMBERS] {
        let mut bench = Bench::new(wanting);
        let begin = clock::now();
        let mut changes = 0;
        while begin.elapsed() < TIME {
            changes += bench.come_and_go(MEMBERS / 10);
        }
        let took = begin.elapsed();
        println!(
            "{changes} joins and leaves of a room of {MEMBERS}, {wanting} told: {:.0} a second, number told {} times",
            f64::from(changes) / took.as_secs_f64(),
            bench.told
        );
    }
}

struct Bench {
    hub: Hub,
    rooms: Vec<RoomName>,
    members: Vec<Arc<Session>>,
    due: Vec<Due>,
    told: u32,
}

impl Bench {
    fn new(wanting: usize) -> Self {
        let mut config = Config::default();
        config.limits.node.rooms_created_per_minute = u32::MAX;
        let metrics = Arc::new(Metrics::default());
        let namespaces = Namespaces::new(&config.namespaces, 1, metrics.namespaces.clone());
        let hub = Hub::new(&config.limits, Arc::new(namespaces), metrics);
        let node = NodeId::random();
        let session = |_| {
            let (id, outbox) = (SessionId::random(node), Arc::new(Outbox::of(&config.limits.session)));
            Arc::new(Session::new(id, Identity::open(None), outbox, &config.limits.session))
        };
        let members: Vec<_> = (0..MEMBERS).map(session).collect();
        let rooms = vec!["large".parse().expect("a name")];
        let mut bench = Self { hub, rooms, members, due: Vec::new(), told: 0 };
        for at in 0..MEMBERS {
            // They are in the namespace beyond this room, as those who come and go mostly are.
            bench.join(at, &["lobby".parse().expect("a name")], false);
            bench.join(at, &bench.rooms.clone(), at < wanting);
        }
        bench
    }

    fn join(&mut self, at: usize, rooms: &[RoomName], presence: bool) {
        let wishes = Wishes { presence, ..Wishes::default() };
        let now = clock::now();
        let session = &self.members[at];
        let joining = Joining { session, namespace: "chat", rooms, wishes, arriving: false, now };
        let changed = self.hub.join(joining, |found, _| {
            black_box(found);
            None
        });
        self.settle(changed.expect("there is room"));
    }

    /// So many of those who are not told part and join again.
    fn come_and_go(&mut self, count: usize) -> u32 {
        let rooms = self.rooms.clone();
        for at in MEMBERS - count..MEMBERS {
            let changed = self.hub.part(&self.members[at], "chat", &rooms, |_| None);
            self.settle(changed);
            self.join(at, &rooms, false);
        }
        2 * u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// What the router's timers do, and the streams.
    fn settle(&mut self, changed: Changed) {
        self.due.extend(changed.due);
        let now = clock::now();
        if self.due.last().is_some_and(|due| due.at <= now)
            && let Some(due) = self.due.pop()
        {
            let changed = self.hub.tell_number(&due, now);
            self.due.extend(changed.due);
            self.told += 1;
        }
    }
}
