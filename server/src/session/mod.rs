//! Floor 2: one client's side of the conversation. A [`Session`] is who the client is, what it is in, and the
//! [`outbox`] of what it has still to be told. Nothing here waits but the outbox, which is polled as a stream.

pub mod answers;
pub mod memberships;
mod missed;
pub mod moving;
pub mod outbox;
pub mod owed;
mod pipeline;
pub mod put;
pub mod questions;
mod queue;
mod queue_owed;
pub mod replay;
pub mod replies;

#[cfg(test)]
mod outbox_loom;
#[cfg(test)]
mod outbox_model;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rialto_proto::v1::{ClientInfo, Sender};
use subtle::ConstantTimeEq;

use crate::{
    auth::Identity,
    base::{
        clock::{self, Instant},
        ids::SessionId,
        limits::SessionLimits,
        rate::{Bucket, Rate},
        refusal::Closing,
        text::{read_base32, write_base32},
    },
    wire::Frame,
};
use answers::{Answers, Recall};
use memberships::Memberships;
use moving::Stage;
use outbox::{Lost, Outbox};
pub use pipeline::Pipeline;
use questions::Questions;

/// Digits of a secret as text. Fewer or more are another text, even if they are the same number.
const SECRET_DIGITS: usize = 26;

/// Ends the connection under a session. The edge's to give: nothing below knows connections.
pub type Cut = Box<dyn Fn() + Send + Sync>;

/// One client's presence on this node.
pub struct Session {
    /// Known to others.
    pub id: SessionId,
    /// The program at the other end.
    pub client: ClientInfo,
    /// When it began.
    pub since: SystemTime,
    /// What it has still to be told.
    pub outbox: Arc<Outbox>,
    /// The rooms it is in. The hub changes them; the lock is taken before any of the hub's.
    pub memberships: Mutex<Memberships>,
    /// What of it waits for the log.
    pub pipeline: Pipeline,
    closing: OnceLock<Closing>,
    // Which stream may speak, held while a frame of it is carried out: a stream that was replaced is not heard any more.
    turn: Mutex<Turn>,
    // Taken last: whoever has the turn of one session may ask where another one is.
    stage: Mutex<Stage>,
    answers: Mutex<Answers>,
    secret: [u8; 16],
    identity: ArcSwap<Identity>,
    attributes: ArcSwap<BTreeMap<String, String>>,
    /// What it has asked, and what it was asked with other nodes.
    pub questions: Mutex<Questions>,
    pressed: AtomicBool,
    /// Frames and bytes that other nodes were told at once.
    far: Mutex<(u32, u32)>,
    progress: Mutex<Progress>,
    // Held while pushed frames are carried out, so not part of `progress`.
    pushed_seq: Mutex<u32>,
}

/// The stream that speaks for the client, and the way to end the connection under it.
#[derive(Default)]
struct Turn {
    stream: u32,
    cut: Option<Cut>,
}

/// How far the client's commands have been taken.
#[derive(Debug)]
struct Progress {
    last_ref: u32,
    emits: Bucket,
}

impl Session {
    /// A session that is in no room.
    pub fn new(id: SessionId, identity: Identity, outbox: Arc<Outbox>, limits: &SessionLimits) -> Self {
        let emits = Bucket::full(emit_rate(limits), clock::now());
        Self {
            id,
            client: ClientInfo::default(),
            since: clock::wall(),
            outbox,
            memberships: Mutex::default(),
            pipeline: Pipeline::default(),
            closing: OnceLock::new(),
            turn: Mutex::default(),
            stage: Mutex::default(),
            answers: Mutex::default(),
            secret: clock::random_secret(),
            identity: ArcSwap::from_pointee(identity),
            attributes: ArcSwap::default(),
            questions: Mutex::default(),
            pressed: AtomicBool::new(false),
            far: Mutex::default(),
            progress: Mutex::new(Progress { last_ref: 0, emits }),
            pushed_seq: Mutex::new(0),
        }
    }

    /// The same session with the program at the other end and what others see of it.
    pub fn with(mut self, client: ClientInfo, attributes: BTreeMap<String, String>) -> Self {
        self.client = client;
        self.attributes.store(Arc::new(attributes));
        self
    }

    /// The same session with the way to end the connection under its first stream.
    pub fn cut_by(self, cut: Option<Cut>) -> Self {
        self.turn.lock().cut = cut;
        self
    }

    /// Ends the connection under `stream`, if it is still the one that reads.
    pub fn cut(&self, stream: u32) {
        let turn = self.turn.lock();
        if turn.stream == stream
            && let Some(cut) = &turn.cut
        {
            cut();
        }
    }

    /// Carries out something that `stream` says, unless another one has taken over.
    pub fn speak<T>(&self, stream: u32, say: impl FnOnce() -> T) -> Option<T> {
        let turn = self.turn.lock();
        (turn.stream == stream).then(say)
    }

    /// Takes the session up with another stream, which has seen the frames up to `seq`. `greeting` makes its first
    /// frame from the last ref and the last pushed number. Returns the number of the stream.
    pub fn resume(
        &self,
        seq: u32,
        cut: &mut Option<Cut>,
        greeting: impl FnOnce(u32, u32) -> Frame,
    ) -> Result<u32, Lost> {
        // The stream before says nothing more, so what was taken from it is known; a push that is on its way is waited
        // for.
        let pushed_seq = self.pushed_seq.lock();
        let mut turn = self.turn.lock();
        if matches!(self.stage(), Stage::Arriving | Stage::Gone(_)) {
            return Err(Lost::Ended);
        }
        let last_ref = self.progress.lock().last_ref;
        let stream = self.outbox.attach(seq, || greeting(last_ref, *pushed_seq))?;
        *turn = Turn { stream, cut: cut.take() };
        *self.stage.lock() = Stage::Here;
        Ok(stream)
    }

    /// Who the client is and what it may do, now.
    pub fn identity(&self) -> Arc<Identity> {
        self.identity.load_full()
    }

    /// Puts a renewed identity in force for the next command.
    pub fn renew(&self, identity: Identity) {
        self.identity.store(Arc::new(identity));
    }

    /// The user; empty for none.
    pub fn user(&self) -> String {
        self.identity.load().user.as_ref().map(ToString::to_string).unwrap_or_default()
    }

    /// Session and user, as others see them.
    pub fn sender(&self) -> Sender {
        Sender { session: self.id.to_string(), user: self.user() }
    }

    /// What others see beside the session.
    pub fn attributes(&self) -> Arc<BTreeMap<String, String>> {
        self.attributes.load_full()
    }

    /// Replaces what others see beside the session.
    pub fn describe(&self, attributes: BTreeMap<String, String>) {
        self.attributes.store(Arc::new(attributes));
    }

    /// The secret that proves a `Push`, as text.
    pub fn secret(&self) -> String {
        let mut text = String::with_capacity(SECRET_DIGITS);
        write_base32(&mut text, u128::from_be_bytes(self.secret), SECRET_DIGITS as u32).unwrap_or_default();
        text
    }

    /// Whether `text` is the secret; takes the same time whatever is wrong with it.
    pub fn knows(&self, text: &str) -> bool {
        read_secret(text).is_some_and(|said| bool::from(said.ct_eq(&self.secret)))
    }

    /// Takes the number of the next command. False when it was taken before. 0 is not counted.
    pub fn take_ref(&self, reference: u32) -> bool {
        let last_ref = &mut self.progress.lock().last_ref;
        let fresh = reference == 0 || reference > *last_ref;
        if reference != 0 && fresh {
            *last_ref = reference;
        }
        fresh
    }

    /// Notes that a command was taken that is not to be carried out twice; `digest` tells it from others.
    pub fn note_taken(&self, reference: u32, digest: u64) {
        self.answers.lock().taken(reference, digest);
    }

    /// Notes the answer to a command, if it was noted by [`Session::note_taken`].
    pub fn note_answer(&self, frame: &Frame) {
        self.answers.lock().answered(frame);
    }

    /// What is known of a command that comes again.
    pub fn recall(&self, reference: u32, digest: u64) -> Recall {
        self.answers.lock().recall(reference, digest)
    }

    /// Takes pushed frames `first_seq`, `first_seq + 1` … in order: passes over those that were taken before, calls
    /// `take` for each that is next, stops at a gap or when `take` does not want it now. Returns the number of the
    /// last one taken.
    ///
    /// *Order*: one push at a time; a second one waits for the first.
    pub fn take_pushed<T>(&self, first_seq: u32, frames: Vec<T>, mut take: impl FnMut(T) -> bool) -> u32 {
        let mut pushed_seq = self.pushed_seq.lock();
        if self.stage() != Stage::Here {
            // It is sent again to wherever the session is by then.
            return *pushed_seq;
        }
        let next = pushed_seq.saturating_add(1);
        // What is beyond the next one waits for the gap to be filled: it is sent again.
        let Some(known) = next.checked_sub(first_seq) else {
            return *pushed_seq;
        };
        for frame in frames.into_iter().skip(known as usize) {
            if !take(frame) {
                break;
            }
            *pushed_seq = pushed_seq.saturating_add(1);
        }
        *pushed_seq
    }

    /// Takes one emit from the session's rate.
    pub fn take_emit(&self, limits: &SessionLimits, now: Instant) -> Result<(), Duration> {
        self.progress.lock().emits.take(emit_rate(limits), now)
    }

    /// Notes that a receiver of what this session has sent needs time to read.
    pub fn press(&self) {
        self.pressed.store(true, Ordering::Relaxed);
    }

    /// Notes that other nodes are told an event of so many bytes. Receivers there cannot ask for time to read, so the session is
    /// to pause whenever it has said as much as would fill an outbox beyond half.
    pub fn says_afar(&self, bytes: usize, limits: &SessionLimits) {
        let mut far = self.far.lock();
        far.0 += 1;
        far.1 = far.1.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        if far.0 > limits.outbox_frames_max / 2 || far.1 > limits.outbox_bytes_max / 2 {
            *far = (0, 0);
            self.press();
        }
    }

    /// Whether the session should pause before it says more. Forgotten by being asked.
    pub fn take_pressed(&self) -> bool {
        self.pressed.swap(false, Ordering::Relaxed)
    }

    /// Tells the client that the session is over; nothing after it is sent. The first call decides.
    pub fn close(&self, closing: &Closing) {
        if self.closing.set(closing.clone()).is_ok() {
            self.outbox.close(closing.code, Frame::close(closing));
        }
    }

    /// How the session was closed, if it was.
    pub fn closing(&self) -> Option<&Closing> {
        self.closing.get()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &self.id.to_string()).finish_non_exhaustive()
    }
}

/// A secret as it is told.
fn read_secret(text: &str) -> Option<[u8; 16]> {
    (text.len() == SECRET_DIGITS).then(|| read_base32(text).unwrap_or_default().to_be_bytes())
}

fn emit_rate(limits: &SessionLimits) -> Rate {
    Rate::per_second(limits.emits_per_second, limits.emits_burst)
}
