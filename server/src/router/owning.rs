//! The parts of rooms that this node owns: taken when they are nobody's, taken up from their logs, kept by writing the register
//! again and again, handed over when another node is to own them, and let go when another one has taken them.

use std::{collections::HashSet, fmt, sync::Arc, time::Duration};

use futures_util::{StreamExt, future::join_all};
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{MissedTickBehavior, interval, sleep, timeout, timeout_at},
};

use super::{
    Router,
    part::{Owner, Part},
};
use crate::{
    base::{
        clock::{self, Instant},
        tasks,
    },
    bridge::Bridge,
    history::{Histories, SettingsOf, Tuning},
    log::{Claimed, Logs},
    owners::{Deed, Lease, Leases, Noted, Register, RegisterError},
};

/// How often it is looked what is to be done.
const LOOKED_EVERY: Duration = Duration::from_millis(100);
/// Time for what is under way in a part that is handed over.
const SETTLED_WITHIN: Duration = Duration::from_secs(1);
/// Owners write their entries more often than this: when nothing new is seen of the register, what shows it has stopped, for example
/// with the server that did.
const SEEN_WITHIN: Duration = Duration::from_millis(1_500);
/// A node that hears no other one for so long, and does not have the register, may be connected to a server that is cut off.
const ALONE_AFTER: Duration = Duration::from_secs(3);
/// Servers of NATS that have lost one of them agree again within so long: their elections take 4 to 9 s.
const AGREED_WITHIN: Duration = Duration::from_secs(12);
/// The wait before something is tried again that has failed.
const AGAIN_AFTER: Duration = Duration::from_millis(300);

/// What it takes to own parts of the rooms.
pub struct Estate {
    /// Who owns what.
    pub register: Register,
    /// The logs.
    pub logs: Arc<dyn Logs>,
    /// What holds in a namespace.
    pub settings: SettingsOf,
}

impl fmt::Debug for Estate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Estate").field("logs", &self.logs).finish_non_exhaustive()
    }
}

/// The parts that this node sees to.
struct Owning {
    router: Arc<Router>,
    bridge: Arc<Bridge>,
    estate: Estate,
    leases: Mutex<Leases>,
    /// Those that are being taken up or handed over.
    moving: Mutex<HashSet<u32>>,
    /// What the register says is known.
    known: Notify,
    /// The register is not as it was seen.
    outdated: Notify,
    /// Since when nothing could be written to it, and when that was seen last.
    unwritten: Mutex<Option<(Instant, Instant)>>,
}

impl Router {
    /// Sees to it that every part has an owner, until the node leaves; then hands over those that are here.
    pub async fn run_owning(self: Arc<Self>, estate: Estate) {
        let Some(bridge) = self.bridge.clone() else { return };
        let leases = Mutex::new(Leases::new(self.node, self.parts.count(), clock::now()));
        let (router, moving) = (Arc::clone(&self), Mutex::default());
        let (known, outdated) = (Notify::new(), Notify::new());
        let unwritten = Mutex::default();
        let owning = Arc::new(Owning { router, bridge, estate, leases, moving, known, outdated, unwritten });
        let follow = async {
            let mut had = clock::now();
            loop {
                if owning.follow().await {
                    had = clock::now();
                } else if owning.is_cut_off(had) {
                    tracing::warn!("this server of NATS is cut off from the others: left for another one");
                    owning.bridge.leave().await;
                    had = clock::now();
                }
                sleep(AGAIN_AFTER).await;
            }
        };
        // Entries are written in time also while the register is looked for.
        let look = async {
            let mut ticks = interval(LOOKED_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            owning.known.notified().await;
            loop {
                ticks.tick().await;
                owning.look();
                if owning.is_unwritable() {
                    tracing::warn!("nothing can be written over this server of NATS: left for another one");
                    owning.bridge.leave().await;
                }
            }
        };
        tokio::select! {
            biased;
            () = self.tasks.stopping().cancelled() => return,
            () = follow => {}
            () = look => {}
            () = self.leaving.cancelled() => {}
        }
        let answered = join_all((0..self.parts.count()).map(|part| owning.hand_over(part))).await;
        // One leaves, once.
        drop(self.left.set(answered.into_iter().all(|all| all)));
    }

    /// Hands over all parts that are here, so that others take them at once. Whether everything that was done is answered.
    pub async fn leave_parts(&self) -> bool {
        if self.bridge.is_none() {
            return true;
        }
        self.leaving.cancel();
        *self.left.wait().await
    }

    /// Whether every part has an owner. A node that starts waits for that before it serves.
    pub async fn owned(&self) {
        let mut changes = self.parts.changes();
        while (0..self.parts.count()).any(|part| matches!(self.parts.owner(part), Owner::Nobody)) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// A part is not here any more, and its log is not written any more.
    fn lose_part(self: &Arc<Self>, bridge: &Bridge, part: u32, owner: Owner) {
        match self.parts.set(part, owner) {
            Owner::Here(part) => part.closed.cancel(),
            Owner::There(node) => self.replace_owner(bridge, part, node),
            Owner::Nobody => {}
        }
        self.count_parts();
        self.advance_part(bridge, part);
    }

    fn count_parts(&self) {
        let here = (0..self.parts.count()).filter(|part| self.parts.here(*part).is_some()).count();
        self.metrics.parts_owned.set(i64::try_from(here).unwrap_or(i64::MAX));
    }
}

impl Owning {
    /// Whether the server of NATS to which this node is connected seems to have lost the others: what all agree on is not to be had
    /// there, and nobody else is heard, or it lasts longer than servers that reach each other need for agreeing again.
    fn is_cut_off(&self, had: Instant) -> bool {
        let (now, nodes) = (clock::now(), self.bridge.nodes());
        let without = now.saturating_duration_since(had);
        let alone = nodes.iter().all(|node| self.bridge.silent(*node, now) > ALONE_AFTER);
        without > AGREED_WITHIN || without > ALONE_AFTER && alone
    }

    /// Whether nothing could be written for longer than servers that reach each other need for agreeing again. After a cut was mended a
    /// server may read from the others and not know to whom what is written has to go. True once.
    fn is_unwritable(&self) -> bool {
        let mut unwritten = self.unwritten.lock();
        unwritten.take_if(|(since, last)| last.saturating_duration_since(*since) > AGREED_WITHIN).is_some()
    }

    /// Nothing could be written since then. Who had nothing to write for a while has not tried.
    fn note_unwritten(&self, began: Instant) {
        let (mut unwritten, now) = (self.unwritten.lock(), clock::now());
        let goes_on = unwritten.filter(|(_, last)| began.saturating_duration_since(*last) < SEEN_WITHIN);
        *unwritten = Some((goes_on.map_or(began, |(since, _)| since), now));
    }

    /// Follows the register until it cannot be had any more. Whether it could.
    async fn follow(&self) -> bool {
        let (now, mut changes) = match self.estate.register.watch().await {
            Ok(watched) => watched,
            Err(error) => {
                tracing::warn!(%error, "the register of owners cannot be had");
                return false;
            }
        };
        now.into_iter().for_each(|noted| self.note(noted));
        self.known.notify_one();
        let mut seen = clock::now();
        loop {
            tokio::select! {
                biased;
                noted = timeout_at(seen + SEEN_WITHIN, changes.next()) => match noted {
                    Ok(Some(noted)) => {
                        seen = clock::now();
                        self.note(noted);
                    }
                    Ok(None) | Err(_) => return true,
                },
                () = self.outdated.notified() => return true,
            }
        }
    }

    /// The register says something new.
    fn note(&self, Noted { part, lease }: Noted) {
        let changed = self.leases.lock().note(part, lease, clock::now());
        let (Some(owner), router) = (changed, &self.router) else { return };
        if owner == Some(router.node) {
            return self.won(part);
        }
        router.lose_part(&self.bridge, part, owner.map_or(Owner::Nobody, Owner::There));
        if owner.is_some() {
            router.tasks.spawn("mend", Arc::clone(router).mend(Some(part)));
        }
    }

    fn look(self: &Arc<Self>) {
        self.distrust();
        let now = clock::now();
        let (deeds, owned) = {
            let mut leases = self.leases.lock();
            leases.meet(&self.bridge.nodes(), now);
            let owned = (0..self.router.parts.count()).filter(|part| leases.is_trusted(*part, now));
            let owned: Vec<u32> = owned.collect();
            (leases.deeds(now), owned)
        };
        deeds.into_iter().for_each(|deed| self.begin(deed));
        for part in owned {
            if self.router.parts.here(part).is_none() && self.moving.lock().insert(part) {
                let owning = Arc::clone(self);
                self.router.tasks.spawn("own", async move { owning.take_up(part).await });
            }
        }
    }

    fn begin(self: &Arc<Self>, deed: Deed) {
        let owning = Arc::clone(self);
        match deed {
            Deed::Take { part, revision } | Deed::Renew { part, revision } => {
                self.leases.lock().busy(part, true);
                self.router.tasks.spawn("lease", async move { owning.write(part, revision).await });
            }
            Deed::HandOver { part } => {
                if self.moving.lock().insert(part) {
                    self.router.tasks.spawn("own", async move { owning.hand_over(part).await });
                }
            }
        }
    }

    /// Does nothing more with parts whose entries were not written in time, or whose logs have failed.
    fn distrust(&self) {
        for part in 0..self.router.parts.count() {
            let Some(here) = self.router.parts.here(part) else { continue };
            let trusted = self.leases.lock().is_trusted(part, clock::now());
            if !trusted || here.has_failed() {
                tracing::warn!(part, trusted, "let go");
                self.router.lose_part(&self.bridge, part, Owner::Nobody);
            }
        }
    }

    /// Writes the entry of a part.
    async fn write(&self, part: u32, revision: u64) {
        let known = self.leases.lock().lease(part).map_or(0, |lease| lease.reached);
        let reached = self.router.parts.here(part).map_or(known, |part| part.histories.reached().0);
        let (lease, began) = (Lease { owner: self.router.node, revision, reached }, clock::now());
        let written = self.estate.register.write(part, lease).await;
        self.leases.lock().busy(part, false);
        match &written {
            Ok(_) | Err(RegisterError::Lost) => *self.unwritten.lock() = None,
            Err(_) => self.note_unwritten(began),
        }
        match written {
            Ok(revision) => {
                let lease = Lease { revision, ..lease };
                self.leases.lock().wrote(part, lease, began, clock::now());
                self.won(part);
            }
            Err(RegisterError::Lost) => self.outdated.notify_one(),
            Err(error) => tracing::warn!(part, %error, "the register of owners was not written"),
        }
    }

    /// A part is not with another node any more, since it is with this one.
    fn won(&self, part: u32) {
        if let Owner::There(_) = self.router.parts.owner(part) {
            self.router.lose_part(&self.bridge, part, Owner::Nobody);
        }
    }

    /// Takes up what a part keeps, and serves it. Meanwhile its entry is written again and again.
    async fn take_up(&self, part: u32) {
        match self.open(part).await {
            Ok(here) => {
                let mut begun = false;
                while !begun && self.leases.lock().is_trusted(part, clock::now()) {
                    self.router.mend_here(&here).await;
                    begun = self.router.begin_here(&here);
                }
                if begun {
                    self.router.count_parts();
                    self.router.advance_part(&self.bridge, part);
                } else {
                    here.closed.cancel();
                }
            }
            Err(error) => {
                tracing::error!(part, error, "a part of the rooms cannot be taken up");
                self.give_up(part).await;
                sleep(AGAIN_AFTER).await;
            }
        }
        self.moving.lock().remove(&part);
    }

    async fn open(&self, part: u32) -> Result<Arc<Part>, String> {
        let claimed = self.estate.logs.claim(&format!("rooms-{part}")).await;
        let Claimed { log, writer, before } = claimed.map_err(|error| error.to_string())?;
        let reached = self.leases.lock().lease(part).map_or(0, |lease| lease.reached);
        let (progress, settings) = (log.progress(), Arc::clone(&self.estate.settings));
        // The network has to be waited for.
        let opened = tasks::blocking(move || {
            let tuning = Tuning { shared: true, ..Tuning::default() };
            Histories::open(Some(log), settings, clock::wall(), tuning)
        });
        let histories =
            opened.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        let here = Part::new(part, Arc::new(histories));
        let router = &self.router;
        router
            .tasks
            .spawn("jobs", Arc::clone(router).keep_jobs(Arc::clone(&self.estate.logs), Arc::clone(&here)));
        let (stopping, closed) = (router.tasks.stopping().clone(), here.closed.clone());
        let written = async move { stopping.run_until_cancelled(closed.run_until_cancelled(writer)).await };
        router.tasks.spawn("log", written);
        router.tasks.spawn("lane", Arc::clone(router).run_lane(Arc::clone(&here), progress));
        if before.0 < reached {
            router.metrics.rolled_back.inc();
            tracing::error!(part, reached, found = before.0, "the log has lost what it had acknowledged");
            if let Err(error) = here.histories.begin_anew() {
                here.closed.cancel();
                return Err(error.to_string());
            }
        }
        tracing::info!(part, "taken up");
        Ok(here)
    }

    /// Gives a part up to whoever is to own it, when what is under way is done. Whether all of that is answered.
    async fn hand_over(&self, part: u32) -> bool {
        let mut answered = true;
        if let Some(here) = self.router.parts.here(part) {
            self.router.parts.set(part, Owner::Nobody);
            self.router.count_parts();
            here.leaving.cancel();
            here.calls.close();
            let all_done = async { tokio::join!(here.lane.drained(), here.calls.wait()) };
            answered = timeout(SETTLED_WITHIN, all_done).await.is_ok();
            here.close().await;
            // What came in that moment was taken before, or is refused.
            answered &= timeout(SETTLED_WITHIN, here.lane.drained()).await.is_ok();
            here.closed.cancel();
            tracing::info!(part, answered, "handed over");
        }
        self.give_up(part).await;
        self.moving.lock().remove(&part);
        answered
    }

    /// Gives the entry of a part up, if it is this node's.
    async fn give_up(&self, part: u32) {
        let Some(lease) = self.leases.lock().let_go(part) else { return };
        // It is not written again before it is known what became of that.
        self.leases.lock().busy(part, true);
        let given_up = self.estate.register.give_up(part, lease.revision).await;
        let mut leases = self.leases.lock();
        leases.busy(part, false);
        match given_up {
            Ok(()) => leases.gave_up(part, clock::now()),
            Err(error) => {
                self.outdated.notify_one();
                tracing::warn!(part, %error, "the register of owners was not written");
            }
        }
    }
}
