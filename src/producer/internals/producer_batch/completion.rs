//! The end of a batch, which its callbacks are told.

use std::mem;
use std::sync::Arc;

use crate::error::Error;
use crate::producer::callback::Callback;
use crate::producer::internals::buffer_pool::Returned;
use crate::producer::internals::produce_request_result::{
    BatchOutcome, OrphanedThunks, ProduceRequestResult,
};
use crate::producer::internals::producer_batch::ProducerBatch;
use crate::producer::internals::thunks::Thunks;
use crate::producer::record_metadata::{RecordMetadata, UNKNOWN};
use crate::utils::panics::contain;

impl ProducerBatch {
    /// Ends the batch: gives its memory back, runs all callbacks in order, then releases the futures. Only the first
    /// call has an effect.
    ///
    /// Runs on: the sender thread, with no lock held.
    pub(crate) fn complete(&mut self, outcome: BatchOutcome) {
        let result = Arc::clone(self.result());
        let Some(outcome) = result.set_outcome(outcome) else {
            return;
        };
        self.return_memory();
        run_callbacks(&result, &mut self.thunks, self.builder.base_timestamp_ms(), outcome);
        result.done();
    }

    /// Gives the memory back to the pool, also that of records which only ever travelled in another form.
    fn return_memory(&mut self) {
        let records = self.builder.take_buffer();
        let Some(mut shared) = self.buffer.take() else {
            return;
        };
        if let Some(buffer) = Arc::get_mut(&mut shared) {
            buffer.give_back(records);
            self.emptied = Some(shared);
        }
    }

    /// Adds the memory to what goes back to the pool, unless a request still has it.
    pub(in crate::producer::internals) fn surrender(&mut self, returned: &mut Vec<Returned>) {
        if let Some(buffer) = self.buffer.as_mut().and_then(Arc::get_mut) {
            buffer.surrender(self.builder.take_buffer(), returned);
        }
    }
}

impl Drop for ProducerBatch {
    /// Only a panic drops a batch before its end: what is left to do then is kept for [`complete_orphan`].
    fn drop(&mut self) {
        if let Some(result) = self.result.as_ref().filter(|_| !self.thunks.is_empty()) {
            let thunks = mem::take(&mut self.thunks);
            result.store_orphaned(OrphanedThunks {
                thunks,
                base_ms: self.builder.base_timestamp_ms(),
            });
        }
    }
}

/// Ends a batch that a panic dropped, as [`ProducerBatch::complete`] would have.
pub(in crate::producer::internals) fn complete_orphan(result: &ProduceRequestResult, error: Error) {
    result.set_outcome(BatchOutcome::failed(error));
    if let Some(outcome) = result.outcome() {
        let OrphanedThunks { mut thunks, base_ms } = result.take_orphaned();
        run_callbacks(result, &mut thunks, base_ms, outcome);
    }
    result.done();
}

/// One that panics does not keep the others from being told.
fn run_callbacks(
    result: &ProduceRequestResult,
    thunks: &mut Thunks,
    base_ms: i64,
    outcome: &BatchOutcome,
) {
    let mut metadata = RecordMetadata {
        topic_partition: result.topic_partition().clone(),
        offset: UNKNOWN,
        timestamp_ms: UNKNOWN,
        serialized_key_size: -1,
        serialized_value_size: -1,
    };
    let mut run_all = || {
        thunks.drain(base_ms, |share, callback| {
            let answer = outcome.of_record(share).map(|(offset, timestamp_ms)| {
                metadata.offset = offset;
                metadata.timestamp_ms = timestamp_ms;
                metadata.serialized_key_size = share.key_size;
                metadata.serialized_value_size = share.value_size;
                &metadata
            });
            callback(answer);
        });
    };
    while contain(&mut run_all).is_none() {
        tell_of_panic();
    }
}

/// Runs user code, which may panic: the panic is logged and ends there.
pub(crate) fn run_callback(callback: Callback, answer: Result<&RecordMetadata, &Error>) {
    if contain(|| callback(answer)).is_none() {
        tell_of_panic();
    }
}

fn tell_of_panic() {
    contain(|| log::error!("a callback panicked; the producer goes on")); // loggers are user code, too
}
