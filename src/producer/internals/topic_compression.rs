//! How the batches of one topic are compressed, and how well that went so far.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

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
    /// How many batches in a row gained next to nothing.
    poor: AtomicU32,
    /// How many batches are still to be left as they are because of that.
    skips: AtomicU32,
}

/// A batch that stays larger than this share of its size was not worth the work.
const POOR_RATIO: f32 = 0.97;
/// At most one batch of two to the power of this is tried where none is worth it.
const MAX_SKIP_BITS: u32 = 4;

/// A batch whose records are as they will travel; its header is still to be written.
#[derive(Debug)]
pub(super) struct CompressedBatch {
    pub(super) bytes: Vec<u8>,
    pub(super) codec: CompressionType,
}

impl TopicCompression {
    pub(super) fn new(compressors: Arc<Compressors>) -> Self {
        Self {
            compressors,
            ratio: CompressionRatioEstimator::default(),
            poor: AtomicU32::new(0),
            skips: AtomicU32::new(0),
        }
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
    /// does not become smaller, or makes the codec fail, stays as it is, and where batch after batch gains next to
    /// nothing, only some are tried.
    ///
    /// Runs on: the thread that found the batch full or the sender thread, with no lock held.
    pub(super) fn compress_batch(&self, mut batch: Vec<u8>, capacity: usize) -> CompressedBatch {
        let as_it_is = |bytes| CompressedBatch { bytes, codec: CompressionType::None };
        if self.is_skipped() {
            return as_it_is(batch);
        }
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
        let ratio = compression_ratio_estimator::ratio_of(new_size, size);
        self.ratio.update(ratio);
        self.learn(ratio);
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
        CompressedBatch { bytes: batch, codec }
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

    /// Whether a batch is left as it is because those before it gained nothing.
    fn is_skipped(&self) -> bool {
        let skips = self.skips.load(Ordering::Relaxed);
        self.skips.store(skips.saturating_sub(1), Ordering::Relaxed);
        skips > 0
    }

    /// A single poor batch means nothing; the more of them in a row, the more are skipped until the next try. Threads that
    /// learn something at the same time may overwrite each other.
    fn learn(&self, ratio: f32) {
        if ratio < POOR_RATIO {
            self.poor.store(0, Ordering::Relaxed);
            return;
        }
        let bits = self.poor.load(Ordering::Relaxed).min(MAX_SKIP_BITS);
        self.skips.store((1 << bits) - 1, Ordering::Relaxed);
        self.poor.store(bits + 1, Ordering::Relaxed);
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
                contain(|| log::error!("{} failed: {failure:?}", self.compressors.codec())); // a logger may panic, too
                None
            }
        }
    }
}

#[cfg(all(test, feature = "lz4"))]
mod tests {
    use super::*;
    use crate::compress::Compression;
    use crate::utils::random::Random;

    #[test]
    fn what_gains_nothing_is_tried_less_and_less_often() {
        let compression = compression();
        let mut random = Random::new(3);

        let tried = (0..200).filter(|_| is_compressed(&compression, &hardly_regular(&mut random)));

        assert_eq!(tried.count(), 16, "the first, second, 4th, 8th, 16th, 32nd and then one of 16");
    }

    #[test]
    fn what_gains_something_is_compressed_again_after_a_while_and_then_always() {
        let compression = compression();
        let mut random = Random::new(3);
        for _ in 0..100 {
            is_compressed(&compression, &hardly_regular(&mut random));
        }
        let regular = vec![7; 4000];

        let before = (0..16).take_while(|_| !is_compressed(&compression, &regular)).count();

        assert!(before < 16, "{before}");
        assert!((0..50).all(|_| is_compressed(&compression, &regular)));
    }

    #[test]
    fn a_poor_batch_among_good_ones_changes_nothing() {
        let compression = compression();
        let mut random = Random::new(3);
        for _ in 0..50 {
            assert!(is_compressed(&compression, &hardly_regular(&mut random)));
            assert!(is_compressed(&compression, &[7; 4000]));
        }
    }

    fn compression() -> TopicCompression {
        let codec = CompressionType::Lz4;
        let compression = Compression { codec, level: None };
        TopicCompression::new(Arc::new(Compressors::new(compression)))
    }

    /// Shrinks by about a hundredth, so that it tells whether it was tried.
    fn hardly_regular(random: &mut Random) -> Vec<u8> {
        let byte = |_| u8::try_from(random.below(256)).unwrap_or_default();
        (0..6000).map(byte).chain([0; 120]).collect()
    }

    fn is_compressed(compression: &TopicCompression, records: &[u8]) -> bool {
        let batch = [&[0; RECORD_BATCH_OVERHEAD], records].concat();
        compression.compress_batch(batch, 8000).codec != CompressionType::None
    }
}
