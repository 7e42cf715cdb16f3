//! How large batches become, and the memory that they begin in.

use std::sync::atomic::Ordering;

use crate::producer::internals::buffer_pool::AllocateError;
use crate::producer::internals::partition_queue::LockedQueue;
use crate::producer::internals::pooled_buffer::PooledBuffer;
use crate::producer::internals::record_accumulator::{Obstacle, RecordAccumulator, Target};
use crate::producer::internals::topic_table::TopicEntry;

/// How large a batch may become while it waits, where one of `batch_size` is full and a request takes
/// `max_request_size`.
///
/// A broker may find such a batch too large. Unless that [does no harm](is_split_harmless), it is not to become larger than
/// the application has asked for.
pub(crate) fn largest_batch(
    batch_size: usize,
    max_request_size: usize,
    is_split_harmless: bool,
) -> usize {
    let multiple = if is_split_harmless { MAX_MULTIPLE } else { 1 };
    batch_size.saturating_mul(multiple).min(max_request_size).max(batch_size)
}

/// Whether a batch that a broker finds too large may be sent in parts: somebody hears of it, and no later batch overtakes
/// them.
pub(crate) fn is_split_harmless(is_idempotent: bool, acks: i16, max_in_flight: usize) -> bool {
    is_idempotent || acks != 0 && max_in_flight == 1
}

impl RecordAccumulator {
    /// How many bytes a batch of the topic may have while it waits; `batch.size` if it may not grow.
    ///
    /// Less where there are many partitions, and it is to be compressed: what could be small already is not to take most of
    /// `buffer.memory`.
    pub(super) fn growth_limit(&self, topic: &TopicEntry) -> usize {
        if !topic.may_batches_grow() {
            return self.batch_size;
        }
        match self.compressors {
            None => self.largest_batch,
            Some(_) => {
                let partitions = self.queue_count.load(Ordering::Relaxed).max(1);
                let share = self.pool.total() / UNCOMPRESSED_DIVISOR / partitions;
                share.clamp(self.batch_size, self.largest_batch)
            }
        }
    }

    /// Memory for a new batch: as much as the partition's batches have needed lately, or less where there is not that much.
    pub(super) fn memory_for_batch(
        &self,
        target: &Target<'_>,
        batches: &LockedQueue<'_>,
    ) -> Result<PooledBuffer, Obstacle> {
        let needed = self.pool.size_for(target.append.record.batch_size_upper_bound());
        let expected_bytes = batches.expected_bytes();
        let least = if needed > self.batch_size {
            needed
        } else {
            self.size_class(needed).min(self.pool.total()).max(needed)
        };
        let limit = self.growth_limit(target.append.topic);
        let wanted = if expected_bytes.min(limit) > self.batch_size {
            self.pool.large_size().min(limit).max(needed)
        } else if needed > self.batch_size {
            needed
        } else {
            self.size_class(expected_bytes.min(self.batch_size).max(needed))
        };
        let demand = |size| batches.demand(size).within(self.pool.total());
        let (wanted, least) = (demand(wanted), demand(least));
        let taken = self.pool.try_allocate(wanted).or_else(|error| match error {
            AllocateError::Exhausted if least.size < wanted.size => self.pool.try_allocate(least),
            error => Err(error),
        });
        taken.map_err(|error| match error {
            AllocateError::Exhausted => Obstacle::NeedsMemory(least),
            AllocateError::Closed => Obstacle::Closed,
        })
    }

    /// At least `size` bytes, which are no more than `batch.size`: that divided by a power of two. Memory of few sizes is more
    /// often used again.
    fn size_class(&self, size: usize) -> usize {
        let parts = (0..=MAX_DIVISOR_BITS).map(|bits| self.batch_size.div_ceil(1 << bits));
        parts.take_while(|part| *part >= size).last().unwrap_or(self.batch_size)
    }

    /// A broker found a batch of the topic too large: from now on none grows beyond what it has to be.
    pub(crate) fn keep_batches_small(&self, topic: &str) {
        if let Some(topic) = self.table.get(topic) {
            topic.keep_batches_small();
        }
    }
}

/// A batch that waits may grow to so many times `batch.size`: more costs other partitions their turn, and
/// saves little.
const MAX_MULTIPLE: usize = 16;
/// Batches that grow before they are compressed take no more of `buffer.memory` than it divided by this.
const UNCOMPRESSED_DIVISOR: usize = 4;
/// A first batch begins with `batch.size` divided by two to the power of this.
const MAX_DIVISOR_BITS: u32 = 4;
