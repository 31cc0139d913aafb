//! `rialto-load storm`: every session of a node loses its connection at the same moment, events are said to all of them
//! meanwhile, and all come back at once. What counts is the time until the last one has everything, and that everything
//! came once and in order. Each session has a connection of its own and decodes all that it is told.

use std::{
    net::SocketAddr,
    ops::RangeInclusive,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
    time::Duration,
};

use bytes::{Buf, BytesMut};
use prost::Message;
use rialto_proto::v1::{AttachResponse, Hello, Resume, content::Body, server_frame::Frame};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Builder,
    sync::watch,
    task::{JoinSet, LocalSet},
    time::Instant,
};

use crate::{
    Failure, http2,
    member::{Stamps, payload},
    process::Process,
    say,
    sender::Sender,
    server::Kind,
};

/// Events that are said before all connections are lost.
const BEFORE: RangeInclusive<u64> = 1..=3;
/// Events that are said while they are.
const MEANWHILE: RangeInclusive<u64> = 4..=23;
/// How long is waited for the next session to come so far.
const STEP_MAX: Duration = Duration::from_secs(60);
/// Time in which the server takes what was said, and that connections are gone.
const SETTLE: Duration = Duration::from_secs(1);
const READ_BYTES: usize = 4 << 10;
/// Bytes before a gRPC message: whether it is compressed, and its length.
const HEAD_BYTES: usize = 5;

/// How far the run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Together,
    Away,
    Back,
}

/// Measures with so many sessions.
pub(crate) fn run(sessions: usize) -> Result<(), Failure> {
    let process = Kind::Rialto(0).start()?;
    let (address, (phase, told)) = (process.address(), watch::channel(Phase::Together));
    let (step, steps) = sync_channel(sessions);
    thread::spawn(move || everybody(sessions, address, &told, &step));

    wait_for(sessions, &steps)?;
    let sender = Sender::connect(Kind::Rialto(0), address)?;
    say_all(&sender, BEFORE)?;
    wait_for(sessions, &steps)?;
    phase.send_replace(Phase::Away);
    wait_for(sessions, &steps)?;
    say_all(&sender, MEANWHILE)?;
    thread::sleep(SETTLE);
    let outcome = storm(sessions, &process, &phase, &steps)?;
    say(&outcome)
}

/// Lets all come back, and says how it went.
fn storm(
    sessions: usize,
    process: &Process,
    phase: &watch::Sender<Phase>,
    steps: &Receiver<Result<(), Failure>>,
) -> Result<String, Failure> {
    let (begin, cpu) = (Instant::now(), process.cpu()?);
    phase.send_replace(Phase::Back);
    wait_for(sessions, steps)?;
    let (took, cpu) = (begin.elapsed().as_secs_f64(), (process.cpu()? - cpu).as_secs_f64());
    Ok(format!(
        "{sessions} sessions came back and had all of {} events once and in order after {took:.2} s: {:.0} a second, \
         {:.0} µs of the server's CPU each",
        MEANWHILE.count(),
        sessions as f64 / took,
        cpu * 1e6 / sessions as f64,
    ))
}

/// Waits until all sessions have come so far, or one of them cannot.
fn wait_for(sessions: usize, steps: &Receiver<Result<(), Failure>>) -> Result<(), Failure> {
    (0..sessions).try_for_each(|_| steps.recv_timeout(STEP_MAX)?)
}

fn say_all(sender: &Sender, events: RangeInclusive<u64>) -> Result<(), Failure> {
    sender.send(events.map(payload).collect())
}

/// The lives of all sessions, in one thread.
fn everybody(
    sessions: usize,
    address: SocketAddr,
    told: &watch::Receiver<Phase>,
    step: &SyncSender<Result<(), Failure>>,
) {
    let Ok(runtime) = Builder::new_current_thread().enable_all().build() else { return };
    LocalSet::new().block_on(&runtime, async {
        let mut lives = JoinSet::new();
        for number in 0..sessions {
            let (told, step) = (told.clone(), step.clone());
            lives.spawn_local(async move {
                let outcome = live(number, address, told, &step).await;
                // Whoever waits may have given up; then there is nobody to tell.
                drop(step.send(outcome));
            });
        }
        lives.join_all().await;
    });
}

/// Joins, hears, is cut off, comes back and hears the rest. Says each time when it is so far.
async fn live(
    number: usize,
    address: SocketAddr,
    mut told: watch::Receiver<Phase>,
    step: &SyncSender<Result<(), Failure>>,
) -> Result<(), Failure> {
    let mut session = Session::default();
    let mut line = Line::open(address, http2::hello(number)).await?;
    session.listen(&mut line, |session| session.joined).await?;
    step.send(Ok(()))?;
    session.listen(&mut line, |session| session.heard(BEFORE)).await?;
    step.send(Ok(()))?;
    told.wait_for(|phase| *phase == Phase::Away).await?;
    drop(line);
    step.send(Ok(()))?;
    told.wait_for(|phase| *phase == Phase::Back).await?;
    let hello = Hello { user: format!("member-{number}"), resume: session.right(), ..Hello::default() };
    let mut line = Line::open(address, hello).await?;
    session.listen(&mut line, |session| session.resumed && session.heard(MEANWHILE)).await?;
    let all = BEFORE.chain(MEANWHILE);
    if all.eq(session.events.iter().copied()) {
        return Ok(());
    }
    Err(format!("session {number} heard {:?}", session.events).into())
}

/// A connection with its call.
struct Line {
    socket: TcpStream,
    reader: http2::Reader,
    data: BytesMut,
}

impl Line {
    async fn open(address: SocketAddr, hello: Hello) -> Result<Self, Failure> {
        let mut socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        socket.write_all(&http2::greeting(hello)).await?;
        Ok(Self { socket, reader: http2::Reader::default(), data: BytesMut::new() })
    }

    /// Reads what is there, and answers what the connection wants answered.
    async fn read(&mut self) -> Result<(), Failure> {
        let mut piece = BytesMut::with_capacity(READ_BYTES);
        if self.socket.read_buf(&mut piece).await? == 0 {
            return Err("the server closed a connection".into());
        }
        let mut answer = Vec::new();
        self.reader.take(&piece, &mut answer, |data| self.data.extend_from_slice(data));
        Ok(self.socket.write_all(&answer).await?)
    }

    /// The next whole message.
    fn message(&mut self) -> Result<Option<AttachResponse>, Failure> {
        let Some(head) = self.data.first_chunk::<HEAD_BYTES>() else { return Ok(None) };
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        if self.data.len() < HEAD_BYTES + length {
            return Ok(None);
        }
        self.data.advance(HEAD_BYTES);
        Ok(Some(AttachResponse::decode(self.data.split_to(length))?))
    }
}

/// What a session knows of itself.
#[derive(Debug, Default)]
struct Session {
    id: String,
    secret: String,
    seq: u32,
    joined: bool,
    resumed: bool,
    events: Vec<u64>,
}

impl Session {
    async fn listen(&mut self, line: &mut Line, until: impl Fn(&Self) -> bool) -> Result<(), Failure> {
        while !until(self) {
            match line.message()? {
                Some(response) => self.take(response)?,
                None => line.read().await?,
            }
        }
        Ok(())
    }

    fn take(&mut self, AttachResponse { first_seq, frames }: AttachResponse) -> Result<(), Failure> {
        // What speaks of the stream alone has no number.
        if first_seq > 0 {
            self.seq = first_seq - 1 + u32::try_from(frames.len())?;
        }
        for frame in frames.into_iter().filter_map(|frame| frame.frame) {
            match frame {
                Frame::Welcome(welcome) => {
                    (self.id, self.secret) = (welcome.session_id, welcome.session_secret);
                    self.resumed = welcome.resumed;
                }
                Frame::Joined(_) => self.joined = true,
                Frame::Event(event) => {
                    let body = event.content.and_then(|content| content.body);
                    let Some(Body::Text(text)) = body else { return Err("an event without text".into()) };
                    let mut stamps = Stamps::default();
                    stamps.search(text.as_bytes());
                    self.events.extend(stamps.found);
                }
                Frame::Ping(_) => {}
                other => return Err(format!("{other:?} was not expected").into()),
            }
        }
        Ok(())
    }

    fn heard(&self, events: RangeInclusive<u64>) -> bool {
        self.events.contains(events.end())
    }

    /// What proves that the session is this one's.
    fn right(&self) -> Option<Resume> {
        let (session_id, session_secret) = (self.id.clone(), self.secret.clone());
        Some(Resume { session_id, session_secret, seq: self.seq, afresh: false })
    }
}
