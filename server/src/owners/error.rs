//! What can go wrong with what all nodes agree on.

/// Why an entry was not written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// Somebody else has written it meanwhile.
    #[error("another node has written it")]
    Lost,
    /// It cannot be had at the moment.
    #[error("{0}")]
    Away(String),
    /// The cluster is another one than this node takes it for.
    #[error("the cluster has {there} parts of rooms, and cluster.parts says {here}; that cannot be changed")]
    Parts {
        /// How many the cluster has.
        there: u32,
        /// How many this node would have.
        here: u32,
    },
}

pub(super) fn away(error: impl ToString) -> RegisterError {
    RegisterError::Away(error.to_string())
}
