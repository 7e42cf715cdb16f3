//! Mirrors `org.apache.kafka.common.header.Header` and `Headers`.

use std::borrow::Cow;

/// A name and a value that travel beside a record (KIP-82). The value may be null, which differs from empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    key: Cow<'a, str>,
    value: Option<Cow<'a, [u8]>>,
}

impl<'a> Header<'a> {
    /// A header; `None` is the null value.
    pub fn new(key: impl Into<Cow<'a, str>>, value: Option<impl Into<Cow<'a, [u8]>>>) -> Self {
        Self { key: key.into(), value: value.map(Into::into) }
    }

    /// The name; it may be empty and need not be unique.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The bytes, `None` for null.
    #[must_use]
    pub fn value(&self) -> Option<&[u8]> {
        self.value.as_deref()
    }

    /// The same header, borrowing nothing.
    #[must_use]
    pub fn into_owned(self) -> Header<'static> {
        Header {
            key: Cow::Owned(self.key.into_owned()),
            value: self.value.map(|value| Cow::Owned(value.into_owned())),
        }
    }
}

/// A record's headers, in order, duplicates kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers<'a> {
    headers: Vec<Header<'a>>,
}

impl<'a> Headers<'a> {
    /// No headers; allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { headers: Vec::new() }
    }

    /// Adds a header behind the others.
    pub fn add(&mut self, header: Header<'a>) {
        self.headers.push(header);
    }

    /// Removes every header named `key`.
    pub fn remove(&mut self, key: &str) {
        self.headers.retain(|header| header.key() != key);
    }

    /// The last header named `key`.
    #[must_use]
    pub fn last_header(&self, key: &str) -> Option<&Header<'a>> {
        self.headers.iter().rev().find(|header| header.key() == key)
    }

    /// The headers in the order in which they were added.
    pub fn iter(&self) -> std::slice::Iter<'_, Header<'a>> {
        self.headers.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.headers.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.headers.is_empty()
    }

    /// The same headers, borrowing nothing.
    #[must_use]
    pub fn into_owned(self) -> Headers<'static> {
        Headers { headers: self.headers.into_iter().map(Header::into_owned).collect() }
    }
}

impl<'h, 'a> IntoIterator for &'h Headers<'a> {
    type Item = &'h Header<'a>;
    type IntoIter = std::slice::Iter<'h, Header<'a>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
