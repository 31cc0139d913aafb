//! What a run leaves behind: what was asked for and answered, and what each receiver saw, in order. Plain data that a
//! test may also write by hand; nothing here judges.

use std::{collections::BTreeMap, fmt, sync::Arc};

/// A room of a namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Room {
    /// The namespace.
    pub namespace: Arc<str>,
    /// The room's name.
    pub name: Arc<str>,
}

impl Room {
    /// The room `name` of `namespace`.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A test message, `<sender>.<room>.<n>`. It is said to one room of one namespace only, in the whole run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Message {
    /// Who said it; never empty, no dot in it.
    pub sender: Arc<str>,
    /// The name of the room that it was said to.
    pub room: Arc<str>,
    /// How many the sender has said to this room before.
    pub n: u64,
}

impl Message {
    /// The message number `n` of `sender` to the room called `room`.
    pub fn new(sender: &str, room: &str, n: u64) -> Self {
        Self { sender: sender.into(), room: room.into(), n }
    }

    /// The message that a payload is. What is not of the form has an empty sender, and so was never said by anybody.
    pub fn read(text: &str) -> Self {
        let parts = || {
            let (sender, rest) = text.split_once('.')?;
            let (room, n) = rest.rsplit_once('.')?;
            let n = n.parse().ok()?;
            (!sender.is_empty()).then(|| Self::new(sender, room, n))
        };
        parts().unwrap_or_else(|| Self::new("", text, 0))
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.sender.is_empty() {
            return write!(f, "{:?}", self.room);
        }
        write!(f, "{}.{}.{}", self.sender, self.room, self.n)
    }
}

/// A place in the history of a room.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Which life of the history `offset` counts in.
    pub epoch: Arc<str>,
    /// Counted from one; zero is before the first.
    pub offset: u64,
}

impl Position {
    /// The place `offset` of `epoch`.
    pub fn new(epoch: &str, offset: u64) -> Self {
        Self { epoch: epoch.into(), offset }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.epoch, self.offset)
    }
}

/// What an acknowledgement said about how sure the message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// It may go with the node.
    Memory,
    /// On the disk of one node.
    Fsync,
    /// On the disks of a majority.
    Replicated,
}

/// What senders did and were answered, and what was done to nodes.
#[derive(Debug, Clone, PartialEq)]
pub enum Done {
    /// Is about to be said. It may be said again, to the same room, after an outcome that is unknown.
    Invoked {
        /// Where to.
        room: Room,
        /// What.
        message: Message,
    },
    /// Was acknowledged.
    Accepted {
        /// What.
        message: Message,
        /// Where it stands in the history; none when the room keeps none.
        position: Option<Position>,
        /// How sure it is said to be.
        durability: Durability,
    },
    /// Was refused: nothing of it has happened.
    Refused {
        /// What.
        message: Message,
    },
    /// Nobody knows what became of it. The same as no record of an outcome.
    Unknown {
        /// What.
        message: Message,
    },
    /// A node, and with it its memory, was lost: recorded before it is reached again.
    Crashed,
    /// A node of several was lost that a sender was connected to, or its way to the others. What the sender said first or last
    /// there may not have left that node, and nobody can tell that it is missing.
    Cut {
        /// Who.
        sender: Arc<str>,
    },
}

/// What was missed, as the receiver was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hole {
    /// In a room with history.
    Range {
        /// Which life of the history.
        epoch: Arc<str>,
        /// The first that is missing.
        from: u64,
        /// The last that is missing; none: up to where the room was joined, or to the end of that epoch.
        to: Option<u64>,
    },
    /// In a room without history: how many. Zero: that is not known.
    Count(u64),
}

/// What a receiver saw.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    /// It is a member from here on.
    Joined {
        /// Of this room.
        room: Room,
        /// The last event before; none when the room keeps no history.
        at: Option<Position>,
        /// The position after which it has asked to be sent everything.
        recovers: Option<Position>,
    },
    /// An event.
    Event {
        /// The room it was sent to.
        room: Room,
        /// Where it stands in the history.
        position: Option<Position>,
        /// What it says.
        message: Message,
    },
    /// It was told that something is missing here.
    Missed {
        /// In this room.
        room: Room,
        /// What.
        hole: Hole,
    },
    /// It is no member any more, and knows.
    Parted {
        /// Of this room.
        room: Room,
    },
    /// The history of a room that it is in begins again in another epoch.
    Reset {
        /// The room.
        room: Room,
        /// The new epoch, and the last event before what comes.
        at: Position,
    },
    /// Its session has ended and so has every membership. (A stream that breaks and is resumed is not seen at all.)
    Ended,
    /// It has read the history of a room, the whole of it.
    HistoryRead {
        /// The room.
        room: Room,
        /// The epoch.
        epoch: Arc<str>,
        /// The oldest offset that the history says to keep.
        first_offset: u64,
        /// What it keeps.
        events: Vec<(u64, Message)>,
    },
}

/// Something, and when it was: stamps rise in the whole run.
#[derive(Debug, Clone, PartialEq)]
pub struct Stamped<T> {
    /// When.
    pub at: u64,
    /// What.
    pub what: T,
}

/// One receiver.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Receiver {
    /// The sender that it is itself, whose messages it does not hear.
    pub own: Option<Arc<str>>,
    /// What it saw, in order.
    pub seen: Vec<Stamped<Seen>>,
}

/// The whole record. Before it ends, faults are healed, every receiver has got what there is, and every room that keeps a
/// history was read once more.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Run {
    /// What was done, in order.
    pub done: Vec<Stamped<Done>>,
    /// Who received, by name.
    pub receivers: BTreeMap<String, Receiver>,
    /// With fewer acknowledged messages than this the run says nothing.
    pub successes_min: u64,
}
