//! Mirrors Kafka's `StringSerializer`.

use crate::common::header::Headers;
use crate::serialization::serializer::charset::Charset;
use crate::serialization::serializer::{PlainBytes, SerializationError, Serializer};

/// Sends text: UTF-8, or what [`with_charset`](Self::with_charset) names. UTF-8 costs no copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StringSerializer {
    charset: Charset,
}

impl StringSerializer {
    /// Takes the place of Java's `key.serializer.encoding` and `value.serializer.encoding`.
    #[must_use]
    pub const fn with_charset(charset: Charset) -> Self {
        Self { charset }
    }
}

impl Serializer<str> for StringSerializer {
    fn serialize<'a>(
        &self,
        _topic: &str,
        _headers: &mut Headers<'_>,
        data: &'a str,
        buffer: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, SerializationError> {
        Ok(Some(self.charset.encode(data, buffer)))
    }

    fn plain_bytes(&self) -> Option<PlainBytes<str>> {
        (self.charset == Charset::Utf8).then_some(str::as_bytes)
    }
}
