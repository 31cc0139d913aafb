//! What the model asks of an engine, drawn by chance.

use proptest::{prelude::*, sample::Index};

use super::QUEUES;

/// One thing that is asked.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Put {
        queue: usize,
        id: u8,
        priority: i32,
        fairness: u8,
        ordering: u8,
        unique: u8,
        delay_ms: u64,
        ttl_ms: u64,
        bond: Bond,
    },
    CloseBatch {
        queue: usize,
        batch: u8,
    },
    Follow {
        noted: bool,
    },
    Schedule {
        queue: usize,
        seconds: u8,
        one_live: bool,
    },
    Take {
        queue: usize,
        worker: u64,
        jobs_max: usize,
    },
    Settle {
        lease: Index,
        outcome: u8,
        wait_ms: u64,
    },
    SettleStale {
        lease: Index,
        outcome: u8,
    },
    Extend {
        lease: Index,
    },
    Pass {
        ms: u64,
    },
    Away {
        worker: u64,
    },
    Back {
        worker: u64,
    },
    Cancel {
        job: Index,
    },
    PauseJob {
        job: Index,
    },
    ResumeJob {
        job: Index,
    },
    Redrive {
        job: Index,
    },
    Purge {
        queue: usize,
    },
    Set {
        queue: usize,
        concurrency_max: u32,
        key_concurrency_max: u32,
        key_rate: u32,
        paused: bool,
    },
    Notify,
    Clean,
    Sync,
    Full {
        full: bool,
    },
    Crash {
        at: Index,
    },
}

/// How a job hangs together with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bond {
    None,
    /// It is of the batch of this number.
    Of(u8),
    /// It completes the batch of this number.
    Completes(u8),
    /// So many follow it.
    Chain(u8),
}

fn bond() -> impl Strategy<Value = Bond> {
    prop_oneof![
        6 => Just(Bond::None),
        3 => (0..2_u8).prop_map(Bond::Of),
        1 => (0..2_u8).prop_map(Bond::Completes),
        1 => (1..3_u8).prop_map(Bond::Chain),
    ]
}

/// Some of them, in any order.
pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let queue = 0..QUEUES.len();
    let put = (0..QUEUES.len(), 0..14_u8, -1..2_i32, 0..3_u8, 0..3_u8, 0..4_u8, 0..4_u64, (0..5_u64, bond()))
        .prop_map(|(queue, id, priority, fairness, ordering, unique, delay, (ttl, bond))| Step::Put {
            queue,
            id,
            priority,
            fairness,
            ordering,
            unique,
            delay_ms: delay.saturating_sub(2) * 700,
            ttl_ms: ttl.saturating_sub(3) * 1_500,
            bond,
        });
    let step = prop_oneof![
        10 => put,
        8 => (queue.clone(), 0..3_u64, 1..4_usize)
            .prop_map(|(queue, worker, jobs_max)| Step::Take { queue, worker, jobs_max }),
        8 => (any::<Index>(), 0..5_u8, 0..2_u64)
            .prop_map(|(lease, outcome, wait)| Step::Settle { lease, outcome, wait_ms: wait * 900 }),
        3 => (any::<Index>(), 0..5_u8).prop_map(|(lease, outcome)| Step::SettleStale { lease, outcome }),
        2 => any::<Index>().prop_map(|lease| Step::Extend { lease }),
        4 => (0..9_u64).prop_map(|ms| Step::Pass { ms: ms * 500 }),
        1 => (0..3_u64).prop_map(|worker| Step::Away { worker }),
        1 => (0..3_u64).prop_map(|worker| Step::Back { worker }),
        1 => any::<Index>().prop_map(|job| Step::Cancel { job }),
        1 => any::<Index>().prop_map(|job| Step::PauseJob { job }),
        1 => any::<Index>().prop_map(|job| Step::ResumeJob { job }),
        1 => any::<Index>().prop_map(|job| Step::Redrive { job }),
        1 => queue.clone().prop_map(|queue| Step::Purge { queue }),
        1 => (queue.clone(), 0..3_u32, 0..3_u32, 0..3_u32, proptest::bool::weighted(0.3)).prop_map(
            |(queue, concurrency_max, key_concurrency_max, key_rate, paused)| Step::Set {
                queue, concurrency_max, key_concurrency_max, key_rate, paused
            }
        ),
        1 => (queue.clone(), 0..2_u8).prop_map(|(queue, batch)| Step::CloseBatch { queue, batch }),
        2 => any::<bool>().prop_map(|noted| Step::Follow { noted }),
        1 => (queue, 0..4_u8, any::<bool>())
            .prop_map(|(queue, seconds, one_live)| Step::Schedule { queue, seconds, one_live }),
        1 => Just(Step::Notify),
        1 => Just(Step::Clean),
        4 => Just(Step::Sync),
        1 => any::<bool>().prop_map(|full| Step::Full { full }),
        1 => any::<Index>().prop_map(|at| Step::Crash { at }),
    ];
    proptest::collection::vec(step, 1..90)
}
