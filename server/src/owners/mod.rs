//! Floor 3: what all nodes agree on. Each part of all rooms has an entry in a register that all nodes see; whoever writes it
//! first owns the part, as long as it goes on writing it. And there is what all have to know alike: namespaces, revocations.
//!
//! * [`lease`]: what is known of owners, and what is to be done about it: pure
//! * [`register`]: the register of owners, in a bucket of NATS; [`shared`]: entries by key

pub mod lease;
pub mod register;
pub mod shared;

pub use self::{
    lease::{Deed, Lease, Leases},
    register::{Noted, Register, RegisterError},
    shared::SharedMap,
};
