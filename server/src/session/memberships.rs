//! What one session is in: namespaces and rooms. The hub keeps it in step with its rooms; once it is *gone*, nothing
//! is joined any more.

use std::sync::Arc;

/// Namespaces and rooms of one session. Small lists: a session is in few rooms, and most are in one.
#[derive(Debug, Default)]
pub struct Memberships {
    places: Vec<Place>,
    gone: bool,
}

/// One namespace of a session.
#[derive(Debug)]
pub struct Place {
    /// Its name.
    pub namespace: Arc<str>,
    /// The rooms, in the order of joining.
    pub rooms: Vec<Arc<str>>,
}

impl Memberships {
    /// All namespaces.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// The rooms in `namespace`, when it has been entered.
    pub fn rooms(&self, namespace: &str) -> Option<&[Arc<str>]> {
        self.place(namespace).map(|place| place.rooms.as_slice())
    }

    /// Whether the session is in the room.
    pub fn holds(&self, namespace: &str, room: &str) -> bool {
        self.rooms(namespace).is_some_and(|rooms| rooms.iter().any(|held| **held == *room))
    }

    /// How many rooms, over all namespaces.
    pub fn room_count(&self) -> usize {
        self.places.iter().map(|place| place.rooms.len()).sum()
    }

    /// Adds a namespace; harmless when it is there.
    pub fn enter(&mut self, namespace: Arc<str>) {
        if self.place(&namespace).is_none() {
            self.places.push(Place { namespace, rooms: Vec::new() });
        }
    }

    /// Adds a room to a namespace that was entered. False when it was there.
    pub fn join(&mut self, namespace: &str, room: Arc<str>) -> bool {
        if self.holds(namespace, &room) {
            return false;
        }
        let Some(place) = self.places.iter_mut().find(|place| *place.namespace == *namespace) else {
            return false;
        };
        place.rooms.push(room);
        true
    }

    /// Removes a room. False when it was not there.
    pub fn part(&mut self, namespace: &str, room: &str) -> bool {
        let Some(place) = self.places.iter_mut().find(|place| *place.namespace == *namespace) else {
            return false;
        };
        let before = place.rooms.len();
        place.rooms.retain(|held| **held != *room);
        place.rooms.len() < before
    }

    /// Removes a namespace and returns it.
    pub fn leave(&mut self, namespace: &str) -> Option<Place> {
        let at = self.places.iter().position(|place| *place.namespace == *namespace)?;
        Some(self.places.swap_remove(at))
    }

    /// Removes everything for ever.
    pub fn go(&mut self) -> Vec<Place> {
        self.gone = true;
        std::mem::take(&mut self.places)
    }

    /// True after [`Memberships::go`].
    pub fn gone(&self) -> bool {
        self.gone
    }

    fn place(&self, namespace: &str) -> Option<&Place> {
        self.places.iter().find(|place| *place.namespace == *namespace)
    }
}
