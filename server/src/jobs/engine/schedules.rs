//! Schedules: a job is put in again and again, at times as cron has them. For which time that was done last stands in the job's own
//! record, so that no time is done twice. Of times that have passed while nobody was there the last one alone is made up for.

use std::sync::Arc;

use jiff::Timestamp;
use prost::Message;
use rialto_proto::v1::{self, NewJob, RefusalCode};

use super::{
    Engine, Now, QueueIndex,
    job::is_live,
    record::{JobRecord, Kind, ScheduleRecord},
    settings::timestamp,
};
use crate::{
    base::{cron::Times, limits::SCHEDULES_PER_QUEUE_MAX, refusal::Refusal},
    log::{LogError, Position, refused},
};

/// After so long it is tried again to put in what there was no room for.
const AGAIN_AFTER_MS: u64 = 1_000;

/// A schedule.
#[derive(Debug, Clone)]
pub(super) struct Schedule {
    spec: v1::Schedule,
    times: Option<Times>,
    /// Times up to this one are done with.
    done_ms: u64,
    /// For when it has put a job in last; 0: never.
    put_ms: u64,
    skipped: u64,
    /// Where its record is.
    position: Position,
    /// What is known of it in `Engine::schedules_due`; 0: nothing.
    due_ms: u64,
}

/// A schedule puts something in then.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Due {
    pub(super) ms: u64,
    index: QueueIndex,
    id: Arc<str>,
}

impl Schedule {
    /// Bytes that it holds.
    pub(super) fn bytes(&self) -> u64 {
        (size_of::<Self>() + self.spec.encoded_len()) as u64
    }

    /// What is known of it among those that are due.
    #[cfg(test)]
    pub(super) fn due(&self, index: QueueIndex, id: &Arc<str>) -> Option<Due> {
        (self.due_ms > 0).then(|| Due { ms: self.due_ms, index, id: Arc::clone(id) })
    }

    /// When it puts something in next; `None`: never.
    fn next_ms(&self) -> Option<u64> {
        let times = self.times.as_ref().filter(|_| !self.spec.paused)?;
        times.after(self.done_ms)
    }

    fn record(&self, namespace: &str, queue: &str) -> ScheduleRecord {
        ScheduleRecord {
            namespace: namespace.to_owned(),
            queue: queue.to_owned(),
            schedule_id: self.spec.schedule_id.clone(),
            schedule: Some(self.spec.clone()),
            done_ms: self.done_ms,
            put_ms: self.put_ms,
            skipped: self.skipped,
        }
    }

    fn show(&self) -> v1::ScheduleStatus {
        v1::ScheduleStatus {
            schedule: Some(self.spec.clone()),
            next_time: self.next_ms().and_then(timestamp),
            last_time: timestamp(self.put_ms),
            skipped_count: self.skipped,
        }
    }
}

impl Engine {
    /// Makes or changes a schedule that was checked. Times before now are done with.
    pub fn put_schedule(
        &mut self,
        now: &Now<'_>,
        (namespace, queue): (&str, &str),
        spec: v1::Schedule,
    ) -> Result<(v1::ScheduleStatus, Position), Refusal> {
        let index = self.find_queue(namespace, queue);
        let known = index.and_then(|index| self.queue(index));
        let before = known.and_then(|queue| queue.schedules.get(spec.schedule_id.as_str()));
        let (put_ms, skipped) = before.map_or((0, 0), |before| (before.put_ms, before.skipped));
        if before.is_none() && known.is_some_and(|queue| queue.schedules.len() >= SCHEDULES_PER_QUEUE_MAX) {
            return Err(Refusal::limit("schedules_max", SCHEDULES_PER_QUEUE_MAX));
        }
        self.has_room(now, index, spec.encoded_len())?;
        let id = spec.schedule_id.clone();
        let record = ScheduleRecord {
            namespace: namespace.to_owned(),
            queue: queue.to_owned(),
            schedule_id: id.clone(),
            schedule: Some(spec),
            done_ms: now.ms,
            put_ms,
            skipped,
        };
        let position = self.write(now, Kind::Schedule(Box::new(record))).map_err(refused)?;
        let shown = self.find_queue(namespace, queue).and_then(|index| self.queue(index));
        let shown = shown.and_then(|queue| queue.schedules.get(id.as_str())).map(Schedule::show);
        Ok((shown.unwrap_or_default(), position))
    }

    /// Ends a schedule.
    pub fn delete_schedule(
        &mut self,
        now: &Now<'_>,
        (namespace, queue): (&str, &str),
        id: &str,
    ) -> Result<Position, Refusal> {
        let known = self.find_queue(namespace, queue).and_then(|index| self.queue(index));
        if !known.is_some_and(|queue| queue.schedules.contains_key(id)) {
            return Err(Refusal::new(RefusalCode::NotFound, "there is no such schedule in the queue"));
        }
        let record = ScheduleRecord {
            namespace: namespace.to_owned(),
            queue: queue.to_owned(),
            schedule_id: id.to_owned(),
            ..ScheduleRecord::default()
        };
        self.write(now, Kind::Schedule(Box::new(record))).map_err(refused)
    }

    /// The schedules of a queue, by name.
    pub fn schedules(&self, namespace: &str, queue: &str) -> Vec<v1::ScheduleStatus> {
        let queue = self.find_queue(namespace, queue).and_then(|index| self.queue(index));
        queue.into_iter().flat_map(|queue| queue.schedules.values()).map(Schedule::show).collect()
    }

    pub(super) fn apply_schedule(&mut self, ms: u64, position: Position, record: ScheduleRecord) {
        let index = self.make_queue(&record.namespace, &record.queue, ms);
        let id: Arc<str> = record.schedule_id.into();
        self.unschedule(index, &id);
        if let Some(spec) = record.schedule {
            // It was checked when it was put in.
            let times = Times::parse(&spec.cron, &spec.time_zone).ok();
            let (done_ms, put_ms, skipped) = (record.done_ms, record.put_ms, record.skipped);
            let schedule = Schedule { spec, times, done_ms, put_ms, skipped, position, due_ms: 0 };
            self.bytes += schedule.bytes();
            if let Some(queue) = self.queue_mut(index) {
                queue.schedules.insert(Arc::clone(&id), schedule);
            }
            self.schedule_next(index, &id);
        } else {
            self.forget_unused(index);
        }
    }

    fn unschedule(&mut self, index: QueueIndex, id: &Arc<str>) {
        let Some(schedule) = self.queue_mut(index).and_then(|queue| queue.schedules.remove(id)) else {
            return;
        };
        self.bytes = self.bytes.saturating_sub(schedule.bytes());
        self.schedules_due.remove(&Due { ms: schedule.due_ms, index, id: Arc::clone(id) });
    }

    /// The log is read: notes when each schedule is due next.
    pub(super) fn schedule_all(&mut self) {
        let indices = self.queue_names.values().flat_map(|names| names.values().copied());
        let queues: Vec<QueueIndex> = indices.collect();
        for index in queues {
            let ids: Vec<Arc<str>> =
                self.queue(index).into_iter().flat_map(|queue| queue.schedules.keys().cloned()).collect();
            ids.iter().for_each(|id| self.schedule_next(index, id));
        }
    }

    /// Notes when a schedule is due next; once, while the log is read, when that is done.
    fn schedule_next(&mut self, index: QueueIndex, id: &Arc<str>) {
        if self.is_replaying {
            return;
        }
        let next_ms = self.schedule(index, id).and_then(Schedule::next_ms).unwrap_or_default();
        self.schedule_at(index, id, next_ms);
    }

    fn schedule_at(&mut self, index: QueueIndex, id: &Arc<str>, next_ms: u64) {
        let Some(schedule) = self.queue_mut(index).and_then(|queue| queue.schedules.get_mut(id)) else {
            return;
        };
        let before_ms = std::mem::replace(&mut schedule.due_ms, next_ms);
        self.schedules_due.remove(&Due { ms: before_ms, index, id: Arc::clone(id) });
        if next_ms > 0 {
            self.schedules_due.insert(Due { ms: next_ms, index, id: Arc::clone(id) });
        }
    }

    fn schedule(&self, index: QueueIndex, id: &str) -> Option<&Schedule> {
        self.queue(index)?.schedules.get(id)
    }

    /// A job was put in for a schedule.
    pub(super) fn scheduled(&mut self, index: QueueIndex, record: &JobRecord) {
        let known = self.queue_mut(index).and_then(|queue| {
            let (id, _) = queue.schedules.get_key_value(record.schedule_id.as_str())?;
            let id = Arc::clone(id);
            let schedule = queue.schedules.get_mut(&id)?;
            schedule.done_ms = schedule.done_ms.max(record.schedule_ms);
            schedule.put_ms = schedule.put_ms.max(record.schedule_ms);
            Some(id)
        });
        if let Some(id) = known {
            self.schedule_next(index, &id);
        }
    }

    /// Puts in what schedules say by now.
    pub(super) fn put_scheduled(&mut self, now: &Now<'_>) -> Result<(), LogError> {
        while let Some(due) = self.schedules_due.first().filter(|due| due.ms <= now.ms).cloned() {
            self.put_due(now, due.index, &due.id)?;
        }
        Ok(())
    }

    fn put_due(&mut self, now: &Now<'_>, index: QueueIndex, id: &Arc<str>) -> Result<(), LogError> {
        let Some(schedule) = self.schedule(index, id) else { return Ok(()) };
        // Of several times that have passed the last one.
        let last_ms = schedule.times.as_ref().and_then(|times| times.until(now.ms));
        let Some(time_ms) = last_ms.filter(|last_ms| *last_ms > schedule.done_ms) else {
            self.schedule_next(index, id);
            return Ok(());
        };
        let job = NewJob { job_id: name_at(id, time_ms), ..schedule.spec.job.clone().unwrap_or_default() };
        let lives = schedule.spec.one_live && self.is_live(index, &name_at(id, schedule.put_ms));
        if lives || self.is_there(index, &job) {
            return self.skip(now, index, id, time_ms);
        }
        let spec = job.encode_to_vec();
        if self.has_room(now, Some(index), spec.len()).is_err() {
            self.schedule_at(index, id, now.ms.saturating_add(AGAIN_AFTER_MS));
            return Ok(());
        }
        let Some(queue) = self.queue(index) else { return Ok(()) };
        let record = JobRecord {
            schedule_id: id.to_string(),
            schedule_ms: time_ms,
            ..self.new_record(now, (&queue.namespace, &queue.name), &job, spec)
        };
        self.write_job(now, record).map(drop)
    }

    fn is_live(&self, index: QueueIndex, job_id: &str) -> bool {
        let found = self.find(index, job_id).and_then(|seq| self.jobs.get(&seq));
        found.is_some_and(|job| is_live(job.state))
    }

    /// Nothing is put in for a time.
    fn skip(
        &mut self,
        now: &Now<'_>,
        index: QueueIndex,
        id: &Arc<str>,
        time_ms: u64,
    ) -> Result<(), LogError> {
        let Some(queue) = self.queue(index) else { return Ok(()) };
        let Some(schedule) = queue.schedules.get(id) else { return Ok(()) };
        let record = schedule.record(&queue.namespace, &queue.name);
        let record = ScheduleRecord { done_ms: time_ms, skipped: schedule.skipped + 1, ..record };
        self.write(now, Kind::Schedule(Box::new(record))).map(drop)
    }

    /// Writes schedules again that stand before `first`.
    pub(super) fn clean_schedules(&mut self, now: &Now<'_>, first: Position) -> Result<(), LogError> {
        let mut old = Vec::new();
        for queue in self.queues.iter().flatten() {
            let schedules = queue.schedules.values().filter(|schedule| schedule.position < first);
            old.extend(schedules.map(|schedule| schedule.record(&queue.namespace, &queue.name)));
        }
        for record in old {
            self.write(now, Kind::Schedule(Box::new(record)))?;
        }
        Ok(())
    }
}

/// The name of the job that a schedule puts in for a time.
fn name_at(id: &str, ms: u64) -> String {
    let at = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or_default();
    format!("{id}@{at}")
}
