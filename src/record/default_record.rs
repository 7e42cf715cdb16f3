//! Mirrors `org.apache.kafka.common.record.DefaultRecord`: one record of a version 2 batch.

use crate::common::header::Headers;
use crate::record::default_record_batch::RECORD_BATCH_OVERHEAD;
use crate::utils::varint::{self, ShortBytes};

/// None are defined.
const ATTRIBUTES: u64 = 0;
/// The most that a record takes beside key, value and headers: length, attributes, timestamp and offset.
const MAX_RECORD_OVERHEAD: usize = 21;
/// What stands for the length of a null key or value.
const NULL_LENGTH: i64 = -1;

/// A record's contents, as they go into a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordContents<'a> {
    pub(crate) timestamp_ms: i64,
    /// `None` is null.
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: &'a Headers<'a>,
    /// The bytes of key, value and headers with their lengths.
    variable_size: usize,
}

/// What stands in front of a record's key: its length, attributes, timestamp and offset.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordPrefix {
    bytes: [u8; MAX_RECORD_OVERHEAD],
    length: usize,
    record_size: usize,
}

/// The same and the length of the key, in one register: that of most records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShortPrefix {
    bytes: ShortBytes,
    record_size: usize,
}

impl<'a> RecordContents<'a> {
    /// `None` is null, which differs from empty.
    #[inline(always)]
    pub(crate) fn new(
        timestamp_ms: i64,
        key: Option<&'a [u8]>,
        value: Option<&'a [u8]>,
        headers: &'a Headers<'a>,
    ) -> Self {
        let fields_size = encoded_size(key).saturating_add(encoded_size(value));
        let variable_size = fields_size.saturating_add(headers_size(headers));
        Self { timestamp_ms, key, value, headers, variable_size }
    }

    /// The key's size as metadata tells it, -1 for null.
    #[inline(always)]
    pub(crate) fn key_size(&self) -> i32 {
        size_of_field(self.key)
    }

    /// The value's size, likewise.
    #[inline(always)]
    pub(crate) fn value_size(&self) -> i32 {
        size_of_field(self.value)
    }

    /// The most that a batch of this record alone can take, in bytes.
    #[inline(always)]
    pub(crate) fn batch_size_upper_bound(&self) -> usize {
        self.variable_size.saturating_add(RECORD_BATCH_OVERHEAD + MAX_RECORD_OVERHEAD)
    }

    /// What stands in front of this record's key, at the given distance from the batch's first.
    pub(crate) fn prefix(&self, timestamp_delta: i64, offset_delta: u32) -> RecordPrefix {
        RecordPrefix::new(timestamp_delta, offset_delta, self.variable_size)
    }

    /// What stands in front of the bytes of this record's key; `None` if that is too long, or the record, or there are
    /// headers.
    #[inline(always)]
    pub(crate) fn short_prefix(
        &self,
        timestamp_delta: i64,
        offset_delta: u32,
    ) -> Option<ShortPrefix> {
        let (timestamp, offset) = (varint::zigzag(timestamp_delta), u64::from(offset_delta) << 1);
        let is_short = (timestamp | offset) < ShortBytes::LIMIT
            && self.variable_size < SHORT_RECORD_BYTES
            && self.headers.is_empty();
        if !is_short {
            return None;
        }
        let bytes = ShortBytes::short_varint(ATTRIBUTES)
            .then(ShortBytes::short_varint(timestamp))
            .then(ShortBytes::short_varint(offset));
        let body_size = bytes.len() + self.variable_size;
        let length = ShortBytes::short_varint(zigzag_length(body_size));
        let bytes = length.then(bytes).checked_then(short_length_of(self.key))?;
        Some(ShortPrefix { bytes, record_size: length.len() + body_size })
    }

    /// Writes the record to the start of `out`, which has room for it, and perhaps zeros behind it.
    ///
    /// Straight to its place: what is put together elsewhere byte by byte and copied then costs a stall.
    #[inline(always)]
    pub(crate) fn write(&self, prefix: ShortPrefix, out: &mut [u8]) {
        prefix.bytes.write(out);
        let mut end = prefix.bytes.len();
        if let Some(key) = self.key {
            out[end..][..key.len()].copy_from_slice(key);
            end += key.len();
        }
        let length = short_length_of(self.value);
        length.write(&mut out[end..]);
        end += length.len();
        if let Some(value) = self.value {
            out[end..][..value.len()].copy_from_slice(value);
            end += value.len();
        }
        out[end] = 0; // no headers
    }

    /// Writes the record to the end of `out`.
    pub(crate) fn extend(&self, prefix: &RecordPrefix, out: &mut Vec<u8>) {
        out.extend_from_slice(prefix.bytes());
        for field in [self.key, self.value] {
            extend_with_length(field, out);
        }
        varint::write_unsigned(zigzag_length(self.headers.len()), out);
        for header in self.headers {
            extend_with_length(Some(header.key().as_bytes()), out);
            extend_with_length(header.value(), out);
        }
    }
}

/// What stands in front of the key or the value of a short record.
#[inline(always)]
fn short_length_of(field: Option<&[u8]>) -> ShortBytes {
    ShortBytes::short_varint(length_number(field))
}

/// The length of a key or a value, as it is encoded.
#[inline(always)]
fn length_number(field: Option<&[u8]>) -> u64 {
    field.map_or(varint::zigzag(NULL_LENGTH), |bytes| zigzag_length(bytes.len()))
}

/// How many bytes a key or a value takes, of a record or of a header.
#[inline(always)]
fn encoded_size(field: Option<&[u8]>) -> usize {
    field.map_or(1, |bytes| length_size(bytes.len()) + bytes.len())
}

fn extend_with_length(field: Option<&[u8]>, out: &mut Vec<u8>) {
    varint::write_unsigned(length_number(field), out);
    out.extend_from_slice(field.unwrap_or_default());
}

impl RecordPrefix {
    /// Of a record that takes `variable_size` bytes from its key on, at the given distance from the batch's first.
    pub(crate) fn new(timestamp_delta: i64, offset_delta: u32, variable_size: usize) -> Self {
        let numbers = [ATTRIBUTES, varint::zigzag(timestamp_delta), u64::from(offset_delta) << 1];
        let body_size = numbers.map(varint::unsigned_size).iter().sum::<usize>() + variable_size;
        let (mut bytes, mut length) = ([0; MAX_RECORD_OVERHEAD], 0);
        for number in [zigzag_length(body_size)].into_iter().chain(numbers) {
            length += varint::put(number, &mut bytes[length..]);
        }
        Self { bytes, length, record_size: length_size(body_size) + body_size }
    }

    /// What the whole record takes.
    pub(crate) fn record_size(&self) -> usize {
        self.record_size
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl ShortPrefix {
    /// What the whole record takes.
    #[inline(always)]
    pub(crate) fn record_size(self) -> usize {
        self.record_size
    }
}

/// Where key and value take less, each length takes two bytes at most, and with one for the attributes and two for each
/// delta there is a place left among eight. Larger records are worth fetching memory for one by one.
const SHORT_RECORD_BYTES: usize = 512;

#[inline(always)]
fn headers_size(headers: &Headers<'_>) -> usize {
    if headers.is_empty() { 1 } else { size_of_some_headers(headers) }
}

#[inline(never)]
fn size_of_some_headers(headers: &Headers<'_>) -> usize {
    let sizes = headers.iter().map(|header| {
        length_size(header.key().len()) + header.key().len() + encoded_size(header.value())
    });
    length_size(headers.len()) + sizes.sum::<usize>()
}

/// A length as metadata tells it: -1 for null.
#[inline(always)]
pub(crate) fn size_of_field(field: Option<&[u8]>) -> i32 {
    field.map_or(-1, |bytes| i32::try_from(bytes.len()).unwrap_or(i32::MAX))
}

#[inline]
fn length_size(length: usize) -> usize {
    varint::unsigned_size(zigzag_length(length))
}

/// The zig-zag form of a number that is not negative.
#[inline]
fn zigzag_length(length: usize) -> u64 {
    (length as u64) << 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::header::Header;

    #[test]
    fn what_stands_before_the_key_is_the_same_however_it_is_written() {
        let deltas = [0, 1, -1, 63, 64, -64, -65, 8191, 8192, -8192, -8193, i64::MAX, i64::MIN];
        let offsets = [0, 63, 64, 8191, 8192, u32::MAX / 2];
        let headers = Headers::new();
        for (delta, offset) in deltas.iter().flat_map(|delta| offsets.map(|it| (*delta, it))) {
            for key_size in [None, Some(0), Some(63), Some(64), Some(4000), Some(9000)] {
                let key = key_size.map(|size| vec![7; size]);
                let record = RecordContents::new(0, key.as_deref(), None, &headers);
                let mut body = vec![0];
                varint::write_unsigned(varint::zigzag(delta), &mut body);
                varint::write_unsigned(u64::from(offset) << 1, &mut body);
                let mut expected = Vec::new();
                let body_size = body.len() + record.variable_size;
                varint::write_unsigned((body_size as u64) << 1, &mut expected);
                expected.append(&mut body);

                let prefix = record.prefix(delta, offset);
                let tried = format!("{prefix:?} of {delta}, {offset}, {key_size:?}");
                assert_eq!(prefix.bytes(), expected, "{tried}");
                assert_eq!(prefix.record_size(), expected.len() + record.variable_size, "{tried}");
                let Some(short) = record.short_prefix(delta, offset) else {
                    let is_usual = (-64..64).contains(&delta) && offset < 64;
                    assert!(!is_usual || key_size > Some(64), "{tried}");
                    continue;
                };
                assert_eq!(short.record_size(), prefix.record_size(), "{tried}");
                for room in [prefix.record_size(), prefix.record_size() + 10] {
                    let mut out = vec![0xff; room];
                    record.write(short, &mut out);
                    let mut extended = Vec::new();
                    record.extend(&prefix, &mut extended);
                    assert_eq!(out[..prefix.record_size()], extended, "{tried} in {room}");
                }
            }
        }
    }

    /// Java: `AbstractRecords.estimateSizeInBytesUpperBound`.
    #[test]
    fn estimates_the_upper_bound_that_java_estimates() {
        let cases = [
            (0, 85),
            (1, 86),
            (10, 95),
            (100, 186),
            (1000, 1086),
            (16_300, 16_387),
            (100_000, 100_087),
        ];

        let headers = Headers::new();
        for (length, expected) in cases {
            let value = vec![0; length];
            let record = RecordContents::new(0, None, Some(&value), &headers);
            assert_eq!(record.batch_size_upper_bound(), expected, "a value of {length} bytes");
        }
    }

    #[test]
    fn counts_headers_as_java_does() {
        let mut headers = Headers::new();
        headers.add(Header::new("h1", Some(b"v1".as_slice())));
        headers.add(Header::new("h2", None::<&[u8]>));
        headers.add(Header::new("", Some(b"".as_slice())));
        let (key, value) = ([0; 10], [0; 100]);
        let record = RecordContents::new(0, Some(&key), Some(&value), &headers);

        assert_eq!(record.batch_size_upper_bound(), 208);
    }

    #[test]
    fn writes_as_many_bytes_as_it_announced() {
        let mut headers = Headers::new();
        for length in [0, 1, 63, 64, 8191, 8192, 100_000] {
            let value = vec![7; length];
            let record = RecordContents::new(5, Some(b"k"), Some(&value), &headers);
            let prefix = record.prefix(-300, 200);

            let mut extended = vec![1, 2, 3];
            record.extend(&prefix, &mut extended);

            assert_eq!(extended.len(), 3 + prefix.record_size());
            headers.add(Header::new("h", Some([8; 3].as_slice()))); // with one more each time
        }
    }
}
