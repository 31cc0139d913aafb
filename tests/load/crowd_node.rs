//! A node of a crowd: put together as a real one is, but without sockets and without what keeps events. How much CPU it takes
//! to see to what other nodes say is noted.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use rialto_proto::v1::{self, ClientFrame, Hello};
use rialto_server::{
    auth::Authenticator,
    base::{clock, config::Config, ids::NodeId, metrics::Metrics, tasks::Tasks},
    bridge::{Bridge, Ends, simulated::SimulatedNetwork, subjects::Place},
    history::{Histories, SettingsOf, Tuning},
    hub::Namespaces,
    log::{Log, memory::MemoryLog},
    router::{Kept, Router, life::Peer, revoking::Keeper},
    session::{Session, outbox::Next},
    uploads::MemoryUploads,
    wire::command,
};
use rustix::time::{ClockId, clock_gettime};

use crate::{
    Failure,
    crowd_link::{CountingLink, Counts},
    member::ROOM,
};

/// The name of the cluster.
const CLUSTER: &str = "main";
pub(crate) const NAMESPACE: &str = "bench";
/// Frames that a member hears first: `Welcome` and `Joined`.
const FRAMES_BEFORE: u32 = 2;

/// What comes of something, and how much CPU time of this thread it took: others use the machine too.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
    };
    let begin = now();
    let outcome = work();
    (outcome, now().saturating_sub(begin))
}

/// A node that runs.
pub(crate) struct CrowdNode {
    pub(crate) router: Arc<Router>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) sessions: Vec<Arc<Session>>,
    hearing: Arc<AtomicU64>,
    tasks: Tasks,
}

impl CrowdNode {
    /// Starts one.
    pub(crate) fn start(config: &Config, network: &SimulatedNetwork) -> Result<Self, Failure> {
        let (tasks, metrics, counts) = (Tasks::default(), Arc::new(Metrics::default()), Arc::default());
        let gauge = metrics.namespaces.clone();
        let namespaces =
            Arc::new(Namespaces::new(&config.namespaces, config.limits.node.namespaces_max, gauge));
        let of = Arc::clone(&namespaces);
        let settings: SettingsOf = Arc::new(move |name| of.settings(name));
        let log: Arc<dyn Log> = Arc::new(MemoryLog::default());
        let histories = Histories::open(Some(Arc::clone(&log)), settings, clock::wall(), Tuning::default())?;
        let room = Place::room(NAMESPACE, ROOM).subject(CLUSTER);
        let link = CountingLink { inner: network.link().0, room, counts: Arc::clone(&counts) };
        let (bridge, Ends { inbox, waiting, link }) =
            Bridge::new(NodeId::random(), (CLUSTER, config.cluster.rooms_heard_max as usize), Arc::new(link));
        let kept = Kept {
            namespaces,
            histories: Arc::new(histories),
            parts: config.cluster.parts,
            namespace_register: None,
            revocations: Keeper::default(),
            jobs: None,
            uploads: Arc::new(MemoryUploads::new(0)),
            bridge: Some(bridge),
        };
        let router = Router::new(config, Authenticator::open(), kept, Arc::clone(&metrics), tasks.clone());
        let hearing = Arc::new(AtomicU64::new(0));
        let inbox =
            Timed { task: Box::pin(Arc::clone(&router).run_inbox(inbox)), spent: Arc::clone(&hearing) };
        tasks.spawn("timers", Arc::clone(&router).run_timers());
        tasks.spawn("inbox", inbox);
        tasks.spawn("bridge", waiting.publish(link, tasks.clone()));
        Ok(Self { router, metrics, counts, sessions: Vec::new(), hearing, tasks })
    }

    /// CPU time that it took so far to see to what others say.
    pub(crate) fn hearing(&self) -> Duration {
        Duration::from_nanos(self.hearing.load(Ordering::Relaxed))
    }

    /// Opens a session that wants this.
    pub(crate) async fn open(&self, hello: Hello) -> Result<Arc<Session>, Failure> {
        let hello = command::Hello::parse(hello, &self.router.limits.session)
            .map_err(|refusal| refusal.to_string())?;
        let greeted = self.router.greet(hello, Peer::default()).await;
        Ok(greeted.map_err(|refusal| refusal.to_string())?.0)
    }

    /// Opens a session of a member, whom it keeps.
    pub(crate) async fn admit(&mut self, number: usize) -> Result<(), Failure> {
        let session = self.open(crate::http2::hello(number)).await?;
        self.sessions.push(session);
        Ok(())
    }

    /// Takes what has waited for members since the `from`th came, as their streams do, and confirms it, as their clients do.
    pub(crate) fn welcome(&self, from: usize) -> Result<usize, Failure> {
        let served = self.drain(from)?;
        for session in &self.sessions[from..] {
            self.say(session, v1::client_frame::Command::Seen(v1::Seen { seq: FRAMES_BEFORE }));
        }
        Ok(served)
    }

    /// Says something as `session`.
    pub(crate) fn say(&self, session: &Arc<Session>, command: v1::client_frame::Command) {
        self.router.dispatch(session, ClientFrame { r#ref: 0, command: Some(command) });
    }

    /// Does what streams do, for all members from the `from`th on: takes what waits for them. How many have got something.
    pub(crate) fn drain(&self, from: usize) -> Result<usize, Failure> {
        let mut context = Context::from_waker(Waker::noop());
        let mut served = 0;
        for session in &self.sessions[from..] {
            let mut got = false;
            while let Poll::Ready(next) = session.outbox.poll_next(0, clock::now(), &mut context) {
                let Next::Burst(_) = next else { return Err("a member was cut off".into()) };
                got = true;
            }
            served += usize::from(got);
        }
        Ok(served)
    }
}

impl Drop for CrowdNode {
    fn drop(&mut self) {
        self.tasks.stopping().cancel();
    }
}

/// A task whose time on the CPU is summed up.
struct Timed {
    task: Pin<Box<dyn Future<Output = ()> + Send>>,
    spent: Arc<AtomicU64>,
}

impl Future for Timed {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let (outcome, spent) = timed(|| self.task.as_mut().poll(context));
        self.spent.fetch_add(u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        outcome
    }
}
