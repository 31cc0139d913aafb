//! A payload that was uploaded by itself, as jobs name it. A value; nothing is sent here.

use rialto_proto::v1::{JobBody, UploadedPayload, job_body};

/// A payload that was uploaded for the jobs of a queue. It is kept for a day, and as long as a job that names it is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uploaded {
    pub(crate) id: String,
    pub(crate) bytes: u64,
    pub(crate) content_type: String,
}

impl Uploaded {
    /// Says what kind of payload it is, for example `text/csv`.
    #[must_use]
    pub fn of_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = content_type.into();
        self
    }

    /// What it is called. Whoever knows it may read it who may work in the queue.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its bytes in all.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Media type; empty when none was given.
    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    /// The one that the body of a job names, if it names one.
    pub fn of(body: &JobBody) -> Option<Self> {
        let Some(job_body::Body::Uploaded(UploadedPayload { upload_id, bytes })) = &body.body else {
            return None;
        };
        Some(Self { id: upload_id.clone(), bytes: *bytes, content_type: body.content_type.clone() })
    }

    pub(crate) fn into_job(self) -> JobBody {
        let uploaded = UploadedPayload { upload_id: self.id, bytes: self.bytes };
        JobBody { body: Some(job_body::Body::Uploaded(uploaded)), content_type: self.content_type }
    }
}
