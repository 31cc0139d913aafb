//! What the owner of a part is asked, and what it answers, as messages between nodes, and back. What comes from another node
//! is checked like what comes from a client.

use rialto_proto::node::{self, request, response};

use super::{
    Router,
    asking::{Answer, Ask},
    keep::storage_failed,
    keeping::Keeping,
};
use crate::{
    base::{ids::NamespaceName, refusal::Refusal},
    bridge::{class_of, fanout_class},
    hub,
    session::owed::{StateAfter, Stretch},
    wire::{Class, Frame, frame, state::SetState, target::Target},
};

impl Router {
    /// Checks what another node asks, like what a client does.
    pub(super) fn parse_ask(&self, what: request::What) -> Result<Ask, Refusal> {
        Ok(match what {
            request::What::Keep(keep) => Ask::Keep(Box::new(self.parse_keep(keep)?)),
            request::What::Set(node::SetKey { set, by }) => {
                let set = SetState::parse(set.unwrap_or_default())?;
                Ask::Set(Box::new(set), by.unwrap_or_default())
            }
            request::What::Heads(node::Heads { namespace, rooms }) => Ask::Heads(namespace, rooms),
            request::What::Events(node::Stretch { namespace, room, epoch, from, to }) => {
                Ask::Events(Stretch { namespace: namespace.into(), room: room.into(), epoch, from, to })
            }
            request::What::State(node::StateAfter { namespace, room, epoch, revision, known }) => {
                let (namespace, room) = (namespace.into(), room.into());
                Ask::State(StateAfter { namespace, room, epoch, revision, known })
            }
            request::What::History(request) => Ask::History(Box::new(request)),
            request::What::Keys(request) => Ask::Keys(Box::new(request)),
        })
    }

    fn parse_keep(&self, keep: node::Keep) -> Result<Keeping, Refusal> {
        let class = keep.class();
        let node::Keep { namespace, target, event, user, idempotency_key, kept, .. } = keep;
        let namespace = NamespaceName::try_from(namespace)
            .map_err(|error| Refusal::name("namespace", error))?
            .into_string();
        let settings = self.hub.namespaces.settings(&namespace).ok_or_else(hub::unknown)?;
        let target = Target::try_from(target)?;
        let rooms = if kept { target.rooms().to_vec() } else { Vec::new() };
        let event = event.unwrap_or_default();
        if kept == rooms.is_empty() || !kept && idempotency_key.is_empty() {
            return Err(Refusal::invalid("event", "is kept nowhere"));
        }
        if event.namespace != namespace {
            return Err(Refusal::invalid("event", "is of another namespace"));
        }
        let class = class_of(class).ok_or_else(|| Refusal::invalid("class", "is missing"))?;
        let sender = frame::sender(&event);
        Ok(Keeping { namespace, settings, target, rooms, sender, user, event, class, idempotency_key })
    }
}

/// Events that another node has read: nothing but events of the namespace may get to a client.
pub(super) fn checked(asked: &Ask, page: node::EventPage) -> Result<node::EventPage, Refusal> {
    let Ask::Events(stretch) = asked else { return Err(storage_failed()) };
    let is_event = |kept: &node::KeptEvent| {
        Frame::heard(kept.record.clone(), Class::Reliable, &stretch.namespace).is_some()
    };
    if page.events.iter().all(is_event) { Ok(page) } else { Err(storage_failed()) }
}

/// As it is sent.
pub(super) fn wire(what: &Ask) -> request::What {
    match what {
        Ask::Keep(keeping) => request::What::Keep(node::Keep {
            namespace: keeping.namespace.clone(),
            target: Some((&keeping.target).into()),
            event: Some(keeping.event.clone()),
            user: keeping.user.clone(),
            idempotency_key: keeping.idempotency_key.clone(),
            kept: !keeping.rooms.is_empty(),
            class: fanout_class(keeping.class).into(),
        }),
        Ask::Set(set, by) => {
            request::What::Set(node::SetKey { set: Some((&**set).into()), by: Some(by.clone()) })
        }
        Ask::Heads(namespace, rooms) => {
            request::What::Heads(node::Heads { namespace: namespace.clone(), rooms: rooms.clone() })
        }
        Ask::Events(Stretch { namespace, room, epoch, from, to }) => request::What::Events(node::Stretch {
            namespace: namespace.to_string(),
            room: room.to_string(),
            epoch: epoch.clone(),
            from: *from,
            to: *to,
        }),
        Ask::State(StateAfter { namespace, room, epoch, revision, known }) => {
            request::What::State(node::StateAfter {
                namespace: namespace.to_string(),
                room: room.to_string(),
                epoch: epoch.clone(),
                revision: *revision,
                known: *known,
            })
        }
        Ask::History(request) => request::What::History((**request).clone()),
        Ask::Keys(request) => request::What::Keys((**request).clone()),
    }
}

/// As it is sent.
pub(super) fn wire_answer(outcome: Result<Answer, Refusal>) -> response::What {
    match outcome {
        Ok(Answer::Taken(taken)) => response::What::Accepted(taken.accepted),
        Ok(Answer::Set(set)) => response::What::Set(set),
        Ok(Answer::Heads(heads)) => response::What::Heads(node::HeadList { heads }),
        Ok(Answer::Events(page)) => response::What::Events(page),
        Ok(Answer::State(page)) => response::What::State(page),
        Ok(Answer::History(page)) => response::What::History(page),
        Ok(Answer::Keys(page)) => response::What::Keys(page),
        Err(refusal) => response::What::Refused(node::Refusal {
            refused: Some(frame::refused(&refusal)),
            field: refusal.field.to_owned(),
        }),
    }
}
