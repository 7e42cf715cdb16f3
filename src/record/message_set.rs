//! Mirrors `LegacyRecord` and `AbstractLegacyRecordBatch` of `org.apache.kafka.common.record`: message sets of magic 1,
//! which is all that brokers before 0.11 know.
//!
//! Differs in that records are never collected in this format: a message set is made of a finished record batch.

use byteorder::{BigEndian, ByteOrder};

use crate::compress::CompressionType;
use crate::record::memory_records::{self, Fields};
use crate::utils::crc32;

/// What a message takes beside its key and value.
pub(crate) const MESSAGE_OVERHEAD: usize = 34;

/// The version of the format.
const MAGIC: u8 = 1;
/// The bytes of offset and size, which the size does not count.
const LOG_OVERHEAD: usize = 12;
const SIZE_OFFSET: usize = 8;
const CRC_OFFSET: usize = 12;
const MAGIC_OFFSET: usize = 16;
const ATTRIBUTES_OFFSET: usize = 17;
const TIMESTAMP_OFFSET: usize = 18;
const KEY_OFFSET: usize = 26;
/// The bytes of a key's or value's length.
const LENGTH: usize = 4;
/// What stands for the length of a null key or value.
const NULL_LENGTH: i32 = -1;

/// The messages of one partition, uncompressed, with the offsets 0, 1, 2 and so on.
#[derive(Debug)]
pub(crate) struct MessageSet {
    bytes: Vec<u8>,
    message_count: u32,
    max_timestamp_ms: i64,
}

impl MessageSet {
    /// The records of an uncompressed version 2 batch that this crate built. Headers are left out: a message has none.
    ///
    /// `None` if the batch makes no sense, or has other than `record_count` records.
    pub(crate) fn of_batch(
        batch: &[u8],
        base_timestamp_ms: i64,
        record_count: u32,
    ) -> Option<Self> {
        let count = usize::try_from(record_count).ok()?;
        let mut set = Self {
            bytes: Vec::with_capacity(batch.len() + count * MESSAGE_OVERHEAD),
            message_count: 0,
            max_timestamp_ms: i64::MIN,
        };
        for record in memory_records::records(batch) {
            let timestamp_ms = base_timestamp_ms.wrapping_add(record.timestamp_delta);
            set.push(timestamp_ms, record.fields()?);
        }
        (set.message_count == record_count).then_some(set)
    }

    fn push(&mut self, timestamp_ms: i64, fields: Fields<'_>) {
        let message = Message {
            offset: self.message_count.into(),
            codec: CompressionType::None,
            timestamp_ms,
            key: fields.key,
            value: fields.value,
        };
        message.append_to(&mut self.bytes);
        self.message_count += 1;
        self.max_timestamp_ms = self.max_timestamp_ms.max(timestamp_ms);
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The one message that stands for all of this set where `compressed` is what `codec` made of it.
    pub(crate) fn wrapper(&self, codec: CompressionType, compressed: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(MESSAGE_OVERHEAD + compressed.len());
        let message = Message {
            offset: i64::from(self.message_count) - 1, // that of the last one in it
            codec,
            timestamp_ms: self.max_timestamp_ms,
            key: None,
            value: Some(compressed),
        };
        message.append_to(&mut bytes);
        bytes
    }
}

/// One message, also one that contains others.
#[derive(Debug)]
struct Message<'a> {
    offset: i64,
    codec: CompressionType,
    timestamp_ms: i64,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
}

impl Message<'_> {
    fn append_to(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + KEY_OFFSET, 0);
        append_field(self.key, out);
        append_field(self.value, out);
        let message = &mut out[start..];
        let size = length(message.len() - LOG_OVERHEAD);
        BigEndian::write_i64(message, self.offset);
        BigEndian::write_i32(&mut message[SIZE_OFFSET..], size);
        message[MAGIC_OFFSET] = MAGIC;
        message[ATTRIBUTES_OFFSET] = self.codec.id(); // the bit for timestamps that a broker gave stays 0
        BigEndian::write_i64(&mut message[TIMESTAMP_OFFSET..], self.timestamp_ms);
        let checksum = crc32::checksum(&message[MAGIC_OFFSET..]);
        BigEndian::write_u32(&mut message[CRC_OFFSET..], checksum);
    }
}

fn append_field(field: Option<&[u8]>, out: &mut Vec<u8>) {
    let mut prefix = [0; LENGTH];
    BigEndian::write_i32(&mut prefix, field.map_or(NULL_LENGTH, |bytes| length(bytes.len())));
    out.extend_from_slice(&prefix);
    out.extend_from_slice(field.unwrap_or_default());
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "a record is bounded by max.request.size, which is an i32"
)]
fn length(bytes: usize) -> i32 {
    bytes as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::header::Headers;
    use crate::record::default_record::RecordContents;
    use crate::record::default_record_batch::ProducerState;
    use crate::record::memory_records_builder::MemoryRecordsBuilder;

    const NOW_MS: i64 = 1_700_000_000_000;

    /// The bytes that kafka-clients 4.1.1 makes of the same records.
    const OF_JAVA: &str = "00000000000000000000001839268c3301000000018bcfe56800000000016b0000000176\
                           00000000000000010000001c9ba73a5501000000018bcfe56805ffffffff000000067365636f6e64\
                           000000000000000200000018a04a244901000000018bcfe567fd000000026b33ffffffff";

    #[test]
    fn builds_the_bytes_that_java_builds() {
        assert_eq!(hex(set_of_three().bytes()), OF_JAVA);
    }

    /// Java's wrappers around what Java's codecs make of the same messages.
    #[test]
    fn wraps_as_java_wraps() {
        let java = [
            (
                CompressionType::Gzip,
                "00000000000000020000006be0eee02c01010000018bcfe56805ffffffff00000055",
                "1f8b08000000000000ff63608003094bb51e63462083b1fbfcd30c90086336882883ca83\
                 a464662fb70a85ab61fd0f04400e5b716a727e5e0a541d13c8ac055e2a9e3075e97f41a2\
                 d9c620d50095cb3b0470000000",
            ),
            (
                CompressionType::Snappy,
                "0000000000000002000000847016135201020000018bcfe56805ffffffff0000006e",
                "82534e415050590000000001000000010000005a7000001901341839268c330100000001\
                 8bcfe568011804016b010e0076010b01091c0000001c9ba73a55010905243c05ffffffff\
                 000000067365636f6e64000901200200000018a04a244911282c67fd000000026b33ffff\
                 ffff",
            ),
            (
                CompressionType::Lz4,
                "00000000000000020000007f01b5339201030000018bcfe56805ffffffff00000069",
                "04224d186040825a00000016000100e01839268c3301000000018bcfe568180020016b0e\
                 0010760b00000900850000001c9ba73a552400f10005ffffffff000000067365636f6e64\
                 2600b400000200000018a04a24492800c067fd000000026b33ffffffff00000000",
            ),
        ];
        for (codec, header, compressed) in java {
            let wrapped = set_of_three().wrapper(codec, &bytes(compressed));

            assert_eq!(hex(&wrapped), [header, compressed].concat(), "{codec}");
        }
    }

    #[test]
    fn a_message_takes_its_overhead_and_its_contents() {
        let set = set_of_three();

        assert_eq!(set.bytes().len(), 3 * MESSAGE_OVERHEAD + "kv".len() + "second".len() + 2);
    }

    #[test]
    fn what_is_no_batch_becomes_no_message_set() {
        let batch = batch_of_three();

        assert!(MessageSet::of_batch(&batch, NOW_MS, 3).is_some());
        assert!(MessageSet::of_batch(&batch, NOW_MS, 4).is_none());
        assert!(MessageSet::of_batch(&batch[..batch.len() - 1], NOW_MS, 3).is_none());
        assert!(MessageSet::of_batch(&[], NOW_MS, 1).is_none());
    }

    fn set_of_three() -> MessageSet {
        MessageSet::of_batch(&batch_of_three(), NOW_MS, 3).expect("a batch")
    }

    fn batch_of_three() -> Vec<u8> {
        let mut builder = MemoryRecordsBuilder::new(Vec::new(), 1000, 1000);
        let headers = Headers::new();
        for (timestamp_ms, key, value) in [
            (NOW_MS, Some("k"), Some("v")),
            (NOW_MS + 5, None, Some("second")),
            (NOW_MS - 3, Some("k3"), None),
        ] {
            let (key, value) = (key.map(str::as_bytes), value.map(str::as_bytes));
            builder.try_append(&RecordContents::new(timestamp_ms, key, value, &headers));
        }
        builder.close(ProducerState::NONE)
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn bytes(hex: &str) -> Vec<u8> {
        let digits = (0..hex.len()).step_by(2).map(|at| &hex[at..at + 2]);
        digits.map(|digits| u8::from_str_radix(digits, 16).expect("hexadecimal")).collect()
    }
}
