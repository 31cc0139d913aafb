//! What whoever keeps a queue can be asked: one line for each, from which follows how it is said to another node and who carries it
//! out where the queue is. [`owner`](super::owner) finds out who that is.

use std::{sync::Arc, time::Duration};

use rialto_proto::{
    node::{self, job_answer, job_call},
    v1,
};

use crate::{
    auth::Identity,
    base::{
        ids::NodeId,
        limits::{JOB_WAIT_DEFAULT, JOB_WAIT_MAX, LEASE_WAIT_MAX},
        refusal::Refusal,
    },
    jobs::Shard,
    router::{Router, part::Part},
    wire::job,
};

/// How long an answer may take that waits for something to happen.
pub(super) const POLLED_FOR: Duration = Duration::from_secs(30);
/// How long an answer may take that is the end of many steps.
const STEPS_FOR: Duration = Duration::from_secs(60);

/// Something that whoever keeps a queue is asked.
pub trait QueueCall: Clone + Send + 'static {
    /// What is answered.
    type Answer: Send;
    /// Whether it may as well be carried out twice.
    const REPEATABLE: bool;

    /// With whom it is.
    fn at(&self) -> At<'_>;
    /// How long the answer may take beyond what it takes to carry it out.
    fn patience(&self) -> Duration;
    /// As it is said to another node.
    fn into_wire(self) -> job_call::What;
    /// The answer as it is said to another node.
    fn wire_answer(answer: Self::Answer) -> job_answer::What;
    /// The answer, read; `None` when it is one to something else.
    fn read_answer(answer: job_answer::What) -> Option<Self::Answer>;
    /// Carries it out where the queue is.
    fn carry_out(self, here: Here<'_>) -> impl Future<Output = Result<Self::Answer, Refusal>> + Send;
}

/// With whom something is.
#[derive(Debug, Clone, Copy)]
pub enum At<'a> {
    /// Whoever keeps a queue of a namespace.
    Queue(&'a str, &'a str),
    /// Whoever keeps a part.
    Part(u32),
}

/// Something that is asked of whoever keeps a part of all queues.
#[derive(Debug, Clone)]
pub struct InPart<T> {
    /// Which part.
    pub part: u32,
    /// What.
    pub call: T,
}

/// Where jobs are, and who asks.
#[derive(Debug, Clone, Copy)]
pub struct Here<'a> {
    pub(super) router: &'a Router,
    pub(super) shard: &'a Arc<Shard>,
    pub(super) identity: &'a Identity,
    /// The node at which somebody asks.
    pub(super) from: NodeId,
}

/// Calls: `name method(request) -> answer, at, repeatable, patience`.
macro_rules! calls {
    ($($name:ident $method:ident($request:ty) -> $answer:ty, $at:ident, $repeatable:literal, $patience:expr;)*) => {
        $(impl QueueCall for calls!(@call $at $request) {
            type Answer = $answer;
            const REPEATABLE: bool = $repeatable;

            fn at(&self) -> At<'_> {
                calls!(@at $at self)
            }

            fn patience(&self) -> Duration {
                let patience: fn(&$request) -> Duration = $patience;
                patience(calls!(@inner $at self))
            }

            fn into_wire(self) -> job_call::What {
                job_call::What::$name(calls!(@into $at self))
            }

            fn wire_answer(answer: $answer) -> job_answer::What {
                job_answer::What::$name(answer)
            }

            fn read_answer(answer: job_answer::What) -> Option<$answer> {
                if let job_answer::What::$name(answer) = answer { Some(answer) } else { None }
            }

            async fn carry_out(self, here: Here<'_>) -> Result<$answer, Refusal> {
                here.$method(calls!(@into $at self)).await
            }
        })*

        impl Router {
            /// Carries out what another node has asked. The part is here.
            pub(super) async fn carry_out_there(
                &self,
                part: &Arc<Part>,
                identity: &Identity,
                from: NodeId,
                what: job_call::What,
            ) -> job_answer::What {
                match what {
                    $(job_call::What::$name(call) => {
                        self.answer_there(part, identity, from, calls!(@wrap $at part call)).await
                    })*
                }
            }
        }
    };
    (@call queue $request:ty) => { $request };
    (@call part $request:ty) => { InPart<$request> };
    (@at queue $call:ident) => { At::Queue(&$call.namespace, &$call.queue) };
    (@at part $call:ident) => { At::Part($call.part) };
    (@inner queue $call:ident) => { $call };
    (@inner part $call:ident) => { &$call.call };
    (@into queue $call:ident) => { $call };
    (@into part $call:ident) => { $call.call };
    (@wrap queue $part:ident $call:ident) => { $call };
    (@wrap part $part:ident $call:ident) => { InPart { part: $part.number, call: $call } };
}

calls! {
    Enqueue enqueue(v1::EnqueueRequest) -> v1::EnqueueResponse, queue, true, none;
    GetJob get_job(v1::GetJobRequest) -> v1::GetJobResponse, queue, true, none;
    WaitJob wait_job(v1::WaitJobRequest) -> v1::WaitJobResponse, queue, true, of_wait;
    ListJobs list_jobs(v1::ListJobsRequest) -> v1::ListJobsResponse, queue, true, none;
    CancelJob cancel_job(v1::CancelJobRequest) -> v1::CancelJobResponse, queue, false, none;
    PauseJob pause_job(v1::PauseJobRequest) -> v1::PauseJobResponse, queue, true, none;
    ResumeJob resume_job(v1::ResumeJobRequest) -> v1::ResumeJobResponse, queue, true, none;
    RedriveJobs redrive_jobs(v1::RedriveJobsRequest) -> v1::RedriveJobsResponse, queue, false, steps;
    GetQueue get_queue(v1::GetQueueRequest) -> v1::GetQueueResponse, queue, true, none;
    ListQueues list_queues(v1::ListQueuesRequest) -> v1::ListQueuesResponse, part, true, none;
    SetQueue set_queue(v1::SetQueueRequest) -> v1::SetQueueResponse, queue, true, none;
    PauseQueue pause_queue(v1::PauseQueueRequest) -> v1::PauseQueueResponse, queue, true, none;
    ResumeQueue resume_queue(v1::ResumeQueueRequest) -> v1::ResumeQueueResponse, queue, true, none;
    PurgeQueue purge_queue(v1::PurgeQueueRequest) -> v1::PurgeQueueResponse, queue, false, steps;
    CloseBatch close_batch(v1::CloseBatchRequest) -> v1::CloseBatchResponse, queue, true, none;
    PutSchedule put_schedule(v1::PutScheduleRequest) -> v1::PutScheduleResponse, queue, true, none;
    DeleteSchedule delete_schedule(v1::DeleteScheduleRequest) -> v1::DeleteScheduleResponse, queue, false, none;
    ListSchedules list_schedules(v1::ListSchedulesRequest) -> v1::ListSchedulesResponse, queue, true, none;
    Lease lease(v1::LeaseRequest) -> v1::LeaseResponse, queue, false, of_lease;
    Settle settle(v1::SettleRequest) -> v1::SettleResponse, part, true, none;
    Extend extend(v1::ExtendRequest) -> v1::ExtendResponse, part, true, none;
    PollWatch poll_watch(node::PollWatch) -> node::WatchPolled, queue, true, polled;
    OrderJobs order_jobs(node::OrderJobs) -> v1::LeaseResponse, queue, false, none;
    AwaitJobs await_jobs(node::AwaitJobs) -> node::JobsAwaited, queue, true, polled;
    AttendWorker attend_worker(node::AttendWorker) -> node::WorkerAttended, part, true, polled;
    FollowJob follow_job(node::FollowJob) -> node::JobFollowed, queue, true, none;
}

fn none<T>(_: &T) -> Duration {
    Duration::ZERO
}

fn polled<T>(_: &T) -> Duration {
    POLLED_FOR
}

fn steps<T>(_: &T) -> Duration {
    STEPS_FOR
}

/// What is wrong with a time is said where the job is.
fn of_wait(request: &v1::WaitJobRequest) -> Duration {
    let within = job::bounded("timeout", request.timeout, JOB_WAIT_MAX);
    within.unwrap_or_default().unwrap_or(JOB_WAIT_DEFAULT)
}

fn of_lease(request: &v1::LeaseRequest) -> Duration {
    job::bounded("wait", request.wait, LEASE_WAIT_MAX).unwrap_or_default().unwrap_or_default()
}
