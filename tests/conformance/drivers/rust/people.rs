//! Who there is, by name: sessions, clients without one, streams of events, workers.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use rialto_client::{Client, Event, Session};
use tokio::sync::Notify;

use crate::{command::Command, failure::Failure, workers::Shift};

/// Everybody.
#[derive(Debug, Default)]
pub(crate) struct People {
    pub(crate) sessions: RefCell<BTreeMap<String, Session>>,
    pub(crate) clients: RefCell<BTreeMap<String, Client>>,
    pub(crate) streams: RefCell<BTreeMap<String, Rc<Reader>>>,
    pub(crate) shifts: RefCell<BTreeMap<String, Rc<Shift>>>,
}

/// Who reads a stream of events.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// Lets it go on, when it was to wait.
    pub(crate) go: Notify,
    /// The last event that it has told of.
    pub(crate) last: RefCell<Option<Event>>,
}

impl People {
    /// The session that a command is by.
    pub(crate) fn session(&self, command: &Command) -> Result<Session, Failure> {
        let session = self.sessions.borrow().get(&command.by).cloned();
        session.ok_or_else(|| Failure::other(format!("{} has no session", command.by)))
    }

    /// The client that a command is by.
    pub(crate) fn client(&self, command: &Command) -> Result<Client, Failure> {
        let client = self.clients.borrow().get(&command.by).cloned();
        client.ok_or_else(|| Failure::other(format!("{} is no client", command.by)))
    }

    /// The reader that a command is by.
    pub(crate) fn reader(&self, command: &Command) -> Result<Rc<Reader>, Failure> {
        let reader = self.streams.borrow().get(&command.by).cloned();
        reader.ok_or_else(|| Failure::other(format!("{} reads nothing", command.by)))
    }

    /// The worker that a command is by.
    pub(crate) fn shift(&self, command: &Command) -> Result<Rc<Shift>, Failure> {
        let shift = self.shifts.borrow().get(&command.by).cloned();
        shift.ok_or_else(|| Failure::other(format!("{} does not work", command.by)))
    }
}
