//! What a worker does over its streams: begins jobs as there is room, hears what becomes of them, and says it. One loop for a
//! stream, one for the time without; `worker.rs` connects, `working.rs` knows the jobs.

use std::{
    collections::VecDeque,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    time::Duration,
};

use futures_util::FutureExt;
use rialto_proto::v1::{self, WorkRequest, WorkResponse, WorkerCredit, work_request, work_response};
use tokio::{
    sync::mpsc,
    task::{JoinError, JoinSet},
    time::{Instant, Interval, MissedTickBehavior, Sleep, interval, sleep, sleep_until},
};

use crate::{
    assignment::{Assignment, Leased, Wanted},
    content::Payload,
    error::Error,
    outcome::{NotDone, settled},
    uplink::Opened,
    worker::Worker,
    working::Working,
};

/// How often news of progress are sent at most.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);
/// How long a stream that has nothing more to say is waited for.
const END_WITHIN: Duration = Duration::from_secs(10);

type Outcome = Result<Payload, NotDone>;
type Stream = (mpsc::Sender<WorkRequest>, Opened<WorkResponse>);

/// How a stream ended.
pub(crate) enum Ended {
    /// All is done, and nothing more is wanted.
    Done,
    /// It is lost, after it had been there.
    Lost(Error),
}

/// The wish to stop, and then the end of the time that is left for it.
pub(crate) struct Stopping<'a, S> {
    stop: Option<Pin<&'a mut S>>,
    within: Option<Duration>,
    over: Option<Pin<Box<Sleep>>>,
}

/// What has come of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Wanted,
    TimeIsUp,
}

impl<'a, S: Future<Output = ()>> Stopping<'a, S> {
    pub(crate) fn new(stop: Pin<&'a mut S>, within: Option<Duration>) -> Self {
        Self { stop: Some(stop), within, over: None }
    }

    /// The next of both; for ever when no more will come.
    ///
    /// *Cancel safety*: nothing is lost.
    async fn next(&mut self) -> Stop {
        if let Some(stop) = &mut self.stop {
            stop.as_mut().await;
            self.stop = None;
            self.over = self.within.map(|within| Box::pin(sleep(within)));
            return Stop::Wanted;
        }
        match &mut self.over {
            Some(over) => over.as_mut().await,
            None => std::future::pending().await,
        }
        self.over = None;
        Stop::TimeIsUp
    }
}

/// A worker that runs, over all its streams.
pub(crate) struct Running<'w> {
    worker: &'w Worker,
    working: Working,
    tasks: JoinSet<(String, Outcome)>,
    /// Jobs that came though there is no room for them.
    waiting: VecDeque<(String, Leased)>,
    stopping: bool,
    /// The time for stopping is over.
    gives_up: bool,
    /// The server knows that no more jobs are wanted.
    drained: bool,
    /// The credit that the server knows of.
    credit: u32,
    resume: String,
}

impl<'w> Running<'w> {
    pub(crate) fn new(worker: &'w Worker) -> Self {
        Self {
            worker,
            working: Working::default(),
            tasks: JoinSet::new(),
            waiting: VecDeque::new(),
            stopping: false,
            gives_up: false,
            drained: false,
            credit: 0,
            resume: String::new(),
        }
    }

    /// The session to go on with; empty before there was one.
    pub(crate) fn resume(&self) -> &str {
        &self.resume
    }

    /// How many jobs there is room for: those whose leases are lost take theirs until they return.
    pub(crate) fn credit(&self) -> u32 {
        let lost = u32::try_from(self.working.lost()).unwrap_or(u32::MAX);
        self.worker.concurrency.saturating_sub(lost)
    }

    /// Does what is to be done over one stream, until it ends.
    pub(crate) async fn converse<F, S>(
        &mut self,
        (frames, mut inbound): Stream,
        stop: &mut Stopping<'_, S>,
        work: &impl Fn(Assignment) -> F,
    ) -> Ended
    where
        F: Future<Output = Outcome> + Send + 'static,
        S: Future<Output = ()>,
    {
        let mut outgoing: VecDeque<work_request::Frame> = VecDeque::new();
        let (mut extends, mut progress) = (ticks(self.worker.lease / 3), ticks(PROGRESS_EVERY));
        let changed = self.working.changed();
        let (mut news, mut waits) = (false, None);
        (self.drained, self.credit) = (false, self.credit());
        loop {
            self.begin(work);
            self.say(&mut outgoing);
            let done = self.stopping && outgoing.is_empty() && self.working.is_done();
            if done && self.gives_up {
                return Ended::Done;
            }
            // The server ends the stream then: what it has given before it knew may still be on its way.
            let patience = *waits.get_or_insert_with(|| Instant::now() + END_WITHIN);
            waits = waits.filter(|_| done || self.gives_up);
            tokio::select! {
                biased;
                room = frames.reserve(), if !outgoing.is_empty() => match (room, outgoing.pop_front()) {
                    (Ok(room), frame) => room.send(WorkRequest { frame }),
                    (Err(_), _) => return Ended::Lost(Error::Unavailable("the stream is lost".to_owned())),
                },
                message = inbound.message(Error::of_broken_stream) => match message {
                    Ok(Some(WorkResponse { frame: Some(frame) })) => self.hear(frame),
                    Ok(Some(WorkResponse { frame: None })) => {}
                    Ok(None) if done => return Ended::Done,
                    Ok(None) => {
                        return Ended::Lost(Error::Unavailable("the server ended the stream".to_owned()));
                    }
                    Err(error) => return Ended::Lost(error),
                },
                Some(done) = self.tasks.join_next(), if !self.tasks.is_empty() => self.done(done),
                _ = extends.tick() => self.extend(false, &mut outgoing),
                () = changed.notified(), if !news => news = true,
                _ = progress.tick(), if news => {
                    news = false;
                    self.extend(true, &mut outgoing);
                }
                came = stop.next() => self.stop(came).await,
                // A server that does not end it has nothing more to say.
                () = sleep_until(patience), if done || self.gives_up => return Ended::Done,
            }
        }
    }

    /// Without a stream, for so long. Work goes on. True when nothing is owed to the server any more.
    pub(crate) async fn disconnected<F, S>(
        &mut self,
        wait: Duration,
        stop: &mut Stopping<'_, S>,
        work: &impl Fn(Assignment) -> F,
    ) -> bool
    where
        F: Future<Output = Outcome> + Send + 'static,
        S: Future<Output = ()>,
    {
        self.working.disconnected();
        let mut wait = std::pin::pin!(sleep(wait));
        loop {
            self.begin(work);
            self.tell();
            if self.gives_up || (self.stopping && self.working.is_done()) {
                return true;
            }
            tokio::select! {
                () = &mut wait => return false,
                () = self.worker.client.uplink().closed() => return false,
                Some(done) = self.tasks.join_next(), if !self.tasks.is_empty() => self.done(done),
                came = stop.next() => self.stop(came).await,
            }
        }
    }

    /// Calls the function for jobs that wait, as there is room.
    fn begin<F>(&mut self, work: &impl Fn(Assignment) -> F)
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let room = usize::try_from(self.worker.concurrency).unwrap_or(usize::MAX);
        while self.tasks.len() < room {
            let Some((token, leased)) = self.waiting.pop_front() else { return };
            if !self.working.begin(&token) {
                continue;
            }
            let assignment = Assignment::new(leased, self.worker.client.clone());
            match catch_unwind(AssertUnwindSafe(|| work(assignment))) {
                Ok(work) => {
                    let work = AssertUnwindSafe(work).catch_unwind();
                    let work =
                        async move { (token, work.await.unwrap_or_else(|_| Err(NotDone::panicked()))) };
                    self.tasks.spawn(work);
                }
                Err(_) => self.working.done(&token, settled(Err(NotDone::panicked())).0),
            }
        }
    }

    /// Puts together what is to be said now.
    fn say(&mut self, outgoing: &mut VecDeque<work_request::Frame>) {
        if self.stopping && !std::mem::replace(&mut self.drained, true) {
            outgoing.push_back(work_request::Frame::Drain(v1::WorkerDrain::default()));
        }
        let jobs = self.credit();
        if std::mem::replace(&mut self.credit, jobs) != jobs && !self.stopping {
            outgoing.push_back(work_request::Frame::Credit(WorkerCredit { jobs, bytes: 0 }));
        }
        while let Some((last, settle)) = self.working.settlements() {
            outgoing.extend(last.map(work_request::Frame::Extend));
            outgoing.push_back(work_request::Frame::Settle(settle));
        }
        self.tell();
    }

    /// Tells the application what it is to know.
    fn tell(&mut self) {
        self.working.told().into_iter().for_each(|told| self.worker.report(told.into()));
    }

    fn extend(&mut self, news: bool, outgoing: &mut VecDeque<work_request::Frame>) {
        outgoing.extend(self.working.extensions(news).into_iter().map(work_request::Frame::Extend));
    }

    fn hear(&mut self, frame: work_response::Frame) {
        match frame {
            work_response::Frame::Welcome(welcome) => {
                self.resume = welcome.session;
                self.working.reconnected(welcome.resumed);
            }
            work_response::Frame::Leases(leases) => {
                self.waiting.extend(self.working.leased(leases.leases));
                if self.stopping {
                    self.give_back();
                }
            }
            work_response::Frame::Settled(settled) => self.working.settled(&settled),
            work_response::Frame::Extended(extended) => self.working.extended(&extended),
            work_response::Frame::Cancel(cancel) => {
                cancel.tokens.iter().for_each(|token| self.working.want(token, Wanted::Cancelled));
            }
            work_response::Frame::Pause(pause) => {
                pause.tokens.iter().for_each(|token| self.working.want(token, Wanted::Paused));
            }
            // The stream ends when all is settled, and the next one may be another node's.
            work_response::Frame::Drain(_) => {}
        }
    }

    /// Gives back what has not begun.
    fn give_back(&mut self) {
        for (token, _) in std::mem::take(&mut self.waiting) {
            self.working.done(&token, settled(Err(NotDone::Released(Duration::ZERO))).0);
        }
    }

    fn done(&mut self, done: Result<(String, Outcome), JoinError>) {
        // Nobody aborts a task, and a panic is an outcome.
        if let Ok((token, outcome)) = done {
            let (outcome, wrong) = settled(outcome);
            if wrong.is_some() {
                self.working.unsendable(&token);
            }
            self.working.done(&token, outcome);
        }
    }

    async fn stop(&mut self, came: Stop) {
        match came {
            Stop::Wanted => {
                self.stopping = true;
                self.give_back();
            }
            Stop::TimeIsUp => {
                self.gives_up = true;
                self.working.give_up();
                // Who waits for this can still end in order.
                tokio::task::yield_now().await;
            }
        }
    }
}

fn ticks(every: Duration) -> Interval {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
