//! The Rust client of Rialto: sessions with namespaces, rooms and acknowledged events, that come back by themselves
//! when their connection is lost.
//!
//! ```no_run
//! # async fn example() -> Result<(), rialto_client::Error> {
//! use rialto_client::Session;
//!
//! let session = Session::connect("http://127.0.0.1:7400").user("ann").await?;
//! let room = session.namespace("chat").room("general");
//! let mut events = room.events();
//! room.join().await?;
//! room.emit("message", "hello").await?;
//! while let Some(event) = events.next().await {
//!     let text = event.text().unwrap_or("(binary)");
//! #   let _ = text;
//! }
//! # Ok(()) }
//! ```
//!
//! # Deadlines
//! Every command ends by its deadline, 10 s unless set otherwise. While the session is not attached commands wait for
//! it, in order and within the bounds of the [offline buffer](Connecting::offline_buffer), and fail with
//! [`Error::Unavailable`] or [`Error::Unsent`] when they cannot: nothing was sent then.
//!
//! # Losing the connection
//! The session connects again after a wait between nothing and a bound that grows from 250 ms to 30 s, or as the server
//! asks. Within the server's resume window it goes on where it was: same id, same rooms, nothing missing, nothing twice.
//! When it cannot, it is a new session, which joins its rooms again, and recovers from their histories what it has not
//! handed over yet. Either way the application sees each event of a room with history once and in order; where something
//! is missing or may be, [`Session::reports`] says so and names the room.
//!
//! Commands without an answer are sent again: under their number, which the server answers and does not carry out twice,
//! or with their idempotency key, which does the same over sessions. What could take effect twice all the same fails with
//! [`Error::UnknownOutcome`]: a change of keyed state, and an emit older than servers remember keys.
//!
//! # Falling behind
//! Nothing is unbounded. An application that does not read its events slows its own session, and then the server's
//! policy decides; see [`Events`].
//!
//! # Inside
//! Handles (`session`, `namespace`, `room`, `emission`, `event`, `state`, …) send commands over `link` and its `backlog`
//! to one `actor` per session, which opens a stream and gives it to `conversation` until it ends; `step` and `backoff`
//! say what comes after. `kept` is what outlives a stream: `outstanding` knows who waits for which answer, `membership`
//! where to return to, `positions` what was handed over, both looked at by handles through `whereabouts`, `delta` what payloads build on. `audience` knows who listens to
//! what, with a `mirror` of each state and a `roster` of each room that is kept. `history`, `presence` and `state` ask over `room_calls`; `client`, `directory` and `admin` need no session; they call over an `uplink`.
//! `jobs` hands work over, `schedules` again and again, `upload` with payloads that are too large for a message, which are `uploaded` then; `worker` does it, as `labour` goes on over its streams and
//! `working` knows of its jobs; `assignment` is one of them, `outcome` what becomes of it.

mod actor;
mod admin;
mod assignment;
mod audience;
mod backlog;
mod backoff;
mod client;
mod closing;
mod content;
mod conversation;
mod delta;
mod directory;
mod emission;
mod error;
mod event;
mod history;
mod intake;
mod job_watch;
mod jobs;
mod kept;
mod labour;
mod line;
mod link;
mod membership;
mod mirror;
mod namespace;
mod new_job;
mod outcome;
mod outstanding;
mod pace;
mod positions;
mod presence;
mod refusal;
mod room;
mod room_calls;
mod roster;
mod schedules;
mod session;
mod settings;
mod signals;
mod state;
mod status;
mod step;
mod target;
mod token;
mod uplink;
mod upload;
mod uploaded;
mod whereabouts;
mod worker;
mod working;

pub use admin::{Admin, Revoked};
pub use assignment::{Assignment, Cancelled};
pub use backlog::{OfflineBuffer, Overflow};
pub use client::{Call, Client, ClientBuilder, Publication};
pub use content::{Body, Payload, Reply};
pub use directory::{Directory, Page, PageOf, RoomWatch};
pub use emission::{Accepted, Answers, Emission, Missing, Question, Replies, Summary};
pub use error::{CloseCode, Closing, Error, Refusal, RefusalCode, Retry, Unsent, Violation};
pub use event::{Event, Events, Position};
pub use history::{History, HistoryPage, HistoryPages};
pub use job_watch::JobWatch;
pub use jobs::{Enqueued, JobFilter, JobPage, Jobs};
pub use namespace::{Callee, Namespace};
pub use new_job::NewJob;
pub use outcome::NotDone;
pub use presence::{
    Member, Presence, PresenceChange, PresenceChanges, PresenceCounts, PresencePage, Present, PresentUser,
};
pub use rialto_proto::v1;
pub use room::{JoinOptions, Room, RoomState, RoomStatus};
pub use schedules::Schedule;
pub use session::{Connecting, Session};
pub use state::{SetState, State, StateChange, StateEntry, StatePage, StateSet, StateWatch};
pub use status::{Arrival, Missed, MissedCause, Report, Reports, Status};
pub use target::Target;
pub use token::{Token, TokenError};
pub use upload::PayloadReader;
pub use uploaded::Uploaded;
pub use worker::{Worker, WorkerReport};

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

/// The programs of the guide compile.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/clients/rust.md")]
mod guide {}
