//! Mirrors `org.apache.kafka.common.record.CompressionRatioEstimator`.
//!
//! Differs in that each producer has its own for each topic: in Java all producers of a process share them.

use std::sync::atomic::{AtomicU32, Ordering};

/// How fast the estimate follows batches that compress better than it says.
const IMPROVING_STEP: f32 = 0.005;
/// The least by which it follows a batch that compresses worse.
const DETERIORATING_STEP: f32 = 0.05;

/// How small records are expected to become, so that a batch is closed when it will be about `batch.size`.
///
/// Slow to believe in good news: a batch that becomes larger than expected may have to be split.
/// Threads that learn something at the same time may overwrite each other; the next batch makes up for it.
#[derive(Debug)]
pub(crate) struct CompressionRatioEstimator {
    /// The bits of compressed size / size.
    ratio: AtomicU32,
}

impl Default for CompressionRatioEstimator {
    fn default() -> Self {
        Self { ratio: AtomicU32::new(1.0_f32.to_bits()) }
    }
}

impl CompressionRatioEstimator {
    /// What to reckon with now.
    pub(crate) fn estimation(&self) -> f32 {
        f32::from_bits(self.ratio.load(Ordering::Relaxed))
    }

    /// A batch became `observed` times what it was.
    pub(crate) fn update(&self, observed: f32) {
        let estimated = self.estimation();
        let ratio = if observed > estimated {
            observed.max(estimated + DETERIORATING_STEP)
        } else {
            observed.max(estimated - IMPROVING_STEP)
        };
        self.set(ratio);
    }

    /// A batch of this ratio was too large for a broker: expects nothing good any more.
    pub(crate) fn reset(&self, observed: f32) {
        self.set(observed.max(1.0));
    }

    fn set(&self, ratio: f32) {
        self.ratio.store(ratio.to_bits(), Ordering::Relaxed);
    }
}

/// Java: `MemoryRecordsBuilder.COMPRESSION_RATE_ESTIMATION_FACTOR`. A margin: 5 % more than estimated.
const CAUTION: f32 = 1.05;

/// How many bytes of records to compress into `size` bytes. A ratio of 1 or more counts as 1: such a
/// batch is sent uncompressed.
pub(crate) fn uncompressed_size(size: usize, ratio: f32) -> usize {
    let factor = ratio * CAUTION;
    if factor >= 1.0 { size } else { rounded(size as f64 / f64::from(factor)) }
}

/// What `size` bytes of records are expected to become.
pub(crate) fn compressed_size(size: usize, ratio: f32) -> usize {
    let factor = ratio * CAUTION;
    if factor >= 1.0 { size } else { rounded(size as f64 * f64::from(factor)) }
}

/// What `size` bytes became, relative to them.
pub(crate) fn ratio_of(compressed: usize, size: usize) -> f32 {
    if size == 0 { 1.0 } else { compressed as f32 / size as f32 }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is positive, and what is too large becomes the largest"
)]
fn rounded(size: f64) -> usize {
    // More does not fit into a batch, whose length is an i32.
    (size as usize).min(i32::MAX as usize / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    // ACC-09. Java: CompressionRatioEstimatorTest.testUpdateEstimation
    #[test]
    fn believes_bad_news_at_once_and_good_news_slowly() {
        for (estimated, observed, expected) in
            [(0.8, 0.84, 0.85), (0.6, 0.7, 0.7), (0.6, 0.4, 0.595), (0.6, 0.6, 0.6)]
        {
            let estimator = CompressionRatioEstimator::default();
            estimator.set(estimated);

            estimator.update(observed);

            assert!((estimator.estimation() - expected).abs() < 1e-6, "{estimated} {observed}");
        }
    }

    #[test]
    fn never_expects_more_than_it_has_seen() {
        let estimator = CompressionRatioEstimator::default();
        for _ in 0..1000 {
            estimator.update(0.25);
        }

        assert!((estimator.estimation() - 0.25).abs() < 1e-6);
    }

    #[test]
    fn a_batch_takes_as_much_as_will_become_its_size() {
        assert_eq!(uncompressed_size(16_323, 1.0), 16_323);
        assert_eq!(uncompressed_size(16_800, 0.5), 32_000);
        assert_eq!(compressed_size(32_000, 0.5), 16_799); // a factor has no more than seven digits
        assert_eq!(compressed_size(100, 0.99), 100);
        assert_eq!(uncompressed_size(1 << 30, 1e-9), i32::MAX as usize / 2);
    }

    #[test]
    fn a_split_forgets_what_was_expected() {
        let estimator = CompressionRatioEstimator::default();
        estimator.update(0.1);

        estimator.reset(0.3);

        assert!((estimator.estimation() - 1.0).abs() < 1e-6);
    }
}
