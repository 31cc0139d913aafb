//! A server that is played by a test: one stream after the other, word by word.

use rialto_proto::v1::{self, RefusalCode, client_frame::Command as Wire, server_frame::Frame};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::*;
use crate::{
    kept::Greeting,
    link::{Link, link},
    namespace::Namespace,
    settings::Settings,
    status::Status as State,
    token::TokenSource,
};

/// The server's side of a stream.
pub(super) struct Stage {
    pub(super) down: mpsc::Sender<Result<AttachResponse, Status>>,
    pub(super) up: mpsc::Receiver<AttachRequest>,
    waiting: VecDeque<ClientFrame>,
    /// Number of the last frame.
    pub(super) seq: u32,
    /// What the client greeted with.
    pub(super) greeting: Greeting,
}

/// The client's side of it.
pub(super) type Opened = Opening<ReceiverStream<Result<AttachResponse, Status>>>;

impl Stage {
    /// The next command of the client, with its number.
    pub(super) async fn hears(&mut self) -> (u32, Wire) {
        while self.waiting.is_empty() {
            self.waiting.extend(self.up.recv().await.expect("the client goes on").frames);
        }
        let frame = self.waiting.pop_front().unwrap();
        (frame.r#ref, frame.command.unwrap())
    }

    /// What the client has still said when it has nothing more to say.
    pub(super) async fn hears_out(mut self) -> Vec<(u32, Wire)> {
        drop(self.down);
        while let Some(message) = self.up.recv().await {
            self.waiting.extend(message.frames);
        }
        self.waiting.into_iter().map(|frame| (frame.r#ref, frame.command.unwrap())).collect()
    }

    pub(super) async fn says(&mut self, number: u32, frame: Frame) {
        self.seq += 1;
        self.sends(self.seq, number, frame).await;
    }

    /// Says something under a number of its own; 0 is none.
    pub(super) async fn sends(&mut self, first_seq: u32, number: u32, frame: Frame) {
        let frames = vec![ServerFrame { r#ref: number, frame: Some(frame) }];
        self.down.send(Ok(AttachResponse { first_seq, frames })).await.expect("the client listens");
    }
}

/// The next stream of a session, as a server without a resume window has it.
pub(super) fn stage(kept: &Kept) -> (Stage, Opened) {
    next_stage(kept, Welcome::default())
}

/// The next stream of a session.
pub(super) fn next_stage(kept: &Kept, welcome: Welcome) -> (Stage, Opened) {
    let (down, inbound) = mpsc::channel(1);
    let (outbound, up) = mpsc::channel(MESSAGES_WAITING);
    let greeting = kept.greeting();
    let welcome_seq = u32::from(!welcome.resumed);
    let seq = match &greeting.resume {
        Some(resume) if welcome.resumed => resume.seq,
        _ => 1,
    };
    let opening = Opening {
        inbound: ReceiverStream::new(inbound),
        outbound,
        welcome,
        welcome_seq,
        rest: VecDeque::new(),
        joins: greeting.joins.clone(),
        renewal: Renewal::new(TokenSource::Absent, None),
    };
    (Stage { down, up, waiting: VecDeque::new(), seq, greeting }, opening)
}

/// A new session that is held when its stream is lost.
pub(super) fn new_session(id: &str) -> Welcome {
    Welcome {
        session_id: id.into(),
        session_secret: "secret".into(),
        resume_window: Some(prost_types::Duration { seconds: 120, nanos: 0 }),
        ..Welcome::default()
    }
}

/// A session that goes on.
pub(super) fn same_session(id: &str, last_ref: u32) -> Welcome {
    Welcome { resumed: true, last_ref, ..new_session(id) }
}

pub(super) fn attached() -> (Link, FarEnd) {
    let (link, far) = link(&Settings { events_waiting: 4, ..Settings::new(String::new()) });
    far.status.send_replace(State::attached("s", "n"));
    (link, far)
}

pub(super) fn chat(link: &Link) -> Namespace {
    Namespace::new(link.clone(), "chat".into())
}

pub(super) fn join(rooms: &[&str]) -> v1::Join {
    let rooms = rooms.iter().map(|room| (*room).to_owned()).collect();
    v1::Join { namespace: "chat".into(), rooms, ..v1::Join::default() }
}

pub(super) fn joined(rooms: &[&str]) -> Frame {
    let rooms = rooms.iter().map(|room| v1::RoomState { room: (*room).into(), ..v1::RoomState::default() });
    Frame::Joined(v1::Joined { namespace: "chat".into(), rooms: rooms.collect() })
}

/// The answer to joining a room with history.
pub(super) fn joined_at(room: &str, offset: u64, recovery: v1::Recovery) -> Frame {
    let state = v1::RoomState {
        room: room.into(),
        epoch: "e".into(),
        offset: Some(offset),
        first_offset: Some(1),
        recovery: recovery.into(),
        ..v1::RoomState::default()
    };
    Frame::Joined(v1::Joined { namespace: "chat".into(), rooms: vec![state] })
}

pub(super) fn refused(retry: Option<v1::Retry>) -> Frame {
    let code = RefusalCode::Forbidden.into();
    Frame::Refused(v1::Refused { code, retry, ..v1::Refused::default() })
}

pub(super) fn accepted(id: &str) -> Frame {
    Frame::Accepted(v1::Accepted { event_id: id.into(), ..v1::Accepted::default() })
}

pub(super) fn event(number: usize) -> Frame {
    let content = v1::Content { event: number.to_string(), ..v1::Content::default() };
    Frame::Event(v1::Event {
        namespace: "chat".into(),
        rooms: vec!["general".into()],
        content: Some(content),
        ..v1::Event::default()
    })
}

/// An event that the history of its room keeps.
pub(super) fn event_at(offset: u64) -> Frame {
    let Frame::Event(event) = event(usize::try_from(offset).unwrap()) else { unreachable!() };
    Frame::Event(v1::Event { offset: Some(offset), epoch: "e".into(), ..event })
}

/// Name of an event, which is its number, or what else was said.
pub(super) fn emitted(wire: &Wire) -> &str {
    match wire {
        Wire::Emit(emit) => &emit.content.as_ref().unwrap().event,
        _ => "no emit",
    }
}
