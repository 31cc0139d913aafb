//! What has happened to clients of a run, counted.

/// What has happened to a client.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Its session went on over another stream.
    pub resumed: u64,
    /// Its session was lost, and it began another one.
    pub afresh: u64,
    /// Events that it saw.
    pub events: u64,
    /// It was told of something missing.
    pub missed: u64,
    /// Emits that were acknowledged.
    pub accepted: u64,
    /// Of these, those that the node had taken before under the same idempotency key.
    pub duplicates: u64,
    /// Emits that were refused.
    pub refused: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.resumed += other.resumed;
        self.afresh += other.afresh;
        self.events += other.events;
        self.missed += other.missed;
        self.accepted += other.accepted;
        self.duplicates += other.duplicates;
        self.refused += other.refused;
    }
}
