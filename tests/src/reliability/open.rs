//! What a client has said and has no answer to yet.

use rialto_proto::v1::{Emit, Enter, client_frame::Command};

use crate::{
    checks::{Message, Room},
    words::{content, rooms},
};

/// A command without an answer.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) reference: u32,
    pub(super) what: What,
    pub(super) sent: bool,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    Enter(String),
    Emit(Room, Message),
}

/// The same for a node.
pub(super) fn command(what: &What) -> Command {
    match what {
        What::Enter(namespace) => Command::Enter(Enter { namespace: namespace.clone() }),
        What::Emit(room, message) => Command::Emit(Emit {
            namespace: room.namespace.to_string(),
            target: Some(rooms(&[&room.name])),
            content: Some(content("message", &message.to_string())),
            idempotency_key: format!("{message} {}", room.namespace),
            ..Emit::default()
        }),
    }
}
