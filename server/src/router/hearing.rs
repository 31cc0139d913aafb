//! What the owners of rooms say: events and changes of states, each in its turn. What was not heard is read from the owner and
//! handed out in its place; what cannot be had any more is told as missed.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rialto_proto::{
    node::{EventPage, Head},
    v1::{self, Accepted, Missed, RefusalCode, server_frame::Frame as Body},
};
use tokio::time::{interval, timeout};

use super::{
    Router,
    asking::{Answer, Answered, Ask},
    keeping::Keeping,
    mirror::{Change, Hole, Missing, Turn, Wait},
    others::unreachable_part,
    owed::missed,
    part::{Owner, Part},
};
use crate::{
    base::{clock, ids::RoomName, refusal::Refusal},
    bridge::{Carried, Changed},
    history::Staged,
    hub::{Emission, What},
    session::owed::{StateAfter, Stretch},
    wire::{
        Frame,
        frame::{Sent, sender},
        target::{Target, Who},
    },
};

/// Rooms about which an owner is asked at once.
const HEADS_MAX: usize = 256;

/// How often it is looked whether a node is as far as the owner of a room that somebody joins.
const LEVEL_EVERY: Duration = Duration::from_millis(5);
/// A node is as far within so long: what cannot be read is given up.
const LEVEL_WITHIN: Duration = Duration::from_secs(12);

impl Router {
    /// Tells the other nodes of an event that was kept here.
    pub(super) fn tell_kept(&self, keeping: &Keeping, staged: &Staged) {
        let Some(bridge) = &self.bridge else { return };
        let positions = positions(&staged.accepted, &keeping.rooms);
        let event = (keeping.namespace.as_str(), &keeping.target, &staged.frame);
        self.count_lost(bridge.say_kept(event, positions, |session| self.is_here(session)));
    }

    /// Notes that an event was handed out here that is kept here.
    pub(super) fn mirror_kept(&self, namespace: &str, accepted: &Accepted, rooms: &[RoomName]) {
        if self.bridge.is_some() {
            self.mirror.lock().advance(namespace, &positions(accepted, rooms));
        }
    }

    /// Notes that a change of a state was told here that is kept here.
    pub(super) fn mirror_change(&self, namespace: &str, room: &str, change: (&str, u64)) {
        if self.bridge.is_some() {
            self.mirror.lock().change(namespace, room, change);
        }
    }

    /// Hands an event of another node that rooms keep to those here whom it is for, when its turn has come.
    pub(super) fn hear_kept(self: &Arc<Self>, event: Carried) {
        let mut mirror = self.mirror.lock();
        match mirror.turn(&event.namespace, &event.positions) {
            Turn::Again => {}
            Turn::Next => {
                drop(mirror);
                self.hand_out_kept(&event);
            }
            Turn::Early(hole) => {
                let namespace = event.namespace.clone();
                let wait = mirror.hold(&namespace, &hole, event);
                drop(mirror);
                if wait == Wait::Begins {
                    self.read_hole(&namespace, hole);
                }
            }
            Turn::OtherLife(at) => {
                let ended = mirror.end_life(&event.namespace, &at);
                drop(mirror);
                self.tell_other_life(&event.namespace, &at.room, ended);
                self.hear_kept(event);
            }
        }
    }

    fn hand_out_kept(&self, event: &Carried) {
        let Some(settings) = self.hub.namespaces.settings(&event.namespace) else { return };
        let show = || {
            // What is read in one place may be heard in another meanwhile.
            let new = self.mirror.lock().advance(&event.namespace, &event.positions);
            if new { Ok(event.frame.clone()) } else { Err(Refusal::new(RefusalCode::Internal, "again")) }
        };
        let emission = Emission {
            namespace: &event.namespace,
            settings: &settings,
            target: &event.target,
            sender: event.sent.by.map(|session| session.key),
            what: What::Made(&show),
            charged: true,
            now: clock::now(),
        };
        match self.hub.emit(emission) {
            Ok(mut fan_out) => {
                if let Some(due) = fan_out.due.take() {
                    self.flush_at(due, event.namespace.clone(), event.target.clone());
                }
                self.count_awaited(&event.sent.event_id, fan_out.delivered);
                self.settle_heard(fan_out);
            }
            Err(held) => drop(self.let_go(held)),
        }
    }

    /// Has what was not heard read from its owner.
    fn read_hole(self: &Arc<Self>, namespace: &str, hole: Hole) {
        let (router, namespace) = (Arc::clone(self), namespace.to_owned());
        self.tasks.spawn("mend", async move { router.fill_hole(&namespace, hole, None).await });
    }

    /// Reads what was not heard, a page at a time, and hands it out, and then what has waited behind it. `here`: from a part
    /// that is about to be here.
    async fn fill_hole(self: &Arc<Self>, namespace: &str, mut hole: Hole, here: Option<&Part>) {
        self.metrics.bridge_gaps.inc();
        let part = self.parts.of(namespace, &hole.room);
        loop {
            let ask = Ask::Events(stretch(namespace, &hole));
            let read = match here {
                Some(here) => here.read(ask).await,
                None => self.ask_owner_of(part, ask).await,
            };
            let Ok(Answer::Events(page)) = read else { return self.give_up(namespace, &hole) };
            if page.lost {
                return self.give_up(namespace, &hole);
            }
            let next = page.next;
            self.fill(namespace, &hole, page);
            if next == 0 {
                return self.go_on(namespace, &hole);
            }
            hole.from = next;
        }
    }

    /// Hands out a page of what was not heard.
    fn fill(&self, namespace: &str, hole: &Hole, page: EventPage) {
        if page.gone_from > 0 {
            self.tell_missed(namespace, hole, (page.gone_from, page.gone_to));
        }
        for kept in page.events {
            let Ok(room) = RoomName::try_from(hole.room.clone()) else { return };
            let mut target =
                Target::of(Who::Union { rooms: vec![room], sessions: Vec::new(), users: Vec::new() });
            target.include_sender = kept.excluded.is_empty();
            let (frame, namespace) = (Frame::kept(kept.record), namespace.to_owned());
            let sent =
                Sent { event_id: String::new(), by: frame.to_event().and_then(|event| sender(&event)) };
            let (room, epoch, offset) = (hole.room.clone(), hole.epoch.clone(), kept.offset);
            let positions = vec![v1::RoomPosition { room, epoch, offset }];
            self.hand_out_kept(&Carried { namespace, target, frame, sent, positions });
        }
    }

    /// What was not heard is not to be had.
    fn give_up(self: &Arc<Self>, namespace: &str, hole: &Hole) {
        let missing = self.mirror.lock().give_up(namespace, hole);
        if let Some(missing) = missing {
            self.tell_missed(namespace, hole, missing);
        }
        self.go_on(namespace, hole);
    }

    /// Hands out what has waited behind a hole.
    fn go_on(self: &Arc<Self>, namespace: &str, hole: &Hole) {
        let waited = self.mirror.lock().repaired(namespace, hole);
        waited.into_iter().for_each(|event| self.hear_kept(event));
        // The owner may have told meanwhile that there is more.
        let behind = self.mirror.lock().behind(namespace, &hole.room);
        if let Some(hole) = behind {
            self.read_hole(namespace, hole);
        }
    }

    fn tell_missed(&self, namespace: &str, hole: &Hole, (from, to): (u64, u64)) {
        let frame = missed(&stretch(namespace, hole), from, to);
        self.close_behind(self.hub.notify(namespace, &hole.room, &frame, clock::now()));
    }

    /// Tells that something may be missing of a life that is over.
    fn tell_other_life(&self, namespace: &str, room: &str, ended: Option<(String, u64)>) {
        let Some((epoch, from)) = ended else { return };
        let missed = Missed {
            namespace: namespace.to_owned(),
            rooms: vec![room.to_owned()],
            count: 0,
            from_offset: Some(from),
            to_offset: None,
            epoch,
        };
        self.close_behind(self.hub.notify(namespace, room, &Frame::missed(missed), clock::now()));
    }

    /// Tells those here of a change that another node keeps.
    pub(super) fn hear_state(&self, changed: Changed) {
        let Changed { namespace, room, epoch, entry } = changed;
        let turn = self.mirror.lock().change(&namespace, &room, (&epoch, entry.revision));
        match turn {
            Change::Again => {}
            Change::Next => self.hub.tell_state(&namespace, &room, || {
                let before = after(&namespace, &room, (epoch.clone(), entry.revision.saturating_sub(1)));
                let changes = v1::StateChanges {
                    namespace: namespace.clone(),
                    room: room.clone(),
                    epoch,
                    entries: vec![entry],
                    reset: false,
                    complete: true,
                };
                Some((Frame::answer(0, Body::StateChanges(changes)), before))
            }),
            // What is missing is read from the owner, and this with it.
            Change::After { epoch, revision } => {
                self.hub.owe_state(&namespace, &room, &after(&namespace, &room, (epoch, revision)), None);
            }
        }
    }

    /// Asks the owners how far rooms are, so that what is new from now on is known to be new, and waits until this node is as far:
    /// who comes from another node may have seen more than was handed out here.
    pub(super) async fn begin_mirror(&self, namespace: &str, rooms: &[RoomName]) -> Result<(), Refusal> {
        let mut parts: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        for room in rooms {
            let part = self.parts.of(namespace, room.as_str());
            parts.entry(part).or_default().push(room.as_str().to_owned());
        }
        let asked = parts.into_iter().map(|(part, rooms)| self.ask_heads(part, namespace, rooms));
        futures_util::future::try_join_all(asked).await?;
        let level = async {
            let mut ticks = interval(LEVEL_EVERY);
            while rooms.iter().any(|room| self.mirror.lock().is_behind(namespace, room.as_str())) {
                ticks.tick().await;
            }
        };
        timeout(LEVEL_WITHIN, level).await.map_err(|_| unreachable_part())
    }

    /// Asks the owner of a part how far rooms are, and has read what was not heard.
    async fn ask_heads(&self, part: u32, namespace: &str, rooms: Vec<String>) -> Result<(), Refusal> {
        let (tells, hears) = tokio::sync::oneshot::channel();
        let (name, asked) = (namespace.to_owned(), rooms.clone());
        let answered: Answered = Box::new(move |router, outcome| {
            let begun = outcome.map(|answer| {
                let Answer::Heads(heads) = answer else { return };
                rooms.iter().zip(&heads).for_each(|(room, head)| router.begin_room(&name, room, head));
            });
            // The caller may have gone: then nobody wants to know.
            drop(tells.send(begun));
        });
        self.ask_owner(part, Ask::Heads(namespace.to_owned(), asked), answered);
        hears.await.unwrap_or_else(|_| Err(Refusal::draining()))
    }

    fn begin_room(self: &Arc<Self>, namespace: &str, room: &str, head: &Head) {
        let Missing { hole, ended, state } = {
            let mut mirror = self.mirror.lock();
            // What a former owner says late is not what there is.
            let here = self.parts.here(self.parts.of(namespace, room));
            let own = here.map(|here| here.histories.stand(namespace, room));
            mirror.begin(namespace, room, own.as_ref().unwrap_or(head))
        };
        self.tell_other_life(namespace, room, ended);
        if let Some(before) = state {
            self.hub.owe_state(namespace, room, &after(namespace, room, before), None);
        }
        if let Some(hole) = hole {
            self.read_hole(namespace, hole);
        }
    }

    /// Hands out what is kept in a part that is about to be here and was not heard.
    pub(super) async fn mend_here(self: &Arc<Self>, part: &Part) {
        let rooms = self.mirror.lock().all();
        for (namespace, room) in rooms {
            if self.parts.of(&namespace, &room) != part.number {
                continue;
            }
            let head = part.histories.stand(&namespace, &room);
            let Missing { hole, ended, state } = self.mirror.lock().begin(&namespace, &room, &head);
            self.tell_other_life(&namespace, &room, ended);
            if let Some(before) = state {
                self.hub.owe_state(&namespace, &room, &after(&namespace, &room, before), None);
            }
            let hole = hole.or_else(|| self.mirror.lock().behind_here(&namespace, &room));
            if let Some(hole) = hole {
                self.fill_hole(&namespace, hole, Some(part)).await;
            }
        }
    }

    /// A part is here from now on, if everything of it was handed out: what a former owner had said may have come in that moment.
    pub(super) fn begin_here(&self, part: &Arc<Part>) -> bool {
        let mirror = self.mirror.lock();
        let of = |(namespace, room): &(String, String)| self.parts.of(namespace, room) == part.number;
        let is_level = mirror.all().into_iter().filter(of).all(|(namespace, room)| {
            mirror.is_level(&namespace, &room, &part.histories.stand(&namespace, &room))
        });
        if is_level {
            self.parts.set(part.number, Owner::Here(Arc::clone(part)));
        }
        is_level
    }

    /// Finds out what was not heard of rooms that this node listens to: of those in one part, or of all.
    pub(super) async fn mend(self: Arc<Self>, part: Option<u32>) {
        let mut known: BTreeMap<(u32, String), Vec<String>> = BTreeMap::new();
        for (namespace, room) in self.mirror.lock().all() {
            let of = self.parts.of(&namespace, &room);
            if part.is_none_or(|part| part == of) {
                known.entry((of, namespace)).or_default().push(room);
            }
        }
        for ((part, namespace), rooms) in known {
            for rooms in rooms.chunks(HEADS_MAX) {
                if let Err(error) = self.ask_heads(part, &namespace, rooms.to_vec()).await {
                    tracing::warn!(part, %error, "it is not known whether something was missed");
                }
            }
        }
    }
}

/// Where rooms keep an event. One room has only its offset told.
fn positions(accepted: &Accepted, rooms: &[RoomName]) -> Vec<v1::RoomPosition> {
    match (accepted.offset, rooms) {
        (Some(offset), [room]) => {
            let (room, epoch) = (room.as_str().to_owned(), accepted.epoch.clone());
            vec![v1::RoomPosition { room, epoch, offset }]
        }
        _ => accepted.positions.clone(),
    }
}

fn stretch(namespace: &str, hole: &Hole) -> Stretch {
    Stretch {
        namespace: namespace.into(),
        room: hole.room.as_str().into(),
        epoch: hole.epoch.clone(),
        from: hole.from,
        to: hole.to,
    }
}

fn after(namespace: &str, room: &str, (epoch, revision): (String, u64)) -> StateAfter {
    StateAfter { namespace: namespace.into(), room: room.into(), epoch, revision, known: revision }
}
