//! Giving jobs to workers: in the order of service, no more than the worker can take and than the queue lets run.

use std::time::Duration;

use rialto_proto::v1::Lease;

use super::{
    Engine, KeyIndex, Now, QueueIndex, Seq,
    queue::Queue,
    record::{Kind, LeasedRecord},
};
use crate::{
    base::{clock::Instant, refusal::Refusal},
    log::refused,
};

/// What a worker asks for.
#[derive(Debug, Clone)]
pub struct Order<'a> {
    /// The namespace.
    pub namespace: &'a str,
    /// The queue.
    pub queue: &'a str,
    /// The worker's session; 0 for a worker without a stream, whose leases end by their time alone.
    pub worker: u64,
    /// What it calls itself.
    pub worker_name: &'a str,
    /// At most so many jobs.
    pub jobs_max: usize,
    /// At most so many bytes of them; the first one is given all the same when `has_none`.
    pub bytes_max: u64,
    /// The worker has no job at present.
    pub has_none: bool,
    /// How long a lease lasts.
    pub lease_ms: u64,
}

impl Engine {
    /// Gives jobs of a queue to a worker: none when there is nothing that may begin.
    ///
    /// # Errors
    /// The log takes nothing. Nobody has the jobs.
    pub fn take(&mut self, now: &Now<'_>, order: &Order<'_>) -> Result<Vec<Lease>, Refusal> {
        let Some(index) = self.find_queue(order.namespace, order.queue) else { return Ok(Vec::new()) };
        let at = self.instant(now.ms);
        let seqs = self.choose(index, order, at);
        if !seqs.is_empty() {
            let record = LeasedRecord {
                seqs: seqs.iter().map(|seq| seq.0).collect(),
                nonces: seqs.iter().map(|_| nonce(now)).collect(),
                worker: order.worker,
                worker_name: order.worker_name.to_owned(),
                at_ms: now.ms,
                lease_ms: order.lease_ms,
            };
            if let Err(error) = self.write(now, Kind::Leased(record)) {
                seqs.iter().for_each(|seq| self.wait_again(*seq));
                return Err(refused(error));
            }
        }
        // Whoever waits as well is told of what is left.
        self.tell_if_open(index, now.ms);
        let leases = seqs.into_iter().filter_map(|seq| self.lease(seq));
        Ok(leases.collect())
    }

    /// A job that was chosen waits as before. Its key has less than was counted with for others of it, which is what their turn is by.
    fn wait_again(&mut self, seq: Seq) {
        self.change(seq, |_| ());
        let Some((queue, key)) = self.jobs.get(&seq).map(|job| (job.queue, job.key)) else { return };
        if let Some(queue) = self.queue_mut(queue) {
            queue.let_go(key);
        }
    }

    /// The leases that a worker has, said again.
    pub fn leases_of(&self, worker: u64) -> Vec<Lease> {
        self.workers.leases(worker).into_iter().filter_map(|seq| self.lease(seq)).collect()
    }

    /// Takes out of those that wait whom the worker is given.
    fn choose(&mut self, index: QueueIndex, order: &Order<'_>, at: Instant) -> Vec<Seq> {
        let mut chosen: Vec<(Seq, KeyIndex)> = Vec::new();
        let mut bytes_left = order.bytes_max;
        let mut again = None;
        while chosen.len() < order.jobs_max {
            let Some(queue) = self.queues.get_mut(index.0 as usize).and_then(Option::as_mut) else { break };
            let Some((seq, key)) = next(queue, chosen.len(), at, &mut again) else { break };
            let Some(job) = self.jobs.get(&seq) else { continue };
            if job.spec_bytes() > bytes_left && !(order.has_none && chosen.is_empty()) {
                queue.wait(seq, (job.priority, key));
                break;
            }
            bytes_left = bytes_left.saturating_sub(job.spec_bytes());
            // They were asked; of what is not given after all the rates have lost a little.
            queue.bucket.take(queue.settings.rate(), at).ok();
            queue.keys.begin(key, queue.settings.key_rate(), at);
            queue.keys.runs(key, true);
            chosen.push((seq, key));
        }
        if let Some(queue) = self.queue_mut(index) {
            // From now on by their records.
            chosen.iter().for_each(|(_, key)| queue.keys.runs(*key, false));
        }
        self.wake_at(index, again);
        chosen.into_iter().map(|(seq, _)| seq).collect()
    }

    /// A queue is to be looked at again then, when it has to wait for time alone.
    fn wake_at(&mut self, index: QueueIndex, again: Option<Instant>) {
        let Some(again) = again else { return };
        let since = again.saturating_duration_since(self.origin.0).as_nanos().div_ceil(1_000_000);
        let ms = self.origin.1.saturating_add(u64::try_from(since).unwrap_or(u64::MAX));
        self.wakes.insert((ms, index));
    }

    /// Who was woken for a queue cannot take anything: the next one is told.
    pub fn ask_again(&mut self, namespace: &str, queue: &str, ms: u64) {
        if let Some(index) = self.find_queue(namespace, queue) {
            self.tell_if_open(index, ms);
        }
    }

    /// Tells waiting workers when there is something left that may begin.
    pub(super) fn tell_if_open(&mut self, index: QueueIndex, ms: u64) {
        let at = self.instant(ms);
        if self.queue_mut(index).is_some_and(|queue| queue.is_open(at)) {
            self.tell(index);
        }
    }
}

/// The next job that may begin, when so many were chosen already; and when it is worth asking again, if it is time that is missing.
fn next(
    queue: &mut Queue,
    chosen: usize,
    at: Instant,
    again: &mut Option<Instant>,
) -> Option<(Seq, KeyIndex)> {
    let mut later = |wait: Duration| *again = Some(again.map_or(at + wait, |before| before.min(at + wait)));
    if let Err(wait) = queue.admits(u32::try_from(chosen).unwrap_or(u32::MAX), at) {
        wait.into_iter().for_each(later);
        return None;
    }
    let bounds = (queue.settings.key_concurrency_max, queue.settings.key_rate());
    let keys = &mut queue.keys;
    queue.ready.next(|key| match keys.admits(key, bounds, at) {
        Ok(share) => Some(share),
        Err(wait) => {
            wait.into_iter().for_each(&mut later);
            None
        }
    })
}

fn nonce(now: &Now<'_>) -> u64 {
    // 0 stands for none.
    (now.chance)().max(1)
}
