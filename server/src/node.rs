//! Floor 6: the node put together, and the stages of its stopping. Nothing is decided here; who knows whom is.

mod cluster;
mod monitor;
mod storage;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use self::{cluster::ClusterError, storage::Stored};

use crate::{
    auth::Authenticator,
    base::{
        config::{Config, ConfigError, StopConfig},
        metrics::Metrics,
        tasks::Tasks,
    },
    bridge::Ends,
    grpc::{
        self,
        edge::{self, App, Edge, Health, tls},
    },
    router::{Kept, Router, owning::Estate, revoking::Keeper},
};

/// Time for tasks to end after they were told to, before they are left behind.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// Time until every part of the rooms has an owner, before a node serves all the same.
const OWNED_WITHIN: Duration = Duration::from_secs(10);

/// A node that runs.
#[derive(Debug)]
pub struct Node {
    address: SocketAddr,
    router: Arc<Router>,
    health: Health,
    tasks: Tasks,
    farewell: CancellationToken,
    served: JoinHandle<()>,
    stop: StopConfig,
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is wrong.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address of the configuration.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The certificate or its key cannot be used.
    #[error("{0}")]
    Tls(#[from] tls::TlsError),
    /// What is stored cannot be taken up.
    #[error("{0}")]
    Storage(#[from] storage::StorageError),
    /// The node cannot take part in its cluster.
    #[error("{0}")]
    Cluster(#[from] ClusterError),
    /// The descriptors that reflection shows cannot be read.
    #[error("cannot offer reflection")]
    Reflection(#[from] tonic_reflection::server::Error),
}

impl Node {
    /// Checks the configuration, listens, and serves until [`Node::stop`].
    pub async fn start(config: Config) -> Result<Self, StartError> {
        config.check()?;
        let authenticator = Authenticator::new(&config.auth)?;
        let tls = config.tls.as_ref().map(tls::load).transpose()?;
        let address = config.listen;
        let not_listening = |source| StartError::Listen { address, source };
        let listener = edge::listen(address).map_err(not_listening)?;
        let address = listener.local_addr().map_err(not_listening)?;

        let (tasks, metrics, health) = (Tasks::default(), Arc::new(Metrics::default()), Health::default());
        let authenticates = authenticator.required();
        let Stored { namespaces, histories, log, revocations, jobs, uploads } =
            storage::open(&config, &metrics).await?;
        let cluster = cluster::open(&config, &namespaces, &tasks).await?;
        let parts = if cluster.is_some() { config.cluster.parts } else { 0 };
        let uploads = cluster.as_ref().map_or(uploads, |cluster| Arc::clone(&cluster.uploads));
        let namespace_register = cluster.as_ref().map(|cluster| cluster.namespace_register.clone());
        let revocations = match &cluster {
            Some(cluster) => cluster.revocations.clone(),
            None => Keeper::Here(revocations),
        };
        let (bridge, others) =
            cluster.map(|cluster| (cluster.bridge, (cluster.ends, cluster.estate))).unzip();
        let kept =
            Kept { namespaces, histories, parts, namespace_register, revocations, jobs, uploads, bridge };
        let router = Router::new(&config, authenticator, kept, Arc::clone(&metrics), tasks.clone());
        let services = grpc::routes(&router, config.web.inspection);
        let app = App {
            limits: config.limits.connection.clone(),
            web: config.web.clone(),
            authenticates,
            metrics: Arc::clone(&metrics),
            health: health.clone(),
            services,
        };
        let app = app.router()?;
        let farewell = CancellationToken::new();
        let edge = Edge {
            limits: config.limits.connection,
            tls,
            metrics,
            tasks: tasks.clone(),
            farewell: farewell.clone(),
        };
        tasks.spawn("timers", Arc::clone(&router).run_timers());
        tasks.spawn("lane", Arc::clone(&router).run_own_lane(log.progress()));
        tasks.spawn("jobs", Arc::clone(&router).run_jobs());
        tasks.spawn("upkeep", Arc::clone(&router).run_upkeep());
        join(&router, others, &tasks).await?;
        let served = tasks.spawn("edge", edge.serve(listener, app));
        health.serve();
        let told = health.clone();
        tasks.spawn("probe", Arc::clone(&router).run_probe(move |passes| told.passes(passes)));
        tracing::info!(%address, node = %router.node, "serving");
        Ok(Self { address, router, health, tasks, farewell, served, stop: config.stop })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it does with sessions and events, for those who embed it.
    pub fn router(&self) -> &Arc<Router> {
        &self.router
    }

    /// Stops in stages: nothing new is taken → sessions are told to come back elsewhere, each in its own moment →
    /// those that are left are closed → what waits is flushed → connections are cut. Each stage has its time.
    pub async fn stop(self) {
        let Self { router, health, tasks, farewell, mut served, stop, .. } = self;
        health.drain();
        tasks.draining().cancel();
        let told = router.announce_drain(&stop);
        tracing::info!(sessions = told, within = ?stop.drain, "draining");
        let all_gone = async { tokio::join!(router.emptied(), router.workers_gone()) };
        let gone = timeout(stop.drain, all_gone).await.is_ok();

        let handed_over = timeout(stop.flush, router.hand_over()).await.is_ok();

        // What was taken is answered before anybody is sent away.
        let settled = timeout(stop.flush, router.settled()).await.is_ok();
        let closed = router.close_all().len();
        let left = timeout(stop.flush, router.leave_parts()).await.unwrap_or_default();
        router.say_goodbye(settled && left);
        health.stop();
        farewell.cancel();
        tracing::info!(all_gone = gone, handed_over, settled, closed, left, within = ?stop.flush, "closing");
        let flushed = timeout(stop.flush, &mut served).await.is_ok();

        let closed = timeout(stop.flush, router.close_histories()).await.is_ok();
        tasks.stopping().cancel();
        let ended = timeout(END_TIMEOUT, tasks.ended()).await.is_ok();
        tracing::info!(flushed, histories = closed, ended, "stopped");
    }
}

/// Has a node know what it has to before it serves anybody: what all nodes have agreed on, and what is revoked.
async fn join(
    router: &Arc<Router>,
    others: Option<(Ends, Estate)>,
    tasks: &Tasks,
) -> Result<(), ClusterError> {
    if let Some((Ends { inbox, waiting, link }, estate)) = others {
        tasks.spawn("inbox", Arc::clone(router).run_inbox(inbox));
        tasks.spawn("bridge", waiting.publish(link, tasks.clone()));
        router.learn_namespaces().await?;
        tasks.spawn("programs", Arc::clone(router).run_programs());
        tasks.spawn("namespaces", Arc::clone(router).run_namespaces());
        tasks.spawn("owning", Arc::clone(router).run_owning(estate));
        if timeout(OWNED_WITHIN, router.owned()).await.is_err() {
            tracing::warn!("not every part of the rooms has an owner");
        }
    }
    router.learn_revocations().await?;
    tasks.spawn("revocations", Arc::clone(router).run_revocations());
    Ok(())
}
