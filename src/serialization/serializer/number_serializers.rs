//! Mirrors Kafka's serializers of numbers and of `Boolean`: big endian, as wide as the type.

use crate::common::header::Headers;
use crate::serialization::serializer::{SerializationError, Serializer};

/// Defines a serializer: its name, the type, Java's name for it, and the bytes of a value.
macro_rules! fixed_size_serializers {
    ($($(#[$doc:meta])* $name:ident($kind:ty): $bytes:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name;

        impl Serializer<$kind> for $name {
            fn serialize<'a>(
                &self,
                _topic: &str,
                _headers: &mut Headers<'_>,
                data: &'a $kind,
                buffer: &'a mut Vec<u8>,
            ) -> Result<Option<&'a [u8]>, SerializationError> {
                let bytes: fn($kind) -> [u8; size_of::<$kind>()] = $bytes;
                buffer.extend_from_slice(&bytes(*data));
                Ok(Some(buffer))
            }
        }
    )*};
}

fixed_size_serializers! {
    /// Sends an `i16` as 2 bytes, the most significant first.
    ShortSerializer(i16): i16::to_be_bytes;
    /// Sends an `i32` as 4 bytes, the most significant first.
    IntegerSerializer(i32): i32::to_be_bytes;
    /// Sends an `i64` as 8 bytes, the most significant first.
    LongSerializer(i64): i64::to_be_bytes;
    /// Sends an `f32` as its 4 bytes of IEEE 754, the most significant first; a NaN keeps its payload.
    FloatSerializer(f32): f32::to_be_bytes;
    /// Sends an `f64` as its 8 bytes of IEEE 754, the most significant first; every NaN becomes the same one.
    DoubleSerializer(f64): canonical_bytes;
    /// Sends a `bool` as one byte, 1 or 0.
    BooleanSerializer(bool): |value| [u8::from(value)];
}

/// Java's `doubleToLongBits`, which knows one NaN only.
fn canonical_bytes(value: f64) -> [u8; 8] {
    let bits = if value.is_nan() { 0x7ff8_0000_0000_0000 } else { value.to_bits() };
    bits.to_be_bytes()
}
