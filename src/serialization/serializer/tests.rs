//! The bytes of the serializers that come with the crate.

use super::*;
use crate::common::uuid::Uuid;

/// What Java's serializers made of the same values.
#[test]
fn bytes_are_those_of_javas_serializers() {
    assert_eq!(hex(&ShortSerializer, &-2), "fffe");
    assert_eq!(hex(&IntegerSerializer, &-2), "fffffffe");
    assert_eq!(hex(&LongSerializer, &1_099_511_627_776), "0000010000000000");
    assert_eq!(hex(&FloatSerializer, &1.5), "3fc00000");
    assert_eq!(hex(&DoubleSerializer, &1.5), "3ff8000000000000");
    assert_eq!(hex(&DoubleSerializer, &f64::NAN), "7ff8000000000000");
    assert_eq!(hex(&BooleanSerializer, &true), "01");
    assert_eq!(hex(&BooleanSerializer, &false), "00");
}

#[test]
fn a_list_of_numbers_names_its_nulls_first() {
    let serializer = ListSerializer::new(IntegerSerializer);

    let list: &[Option<i32>] = &[Some(1), None, Some(3)];

    assert_eq!(hex(&serializer, list), "000000000100000001000000030000000100000003");
}

#[test]
fn a_list_of_texts_has_a_length_before_each() {
    let serializer = ListSerializer::new(StringSerializer::default());

    let list: &[Option<&str>] = &[Some("a"), None, Some("bc")];
    let owned: &[Option<String>] = &[Some("a".into()), None, Some("bc".into())];

    assert_eq!(hex(&serializer, list), "01000000030000000161ffffffff000000026263");
    assert_eq!(hex(&serializer, owned), "01000000030000000161ffffffff000000026263");
}

#[test]
fn an_empty_list_is_not_null() {
    let numbers: &[Option<i64>] = &[];
    let texts: &[Option<String>] = &[];

    assert_eq!(hex(&ListSerializer::new(LongSerializer), numbers), "000000000000000000");
    assert_eq!(hex(&ListSerializer::new(StringSerializer::default()), texts), "0100000000");
}

#[test]
fn a_uuid_is_text_of_36_characters() {
    let uuid = Uuid::from_bytes([0, 0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 0, 0, 0, 0, 5]);

    let text = bytes(&UuidSerializer::default(), &uuid);
    let wide = bytes(&UuidSerializer::with_charset(Charset::Utf16Be), &uuid);

    assert_eq!(text.as_deref(), Some(&b"00000001-0002-0003-0004-000000000005"[..]));
    assert_eq!(wide.map(|bytes| bytes.len()), Some(72));
}

#[test]
fn every_nan_of_64_bits_is_the_same_and_of_32_bits_keeps_its_payload() {
    assert_eq!(hex(&DoubleSerializer, &f64::from_bits(0xfff0_0000_0000_0123)), "7ff8000000000000");
    assert_eq!(hex(&FloatSerializer, &f32::from_bits(0xffc0_0123)), "ffc00123");
}

#[test]
fn text_takes_the_bytes_of_its_charset() {
    for (charset, expected) in [
        (Charset::Utf8, "61c3a9e282acf09f9880"),
        (Charset::Iso8859_1, "61e93f3f"),
        (Charset::UsAscii, "613f3f3f"),
        (Charset::Utf16, "feff006100e920acd83dde00"),
        (Charset::Utf16Be, "006100e920acd83dde00"),
        (Charset::Utf16Le, "6100e900ac203dd800de"),
    ] {
        let serializer = StringSerializer::with_charset(charset);

        assert_eq!(hex(&serializer, "aé€😀"), expected, "{charset:?}");
        assert_eq!(hex(&serializer, ""), "", "{charset:?}");
    }
}

#[test]
fn bytes_and_text_are_borrowed_not_copied() {
    let data = [1_u8, 2, 3];
    let (mut headers, mut buffer) = (Headers::new(), Vec::new());

    let sent = BytesSerializer.serialize("t", &mut headers, &data, &mut buffer);
    assert_eq!(sent.expect("bytes").map(<[u8]>::as_ptr), Some(data.as_ptr()));

    let sent = ByteArraySerializer.serialize("t", &mut headers, &data, &mut buffer);
    assert_eq!(sent.expect("bytes").map(<[u8]>::as_ptr), Some(data.as_ptr()));

    let sent = StringSerializer::default().serialize("t", &mut headers, "abc", &mut buffer);
    assert_eq!(sent.expect("bytes"), Some(&b"abc"[..]));
    assert_eq!(buffer.capacity(), 0);
}

#[test]
fn nothing_is_null() {
    assert_eq!(bytes(&VoidSerializer, &()), None);
}

#[test]
fn an_element_that_cannot_be_serialized_fails_its_list() {
    struct Picky;

    impl Serializer<u8> for Picky {
        fn serialize<'a>(
            &self,
            _topic: &str,
            _headers: &mut Headers<'_>,
            _data: &'a u8,
            _buffer: &'a mut Vec<u8>,
        ) -> Result<Option<&'a [u8]>, SerializationError> {
            Err(SerializationError::new("not this one"))
        }
    }

    let list: &[Option<u8>] = &[Some(1)];
    let mut buffer = Vec::new();
    let failed = ListSerializer::new(Picky).serialize("t", &mut Headers::new(), list, &mut buffer);

    assert_eq!(failed, Err(SerializationError::new("not this one")));
}

fn bytes<T: ?Sized>(serializer: &impl Serializer<T>, data: &T) -> Option<Vec<u8>> {
    let mut buffer = Vec::new();
    let bytes = serializer.serialize("topic", &mut Headers::new(), data, &mut buffer);
    bytes.expect("serializable").map(<[u8]>::to_vec)
}

fn hex<T: ?Sized>(serializer: &impl Serializer<T>, data: &T) -> String {
    let bytes = bytes(serializer, data).expect("not null");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
