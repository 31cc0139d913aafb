//! The offline buffer: order, bounds, age, and what callers hear.

use tokio::sync::oneshot;

use super::*;
use crate::error::Closing;

type Outcome = oneshot::Receiver<Result<v1::server_frame::Frame, Error>>;

fn emit(name: &str) -> (Command, Outcome) {
    let content = v1::Content { event: name.into(), ..v1::Content::default() };
    let (answer, outcome) = oneshot::channel();
    let wire = Wire::Emit(v1::Emit { content: Some(content), ..v1::Emit::default() });
    (Command { wire, awaiting: Awaiting::One(answer) }, outcome)
}

fn post(name: &str) -> Command {
    Command { awaiting: Awaiting::Nobody, ..emit(name).0 }
}

fn name(command: &Command) -> &str {
    match &command.wire {
        Wire::Emit(emit) => &emit.content.as_ref().unwrap().event,
        _ => "",
    }
}

fn offline() -> watch::Receiver<Status> {
    watch::channel(Status::Connecting).1
}

fn online() -> watch::Receiver<Status> {
    watch::channel(attached()).1
}

fn attached() -> Status {
    Status::attached("s", "n")
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn taken(backlog: &Backlog) -> Vec<String> {
    std::iter::from_fn(|| backlog.take(Instant::now(), usize::MAX))
        .map(|command| name(&command).to_owned())
        .collect()
}

fn bounded(bounds: OfflineBuffer) -> Backlog {
    Backlog::new(bounds)
}

#[tokio::test(start_paused = true)]
async fn assertion_60_a_full_buffer_refuses_the_new_one() {
    let two = OfflineBuffer { count_max: 2, ..OfflineBuffer::default() };
    let large = OfflineBuffer { bytes_max: 15, ..OfflineBuffer::default() };
    for bounds in [two, large] {
        let backlog = bounded(bounds);
        for name in ["1", "2"] {
            backlog.put(post(name), soon(), &mut offline()).await.unwrap();
        }
        let refused = backlog.put(post("3"), soon(), &mut offline()).await;
        assert_eq!(refused, Err(Error::Unsent(Unsent::Full)), "{bounds:?}");
        assert_eq!(taken(&backlog), ["1", "2"]);
    }
}

#[tokio::test(start_paused = true)]
async fn assertion_60_the_oldest_emit_makes_room_and_its_caller_hears_of_it() {
    let bounds = OfflineBuffer { count_max: 2, overflow: Overflow::DropOldest, ..OfflineBuffer::default() };
    let backlog = bounded(bounds);
    let (first, mut outcome) = emit("1");
    backlog.put(first, soon(), &mut offline()).await.unwrap();
    for name in ["2", "3", "4"] {
        backlog.put(post(name), soon(), &mut offline()).await.unwrap();
    }
    assert_eq!(outcome.try_recv().unwrap(), Err(Error::Unsent(Unsent::MadeRoom)));
    assert_eq!(backlog.given_up(), 1, "a post has no caller");
    assert_eq!(taken(&backlog), ["3", "4"]);
}

#[tokio::test(start_paused = true)]
async fn assertion_60_what_is_too_old_is_not_sent() {
    let bounds = OfflineBuffer { age_max: Some(Duration::from_secs(3)), ..OfflineBuffer::default() };
    let backlog = bounded(bounds);
    let (old, mut outcome) = emit("old");
    backlog.put(old, soon(), &mut offline()).await.unwrap();
    tokio::time::advance(Duration::from_secs(2)).await;
    backlog.put(post("new"), soon(), &mut offline()).await.unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(taken(&backlog), ["new"]);
    assert_eq!(outcome.try_recv().unwrap(), Err(Error::Unsent(Unsent::TooOld)));
}

#[tokio::test(start_paused = true)]
async fn assertion_60_the_buffer_can_be_cleared() {
    let backlog = bounded(OfflineBuffer::default());
    let (emit, mut outcome) = emit("1");
    backlog.put(emit, soon(), &mut offline()).await.unwrap();
    backlog.put(post("2"), soon(), &mut offline()).await.unwrap();
    let ping = Command { wire: Wire::Ping(v1::Ping {}), awaiting: Awaiting::Nobody };
    backlog.put(ping, soon(), &mut offline()).await.unwrap();
    assert_eq!(backlog.clear(), 2);
    assert_eq!(outcome.try_recv().unwrap(), Err(Error::Unsent(Unsent::Cleared)));
    assert!(matches!(backlog.take(Instant::now(), usize::MAX).unwrap().wire, Wire::Ping(_)));
    assert!(backlog.is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_alone_always_fits_unless_nothing_may_wait() {
    let small = OfflineBuffer { bytes_max: 1, ..OfflineBuffer::default() };
    bounded(small).put(post("1"), soon(), &mut offline()).await.unwrap();
    let none = OfflineBuffer { count_max: 0, ..OfflineBuffer::default() };
    let refused = bounded(none).put(post("1"), soon(), &mut offline()).await;
    assert_eq!(refused, Err(Error::Unsent(Unsent::Full)));
    bounded(none).put(post("1"), soon(), &mut online()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn while_attached_who_finds_it_full_waits_in_line() {
    let backlog = bounded(OfflineBuffer { count_max: 1, ..OfflineBuffer::default() });
    let (_actor, status) = watch::channel(attached());
    let [mut first, mut second, mut third, mut last] = [(); 4].map(|()| status.clone());
    let (deadline, mut heard) = (soon(), Vec::new());
    let puts = async {
        tokio::join!(
            backlog.put(post("1"), deadline, &mut first),
            backlog.put(post("2"), deadline, &mut second),
            backlog.put(post("3"), deadline, &mut third),
        )
    };
    let takes = async {
        while heard.len() < 3 {
            backlog.filled().await;
            heard.extend(taken(&backlog));
        }
    };
    let (outcome, ()) = tokio::join!(puts, takes);
    assert!(outcome.0.is_ok() && outcome.1.is_ok() && outcome.2.is_ok());
    assert_eq!(heard, ["1", "2", "3"]);
    backlog.put(post("4"), soon(), &mut last).await.unwrap();
    let late = backlog.put(post("5"), soon(), &mut last).await;
    assert!(matches!(late, Err(Error::Unavailable(_))), "{late:?}");
}

#[tokio::test(start_paused = true)]
async fn volatile_emits_do_not_wait_for_a_connection() {
    let backlog = bounded(OfflineBuffer::default());
    let volatile = || {
        let mut emit = v1::Emit::default();
        emit.set_delivery(v1::Delivery::Volatile);
        Command { wire: Wire::Emit(emit), awaiting: Awaiting::Nobody }
    };
    let waiting = Status::Waiting { until: Instant::now(), cause: "lost".into() };
    let mut status = watch::channel(waiting).1;
    let refused = backlog.put(volatile(), soon(), &mut status).await;
    assert_eq!(refused, Err(Error::Unavailable("lost".into())));
    assert!(backlog.put(volatile(), soon(), &mut offline()).await.unwrap_err().unavailable());
    backlog.put(volatile(), soon(), &mut online()).await.unwrap();
    backlog.put(post("1"), soon(), &mut online()).await.unwrap();
    backlog.detached("lost");
    assert_eq!((taken(&backlog).as_slice(), backlog.given_up()), (&["1".to_owned()][..], 1));
}

#[tokio::test(start_paused = true)]
async fn replies_that_wait_are_dropped_with_their_session() {
    let backlog = bounded(OfflineBuffer::default());
    let wire = Wire::Reply(v1::Reply::default());
    let (leaves, mut outcome) = oneshot::channel();
    let reply = Command { wire, awaiting: Awaiting::Refusals(Some(leaves)) };
    backlog.put(reply, soon(), &mut offline()).await.unwrap();
    backlog.put(post("1"), soon(), &mut offline()).await.unwrap();
    backlog.drop_replies();
    assert!(matches!(outcome.try_recv().unwrap(), Err(Error::Unavailable(_))), "it was never sent");
    assert_eq!(taken(&backlog), ["1"]);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_over_takes_nothing() {
    let backlog = bounded(OfflineBuffer::default());
    let (emit, mut outcome) = emit("1");
    backlog.put(emit, soon(), &mut offline()).await.unwrap();
    backlog.close(&Closing::by_application());
    assert_eq!(outcome.try_recv().unwrap(), Err(Error::Closed(Closing::by_application())));
    let closing = Closing::unannounced("kicked");
    let mut closed = watch::channel(Status::Closed(closing.clone())).1;
    assert_eq!(backlog.put(post("2"), soon(), &mut closed).await, Err(Error::Closed(closing)));
    assert!(backlog.put(post("2"), soon(), &mut offline()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_is_not_sent() {
    let backlog = bounded(OfflineBuffer::default());
    let (first, outcome) = emit("1");
    let (first, _) = (backlog.put(first, soon(), &mut offline()).await.unwrap(), drop(outcome));
    let (second, _outcome) = emit("2");
    let (second, _) = backlog.put(second, soon(), &mut offline()).await.unwrap();
    let _ = first;
    assert!(backlog.take_back(second) && !backlog.take_back(second));
    assert_eq!(taken(&backlog), [""; 0]);
    assert_eq!(backlog.waiting.lock().bytes, 0);
}
