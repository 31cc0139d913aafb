//! Sends full messages, several at once, and says how far they are acknowledged. What is not acknowledged in time is looked
//! for and sent again, one after the other, until it is there or somebody else has written instead.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use async_nats::jetstream::{
    context::{PublishAckFuture, PublishError, PublishErrorKind},
    publish::PublishAck,
    stream::LastRawMessageErrorKind,
};
use tokio::{sync::watch, time::sleep};

use super::{
    OWNER, RECORDS, SNAPSHOT, Store,
    batch::position,
    intake::{Full, Intake},
    message,
};
use crate::{
    base::clock,
    log::{LogError, Progress},
};

/// Messages on their way at once.
const SENT_MAX: usize = 8;
/// How long what is not acknowledged is sent again before the log fails.
const AGAIN_FOR: Duration = Duration::from_secs(15);
/// The wait between two attempts.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// What writes a log. It has to run.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) store: Store,
    pub(super) subject: String,
    /// The word of this claim.
    pub(super) owner: String,
    pub(super) intake: Arc<Intake>,
    pub(super) progress: watch::Sender<Progress>,
}

/// A message on its way.
struct Sent {
    full: Full,
    acknowledged: Result<PublishAckFuture, PublishError>,
}

/// What became of one attempt.
enum Attempt {
    Stored,
    /// Something else is there.
    Lost(String),
    Unknown(String),
}

impl Drop for Writer {
    /// Nobody waits any longer for what will not be written: a part that goes, or a node that ends, drops this in the middle of it.
    fn drop(&mut self) {
        self.end(LogError::Failed("nobody writes it".to_owned()));
    }
}

impl Writer {
    /// Writes until the log has failed.
    pub(super) async fn run(self) {
        let ended = self.write().await;
        self.end(ended);
    }

    fn end(&self, error: LogError) {
        self.intake.fail(error.clone());
        self.progress.send_modify(|progress| _ = progress.failed.get_or_insert(error));
    }

    async fn write(&self) -> LogError {
        let mut sent: VecDeque<Sent> = VecDeque::new();
        loop {
            while sent.len() < SENT_MAX
                && let Some(full) = self.intake.take()
            {
                let acknowledged = self.send(&full).await;
                sent.push_back(Sent { full, acknowledged });
            }
            if let Some(Sent { full, acknowledged }) = sent.pop_front() {
                let acknowledged = match acknowledged {
                    Ok(acknowledged) => acknowledged.await,
                    Err(error) => Err(error),
                };
                if !is_stored(&full, &acknowledged) {
                    // What was sent behind it was refused with it, or is not known either.
                    let behind = std::mem::take(&mut sent).into_iter().map(|sent| sent.full);
                    for full in std::iter::once(full).chain(behind) {
                        if let Err(error) = self.insist(&full).await {
                            return error;
                        }
                    }
                    continue;
                }
                self.reached(&full);
            } else if let Some(error) = self.intake.failed() {
                return error;
            } else {
                self.intake.changed.notified().await;
            }
        }
    }

    async fn send(&self, full: &Full) -> Result<PublishAckFuture, PublishError> {
        let end = if full.pointer { SNAPSHOT } else { RECORDS };
        let message = message(&self.owner, full.sequence - 1, full.payload.clone());
        self.store.context.send_publish(format!("{}.{end}", self.subject), message).await
    }

    fn reached(&self, full: &Full) {
        self.progress.send_modify(|progress| progress.durable = position(full.sequence + 1, 0));
    }

    /// Sends a message until it is there.
    async fn insist(&self, full: &Full) -> Result<(), LogError> {
        let until = clock::now() + AGAIN_FOR;
        loop {
            let why = match self.attempt(full).await {
                Attempt::Stored => {
                    self.reached(full);
                    return Ok(());
                }
                Attempt::Lost(what) => return Err(LogError::Failed(what)),
                Attempt::Unknown(why) => why,
            };
            if clock::now() > until {
                return Err(LogError::Failed(format!("JetStream does not take it: {why}")));
            }
            tracing::warn!(subject = self.subject, why, "sent again");
            sleep(AGAIN_AFTER).await;
        }
    }

    async fn attempt(&self, full: &Full) -> Attempt {
        let acknowledged = match self.send(full).await {
            Ok(acknowledged) => acknowledged.await,
            Err(error) => Err(error),
        };
        match acknowledged {
            Ok(acknowledged) if acknowledged.sequence == full.sequence => Attempt::Stored,
            Ok(acknowledged) => Attempt::Lost(format!("it was stored as message {}", acknowledged.sequence)),
            Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => self.look(full).await,
            Err(error) => Attempt::Unknown(error.to_string()),
        }
    }

    /// Whether the message that has this number is this one: an acknowledgement may have been lost.
    async fn look(&self, full: &Full) -> Attempt {
        match self.store.stream.get_raw_message(full.sequence).await {
            Ok(there) if there.headers.get(OWNER).is_some_and(|owner| owner.as_str() == self.owner) => {
                Attempt::Stored
            }
            Ok(_) => Attempt::Lost("another node has taken it over".to_owned()),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => {
                Attempt::Lost("what was written before is not there any more".to_owned())
            }
            Err(error) => Attempt::Unknown(error.to_string()),
        }
    }
}

fn is_stored(full: &Full, acknowledged: &Result<PublishAck, PublishError>) -> bool {
    acknowledged.as_ref().is_ok_and(|acknowledged| acknowledged.sequence == full.sequence)
}
