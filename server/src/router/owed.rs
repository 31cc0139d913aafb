//! What a client is owed is read when it comes to it, a page at a time.

use std::{ops::RangeInclusive, sync::Arc};

use rialto_proto::v1::{Missed, StateChanges, server_frame::Frame as Body};

use super::Router;
use crate::{
    base::tasks,
    history::{Histories, ReadError, StateCursor},
    session::{
        Session,
        owed::{Owed, StateAfter, Stretch},
    },
    wire::Frame,
};

/// Events of one page: a quarter of an outbox, so that what is new still finds a place.
const EVENTS_MAX: usize = 64;
/// Bytes of one page.
const BYTES_MAX: usize = 64 << 10;

/// What was read in the place of something owed.
type Read = (Vec<Frame>, Option<Owed>);

impl Router {
    /// Reads the next page of what `session` is owed and puts it in its outbox.
    ///
    /// *Cancel safety*: nothing is lost; what was not put in the outbox is still owed.
    pub async fn read_owed(&self, session: &Arc<Session>, owed: Owed) {
        let (histories, asked, id) = (Arc::clone(&self.histories), owed.clone(), session.id);
        // The disk may have to be waited for.
        let read = tasks::blocking(move || match asked {
            Owed::Events(stretch) => events(&histories, stretch, |excluded| excluded == Some(id)),
            Owed::State(after) => state(&histories, after),
        });
        match read.await {
            Ok((frames, rest)) => session.outbox.settle(&owed, frames, rest),
            Err(error) => {
                // The runtime is ending, or the reader has panicked: then what is owed is said to be missing.
                tracing::error!(%error, "what a client is owed was not read");
                session.outbox.settle(&owed, lost(&owed), None);
            }
        }
    }
}

fn events(
    histories: &Histories,
    stretch: Stretch,
    own: impl Fn(Option<crate::base::ids::SessionId>) -> bool,
) -> Read {
    let Stretch { namespace, room, epoch, from, to } = &stretch;
    let page = histories.read((namespace, room), Some(epoch), *from..=*to, (EVENTS_MAX, BYTES_MAX));
    let page = match page {
        Ok(page) => page,
        Err(error) => {
            if let ReadError::Log(_) | ReadError::Record(_) = &error {
                tracing::error!(%error, "a history was not read");
            }
            return (lost(&Owed::Events(stretch)), None);
        }
    };
    let next = page.next_offset(*from);
    let mut frames: Vec<Frame> = page.gone.map(|gone| missed(&stretch, gone)).into_iter().collect();
    frames.extend(page.events.into_iter().filter(|kept| !own(kept.excluded)).map(|kept| kept.frame));
    // What lies beyond the newest event is not there yet and comes when it is new.
    let rest = (page.more && next <= *to).then(|| Owed::Events(Stretch { from: next, ..stretch.clone() }));
    (frames, rest)
}

/// A page of what has changed in the state of a room.
fn state(histories: &Histories, after: StateAfter) -> Read {
    let cursor = StateCursor::new(after.epoch.as_str(), after.revision, after.known);
    let cursor = Some(&cursor).filter(|_| !after.epoch.is_empty());
    let page = histories.state_changes_since(&after.namespace, &after.room, cursor, BYTES_MAX);
    let epoch = page.epoch.map(|epoch| epoch.to_string()).unwrap_or_default();
    let changes = StateChanges {
        namespace: after.namespace.to_string(),
        room: after.room.to_string(),
        epoch: epoch.clone(),
        entries: page.entries,
        reset: page.reset,
        complete: page.complete,
    };
    let (revision, known) = (page.next.revision(), page.next.known());
    let rest = (!page.complete).then_some(Owed::State(StateAfter { epoch, revision, known, ..after }));
    (vec![Frame::answer(0, Body::StateChanges(changes))], rest)
}

fn missed(stretch: &Stretch, gone: RangeInclusive<u64>) -> Frame {
    let count = gone.end() - gone.start() + 1;
    Frame::missed(Missed {
        namespace: stretch.namespace.to_string(),
        rooms: vec![stretch.room.to_string()],
        count: u32::try_from(count).unwrap_or(u32::MAX),
        from_offset: Some(*gone.start()),
        to_offset: Some(*gone.end()),
        epoch: stretch.epoch.clone(),
    })
}

/// Says that what is owed is not to be had.
fn lost(owed: &Owed) -> Vec<Frame> {
    match owed {
        Owed::Events(stretch) => vec![missed(stretch, stretch.from..=stretch.to)],
        // The state of a room that is gone: there is none.
        Owed::State(after) => vec![Frame::answer(
            0,
            Body::StateChanges(StateChanges {
                namespace: after.namespace.to_string(),
                room: after.room.to_string(),
                reset: true,
                complete: true,
                ..StateChanges::default()
            }),
        )],
    }
}
