//! One stream, from its welcome to its end: frames out, frames in, in one loop that reads from top to bottom. Never
//! connects and never decides what comes after; `actor.rs` does. What frames of the server mean is in `intake.rs`.

use std::{collections::VecDeque, time::Duration};

use futures_util::{Stream, StreamExt};
use prost::Message;
use rialto_proto::v1::{
    AttachRequest, AttachResponse, Bye, ClientFrame, Refresh, ServerFrame, Welcome,
    client_frame::Command as Wire,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tonic::{Code, Status};

use crate::{
    audience::Parked,
    error::{Error, span},
    link::{Awaiting, Command, FarEnd},
    membership::Membership,
    outstanding::Outstanding,
    status::Incident,
    step::Ending,
    token::{Renewal, Token},
};

/// Frames that one message may carry.
const FRAMES_PER_MESSAGE: usize = 256;
/// Bytes that one message gathers, unless a single frame has more: servers bound their messages.
const BYTES_PER_MESSAGE: usize = 64 << 10;
/// Messages that wait for HTTP/2 to take them.
pub(crate) const MESSAGES_WAITING: usize = 4;
/// How often abandoned commands are forgotten and silence is noticed.
const SWEEP: Duration = Duration::from_secs(1);
/// How long a goodbye waits for its answer.
const BYE_TIMEOUT: Duration = Duration::from_secs(2);

/// What outlives a stream.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Where the session wants to be.
    pub(crate) membership: Membership,
    /// Commands that go out first on the next stream: they had not left, or may be repeated without harm.
    pub(crate) again: Vec<Command>,
}

/// A stream that has been welcomed.
pub(crate) struct Opening<S> {
    pub(crate) inbound: S,
    pub(crate) outbound: mpsc::Sender<AttachRequest>,
    pub(crate) welcome: Welcome,
    /// Frames that came in the same message as the welcome.
    pub(crate) rest: VecDeque<ServerFrame>,
    /// Number of the last frame that was received.
    pub(crate) seen: u32,
    pub(crate) renewal: Renewal,
}

/// A stream in use.
pub(super) struct Conversation<'a> {
    pub(super) far: &'a mut FarEnd,
    pub(super) kept: &'a mut Kept,
    pub(super) outstanding: Outstanding,
    pub(super) outgoing: VecDeque<ClientFrame>,
    pub(super) inbox: VecDeque<ServerFrame>,
    pub(super) parked: Parked,
    pub(super) renewal: Renewal,
    /// Joins that the server asked to try later.
    pub(super) later: Vec<(Instant, Wire)>,
    /// From when on to look for a quiet moment to move, and when to move at the latest.
    pub(super) move_between: Option<(Instant, Instant)>,
    /// Last frame received. A later resume continues after it.
    seen: u32,
    heard_at: Instant,
    silence_max: Duration,
    next_sweep: Instant,
    stopping: bool,
    /// The goodbye has been said; it is waited for until then.
    parting: Option<Instant>,
    /// The server takes no more frames: the end of the stream is on its way.
    deaf: bool,
}

/// Uses a stream until it ends. What may be sent again on the next one is left in `kept`.
pub(crate) async fn converse<S>(mut opening: Opening<S>, far: &mut FarEnd, kept: &mut Kept) -> Ending
where
    S: Stream<Item = Result<AttachResponse, Status>> + Unpin,
{
    let now = Instant::now();
    let mut conversation = Conversation {
        far,
        kept,
        outstanding: Outstanding::default(),
        outgoing: VecDeque::new(),
        inbox: std::mem::take(&mut opening.rest),
        parked: Parked::default(),
        renewal: opening.renewal,
        later: Vec::new(),
        move_between: None,
        seen: opening.seen,
        heard_at: now,
        silence_max: span(opening.welcome.ping_interval.as_ref()).mul_f64(2.5),
        next_sweep: now + SWEEP,
        stopping: false,
        parting: None,
        deaf: false,
    };
    let ending = conversation.run(&mut opening.inbound, &opening.outbound).await;
    conversation.end();
    ending
}

impl Conversation<'_> {
    async fn run<S>(&mut self, inbound: &mut S, outbound: &mpsc::Sender<AttachRequest>) -> Ending
    where
        S: Stream<Item = Result<AttachResponse, Status>> + Unpin,
    {
        if let Err(ending) = self.return_to_rooms() {
            return ending;
        }
        let mut taken = Vec::new();
        loop {
            if let Some(ending) = self.take_inbox().or_else(|| self.look_at_clock()) {
                return ending;
            }
            self.say_goodbye();
            let alarm = self.next_alarm();
            tokio::select! {
                () = self.parked.hand_over(), if !self.parked.is_empty() => {}
                message = inbound.next(), if self.parked.is_empty() && self.inbox.is_empty() => {
                    if let Err(ending) = self.receive(message) {
                        return ending;
                    }
                }
                place = outbound.reserve(), if !self.deaf && !self.outgoing.is_empty() => match place {
                    Ok(place) => place.send(AttachRequest { frames: self.next_message() }),
                    Err(_) => self.deaf = true,
                },
                count = self.far.commands.recv_many(&mut taken, FRAMES_PER_MESSAGE), if self.takes_commands() => {
                    self.stopping |= count == 0;
                    for command in taken.drain(..) {
                        if let Err(ending) = self.send(command) {
                            return ending;
                        }
                    }
                }
                token = self.renewal.next(), if self.parting.is_none() => {
                    if let Err(ending) = self.renew(token) {
                        return ending;
                    }
                }
                () = self.far.stop.wanted(), if !self.stopping => self.stopping = true,
                () = sleep_until(alarm) => {}
            }
        }
    }

    /// Joins the rooms of the session before, then sends what had not been answered there.
    fn return_to_rooms(&mut self) -> Result<(), Ending> {
        for wire in self.kept.membership.commands() {
            self.send(Command { wire, awaiting: Awaiting::Rejoin })?;
        }
        for command in std::mem::take(&mut self.kept.again) {
            self.send(command)?;
        }
        Ok(())
    }

    /// Queues a command for sending, unless its caller has given up.
    pub(super) fn send(&mut self, command: Command) -> Result<(), Ending> {
        if command.awaiting.abandoned() {
            return Ok(());
        }
        match self.outstanding.begin(command) {
            Some(frame) => self.outgoing.push_back(frame),
            None => return Err(Ending::Moved),
        }
        Ok(())
    }

    /// Full messages must not pile up, nor should anything be begun before a move or after the goodbye.
    fn takes_commands(&self) -> bool {
        let moving = self.move_between.is_some_and(|(from, _)| from <= Instant::now());
        let ended = self.stopping && self.far.commands.is_empty();
        self.outgoing.len() < FRAMES_PER_MESSAGE && !moving && !ended && !self.deaf && self.parting.is_none()
    }

    fn next_message(&mut self) -> Vec<ClientFrame> {
        let mut bytes = 0;
        let fit = self.outgoing.iter().take(FRAMES_PER_MESSAGE).take_while(|frame| {
            bytes += frame.encoded_len();
            bytes <= BYTES_PER_MESSAGE
        });
        let count = fit.count().max(1);
        self.outgoing.drain(..count.min(self.outgoing.len())).collect()
    }

    /// Takes a message into the inbox. A hole in the numbers would be a silent gap: the stream is not trusted any more.
    fn receive(&mut self, message: Option<Result<AttachResponse, Status>>) -> Result<(), Ending> {
        let message = match message {
            Some(Ok(message)) => message,
            Some(Err(status)) => return Err(Ending::Failed(Error::of_stream(status))),
            None => {
                return Err(Ending::Failed(Error::Unavailable("the server ended the stream".to_owned())));
            }
        };
        self.heard_at = Instant::now();
        if message.frames.is_empty() {
            return Ok(());
        }
        if message.first_seq != self.seen.wrapping_add(1) {
            let message = format!("frame {} came after frame {}", message.first_seq, self.seen);
            return Err(Ending::Failed(Error::Failed { code: Code::DataLoss, message }));
        }
        self.seen = self.seen.wrapping_add(u32::try_from(message.frames.len()).unwrap_or(u32::MAX));
        self.inbox.extend(message.frames);
        Ok(())
    }

    fn take_inbox(&mut self) -> Option<Ending> {
        while self.parked.is_empty() {
            let frame = self.inbox.pop_front()?;
            if let Some(ending) = self.take(frame) {
                return Some(ending);
            }
        }
        None
    }

    fn renew(&mut self, token: Result<Token, String>) -> Result<(), Ending> {
        match token {
            Ok(token) => {
                self.renewal.lasts(token.life());
                let wire = Wire::Refresh(Refresh { token: token.into_text() });
                self.send(Command { wire, awaiting: Awaiting::Refresh })
            }
            Err(error) => {
                self.far.audience.tell(Incident::TokenUnavailable(error));
                Ok(())
            }
        }
    }

    /// Says goodbye once everything that was asked for before has been sent.
    fn say_goodbye(&mut self) {
        if self.stopping && self.parting.is_none() && self.far.commands.is_empty() {
            self.outgoing.push_back(ClientFrame { r#ref: 0, command: Some(Wire::Bye(Bye {})) });
            self.parting = Some(Instant::now() + BYE_TIMEOUT);
        }
    }

    fn next_alarm(&self) -> Instant {
        let moving = self.move_between.map(|(from, by)| if from <= Instant::now() { by } else { from });
        moving.into_iter().chain(self.parting).fold(self.next_sweep, Instant::min)
    }

    /// What is due by now: moving, the end of a goodbye, silence, and the sweep.
    fn look_at_clock(&mut self) -> Option<Ending> {
        let now = Instant::now();
        if let Some((from, by)) = self.move_between {
            let quiet = self.outstanding.is_empty() && self.outgoing.is_empty();
            if now >= by || (now >= from && quiet) {
                return Some(Ending::Moved);
            }
        }
        if self.parting.is_some_and(|by| now >= by) {
            return Some(Ending::Stopped);
        }
        // While the application is slow the silence is ours.
        if !self.parked.is_empty() {
            self.heard_at = now;
        }
        if !self.silence_max.is_zero() && now.duration_since(self.heard_at) >= self.silence_max {
            return Some(Ending::Failed(Error::Unavailable("the server fell silent".to_owned())));
        }
        if now >= self.next_sweep {
            self.next_sweep = now + SWEEP;
            self.outstanding.sweep();
            let (due, later) = std::mem::take(&mut self.later).into_iter().partition(|(at, _)| *at <= now);
            self.later = later;
            let due: Vec<(Instant, Wire)> = due;
            return due.into_iter().find_map(|(_, wire)| {
                let awaiting = Awaiting::Rejoin;
                self.send(Command { wire, awaiting }).err()
            });
        }
        None
    }

    /// Keeps what may be sent again and tells everyone else that the outcome is unknown.
    fn end(mut self) {
        let unsent: Vec<Command> =
            self.outgoing.drain(..).filter_map(|frame| self.outstanding.take_back(frame)).collect();
        self.kept.again = self.outstanding.lost();
        self.kept.again.extend(unsent.into_iter().filter(|command| !matches!(command.wire, Wire::Bye(_))));
    }
}

#[cfg(test)]
mod tests;
