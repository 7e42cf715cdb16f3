//! Values to bytes. Mirrors `org.apache.kafka.common.protocol.Writable`.

use crate::common::uuid::Uuid;
use crate::error::ErrorCode;
use crate::protocol::encoding::Encoding;
use crate::utils::varint;

/// The longest string that every version can carry. Whoever accepts a string from a user refuses longer ones.
pub(crate) const MAX_STRING_BYTES: usize = i16::MAX as usize;

/// A tagged field: its tag and its bytes.
#[derive(Debug)]
pub(crate) struct TaggedField {
    tag: u32,
    bytes: Vec<u8>,
}

impl TaggedField {
    /// The field `tag` with the bytes that `put` writes.
    pub(crate) fn new(tag: u32, put: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut bytes = Vec::new();
        put(&mut bytes);
        Self { tag, bytes }
    }
}

/// Appends a message's values to its bytes.
///
/// # Panics
///
/// The methods that write a length do so if it does not fit: [`MAX_STRING_BYTES`] for strings in the classic
/// encoding, 2 GiB for all else.
pub(crate) trait Writable {
    fn put_bool(&mut self, value: bool);
    fn put_i16(&mut self, value: i16);
    fn put_i32(&mut self, value: i32);
    fn put_i64(&mut self, value: i64);
    fn put_uuid(&mut self, value: Uuid);
    fn put_error_code(&mut self, value: ErrorCode);
    fn put_unsigned_varint(&mut self, value: u32);
    fn put_string(&mut self, value: &str, encoding: Encoding);
    fn put_nullable_string(&mut self, value: Option<&str>, encoding: Encoding);

    /// The length of a byte field or the count of an array; `None` is null.
    fn put_length(&mut self, length: Option<usize>, encoding: Encoding);

    /// The count of `elements`, then what `put` writes for each.
    fn put_array<T>(&mut self, elements: &[T], encoding: Encoding, put: impl FnMut(&T, &mut Self));

    /// The tagged fields that end a flexible structure, in ascending order of tags; nothing in a classic one.
    fn put_tags(&mut self, fields: &[TaggedField], encoding: Encoding);

    /// As [`put_tags`](Self::put_tags), of a structure that has none.
    fn put_no_tags(&mut self, encoding: Encoding) {
        self.put_tags(&[], encoding);
    }
}

impl Writable for Vec<u8> {
    fn put_bool(&mut self, value: bool) {
        self.push(u8::from(value));
    }

    fn put_i16(&mut self, value: i16) {
        self.extend_from_slice(&value.to_be_bytes());
    }

    fn put_i32(&mut self, value: i32) {
        self.extend_from_slice(&value.to_be_bytes());
    }

    fn put_i64(&mut self, value: i64) {
        self.extend_from_slice(&value.to_be_bytes());
    }

    fn put_uuid(&mut self, value: Uuid) {
        self.extend_from_slice(value.as_bytes());
    }

    fn put_error_code(&mut self, value: ErrorCode) {
        self.put_i16(value.code());
    }

    fn put_unsigned_varint(&mut self, value: u32) {
        varint::write_unsigned(u64::from(value), self);
    }

    fn put_string(&mut self, value: &str, encoding: Encoding) {
        self.put_nullable_string(Some(value), encoding);
    }

    fn put_nullable_string(&mut self, value: Option<&str>, encoding: Encoding) {
        let length = value.map(str::len);
        match encoding {
            Encoding::Classic => self.put_i16(length.map_or(-1, string_length)),
            Encoding::Flexible => self.put_length(length, encoding),
        }
        self.extend_from_slice(value.unwrap_or_default().as_bytes());
    }

    fn put_length(&mut self, length: Option<usize>, encoding: Encoding) {
        let length = length.map_or(-1, wide_length);
        match encoding {
            Encoding::Classic => self.put_i32(length),
            Encoding::Flexible => self.put_unsigned_varint((length + 1).unsigned_abs()),
        }
    }

    fn put_array<T>(
        &mut self,
        elements: &[T],
        encoding: Encoding,
        mut put: impl FnMut(&T, &mut Self),
    ) {
        self.put_length(Some(elements.len()), encoding);
        for element in elements {
            put(element, self);
        }
    }

    fn put_tags(&mut self, fields: &[TaggedField], encoding: Encoding) {
        if encoding == Encoding::Classic {
            return;
        }
        self.put_unsigned_varint(wide_length(fields.len()).unsigned_abs());
        for field in fields {
            self.put_unsigned_varint(field.tag);
            self.put_unsigned_varint(wide_length(field.bytes.len()).unsigned_abs());
            self.extend_from_slice(&field.bytes);
        }
    }
}

#[expect(clippy::expect_used, reason = "strings from users are checked where they are accepted")]
fn string_length(length: usize) -> i16 {
    i16::try_from(length).expect("a string of at most 32767 bytes")
}

#[expect(clippy::expect_used, reason = "max.request.size keeps every request below 2 GiB")]
fn wide_length(length: usize) -> i32 {
    i32::try_from(length).ok().filter(|length| *length < i32::MAX).expect("a length below 2 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_null_and_empty_apart() {
        let check = |value, encoding, expected: &[u8]| {
            let mut out = Vec::new();
            out.put_nullable_string(value, encoding);
            assert_eq!(out, expected, "{value:?} {encoding:?}");
        };

        check(None, Encoding::Classic, &[0xff, 0xff]);
        check(Some(""), Encoding::Classic, &[0, 0]);
        check(Some("é"), Encoding::Classic, &[0, 2, 0xc3, 0xa9]);
        check(None, Encoding::Flexible, &[0]);
        check(Some(""), Encoding::Flexible, &[1]);
        check(Some("é"), Encoding::Flexible, &[3, 0xc3, 0xa9]);
    }

    #[test]
    fn writes_tagged_fields_only_where_there_are_any() {
        let fields = [TaggedField::new(0, |out| out.put_i16(7)), TaggedField::new(300, |_| ())];
        let (mut classic, mut flexible) = (Vec::new(), Vec::new());

        classic.put_tags(&fields, Encoding::Classic);
        flexible.put_tags(&fields, Encoding::Flexible);

        assert!(classic.is_empty());
        assert_eq!(flexible, [2, 0, 2, 0, 7, 0xac, 0x02, 0]);
    }

    #[test]
    #[should_panic(expected = "a string of at most 32767 bytes")]
    fn a_string_too_long_for_its_length_is_a_bug_of_ours() {
        Vec::new().put_string(&"x".repeat(MAX_STRING_BYTES + 1), Encoding::Classic);
    }
}
