//! The other nodes: what is said here and is for somebody there, what is said there and is for somebody here, and where this
//! node listens. A session is told that it has joined when this node is certain to hear the room.

use std::{sync::Arc, time::Duration};

use rialto_proto::v1::{self, RefusalCode};
use tokio::time::{MissedTickBehavior, interval};

use super::Router;
use crate::{
    base::{
        clock,
        config::{HistoryKind, NamespaceSettings},
        ids::RoomName,
        metrics::CauseLabel,
        refusal::{Refusal, Retry},
    },
    bridge::{Bridge, Gaps, Heard, Inbox, LinkError, Pin, Place},
    hub::{Emission, What},
    session::Session,
    wire::{Frame, target::Target},
};

/// How often it is looked where nobody is any more.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// When a client may try again that could not join because other nodes were not reached.
const UNREACHABLE_AFTER: Duration = Duration::from_secs(1);

impl Router {
    /// Says an event to the other nodes, unless it is for this one alone.
    pub(super) fn tell_others(&self, namespace: &str, target: &Target, frame: &Frame) {
        let Some(bridge) = self.bridge.as_ref().filter(|_| !target.local) else { return };
        let lost = bridge.say(namespace, target, frame);
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
        (namespace, rooms): (&str, &[RoomName]),
        then: impl FnOnce(&Self, &Arc<Session>) -> Result<(), Refusal> + Send + 'static,
    ) -> Result<(), Refusal> {
        let (Some(bridge), Some(router)) = (&self.bridge, self.this.upgrade()) else {
            return then(self, session);
        };
        let pin = self.pin(bridge, namespace, rooms);
        if let Some(state) = pin.state() {
            return state.map_err(unreachable).and_then(|()| then(self, session));
        }
        session.pipeline.block();
        let session = Arc::clone(session);
        self.tasks.spawn("hear", async move {
            let heard = pin.ready().await.map_err(unreachable);
            if let Err(refusal) = heard.and_then(|()| then(&router, &session)) {
                router.refuse(&session, reference, refusal);
            }
            drop(pin);
            router.unblocked(&session);
        });
        Ok(())
    }

    /// Whether a namespace may have these settings: histories are not shared by nodes.
    pub(super) fn may_keep(&self, settings: &NamespaceSettings) -> Result<(), Refusal> {
        if self.bridge.is_some() && settings.history != HistoryKind::Off {
            return Err(Refusal::invalid("settings.history", "cannot be had with several nodes yet"));
        }
        Ok(())
    }

    /// Listens to rooms as long as what is returned is held; there is nothing to hold where there are no other nodes.
    pub async fn hear(&self, namespace: &str, rooms: &[RoomName]) -> Result<Option<Pin>, Refusal> {
        let Some(bridge) = &self.bridge else { return Ok(None) };
        let pin = self.pin(bridge, namespace, rooms);
        pin.ready().await.map_err(unreachable)?;
        Ok(Some(pin))
    }

    fn pin(&self, bridge: &Bridge, namespace: &str, rooms: &[RoomName]) -> Pin {
        let mut places = vec![Place::Namespace(namespace.into())];
        places.extend(rooms.iter().map(|room| Place::room(namespace, room.as_str())));
        let (new, pin) = bridge.pin(places);
        for place in new {
            self.tasks.spawn("listen", bridge.open(place));
        }
        pin
    }

    /// Hands out what other nodes say, until the node stops.
    pub async fn run_inbox(self: Arc<Self>, mut inbox: Inbox) {
        let Some(bridge) = &self.bridge else { return };
        let (new, _own) = bridge.pin(vec![Place::Node(self.node)]);
        for place in new {
            self.tasks.spawn("listen", bridge.open(place));
        }
        let (mut gaps, mut state) = (Gaps::default(), bridge.state());
        let mut losses = state.borrow_and_update().losses;
        let mut sweep = interval(SWEEP_EVERY);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.tasks.stopping().cancelled() => return,
                heard = inbox.next() => {
                    let Some(heard) = heard else { return };
                    heard.into_iter().for_each(|heard| self.hand_over(&mut gaps, heard));
                }
                changed = state.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let now = state.borrow_and_update().losses;
                    if std::mem::replace(&mut losses, now) != now {
                        bridge.places().iter().for_each(|place| self.tell_gap(place));
                    }
                }
                _ = sweep.tick() => {
                    let ended = bridge.sweep(clock::now(), |place| self.is_empty(place));
                    ended.iter().for_each(|place| gaps.forget(place));
                }
            }
        }
    }

    /// Hands an event of another node to those here whom it is for.
    fn hand_over(&self, gaps: &mut Gaps, heard: Heard) {
        let verdict = gaps.note(&heard);
        if verdict.gap {
            self.tell_gap(&heard.place);
        }
        if verdict.again {
            return;
        }
        let Some(settings) = self.hub.namespaces.settings(&heard.namespace) else { return };
        let sent = self.hub.emit(Emission {
            namespace: &heard.namespace,
            settings: &settings,
            target: &heard.target,
            sender: None,
            what: What::Frame(&heard.frame),
            charged: true,
            now: clock::now(),
        });
        match sent {
            Ok(mut fan_out) => {
                if let Some(due) = fan_out.due.take() {
                    self.flush_at(due, heard.namespace, heard.target);
                }
                self.settle_heard(fan_out);
            }
            Err(held) => drop(self.let_go(held)),
        }
    }

    /// Tells those who are at a place that something may be missing there.
    fn tell_gap(&self, place: &Place) {
        let (namespace, room) = match place {
            Place::Room { namespace, room } => (namespace, &**room),
            Place::Namespace(namespace) => (namespace, ""),
            Place::Node(_) => return,
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
            Place::Node(_) => false,
        }
    }
}

fn unreachable(error: LinkError) -> Refusal {
    let refusal = Refusal::new(RefusalCode::NodesUnreachable, error.to_string());
    Refusal { retry: Retry::After(UNREACHABLE_AFTER), ..refusal }
}
