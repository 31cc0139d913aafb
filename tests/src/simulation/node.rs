//! The node of a simulation, put together as a real one is but for sockets: its log lies on a disk that forgets, and is
//! written only when the simulation says so.

use std::sync::Arc;

use rialto_server::{
    auth::Authenticator,
    base::{clock, metrics::Metrics, tasks::Tasks},
    history::{Histories, SettingsOf},
    hub::Namespaces,
    log::{
        Log,
        local::{LocalLog, simulated::SimulatedDisk},
    },
    router::{Kept, Router, revoking::Keeper},
};
use tokio::task::JoinHandle;

use super::scene::Scene;

/// A node that runs.
pub(super) struct SimulatedNode {
    /// What it does.
    pub(super) router: Arc<Router>,
    /// What it writes.
    pub(super) log: Arc<dyn Log>,
    /// What it counts.
    pub(super) metrics: Arc<Metrics>,
    tasks: Tasks,
    jobs: Vec<JoinHandle<()>>,
}

impl SimulatedNode {
    /// Starts a node on `disk`, with what that holds.
    pub(super) fn start(scene: &Scene, disk: &SimulatedDisk) -> Result<Self, String> {
        let log = LocalLog::open_on(disk.mount(), &scene.options).map_err(|error| error.to_string())?;
        let log: Arc<dyn Log> = Arc::new(log);
        let (tasks, metrics) = (Tasks::default(), Arc::new(Metrics::default()));
        let config = &scene.config;
        let gauge = metrics.namespaces.clone();
        let namespaces =
            Arc::new(Namespaces::new(&config.namespaces, config.limits.node.namespaces_max, gauge));
        let of = Arc::clone(&namespaces);
        let settings: SettingsOf = Arc::new(move |name| of.settings(name));
        let tuning = scene.tuning.clone();
        let histories = Histories::open(Some(Arc::clone(&log)), settings, clock::wall(), tuning)
            .map_err(|error| error.to_string())?;
        let kept = Kept {
            namespaces,
            histories: Arc::new(histories),
            parts: 0,
            namespace_register: None,
            revocations: Keeper::default(),
            bridge: None,
        };
        let router = Router::new(config, Authenticator::open(), kept, Arc::clone(&metrics), tasks.clone());
        let jobs = vec![
            tasks.spawn("timers", Arc::clone(&router).run_timers()),
            tasks.spawn("lane", Arc::clone(&router).run_own_lane(log.progress())),
            tasks.spawn("upkeep", Arc::clone(&router).run_upkeep()),
        ];
        Ok(Self { router, log, metrics, tasks, jobs })
    }

    /// Whether the log takes nothing any more, so that somebody has to start the node again.
    pub(super) fn has_failed(&self) -> bool {
        self.log.progress().borrow().failed.is_some()
    }

    /// Ends it, as the end of its process does. What it held is gone; the disk is the caller's.
    pub(super) async fn die(self) {
        let Self { tasks, jobs, .. } = self;
        jobs.iter().for_each(JoinHandle::abort);
        tasks.stopping().cancel();
        for job in jobs {
            // Aborted: that is no failure.
            job.await.ok();
        }
        tasks.ended().await;
    }
}
