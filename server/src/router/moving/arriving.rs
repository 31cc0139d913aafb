//! This node takes a session that another one has, because its client has come here.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use prost::Message;
use rialto_proto::{
    node::{
        Head, LeaveSession, Leaving, MovingPlace, MovingRoom, MovingSession, TakeSession, errand, errand_done,
    },
    v1::RefusalCode,
};
use tokio::{
    sync::oneshot,
    time::{interval, timeout},
};

use super::{
    super::{
        Router,
        afar::SILENT_MAX,
        keep::storage_failed,
        others::{unreachable, unreachable_part},
        resume::late,
    },
    finding::is_unknown,
    places::{between, by_wishes, names},
    wire,
};
use crate::{
    auth::Identity,
    base::{
        clock,
        ids::{NodeId, RoomName, SessionId},
        refusal::Refusal,
    },
    bridge::{Bridge, Pin, Place},
    hub::{Joining, Wishes, on_its_way},
    session::{
        Session,
        moving::{Luggage, Reached},
        outbox::Outbox,
    },
    wire::command::Resume,
};

/// Nodes that name another one that has the session, one after the other.
const HOPS_MAX: usize = 4;
/// Pieces of a session: more than it can have within its bounds.
const PIECES_MAX: u32 = 256;

/// How long is waited for what the other node has heard and this one has not.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(2);
/// How often is looked.
const LOOKED_EVERY: Duration = Duration::from_millis(5);

/// The stream that a session has before anybody reads it.
const FIRST_STREAM: u32 = 0;

/// Where rooms stand, by namespace and room.
type Heads = HashMap<(String, String), Head>;

/// A session that has come here. Unless it is taken it is away.
pub(in super::super) struct Arrived {
    router: Arc<Router>,
    session: Option<Arc<Session>>,
}

impl Arrived {
    /// It has a stream from now on.
    pub(in super::super) fn take(mut self) -> Option<Arc<Session>> {
        self.session.take()
    }
}

impl Drop for Arrived {
    fn drop(&mut self) {
        if let Some(session) = &self.session {
            // Nothing happens when somebody else has taken it up meanwhile.
            self.router.detach(session, FIRST_STREAM);
        }
    }
}

/// A session that comes. Unless it is kept it is given up.
struct Arrival<'a> {
    router: &'a Router,
    session: Arc<Session>,
    /// Rooms are listened to until the session is a member.
    _pins: Vec<Pin>,
    kept: bool,
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        let router = self.router;
        let changed = router.hub.give_up_arriving(&self.session, router.node);
        if changed.changed {
            router.metrics.sessions.dec();
            router.forget_session(&self.session);
        }
        self.session.outbox.abandon();
        router.settle_change(changed);
    }
}

impl Router {
    /// Brings a session here that another node has. `None` when none has it.
    ///
    /// *Cancel safety*: what has begun is finished; the session is away then.
    pub(in super::super) async fn bring(
        &self,
        resume: &Resume,
        identity: &Identity,
    ) -> Result<Option<Arc<Session>>, Refusal> {
        let (Some(id), Some(router)) = (self.may_be_elsewhere(&resume.session), self.this.upgrade()) else {
            return Ok(None);
        };
        let (tells, hears) = oneshot::channel();
        let (resume, identity) = (resume.clone(), identity.clone());
        self.tasks.spawn("arrive", async move {
            let ask = LeaveSession {
                session: resume.session,
                secret: resume.secret,
                seq: resume.seq,
                user: identity.user.as_ref().map(ToString::to_string).unwrap_or_default(),
                away: false,
            };
            let arrived = router
                .take_over(id, ask, identity)
                .await
                .map(|session| Arrived { router: Arc::clone(&router), session: Some(session) });
            // The client may have gone: then the session is away.
            drop(tells.send(arrived));
        });
        match hears.await.unwrap_or_else(|_| Err(Refusal::draining())) {
            Ok(arrived) => Ok(arrived.take()),
            Err(refusal) if refusal.code == RefusalCode::NotFound => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// Takes a session from the node that has it.
    pub(super) async fn take_over(
        &self,
        id: SessionId,
        ask: LeaveSession,
        identity: Identity,
    ) -> Result<Arc<Session>, Refusal> {
        let Some(bridge) = &self.bridge else { return Err(unreachable_part()) };
        let (secret, away) = (ask.secret.clone(), ask.away);
        let (node, leaving) = self.ask_to_leave(id, ask).await?;
        let arrival = self.expect((id, &secret), &leaving, identity)?;
        if away {
            arrival.session.outbox.detach(FIRST_STREAM);
        }
        let arrival = self.listen_for(bridge, arrival, &leaving).await?;
        let heads = self.gather(&arrival.session, &leaving.places)?;
        let moving = self.fetch(node, id, leaving.number).await?;
        // What the other node had heard by then is here as well.
        self.round().await;
        self.settle_in(arrival, leaving.places, moving, &heads).await
    }

    /// Has the node that has a session make ready to give it away. Returns which one that is.
    async fn ask_to_leave(&self, id: SessionId, ask: LeaveSession) -> Result<(NodeId, Leaving), Refusal> {
        let mut found = false;
        let mut node = match self.probable_host(id) {
            Some(node) => node,
            None => {
                found = true;
                self.find_host(id).await?
            }
        };
        for _ in 0..HOPS_MAX {
            // One that hangs has the session, and cannot give it away.
            let silent =
                self.bridge.as_ref().is_none_or(|bridge| bridge.silent(node, clock::now()) > SILENT_MAX);
            if silent {
                return Err(unreachable_part());
            }
            match self.send_errand(node, errand::What::LeaveSession(ask.clone())).await.map(|done| done.what)
            {
                Ok(Some(errand_done::What::Leaving(leaving))) => match leaving.node.parse() {
                    Ok(next) => node = next,
                    Err(_) => return Ok((node, leaving)),
                },
                Ok(_) => return Err(storage_failed()),
                Err(refusal) if !found && is_unknown(&refusal) => {
                    found = true;
                    match self.find_host(id).await {
                        Ok(other) if other != node => node = other,
                        _ => return Err(refusal),
                    }
                }
                Err(refusal) => return Err(refusal),
            }
        }
        Err(on_its_way())
    }

    /// Makes place for a session that comes.
    fn expect(
        &self,
        (id, secret): (SessionId, &str),
        leaving: &Leaving,
        identity: Identity,
    ) -> Result<Arrival<'_>, Refusal> {
        let outbox = Arc::new(Outbox::of(&self.limits.session));
        let session = Session::new(id, identity, outbox, &self.limits.session);
        let mut session = session.arriving(secret).ok_or_else(late)?;
        session.client = leaving.client.clone().unwrap_or_default();
        if let Some(since) = leaving.since {
            session.since = since.try_into().unwrap_or(session.since);
        }
        let session = Arc::new(session);
        self.open_in_hub(&session, None)?;
        self.metrics.sessions.inc();
        Ok(Arrival { router: self, session, _pins: Vec::new(), kept: false })
    }

    /// Waits until this node hears everything that is for a session.
    async fn listen_for<'a>(
        &self,
        bridge: &Bridge,
        mut arrival: Arrival<'a>,
        leaving: &Leaving,
    ) -> Result<Arrival<'a>, Refusal> {
        let home = self.pin_places(bridge, vec![Place::Home(arrival.session.id.node)])?;
        home.ready().await.map_err(unreachable)?;
        arrival._pins.push(home);
        for place in &leaving.places {
            let (namespace, rooms) = names(place)?;
            let keeps = self.keeps_history(namespace.as_str()) || place.rooms.iter().any(|room| room.state);
            let pin = self.pin(bridge, namespace.as_str(), &rooms)?;
            self.heard(&pin, namespace.as_str(), &rooms, keeps).await?;
            arrival._pins.push(pin);
        }
        // Whatever others say from now on is heard here.
        self.round().await;
        Ok(arrival)
    }

    /// Makes a session gather what is said in its rooms. Returns where those stand in that moment.
    fn gather(&self, session: &Arc<Session>, places: &[MovingPlace]) -> Result<Heads, Refusal> {
        let mut heads = Heads::new();
        for place in places {
            for (wishes, rooms) in by_wishes(place)? {
                // A delta builds on what the other node has told: not before it is known that all of that comes.
                let wishes = Wishes { delta: false, ..wishes };
                self.join_as(session, &place.namespace, (&rooms, wishes, true), |room| {
                    let head = self.stand(&place.namespace, room);
                    heads.extend(head.map(|head| ((place.namespace.clone(), room.to_owned()), head)));
                })?;
            }
        }
        Ok(heads)
    }

    fn join_as(
        &self,
        session: &Arc<Session>,
        namespace: &str,
        (rooms, wishes, arriving): (&[RoomName], Wishes, bool),
        mut in_room: impl FnMut(&str),
    ) -> Result<(), Refusal> {
        let joining = Joining { session, namespace, rooms, wishes, arriving, now: clock::now() };
        let changed = self.hub.join(joining, |found, _| {
            found.iter().for_each(|found| in_room(&found.state.room));
            None
        })?;
        self.settle_change(changed);
        Ok(())
    }

    /// Fetches a session, piece by piece.
    async fn fetch(&self, node: NodeId, id: SessionId, number: u64) -> Result<MovingSession, Refusal> {
        let (mut bytes, mut piece, mut pieces) = (BytesMut::new(), 0, 1);
        while piece < pieces {
            let ask = errand::What::TakeSession(TakeSession { session: id.to_string(), number, piece });
            // Once more when no answer has come: what was given away can be fetched again.
            let answer = match self.send_errand(node, ask.clone()).await {
                Err(refusal) if refusal.code == unreachable_part().code => {
                    self.send_errand(node, ask).await?
                }
                answer => answer?,
            };
            let Some(errand_done::What::Piece(part)) = answer.what else { return Err(storage_failed()) };
            bytes.extend_from_slice(&part.bytes);
            pieces = part.pieces.min(PIECES_MAX);
            piece += 1;
        }
        MovingSession::decode(Bytes::from(bytes)).map_err(|_| storage_failed())
    }

    /// Makes a session one of this node, with all that it has brought along.
    async fn settle_in(
        &self,
        mut arrival: Arrival<'_>,
        before: Vec<MovingPlace>,
        mut moving: MovingSession,
        heads: &Heads,
    ) -> Result<Arc<Session>, Refusal> {
        let session = Arc::clone(&arrival.session);
        let luggage = wire::read_luggage(&mut moving, clock::now()).ok_or_else(storage_failed)?;
        let MovingSession { attributes, places, asked, asking, .. } = moving;
        session.describe(attributes);
        arrival._pins.extend(self.follow(&session, &before, &places).await?);
        self.catch_up(&places).await;
        self.settle_change(self.hub.arrive(&session));
        self.bring_questions(&session, asked, asking);
        self.unpack(&session, luggage, &places, heads)?;
        // Now that all is here, what it wanted to be told there holds here as well.
        for place in &places {
            for (wishes, mut rooms) in by_wishes(place)? {
                rooms.retain(|room| self.hub.holds(&session, &place.namespace, room.as_str()));
                if !rooms.is_empty() {
                    self.join_as(&session, &place.namespace, (&rooms, wishes, false), |_| ())?;
                }
            }
        }
        self.departed.lock().back(session.id);
        self.tell_moved(&session, false);
        self.schedule_expiry(&session);
        arrival.kept = true;
        self.end_if_revoked(&session);
        Ok(session)
    }

    /// Waits until this node has handed out what the other one had handed out of what rooms keep: later it would come twice.
    async fn catch_up(&self, places: &[MovingPlace]) {
        let is_behind = |namespace: &str, room: &MovingRoom| {
            let there = room.head.clone().unwrap_or_default();
            let here = self.stand(namespace, &room.room).unwrap_or_default();
            let unknown = here.epoch.is_empty();
            let behind = here.epoch == there.epoch && here.last_offset < there.last_offset;
            !there.epoch.is_empty() && (unknown || behind)
        };
        let any_is =
            || places.iter().any(|place| place.rooms.iter().any(|room| is_behind(&place.namespace, room)));
        let mut looks = interval(LOOKED_EVERY);
        let caught_up = async {
            while any_is() {
                looks.tick().await;
            }
        };
        if timeout(CAUGHT_UP_WITHIN, caught_up).await.is_err() {
            tracing::warn!("what was handed out elsewhere has not come yet");
        }
    }

    /// Follows what has become of the memberships with the other node since they were asked for. What has become of them here holds.
    /// Returns what rooms are listened to for that.
    async fn follow(
        &self,
        session: &Arc<Session>,
        before: &[MovingPlace],
        after: &[MovingPlace],
    ) -> Result<Vec<Pin>, Refusal> {
        let mut pins = Vec::new();
        for place in before {
            let now = after.iter().find(|now| now.namespace == place.namespace);
            let Some(now) = now else {
                self.settle_change(self.hub.leave(session, &place.namespace, |_| None));
                continue;
            };
            let (_, mut gone) = names(place)?;
            gone.retain(|room| now.rooms.iter().all(|now| now.room != room.as_str()));
            self.settle_change(self.hub.part(session, &place.namespace, &gone, |_| None));
        }
        for place in after {
            let known = before.iter().find(|known| known.namespace == place.namespace);
            let mut new = place.clone();
            new.rooms.retain(|room| {
                known.is_none_or(|known| known.rooms.iter().all(|known| known.room != room.room))
            });
            if known.is_some() && new.rooms.is_empty() {
                continue;
            }
            let (namespace, rooms) = names(&new)?;
            pins.extend(self.hear(namespace.as_str(), &rooms).await?);
            for (wishes, rooms) in by_wishes(&new)? {
                self.join_as(session, &new.namespace, (&rooms, wishes, true), |_| ())?;
            }
        }
        Ok(pins)
    }

    /// Puts what a session has brought along before what it has gathered here.
    fn unpack(
        &self,
        session: &Arc<Session>,
        luggage: Luggage,
        places: &[MovingPlace],
        heads: &Heads,
    ) -> Result<(), Refusal> {
        let (mut reached, mut owed) = (Reached::new(), Vec::new());
        for place in places {
            for room in &place.rooms {
                let key = (place.namespace.clone(), room.room.clone());
                // Where the other node knew of nothing, the client was told nothing.
                let there = room.head.clone().unwrap_or_default();
                owed.extend(heads.get(&key).into_iter().flat_map(|here| between(&key, room, &there, here)));
                reached.insert(key, (there.epoch, there.last_offset));
            }
        }
        let twice = session.unpack(luggage, &reached, owed).ok_or_else(late)?;
        for token in twice.iter().filter_map(|token| token.parse().ok()) {
            self.not_asked(session.id.key, token);
        }
        Ok(())
    }
}
