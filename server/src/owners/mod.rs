//! Floor 3: which node owns which part of all rooms. Each part has an entry in a register that all nodes see; whoever writes it
//! first owns the part, as long as it goes on writing it.
//!
//! * [`lease`]: what is known, and what is to be done about it: pure
//! * [`register`]: the register, in a bucket of NATS

pub mod lease;
pub mod register;

pub use self::{
    lease::{Deed, Lease, Leases},
    register::{Noted, Register, RegisterError},
};
