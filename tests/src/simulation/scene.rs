//! What a seed makes of a node: its rooms, its bounds, its storage. Small, so that a short run comes to every bound.

use std::{path::PathBuf, time::Duration};

use rialto_server::{
    base::config::{BehindPolicy, Config, HistoryKind, NamespaceConfig},
    bridge::simulated::Mischief,
    history::Tuning,
    log::local::{LocalOptions, Writing},
};

use super::chance::Chance;
use crate::checks::Room;

/// The rooms of every simulation: namespace, name, and what test messages to it are called.
const ROOMS: [(&str, &str); 6] = [
    ("durable", "north"),
    ("durable", "south"),
    ("memory", "east"),
    ("memory", "west"),
    ("plain", "high"),
    ("loose", "low"),
];

/// A node and those around it.
#[derive(Debug)]
pub(super) struct Scene {
    /// How the node is set up.
    pub(super) config: Config,
    /// How its histories are.
    pub(super) tuning: Tuning,
    /// How its log is.
    pub(super) options: LocalOptions,
    /// What there is to join.
    pub(super) rooms: Vec<Room>,
    /// How many clients there are.
    pub(super) clients: usize,
    /// How long the adversary has its way.
    pub(super) steps: u64,
    /// Histories let go of events within the run.
    pub(super) forgets: bool,
    /// Longest wait for the disk.
    pub(super) disk_delay_max: Duration,
    /// One fault in so many steps; 0: none.
    pub(super) faults_every: u64,
    /// One lost stream in so many actions of a client.
    pub(super) losses_every: u64,
    /// One flush of the log in so many steps.
    pub(super) flushes_every: u64,
    /// How many nodes there are.
    pub(super) nodes: usize,
    /// What the network between them does, if there are several.
    pub(super) mischief: Mischief,
}

impl Scene {
    /// What a seed makes of it.
    pub(super) fn of(chance: &mut Chance) -> Self {
        let forgets = chance.one_in(3);
        let mut config = Config { data: PathBuf::new(), ..Config::default() };
        config.namespaces = namespaces(chance, forgets);
        let session = &mut config.limits.session;
        session.emits_per_second = 0;
        session.outbox_frames_max = chance.pick(&[16, 32, 128, 256]);
        session.outbox_bytes_max = chance.pick(&[16 << 10, 64 << 10, 256 << 10]);
        session.resume_window = Duration::from_secs(chance.pick(&[5, 30, 120]));
        session.replay_frames_max = chance.pick(&[16, 64, 1_024]);
        session.replay_bytes_max = chance.pick(&[16 << 10, 256 << 10]);
        config.limits.node.hellos_per_second = 100_000;
        config.limits.node.resumes_per_second = 100_000;
        config.limits.node.rooms_created_per_minute = 1_000_000;
        Self {
            tuning: tuning(chance),
            options: LocalOptions {
                segment_bytes: chance.pick(&[8 << 10, 16 << 10, 64 << 10]),
                writing: Writing::Inline,
                ..LocalOptions::default()
            },
            rooms: ROOMS.iter().map(|(namespace, name)| Room::new(namespace, name)).collect(),
            clients: chance.between(3, 8) as usize,
            steps: chance.between(300, 900),
            forgets,
            disk_delay_max: Duration::from_millis(chance.pick(&[0, 2, 20])),
            faults_every: chance.pick(&[0, 400, 150, 80]),
            losses_every: chance.pick(&[200, 60, 20]),
            flushes_every: chance.pick(&[1, 3, 10]),
            nodes: 1,
            mischief: Mischief::default(),
            config,
        }
    }

    /// Makes several nodes of it, between which clients go to and fro.
    pub(super) fn spread(&mut self, chance: &mut Chance) {
        self.nodes = chance.between(2, 4) as usize;
        self.clients = chance.between(3, 6) as usize;
        self.steps = chance.between(600, 1_200);
        self.losses_every = chance.pick(&[60, 20, 8]);
        self.faults_every = chance.pick(&[0, 100, 40, 15]);
        if chance.one_in(2) {
            // Nothing goes wrong, and nothing mends what sessions lose or hear twice when they move.
            (self.faults_every, self.losses_every) = (0, chance.pick(&[6, 12]));
            self.rooms.retain(|room| matches!(&*room.namespace, "plain" | "loose"));
        }
        self.mischief.twice_every = chance.pick(&[0, 0, 30]);
        self.config.cluster.parts = chance.between(1, 5) as u32;
        self.config.cluster.rooms_heard_max = chance.between(0, 6) as u32;
    }

    /// Makes a place of it where jobs are done, among few others.
    pub(super) fn labour(&mut self, chance: &mut Chance) {
        self.clients = 2;
        self.faults_every = chance.pick(&[100, 40, 15]);
    }
}

fn namespaces(chance: &mut Chance, forgets: bool) -> Vec<NamespaceConfig> {
    let policies = [BehindPolicy::Close, BehindPolicy::Drop, BehindPolicy::Latest];
    let kinds = [
        ("durable", HistoryKind::Durable, chance.pick(&policies)),
        ("memory", HistoryKind::Memory, chance.pick(&policies)),
        ("plain", HistoryKind::Off, BehindPolicy::Close),
        ("loose", HistoryKind::Off, chance.pick(&policies[1..])),
    ];
    let namespace = |(name, history, falling_behind)| {
        let mut namespace = NamespaceConfig::named(name);
        let settings = &mut namespace.settings;
        (settings.history, settings.falling_behind) = (history, falling_behind);
        settings.room_emits_per_second = 0;
        settings.keys_shared = name == "loose";
        if forgets {
            settings.history_events_max = 40;
        }
        namespace
    };
    kinds.map(namespace).into()
}

fn tuning(chance: &mut Chance) -> Tuning {
    Tuning {
        cache_room_bytes: chance.pick(&[1 << 10, 8 << 10, 128 << 10]),
        tombstones_max: chance.pick(&[2, 1_000]),
        clean_floor_bytes: chance.pick(&[16 << 10, 64 << 20]),
        clean_step_bytes: 8 << 10,
        snapshot_every_bytes: chance.pick(&[4 << 10, 32 << 10, 64 << 20]),
        ..Tuning::default()
    }
}
