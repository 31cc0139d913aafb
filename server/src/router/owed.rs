//! What a client is owed is read when it comes to it, a page at a time.

use std::{sync::Arc, time::Duration};

use rialto_proto::{
    node::EventPage,
    v1::{Missed, StateChanges, server_frame::Frame as Body},
};
use tokio::time::sleep;

use super::{
    Router,
    asking::{Answer, Ask},
    others::unreachable_part,
};
use crate::{
    base::refusal::Refusal,
    session::{
        Session,
        owed::{Owed, Rest, StateAfter, Stretch},
    },
    wire::Frame,
};

/// The wait before a state is asked for again whose owner is not reached.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// What was read in the place of something owed.
type Read = (Vec<Frame>, Rest);

impl Router {
    /// Reads the next page of what `session` is owed and puts it in its outbox.
    ///
    /// *Cancel safety*: nothing is lost; what was not put in the outbox is still owed.
    pub async fn read_owed(&self, session: &Arc<Session>, owed: Owed) {
        let read = match self.read_of_owner(&owed).await {
            Ok(Answer::Events(page)) => events(&owed, page, &session.id.to_string()),
            Ok(Answer::State(page)) => {
                let changes = page.changes.unwrap_or_default();
                state(&owed, changes, (page.revision, page.known))
            }
            Ok(_) => lost(&owed),
            Err(error) if error.code == unreachable_part().code && matches!(owed, Owed::State(_)) => {
                return self.owe_later(session, &owed).await;
            }
            Err(error) => {
                // Nobody has it, or the reader has panicked: then what is owed is said to be missing.
                tracing::error!(%error, "what a client is owed was not read");
                lost(&owed)
            }
        };
        session.outbox.settle(&owed, read.0, read.1);
    }

    /// What there is cannot be said now, but will be, unless the session has parted by then: what comes after it is told first.
    async fn owe_later(&self, session: &Arc<Session>, owed: &Owed) {
        sleep(AGAIN_AFTER).await;
        session.outbox.settle(owed, Vec::new(), Rest::Nothing);
        if let Owed::State(after) = owed {
            self.hub.owe_state(&after.namespace, &after.room, after, Some(session.id.key));
        }
    }

    /// Reads a page of what somebody is owed, wherever it is.
    async fn read_of_owner(&self, owed: &Owed) -> Result<Answer, Refusal> {
        let (namespace, room, ask) = match owed {
            Owed::Events(stretch) => (&stretch.namespace, &stretch.room, Ask::Events(stretch.clone())),
            Owed::State(after) => (&after.namespace, &after.room, Ask::State(after.clone())),
        };
        let part = self.parts.of(namespace, room);
        match self.parts.here(part) {
            Some(here) => here.read(ask).await,
            None => self.ask_owner_of(part, ask).await,
        }
    }
}

fn events(owed: &Owed, page: EventPage, own: &str) -> Read {
    let Owed::Events(stretch) = owed else { return lost(owed) };
    if page.lost {
        return lost(owed);
    }
    let gone = (page.gone_from > 0).then(|| missed(stretch, page.gone_from, page.gone_to));
    let events = page.events.into_iter().filter(|kept| kept.excluded != own);
    let frames = gone.into_iter().chain(events.map(|kept| Frame::kept(kept.record))).collect();
    let rest = || Rest::Owed(Owed::Events(Stretch { from: page.next, ..stretch.clone() }));
    (frames, if page.next > 0 { rest() } else { Rest::Nothing })
}

/// A page of what has changed in the state of a room.
fn state(owed: &Owed, changes: StateChanges, (revision, known): (u64, u64)) -> Read {
    let Owed::State(after) = owed else { return lost(owed) };
    let epoch = changes.epoch.clone();
    let read = StateAfter { epoch, revision, known, ..after.clone() };
    let rest = if changes.complete { Rest::Since(read) } else { Rest::Owed(Owed::State(read)) };
    (vec![Frame::answer(0, Body::StateChanges(changes))], rest)
}

/// Tells that events of a history are not to be had.
pub(super) fn missed(stretch: &Stretch, from: u64, to: u64) -> Frame {
    Frame::missed(Missed {
        namespace: stretch.namespace.to_string(),
        rooms: vec![stretch.room.to_string()],
        count: u32::try_from(to - from + 1).unwrap_or(u32::MAX),
        from_offset: Some(from),
        to_offset: Some(to),
        epoch: stretch.epoch.clone(),
    })
}

/// Says that what is owed is not to be had.
fn lost(owed: &Owed) -> Read {
    match owed {
        Owed::Events(stretch) => (vec![missed(stretch, stretch.from, stretch.to)], Rest::Nothing),
        // The state of a room that is gone: there is none.
        Owed::State(after) => {
            let changes = StateChanges {
                namespace: after.namespace.to_string(),
                room: after.room.to_string(),
                reset: true,
                complete: true,
                ..StateChanges::default()
            };
            let nothing = StateAfter { epoch: String::new(), revision: 0, known: 0, ..after.clone() };
            (vec![Frame::answer(0, Body::StateChanges(changes))], Rest::Since(nothing))
        }
    }
}
