//! What holds for single jobs and workers, step by step.

use rialto_proto::v1::{JobBody, JobNotify, JobState, NewJob, QueueSettings, Schedule, job_body::Body};

use super::{Engine, EngineLimits, Now, Order, Seq, late_log::LateLog, settings::duration};
use crate::{
    base::{clock, limits::LOG_CLEAN_WRITE_BYTES},
    log::{Log, Position},
};

const WINDOW_MS: u64 = 10_000;

fn limits() -> EngineLimits {
    let resume_window = std::time::Duration::from_millis(WINDOW_MS);
    EngineLimits { bytes_max: 1 << 24, queues_max: 8, resume_window, clean_floor_bytes: 0 }
}

fn order(worker: u64) -> Order<'static> {
    Order {
        namespace: "default",
        queue: "mail",
        worker,
        worker_name: "w",
        jobs_max: 1,
        bytes_max: u64::MAX,
        has_none: true,
        lease_ms: 10 * WINDOW_MS,
    }
}

/// Where a job is that a worker had when the node ended, so long after the node was there again.
fn after_a_restart(worker: u64, passed_ms: u64) -> JobState {
    let log = LateLog::of(Vec::new(), Position(1));
    let now = |ms| Now { ms, log: &log, chance: &|| 7, bytes_elsewhere: 0 };
    let mut engine = Engine::open(0, limits(), clock::now(), &now(1_000)).unwrap();
    engine
        .put(&now(1_000), "default", "mail", NewJob { job_id: "a".to_owned(), ..NewJob::default() })
        .unwrap();
    log.sync();
    engine.advance(log.durable());
    assert_eq!(engine.take(&now(1_000), &order(worker)).unwrap().len(), 1);
    let mut engine = Engine::open(0, limits(), clock::now(), &now(2_000)).unwrap();
    engine.tick(&now(2_000 + passed_ms)).unwrap();
    engine.check();
    engine.job("default", "mail", "a").unwrap().state()
}

#[test]
fn a_worker_with_a_stream_has_its_window_after_a_restart_and_one_without_has_its_lease() {
    assert_eq!(after_a_restart(1, WINDOW_MS - 1), JobState::Running);
    assert_eq!(after_a_restart(1, WINDOW_MS), JobState::Waiting);
    assert_eq!(after_a_restart(0, WINDOW_MS), JobState::Running);
    assert_eq!(after_a_restart(0, 10 * WINDOW_MS), JobState::Waiting);
}

const DAY_MS: u64 = 24 * 3_600_000;
const QUEUE: (&str, &str) = ("default", "mail");

/// An engine whose log is always durable.
struct Prompt {
    engine: Engine,
    log: LateLog,
}

impl Prompt {
    fn new(ms: u64) -> Self {
        let log = LateLog::of(Vec::new(), Position(1));
        Self { engine: open(&log, ms), log }
    }

    fn at<T>(&mut self, ms: u64, what: impl FnOnce(&mut Engine, &Now<'_>) -> T) -> T {
        let now = Now { ms, log: &self.log, chance: &|| 7, bytes_elsewhere: 0 };
        self.engine.tick(&now).unwrap();
        let answer = what(&mut self.engine, &now);
        self.log.sync();
        self.engine.advance(self.log.durable());
        self.engine.check();
        answer
    }

    fn put(&mut self, ms: u64, job: NewJob) {
        self.at(ms, |engine, now| engine.put(now, QUEUE.0, QUEUE.1, job)).unwrap();
    }

    fn state(&self, id: &str) -> Option<JobState> {
        self.engine.job(QUEUE.0, QUEUE.1, id).ok().map(|job| job.state())
    }

    fn cancel(&mut self, ms: u64, id: &str) {
        self.at(ms, |engine, now| engine.cancel(now, (QUEUE.0, QUEUE.1, id), "")).unwrap();
    }

    fn names(&self) -> Vec<String> {
        let (mut jobs, _) = self.engine.list(QUEUE, &super::Filter::default(), Seq(u64::MAX), 100);
        jobs.reverse();
        jobs.into_iter().map(|job| job.job_id).collect()
    }
}

fn open(log: &LateLog, ms: u64) -> Engine {
    Engine::open(0, limits(), clock::now(), &Now { ms, log, chance: &|| 7, bytes_elsewhere: 0 }).unwrap()
}

fn job(id: &str) -> NewJob {
    NewJob { job_id: id.to_owned(), ..NewJob::default() }
}

fn of_batch(id: &str) -> NewJob {
    NewJob { batch_id: "all".to_owned(), ..job(id) }
}

#[test]
fn a_batch_to_which_nothing_was_added_for_a_day_is_closed_by_itself() {
    let mut bench = Prompt::new(1_000);
    bench.put(1_000, NewJob { completes_batch: true, ..job("all") });
    bench.put(2_000, of_batch("a"));
    bench.cancel(3_000, "a");
    bench.at(1_000 + DAY_MS, |_, _| ());
    assert_eq!(bench.state("all"), Some(JobState::Blocked), "the last one came later than the batch");
    bench.put(1_500 + DAY_MS, of_batch("b"));
    bench.cancel(2_000 + DAY_MS, "b");
    bench.at(1_400 + 2 * DAY_MS, |_, _| ());
    assert_eq!(bench.state("all"), Some(JobState::Blocked));
    bench.at(1_600 + 2 * DAY_MS, |_, _| ());
    bench.at(1_700 + 2 * DAY_MS, |_, _| ());
    assert_eq!(bench.state("all"), Some(JobState::Waiting));
}

#[test]
fn ended_jobs_of_a_batch_are_kept_until_it_is_complete_and_forgotten_then() {
    let mut bench = Prompt::new(1_000);
    let settings = QueueSettings { ended_max: 1, ended_kept: Some(duration(5_000)), ..Default::default() };
    bench.at(1_000, |engine, now| engine.set_queue(now, QUEUE, Some(settings), None)).unwrap();
    bench.put(1_000, NewJob { completes_batch: true, ..job("all") });
    for id in ["a", "b", "c"] {
        bench.put(1_000, of_batch(id));
        bench.cancel(1_000, id);
    }
    bench.at(9_000, |_, _| ());
    assert_eq!(bench.names(), ["all", "a", "b", "c"]);
    let reopened = open(&bench.log, 9_000);
    assert_eq!(reopened.job(QUEUE.0, QUEUE.1, "all").unwrap().batch.unwrap().cancelled_count, 3);
    bench.at(9_000, |engine, now| engine.close_batch(now, (QUEUE.0, QUEUE.1, "all"))).unwrap();
    bench.at(9_001, |_, _| ());
    bench.at(9_002, |_, _| ());
    assert_eq!(bench.names(), ["all"]);
    let shown = bench.engine.job(QUEUE.0, QUEUE.1, "all").unwrap();
    assert_eq!((shown.state(), shown.batch.unwrap().cancelled_count), (JobState::Waiting, 3));
}

#[test]
fn jobs_of_a_batch_that_come_before_it_in_the_log_are_kept_too() {
    let mut bench = Prompt::new(1_000);
    let settings = QueueSettings { ended_max: 1, ..Default::default() };
    bench.at(1_000, |engine, now| engine.set_queue(now, QUEUE, Some(settings), None)).unwrap();
    // So large that nothing else is written again with it.
    let body =
        JobBody { body: Some(Body::Text("x".repeat(LOG_CLEAN_WRITE_BYTES as usize))), ..Default::default() };
    bench.put(1_000, NewJob { completes_batch: true, body: Some(body), ..job("all") });
    for id in ["a", "b", "c"] {
        bench.put(1_000, of_batch(id));
        bench.cancel(1_000, id);
    }
    let first = bench.at(2_000, |engine, now| engine.clean(now)).unwrap();
    bench.log.truncate(first).unwrap();
    let reopened = open(&bench.log, 2_000);
    reopened.check();
    assert_eq!(reopened.job(QUEUE.0, QUEUE.1, "all").unwrap().batch.unwrap().cancelled_count, 3);
}

#[test]
fn a_job_is_kept_until_the_rooms_are_told_how_it_has_ended() {
    let mut bench = Prompt::new(1_000);
    let settings = QueueSettings { ended_kept: Some(duration(1_000)), ..Default::default() };
    bench.at(1_000, |engine, now| engine.set_queue(now, QUEUE, Some(settings), None)).unwrap();
    bench.put(1_000, NewJob { notify: vec![JobNotify::default()], ..job("a") });
    bench.cancel(1_000, "a");
    bench.at(9_000, |_, _| ());
    let notices = bench.engine.notices(Seq(0), 8);
    assert_eq!(notices.len(), 1);
    bench.at(9_000, |engine, now| engine.notified(now, &notices[0])).unwrap();
    bench.at(9_001, |_, _| ());
    assert_eq!(bench.state("a"), None);
}

#[test]
fn rooms_that_were_told_of_a_job_on_its_way_are_still_told_how_it_ends() {
    let mut bench = Prompt::new(1_000);
    let states = vec![JobState::Waiting.into(), JobState::Cancelled.into()];
    bench.put(1_000, NewJob { notify: vec![JobNotify { states, ..Default::default() }], ..job("a") });
    let seq = Seq(*bench.engine.summary().keys().next().unwrap());
    let waits = bench.engine.notice(seq).unwrap();
    // While they are told that it waits it is cancelled.
    bench.cancel(1_000, "a");
    bench.at(1_000, |engine, now| engine.notified(now, &waits)).unwrap();
    let ends = bench.engine.notices(Seq(0), 8);
    assert_eq!(ends.iter().map(|end| end.job.state()).collect::<Vec<_>>(), [JobState::Cancelled]);
    bench.at(1_000, |engine, now| engine.notified(now, &ends[0])).unwrap();
    assert!(bench.engine.notices(Seq(0), 8).is_empty());
}

/// A schedule of every ten seconds, made at 1,000 ms.
fn every_ten_seconds(one_live: bool) -> Prompt {
    let mut bench = Prompt::new(1_000);
    let schedule = Schedule {
        schedule_id: "tick".to_owned(),
        cron: "*/10 * * * * *".to_owned(),
        job: Some(NewJob::default()),
        one_live,
        ..Schedule::default()
    };
    bench.at(1_000, |engine, now| engine.put_schedule(now, QUEUE, schedule)).unwrap();
    bench
}

#[test]
fn a_schedule_puts_in_a_job_for_each_time_and_of_times_that_were_missed_for_the_last() {
    let mut bench = every_ten_seconds(false);
    assert_eq!(bench.engine.next_ms(), Some(10_000));
    bench.at(9_999, |_, _| ());
    assert!(bench.names().is_empty(), "times before it was made are not made up for");
    bench.at(10_000, |_, _| ());
    bench.at(20_001, |_, _| ());
    bench.engine = open(&bench.log, 20_001);
    bench.at(20_002, |_, _| ());
    assert_eq!(bench.names(), ["tick@1970-01-01T00:00:10Z", "tick@1970-01-01T00:00:20Z"]);
    bench.engine = open(&bench.log, 55_000);
    bench.at(55_000, |_, _| ());
    assert_eq!(bench.names()[2..], ["tick@1970-01-01T00:00:50Z"]);
    assert_eq!(bench.engine.next_ms(), Some(60_000));
}

#[test]
fn a_schedule_with_one_live_job_waits_for_that_to_end_and_says_what_it_has_left_out() {
    let mut bench = every_ten_seconds(true);
    bench.at(10_000, |_, _| ());
    bench.at(20_000, |_, _| ());
    assert_eq!(bench.names(), ["tick@1970-01-01T00:00:10Z"]);
    assert_eq!(bench.engine.schedules(QUEUE.0, QUEUE.1)[0].skipped_count, 1);
    bench.cancel(21_000, "tick@1970-01-01T00:00:10Z");
    bench.at(30_000, |_, _| ());
    assert_eq!(bench.names()[1..], ["tick@1970-01-01T00:00:30Z"]);
}

#[test]
fn a_schedule_outlives_the_cleaning_of_the_log_and_ends_when_it_is_deleted() {
    let mut bench = every_ten_seconds(false);
    bench.at(10_000, |_, _| ());
    bench.cancel(11_000, "tick@1970-01-01T00:00:10Z");
    let first = bench.at(12_000, |engine, now| engine.clean(now)).unwrap();
    bench.log.truncate(first).unwrap();
    bench.engine = open(&bench.log, 12_000);
    let shown = &bench.engine.schedules(QUEUE.0, QUEUE.1)[0];
    assert_eq!(shown.last_time.unwrap().seconds, 10, "for ten seconds nothing is put in twice");
    assert_eq!(shown.next_time.unwrap().seconds, 20);
    bench.at(12_000, |engine, now| engine.delete_schedule(now, QUEUE, "tick")).unwrap();
    bench.at(60_000, |_, _| ());
    assert_eq!(bench.names().len(), 1);
    assert!(open(&bench.log, 60_000).schedules(QUEUE.0, QUEUE.1).is_empty());
}

#[test]
fn a_tenant_that_was_given_nothing_because_the_log_is_full_is_served_in_its_turn() {
    let mut place = Prompt::new(1_000);
    let of =
        |id: &str, tenant: &str, priority| NewJob { fairness_key: tenant.to_owned(), priority, ..job(id) };
    for (id, tenant, priority) in [("a1", "a", 1), ("a2", "a", 0), ("b1", "b", 0), ("b2", "b", 0)] {
        place.put(2_000, of(id, tenant, priority));
    }
    let take = |place: &mut Prompt, jobs_max| {
        let order = Order { jobs_max, ..order(1) };
        let leases = place.at(3_000, |engine, now| engine.take(now, &order));
        leases.map(|leases| leases.into_iter().map(|lease| lease.job_id).collect::<Vec<_>>())
    };
    // Two are chosen, and nobody gets them: `at` checks that everything hangs together afterwards.
    place.log.set_full(true);
    take(&mut place, 2).unwrap_err();
    place.log.set_full(false);
    assert_eq!(take(&mut place, 4).unwrap(), ["a1", "b1", "a2", "b2"]);
}
