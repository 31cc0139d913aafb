//! The way from the handles of an application to the actor that owns the connection: commands one way, the state of
//! the connection the other. Every wait in it has a deadline. All handles share one; when the last is gone, the session
//! says goodbye.

use std::{sync::Arc, time::Duration};

use rialto_proto::v1::{self, client_frame::Command as Wire, server_frame::Frame};
use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    time::{Instant, timeout_at},
};

use crate::{
    audience::{Audience, Delivery},
    backlog::Backlog,
    error::{Closing, Error, Refusal, RefusalCode, Unsent},
    line::Line,
    settings::Settings,
    status::Status,
    whereabouts::Whereabouts,
};

/// No server takes a larger command: 1 MiB of payload and what may stand around it.
const COMMAND_BYTES_MAX: usize = (1 << 20) + (60 << 10);

/// A command that is too large for a message would cost the whole stream, so it is turned down before it is sent.
fn fits(wire: &Wire) -> Result<(), Error> {
    let bytes = wire.encoded_len();
    if bytes <= COMMAND_BYTES_MAX {
        return Ok(());
    }
    let reason = format!("a command of {bytes} bytes is more than any server takes");
    Err(Error::Refused(Refusal {
        limit: "payload_bytes_max".to_owned(),
        ..Refusal::new(RefusalCode::PayloadTooLarge, reason)
    }))
}

/// The one answer to a command.
pub(crate) type Answer = oneshot::Sender<Result<Frame, Error>>;

/// That a reply is on its way, or why it never will be.
pub(crate) type Leaves = oneshot::Sender<Result<(), Error>>;

/// A command on its way to the server, and who waits for its answer.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) wire: Wire,
    pub(crate) awaiting: Awaiting,
}

/// Who waits for the answer to a command.
#[derive(Debug)]
pub(crate) enum Awaiting {
    /// Nobody: the frame goes out with `ref` 0.
    Nobody,
    /// One caller, for one frame.
    One(Answer),
    /// An emit that asked for answers: first whether it was taken, then the answers.
    Many(Option<Answer>, mpsc::Sender<Delivery>),
    /// The session itself, which joins its rooms again.
    Rejoin,
    /// The session itself, which has handed in a new token.
    Refresh,
    /// The session itself, which has a room begin anew.
    Again,
    /// Whoever replies, until it is on its way. After that nobody, but a refusal is told.
    Refusals(Option<Leaves>),
    /// The session itself, which wants a sign that what came before was taken.
    Sign,
}

impl Awaiting {
    /// Holds when whoever waited has given up.
    pub(crate) fn abandoned(&self) -> bool {
        match self {
            Self::Nobody | Self::Rejoin | Self::Refresh | Self::Again | Self::Refusals(None) | Self::Sign => {
                false
            }
            Self::Refusals(Some(leaves)) => leaves.is_closed(),
            Self::One(answer) => answer.is_closed(),
            Self::Many(Some(answer), _) => answer.is_closed(),
            Self::Many(None, replies) => replies.is_closed(),
        }
    }
}

/// What all handles of a session share. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    backlog: Arc<Backlog>,
    line: Line,
    status: watch::Receiver<Status>,
    stop: watch::Sender<bool>,
    hurry: Arc<Notify>,
    audience: Arc<Audience>,
    whereabouts: Whereabouts,
    deadline: Duration,
    events_waiting: usize,
}

/// The actor's end of a link.
#[derive(Debug)]
pub(crate) struct FarEnd {
    pub(crate) backlog: Arc<Backlog>,
    pub(crate) line: Line,
    pub(crate) status: watch::Sender<Status>,
    pub(crate) stop: Stop,
    /// The next attempt to connect is wanted now.
    pub(crate) hurry: Arc<Notify>,
    pub(crate) audience: Arc<Audience>,
    pub(crate) whereabouts: Whereabouts,
}

/// Says when the application wants no more: it has closed the session or dropped all its handles.
#[derive(Debug)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Waits for it.
    pub(crate) async fn wanted(&mut self) {
        // An error means that no handle is left.
        self.0.wait_for(|stop| *stop).await.ok();
    }

    /// Holds when it has come.
    pub(crate) fn is_wanted(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }
}

/// Both ends of a new link.
pub(crate) fn link(settings: &Settings) -> (Link, FarEnd) {
    let backlog = Arc::new(Backlog::new(settings.offline));
    let line = Line::default();
    let (far_status, status) = watch::channel(Status::Connecting);
    let (stop, far_stop) = watch::channel(false);
    let (hurry, audience) = (Arc::new(Notify::new()), Arc::new(Audience::new()));
    let whereabouts = Whereabouts::default();
    let far = FarEnd {
        backlog: Arc::clone(&backlog),
        line: line.clone(),
        status: far_status,
        stop: Stop(far_stop),
        hurry: Arc::clone(&hurry),
        audience: Arc::clone(&audience),
        whereabouts: whereabouts.clone(),
    };
    let Settings { deadline, events_waiting, .. } = *settings;
    let shared =
        Shared { backlog, line, status, stop, hurry, audience, whereabouts, deadline, events_waiting };
    (Link { shared: Arc::new(shared) }, far)
}

impl Link {
    /// The deadline of commands that do not say otherwise.
    pub(crate) fn deadline(&self) -> Duration {
        self.shared.deadline
    }

    /// How many events may wait for a slow application.
    pub(crate) fn events_waiting(&self) -> usize {
        self.shared.events_waiting
    }

    pub(crate) fn audience(&self) -> &Audience {
        &self.shared.audience
    }

    pub(crate) fn whereabouts(&self) -> &Whereabouts {
        &self.shared.whereabouts
    }

    pub(crate) fn status(&self) -> watch::Receiver<Status> {
        self.shared.status.clone()
    }

    /// Carries out one command and returns its answer. Waits for the connection first.
    ///
    /// *Cancel safety*: when dropped before the command was sent, it is not sent; afterwards its answer is ignored.
    pub(crate) async fn ask(&self, wire: Wire, within: Duration) -> Result<Frame, Error> {
        let (answer, outcome) = oneshot::channel();
        let awaiting = Awaiting::One(answer);
        self.exchange(Command { wire, awaiting }, outcome, within).await
    }

    /// Asks for many answers. The first result is that of the emit itself; answers follow in `replies`.
    pub(crate) async fn ask_many(
        &self,
        wire: Wire,
        replies: mpsc::Sender<Delivery>,
        within: Duration,
    ) -> Result<Frame, Error> {
        let (answer, outcome) = oneshot::channel();
        let awaiting = Awaiting::Many(Some(answer), replies);
        self.exchange(Command { wire, awaiting }, outcome, within).await
    }

    async fn exchange<T>(
        &self,
        command: Command,
        mut outcome: oneshot::Receiver<Result<T, Error>>,
        within: Duration,
    ) -> Result<T, Error> {
        fits(&command.wire)?;
        let deadline = Instant::now() + within;
        let (ticket, until) = self.put(command, deadline).await?;
        // What had not been sent was told so by the backlog.
        let over = |_| Err(self.over(true));
        if let Ok(outcome) = timeout_at(until, &mut outcome).await {
            return match outcome.unwrap_or_else(over) {
                // It was found too old just before its caller noticed: but its time was the caller's.
                Err(Error::Unsent(Unsent::TooOld)) if until >= deadline => Err(self.unavailable()),
                outcome => outcome,
            };
        }
        if self.shared.backlog.take_back(ticket) {
            return Err(if until < deadline { Error::Unsent(Unsent::TooOld) } else { self.unavailable() });
        }
        match timeout_at(deadline, outcome).await {
            Ok(outcome) => outcome.unwrap_or_else(over),
            Err(_) => Err(Error::TimedOut(format!("no answer within {within:?}"))),
        }
    }

    async fn put(&self, command: Command, deadline: Instant) -> Result<(u64, Instant), Error> {
        let mut status = self.shared.status.clone();
        self.shared.backlog.put(command, deadline, &mut status).await
    }

    /// Hands over a command whose answer nobody waits for.
    pub(crate) async fn post(&self, wire: Wire) -> Result<(), Error> {
        fits(&wire)?;
        let deadline = Instant::now() + self.shared.deadline;
        self.put(Command { wire, awaiting: Awaiting::Nobody }, deadline).await.map(|_| ())
    }

    /// Replies, and waits until that is on its way. A refusal of it is told as a report.
    pub(crate) async fn reply(&self, reply: v1::Reply) -> Result<(), Error> {
        let (leaves, outcome) = oneshot::channel();
        let awaiting = Awaiting::Refusals(Some(leaves));
        self.exchange(Command { wire: Wire::Reply(reply), awaiting }, outcome, self.shared.deadline).await
    }

    /// Begins the next attempt to connect at once.
    pub(crate) fn hurry(&self) {
        self.shared.hurry.notify_waiters();
    }

    /// Gives up all emits that wait for the connection; returns how many.
    pub(crate) fn clear(&self) -> usize {
        self.shared.backlog.clear()
    }

    /// The connection that the session has, once it is attached.
    pub(crate) async fn line(&self, deadline: Instant) -> Result<&Line, Error> {
        let mut status = self.shared.status.clone();
        let settled = |status: &Status| matches!(status, Status::Attached { .. } | Status::Closed(_));
        match timeout_at(deadline, status.wait_for(settled)).await {
            Ok(Ok(now)) if matches!(*now, Status::Attached { .. }) => Ok(&self.shared.line),
            Ok(_) => Err(self.over(false)),
            Err(_) => Err(self.unavailable()),
        }
    }

    fn unavailable(&self) -> Error {
        Error::Unavailable(match &*self.shared.status.borrow() {
            Status::Waiting { cause, .. } => cause.clone(),
            Status::Attached { .. } => "the connection takes no more for now".to_owned(),
            _ => "not connected yet".to_owned(),
        })
    }

    /// Asks the session to end and waits until it has.
    pub(crate) async fn close(&self) {
        self.shared.stop.send_replace(true);
        let mut status = self.shared.status.clone();
        let closed = status.wait_for(|status| matches!(status, Status::Closed(_)));
        // A goodbye that is not answered ends by the actor's own deadline, which is shorter.
        tokio::time::timeout(self.shared.deadline, closed).await.ok();
    }

    /// Why the session is over, for a command that was sent before or was not.
    fn over(&self, sent: bool) -> Error {
        let closing = match &*self.shared.status.borrow() {
            Status::Closed(closing) => closing.clone(),
            _ => Closing::unannounced("the session is over"),
        };
        Error::Closed(Closing { sent, ..closing })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter() -> Wire {
        Wire::Enter(v1::Enter { namespace: "chat".into() })
    }

    fn attached() -> Status {
        Status::attached("s", "n")
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_without_a_connection_fails_at_its_deadline_and_is_not_sent() {
        let (link, far) = link(&Settings::new(String::new()));
        far.status.send_replace(Status::Waiting { until: Instant::now(), cause: "refused".into() });
        let began = Instant::now();
        let error = link.ask(enter(), Duration::from_secs(3)).await.unwrap_err();
        assert_eq!(error, Error::Unavailable("refused".into()));
        assert_eq!(began.elapsed(), Duration::from_secs(3));
        assert!(far.backlog.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_waits_for_the_connection() {
        let (link, far) = link(&Settings::new(String::new()));
        let asking = link.ask(enter(), Duration::from_secs(3));
        let serving = async {
            tokio::time::advance(Duration::from_secs(2)).await;
            far.status.send_replace(attached());
            far.backlog.filled().await;
            let Some(Command { awaiting: Awaiting::One(answer), .. }) =
                far.backlog.take(Instant::now(), usize::MAX)
            else {
                panic!("not one")
            };
            answer.send(Ok(Frame::Pong(v1::Pong {}))).unwrap();
        };
        assert_eq!(tokio::join!(asking, serving).0, Ok(Frame::Pong(v1::Pong {})));
    }

    #[tokio::test]
    async fn a_command_that_no_message_can_carry_is_turned_down_before_it_is_sent() {
        let (link, far) = link(&Settings::new(String::new()));
        far.status.send_replace(attached());
        let text = "x".repeat(COMMAND_BYTES_MAX);
        let content = v1::Content { body: Some(v1::content::Body::Text(text)), ..v1::Content::default() };
        let emit = Wire::Emit(v1::Emit { content: Some(content), ..v1::Emit::default() });
        let error = link.ask(emit.clone(), Duration::from_secs(3)).await.unwrap_err();
        assert_eq!(error.refusal().unwrap().code, RefusalCode::PayloadTooLarge);
        assert!(link.post(emit).await.is_err());
        assert!(far.backlog.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_does_not_come_is_a_timeout() {
        let (link, far) = link(&Settings::new(String::new()));
        far.status.send_replace(attached());
        let asking = link.ask(enter(), Duration::from_secs(3));
        let serving = async {
            far.backlog.filled().await;
            far.backlog.take(Instant::now(), usize::MAX)
        };
        let (error, _taken) = tokio::join!(asking, serving);
        assert!(error.unwrap_err().timed_out());
    }

    #[tokio::test]
    async fn a_session_that_is_over_says_why() {
        let (link, far) = link(&Settings::new(String::new()));
        let closing = Closing::unannounced("kicked");
        far.status.send_replace(Status::Closed(closing.clone()));
        drop(far);
        assert_eq!(link.ask(enter(), Duration::from_secs(3)).await, Err(Error::Closed(closing)));
    }

    #[tokio::test]
    async fn only_what_had_been_sent_may_have_happened_when_the_session_ends() {
        let (link, far) = link(&Settings::new(String::new()));
        far.status.send_replace(attached());
        let ending = async {
            far.backlog.filled().await;
            let sent = far.backlog.take(Instant::now(), usize::MAX);
            far.backlog.filled().await;
            far.status.send_replace(Status::Closed(Closing::by_application()));
            far.backlog.close(&Closing::by_application());
            drop(sent);
        };
        let second = async {
            tokio::task::yield_now().await;
            link.ask(enter(), Duration::from_secs(3)).await
        };
        let (sent, waited, ()) = tokio::join!(link.ask(enter(), Duration::from_secs(3)), second, ending);
        let outcomes = [sent, waited].map(|outcome| outcome.unwrap_err().may_have_happened());
        assert_eq!(outcomes, [true, false]);
    }
}
