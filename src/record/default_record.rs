//! Mirrors `org.apache.kafka.common.record.DefaultRecord`: one record of a version 2 batch.

use crate::common::header::Headers;
use crate::record::default_record_batch::RECORD_BATCH_OVERHEAD;
use crate::utils::varint::{self, ShortVarints};

/// None are defined.
const ATTRIBUTES: u64 = 0;
/// The most that a record takes beside key, value and headers: length, attributes, timestamp and offset.
const MAX_RECORD_OVERHEAD: usize = 21;
/// The most that the length of a key or value takes.
const MAX_LENGTH_BYTES: usize = 10;
/// What stands for the length of a null key or value.
const NULL_LENGTH: i64 = -1;

/// A record's contents, as they go into a batch. `None` is null, which differs from empty.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordContents<'a> {
    pub(crate) timestamp_ms: i64,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: &'a Headers<'a>,
    /// The bytes of key, value and headers with their lengths.
    variable_size: usize,
}

impl<'a> RecordContents<'a> {
    #[inline(always)]
    pub(crate) fn new(
        timestamp_ms: i64,
        key: Option<&'a [u8]>,
        value: Option<&'a [u8]>,
        headers: &'a Headers<'a>,
    ) -> Self {
        let variable_size = field_size(key) + field_size(value) + headers_size(headers);
        Self { timestamp_ms, key, value, headers, variable_size }
    }

    /// The most that a batch of this record alone can take, in bytes.
    #[inline]
    pub(crate) fn batch_size_upper_bound(&self) -> usize {
        RECORD_BATCH_OVERHEAD + MAX_RECORD_OVERHEAD + self.variable_size
    }

    /// The bytes of the record behind its length, at the given distance from the batch's first.
    #[inline(always)]
    pub(crate) fn body_size(&self, timestamp_delta: i64, offset_delta: u32) -> usize {
        prefix_size(timestamp_delta, offset_delta) + self.variable_size
    }

    /// Writes the record, of which [`body_size`](Self::body_size) was `body_size`, to the start of `out`, which has room
    /// for it; returns how many bytes it took.
    ///
    /// Straight to its place: what is put together elsewhere byte by byte and copied then costs a stall.
    #[inline(always)]
    pub(crate) fn write(
        &self,
        body_size: usize,
        timestamp_delta: i64,
        offset_delta: u32,
        out: &mut [u8],
    ) -> usize {
        let mut end = write_prefix(body_size, timestamp_delta, offset_delta, out);
        end += write_field(self.key, &mut out[end..]);
        end += write_field(self.value, &mut out[end..]);
        if self.headers.is_empty() {
            out[end] = 0;
            return end + 1;
        }
        end + write_headers(self.headers, &mut out[end..])
    }
}

impl RecordContents<'_> {
    /// As [`write`](Self::write), to the end of `out`: what is large should not be written twice, first as zeros.
    pub(crate) fn extend(
        &self,
        body_size: usize,
        timestamp_delta: i64,
        offset_delta: u32,
        out: &mut Vec<u8>,
    ) {
        let mut prefix = [0; MAX_RECORD_OVERHEAD];
        let size = write_prefix(body_size, timestamp_delta, offset_delta, &mut prefix);
        out.extend_from_slice(&prefix[..size]);
        for field in [self.key, self.value] {
            let mut length = [0; MAX_LENGTH_BYTES];
            let size = write_field_length(field, &mut length);
            out.extend_from_slice(&length[..size]);
            out.extend_from_slice(field.unwrap_or_default());
        }
        let start = out.len();
        out.resize(start + headers_size(self.headers), 0);
        write_headers(self.headers, &mut out[start..]);
    }
}

/// The bytes between a record's length and its key.
#[inline(always)]
pub(crate) fn prefix_size(timestamp_delta: i64, offset_delta: u32) -> usize {
    1 + varint::size(timestamp_delta) + varint::size(i64::from(offset_delta))
}

/// Writes a record's length and what stands between it and the key to the start of `out`; returns how many bytes it
/// took.
#[inline(always)]
pub(crate) fn write_prefix(
    body_size: usize,
    timestamp_delta: i64,
    offset_delta: u32,
    out: &mut [u8],
) -> usize {
    let length = (body_size as u64) << 1;
    let (time, place) = (varint::zigzag(timestamp_delta), u64::from(offset_delta) << 1);
    match out.first_chunk_mut() {
        Some(out) if (length | time | place) < ShortVarints::LIMIT => {
            let mut varints = ShortVarints::default();
            varints.push(length);
            varints.push(ATTRIBUTES);
            varints.push(time);
            varints.push(place);
            varints.write(out)
        }
        _ => write_long_prefix([length, ATTRIBUTES, time, place], out),
    }
}

#[inline(never)]
fn write_long_prefix(values: [u64; 4], out: &mut [u8]) -> usize {
    let mut end = 0;
    for value in values {
        end += varint::put(value, &mut out[end..]);
    }
    end
}

#[inline(always)]
fn headers_size(headers: &Headers<'_>) -> usize {
    if headers.is_empty() { 1 } else { size_of_some_headers(headers) }
}

#[inline(never)]
fn size_of_some_headers(headers: &Headers<'_>) -> usize {
    let sizes = headers.iter().map(|header| {
        length_size(header.key().len()) + header.key().len() + field_size(header.value())
    });
    length_size(headers.len()) + sizes.sum::<usize>()
}

#[cold]
fn write_headers(headers: &Headers<'_>, out: &mut [u8]) -> usize {
    let mut end = write_length(headers.len(), out);
    for header in headers {
        end += write_field(Some(header.key().as_bytes()), &mut out[end..]);
        end += write_field(header.value(), &mut out[end..]);
    }
    end
}

#[inline]
fn field_size(field: Option<&[u8]>) -> usize {
    field.map_or(1, |bytes| length_size(bytes.len()) + bytes.len())
}

#[inline]
fn length_size(length: usize) -> usize {
    varint::unsigned_size((length as u64) << 1)
}

#[inline(always)]
fn write_field(field: Option<&[u8]>, out: &mut [u8]) -> usize {
    let start = write_field_length(field, out);
    let Some(bytes) = field else {
        return start;
    };
    out[start..start + bytes.len()].copy_from_slice(bytes);
    start + bytes.len()
}

#[inline(always)]
fn write_field_length(field: Option<&[u8]>, out: &mut [u8]) -> usize {
    match field {
        Some(bytes) => write_length(bytes.len(), out),
        None => varint::put(varint::zigzag(NULL_LENGTH), out),
    }
}

/// Zig-zag of a number that is not negative.
#[inline(always)]
fn write_length(length: usize, out: &mut [u8]) -> usize {
    varint::put((length as u64) << 1, out)
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
            for body_size in [7, 64, 8191, 8192, 1 << 30] {
                let mut expected = Vec::new();
                varint::write_unsigned(body_size << 1, &mut expected);
                expected.push(0);
                varint::write_unsigned(varint::zigzag(delta), &mut expected);
                varint::write_unsigned(u64::from(offset) << 1, &mut expected);

                for room in [40, expected.len()] {
                    let mut out = vec![0xff; room];
                    let body_size = usize::try_from(body_size).expect("32 bits");
                    let size = write_prefix(body_size, delta, offset, &mut out);
                    assert_eq!(out[..size], expected, "{body_size} {delta} {offset} in {room}");
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
            let body = record.body_size(-300, 200);
            let mut out = vec![0; length + 100];

            let written = record.write(body, -300, 200, &mut out);

            assert_eq!(written, length_size(body) + body);
            let mut extended = vec![1, 2, 3];
            record.extend(body, -300, 200, &mut extended);
            assert_eq!(extended[3..], out[..written]);
            headers.add(Header::new("h", Some([8; 3].as_slice()))); // with one more each time
        }
    }
}
