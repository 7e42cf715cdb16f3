//! The batches of one partition that wait to be sent: Java's `Deque<ProducerBatch>` of a `TopicPartition`.

use std::collections::VecDeque;
use std::fmt;
use std::hint;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::producer::internals::partition_ref::PartitionRef;
use crate::producer::internals::producer_batch::ProducerBatch;
use crate::utils::sync::{Mutex, MutexGuard};

/// Callers append at the tail, the sender takes from the head and puts back what it has to send again.
///
/// Only the tail takes records. The lock is held for one append, or to move one batch, and never across user code.
pub(crate) struct PartitionQueue {
    partition: Arc<PartitionRef>,
    batches: Mutex<VecDeque<ProducerBatch>>,
    /// The number of batches, for whoever weighs partitions without the lock.
    length: AtomicUsize,
    /// How many callbacks the batch had that was taken last: the next one will need room for as many.
    callbacks_a_batch: AtomicUsize,
}

/// How often to try for a lock before sleeping for it: a few microseconds.
const PATIENCE: u32 = 100;

impl PartitionQueue {
    pub(super) fn new(partition: PartitionRef) -> Self {
        Self {
            partition: Arc::new(partition),
            batches: Mutex::new(VecDeque::new()),
            length: AtomicUsize::new(0),
            callbacks_a_batch: AtomicUsize::new(0),
        }
    }

    #[inline]
    pub(crate) fn partition(&self) -> &Arc<PartitionRef> {
        &self.partition
    }

    /// The number of batches, as it was a moment ago.
    pub(crate) fn length(&self) -> usize {
        self.length.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(super) fn set_length(&self, length: usize) {
        self.length.store(length, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn lock(&self) -> LockedQueue<'_> {
        LockedQueue { batches: self.batches.lock(), queue: self }
    }

    /// As [`lock`](Self::lock), for the sender: a caller holds the lock for less than it would cost to wake whoever
    /// sleeps for it, but takes it again at once.
    pub(super) fn lock_patiently(&self) -> LockedQueue<'_> {
        for _ in 0..PATIENCE {
            if let Some(batches) = self.batches.try_lock() {
                return LockedQueue { batches, queue: self };
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
        self.queue.callbacks_a_batch.load(Ordering::Relaxed)
    }

    pub(super) fn push_tail(&mut self, batch: ProducerBatch) {
        if self.batches.capacity() == 0 {
            self.batches.reserve_exact(1); // most of many partitions never have more
        }
        self.batches.push_back(batch);
    }

    pub(super) fn pop_head(&mut self) -> Option<ProducerBatch> {
        let batch = self.batches.pop_front()?;
        self.queue.callbacks_a_batch.store(batch.callback_count(), Ordering::Relaxed);
        Some(batch)
    }

    /// Puts back a batch that has to be sent again, in front of all that were created after it.
    pub(super) fn reinsert(&mut self, batch: ProducerBatch) {
        let position =
            self.batches.iter().take_while(|other| other.order() < batch.order()).count();
        self.batches.insert(position, batch);
    }

    pub(super) fn take_all(&mut self) -> VecDeque<ProducerBatch> {
        std::mem::take(&mut *self.batches)
    }
}

impl Drop for LockedQueue<'_> {
    #[inline]
    fn drop(&mut self) {
        self.queue.length.store(self.batches.len(), Ordering::Relaxed);
    }
}
