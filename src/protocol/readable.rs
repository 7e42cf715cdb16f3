//! Bytes to values. Mirrors `org.apache.kafka.common.protocol.Readable`.
//!
//! What is read came from the network: every length is checked against the bytes that are left before anything is
//! allocated for it, and nothing here panics.

use std::fmt;

use byteorder::{BigEndian, ByteOrder};

use crate::common::uuid::Uuid;
use crate::error::ErrorCode;
use crate::protocol::encoding::Encoding;
use crate::utils::varint;

/// Bytes that are not the message they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DecodeError {
    /// How many bytes had been read.
    pub(crate) position: usize,
    pub(crate) problem: DecodeProblem,
}

/// What is wrong with the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DecodeProblem {
    /// A value, or the length or count of one, reaches past the end.
    CutOff,
    /// A length below -1.
    NegativeLength,
    /// Null for what may not be null.
    Null,
    /// A varint of more than 32 bits.
    LongVarint,
    /// A string that is not UTF-8.
    NotUtf8,
    /// A request for an API that we do not speak.
    UnknownApi(i16),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problem {
            DecodeProblem::CutOff => formatter.write_str("data ends too early"),
            DecodeProblem::NegativeLength => formatter.write_str("negative length"),
            DecodeProblem::Null => formatter.write_str("null where a value must be"),
            DecodeProblem::LongVarint => formatter.write_str("varint of more than 32 bits"),
            DecodeProblem::NotUtf8 => formatter.write_str("string is not UTF-8"),
            DecodeProblem::UnknownApi(id) => write!(formatter, "unknown API {id}"),
        }?;
        write!(formatter, " (at byte {})", self.position)
    }
}

impl std::error::Error for DecodeError {}

/// Reads a message's values from its bytes, front to back.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    data: &'a [u8],
    /// Never beyond the end of `data`.
    position: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self { data, position: 0 }
    }

    /// How many bytes have not been read.
    pub(crate) fn remaining(&self) -> usize {
        self.data.len() - self.position
    }

    /// The error `problem` at the present position.
    pub(crate) fn error(&self, problem: DecodeProblem) -> DecodeError {
        DecodeError { position: self.position, problem }
    }

    pub(crate) fn read_bool(&mut self) -> Result<bool, DecodeError> {
        Ok(self.take(1)? != [0])
    }

    pub(crate) fn read_i16(&mut self) -> Result<i16, DecodeError> {
        self.take(2).map(BigEndian::read_i16)
    }

    pub(crate) fn read_i32(&mut self) -> Result<i32, DecodeError> {
        self.take(4).map(BigEndian::read_i32)
    }

    pub(crate) fn read_i64(&mut self) -> Result<i64, DecodeError> {
        self.take(8).map(BigEndian::read_i64)
    }

    pub(crate) fn read_uuid(&mut self) -> Result<Uuid, DecodeError> {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(self.take(16)?);
        Ok(Uuid::from_bytes(bytes))
    }

    pub(crate) fn read_error_code(&mut self) -> Result<ErrorCode, DecodeError> {
        self.read_i16().map(ErrorCode::from_code)
    }

    pub(crate) fn read_unsigned_varint(&mut self) -> Result<u32, DecodeError> {
        let rest = &self.data[self.position..];
        let Some((value, length)) = varint::read_unsigned(rest, varint::MAX_VARINT_BYTES) else {
            let cut_off = rest.len() < varint::MAX_VARINT_BYTES;
            let problem = if cut_off { DecodeProblem::CutOff } else { DecodeProblem::LongVarint };
            return Err(self.error(problem));
        };
        let value = u32::try_from(value).map_err(|_| self.error(DecodeProblem::LongVarint))?;
        self.position += length;
        Ok(value)
    }

    pub(crate) fn read_string(&mut self, encoding: Encoding) -> Result<String, DecodeError> {
        self.read_str(encoding).map(str::to_owned)
    }

    pub(crate) fn read_nullable_string(
        &mut self,
        encoding: Encoding,
    ) -> Result<Option<String>, DecodeError> {
        Ok(self.read_nullable_str(encoding)?.map(str::to_owned))
    }

    pub(crate) fn read_str(&mut self, encoding: Encoding) -> Result<&'a str, DecodeError> {
        self.read_nullable_str(encoding)?.ok_or_else(|| self.error(DecodeProblem::Null))
    }

    pub(crate) fn read_nullable_str(
        &mut self,
        encoding: Encoding,
    ) -> Result<Option<&'a str>, DecodeError> {
        let length = match encoding {
            Encoding::Classic => {
                let length = self.read_i16()?;
                self.classic_length(i32::from(length))?
            }
            Encoding::Flexible => self.read_compact_length()?,
        };
        let Some(length) = length else { return Ok(None) };
        let bytes = self.take(length)?;
        let text = std::str::from_utf8(bytes).map_err(|_| self.error(DecodeProblem::NotUtf8))?;
        Ok(Some(text))
    }

    pub(crate) fn read_nullable_bytes(
        &mut self,
        encoding: Encoding,
    ) -> Result<Option<&'a [u8]>, DecodeError> {
        self.read_length(encoding)?.map(|length| self.take(length)).transpose()
    }

    pub(crate) fn read_array<T>(
        &mut self,
        encoding: Encoding,
        read: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        self.read_nullable_array(encoding, read)?.ok_or_else(|| self.error(DecodeProblem::Null))
    }

    pub(crate) fn read_nullable_array<T>(
        &mut self,
        encoding: Encoding,
        mut read: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        let Some(count) = self.read_length(encoding)? else { return Ok(None) };
        // No element takes less than a byte, but most take more room in memory than here: what is set aside at first is
        // no larger than the data that are left.
        if count > self.remaining() {
            return Err(self.error(DecodeProblem::CutOff));
        }
        let affordable = self.remaining() / size_of::<T>().max(1);
        let mut elements = Vec::with_capacity(count.min(affordable));
        for _ in 0..count {
            elements.push(read(self)?);
        }
        Ok(Some(elements))
    }

    /// Reads the tagged fields that end a flexible structure; nothing in a classic one.
    ///
    /// `read` is given each field's tag and a reader of just its bytes; what it leaves unread is skipped.
    pub(crate) fn read_tags(
        &mut self,
        encoding: Encoding,
        mut read: impl FnMut(u32, &mut Self) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        if encoding == Encoding::Classic {
            return Ok(());
        }
        let count = self.read_unsigned_varint()?;
        for _ in 0..count {
            let tag = self.read_unsigned_varint()?;
            let size = self.read_unsigned_varint()? as usize;
            let start = self.position;
            self.take(size)?;
            read(tag, &mut Self { data: &self.data[..self.position], position: start })?;
        }
        Ok(())
    }

    /// As [`read_tags`](Self::read_tags), of a structure of which we know no tags.
    pub(crate) fn skip_tags(&mut self, encoding: Encoding) -> Result<(), DecodeError> {
        self.read_tags(encoding, |_, _| Ok(()))
    }

    /// The length of a byte field or the count of an array; `None` is null.
    fn read_length(&mut self, encoding: Encoding) -> Result<Option<usize>, DecodeError> {
        match encoding {
            Encoding::Classic => {
                let length = self.read_i32()?;
                self.classic_length(length)
            }
            Encoding::Flexible => self.read_compact_length(),
        }
    }

    fn classic_length(&self, length: i32) -> Result<Option<usize>, DecodeError> {
        if length == -1 {
            return Ok(None);
        }
        let length =
            usize::try_from(length).map_err(|_| self.error(DecodeProblem::NegativeLength))?;
        Ok(Some(length))
    }

    fn read_compact_length(&mut self) -> Result<Option<usize>, DecodeError> {
        Ok((self.read_unsigned_varint()? as usize).checked_sub(1))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let Some(taken) = self.data[self.position..].get(..length) else {
            return Err(self.error(DecodeProblem::CutOff));
        };
        self.position += length;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_null_from_empty() {
        let read = |bytes, encoding| Reader::new(bytes).read_nullable_str(encoding);

        assert_eq!(read(&[0xff, 0xff], Encoding::Classic), Ok(None));
        assert_eq!(read(&[0, 0], Encoding::Classic), Ok(Some("")));
        assert_eq!(read(&[0], Encoding::Flexible), Ok(None));
        assert_eq!(read(&[1], Encoding::Flexible), Ok(Some("")));
    }

    #[test]
    fn refuses_null_for_what_may_not_be_null() {
        let string = Reader::new(&[0xff, 0xff]).read_string(Encoding::Classic);
        let array = Reader::new(&[0]).read_array(Encoding::Flexible, Reader::read_i32);

        assert_eq!(string.unwrap_err().problem, DecodeProblem::Null);
        assert_eq!(array.unwrap_err().problem, DecodeProblem::Null);
    }

    #[test]
    fn refuses_a_length_below_minus_one() {
        let error = Reader::new(&[0xff, 0xfe]).read_nullable_str(Encoding::Classic).unwrap_err();

        assert_eq!(error.problem, DecodeProblem::NegativeLength);
        assert_eq!(error.to_string(), "negative length (at byte 2)");
    }

    #[test]
    fn refuses_a_count_beyond_the_data_before_allocating_for_it() {
        let claims = [0x7f, 0xff, 0xff, 0xff, 1, 2, 3];
        let array = Reader::new(&claims).read_array(Encoding::Classic, Reader::read_uuid);

        assert_eq!(array.unwrap_err().problem, DecodeProblem::CutOff);
    }

    #[test]
    fn tells_a_varint_cut_off_from_one_too_long() {
        let read = |bytes| Reader::new(bytes).read_unsigned_varint().map_err(|e| e.problem);

        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0x0f]), Ok(u32::MAX));
        assert_eq!(read(&[0x80]), Err(DecodeProblem::CutOff));
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0x1f]), Err(DecodeProblem::LongVarint));
        assert_eq!(read(&[0x80; 6]), Err(DecodeProblem::LongVarint));
    }

    #[test]
    fn skips_tags_it_does_not_know_and_what_a_known_one_leaves_over() {
        let bytes = [2, 0, 3, 0, 7, 9, 5, 1, 0xaa, 42];
        let mut reader = Reader::new(&bytes);
        let mut known = None;

        let read = reader.read_tags(Encoding::Flexible, |tag, field| {
            if tag == 0 {
                known = Some(field.read_i16()?);
            }
            Ok(())
        });

        assert_eq!(read, Ok(()));
        assert_eq!(known, Some(7));
        assert_eq!(reader.remaining(), 1);
    }

    #[test]
    fn a_tag_cannot_read_past_its_own_bytes() {
        let bytes = [1, 0, 1, 0, 0, 0, 0];

        let read = Reader::new(&bytes)
            .read_tags(Encoding::Flexible, |_, field| field.read_i32().map(|_| ()));

        assert_eq!(read, Err(DecodeError { position: 3, problem: DecodeProblem::CutOff }));
    }
}
