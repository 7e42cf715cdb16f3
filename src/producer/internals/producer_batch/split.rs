//! A batch that is sent in parts, where a broker or a format does not take it as it is. Java: `ProducerBatch.split`.

use std::mem;
use std::sync::Arc;

use crate::producer::internals::batch_compression::CompressionState;
use crate::producer::internals::batch_ref::BatchId;
use crate::producer::internals::buffer_pool::Demand;
use crate::producer::internals::pooled_buffer::PooledBuffer;
use crate::producer::internals::produce_request_result::RecordShare;
use crate::producer::internals::producer_batch::{BatchOrder, ProducerBatch};
use crate::producer::internals::thunks::Thunks;
use crate::record::compression_ratio_estimator::ratio_of;
use crate::record::memory_records;
use crate::record::memory_records_builder::MemoryRecordsBuilder;
use crate::utils::pieces::total_size;

/// Where a batch is split.
#[derive(Clone, Copy, Debug)]
pub(in crate::producer::internals) enum Split {
    /// Into batches of at most so many bytes; a single record may be larger.
    AtSize(usize),
    /// Between records with and without headers.
    AtHeaders,
}

impl ProducerBatch {
    /// Moves the records into several batches, in order. `next_id` numbers them. They keep the time of creation, and no
    /// attempt was made with them.
    ///
    /// This batch is over then, without an outcome of its own. Its loan is that of the parts, as far as it goes: the records
    /// of one that was compressed take more.
    ///
    /// # Errors
    ///
    /// The batch itself, if it was completed and has no records any more.
    pub(in crate::producer::internals) fn split(
        mut self,
        split: Split,
        next_id: &dyn Fn() -> BatchId,
    ) -> Result<Vec<Self>, Box<Self>> {
        let Some(mut parts) = self.parts(split, next_id) else {
            return Err(Box::new(self));
        };
        self.hand_over_thunks(&mut parts);
        self.leave_loan_to(&mut parts);
        let first = |part: &Self| part.order.first_record - self.order.first_record;
        let results = parts.iter().map(|part| (first(part), Arc::clone(part.result())));
        self.result().split(results.collect());
        Ok(parts)
    }

    /// Java gives the memory back at once: what others fill it with comes on top of the parts.
    fn leave_loan_to(&mut self, parts: &mut [Self]) {
        let mut whole = self.buffer.take();
        let Some(whole) = whole.as_mut().and_then(Arc::get_mut) else {
            return; // a request still has it
        };
        for part in parts {
            let overhead = Thunks::bytes_for(part.thunks.len());
            let loan = Demand { size: part.builder.size(), overhead };
            if let Some(buffer) = part.buffer.as_mut().and_then(Arc::get_mut) {
                whole.leave_to(buffer, loan);
            }
        }
    }

    /// Copies of the records in the batches that they are to be moved to.
    fn parts(&self, split: Split, next_id: &dyn Fn() -> BatchId) -> Option<Vec<Self>> {
        let buffer = self.buffer.as_ref()?;
        let plain = self.plain()?;
        let (max_size, expected_size) = match split {
            Split::AtSize(size) => {
                self.reset_estimation(plain.len());
                (size, size)
            }
            Split::AtHeaders => (plain.len(), 0), // there may be as many as records
        };
        let mut parts: Vec<Self> = Vec::new();
        let mut had_headers = None;
        for (record, index) in memory_records::records(&plain).zip(0..) {
            let timestamp_ms = self.builder.base_timestamp_ms() + record.timestamp_delta;
            let has_headers = matches!(split, Split::AtHeaders) && record.has_headers();
            let last = parts.last_mut().filter(|_| had_headers == Some(has_headers));
            let appended = last
                .and_then(|part| part.builder.try_append_encoded(timestamp_ms, record.contents));
            if appended.is_none() {
                let mut part = self.part(index, next_id(), max_size, buffer);
                part.builder.reserve(expected_size);
                part.builder.try_append_encoded(timestamp_ms, record.contents);
                parts.push(part);
            }
            had_headers = Some(has_headers);
        }
        Some(parts)
    }

    /// The batch was too large: less is to be expected of the codec, if it was compressed from `plain_size` bytes.
    fn reset_estimation(&self, plain_size: usize) {
        let size = self.buffer.as_ref().map_or(0, |buffer| total_size(&**buffer));
        if let Some(compression) = &self.compression {
            if size > 0 {
                compression.reset(ratio_of(size, plain_size));
            }
        }
    }

    fn part(&self, first_index: u32, id: BatchId, max_size: usize, buffer: &PooledBuffer) -> Self {
        let first_record = self.order.first_record + first_index;
        let mut builder = MemoryRecordsBuilder::new(Vec::new(), max_size, max_size);
        builder.close_for_appends(); // but for records that were in a batch already
        Self {
            builder,
            compression_state: CompressionState::new(self.compression.as_deref()),
            thunks: Thunks::default(),
            result: Some(Arc::new(self.result().new_part())),
            id,
            order: BatchOrder { first_record, ..self.order },
            partition_id: self.partition_id,
            key: self.key,
            created: self.created,
            buffer: Some(Arc::new(buffer.unpooled(Vec::new()))),
            emptied: None,
            sealed_for: None,
            retry: None,
            compression: self.compression.clone(),
            attempts: 0,
            incomplete_key: None,
            weight: 0,
            is_perhaps_persisted: self.is_perhaps_persisted,
        }
    }

    fn hand_over_thunks(&mut self, parts: &mut [Self]) {
        let base_ms = self.builder.base_timestamp_ms();
        mem::take(&mut self.thunks).drain(base_ms, |share, callback| {
            let record = self.order.first_record + share.index;
            let position = parts.partition_point(|part| part.order.first_record <= record);
            if let Some(part) = position.checked_sub(1).and_then(|last| parts.get_mut(last)) {
                let share = RecordShare { index: record - part.order.first_record, ..*share };
                part.thunks.push(&share, part.builder.base_timestamp_ms(), callback);
            }
        });
    }
}
