//! Mirrors Kafka's `ByteArraySerializer`, `ByteBufferSerializer`, `BytesSerializer` and `VoidSerializer`.

use crate::common::header::Headers;
use crate::serialization::serializer::{PlainBytes, SerializationError, Serializer};

/// Sends bytes as they are, without a copy before the batch's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByteArraySerializer;

impl Serializer<[u8]> for ByteArraySerializer {
    fn serialize<'a>(
        &self,
        _topic: &str,
        _headers: &mut Headers<'_>,
        data: &'a [u8],
        _buffer: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, SerializationError> {
        Ok(Some(data))
    }

    fn plain_bytes(&self) -> Option<PlainBytes<[u8]>> {
        Some(|data| data)
    }
}

/// Sends whatever holds bytes: `Vec<u8>`, `[u8; 16]`, `bytes::Bytes`, or a type of yours that is `AsRef<[u8]>`.
///
/// Takes the place of Java's `ByteBufferSerializer` and `BytesSerializer`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BytesSerializer;

impl<T: AsRef<[u8]> + ?Sized> Serializer<T> for BytesSerializer {
    fn serialize<'a>(
        &self,
        _topic: &str,
        _headers: &mut Headers<'_>,
        data: &'a T,
        _buffer: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, SerializationError> {
        Ok(Some(data.as_ref()))
    }
}

/// Sends null, for keys or values that do not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VoidSerializer;

impl Serializer<()> for VoidSerializer {
    fn serialize<'a>(
        &self,
        _topic: &str,
        _headers: &mut Headers<'_>,
        _data: &'a (),
        _buffer: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, SerializationError> {
        Ok(None)
    }
}
