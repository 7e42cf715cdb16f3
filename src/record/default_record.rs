//! Mirrors `org.apache.kafka.common.record.DefaultRecord`: one record of a version 2 batch.

use crate::common::header::Headers;
use crate::record::default_record_batch::RECORD_BATCH_OVERHEAD;
use crate::utils::varint;

/// The most that a record takes beside key, value and headers: length, attributes, timestamp and offset.
const MAX_RECORD_OVERHEAD: usize = 21;
/// What stands for the length of a null key or value.
const NULL_LENGTH: i64 = -1;

/// A record's contents, as they go into a batch. `None` is null, which differs from empty.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordContents<'a> {
    pub(crate) timestamp_ms: i64,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: &'a Headers<'a>,
}

impl RecordContents<'_> {
    /// The most that a batch of this record alone can take, in bytes.
    pub(crate) fn batch_size_upper_bound(&self) -> usize {
        RECORD_BATCH_OVERHEAD + MAX_RECORD_OVERHEAD + self.variable_size()
    }

    /// The bytes of key, value and headers with their lengths.
    fn variable_size(&self) -> usize {
        field_size(self.key) + field_size(self.value) + headers_size(self.headers)
    }

    /// The bytes of the record behind its length, at the given distance from the batch's first.
    pub(crate) fn body_size(&self, timestamp_delta: i64, offset_delta: u32) -> usize {
        prefix_size(timestamp_delta, offset_delta) + self.variable_size()
    }

    /// Appends the record, of which [`body_size`](Self::body_size) was `body_size`.
    pub(crate) fn write(
        &self,
        body_size: usize,
        timestamp_delta: i64,
        offset_delta: u32,
        out: &mut Vec<u8>,
    ) {
        write_prefix(body_size, timestamp_delta, offset_delta, out);
        write_field(self.key, out);
        write_field(self.value, out);
        write_length(self.headers.len(), out);
        for header in self.headers {
            write_length(header.key().len(), out);
            out.extend_from_slice(header.key().as_bytes());
            write_field(header.value(), out);
        }
    }
}

/// The bytes between a record's length and its key.
pub(crate) fn prefix_size(timestamp_delta: i64, offset_delta: u32) -> usize {
    1 + varint::size(timestamp_delta) + varint::size(i64::from(offset_delta))
}

/// Appends a record's length and what stands between it and the key.
pub(crate) fn write_prefix(
    body_size: usize,
    timestamp_delta: i64,
    offset_delta: u32,
    out: &mut Vec<u8>,
) {
    write_length(body_size, out);
    out.push(0); // attributes: none are defined
    varint::write(timestamp_delta, out);
    varint::write(i64::from(offset_delta), out);
}

fn headers_size(headers: &Headers<'_>) -> usize {
    let sizes = headers.iter().map(|header| {
        length_size(header.key().len()) + header.key().len() + field_size(header.value())
    });
    length_size(headers.len()) + sizes.sum::<usize>()
}

fn field_size(field: Option<&[u8]>) -> usize {
    field.map_or(1, |bytes| length_size(bytes.len()) + bytes.len())
}

fn length_size(length: usize) -> usize {
    varint::unsigned_size((length as u64) << 1)
}

fn write_field(field: Option<&[u8]>, out: &mut Vec<u8>) {
    match field {
        Some(bytes) => {
            write_length(bytes.len(), out);
            out.extend_from_slice(bytes);
        }
        None => varint::write(NULL_LENGTH, out),
    }
}

/// Zig-zag of a number that is not negative.
fn write_length(length: usize, out: &mut Vec<u8>) {
    varint::write_unsigned((length as u64) << 1, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::header::Header;

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

        for (length, expected) in cases {
            let value = vec![0; length];
            let record = RecordContents {
                timestamp_ms: 0,
                key: None,
                value: Some(&value),
                headers: &Headers::new(),
            };
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
        let record = RecordContents {
            timestamp_ms: 0,
            key: Some(&key),
            value: Some(&value),
            headers: &headers,
        };

        assert_eq!(record.batch_size_upper_bound(), 208);
    }

    #[test]
    fn writes_as_many_bytes_as_it_announced() {
        let headers = Headers::new();
        for length in [0, 1, 63, 64, 8191, 8192, 100_000] {
            let value = vec![7; length];
            let record = RecordContents {
                timestamp_ms: 5,
                key: Some(b"k"),
                value: Some(&value),
                headers: &headers,
            };
            let body = record.body_size(-300, 200);
            let mut out = Vec::new();
            record.write(body, -300, 200, &mut out);

            assert_eq!(out.len(), length_size(body) + body);
        }
    }
}
