//! Asking the owner of a part, wherever it is: carried out here when it is this node, and otherwise sent to it. And the other
//! side of that: what other nodes ask this one.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use rialto_proto::{
    node::{Request, Response, response},
    v1::{self, Accepted, RefusalCode},
};
use tokio::sync::oneshot;

use super::{
    Router,
    asked_wire::{checked, wire, wire_answer},
    asking::{Answer, Answered, Ask, Asked, At, Place, Turned},
    keep::storage_failed,
    keeping::{Done, Keeping, Taken},
    others::unreachable_part,
    part::{Owner, Part},
};
use crate::{
    base::{
        clock,
        ids::NodeId,
        refusal::{Refusal, Retry},
    },
    bridge::Bridge,
    hub::{self, FanOut},
    wire::frame,
};

/// An owner that was not heard for so long is not asked, and a former one will not answer what it was.
pub(super) const SILENT_MAX: Duration = Duration::from_millis(1_500);

impl Router {
    /// Asks the owner of a part. `answered` hears of it, at once or later.
    pub(super) fn ask_owner(&self, part: u32, what: Ask, answered: Answered) {
        let Some(router) = self.this.upgrade() else { return };
        let Some(bridge) = &self.bridge else {
            return match self.parts.here(part) {
                Some(here) => router.carry_out_asked(&here, what, answered),
                None => answered(&router, Err(storage_failed())),
            };
        };
        let Some(queue) = self.asking.get(part as usize) else { return };
        let refused = {
            // Numbers rise in each queue.
            let mut queue = queue.lock();
            let id = self.next_ask.fetch_add(1, Ordering::Relaxed);
            queue.push(Asked::new(id, what, clock::now(), answered))
        };
        match refused {
            Ok(()) => router.advance_part(bridge, part),
            Err(asked) => (asked.answered)(&router, Err(Refusal::rate("log", Duration::from_millis(20)))),
        }
    }

    /// The same, waited for.
    pub(super) async fn ask_owner_of(&self, part: u32, what: Ask) -> Result<Answer, Refusal> {
        let (tells, hears) = oneshot::channel();
        // The caller may have gone: then nobody wants to know.
        self.ask_owner(part, what, Box::new(move |_, outcome| drop(tells.send(outcome))));
        hears.await.unwrap_or_else(|_| Err(Refusal::draining()))
    }

    /// Sees to what waits for the owner of a part.
    pub(super) fn advance_part(self: &Arc<Self>, bridge: &Bridge, part: u32) {
        let Some(queue) = self.asking.get(part as usize) else { return };
        if !queue.lock().begin() {
            return;
        }
        loop {
            let (next, owner) = {
                let mut queue = queue.lock();
                let owner = match self.parts.owner(part) {
                    // What it is sent now it may never see. It is heard again, or has a successor soon.
                    Owner::There(node) if bridge.silent(node, clock::now()) > SILENT_MAX => Owner::Nobody,
                    owner => owner,
                };
                (queue.next(at(&owner)), owner)
            };
            let Some(asked) = next else { return };
            match owner {
                Owner::Here(here) => self.carry_out_asked(&here, asked.what, asked.answered),
                Owner::There(node) => self.send_asked(bridge, (part, node), asked),
                Owner::Nobody => {}
            }
        }
    }

    fn send_asked(self: &Arc<Self>, bridge: &Bridge, (part, node): (u32, NodeId), mut asked: Asked) {
        asked.again = clock::now() + asked.patience;
        let (id, what) = (asked.id, Some(wire(&asked.what)));
        if let Ask::Keep(keeping) = &asked.what {
            self.awaited.lock().insert(keeping.event.event_id.clone(), 0);
        }
        // It is put in before it can be answered.
        let Some(queue) = self.asking.get(part as usize) else { return };
        let Place { turn, number } = queue.lock().sent(node, asked);
        if !bridge.request(node, Request { id, part, what, turn, place: number }) {
            let unsent = queue.lock().unsent(id);
            if let Some(asked) = unsent {
                self.forget_awaited(&asked.what);
                (asked.answered)(self, Err(unreachable_part()));
            }
        }
    }

    /// Hears what an owner has answered.
    pub(super) fn hear_response(self: &Arc<Self>, bridge: &Bridge, from: NodeId, response: Response) {
        let Response { id, part, what } = response;
        let Some(queue) = self.asking.get(part as usize) else { return };
        match what {
            Some(response::What::NotTaken(refused)) => queue.lock().refused(from, refused),
            what => {
                let asked = queue.lock().answered(from, id);
                if let Some(asked) = asked {
                    let outcome = self.read_answer(&asked.what, what);
                    (asked.answered)(self, outcome);
                }
            }
        }
        self.advance_part(bridge, part);
    }

    fn read_answer(&self, asked: &Ask, what: Option<response::What>) -> Result<Answer, Refusal> {
        Ok(match what.ok_or_else(storage_failed)? {
            response::What::Refused(refused) => {
                self.forget_awaited(asked);
                return Err(frame::refusal(refused.refused.unwrap_or_default(), &refused.field));
            }
            response::What::Accepted(accepted) => {
                let delivered = self.forget_awaited(asked);
                let accepted = Accepted { recipients_here: delivered, ..accepted };
                Answer::Taken(Box::new(Taken { accepted, fan_out: FanOut::default() }))
            }
            response::What::Set(set) => Answer::Set(set),
            response::What::Heads(list) => Answer::Heads(list.heads),
            response::What::Events(page) => Answer::Events(checked(asked, page)?),
            response::What::State(page) => Answer::State(page),
            response::What::History(page) => Answer::History(page),
            response::What::Keys(page) => Answer::Keys(page),
            response::What::NotTaken(_) => return Err(unreachable_part()),
        })
    }

    /// How many sessions of this node an event has reached that another one keeps.
    fn forget_awaited(&self, asked: &Ask) -> u32 {
        let Ask::Keep(keeping) = asked else { return 0 };
        self.awaited.lock().remove(&keeping.event.event_id).unwrap_or_default()
    }

    /// An event of another node has reached so many sessions here: if this one has asked for it, it waits to know.
    pub(super) fn count_awaited(&self, event_id: &str, delivered: u32) {
        if let Some(reached) = self.awaited.lock().get_mut(event_id) {
            *reached += delivered;
        }
    }

    /// A node is gone: nobody waits for it any more.
    pub(super) fn lose_owner(self: &Arc<Self>, bridge: &Bridge, node: NodeId) {
        for part in 0..self.parts.count() {
            self.lose_owner_of(bridge, part, node);
        }
    }

    /// A node is gone that has answered everything that it has done: what else it was asked others may do.
    pub(super) fn leave_owner(self: &Arc<Self>, bridge: &Bridge, node: NodeId) {
        for (part, queue) in (0..).zip(&self.asking) {
            let unknown = queue.lock().left(node);
            self.give_up_asking(unknown);
            self.advance_part(bridge, part);
        }
    }

    /// A node does not own a part any more. What it was asked it will answer, if it is there.
    pub(super) fn replace_owner(self: &Arc<Self>, bridge: &Bridge, part: u32, node: NodeId) {
        if bridge.silent(node, clock::now()) > SILENT_MAX {
            self.lose_owner_of(bridge, part, node);
        }
    }

    fn lose_owner_of(self: &Arc<Self>, bridge: &Bridge, part: u32, node: NodeId) {
        let Some(queue) = self.asking.get(part as usize) else { return };
        self.lose_calls(node, Some(part));
        let unknown = queue.lock().lost(node);
        self.give_up_asking(unknown);
        self.advance_part(bridge, part);
    }

    fn give_up_asking(self: &Arc<Self>, unknown: Vec<Asked>) {
        for asked in unknown {
            self.forget_awaited(&asked.what);
            (asked.answered)(self, Err(outcome_unknown()));
        }
    }

    /// Gives up on what was waited for too long, and on former owners that are not heard any more; asks again what was refused, and
    /// what only reads and was not answered.
    pub(super) fn tick_asking(self: &Arc<Self>, bridge: &Bridge) {
        for (part, queue) in (0..).zip(&self.asking) {
            let former = queue.lock().former(at(&self.parts.owner(part)));
            if let Some(node) = former {
                self.replace_owner(bridge, part, node);
            }
            let late = {
                let mut queue = queue.lock();
                queue.ask_again(clock::now(), || self.next_ask.fetch_add(1, Ordering::Relaxed));
                queue.tick(clock::now())
            };
            for asked in late {
                self.forget_awaited(&asked.what);
                (asked.answered)(self, Err(unreachable_part()));
            }
            self.advance_part(bridge, part);
        }
    }

    /// Waits until nothing is asked any more.
    pub(super) async fn nothing_asked(&self) {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        while self.asking.iter().any(|queue| !queue.lock().is_empty()) {
            ticks.tick().await;
        }
    }

    /// Keeps an event with the owner of a part.
    pub(super) fn keep_afar(&self, part: u32, keeping: Keeping, done: Done) {
        let answered: Answered = Box::new(move |router, outcome| match outcome {
            Ok(Answer::Taken(taken)) => done(router, Ok(*taken)),
            Ok(_) => done(router, Err(storage_failed())),
            Err(refusal) => done(router, Err(refusal)),
        });
        self.ask_owner(part, Ask::Keep(Box::new(keeping)), answered);
    }

    /// Does what the owner of a part is asked for. The part is here.
    fn carry_out_asked(self: &Arc<Self>, part: &Arc<Part>, what: Ask, answered: Answered) {
        let router = Arc::clone(self);
        match what {
            Ask::Keep(keeping) => {
                let done: Done = Box::new(move |_, outcome| {
                    answered(&router, outcome.map(|taken| Answer::Taken(Box::new(taken))));
                });
                self.keep_here(part, *keeping, done);
            }
            Ask::Set(set, by) => {
                let Some(settings) = self.hub.namespaces.settings(set.namespace.as_str()) else {
                    return answered(self, Err(hub::unknown()));
                };
                let done = Box::new(move |_: &Self, outcome: Result<v1::StateSet, Refusal>| {
                    answered(&router, outcome.map(Answer::Set));
                });
                self.take_state(part, &settings, (*set, by), done);
            }
            Ask::Heads(namespace, rooms) => {
                let heads = rooms.iter().map(|room| part.histories.stand(&namespace, room));
                answered(self, Ok(Answer::Heads(heads.collect())));
            }
            reading => {
                let part = Arc::clone(part);
                self.tasks.spawn("read", async move {
                    let read = part.read(reading).await;
                    answered(&router, read);
                });
            }
        }
    }

    /// Does what another node asks, if the part is here.
    pub(super) fn hear_request(self: &Arc<Self>, bridge: &Arc<Bridge>, from: NodeId, request: Request) {
        let Request { id, part, what, turn, place } = request;
        let respond = {
            let bridge = Arc::clone(bridge);
            move |what| bridge.respond(from, Response { id, part, what: Some(what) })
        };
        let here = self.parts.here(part);
        if part >= self.parts.count() {
            return respond(wire_answer(Err(Refusal::invalid("part", "does not exist"))));
        }
        let place = Place { turn, number: place };
        let turned = self.turns.lock().turn((from, part), place, here.is_some(), clock::now());
        let here = match (turned, here) {
            (Turned::Take, Some(here)) => here,
            (Turned::Refuse(refused), _) => return respond(response::What::NotTaken(refused)),
            (Turned::Take | Turned::PassOver, _) => return,
        };
        match what.ok_or_else(|| Refusal::invalid("what", "is missing")).and_then(|what| self.parse_ask(what))
        {
            Ok(what) => {
                let answered: Answered = Box::new(move |router, outcome| match outcome {
                    Ok(Answer::Taken(taken)) => {
                        router.settle_heard(taken.fan_out);
                        respond(response::What::Accepted(taken.accepted));
                    }
                    outcome => respond(wire_answer(outcome)),
                });
                self.carry_out_asked(&here, what, answered);
            }
            Err(refusal) => respond(wire_answer(Err(refusal))),
        }
    }
}

fn at(owner: &Owner) -> At {
    match owner {
        Owner::Here(_) => At::Here,
        Owner::There(node) => At::There(*node),
        Owner::Nobody => At::Nowhere,
    }
}

/// Its owner went away while it was asked.
fn outcome_unknown() -> Refusal {
    let reason = "the node that keeps the room went away; the outcome is not known";
    let refusal = Refusal::new(RefusalCode::NodesUnreachable, reason);
    Refusal { retry: Retry::After(Duration::from_secs(1)), ..refusal }
}
