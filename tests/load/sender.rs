//! The one sender. Open loop: every event has a time at which it should be sent, whatever became of those before, and
//! carries that time. A server or sender that stalls therefore shows in the latencies instead of hiding in them.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

use parking_lot::Mutex;
use rialto_proto::v1::{
    AttachRequest, ClientFrame, Content, Emit, Enter, Hello, Target, client_frame::Command, content::Body,
    messaging_service_client::MessagingServiceClient, server_frame,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::{
    Failure,
    dialect::{Dialect, NATS_CONNECT, socketio_greeting, websocket_text},
    member::{ROOM, Stamps, Tally, payload},
    server::Kind,
};

/// At most so many events are handed over at once; HTTP/2 clients and NATS clients batch in the same way.
const BATCH_MAX: usize = 64;
/// How long a sender that fell behind tries to catch up.
const OVERTIME: Duration = Duration::from_secs(5);
const REQUESTS_WAITING: usize = 16;

/// A connection that sends events to the room and is not in it.
pub(crate) enum Sender {
    /// A session.
    Rialto(mpsc::Sender<AttachRequest>),
    /// A connection whose dialect needs no answer to a command.
    Raw(Kind, Arc<Mutex<TcpStream>>),
}

impl Sender {
    /// Connects and greets.
    pub(crate) fn connect(kind: Kind, address: SocketAddr) -> Result<Self, Failure> {
        let greeting = match kind {
            Kind::Rialto(_) | Kind::Keeping(_) => return rialto(address).map(Self::Rialto),
            Kind::Nats => NATS_CONNECT.as_bytes().to_vec(),
            Kind::SocketIo => socketio_greeting("sender"),
        };
        let mut socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.write_all(&greeting)?;
        let mut reading = socket.try_clone()?;
        let writing = Arc::new(Mutex::new(socket));
        if kind == Kind::SocketIo {
            wait_for_room(kind, &mut reading)?;
        }
        let answering = writing.clone();
        thread::spawn(move || keep_alive(kind, &mut reading, &answering));
        Ok(Self::Raw(kind, writing))
    }

    /// Sends `rate` events per second for `length`. The number of events that were sent.
    pub(crate) fn pace(&self, tally: &Tally, rate: usize, length: Duration) -> Result<u64, Failure> {
        let start = tally.now();
        let end = start + nanos(length);
        let give_up = end + nanos(OVERTIME);
        let due = |event: u64| start + event * 1_000_000_000 / rate as u64;
        let mut event = 0;
        while due(event) < end && tally.now() < give_up {
            let now = tally.now();
            let mut batch = Vec::new();
            while batch.len() < BATCH_MAX && due(event) <= now.min(end - 1) {
                batch.push(payload(due(event)));
                event += 1;
            }
            if batch.is_empty() {
                thread::sleep(Duration::from_nanos(due(event) - now));
            } else {
                self.send(batch)?;
            }
        }
        Ok(event)
    }

    /// Sends these payloads now.
    pub(crate) fn send(&self, batch: Vec<String>) -> Result<(), Failure> {
        match self {
            Self::Rialto(requests) => {
                let frames = batch.into_iter().map(|text| frame(0, Command::Emit(emit(text)))).collect();
                requests.blocking_send(AttachRequest { frames })?;
            }
            Self::Raw(kind, socket) => {
                let mut bytes = Vec::new();
                for text in batch {
                    match kind {
                        Kind::Nats => write!(bytes, "PUB {ROOM} {}\r\n{text}\r\n", text.len())?,
                        _ => websocket_text(format!("42[\"e\",\"{text}\"]").as_bytes(), &mut bytes),
                    }
                }
                socket.lock().write_all(&bytes)?;
            }
        }
        Ok(())
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Reads and answers until the server has said the room's name.
fn wait_for_room(kind: Kind, socket: &mut TcpStream) -> Result<(), Failure> {
    let (mut dialect, mut stamps, mut buffer) = (Dialect::of(kind), Stamps::default(), [0; 4096]);
    while !stamps.room_seen {
        let count = socket.read(&mut buffer)?;
        if count == 0 {
            return Err("the server closed the sender's connection".into());
        }
        let mut answer = Vec::new();
        dialect.take(&buffer[..count], &mut stamps, &mut answer);
        socket.write_all(&answer)?;
    }
    Ok(())
}

/// Answers pings until the connection ends.
fn keep_alive(kind: Kind, reading: &mut TcpStream, writing: &Mutex<TcpStream>) {
    let (mut dialect, mut stamps, mut buffer) = (Dialect::of(kind), Stamps::default(), [0; 4096]);
    while let Ok(count @ 1..) = reading.read(&mut buffer) {
        let mut answer = Vec::new();
        dialect.take(&buffer[..count], &mut stamps, &mut answer);
        if writing.lock().write_all(&answer).is_err() {
            return;
        }
    }
}

/// Opens a session in a thread of its own; it ends when the returned sender is dropped and the server has closed.
fn rialto(address: SocketAddr) -> Result<mpsc::Sender<AttachRequest>, Failure> {
    let (requests, waiting) = mpsc::channel(REQUESTS_WAITING);
    let hello = Hello { user: "sender".into(), ..Hello::default() };
    let enter = Enter { namespace: "bench".into() };
    let frames = vec![frame(1, Command::Hello(hello)), frame(2, Command::Enter(enter))];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    requests.try_send(AttachRequest { frames })?;
    let mut responses = runtime.block_on(async {
        let mut client = MessagingServiceClient::connect(format!("http://{address}")).await?;
        let mut responses = client.attach(ReceiverStream::new(waiting)).await?.into_inner();
        let welcome = responses.message().await?;
        welcome.ok_or("the session ended at once")?;
        Ok::<_, Failure>(responses)
    })?;
    thread::spawn(move || {
        runtime.block_on(async move {
            while let Ok(Some(response)) = responses.message().await {
                for refused in response.frames.into_iter().filter_map(refusal) {
                    drop(crate::say(&format!("    the sender was refused: {refused}")));
                }
            }
        });
    });
    Ok(requests)
}

fn refusal(frame: rialto_proto::v1::ServerFrame) -> Option<String> {
    match frame.frame? {
        server_frame::Frame::Refused(refused) => Some(refused.reason),
        server_frame::Frame::Close(close) => Some(close.reason),
        _ => None,
    }
}

fn frame(reference: u32, command: Command) -> ClientFrame {
    ClientFrame { r#ref: reference, command: Some(command) }
}

fn emit(text: String) -> Emit {
    let content = Content { event: "e".into(), body: Some(Body::Text(text)), ..Content::default() };
    let target = Target { rooms: vec![ROOM.into()], ..Target::default() };
    Emit { namespace: "bench".into(), target: Some(target), content: Some(content), ..Emit::default() }
}
