//! The batches of one partition that wait to be sent: Java's `Deque<ProducerBatch>` of a `TopicPartition`.

use std::collections::VecDeque;
use std::fmt;
use std::hint;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, Ordering};

use crate::producer::internals::partition_ref::PartitionRef;
use crate::producer::internals::producer_batch::ProducerBatch;
use crate::record::default_record::RecordContents;
use crate::utils::sync::{Mutex, MutexGuard};

/// Callers append at the tail, the sender takes from the head and puts back what it has to send again.
///
/// Only the tail takes records. The lock is held for one append, or to move one batch, and never across user code.
pub(crate) struct PartitionQueue {
    partition: Arc<PartitionRef>,
    batches: Mutex<VecDeque<ProducerBatch>>,
    /// The number of batches, as if none were larger than `batch.size`, for whoever weighs partitions without the lock.
    length: AtomicU32,
    /// By how many batches that is more than there are.
    extra_length: AtomicU32,
    /// How many callbacks the batch had that was taken last: the next one will need room for as many.
    callbacks_a_batch: AtomicU16,
    /// How many bytes that batch had.
    bytes_a_batch: AtomicU32,
    /// Whether batches may become larger than they have to while they wait: not after a broker found one too large.
    may_batches_grow: AtomicBool,
}

/// How often to try for a lock before sleeping for it: a few microseconds.
const PATIENCE: u32 = 100;

impl PartitionQueue {
    pub(super) fn new(partition: PartitionRef) -> Self {
        Self {
            partition: Arc::new(partition),
            batches: Mutex::new(VecDeque::new()),
            length: AtomicU32::new(0),
            extra_length: AtomicU32::new(0),
            callbacks_a_batch: AtomicU16::new(0),
            bytes_a_batch: AtomicU32::new(0),
            may_batches_grow: AtomicBool::new(true),
        }
    }

    #[inline]
    pub(crate) fn partition(&self) -> &Arc<PartitionRef> {
        &self.partition
    }

    /// The number of batches, as it was a moment ago.
    pub(crate) fn length(&self) -> usize {
        self.length.load(Ordering::Relaxed) as usize
    }

    /// Keeps batches from becoming larger than they have to.
    pub(super) fn keep_batches_small(&self) {
        self.may_batches_grow.store(false, Ordering::Relaxed);
    }

    #[cfg(test)]
    pub(super) fn set_length(&self, length: usize) {
        self.length.store(small(length), Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn lock(&self) -> LockedQueue<'_> {
        LockedQueue { batches: self.batches.lock(), queue: self }
    }

    /// As [`lock`](Self::lock), if nobody else has it.
    #[inline]
    pub(super) fn try_lock(&self) -> Option<LockedQueue<'_>> {
        Some(LockedQueue { batches: self.batches.try_lock()?, queue: self })
    }

    /// As [`lock`](Self::lock), for the sender: a caller holds the lock for less than it would cost to wake whoever
    /// sleeps for it, but takes it again at once.
    pub(super) fn lock_patiently(&self) -> LockedQueue<'_> {
        for _ in 0..PATIENCE {
            if let Some(locked) = self.try_lock() {
                return locked;
            }
            hint::spin_loop();
        }
        self.lock()
    }
}

impl fmt::Debug for PartitionQueue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topic_partition = self.partition.topic_partition();
        write!(formatter, "PartitionQueue({topic_partition}, {} batches)", self.length())
    }
}

/// Sizes of batches fit into 32 bits, and there may be very many queues.
fn small(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

/// The batches under their lock; keeps the count on release.
pub(super) struct LockedQueue<'q> {
    batches: MutexGuard<'q, VecDeque<ProducerBatch>>,
    queue: &'q PartitionQueue,
}

impl LockedQueue<'_> {
    pub(super) fn head(&mut self) -> Option<&mut ProducerBatch> {
        self.batches.front_mut()
    }

    #[inline]
    pub(super) fn tail(&mut self) -> Option<&mut ProducerBatch> {
        self.batches.back_mut()
    }

    /// The batches, newest first.
    pub(super) fn newest_first(&mut self) -> impl Iterator<Item = &mut ProducerBatch> {
        self.batches.iter_mut().rev()
    }

    pub(super) fn len(&self) -> usize {
        self.batches.len()
    }

    /// How many callbacks a batch is likely to get.
    pub(super) fn callbacks_a_batch(&self) -> usize {
        self.queue.callbacks_a_batch.load(Ordering::Relaxed).into()
    }

    /// How many bytes a batch is likely to get.
    pub(super) fn bytes_a_batch(&self) -> usize {
        self.queue.bytes_a_batch.load(Ordering::Relaxed) as usize
    }

    /// Whether the newest batch may become larger than it has to: it waits behind others all the same.
    pub(super) fn may_tail_grow(&self) -> bool {
        self.batches.len() > 1 && self.queue.may_batches_grow.load(Ordering::Relaxed)
    }

    pub(super) fn push_tail(&mut self, batch: ProducerBatch) {
        if self.batches.capacity() == 0 {
            self.batches.reserve_exact(1); // most of many partitions never have more
        }
        self.add_extra_length(batch.extra_length());
        self.batches.push_back(batch);
    }

    /// Makes room for `record` in the newest batch, up to `limit` bytes.
    pub(super) fn grow_tail(&mut self, record: &RecordContents<'_>, limit: usize) {
        let Some(tail) = self.batches.back_mut() else {
            return;
        };
        let before = tail.extra_length();
        tail.make_room(record, limit);
        let grown = tail.extra_length() - before;
        self.add_extra_length(grown);
    }

    /// Under the lock, so nothing is lost between the two.
    fn add_extra_length(&self, extra: i32) {
        let length = self.queue.extra_length.load(Ordering::Relaxed);
        self.queue.extra_length.store(length.saturating_add_signed(extra), Ordering::Relaxed);
    }

    pub(super) fn pop_head(&mut self) -> Option<ProducerBatch> {
        let batch = self.batches.pop_front()?;
        self.add_extra_length(-batch.extra_length());
        let callbacks = u16::try_from(batch.callback_count()).unwrap_or(u16::MAX);
        self.queue.callbacks_a_batch.store(callbacks, Ordering::Relaxed);
        self.queue.bytes_a_batch.store(small(batch.size()), Ordering::Relaxed);
        Some(batch)
    }

    /// Puts back a batch that has to be sent again, in front of all that were created after it.
    pub(super) fn reinsert(&mut self, batch: ProducerBatch) {
        let position =
            self.batches.iter().take_while(|other| other.order() < batch.order()).count();
        self.add_extra_length(batch.extra_length());
        self.batches.insert(position, batch);
    }

    pub(super) fn take_all(&mut self) -> VecDeque<ProducerBatch> {
        self.queue.extra_length.store(0, Ordering::Relaxed);
        std::mem::take(&mut *self.batches)
    }
}

impl Drop for LockedQueue<'_> {
    #[inline]
    fn drop(&mut self) {
        let extra = self.queue.extra_length.load(Ordering::Relaxed);
        self.queue.length.store(small(self.batches.len()).saturating_add(extra), Ordering::Relaxed);
    }
}
