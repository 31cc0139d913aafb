//! Payloads that are too large for a message: uploaded in chunks before the job that names them is put in, and read piece by piece.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream, stream::FuturesUnordered};
use rialto_proto::v1;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::{Instant, timeout_at},
};

use crate::{
    backoff::Backoff,
    error::Error,
    jobs::{Jobs, ask, service},
    uplink::Opened,
    uploaded::Uploaded,
};

/// Chunks that are on their way at once.
const AT_ONCE: usize = 4;
/// How long one chunk may take, said again included. Long enough for slow lines.
const CHUNK_WITHIN: Duration = Duration::from_secs(5 * 60);
/// How long one call for it may take.
const CALL_WITHIN: Duration = Duration::from_secs(60);
/// How long a reader waits for the next byte, over all its streams, and on one of them.
const SILENCE: Duration = Duration::from_secs(2 * 60);
const STREAM_SILENCE: Duration = Duration::from_secs(60);

impl Jobs {
    /// Uploads what `source` has until its end, for a job of this queue: [`NewJob::uploaded`](crate::NewJob::uploaded). Holds four chunks of
    /// 512 KiB at most. `told` hears how many bytes are stored.
    ///
    /// *Cancel safety*: what was uploaded is forgotten after a day.
    ///
    /// *Errors*: [`Error::Refused`] with `INVALID` when there is nothing to upload, `PAYLOAD_TOO_LARGE` when it is more than the server
    /// takes, `STORAGE_FULL` when it has no space; [`Error::Source`] when the source cannot be read.
    pub async fn upload(
        &self,
        mut source: impl AsyncRead + Unpin,
        mut told: impl FnMut(u64),
    ) -> Result<Uploaded, Error> {
        let begun = self
            .again(self.client.deadline(), async |left| {
                Ok(ask!(self, left, begin_upload, BeginUploadRequest {}))
            })
            .await?;
        let (id, chunk_bytes) = (begun.upload_id, begun.chunk_bytes as usize);
        let (mut on_the_way, mut chunk, mut more) = (FuturesUnordered::new(), BytesMut::new(), true);
        let (mut next, mut read, mut stored) = (0, 0, 0);
        while more || !on_the_way.is_empty() {
            let left = chunk_bytes.saturating_sub(chunk.len()) as u64;
            let mut source = (&mut source).take(left);
            // What is on its way goes on while the source is slow.
            tokio::select! {
                bytes = source.read_buf(&mut chunk), if more && on_the_way.len() < AT_ONCE => {
                    let bytes = bytes.map_err(|error| Error::Source(error.to_string()))?;
                    (more, read) = (bytes > 0, read + bytes as u64);
                    // An upload without bytes is refused as such.
                    let last = !more && (!chunk.is_empty() || next == 0);
                    if last || (chunk.len() >= chunk_bytes && more) {
                        on_the_way.push(self.upload_chunk(&id, next, chunk.split().freeze()));
                        next += 1;
                    }
                }
                Some(uploaded) = on_the_way.next(), if !on_the_way.is_empty() => {
                    stored += uploaded?;
                    told(stored);
                }
            }
        }
        drop(on_the_way);
        Ok(Uploaded { id, bytes: read, content_type: String::new() })
    }

    /// Stores one chunk, and returns its bytes. Said again when nobody answers: it is stored once.
    async fn upload_chunk(&self, id: &str, index: u32, data: Bytes) -> Result<u64, Error> {
        let bytes = data.len() as u64;
        self.again(CHUNK_WITHIN, async |left| {
            let (within, upload_id, data) = (left.min(CALL_WITHIN), id.to_owned(), data.clone());
            ask!(
                self,
                within,
                upload_chunk,
                UploadChunkRequest { upload_id: upload_id, index: index, data: data }
            );
            Ok(())
        })
        .await?;
        Ok(bytes)
    }

    /// Reads a payload that was uploaded for this queue, from byte `offset` on.
    pub fn read(&self, uploaded: &Uploaded, offset: u64) -> PayloadReader {
        let download = Download { jobs: self.clone(), id: uploaded.id.clone(), stream: None };
        let source = Source::Server(Box::new(download));
        PayloadReader { source, at: offset, bytes: uploaded.bytes, backoff: Backoff::default() }
    }
}

/// Reads the payload of a job piece by piece, wherever it is. Goes on where it was when the connection is lost.
#[derive(Debug)]
pub struct PayloadReader {
    source: Source,
    at: u64,
    bytes: u64,
    backoff: Backoff,
}

#[derive(Debug)]
enum Source {
    /// It came with the job.
    Inline(Bytes),
    Server(Box<Download>),
}

#[derive(Debug)]
struct Download {
    jobs: Jobs,
    id: String,
    stream: Option<Opened<v1::ReadPayloadResponse>>,
}

impl PayloadReader {
    pub(crate) fn inline(payload: Bytes, offset: u64) -> Self {
        let bytes = payload.len() as u64;
        Self { source: Source::Inline(payload), at: offset, bytes, backoff: Backoff::default() }
    }

    /// Bytes of the payload in all.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next bytes; `None` at the end of the payload.
    ///
    /// *Cancel safety*: nothing is lost.
    ///
    /// *Errors*: what does not pass, at once; what passes when no byte has come for two minutes.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let until = Instant::now() + SILENCE;
        while self.at < self.bytes {
            match self.step(until).await {
                Ok(data) if data.is_empty() => {}
                Ok(data) => {
                    self.at += data.len() as u64;
                    self.backoff = Backoff::default();
                    return Ok(Some(data));
                }
                Err(error) => {
                    let at = Instant::now() + self.backoff.draw().max(error.wait());
                    if !error.passes() || at >= until {
                        return Err(error);
                    }
                    self.source.rest(at).await?;
                }
            }
        }
        Ok(None)
    }

    /// As a stream, for instance for `tokio_util::io::StreamReader`.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, Error>> + Send {
        stream::try_unfold(self, async |mut reader| Ok(reader.next().await?.map(|data| (data, reader))))
    }

    /// Some bytes, or none for another try.
    async fn step(&mut self, until: Instant) -> Result<Bytes, Error> {
        match &mut self.source {
            Source::Inline(payload) => Ok(payload.slice(usize::try_from(self.at).unwrap_or(usize::MAX)..)),
            Source::Server(download) => download.next(self.at, until).await,
        }
    }
}

impl Source {
    /// Waits until then before it is asked again.
    async fn rest(&self, at: Instant) -> Result<(), Error> {
        match self {
            Self::Inline(_) => Ok(()),
            Self::Server(download) => {
                let span = at.saturating_duration_since(Instant::now());
                download.jobs.client.uplink().rest(span).await
            }
        }
    }
}

impl Download {
    /// What comes next, which begins at `at`.
    async fn next(&mut self, at: u64, until: Instant) -> Result<Bytes, Error> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.begin(at).await?,
        };
        let until = until.min(Instant::now() + STREAM_SILENCE);
        let silent = || Error::Unavailable("the server fell silent".to_owned());
        let next = timeout_at(until, stream.message(Error::of_broken_stream)).await.map_err(|_| silent())?;
        // It ends only behind the last byte.
        let ended = || Error::Unavailable("the server ended the stream".to_owned());
        let data = next?.ok_or_else(ended)?.data;
        self.stream = Some(stream);
        Ok(data)
    }

    async fn begin(&self, offset: u64) -> Result<Opened<v1::ReadPayloadResponse>, Error> {
        let request = v1::ReadPayloadRequest {
            namespace: self.jobs.namespace.clone(),
            queue: self.jobs.queue.clone(),
            upload_id: self.id.clone(),
            offset,
        };
        let call = async |channel, request| service(channel).read_payload(request).await;
        self.jobs.client.open(request, call).await
    }
}
