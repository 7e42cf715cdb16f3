//! Mirrors `org.apache.kafka.common.record.DefaultRecordBatch`: the header of a version 2 batch.

use byteorder::{BigEndian, ByteOrder};

use crate::compress::CompressionType;
use crate::utils::crc32c;

/// The version of the format ("magic 2"), since Kafka 0.11.
pub(crate) const MAGIC: u8 = 2;
/// The bytes of a batch before its first record.
pub(crate) const RECORD_BATCH_OVERHEAD: usize = 61;
/// What stands where a batch has no producer id, epoch or sequence.
pub(crate) const NO_PRODUCER_ID: i64 = -1;
pub(crate) const NO_PRODUCER_EPOCH: i16 = -1;
pub(crate) const NO_SEQUENCE: i32 = -1;

const NO_PARTITION_LEADER_EPOCH: i32 = -1;
/// The length field counts what stands behind it.
const LOG_OVERHEAD: usize = 12;
const LENGTH_OFFSET: usize = 8;
const PARTITION_LEADER_EPOCH_OFFSET: usize = 12;
const MAGIC_OFFSET: usize = 16;
const CRC_OFFSET: usize = 17;
const ATTRIBUTES_OFFSET: usize = 21;
const LAST_OFFSET_DELTA_OFFSET: usize = 23;
const BASE_TIMESTAMP_OFFSET: usize = 27;
const MAX_TIMESTAMP_OFFSET: usize = 35;
const PRODUCER_ID_OFFSET: usize = 43;
const PRODUCER_EPOCH_OFFSET: usize = 51;
const BASE_SEQUENCE_OFFSET: usize = 53;
const RECORD_COUNT_OFFSET: usize = 57;

/// What a batch says of its producer: who wrote it, and where it stands in the order of its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProducerState {
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    /// The number of the batch's first record among all that this producer wrote to the partition.
    pub(crate) base_sequence: i32,
}

impl ProducerState {
    /// A producer without idempotence.
    pub(crate) const NONE: Self = Self {
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        base_sequence: NO_SEQUENCE,
    };
}

/// Everything of the header that does not follow from the batch's bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchHeader {
    /// How the records behind it are compressed.
    pub(crate) codec: CompressionType,
    pub(crate) record_count: i32,
    /// The first record's timestamp, in milliseconds since 1970; the others are relative to it.
    pub(crate) base_timestamp_ms: i64,
    pub(crate) max_timestamp_ms: i64,
    pub(crate) producer: ProducerState,
}

/// The checksum of a batch's first records, taken before the batch was complete.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EarlyChecksum {
    checksum: u32,
    /// Where the records end that it covers: a batch is bounded by `max.request.size`, which is an i32.
    end: u32,
}

impl EarlyChecksum {
    /// Of no records.
    #[expect(clippy::cast_possible_truncation, reason = "it is 61")]
    pub(crate) const NONE: Self = Self { checksum: 0, end: RECORD_BATCH_OVERHEAD as u32 };

    /// Where the records end that it covers.
    pub(crate) fn end(&self) -> usize {
        self.end as usize
    }

    /// Covers all of `piece`, which begins `before` bytes behind the beginning of the batch. What stands before it, and
    /// perhaps its first records, has to be covered.
    pub(crate) fn extend(&mut self, before: usize, piece: &[u8]) {
        if let Ok(end) = u32::try_from(before + piece.len()) {
            self.checksum = crc32c::append(self.checksum, &piece[self.end() - before..]);
            self.end = end;
        }
    }
}

/// Writes the header, checksum included, in front of the records of a batch, whose first ones `early` covers. It lies in
/// `batch` and, if that is not all, in the pieces behind it.
///
/// May be repeated, as when a batch is sent again under a new producer epoch.
///
/// # Panics
///
/// If `batch` is shorter than a header.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "a batch is bounded by max.request.size, which is an i32"
)]
pub(crate) fn write_header<'p>(
    batch: &mut [u8],
    behind: impl Iterator<Item = &'p [u8]> + Clone,
    header: &BatchHeader,
    early: EarlyChecksum,
) {
    assert!(batch.len() >= RECORD_BATCH_OVERHEAD, "a batch starts with its header");
    let length = batch.len() - LOG_OVERHEAD + behind.clone().map(<[u8]>::len).sum::<usize>();
    BigEndian::write_i64(batch, 0);
    BigEndian::write_i32(&mut batch[LENGTH_OFFSET..], length as i32);
    BigEndian::write_i32(&mut batch[PARTITION_LEADER_EPOCH_OFFSET..], NO_PARTITION_LEADER_EPOCH);
    batch[MAGIC_OFFSET] = MAGIC;
    // The other bits stand for timestamps that a broker gave, transactions and control batches.
    BigEndian::write_i16(&mut batch[ATTRIBUTES_OFFSET..], i16::from(header.codec.id()));
    BigEndian::write_i32(&mut batch[LAST_OFFSET_DELTA_OFFSET..], header.record_count - 1);
    BigEndian::write_i64(&mut batch[BASE_TIMESTAMP_OFFSET..], header.base_timestamp_ms);
    BigEndian::write_i64(&mut batch[MAX_TIMESTAMP_OFFSET..], header.max_timestamp_ms);
    BigEndian::write_i64(&mut batch[PRODUCER_ID_OFFSET..], header.producer.producer_id);
    BigEndian::write_i16(&mut batch[PRODUCER_EPOCH_OFFSET..], header.producer.producer_epoch);
    BigEndian::write_i32(&mut batch[BASE_SEQUENCE_OFFSET..], header.producer.base_sequence);
    BigEndian::write_i32(&mut batch[RECORD_COUNT_OFFSET..], header.record_count);
    let of_header = crc32c::checksum(&batch[ATTRIBUTES_OFFSET..RECORD_BATCH_OVERHEAD]);
    let covered = early.end() - RECORD_BATCH_OVERHEAD;
    let mut checksum = crc32c::combine(of_header, early.checksum, covered);
    let mut still_covered = early.end();
    let mut append = |piece: &[u8]| {
        checksum = crc32c::append(checksum, &piece[still_covered.min(piece.len())..]);
        still_covered = still_covered.saturating_sub(piece.len());
    };
    append(batch);
    behind.for_each(append);
    BigEndian::write_u32(&mut batch[CRC_OFFSET..], checksum);
}
