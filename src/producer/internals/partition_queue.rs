//! The batches of one partition that wait to be sent: Java's `Deque<ProducerBatch>` of a `TopicPartition`.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::common::topic_partition::TopicPartition;
use crate::producer::internals::producer_batch::ProducerBatch;
use crate::producer::internals::sender_signal::SenderSignal;
use crate::utils::sync::{Mutex, MutexGuard};

/// Callers append at the tail, the sender takes from the head and puts back what it has to send again.
///
/// Only the tail takes records. The lock is held for one append, or to move one batch, and never across user code.
pub(crate) struct PartitionQueue {
    /// Counts the queues of an accumulator from 0: the sender keeps its own state in a table.
    id: usize,
    topic_partition: TopicPartition,
    batches: Mutex<VecDeque<ProducerBatch>>,
    /// The number of batches, for whoever weighs partitions without the lock.
    length: AtomicUsize,
    /// Whether the sender was told to look and has not yet.
    is_announced: AtomicBool,
    signal: Arc<SenderSignal>,
}

impl PartitionQueue {
    pub(crate) fn new(
        id: usize,
        topic_partition: TopicPartition,
        signal: Arc<SenderSignal>,
    ) -> Self {
        Self {
            id,
            topic_partition,
            batches: Mutex::new(VecDeque::new()),
            length: AtomicUsize::new(0),
            is_announced: AtomicBool::new(false),
            signal,
        }
    }

    pub(crate) fn id(&self) -> usize {
        self.id
    }

    pub(crate) fn topic_partition(&self) -> &TopicPartition {
        &self.topic_partition
    }

    pub(crate) fn signal(&self) -> &SenderSignal {
        &self.signal
    }

    /// The number of batches, as it was a moment ago.
    pub(crate) fn length(&self) -> usize {
        self.length.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(super) fn set_length(&self, length: usize) {
        self.length.store(length, Ordering::Relaxed);
    }

    pub(super) fn lock(&self) -> LockedQueue<'_> {
        LockedQueue { batches: self.batches.lock(), length: &self.length }
    }

    /// Makes the sender look at this queue in its next turn. Call it after the change, without the lock.
    pub(crate) fn announce(self: &Arc<Self>) {
        if !self.is_announced.swap(true, Ordering::SeqCst) {
            self.signal.announce(Arc::clone(self));
        }
    }

    /// The sender is about to look: what changes from now on has to be announced again.
    pub(super) fn accept_announcement(&self) {
        self.is_announced.store(false, Ordering::SeqCst);
    }
}

impl fmt::Debug for PartitionQueue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PartitionQueue({}, {} batches)", self.topic_partition, self.length())
    }
}

/// The batches under their lock; keeps the count on release.
pub(super) struct LockedQueue<'q> {
    batches: MutexGuard<'q, VecDeque<ProducerBatch>>,
    length: &'q AtomicUsize,
}

impl LockedQueue<'_> {
    pub(super) fn head(&mut self) -> Option<&mut ProducerBatch> {
        self.batches.front_mut()
    }

    pub(super) fn tail(&mut self) -> Option<&mut ProducerBatch> {
        self.batches.back_mut()
    }

    pub(super) fn len(&self) -> usize {
        self.batches.len()
    }

    pub(super) fn push_tail(&mut self, batch: ProducerBatch) {
        self.batches.push_back(batch);
    }

    pub(super) fn pop_head(&mut self) -> Option<ProducerBatch> {
        self.batches.pop_front()
    }

    /// Puts back a batch that has to be sent again, in front of all that were created after it.
    pub(super) fn reinsert(&mut self, batch: ProducerBatch) {
        let position = self.batches.iter().take_while(|other| other.id() < batch.id()).count();
        self.batches.insert(position, batch);
    }

    pub(super) fn take_all(&mut self) -> VecDeque<ProducerBatch> {
        std::mem::take(&mut *self.batches)
    }
}

impl Drop for LockedQueue<'_> {
    fn drop(&mut self) {
        self.length.store(self.batches.len(), Ordering::Relaxed);
    }
}
