//! What a worker knows of its jobs, over all its streams: which it has, what became of them and was not confirmed, what is to be
//! said of them. Pure; `labour.rs` sends and hears.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use bytes::Bytes;
use prost::Message;
use rialto_proto::v1::{
    ExtendRequest, ExtendResponse, Extension, Lease, LeaseOutcome, SettleRequest, SettleResponse, Settlement,
    settlement::Outcome,
};
use tokio::sync::{Notify, watch};

use crate::{
    assignment::{Leased, News, Said, Wanted},
    outcome::{INVALID_OUTCOME, invalid},
};

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
    extending: HashMap<u32, Vec<(String, News)>>,
    requests: u32,
    changed: Arc<Notify>,
    /// What the application is to be told.
    told: Vec<Told>,
}

/// Something about a job that the application is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// The lease of this job is lost.
    LeaseLost(String),
    /// The server does not take what the work has said of this job: its outcome, or its progress and checkpoint.
    Refused { id: String, outcome: bool },
}

#[derive(Debug)]
struct Held {
    id: String,
    said: Arc<Said>,
    want: watch::Sender<Wanted>,
    /// Its function was called.
    begun: bool,
    /// Somebody else has the job.
    lost: bool,
    /// Its lease was not extended, and is to be at once.
    hurries: bool,
}

#[derive(Debug)]
struct Unsettled {
    id: String,
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

/// Outcomes as they came. One that this version does not know keeps its place, so that the others stay with their jobs; one
/// that is missing says as little.
fn read(outcomes: &[i32]) -> impl Iterator<Item = LeaseOutcome> {
    let outcomes = outcomes.iter().map(|outcome| LeaseOutcome::try_from(*outcome).unwrap_or_default());
    outcomes.chain(std::iter::repeat(LeaseOutcome::Unspecified))
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
            let (id, said_too) = (lease.job_id.clone(), Arc::clone(&said));
            new.push((token.clone(), Leased { lease, said, wanted }));
            let held = Held { id, said: said_too, want, begun: false, lost: false, hurries: false };
            self.held.insert(token, held);
        }
        new
    }

    /// The function of a job is about to be called; false when its lease is lost already.
    pub(crate) fn begin(&mut self, token: &str) -> bool {
        let Some(held) = self.held.get_mut(token) else { return false };
        held.begun = !held.lost;
        if held.lost {
            self.held.remove(token);
        }
        self.held.contains_key(token)
    }

    /// How many jobs are worked on though their leases are lost.
    pub(crate) fn lost(&self) -> usize {
        self.held.values().filter(|held| held.begun && held.lost).count()
    }

    /// A job is done, in whatever way. Of one that is lost nothing is to be said.
    pub(crate) fn done(&mut self, token: &str, outcome: Outcome) {
        let Some(held) = self.held.remove(token) else { return };
        if !held.lost {
            let completed = matches!(outcome, Outcome::Completed(_));
            let checkpoint = held.said.take().checkpoint.filter(|_| !completed);
            let unsettled = Unsettled { id: held.id, outcome, when: When::Now, checkpoint };
            self.unsettled.insert(token.to_owned(), unsettled);
        }
    }

    /// The application is told that an outcome could not be sent.
    pub(crate) fn unsendable(&mut self, token: &str) {
        if let Some(held) = self.held.get(token) {
            self.told.push(Told::Refused { id: held.id.clone(), outcome: true });
        }
    }

    /// What the application is to be told.
    pub(crate) fn told(&mut self) -> Vec<Told> {
        std::mem::take(&mut self.told)
    }

    /// The worker waits no longer for the jobs that are worked on, and says nothing more of them.
    pub(crate) fn give_up(&mut self) {
        for held in std::mem::take(&mut self.held).into_values() {
            held.want.send_replace(Wanted::Closed);
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
        for (token, outcome) in tokens.iter().zip(read(&response.outcomes)) {
            match outcome {
                LeaseOutcome::Temporary | LeaseOutcome::Unspecified => {
                    if let Some(unsettled) = self.unsettled.get_mut(token) {
                        unsettled.when = When::Later;
                    }
                }
                LeaseOutcome::Invalid => self.refused(token),
                LeaseOutcome::LeaseLost | LeaseOutcome::NotFound => {
                    if let Some(unsettled) = self.unsettled.remove(token) {
                        self.told.push(Told::LeaseLost(unsettled.id));
                    }
                }
                LeaseOutcome::Ok => drop(self.unsettled.remove(token)),
            }
        }
    }

    /// What was said of a job makes no sense to the server, for example because the result is too large. It would not the next time.
    fn refused(&mut self, token: &str) {
        let Some(unsettled) = self.unsettled.get_mut(token) else { return };
        self.told.push(Told::Refused { id: unsettled.id.clone(), outcome: true });
        if matches!(&unsettled.outcome, Outcome::Failed(failed) if failed.code == INVALID_OUTCOME) {
            self.unsettled.remove(token);
        } else {
            unsettled.outcome = invalid("the server takes no such outcome".to_owned());
            (unsettled.when, unsettled.checkpoint) = (When::Now, None);
        }
    }

    /// What is to be said of jobs that are being worked on: of all, so that their leases go on, or of those of which there is news.
    pub(crate) fn extensions(&mut self, news: bool) -> Vec<ExtendRequest> {
        if !news {
            let later = self.unsettled.values_mut().filter(|unsettled| unsettled.when == When::Later);
            later.for_each(|unsettled| unsettled.when = When::Now);
        }
        let (mut requests, mut items, mut bytes) = (Vec::new(), Vec::new(), 0);
        let due = |held: &Held| !held.lost && (!news || held.hurries || held.said.is_new());
        for (token, held) in self.held.iter_mut().filter(|(_, held)| due(held)) {
            held.hurries = false;
            let News { progress, checkpoint } = held.said.take();
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
        let sent = items.iter().map(|item| {
            let news = News { progress: item.progress.clone(), checkpoint: item.checkpoint.clone() };
            (item.token.clone(), news)
        });
        self.extending.insert(request_id, sent.collect());
        ExtendRequest { request_id, items }
    }

    /// What became of that.
    pub(crate) fn extended(&mut self, response: &ExtendResponse) {
        let sent = self.extending.remove(&response.request_id).unwrap_or_default();
        for ((token, news), outcome) in sent.into_iter().zip(read(&response.outcomes)) {
            match outcome {
                LeaseOutcome::LeaseLost | LeaseOutcome::NotFound => self.lose(&token),
                LeaseOutcome::Temporary => self.put_back(&token, news),
                LeaseOutcome::Invalid if news != News::default() => self.refused_news(&token),
                LeaseOutcome::Ok | LeaseOutcome::Invalid | LeaseOutcome::Unspecified => {}
            }
        }
        response.cancelling.iter().for_each(|token| self.want(token, Wanted::Cancelled));
        response.pausing.iter().for_each(|token| self.want(token, Wanted::Paused));
    }

    /// What was said of a job was not taken, or nobody knows whether it was.
    fn put_back(&mut self, token: &str, news: News) {
        if let Some(held) = self.held.get(token) {
            held.said.put_back(news);
        } else if let Some(unsettled) = self.unsettled.get_mut(token)
            && !matches!(unsettled.outcome, Outcome::Completed(_))
        {
            unsettled.checkpoint = unsettled.checkpoint.take().or(news.checkpoint);
        }
    }

    /// What was said of a job makes no sense to the server. Its lease is extended without that.
    fn refused_news(&mut self, token: &str) {
        if let Some(held) = self.held.get_mut(token) {
            held.hurries = true;
            held.said.changed.notify_one();
            self.told.push(Told::Refused { id: held.id.clone(), outcome: false });
        }
    }

    /// Somebody wants something of a job. What is to be cancelled stays so.
    pub(crate) fn want(&mut self, token: &str, wanted: Wanted) {
        if let Some(held) = self.held.get(token) {
            held.want.send_modify(|before| *before = (*before).max(wanted));
        }
    }

    fn lose(&mut self, token: &str) {
        if let Some(held) = self.held.get_mut(token).filter(|held| !held.lost) {
            held.lost = true;
            held.want.send_modify(|before| *before = (*before).max(Wanted::LeaseLost));
            self.told.push(Told::LeaseLost(held.id.clone()));
        }
    }

    /// The stream is lost: what was not answered is said again over the next one.
    pub(crate) fn disconnected(&mut self) {
        self.settling.clear();
        self.unsettled.values_mut().for_each(|unsettled| unsettled.when = When::Now);
        // The newest comes first, for it counts more.
        let mut extending: Vec<_> = std::mem::take(&mut self.extending).into_iter().collect();
        extending.sort_by_key(|(request, _)| std::cmp::Reverse(*request));
        for (token, news) in extending.into_iter().flat_map(|(_, sent)| sent) {
            self.put_back(&token, news);
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
mod tests;
