//! Sessions that go from one node to another, because their clients come to another one.
//!
//! * `finding`: where a session is
//! * `leaving`: this node gives one away; `arriving`: it takes one
//! * `draining`: a node that stops hands sessions over that nobody reads
//! * `round`: waiting until what was said is heard
//! * `questions`: what sessions were asked, and have asked, before they moved
//! * `places`: where sessions are members; `wire`: a session as bytes
//!
//! # Order
//! The new node (B) asks the one that has the session (A) to let go: A takes nothing more from the client. B listens to the rooms,
//! waits until all nodes have heard of that (a round), and lets the session gather what it hears. Then A waits until it has heard
//! what the others had said (a round), takes the session out of its rooms and hands it over; B waits until it has heard what A had
//! (a round), passes over what has come to both, and has it. So nothing is lost, nothing comes twice, and what one sender says
//! keeps its order.

mod arriving;
mod draining;
mod finding;
mod leaving;
mod places;
mod questions;
mod round;
pub(super) mod wire;

pub(super) use finding::Hosts;
pub(super) use leaving::Departed;
pub(super) use round::Rounds;
