//! The serializer of keys or values, as `send` calls it.

use std::fmt;

use crate::common::header::Headers;
use crate::error::{Error, ErrorKind};
use crate::serialization::serializer::{PlainBytes, Serializer};
use crate::utils::panics::catch;

/// A serializer, and what its errors call the data: the key or the value.
pub(crate) struct FieldSerializer<T: ?Sized> {
    field: &'static str,
    serializer: Box<dyn Serializer<T>>,
    /// Asked for once: without user code a record needs no net.
    plain_bytes: Option<PlainBytes<T>>,
}

impl<T: ?Sized> FieldSerializer<T> {
    pub(crate) fn of_keys(serializer: impl Serializer<T> + 'static) -> Self {
        Self::new("key", serializer)
    }

    pub(crate) fn of_values(serializer: impl Serializer<T> + 'static) -> Self {
        Self::new("value", serializer)
    }

    fn new(field: &'static str, serializer: impl Serializer<T> + 'static) -> Self {
        let plain_bytes = serializer.plain_bytes();
        Self { field, serializer: Box::new(serializer), plain_bytes }
    }

    /// What gives out the bytes of data, if that takes neither a buffer nor user code.
    #[inline]
    pub(crate) fn plain_bytes(&self) -> Option<PlainBytes<T>> {
        self.plain_bytes
    }

    /// The bytes of `data`; null stays null. `buffer` is empty.
    #[inline(always)]
    pub(crate) fn serialize<'a>(
        &self,
        topic: &str,
        headers: &mut Headers<'_>,
        data: Option<&'a T>,
        buffer: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, Error> {
        let Some(data) = data else {
            return Ok(None);
        };
        match self.plain_bytes {
            Some(plain_bytes) => Ok(Some(plain_bytes(data))),
            None => self.ask(topic, headers, data, buffer),
        }
    }

    fn ask<'a>(
        &self,
        topic: &str,
        headers: &mut Headers<'_>,
        data: &'a T,
        buffer: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, Error> {
        match catch(|| self.serializer.serialize(topic, headers, data, buffer)) {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(error)) => Err(self.error(error.message())),
            Err(message) => Err(self.error(&format!("the serializer panicked: {message}"))),
        }
    }

    #[cold]
    fn error(&self, message: &str) -> Error {
        let message = format!("{}: {message}", self.field).into();
        Error::new(ErrorKind::Serialization { message })
    }
}

impl<T: ?Sized> fmt::Debug for FieldSerializer<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("FieldSerializer")
            .field("field", &self.field)
            .finish_non_exhaustive()
    }
}
