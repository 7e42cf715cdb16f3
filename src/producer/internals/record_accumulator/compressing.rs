//! Batches that a caller compresses while they wait.

use crate::producer::internals::batch_compression::CompressionJob;
use crate::producer::internals::partition_queue::{LockedQueue, PartitionQueue};
use crate::producer::internals::producer_batch::ProducerBatch;
use crate::producer::internals::record_accumulator::RecordAccumulator;
use crate::producer::internals::topic_table::TopicEntry;

impl RecordAccumulator {
    /// A full batch for this thread to compress. None while the sender is idle and no more than two batches wait: it compresses
    /// them, and this thread goes on. None either while a broker is connected that may have to get them in another format.
    ///
    /// What is compressed takes no more records. So where more than two wait, the newest grows first, as far as it may, until
    /// another one begins behind it.
    pub(super) fn start_compression(
        &self,
        batches: &mut LockedQueue<'_>,
        topic: &TopicEntry,
    ) -> Option<CompressionJob> {
        if self.compressors.is_none() || self.signal.is_sender_idle() && batches.len() <= 2 {
            return None;
        }
        let limit = self.growth_limit(topic);
        let grows = batches.len() > 2 && batches.tail().is_some_and(|tail| tail.may_grow_to(limit));
        self.start_compression_behind(batches, usize::from(grows))
    }

    /// As [`start_compression`](Self::start_compression), of batches that have `newer` ones behind them.
    pub(super) fn start_compression_behind(
        &self,
        batches: &mut LockedQueue<'_>,
        newer: usize,
    ) -> Option<CompressionJob> {
        if self.compressors.is_none() || self.has_old_brokers() {
            return None;
        }
        // Of the newest two, one may just have become full, or the older one may just have taken its last record.
        let newest = batches.newest_first().take(2).skip(newer);
        newest.filter(|batch| batch.is_full()).find_map(ProducerBatch::start_compression)
    }

    /// Compresses what [`start_compression`](Self::start_compression) gave, with no lock held, and puts it back.
    pub(super) fn run_compression(&self, job: CompressionJob, queue: &PartitionQueue) {
        self.signal.wake(); // what is announced already need not wait for this
        let id = job.batch;
        let compressed = job.run();
        if let Some(batch) = queue.lock().newest_first().find(|batch| batch.id() == id) {
            batch.finish_compression(compressed);
        }
        queue.partition().announce();
        self.signal.wake();
    }
}
