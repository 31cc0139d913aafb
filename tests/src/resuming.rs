//! Clients that lose their streams and come back. What such a client remembers is a value of its own, so that a test
//! may say it wrongly, twice, or as somebody else.

use std::collections::VecDeque;

use rialto_proto::v1::{
    ClientFrame, Hello, PushRequest, PushResponse, Resume, Seen, ServerFrame, client_frame::Command,
    server_frame::Frame,
};
use tonic::Status;

use crate::{
    eventually,
    node::TestNode,
    talker::{Shape, Talker},
    within,
};

/// What a client remembers of a session whose stream it has lost.
#[derive(Debug, Clone)]
pub struct Lost {
    /// What is said to come back.
    pub hello: Hello,
    /// The shape of the next stream.
    pub shape: Shape,
    waiting: VecDeque<ServerFrame>,
    next_ref: u32,
    next_push: u32,
}

impl Talker {
    /// The last number that was received.
    pub fn seq(&self) -> u32 {
        self.next_seq - 1
    }

    /// What is remembered of the session, while its stream goes on. What was received and not looked at is kept.
    pub fn remember(&self, shape: Shape) -> Lost {
        let resume = Resume {
            session_id: self.welcome.session_id.clone(),
            session_secret: self.welcome.session_secret.clone(),
            seq: self.seq(),
            afresh: false,
        };
        let hello = Hello { user: self.welcome.user.clone(), resume: Some(resume), ..Hello::default() };
        let numbered = |frame: &&ServerFrame| !matches!(frame.frame, Some(Frame::Close(_)));
        let waiting = self.waiting.iter().filter(numbered).cloned().collect();
        Lost { hello, shape, waiting, next_ref: self.next_ref, next_push: self.next_push }
    }

    /// Loses the stream: the node notices by the connection, without a word.
    pub fn lose(self, shape: Shape) -> Lost {
        self.remember(shape)
    }

    /// Loses the stream and comes back.
    pub async fn lose_and_resume(self, node: &TestNode, shape: Shape) -> Self {
        self.lose(shape).resume(node).await
    }

    /// Confirms what was received up to `seq`, and waits until that is known.
    pub async fn confirm(&mut self, seq: u32) {
        self.say(0, Command::Seen(Seen { seq })).await;
        let reference = self.ask(Command::Ping(rialto_proto::v1::Ping {})).await;
        self.answer(reference).await;
    }
}

impl TestNode {
    /// Waits until the node has noticed that a session has lost its stream.
    pub async fn misses(&self, lost: &Lost) {
        let away = async || {
            let member = self.session(lost.id()).await.expect("it outlives its stream").member;
            member.expect("a member").away
        };
        eventually("an end of the stream", away).await;
    }
}

impl Lost {
    /// The session.
    pub fn id(&self) -> &str {
        &self.words().session_id
    }

    /// The number after which the client wants to go on.
    pub fn seq(&self) -> u32 {
        self.words().seq
    }

    /// The same with another number; what was received after it is forgotten.
    pub fn after(mut self, seq: u32) -> Self {
        self.waiting.clear();
        self.with(|resume| resume.seq = seq)
    }

    /// The same with other words of the resumption.
    pub fn with(mut self, change: impl FnOnce(&mut Resume)) -> Self {
        change(self.hello.resume.as_mut().expect("it resumes"));
        self
    }

    /// The same, of a client that pushes its frames from this number on.
    pub fn pushing_from(self, next_push: u32) -> Self {
        Self { next_push, ..self }
    }

    /// The same over another shape.
    pub fn over(self, shape: Shape) -> Self {
        Self { shape, ..self }
    }

    /// The same with a token.
    pub fn with_token(mut self, token: &str) -> Self {
        (self.hello.token, self.hello.user) = (token.to_owned(), String::new());
        self
    }

    fn words(&self) -> &Resume {
        self.hello.resume.as_ref().expect("it resumes")
    }

    /// Comes back, to the session or to another one if that was asked for; or is refused.
    pub async fn try_resume(&self, node: &TestNode) -> Result<Talker, Status> {
        let talker = Talker::knock(node.channel().await, self.shape, self.hello.clone()).await?;
        let mut talker = talker.welcomed(self.seq()).await?;
        if talker.welcome.resumed {
            assert_eq!(talker.welcome.session_id, self.id());
            let heard = std::mem::take(&mut talker.waiting);
            talker.waiting = self.waiting.iter().cloned().chain(heard).collect();
            // What the node has taken is not numbered anew, whatever the client remembers of it.
            talker.next_ref = self.next_ref.max(talker.welcome.last_ref + 1);
            talker.next_push = talker.welcome.pushed_seq + 1;
        }
        Ok(talker)
    }

    /// Comes back to the session.
    pub async fn resume(&self, node: &TestNode) -> Talker {
        let talker = self.try_resume(node).await.expect("the node takes it back");
        assert!(talker.welcome.resumed, "the session goes on");
        talker
    }

    /// Pushes frames while nobody listens.
    pub async fn push(&mut self, node: &TestNode, frames: Vec<ClientFrame>) -> Result<PushResponse, Status> {
        let count = u32::try_from(frames.len()).expect("few frames");
        let request = PushRequest {
            session_id: self.words().session_id.clone(),
            session_secret: self.words().session_secret.clone(),
            first_seq: self.next_push,
            frames,
        };
        let pushed = within("a push", node.messaging().await.push(request)).await?.into_inner();
        self.next_push += count;
        Ok(pushed)
    }
}
