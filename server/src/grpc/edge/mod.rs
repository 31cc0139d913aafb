//! The edge below gRPC: connections and their bounds, TLS, HTTP/1.1 and HTTP/2 on one port, strict requests, browsers'
//! origins, deadlines, right status codes, health, reflection and pages. It never looks into a message. `node` puts it
//! together: [`App`] makes one router of everything, [`Edge`] serves it.
//!
//! The path of a request: `serve` accepts → `admission` counts → `drive` owns the connection, reading through `guard` →
//! `app` tells pages from calls → `origin` and `strict` refuse what is not gRPC → tonic-web → `call` keeps deadlines →
//! the service.

pub mod answer;
pub mod app;
pub mod connection;
pub mod health;
pub mod serve;
pub mod tls;

mod admission;
mod call;
mod check;
mod drive;
mod frames;
mod guard;
mod message;
mod origin;
mod pages;
mod protocol;
mod strict;
mod transport;

pub use app::App;
pub use connection::Connection;
pub use health::Health;
pub use serve::{Edge, listen};
