//! One worker's side: from which queues it takes jobs, how many more it can have, what it is about to be given, and which it has.
//! Pure; `router/jobs/working.rs` asks it what to order next.

use std::{collections::BTreeMap, sync::Arc};

use rialto_proto::v1::Lease;

use super::bells::QueueName;

/// Jobs that are taken in one go, so that several workers share what comes.
const GO_MAX: usize = 32;

/// A queue from which a worker takes jobs.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// Which.
    pub queue: QueueName,
    /// Jobs of it at once; 0: as the credit allows.
    pub in_flight_max: u32,
    /// Jobs of it in a turn between the queues.
    pub weight: u32,
}

/// How much a worker can have at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credit {
    /// Jobs.
    pub jobs: u32,
    /// Bytes; 0: without bound.
    pub bytes: u64,
}

/// A worker.
#[derive(Debug)]
pub struct Worker {
    /// Its session.
    pub key: u64,
    /// What it calls itself.
    pub name: Arc<str>,
    /// How long its leases last.
    pub lease_ms: u64,
    /// It takes no more jobs.
    pub draining: bool,
    subscriptions: Vec<Held>,
    credit: Credit,
    /// What it has, by token: of which queue, and how large.
    leases: BTreeMap<String, (usize, u64)>,
    bytes: u64,
    /// Whose turn it is, and how many of that may still be taken.
    turn: (usize, u32),
}

#[derive(Debug)]
struct Held {
    subscription: Subscription,
    in_flight: u32,
    /// Jobs that it may be given by what was ordered.
    ordered: u32,
    /// It has had nothing when it was asked last.
    dry: bool,
}

/// What is to be taken next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Go {
    /// Of which of its queues.
    pub index: usize,
    /// Which that is.
    pub queue: QueueName,
    /// At most so many jobs.
    pub jobs_max: usize,
    /// At most so many bytes.
    pub bytes_max: u64,
    /// It has no job at present.
    pub has_none: bool,
}

impl Worker {
    /// A worker without jobs.
    pub fn new(
        key: u64,
        name: &str,
        subscriptions: Vec<Subscription>,
        lease_ms: u64,
        credit: Credit,
    ) -> Self {
        let subscriptions: Vec<Held> = subscriptions
            .into_iter()
            .map(|subscription| Held { subscription, in_flight: 0, ordered: 0, dry: false })
            .collect();
        Self {
            key,
            name: name.into(),
            lease_ms,
            draining: false,
            subscriptions,
            credit,
            leases: BTreeMap::new(),
            bytes: 0,
            turn: (0, 0),
        }
    }

    /// It can have so much from now on.
    pub fn set_credit(&mut self, credit: Credit) {
        self.credit = credit;
    }

    /// Its queues.
    pub fn queues(&self) -> impl Iterator<Item = &QueueName> {
        self.subscriptions.iter().map(|held| &held.subscription.queue)
    }

    /// Whether it has no job.
    pub fn has_none(&self) -> bool {
        self.leases.is_empty()
    }

    /// What to order of the queue at `index`; `None` when nothing more of it can be had, or something is ordered.
    pub fn go(&self, index: usize) -> Option<Go> {
        let held = self.subscriptions.get(index).filter(|held| !self.draining && held.ordered == 0)?;
        let ordered: u32 = self.subscriptions.iter().map(|held| held.ordered).sum();
        let count = u32::try_from(self.leases.len()).unwrap_or(u32::MAX).saturating_add(ordered);
        let mut room = self.credit.jobs.saturating_sub(count);
        if held.subscription.in_flight_max > 0 {
            room = room.min(held.subscription.in_flight_max.saturating_sub(held.in_flight));
        }
        let bytes_max = match self.credit.bytes {
            0 => u64::MAX,
            // How much of them will be left is not known yet.
            _ if ordered > 0 => return None,
            bytes => bytes.saturating_sub(self.bytes),
        };
        let has_none = self.has_none() && ordered == 0;
        if room == 0 || bytes_max == 0 && !has_none {
            return None;
        }
        let (jobs_max, queue) = ((room as usize).min(GO_MAX), held.subscription.queue.clone());
        Some(Go { index, queue, jobs_max, bytes_max, has_none })
    }

    /// What to order next, in turns between its queues, but for those that have nothing. It is ordered by that.
    pub fn order(&mut self) -> Option<Go> {
        let count = self.subscriptions.len();
        for _ in 0..=count {
            let (index, left) = self.turn;
            let is_dry = self.subscriptions.get(index).is_some_and(|held| held.dry);
            match self.go(index).filter(|_| left > 0 && !is_dry) {
                Some(go) => {
                    let jobs_max = go.jobs_max.min(if count == 1 { GO_MAX } else { left as usize });
                    if let Some(held) = self.subscriptions.get_mut(index) {
                        held.ordered = u32::try_from(jobs_max).unwrap_or(u32::MAX);
                    }
                    return Some(Go { jobs_max, ..go });
                }
                None => {
                    let next = (index + 1) % count.max(1);
                    let weight =
                        self.subscriptions.get(next).map_or(1, |held| held.subscription.weight.max(1));
                    self.turn = (next, weight);
                }
            }
        }
        None
    }

    /// There may be jobs in the queue at `index` again.
    pub fn wet(&mut self, index: usize) {
        if let Some(held) = self.subscriptions.get_mut(index) {
            held.dry = false;
        }
    }

    /// It was given what it has ordered of the queue at `index`, which is dry when that is nothing.
    pub fn given(&mut self, index: usize, leases: &[Lease]) {
        if let Some(held) = self.subscriptions.get_mut(index) {
            (held.ordered, held.dry) = (0, leases.is_empty());
        }
        for lease in leases {
            self.has(index, lease);
        }
        if self.turn.0 == index {
            self.turn.1 = self.turn.1.saturating_sub(u32::try_from(leases.len()).unwrap_or(u32::MAX));
        }
    }

    /// It has jobs from before.
    pub fn resumes(&mut self, leases: &[Lease]) {
        for lease in leases {
            let named = |queue: &QueueName| *queue.0 == *lease.namespace && *queue.1 == *lease.queue;
            let index = self.queues().position(named).unwrap_or(usize::MAX);
            self.has(index, lease);
        }
    }

    fn has(&mut self, index: usize, lease: &Lease) {
        use prost::Message;
        let bytes = lease.body.as_ref().map_or(0, Message::encoded_len) as u64;
        if self.leases.insert(lease.token.clone(), (index, bytes)).is_none() {
            self.bytes += bytes;
            if let Some(held) = self.subscriptions.get_mut(index) {
                held.in_flight += 1;
            }
        }
    }

    /// It has a job no more.
    pub fn has_not(&mut self, token: &str) {
        let Some((index, bytes)) = self.leases.remove(token) else { return };
        self.bytes = self.bytes.saturating_sub(bytes);
        if let Some(held) = self.subscriptions.get_mut(index) {
            held.in_flight = held.in_flight.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use rialto_proto::v1::{JobBody, job_body::Body};

    use super::*;

    fn worker(queues: &[(&str, u32, u32)], jobs: u32, bytes: u64) -> Worker {
        let subscription = |(name, in_flight_max, weight): &(&str, u32, u32)| Subscription {
            queue: ("default".into(), (*name).into()),
            in_flight_max: *in_flight_max,
            weight: *weight,
        };
        let subscriptions = queues.iter().map(subscription).collect();
        Worker::new(1, "w", subscriptions, 1_000, Credit { jobs, bytes })
    }

    fn lease(token: &str, bytes: usize) -> Lease {
        let body = JobBody { body: Some(Body::Text("x".repeat(bytes))), ..JobBody::default() };
        Lease { token: token.to_owned(), body: Some(body), ..Lease::default() }
    }

    #[test]
    fn it_is_never_given_more_than_its_credit_and_its_bound_for_the_queue() {
        let mut worker = worker(&[("a", 2, 1), ("b", 0, 1)], 3, 0);
        assert_eq!(worker.go(0).map(|go| go.jobs_max), Some(2));
        worker.given(0, &[lease("1", 1), lease("2", 1)]);
        assert_eq!(worker.go(0), None);
        assert_eq!(worker.go(1).map(|go| go.jobs_max), Some(1));
        worker.given(1, &[lease("3", 1)]);
        assert_eq!(worker.go(1), None);
        worker.has_not("1");
        assert_eq!(worker.go(0).map(|go| go.jobs_max), Some(1));
        worker.set_credit(Credit { jobs: 1, bytes: 0 });
        assert_eq!(worker.go(0), None);
    }

    #[test]
    fn what_is_ordered_counts_as_if_it_had_it_until_the_answer_is_there() {
        let mut some = worker(&[("a", 0, 2), ("b", 0, 2)], 3, 0);
        let orders = [some.order(), some.order(), some.order()];
        assert_eq!(orders.map(|go| go.map(|go| (go.index, go.jobs_max))), [Some((1, 2)), Some((0, 1)), None]);
        some.given(1, &[lease("1", 1)]);
        assert_eq!(some.order().map(|go| (go.index, go.jobs_max)), Some((1, 1)));
        some.given(1, &[]);
        some.given(0, &[lease("2", 1)]);
        assert_eq!(some.order().map(|go| (go.index, go.jobs_max)), Some((0, 1)));

        let mut bytes = worker(&[("a", 0, 2), ("b", 0, 2)], 3, 10);
        assert!(bytes.order().is_some());
        assert_eq!(bytes.order(), None, "how many bytes are left is not known");
    }

    #[test]
    fn a_worker_without_a_job_can_have_one_that_is_larger_than_its_credit() {
        let mut worker = worker(&[("a", 0, 1)], 3, 10);
        assert_eq!(worker.go(0).map(|go| (go.bytes_max, go.has_none)), Some((10, true)));
        worker.given(0, &[lease("1", 50)]);
        assert_eq!(worker.go(0), None);
        worker.has_not("1");
        worker.has_not("1");
        assert_eq!(worker.go(0).map(|go| go.bytes_max), Some(10));
    }

    #[test]
    fn queues_have_their_turns_by_weight_and_one_that_is_dry_does_not_hold_up_the_others() {
        let mut worker = worker(&[("a", 0, 3), ("b", 0, 1)], 1_000, 0);
        let mut order = String::new();
        for n in 0..8 {
            let go = worker.order().unwrap();
            order.push_str(&go.queue.1);
            worker.given(go.index, &[lease(&n.to_string(), 1)]);
        }
        assert_eq!(order, "baaabaaa");
        worker.given(1, &[]);
        for _ in 0..3 {
            assert_eq!(worker.order().map(|go| go.index), Some(0));
            worker.given(0, &[lease("again", 1)]);
        }
        worker.given(0, &[]);
        assert_eq!(worker.order(), None, "both are dry");
        worker.wet(1);
        assert_eq!(worker.go(1).map(|go| go.index), Some(1));
        worker.draining = true;
        assert_eq!(worker.order(), None);
    }
}
