//! One stream, from its welcome to its end: frames out, frames in, in one loop that reads from top to bottom. Never
//! connects and never decides what comes after; `actor.rs` does. What frames of the server mean is in `intake.rs`.

use std::{collections::VecDeque, time::Duration};

use futures_util::{Stream, StreamExt};
use rialto_proto::v1::{
    self, AttachRequest, AttachResponse, Bye, ClientFrame, Refresh, ServerFrame, Welcome,
    client_frame::Command as Wire,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tonic::{Code, Status};

use crate::{
    error::{Error, span},
    kept::{FRAMES_PER_MESSAGE, Kept},
    link::{Awaiting, Command, FarEnd},
    status::Report,
    step::Ending,
    token::{Renewal, Token},
};

/// Messages that wait for HTTP/2 to take them.
pub(crate) const MESSAGES_WAITING: usize = 4;
/// How often abandoned commands are forgotten and silence is noticed.
const SWEEP: Duration = Duration::from_secs(1);
/// How long a goodbye waits for its answer.
const BYE_TIMEOUT: Duration = Duration::from_secs(2);
/// After so many frames, or so long after the first of them, the server is told what was handed on.
const SEEN_AFTER_FRAMES: u32 = 64;
const SEEN_AFTER: Duration = Duration::from_secs(5);
/// How long the joins of a greeting may take before they are asked for once more.
const GREETED_TIMEOUT: Duration = Duration::from_secs(10);

/// A stream that has been welcomed.
pub(crate) struct Opening<S> {
    pub(crate) inbound: S,
    pub(crate) outbound: mpsc::Sender<AttachRequest>,
    pub(crate) welcome: Welcome,
    /// Number of the welcome; 0 when it has none.
    pub(crate) welcome_seq: u32,
    /// Frames that came in the same message as the welcome.
    pub(crate) rest: VecDeque<ServerFrame>,
    /// Joins that went with the greeting.
    pub(crate) joins: Vec<v1::Join>,
    pub(crate) renewal: Renewal,
}

/// A stream in use.
pub(super) struct Conversation<'a> {
    pub(super) far: &'a mut FarEnd,
    pub(super) kept: &'a mut Kept,
    /// Frames that came, and whether they have numbers.
    inbox: VecDeque<(bool, ServerFrame)>,
    pub(super) renewal: Renewal,
    /// From when on to look for a quiet moment to move, and when to move at the latest.
    pub(super) move_between: Option<(Instant, Instant)>,
    /// Number of the last frame that came.
    received: u32,
    /// The last frame that the server was told of, and when to tell it of more. `None`: it holds nothing back.
    seen: Option<Seen>,
    heard_at: Instant,
    silence_max: Duration,
    next_sweep: Instant,
    greeted_by: Instant,
    stopping: bool,
    /// The goodbye has been said; it is waited for until then.
    parting: Option<Instant>,
    /// The server takes no more frames: the end of the stream is on its way.
    deaf: bool,
}

/// What the server knows of what was handed on.
struct Seen {
    told: u32,
    /// When to tell more, once there is more.
    due: Option<Instant>,
}

/// Uses a stream until it ends. What outlives it is in `kept`.
pub(crate) async fn converse<S>(opening: Opening<S>, far: &mut FarEnd, kept: &mut Kept) -> Ending
where
    S: Stream<Item = Result<AttachResponse, Status>> + Unpin,
{
    let Opening { mut inbound, outbound, welcome, welcome_seq, rest, joins, renewal } = opening;
    let now = Instant::now();
    kept.welcomed(&welcome, joins, now);
    let numbered = welcome_seq != 0;
    if numbered {
        kept.handed = welcome_seq;
    }
    let held = !span(welcome.resume_window.as_ref()).is_zero();
    let mut conversation = Conversation {
        received: kept.handed.wrapping_add(if numbered { count(rest.len()) } else { 0 }),
        seen: held.then_some(Seen { told: kept.handed, due: None }),
        far,
        kept,
        inbox: rest.into_iter().map(|frame| (numbered, frame)).collect(),
        renewal,
        move_between: None,
        heard_at: now,
        silence_max: span(welcome.ping_interval.as_ref()).mul_f64(2.5),
        next_sweep: now + SWEEP,
        greeted_by: now + GREETED_TIMEOUT,
        stopping: false,
        parting: None,
        deaf: false,
    };
    conversation.run(&mut inbound, &outbound).await
}

fn count(frames: usize) -> u32 {
    u32::try_from(frames).unwrap_or(u32::MAX)
}

impl Conversation<'_> {
    async fn run<S>(&mut self, inbound: &mut S, outbound: &mpsc::Sender<AttachRequest>) -> Ending
    where
        S: Stream<Item = Result<AttachResponse, Status>> + Unpin,
    {
        loop {
            if let Some(ending) = self.take_inbox().or_else(|| self.look_at_clock()) {
                return ending;
            }
            self.say_goodbye();
            let alarm = self.next_alarm();
            let speaks = self.speaks();
            let listens = self.kept.parked.is_empty() && self.inbox.is_empty();
            tokio::select! {
                () = self.kept.parked.hand_over(), if !self.kept.parked.is_empty() => {}
                message = inbound.next(), if listens => {
                    if let Err(ending) = self.receive(message) {
                        return ending;
                    }
                }
                place = outbound.reserve(), if speaks => match place {
                    Ok(place) => {
                        let frames = self.next_message();
                        if !frames.is_empty() {
                            place.send(AttachRequest { frames });
                        }
                    }
                    Err(_) => self.deaf = true,
                },
                () = self.far.backlog.filled(), if self.takes_commands() => self.take_commands(),
                token = self.renewal.next(), if self.parting.is_none() => self.renew(token),
                () = self.far.stop.wanted(), if !self.stopping => self.stopping = true,
                () = sleep_until(alarm) => {}
            }
        }
    }

    /// Holds when there is something to say. What the greeting asked for is answered first: its answers have no number,
    /// and what is said may depend on them.
    fn speaks(&mut self) -> bool {
        let now = Instant::now();
        let told = self.seen.as_ref().is_some_and(|seen| seen.due.is_some_and(|due| due <= now));
        let says = self.may_speak() && self.kept.held_until(now).is_none();
        !self.deaf && (says || told)
    }

    fn may_speak(&self) -> bool {
        !self.kept.outgoing.is_empty() && (self.kept.greeted.is_empty() || self.parting.is_some())
    }

    fn next_message(&mut self) -> Vec<ClientFrame> {
        let now = Instant::now();
        let mut frames = match self.kept.greeted.is_empty() || self.parting.is_some() {
            true => self.kept.next_message(now),
            false => Vec::new(),
        };
        if let Some(seen) = self.seen.as_mut().filter(|seen| seen.due.is_some_and(|due| due <= now)) {
            *seen = Seen { told: self.kept.handed, due: None };
            let wire = Wire::Seen(v1::Seen { seq: self.kept.handed });
            frames.insert(0, ClientFrame { r#ref: 0, command: Some(wire) });
        }
        frames
    }

    /// Full messages must not pile up, nor should anything be begun before a move or after the goodbye.
    fn takes_commands(&self) -> bool {
        let moving = self.move_between.is_some_and(|(from, _)| from <= Instant::now());
        let ended = self.stopping && self.far.backlog.is_empty();
        self.kept.outgoing.len() < FRAMES_PER_MESSAGE
            && self.kept.outstanding.has_room()
            && !moving
            && !ended
            && !self.deaf
            && self.parting.is_none()
    }

    fn take_commands(&mut self) {
        let now = Instant::now();
        while self.takes_commands() {
            let Some(command) = self.far.backlog.take(now, self.kept.outstanding.room()) else { break };
            self.kept.send(command);
        }
        let given_up = self.far.backlog.given_up();
        if given_up > 0 {
            self.far.audience.tell(Report::Unsent(given_up));
        }
    }

    /// Takes a message into the inbox, but for frames that came before. A hole in the numbers would be a silent gap: the
    /// stream is not trusted any more.
    fn receive(&mut self, message: Option<Result<AttachResponse, Status>>) -> Result<(), Ending> {
        let message = match message {
            Some(Ok(message)) => message,
            Some(Err(status)) => return Err(Ending::Lost(Error::of_stream(status))),
            None => {
                return Err(Ending::Lost(Error::Unavailable("the server ended the stream".to_owned())));
            }
        };
        self.heard_at = Instant::now();
        if message.frames.is_empty() {
            return Ok(());
        }
        let numbered = message.first_seq != 0;
        let known = match self.received.wrapping_add(1).wrapping_sub(message.first_seq) {
            _ if !numbered => 0,
            known if known <= u32::MAX / 2 => known,
            _ => {
                let message = format!("frame {} came after frame {}", message.first_seq, self.received);
                return Err(Ending::Lost(Error::Failed { code: Code::DataLoss, message }));
            }
        };
        let known = usize::try_from(known).unwrap_or(usize::MAX);
        let new = message.frames.into_iter().skip(known).map(|frame| (numbered, frame));
        let before = self.inbox.len();
        self.inbox.extend(new);
        if numbered {
            self.received = self.received.wrapping_add(count(self.inbox.len() - before));
        }
        Ok(())
    }

    /// Hands on what has come, until something finds no room.
    fn take_inbox(&mut self) -> Option<Ending> {
        while self.kept.parked.is_empty() {
            let (numbered, frame) = self.inbox.pop_front()?;
            if numbered {
                self.kept.handed = self.kept.handed.wrapping_add(1);
                self.note_handed();
            }
            if let Some(ending) = self.take(frame) {
                return Some(ending);
            }
        }
        None
    }

    fn note_handed(&mut self) {
        let Some(seen) = &mut self.seen else { return };
        let now = Instant::now();
        if self.kept.handed.wrapping_sub(seen.told) >= SEEN_AFTER_FRAMES {
            seen.due = Some(now);
        } else {
            seen.due.get_or_insert(now + SEEN_AFTER);
        }
    }

    fn renew(&mut self, token: Result<Token, String>) {
        match token {
            Ok(token) => {
                self.renewal.lasts(token.life());
                let wire = Wire::Refresh(Refresh { token: token.into_text() });
                self.kept.send(Command { wire, awaiting: Awaiting::Refresh });
            }
            Err(error) => self.far.audience.tell(Report::TokenUnavailable(error)),
        }
    }

    /// Says goodbye once everything that was asked for before has been sent.
    fn say_goodbye(&mut self) {
        if self.stopping && self.parting.is_none() && self.far.backlog.is_empty() {
            self.kept.send(Command { wire: Wire::Bye(Bye {}), awaiting: Awaiting::Nobody });
            self.parting = Some(Instant::now() + BYE_TIMEOUT);
        }
    }

    fn next_alarm(&mut self) -> Instant {
        let now = Instant::now();
        let moving = self.move_between.map(|(from, by)| if from <= now { by } else { from });
        let told = self.seen.as_ref().and_then(|seen| seen.due).filter(|due| *due > now);
        let held = self.kept.held_until(now).filter(|_| self.may_speak());
        moving.into_iter().chain(self.parting).chain(told).chain(held).fold(self.next_sweep, Instant::min)
    }

    /// What is due by now: moving, the end of a goodbye, silence, the end of numbers, and the sweep.
    fn look_at_clock(&mut self) -> Option<Ending> {
        let now = Instant::now();
        if let Some((from, by)) = self.move_between {
            let quiet = self.kept.outstanding.is_quiet() && self.kept.outgoing.is_empty();
            if now >= by || (now >= from && quiet) {
                return Some(Ending::Moved);
            }
        }
        // The goodbye has not left as long as something before it has to wait.
        if let (Some(by), Some(held)) = (&mut self.parting, self.kept.held_until(now)) {
            *by = held + BYE_TIMEOUT;
        }
        if self.parting.is_some_and(|by| now >= by) {
            return Some(Ending::Stopped);
        }
        if self.kept.outstanding.is_used_up() {
            return Some(Ending::UsedUp);
        }
        // While the application is slow the silence is ours.
        if !self.kept.parked.is_empty() {
            self.heard_at = now;
        }
        if !self.silence_max.is_zero() && now.duration_since(self.heard_at) >= self.silence_max {
            return Some(Ending::Lost(Error::Unavailable("the server fell silent".to_owned())));
        }
        if now >= self.next_sweep {
            self.sweep(now);
        }
        None
    }

    fn sweep(&mut self, now: Instant) {
        self.next_sweep = now + SWEEP;
        self.kept.outstanding.sweep();
        let later = std::mem::take(&mut self.kept.later);
        let (due, later): (Vec<_>, Vec<_>) = later.into_iter().partition(|(at, _)| *at <= now);
        self.kept.later = later;
        let unanswered = match now >= self.greeted_by {
            true => std::mem::take(&mut self.kept.greeted),
            false => VecDeque::new(),
        };
        for wire in due.into_iter().map(|(_, wire)| wire).chain(unanswered.into_iter().map(Wire::Join)) {
            self.kept.send(Command { wire, awaiting: Awaiting::Rejoin });
        }
    }
}

#[cfg(test)]
mod presence_tests;
#[cfg(test)]
mod resume_tests;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod tests;
