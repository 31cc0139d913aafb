//! Those who use a cluster: on each node somebody who speaks in rooms that keep, somebody who speaks in rooms that do not, and
//! some who hear all of them. Whoever loses a node goes to another one, with the session or, where that is lost, with the
//! positions up to which everything was seen; and goes home when everybody is called.

use std::{sync::Arc, time::Duration};

use rand::{RngExt, rngs::StdRng};
use rialto_server::base::{config::ClusterConfig, partition::partition};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, interval, timeout, timeout_at},
};

use super::{cluster::NODES, gauge::Gauge};
use crate::{
    checks::{Recorder, Room},
    reliability::{Client, Counts, Seed},
    within,
};

/// Rooms that keep what is said: one of each part, so that each has its own owner and its own stream.
pub(super) const ROOMS_KEPT: usize = 8;
/// Where nothing is kept.
const UNKEPT: &str = "default";
const KEPT: &str = "chat";
const ROOMS_UNKEPT: usize = 2;
const LISTENERS_EACH: usize = 2;
/// From one message of a speaker to its next.
const PAUSE: Duration = Duration::from_millis(25);
/// Emits of one speaker that wait for answers.
const UNANSWERED_MAX: usize = 8;
/// The wait between two attempts to connect.
const AGAIN_AFTER: Duration = Duration::from_millis(50);
/// Time for what was said last to come to everybody.
const HEARD_WITHIN: Duration = Duration::from_secs(20);

/// All of them.
#[derive(Debug)]
pub(super) struct Crowd {
    speakers: JoinSet<Spoken>,
    listeners: JoinSet<Counts>,
    over: watch::Sender<bool>,
    said: watch::Sender<Option<Arc<Vec<Last>>>>,
    calls: watch::Sender<()>,
    stage: Stage,
}

/// What they share.
#[derive(Debug, Clone)]
struct Stage {
    urls: Vec<String>,
    recorder: Recorder,
    gauge: Gauge,
    seed: Seed,
    over: watch::Receiver<bool>,
    said: watch::Receiver<Option<Arc<Vec<Last>>>>,
    called: watch::Receiver<()>,
}

/// The last that a speaker has said in a room.
#[derive(Debug)]
struct Last {
    speaker: Arc<str>,
    room: Room,
    n: u64,
}

type Spoken = (Counts, Vec<Last>);

/// Rooms that keep what is said, one of each part.
pub(super) fn kept() -> Vec<Room> {
    let parts = ClusterConfig::default().parts;
    let mut rooms: Vec<Option<Room>> = vec![None; ROOMS_KEPT];
    for number in 0_u32.. {
        let name = format!("room {number}");
        if let Some(room) = rooms.get_mut((partition(KEPT, &name) % parts) as usize) {
            room.get_or_insert_with(|| Room::new(KEPT, &name));
        }
        if rooms.iter().all(Option::is_some) {
            break;
        }
    }
    rooms.into_iter().flatten().collect()
}

/// Rooms that keep nothing.
fn unkept() -> Vec<Room> {
    (0..ROOMS_UNKEPT).map(|number| Room::new(UNKEPT, &format!("place {number}"))).collect()
}

/// One of them, at a node.
struct Roamer {
    client: Client,
    home: usize,
    at: usize,
    urls: Vec<String>,
    called: watch::Receiver<()>,
    rng: StdRng,
}

impl Roamer {
    /// Connects to its node, and to another one when that does not greet.
    async fn reach(&mut self) {
        let mut ticks = interval(AGAIN_AFTER);
        while self.client.connect().await.is_err() {
            self.go();
            ticks.tick().await;
        }
    }

    /// Goes to another node, by chance.
    fn go(&mut self) {
        let other = (self.at + self.rng.random_range(1..NODES)) % NODES;
        self.go_to(other);
    }

    fn go_to(&mut self, node: usize) {
        self.at = node;
        self.client.go_to(&self.urls[node]);
    }

    /// Goes home if everybody was called, and it is not there.
    async fn go_home(&mut self) {
        let called = self.called.has_changed().unwrap_or_default();
        self.called.mark_unchanged();
        if called && self.at != self.home {
            self.go_to(self.home);
            self.reach().await;
        }
    }

    /// Takes a turn until then; connects again when the connection is lost, elsewhere.
    async fn turn_until(&mut self, end: Instant) {
        self.go_home().await;
        if self.client.is_drained() {
            self.go();
            return self.reach().await;
        }
        if let Ok(Err(_)) = timeout_at(end, self.client.turn()).await {
            self.go();
            self.reach().await;
        }
    }
}

impl Stage {
    fn roamer(&self, (client, at, who): (Client, usize, u64)) -> Roamer {
        let (client, urls, rng) = (client.roaming(), self.urls.clone(), self.seed.rng(who));
        Roamer { client, home: at, at, urls, called: self.called.clone(), rng }
    }

    /// Speaks in turn in all of these rooms until everything is over, and says one last message in each.
    async fn speak(self, mut who: Roamer, rooms: Vec<Room>) -> Spoken {
        let kept = &*rooms[0].namespace == KEPT;
        let writer = kept.then(|| self.gauge.writer(who.home));
        let (mut due, mut next) = (Instant::now(), rooms.iter().cycle());
        who.reach().await;
        while !*self.over.borrow() {
            if due <= Instant::now() && who.client.unanswered() < UNANSWERED_MAX {
                who.client.say(next.next().unwrap_or(&rooms[0]));
                due = Instant::now() + PAUSE;
            }
            let before = who.client.counts.accepted;
            who.turn_until(due.max(Instant::now() + PAUSE)).await;
            if let Some(writer) = writer {
                self.gauge.taken(writer, who.at, who.client.counts.accepted - before);
            }
        }
        let mut last = Vec::new();
        for room in rooms {
            while !say_surely(&mut who, &room).await {}
            let (speaker, n) = (who.client.sender(&room), who.client.said(&room) - 1);
            last.push(Last { speaker, room, n });
        }
        (who.client.counts, last)
    }

    /// Hears everything, until it has heard the last that everybody has said.
    async fn listen(self, mut who: Roamer, name: String) -> Counts {
        who.reach().await;
        let end = loop {
            let said = self.said.borrow().clone();
            if let Some(said) = said {
                break said;
            }
            who.turn_until(Instant::now() + 4 * PAUSE).await;
        };
        let until = Instant::now() + HEARD_WITHIN;
        for Last { speaker, room, n } in end.iter() {
            while who.client.heard(room, speaker).is_none_or(|heard| heard < *n) {
                assert!(Instant::now() < until, "{name} does not hear {speaker}.{}.{n}", room.name);
                who.turn_until(Instant::now() + PAUSE).await;
            }
        }
        who.client.counts
    }
}

/// Says one more message, and whether it was taken.
async fn say_surely(who: &mut Roamer, room: &Room) -> bool {
    while who.client.unanswered() > 0 {
        who.turn_until(Instant::now() + PAUSE).await;
    }
    let before = who.client.counts.accepted;
    who.client.say(room);
    while who.client.unanswered() > 0 {
        who.turn_until(Instant::now() + PAUSE).await;
    }
    who.client.counts.accepted > before
}

impl Crowd {
    /// They come, and begin.
    pub(super) fn gather(urls: &[String], recorder: &Recorder, seed: Seed) -> Self {
        let (over, told) = watch::channel(false);
        let (said, hears) = watch::channel(None);
        let (calls, called) = watch::channel(());
        let (urls, recorder, gauge) = (urls.to_vec(), recorder.clone(), Gauge::default());
        let stage = Stage { urls, recorder, gauge, seed, over: told, said: hears, called };
        let (speakers, listeners) = (JoinSet::new(), JoinSet::new());
        let mut crowd = Self { speakers, listeners, over, said, calls, stage };
        let (kept, unkept) = (kept(), unkept());
        let all: Vec<Room> = kept.iter().chain(&unkept).cloned().collect();
        for at in 0..NODES {
            for number in 0..LISTENERS_EACH {
                crowd.listener(at, number, &all);
            }
            crowd.speaker(at, "writer", &kept);
            crowd.speaker(at, "caller", &unkept);
        }
        crowd
    }

    fn listener(&mut self, at: usize, number: usize, rooms: &[Room]) {
        let name = format!("listener{at}{number}");
        let client = Client::new(&name, &self.stage.urls[at], &self.stage.recorder, rooms);
        let who = self.stage.roamer((client, at, (10 * at + number) as u64));
        self.listeners.spawn(self.stage.clone().listen(who, name));
    }

    fn speaker(&mut self, at: usize, kind: &str, rooms: &[Room]) {
        let name = format!("{kind}{at}");
        let client = Client::new(&name, &self.stage.urls[at], &self.stage.recorder, &[]).speaking(rooms);
        let who = self.stage.roamer((client, at, (100 + 10 * at + kind.len()) as u64));
        self.speakers.spawn(self.stage.clone().speak(who, rooms.to_vec()));
    }

    /// Everybody is to go home: who has lost a node stays with the one that took it in.
    pub(super) fn call_home(&self) {
        self.calls.send_replace(());
    }

    /// How long nobody could write.
    pub(super) fn gauge(&self) -> &Gauge {
        &self.stage.gauge
    }

    /// All speakers end, and when everything has come to everybody, so do the others. Nothing else may happen meanwhile.
    pub(super) async fn end(mut self) -> Counts {
        self.over.send_replace(true);
        let (mut total, mut last) = (Counts::default(), Vec::new());
        while let Some(spoken) = within("the speakers", self.speakers.join_next()).await {
            let (counts, said) = spoken.expect("a speaker");
            total += counts;
            last.extend(said);
        }
        self.said.send_replace(Some(Arc::new(last)));
        while let Some(counts) = timeout(2 * HEARD_WITHIN, self.listeners.join_next()).await.expect("an end")
        {
            total += counts.expect("a listener");
        }
        total
    }

    /// Whether somebody of them has failed: then the run is over.
    pub(super) fn check(&mut self) {
        if let Some(ended) = self.speakers.try_join_next() {
            panic!("a speaker has ended: {:?}", ended.map(|(counts, _)| counts));
        }
        if let Some(ended) = self.listeners.try_join_next() {
            panic!("a listener has ended: {ended:?}");
        }
    }
}
