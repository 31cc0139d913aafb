//! A session outlives its stream: it is away until another stream takes it up, or until its window is over.

use std::{net::IpAddr, sync::Arc, time::Duration};

use rialto_proto::v1::{self, CloseCode, RefusalCode, server_frame::Frame as Body};

use super::{
    Router,
    life::{Peer, fell_behind, overrun, welcome},
    timers::Expiries,
};
use crate::{
    auth::{Identity, Right},
    base::{
        clock::{self, Instant},
        ids::RoomName,
        refusal::{Closing, Refusal, Retry},
    },
    hub::{is_on_its_way, on_its_way},
    session::{Session, moving::Stage, outbox::Lost},
    wire::{
        Frame,
        command::{Hello, Resume},
    },
};

/// How long a client waits for its session that is on its way between nodes.
const CLAIMED_WITHIN: Duration = Duration::from_secs(8);
/// It is looked for again within so long.
const CLAIMED_AGAIN: Duration = Duration::from_millis(40);

impl Router {
    /// Takes up the session that a client had; opens a new one when that cannot be and the client wants that.
    pub(super) async fn resume(
        &self,
        resume: Resume,
        hello: Hello,
        identity: Identity,
        mut peer: Peer,
    ) -> Result<(Arc<Session>, u32), Refusal> {
        let (session, came) = match self.claim(&resume, &identity).await {
            Ok(Some(claimed)) => claimed,
            Ok(None) if !resume.afresh => return Err(late()),
            Err(refusal) if !resume.afresh || !is_lost(&refusal) => return Err(refusal),
            lost => {
                // A node that is not reached ends it with its window.
                if !lost.is_err_and(|refusal| refusal.code == RefusalCode::NodesUnreachable) {
                    self.end_elsewhere(resume.session, resume.secret).await;
                }
                return self.afresh(hello, identity, peer).await;
            }
        };
        if session.identity().user != identity.user {
            return Err(not_yours());
        }
        let resumed = session.resume(resume.seq, &mut peer.cut, |last_ref, pushed_seq| {
            let welcome = welcome(&session, (self.node, &self.limits), peer.ping_interval);
            Frame::answer(0, Body::Welcome(v1::Welcome { resumed: true, last_ref, pushed_seq, ..welcome }))
        });
        match resumed {
            Ok(stream) => {
                self.back(&session, identity);
                if !came {
                    self.settle_change(self.hub.describe(&session));
                }
                Ok((session, stream))
            }
            Err(_) if resume.afresh => {
                let closing = Closing::new(CloseCode::SessionLost, "the client begins anew");
                self.close(&session, &closing);
                self.afresh(hello, identity, peer).await
            }
            Err(lost) => Err(refused(lost)),
        }
    }

    /// The session that a client has proven to be its own, brought here if another node has it, and whether it was; `None` when
    /// there is none. What is on its way is waited for.
    async fn claim(
        &self,
        resume: &Resume,
        identity: &Identity,
    ) -> Result<Option<(Arc<Session>, bool)>, Refusal> {
        let until = clock::now() + CLAIMED_WITHIN;
        loop {
            let claimed = match self.find(&resume.session) {
                Some(session) if !session.knows(&resume.secret) => Err(not_yours()),
                Some(session) if matches!(session.stage(), Stage::Arriving | Stage::Gone(_)) => {
                    Err(on_its_way())
                }
                Some(session) => Ok(Some((session, false))),
                None => {
                    self.bring(resume, identity).await.map(|session| session.map(|session| (session, true)))
                }
            };
            match claimed {
                Err(refusal) if is_on_its_way(&refusal) && clock::now() < until => {
                    tokio::time::sleep(clock::jitter(CLAIMED_AGAIN)).await;
                }
                claimed => return claimed,
            }
        }
    }

    /// Opens a new session for a client whose old one is lost.
    async fn afresh(
        &self,
        hello: Hello,
        identity: Identity,
        peer: Peer,
    ) -> Result<(Arc<Session>, u32), Refusal> {
        self.open(hello, identity, peer).await.map(|session| (session, 0))
    }

    /// Sees to a session that a stream has taken up.
    fn back(&self, session: &Arc<Session>, identity: Identity) {
        self.change_windows(|windows| windows.remove(session.id.key));
        self.metrics.sessions_resumed.inc();
        session.renew(identity);
        self.schedule_expiry(session);
        self.part_forbidden(session);
        self.end_if_revoked(session);
    }

    /// Takes a session out of rooms that its new identity may not be in.
    fn part_forbidden(&self, session: &Arc<Session>) {
        let identity = session.identity();
        let forbidden: Vec<(String, Vec<RoomName>)> = {
            let memberships = session.memberships.lock();
            let places = memberships.places().iter();
            places
                .map(|place| {
                    let held = place.rooms.iter();
                    let rooms = held.filter(|room| !identity.may(Right::Join, &place.namespace, Some(room)));
                    // What is held was a name when it was joined.
                    (place.namespace.to_string(), rooms.filter_map(|room| room.parse().ok()).collect())
                })
                .collect()
        };
        for (namespace, rooms) in forbidden {
            if !rooms.is_empty() {
                self.part(session, 0, &namespace, &rooms);
            }
            if !identity.may_enter(&namespace) {
                self.leave(session, 0, &namespace);
            }
        }
    }

    /// Notes that a stream of a session is gone. The session is away from now on, unless it is over.
    pub fn detach(&self, session: &Arc<Session>, stream: u32) {
        let window = self.limits.session.resume_window;
        // Noted before another stream takes the session up, or after that not at all.
        let away = self.change_windows(|windows| {
            let away = session.outbox.detach(stream);
            if away {
                windows.set(session.id.key, clock::now() + window);
            }
            away
        });
        if !away {
            return;
        }
        let nowhere = self.tasks.draining().is_cancelled() && !self.has_heirs();
        if session.closing().is_some() || window.is_zero() || nowhere {
            return self.abandon(session);
        }
        self.timers_changed.notify_one();
        self.settle_change(self.hub.describe(session));
    }

    /// A session has come here without its client, who has as long as any other to come back.
    pub(super) fn await_client(&self, session: &Session) {
        let until = clock::now() + self.limits.session.resume_window;
        self.change_windows(|windows| windows.set(session.id.key, until));
        self.timers_changed.notify_one();
    }

    /// Ends a session that nobody has come back to. Does nothing when somebody just has.
    pub(super) fn abandon(&self, session: &Arc<Session>) {
        if session.outbox.give_up() {
            self.end(session);
            self.change_windows(|windows| windows.remove(session.id.key));
        }
    }

    /// Notes who is away, and counts them.
    pub(super) fn change_windows<T>(&self, change: impl FnOnce(&mut Expiries) -> T) -> T {
        let mut windows = self.windows.lock();
        let changed = change(&mut windows);
        self.metrics.sessions_away.set(i64::try_from(windows.len()).unwrap_or(i64::MAX));
        changed
    }

    /// Ends sessions that were away too long.
    pub(super) fn expire_windows(&self, now: Instant) {
        let expired = self.change_windows(|windows| windows.expired(now));
        for session in expired.into_iter().filter_map(|key| self.hub.sessions.get(key)) {
            self.abandon(&session);
        }
    }

    /// Ends the stream of a session that fell behind. The session goes on when somebody may come back to it.
    pub(super) fn cut_behind(&self, session: &Arc<Session>) {
        if session.outbox.overran() {
            self.close(session, &overrun());
        } else if self.limits.session.resume_window.is_zero() {
            self.close(session, &fell_behind());
        } else if session.outbox.suspend(Frame::close(&fell_behind())) {
            self.metrics.sessions_behind.inc();
            self.cut_later(session);
        }
    }

    /// Adds a session to the hub. When its user or its address has too many, one that is away gives way.
    pub(super) fn open_in_hub(&self, session: &Arc<Session>, from: Option<IpAddr>) -> Result<(), Refusal> {
        loop {
            let Err(refusal) = self.hub.open(session, from, clock::now()) else { return Ok(()) };
            let Some(away) = self.longest_away(session, from, refusal.limit) else { return Err(refusal) };
            self.abandon(&away);
            if self.hub.sessions.get(away.id.key).is_some() {
                // It is back in this moment, so it counts.
                return Err(refusal);
            }
        }
    }

    /// The session that is away longest of those that count for the same limit.
    fn longest_away(&self, session: &Session, from: Option<IpAddr>, limit: &str) -> Option<Arc<Session>> {
        let user = session.identity().user.clone();
        let keys = self.windows.lock().keys();
        let mut away = keys.into_iter().filter_map(|key| self.hub.sessions.get(key));
        away.find(|other| match limit {
            "sessions_per_user_max" => other.identity().user == user,
            "sessions_per_address_max" => self.hub.sessions.address(other.id.key) == from,
            _ => false,
        })
    }
}

/// Whether a refusal means that the session cannot be had, so that a new one may begin.
fn is_lost(refusal: &Refusal) -> bool {
    matches!(
        refusal.code,
        RefusalCode::ResumeLate | RefusalCode::PositionGone | RefusalCode::NodesUnreachable
    )
}

pub(super) fn not_yours() -> Refusal {
    Refusal::new(RefusalCode::SessionUnknown, "the secret or the user is not that of the session")
}

pub(super) fn late() -> Refusal {
    let refusal = Refusal::new(RefusalCode::ResumeLate, "the session is over; open a new one");
    Refusal { retry: Retry::AfterChange, ..refusal }
}

pub(super) fn refused(lost: Lost) -> Refusal {
    let refusal = match lost {
        Lost::Ended => return late(),
        Lost::Gone | Lost::Ahead => Refusal::new(RefusalCode::PositionGone, lost.to_string()),
    };
    Refusal { retry: Retry::AfterChange, field: "seq", ..refusal }
}

#[cfg(test)]
#[path = "resume_tests.rs"]
mod tests;
