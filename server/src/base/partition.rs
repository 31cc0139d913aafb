//! Rooms in parts, by their names: whoever has very many rooms, or shares them out, deals with parts instead.

/// So many parts at most. Never to be changed within a cluster.
pub const PARTITIONS: u32 = 256;

/// The part that a room falls into, below [`PARTITIONS`]. The same on every node, whatever its version.
pub fn partition(namespace: &str, room: &str) -> u32 {
    let sum = crc32c::crc32c(namespace.as_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(sum, &[0]), room.as_bytes()) % PARTITIONS
}
