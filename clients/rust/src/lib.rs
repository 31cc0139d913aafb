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
//! it, and fail with [`Error::Unavailable`] when it does not come back in time: nothing was sent then.
//!
//! # Losing the connection
//! The session connects again after a wait between nothing and a bound that grows from 250 ms to 30 s, or as the server
//! asks, and joins its rooms again. An emit whose answer was lost fails with [`Error::UnknownOutcome`] and is never sent
//! twice. [`Session::incidents`] tells of every gap.
//!
//! # Falling behind
//! Nothing is unbounded. An application that does not read its events slows its own session, and then the server's
//! policy decides; see [`Events`].
//!
//! # Inside
//! Handles (`session`, `namespace`, `emission`, `event`) send commands over `link` to one `actor` per session, which
//! opens a stream and gives it to `conversation` until it ends; `step` and `backoff` say what comes after. `outstanding`
//! knows who waits for which answer, `audience` who listens to what, `membership` where to return to. `client` and
//! `directory` need no session.

mod actor;
mod audience;
mod backoff;
mod client;
mod content;
mod conversation;
mod directory;
mod emission;
mod error;
mod event;
mod intake;
mod link;
mod membership;
mod namespace;
mod outstanding;
mod session;
mod settings;
mod status;
mod step;
mod target;
mod token;

pub use client::{Call, Client, ClientBuilder, Publication};
pub use content::{Body, Payload, Reply};
pub use directory::{Directory, Page, PageOf, RoomWatch};
pub use emission::{Accepted, Answers, Emission, Missing, Question, Replies, Summary};
pub use error::{CloseCode, Closing, Error, Refusal, RefusalCode, Retry};
pub use event::{Event, Events, Member, PresenceChange, PresenceChanges, RoomState};
pub use namespace::{Callee, JoinOptions, Namespace, Room};
pub use rialto_proto::v1;
pub use session::{Connecting, Session};
pub use status::{Incident, Incidents, Missed, Status};
pub use target::Target;
pub use token::{Token, TokenError};
