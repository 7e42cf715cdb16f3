//! What is still to be done to a batch before it can be sent: compression, by whichever thread gets there first.
//!
//! Differs from Java, where the records of a batch go through its codec one by one, under the lock of their partition.

use std::sync::Arc;

use crate::producer::internals::batch_ref::BatchId;
use crate::producer::internals::topic_compression::{CompressedBatch, TopicCompression};
use crate::record::compression_ratio_estimator::{compressed_size, uncompressed_size};
use crate::record::default_record_batch::RECORD_BATCH_OVERHEAD;

/// How far a batch's records are on the way to how they travel.
#[derive(Clone, Copy, Debug)]
pub(super) enum CompressionState {
    /// They are as they will travel.
    Done,
    /// They are to be compressed once no more of them come, to this share of what they are.
    Due { ratio: f32 },
    /// A thread is compressing them.
    Running {
        /// What the batch is expected to become, in bytes.
        size: u32,
    },
}

/// The records of a full batch, in the hands of the thread that compresses them.
pub(super) struct CompressionJob {
    pub(super) batch: BatchId,
    /// In one buffer or several, with the header's place in front.
    pub(super) records: Vec<Vec<u8>>,
    /// The size of the buffer that the batch is to end up in, if it fits.
    pub(super) capacity: usize,
    pub(super) compression: Arc<TopicCompression>,
}

impl CompressionState {
    /// Of an empty batch; `None` if it is to travel uncompressed.
    pub(super) fn new(compression: Option<&TopicCompression>) -> Self {
        match compression {
            Some(compression) => Self::Due { ratio: compression.estimation() },
            None => Self::Done,
        }
    }

    #[inline]
    pub(super) fn is_due(self) -> bool {
        matches!(self, Self::Due { .. })
    }

    /// How large a batch may be that is to travel in `size` bytes.
    pub(super) fn write_limit(self, size: usize) -> usize {
        self.of_records(size, uncompressed_size)
    }

    /// What a batch of `size` bytes is expected to become.
    #[inline]
    pub(super) fn size(self, size: usize) -> usize {
        match self {
            Self::Done => size,
            Self::Due { .. } => self.of_records(size, compressed_size),
            Self::Running { size } => size as usize,
        }
    }

    /// Headers are not compressed.
    fn of_records(self, size: usize, become_with: fn(usize, f32) -> usize) -> usize {
        match self {
            Self::Due { ratio } => {
                let records = size.saturating_sub(RECORD_BATCH_OVERHEAD);
                RECORD_BATCH_OVERHEAD + become_with(records, ratio)
            }
            _ => size,
        }
    }
}

impl CompressionJob {
    /// Compresses the records. Runs on: any thread, with no lock held.
    pub(super) fn run(self) -> CompressedBatch {
        let mut records = self.records;
        let records = match records.len() {
            1 => records.swap_remove(0),
            _ => records.concat(), // a codec wants them in one piece
        };
        self.compression.compress_batch(records, self.capacity)
    }
}
