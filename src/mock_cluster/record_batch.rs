//! Reads and checks record batches (magic 2) as a broker does before it appends them.

use crate::error::ErrorCode;
use crate::mock_cluster::decompression::decompress;
use crate::mock_cluster::record_reader::{RecordView, read_record};
use crate::utils::crc32c;

/// The bytes before the records.
pub(super) const HEADER_LENGTH: usize = 61;
/// The bytes of base offset and length, which the length does not count.
const LENGTH_PREFIX: usize = 12;
/// Where the bytes begin that the checksum covers.
const CHECKSUM_START: usize = 21;

const CODEC_MASK: i16 = 0x07;
const LOG_APPEND_TIME: i16 = 0x08;
const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;

/// The fields of a batch before its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BatchHeader {
    pub(super) base_offset: i64,
    pub(super) length: i32,
    pub(super) magic: i8,
    pub(super) checksum: u32,
    pub(super) attributes: i16,
    pub(super) last_offset_delta: i32,
    pub(super) base_timestamp: i64,
    pub(super) max_timestamp: i64,
    pub(super) producer_id: i64,
    pub(super) producer_epoch: i16,
    pub(super) base_sequence: i32,
    pub(super) record_count: i32,
}

impl BatchHeader {
    /// The header at the start of `batch`; `None` if that is shorter than one.
    pub(super) fn read(batch: &[u8]) -> Option<Self> {
        let header: &[u8; HEADER_LENGTH] = batch.first_chunk()?;
        Some(Self {
            base_offset: i64::from_be_bytes(field(header, 0)),
            length: i32::from_be_bytes(field(header, 8)),
            magic: i8::from_be_bytes(field(header, 16)),
            checksum: u32::from_be_bytes(field(header, 17)),
            attributes: i16::from_be_bytes(field(header, 21)),
            last_offset_delta: i32::from_be_bytes(field(header, 23)),
            base_timestamp: i64::from_be_bytes(field(header, 27)),
            max_timestamp: i64::from_be_bytes(field(header, 35)),
            producer_id: i64::from_be_bytes(field(header, 43)),
            producer_epoch: i16::from_be_bytes(field(header, 51)),
            base_sequence: i32::from_be_bytes(field(header, 53)),
            record_count: i32::from_be_bytes(field(header, 57)),
        })
    }

    pub(super) fn has_producer_id(&self) -> bool {
        self.producer_id >= 0
    }

    /// The number of the codec that the records went through; 0 for none.
    pub(super) fn codec(&self) -> i16 {
        self.attributes & CODEC_MASK
    }

    pub(super) fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    /// The sequence of the last record: 0 comes after 2147483647.
    pub(super) fn last_sequence(&self) -> i32 {
        self.base_sequence.wrapping_add(self.last_offset_delta) & i32::MAX
    }

    /// The timestamp of the record with this delta, as its reader sees it.
    pub(super) fn timestamp(&self, delta: i64) -> i64 {
        if self.attributes & LOG_APPEND_TIME != 0 {
            return self.max_timestamp;
        }
        self.base_timestamp.wrapping_add(delta)
    }
}

/// Why a broker does not append a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: ErrorCode,
    pub(super) message: &'static str,
    /// The record at fault, counted from 0, where it is one.
    pub(super) batch_index: Option<i32>,
}

impl Refusal {
    pub(super) const fn new(code: ErrorCode, message: &'static str) -> Self {
        Self { code, message, batch_index: None }
    }
}

const fn invalid(message: &'static str) -> Refusal {
    Refusal::new(ErrorCode::InvalidRecord, message)
}

/// The header of the one batch that `bytes` must be, of the one format that Produce 3 and later may carry.
pub(super) fn read_single_batch(bytes: &[u8]) -> Result<BatchHeader, Refusal> {
    let Some(header) = BatchHeader::read(bytes) else {
        return Err(invalid("a partition's records must be at least one record batch"));
    };
    if header.magic != 2 {
        return Err(invalid("record batches must have magic 2"));
    }
    let Some(length) = usize::try_from(header.length).ok().map(|length| length + LENGTH_PREFIX)
    else {
        return Err(Refusal::new(ErrorCode::CorruptMessage, "the batch has a negative length"));
    };
    if length < HEADER_LENGTH {
        return Err(Refusal::new(ErrorCode::CorruptMessage, "the batch is shorter than a header"));
    }
    if length > bytes.len() {
        return Err(invalid("the batch is cut off"));
    }
    if length < bytes.len() {
        return Err(invalid("a partition's records must be exactly one record batch"));
    }
    Ok(header)
}

/// Checks everything that needs nothing but the batch itself, in a broker's order.
pub(super) fn validate(
    batch: &[u8],
    header: &BatchHeader,
    max_message_bytes: usize,
) -> Result<(), Refusal> {
    if header.base_offset != 0 {
        return Err(invalid("the base offset of a batch must be 0"));
    }
    if batch.len() > max_message_bytes {
        return Err(Refusal::new(
            ErrorCode::MessageTooLarge,
            "the batch exceeds max.message.bytes of the topic",
        ));
    }
    if crc32c::checksum(&batch[CHECKSUM_START..]) != header.checksum {
        return Err(Refusal::new(ErrorCode::CorruptMessage, "the batch's CRC-32C is wrong"));
    }
    if header.last_offset_delta < 0 || header.record_count <= 0 {
        return Err(invalid("the batch has no records"));
    }
    if header.record_count - 1 != header.last_offset_delta {
        return Err(invalid("the record count differs from the last offset delta"));
    }
    if header.attributes & CONTROL != 0 {
        return Err(invalid("clients must not write control batches"));
    }
    if header.has_producer_id() && header.base_sequence < 0 {
        return Err(invalid("a batch with a producer id must have a sequence"));
    }
    let records = decompress(header.codec(), &batch[HEADER_LENGTH..])?;
    validate_records(&records, header.record_count)
}

fn validate_records(mut bytes: &[u8], record_count: i32) -> Result<(), Refusal> {
    for index in 0..record_count {
        let Some((record, rest)) = read_record(bytes) else {
            return Err(Refusal { batch_index: Some(index), ..invalid("the record is malformed") });
        };
        if record.offset_delta != i64::from(index) {
            let wrong = invalid("the offset deltas of a batch must count from 0");
            return Err(Refusal { batch_index: Some(index), ..wrong });
        }
        bytes = rest;
    }
    if bytes.is_empty() {
        Ok(())
    } else {
        Err(invalid("the batch has more records than it claims"))
    }
}

/// The records of `bytes`, which are those of a valid batch, uncompressed.
pub(super) fn records(bytes: &[u8]) -> impl Iterator<Item = RecordView<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (record, following) = read_record(rest)?;
        rest = following;
        Some(record)
    })
}

/// Gives the batch its place in the log, as the leader does; the checksum does not cover these fields.
pub(super) fn assign_offset(batch: &mut [u8], base_offset: i64, leader_epoch: i32) {
    batch[0..8].copy_from_slice(&base_offset.to_be_bytes());
    batch[12..16].copy_from_slice(&leader_epoch.to_be_bytes());
}

/// Gives every record of the batch the time at which the broker appended it.
pub(super) fn assign_log_append_time(batch: &mut [u8], timestamp_ms: i64) {
    let attributes = i16::from_be_bytes([batch[21], batch[22]]) | LOG_APPEND_TIME;
    batch[21..23].copy_from_slice(&attributes.to_be_bytes());
    batch[35..43].copy_from_slice(&timestamp_ms.to_be_bytes());
    let checksum = crc32c::checksum(&batch[CHECKSUM_START..]);
    batch[17..21].copy_from_slice(&checksum.to_be_bytes());
}

fn field<const LENGTH: usize>(header: &[u8; HEADER_LENGTH], at: usize) -> [u8; LENGTH] {
    let mut field = [0; LENGTH];
    field.copy_from_slice(&header[at..at + LENGTH]);
    field
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mock_cluster::test_batch::TestBatch;

    #[test]
    fn takes_a_batch_that_javas_producer_made() {
        // Records (k, v), (null, "second", h1=v1, h2=null, ''='') and (k3, null).
        let batch = b"\0\0\0\0\0\0\0\0\0\0\0\x5c\xff\xff\xff\xff\x02\xec\xc6\x69\x7c\0\0\0\0\0\x02\
            \0\0\x01\x8b\xcf\xe5\x68\0\0\0\x01\x8b\xcf\xe5\x68\x05\xff\xff\xff\xff\xff\xff\xff\xff\
            \xff\xff\xff\xff\xff\xff\0\0\0\x03\x10\0\0\0\x02k\x02v\0\x30\0\x0a\x02\x01\x0csecond\
            \x06\x04h1\x04v1\x04h2\x01\0\0\x10\0\x05\x04\x04k3\x01\0";

        let header = read_single_batch(batch).unwrap();

        assert_eq!(validate(batch, &header, 1000), Ok(()));
        assert_eq!((header.record_count, header.producer_id, header.base_sequence), (3, -1, -1));
        let read: Vec<_> = records(&batch[HEADER_LENGTH..])
            .map(|record| (header.timestamp(record.timestamp_delta), record.key, record.value))
            .collect();
        let first = 1_700_000_000_000;
        assert_eq!(read[0], (first, Some(b"k".as_slice()), Some(b"v".as_slice())));
        assert_eq!(read[1], (first + 5, None, Some(b"second".as_slice())));
        assert_eq!(read[2], (first - 3, Some(b"k3".as_slice()), None));
    }

    #[test]
    fn refuses_what_is_not_exactly_one_batch_of_magic_2() {
        let good = TestBatch::of(&["a", "b"]).build();
        let mut two = good.clone();
        two.extend_from_slice(&good);
        let mut old = good.clone();
        old[16] = 1;
        let mut negative = good.clone();
        negative[8] = 0xff;

        for (bytes, code) in [
            (&[][..], ErrorCode::InvalidRecord),
            (&good[..good.len() - 1], ErrorCode::InvalidRecord),
            (&two, ErrorCode::InvalidRecord),
            (&old, ErrorCode::InvalidRecord),
            (&negative, ErrorCode::CorruptMessage),
        ] {
            assert_eq!(read_single_batch(bytes).unwrap_err().code, code);
        }
        assert!(read_single_batch(&good).is_ok());
    }

    #[test]
    fn refuses_a_batch_with_a_flipped_bit() {
        let good = TestBatch::of(&["a", "b"]).build();
        for at in CHECKSUM_START..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 4;
            assert_eq!(check(&bad).unwrap_err().code, ErrorCode::CorruptMessage, "byte {at}");
        }
    }

    #[test]
    fn refuses_counts_that_contradict_each_other() {
        for batch in [
            TestBatch::of(&["a", "b"]).record_count(3),
            TestBatch::of(&["a", "b"]).record_count(1).last_offset_delta(0),
            TestBatch::of(&["a", "b"]).record_count(3).last_offset_delta(2),
            TestBatch::of(&[]),
            TestBatch::of(&["a"]).record_count(0),
        ] {
            assert_eq!(check(&batch.build()).unwrap_err().code, ErrorCode::InvalidRecord);
        }
    }

    #[test]
    fn names_the_record_whose_offset_delta_is_wrong() {
        let refusal = check(&TestBatch::of(&["a", "b", "c"]).offset_step(2).build()).unwrap_err();

        assert_eq!((refusal.code, refusal.batch_index), (ErrorCode::InvalidRecord, Some(1)));
    }

    #[test]
    fn refuses_what_only_a_broker_may_write() {
        let control = TestBatch::of(&["a"]).attributes(CONTROL).build();
        let mut placed = TestBatch::of(&["a"]).build();
        assign_offset(&mut placed, 7, 0);

        assert_eq!(check(&control).unwrap_err().code, ErrorCode::InvalidRecord);
        assert_eq!(check(&placed).unwrap_err().code, ErrorCode::InvalidRecord);
    }

    #[test]
    fn refuses_a_producer_id_without_a_sequence() {
        let batch = TestBatch::of(&["a"]).producer(5, 0, -1).build();

        assert_eq!(check(&batch).unwrap_err().code, ErrorCode::InvalidRecord);
    }

    #[test]
    fn refuses_a_batch_above_the_limit_before_it_looks_at_the_checksum() {
        let mut batch = TestBatch::of(&["a"]).build();
        batch[17] ^= 1;
        let header = read_single_batch(&batch).unwrap();

        let refusal = validate(&batch, &header, batch.len() - 1).unwrap_err();

        assert_eq!(refusal.code, ErrorCode::MessageTooLarge);
    }

    #[test]
    fn log_append_time_replaces_the_timestamps_and_keeps_the_checksum_right() {
        let mut batch = TestBatch::of(&["a", "b"]).build();

        assign_log_append_time(&mut batch, 77);

        assert_eq!(check(&batch), Ok(()));
        assert_eq!(BatchHeader::read(&batch).unwrap().timestamp(1), 77);
    }

    #[test]
    fn sequences_wrap_to_zero() {
        let batch = TestBatch::of(&["a", "b", "c"]).producer(5, 0, i32::MAX - 1).build();

        assert_eq!(BatchHeader::read(&batch).unwrap().last_sequence(), 0);
    }

    fn check(batch: &[u8]) -> Result<(), Refusal> {
        validate(batch, &read_single_batch(batch)?, 1 << 20)
    }
}
