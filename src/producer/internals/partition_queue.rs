//! The batches of one partition that wait to be sent: Java's `Deque<ProducerBatch>` of a `TopicPartition`.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::producer::internals::batch_compression::CompressionState;
use crate::producer::internals::buffer_pool::Demand;
use crate::producer::internals::partition_ref::PartitionRef;
use crate::producer::internals::producer_batch::{CallbackRate, ProducerBatch};
use crate::record::default_record::RecordContents;
use crate::utils::brief_mutex::{BriefGuard, BriefMutex};
use crate::utils::saturate::saturate_u32;

/// Callers append at the tail, the sender takes from the head and puts back what it has to send again.
///
/// Only the tail takes records. The lock is held for one append, or to move one batch, and never across user code.
///
/// What an append needs lies on two lines of memory: with many partitions, each line is fetched for each record.
#[repr(C, align(64))]
pub(crate) struct PartitionQueue {
    batches: BriefMutex<Batches>,
    partition: PartitionRef,
    /// What its batches weigh together, one of the usual size being 1, for whoever compares partitions without the lock.
    load: AtomicU32,
    /// How many callbacks the next batch is likely to get, after those that were taken.
    expected_callbacks: AtomicU32,
    /// How many bytes, likewise.
    expected_bytes: AtomicU32,
}

/// The batches of a queue, in the order of their creation.
///
/// The newest, which callers write to, is part of the queue, so that what an append needs is found together with the lock.
/// It moves when another one begins behind it, or when the sender takes it.
#[derive(Default)]
#[repr(C)]
struct Batches {
    /// `None` only if there are no older ones either.
    newest: Option<ProducerBatch>,
    /// All but the newest.
    older: VecDeque<Box<ProducerBatch>>,
}

impl Batches {
    fn push_newest(&mut self, batch: ProducerBatch) {
        self.older.extend(self.newest.replace(batch).map(Box::new));
    }

    fn pop_oldest(
        &mut self,
        spare_boxes: &mut Vec<Box<ProducerBatch>>,
    ) -> Option<Box<ProducerBatch>> {
        if let Some(oldest) = self.older.pop_front() {
            return Some(oldest);
        }
        let batch = self.newest.take()?;
        Some(match spare_boxes.pop() {
            Some(mut spare) => {
                *spare = batch;
                spare
            }
            None => Box::new(batch),
        })
    }

    fn len(&self) -> usize {
        self.older.len() + usize::from(self.newest.is_some())
    }

    fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut ProducerBatch> {
        self.older.iter_mut().map(|batch| &mut **batch).chain(&mut self.newest)
    }
}

impl PartitionQueue {
    pub(super) fn new(partition: PartitionRef) -> Self {
        Self {
            batches: BriefMutex::default(),
            partition,
            load: AtomicU32::new(0),
            expected_callbacks: AtomicU32::new(0),
            expected_bytes: AtomicU32::new(0),
        }
    }

    #[inline]
    pub(crate) fn partition(&self) -> &PartitionRef {
        &self.partition
    }

    /// How many batches of the usual size its batches have room for, as it was a moment ago.
    pub(crate) fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed) as usize
    }

    /// For a prefetch of its beginning and its end.
    pub(super) fn touch(&self) -> usize {
        self.load() + usize::from(self.batches.is_locked())
    }

    #[cfg(test)]
    pub(super) fn set_load(&self, load: usize) {
        self.load.store(saturate_u32(load), Ordering::Relaxed);
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

    /// As [`lock`](Self::lock), for the sender.
    pub(super) fn lock_patiently(&self) -> LockedQueue<'_> {
        LockedQueue { batches: self.batches.lock_patiently(), queue: self }
    }
}

impl fmt::Debug for PartitionQueue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topic_partition = self.partition.topic_partition();
        write!(formatter, "PartitionQueue({topic_partition}, load {})", self.load())
    }
}

/// What the next batch is likely to need after one with `latest`: as much, or a bit less than `before` if that is more.
/// Room to spare costs less than growing.
fn expected_next(before: usize, latest: usize) -> usize {
    latest.max(before - before.saturating_sub(latest).div_ceil(4))
}

/// The batches under their lock.
pub(super) struct LockedQueue<'q> {
    batches: BriefGuard<'q, Batches>,
    queue: &'q PartitionQueue,
}

impl LockedQueue<'_> {
    pub(super) fn head(&mut self) -> Option<&mut ProducerBatch> {
        self.batches.iter_mut().next()
    }

    #[inline]
    pub(super) fn tail(&mut self) -> Option<&mut ProducerBatch> {
        self.batches.newest.as_mut()
    }

    /// The batches, newest first.
    pub(super) fn newest_first(&mut self) -> impl Iterator<Item = &mut ProducerBatch> {
        self.batches.iter_mut().rev()
    }

    pub(super) fn len(&self) -> usize {
        self.batches.len()
    }

    /// What to ask of the pool for a batch of `size` bytes, which may be filled with records like those in the last ones that
    /// were taken, or in the newest, where nothing is taken for a while.
    pub(super) fn demand(&self, size: usize) -> Demand {
        let expected = self.expected_rate().demand(size);
        let newest = self.batches.newest.as_ref().map(|newest| newest.callback_rate().demand(size));
        newest.filter(|newest| newest.total() > expected.total()).unwrap_or(expected)
    }

    /// How many callbacks a batch is likely to get that has memory for `size` bytes.
    pub(super) fn expected_callbacks(&self, size: usize) -> usize {
        let rate = self.expected_rate();
        rate.callbacks_in(size.min(rate.bytes))
    }

    /// Of the batches that were taken.
    fn expected_rate(&self) -> CallbackRate {
        let callbacks = self.queue.expected_callbacks.load(Ordering::Relaxed) as usize;
        let state = CompressionState::new(self.queue.partition.compression().map(|it| &**it));
        CallbackRate { callbacks, bytes: state.write_limit(self.expected_bytes()) }
    }

    /// How many bytes a batch is likely to get, as they travel.
    pub(super) fn expected_bytes(&self) -> usize {
        self.queue.expected_bytes.load(Ordering::Relaxed) as usize
    }

    pub(super) fn push_tail(&mut self, mut batch: ProducerBatch) {
        let (before, after) = batch.weigh();
        self.batches.push_newest(batch);
        self.note_load(before, after);
    }

    /// Leaves no room in the newest batch, until it grows.
    pub(super) fn trim_tail(&mut self) {
        self.change_tail(ProducerBatch::trim);
    }

    /// Makes room for `record` in the newest batch, up to `limit` bytes.
    pub(super) fn grow_tail(&mut self, record: &RecordContents<'_>, limit: usize) {
        self.change_tail(|tail| tail.make_room(record, limit));
    }

    /// Changes the room in the newest batch, and so what it weighs.
    fn change_tail(&mut self, change: impl FnOnce(&mut ProducerBatch)) {
        let Some(tail) = self.batches.newest.as_mut() else {
            return;
        };
        change(tail);
        let (before, after) = tail.weigh();
        self.note_load(before, after);
    }

    /// Publishes the load for those without the lock: a batch that weighed `before` weighs `after` now.
    fn note_load(&self, before: u32, after: u32) {
        let load = self.queue.load.load(Ordering::Relaxed);
        let load = load.saturating_sub(before).saturating_add(after); // under the lock: nothing is lost in between
        self.queue.load.store(load, Ordering::Relaxed);
    }

    /// Takes the oldest batch out, into a spare box if there is one.
    pub(super) fn pop_head(
        &mut self,
        spare_boxes: &mut Vec<Box<ProducerBatch>>,
    ) -> Option<Box<ProducerBatch>> {
        let mut batch = self.batches.pop_oldest(spare_boxes)?;
        self.note_load(batch.take_weight(), 0);
        let (callbacks, bytes) = (&self.queue.expected_callbacks, &self.queue.expected_bytes);
        let expected =
            expected_next(callbacks.load(Ordering::Relaxed) as usize, batch.callback_count());
        callbacks.store(saturate_u32(expected), Ordering::Relaxed);
        let expected = expected_next(bytes.load(Ordering::Relaxed) as usize, batch.size());
        bytes.store(saturate_u32(expected), Ordering::Relaxed);
        Some(batch)
    }

    /// Puts back a batch that has to be sent again, in front of all that were created after it.
    pub(super) fn reinsert(&mut self, mut batch: Box<ProducerBatch>) {
        let (before, after) = batch.weigh();
        let Batches { newest, older } = &mut *self.batches;
        if newest.as_ref().is_none_or(|newest| newest.order() < batch.order()) {
            self.batches.push_newest(*batch);
        } else {
            let position = older.iter().take_while(|other| other.order() < batch.order()).count();
            older.insert(position, batch);
        }
        self.note_load(before, after);
    }

    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Box<ProducerBatch>> + use<> {
        self.queue.load.store(0, Ordering::Relaxed);
        let Batches { newest, older } = std::mem::take(&mut *self.batches);
        older.into_iter().chain(newest.map(Box::new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::topic_partition::TopicPartition;
    use crate::producer::internals::partition_ref::PartitionId;
    use crate::producer::internals::sender_signal::SenderSignal;

    #[test]
    fn what_an_append_needs_lies_on_two_lines_of_memory() {
        let queue = queue();
        let start = std::ptr::from_ref(&queue).addr();

        let batches = queue.lock();
        let newest = std::ptr::from_ref(&batches.batches.newest).addr();

        assert_eq!(start % 64, 0);
        assert!(newest + ProducerBatch::BYTES_FOR_APPENDS <= start + 128, "{}", newest - start);
    }

    #[test]
    fn a_batch_with_half_of_the_memory_is_expected_to_get_half_of_the_callbacks() {
        let queue = queue();
        assert_eq!(queue.lock().expected_callbacks(1000), 0);
        queue.expected_callbacks.store(30, Ordering::Relaxed);
        queue.expected_bytes.store(600, Ordering::Relaxed);

        let expected = [300, 600, 1000].map(|size| queue.lock().expected_callbacks(size));

        assert_eq!(expected, [15, 30, 30]);
    }

    fn queue() -> PartitionQueue {
        let (id, name) = (PartitionId::new(0), TopicPartition::new("t", 0));
        PartitionQueue::new(PartitionRef::new(id, name, SenderSignal::detached()))
    }
}
