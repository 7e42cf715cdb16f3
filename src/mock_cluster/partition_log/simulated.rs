//! What a simulation does to a log.

use crate::mock_cluster::mock_record::MockRecord;
use crate::mock_cluster::partition_log::PartitionLog;
use crate::mock_cluster::producer_state::ProducerStates;
use crate::mock_cluster::record_batch::BatchHeader;

impl PartitionLog {
    /// Takes the last `count` batches away, as a leader does not have them that was not in sync, and returns their
    /// records. Does nothing where a producer would be forgotten with them.
    pub(in crate::mock_cluster) fn truncate(&mut self, count: usize) -> Vec<MockRecord> {
        let kept = self.batches.len().saturating_sub(count);
        let mut producers = ProducerStates::default();
        for batch in self.batches.iter().take(kept) {
            if let Some(header) = BatchHeader::read(batch).filter(BatchHeader::has_producer_id) {
                producers.record(&header, header.base_offset);
            }
        }
        if !producers.knows_all_of(&self.producers) {
            return Vec::new();
        }
        self.producers = producers;
        let lost = self.batches.split_off(kept);
        self.size_bytes -= lost.iter().map(Vec::len).sum::<usize>();
        let first = lost.front().and_then(|batch| BatchHeader::read(batch));
        self.end_offset = first.map_or(self.end_offset, |header| header.base_offset);
        lost.iter().flat_map(|batch| MockRecord::read_batch(batch)).collect()
    }

    /// As if `producer_id` had sent batches before, the last of which ended with `last_sequence`.
    pub(in crate::mock_cluster) fn remember_producer(
        &mut self,
        producer_id: i64,
        last_sequence: i32,
    ) {
        self.producers.remember(producer_id, last_sequence);
    }

    /// How many batches came again.
    pub(in crate::mock_cluster) fn duplicates(&self) -> u64 {
        self.duplicates
    }
}
