//! Payloads that are too large for a message: uploaded in chunks before the job that names them is put in, and read piece by piece.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream, stream::FuturesUnordered};
use rialto_proto::v1::{self, RefusalCode};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::sleep,
};
use tonic::Streaming;

use crate::{
    backoff::Backoff,
    error::{Error, Retry},
    jobs::{Jobs, ask},
    uploaded::Uploaded,
};

/// Chunks that are on their way at once.
const AT_ONCE: usize = 4;
/// How long one chunk may take, said again included. Long enough for slow lines.
const CHUNK_WITHIN: Duration = Duration::from_secs(5 * 60);
/// How long one call for it may take.
const CALL_WITHIN: Duration = Duration::from_secs(60);

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
        let begun = ask!(self, begin_upload, BeginUploadRequest {});
        let (id, chunk_bytes) = (begun.upload_id, begun.chunk_bytes as usize);
        let (mut on_the_way, mut next, mut read, mut stored) = (FuturesUnordered::new(), 0, 0, 0);
        let mut more = true;
        while more || !on_the_way.is_empty() {
            if more && on_the_way.len() < AT_ONCE {
                let chunk = chunk(&mut source, chunk_bytes)
                    .await
                    .map_err(|error| Error::Source(error.to_string()))?;
                more = chunk.len() == chunk_bytes;
                // The end may be that of a chunk. An upload without bytes is refused as such.
                if !chunk.is_empty() || read == 0 {
                    read += chunk.len() as u64;
                    on_the_way.push(self.upload_chunk(&id, next, chunk));
                    next += 1;
                }
                continue;
            }
            if let Some(uploaded) = on_the_way.next().await {
                stored += uploaded?;
                told(stored);
            }
        }
        drop(on_the_way);
        Ok(Uploaded { id, bytes: read, content_type: String::new() })
    }

    /// Stores one chunk, and returns its bytes. Said again when nobody answers: it is stored once.
    async fn upload_chunk(&self, id: &str, index: u32, data: Bytes) -> Result<u64, Error> {
        let bytes = data.len() as u64;
        self.again(true, CHUNK_WITHIN, async || {
            let chunk = v1::UploadChunkRequest {
                namespace: self.namespace.clone(),
                queue: self.queue.clone(),
                upload_id: id.to_owned(),
                index,
                data: data.clone(),
            };
            self.service().upload_chunk(self.client.request(chunk, CALL_WITHIN)).await?;
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

/// The next chunk: full unless the source has ended.
async fn chunk(source: &mut (impl AsyncRead + Unpin), bytes: usize) -> std::io::Result<Bytes> {
    let mut chunk = BytesMut::with_capacity(bytes);
    while chunk.len() < bytes {
        let left = bytes - chunk.len();
        if (&mut *source).take(left as u64).read_buf(&mut chunk).await? == 0 {
            break;
        }
    }
    Ok(chunk.freeze())
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
    stream: Option<Streaming<v1::ReadPayloadResponse>>,
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
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        while self.at < self.bytes {
            match self.step().await {
                Ok(data) if data.is_empty() => {}
                Ok(data) => {
                    self.at += data.len() as u64;
                    self.backoff = Backoff::default();
                    return Ok(Some(data));
                }
                Err(error) if may_go_on(&error) => sleep(self.backoff.draw()).await,
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// As a stream, for instance for `tokio_util::io::StreamReader`.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, Error>> + Send {
        stream::try_unfold(self, async |mut reader| Ok(reader.next().await?.map(|data| (data, reader))))
    }

    /// Some bytes, or none for another try.
    async fn step(&mut self) -> Result<Bytes, Error> {
        match &mut self.source {
            Source::Inline(payload) => Ok(payload.slice(usize::try_from(self.at).unwrap_or(usize::MAX)..)),
            Source::Server(download) => download.next(self.at).await,
        }
    }
}

impl Download {
    /// What comes next, which begins at `at`.
    async fn next(&mut self, at: u64) -> Result<Bytes, Error> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.begin(at).await?,
        };
        let next = stream.message().await.map_err(Error::of_stream)?;
        // It ends only behind the last byte.
        let data = next.ok_or_else(|| Error::unexpected("a read"))?.data;
        self.stream = Some(stream);
        Ok(data)
    }

    async fn begin(&self, offset: u64) -> Result<Streaming<v1::ReadPayloadResponse>, Error> {
        let request = tonic::Request::new(v1::ReadPayloadRequest {
            namespace: self.jobs.namespace.clone(),
            queue: self.jobs.queue.clone(),
            upload_id: self.id.clone(),
            offset,
        });
        let request = self.jobs.client.sign(request);
        Ok(self.jobs.service().read_payload(request).await.map_err(Error::of_stream)?.into_inner())
    }
}

fn may_go_on(error: &Error) -> bool {
    match error {
        Error::Unavailable(_) | Error::UnknownOutcome => true,
        Error::Refused(refusal) => {
            refusal.code == RefusalCode::Draining || matches!(refusal.retry, Retry::After(_))
        }
        _ => false,
    }
}
