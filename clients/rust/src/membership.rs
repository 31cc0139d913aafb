//! Where the session wants to be: namespaces and rooms that the application has entered, kept over reconnects. Says
//! which commands bring a new session there. Pure; used by `conversation.rs`.

use std::collections::{BTreeMap, BTreeSet};

use rialto_proto::v1::{self, client_frame::Command as Wire};

/// Rooms that one `Join` may name.
const ROOMS_PER_JOIN: usize = 64;

/// Namespaces and rooms with their presence flag.
#[derive(Debug, Default)]
pub(crate) struct Membership {
    entered: BTreeSet<String>,
    rooms: BTreeMap<String, BTreeMap<String, bool>>,
}

impl Membership {
    /// The server has carried out `command`.
    pub(crate) fn done(&mut self, command: &Wire) {
        match command {
            Wire::Enter(enter) => {
                self.entered.insert(enter.namespace.clone());
            }
            Wire::Join(join) => {
                let rooms = self.rooms.entry(join.namespace.clone()).or_default();
                rooms.extend(join.rooms.iter().map(|room| (room.clone(), join.presence)));
            }
            Wire::Part(part) => self.parted(&part.namespace, &part.rooms),
            Wire::Leave(leave) => self.left(&leave.namespace),
            _ => {}
        }
    }

    /// The session is no longer in these rooms. It stays in the namespace, as at the server.
    pub(crate) fn parted(&mut self, namespace: &str, rooms: &[String]) {
        if let Some(here) = self.rooms.get_mut(namespace) {
            here.retain(|room, _| !rooms.contains(room));
            if here.is_empty() {
                self.rooms.remove(namespace);
                self.entered.insert(namespace.to_owned());
            }
        }
    }

    /// The session is no longer in this namespace.
    pub(crate) fn left(&mut self, namespace: &str) {
        self.rooms.remove(namespace);
        self.entered.remove(namespace);
    }

    /// The commands that bring a session that is nowhere to where this one was.
    pub(crate) fn commands(&self) -> Vec<Wire> {
        let mut commands = Vec::new();
        for namespace in self.entered.iter().filter(|namespace| !self.rooms.contains_key(*namespace)) {
            commands.push(Wire::Enter(v1::Enter { namespace: namespace.clone() }));
        }
        for (namespace, rooms) in &self.rooms {
            for presence in [false, true] {
                let alike: Vec<&String> =
                    rooms.iter().filter(|(_, asked)| **asked == presence).map(|(room, _)| room).collect();
                commands.extend(alike.chunks(ROOMS_PER_JOIN).map(|rooms| {
                    Wire::Join(v1::Join {
                        namespace: namespace.clone(),
                        rooms: rooms.iter().map(|room| (*room).clone()).collect(),
                        presence,
                        ..Default::default()
                    })
                }));
            }
        }
        commands
    }
}

/// A join of several rooms as joins of one room each: one that is refused then spares the others.
pub(crate) fn one_by_one(join: &v1::Join) -> impl Iterator<Item = Wire> {
    join.rooms.iter().map(|room| Wire::Join(v1::Join { rooms: vec![room.clone()], ..join.clone() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(rooms: &[&str], presence: bool) -> Wire {
        let rooms = rooms.iter().map(|room| (*room).to_owned()).collect();
        Wire::Join(v1::Join { namespace: "chat".into(), rooms, presence, ..Default::default() })
    }

    #[test]
    fn rooms_are_joined_again_with_their_presence_flag() {
        let mut membership = Membership::default();
        for command in [join(&["a", "b"], false), join(&["c"], true), join(&["b"], true)] {
            membership.done(&command);
        }
        assert_eq!(membership.commands(), [join(&["a"], false), join(&["b", "c"], true)]);
    }

    #[test]
    fn rooms_that_were_parted_are_not_joined_again_but_the_namespace_is_entered() {
        let mut membership = Membership::default();
        membership.done(&join(&["a"], false));
        membership.parted("chat", &["a".to_owned()]);
        assert_eq!(membership.commands(), [Wire::Enter(v1::Enter { namespace: "chat".into() })]);
        membership.left("chat");
        assert!(membership.commands().is_empty());
    }

    #[test]
    fn no_command_names_more_rooms_than_the_server_takes() {
        let mut membership = Membership::default();
        for number in 0..130 {
            membership.done(&join(&[&format!("room {number}")], false));
        }
        let sizes: Vec<usize> = membership
            .commands()
            .iter()
            .map(|command| match command {
                Wire::Join(join) => join.rooms.len(),
                _ => 0,
            })
            .collect();
        assert_eq!(sizes, [64, 64, 2]);
    }
}
