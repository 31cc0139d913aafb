//! Commands that were sent and have no answer yet, by their `ref`. Gives each answer to whoever waits for it, and says
//! at the end of a stream what became of the rest: what is harmless to repeat is repeated, all else is told that its
//! outcome is unknown. Knows no connection; used by `conversation.rs`.

use std::collections::HashMap;

use rialto_proto::v1::{ClientFrame, client_frame::Command as Wire, server_frame::Frame};

use crate::{
    audience::{Delivery, Parked},
    error::{Error, Refusal},
    link::{Awaiting, Command},
};

/// Changes of membership without an answer that are remembered for callers who have given up.
const UNANSWERED_MAX: usize = 1024;

/// Commands without an answer.
#[derive(Debug, Default)]
pub(crate) struct Outstanding {
    last_ref: u32,
    entries: HashMap<u32, Entry>,
}

#[derive(Debug)]
struct Entry {
    awaiting: Awaiting,
    /// Kept for commands that may be sent twice without harm.
    idempotent: Option<Wire>,
}

/// What an answer means for the session itself.
#[derive(Debug, PartialEq)]
pub(crate) enum Settled {
    /// Nothing more.
    Nothing,
    /// This command was carried out: the session is now somewhere else.
    Done(Wire),
    /// The session could not return to where it was.
    RejoinRefused(Wire, Refusal),
    /// The new token was turned down.
    RefreshRefused(Refusal),
    /// The answer is to no command that is known, or to one that nobody waits for.
    Unasked(Frame),
}

impl Outstanding {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Numbers a command and remembers who waits for its answer. `None` when the session has no more numbers.
    pub(crate) fn begin(&mut self, command: Command) -> Option<ClientFrame> {
        let Command { wire, awaiting } = command;
        if matches!(awaiting, Awaiting::Nobody) {
            return Some(ClientFrame { r#ref: 0, command: Some(wire) });
        }
        self.last_ref = self.last_ref.checked_add(1)?;
        let idempotent = matches!(wire, Wire::Join(_) | Wire::Part(_) | Wire::Enter(_) | Wire::Leave(_))
            .then(|| wire.clone());
        self.entries.insert(self.last_ref, Entry { awaiting, idempotent });
        Some(ClientFrame { r#ref: self.last_ref, command: Some(wire) })
    }

    /// Gives an answer to whoever waits for it.
    pub(crate) fn settle(&mut self, number: u32, frame: Frame, parked: &mut Parked) -> Settled {
        let Some(mut entry) = self.entries.remove(&number) else {
            return Settled::Unasked(frame);
        };
        match &mut entry.awaiting {
            Awaiting::Many(answer, replies) => {
                let more = match frame {
                    Frame::Accepted(_) => match answer.take() {
                        // An answer that nobody takes any more: the replies are not wanted either.
                        Some(answer) => answer.send(Ok(frame)).is_ok(),
                        None => true,
                    },
                    Frame::Replies(batch) => batch
                        .items
                        .into_iter()
                        .all(|item| parked.offer(replies, Delivery::Reply(Box::new(item)))),
                    Frame::RepliesDone(done) => {
                        parked.offer(replies, Delivery::Done(done));
                        false
                    }
                    Frame::Refused(refused) => {
                        if let Some(answer) = answer.take() {
                            answer.send(Err(Error::Refused(refused.into()))).ok();
                        }
                        false
                    }
                    _ => true,
                };
                if more {
                    self.entries.insert(number, entry);
                }
                Settled::Nothing
            }
            _ => entry.settle_one(frame),
        }
    }

    /// Forgets those whose callers have given up. Changes of membership are remembered, because the session needs their
    /// answers too, unless the server leaves so many unanswered that it cannot be in order.
    pub(crate) fn sweep(&mut self) {
        let crowded = self.entries.len() > UNANSWERED_MAX;
        self.entries
            .retain(|_, entry| !entry.awaiting.abandoned() || (entry.idempotent.is_some() && !crowded));
    }

    /// Takes back a command whose frame was never handed to the connection.
    pub(crate) fn take_back(&mut self, frame: ClientFrame) -> Option<Command> {
        let wire = frame.command?;
        let awaiting = match frame.r#ref {
            0 => Awaiting::Nobody,
            number => self.entries.remove(&number)?.awaiting,
        };
        (!matches!(awaiting, Awaiting::Rejoin | Awaiting::Refresh)).then_some(Command { wire, awaiting })
    }

    /// The stream is gone: returns what may be sent again, in the order of sending, and tells all others.
    pub(crate) fn lost(self) -> Vec<Command> {
        let mut entries: Vec<(u32, Entry)> = self.entries.into_iter().collect();
        entries.sort_unstable_by_key(|(number, _)| *number);
        entries.into_iter().filter_map(|(_, entry)| entry.lost()).collect()
    }
}

impl Entry {
    fn settle_one(self, frame: Frame) -> Settled {
        let refusal = match &frame {
            Frame::Refused(refused) => Some(Refusal::from(refused.clone())),
            _ => None,
        };
        match (self.awaiting, self.idempotent, refusal) {
            (Awaiting::One(answer), command, None) => {
                // The membership has changed even if the caller has given up.
                answer.send(Ok(frame)).ok();
                command.map_or(Settled::Nothing, Settled::Done)
            }
            (Awaiting::One(answer), _, Some(refusal)) => {
                answer.send(Err(Error::Refused(refusal))).ok();
                Settled::Nothing
            }
            (Awaiting::Rejoin, Some(command), Some(refusal)) => Settled::RejoinRefused(command, refusal),
            (Awaiting::Refresh, _, Some(refusal)) => Settled::RefreshRefused(refusal),
            _ => Settled::Nothing,
        }
    }

    fn lost(self) -> Option<Command> {
        match (self.awaiting, self.idempotent) {
            (Awaiting::One(answer), Some(wire)) if !answer.is_closed() => {
                Some(Command { wire, awaiting: Awaiting::One(answer) })
            }
            (Awaiting::One(answer) | Awaiting::Many(Some(answer), _), _) => {
                answer.send(Err(Error::UnknownOutcome)).ok();
                None
            }
            // The stream of answers ends without a summary, which its reader sees as an unknown outcome.
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use rialto_proto::v1;
    use tokio::sync::{mpsc, oneshot};

    use super::*;

    fn emit() -> Wire {
        Wire::Emit(v1::Emit::default())
    }

    fn join() -> Wire {
        Wire::Join(v1::Join {
            namespace: "chat".into(),
            rooms: vec!["a".into()],
            presence: true,
            ..Default::default()
        })
    }

    fn asked(wire: Wire) -> (Command, oneshot::Receiver<Result<Frame, Error>>) {
        let (answer, outcome) = oneshot::channel();
        (Command { wire, awaiting: Awaiting::One(answer) }, outcome)
    }

    #[test]
    fn numbers_rise_and_commands_without_an_answer_have_none() {
        let mut outstanding = Outstanding::default();
        let numbers: Vec<u32> =
            [asked(emit()).0, Command { wire: emit(), awaiting: Awaiting::Nobody }, asked(join()).0]
                .into_iter()
                .map(|command| outstanding.begin(command).unwrap().r#ref)
                .collect();
        assert_eq!(numbers, [1, 0, 2]);
    }

    #[test]
    fn an_emit_whose_answer_is_lost_has_an_unknown_outcome_and_is_not_sent_again() {
        let mut outstanding = Outstanding::default();
        let (command, mut outcome) = asked(emit());
        outstanding.begin(command).unwrap();
        assert!(outstanding.lost().is_empty());
        assert_eq!(outcome.try_recv().unwrap(), Err(Error::UnknownOutcome));
    }

    #[test]
    fn a_join_whose_answer_is_lost_is_sent_again_for_the_same_caller() {
        let mut outstanding = Outstanding::default();
        let (command, mut outcome) = asked(join());
        outstanding.begin(command).unwrap();
        let again = outstanding.lost();
        assert_eq!(again.iter().map(|command| &command.wire).collect::<Vec<_>>(), [&join()]);
        assert!(outcome.try_recv().is_err(), "the caller still waits");
    }

    #[test]
    fn an_emit_that_never_left_is_taken_back() {
        let mut outstanding = Outstanding::default();
        let (command, mut outcome) = asked(emit());
        let frame = outstanding.begin(command).unwrap();
        let taken_back = outstanding.take_back(frame);
        assert!(outstanding.lost().is_empty());
        assert_eq!(outcome.try_recv(), Err(oneshot::error::TryRecvError::Empty), "the caller still waits");
        assert!(taken_back.is_some());
    }

    #[test]
    fn answers_go_to_the_emit_that_asked_for_them_until_the_summary() {
        let mut outstanding = Outstanding::default();
        let mut parked = Parked::default();
        let (answer, mut outcome) = oneshot::channel();
        let (replies, mut heard) = mpsc::channel(8);
        let awaiting = Awaiting::Many(Some(answer), replies);
        let number = outstanding.begin(Command { wire: emit(), awaiting }).unwrap().r#ref;
        for frame in [
            Frame::Accepted(v1::Accepted::default()),
            Frame::Replies(v1::Replies { items: vec![v1::ReplyItem::default(); 2] }),
            Frame::RepliesDone(v1::RepliesDone::default()),
        ] {
            assert_eq!(outstanding.settle(number, frame, &mut parked), Settled::Nothing);
        }
        assert!(outstanding.is_empty());
        assert!(matches!(outcome.try_recv(), Ok(Ok(Frame::Accepted(_)))));
        let count = std::iter::from_fn(|| heard.try_recv().ok()).count();
        assert_eq!(count, 3);
    }

    #[test]
    fn callers_that_have_given_up_are_forgotten() {
        let mut outstanding = Outstanding::default();
        let (command, outcome) = asked(emit());
        outstanding.begin(command).unwrap();
        outstanding.sweep();
        assert!(!outstanding.is_empty());
        drop(outcome);
        outstanding.sweep();
        assert!(outstanding.is_empty());
    }
}
