//! Uploads in a stream of NATS JetStream, where all nodes of a cluster find them: a message for each chunk, whose subject names its
//! upload and its place. The stream takes one message for each subject, so that a chunk is written once whoever writes it. One more
//! message says which chunk is shorter than the others: there is one at most, and its upload is known to be whole without being read.

use std::{sync::Arc, time::Duration};

use async_nats::{
    Client,
    jetstream::{
        Context,
        context::{ContextBuilder, PublishErrorKind},
        message::PublishMessage,
        stream::{Config, DirectGetErrorKind, DiscardPolicy, LastRawMessageErrorKind, StorageType, Stream},
    },
};
use bytes::Bytes;
use futures_util::{FutureExt, TryStreamExt};
use parking_lot::Mutex;
use tokio::time::timeout;

use super::{Extent, Stored, UploadError, UploadKey, Uploads, extent};
use crate::base::{
    clock::{self, Instant},
    limits::UPLOAD_CHUNK_BYTES,
};

/// Time for one answer, and for one acknowledgement.
const ANSWERED_MAX: Duration = Duration::from_secs(5);
/// Time for the answer of any replica, which may hang. Then the leader is asked.
const ANY_ANSWERED_MAX: Duration = Duration::from_secs(1);
/// How long it is believed how many bytes the stream has.
const BYTES_KNOWN_FOR: Duration = Duration::from_secs(1);
/// The end of the subject of what says which chunk is short.
const SHORT: &str = "short";

/// Uploads in a stream.
#[derive(Clone)]
pub struct StreamUploads {
    context: Context,
    stream: Stream,
    /// What all subjects begin with.
    subject: String,
    bytes_max: u64,
    /// Bytes of the stream, and when that was asked; and what was put in here since then.
    bytes: Arc<Mutex<Option<(Instant, u64)>>>,
}

impl std::fmt::Debug for StreamUploads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamUploads").field("subject", &self.subject).finish_non_exhaustive()
    }
}

impl StreamUploads {
    /// Those of a cluster; makes the stream when it is not there. At most so many bytes, by what was in the stream a second ago.
    pub async fn open(
        client: Client,
        cluster: &str,
        replicas: usize,
        bytes_max: u64,
    ) -> Result<Self, UploadError> {
        let context = ContextBuilder::new().timeout(ANSWERED_MAX).build(client);
        let subject = format!("rl.{cluster}.uploads");
        let config = Config {
            name: format!("rialto_{cluster}_uploads"),
            subjects: vec![format!("{subject}.>")],
            storage: StorageType::File,
            num_replicas: replicas,
            max_messages_per_subject: 1,
            discard: DiscardPolicy::New,
            discard_new_per_subject: true,
            allow_direct: true,
            ..Config::default()
        };
        let stream = context.get_or_create_stream(config).await.map_err(away)?;
        Ok(Self { context, stream, subject, bytes_max, bytes: Arc::default() })
    }

    /// What the subjects of an upload begin with.
    fn upload(&self, key: &UploadKey) -> String {
        format!("{}.{}.{}", self.subject, key.part, key.name())
    }

    fn chunk(&self, key: &UploadKey, index: u32) -> String {
        format!("{}.{index}", self.upload(key))
    }

    async fn write(&self, key: &UploadKey, index: u32, chunk: Bytes) -> Result<(), UploadError> {
        self.has_room(chunk.len() as u64).await?;
        if chunk.len() < UPLOAD_CHUNK_BYTES {
            let short = format!("{}.{SHORT}", self.upload(key));
            self.write_once(short, index.to_string().into()).await?;
        }
        self.write_once(self.chunk(key, index), chunk).await
    }

    async fn write_once(&self, subject: String, payload: Bytes) -> Result<(), UploadError> {
        let message = PublishMessage::build().payload(payload.clone()).expected_last_subject_sequence(0);
        let sent = self.context.send_publish(subject.clone(), message);
        match async { sent.await?.await }.await {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => {
                match self.at_leader(&subject).await? {
                    Some(there) if there != payload => Err(UploadError::Taken),
                    Some(_) => Ok(()),
                    // It was forgotten in between.
                    None => Err(away("it was forgotten")),
                }
            }
            Err(error) => Err(away(error)),
        }
    }

    async fn has_room(&self, more: u64) -> Result<(), UploadError> {
        let now = clock::now();
        let known = self.bytes.lock().filter(|(asked, _)| now < *asked + BYTES_KNOWN_FOR);
        let bytes = match known {
            Some((_, bytes)) => bytes,
            None => self.stream.get_info().await.map_err(away)?.state.bytes,
        };
        if bytes + more > self.bytes_max {
            return Err(UploadError::Full);
        }
        let asked = known.map_or(now, |(asked, _)| asked);
        *self.bytes.lock() = Some((asked, bytes + more));
        Ok(())
    }

    async fn read(&self, subject: &str) -> Result<Option<Bytes>, UploadError> {
        let any = self.stream.direct_get_last_for_subject(subject);
        match timeout(ANY_ANSWERED_MAX, any).await {
            Ok(Ok(message)) => Ok(Some(message.payload)),
            Ok(Err(error))
                if !matches!(error.kind(), DirectGetErrorKind::NotFound | DirectGetErrorKind::TimedOut) =>
            {
                Err(away(error))
            }
            // Who was asked may be behind, or hang.
            Ok(Err(_)) | Err(_) => self.at_leader(subject).await,
        }
    }

    async fn at_leader(&self, subject: &str) -> Result<Option<Bytes>, UploadError> {
        match self.stream.get_last_raw_message_by_subject(subject).await {
            Ok(message) => Ok(Some(message.payload)),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(away(error)),
        }
    }

    /// What follows in the subjects that begin so.
    async fn behind(&self, prefix: &str) -> Result<Vec<String>, UploadError> {
        let subjects = self.stream.info_with_subjects(format!("{prefix}.>")).await.map_err(away)?;
        let subjects: Vec<(String, usize)> = subjects.try_collect().await.map_err(away)?;
        let behind = |subject: String| Some(subject.strip_prefix(prefix)?.strip_prefix('.')?.to_owned());
        Ok(subjects.into_iter().filter_map(|(subject, _)| behind(subject)).collect())
    }

    async fn measure(&self, key: &UploadKey) -> Result<Extent, UploadError> {
        let subjects = self.behind(&self.upload(key)).await?;
        let places = subjects.iter().filter_map(|place| place.parse::<u32>().ok());
        let mut chunks: Vec<(u32, u64)> = places.map(|index| (index, UPLOAD_CHUNK_BYTES as u64)).collect();
        if subjects.iter().any(|place| place == SHORT) {
            let said = self.read(&format!("{}.{SHORT}", self.upload(key))).await?;
            let index = said.and_then(|said| std::str::from_utf8(&said).ok()?.parse().ok());
            let Some(short) = chunks.iter_mut().find(|(at, _)| Some(*at) == index) else {
                return Ok(Extent::Broken);
            };
            short.1 = self.read(&self.chunk(key, short.0)).await?.map_or(0, |chunk| chunk.len() as u64);
        }
        Ok(extent(chunks))
    }
}

impl Uploads for StreamUploads {
    fn put<'a>(&'a self, key: &'a UploadKey, index: u32, chunk: Bytes) -> Stored<'a, ()> {
        self.write(key, index, chunk).boxed()
    }

    fn get<'a>(&'a self, key: &'a UploadKey, index: u32) -> Stored<'a, Option<Bytes>> {
        async move { self.read(&self.chunk(key, index)).await }.boxed()
    }

    fn extent<'a>(&'a self, key: &'a UploadKey) -> Stored<'a, Extent> {
        self.measure(key).boxed()
    }

    fn list(&self, part: u32) -> Stored<'_, Vec<UploadKey>> {
        async move {
            let chunks = self.behind(&format!("{}.{part}", self.subject)).await?;
            let name = |chunk: &String| UploadKey::parse(part, chunk.split('.').next()?);
            let mut keys: Vec<UploadKey> = chunks.iter().filter_map(name).collect();
            keys.sort_unstable();
            keys.dedup();
            Ok(keys)
        }
        .boxed()
    }

    fn remove<'a>(&'a self, key: &'a UploadKey) -> Stored<'a, ()> {
        async move {
            let purged = self.stream.purge().filter(format!("{}.>", self.upload(key))).await;
            purged.map(drop).map_err(away)
        }
        .boxed()
    }
}

fn away(error: impl ToString) -> UploadError {
    UploadError::Away(error.to_string())
}
