//! Signals by which people and supervisors end a process.

use std::convert::Infallible;

use crate::error::Error;

/// Either signal that ends a process politely.
#[derive(Debug)]
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    /// Listens from now on, so that none is lost. From then on these signals do not end the process by themselves.
    #[cfg(unix)]
    pub(crate) fn new() -> Result<Self, Error> {
        use tokio::signal::unix::{SignalKind, signal};
        let failed = |error: std::io::Error| Error::Invalid(format!("cannot listen for signals: {error}"));
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
        })
    }

    /// Waits for one, and says which.
    #[cfg(unix)]
    pub(crate) async fn came(&mut self) -> i32 {
        use tokio::signal::unix::SignalKind;
        tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt().as_raw_value(),
            _ = self.terminate.recv() => SignalKind::terminate().as_raw_value(),
        }
    }

    /// Listens from now on.
    #[cfg(not(unix))]
    pub(crate) fn new() -> Result<Self, Error> {
        Ok(Self {})
    }

    /// Waits for one.
    #[cfg(not(unix))]
    pub(crate) async fn came(&mut self) -> i32 {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        2
    }

    /// Ends the process when a second one comes: whoever sends it does not want to wait any longer.
    pub(crate) async fn end_process_at_second(&mut self) -> Infallible {
        self.came().await;
        let signal = self.came().await;
        // As a shell tells of a process that a signal has ended.
        std::process::exit(128 + signal)
    }
}
