//! Mirrors `MockProducer.Completion`.

use std::sync::Arc;

use crate::error::Error;
use crate::producer::callback::Callback;
use crate::producer::internals::future_record_metadata::FutureRecordMetadata;
use crate::producer::internals::partition_ref::{PartitionId, PartitionRef};
use crate::producer::internals::produce_request_result::{
    BatchOutcome, ProduceRequestResult, RecordShare,
};
use crate::producer::internals::producer_batch::run_callback;
use crate::producer::internals::sender_signal::SenderSignal;
use crate::producer::internals::shared_result::SharedResult;
use crate::producer::mock_producer::SentRecord;
use crate::producer::record_metadata::UNKNOWN;
use crate::record::default_record::size_of_field;

/// A record that waits for its answer: a batch of one, without bytes.
pub(super) struct Completion {
    result: Arc<ProduceRequestResult>,
    share: RecordShare,
    offset: i64,
    callback: Option<Callback>,
}

impl Completion {
    pub(super) fn new(
        record: &SentRecord,
        offset: i64,
        callback: Option<Callback>,
        signal: &Arc<SenderSignal>,
    ) -> Self {
        let share = RecordShare {
            index: 0,
            timestamp_ms: record.timestamp_ms.unwrap_or(UNKNOWN),
            key_size: size_of_field(record.key()),
            value_size: size_of_field(record.value()),
        };
        let (id, name) = (PartitionId::new(0), record.topic_partition.clone());
        let partition = PartitionRef::new(id, name, Arc::clone(signal));
        let result = ProduceRequestResult::new(&partition);
        // There is no sender that a waiting future could hurry.
        result.set_attempted();
        Self { result: Arc::new(result), share, offset, callback }
    }

    pub(super) fn future(&self) -> FutureRecordMetadata {
        FutureRecordMetadata::accepted(SharedResult::new(&self.result), self.share)
    }

    /// Runs the callback on this thread, then releases the future.
    pub(super) fn complete(self, answer: Result<(), Error>) {
        let outcome = match answer {
            Ok(()) => {
                BatchOutcome::Appended { base_offset: self.offset, log_append_time_ms: UNKNOWN }
            }
            Err(error) if error.topic().is_some() => BatchOutcome::failed(error),
            Err(error) => {
                BatchOutcome::failed(error.with_topic_partition(self.result.topic_partition()))
            }
        };
        self.result.set_outcome(outcome);
        let answer = self.result.record_result(&self.share);
        if let (Some(callback), Some(answer)) = (self.callback, answer) {
            let signal = self.result.signal();
            signal.while_sender_thread(|| run_callback(callback, answer.as_ref()));
        }
        self.result.done();
    }
}
