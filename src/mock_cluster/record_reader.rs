//! Reads the records inside a batch: the broker's own reading of the format, shared with no code of the client.

/// One record, borrowed from its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordView<'a> {
    /// Added to the batch's base timestamp.
    pub(super) timestamp_delta: i64,
    /// Added to the batch's base offset.
    pub(super) offset_delta: i64,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    header_count: i64,
    header_bytes: &'a [u8],
}

impl<'a> RecordView<'a> {
    /// The headers in order; they were checked when the record was read.
    pub(super) fn headers(&self) -> Vec<(&'a [u8], Option<&'a [u8]>)> {
        let mut cursor = Cursor(self.header_bytes);
        (0..self.header_count).map_while(|_| cursor.header()).collect()
    }
}

/// The record at the start of `bytes` and what follows it; `None` if it is not exactly as long as it claims.
pub(super) fn read_record(bytes: &[u8]) -> Option<(RecordView<'_>, &[u8])> {
    let mut cursor = Cursor(bytes);
    let length = usize::try_from(cursor.varint(MAX_VARINT_BYTES)?).ok()?;
    let (record, rest) = cursor.0.split_at_checked(length)?;
    Some((read_fields(record)?, rest))
}

fn read_fields(record: &[u8]) -> Option<RecordView<'_>> {
    let mut cursor = Cursor(record);
    cursor.take(1)?; // the attributes, of which none is in use
    let timestamp_delta = cursor.varint(MAX_VARLONG_BYTES)?;
    let offset_delta = cursor.varint(MAX_VARINT_BYTES)?;
    let key = cursor.nullable_bytes()?;
    let value = cursor.nullable_bytes()?;
    let header_count = cursor.varint(MAX_VARINT_BYTES)?;
    let header_bytes = cursor.0;
    if header_count < 0 {
        return None;
    }
    for _ in 0..header_count {
        cursor.header()?;
    }
    let is_used_up = cursor.0.is_empty();
    is_used_up.then_some(RecordView {
        timestamp_delta,
        offset_delta,
        key,
        value,
        header_count,
        header_bytes,
    })
}

/// What of a batch is still to be read.
struct Cursor<'a>(&'a [u8]);

const MAX_VARINT_BYTES: u32 = 5;
const MAX_VARLONG_BYTES: u32 = 10;

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// A signed number in zig-zag form: 0, -1, 1, -2, … are 0, 1, 2, 3, … in groups of seven bits, lowest first.
    fn varint(&mut self, max_bytes: u32) -> Option<i64> {
        let (byte, rest) = self.0.split_first()?;
        if *byte >= 0x80 {
            return self.long_varint(max_bytes);
        }
        self.0 = rest;
        Some(unzigzag(u64::from(*byte)))
    }

    fn long_varint(&mut self, max_bytes: u32) -> Option<i64> {
        let mut value = 0_u64;
        for group in 0..max_bytes {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << (7 * group);
            if *byte < 0x80 {
                return Some(unzigzag(value));
            }
        }
        None
    }

    /// Outer `None`: malformed. Inner `None`: null, written as length -1.
    #[expect(clippy::option_option, reason = "malformed and null are different answers")]
    fn nullable_bytes(&mut self) -> Option<Option<&'a [u8]>> {
        match self.varint(MAX_VARINT_BYTES)? {
            -1 => Some(None),
            length => Some(Some(self.take(usize::try_from(length).ok()?)?)),
        }
    }

    fn header(&mut self) -> Option<(&'a [u8], Option<&'a [u8]>)> {
        Some((self.nullable_bytes()??, self.nullable_bytes()?))
    }
}

#[expect(clippy::cast_possible_wrap, reason = "neither operand has its highest bit set")]
fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_record_and_leaves_the_next() {
        // Length 15: attributes, timestamp delta 5, offset delta 1, null key, value "ab", headers h=x and i=null.
        let bytes = b"\x1e\x00\x0a\x02\x01\x04ab\x04\x02h\x02x\x02i\x01";
        let mut stream = bytes.to_vec();
        stream.extend_from_slice(b"next");

        let (record, rest) = read_record(&stream).unwrap();

        assert_eq!((record.timestamp_delta, record.offset_delta), (5, 1));
        assert_eq!((record.key, record.value), (None, Some(b"ab".as_slice())));
        assert_eq!(
            record.headers(),
            [(b"h".as_slice(), Some(b"x".as_slice())), (b"i".as_slice(), None)]
        );
        assert_eq!(rest, b"next");
    }

    #[test]
    fn refuses_a_record_of_another_length_than_it_claims() {
        for bytes in [
            b"\x0e\x00\x00\x00\x01\x01\x00\x00".as_slice(), // one byte more than its fields
            b"\x0a\x00\x00\x00\x01\x01".as_slice(),         // no header count
            b"\x20\x00\x00\x00\x01\x01\x00".as_slice(),     // beyond the end
            b"\x0c\x00\x00\x00\x03\x01\x00".as_slice(),     // key of length -2
            b"\x0c\x00\x00\x00\x01\x01\x01".as_slice(),     // -1 headers
            b"\x0c\x00\x00\x00\x01\x01\x02".as_slice(),     // one header, but none there
            b"\x10\x00\x00\x00\x01\x01\x02\x01\x01".as_slice(), // a header without a name
            b"\x01".as_slice(),                             // length -1
            b"".as_slice(),
        ] {
            assert_eq!(read_record(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn reads_the_extremes_of_a_timestamp_delta() {
        for (bytes, expected) in [
            (b"\x1e\x00\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00\x01\x01\x00", i64::MAX),
            (b"\x1e\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00\x01\x01\x00", i64::MIN),
        ] {
            assert_eq!(read_record(bytes).unwrap().0.timestamp_delta, expected);
        }
    }
}
