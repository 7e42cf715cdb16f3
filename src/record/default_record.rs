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
    key: Field<'a>,
    value: Field<'a>,
    headers: &'a Headers<'a>,
    /// The bytes of key, value and headers with their lengths.
    variable_size: usize,
}

/// A key or a value, of a record or of a header.
#[derive(Clone, Copy, Debug)]
struct Field<'a> {
    /// Empty for null, too.
    bytes: &'a [u8],
    /// What stands in front of the bytes.
    length: ShortBytes,
    /// As metadata tells it: -1 for null.
    size: i32,
}

/// What stands in front of a record's key: its length, attributes, timestamp and offset.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordPrefix {
    /// None where it takes more than eight.
    bytes: ShortBytes,
    /// What the record takes behind its length.
    body_size: usize,
    /// In milliseconds, in zig-zag form.
    timestamp_delta: u64,
    /// In zig-zag form.
    offset_delta: u64,
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
        let (key, value) = (Field::new(key), Field::new(value));
        let fields_size = key.encoded_size().saturating_add(value.encoded_size());
        let variable_size = fields_size.saturating_add(headers_size(headers));
        Self { timestamp_ms, key, value, headers, variable_size }
    }

    /// The key's size as metadata tells it, -1 for null.
    #[inline(always)]
    pub(crate) fn key_size(&self) -> i32 {
        self.key.size
    }

    /// The value's size, likewise.
    #[inline(always)]
    pub(crate) fn value_size(&self) -> i32 {
        self.value.size
    }

    /// The most that a batch of this record alone can take, in bytes.
    #[inline(always)]
    pub(crate) fn batch_size_upper_bound(&self) -> usize {
        self.variable_size.saturating_add(RECORD_BATCH_OVERHEAD + MAX_RECORD_OVERHEAD)
    }

    /// What stands in front of this record's key, at the given distance from the batch's first.
    #[inline(always)]
    pub(crate) fn prefix(&self, timestamp_delta: i64, offset_delta: u32) -> RecordPrefix {
        RecordPrefix::new(timestamp_delta, offset_delta, self.variable_size)
    }

    /// Writes the record to the start of `out`, which has room for it, and perhaps zeros behind it.
    ///
    /// Straight to its place: what is put together elsewhere byte by byte and copied then costs a stall.
    #[inline(always)]
    pub(crate) fn write(&self, prefix: RecordPrefix, out: &mut [u8]) {
        let mut end = prefix.write(out);
        end += self.key.write(&mut out[end..]);
        end += self.value.write(&mut out[end..]);
        if self.headers.is_empty() {
            out[end] = 0;
        } else {
            write_headers(self.headers, &mut out[end..]);
        }
    }
}

impl RecordContents<'_> {
    /// As [`write`](Self::write), to the end of `out`: what is large should not be written twice, first as zeros.
    pub(crate) fn extend(&self, prefix: RecordPrefix, out: &mut Vec<u8>) {
        let mut front = [0; MAX_RECORD_OVERHEAD];
        let size = prefix.write(&mut front);
        out.extend_from_slice(&front[..size]);
        for field in [self.key, self.value] {
            let mut length = [0; 8];
            field.length.write(&mut length);
            out.extend_from_slice(&length[..field.length.len()]);
            out.extend_from_slice(field.bytes);
        }
        let start = out.len();
        out.resize(start + headers_size(self.headers), 0);
        write_headers(self.headers, &mut out[start..]);
    }
}

impl<'a> Field<'a> {
    #[inline(always)]
    fn new(field: Option<&'a [u8]>) -> Self {
        let length = match field {
            Some(bytes) => ShortBytes::varint(zigzag_length(bytes.len())),
            None => ShortBytes::short_varint(varint::zigzag(NULL_LENGTH)),
        };
        Self { bytes: field.unwrap_or_default(), length, size: size_of_field(field) }
    }

    #[inline(always)]
    fn encoded_size(self) -> usize {
        self.length.len() + self.bytes.len()
    }

    /// Writes it to the start of `out`; returns how many bytes it took.
    #[inline(always)]
    fn write(self, out: &mut [u8]) -> usize {
        self.length.write(out);
        if !self.bytes.is_empty() {
            out[self.length.len()..self.encoded_size()].copy_from_slice(self.bytes);
        }
        self.encoded_size()
    }
}

impl RecordPrefix {
    /// Of a record that takes `variable_size` bytes from its key on, at the given distance from the batch's first.
    #[inline(always)]
    pub(crate) fn new(timestamp_delta: i64, offset_delta: u32, variable_size: usize) -> Self {
        let timestamp_delta = varint::zigzag(timestamp_delta);
        let offset_delta = u64::from(offset_delta) << 1;
        if (timestamp_delta | offset_delta) < ShortBytes::LIMIT {
            let bytes = ShortBytes::short_varint(ATTRIBUTES)
                .then(ShortBytes::short_varint(timestamp_delta))
                .then(ShortBytes::short_varint(offset_delta));
            let body_size = bytes.len() + variable_size;
            if body_size < SHORT_BODY {
                let bytes = ShortBytes::short_varint(zigzag_length(body_size)).then(bytes);
                return Self { bytes, body_size, timestamp_delta, offset_delta };
            }
        }
        let sizes = [ATTRIBUTES, timestamp_delta, offset_delta].map(varint::unsigned_size);
        let body_size = sizes.iter().sum::<usize>() + variable_size;
        Self { bytes: ShortBytes::default(), body_size, timestamp_delta, offset_delta }
    }

    /// What the whole record takes.
    #[inline(always)]
    pub(crate) fn record_size(self) -> usize {
        varint::unsigned_size(zigzag_length(self.body_size)) + self.body_size
    }

    /// Writes it to the start of `out`, and perhaps zeros behind it; returns how many bytes it took.
    #[inline(always)]
    pub(crate) fn write(self, out: &mut [u8]) -> usize {
        match self.bytes.len() {
            0 => self.write_long(out),
            length => {
                self.bytes.write(out);
                length
            }
        }
    }

    #[inline(never)]
    fn write_long(self, out: &mut [u8]) -> usize {
        let Self { body_size, timestamp_delta, offset_delta, .. } = self;
        let mut end = 0;
        for value in [zigzag_length(body_size), ATTRIBUTES, timestamp_delta, offset_delta] {
            end += varint::put(value, &mut out[end..]);
        }
        end
    }
}

/// The length of a body that is shorter takes two bytes at most, so that with one for the attributes and two for each delta
/// the prefix fits into eight.
const SHORT_BODY: usize = 1 << 13;

#[inline(always)]
fn headers_size(headers: &Headers<'_>) -> usize {
    if headers.is_empty() { 1 } else { size_of_some_headers(headers) }
}

#[inline(never)]
fn size_of_some_headers(headers: &Headers<'_>) -> usize {
    let sizes = headers.iter().map(|header| {
        length_size(header.key().len())
            + header.key().len()
            + Field::new(header.value()).encoded_size()
    });
    length_size(headers.len()) + sizes.sum::<usize>()
}

/// A length as metadata tells it: -1 for null.
#[inline(always)]
pub(crate) fn size_of_field(field: Option<&[u8]>) -> i32 {
    field.map_or(-1, |bytes| i32::try_from(bytes.len()).unwrap_or(i32::MAX))
}

#[cold]
fn write_headers(headers: &Headers<'_>, out: &mut [u8]) {
    let mut end = varint::put(zigzag_length(headers.len()), out);
    for header in headers {
        end += Field::new(Some(header.key().as_bytes())).write(&mut out[end..]);
        end += Field::new(header.value()).write(&mut out[end..]);
    }
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
        for (delta, offset) in deltas.iter().flat_map(|delta| offsets.map(|it| (*delta, it))) {
            for variable_size in [3, 60, 61, 8185, 8190, 1 << 30] {
                let mut body = vec![0];
                varint::write_unsigned(varint::zigzag(delta), &mut body);
                varint::write_unsigned(u64::from(offset) << 1, &mut body);
                let mut expected = Vec::new();
                let body_size = body.len() + variable_size;
                varint::write_unsigned((body_size as u64) << 1, &mut expected);
                expected.append(&mut body);

                let prefix = RecordPrefix::new(delta, offset, variable_size);
                let tried = format!("{prefix:?} of {delta}, {offset}, {variable_size}");
                assert_eq!(prefix.record_size(), expected.len() + variable_size, "{tried}");
                for room in [40, expected.len()] {
                    let mut out = vec![0xff; room];
                    let size = prefix.write(&mut out);
                    assert_eq!(out[..size], expected, "{tried} in {room}");
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
            record.extend(prefix, &mut extended);

            assert_eq!(extended.len(), 3 + prefix.record_size());
            for room in [prefix.record_size(), prefix.record_size() + 100] {
                let mut out = vec![0xff; room];
                record.write(prefix, &mut out);
                assert_eq!(extended[3..], out[..prefix.record_size()], "{length} in {room}");
            }
            headers.add(Header::new("h", Some([8; 3].as_slice()))); // with one more each time
        }
    }
}
