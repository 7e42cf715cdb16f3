//! Mirrors Kafka's `UUIDSerializer`.

use std::io::Write;

use crate::common::header::Headers;
use crate::common::uuid::Uuid;
use crate::serialization::serializer::charset::Charset;
use crate::serialization::serializer::{SerializationError, Serializer};

/// Sends a UUID as text of 36 characters, lower case; not as its 16 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UuidSerializer {
    charset: Charset,
}

impl UuidSerializer {
    /// Text in another charset than UTF-8.
    #[must_use]
    pub const fn with_charset(charset: Charset) -> Self {
        Self { charset }
    }
}

impl Serializer<Uuid> for UuidSerializer {
    fn serialize<'a>(
        &self,
        _topic: &str,
        _headers: &mut Headers<'_>,
        data: &'a Uuid,
        buffer: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, SerializationError> {
        match self.charset {
            Charset::Utf8 | Charset::Iso8859_1 | Charset::UsAscii => {
                write!(buffer, "{data}")
                    .map_err(|error| SerializationError::new(error.to_string()))?;
            }
            wide => {
                wide.encode(&data.to_string(), buffer);
            }
        }
        Ok(Some(buffer))
    }
}
