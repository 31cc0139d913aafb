//! What holds in an engine after every step, whatever was asked of it.

use std::collections::{BTreeMap, BTreeSet};

use rialto_proto::v1::JobState;

use super::{Engine, Seq, job::is_live, queue::Counts};

impl Engine {
    /// Panics when what is kept beside the jobs is not what follows from them.
    pub(super) fn check(&self) {
        let mut timers = BTreeSet::new();
        let mut bytes = 0;
        let mut by_queue: BTreeMap<_, BTreeSet<Seq>> = BTreeMap::new();
        for (seq, job) in &self.jobs {
            bytes += job.bytes();
            if job.timer_ms > 0 {
                timers.insert((job.timer_ms, *seq));
            }
            assert_eq!(job.is_live, is_live(job.state), "{job:?}");
            assert!(seq.0 < self.next_seq);
            by_queue.entry(job.queue).or_default().insert(*seq);
            let holds = job.state == JobState::Running;
            let run = job.run().filter(|_| holds);
            assert_eq!(run.is_some(), holds, "a job runs with a lease");
            if let Some(run) = run {
                let has = self.workers.leases(run.worker).contains(seq);
                assert_eq!(has, run.worker != 0, "the worker of {job:?}");
            }
        }
        let unnotified: BTreeSet<Seq> =
            self.jobs.iter().filter(|(_, job)| job.is_unnotified()).map(|(seq, _)| *seq).collect();
        assert_eq!(unnotified, self.unnotified);
        assert_eq!(timers, self.timers);
        for state in [JobState::Waiting, JobState::Running, JobState::Completed, JobState::Blocked] {
            let count = self.jobs.values().filter(|job| job.state == state).count();
            assert_eq!(self.count(state) as usize, count, "{state:?}");
        }
        self.check_batches();
        bytes += self.check_schedules();
        assert_eq!(bytes, self.bytes);
        let streamed = |job: &super::job::Job| {
            job.state == JobState::Running && job.run().is_some_and(|run| run.worker != 0)
        };
        let running = self.jobs.values().filter(|job| streamed(job)).count();
        let leased: usize = self.workers.all().iter().map(|worker| self.workers.leases(*worker).len()).sum();
        assert_eq!(running, leased, "each job runs at one worker");
        for names in self.queue_names.values() {
            for index in names.values() {
                self.check_queue(*index, by_queue.remove(index).unwrap_or_default());
            }
        }
        assert!(by_queue.is_empty(), "jobs in queues that are not there: {by_queue:?}");
    }

    fn check_batches(&self) {
        let unfollowed: BTreeSet<Seq> =
            self.jobs.iter().filter(|(_, job)| job.is_unfollowed()).map(|(seq, _)| *seq).collect();
        assert_eq!(unfollowed, self.unfollowed);
        let mut counts: BTreeMap<Seq, Counts> = BTreeMap::new();
        let mut pinned = BTreeSet::new();
        for (seq, job) in &self.jobs {
            let Some(completing) = job.batch_of() else { continue };
            counts.entry(completing).or_default().add(job.state);
            if !job.is_live && self.jobs.get(&completing).is_some_and(|job| job.state == JobState::Blocked) {
                pinned.insert(*seq);
                assert_eq!(job.timer_ms, 0, "a job of a batch that goes on is forgotten by and by");
            }
        }
        let kept = self.batches.check(&counts);
        assert!(pinned.is_subset(&kept), "{pinned:?} of {kept:?} are kept");
        for (seq, job) in &self.jobs {
            let live = counts.get(seq).map_or(0, Counts::live);
            if job.state == JobState::Blocked && job.batch().closed && live == 0 {
                assert!(self.batches.is_due(), "nobody sees that a batch is complete");
            }
        }
    }

    /// Returns the bytes that schedules hold.
    fn check_schedules(&self) -> u64 {
        let mut bytes = 0;
        let mut due = BTreeSet::new();
        for queue in self.queues.iter().flatten() {
            let index = self.find_queue(&queue.namespace, &queue.name).unwrap();
            for (id, schedule) in &queue.schedules {
                bytes += schedule.bytes();
                due.extend(schedule.due(index, id));
            }
        }
        assert_eq!(due, self.schedules_due);
        bytes
    }

    fn check_queue(&self, index: super::QueueIndex, jobs: BTreeSet<Seq>) {
        let queue = self.queue(index).unwrap();
        queue.ready.check(|key| queue.keys.share(key));
        let (live, over): (BTreeSet<Seq>, BTreeSet<Seq>) =
            jobs.iter().partition(|seq| self.jobs[seq].is_live);
        assert_eq!((&queue.live, &queue.over), (&live, &over));
        assert_eq!(queue.names.len(), jobs.len());
        let mut counts = Counts::default();
        let (mut ready, mut unique) = (BTreeSet::new(), BTreeMap::new());
        let mut running_keys: BTreeMap<String, u32> = BTreeMap::new();
        let mut ordered = BTreeSet::new();
        for seq in &jobs {
            let job = &self.jobs[seq];
            let spec = job.spec();
            assert_eq!(self.find(index, job.id()), Some(*seq));
            counts.add(job.state);
            let heads = job.is_ordered && queue.lines.is_head(&spec.ordering_key, *seq);
            assert!(!heads || job.is_lined, "a head that is in no line");
            if job.state == JobState::Waiting && !job.is_staged && (!job.is_ordered || heads) {
                ready.insert(*seq);
            }
            if job.is_live && !spec.unique_key.is_empty() {
                assert_eq!(unique.insert(spec.unique_key, *seq), None, "two live jobs with one unique key");
            }
            if job.state == JobState::Running {
                *running_keys.entry(spec.fairness_key).or_default() += 1;
                assert!(!job.is_ordered || heads, "a job runs that is not at the head of its line");
                assert!(!job.is_ordered || ordered.insert(spec.ordering_key), "two of one line run");
            }
        }
        for state in
            [JobState::Delayed, JobState::Waiting, JobState::Running, JobState::Blocked, JobState::Dead]
        {
            assert_eq!(queue.counts.of(state), counts.of(state), "{state:?}");
        }
        assert_eq!(queue.ready.all(), ready);
        let kept: BTreeMap<String, Seq> =
            queue.unique.iter().map(|(key, seq)| (key.to_string(), *seq)).collect();
        assert_eq!(kept, unique);
        for key in queue.keys.all() {
            let key = queue.keys.get(key).unwrap();
            let running = running_keys.remove(key.name.as_ref()).unwrap_or_default();
            assert_eq!(key.running, running, "of key {}", key.name);
        }
        assert!(running_keys.is_empty(), "keys that run and are not known: {running_keys:?}");
        assert!(queue.ended.len() <= queue.settings.ended_max as usize);
    }

    /// Where every job is, as the log alone knows it: whether a delayed one is due by now is not written down.
    pub(super) fn summary(&self) -> BTreeMap<u64, (JobState, u32, u32)> {
        let state = |state| if state == JobState::Delayed { JobState::Waiting } else { state };
        self.jobs.iter().map(|(seq, job)| (seq.0, (state(job.state), job.attempts, job.deliveries))).collect()
    }
}
