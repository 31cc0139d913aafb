//! A log in a stream of NATS JetStream, which one node writes at a time and any node can take over. Records are packed: all
//! that was appended while messages were on their way is one message.
//!
//! # Who may write
//! [`Logs::claim`] puts a message into the stream. Each message says which must be the one before it, so that from then on
//! nothing of whoever has written before is taken, whatever it believes: its log fails. What it had put in by then is there.
//!
//! # Positions
//! The number of the message in the stream, and of the record in the message. The number is known before the message is
//! sent, since nobody else may write.
//!
//! # Durability
//! What the servers make of an acknowledgement is theirs: see [`Streams::new`].

mod batch;
mod fetch;
mod intake;
mod writer;

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use async_nats::{
    Client,
    jetstream::{
        self, Context,
        context::{ContextBuilder, PublishErrorKind},
        message::PublishMessage,
        object_store::{self, ObjectStore},
        stream::{Config, DiscardPolicy, LastRawMessageErrorKind, StorageType, Stream},
    },
};
use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;
use prost::encoding;
use rialto_proto::v1::Durability;
use tokio::{io::AsyncReadExt, runtime::Handle, sync::watch, time::timeout};

use self::{
    batch::{Batch, place, position},
    fetch::FetchError,
    intake::Intake,
    writer::Writer,
};
use super::{ClaimError, Claimed, Log, LogError, Logs, Position, Progress};

/// Who has written a message: another word for each claim.
const OWNER: &str = "Rialto-Owner";
/// The end of the subject of messages with records.
const RECORDS: &str = "records";
/// Of messages that say where a snapshot is.
const SNAPSHOT: &str = "snapshot";
/// Time for one answer, and for one acknowledgement.
const ANSWERED_MAX: Duration = Duration::from_secs(2);
/// Time for the first answer of a stream: one without a leader gives none.
const FOUND_MAX: Duration = Duration::from_secs(1);
/// How often a claim is tried while others claim too.
const CLAIMS_MAX: usize = 16;
/// Bytes of messages that are at hand for reading.
const AT_HAND_BYTES_MAX: usize = 8 << 20;

/// Where the logs of a cluster are.
#[derive(Clone)]
pub struct Streams {
    client: Client,
    context: Context,
    snapshots: ObjectStore,
    cluster: String,
    replicas: usize,
    durability: Durability,
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}

impl Streams {
    /// Makes what all logs have in common, where it is not there. `durability` says what an acknowledgement of these servers
    /// is worth: they do not tell it themselves on this connection.
    pub async fn new(
        client: Client,
        cluster: &str,
        replicas: usize,
        durability: Durability,
    ) -> Result<Self, ClaimError> {
        let context = ContextBuilder::new().timeout(ANSWERED_MAX).build(client.clone());
        let bucket = format!("rialto_{cluster}_snapshots");
        let failed = |what: String| ClaimError { log: bucket.clone(), what };
        let config = object_store::Config {
            bucket: bucket.clone(),
            storage: StorageType::File,
            num_replicas: replicas,
            ..object_store::Config::default()
        };
        // Who begins has time, and so has whoever reads a snapshot.
        let patient = jetstream::new(client.clone());
        let snapshots = match patient.get_object_store(&bucket).await {
            Ok(there) => there,
            Err(_) => patient.create_object_store(config).await.map_err(|error| failed(error.to_string()))?,
        };
        Ok(Self { client, context, snapshots, cluster: cluster.to_owned(), replicas, durability })
    }

    fn config(&self, name: &str, subject: &str) -> Config {
        Config {
            name: format!("rialto_{}_{name}", self.cluster),
            subjects: vec![format!("{subject}.{RECORDS}"), format!("{subject}.{SNAPSHOT}")],
            storage: StorageType::File,
            discard: DiscardPolicy::New,
            num_replicas: self.replicas,
            allow_direct: true,
            ..Config::default()
        }
    }

    async fn take(&self, name: &str) -> Result<Claimed, ClaimError> {
        let subject = format!("rl.{}.log.{name}", self.cluster);
        let config = self.config(name, &subject);
        let stream = config.name.clone();
        let failed = |what: String| ClaimError { log: stream.clone(), what };
        let there = timeout(FOUND_MAX, self.context.get_or_create_stream(config));
        let there = there.await.map_err(|late| failed(late.to_string()))?;
        let mut there = there.map_err(|error| failed(error.to_string()))?;
        let owner = format!("{:016x}", crate::base::clock::random_u64());
        for _ in 0..CLAIMS_MAX {
            let state = there.info().await.map_err(|error| failed(error.to_string()))?.state.clone();
            let claim = message(&owner, state.last_sequence, batch::nothing());
            let sent = self.context.send_publish(format!("{subject}.{RECORDS}"), claim);
            match async { sent.await?.await }.await {
                Ok(claimed) => {
                    let pointer = pointer(&there, &subject).await.map_err(failed)?;
                    let Self { client, context, snapshots, .. } = self.clone();
                    let store = Store { client, context, stream: there, snapshots };
                    let bounds = (state.first_sequence, claimed.sequence);
                    let (log, writer) = self.open(store, (subject, owner), bounds, pointer);
                    log.held.store(state.bytes, Relaxed);
                    let before = position(state.last_sequence + 1, 0);
                    return Ok(Claimed { log: Arc::new(log), writer: writer.run().boxed(), before });
                }
                Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => {}
                Err(error) => return Err(failed(error.to_string())),
            }
        }
        Err(failed("others claim it too".to_owned()))
    }

    fn open(
        &self,
        store: Store,
        (subject, owner): (String, String),
        (first, claim): (u64, u64),
        pointer: Option<(String, Position)>,
    ) -> (JetStreamLog, Writer) {
        let message_bytes_max = self.client.server_info().max_payload;
        let intake = Arc::new(Intake::new(claim + 1, message_bytes_max));
        let durable = Progress { durable: position(claim + 1, 0), failed: None };
        let progress = watch::Sender::new(durable);
        let writer = Writer {
            store: store.clone(),
            subject,
            owner,
            intake: Arc::clone(&intake),
            progress: progress.clone(),
        };
        let log = JetStreamLog {
            store,
            runtime: Handle::current(),
            intake,
            progress,
            durability: self.durability,
            first: AtomicU64::new(first.max(1)),
            claim,
            held: AtomicU64::new(0),
            pointer: Mutex::new(pointer),
            at_hand: Mutex::default(),
        };
        (log, writer)
    }
}

impl Logs for Streams {
    fn claim<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Claimed, ClaimError>> {
        self.take(name).boxed()
    }
}

/// A stream, and ways to it.
#[derive(Clone)]
struct Store {
    client: Client,
    context: Context,
    stream: Stream,
    snapshots: ObjectStore,
}

impl Store {
    fn name(&self) -> &str {
        &self.stream.cached_info().config.name
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("stream", &self.name()).finish_non_exhaustive()
    }
}

/// Where the last snapshot is. What says so is behind what the snapshot covers, so it is still kept.
async fn pointer(stream: &Stream, subject: &str) -> Result<Option<(String, Position)>, String> {
    match stream.get_last_raw_message_by_subject(&format!("{subject}.{SNAPSHOT}")).await {
        Ok(message) => {
            let batch = batch::read(&message.payload)?;
            Ok(Some((batch.snapshot, Position(batch.before))))
        }
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

fn message(owner: &str, before: u64, payload: Bytes) -> PublishMessage {
    PublishMessage::build().payload(payload).header(OWNER, owner).expected_last_sequence(before)
}

/// A log in a stream.
#[derive(Debug)]
pub struct JetStreamLog {
    store: Store,
    /// On which what waits for the network runs, for those who call from a thread that may wait.
    runtime: Handle,
    intake: Arc<Intake>,
    progress: watch::Sender<Progress>,
    durability: Durability,
    /// The first message that is kept.
    first: AtomicU64,
    /// The message that has claimed it.
    claim: u64,
    /// Bytes of the stream, about.
    held: AtomicU64,
    /// The object that holds the last snapshot, and where that stands.
    pointer: Mutex<Option<(String, Position)>>,
    at_hand: Mutex<AtHand>,
}

/// Messages that were read lately: several records of one are often read one after the other.
#[derive(Debug, Default)]
struct AtHand {
    messages: VecDeque<(u64, Batch)>,
    bytes: usize,
}

impl AtHand {
    fn get(&self, sequence: u64) -> Option<&Batch> {
        self.messages.iter().find(|(at, _)| *at == sequence).map(|(_, batch)| batch)
    }

    fn put(&mut self, sequence: u64, batch: Batch) {
        self.bytes += bytes(&batch);
        self.messages.push_back((sequence, batch));
        while self.bytes > AT_HAND_BYTES_MAX {
            let Some((_, old)) = self.messages.pop_front() else { break };
            self.bytes -= bytes(&old);
        }
    }
}

fn bytes(batch: &Batch) -> usize {
    batch.records.iter().map(Bytes::len).sum()
}

impl JetStreamLog {
    fn damaged(&self, sequence: u64, what: String) -> LogError {
        let file = self.store.name().to_owned();
        LogError::Damaged { file, what: format!("message {sequence}: {what}"), byte: 0 }
    }

    fn fetched(&self, error: FetchError) -> LogError {
        match error {
            FetchError::Gone(sequence) => LogError::Gone(position(sequence, 0)),
            FetchError::Away(what) => LogError::Failed(what),
        }
    }

    fn parse(&self, sequence: u64, message: &Bytes) -> Result<Batch, LogError> {
        batch::read(message).map_err(|what| self.damaged(sequence, what))
    }

    /// Shows every durable message from `from` on.
    fn messages(&self, from: u64, visit: &mut dyn FnMut(u64, Batch) -> bool) -> Result<(), LogError> {
        let (until, _) = place(self.progress.borrow().durable);
        let mut next = from.max(self.first.load(Relaxed));
        while next < until {
            let Store { client, stream, .. } = &self.store;
            let some = self.runtime.block_on(fetch::some(client, stream, next));
            for (sequence, message) in some.map_err(|error| self.fetched(error))? {
                if sequence >= until {
                    return Ok(());
                }
                if sequence != next {
                    return Err(self.damaged(next, "it is missing".to_owned()));
                }
                if !visit(sequence, self.parse(sequence, &message)?) {
                    return Ok(());
                }
                next += 1;
            }
        }
        Ok(())
    }
}

impl Log for JetStreamLog {
    fn durability(&self) -> Durability {
        self.durability
    }

    fn append(&self, record: &[u8]) -> Result<Position, LogError> {
        let at = self.intake.append(record)?;
        self.held.fetch_add(record.len() as u64, Relaxed);
        Ok(at)
    }

    fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    fn flush(&self) -> Result<Position, LogError> {
        let end = self.intake.end();
        let mut progress = self.progress.subscribe();
        let reached = self
            .runtime
            .block_on(progress.wait_for(|progress| progress.durable >= end || progress.failed.is_some()));
        let reached = reached.map_err(|_| LogError::Failed("nobody writes it".to_owned()))?;
        match &reached.failed {
            Some(error) if reached.durable < end => Err(error.clone()),
            _ => Ok(reached.durable),
        }
    }

    fn bounds(&self) -> (Position, Position) {
        (position(self.first.load(Relaxed), 0), self.intake.end())
    }

    fn bytes(&self) -> u64 {
        self.held.load(Relaxed)
    }

    fn read(&self, at: Position) -> Result<Bytes, LogError> {
        let (sequence, index) = place(at);
        let record = |batch: &Batch| batch.records.get(index).cloned().ok_or(LogError::Gone(at));
        if sequence < self.first.load(Relaxed) {
            return Err(LogError::Gone(at));
        }
        if let Some(batch) = self.at_hand.lock().get(sequence) {
            return record(batch);
        }
        let message = self.runtime.block_on(fetch::one(&self.store.stream, sequence));
        let batch = self.parse(sequence, &message.map_err(|error| self.fetched(error))?)?;
        let found = record(&batch);
        self.at_hand.lock().put(sequence, batch);
        found
    }

    fn replay(&self, from: Position, visit: &mut dyn FnMut(Position, Bytes) -> bool) -> Result<(), LogError> {
        let (sequence, first) = place(from);
        self.messages(sequence, &mut |at, batch| {
            let skipped = if at == sequence { first } else { 0 };
            let records = batch.records.into_iter().enumerate().skip(skipped);
            let mut records = records.map(|(index, record)| (position(at, index as u64), record));
            records.all(|(at, record)| visit(at, record))
        })
    }

    fn snapshot(&self, at: Position, chunks: &mut dyn Iterator<Item = Bytes>) -> Result<(), LogError> {
        let mut object = Vec::new();
        for chunk in chunks {
            encoding::encode_varint(chunk.len() as u64, &mut object);
            object.extend_from_slice(&chunk);
        }
        let name = format!("{}-{:x}-{:x}", self.store.name(), at.0, self.claim);
        let failed = |error: &dyn std::fmt::Display| LogError::Failed(format!("a snapshot: {error}"));
        self.runtime
            .block_on(self.store.snapshots.put(name.as_str(), &mut object.as_slice()))
            .map_err(|error| failed(&error))?;
        self.intake.point(batch::pointer(&name, at))?;
        self.flush()?;
        let before = self.pointer.lock().replace((name.clone(), at));
        if let Some((old, _)) = before.filter(|(old, _)| *old != name) {
            self.runtime.block_on(self.store.snapshots.delete(&old)).map_err(|error| failed(&error))?;
        }
        Ok(())
    }

    fn last_snapshot(&self, visit: &mut dyn FnMut(Bytes)) -> Result<Option<Position>, LogError> {
        let Some((name, at)) = self.pointer.lock().clone() else { return Ok(None) };
        let failed =
            |error: &dyn std::fmt::Display| LogError::Failed(format!("the snapshot {name}: {error}"));
        let object = self.runtime.block_on(async {
            let mut object = self.store.snapshots.get(&name).await.map_err(|error| failed(&error))?;
            let mut bytes = Vec::new();
            object.read_to_end(&mut bytes).await.map_err(|error| failed(&error))?;
            Ok::<_, LogError>(Bytes::from(bytes))
        });
        let mut object = object?;
        while !object.is_empty() {
            let length = encoding::decode_varint(&mut object).map_err(|error| failed(&error))? as usize;
            if length > object.len() {
                return Err(failed(&"it is cut"));
            }
            visit(object.split_to(length));
        }
        Ok(Some(at))
    }

    fn truncate(&self, before: Position) -> Result<(), LogError> {
        let (sequence, _) = place(before);
        let failed = |error: &dyn std::fmt::Display| LogError::Failed(format!("a truncation: {error}"));
        let purged = self.runtime.block_on(async {
            self.store.stream.purge().sequence(sequence).await.map_err(|error| failed(&error))?;
            self.store.stream.get_info().await.map_err(|error| failed(&error))
        })?;
        self.first.store(purged.state.first_sequence.max(1), Relaxed);
        let waiting = self.intake.waiting() as u64;
        self.held.store(purged.state.bytes + waiting, Relaxed);
        Ok(())
    }
}
