//! A client of a simulation: what it has said and not heard of, what it is in, where it would go on. It does what the
//! client libraries do, and is as careful; `hearing` says what it makes of what it hears, `saying` what it says.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rialto_proto::v1::{ClientFrame, Hello, Resume, client_frame::Command};
use rialto_server::base::clock::Instant;

use super::stream::Stream;
use crate::checks::{Done, Message, Position, Recorder, Seen};

/// A command that was said and not answered.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) frame: ClientFrame,
    pub(super) what: What,
}

/// What a command was.
#[derive(Debug, Clone)]
pub(super) enum What {
    /// An event; with its idempotency key when it has one.
    Emit { room: usize, message: Message, key: Option<String>, again: bool },
    /// A value of a key.
    Set { room: usize, key: String, value: Option<String>, expected: Option<u64> },
    /// Anything else.
    Other,
}

impl What {
    /// The same, and it is not to be said again.
    pub(super) fn not_again(self) -> Self {
        match self {
            Self::Emit { room, message, again, .. } => Self::Emit { room, message, key: None, again },
            other => other,
        }
    }
}

/// An event of which nobody knows whether it was taken, to be said again under its key.
#[derive(Debug, Clone)]
pub(super) struct Again {
    pub(super) room: usize,
    pub(super) message: Message,
    pub(super) key: String,
}

/// What a join has asked for, of one room.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    pub(super) recover: Option<Position>,
    pub(super) newest: u64,
    pub(super) state: bool,
}

/// A room that the client is in.
#[derive(Debug, Default)]
pub(super) struct Membership {
    /// Which life of the history; empty before the first event, none where there is no history.
    pub(super) epoch: Option<String>,
    pub(super) state: Option<Watched>,
}

/// The keyed state of a room as the client knows it.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Watched {
    pub(super) epoch: String,
    pub(super) entries: BTreeMap<String, (u64, String)>,
    pub(super) complete: bool,
}

/// What a stream was opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Greeting {
    /// A session of its own.
    New,
    /// The session that there was, or else a new one.
    Afresh,
    /// The session that there was.
    Resume,
}

/// One client.
pub(super) struct Client {
    /// Whether there are several nodes.
    several: bool,
    pub(super) index: usize,
    /// What it is called as a sender and receiver: another name with each session.
    pub(super) name: String,
    pub(super) sessions: u32,
    pub(super) proof: Option<(String, String)>,
    pub(super) seq: u32,
    pub(super) next_ref: u32,
    /// The stream that it reads.
    pub(super) stream: Option<Stream>,
    pub(super) greeting: Option<Greeting>,
    /// Streams that it has given up and the node has not, and when the node notices.
    pub(super) half_open: Vec<(Stream, Instant)>,
    pub(super) pending: BTreeMap<u32, Pending>,
    pub(super) answers: BTreeMap<u32, String>,
    pub(super) asked: BTreeMap<(u32, usize), Asked>,
    /// What the joins of a greeting have asked for, should it open a session.
    pub(super) asked_greeting: BTreeMap<(u32, usize), Asked>,
    pub(super) members: BTreeMap<usize, Membership>,
    pub(super) places: BTreeMap<usize, Position>,
    pub(super) said: BTreeMap<usize, u64>,
    pub(super) again: VecDeque<Again>,
    pub(super) away_until: Option<Instant>,
    pub(super) silent_until: Option<Instant>,
    pub(super) values: u32,
    /// The nodes to which it has come with this session.
    pub(super) at: BTreeSet<usize>,
    /// What must not be, and was.
    pub(super) complaints: Vec<String>,
}

impl Client {
    /// Client number `index`, who has not said anything.
    pub(super) fn new(index: usize, several: bool) -> Self {
        Self {
            several,
            index,
            name: String::new(),
            sessions: 0,
            proof: None,
            seq: 0,
            next_ref: 1,
            stream: None,
            greeting: None,
            half_open: Vec::new(),
            pending: BTreeMap::new(),
            answers: BTreeMap::new(),
            asked: BTreeMap::new(),
            asked_greeting: BTreeMap::new(),
            members: BTreeMap::new(),
            places: BTreeMap::new(),
            said: BTreeMap::new(),
            again: VecDeque::new(),
            away_until: None,
            silent_until: None,
            values: 0,
            at: BTreeSet::new(),
            complaints: Vec::new(),
        }
    }

    /// Whether it has been greeted on the stream that it has.
    pub(super) fn is_greeted(&self) -> bool {
        self.stream.is_some() && self.greeting.is_none()
    }

    /// Whether it has said all, and was told all.
    pub(super) fn is_at_rest(&self) -> bool {
        let quiet = self.stream.as_ref().is_some_and(Stream::is_quiet);
        self.is_greeted() && quiet && self.pending.is_empty() && self.again.is_empty()
    }

    /// What it waits for, for people.
    pub(super) fn state(&self) -> String {
        let at = self.stream.as_ref().map(|stream| stream.site);
        let (name, greeting, again) = (&self.name, &self.greeting, self.again.len());
        let first = self.pending.values().next().map(|pending| &pending.frame);
        let stream = self.stream.as_ref().map(Stream::state);
        let pending = self.pending.len();
        format!(
            "{name} at {at:?}, {greeting:?}, {pending} pending, first {first:?}, {again} to say again, {stream:?}"
        )
    }

    /// Something must not be.
    pub(super) fn complain(&mut self, what: impl Into<String>) {
        self.complaints.push(format!("{}: {}", self.name, what.into()));
    }

    /// Opens a stream to a node.
    pub(super) fn open(&mut self, site: usize, greeting: Greeting, joins: Vec<rialto_proto::v1::Join>) {
        let resume = match (greeting, &self.proof) {
            (Greeting::New, _) | (_, None) => None,
            (greeting, Some((id, secret))) => Some(Resume {
                session_id: id.clone(),
                session_secret: secret.clone(),
                seq: self.seq,
                afresh: greeting == Greeting::Afresh,
            }),
        };
        let greeting = if resume.is_none() { Greeting::New } else { greeting };
        let hello = Hello { resume, joins, user: format!("u{}", self.index), ..Hello::default() };
        let frame = ClientFrame { r#ref: 0, command: Some(Command::Hello(hello)) };
        self.stream = Some(Stream::saying(site, [frame]));
        self.greeting = Some(greeting);
    }

    /// Says something, and waits for its answer.
    pub(super) fn say(&mut self, command: Command, what: What) -> u32 {
        let reference = self.next_ref;
        self.next_ref += 1;
        let frame = ClientFrame { r#ref: reference, command: Some(command) };
        if let Some(stream) = &mut self.stream {
            stream.up.push_back(frame.clone());
        }
        self.pending.insert(reference, Pending { frame, what });
        reference
    }

    /// Begins a session: from now on it is another sender and another receiver.
    pub(super) fn begin(&mut self, recorder: &Recorder) {
        self.sessions += 1;
        self.name = format!("c{}s{}", self.index, self.sessions);
        (self.seq, self.next_ref) = (0, 1);
        self.said.clear();
        self.at.clear();
        recorder.hears_not_itself(&self.name, &self.name);
    }

    /// Its session is over: it is in no room, and does not know what became of what it has said.
    pub(super) fn lose_session(&mut self, recorder: &Recorder) {
        if self.proof.take().is_some() {
            recorder.seen(&self.name, Seen::Ended);
        }
        let mut rooms: BTreeMap<_, usize> = BTreeMap::new();
        for Pending { what, .. } in self.pending.values() {
            if let What::Emit { room, .. } = what {
                *rooms.entry(*room).or_default() += 1;
            }
        }
        for (_, Pending { what, .. }) in std::mem::take(&mut self.pending).into_iter().rev() {
            let alone = !matches!(&what, What::Emit { room, .. } if rooms.get(room) != Some(&1));
            // With several nodes, of two in one room the older may have been refused and the newer taken, or be on its way
            // still when the newer is said again.
            self.unknown(if self.several && !alone { what.not_again() } else { what }, recorder);
        }
        self.members.clear();
        self.asked.clear();
        self.answers.clear();
    }

    /// Nobody knows what became of a command.
    pub(super) fn unknown(&mut self, what: What, recorder: &Recorder) {
        let What::Emit { room, message, key, .. } = what else { return };
        recorder.done(Done::Unknown { message: message.clone() });
        if let Some(key) = key {
            self.again.push_back(Again { room, message, key });
            self.again.make_contiguous().sort_by(|a, b| a.message.cmp(&b.message));
        }
    }
}
