//! A client that goes on where it was: it takes up its session after every loss of its connection, sends again what the
//! node has not taken, and, when its session is lost, joins again from the positions that it has seen and says again what
//! has no answer, under the same idempotency keys. What it does and sees goes to the recorder. It has no task of its own:
//! it acts when [`Client::turn`] is called, and a turn may be given up at any time.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use rialto_proto::v1::{
    Accepted, AttachRequest, AttachResponse, ClientFrame, CloseCode, Durability, Hello, Join, Ping,
    RefusalCode, Refused, Resume, ServerFrame, Welcome, client_frame::Command,
    messaging_service_client::MessagingServiceClient, server_frame::Frame,
};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Code, Status, Streaming,
    transport::{Channel, Endpoint},
};
use tonic_types::StatusExt;

use super::{
    counts::Counts,
    open::{Open, What, command},
    sight::Sight,
};
use crate::{
    checks::{self, Done, Message, Position, Recorder, Room},
    node::is_alone,
};

/// Frames after which a client confirms what it has seen.
const CONFIRMED_EVERY: u32 = 16;
/// Requests that wait for the connection.
const REQUESTS_MAX: usize = 16;
/// After that a greeting is given up, as our clients do: hyper 1.12 leaves a call without an answer for ever, now and then,
/// when its connection is reset in the moment in which the call is made (twice in 50,000 on a bare listener that resets).
const GREETING_MAX: Duration = Duration::from_secs(5);

/// After that a client that has other nodes to go to asks whether its own is still there, and after as long again it goes.
const SILENT_MAX: Duration = Duration::from_secs(1);

/// The connection is gone, or was never there.
#[derive(Debug)]
pub struct Broken(pub String);

/// The namespace without a history.
const UNKEPT: &str = "default";

/// Sends and receives, and keeps its session.
#[derive(Debug)]
pub struct Client {
    name: Arc<str>,
    url: String,
    recorder: Recorder,
    sight: Sight,
    /// Where it says something without being in a room.
    enters: BTreeSet<String>,
    said: BTreeMap<Room, u64>,
    session: Option<Resume>,
    confirmed: u32,
    next_ref: u32,
    open: VecDeque<Open>,
    stream: Option<Stream>,
    pongs: u64,
    /// There are other nodes, to which it may go.
    roams: bool,
    /// Its node has told it to go.
    drained: bool,
    /// Other nodes were not reached when it wanted to be somewhere: it has to begin anew.
    shut_out: bool,
    /// What has happened to it.
    pub counts: Counts,
    /// Why emits were refused.
    pub refusals: BTreeMap<RefusalCode, u64>,
}

#[derive(Debug)]
struct Stream {
    up: mpsc::Sender<AttachRequest>,
    down: Streaming<AttachResponse>,
}

impl Client {
    /// A client of the node at `url` that will join `rooms`.
    pub fn new(name: &str, url: &str, recorder: &Recorder, rooms: &[Room]) -> Self {
        Self {
            name: name.into(),
            url: url.to_owned(),
            recorder: recorder.clone(),
            sight: Sight::new(name, recorder.clone(), rooms),
            enters: BTreeSet::new(),
            said: BTreeMap::new(),
            session: None,
            confirmed: 0,
            next_ref: 1,
            open: VecDeque::new(),
            stream: None,
            pongs: 0,
            roams: false,
            drained: false,
            shut_out: false,
            counts: Counts::default(),
            refusals: BTreeMap::new(),
        }
    }

    /// The same, and it says something in these rooms without being in them.
    pub fn speaking(mut self, rooms: &[Room]) -> Self {
        self.enters.extend(rooms.iter().map(|room| room.namespace.to_string()));
        self
    }

    /// The same, and it may be sent to other nodes.
    pub fn roaming(self) -> Self {
        Self { roams: true, ..self }
    }

    /// Goes to another node with the next connection.
    pub fn go_to(&mut self, url: &str) {
        self.stream = None;
        url.clone_into(&mut self.url);
    }

    /// Whether its node has told it to go to another one.
    pub fn is_drained(&self) -> bool {
        self.drained
    }

    /// The number of the last message of a sender that it has seen in a room.
    pub fn heard(&self, room: &Room, sender: &str) -> Option<u64> {
        self.sight.heard(room, sender)
    }

    /// As whom it speaks in a room. What a session that is lost has said last may come after what the next one says, where no
    /// room keeps it: so there each has a name of its own.
    pub fn sender(&self, room: &Room) -> Arc<str> {
        if self.roams && &*room.namespace == UNKEPT {
            return format!("{}-{}", self.name, self.counts.afresh).into();
        }
        Arc::clone(&self.name)
    }

    /// How many messages it has said in a room.
    pub fn said(&self, room: &Room) -> u64 {
        self.said.get(room).copied().unwrap_or_default()
    }

    /// How many of its emits have no answer yet.
    pub fn unanswered(&self) -> usize {
        self.open.len()
    }

    /// Says its next message in a room: goes out with the next turn.
    pub fn say(&mut self, room: &Room) {
        let n = self.said.entry(room.clone()).or_default();
        let n = std::mem::replace(n, *n + 1);
        let message = Message { sender: self.sender(room), room: room.name.clone(), n };
        self.recorder.done(Done::Invoked { room: room.clone(), message: message.clone() });
        self.ask(What::Emit(room.clone(), message));
    }

    fn ask(&mut self, what: What) {
        self.open.push_back(Open { reference: self.next_ref, what, sent: false });
        self.next_ref += 1;
    }

    /// Gives its connection up without a word.
    pub fn abandon(&mut self) {
        self.stream = None;
    }

    /// Forgets where in its session it was, as a client that was restarted does: the session cannot go on.
    pub fn forget_seq(&mut self) {
        self.stream = None;
        if let Some(session) = &mut self.session {
            session.seq = u32::MAX;
        }
    }

    /// Connects, and takes up its session or, when that is over, begins another one.
    ///
    /// *Cancel safety*: may be given up; then it is not connected.
    pub async fn connect(&mut self) -> Result<(), Broken> {
        self.stream = None;
        let greeted = timeout(GREETING_MAX, self.greet()).await;
        self.drained = false;
        let (mut stream, first) = greeted.map_err(|_| Broken("no answer to the greeting".into()))??;
        let mut frames = first.frames;
        let welcome = match frames.first_mut().and_then(|frame| frame.frame.take()) {
            Some(Frame::Welcome(welcome)) => welcome,
            // In the moment in which it came back it was behind again, or an older greeting of its own came in late.
            Some(Frame::Close(close)) if goes_on(close.code()) => return Err(Broken(close.reason)),
            other => panic!("{}: expected welcome, not {other:?}", self.name),
        };
        frames.remove(0);
        if welcome.resumed {
            assert_eq!(
                first.first_seq, 0,
                "{}: a session that goes on is greeted without a number",
                self.name
            );
            assert!(frames.is_empty(), "{}: {frames:?} came with the greeting", self.name);
            self.counts.resumed += 1;
            for open in &mut self.open {
                open.sent = open.reference <= welcome.last_ref;
            }
        } else {
            self.begin(welcome);
            self.take(AttachResponse { first_seq: first.first_seq + 1, frames });
        }
        self.flush_on(&mut stream);
        self.stream = Some(stream);
        Ok(())
    }

    async fn greet(&self) -> Result<(Stream, AttachResponse), Broken> {
        let mut endpoint = Endpoint::from_shared(self.url.clone()).expect("a URL");
        if self.roams {
            // One that does not answer is left for another one.
            endpoint = endpoint.connect_timeout(SILENT_MAX).http2_keep_alive_interval(SILENT_MAX);
            endpoint = endpoint.keep_alive_timeout(SILENT_MAX).keep_alive_while_idle(true);
        }
        let channel: Channel = endpoint.connect().await.map_err(|error| Broken(error.to_string()))?;
        let (up, receiver) = mpsc::channel(REQUESTS_MAX);
        let frames = vec![ClientFrame { r#ref: 0, command: Some(Command::Hello(self.hello())) }];
        up.try_send(AttachRequest { frames }).expect("there is room for the first");
        let mut stub = MessagingServiceClient::new(channel);
        let mut down =
            stub.attach(ReceiverStream::new(receiver)).await.map_err(|s| self.broken(&s))?.into_inner();
        let first = down.message().await.map_err(|status| self.broken(&status))?;
        let first = first.ok_or_else(|| Broken("the stream ended before the greeting".into()))?;
        Ok((Stream { up, down }, first))
    }

    fn hello(&self) -> Hello {
        let places = self.sight.places();
        let joins = places.into_iter().map(|(namespace, (rooms, recover))| Join {
            namespace,
            rooms,
            recover,
            ..Join::default()
        });
        Hello {
            user: self.name.to_string(),
            resume: self.session.clone(),
            joins: joins.collect(),
            ..Hello::default()
        }
    }

    /// A status that a broken connection explains, or a stream that ended while there is something to come back to. Any
    /// other is a defect.
    fn broken(&self, status: &Status) -> Broken {
        let unclear =
            matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Internal | Code::Cancelled);
        let name = || status.get_details_error_info().map(|info| format!("CLOSE_CODE_{}", info.reason));
        let closed = || CloseCode::from_str_name(&name()?).filter(|code| goes_on(*code));
        assert!(unclear || closed().is_some(), "{}: {status:?}", self.name);
        Broken(status.to_string())
    }

    fn begin(&mut self, welcome: Welcome) {
        if self.session.is_some() {
            self.counts.afresh += 1;
            self.sight.ended();
            if self.roams {
                self.said.retain(|room, _| &*room.namespace != UNKEPT);
            }
        }
        self.session = Some(Resume {
            session_id: welcome.session_id,
            session_secret: welcome.session_secret,
            seq: 1,
            afresh: true,
        });
        (self.confirmed, self.next_ref) = (1, 1);
        self.shut_out = false;
        let open = std::mem::take(&mut self.open);
        for namespace in self.enters.clone() {
            self.ask(What::Enter(namespace));
        }
        for Open { what, sent, .. } in open {
            if let What::Emit(room, message) = &what {
                // The idempotency key of what no room keeps holds on one node: said again on another one, it may come twice.
                if sent && (self.roams || !is_alone()) && &*room.namespace == UNKEPT {
                    continue;
                }
                self.recorder.done(Done::Invoked { room: room.clone(), message: message.clone() });
                self.ask(what);
            }
        }
    }

    fn flush_on(&mut self, stream: &mut Stream) {
        let Ok(permit) = stream.up.try_reserve() else { return };
        let mut frames: Vec<ClientFrame> = Vec::new();
        for open in self.open.iter_mut().filter(|open| !open.sent).take(200) {
            open.sent = true;
            frames.push(ClientFrame { r#ref: open.reference, command: Some(command(&open.what)) });
        }
        let seq = self.session.as_ref().map_or(0, |session| session.seq);
        if seq >= self.confirmed + CONFIRMED_EVERY {
            self.confirmed = seq;
            let seen = rialto_proto::v1::Seen { seq };
            frames.push(ClientFrame { r#ref: 0, command: Some(Command::Seen(seen)) });
        }
        if !frames.is_empty() {
            permit.send(AttachRequest { frames });
        }
    }

    /// Says what there is to say, and waits for what comes next.
    ///
    /// *Cancel safety*: may be given up; nothing that came is lost.
    pub async fn turn(&mut self) -> Result<(), Broken> {
        if self.shut_out {
            self.forget_seq();
            return Err(Broken("it is not where it wanted to be".into()));
        }
        let mut stream = self.stream.take().ok_or_else(|| Broken("not connected".into()))?;
        self.flush_on(&mut stream);
        let stream = self.stream.insert(stream);
        match stream.down.message().await {
            Ok(Some(response)) => {
                self.take(response);
                Ok(())
            }
            Ok(None) => {
                self.stream = None;
                Err(Broken("the stream has ended".into()))
            }
            Err(status) => {
                self.stream = None;
                Err(self.broken(&status))
            }
        }
    }

    /// Asks for a `Pong` and takes turns until it has come: everything before it has come then.
    pub async fn catch_up(&mut self) -> Result<(), Broken> {
        let stream = self.stream.as_ref().ok_or_else(|| Broken("not connected".into()))?;
        let frames = vec![ClientFrame { r#ref: 0, command: Some(Command::Ping(Ping {})) }];
        let asked = stream.up.send(AttachRequest { frames }).await;
        asked.map_err(|_| Broken("nobody reads".into()))?;
        let pongs = self.pongs;
        while self.pongs == pongs {
            self.turn().await?;
        }
        Ok(())
    }

    /// Takes turns until everything that it has said is answered.
    pub async fn settle(&mut self) -> Result<(), Broken> {
        while !self.open.is_empty() {
            self.turn().await?;
        }
        Ok(())
    }

    fn take(&mut self, response: AttachResponse) {
        for (index, ServerFrame { r#ref, frame }) in (0..).zip(response.frames) {
            if response.first_seq > 0 {
                let seq = response.first_seq + index;
                let name = &self.name;
                let session = self.session.as_mut().unwrap_or_else(|| panic!("{name} has no session"));
                assert_eq!(seq, session.seq + 1, "{name}: frames come once, in order, without a hole");
                session.seq = seq;
            }
            match frame {
                Some(Frame::Event(event)) => {
                    self.counts.events += 1;
                    self.sight.event(&event);
                }
                Some(Frame::Joined(joined)) => self.sight.joined(joined),
                Some(Frame::Missed(missed)) => {
                    self.counts.missed += 1;
                    self.sight.missed(&missed);
                }
                Some(Frame::Accepted(accepted)) => self.accepted(r#ref, accepted),
                Some(Frame::Refused(refused)) => self.refused(r#ref, &refused),
                Some(Frame::Entered(_)) => drop(self.answered(r#ref)),
                Some(Frame::Pong(_)) => self.pongs += 1,
                Some(Frame::Drain(_)) => self.drained = true,
                Some(Frame::Ping(_) | Frame::Close(_)) | None => {}
                Some(other) => panic!("{}: unexpected {other:?}", self.name),
            }
        }
    }

    /// The command that an answer is for. Answers come in the order of commands.
    fn answered(&mut self, reference: u32) -> What {
        match self.open.pop_front() {
            Some(open) if open.reference == reference => open.what,
            other => panic!("{}: an answer to {reference}, and {other:?} has none yet", self.name),
        }
    }

    fn accepted(&mut self, reference: u32, accepted: Accepted) {
        let What::Emit(_, message) = self.answered(reference) else { panic!("{}: not an emit", self.name) };
        self.counts.accepted += 1;
        self.counts.duplicates += u64::from(accepted.duplicate);
        let durability = match accepted.durability() {
            Durability::Fsync => checks::Durability::Fsync,
            Durability::Replicated => checks::Durability::Replicated,
            _ => checks::Durability::Memory,
        };
        let position = accepted.offset.map(|offset| Position::new(&accepted.epoch, offset));
        self.recorder.done(Done::Accepted { message, position, durability });
    }

    /// Whether a command is one of those that make it a member or let it enter.
    fn wants_to_be_there(&self, reference: u32) -> bool {
        let front = self.open.front();
        reference == 0
            || front.is_some_and(|open| open.reference == reference && matches!(open.what, What::Enter(_)))
    }

    fn refused(&mut self, reference: u32, refused: &Refused) {
        let code = refused.code();
        if self.roams && code == RefusalCode::NodesUnreachable && self.wants_to_be_there(reference) {
            self.shut_out = true;
            return;
        }
        match self.answered(reference) {
            What::Enter(namespace) => panic!("{} may not enter {namespace}: {refused:?}", self.name),
            // The outcome is not known: the log has failed after it was taken, or the node that had it is gone.
            What::Emit(_, message)
                if matches!(code, RefusalCode::StorageFailed | RefusalCode::NodesUnreachable) =>
            {
                self.recorder.done(Done::Unknown { message });
            }
            What::Emit(_, message) => self.recorder.done(Done::Refused { message }),
        }
        self.counts.refused += 1;
        *self.refusals.entry(code).or_default() += 1;
    }
}

/// Whether a client comes back after its stream was closed so, and need not wonder.
fn goes_on(code: CloseCode) -> bool {
    matches!(code, CloseCode::FellBehind | CloseCode::Replaced | CloseCode::SessionLost | CloseCode::Draining)
}
