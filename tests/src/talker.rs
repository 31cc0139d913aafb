//! A client that says exactly what a test wants said, frame by frame, over either shape of a session. It has no
//! behaviour of its own: no reconnect, no heartbeat, no memory.

use std::collections::VecDeque;

use rialto_proto::v1::{
    Accepted, AttachRequest, Bye, ClientFrame, Close, Emit, Enter, Event, Hello, Join, Joined, Leave, Left,
    ListenRequest, Part, Parted, Presence, PushRequest, Refresh, Refreshed, Refused, Reply, ServerFrame,
    Welcome, client_frame::Command, messaging_service_client::MessagingServiceClient, reply,
    server_frame::Frame,
};
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt, wrappers::ReceiverStream};
use tonic::{Status, transport::Channel};

pub use crate::words::{content, duration, emit_in, emit_to, everyone, rooms, sessions, text, users};
use crate::{
    node::{TestNode, is_alone, settled},
    within,
};

/// How a session travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One stream, both ways.
    Attach,
    /// Two halves.
    ListenAndPush,
}

type Down = std::pin::Pin<Box<dyn Stream<Item = Result<(u32, Vec<ServerFrame>), Status>> + Send>>;

enum Up {
    Attach(mpsc::Sender<AttachRequest>),
    Push(Box<MessagingServiceClient<Channel>>),
}

/// A session that a test speaks for.
pub struct Talker {
    up: Up,
    down: Down,
    pub(crate) waiting: VecDeque<ServerFrame>,
    ended: Option<Result<(), Status>>,
    pub(crate) next_ref: u32,
    pub(crate) next_push: u32,
    pub(crate) next_seq: u32,
    /// The node's greeting; empty before it came.
    pub welcome: Welcome,
}

impl Talker {
    /// A stream on which nothing has been said. For `ListenAndPush` the greeting is part of the call: use
    /// [`Talker::open_with`].
    pub async fn open(node: &TestNode) -> Self {
        Self::open_over(node.channel().await).await
    }

    /// The same over a connection that there is.
    pub async fn open_over(channel: Channel) -> Self {
        let (sender, receiver) = mpsc::channel(16);
        let mut stub = MessagingServiceClient::new(channel);
        let opened = within("response headers", stub.attach(ReceiverStream::new(receiver))).await;
        let stream = opened.expect("the call is taken").into_inner();
        let down = stream.map(|response| response.map(|response| (response.first_seq, response.frames)));
        Self::new(Up::Attach(sender), Box::pin(down))
    }

    /// A session that is greeted with `hello`.
    pub async fn open_with(node: &TestNode, shape: Shape, hello: Hello) -> Result<Self, Status> {
        Self::open_with_over(node.channel().await, shape, hello).await
    }

    /// The same over a connection that there is.
    pub async fn open_with_over(channel: Channel, shape: Shape, hello: Hello) -> Result<Self, Status> {
        Self::knock(channel, shape, hello).await?.welcomed(0).await
    }

    /// A stream on which `hello` has been said, and nothing has been heard.
    pub async fn knock(channel: Channel, shape: Shape, hello: Hello) -> Result<Self, Status> {
        Ok(match shape {
            Shape::Attach => {
                let mut talker = Self::open_over(channel).await;
                talker.say(0, Command::Hello(hello)).await;
                talker
            }
            Shape::ListenAndPush => {
                let mut stub = MessagingServiceClient::new(channel);
                let request = ListenRequest { hello: Some(hello) };
                let stream = within("response headers", stub.listen(request)).await?.into_inner();
                let down =
                    stream.map(|response| response.map(|response| (response.first_seq, response.frames)));
                Self::new(Up::Push(Box::new(stub)), Box::pin(down))
            }
        })
    }

    /// Hears the greeting, of a client that has seen the frames up to `seq` if the session goes on.
    pub async fn welcomed(mut self, seq: u32) -> Result<Self, Status> {
        let first = self.hear().await;
        match first {
            Some(ServerFrame { frame: Some(Frame::Welcome(welcome)), .. }) => {
                self.next_seq += if welcome.resumed { seq } else { 0 };
                self.welcome = welcome;
                Ok(self)
            }
            Some(other) => panic!("expected welcome, not {other:?}"),
            None => Err(self.end().await.expect_err("a stream without welcome ends with a status")),
        }
    }

    /// A session of `user`.
    pub async fn greet(node: &TestNode, shape: Shape, user: &str) -> Self {
        let hello = Hello { user: user.to_owned(), ..Hello::default() };
        Self::open_with(node, shape, hello).await.expect("the node greets")
    }

    /// A session with a token or an API key, or the status with which it was refused.
    pub async fn greet_with(node: &TestNode, shape: Shape, token: &str) -> Result<Self, Status> {
        let hello = Hello { token: token.to_owned(), ..Hello::default() };
        Self::open_with(node, shape, hello).await
    }

    fn new(up: Up, down: Down) -> Self {
        Self {
            up,
            down,
            waiting: VecDeque::new(),
            ended: None,
            next_ref: 1,
            next_push: 1,
            next_seq: 1,
            welcome: Welcome::default(),
        }
    }

    /// The id of the session.
    pub fn id(&self) -> String {
        self.welcome.session_id.clone()
    }

    /// Says a frame with a ref of the test's choice.
    pub async fn say(&mut self, reference: u32, command: Command) {
        self.say_all(vec![ClientFrame { r#ref: reference, command: Some(command) }]).await;
    }

    /// Says frames in one message; the rest follows when one of several nodes has only taken the first of them.
    pub async fn say_all(&mut self, mut frames: Vec<ClientFrame>) {
        match &mut self.up {
            Up::Attach(sender) => {
                within("room on the stream", sender.send(AttachRequest { frames }))
                    .await
                    .expect("the stream is open");
            }
            Up::Push(stub) => {
                while !frames.is_empty() {
                    let (first_seq, last) = (self.next_push, self.next_push + frames.len() as u32 - 1);
                    let Welcome { session_id, session_secret, .. } = self.welcome.clone();
                    let request =
                        PushRequest { session_id, session_secret, first_seq, frames: frames.clone() };
                    let pushed = within("a push", stub.push(request)).await.expect("the push is taken");
                    let accepted = pushed.into_inner().accepted_seq;
                    assert!(accepted == last || !is_alone() && (first_seq..last).contains(&accepted));
                    frames.drain(..(accepted + 1 - first_seq) as usize);
                    self.next_push = accepted + 1;
                }
            }
        }
    }

    /// Says frames on a stream that may have ended. False when nobody takes them any more. (Only on `Attach`.)
    pub async fn try_say(&mut self, frames: Vec<ClientFrame>) -> bool {
        let Up::Attach(sender) = &self.up else { panic!("there is no stream upwards") };
        within("room on the stream", sender.send(AttachRequest { frames })).await.is_ok()
    }

    /// Says a frame with the next ref, which is returned.
    pub async fn ask(&mut self, command: Command) -> u32 {
        let reference = self.next_ref;
        self.next_ref += 1;
        self.say(reference, command).await;
        reference
    }

    /// Says nothing more, and goes on listening. (Only on `Attach`.)
    pub fn half_close(&mut self) {
        let (sender, _) = mpsc::channel(1);
        self.up = Up::Attach(sender);
    }

    /// The next frame; `None` when the stream has ended. Sequence numbers are checked on the way.
    pub async fn next(&mut self) -> Option<ServerFrame> {
        if self.waiting.is_empty() {
            return self.hear().await;
        }
        self.waiting.pop_front()
    }

    /// The next frame that the stream brings.
    async fn hear(&mut self) -> Option<ServerFrame> {
        let before = self.waiting.len();
        while self.waiting.len() == before && self.ended.is_none() {
            match within("a frame", self.down.next()).await {
                Some(Ok((first_seq, frames))) => {
                    self.count(first_seq, &frames);
                    self.waiting.extend(frames);
                }
                Some(Err(status)) => self.ended = Some(Err(status)),
                None => self.ended = Some(Ok(())),
            }
        }
        self.waiting.remove(before)
    }

    /// Frames are numbered without a gap, but for the greeting of a session that goes on and for the end.
    fn count(&mut self, first_seq: u32, frames: &[ServerFrame]) {
        if first_seq == 0 {
            let [ServerFrame { frame: Some(frame), .. }] = frames else {
                panic!("one frame comes without a number, not {frames:?}")
            };
            let outside = match frame {
                Frame::Close(_) => true,
                Frame::Welcome(welcome) => welcome.resumed,
                _ => false,
            };
            assert!(outside, "has no number: {frame:?}");
            return;
        }
        assert_eq!(first_seq, self.next_seq, "frames are numbered without a gap");
        let numbered = |frame: &ServerFrame| match &frame.frame {
            Some(Frame::Close(_)) => false,
            Some(Frame::Welcome(welcome)) => !welcome.resumed,
            _ => true,
        };
        assert!(frames.iter().all(numbered), "must not have a number: {frames:?}");
        self.next_seq += u32::try_from(frames.len()).expect("few frames");
    }

    /// How the stream ended, after all frames.
    pub async fn end(&mut self) -> Result<(), Status> {
        while self.next().await.is_some() {}
        self.ended.clone().expect("the stream has ended")
    }

    /// The answer to `reference`; whatever comes before it is kept for later.
    pub async fn answer(&mut self, reference: u32) -> Frame {
        self.first_that(|frame| frame.r#ref == reference && frame.frame.is_some())
            .await
            .frame
            .expect("checked")
    }

    /// The answer to a command, when what has led to it is known everywhere.
    async fn change(&mut self, command: Command) -> Frame {
        let reference = self.ask(command).await;
        let frame = self.answer(reference).await;
        settled().await;
        frame
    }

    /// The first frame that fits; what comes before it is kept for later.
    pub async fn first_that(&mut self, fits: impl Fn(&ServerFrame) -> bool) -> ServerFrame {
        let mut passed = VecDeque::new();
        loop {
            let Some(frame) = self.next().await else {
                panic!("the stream ended ({:?}) before the frame came; passed: {passed:?}", self.ended)
            };
            if fits(&frame) {
                passed.extend(self.waiting.drain(..));
                self.waiting = passed;
                return frame;
            }
            passed.push_back(frame);
        }
    }

    /// The next event, which must be the next frame.
    pub async fn expect_event(&mut self, name: &str) -> Event {
        match self.next().await.and_then(|frame| frame.frame) {
            Some(Frame::Event(event)) => {
                assert_eq!(event.content.as_ref().map(|content| content.event.as_str()), Some(name));
                event
            }
            other => panic!("expected the event {name}, not {other:?}"),
        }
    }

    /// The next event's text, which must be the next frame.
    pub async fn expect_text(&mut self, name: &str) -> String {
        text(&self.expect_event(name).await)
    }

    /// What is told next without having been asked for.
    pub async fn expect_notice(&mut self) -> Frame {
        let frame = self.next().await.expect("the stream goes on");
        assert_eq!(frame.r#ref, 0, "a notice, not the answer {frame:?}");
        frame.frame.expect("a frame says something")
    }

    /// The news of who came or went in a room, which must be the next frame.
    pub async fn expect_presence(&mut self, room: &str) -> Presence {
        match self.expect_notice().await {
            Frame::Presence(presence) => {
                assert_eq!(presence.room, room);
                presence
            }
            other => panic!("expected presence of {room}, not {other:?}"),
        }
    }

    /// The close, after all frames before it.
    pub async fn expect_close(&mut self) -> Close {
        let frame = self.first_that(|frame| matches!(frame.frame, Some(Frame::Close(_)))).await;
        let Some(Frame::Close(close)) = frame.frame else { unreachable!() };
        close
    }

    /// Fails when anything but answers to nobody has come before a ping of our own is answered: everything that was
    /// sent to this session before now would have come first.
    pub async fn expect_nothing(&mut self) {
        let reference = self.next_ref;
        self.next_ref += 1;
        self.expect_nothing_with(reference).await;
    }

    /// The same with a number of the test's choice for the ping.
    pub async fn expect_nothing_with(&mut self, reference: u32) {
        settled().await;
        self.say(reference, Command::Ping(rialto_proto::v1::Ping {})).await;
        match self.next().await {
            Some(ServerFrame { r#ref, frame: Some(Frame::Pong(_)) }) if r#ref == reference => {}
            other => panic!("expected nothing, not {other:?}"),
        }
    }

    /// The events that were sent to this session before now, and nothing else was.
    pub async fn events_until_now(&mut self) -> Vec<Event> {
        settled().await;
        let reference = self.ask(Command::Ping(rialto_proto::v1::Ping {})).await;
        let mut events = Vec::new();
        loop {
            match self.next().await {
                Some(ServerFrame { frame: Some(Frame::Event(event)), .. }) => events.push(event),
                Some(ServerFrame { r#ref, frame: Some(Frame::Pong(_)) }) if r#ref == reference => {
                    return events;
                }
                other => panic!("expected an event, not {other:?}"),
            }
        }
    }

    /// Joins rooms without presence.
    pub async fn join(&mut self, namespace: &str, rooms: &[&str]) -> Joined {
        match self.try_join(namespace, rooms, false).await {
            Ok(joined) => joined,
            Err(refused) => panic!("the join of {rooms:?} was refused: {refused:?}"),
        }
    }

    /// Joins rooms, or is refused.
    pub async fn try_join(
        &mut self,
        namespace: &str,
        rooms: &[&str],
        presence: bool,
    ) -> Result<Joined, Refused> {
        let rooms = rooms.iter().map(|room| (*room).to_owned()).collect();
        let join = Join { namespace: namespace.to_owned(), rooms, presence, ..Default::default() };
        match self.change(Command::Join(join)).await {
            Frame::Joined(joined) => Ok(joined),
            Frame::Refused(refused) => Err(refused),
            other => panic!("expected joined, not {other:?}"),
        }
    }

    /// Enters a namespace, or is refused.
    pub async fn enter(&mut self, namespace: &str) -> Result<(), Refused> {
        match self.change(Command::Enter(Enter { namespace: namespace.to_owned() })).await {
            Frame::Entered(_) => Ok(()),
            Frame::Refused(refused) => Err(refused),
            other => panic!("expected entered, not {other:?}"),
        }
    }

    /// Leaves a namespace.
    pub async fn leave(&mut self, namespace: &str) -> Left {
        match self.change(Command::Leave(Leave { namespace: namespace.to_owned() })).await {
            Frame::Left(left) => left,
            other => panic!("expected left, not {other:?}"),
        }
    }

    /// Says good-bye and hears the close.
    pub async fn bye(&mut self) -> Close {
        self.say(0, Command::Bye(Bye {})).await;
        let (close, ()) = (self.expect_close().await, settled().await);
        close
    }

    /// Hands in a new token, or is refused.
    pub async fn refresh(&mut self, token: &str) -> Result<Refreshed, Refused> {
        let reference = self.ask(Command::Refresh(Refresh { token: token.to_owned() })).await;
        match self.answer(reference).await {
            Frame::Refreshed(refreshed) => Ok(refreshed),
            Frame::Refused(refused) => Err(refused),
            other => panic!("expected refreshed, not {other:?}"),
        }
    }

    /// Parts rooms.
    pub async fn part(&mut self, namespace: &str, rooms: &[&str]) -> Parted {
        let rooms = rooms.iter().map(|room| (*room).to_owned()).collect();
        match self.change(Command::Part(Part { namespace: namespace.to_owned(), rooms })).await {
            Frame::Parted(parted) => parted,
            other => panic!("expected parted, not {other:?}"),
        }
    }

    /// The answer to a join in the greeting, which must be the next frame.
    pub async fn expect_joined(&mut self) -> Joined {
        match self.next().await.and_then(|frame| frame.frame) {
            Some(Frame::Joined(joined)) => joined,
            other => panic!("expected joined, not {other:?}"),
        }
    }

    /// Emits text to a room of `chat`.
    pub async fn emit(&mut self, room: &str, event: &str, text: &str) -> Accepted {
        self.try_emit(emit_to(rooms(&[room]), event, text)).await.expect("the emit is taken")
    }

    /// Emits, or is refused.
    pub async fn try_emit(&mut self, emit: Emit) -> Result<Accepted, Refused> {
        let reference = self.ask(Command::Emit(emit)).await;
        match self.answer(reference).await {
            Frame::Accepted(accepted) => Ok(accepted),
            Frame::Refused(refused) => Err(refused),
            other => panic!("expected accepted, not {other:?}"),
        }
    }

    /// Answers an event with text.
    pub async fn reply(&mut self, event: &Event, text: &str) {
        let reply = Reply {
            reply_token: event.reply_token.clone(),
            body: Some(reply::Body::Text(text.to_owned())),
            content_type: String::new(),
        };
        self.say(0, Command::Reply(reply)).await;
    }
}
