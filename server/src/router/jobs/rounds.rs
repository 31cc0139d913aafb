//! Going round what is owed: what cannot be done now stays, and holds nothing behind it up.

use std::{mem, time::Duration};

use tokio::time::sleep;

use crate::jobs::Seq;

/// The wait before what was not taken is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Where in its round somebody is.
#[derive(Debug)]
pub(super) struct Rounds {
    /// Behind which job the next step begins.
    pub(super) after: Seq,
    /// Everything in this round was done.
    all: bool,
}

impl Rounds {
    /// At the beginning of the first.
    pub(super) fn new() -> Self {
        Self { after: Seq(0), all: true }
    }

    /// Something was done, or not.
    pub(super) fn note(&mut self, done: bool) {
        self.all &= done;
    }

    /// A step has come to this job; `None`: the round is over, and a pause comes before the next if something is left.
    pub(super) async fn go_on(&mut self, last: Option<Seq>) {
        self.after = last.unwrap_or(Seq(0));
        if last.is_none() && !mem::replace(&mut self.all, true) {
            sleep(AGAIN_AFTER).await;
        }
    }
}
