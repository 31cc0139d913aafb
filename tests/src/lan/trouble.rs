//! One fault after the other while everybody speaks and listens, and what is measured of each: how long nobody could write who
//! was at a node that had to serve, and how long those who were with a node that died stayed in its rooms.

use std::time::Duration;

use rand::{RngExt, rngs::StdRng};
use rialto_proto::v1::{Hello, room_service_client::RoomServiceClient, server_frame::Frame};
use tokio::time::{Instant, interval, timeout};
use tonic::transport::Endpoint;

use super::{
    Lan,
    clients::{Crowd, ROOMS_KEPT, kept},
    cluster::{Fault, NODES, Together},
    labour::Labour,
    processes::Node,
};
use crate::{
    checks::{Done, Recorder, check_all},
    cluster::channel,
    reliability::{Counts, Seed, read_histories},
    talker::{Shape, Talker},
    within,
};

/// A node that dies, hangs or is cut off holds nobody up for longer who writes at another one.
pub const GAP_MAX: Duration = Duration::from_secs(5);
/// Nor do those who were there stay in its rooms.
pub const GHOSTS_MAX: Duration = Duration::from_secs(15);
/// What each writer has written after a fault when that is over for it: each room twice.
const WRITTEN_MIN: usize = 2 * ROOMS_KEPT;
/// What goes on after a fault goes on within this time, or never. Servers of NATS that are cut off take half of it, now and then.
const GOES_ON_MAX: Duration = Duration::from_secs(60);
/// So long nobody has to wait before a cluster is calm again.
const CALM_FOR: Duration = Duration::from_secs(2);
/// It is calm again within this time, or never.
const CALM_WITHIN: Duration = Duration::from_secs(90);
/// All nodes.
const ALL: [usize; NODES] = [0, 1, 2];
/// How long a fault lasts at most after everybody writes again.
const LASTS_MAX_MS: u64 = 1_000;
/// Acknowledged messages below which the run says nothing.
const SUCCESSES_MIN: u64 = 500;
/// Where those are who may become ghosts.
const HAUNTED: &str = "haunted";

/// What was measured of a fault.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// Which.
    pub fault: Fault,
    /// How long nobody could write who was at a node that had to serve, while it lasted.
    pub gap: Duration,
    /// How long no job was taken of somebody at a node that had to serve, while it lasted.
    pub jobs_gap: Duration,
    /// The same while it was put right.
    pub gap_after: Duration,
    /// How long somebody was in a room after the node was killed.
    pub haunted: Option<Duration>,
}

/// A cluster in trouble.
#[derive(Debug)]
pub struct Trouble<'l> {
    lan: &'l Lan,
    together: Together,
    crowd: Crowd,
    labour: Labour,
    recorder: Recorder,
    rng: StdRng,
    measured: Vec<Measured>,
}

impl<'l> Trouble<'l> {
    /// A cluster that is well, and everybody is there.
    pub async fn start(lan: &'l Lan, seed: Seed) -> Self {
        let (recorder, together) = (Recorder::new(SUCCESSES_MIN), Together::start(lan).await);
        let crowd = Crowd::gather(&together.urls(), &recorder, seed);
        let (labour, rng) = (Labour::begin(&together.urls()), seed.rng(1_000));
        let mut trouble = Self { lan, together, crowd, labour, recorder, rng, measured: Vec::new() };
        trouble.goes_on("the beginning", &ALL, Instant::now()).await;
        trouble
    }

    /// Something happens, everybody goes on, and it is over.
    pub async fn meet(&mut self, fault: Fault) {
        let fault = match fault {
            Fault::LeaderKilled => Fault::ServerKilled(self.together.leader(&mut self.rng).await),
            Fault::LeaderHalted => Fault::ServerHalted(self.together.leader(&mut self.rng).await),
            fault => fault,
        };
        self.together.shared_out().await;
        self.all_home(&format!("before {fault:?}")).await;
        let (spared, name) = (fault.spares(), format!("{fault:?}"));
        let nodes = &self.together.nodes;
        let ghost = match fault {
            Fault::NodeKilled(node) | Fault::BothKilled(node) => {
                Some(Ghost::come(&nodes[node], &nodes[spared[0]], &name).await)
            }
            _ => None,
        };
        let began = Instant::now();
        self.together.begin(self.lan, fault).await;
        if fault.kills() {
            self.recorder.done(Done::Crashed);
        }
        let haunted = async {
            match ghost {
                Some(ghost) => Some(ghost.gone(began).await),
                None => None,
            }
        };
        let ((), haunted) = tokio::join!(self.goes_on(&name, &spared, began), haunted);
        let gap = self.crowd.gauge().longest(&spared, began);
        let jobs_gap = self.labour.longest(&spared, began);
        self.lasts(LASTS_MAX_MS).await;
        let over = Instant::now();
        self.together.end(self.lan, fault).await;
        self.together.well().await;
        self.goes_on(&format!("the end of {name}"), &ALL, over).await;
        if !fault.is_of_a_node() {
            self.calm(&name).await;
        }
        let gap_after = self.crowd.gauge().longest(&spared, over);
        println!(
            "{name}: no write for {gap:?} and no job for {jobs_gap:?}, {gap_after:?} at its end, which took {:?}; ghosts {haunted:?}",
            over.elapsed()
        );
        self.measured.push(Measured { fault, gap, jobs_gap, gap_after, haunted });
    }

    /// Some time goes by, by chance.
    async fn lasts(&mut self, most_ms: u64) {
        let time = Duration::from_millis(self.rng.random_range(0..most_ms));
        drop(timeout(time, std::future::pending::<()>()).await);
    }

    /// Waits until nobody has waited any more for a while: servers that hear each other again may elect once more.
    async fn calm(&mut self, after: &str) {
        let (began, mut calm) = (Instant::now(), false);
        while !calm {
            let since = Instant::now();
            drop(timeout(CALM_FOR, std::future::pending::<()>()).await);
            self.goes_on(after, &ALL, since).await;
            calm = self.crowd.gauge().longest(&ALL, since) < CALM_FOR / 2;
            assert!(began.elapsed() < CALM_WITHIN, "{after}: it does not become calm");
        }
    }

    /// Everybody goes back to where they began, so that somebody is at every node.
    async fn all_home(&mut self, when: &str) {
        let since = Instant::now();
        self.crowd.call_home();
        let mut ticks = interval(Duration::from_millis(20));
        while !self.crowd.gauge().is_home() {
            self.crowd.check();
            assert!(since.elapsed() < GOES_ON_MAX, "{when}: {:?}", self.crowd.gauge().all());
            ticks.tick().await;
        }
        self.goes_on(when, &ALL, Instant::now()).await;
    }

    /// Waits until everybody at these nodes has written in every room since then.
    async fn goes_on(&mut self, after: &str, nodes: &[usize], since: Instant) {
        let mut ticks = interval(Duration::from_millis(20));
        while self.crowd.gauge().written(nodes, since) < WRITTEN_MIN || !self.labour.goes_on(nodes, since) {
            self.crowd.check();
            let writers = || self.crowd.gauge().all();
            assert!(since.elapsed() < GOES_ON_MAX, "{after}: somebody cannot write: {:?}", writers());
            ticks.tick().await;
        }
    }

    /// Everybody ends, hears what there is, and all of it is judged.
    pub async fn end(self) -> (Counts, Vec<Measured>) {
        self.labour.end().await;
        let counts = self.crowd.end().await;
        for (number, node) in self.together.nodes.iter().enumerate() {
            let endpoint = Endpoint::from_shared(node.url()).expect("a URL");
            let channel = within("a connection", endpoint.connect()).await.expect("it listens");
            let reader = format!("reader{number}");
            read_histories(&self.recorder, &reader, &mut RoomServiceClient::new(channel), &kept()).await;
        }
        println!("{counts:?}");
        check_all(&self.recorder.run()).assert_holds();
        (counts, self.measured)
    }
}

/// Somebody who does not come back, and somebody at another node who is told.
struct Ghost {
    user: String,
    _talker: Talker,
    witness: Talker,
}

impl Ghost {
    async fn come(to: &Node, seen_from: &Node, of: &str) -> Self {
        let user = format!("ghost of {of}");
        let mut talker = greet(to, &user).await;
        talker.join("chat", &[HAUNTED]).await;
        let mut witness = greet(seen_from, "witness").await;
        witness.try_join("chat", &[HAUNTED], true).await.expect("it may");
        Self { user, _talker: talker, witness }
    }

    /// Waits until it is told to have left.
    async fn gone(mut self, since: Instant) -> Duration {
        let gone = async {
            loop {
                let frame = self.witness.next().await.and_then(|frame| frame.frame).expect("a frame");
                if let Frame::Presence(presence) = frame
                    && presence.left.iter().any(|who| who.user == self.user)
                {
                    return;
                }
            }
        };
        within("the end of a ghost", gone).await;
        since.elapsed()
    }
}

async fn greet(node: &Node, user: &str) -> Talker {
    let channel = channel(node.address()).await.expect("it listens");
    let hello = Hello { user: user.to_owned(), ..Hello::default() };
    Talker::open_with_over(channel, Shape::Attach, hello).await.expect("it is greeted")
}
