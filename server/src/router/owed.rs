//! What a client is owed is read when it comes to it, a page at a time.

use std::sync::Arc;

use super::Router;
use crate::session::{Session, owed::Owed};

impl Router {
    /// Reads the next page of what `session` is owed and puts it in its outbox.
    ///
    /// *Cancel safety*: nothing is lost; what was not put in the outbox is still owed.
    pub async fn read_owed(&self, session: &Arc<Session>, owed: Owed) {
        session.outbox.settle(&owed, Vec::new(), None);
    }

    /// Waits until the log takes more.
    pub async fn writable(&self) {}
}
