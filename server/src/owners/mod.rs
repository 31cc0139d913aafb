//! Floor 3: what all nodes agree on. Each part of all rooms has an entry in a register that all nodes see; whoever writes it
//! first owns the part, as long as it goes on writing it. And there is what all have to know alike: namespaces, revocations.
//!
//! * [`lease`]: what is known of owners, and what is to be done about it: pure
//! * [`register`]: the register of owners; [`shared`]: entries by key
//! * [`bucket`]: what both are kept in; `nats`: the real one; `simulated`: one that a seed decides over

pub mod bucket;
pub mod error;
pub mod lease;
pub mod nats;
pub mod register;
pub mod shared;
#[cfg(feature = "simulation")]
pub mod simulated;

pub use self::{
    bucket::Bucket,
    error::RegisterError,
    lease::{Deed, Lease, Leases},
    nats::NatsBucket,
    register::{Noted, Register},
    shared::SharedMap,
};
