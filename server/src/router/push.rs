//! Commands that come by themselves, for clients that cannot stream upwards. They may come to any node: the one that has the
//! session takes them.

use std::time::Duration;

use rialto_proto::{
    node::{errand, errand_done},
    v1::{ClientFrame, PushRequest, PushResponse, RefusalCode},
};

use super::{Router, keep::storage_failed, life::unknown_session};
use crate::base::{
    limits::{BATCH_ENTRIES_MAX, PRESSED_PAUSE},
    refusal::{Refusal, Retry},
};

/// How long a client waits before it pushes again when its answers are not read.
const PUSH_AGAIN: Duration = Duration::from_millis(100);

impl Router {
    /// Takes commands of a session, in order and each once, wherever the session is.
    pub async fn push(&self, request: PushRequest) -> Result<PushResponse, Refusal> {
        let Some(id) = self.may_be_elsewhere(&request.session_id) else {
            return self.push_here(request).await;
        };
        check_count(&request.frames)?;
        let pushed = self.send_to_host(id, errand::What::Push(request)).await;
        // Unknown sessions and wrong secrets are answered alike.
        let pushed =
            pushed.map_err(
                |refusal| {
                    if refusal.code == RefusalCode::NotFound { unknown_session() } else { refusal }
                },
            );
        match pushed?.what {
            Some(errand_done::What::Push(response)) => Ok(response),
            _ => Err(storage_failed()),
        }
    }

    /// The same of a session of this node.
    pub(super) async fn push_here(&self, request: PushRequest) -> Result<PushResponse, Refusal> {
        let session = self.proven(&request.session_id, &request.session_secret)?;
        check_count(&request.frames)?;
        if request.first_seq == 0 {
            return Err(Refusal::invalid("first_seq", "is 0; the first frame of a session has 1"));
        }
        self.writable().await;
        let frames_max = self.limits.session.outbox_frames_max;
        let (mut full, mut pressed) = (false, false);
        let accepted_seq = session.take_pushed(request.first_seq, request.frames, |frame| {
            // What waits to be carried out will be answered as well.
            full = session.outbox.waiting().0 + session.pipeline.waiting() >= frames_max;
            let wanted = !full && !pressed && !session.pipeline.is_full();
            if wanted {
                self.dispatch(&session, frame);
                pressed = session.take_pressed();
            }
            wanted
        });
        if pressed {
            tokio::time::sleep(PRESSED_PAUSE).await;
        }
        // Some were taken: the rest is sent again in its own time. None was: not at once.
        if full && accepted_seq < request.first_seq {
            let refusal = Refusal::new(RefusalCode::RateLimited, "the answers on Listen are not read");
            return Err(Refusal { retry: Retry::After(PUSH_AGAIN), limit: "outbox_frames_max", ..refusal });
        }
        Ok(PushResponse { accepted_seq })
    }
}

/// Refuses a message of too many frames.
fn check_count(frames: &[ClientFrame]) -> Result<(), Refusal> {
    if frames.len() > BATCH_ENTRIES_MAX {
        return Err(Refusal::invalid("frames", format_args!("has more than {BATCH_ENTRIES_MAX} entries")));
    }
    Ok(())
}
