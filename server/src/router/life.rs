//! The life of a session: greeting, closing, ending.

use std::{net::IpAddr, sync::Arc, time::Duration};

use rialto_proto::v1::{self, CloseCode, RefusalCode, server_frame::Frame as Body};

use super::{Router, users::Opened};
use crate::{
    auth::Identity,
    base::{
        clock,
        config::StopConfig,
        ids::{NodeId, SessionId, UserName},
        limits::Limits,
        metrics::CodeLabel,
        rate::Rate,
        refusal::{Closing, Refusal, Retry},
    },
    session::{
        Cut, Session,
        outbox::{Outbox, Put},
    },
    wire::{
        Frame,
        command::{Command, Hello},
    },
};

/// After so long the client of a node that stops comes to another one.
const HEIRS_AFTER: Duration = Duration::from_millis(100);

/// What the edge knows of a client before it greets.
#[derive(Default)]
pub struct Peer {
    /// Where it comes from, if that is known.
    pub address: Option<IpAddr>,
    /// The token in the call's metadata.
    pub bearer: Option<String>,
    /// Silence after which the client is sent a `Ping`; zero where the transport watches the connection.
    pub ping_interval: Duration,
    /// Ends the connection under the session, for a client that does not even take its last frames.
    pub cut: Option<Cut>,
}

impl Router {
    /// This node stops; another one may take the client at once.
    fn elsewhere(&self) -> Refusal {
        let draining = Refusal::draining();
        if self.has_heirs() { Refusal { retry: Retry::After(HEIRS_AFTER), ..draining } } else { draining }
    }

    /// Opens a session, or takes up the one that the client had. Returns it with the number of the stream that reads it.
    pub async fn greet(&self, mut hello: Hello, peer: Peer) -> Result<(Arc<Session>, u32), Refusal> {
        if self.tasks.draining().is_cancelled() {
            return Err(self.elsewhere());
        }
        let resume = hello.resume.take();
        self.take_greeting(resume.is_some())?;
        let token = if hello.token.is_empty() { peer.bearer.as_deref() } else { Some(hello.token.as_str()) };
        let identity = self.identify(token, hello.user.take())?;
        match resume {
            None => self.open(hello, identity, peer).await.map(|session| (session, 0)),
            Some(resume) => self.resume(resume, hello, identity, peer).await,
        }
    }

    /// Takes a greeting from the rate of its kind.
    fn take_greeting(&self, resume: bool) -> Result<(), Refusal> {
        let limits = &self.limits.node;
        let (bucket, limit, rate) = if resume {
            (&self.resumes, "resumes_per_second", limits.resumes_per_second)
        } else {
            (&self.hellos, "hellos_per_second", limits.hellos_per_second)
        };
        let taken = bucket.lock().take(Rate::per_second(rate, rate), clock::now());
        taken.map_err(|after| Refusal::rate(limit, after))
    }

    /// Opens a session: `Welcome`, then the first joins, are what it hears first.
    pub(super) async fn open(
        &self,
        hello: Hello,
        identity: Identity,
        peer: Peer,
    ) -> Result<Arc<Session>, Refusal> {
        let outbox = Arc::new(Outbox::of(&self.limits.session));
        let id = SessionId::random(self.node);
        let session = Session::new(id, identity, outbox, &self.limits.session);
        let session = session.with(hello.client, hello.attributes).cut_by(peer.cut);
        let session = Arc::new(session);
        self.open_in_hub(&session, peer.address)?;
        let opened = Opened::new(self, &session);
        self.admit_user(&session).await?;
        opened.keep();
        self.metrics.sessions.inc();
        self.metrics.sessions_opened.inc();
        self.schedule_expiry(&session);
        let welcome = welcome(&session, (self.node, &self.limits), peer.ping_interval);
        session.outbox.answer(Frame::answer(0, Body::Welcome(welcome)));
        for join in hello.joins {
            let command = join.map_or_else(Command::Wrong, Command::Join);
            if let Err(refusal) = self.in_turn(&session, 0, command) {
                self.refuse(&session, 0, refusal);
            }
        }
        self.end_if_revoked(&session);
        Ok(session)
    }

    /// Who somebody is: by token, or by word where nothing is authenticated.
    pub fn identify(&self, token: Option<&str>, user: Option<UserName>) -> Result<Identity, Refusal> {
        if !self.authenticator.required() {
            let identity = Identity::open(user);
            return self.accept_identity(&identity).map(|()| identity);
        }
        let token = token.ok_or_else(|| Refusal::unauthenticated("a token is required"))?;
        let identity = self.authenticator.authenticate(token, clock::wall())?;
        self.accept_identity(&identity)?;
        if user.is_some() && user != identity.user {
            return Err(Refusal::unauthenticated("the user is not the subject of the token"));
        }
        Ok(identity)
    }

    /// Puts a new token of the same user in force.
    pub(super) fn refresh(&self, session: &Arc<Session>, token: &str) -> Result<v1::Refreshed, Refusal> {
        let renewed = self.identify(Some(token), session.identity().user.clone())?;
        let expires_at = renewed.expires_at;
        session.renew(renewed);
        self.schedule_expiry(session);
        self.end_if_revoked(session);
        let left = expires_at.map(|at| at.duration_since(clock::wall()).unwrap_or_default());
        Ok(v1::Refreshed { expires_in: left.and_then(|left| prost_types::Duration::try_from(left).ok()) })
    }

    /// Closes a session: it is told, and is in nothing any more from now on.
    pub fn close(&self, session: &Arc<Session>, closing: &Closing) {
        session.close(closing);
        self.end(session);
        self.cut_later(session);
    }

    /// Ends the connection under a stream that has to end, should its client not read the end in time.
    pub(super) fn cut_later(&self, session: &Arc<Session>) {
        if !session.outbox.attached() {
            return;
        }
        let stream = session.outbox.stream();
        let (session, tasks) = (Arc::clone(session), self.tasks.clone());
        let timeout = self.limits.session.close_timeout;
        self.tasks.spawn("linger", async move {
            tokio::select! {
                biased;
                () = tokio::time::sleep(timeout) => session.cut(stream),
                () = tasks.stopping().cancelled() => {}
            }
        });
    }

    /// Takes a session out of everything. Called when it is closed and when nobody comes back to it; the first call
    /// counts.
    pub fn end(&self, session: &Arc<Session>) {
        let changed = self.hub.exit(session);
        if changed.changed {
            self.metrics.sessions.dec();
            let code = session.closing().map_or(CloseCode::SessionLost, |closing| closing.code);
            let code = code.as_str_name().trim_start_matches("CLOSE_CODE_");
            self.metrics.sessions_closed.get_or_create(&CodeLabel { code }).inc();
            self.party_gone(session.id.key);
            self.tell_moved(session, true);
            self.forget_session(session);
        }
        if !session.outbox.attached() {
            session.outbox.abandon();
        }
        self.settle_change(changed);
    }

    /// Forgets what was to become of a session that is not here any more.
    pub(super) fn forget_session(&self, session: &Arc<Session>) {
        self.expiries.lock().remove(session.id.key);
        self.change_windows(|windows| windows.remove(session.id.key));
        self.user_left(session);
        if self.hub.sessions.is_empty() {
            self.emptied.notify_waiters();
        }
    }

    /// Tells every session that the node will stop, each with its own delay.
    pub fn announce_drain(&self, stop: &StopConfig) -> usize {
        let (sessions, away): (Vec<_>, Vec<_>) =
            self.hub.sessions.all().into_iter().partition(|session| session.outbox.attached());
        match self.this.upgrade().filter(|_| self.has_heirs()) {
            Some(router) => drop(self.tasks.spawn("hand over", async move { router.hand_over().await })),
            // Nobody will come back here any more.
            None => away.iter().for_each(|session| self.abandon(session)),
        }
        for session in &sessions {
            let drain = v1::Drain {
                reconnect_within: prost_types::Duration::try_from(stop.drain).ok(),
                // Whoever comes back takes its session along: there is to be time for that.
                delay: prost_types::Duration::try_from(clock::jitter(stop.drain * 3 / 4)).ok(),
            };
            session.outbox.answer(Frame::answer(0, Body::Drain(drain)));
        }
        sessions.len()
    }

    /// Closes every session because the node stops.
    pub fn close_all(&self) -> Vec<Arc<Session>> {
        let sessions = self.hub.sessions.all();
        let closing = Closing::new(CloseCode::Draining, "the node is stopping");
        sessions.iter().for_each(|session| self.close(session, &closing));
        sessions
    }

    /// Waits until no session is open.
    pub async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.hub.sessions.is_empty() {
                return;
            }
            emptied.await;
        }
    }

    /// The session that a `Push` proves to be its own. Unknown sessions and wrong secrets are answered alike.
    pub fn proven(&self, id: &str, secret: &str) -> Result<Arc<Session>, Refusal> {
        self.find(id).filter(|session| session.knows(secret)).ok_or_else(unknown_session)
    }

    /// The session with that id.
    pub(super) fn find(&self, id: &str) -> Option<Arc<Session>> {
        let id: SessionId = id.parse().ok()?;
        self.hub.sessions.get(id.key).filter(|session| session.id == id)
    }

    /// Tells a session that a command was refused.
    pub(super) fn refuse(&self, session: &Arc<Session>, reference: u32, refusal: Refusal) {
        let refusal = self.count_refusal(refusal);
        self.answer(session, Frame::refused(reference, &refusal));
    }

    /// Gives a session an answer; one that does not read its answers is closed.
    pub(super) fn answer(&self, session: &Arc<Session>, frame: Frame) {
        session.note_answer(&frame);
        if session.outbox.answer(frame) == Put::Overrun {
            self.close(session, &overrun());
        }
    }
}

/// Nobody knows it, or not by that secret.
pub(super) fn unknown_session() -> Refusal {
    Refusal::new(RefusalCode::SessionUnknown, "there is no such session")
}

/// The receiver did not read events; the session goes on.
pub fn fell_behind() -> Closing {
    Closing::new(CloseCode::FellBehind, "the outbox was full")
}

/// The client did not read answers; the session is over.
pub(super) fn overrun() -> Closing {
    Closing::new(CloseCode::Overrun, "the outbox was full of answers")
}

pub(super) fn welcome(
    session: &Session,
    (node, limits): (NodeId, &Limits),
    ping_interval: Duration,
) -> v1::Welcome {
    let bounds = &limits.session;
    v1::Welcome {
        session_id: session.id.to_string(),
        session_secret: session.secret(),
        resumed: false,
        node: node.to_string(),
        resume_window: prost_types::Duration::try_from(bounds.resume_window).ok(),
        ping_interval: prost_types::Duration::try_from(ping_interval).ok(),
        limits: Some(v1::Limits {
            payload_bytes_max: crate::base::config::NamespaceSettings::default().payload_bytes_max,
            rooms_max: bounds.rooms_max,
            emits_per_second: bounds.emits_per_second,
            emits_burst: bounds.emits_burst,
            replies_outstanding_max: bounds.replies_outstanding_max,
            outbox_frames_max: bounds.outbox_frames_max,
            outbox_bytes_max: bounds.outbox_bytes_max,
            headers_max: bounds.headers_max,
            headers_bytes_max: bounds.headers_bytes_max,
        }),
        user: session.user(),
        last_ref: 0,
        pushed_seq: 0,
    }
}
