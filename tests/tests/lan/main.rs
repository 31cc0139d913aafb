//! Nodes and servers of NATS on machines of their own, killed, halted and cut off.

mod kills;
mod partitions;
