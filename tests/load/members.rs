//! All members of a run, in a thread of their own: over one server, or spread over several.

use std::{
    net::SocketAddr,
    sync::{Arc, mpsc::sync_channel},
    thread,
};

use futures_util::{StreamExt, stream};
use tokio::{runtime::Builder, sync::oneshot, task::LocalSet, time::Instant};

use crate::{
    Failure,
    dialect::Dialect,
    member::{Member, Tally},
    server::Kind,
};

/// Connections that are greeted at the same time.
pub(crate) const JOINING_AT_ONCE: usize = 64;

/// The members; dropping them ends them.
pub(crate) struct Members {
    /// What they have seen.
    pub(crate) tally: Arc<Tally>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Members {
    /// Returns when every member is in the room, the first at the first address, the next one at the next.
    pub(crate) fn join(kind: Kind, addresses: &[SocketAddr], count: usize) -> Result<Self, Failure> {
        let tally = Arc::new(Tally::new(Instant::now())?);
        let (stop, stopped) = oneshot::channel();
        let (ready, joined) = sync_channel(1);
        let (places, seen) = (addresses.iter().copied().cycle().take(count), tally.clone());
        let places: Vec<SocketAddr> = places.collect();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let thread = thread::spawn(move || {
            LocalSet::new().block_on(&runtime, async move {
                let joining = stream::iter(places.into_iter().enumerate())
                    .map(|(number, address)| Member::join(Dialect::of(kind), address, number));
                let outcomes = joining.buffer_unordered(JOINING_AT_ONCE).collect::<Vec<_>>().await;
                let outcome = outcomes.into_iter().collect::<Result<Vec<_>, _>>().map(|members| {
                    for member in members {
                        tokio::task::spawn_local(member.listen(seen.clone()));
                    }
                });
                // Whoever waits for either end may have gone; then there is nobody to tell.
                drop(ready.send(outcome));
                drop(stopped.await);
            });
        });
        joined.recv()??;
        Ok(Self { tally, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
