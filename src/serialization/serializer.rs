//! Mirrors `org.apache.kafka.common.serialization.Serializer` and the serializers that come with Kafka.

mod bytes_serializer;
mod charset;
mod list_serializer;
mod number_serializers;
mod string_serializer;
mod uuid_serializer;

use std::fmt;
use std::sync::Arc;

pub use bytes_serializer::{ByteArraySerializer, BytesSerializer, VoidSerializer};
pub use charset::Charset;
pub use list_serializer::ListSerializer;
pub use number_serializers::{
    BooleanSerializer, DoubleSerializer, FloatSerializer, IntegerSerializer, LongSerializer,
    ShortSerializer,
};
pub use string_serializer::StringSerializer;
pub use uuid_serializer::UuidSerializer;

use crate::common::header::Headers;

/// Turns a key or a value into the bytes that travel.
///
/// One serializer serves every thread that sends, so its methods take `&self`. A null key or value never gets here: it
/// stays null.
///
/// ```
/// use kafka_producer::{Headers, SerializationError, Serializer};
///
/// struct Celsius(f32);
///
/// /// Two decimals, as text.
/// struct CelsiusSerializer;
///
/// impl Serializer<Celsius> for CelsiusSerializer {
///     fn serialize<'a>(
///         &self,
///         _topic: &str,
///         _headers: &mut Headers<'_>,
///         data: &'a Celsius,
///         buffer: &'a mut Vec<u8>,
///     ) -> Result<Option<&'a [u8]>, SerializationError> {
///         if data.0.is_nan() {
///             return Err(SerializationError::new("not a temperature"));
///         }
///         buffer.extend_from_slice(format!("{:.2}", data.0).as_bytes());
///         Ok(Some(buffer))
///     }
/// }
/// ```
pub trait Serializer<T: ?Sized>: Send + Sync {
    /// The bytes of `data`: borrowed from it, or written into `buffer`, which is empty; `None` is null.
    ///
    /// `headers` are the record's; what is added to them travels with it.
    ///
    /// Runs on: the caller's thread, inside `send`.
    ///
    /// # Errors
    ///
    /// Whatever makes it impossible; the record is answered with it and not sent.
    fn serialize<'a>(
        &self,
        topic: &str,
        headers: &mut Headers<'_>,
        data: &'a T,
        buffer: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, SerializationError>;

    /// For the serializers of this crate whose data holds the very bytes that travel: how to get at them, which neither
    /// fails nor panics.
    #[doc(hidden)]
    fn plain_bytes(&self) -> Option<PlainBytes<T>> {
        None
    }
}

/// Gives out the bytes that its argument holds.
#[doc(hidden)]
pub(crate) type PlainBytes<T> = for<'a> fn(&'a T) -> &'a [u8];

/// Why a key or a value could not become bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SerializationError {
    message: Arc<str>,
}

impl SerializationError {
    /// An error that says what is wrong with the data.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into().into() }
    }

    /// What is wrong.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for SerializationError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for SerializationError {}

#[cfg(test)]
mod tests;
