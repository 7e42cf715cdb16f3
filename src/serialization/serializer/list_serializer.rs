//! Mirrors Kafka's `ListSerializer` (KIP-466).

use std::any::TypeId;
use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;

use crate::common::header::Headers;
use crate::serialization::serializer::{
    DoubleSerializer, FloatSerializer, IntegerSerializer, LongSerializer, SerializationError,
    Serializer, ShortSerializer, UuidSerializer,
};

/// Sends a list whose elements `S` serializes; `None` is a null element.
///
/// The bytes are those of Java's `ListSerializer`: elements of a size that is always the same follow one another, other
/// ones have their length in front. `E` is what `S` serializes; elements borrow as that, `String` as `str`.
///
/// ```
/// use kafka_producer::{Headers, ListSerializer, Serializer, StringSerializer};
///
/// let serializer = ListSerializer::new(StringSerializer::default());
/// let tags = [Some("red".to_owned()), None];
/// let mut buffer = Vec::new();
/// let bytes = serializer.serialize("test", &mut Headers::new(), &tags[..], &mut buffer)?;
/// assert_eq!(bytes.map(<[u8]>::len), Some(1 + 4 + 4 + 3 + 4));
/// # Ok::<(), kafka_producer::SerializationError>(())
/// ```
pub struct ListSerializer<S, E: ?Sized> {
    inner: S,
    elements: PhantomData<fn(&E)>,
}

/// The byte in front of the list says how its elements are separated.
const FIXED_SIZE: u8 = 0;
const VARIABLE_SIZE: u8 = 1;
/// The length of a null element.
const NULL_ELEMENT: i32 = -1;

impl<S: Serializer<E>, E: ?Sized> ListSerializer<S, E> {
    /// A serializer of lists of what `inner` serializes.
    pub const fn new(inner: S) -> Self {
        Self { inner, elements: PhantomData }
    }
}

impl<S: Serializer<E> + 'static, E: ?Sized> ListSerializer<S, E> {
    fn put_fixed_size<T: Borrow<E>>(
        &self,
        topic: &str,
        headers: &mut Headers<'_>,
        data: &[Option<T>],
        buffer: &mut Vec<u8>,
    ) -> Result<(), SerializationError> {
        buffer.push(FIXED_SIZE);
        let nulls = data.iter().enumerate().filter(|(_, element)| element.is_none());
        put_length(buffer, nulls.clone().count())?;
        for (index, _) in nulls {
            put_length(buffer, index)?;
        }
        put_length(buffer, data.len())?;
        let mut scratch = Vec::new();
        for element in data.iter().flatten() {
            scratch.clear();
            let bytes = self.inner.serialize(topic, headers, element.borrow(), &mut scratch)?;
            buffer.extend_from_slice(bytes.unwrap_or_default());
        }
        Ok(())
    }

    fn put_variable_size<T: Borrow<E>>(
        &self,
        topic: &str,
        headers: &mut Headers<'_>,
        data: &[Option<T>],
        buffer: &mut Vec<u8>,
    ) -> Result<(), SerializationError> {
        buffer.push(VARIABLE_SIZE);
        put_length(buffer, data.len())?;
        let mut scratch = Vec::new();
        for element in data {
            scratch.clear();
            let bytes = match element {
                Some(element) => {
                    self.inner.serialize(topic, headers, element.borrow(), &mut scratch)?
                }
                None => None,
            };
            match bytes {
                Some(bytes) => {
                    put_length(buffer, bytes.len())?;
                    buffer.extend_from_slice(bytes);
                }
                None => buffer.extend_from_slice(&NULL_ELEMENT.to_be_bytes()),
            }
        }
        Ok(())
    }
}

impl<S, E, T> Serializer<[Option<T>]> for ListSerializer<S, E>
where
    S: Serializer<E> + 'static,
    E: ?Sized,
    T: Borrow<E>,
{
    fn serialize<'a>(
        &self,
        topic: &str,
        headers: &mut Headers<'_>,
        data: &'a [Option<T>],
        buffer: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, SerializationError> {
        if has_fixed_size::<S>() {
            self.put_fixed_size(topic, headers, data, buffer)?;
        } else {
            self.put_variable_size(topic, headers, data, buffer)?;
        }
        Ok(Some(buffer))
    }
}

/// Whether `S` is one of the serializers that Java's list takes for one of fixed size. `BooleanSerializer` is none.
fn has_fixed_size<S: 'static>() -> bool {
    let fixed = [
        TypeId::of::<ShortSerializer>(),
        TypeId::of::<IntegerSerializer>(),
        TypeId::of::<FloatSerializer>(),
        TypeId::of::<LongSerializer>(),
        TypeId::of::<DoubleSerializer>(),
        TypeId::of::<UuidSerializer>(),
    ];
    fixed.contains(&TypeId::of::<S>())
}

fn put_length(buffer: &mut Vec<u8>, length: usize) -> Result<(), SerializationError> {
    let length = i32::try_from(length).map_err(|_| {
        SerializationError::new(format!(
            "a list or element of {length} is too long for its length field"
        ))
    })?;
    buffer.extend_from_slice(&length.to_be_bytes());
    Ok(())
}

impl<S: Clone, E: ?Sized> Clone for ListSerializer<S, E> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), elements: PhantomData }
    }
}

impl<S: fmt::Debug, E: ?Sized> fmt::Debug for ListSerializer<S, E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ListSerializer").field("inner", &self.inner).finish()
    }
}
