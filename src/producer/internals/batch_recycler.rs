//! Memory that batches leave for others. Java leaves it to the garbage collector.

use std::sync::Arc;
use std::{fmt, mem};

use crate::producer::internals::BATCHES_PER_LOCK;
use crate::producer::internals::pooled_buffer::PooledBuffer;
use crate::producer::internals::produce_request_result::ProduceRequestResult;
use crate::producer::internals::producer_batch::ProducerBatch;
use crate::producer::internals::thunks::{ThunkSlot, Thunks};
use crate::utils::sync::Mutex;

/// What is left of batches that are over, for new ones to be made of: what one thread allocates and another frees is dear.
#[derive(Default)]
pub(super) struct BatchRecycler(Mutex<Shelf>);

#[derive(Default)]
struct Shelf {
    batches: Vec<RecycledBatch>,
    /// For how many callbacks `batches` have memory.
    callbacks: usize,
    /// Memory for further callbacks of batches that grow.
    blocks: Vec<Box<[ThunkSlot]>>,
}

/// What a batch that is over leaves to another one. Nobody else has a part in it.
#[derive(Default)]
pub(super) struct RecycledBatch {
    /// `None` where somebody keeps a future.
    pub(super) result: Option<Arc<ProduceRequestResult>>,
    pub(super) thunks: Thunks,
    pub(super) emptied: Option<Arc<PooledBuffer>>,
}

/// What is left of so many batches is kept at most: some 5 MiB.
const MAX_BATCHES: usize = 16 * 1024;
/// It has memory for so many callbacks at most: 3 MiB.
const MAX_CALLBACKS: usize = 128 * 1024;
/// How many blocks are kept besides at most: 3 MiB.
const MAX_BLOCKS: usize = 1024;

impl BatchRecycler {
    /// What is there for a new batch, if only nothing.
    pub(super) fn take(&self) -> RecycledBatch {
        self.0.lock().take()
    }

    /// Gives a batch that has grown blocks for the callbacks that are likely to come, as far as there are some.
    pub(super) fn supply(&self, batch: &mut ProducerBatch) {
        let missing = batch.missing_blocks();
        if missing > 0 {
            batch.add_blocks(missing, &mut self.0.lock().blocks);
        }
    }

    #[cfg(test)]
    pub(super) fn block_count(&self) -> usize {
        self.0.lock().blocks.len()
    }

    /// Keeps what is of use of batches that are over.
    pub(super) fn keep(&self, batches: &mut [Box<ProducerBatch>]) {
        let mut taken = Vec::with_capacity(BATCHES_PER_LOCK);
        let mut blocks = Vec::new();
        for batches in batches.chunks_mut(BATCHES_PER_LOCK) {
            taken.extend(batches.iter_mut().map(|batch| batch.recycle(&mut blocks)));
            let mut shelf = self.0.lock();
            taken.iter_mut().for_each(|batch| shelf.add(batch));
            shelf.add_blocks(&mut blocks);
            drop(shelf);
            taken.clear(); // what is too much is dropped without the lock
            blocks.clear();
        }
    }
}

impl Shelf {
    fn take(&mut self) -> RecycledBatch {
        let batch = self.batches.pop().unwrap_or_default();
        self.callbacks -= batch.callback_capacity();
        batch
    }

    /// Takes what is left of a batch, if there is not enough, and leaves nothing in its place.
    fn add(&mut self, batch: &mut RecycledBatch) {
        let callbacks = self.callbacks + batch.callback_capacity();
        if self.batches.len() < MAX_BATCHES && callbacks <= MAX_CALLBACKS {
            self.callbacks = callbacks;
            self.batches.push(mem::take(batch));
        }
    }

    /// Takes as many blocks as are missing.
    fn add_blocks(&mut self, blocks: &mut Vec<Box<[ThunkSlot]>>) {
        let missing = MAX_BLOCKS.saturating_sub(self.blocks.len());
        self.blocks.extend(blocks.drain(..missing.min(blocks.len())));
    }
}

impl RecycledBatch {
    /// For how many callbacks there is memory, besides blocks.
    fn callback_capacity(&self) -> usize {
        self.thunks.capacity()
    }
}

impl fmt::Debug for BatchRecycler {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "BatchRecycler({})", self.0.lock().batches.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::header::Headers;
    use crate::common::node::NodeId;
    use crate::common::topic_partition::TopicPartition;
    use crate::error::{Error, ErrorKind};
    use crate::producer::internals::batch_ref::BatchId;
    use crate::producer::internals::buffer_pool::BufferPool;
    use crate::producer::internals::partition_ref::{PartitionId, PartitionRef};
    use crate::producer::internals::produce_request_result::BatchOutcome;
    use crate::producer::internals::producer_batch::{BatchStart, Retry};
    use crate::producer::internals::sender_signal::SenderSignal;
    use crate::record::default_record::RecordContents;
    use crate::record::default_record_batch::ProducerState;
    use crate::utils::clock::Instant;
    use crate::utils::pieces::pieces_of;

    #[test]
    fn nothing_is_left_of_the_batch_before() {
        let (recycler, pool) = (BatchRecycler::default(), pool());
        let mut batch = Box::new(begin(1, &partition(0), &pool, &recycler));
        append(&mut batch);
        let result = Arc::as_ptr(batch.result());
        batch.seal(ProducerState { producer_id: 1, producer_epoch: 2, base_sequence: 3 });
        batch.set_perhaps_persisted();
        let error = Error::new(ErrorKind::Disconnected);
        batch.reenqueued(Retry { at: Instant::FAR_FUTURE, asked: NodeId(1), error });
        batch.complete(BatchOutcome::Appended { base_offset: 7, log_append_time_ms: -1 });
        recycler.keep(&mut [batch]);
        assert_eq!(pool.available(), pool.total());

        let other = partition(5);
        let mut batch = begin(2, &other, &pool, &recycler);

        assert_eq!(Arc::as_ptr(batch.result()), result, "the same one");
        assert_eq!(batch.id(), BatchId::new(2));
        assert_eq!((batch.record_count(), batch.attempts()), (0, 0));
        assert_eq!(batch.partition_id(), other.id());
        assert_eq!(batch.topic_partition(), other.topic_partition());
        assert!(batch.retry().is_none() && batch.sealed_for().is_none());
        assert!(!batch.is_completed() && !batch.is_perhaps_persisted() && !batch.is_full());
        assert!(
            !batch.is_urgent() && !batch.result().is_all_done() && !batch.result().was_attempted()
        );
        assert_eq!(append(&mut batch), Some(0));
        let bytes = batch.seal(ProducerState::NONE).expect("open");
        let mut fresh = begin(3, &other, &pool, &BatchRecycler::default());
        append(&mut fresh);
        let fresh_bytes = fresh.seal(ProducerState::NONE).expect("open");
        assert!(pieces_of(&*bytes).eq(pieces_of(&*fresh_bytes)));
    }

    #[test]
    fn an_answer_that_somebody_keeps_stays_what_it_is() {
        let (recycler, pool) = (BatchRecycler::default(), pool());
        let mut batch = Box::new(begin(1, &partition(0), &pool, &recycler));
        append(&mut batch);
        let kept = Arc::clone(batch.result());
        batch.complete(BatchOutcome::Appended { base_offset: 7, log_append_time_ms: -1 });
        recycler.keep(&mut [batch]);

        let batch = begin(2, &partition(0), &pool, &recycler);

        assert!(kept.is_all_done());
        assert!(!Arc::ptr_eq(batch.result(), &kept));
        assert!(!batch.is_completed());
    }

    #[test]
    fn no_more_are_kept_than_are_likely_to_be_used() {
        let (recycler, pool) = (BatchRecycler::default(), pool());
        let many = MAX_BATCHES as u64 + 10;
        let mut over: Vec<_> = (0..many)
            .map(|number| Box::new(begin(number, &partition(0), &pool, &recycler)))
            .collect();
        for batch in &mut over {
            append(batch);
            batch.complete(BatchOutcome::Appended { base_offset: 7, log_append_time_ms: -1 });
        }

        recycler.keep(&mut over);

        let kept = recycler.0.lock();
        assert_eq!(kept.callbacks, 50 * kept.batches.len());
        assert_eq!(kept.batches.len(), MAX_BATCHES.min(MAX_CALLBACKS / 50));
    }

    #[test]
    fn a_batch_that_grows_goes_on_in_blocks_that_another_left() {
        let (recycler, pool, partition) = (BatchRecycler::default(), pool(), partition(0));
        let mut batch = Box::new(begin(1, &partition, &pool, &recycler));
        grow(&mut batch, &recycler);
        batch.complete(BatchOutcome::Appended { base_offset: 7, log_append_time_ms: -1 });
        recycler.keep(&mut [batch]);
        let left = recycler.block_count();

        grow(&mut begin(2, &partition, &pool, &recycler), &recycler);

        let unused = recycler.block_count();
        assert!(unused < left, "{unused} of {left}");
    }

    #[test]
    fn no_more_blocks_are_kept_than_are_likely_to_be_used() {
        let recycler = BatchRecycler::default();
        let mut blocks: Vec<_> = (0..MAX_BLOCKS + 10).map(|_| Default::default()).collect();

        recycler.0.lock().add_blocks(&mut blocks);

        assert_eq!((recycler.block_count(), blocks.len()), (MAX_BLOCKS, 10));
    }

    /// Appends until there are many callbacks.
    fn grow(batch: &mut ProducerBatch, recycler: &BatchRecycler) {
        let headers = Headers::new();
        let record = RecordContents::new(1, None, Some(b"value"), &headers);
        while batch.callback_count() < 1000 {
            if append(batch).is_none() {
                batch.make_room(&record, 1 << 16);
                recycler.supply(batch);
            }
        }
    }

    fn begin(
        number: u64,
        partition: &PartitionRef,
        pool: &Arc<BufferPool>,
        recycler: &BatchRecycler,
    ) -> ProducerBatch {
        let (id, now) = (BatchId::new(number), Instant::ZERO);
        let (write_limit, callbacks) = (100, 50);
        let buffer = pool.try_allocate(write_limit).expect("free");
        let start = BatchStart { id, partition, buffer, write_limit, callbacks, now };
        ProducerBatch::new(start, recycler.take())
    }

    fn append(batch: &mut ProducerBatch) -> Option<u32> {
        let headers = Headers::new();
        let record = RecordContents::new(1, None, Some(b"value"), &headers);
        batch.try_append(&record, &mut Some(Box::new(|_| {})))
    }

    fn partition(number: i32) -> PartitionRef {
        let signal = SenderSignal::detached();
        let id = PartitionId::new(usize::try_from(number).expect("small"));
        PartitionRef::new(id, TopicPartition::new("t", number), signal)
    }

    fn pool() -> Arc<BufferPool> {
        Arc::new(BufferPool::new(1 << 22, 100, || {}))
    }
}
