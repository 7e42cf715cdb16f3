//! How the batches of one topic are compressed, and how well that went so far.

use std::sync::Arc;

use crate::compress::{CompressionType, Compressor, Compressors};
use crate::record::compression_ratio_estimator::{self, CompressionRatioEstimator};
use crate::record::default_record_batch::RECORD_BATCH_OVERHEAD;
use crate::record::message_set::MessageSet;
use crate::utils::panics::contain;

/// Shared by the partitions of a topic.
#[derive(Debug)]
pub(crate) struct TopicCompression {
    compressors: Arc<Compressors>,
    ratio: CompressionRatioEstimator,
}

/// A batch whose records are as they will travel; its header is still to be written.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) bytes: Vec<u8>,
    pub(super) codec: CompressionType,
}

impl TopicCompression {
    pub(super) fn new(compressors: Arc<Compressors>) -> Self {
        Self { compressors, ratio: CompressionRatioEstimator::default() }
    }

    /// What a batch is expected to become, relative to what it is.
    pub(super) fn estimation(&self) -> f32 {
        self.ratio.estimation()
    }

    /// A batch of this ratio was too large.
    pub(super) fn reset(&self, observed: f32) {
        self.ratio.reset(observed);
    }

    /// Compresses the records behind the header's place in `batch`, into a buffer of `capacity` bytes if they fit. What
    /// does not become smaller, or makes the codec fail, stays as it is.
    ///
    /// Runs on: the thread that found the batch full or the sender thread, with no lock held.
    pub(super) fn pack(&self, mut batch: Vec<u8>, capacity: usize) -> Packed {
        let as_it_is = |bytes| Packed { bytes, codec: CompressionType::None };
        let Some(mut compressor) = self.compressor() else {
            return as_it_is(batch);
        };
        let size = batch.len() - RECORD_BATCH_OVERHEAD;
        let Some(compressed) = self.compress(&mut compressor, &batch[RECORD_BATCH_OVERHEAD..])
        else {
            return as_it_is(batch);
        };
        let is_smaller = compressed.len() < size;
        let new_size = size.min(compressed.len());
        self.ratio.update(compression_ratio_estimator::ratio_of(new_size, size));
        if is_smaller {
            let capacity = capacity.max(RECORD_BATCH_OVERHEAD + new_size);
            batch.truncate(RECORD_BATCH_OVERHEAD);
            if batch.capacity() > capacity {
                let header = std::mem::replace(&mut batch, Vec::with_capacity(capacity));
                batch.extend_from_slice(&header);
            }
            batch.extend_from_slice(compressed);
        }
        self.compressors.put_back(compressor);
        let codec = if is_smaller { self.compressors.codec() } else { CompressionType::None };
        Packed { bytes: batch, codec }
    }

    /// Compresses the messages made of a batch of `size` bytes, if that makes them smaller.
    ///
    /// Runs on: the sender thread, with no lock held.
    pub(super) fn wrap(&self, messages: MessageSet, size: usize) -> Vec<u8> {
        let Some(mut compressor) = self.compressor() else {
            return messages.into_bytes();
        };
        let Some(compressed) = self.compress(&mut compressor, messages.bytes()) else {
            return messages.into_bytes();
        };
        let wrapper = messages.wrapper(self.compressors.codec(), compressed);
        self.compressors.put_back(compressor);
        let is_smaller = wrapper.len() < messages.bytes().len();
        let bytes = if is_smaller { wrapper } else { messages.into_bytes() };
        self.ratio.update(compression_ratio_estimator::ratio_of(size.min(bytes.len()), size));
        bytes
    }

    fn compressor(&self) -> Option<Compressor> {
        self.compressors.take().unwrap_or_else(|error| {
            log::error!("no {}: {error}", self.compressors.codec());
            None
        })
    }

    fn compress<'c>(&self, compressor: &'c mut Compressor, plain: &[u8]) -> Option<&'c [u8]> {
        match contain(|| compressor.compress(plain)) {
            Some(Ok(compressed)) => Some(compressed),
            failure => {
                log::error!("{} failed: {failure:?}", self.compressors.codec());
                None
            }
        }
    }
}
