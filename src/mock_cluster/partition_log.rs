//! The log of one partition: the batches as they came, placed at their offsets.

#[cfg(test)]
mod simulated;

use std::collections::VecDeque;

use crate::mock_cluster::mock_record::MockRecord;
use crate::mock_cluster::producer_state::ProducerStates;
use crate::mock_cluster::record_batch::{self, BatchHeader, Refusal};

/// One partition's batches and the producers that wrote them. All replicas share it.
#[derive(Clone, Debug, Default)]
pub(super) struct PartitionLog {
    batches: VecDeque<Vec<u8>>,
    size_bytes: usize,
    start_offset: i64,
    end_offset: i64,
    producers: ProducerStates,
    /// How many batches came again after they were appended.
    #[cfg(test)]
    duplicates: u64,
}

/// How a log takes a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct AppendSettings {
    pub(super) leader_epoch: i32,
    pub(super) max_message_bytes: usize,
    /// The time to stamp on the batch, where the topic asks for that.
    pub(super) log_append_time_ms: Option<i64>,
    /// The bytes above which the oldest batches go.
    pub(super) retention_bytes: usize,
}

/// Where a batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Appended {
    pub(super) base_offset: i64,
    /// -1 where records keep their own times.
    pub(super) log_append_time_ms: i64,
}

impl PartitionLog {
    /// Checks the one batch that `bytes` must be and appends it. A batch that is there already is not appended again;
    /// the answer is then the first one.
    pub(super) fn append(
        &mut self,
        mut bytes: Vec<u8>,
        settings: AppendSettings,
    ) -> Result<Appended, Refusal> {
        let header = record_batch::read_single_batch(&bytes)?;
        record_batch::validate(&bytes, &header, settings.max_message_bytes)?;
        if header.has_producer_id() {
            if let Some(known) = self.producers.check(&header)? {
                #[cfg(test)]
                {
                    self.duplicates += 1;
                }
                return Ok(Appended {
                    base_offset: known.base_offset,
                    log_append_time_ms: known.max_timestamp, // whatever the topic's kind, as a broker does
                });
            }
            self.producers.record(&header, self.end_offset);
        }
        let base_offset = self.end_offset;
        if let Some(timestamp_ms) = settings.log_append_time_ms {
            record_batch::assign_log_append_time(&mut bytes, timestamp_ms);
        }
        record_batch::assign_offset(&mut bytes, base_offset, settings.leader_epoch);
        self.end_offset += i64::from(header.record_count);
        self.keep(bytes, settings.retention_bytes);
        Ok(Appended { base_offset, log_append_time_ms: settings.log_append_time_ms.unwrap_or(-1) })
    }

    /// The offset of the oldest record kept.
    pub(super) fn start_offset(&self) -> i64 {
        self.start_offset
    }

    /// The offset of the next record.
    pub(super) fn end_offset(&self) -> i64 {
        self.end_offset
    }

    /// The records in the log, oldest first.
    pub(super) fn records(&self) -> Vec<MockRecord> {
        self.batches.iter().flat_map(|batch| MockRecord::read_batch(batch)).collect()
    }

    pub(super) fn forget_producers(&mut self) {
        self.producers.forget();
    }

    /// Its leader was started anew.
    pub(super) fn forget_all_but_last_batches(&mut self) {
        self.producers.forget_all_but_last_batches();
    }

    fn keep(&mut self, bytes: Vec<u8>, retention_bytes: usize) {
        self.size_bytes += bytes.len();
        self.batches.push_back(bytes);
        while self.size_bytes > retention_bytes {
            let Some(oldest) = self.batches.pop_front() else {
                break;
            };
            self.size_bytes -= oldest.len();
            let next = self.batches.front().and_then(|batch| BatchHeader::read(batch));
            self.start_offset = next.map_or(self.end_offset, |header| header.base_offset);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;
    use crate::mock_cluster::test_batch::TestBatch;

    const SETTINGS: AppendSettings = AppendSettings {
        leader_epoch: 3,
        max_message_bytes: 1000,
        log_append_time_ms: None,
        retention_bytes: usize::MAX,
    };

    #[test]
    fn gives_consecutive_offsets_and_reads_the_records_back() {
        let mut log = PartitionLog::default();

        let first = log.append(TestBatch::of(&["a", "b"]).build(), SETTINGS).unwrap();
        let second = log.append(TestBatch::of(&["c"]).build(), SETTINGS).unwrap();

        assert_eq!((first.base_offset, second.base_offset, log.end_offset()), (0, 2, 3));
        assert_eq!(first.log_append_time_ms, -1);
        let read: Vec<_> =
            log.records().into_iter().map(|record| (record.offset, record.value)).collect();
        let value = |text: &str| Some(text.as_bytes().to_vec());
        assert_eq!(read, [(0, value("a")), (1, value("b")), (2, value("c"))]);
    }

    #[test]
    fn answers_a_batch_that_comes_again_with_its_first_offset() {
        let mut log = PartitionLog::default();
        let batch = TestBatch::of(&["a", "b"]).producer(7, 0, 0).build();
        log.append(TestBatch::of(&["x"]).build(), SETTINGS).unwrap();
        log.append(batch.clone(), SETTINGS).unwrap();

        let again = log.append(batch, SETTINGS).unwrap();

        assert_eq!(again.base_offset, 1);
        assert_eq!(log.end_offset(), 3);
    }

    #[test]
    fn a_refused_batch_leaves_no_trace() {
        let mut log = PartitionLog::default();
        let wrong = TestBatch::of(&["a"]).producer(7, 0, 0).record_count(2).build();

        assert_eq!(log.append(wrong, SETTINGS).unwrap_err().code, ErrorCode::InvalidRecord);

        assert_eq!((log.end_offset(), log.records().len()), (0, 0));
        assert!(log.append(TestBatch::of(&["a"]).producer(7, 0, 5).build(), SETTINGS).is_ok());
    }

    #[test]
    fn stamps_its_own_time_where_the_topic_asks_for_it() {
        let mut log = PartitionLog::default();
        let settings = AppendSettings { log_append_time_ms: Some(42), ..SETTINGS };

        let appended = log.append(TestBatch::of(&["a"]).build(), settings).unwrap();

        assert_eq!(appended.log_append_time_ms, 42);
        assert_eq!(log.records()[0].timestamp, 42);
    }

    #[test]
    fn retention_removes_whole_batches_and_moves_the_start() {
        let mut log = PartitionLog::default();
        let batch = TestBatch::of(&["a", "b"]).build();
        let settings = AppendSettings { retention_bytes: batch.len() * 2, ..SETTINGS };

        for _ in 0..5 {
            log.append(batch.clone(), settings).unwrap();
        }

        assert_eq!((log.start_offset(), log.end_offset()), (6, 10));
        assert_eq!(log.records()[0].offset, 6);
    }
}
