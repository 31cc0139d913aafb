//! This node gives a session away to another one, to which its client has come.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Weak},
    time::Duration,
};

use bytes::Bytes;
use prost::Message;
use rialto_proto::{
    node::{LeaveSession, Leaving, MovingPiece, MovingSession, TakeSession},
    v1::RefusalCode,
};
use tokio::time::timeout;

use super::{
    super::{
        Router,
        directory::no_session,
        resume::{late, not_yours, refused},
    },
    wire,
};
use crate::{
    base::{
        clock::{self, Instant},
        ids::{NodeId, SessionId},
        refusal::Refusal,
    },
    hub::on_its_way,
    session::{Session, moving::Stage},
};

/// How long commands that were taken may take until they are carried out.
const IDLE_WITHIN: Duration = Duration::from_secs(2);
/// How long a node that has asked for a session may take until it fetches it.
const LEAVING_MAX: Duration = Duration::from_secs(5);
/// Bytes of a piece of a session: far below what NATS carries at once.
const PIECE_BYTES: usize = 256 << 10;
/// How long a session that was given away can be fetched.
const FETCHED_WITHIN: Duration = Duration::from_secs(10);
/// Sessions that have gone of which is known where they are: beyond, the oldest are looked for.
const DEPARTED_MAX: usize = 32 << 10;

/// Sessions that were here.
#[derive(Debug, Default)]
pub(in super::super) struct Departed {
    gone: BTreeMap<SessionId, (NodeId, Weak<Session>)>,
    order: VecDeque<SessionId>,
    /// What they have taken along, until it was fetched, by the number under which it was asked for.
    parcels: HashMap<u64, Parcel>,
}

/// A session, encoded, in pieces.
#[derive(Debug)]
struct Parcel {
    since: Instant,
    pieces: Vec<Bytes>,
    fetched: bool,
}

impl Departed {
    /// Where a session has gone.
    pub(super) fn node(&self, session: SessionId) -> Option<NodeId> {
        self.gone.get(&session).map(|(node, _)| *node)
    }

    fn note(&mut self, session: &Arc<Session>, node: NodeId) {
        if self.gone.insert(session.id, (node, Arc::downgrade(session))).is_none() {
            self.order.push_back(session.id);
        }
        if self.order.len() > DEPARTED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.gone.remove(&oldest);
        }
    }

    /// Notes that a session has gone on to another node.
    pub(super) fn go_on(&mut self, session: SessionId, to: NodeId) {
        if let Some((node, gone)) = self.gone.get_mut(&session) {
            *node = to;
            gone.upgrade().iter().for_each(|session| session.gone_to(to));
        }
    }

    /// It is back.
    pub(super) fn back(&mut self, session: SessionId) {
        if self.gone.remove(&session).is_some() {
            self.order.retain(|gone| *gone != session);
        }
    }

    /// A node is gone. Returns the sessions that were with it.
    pub(super) fn lose(&mut self, node: NodeId) -> Vec<SessionId> {
        let lost: Vec<SessionId> =
            self.gone.iter().filter(|(_, (at, _))| *at == node).map(|(session, _)| *session).collect();
        self.gone.retain(|_, (at, _)| *at != node);
        self.order.retain(|session| self.gone.contains_key(session));
        lost
    }

    /// Drops what nobody has fetched in time.
    pub(in super::super) fn sweep(&mut self, now: Instant) {
        self.parcels.retain(|_, parcel| now.saturating_duration_since(parcel.since) < FETCHED_WITHIN);
    }

    /// Whether all was fetched that has gone.
    pub(super) fn all_fetched(&self) -> bool {
        self.parcels.values().all(|parcel| parcel.fetched)
    }

    fn piece(&mut self, ask: &TakeSession) -> Option<MovingPiece> {
        let parcel = self.parcels.get_mut(&ask.number)?;
        let bytes = parcel.pieces.get(ask.piece as usize)?.clone();
        parcel.fetched |= ask.piece as usize + 1 == parcel.pieces.len();
        Some(MovingPiece { bytes, pieces: u32::try_from(parcel.pieces.len()).unwrap_or(u32::MAX) })
    }
}

impl Router {
    /// Makes ready to give a session away.
    pub(in super::super) async fn leave_session(&self, ask: LeaveSession) -> Result<Leaving, Refusal> {
        let Some(session) = self.find(&ask.session) else {
            let id = ask.session.parse().map_err(|_| no_session())?;
            let node = self.departed.lock().node(id).ok_or_else(no_session)?;
            return Ok(Leaving { node: node.to_string(), ..Leaving::default() });
        };
        if !session.knows(&ask.secret) || session.user() != ask.user {
            return Err(not_yours());
        }
        if ask.away && session.outbox.attached() {
            return Err(on_its_way());
        }
        let (number, now) = (clock::random_u64(), clock::now());
        match session.stage() {
            // The first one that has asked gets it, and the next one from there.
            Stage::Leaving(_, since) if now.saturating_duration_since(since) < LEAVING_MAX => {
                return Err(on_its_way());
            }
            Stage::Arriving | Stage::Gone(_) => return Err(on_its_way()),
            Stage::Here | Stage::Leaving(..) => {}
        }
        session.leave((!ask.away).then_some(ask.seq), number, now).map_err(refused)?;
        // Not while windows are held: whoever carries out a frame of the session may end it, and that changes them.
        self.change_windows(|windows| {
            if matches!(session.stage(), Stage::Leaving(asked, _) if asked == number) {
                windows.set(session.id.key, now + self.limits.session.resume_window);
            }
        });
        self.timers_changed.notify_one();
        // What was taken from its client is carried out here.
        timeout(IDLE_WITHIN, session.pipeline.idle()).await.map_err(|_| on_its_way())?;
        Ok(Leaving {
            node: String::new(),
            number,
            places: self.hub.places_of(&session),
            client: Some(session.client.clone()),
            since: Some(session.since.into()),
        })
    }

    /// Gives a session away, piece by piece.
    pub(in super::super) async fn give_session(
        &self,
        ask: TakeSession,
        to: NodeId,
    ) -> Result<MovingPiece, Refusal> {
        if let Some(piece) = self.departed.lock().piece(&ask) {
            return Ok(piece);
        }
        let session = self.find(&ask.session).ok_or_else(late)?;
        // What others have said until the new node began to listen comes first.
        self.round().await;
        if !session.go(ask.number, to) {
            return Err(on_its_way());
        }
        let moving = self.pack(&session, to).ok_or_else(late)?;
        let bytes = Bytes::from(moving.encode_to_vec());
        let pieces = (0..bytes.len().max(1)).step_by(PIECE_BYTES);
        let pieces = pieces.map(|at| bytes.slice(at..bytes.len().min(at + PIECE_BYTES))).collect();
        let parcel = Parcel { since: clock::now(), pieces, fetched: false };
        self.departed.lock().parcels.insert(ask.number, parcel);
        // What has just been handed out here is said to the others before this.
        self.round().await;
        let beyond = || Refusal::new(RefusalCode::Internal, "there is no such piece");
        self.departed.lock().piece(&ask).ok_or_else(beyond)
    }

    /// Takes a session out of everything here, with all that it takes along.
    fn pack(&self, session: &Arc<Session>, to: NodeId) -> Option<MovingSession> {
        let (changed, places) = self.hub.exit_to(session, to, |namespace, room| self.stand(namespace, room));
        let was_open = changed.changed;
        let luggage = session.pack();
        self.departed.lock().note(session, to);
        if was_open {
            self.metrics.sessions.dec();
            self.metrics.sessions_moved.inc();
            self.forget_session(session);
        }
        self.settle_change(changed);
        let attributes = (*session.attributes()).clone();
        let (asked, asking) = self.moving_questions(session);
        let moving = wire::luggage(luggage?, clock::now());
        Some(MovingSession { attributes, places, asked, asking, ..moving })
    }
}
