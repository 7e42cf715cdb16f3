//! What the parts of a producer know a batch by.

use crate::producer::internals::partition_ref::PartitionId;

/// The number of a batch, unlike that of any other of its producer: later ones have greater numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BatchId(u64);

/// A batch as far as its sequence numbers go: which one it is, and how many of them it takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchRef {
    pub(crate) partition: PartitionId,
    pub(crate) id: BatchId,
    /// As the protocol counts records.
    pub(crate) record_count: i32,
}

impl BatchId {
    pub(crate) fn new(number: u64) -> Self {
        Self(number)
    }
}
