//! Asking for replies, and everything that comes back, in the order in which it must come. An extension of [`Talker`]
//! for the tests of replies; it adds no behaviour.

use std::time::Duration;

use rialto_proto::v1::{
    Accepted, ClientFrame, Emit, Event, ExpectReplies, Refused, RepliesDone, Reply, ReplyItem, ServerFrame,
    client_frame::Command, reply, server_frame::Frame,
};

use crate::{
    node::settled,
    talker::{Talker, duration},
};

/// The same emit with replies wanted.
pub fn asking(emit: Emit, timeout: Duration) -> Emit {
    Emit { expect_replies: Some(ExpectReplies { timeout: Some(duration(timeout)) }), ..emit }
}

/// A command of the kind `Emit`, numbered.
pub fn numbered(reference: u32, emit: Emit) -> ClientFrame {
    ClientFrame { r#ref: reference, command: Some(Command::Emit(emit)) }
}

impl Talker {
    /// Asks, and expects that this is taken. Returns the number of the question.
    pub async fn ask_for_replies(&mut self, emit: Emit, timeout: Duration) -> (u32, Accepted) {
        let reference = self.ask(Command::Emit(asking(emit, timeout))).await;
        match self.next().await {
            Some(ServerFrame { r#ref, frame: Some(Frame::Accepted(accepted)) }) if r#ref == reference => {
                // Whoever is on another node has been asked.
                settled().await;
                (reference, accepted)
            }
            other => panic!("expected that {reference} is accepted, not {other:?}"),
        }
    }

    /// The next reply, which must be the next frame.
    pub async fn expect_reply(&mut self, reference: u32) -> ReplyItem {
        match self.next().await {
            Some(ServerFrame { r#ref, frame: Some(Frame::Replies(mut replies)) })
                if r#ref == reference && replies.items.len() == 1 =>
            {
                replies.items.remove(0)
            }
            other => panic!("expected a reply to {reference}, not {other:?}"),
        }
    }

    /// The end of the wait, which must be the next frame.
    pub async fn expect_done(&mut self, reference: u32) -> RepliesDone {
        match self.next().await {
            Some(ServerFrame { r#ref, frame: Some(Frame::RepliesDone(done)) }) if r#ref == reference => done,
            other => panic!("expected the end of the replies to {reference}, not {other:?}"),
        }
    }

    /// The next frame, which must be a refusal of `reference`.
    pub async fn expect_refused(&mut self, reference: u32) -> Refused {
        match self.next().await {
            Some(ServerFrame { r#ref, frame: Some(Frame::Refused(refused)) }) if r#ref == reference => {
                refused
            }
            other => panic!("expected a refusal of {reference}, not {other:?}"),
        }
    }

    /// Answers an event with this body.
    pub async fn reply_with(&mut self, event: &Event, body: reply::Body) {
        let reply =
            Reply { reply_token: event.reply_token.clone(), body: Some(body), content_type: String::new() };
        self.say(0, Command::Reply(reply)).await;
    }
}
