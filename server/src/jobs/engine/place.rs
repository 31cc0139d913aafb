//! Applying records, and keeping what follows from where a job is: counts, timers, lines, who waits and who runs.

use prost::Message;
use rialto_proto::v1::{JobError, JobState, NewJob};

use super::{
    Engine, News, QueueIndex, Seq,
    job::{Job, Run, is_live},
    lines::Lines,
    record::{ExtendedRecord, JobRecord, Kind, LeasedRecord, QueueRecord},
    settings::Settings,
};
use crate::{
    base::{limits::JOB_ERROR_BYTES_MAX, text::truncate},
    log::Position,
};

impl Engine {
    /// Applies a record that was appended, or read.
    pub(super) fn apply(&mut self, ms: u64, position: Position, kind: Kind) {
        self.ms = self.ms.max(ms);
        match kind {
            Kind::Job(record) => self.apply_job(ms, position, *record),
            Kind::Leased(record) => self.apply_leased(position, &record),
            Kind::Extended(record) => self.apply_extended(position, record),
            Kind::Moved(record) => {
                let seq = Seq(record.seq);
                self.change(seq, |job| {
                    job.place(record);
                    // Redriven, it ends once more.
                    job.is_notified &= !is_live(job.state);
                });
                self.note(position, seq);
                if let Some(index) = self.jobs.get(&seq).map(|job| job.queue) {
                    self.forget_beyond(index);
                }
            }
            Kind::Cancelling(record) => {
                let seq = Seq(record.seq);
                self.change(seq, |job| {
                    job.cancelling = true;
                    let message = truncate(&record.reason, JOB_ERROR_BYTES_MAX).to_owned();
                    job.rest_mut().error = Some(JobError { code: "CANCELLED".to_owned(), message });
                });
                self.note(position, seq);
            }
            Kind::Pausing(record) => {
                let seq = Seq(record.seq);
                self.change(seq, |job| job.pausing = record.pausing);
                self.note(position, seq);
            }
            Kind::Queue(record) => self.apply_queue(ms, position, record),
            Kind::Notified(record) => self.change(Seq(record.seq), |job| job.is_notified = true),
            Kind::Batch(record) => self.apply_batch(position, record),
            Kind::Followed(record) => self.change(Seq(record.seq), Job::unchain),
            Kind::Schedule(record) => self.apply_schedule(ms, position, *record),
        }
    }

    fn apply_job(&mut self, ms: u64, position: Position, record: JobRecord) {
        let seq = Seq(record.seq);
        self.next_seq = self.next_seq.max(seq.0 + 1);
        let index = self.make_queue(&record.namespace, &record.queue, ms);
        self.scheduled(index, &record);
        let spec = NewJob::decode(record.spec.clone()).unwrap_or_default();
        if let Some(before) = self.find(index, &spec.job_id).filter(|before| *before != seq) {
            // It was forgotten, which is not written down, or the newer one would not have been taken.
            self.forget(before);
        }
        // It stands here again because its record before goes.
        let again = self.jobs.contains_key(&seq);
        if again {
            self.detach(seq);
        }
        let mut job = Box::new(Job::recorded(record, &spec, position));
        job.queue = index;
        job.is_staged = position >= self.durable;
        if job.is_staged && !again {
            self.staged.push_back((position, seq));
        }
        if let Some(before) = self.jobs.get(&seq) {
            (job.key, job.is_lined, job.is_live, job.is_staged) =
                (before.key, before.is_lined, before.is_live, before.is_staged);
        }
        self.written.push_back((position, seq));
        let bytes = job.bytes();
        if let Some(before) = self.jobs.insert(seq, job) {
            self.bytes = self.bytes.saturating_sub(before.bytes());
        }
        self.bytes += bytes;
        if let Some(queue) = self.queues.get_mut(index.0 as usize).and_then(Option::as_mut).filter(|_| !again)
        {
            let hash = queue.hash(&spec.job_id);
            queue.names.insert_unique(hash, (hash, seq), |(hash, _)| *hash);
            // Until it is known to live.
            queue.over.insert(seq);
        }
        self.attach(seq);
        if !again {
            self.note(position, seq);
        }
    }

    fn apply_leased(&mut self, position: Position, record: &LeasedRecord) {
        let name: std::sync::Arc<str> = record.worker_name.as_str().into();
        for (seq, nonce) in record.seqs.iter().zip(&record.nonces) {
            let seq = Seq(*seq);
            let run = Run {
                nonce: *nonce,
                worker: record.worker,
                worker_name: name.clone(),
                began_ms: record.at_ms,
                lease_ms: record.lease_ms,
            };
            self.change(seq, |job| {
                job.state = JobState::Running;
                job.deliveries += 1;
                (job.at_ms, job.until_ms) = (record.at_ms, record.at_ms + record.lease_ms);
                job.rest_mut().run = Some(run);
            });
            self.note(position, seq);
        }
    }

    fn apply_extended(&mut self, position: Position, record: ExtendedRecord) {
        let seq = Seq(record.seq);
        self.change(seq, |job| {
            job.until_ms = record.until_ms;
            let rest = job.rest_mut();
            if record.progress.is_some() {
                rest.progress = record.progress;
            }
            if let Some(checkpoint) = record.checkpoint {
                // A copy: what came with it in one message is not held.
                rest.checkpoint = bytes::Bytes::copy_from_slice(&checkpoint);
            }
        });
        self.note(position, seq);
    }

    fn apply_queue(&mut self, ms: u64, position: Position, record: QueueRecord) {
        let index = self.make_queue(&record.namespace, &record.queue, ms);
        let at = self.instant(ms);
        let Some(queue) = self.queue_mut(index) else { return };
        let settings = Settings::from(&record.settings.unwrap_or_default());
        if settings != queue.settings {
            queue.set(settings, at);
        }
        (queue.paused, queue.position) = (record.paused, Some(position));
        self.tell(index);
    }

    pub(super) fn note(&mut self, position: Position, seq: Seq) {
        let Some(job) = self.jobs.get(&seq) else { return };
        let state = job.state;
        // Who watches a batch sees how far it has come.
        let completing = job.batch_of().filter(|_| !is_live(state)).filter(|seq| self.is_blocked(*seq));
        let completing = completing.map(|seq| (seq, JobState::Blocked));
        for (seq, state) in std::iter::once((seq, state)).chain(completing) {
            if !self.is_replaying {
                self.news.push(News { position, seq, state });
            }
            self.recent.note(position, seq);
        }
    }

    /// Changes a job, and what follows from where it is.
    pub(super) fn change(&mut self, seq: Seq, change: impl FnOnce(&mut Job)) {
        if !self.jobs.contains_key(&seq) {
            return;
        }
        self.detach(seq);
        if let Some(job) = self.jobs.get_mut(&seq) {
            let before = job.bytes();
            change(job);
            self.bytes = (self.bytes + job.bytes()).saturating_sub(before);
        }
        self.attach(seq);
    }

    /// Takes back what follows from where a job is.
    fn detach(&mut self, seq: Seq) {
        let Some(job) = self.jobs.get_mut(&seq) else { return };
        let Some(queue) = self.queues.get_mut(job.queue.0 as usize).and_then(Option::as_mut) else { return };
        queue.counts.take(job.state);
        self.counts.take(job.state);
        self.timers.remove(&(job.timer_ms, seq));
        self.unnotified.remove(&seq);
        self.unfollowed.remove(&seq);
        if job.has_upload {
            self.with_upload.remove(&seq);
        }
        if let Some(completing) = job.batch_of() {
            self.batches.leave(completing, seq, job.state);
        }
        job.timer_ms = 0;
        match job.state {
            JobState::Waiting => {
                queue.ready.remove(job.priority, job.key, seq);
            }
            JobState::Running => {
                queue.keys.runs(job.key, false);
                queue.let_go(job.key);
                if let Some(run) = job.run() {
                    self.workers.has_not(run.worker, seq);
                }
                let index = job.queue;
                self.tell(index);
            }
            _ => {
                queue.ended.remove(&(job.at_ms, seq));
            }
        }
    }

    /// Makes true what follows from where a job is.
    pub(super) fn attach(&mut self, seq: Seq) {
        self.attach_live(seq);
        self.attach_line(seq);
        let is_batched = self.attach_batch(seq);
        let Some(job) = self.jobs.get_mut(&seq) else { return };
        // It is not forgotten before all is done with it.
        let is_pinned = is_batched || job.is_unfollowed() || job.is_unnotified();
        let Some(queue) = self.queues.get_mut(job.queue.0 as usize).and_then(Option::as_mut) else { return };
        queue.counts.add(job.state);
        self.counts.add(job.state);
        job.timer_ms = match job.state {
            _ if is_pinned => 0,
            JobState::Delayed | JobState::Running => job.until_ms,
            JobState::Waiting | JobState::Paused => job.expires_ms(),
            JobState::Blocked => self.batches.closes_ms(seq, job),
            JobState::Dead => job.at_ms + queue.settings.dead_kept_ms,
            _ => job.at_ms + queue.settings.ended_kept_ms,
        };
        if job.timer_ms > 0 {
            self.timers.insert((job.timer_ms, seq));
        }
        if job.is_unnotified() {
            self.unnotified.insert(seq);
        }
        if job.is_unfollowed() {
            self.unfollowed.insert(seq);
        }
        if job.has_upload {
            self.with_upload.insert(seq);
        }
        match job.state {
            JobState::Running => {
                queue.keys.runs(job.key, true);
                if let Some(run) = job.run() {
                    self.workers.has(run.worker, seq);
                }
            }
            JobState::Waiting => self.attach_ready(seq),
            JobState::Delayed | JobState::Blocked | JobState::Paused | JobState::Dead => {}
            _ if is_pinned => {}
            _ => {
                queue.ended.insert((job.at_ms, seq));
            }
        }
    }

    /// A job is durable, and may be given out. Nothing else follows from that.
    pub(super) fn unstage(&mut self, seq: Seq) {
        if let Some(job) = self.jobs.get_mut(&seq).filter(|job| job.is_staged) {
            job.is_staged = false;
            self.attach_line(seq);
            self.attach_ready(seq);
        }
    }

    /// A job that waits may begin, unless it is behind another one in its line.
    fn attach_ready(&mut self, seq: Seq) {
        let Some(job) = self.jobs.get(&seq).filter(|job| !job.is_staged) else { return };
        let index = job.queue;
        let is_head = |lines: &Lines| !job.is_ordered || lines.is_head(&job.marks().ordering_key, seq);
        if self.queue(index).is_some_and(|queue| is_head(&queue.lines)) {
            self.line_up(index, seq);
        }
    }

    /// A job that has not ended is known by its fairness key and its unique key.
    fn attach_live(&mut self, seq: Seq) {
        let at = self.instant(self.ms);
        let Some(job) = self.jobs.get_mut(&seq) else { return };
        let live = is_live(job.state);
        if live == job.is_live {
            return;
        }
        job.is_live = live;
        let marks = job.marks();
        let Some(queue) = self.queues.get_mut(job.queue.0 as usize).and_then(Option::as_mut) else { return };
        let rate = queue.settings.key_rate();
        if live {
            queue.over.remove(&seq);
            queue.live.insert(seq);
            job.key = queue.keys.enter(&marks.fairness_key, marks.fairness_weight, rate, at);
            if marks.fairness_weight > 0 {
                queue.weigh(job.key);
            }
            if !marks.unique_key.is_empty() {
                queue.unique.insert(marks.unique_key.into(), seq);
            }
        } else {
            queue.live.remove(&seq);
            queue.over.insert(seq);
            queue.keys.leave(job.key, rate, at);
            if queue.unique.get(marks.unique_key.as_str()) == Some(&seq) {
                queue.unique.remove(marks.unique_key.as_str());
            }
        }
    }

    /// A job with an ordering key is in its line from when it waits until it has ended.
    fn attach_line(&mut self, seq: Seq) {
        let Some(job) = self.jobs.get_mut(&seq).filter(|job| job.is_ordered) else { return };
        // It runs, or waits for its next attempt, and those behind it with it.
        let waits = matches!(job.state, JobState::Delayed | JobState::Paused);
        let leads = job.state == JobState::Running || waits && job.deliveries > 0;
        let lined = leads || job.state == JobState::Waiting && !job.is_staged;
        if !leads && lined == job.is_lined {
            return;
        }
        job.is_lined = lined;
        let (index, key) = (job.queue, job.marks().ordering_key);
        let Some(queue) = self.queue_mut(index) else { return };
        if leads {
            // When the log is read again it may be another one that has come to the head meanwhile.
            let displaced = queue.lines.lead(&key, seq);
            if let Some(job) = displaced.and_then(|displaced| self.jobs.get(&displaced)) {
                let (priority, key) = (job.priority, job.key);
                if let (Some(queue), Some(displaced)) = (self.queue_mut(index), displaced) {
                    queue.ready.remove(priority, key, displaced);
                }
            }
        } else if lined {
            queue.lines.enter(&key, seq);
        } else if let Some(next) = queue.lines.leave(&key, seq) {
            self.line_up(index, next);
        }
    }

    /// A job is at the head of its line.
    fn line_up(&mut self, index: QueueIndex, seq: Seq) {
        let Some(job) = self.jobs.get(&seq).filter(|job| job.state == JobState::Waiting) else { return };
        let (priority, key) = (job.priority, job.key);
        if let Some(queue) = self.queue_mut(index) {
            queue.wait(seq, (priority, key));
        }
        self.tell(index);
    }

    /// Forgets a job.
    pub(super) fn forget(&mut self, seq: Seq) {
        if self.jobs.get(&seq).is_some_and(|job| job.is_live) {
            self.change(seq, |job| job.state = JobState::Cancelled);
        }
        // Nothing follows from where it is any more.
        self.detach(seq);
        let Some(job) = self.jobs.remove(&seq) else { return };
        self.bytes = self.bytes.saturating_sub(job.bytes());
        let Some(queue) = self.queue_mut(job.queue) else { return };
        if let Ok(found) = queue.names.find_entry(queue.hash(job.id()), |(_, named)| *named == seq) {
            found.remove();
        }
        queue.over.remove(&seq);
        if let Some(completing) = job.batch_of() {
            self.forget_batch(completing);
        }
    }
}
