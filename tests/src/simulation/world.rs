//! One run: a node, its disk, its clients and an adversary, all of whom do one thing after the other as the seed has it.

use std::{sync::Weak, time::Duration};

use rialto_server::{
    base::clock,
    log::local::simulated::{Fault, SimulatedDisk},
    session::Session,
};
use tokio::{task::yield_now, time::sleep};

use super::{
    chance::Chance,
    client::Client,
    node::SimulatedNode,
    notes::{Counts, Notes, Sets},
    scene::Scene,
    stream::Arrival,
    trace::Trace,
};
use crate::checks::{Done, Recorder};

/// With fewer acknowledged events a run says nothing.
const SUCCESSES_MIN: u64 = 5;

/// Everything of one run.
pub(super) struct World {
    pub(super) scene: Scene,
    pub(super) notes: Notes,
    pub(super) disk: SimulatedDisk,
    /// None while it is down.
    pub(super) node: Option<SimulatedNode>,
    pub(super) clients: Vec<Client>,
    /// Sessions that were opened on this node since it was started.
    pub(super) sessions: Vec<Weak<Session>>,
    pub(super) complaints: Vec<String>,
    /// The log is not written until then.
    stalled_steps: u64,
    down_steps: u64,
}

impl World {
    /// What a seed makes. Needs a runtime of one thread whose time is paused.
    pub(super) fn new(seed: u64, whole_trace: bool) -> Self {
        let mut chance = Chance::new(seed);
        let mut scene = Scene::of(&mut chance);
        clock::simulated::begin(chance.bits(), scene.disk_delay_max);
        scene.options.id = Some(chance.bits());
        let notes = Notes {
            trace: Trace::new(whole_trace),
            recorder: Recorder::new(SUCCESSES_MIN),
            counts: Counts::default(),
            sets: Sets::default(),
            rooms: scene.rooms.clone(),
            chance,
        };
        let clients = (0..scene.clients).map(Client::new).collect();
        let disk = SimulatedDisk::new(seed ^ 0x5bd1_e995);
        Self {
            scene,
            notes,
            disk,
            node: None,
            clients,
            sessions: Vec::new(),
            complaints: Vec::new(),
            stalled_steps: 0,
            down_steps: 0,
        }
    }

    /// Lets the adversary have its way.
    pub(super) async fn trouble(&mut self) {
        self.start().await;
        for step in 0..self.scene.steps {
            self.notes.trace.note(format_args!("step {step}"));
            self.turn();
            if self.notes.chance.one_in(self.scene.faults_every) {
                self.fault().await;
            }
            self.look_after().await;
            self.pass_time().await;
        }
    }

    /// One client and the streams that it has do something.
    fn turn(&mut self) {
        let at = self.notes.chance.below(self.clients.len() as u64) as usize;
        let Some(node) = &self.node else { return };
        let client = &mut self.clients[at];
        if self.notes.chance.one_in(2) {
            client.act(&self.scene, &mut self.notes);
        }
        let (takes, writes) = (self.notes.chance.below(6), self.notes.chance.below(4));
        let now = clock::now();
        client.half_open.retain_mut(|(stream, until)| {
            let _taken = (0..takes).filter(|_| stream.take(&node.router)).count();
            let _written = (0..writes).filter(|_| stream.write(&node.router)).count();
            let gone = *until <= now;
            if gone {
                stream.break_off(&node.router);
            }
            !gone
        });
        let Some(stream) = &mut client.stream else { return };
        let greeted = stream.session().is_some();
        let _taken = (0..takes).filter(|_| stream.take(&node.router)).count();
        let _written = (0..writes).filter(|_| stream.write(&node.router)).count();
        if let (false, Some(session)) = (greeted, stream.session()) {
            self.sessions.push(session);
        }
        if client.silent_until.is_none_or(|until| until <= now) {
            let reads = self.notes.chance.below(4);
            let _heard = (0..reads).filter(|_| self.read(at)).count();
        }
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
                client.lose_session(&self.notes.recorder);
                self.leave_stream(at);
            }
            Arrival::Ended => self.leave_stream(at),
        }
        true
    }

    fn leave_stream(&mut self, at: usize) {
        let client = &mut self.clients[at];
        (client.greeting, client.away_until) = (None, None);
        if let (Some(mut stream), Some(node)) = (client.stream.take(), &self.node) {
            stream.break_off(&node.router);
        }
    }

    async fn fault(&mut self) {
        let which = self.notes.chance.below(8);
        self.notes.trace.note(format_args!("fault {which}"));
        let soon = self.notes.chance.between(1, 12);
        match which {
            0 => self.crash(true).await,
            1 => self.crash(false).await,
            2 => self.disk.fail(Fault::Sync(soon)),
            3 => self.disk.fail(Fault::Write(soon)),
            4 => self.disk.fail(Fault::ShortWrite(soon)),
            5 => {
                // Without a node nothing is written in the middle of which the power could go.
                let Some(node) = &self.node else { return };
                self.disk.fail(Fault::Power(soon));
                // The power goes in the middle of what is written now, if that is long enough.
                node.log.flush().ok();
                self.crash(true).await;
            }
            6 => {
                let space = (!self.notes.chance.one_in(2)).then(|| self.notes.chance.between(0, 96 << 10));
                self.disk.set_space(space);
            }
            _ => self.stalled_steps = self.notes.chance.between(5, 60),
        }
    }

    /// The node ends: with the power, or as a process alone.
    pub(super) async fn crash(&mut self, power: bool) {
        let Some(node) = self.node.take() else { return };
        if power {
            self.disk.crash()
        } else {
            self.disk.kill()
        }
        self.notes.recorder.done(Done::Crashed);
        self.notes.counts.crashes += 1;
        self.notes.sets.crashed();
        for client in &mut self.clients {
            client.half_open.clear();
            if client.stream.take().is_some() {
                (client.greeting, client.away_until, client.silent_until) = (None, None, None);
            }
        }
        self.sessions.clear();
        node.die().await;
        self.down_steps = self.notes.chance.below(12);
        self.notes.trace.note(format_args!("the node ended, power: {power}"));
    }

    /// Starts the node, with a disk that has space when it needs some.
    pub(super) async fn start(&mut self) {
        if self.notes.chance.one_in(4) {
            let by = Duration::from_millis(self.notes.chance.below(10_000));
            clock::simulated::shift_day(by, self.notes.chance.one_in(2));
        }
        for attempt in 0..3 {
            match SimulatedNode::start(&self.scene, &self.disk) {
                Ok(node) => {
                    self.node = Some(node);
                    self.notes.trace.note(format_args!("the node runs, attempt {attempt}"));
                    return;
                }
                Err(error) => {
                    self.notes.trace.note(format_args!("the node does not start: {error}"));
                    self.disk.heal();
                    self.disk.set_space(None);
                    self.disk.kill();
                    if attempt == 2 {
                        self.complaints.push(format!("the node does not start: {error}"));
                    }
                }
            }
        }
    }

    /// Writes the log, and starts the node again when it has failed or is down.
    async fn look_after(&mut self) {
        if let Some(node) = &self.node {
            if node.has_failed() && self.notes.chance.one_in(20) {
                let power = self.notes.chance.one_in(2);
                return self.crash(power).await;
            }
            if self.stalled_steps > 0 {
                self.stalled_steps -= 1;
            } else if self.notes.chance.one_in(self.scene.flushes_every) {
                // A failure is seen by the node.
                node.log.flush().ok();
            }
        } else if self.down_steps > 0 {
            self.down_steps -= 1;
        } else {
            self.start().await;
            self.read_histories().await;
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
