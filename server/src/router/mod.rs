//! Floor 4: the only place where the neighbours below meet. It takes what a client asks for, asks the identity whether
//! it is allowed, lets the hub do it, and sees to what follows: answers, replies, closing.
//!
//! * [`dispatch`]: one match over the commands of a session
//! * [`emit`]: the path of an event, from sessions and without one
//! * [`reply`]: answers on their way back, calls
//! * `asker`: who waits for answers
//! * [`life`]: greeting, closing, ending of sessions; `resume`: being away and coming back
//! * [`directory`]: what operators and backends ask for
//! * [`timers`]: what ends by the clock

mod asker;
pub mod directory;
pub mod dispatch;
pub mod emit;
pub mod life;
mod owed;
pub mod reply;
mod resume;
pub mod timers;

use std::sync::{Arc, Weak, atomic::AtomicU64};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use crate::{
    auth::Authenticator,
    base::{
        clock,
        config::Config,
        ids::{EventId, NodeId},
        limits::Limits,
        metrics::Metrics,
        rate::{Bucket, Rate},
        refusal::Refusal,
        tasks::Tasks,
    },
    hub::Hub,
    session::{Session, replies::Replies},
};
use asker::Asker;
use timers::Expiries;

/// Everything that a node does with sessions and events.
#[derive(Debug)]
pub struct Router {
    /// This node.
    pub node: NodeId,
    /// Bounds.
    pub limits: Limits,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Tasks and the signals of stopping.
    pub tasks: Tasks,
    hub: Hub,
    this: Weak<Self>,
    authenticator: Authenticator,
    replies: Mutex<Replies<Asker>>,
    expiries: Mutex<Expiries>,
    windows: Mutex<Expiries>,
    behind: Mutex<Behind>,
    timers_changed: Notify,
    emptied: Notify,
    next_event: AtomicU64,
    hellos: Mutex<Bucket>,
    resumes: Mutex<Bucket>,
}

/// Sessions that fell behind and whose streams are to be ended.
#[derive(Debug, Default)]
struct Behind {
    sessions: Vec<Arc<Session>>,
    busy: bool,
}

impl Router {
    /// A router for a node that begins now, with nobody in it.
    pub fn new(
        config: &Config,
        authenticator: Authenticator,
        metrics: Arc<Metrics>,
        tasks: Tasks,
    ) -> Arc<Self> {
        let limits = config.limits.clone();
        Arc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            node: NodeId::random(),
            hub: Hub::new(&limits, &config.namespaces, Arc::clone(&metrics)),
            authenticator,
            replies: Mutex::default(),
            expiries: Mutex::default(),
            windows: Mutex::default(),
            behind: Mutex::default(),
            timers_changed: Notify::new(),
            emptied: Notify::new(),
            next_event: AtomicU64::new(EventId::first_number(clock::unix_ms(clock::wall()))),
            hellos: Mutex::new(full(limits.node.hellos_per_second)),
            resumes: Mutex::new(full(limits.node.resumes_per_second)),
            limits,
            metrics,
            tasks,
        })
    }

    /// Ends the streams of sessions that fell behind, and of those that fall behind by being told of that. One after the other and
    /// by one caller at a time, so that a chain of them is a loop and not a recursion.
    fn close_behind(&self, behind: Vec<Arc<Session>>) {
        if behind.is_empty() {
            return;
        }
        let mut queue = self.behind.lock();
        queue.sessions.extend(behind);
        if std::mem::replace(&mut queue.busy, true) {
            return;
        }
        while let Some(session) = queue.sessions.pop() {
            MutexGuard::unlocked(&mut queue, || self.cut_behind(&session));
        }
        queue.busy = false;
    }

    /// Counts a refusal and gives it back.
    pub fn count_refusal(&self, refusal: Refusal) -> Refusal {
        let code = refusal.code.as_str_name().trim_start_matches("REFUSAL_CODE_");
        self.metrics.refusals.get_or_create(&crate::base::metrics::CodeLabel { code }).inc();
        refusal
    }
}

fn full(per_second: u32) -> Bucket {
    Bucket::full(Rate::per_second(per_second, per_second), clock::now())
}
