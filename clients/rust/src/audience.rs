//! Who in the application listens to what, and the way of events to them. Every queue is bounded; when one is full its
//! next item is *parked* and the conversation stops reading until there is room, so a slow application slows its own
//! session, down to HTTP/2, and nothing else. Knows no commands.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use parking_lot::Mutex;
use rialto_proto::v1;
use tokio::sync::{broadcast, mpsc};

use crate::{
    event::Reached, membership::Place, mirror::Mirror, presence::Present, roster::Roster, status::Report,
};

const REPORTS_KEPT: usize = 64;

/// What waits in the queue of a listener.
#[derive(Debug, Clone)]
pub(crate) enum Delivery {
    /// An event, and how it reached the session.
    Event(Arc<v1::Event>, Reached),
    /// Members came or went.
    Presence(Arc<v1::Presence>),
    /// Keys of a room's state became different, or are told for the first time.
    State(Arc<Vec<v1::StateEntry>>, bool),
    /// An answer.
    Reply(Box<v1::ReplyItem>),
    /// No more answers.
    Done(v1::RepliesDone),
}

/// What a listener wants to hear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interest {
    /// Only from this namespace.
    pub(crate) namespace: Option<String>,
    /// Only from this room.
    pub(crate) room: Option<String>,
    /// What kind of thing.
    pub(crate) kind: Kind,
}

/// Kinds of things to listen to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Events, or only those of one name.
    Events(Option<String>),
    /// Presence.
    Presence,
    /// Keyed state of one room.
    State,
}

impl Interest {
    fn covers_event(&self, event: &v1::Event) -> bool {
        let name = event.content.as_ref().map_or("", |content| content.event.as_str());
        let Kind::Events(wanted) = &self.kind else {
            return false;
        };
        self.namespace.as_ref().is_none_or(|namespace| *namespace == event.namespace)
            && self.room.as_ref().is_none_or(|room| event.rooms.contains(room))
            && wanted.as_ref().is_none_or(|wanted| wanted == name)
    }

    fn covers_presence(&self, presence: &v1::Presence) -> bool {
        self.kind == Kind::Presence
            && self.namespace.as_ref().is_none_or(|namespace| *namespace == presence.namespace)
            && self.room.as_ref().is_none_or(|room| *room == presence.room)
    }

    fn covers_state(&self, place: &Place) -> bool {
        self.kind == Kind::State
            && self.namespace.as_ref() == Some(&place.0)
            && self.room.as_ref() == Some(&place.1)
    }
}

/// Items that found their listener's queue full, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Parked {
    items: VecDeque<(mpsc::Sender<Delivery>, Delivery)>,
}

impl Parked {
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Hands `delivery` over, or parks it when the queue is full or others wait before it. False when nobody listens.
    pub(crate) fn offer(&mut self, listener: &mpsc::Sender<Delivery>, delivery: Delivery) -> bool {
        if !self.items.is_empty() {
            self.items.push_back((listener.clone(), delivery));
            return !listener.is_closed();
        }
        match listener.try_send(delivery) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(delivery)) => {
                self.items.push_back((listener.clone(), delivery));
                true
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        }
    }

    /// Waits until the oldest item has found room, or its listener has gone.
    ///
    /// *Cancel safety*: the item stays until it is handed over.
    pub(crate) async fn hand_over(&mut self) {
        let Some((listener, _)) = self.items.front() else {
            return;
        };
        let listener = listener.clone();
        let place = listener.reserve().await;
        let Some((_, delivery)) = self.items.pop_front() else {
            return;
        };
        if let Ok(place) = place {
            place.send(delivery);
        }
    }
}

type Listeners = Vec<(Interest, mpsc::Sender<Delivery>)>;

/// All listeners of one session. `None` once the session is over.
#[derive(Debug)]
pub(crate) struct Audience {
    listeners: Mutex<Option<Listeners>>,
    /// The state of rooms that are joined with it, for listeners who come later. Locked after `listeners`.
    mirrors: Mutex<HashMap<Place, Mirror>>,
    /// Who is in rooms that are joined with presence. Locked after `listeners`.
    rosters: Mutex<HashMap<Place, Roster>>,
    reports: Mutex<Option<broadcast::Sender<Report>>>,
}

impl Audience {
    pub(crate) fn new() -> Self {
        Self {
            listeners: Mutex::new(Some(Vec::new())),
            mirrors: Mutex::default(),
            rosters: Mutex::default(),
            reports: Mutex::new(Some(broadcast::Sender::new(REPORTS_KEPT))),
        }
    }

    /// Begins to listen; in force when it returns. The queue holds `waiting` items.
    pub(crate) fn listen(&self, interest: Interest, waiting: usize) -> mpsc::Receiver<Delivery> {
        let (sender, receiver) = mpsc::channel(waiting.max(1));
        if let Some(listeners) = self.listeners.lock().as_mut() {
            listeners.retain(|(_, listener)| !listener.is_closed());
            if let Some(state) = self.known_state(&interest) {
                // The queue is new, so there is room.
                sender.try_send(Delivery::State(Arc::new(state), true)).ok();
            }
            listeners.push((interest, sender));
        }
        receiver
    }

    /// What is known already to a listener who comes later than the state.
    fn known_state(&self, interest: &Interest) -> Option<Vec<v1::StateEntry>> {
        if interest.kind != Kind::State {
            return None;
        }
        let place = (interest.namespace.clone()?, interest.room.clone()?);
        self.current_state(&place)
    }

    /// Begins to listen to reports.
    pub(crate) fn reports(&self) -> broadcast::Receiver<Report> {
        match self.reports.lock().as_ref() {
            Some(reports) => reports.subscribe(),
            None => broadcast::Sender::new(1).subscribe(),
        }
    }

    /// Gives an event to all who want it.
    pub(crate) fn event(&self, event: v1::Event, reached: Reached, parked: &mut Parked) {
        let event = Arc::new(event);
        let copy = || Delivery::Event(Arc::clone(&event), reached);
        give(&mut self.listeners.lock(), parked, |interest| interest.covers_event(&event), &copy);
    }

    /// Gives a change of membership to all who want it. True when names are missing by now that could be there: not after one
    /// that names nobody, which is said where they are too long to be told.
    pub(crate) fn presence(&self, presence: v1::Presence, parked: &mut Parked) -> bool {
        let mut listeners = self.listeners.lock();
        let names = !presence.joined.is_empty() || !presence.left.is_empty();
        let place = (presence.namespace.clone(), presence.room.clone());
        let has_hole = self.rosters.lock().get_mut(&place).is_some_and(|roster| {
            roster.changed(&presence);
            names && roster.has_hole()
        });
        give_presence(&mut listeners, presence, parked);
        has_hole
    }

    /// A join with presence was answered. Who knew the room before is told what became different since.
    pub(crate) fn found(&self, namespace: &str, state: &v1::RoomState, parked: &mut Parked) {
        let mut listeners = self.listeners.lock();
        let mut rosters = self.rosters.lock();
        let place = (namespace.to_owned(), state.room.clone());
        let was_known = rosters.contains_key(&place);
        let roster = rosters.entry(place).or_default();
        let news = roster.found(namespace, state).filter(|_| was_known);
        drop(rosters);
        if let Some(presence) = news {
            give_presence(&mut listeners, presence, parked);
        }
    }

    /// Who is in a room now; `None` unless it is joined with presence.
    pub(crate) fn present(&self, place: &Place) -> Option<Present> {
        self.rosters.lock().get(place).map(Roster::present)
    }

    /// The keys of a room; `None` unless it is joined with its state, and all of that has come.
    pub(crate) fn current_state(&self, place: &Place) -> Option<Vec<v1::StateEntry>> {
        self.mirrors.lock().get(place)?.whole()
    }

    /// Gives a change of keyed state to all who watch it.
    pub(crate) fn state(&self, changes: v1::StateChanges, parked: &mut Parked) {
        let place = (changes.namespace.clone(), changes.room.clone());
        let mut listeners = self.listeners.lock();
        let Some((news, first)) = self.mirrors.lock().entry(place.clone()).or_default().take(changes) else {
            return;
        };
        let news = Arc::new(news);
        let copy = || Delivery::State(Arc::clone(&news), first);
        give(&mut listeners, parked, |interest| interest.covers_state(&place), &copy);
    }

    /// The session has left these rooms, or the whole namespace: what is in them is no longer told.
    pub(crate) fn parted(&self, namespace: &str, rooms: Option<&[String]>) {
        let gone = |place: &Place| place.0 == namespace && rooms.is_none_or(|rooms| rooms.contains(&place.1));
        self.mirrors.lock().retain(|place, _| !gone(place));
        self.rosters.lock().retain(|place, _| !gone(place));
    }

    /// Tells a report to those who want to know.
    pub(crate) fn tell(&self, report: Report) {
        tracing::debug!(?report, "session report");
        if let Some(reports) = self.reports.lock().as_ref() {
            // Nobody listening is no fault.
            reports.send(report).ok();
        }
    }

    /// Ends all streams: they give what they still hold, and then nothing.
    pub(crate) fn dismiss(&self) {
        self.listeners.lock().take();
        self.mirrors.lock().clear();
        self.rosters.lock().clear();
        self.reports.lock().take();
    }
}

fn give_presence(listeners: &mut Option<Listeners>, presence: v1::Presence, parked: &mut Parked) {
    let presence = Arc::new(presence);
    let copy = || Delivery::Presence(Arc::clone(&presence));
    give(listeners, parked, |interest| interest.covers_presence(&presence), &copy);
}

fn give(
    listeners: &mut Option<Listeners>,
    parked: &mut Parked,
    wants: impl Fn(&Interest) -> bool,
    copy: &dyn Fn() -> Delivery,
) {
    if let Some(listeners) = listeners {
        listeners.retain(|(interest, listener)| !wants(interest) || parked.offer(listener, copy()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interest(namespace: &str, room: Option<&str>) -> Interest {
        Interest { namespace: Some(namespace.into()), room: room.map(Into::into), kind: Kind::Events(None) }
    }

    fn event(namespace: &str, rooms: &[&str], name: &str) -> v1::Event {
        v1::Event {
            namespace: namespace.into(),
            rooms: rooms.iter().map(|room| (*room).to_owned()).collect(),
            content: Some(v1::Content { event: name.into(), ..v1::Content::default() }),
            ..v1::Event::default()
        }
    }

    #[test]
    fn each_listener_hears_what_it_asked_for_once() {
        let audience = Audience::new();
        let mut room = audience.listen(interest("chat", Some("a")), 8);
        let mut namespace = audience.listen(interest("chat", None), 8);
        let named = Interest { kind: Kind::Events(Some("typing".into())), ..interest("chat", None) };
        let mut named = audience.listen(named, 8);
        let mut parked = Parked::default();
        audience.event(event("chat", &["a", "b"], "message"), Reached::default(), &mut parked);
        audience.event(event("chat", &["b"], "typing"), Reached::default(), &mut parked);
        audience.event(event("other", &["a"], "message"), Reached::default(), &mut parked);
        audience.dismiss();
        let count =
            |receiver: &mut mpsc::Receiver<Delivery>| std::iter::from_fn(|| receiver.try_recv().ok()).count();
        assert_eq!((count(&mut room), count(&mut namespace), count(&mut named)), (1, 2, 1));
    }

    #[tokio::test]
    async fn what_finds_a_queue_full_waits_in_order() {
        let audience = Audience::new();
        let mut slow = audience.listen(interest("chat", None), 1);
        let mut parked = Parked::default();
        for name in ["one", "two", "three"] {
            audience.event(event("chat", &[], name), Reached::default(), &mut parked);
        }
        let mut heard = Vec::new();
        while !parked.is_empty() {
            let Some(Delivery::Event(event, _)) = slow.recv().await else { panic!("the queue has ended") };
            heard.push(event.content.clone().unwrap().event);
            parked.hand_over().await;
        }
        assert_eq!(heard, ["one", "two"]);
    }

    #[tokio::test]
    async fn a_listener_that_has_gone_holds_nobody_up() {
        let audience = Audience::new();
        let slow = audience.listen(interest("chat", None), 1);
        let mut parked = Parked::default();
        audience.event(event("chat", &[], "one"), Reached::default(), &mut parked);
        audience.event(event("chat", &[], "two"), Reached::default(), &mut parked);
        drop(slow);
        parked.hand_over().await;
        assert!(parked.is_empty());
        audience.event(event("chat", &[], "three"), Reached::default(), &mut parked);
        assert!(parked.is_empty());
    }
}
