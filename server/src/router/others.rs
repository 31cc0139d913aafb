//! The other nodes: what is said here and is for somebody there, what is said there and is for somebody here, and where this
//! node listens. A session is told that it has joined when this node is certain to hear the room.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use rialto_proto::v1::{self, RefusalCode};
use tokio::{
    task::coop,
    time::{MissedTickBehavior, interval_at, sleep},
};

use super::{
    Router,
    asker::{Asked, Asker},
};
use crate::{
    base::{
        clock,
        config::NamespaceSettings,
        ids::{EventId, NodeId, RoomName},
        metrics::CauseLabel,
        refusal::{Refusal, Retry},
    },
    bridge::{ANNOUNCED_EVERY, Bridge, Carried, Gaps, Heard, Inbox, LinkError, Pin, Place, Word},
    hub::{Emission, What},
    session::Session,
    wire::{
        Frame,
        target::{Target, Who},
    },
};

/// When a client may try again that could not join because other nodes were not reached.
const UNREACHABLE_AFTER: Duration = Duration::from_secs(1);

impl Router {
    /// Says an event to the other nodes, unless it is for this one alone.
    pub(super) fn tell_others(&self, namespace: &str, target: &Target, frame: &Frame) {
        let Some(bridge) = self.bridge.as_ref().filter(|_| !target.local) else { return };
        self.count_lost(bridge.say(namespace, target, frame, |session| self.is_here(session)));
    }

    /// Counts what could not be said.
    pub(super) fn count_lost(&self, lost: usize) {
        if lost > 0 {
            let cause = CauseLabel { cause: "bridge" };
            self.metrics.drops.get_or_create(&cause).inc_by(lost as u64);
        }
    }

    /// Carries out what makes a session a member of rooms, once this node hears them: at once where it does already, and
    /// otherwise later, and what the session says meanwhile waits behind it.
    pub(super) fn once_heard(
        &self,
        (session, reference): (&Arc<Session>, u32),
        (namespace, rooms, state): (&str, &[RoomName], bool),
        then: impl FnOnce(&Self, &Arc<Session>) -> Result<(), Refusal> + Send + 'static,
    ) -> Result<(), Refusal> {
        let (Some(bridge), Some(router)) = (&self.bridge, self.this.upgrade()) else {
            return then(self, session);
        };
        let pin = self.pin(bridge, namespace, rooms)?;
        let keeps = state || self.keeps_history(namespace);
        let known = rooms.is_empty() || (!keeps && self.hub.has_met(namespace, rooms));
        if let Some(state) = pin.state().filter(|_| known) {
            return state.map_err(unreachable).and_then(|()| then(self, session));
        }
        session.pipeline.block();
        let (session, namespace, rooms) = (Arc::clone(session), namespace.to_owned(), rooms.to_vec());
        self.tasks.spawn("hear", async move {
            let heard = router.heard(&pin, &namespace, &rooms, keeps).await;
            if let Err(refusal) = heard.and_then(|()| then(&router, &session)) {
                router.refuse(&session, reference, refusal);
            }
            drop(pin);
            router.unblocked(&session);
        });
        Ok(())
    }

    /// Waits until this node hears rooms, knows who is there, and how far those are that keep something.
    pub(super) async fn heard(
        &self,
        pin: &Pin,
        namespace: &str,
        rooms: &[RoomName],
        keeps: bool,
    ) -> Result<(), Refusal> {
        pin.ready().await.map_err(unreachable)?;
        let begun = async { if keeps { self.begin_mirror(namespace, rooms).await } else { Ok(()) } };
        tokio::join!(self.meet(namespace, rooms), begun).1
    }

    /// Listens to rooms as long as what is returned is held; there is nothing to hold where there are no other nodes.
    pub async fn hear(&self, namespace: &str, rooms: &[RoomName]) -> Result<Option<Pin>, Refusal> {
        let Some(bridge) = &self.bridge else { return Ok(None) };
        let pin = self.pin(bridge, namespace, rooms)?;
        self.heard(&pin, namespace, rooms, self.keeps_history(namespace)).await?;
        Ok(Some(pin))
    }

    pub(super) fn pin(&self, bridge: &Bridge, namespace: &str, rooms: &[RoomName]) -> Result<Pin, Refusal> {
        let mut places = vec![Place::Namespace(namespace.into())];
        places.extend(rooms.iter().map(|room| Place::room(namespace, room.as_str())));
        self.pin_places(bridge, places)
    }

    pub(super) fn pin_places(&self, bridge: &Bridge, places: Vec<Place>) -> Result<Pin, Refusal> {
        let pinned = bridge.pin(places, clock::now());
        let (new, pin) = pinned.map_err(|after| Refusal::rate("listens_per_second", after))?;
        for place in new {
            self.tasks.spawn("listen", bridge.open(place));
        }
        Ok(pin)
    }

    /// Listens to what is said to this node and to all, as soon as that can be.
    async fn hear_own(&self, bridge: &Bridge) -> Pin {
        loop {
            let own = vec![Place::Node(self.node), Place::Home(self.node), Place::Cluster];
            let failed = match self.pin_places(bridge, own) {
                Ok(pin) => match pin.ready().await {
                    Ok(()) => return pin,
                    Err(error) => unreachable(error),
                },
                Err(refusal) => refusal,
            };
            tracing::warn!(error = %failed, "this node does not hear the others yet");
            sleep(UNREACHABLE_AFTER).await;
        }
    }

    /// Hands out what other nodes say, until the node stops.
    pub async fn run_inbox(self: Arc<Self>, mut inbox: Inbox) {
        let Some(bridge) = &self.bridge else { return };
        // Those who hear that this node is there say at once that they are; that is not to be missed.
        let stopping = self.tasks.stopping();
        let Some(_own) = stopping.run_until_cancelled(self.hear_own(bridge)).await else { return };
        let (mut gaps, mut state) = (Gaps::default(), bridge.state());
        let mut ticks = 0;
        let mut losses = state.borrow_and_update().losses;
        bridge.announce();
        // Nodes that were started together do not speak together.
        let mut sweep = interval_at(clock::now() + clock::jitter(ANNOUNCED_EVERY), ANNOUNCED_EVERY);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // A loss is told before what came after it.
                biased;
                () = self.tasks.stopping().cancelled() => return,
                changed = state.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let now = state.borrow_and_update().losses;
                    if std::mem::replace(&mut losses, now) != now {
                        let places = bridge.places();
                        places.iter().filter(|place| !self.is_mended(place)).for_each(|place| self.tell_gap(place));
                        self.tasks.spawn("mend", Arc::clone(&self).mend(None));
                        for node in bridge.nodes() {
                            self.meet_again(node);
                            self.watch_again(node);
                        }
                    }
                }
                _ = sweep.tick() => {
                    *self.looked.lock() = clock::now();
                    bridge.announce();
                    bridge.gone(clock::now()).into_iter().for_each(|node| self.lose_node(bridge, node));
                    let ended = bridge.sweep(clock::now(), |place| self.is_empty(place));
                    ended.iter().for_each(|place| self.forget_place(&mut gaps, place));
                    self.metrics.partitions_heard.set(i64::try_from(bridge.partitions()).unwrap_or(i64::MAX));
                    self.tick_asking(bridge);
                    self.departed.lock().sweep(clock::now());
                    self.ask_unanswered(bridge);
                    ticks += 1;
                    self.tick_watches(&bridge.nodes(), ticks);
                }
                heard = inbox.next() => {
                    let Some(heard) = heard else { return };
                    heard.into_iter().for_each(|heard| self.take_in(&mut gaps, heard));
                    coop::consume_budget().await;
                }
            }
        }
    }

    /// Sees to what another node has said.
    fn take_in(self: &Arc<Self>, gaps: &mut Gaps, heard: Heard) {
        let Some(bridge) = self.bridge.as_ref().filter(|_| heard.origin != self.node) else {
            // Its own, which a server that hung hands out late, over a connection that was left.
            return;
        };
        let verdict = gaps.note(&heard);
        if verdict.gap {
            self.tell_gap(&heard.place);
            if matches!(heard.place, Place::Node(_)) {
                self.watch_again(heard.origin);
            }
        }
        if verdict.again {
            return;
        }
        match heard.word {
            Word::Event(event) if event.positions.is_empty() => drop(self.emit_here(*event)),
            Word::Event(event) => self.hear_kept(*event),
            Word::Announce { leaves: false, .. } => {
                if bridge.note(heard.origin, false, clock::now()) {
                    self.meet_again(heard.origin);
                    self.watch_again(heard.origin);
                    self.shares_shrink(&bridge.nodes());
                    self.tick_asking(bridge);
                    // Who is new should not have to wait for us.
                    bridge.announce();
                    self.count_nodes(bridge);
                }
            }
            Word::Announce { leaves: true, all_answered } => {
                if bridge.note(heard.origin, true, clock::now()) {
                    if all_answered {
                        self.leave_owner(bridge, heard.origin);
                    }
                    self.lose_node(bridge, heard.origin);
                }
            }
            Word::Question { event, token, timeout } => self.ask_here(bridge, *event, token, timeout),
            Word::Answer { token, item } => self.reply_of(token, heard.origin, item),
            Word::Done { token, summary } => self.done_of(token, heard.origin, summary),
            Word::Relay(relay) => self.hear_relay(*relay),
            Word::GiveUp { token } => self.given_up_by(heard.origin, token),
            Word::State(changed) => self.hear_state(*changed),
            Word::Members(members) => self.hear_members(heard.origin, *members),
            Word::RoomChange(change) => self.hear_change(heard.origin, *change),
            Word::RoomCounts(counts) => self.hub.hear_counts(heard.origin, &counts),
            Word::Request(request) => self.hear_request(bridge, heard.origin, *request),
            Word::Errand(errand) => self.hear_errand(bridge, heard.origin, *errand),
            Word::ErrandDone(done) => self.hear_errand_done(heard.origin, *done),
            Word::JobCall(piece) => self.hear_job_call(bridge, heard.origin, piece),
            Word::JobAnswer(piece) => self.hear_job_answer(heard.origin, piece),
            Word::CallGivenUp(call) => self.hear_call_given_up(heard.origin, call),
            Word::Response(response) => self.hear_response(bridge, heard.origin, *response),
        }
    }

    /// Hands an event of another node to those here whom it is for.
    /// Returns how many those are.
    pub(super) fn emit_here(&self, event: Carried) -> u32 {
        let Some(settings) = self.hub.namespaces.settings(&event.namespace) else { return 0 };
        match self.hub.emit(emission(&event, &settings)) {
            Ok(mut fan_out) => {
                if let Some(due) = fan_out.due.take() {
                    self.flush_at(due, event.namespace, event.target);
                }
                let delivered = fan_out.delivered;
                self.count_awaited(&event.sent.event_id, delivered);
                self.settle_heard(fan_out);
                delivered
            }
            Err(held) => {
                drop(self.let_go(held));
                0
            }
        }
    }

    /// Asks those here whom an event of another node is for.
    fn ask_here(&self, bridge: &Arc<Bridge>, event: Carried, token: EventId, timeout: Duration) {
        let settings = self.hub.namespaces.settings(&event.namespace);
        let Some(settings) = settings.filter(|_| !self.is_asked(token)) else {
            return bridge.done(token, v1::RepliesDone::default());
        };
        let asker = Asker::node(bridge, token, settings.payload_bytes_max);
        let deadline = clock::now() + timeout;
        let sent = self.hub.emit_asking(emission(&event, &settings), |receivers| {
            self.wait_for_replies(token, asker, Asked { receivers, nodes: BTreeSet::new() }, deadline)
        });
        match sent {
            Ok(fan_out) => {
                let unreached = fan_out.unreached.clone();
                self.settle_heard(fan_out);
                self.account_for(token, &unreached);
            }
            Err(held) => {
                drop(self.let_go(held));
                bridge.done(token, v1::RepliesDone::default());
            }
        }
    }

    /// The other nodes on which somebody may be whom a question is for.
    pub(super) fn nodes_asked(&self, target: &Target) -> BTreeSet<NodeId> {
        let Some(bridge) = self.bridge.as_ref().filter(|_| !target.local) else { return BTreeSet::new() };
        let there = bridge.nodes();
        match &target.who {
            Who::AnyOf(_) => BTreeSet::new(),
            // Where a session is that is not here is not known: it may have moved.
            Who::Union { rooms, sessions, users }
                if rooms.is_empty()
                    && users.is_empty()
                    && sessions.iter().all(|session| self.is_here(session)) =>
            {
                BTreeSet::new()
            }
            Who::Union { .. } | Who::Everyone => there.into_iter().collect(),
        }
    }

    /// The other nodes on which any one member may be, in an order by chance.
    pub(super) fn nodes_of_any(&self, target: &Target) -> Vec<NodeId> {
        let any = matches!(target.who, Who::AnyOf(_)) && !target.local;
        let mut nodes = self.bridge.as_ref().filter(|_| any).map(|bridge| bridge.nodes()).unwrap_or_default();
        nodes.sort_by_cached_key(|_| clock::random_u64());
        nodes
    }

    /// Asks on other nodes.
    pub(super) fn ask_nodes(
        &self,
        nodes: &BTreeSet<NodeId>,
        event: (&str, &Target, &Frame),
        token: EventId,
        timeout: Duration,
    ) {
        if let Some(bridge) = &self.bridge {
            nodes.iter().for_each(|node| bridge.ask(*node, event, token, timeout));
        }
    }

    fn lose_node(self: &Arc<Self>, bridge: &Bridge, node: NodeId) {
        tracing::info!(%node, "another node is gone");
        self.count_nodes(bridge);
        self.node_gone(node);
        self.lose_owner(bridge, node);
        self.turns.lock().forget(clock::now());
        self.lose_errands(node);
        self.lose_calls(node, None);
        self.lose_moved(node);
        self.beyond.lock().lose(node);
        self.teller.iter().for_each(|teller| teller.lose(node));
        self.settle_change(self.hub.lose_node(node, clock::now()));
    }

    /// Whether what is missing at a place can be read: there rooms keep it.
    fn is_mended(&self, place: &Place) -> bool {
        matches!(place, Place::Room { namespace, .. } if self.keeps_history(namespace))
    }

    /// Nobody listens at a place any more.
    fn forget_place(&self, gaps: &mut Gaps, place: &Place) {
        gaps.forget(place);
        if let Place::Room { namespace, room } = place {
            self.mirror.lock().forget(namespace, room);
            self.hub.forget_others(namespace, room);
        }
    }

    fn count_nodes(&self, bridge: &Bridge) {
        self.metrics.nodes.set(i64::try_from(bridge.nodes().len()).unwrap_or(i64::MAX));
    }

    /// Tells the other nodes that this one will not be heard again, and whether it has answered everything that it has done.
    pub fn say_goodbye(&self, all_answered: bool) {
        if let Some(bridge) = &self.bridge {
            bridge.say_goodbye(all_answered);
        }
    }

    /// Tells those who are at a place that something may be missing there.
    fn tell_gap(&self, place: &Place) {
        let (namespace, room) = match place {
            Place::Room { namespace, room } => (namespace, &**room),
            Place::Namespace(namespace) => (namespace, ""),
            Place::Node(_) | Place::Home(_) | Place::Cluster => return,
        };
        self.metrics.bridge_gaps.inc();
        let rooms = if room.is_empty() { Vec::new() } else { vec![room.to_owned()] };
        let missed = v1::Missed { namespace: namespace.to_string(), rooms, ..Default::default() };
        self.close_behind(self.hub.notify(namespace, room, &Frame::missed(missed), clock::now()));
    }

    fn is_empty(&self, place: &Place) -> bool {
        match place {
            Place::Room { namespace, room } => self.hub.is_empty(namespace, room),
            Place::Namespace(namespace) => self.hub.is_empty(namespace, ""),
            Place::Home(node) => *node != self.node && !self.hub.sessions.has_of(*node),
            Place::Node(_) | Place::Cluster => false,
        }
    }
}

/// An event of another node, for those who are here. Its rooms have been charged there.
fn emission<'a>(event: &'a Carried, settings: &'a NamespaceSettings) -> Emission<'a> {
    Emission {
        namespace: &event.namespace,
        settings,
        target: &event.target,
        sender: event.sent.by.map(|session| session.key),
        what: What::Frame(&event.frame),
        charged: true,
        now: clock::now(),
    }
}

/// Nobody answers for a part of the rooms.
pub(super) fn unreachable_part() -> Refusal {
    let reason = "the node that keeps the room is not reached";
    let refusal = Refusal::new(RefusalCode::NodesUnreachable, reason);
    Refusal { retry: Retry::After(UNREACHABLE_AFTER), ..refusal }
}

pub(super) fn unreachable(error: LinkError) -> Refusal {
    let refusal = Refusal::new(RefusalCode::NodesUnreachable, error.to_string());
    Refusal { retry: Retry::After(UNREACHABLE_AFTER), ..refusal }
}
