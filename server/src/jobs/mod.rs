//! Floor 3: job queues. [`engine`] says what there is and what follows from what; [`shard`] keeps one engine together with its log,
//! and wakes whoever waits for either: workers by their [`bells`], those who look by their [`watches`], which [`polls`] keep for those on other nodes; [`streams`] are the workers that are here. [`worker`] is one worker's
//! side: what it can have and what it has. Knows no stream and no rights.

pub mod bells;
pub mod engine;
pub mod polls;
mod resume_point;
pub mod shard;
pub mod streams;
mod tally;
pub mod watches;
pub mod worker;

pub use self::{
    bells::{Bell, QueueName},
    engine::{
        Engine, EngineLimits, Filter, FollowUp, Notice, Now, Order, Put, Seq, Token, is_live, job_name,
    },
    polls::Polled,
    resume_point::ResumePoint,
    shard::{Shard, Shared},
    streams::{Stream, Wanted},
    watches::Watch,
    worker::{Credit, Go, Subscription, Worker},
};
