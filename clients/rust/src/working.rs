//! What a worker knows of its jobs, over all its streams: which it has, what became of them and was not confirmed, what is to be
//! said of them. Pure; `worker.rs` sends and hears.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use bytes::Bytes;
use prost::Message;
use rialto_proto::v1::{
    ExtendRequest, ExtendResponse, Extension, JobFailed, Lease, LeaseOutcome, SettleRequest, SettleResponse,
    Settlement, settlement::Outcome,
};
use tokio::sync::{Notify, watch};

use crate::assignment::{Leased, Said, Wanted};

/// Items of one request.
const ITEMS_MAX: usize = 1_000;
/// Bytes of one request, about: the server takes no message of more than 1 MiB.
const BYTES_MAX: usize = 512 << 10;

/// The jobs of a worker.
#[derive(Debug, Default)]
pub(crate) struct Working {
    /// Jobs that are being worked on, by token.
    held: BTreeMap<String, Held>,
    /// Jobs that are done, until that is confirmed.
    unsettled: BTreeMap<String, Unsettled>,
    /// What was asked and not answered over this stream.
    settling: HashMap<u32, Vec<String>>,
    extending: HashMap<u32, Vec<(String, Option<Bytes>)>>,
    requests: u32,
    changed: Arc<Notify>,
}

#[derive(Debug)]
struct Held {
    said: Arc<Said>,
    want: watch::Sender<Wanted>,
    /// Somebody else has the job.
    lost: bool,
}

#[derive(Debug)]
struct Unsettled {
    outcome: Outcome,
    when: When,
    /// What was left for the next attempt and is to be said before.
    checkpoint: Option<Bytes>,
}

/// When something is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Now,
    /// With the next leases that are extended.
    Later,
    /// It was sent over this stream.
    Sent,
}

impl Working {
    /// Wakes when a program has said something of its job.
    pub(crate) fn changed(&self) -> Arc<Notify> {
        Arc::clone(&self.changed)
    }

    /// Jobs have come. Returns those that are new.
    pub(crate) fn leased(&mut self, leases: Vec<Lease>) -> Vec<(String, Leased)> {
        let mut new = Vec::new();
        for lease in leases {
            let token = lease.token.clone();
            if self.held.contains_key(&token) || self.unsettled.contains_key(&token) {
                continue;
            }
            let said = Arc::new(Said::new(Arc::clone(&self.changed)));
            let (want, wanted) = watch::channel(Wanted::default());
            new.push((token.clone(), Leased { lease, said: Arc::clone(&said), wanted }));
            self.held.insert(token, Held { said, want, lost: false });
        }
        new
    }

    /// A job is done, in whatever way. Of one that is lost nothing is to be said.
    pub(crate) fn done(&mut self, token: &str, outcome: Outcome) {
        let Some(held) = self.held.remove(token) else { return };
        if !held.lost {
            let completed = matches!(outcome, Outcome::Completed(_));
            let (_, checkpoint) = held.said.take();
            let checkpoint = checkpoint.filter(|_| !completed);
            self.unsettled.insert(token.to_owned(), Unsettled { outcome, when: When::Now, checkpoint });
        }
    }

    /// What is to be said of some jobs that are done, and before that what they have left for their next attempts.
    pub(crate) fn settlements(&mut self) -> Option<(Option<ExtendRequest>, SettleRequest)> {
        let (mut items, mut last, mut bytes) = (Vec::new(), Vec::new(), 0);
        for (token, unsettled) in &mut self.unsettled {
            if items.len() == ITEMS_MAX || bytes >= BYTES_MAX {
                break;
            }
            if unsettled.when != When::Now {
                continue;
            }
            unsettled.when = When::Sent;
            let item = Settlement { token: token.clone(), outcome: Some(unsettled.outcome.clone()) };
            bytes += item.encoded_len() + unsettled.checkpoint.as_ref().map_or(0, Bytes::len);
            items.push(item);
            if let Some(checkpoint) = &unsettled.checkpoint {
                let checkpoint = Some(checkpoint.clone());
                last.push(Extension { token: token.clone(), checkpoint, ..Extension::default() });
            }
        }
        if items.is_empty() {
            return None;
        }
        let last = (!last.is_empty()).then(|| ExtendRequest { request_id: self.next_request(), items: last });
        let request_id = self.next_request();
        self.settling.insert(request_id, items.iter().map(|item| item.token.clone()).collect());
        Some((last, SettleRequest { request_id, items }))
    }

    /// What became of that.
    pub(crate) fn settled(&mut self, response: &SettleResponse) {
        let Some(tokens) = self.settling.remove(&response.request_id) else { return };
        for (token, outcome) in tokens.iter().zip(response.outcomes()) {
            match outcome {
                LeaseOutcome::Temporary | LeaseOutcome::Unspecified => {
                    if let Some(unsettled) = self.unsettled.get_mut(token) {
                        unsettled.when = When::Later;
                    }
                }
                LeaseOutcome::Invalid => self.refused(token),
                LeaseOutcome::LeaseLost | LeaseOutcome::NotFound => {
                    tracing::warn!(token, ?outcome, "what became of a job was said too late");
                    self.unsettled.remove(token);
                }
                LeaseOutcome::Ok => drop(self.unsettled.remove(token)),
            }
        }
    }

    /// What was said of a job makes no sense to the server, for example because the result is too large. It would not the next time.
    fn refused(&mut self, token: &str) {
        let Some(unsettled) = self.unsettled.get_mut(token) else { return };
        let message = "the server takes no such outcome: is the result larger than 64 KiB?".to_owned();
        let failed =
            JobFailed { code: "INVALID_OUTCOME".to_owned(), message, permanent: true, retry_after: None };
        let failed = Outcome::Failed(failed);
        if unsettled.outcome == failed {
            self.unsettled.remove(token);
        } else {
            *unsettled = Unsettled { outcome: failed, when: When::Now, checkpoint: None };
        }
    }

    /// What is to be said of jobs that are being worked on: of all, so that their leases go on, or of those of which there is news.
    pub(crate) fn extensions(&mut self, news: bool) -> Vec<ExtendRequest> {
        if !news {
            let later = self.unsettled.values_mut().filter(|unsettled| unsettled.when == When::Later);
            later.for_each(|unsettled| unsettled.when = When::Now);
        }
        let (mut requests, mut items, mut bytes) = (Vec::new(), Vec::new(), 0);
        for (token, held) in self.held.iter().filter(|(_, held)| !held.lost && (!news || held.said.is_new()))
        {
            let (progress, checkpoint) = held.said.take();
            let item = Extension { token: token.clone(), lease_duration: None, progress, checkpoint };
            bytes += item.encoded_len();
            items.push(item);
            if items.len() == ITEMS_MAX || bytes >= BYTES_MAX {
                requests.push(std::mem::take(&mut items));
                bytes = 0;
            }
        }
        requests.push(items);
        requests.retain(|items| !items.is_empty());
        requests.into_iter().map(|items| self.extend(items)).collect()
    }

    fn extend(&mut self, items: Vec<Extension>) -> ExtendRequest {
        let request_id = self.next_request();
        let sent = items.iter().map(|item| (item.token.clone(), item.checkpoint.clone())).collect();
        self.extending.insert(request_id, sent);
        ExtendRequest { request_id, items }
    }

    /// What became of that.
    pub(crate) fn extended(&mut self, response: &ExtendResponse) {
        let sent = self.extending.remove(&response.request_id).unwrap_or_default();
        for ((token, checkpoint), outcome) in sent.into_iter().zip(response.outcomes()) {
            match outcome {
                LeaseOutcome::LeaseLost | LeaseOutcome::NotFound => self.lose(&token),
                LeaseOutcome::Temporary => self.put_back(&token, checkpoint),
                LeaseOutcome::Ok | LeaseOutcome::Invalid | LeaseOutcome::Unspecified => {}
            }
        }
        response.cancelling.iter().for_each(|token| self.want(token, Wanted::Cancelled));
        response.pausing.iter().for_each(|token| self.want(token, Wanted::Paused));
    }

    /// A checkpoint was not taken, or nobody knows whether it was.
    fn put_back(&self, token: &str, checkpoint: Option<Bytes>) {
        if let (Some(held), Some(checkpoint)) = (self.held.get(token), checkpoint) {
            held.said.put_back(checkpoint);
        }
    }

    /// Somebody wants something of a job. What is to be cancelled stays so.
    pub(crate) fn want(&mut self, token: &str, wanted: Wanted) {
        if let Some(held) = self.held.get(token) {
            held.want.send_modify(|before| *before = (*before).max(wanted));
        }
    }

    fn lose(&mut self, token: &str) {
        if let Some(held) = self.held.get_mut(token) {
            tracing::warn!(token, "the lease of a job is lost");
            held.lost = true;
            held.want.send_replace(Wanted::Cancelled);
        }
    }

    /// The stream is lost: what was not answered is said again over the next one.
    pub(crate) fn disconnected(&mut self) {
        self.settling.clear();
        self.unsettled.values_mut().for_each(|unsettled| unsettled.when = When::Now);
        for (token, checkpoint) in std::mem::take(&mut self.extending).into_values().flatten() {
            self.put_back(&token, checkpoint);
        }
    }

    /// Another stream is there. When the server does not know the session any more, its leases are over.
    pub(crate) fn reconnected(&mut self, resumed: bool) {
        if !resumed {
            let tokens: Vec<String> = self.held.keys().cloned().collect();
            tokens.iter().for_each(|token| self.lose(token));
        }
    }

    /// Whether there is no job of which something is to be said.
    pub(crate) fn is_done(&self) -> bool {
        self.held.is_empty() && self.unsettled.is_empty()
    }

    fn next_request(&mut self) -> u32 {
        self.requests = self.requests.wrapping_add(1);
        self.requests
    }
}

#[cfg(test)]
mod tests {
    use rialto_proto::v1::JobCompleted;

    use super::*;

    fn lease(token: &str) -> Lease {
        Lease { token: token.to_owned(), ..Lease::default() }
    }

    fn completed() -> Outcome {
        Outcome::Completed(JobCompleted::default())
    }

    fn answer(request: &SettleRequest, outcome: LeaseOutcome) -> SettleResponse {
        let outcomes = request.items.iter().map(|_| outcome.into()).collect();
        SettleResponse { request_id: request.request_id, outcomes }
    }

    #[test]
    fn a_job_that_comes_again_is_not_begun_again() {
        let mut working = Working::default();
        assert_eq!(working.leased(vec![lease("a")]).len(), 1);
        assert_eq!(working.leased(vec![lease("a"), lease("b")]).len(), 1);
        working.done("a", completed());
        assert_eq!(working.leased(vec![lease("a")]).len(), 0, "it is done, and that is not confirmed");
    }

    #[test]
    fn what_became_of_a_job_is_said_again_until_it_is_confirmed() {
        let mut working = Working::default();
        working.leased(vec![lease("a")]);
        working.done("a", completed());
        let (_, first) = working.settlements().unwrap();
        assert_eq!(working.settlements(), None);
        working.disconnected();
        let (_, second) = working.settlements().unwrap();
        assert_eq!(first.items, second.items);
        working.settled(&answer(&first, LeaseOutcome::Ok));
        assert!(!working.is_done(), "that answer was for the stream before");
        working.settled(&answer(&second, LeaseOutcome::Temporary));
        assert_eq!(working.settlements(), None, "not at once");
        working.extensions(false);
        let (_, third) = working.settlements().unwrap();
        working.settled(&answer(&third, LeaseOutcome::Ok));
        assert!(working.is_done());
    }

    #[test]
    fn a_result_that_the_server_does_not_take_fails_the_job_for_good() {
        let mut working = Working::default();
        working.leased(vec![lease("a")]);
        working.done("a", completed());
        let (_, request) = working.settlements().unwrap();
        working.settled(&answer(&request, LeaseOutcome::Invalid));
        let (_, again) = working.settlements().unwrap();
        assert!(matches!(&again.items[0].outcome, Some(Outcome::Failed(failed)) if failed.permanent));
        working.settled(&answer(&again, LeaseOutcome::Invalid));
        assert!(working.is_done());
    }

    #[test]
    fn a_job_whose_lease_is_lost_is_cancelled_and_nothing_is_said_of_it() {
        let mut working = Working::default();
        let (_, assignment) = working.leased(vec![lease("a")]).remove(0);
        let request = working.extensions(false).remove(0);
        let outcomes = vec![LeaseOutcome::LeaseLost.into()];
        working.extended(&ExtendResponse {
            request_id: request.request_id,
            outcomes,
            cancelling: Vec::new(),
            pausing: Vec::new(),
        });
        assert!(*assignment.wanted.borrow() == Wanted::Cancelled);
        working.done("a", completed());
        assert!(working.is_done());
        let (_, other) = working.leased(vec![lease("b")]).remove(0);
        working.reconnected(false);
        assert!(*other.wanted.borrow() == Wanted::Cancelled);
    }

    #[test]
    fn a_checkpoint_that_may_not_have_arrived_is_sent_again_unless_there_is_a_newer_one() {
        let mut working = Working::default();
        let (_, assignment) = working.leased(vec![lease("a")]).remove(0);
        assignment.said.leave("1");
        assert_eq!(working.extensions(true)[0].items[0].checkpoint.as_deref(), Some(&b"1"[..]));
        assert_eq!(working.extensions(true), []);
        working.disconnected();
        assert_eq!(working.extensions(true)[0].items[0].checkpoint.as_deref(), Some(&b"1"[..]));
        assignment.said.leave("2");
        working.disconnected();
        assert_eq!(working.extensions(true)[0].items[0].checkpoint.as_deref(), Some(&b"2"[..]));
    }

    #[test]
    fn what_a_failing_job_has_left_is_said_before_its_failure() {
        let mut working = Working::default();
        let (_, assignment) = working.leased(vec![lease("a")]).remove(0);
        assignment.said.leave("1");
        working.done("a", Outcome::Failed(JobFailed::default()));
        let (last, settle) = working.settlements().unwrap();
        assert_eq!(last.unwrap().items[0].checkpoint.as_deref(), Some(&b"1"[..]));
        assert_eq!(settle.items.len(), 1);
    }

    #[test]
    fn no_request_is_larger_than_the_server_takes() {
        let mut working = Working::default();
        for n in 0..20 {
            let token = n.to_string();
            working.leased(vec![lease(&token)]);
            let body = Some(rialto_proto::v1::job_body::Body::Binary(vec![0; 64 << 10].into()));
            let result = Some(rialto_proto::v1::JobBody { body, ..Default::default() });
            working.done(&token, Outcome::Completed(JobCompleted { result }));
        }
        let mut count = 0;
        while let Some((_, settle)) = working.settlements() {
            assert!(settle.encoded_len() < 1 << 20);
            count += settle.items.len();
        }
        assert_eq!(count, 20);
        for n in 100..1_200 {
            working.leased(vec![lease(&n.to_string())]);
        }
        let extended: usize = working.extensions(false).iter().map(|request| request.items.len()).sum();
        assert_eq!(extended, 1_100);
    }
}
