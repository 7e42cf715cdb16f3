//! Memory that batches leave for others. Java leaves it to the garbage collector.

use std::fmt;

use crate::producer::internals::producer_batch::{BatchStart, ProducerBatch};
use crate::utils::sync::Mutex;

/// Batches that are over, for new ones to take their memory: what one thread allocates and another frees is dear.
#[derive(Default)]
pub(super) struct SpareBatches(Mutex<Spares>);

#[derive(Default)]
struct Spares {
    batches: Vec<Box<ProducerBatch>>,
    /// For how many callbacks they have memory.
    callbacks: usize,
}

/// So many are kept at most: some 2 MiB.
const MOST_BATCHES: usize = 4096;
/// And with memory for so many callbacks: some 2.5 MiB.
const MOST_CALLBACKS: usize = 64 * 1024;

/// And added under one lock, which callers wait for meanwhile.
const KEPT_AT_ONCE: usize = 32;

impl SpareBatches {
    /// A new batch.
    pub(super) fn start(&self, start: BatchStart<'_>) -> Box<ProducerBatch> {
        let spare = self.0.lock().take();
        match spare {
            Some(mut batch) => {
                batch.renew(start);
                batch
            }
            None => Box::new(ProducerBatch::new(start)),
        }
    }

    /// Keeps batches that are over, and drops those that are too many.
    pub(super) fn keep(&self, batches: &mut Vec<Box<ProducerBatch>>) {
        let mut unwanted = Vec::new(); // dropped without the lock
        while !batches.is_empty() {
            let mut spares = self.0.lock();
            for batch in batches.drain(batches.len().saturating_sub(KEPT_AT_ONCE)..) {
                unwanted.extend(spares.add(batch));
            }
        }
    }
}

impl Spares {
    fn take(&mut self) -> Option<Box<ProducerBatch>> {
        let batch = self.batches.pop()?;
        self.callbacks -= batch.callback_capacity();
        Some(batch)
    }

    /// Gives the batch back if there is enough.
    fn add(&mut self, batch: Box<ProducerBatch>) -> Option<Box<ProducerBatch>> {
        let callbacks = self.callbacks + batch.callback_capacity();
        if self.batches.len() >= MOST_BATCHES || callbacks > MOST_CALLBACKS {
            return Some(batch);
        }
        self.callbacks = callbacks;
        self.batches.push(batch);
        None
    }
}

impl fmt::Debug for SpareBatches {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SpareBatches({})", self.0.lock().batches.len())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::common::header::Headers;
    use crate::common::node::NodeId;
    use crate::common::topic_partition::TopicPartition;
    use crate::error::{Error, ErrorKind};
    use crate::network::wakeup::Wakeup;
    use crate::producer::internals::buffer_pool::BufferPool;
    use crate::producer::internals::partition_ref::PartitionRef;
    use crate::producer::internals::produce_request_result::Outcome;
    use crate::producer::internals::producer_batch::Retry;
    use crate::producer::internals::sender_signal::SenderSignal;
    use crate::record::default_record::RecordContents;
    use crate::record::default_record_batch::ProducerState;
    use crate::utils::clock::Instant;

    #[test]
    fn nothing_is_left_of_the_batch_before() {
        let (spares, pool) = (SpareBatches::default(), pool());
        let mut batch = spares.start(start(1, &partition(0), &pool));
        append(&mut batch);
        batch.seal(ProducerState { producer_id: 1, producer_epoch: 2, base_sequence: 3 });
        batch.set_perhaps_persisted();
        let error = Error::new(ErrorKind::Disconnected);
        batch.reenqueued(Retry { at: Instant::FAR_FUTURE, asked: NodeId(1), error });
        batch.complete(Outcome::Appended { base_offset: 7, log_append_time_ms: -1 });
        spares.keep(&mut vec![batch]);
        assert_eq!(pool.available(), pool.total());

        let other = partition(5);
        let mut batch = spares.start(start(2, &other, &pool));

        assert_eq!(format!("{spares:?}"), "SpareBatches(0)", "the same one");
        assert_eq!((batch.id(), batch.record_count(), batch.attempts()), (2, 0, 0));
        assert!(Arc::ptr_eq(batch.partition(), &other));
        assert!(batch.retry().is_none() && batch.sealed_for().is_none());
        assert!(!batch.is_completed() && !batch.is_perhaps_persisted() && !batch.is_full());
        assert!(!batch.is_urgent() && !batch.result().is_settled() && !batch.result().is_drained());
        assert_eq!(append(&mut batch), Some(0));
        let bytes = batch.seal(ProducerState::NONE).expect("open");
        let mut fresh = ProducerBatch::new(start(3, &other, &pool));
        append(&mut fresh);
        assert_eq!(bytes.bytes(), fresh.seal(ProducerState::NONE).expect("open").bytes());
    }

    #[test]
    fn an_answer_that_somebody_keeps_stays_what_it_is() {
        let (spares, pool) = (SpareBatches::default(), pool());
        let mut batch = spares.start(start(1, &partition(0), &pool));
        append(&mut batch);
        let kept = Arc::clone(batch.result());
        batch.complete(Outcome::Appended { base_offset: 7, log_append_time_ms: -1 });
        spares.keep(&mut vec![batch]);

        let batch = spares.start(start(2, &partition(0), &pool));

        assert!(kept.is_settled());
        assert!(!Arc::ptr_eq(batch.result(), &kept));
        assert!(!batch.is_completed());
    }

    #[test]
    fn no_more_are_kept_than_are_likely_to_be_used() {
        let (spares, pool) = (SpareBatches::default(), pool());
        let many = MOST_BATCHES as u64 + 10;
        let mut over: Vec<_> =
            (0..many).map(|id| spares.start(start(id, &partition(0), &pool))).collect();
        for batch in &mut over {
            append(batch);
            batch.complete(Outcome::Appended { base_offset: 7, log_append_time_ms: -1 });
        }

        spares.keep(&mut over);

        assert!(over.is_empty());
        let kept = spares.0.lock();
        assert_eq!(kept.callbacks, 50 * kept.batches.len());
        assert_eq!(kept.batches.len(), MOST_BATCHES.min(MOST_CALLBACKS / 50));
    }

    fn start<'a>(
        id: u64,
        partition: &'a Arc<PartitionRef>,
        pool: &Arc<BufferPool>,
    ) -> BatchStart<'a> {
        let buffer = pool.try_allocate(100).expect("free");
        BatchStart { id, partition, buffer, write_limit: 100, callbacks: 50, now: Instant::ZERO }
    }

    fn append(batch: &mut ProducerBatch) -> Option<u32> {
        let headers = Headers::new();
        let record = RecordContents::new(1, None, Some(b"value"), &headers);
        batch.try_append(&record, &mut Some(Box::new(|_| {})))
    }

    fn partition(number: i32) -> Arc<PartitionRef> {
        let signal = Arc::new(SenderSignal::new(Wakeup::detached()));
        let id = usize::try_from(number).expect("small");
        Arc::new(PartitionRef::new(id, TopicPartition::new("t", number), signal))
    }

    fn pool() -> Arc<BufferPool> {
        Arc::new(BufferPool::new(1 << 20, 100, || {}))
    }
}
