//! The connection that a session has at present, with its credentials, for calls beside its stream. Set by `actor.rs`,
//! used by `rooms.rs`.

use std::sync::Arc;

use parking_lot::Mutex;
use tonic::{
    Request,
    metadata::{Ascii, MetadataValue},
    transport::Channel,
};

use crate::error::Error;

/// The present connection. Cheap to clone; all clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Line {
    present: Arc<Mutex<Option<(Channel, Bearer)>>>,
}

/// Credentials of a call, if there are any.
pub(crate) type Bearer = Option<MetadataValue<Ascii>>;

impl Line {
    /// The session has another connection.
    pub(crate) fn connected(&self, channel: Channel, bearer: Bearer) {
        *self.present.lock() = Some((channel, bearer));
    }

    /// The session has another token.
    pub(crate) fn renew(&self, token: &str) {
        // The server has taken it, so it is well-formed.
        if let (Some((_, bearer)), Ok(renewed)) = (self.present.lock().as_mut(), self::bearer(token)) {
            *bearer = Some(renewed);
        }
    }

    /// The connection and its credentials.
    pub(crate) fn present(&self) -> Option<(Channel, Bearer)> {
        self.present.lock().clone()
    }
}

/// A token as the metadata of a call.
pub(crate) fn bearer(token: &str) -> Result<MetadataValue<Ascii>, Error> {
    let mut value: MetadataValue<Ascii> = format!("Bearer {token}")
        .parse()
        .map_err(|_| Error::Invalid("the token holds characters that no token has".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A request with these credentials.
pub(crate) fn signed<T>(mut request: Request<T>, bearer: &Bearer) -> Request<T> {
    if let Some(bearer) = bearer {
        request.metadata_mut().insert("authorization", bearer.clone());
    }
    request
}
