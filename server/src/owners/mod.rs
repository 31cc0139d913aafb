//! Floor 3: what all nodes agree on. Each part of all rooms has an entry in a register that all nodes see; whoever writes it
//! first owns the part, as long as it goes on writing it. And there are the namespaces that were made at run time.
//!
//! * [`lease`]: what is known of owners, and what is to be done about it: pure
//! * [`register`]: the register of owners, in a bucket of NATS; [`namespaces`]: that of namespaces

pub mod lease;
pub mod namespaces;
pub mod register;

pub use self::{
    lease::{Deed, Lease, Leases},
    namespaces::NamespaceRegister,
    register::{Noted, Register, RegisterError},
};
