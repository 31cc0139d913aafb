//! Where a session is a member, as nodes tell each other, and what it has still to be told of what those rooms keep.

use std::{collections::BTreeMap, sync::Arc};

use rialto_proto::node::{Head, MovingPlace, MovingRoom};

use super::super::dispatch::forbidden;
use crate::{
    base::{
        ids::{NamespaceName, RoomName},
        refusal::Refusal,
    },
    hub::Wishes,
    session::owed::{Owed, StateAfter, Stretch},
};

/// What this node had heard of a room before the session began to gather, and the other had not told it by the end.
pub(super) fn between(
    (namespace, room): &(String, String),
    moving: &MovingRoom,
    there: &Head,
    here: &Head,
) -> Vec<Owed> {
    let (namespace, room): (Arc<str>, Arc<str>) = (namespace.as_str().into(), room.as_str().into());
    let same = there.epoch == here.epoch;
    let from = if same { there.last_offset + 1 } else { here.first_offset.max(1) };
    let events = (!here.epoch.is_empty() && from <= here.last_offset).then(|| {
        let (namespace, room) = (Arc::clone(&namespace), Arc::clone(&room));
        Owed::Events(Stretch { namespace, room, epoch: here.epoch.clone(), from, to: here.last_offset })
    });
    let behind = there.state_epoch != here.state_epoch || there.revision < here.revision;
    let state = (moving.state && behind && !here.state_epoch.is_empty()).then(|| {
        let (epoch, revision) = (there.state_epoch.clone(), there.revision);
        Owed::State(StateAfter { namespace, room, epoch, revision, known: revision })
    });
    events.into_iter().chain(state).collect()
}

/// The rooms of a place by what the session wants to be told in them; the namespace alone where there are none.
pub(super) fn by_wishes(place: &MovingPlace) -> Result<Vec<(Wishes, Vec<RoomName>)>, Refusal> {
    let mut groups: BTreeMap<(bool, bool, bool), Vec<RoomName>> = BTreeMap::new();
    if place.rooms.is_empty() {
        groups.insert((false, false, false), Vec::new());
    }
    for room in &place.rooms {
        let name = RoomName::try_from(room.room.clone()).map_err(|_| forbidden())?;
        groups.entry((room.presence, room.state, room.delta)).or_default().push(name);
    }
    let wishes = |(presence, state, delta)| Wishes { presence, state, delta };
    Ok(groups.into_iter().map(|(wanted, rooms)| (wishes(wanted), rooms)).collect())
}

/// A place whose names were checked.
pub(super) fn names(place: &MovingPlace) -> Result<(NamespaceName, Vec<RoomName>), Refusal> {
    let namespace = NamespaceName::try_from(place.namespace.clone()).map_err(|_| forbidden())?;
    let rooms = place.rooms.iter().map(|room| RoomName::try_from(room.room.clone()));
    Ok((namespace, rooms.collect::<Result<_, _>>().map_err(|_| forbidden())?))
}
