//! What goes out after a stream was lost, and in which order.

use tokio::sync::oneshot;

use super::*;
use crate::error::{Closing, Refusal, RefusalCode};

fn emit(name: &str) -> Wire {
    let content = v1::Content { event: name.into(), ..v1::Content::default() };
    Wire::Emit(v1::Emit {
        content: Some(content),
        idempotency_key: format!("key of {name}"),
        ..v1::Emit::default()
    })
}

struct Scene {
    kept: Kept,
    /// Callers that wait.
    outcomes: Vec<oneshot::Receiver<Result<v1::server_frame::Frame, Error>>>,
}

impl Scene {
    fn new() -> Self {
        let mut kept = Kept::default();
        kept.welcomed(&welcome("one", None), Vec::new(), Instant::now());
        Self { kept, outcomes: Vec::new() }
    }

    fn emits(&mut self, name: &str) {
        let (answer, outcome) = oneshot::channel();
        self.outcomes.push(outcome);
        self.kept.send(Command { wire: emit(name), awaiting: Awaiting::One(answer) });
    }

    fn posts(&mut self, name: &str) {
        self.kept.send(Command { wire: emit(name), awaiting: Awaiting::Nobody });
    }

    /// Numbers and names of what goes out.
    fn said(&mut self) -> Vec<(u32, String)> {
        let frames = self.kept.next_message(Instant::now());
        let name = |wire: Option<Wire>| match wire {
            Some(Wire::Emit(emit)) => emit.content.unwrap().event,
            other => format!("{other:?}"),
        };
        frames.into_iter().map(|frame| (frame.r#ref, name(frame.command))).collect()
    }
}

fn welcome(id: &str, last_ref: Option<u32>) -> v1::Welcome {
    v1::Welcome {
        session_id: id.into(),
        session_secret: "secret".into(),
        resumed: last_ref.is_some(),
        last_ref: last_ref.unwrap_or(0),
        resume_window: Some(prost_types::Duration { seconds: 120, nanos: 0 }),
        ..v1::Welcome::default()
    }
}

/// Two emits have left; a post, an emit and another post have not.
fn lost() -> Scene {
    let mut scene = Scene::new();
    for name in ["a", "b"] {
        scene.emits(name);
    }
    assert_eq!(scene.said().len(), 2);
    scene.posts("c");
    scene.emits("d");
    scene.posts("e");
    scene
}

fn said(words: &[(u32, &str)]) -> Vec<(u32, String)> {
    words.iter().map(|(number, name)| (*number, (*name).to_owned())).collect()
}

#[tokio::test]
async fn assertion_59_nothing_overtakes_when_the_session_goes_on() {
    let mut scene = lost();
    scene.kept.welcomed(&welcome("one", Some(1)), Vec::new(), Instant::now());
    assert_eq!(scene.said(), said(&[(2, "b"), (0, "c"), (3, "d"), (0, "e")]));
    scene.kept.welcomed(&welcome("one", Some(3)), Vec::new(), Instant::now());
    assert_eq!(scene.said(), []);
}

#[tokio::test]
async fn assertion_59_nothing_overtakes_when_the_session_is_lost() {
    let mut scene = lost();
    scene.kept.welcomed(&welcome("two", None), Vec::new(), Instant::now());
    assert_eq!(scene.said(), said(&[(1, "a"), (2, "b"), (0, "c"), (3, "d"), (0, "e")]));
}

#[tokio::test]
async fn what_was_lost_twice_is_sent_a_third_time() {
    let mut scene = lost();
    for number in 2..4 {
        scene.kept.welcomed(&welcome(&number.to_string(), None), Vec::new(), Instant::now());
        let words = scene.said();
        assert_eq!(words.iter().filter(|(number, _)| *number > 0).count(), 3);
    }
}

#[tokio::test]
async fn a_session_is_taken_up_again_unless_it_is_known_to_be_over() {
    let closed = |then| Ending::Closed(Closing { then, ..Closing::unannounced("") });
    let refused = |code| Ending::Failed(Error::Refused(Refusal { code, ..Refusal::default() }));
    for (ending, resumes) in [
        (Ending::Moved, true),
        (Ending::Failed(Error::Unavailable(String::new())), true),
        (closed(v1::Then::Resume), true),
        (closed(v1::Then::Reconnect), false),
        (refused(RefusalCode::LimitReached), true),
        (refused(RefusalCode::SessionUnknown), false),
        (refused(RefusalCode::ResumeLate), false),
        (refused(RefusalCode::Invalid), false),
        (refused(RefusalCode::PositionGone), false),
        (refused(RefusalCode::Unauthenticated), true),
        (Ending::Lost(Error::Refused(Refusal::new(RefusalCode::SessionUnknown, ""))), true),
        (Ending::UsedUp, false),
        (Ending::Mistaken, false),
    ] {
        let mut scene = Scene::new();
        scene.kept.ended(&ending);
        assert_eq!(scene.kept.greeting().resume.is_some(), resumes, "{ending:?}");
        assert_eq!(scene.kept.session(), Some("one"));
    }
}

#[tokio::test]
async fn a_goodbye_is_not_said_on_the_next_stream() {
    let mut scene = Scene::new();
    scene.kept.send(Command { wire: Wire::Bye(v1::Bye {}), awaiting: Awaiting::Nobody });
    scene.kept.ended(&Ending::Moved);
    assert_eq!(scene.said(), []);
}

#[tokio::test]
async fn a_room_that_is_parted_is_not_joined_later() {
    let mut kept = Kept::default();
    let join = |room: &str| {
        let rooms = vec![room.to_owned()];
        Wire::Join(v1::Join { namespace: "chat".into(), rooms, ..v1::Join::default() })
    };
    kept.later = ["a", "b"].map(|room| (Instant::now(), join(room))).into();
    kept.parted("chat", &["a".to_owned()]);
    assert_eq!(kept.later.iter().map(|(_, wire)| wire.clone()).collect::<Vec<_>>(), [join("b")]);
    kept.left("chat");
    assert!(kept.later.is_empty());
}

/// A volatile emit, and whoever waits for its answer.
fn volatile(name: &str, answer: oneshot::Sender<Result<v1::server_frame::Frame, Error>>) -> Command {
    let Wire::Emit(mut emit) = emit(name) else { unreachable!() };
    emit.set_delivery(v1::Delivery::Volatile);
    emit.idempotency_key.clear();
    Command { wire: Wire::Emit(emit), awaiting: Awaiting::One(answer) }
}

#[tokio::test]
async fn what_is_volatile_belongs_to_one_stream_whatever_becomes_of_the_session() {
    for last_ref in [Some(0), None] {
        let mut scene = Scene::new();
        let [(first, mut sent), (second, mut unsent)] = [(); 2].map(|()| oneshot::channel());
        scene.kept.send(volatile("a", first));
        scene.emits("b");
        assert_eq!(scene.said().len(), 2);
        scene.kept.send(volatile("c", second));
        let Command { wire, .. } = volatile("d", oneshot::channel().0);
        scene.kept.send(Command { wire, awaiting: Awaiting::Nobody });
        assert_eq!(scene.kept.ended(&Ending::Lost(Error::Unavailable(String::new()))), 1, "a post");
        assert_eq!(sent.try_recv().unwrap(), Err(Error::UnknownOutcome));
        assert!(matches!(unsent.try_recv().unwrap(), Err(Error::Unavailable(_))));
        scene.kept.welcomed(&welcome("one", last_ref), Vec::new(), Instant::now());
        let number = if last_ref.is_some() { 2 } else { 1 };
        assert_eq!(scene.said(), said(&[(number, "b")]));
    }
}

fn reply(token: &str) -> Command {
    let reply = v1::Reply { reply_token: token.into(), ..v1::Reply::default() };
    Command { wire: Wire::Reply(reply), awaiting: Awaiting::Refusals(None) }
}

#[tokio::test]
async fn replies_go_again_with_their_session_and_are_dropped_with_it() {
    let mut scene = Scene::new();
    for token in ["a", "b", "c"] {
        scene.kept.send(reply(token));
    }
    assert_eq!(scene.said().len(), 3);
    scene.kept.welcomed(&welcome("one", Some(1)), Vec::new(), Instant::now());
    let again: Vec<u32> = scene.said().into_iter().map(|(number, _)| number).collect();
    assert_eq!(again, [2, 3]);
    scene.kept.send(reply("d"));
    scene.kept.welcomed(&welcome("two", None), Vec::new(), Instant::now());
    assert_eq!(scene.said(), []);
}

#[tokio::test]
async fn a_sign_is_asked_for_after_so_many_replies_of_which_nothing_says_that_they_were_taken() {
    let mut scene = Scene::new();
    let pings = |said: Vec<(u32, String)>| said.iter().filter(|(_, name)| name.contains("Ping")).count();
    for _ in 0..63 {
        scene.kept.send(reply("a"));
    }
    assert_eq!(pings(scene.said()), 0);
    scene.kept.send(reply("a"));
    assert_eq!(pings(scene.said()), 1);
    let pong = v1::server_frame::Frame::Pong(v1::Pong {});
    scene.kept.outstanding.settle(65, pong, &mut Parked::default());
    assert!(scene.kept.outstanding.lost_after(0).is_empty(), "all were taken");
    for _ in 0..63 {
        scene.kept.send(reply("a"));
    }
    assert_eq!(pings(scene.said()), 0, "they are counted anew");
}

#[tokio::test(start_paused = true)]
async fn emits_leave_no_faster_than_the_server_takes_them_and_nothing_overtakes() {
    let mut scene = Scene::new();
    let limits = v1::Limits { emits_per_second: 10, emits_burst: 5, ..v1::Limits::default() };
    let slow = v1::Welcome { limits: Some(limits), ..welcome("two", None) };
    scene.kept.welcomed(&slow, Vec::new(), Instant::now());
    for name in ["1", "2", "3", "4", "5"] {
        scene.emits(name);
    }
    scene.kept.send(Command { wire: Wire::Ping(v1::Ping {}), awaiting: Awaiting::Rejoin });
    assert_eq!(scene.said(), said(&[(1, "1"), (2, "2"), (3, "3"), (4, "4")]));
    let free_at = scene.kept.held_until(Instant::now()).expect("it has to wait");
    tokio::time::sleep_until(free_at).await;
    assert_eq!(scene.said().len(), 2, "the last emit, and what stood behind it");
}
