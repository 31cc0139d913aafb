//! The node of a simulation, put together as a real one is but for sockets: its log lies on a disk that forgets, and is
//! written only when the simulation says so.

use std::sync::Arc;

use rialto_proto::v1::Durability;
use rialto_server::{
    auth::Authenticator,
    base::{clock, metrics::Metrics, tasks::Tasks},
    bridge::Ends,
    history::{Histories, SettingsOf},
    hub::Namespaces,
    log::{
        Log,
        local::{LocalLog, simulated::SimulatedDisk},
        memory::MemoryLog,
    },
    router::{Kept, Router, revoking::Keeper},
    uploads::MemoryUploads,
};
use tokio::task::JoinHandle;

use super::{cluster::Cluster, scene::Scene};

/// A node that runs.
pub(super) struct SimulatedNode {
    /// What it does.
    pub(super) router: Arc<Router>,
    /// What it writes.
    pub(super) log: Arc<dyn Log>,
    /// What it counts.
    pub(super) metrics: Arc<Metrics>,
    /// The number of its link to the others, where there are any.
    pub(super) link: usize,
    several: bool,
    tasks: Tasks,
    jobs: Vec<JoinHandle<()>>,
}

impl SimulatedNode {
    /// Starts a node on `disk`, with what that holds; or as one of several, which keep what they keep together.
    pub(super) async fn start(
        scene: &Scene,
        disk: &SimulatedDisk,
        cluster: Option<&Cluster>,
    ) -> Result<Self, String> {
        let log: Arc<dyn Log> = match cluster {
            Some(_) => Arc::new(MemoryLog::default()),
            None => {
                Arc::new(LocalLog::open_on(disk.mount(), &scene.options).map_err(|error| error.to_string())?)
            }
        };
        let (tasks, metrics) = (Tasks::default(), Arc::new(Metrics::default()));
        let config = &scene.config;
        let gauge = metrics.namespaces.clone();
        let namespaces =
            Arc::new(Namespaces::new(&config.namespaces, config.limits.node.namespaces_max, gauge));
        let of = Arc::clone(&namespaces);
        let settings: SettingsOf = Arc::new(move |name| of.settings(name));
        let share = match cluster {
            Some(cluster) => Some(cluster.share(Arc::clone(&settings)).await?),
            None => None,
        };
        let parts = if share.is_some() { config.cluster.parts } else { 0 };
        let namespace_register = share.as_ref().map(|share| share.namespaces.clone());
        let revocations = share.as_ref().map_or_else(Keeper::default, |share| {
            Keeper::Together(share.revocations.clone(), Durability::Stored)
        });
        let (bridge, others) =
            share.map(|share| (share.bridge, (share.ends, share.estate, share.link))).unzip();
        let tuning = scene.tuning.clone();
        let histories = Histories::open(Some(Arc::clone(&log)), settings, clock::wall(), tuning)
            .map_err(|error| error.to_string())?;
        let histories = Arc::new(histories);
        let uploads = Arc::new(MemoryUploads::new(0));
        let kept = Kept {
            namespaces,
            histories,
            parts,
            namespace_register,
            revocations,
            jobs: None,
            uploads,
            bridge,
        };
        let router = Router::new(config, Authenticator::open(), kept, Arc::clone(&metrics), tasks.clone());
        let mut jobs = vec![
            tasks.spawn("timers", Arc::clone(&router).run_timers()),
            tasks.spawn("lane", Arc::clone(&router).run_own_lane(log.progress())),
            tasks.spawn("upkeep", Arc::clone(&router).run_upkeep()),
        ];
        let mut number = 0;
        if let Some((Ends { inbox, waiting, link }, estate, at)) = others {
            number = at;
            jobs.push(tasks.spawn("inbox", Arc::clone(&router).run_inbox(inbox)));
            jobs.push(tasks.spawn("bridge", waiting.publish(link, tasks.clone())));
            jobs.push(tasks.spawn("namespaces", Arc::clone(&router).run_namespaces()));
            jobs.push(tasks.spawn("revocations", Arc::clone(&router).run_revocations()));
            jobs.push(tasks.spawn("owning", Arc::clone(&router).run_owning(estate)));
        }
        Ok(Self { router, log, metrics, link: number, several: cluster.is_some(), tasks, jobs })
    }

    /// Whether the log takes nothing any more, so that somebody has to start the node again.
    pub(super) fn has_failed(&self) -> bool {
        self.log.progress().borrow().failed.is_some()
    }

    /// Ends it, as the end of its process does. What it held is gone; the disk is the caller's.
    pub(super) async fn die(self) {
        let Self { tasks, jobs, several, .. } = self;
        jobs.iter().for_each(JoinHandle::abort);
        tasks.stopping().cancel();
        if several {
            // What still runs reaches nobody, and nobody waits for it.
            return;
        }
        for job in jobs {
            // Aborted: that is no failure.
            job.await.ok();
        }
        tasks.ended().await;
    }
}
