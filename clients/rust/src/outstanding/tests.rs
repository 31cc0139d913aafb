//! Answers find who waits for them; what is sent again is what does no harm.

use rialto_proto::v1;
use tokio::sync::{mpsc, oneshot};

use super::*;

fn emit(key: &str) -> Wire {
    Wire::Emit(v1::Emit { idempotency_key: key.into(), ..v1::Emit::default() })
}

fn join() -> Wire {
    Wire::Join(v1::Join { namespace: "chat".into(), rooms: vec!["a".into()], ..Default::default() })
}

fn set() -> Wire {
    Wire::SetState(v1::SetState::default())
}

type Outcome = oneshot::Receiver<Result<Frame, Error>>;

fn asked(wire: Wire) -> (Command, Outcome) {
    let (answer, outcome) = oneshot::channel();
    (Command { wire, awaiting: Awaiting::One(answer) }, outcome)
}

/// A command that has left.
fn sent(outstanding: &mut Outstanding, wire: Wire) -> (u32, Outcome) {
    let (command, outcome) = asked(wire);
    let number = outstanding.begin(command);
    outstanding.frame(number, Instant::now()).unwrap();
    (number, outcome)
}

/// What becomes of everything when the session is lost.
fn again(outstanding: &mut Outstanding, now: Instant) -> Vec<u32> {
    let entries = outstanding.restart();
    entries.into_values().filter_map(|entry| outstanding.begin_again(entry, now)).collect()
}

#[tokio::test]
async fn numbers_rise_over_streams_and_begin_anew_with_a_session() {
    let mut outstanding = Outstanding::default();
    let (first, _outcome) = sent(&mut outstanding, emit("a"));
    let (second, _outcome) = sent(&mut outstanding, join());
    assert_eq!((first, second), (1, 2));
    assert_eq!(outstanding.lost_after(1), [2]);
    let (third, _outcome) = sent(&mut outstanding, set());
    assert_eq!(third, 3);
    outstanding.restart();
    assert_eq!(outstanding.begin(asked(join()).0), 1);
}

#[tokio::test]
async fn what_never_left_is_not_lost_on_its_way() {
    let mut outstanding = Outstanding::default();
    let (_, _first) = sent(&mut outstanding, emit("a"));
    let (waits, _second) = asked(emit("b"));
    outstanding.begin(waits);
    assert_eq!(outstanding.lost_after(0), [1]);
}

#[tokio::test]
async fn an_emit_with_a_key_goes_out_again_and_one_without_has_an_unknown_outcome() {
    let mut outstanding = Outstanding::default();
    let (_, mut named) = sent(&mut outstanding, emit("key"));
    let (_, mut bare) = sent(&mut outstanding, emit(""));
    let (_, mut state) = sent(&mut outstanding, set());
    let (_, mut membership) = sent(&mut outstanding, join());
    assert_eq!(again(&mut outstanding, Instant::now()), [1, 2]);
    assert_eq!(outstanding.command(1), Some(&emit("key")));
    assert_eq!(outstanding.command(2), Some(&join()));
    assert_eq!(bare.try_recv().unwrap(), Err(Error::UnknownOutcome));
    assert_eq!(state.try_recv().unwrap(), Err(Error::UnknownOutcome));
    assert!(named.try_recv().is_err() && membership.try_recv().is_err(), "their callers still wait");
}

#[tokio::test]
async fn what_never_left_goes_out_in_any_case() {
    let mut outstanding = Outstanding::default();
    let (state, mut outcome) = asked(set());
    outstanding.begin(state);
    assert_eq!(again(&mut outstanding, Instant::now()), [1]);
    assert!(outcome.try_recv().is_err(), "the caller still waits");
}

#[tokio::test]
async fn a_key_that_servers_may_have_forgotten_protects_nothing() {
    let mut outstanding = Outstanding::default();
    let (_, mut outcome) = sent(&mut outstanding, emit("key"));
    assert_eq!(again(&mut outstanding, Instant::now() + KEYS_KNOWN), [0; 0]);
    assert_eq!(outcome.try_recv().unwrap(), Err(Error::UnknownOutcome));
}

#[tokio::test]
async fn a_command_whose_caller_has_given_up_before_it_left_is_not_sent() {
    let mut outstanding = Outstanding::default();
    let (command, outcome) = asked(emit("key"));
    let number = outstanding.begin(command);
    drop(outcome);
    assert_eq!(outstanding.frame(number, Instant::now()), None);
    assert!(outstanding.is_quiet() && outstanding.window == 0);
}

fn question(outstanding: &mut Outstanding) -> (u32, Outcome, mpsc::Receiver<Delivery>) {
    let (answer, outcome) = oneshot::channel();
    let (replies, heard) = mpsc::channel(8);
    let awaiting = Awaiting::Many(Some(answer), replies);
    (outstanding.begin(Command { wire: emit("key"), awaiting }), outcome, heard)
}

#[test]
fn answers_go_to_the_emit_that_asked_for_them_until_the_summary() {
    let mut outstanding = Outstanding::default();
    let mut parked = Parked::default();
    let (number, mut outcome, mut heard) = question(&mut outstanding);
    for frame in [
        Frame::Accepted(v1::Accepted::default()),
        Frame::Replies(v1::Replies { items: vec![v1::ReplyItem::default(); 2] }),
        Frame::RepliesDone(v1::RepliesDone::default()),
    ] {
        assert_eq!(outstanding.settle(number, frame, &mut parked), Settled::Nothing);
        assert_eq!((outstanding.window, outstanding.window_bytes), (0, 0));
    }
    assert!(outstanding.is_quiet());
    assert!(matches!(outcome.try_recv(), Ok(Ok(Frame::Accepted(_)))));
    let count = std::iter::from_fn(|| heard.try_recv().ok()).count();
    assert_eq!(count, 3);
}

#[test]
fn replies_to_a_question_of_a_lost_session_end_without_a_summary() {
    let mut outstanding = Outstanding::default();
    let mut parked = Parked::default();
    let (number, mut outcome, mut heard) = question(&mut outstanding);
    let duplicate = v1::Accepted { duplicate: true, ..v1::Accepted::default() };
    outstanding.settle(number, Frame::Accepted(duplicate), &mut parked);
    assert!(outcome.try_recv().unwrap().is_ok());
    assert_eq!(heard.try_recv().unwrap_err(), mpsc::error::TryRecvError::Disconnected);

    let (number, _outcome, mut heard) = question(&mut outstanding);
    outstanding.settle(number, Frame::Accepted(v1::Accepted::default()), &mut parked);
    assert_eq!(again(&mut outstanding, Instant::now()), [0; 0]);
    assert_eq!(heard.try_recv().unwrap_err(), mpsc::error::TryRecvError::Disconnected);
}

#[test]
fn callers_that_have_given_up_are_forgotten() {
    let mut outstanding = Outstanding::default();
    let (command, outcome) = asked(emit("key"));
    outstanding.begin(command);
    outstanding.sweep();
    assert!(!outstanding.is_quiet());
    drop(outcome);
    outstanding.sweep();
    assert!(outstanding.is_quiet());
}

#[test]
fn only_so_many_commands_are_on_their_way() {
    let mut outstanding = Outstanding::default();
    let mut parked = Parked::default();
    let mut outcomes = Vec::new();
    while outstanding.has_room() {
        let (command, outcome) = asked(emit("key"));
        outstanding.begin(command);
        outcomes.push(outcome);
    }
    assert_eq!(outcomes.len(), WINDOW_COMMANDS);
    outstanding.settle(7, Frame::Accepted(v1::Accepted::default()), &mut parked);
    assert!(outstanding.has_room());
    let content = v1::Content { event: "x".repeat(WINDOW_BYTES), ..v1::Content::default() };
    let mut outstanding = Outstanding::default();
    outstanding.begin(asked(Wire::Emit(v1::Emit { content: Some(content), ..v1::Emit::default() })).0);
    assert!(!outstanding.has_room());
}

#[test]
fn replies_without_an_answer_hold_nobody_up_and_their_refusal_is_told() {
    let mut outstanding = Outstanding::default();
    let reply = || Command { wire: Wire::Reply(v1::Reply::default()), awaiting: Awaiting::Refusals(None) };
    let number = outstanding.begin(reply());
    assert!(outstanding.is_quiet());
    let refused = v1::Refused { code: v1::RefusalCode::ReplyUnknown.into(), ..v1::Refused::default() };
    let settled = outstanding.settle(number, Frame::Refused(refused.clone()), &mut Parked::default());
    assert_eq!(settled, Settled::Refused(refused.into()));
    outstanding.begin(reply());
    let (later, _outcome) = sent(&mut outstanding, emit("key"));
    outstanding.settle(later, Frame::Accepted(v1::Accepted::default()), &mut Parked::default());
    assert_eq!(
        (outstanding.entries.len(), outstanding.window),
        (0, 0),
        "a later answer says that it was taken"
    );
}

#[tokio::test]
async fn a_token_that_did_not_arrive_is_not_handed_in_again() {
    let mut outstanding = Outstanding::default();
    let (_, mut refreshed) = sent(&mut outstanding, Wire::Refresh(v1::Refresh::default()));
    let (_, _pong) = sent(&mut outstanding, Wire::Ping(v1::Ping {}));
    assert_eq!(outstanding.lost_after(0), [2]);
    assert_eq!(refreshed.try_recv().unwrap(), Err(Error::UnknownOutcome));
}

#[tokio::test]
async fn an_answer_that_does_not_fit_its_command_changes_nothing() {
    let (mut outstanding, mut parked) = (Outstanding::default(), Parked::default());
    let (number, outcome) = sent(&mut outstanding, join());
    let pong = || Frame::Pong(v1::Pong {});
    assert_eq!(outstanding.settle(number, pong(), &mut parked), Settled::Nothing);
    assert_eq!(outcome.await.unwrap(), Ok(pong()), "whoever has asked sees that it is something else");
    let (answer, outcome) = oneshot::channel();
    let (replies, _heard) = mpsc::channel(1);
    let number =
        outstanding.begin(Command { wire: emit("q"), awaiting: Awaiting::Many(Some(answer), replies) });
    assert_eq!(outstanding.settle(number, pong(), &mut parked), Settled::Nothing);
    assert_eq!(outcome.await.unwrap(), Ok(pong()));
    assert!(outstanding.is_quiet());
}
