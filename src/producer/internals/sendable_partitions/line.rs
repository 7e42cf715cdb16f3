//! Who waits for a node.

use std::collections::VecDeque;

use crate::common::node::NodeId;
use crate::producer::internals::partition_ref::PartitionId;

/// A place in the line of a node. Whoever comes back gets another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) node: NodeId,
    pub(super) number: u64,
}

/// Partitions that wait for one node. Leaving costs the same however long it is: a place is given up by its partition,
/// and found empty later.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// Each place with the partition that took it, and may have left it since.
    places: VecDeque<(PartitionId, Place)>,
    /// How many partitions stand in it.
    waiting: usize,
}

/// A line is cleared of empty places when they outnumber the others by this many.
const SPARE_PLACES: usize = 16;

impl Line {
    pub(super) fn join(&mut self, partition: PartitionId, place: Place) {
        self.places.push_back((partition, place));
        self.waiting += 1;
    }

    /// The partition whose place was taken earliest of all, with the place, which may be empty.
    pub(super) fn next(&mut self) -> Option<(PartitionId, Place)> {
        self.places.pop_front()
    }

    /// Puts back what [`next`](Self::next) gave.
    pub(super) fn put_back(&mut self, partition: PartitionId, place: Place) {
        self.places.push_front((partition, place));
    }

    /// A partition has given up its place. `stands` tells whether one still has the place given.
    pub(super) fn leave(&mut self, stands: impl Fn(PartitionId, Place) -> bool) {
        self.waiting -= 1;
        if self.places.len() > 2 * self.waiting + SPARE_PLACES {
            self.places.retain(|(partition, place)| stands(*partition, *place));
        }
    }

    /// A partition has given up the place that [`next`](Self::next) gave.
    pub(super) fn leave_front(&mut self) {
        self.waiting -= 1;
    }

    /// How many partitions stand in it.
    pub(super) fn len(&self) -> usize {
        self.waiting
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// The partitions in line, and some that left it.
    pub(super) fn partitions(&self) -> impl Iterator<Item = PartitionId> {
        self.places.iter().map(|(partition, _)| *partition)
    }

    #[cfg(test)]
    pub(super) fn lengths(&self) -> (usize, usize) {
        (self.waiting, self.places.len())
    }
}
