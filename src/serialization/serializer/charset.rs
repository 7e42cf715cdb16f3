//! Mirrors the charsets that every Java platform has, `java.nio.charset.StandardCharsets`.

/// How text becomes bytes. A character that the charset lacks becomes a question mark, as in Java.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Charset {
    /// Every character, one byte for those of ASCII.
    #[default]
    Utf8,
    /// The first 256 characters of Unicode, a byte each.
    Iso8859_1,
    /// The first 128 characters of Unicode, a byte each.
    UsAscii,
    /// Two or four bytes a character, big endian, behind a byte order mark. An empty text has no mark.
    Utf16,
    /// Two or four bytes a character, big endian.
    Utf16Be,
    /// Two or four bytes a character, little endian.
    Utf16Le,
}

impl Charset {
    /// The bytes of `text`: its own for UTF-8, else written into `buffer`.
    pub(super) fn encode<'a>(self, text: &'a str, buffer: &'a mut Vec<u8>) -> &'a [u8] {
        match self {
            Self::Utf8 => return text.as_bytes(),
            Self::Iso8859_1 => buffer.extend(bytes_up_to(0xff, text)),
            Self::UsAscii => buffer.extend(bytes_up_to(0x7f, text)),
            Self::Utf16 if text.is_empty() => {}
            Self::Utf16 => {
                buffer.extend_from_slice(&[0xfe, 0xff]);
                buffer.extend(text.encode_utf16().flat_map(u16::to_be_bytes));
            }
            Self::Utf16Be => buffer.extend(text.encode_utf16().flat_map(u16::to_be_bytes)),
            Self::Utf16Le => buffer.extend(text.encode_utf16().flat_map(u16::to_le_bytes)),
        }
        buffer
    }
}

/// A byte for each character of `text`.
fn bytes_up_to(last: u8, text: &str) -> impl Iterator<Item = u8> {
    text.chars().map(move |character| {
        u8::try_from(character).ok().filter(|byte| *byte <= last).unwrap_or(b'?')
    })
}
