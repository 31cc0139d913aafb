//! Floor 4: the only place where the neighbours below meet. It takes what a client asks for, asks the identity whether
//! it is allowed, lets the hub do it, and sees to what follows: answers, replies, closing.
//!
//! * [`dispatch`]: one match over the commands of a session
//! * [`emit`]: the path of an event, from sessions and without one
//! * `keep`: events that are kept; `lane`: those that wait for the log; `recover` and `owed`: what comes from before
//! * [`rooms`]: what rooms keep, for those who may see it
//! * `others`: what other nodes are told, and what they tell; `teller`, `meeting` and `watching`: who is where
//! * `part`: who keeps what rooms keep; `owning`: the parts of this node; `asking` and `afar`: what owners are asked
//! * `mirror` and `hearing`: what owners say, each event in its turn
//! * [`programs`]: those that speak NATS and not Rialto
//! * [`reply`]: answers on their way back, calls
//! * `asker`: who waits for answers; `elsewhere`: any one member on another node
//! * [`life`]: greeting, closing, ending of sessions; `users`: how many a user has; `resume`: being away and coming back; `moving`: going from one node to another
//! * [`directory`]: what operators and backends ask for; [`everywhere`]: of all nodes; [`agreed`]: namespaces of all nodes; `errand`: of one other node
//! * [`jobs`]: jobs, for those who hand them over, do them and look after them
//! * [`push`]: commands that come by themselves, from whatever node
//! * [`revoking`]: whose word is not taken any more
//! * [`timers`]: what ends by the clock; `probe`: whether what leads to other nodes works

mod afar;
pub mod agreed;
mod apart;
mod asked_wire;
mod asker;
mod asking;
pub mod directory;
pub mod dispatch;
mod elsewhere;
pub mod emit;
mod errand;
pub mod everywhere;
mod hearing;
pub mod jobs;
mod keep;
mod keeping;
mod lane;
mod lanes;
pub mod life;
mod meeting;
mod mirror;
mod moving;
mod others;
mod owed;
pub mod owning;
mod part;
mod probe;
pub mod programs;
pub mod push;
mod reading;
mod recover;
pub mod reply;
mod resume;
pub mod revoking;
pub mod rooms;
mod teller;
pub mod timers;
mod users;
pub mod watching;

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Weak, atomic::AtomicU64},
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};
use rialto_proto::v1::RefusalCode;
use tokio::sync::{Notify, SetOnce};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    auth::Authenticator,
    base::{
        clock::{self, Instant},
        config::Config,
        ids::{EventId, NodeId},
        limits::Limits,
        metrics::Metrics,
        rate::{Bucket, Rate},
        refusal::Refusal,
        tasks::Tasks,
    },
    bridge::Bridge,
    history::Histories,
    hub::{Due, Hub, Namespaces, Outward},
    jobs::{EngineLimits, Shard, Shared},
    owners::SharedMap,
    session::{Session, replies::Replies},
    uploads::Uploads,
};
use asker::Asker;
use asking::{Queue, Turns};
use errand::Errands;
use jobs::Calls;
use meeting::Unanswered;
use mirror::Mirror;
use moving::{Departed, Hosts, Rounds};

use part::{Part, Parts};
use revoking::{Keeper, Revoking};
use teller::Teller;
use timers::Expiries;
use users::Beyond;

/// Everything that a node does with sessions and events.
#[derive(Debug)]
pub struct Router {
    /// This node.
    pub node: NodeId,
    /// Bounds.
    pub limits: Limits,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Tasks and the signals of stopping.
    pub tasks: Tasks,
    hub: Hub,
    parts: Parts,
    /// What the owners of parts are asked, for each part.
    asking: Box<[Mutex<Queue>]>,
    next_ask: AtomicU64,
    turns: Mutex<Turns>,
    /// Events that other nodes keep, by id, and how many sessions here they have reached.
    awaited: Mutex<HashMap<String, u32>>,
    errands: Mutex<Errands>,
    /// Sessions that were here, and where those of other nodes are.
    departed: Mutex<Departed>,
    hosts: Mutex<Hosts>,
    rounds: Rounds,
    unanswered: Mutex<Unanswered>,
    /// Users who have more sessions on other nodes than those may have without asking.
    beyond: Mutex<Beyond>,
    teller: Option<Arc<Teller>>,
    /// When it was last seen to what other nodes say.
    looked: Mutex<Instant>,
    /// Namespaces that all nodes know, where there are other nodes.
    namespace_register: Option<SharedMap>,
    /// The namespace whose deletion was seen last in that, by its key, and how many sessions had to leave it here.
    unlearned: Mutex<Option<(String, u32)>>,
    revoking: Revoking,
    mirror: Mutex<Mirror>,
    /// Cancelled when the node hands over its parts.
    leaving: CancellationToken,
    /// Set when it has: whether everything that was done is answered.
    left: SetOnce<bool>,
    calls: Mutex<Calls>,
    uploads: Arc<dyn Uploads>,
    /// What the shards of this node share.
    shards: Shared,
    /// Streams of workers. Closed when the node stops.
    workers: TaskTracker,
    /// The time that sessions and workers have when the node stops.
    stop_drain: Duration,
    /// The way to the other nodes, where there are any.
    bridge: Option<Arc<Bridge>>,
    this: Weak<Self>,
    authenticator: Authenticator,
    replies: Mutex<Replies<EventId, Asker>>,
    expiries: Mutex<Expiries>,
    windows: Mutex<Expiries>,
    numbers_due: Mutex<BTreeSet<Due>>,
    behind: Mutex<Behind>,
    timers_changed: Notify,
    emptied: Notify,
    next_event: AtomicU64,
    hellos: Mutex<Bucket>,
    resumes: Mutex<Bucket>,
}

/// What a node holds beyond sessions: made before the router, because it is taken up from the disk and from the network.
#[derive(Debug)]
pub struct Kept {
    /// The namespaces.
    pub namespaces: Arc<Namespaces>,
    /// What this node keeps for itself.
    pub histories: Arc<Histories>,
    /// Into how many parts the rooms of a cluster fall; 0 where there are no other nodes.
    pub parts: u32,
    /// Namespaces that all nodes know, where there are other nodes.
    pub namespace_register: Option<SharedMap>,
    /// What is revoked.
    pub revocations: Keeper,
    /// Jobs, where no other nodes would have to know of them.
    pub jobs: Option<Arc<Shard>>,
    /// Payloads of jobs that are too large for a message.
    pub uploads: Arc<dyn Uploads>,
    /// The way to the other nodes, where there are any.
    pub bridge: Option<Bridge>,
}

/// Sessions that fell behind and whose streams are to be ended.
#[derive(Debug, Default)]
struct Behind {
    sessions: Vec<Arc<Session>>,
    busy: bool,
}

impl Router {
    /// A router for a node that begins now, with nobody in it.
    pub fn new(
        config: &Config,
        authenticator: Authenticator,
        kept: Kept,
        metrics: Arc<Metrics>,
        tasks: Tasks,
    ) -> Arc<Self> {
        let limits = config.limits.clone();
        let node = kept.bridge.as_ref().map_or_else(NodeId::random, |bridge| bridge.node());
        let own = Part::new(0, kept.histories);
        if let Some(jobs) = kept.jobs {
            // It is new.
            own.jobs.set(jobs).ok();
        }
        let parts = if kept.parts == 0 { Parts::alone(own) } else { Parts::shared(kept.parts, own) };
        let bridge = kept.bridge.map(Arc::new);
        let teller = bridge.clone().map(|bridge| Arc::new(Teller::new(bridge)));
        let outward = teller.clone().map(|teller| teller as Arc<dyn Outward>);
        Arc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            node,
            hub: Hub::new(&limits, kept.namespaces, Arc::clone(&metrics)).telling(outward),
            teller,
            asking: (0..parts.count()).map(|_| Mutex::default()).collect(),
            parts,
            next_ask: AtomicU64::new(1),
            turns: Mutex::default(),
            awaited: Mutex::default(),
            errands: Mutex::default(),
            departed: Mutex::default(),
            hosts: Mutex::default(),
            rounds: Rounds::default(),
            unanswered: Mutex::default(),
            beyond: Mutex::default(),
            looked: Mutex::new(clock::now()),
            namespace_register: kept.namespace_register,
            unlearned: Mutex::default(),
            revoking: Revoking::new(kept.revocations),
            mirror: Mutex::default(),
            leaving: CancellationToken::new(),
            left: SetOnce::new(),
            calls: Mutex::default(),
            uploads: kept.uploads,
            shards: Shared {
                limits: EngineLimits::of(&limits.node),
                metrics: Arc::clone(&metrics),
                bytes: Arc::default(),
            },
            workers: TaskTracker::new(),
            stop_drain: config.stop.drain,
            bridge,
            authenticator,
            replies: Mutex::default(),
            expiries: Mutex::default(),
            windows: Mutex::default(),
            numbers_due: Mutex::default(),
            behind: Mutex::default(),
            timers_changed: Notify::new(),
            emptied: Notify::new(),
            next_event: AtomicU64::new(EventId::first_number(clock::unix_ms(clock::wall()))),
            hellos: Mutex::new(full(limits.node.hellos_per_second)),
            resumes: Mutex::new(full(limits.node.resumes_per_second)),
            limits,
            metrics,
            tasks,
        })
    }

    /// Ends the streams of sessions that fell behind, and of those that fall behind by being told of that. One after the other and
    /// by one caller at a time, so that a chain of them is a loop and not a recursion.
    fn close_behind(&self, behind: Vec<Arc<Session>>) {
        if behind.is_empty() {
            return;
        }
        let mut queue = self.behind.lock();
        queue.sessions.extend(behind);
        if std::mem::replace(&mut queue.busy, true) {
            return;
        }
        while let Some(session) = queue.sessions.pop() {
            MutexGuard::unlocked(&mut queue, || self.cut_behind(&session));
        }
        queue.busy = false;
    }

    /// Counts a refusal and gives it back.
    pub fn count_refusal(&self, refusal: Refusal) -> Refusal {
        self.count_refused(refusal.code);
        refusal
    }

    /// Counts a refusal that was told already.
    fn count_refused(&self, code: RefusalCode) {
        let code = code.as_str_name().trim_start_matches("REFUSAL_CODE_");
        self.metrics.refusals.get_or_create(&crate::base::metrics::CodeLabel { code }).inc();
    }
}

fn full(per_second: u32) -> Bucket {
    Bucket::full(Rate::per_second(per_second, per_second), clock::now())
}

/// What a router without other nodes does at once.
#[cfg(test)]
fn now<T>(outcome: impl Future<Output = T>) -> T {
    futures_util::FutureExt::now_or_never(outcome).expect("it waits for nobody")
}
