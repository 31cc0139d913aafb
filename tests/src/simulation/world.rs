//! One run: a node or several, their disks, their clients and an adversary, all of whom do one thing after the other as the
//! seed has it. Several nodes have a network between them, and keep what rooms keep together.

use std::{sync::Arc, time::Duration};

use rialto_proto::v1::RefusalCode;
use rialto_server::{base::clock, router::Router};
use tokio::{task::yield_now, time::sleep};

use super::{
    chance::Chance,
    client::{Client, Greeting},
    cluster::Cluster,
    labour::Labour,
    node::SimulatedNode,
    notes::{Counts, Notes, Sets},
    scene::Scene,
    site::Site,
    stream::{Arrival, Stream},
    trace::Trace,
};
use crate::checks::{Done, Recorder};

/// With fewer acknowledged events a run says nothing.
const SUCCESSES_MIN: u64 = 5;

/// How long a node waits for the owners of parts before it serves, as a real one does.
const OWNED_WITHIN: Duration = Duration::from_secs(10);

/// What is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// One node.
    Alone,
    /// Several.
    Several,
    /// Several, with jobs and fewer clients.
    Jobs,
}

/// Everything of one run.
pub(super) struct World {
    pub(super) scene: Scene,
    pub(super) notes: Notes,
    pub(super) sites: Vec<Site>,
    /// What the nodes have together, where there are several.
    pub(super) cluster: Option<Cluster>,
    pub(super) clients: Vec<Client>,
    pub(super) labour: Option<Labour>,
    pub(super) complaints: Vec<String>,
}

impl World {
    /// What a seed makes. Needs a runtime of one thread whose time is paused.
    pub(super) fn new(seed: u64, kind: Kind, whole_trace: bool) -> Self {
        let several = kind != Kind::Alone;
        let mut chance = Chance::new(seed);
        let mut scene = Scene::of(&mut chance);
        if several {
            scene.spread(&mut chance);
        }
        if kind == Kind::Jobs {
            scene.labour(&mut chance);
        }
        clock::simulated::begin(chance.bits(), scene.disk_delay_max);
        scene.options.id = Some(chance.bits());
        let notes = Notes {
            trace: Trace::new(whole_trace),
            recorder: Recorder::new(if kind == Kind::Jobs { 0 } else { SUCCESSES_MIN }),
            counts: Counts::default(),
            sets: Sets::default(),
            rooms: scene.rooms.clone(),
            sites: Vec::new(),
            several,
            chance,
        };
        let clients = (0..scene.clients).map(|index| Client::new(index, several)).collect();
        let sites = (0..scene.nodes).map(|_| Site::new(seed ^ 0x5bd1_e995)).collect();
        let cluster = several.then(|| Cluster::new(&scene));
        let labour = (kind == Kind::Jobs).then(|| Labour::new(seed));
        Self { scene, notes, sites, cluster, clients, labour, complaints: Vec::new() }
    }

    /// Lets the adversary have its way.
    pub(super) async fn trouble(&mut self) {
        for site in 0..self.sites.len() {
            self.start(site).await;
        }
        for step in 0..self.scene.steps {
            self.notes.trace.note(format_args!("step {step}"));
            self.turn();
            let sites = &self.sites;
            self.labour
                .iter_mut()
                .for_each(|labour| labour.turn(&self.notes.sites, |at| sites[at].router().cloned()));
            if self.notes.chance.one_in(self.scene.faults_every) {
                self.fault().await;
            }
            self.look_after().await;
            self.pass_time().await;
            self.wait();
        }
    }

    /// One client and the streams that it has do something.
    fn turn(&mut self) {
        let at = self.notes.chance.below(self.clients.len() as u64) as usize;
        if self.notes.sites.is_empty() {
            return;
        }
        let client = &mut self.clients[at];
        if self.notes.chance.one_in(2) {
            client.act(&self.scene, &mut self.notes);
        }
        let (takes, writes) = (self.notes.chance.below(6), self.notes.chance.below(4));
        let now = clock::now();
        let sites = &mut self.sites;
        client.half_open.retain_mut(|(stream, until)| {
            let Some(router) = sites[stream.site].router().cloned() else { return false };
            carry(stream, &router, (takes, writes));
            let gone = *until <= now;
            if gone {
                stream.break_off(&router);
            }
            !gone
        });
        let Some(stream) = &mut client.stream else { return };
        let site = &mut sites[stream.site];
        let Some(router) = site.router().cloned() else { return };
        let greeted = stream.session().is_some();
        carry(stream, &router, (takes, writes));
        if let (false, Some(session)) = (greeted, stream.session()) {
            site.sessions.push(session);
        }
        if client.silent_until.is_none_or(|until| until <= now) {
            let reads = self.notes.chance.below(4);
            let _heard = (0..reads).filter(|_| self.read(at)).count();
        }
    }

    /// Nodes go on with what clients wait for.
    pub(super) fn wait(&mut self) {
        for client in &mut self.clients {
            client
                .stream
                .iter_mut()
                .chain(client.half_open.iter_mut().map(|(stream, _)| stream))
                .for_each(Stream::wait);
        }
        self.labour.iter_mut().for_each(|labour| labour.wait(&mut self.notes.trace));
    }

    /// A client reads one message of its stream. False when there was none.
    pub(super) fn read(&mut self, at: usize) -> bool {
        let client = &mut self.clients[at];
        let Some(arrival) = client.stream.as_mut().and_then(|stream| stream.down.pop_front()) else {
            return false;
        };
        match arrival {
            Arrival::Frames(response) => {
                self.notes.trace.note(format_args!("client {at} hears {}", response.first_seq));
                client.hear(response, &mut self.notes);
            }
            Arrival::Failed(code) => {
                self.notes.trace.note(format_args!("client {at} is not greeted: {code:?}"));
                // The session may be there, and is only not reached now.
                let later =
                    client.greeting == Some(Greeting::Resume) && code == RefusalCode::NodesUnreachable;
                if !later {
                    client.lose_session(&self.notes.recorder);
                }
                self.leave_stream(at);
            }
            Arrival::Ended => self.leave_stream(at),
        }
        true
    }

    fn leave_stream(&mut self, at: usize) {
        let client = &mut self.clients[at];
        (client.greeting, client.away_until) = (None, None);
        if let Some(mut stream) = client.stream.take()
            && let Some(router) = self.sites[stream.site].router()
        {
            stream.break_off(router);
        }
    }

    /// What those who have been at a place said there may have gone no further.
    pub(super) fn cut_senders(&self, at: usize) {
        for client in self.clients.iter().filter(|client| self.notes.several && client.at.contains(&at)) {
            self.notes.recorder.done(Done::Cut { sender: client.name.as_str().into() });
        }
    }

    /// The node at a place ends: with the power, or as a process alone.
    pub(super) async fn crash(&mut self, at: usize, power: bool) {
        let site = &mut self.sites[at];
        let Some(node) = site.node.take() else { return };
        self.notes.sites.retain(|site| *site != at);
        if power {
            site.disk.crash()
        } else {
            site.disk.kill()
        }
        if let Some(cluster) = &self.cluster {
            cluster.lose(&node);
        }
        self.notes.recorder.done(Done::Crashed);
        self.notes.counts.crashes += 1;
        self.notes.sets.crashed();
        for client in &mut self.clients {
            client.half_open.retain(|(stream, _)| stream.site != at);
            if client.stream.take_if(|stream| stream.site == at).is_some() {
                (client.greeting, client.away_until, client.silent_until) = (None, None, None);
            }
        }
        self.labour.iter_mut().for_each(|labour| labour.lost(at));
        self.cut_senders(at);
        let site = &mut self.sites[at];
        site.sessions.clear();
        self.notes.counts.add_node(&node.metrics);
        node.die().await;
        site.down_steps = self.notes.chance.below(12);
        self.notes.trace.note(format_args!("node {at} ended, power: {power}"));
    }

    /// Starts a node, with a disk that has space when it needs some.
    pub(super) async fn start(&mut self, at: usize) {
        if self.notes.chance.one_in(4) {
            let by = Duration::from_millis(self.notes.chance.below(10_000));
            clock::simulated::shift_day(by, self.notes.chance.one_in(2));
        }
        for attempt in 0..3 {
            let site = &mut self.sites[at];
            match SimulatedNode::start(&self.scene, &site.disk, self.cluster.as_ref()).await {
                Ok(node) => {
                    site.node = Some(node);
                    (site.serves, site.serves_at) =
                        (false, self.cluster.as_ref().map(|_| clock::now() + OWNED_WITHIN));
                    self.begin_to_serve(at);
                    self.notes.trace.note(format_args!("node {at} runs, attempt {attempt}"));
                    return;
                }
                Err(error) => {
                    self.notes.trace.note(format_args!("node {at} does not start: {error}"));
                    site.disk.heal();
                    site.disk.set_space(None);
                    site.disk.kill();
                    if attempt == 2 {
                        self.complaints.push(format!("node {at} does not start: {error}"));
                    }
                }
            }
        }
    }

    /// All nodes end.
    pub(super) async fn close(&mut self) {
        for node in self.sites.iter_mut().filter_map(|site| site.node.take()) {
            self.notes.counts.add_node(&node.metrics);
            node.die().await;
        }
        if let Some(cluster) = self.cluster.take() {
            self.notes.counts.add_cluster(&cluster);
            cluster.end().await;
        }
        clock::simulated::end();
    }

    /// Clients may come to a node that serves.
    pub(super) fn begin_to_serve(&mut self, at: usize) {
        if self.sites[at].begins_to_serve() {
            self.notes.sites.push(at);
            self.notes.sites.sort();
            self.notes.trace.note(format_args!("node {at} serves"));
        }
    }

    /// Writes the logs, and starts nodes again that have failed or are down.
    async fn look_after(&mut self) {
        for at in 0..self.sites.len() {
            self.begin_to_serve(at);
            let site = &mut self.sites[at];
            if let Some(node) = &site.node {
                if node.has_failed() && self.notes.chance.one_in(20) {
                    let power = self.notes.chance.one_in(2);
                    self.crash(at, power).await;
                } else if site.stalled_steps > 0 {
                    site.stalled_steps -= 1;
                    if let Some(cluster) = self.cluster.as_ref().filter(|_| site.stalled_steps == 0) {
                        cluster.network.join(node.link);
                    }
                } else if self.notes.chance.one_in(self.scene.flushes_every) {
                    // A failure is seen by the node.
                    node.log.flush().ok();
                }
            } else if site.down_steps > 0 {
                site.down_steps -= 1;
            } else {
                self.start(at).await;
                // Several nodes keep it together, and have lost nothing by that.
                if !self.notes.several {
                    self.read_histories().await;
                }
            }
        }
    }

    async fn pass_time(&mut self) {
        match self.notes.chance.below(40) {
            0..=9 => {}
            10..=27 => yield_now().await,
            28..=38 => sleep(Duration::from_millis(self.notes.chance.between(1, 40))).await,
            _ => sleep(Duration::from_millis(self.notes.chance.pick(&[200, 1_500, 1_500, 6_000]))).await,
        }
    }
}

/// A node takes what a client has said, and writes.
fn carry(stream: &mut Stream, router: &Arc<Router>, (takes, writes): (u64, u64)) {
    let _taken = (0..takes).filter(|_| stream.take(router)).count();
    let _written = (0..writes).filter(|_| stream.write(router)).count();
}
