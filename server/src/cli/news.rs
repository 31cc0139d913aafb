//! What happens beside the results of a command that goes on: signals that end it, and on standard error what becomes of
//! its session. Used by `listen`, `rooms` and `state`.

use std::future::pending;

use rialto_client::{Closing, Error, MissedCause, Report, Reports, Session, Status};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

use super::{
    failure::Failure,
    output::{Output, counted},
};

/// Either signal that ends a command politely.
pub(super) struct Interrupt {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupt {
    /// Listens from now on, so that no signal is lost.
    pub(super) fn new() -> Result<Self, Failure> {
        let failed = |error| Failure::Local(format!("cannot listen for signals: {error}"));
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
        })
    }

    /// Waits for one.
    pub(super) async fn came(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// What becomes of a session.
#[derive(Debug)]
pub(super) struct News {
    /// Absent when there will be no more.
    reports: Option<Reports>,
    /// The same.
    status: Option<watch::Receiver<Status>>,
}

impl News {
    /// From now on.
    pub(super) fn of(session: &Session) -> Self {
        let mut status = session.status();
        status.mark_unchanged();
        Self { reports: Some(session.reports()), status: Some(status) }
    }

    /// Tells what is new until somebody interrupts.
    ///
    /// *Cancel safety*: nothing is lost.
    pub(super) async fn tell(&mut self, interrupt: &mut Interrupt, output: &Output) {
        loop {
            tokio::select! {
                report = next(&mut self.reports) => match report {
                    Some(report) => told(&report).iter().for_each(|text| output.note(text)),
                    None => self.reports = None,
                },
                lost = lost(&mut self.status) => match lost {
                    Some(cause) => output.note(&format!("connection lost ({cause}), trying again")),
                    None => self.status = None,
                },
                () = interrupt.came() => return,
            }
        }
    }
}

/// The next report; for ever when there are no more.
async fn next(reports: &mut Option<Reports>) -> Option<Report> {
    match reports {
        Some(reports) => reports.next().await,
        None => pending().await,
    }
}

/// Why the connection is lost, when it is; `None` when nothing changes any more, and for ever after that.
async fn lost(status: &mut Option<watch::Receiver<Status>>) -> Option<String> {
    let Some(status) = status else { return pending().await };
    loop {
        status.changed().await.ok()?;
        if let Status::Waiting { cause, .. } = &*status.borrow_and_update() {
            return Some(cause.clone());
        }
    }
}

/// Why a session has no more to tell.
pub(super) fn ended(session: &Session) -> Failure {
    match &*session.status().borrow() {
        Status::Closed(closing) => Failure::Server(Error::Closed(Closing::clone(closing))),
        _ => Failure::Local("the session is over".to_owned()),
    }
}

/// What a report means to whoever watches.
fn told(report: &Report) -> Option<String> {
    Some(match report {
        Report::Reconnected { now, resumed: false, .. } => {
            format!("connected again as {now}; the session before is lost")
        }
        Report::Reconnected { now, .. } => format!("connected again as {now}; nothing is lost"),
        Report::Missed(missed) if missed.cause == MissedCause::Delta => {
            let place = format!("{}/{}", missed.namespace, missed.rooms.join("+"));
            format!("an event in {place} cannot be read: it came as a difference to one that is not here")
        }
        Report::Missed(missed) => {
            let place = format!("{}/{}", missed.namespace, missed.rooms.join("+"));
            match missed.count {
                0 => format!("may have missed events in {place}"),
                count => format!("missed {} in {place}", counted(count, "event")),
            }
        }
        Report::RejoinRefused { namespace, room, refusal } => {
            format!("cannot join {namespace}/{room} again: {refusal}")
        }
        Report::Joined { namespace, rooms } => format!("was joined to {namespace}/{}", rooms.join("+")),
        Report::Parted { namespace, rooms } => format!("was parted from {namespace}/{}", rooms.join("+")),
        Report::Refused(refusal) => format!("refused: {refusal}"),
        Report::Draining => "the server will stop".to_owned(),
        _ => return None,
    })
}
