//! Payloads that are uploaded by themselves: taken in chunks from who may enqueue, read by who works, and named by jobs. Any node
//! does that; only whoever keeps the queue knows which are still needed.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use rialto_proto::v1::{self, NewJob, RefusalCode, UploadedPayload, job_body::Body};

use super::{call::Here, control::LOOK};
use crate::{
    auth::{Identity, Right},
    base::{
        clock,
        limits::UPLOAD_CHUNK_BYTES,
        refusal::{Refusal, Retry},
    },
    router::Router,
    uploads::{Extent, UploadError, UploadId, UploadKey, Uploads},
};

/// Clocks of nodes do not differ by more.
const CLOCKS_DIFFER_MS: u64 = 60 * 60 * 1_000;
/// When a store that cannot be had, or is full, may be asked again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

impl Router {
    /// Begins an upload. Nothing is stored before its first chunk.
    pub fn begin_upload(
        &self,
        identity: &Identity,
        request: v1::BeginUploadRequest,
    ) -> Result<v1::BeginUploadResponse, Refusal> {
        self.queue_of(identity, &[Right::Enqueue], (request.namespace, request.queue))?;
        let id = UploadId::new(clock::unix_ms(clock::wall()), clock::random_u64());
        Ok(v1::BeginUploadResponse {
            upload_id: id.to_string(),
            chunk_bytes: UPLOAD_CHUNK_BYTES as u32,
            bytes_max: self.limits.node.upload_bytes_max,
        })
    }

    /// Stores a chunk.
    pub async fn upload_chunk(
        &self,
        identity: &Identity,
        request: v1::UploadChunkRequest,
    ) -> Result<v1::UploadChunkResponse, Refusal> {
        let v1::UploadChunkRequest { namespace, queue, upload_id, index, data } = request;
        let (namespace, queue) = self.queue_of(identity, &[Right::Enqueue], (namespace, queue))?;
        let id = parse(&upload_id)?;
        if data.is_empty() || data.len() > UPLOAD_CHUNK_BYTES {
            let what = format_args!("has {} bytes, but must have 1 to {UPLOAD_CHUNK_BYTES}", data.len());
            return Err(Refusal::invalid("data", what));
        }
        let bytes_max = self.limits.node.upload_bytes_max;
        if u64::from(index) * UPLOAD_CHUNK_BYTES as u64 + data.len() as u64 > bytes_max {
            let reason = format!("an upload has at most {bytes_max} bytes");
            let refusal = Refusal::new(RefusalCode::PayloadTooLarge, reason);
            return Err(Refusal { limit: "upload_bytes_max", ..refusal });
        }
        self.is_in_time(id, clock::unix_ms(clock::wall()))?;
        let key = UploadKey::of(self.parts.of(&namespace, &queue), &namespace, &queue, id);
        self.uploads.put(&key, index, data).await.map_err(refused)?;
        Ok(v1::UploadChunkResponse {})
    }

    /// A payload that was uploaded, from some byte on.
    pub async fn read_payload(
        &self,
        identity: &Identity,
        request: v1::ReadPayloadRequest,
    ) -> Result<PayloadReader, Refusal> {
        let v1::ReadPayloadRequest { namespace, queue, upload_id, offset } = request;
        let (namespace, queue) = self.queue_of(identity, &LOOK, (namespace, queue))?;
        let id = parse(&upload_id)?;
        let key = UploadKey::of(self.parts.of(&namespace, &queue), &namespace, &queue, id);
        let bytes = match self.uploads.extent(&key).await.map_err(refused)? {
            Extent::Whole(bytes) => bytes,
            Extent::Broken => return Err(incomplete()),
            Extent::Nothing => return Err(gone()),
        };
        if offset > bytes {
            return Err(Refusal::invalid(
                "offset",
                format_args!("is beyond the {bytes} bytes of the payload"),
            ));
        }
        Ok(PayloadReader { uploads: Arc::clone(&self.uploads), key, at: offset, bytes })
    }

    /// No job can name an upload for the first time that was begun too long ago: it may be forgotten at any moment. One that is begun later
    /// than clocks can explain is an invention, and would be kept for as long as somebody likes.
    fn is_in_time(&self, id: UploadId, now_ms: u64) -> Result<(), Refusal> {
        let kept_ms = u64::try_from(self.limits.node.uploads_kept.as_millis()).unwrap_or(u64::MAX);
        let early = now_ms.saturating_add(CLOCKS_DIFFER_MS) < id.began_ms();
        let late = now_ms > id.began_ms().saturating_add(kept_ms);
        if early || late { Err(gone()) } else { Ok(()) }
    }
}

impl Here<'_> {
    /// Whether a job can have the payload that it names, if it names one.
    pub(super) async fn has_payload(
        self,
        (namespace, queue): (&str, &str),
        job: &NewJob,
    ) -> Result<(), Refusal> {
        let Some(UploadedPayload { upload_id, bytes }) = uploaded(job) else { return Ok(()) };
        let id = parse(upload_id)?;
        // A job that is there has kept it.
        if self.shard.ask(|engine, _| engine.seq(namespace, queue, &job.job_id)).is_ok() {
            return Ok(());
        }
        self.router.is_in_time(id, clock::unix_ms(clock::wall()))?;
        let key = UploadKey::of(self.shard.number, namespace, queue, id);
        match self.router.uploads.extent(&key).await.map_err(refused)? {
            Extent::Whole(whole) if whole == *bytes => Ok(()),
            Extent::Whole(whole) => Err(Refusal::invalid(
                "body",
                format_args!("names an upload of {whole} bytes, not of {bytes}"),
            )),
            Extent::Broken => Err(incomplete()),
            Extent::Nothing => Err(gone()),
        }
    }
}

/// The upload that a job names.
fn uploaded(job: &NewJob) -> Option<&UploadedPayload> {
    match job.body.as_ref()?.body.as_ref()? {
        Body::Uploaded(uploaded) => Some(uploaded),
        Body::Text(_) | Body::Binary(_) => None,
    }
}

/// Reads a payload chunk by chunk.
#[derive(Debug)]
pub struct PayloadReader {
    uploads: Arc<dyn Uploads>,
    key: UploadKey,
    at: u64,
    bytes: u64,
}

impl PayloadReader {
    /// The next bytes; `None` when that were all.
    ///
    /// *Cancel safety*: nothing is lost.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        if self.at == self.bytes {
            return Ok(None);
        }
        let (index, skipped) = (self.at / UPLOAD_CHUNK_BYTES as u64, self.at % UPLOAD_CHUNK_BYTES as u64);
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        // It was forgotten meanwhile.
        let chunk = self.uploads.get(&self.key, index).await.map_err(refused)?.ok_or_else(gone)?;
        let chunk = chunk.slice(chunk.len().min(skipped as usize)..);
        if chunk.is_empty() {
            return Err(gone());
        }
        self.at += chunk.len() as u64;
        Ok(Some(chunk))
    }
}

fn parse(id: &str) -> Result<UploadId, Refusal> {
    UploadId::parse(id).ok_or_else(|| Refusal::invalid("upload_id", "is none"))
}

fn gone() -> Refusal {
    Refusal::new(RefusalCode::NotFound, "there is no such upload for the queue, or not any more")
}

fn incomplete() -> Refusal {
    let refusal = Refusal::new(RefusalCode::NotFound, "some chunks of the upload are missing");
    Refusal { retry: Retry::AfterChange, ..refusal }
}

fn refused(error: UploadError) -> Refusal {
    let (code, reason, retry) = match &error {
        UploadError::Taken => {
            (RefusalCode::AlreadyExists, "another chunk is stored in that place", Retry::Never)
        }
        UploadError::Full => {
            (RefusalCode::StorageFull, "there is no space left for uploads", Retry::After(AGAIN_AFTER))
        }
        UploadError::Damaged { .. } => {
            (RefusalCode::StorageFailed, "the upload is damaged", Retry::AfterChange)
        }
        UploadError::Away(_) => {
            (RefusalCode::StorageFailed, "uploads cannot be had", Retry::After(AGAIN_AFTER))
        }
    };
    if code == RefusalCode::StorageFailed {
        tracing::error!(%error, "an upload was not stored or read");
    }
    Refusal { retry, ..Refusal::new(code, reason) }
}
