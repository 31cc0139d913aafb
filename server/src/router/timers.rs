//! What comes by the clock: the end of waits for replies, of tokens and of sessions that are away, and the number of
//! members of large rooms. One task for all of them, which sleeps until the next one.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use rialto_proto::v1::CloseCode;

use super::Router;
use crate::{
    base::{
        clock::{self, Instant},
        refusal::Closing,
    },
    hub::Changed,
    session::Session,
};

/// When something expires, by session: its token, or the time that it may be away.
#[derive(Debug, Default)]
pub(super) struct Expiries {
    order: BTreeSet<(Instant, u64)>,
    sessions: HashMap<u64, Instant>,
}

impl Expiries {
    /// Sets or moves the expiry of a session.
    pub(super) fn set(&mut self, session: u64, at: Instant) {
        self.remove(session);
        self.order.insert((at, session));
        self.sessions.insert(session, at);
    }

    /// Forgets a session. False when there was nothing to forget.
    pub(super) fn remove(&mut self, session: u64) -> bool {
        let at = self.sessions.remove(&session);
        at.is_some_and(|at| self.order.remove(&(at, session)))
    }

    /// All sessions, the next to expire first.
    pub(super) fn keys(&self) -> Vec<u64> {
        self.order.iter().map(|(_, session)| *session).collect()
    }

    /// The same with when each expires.
    pub(super) fn all(&self) -> Vec<(Instant, u64)> {
        self.order.iter().copied().collect()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    fn next(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes out those whose time has come.
    pub(super) fn expired(&mut self, now: Instant) -> Vec<u64> {
        let later = self.order.split_off(&(now, u64::MAX));
        let expired = std::mem::replace(&mut self.order, later);
        let sessions: Vec<u64> = expired.into_iter().map(|(_, session)| session).collect();
        sessions.iter().for_each(|session| {
            self.sessions.remove(session);
        });
        sessions
    }
}

impl Router {
    /// Ends what has outlived its time, until the node stops.
    pub async fn run_timers(self: Arc<Self>) {
        loop {
            let changed = self.timers_changed.notified();
            let number = self.numbers_due.lock().first().map(|due| due.at);
            let sessions = [self.expiries.lock().next(), self.windows.lock().next()];
            let next = [self.next_reply_deadline(), number].into_iter().chain(sessions).flatten().min();
            tokio::select! {
                biased;
                () = self.tasks.stopping().cancelled() => return,
                () = sleep_until(next) => {
                    let now = clock::now();
                    self.expire_replies(now);
                    self.expire_tokens(now);
                    self.expire_windows(now);
                    self.tell_numbers(now);
                }
                () = changed => {}
            }
        }
    }

    /// Sees to what a change of membership has led to, after the locks are released.
    pub(super) fn settle_change(&self, changed: Changed) {
        if !changed.due.is_empty() {
            self.numbers_due.lock().extend(changed.due);
            self.timers_changed.notify_one();
        }
        self.close_behind(changed.behind);
    }

    /// Tells the members of large rooms how many they are. A room is in the list once at most.
    fn tell_numbers(&self, now: Instant) {
        loop {
            let due = {
                let mut numbers_due = self.numbers_due.lock();
                match numbers_due.first() {
                    Some(due) if due.at <= now => numbers_due.pop_first(),
                    _ => None,
                }
            };
            let Some(due) = due else { return };
            self.settle_change(self.hub.tell_number(&due, now));
        }
    }

    /// Notes when the session's token expires.
    pub(super) fn schedule_expiry(&self, session: &Session) {
        let Some(expires_at) = session.identity().expires_at else {
            self.expiries.lock().remove(session.id.key);
            return;
        };
        let left = expires_at.duration_since(clock::wall()).unwrap_or_default();
        self.expiries.lock().set(session.id.key, clock::now() + left);
        self.timers_changed.notify_one();
    }

    fn expire_tokens(&self, now: Instant) {
        let expired = self.expiries.lock().expired(now);
        for session in expired.into_iter().filter_map(|key| self.hub.sessions.get(key)) {
            self.close(&session, &Closing::new(CloseCode::TokenExpired, "the token has expired"));
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
