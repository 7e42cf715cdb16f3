//! Mirrors `org.apache.kafka.common.record.MemoryRecords`: a finished batch, read record by record.

use crate::record::default_record_batch::RECORD_BATCH_OVERHEAD;
use crate::utils::varint;

/// One record of a batch: what depends on its place in the batch, and all the rest as it was encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EncodedRecord<'a> {
    /// Its distance from the batch's base timestamp, in milliseconds.
    pub(crate) timestamp_delta: i64,
    /// Key, value and headers.
    pub(crate) contents: &'a [u8],
}

/// What a record carries. `None` is null, which differs from empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fields<'a> {
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) has_headers: bool,
}

impl<'a> EncodedRecord<'a> {
    /// The contents taken apart; `None` if they make no sense.
    pub(crate) fn fields(&self) -> Option<Fields<'a>> {
        let mut rest = self.contents;
        let key = take_field(&mut rest)?;
        let value = take_field(&mut rest)?;
        let header_count = take_varlong(&mut rest)?;
        Some(Fields { key, value, has_headers: header_count != 0 })
    }

    /// Whether it has headers, as far as one can tell.
    pub(crate) fn has_headers(&self) -> bool {
        self.fields().is_some_and(|fields| fields.has_headers)
    }
}

/// The records of an uncompressed version 2 batch that this crate built; ends early where the bytes make no sense.
pub(crate) fn records(batch: &[u8]) -> impl Iterator<Item = EncodedRecord<'_>> {
    let mut rest = batch.get(RECORD_BATCH_OVERHEAD..).unwrap_or_default();
    std::iter::from_fn(move || {
        let body = take_body(&mut rest)?;
        let mut contents = body.get(1..)?; // attributes: none are defined
        let timestamp_delta = take_varlong(&mut contents)?;
        take_varlong(&mut contents)?; // the offset's distance follows from the order
        Some(EncodedRecord { timestamp_delta, contents })
    })
}

fn take_body<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take_varlong(rest)?).ok()?;
    let body = rest.get(..length)?;
    *rest = &rest[length..];
    Some(body)
}

/// Outer `None`: malformed. Inner `None`: null, written as length -1.
#[expect(clippy::option_option, reason = "malformed and null are different answers")]
fn take_field<'a>(rest: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let length = take_varlong(rest)?;
    if length == -1 {
        return Some(None);
    }
    let (field, following) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    *rest = following;
    Some(Some(field))
}

fn take_varlong(rest: &mut &[u8]) -> Option<i64> {
    let (value, length) = varint::read(rest, varint::MAX_VARLONG_BYTES)?;
    *rest = &rest[length..];
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::header::{Header, Headers};
    use crate::record::default_record::RecordContents;
    use crate::record::default_record_batch::ProducerState;
    use crate::record::memory_records_builder::MemoryRecordsBuilder;

    #[test]
    fn reads_what_the_builder_wrote() {
        let headers = Headers::new();
        let mut builder = MemoryRecordsBuilder::new(Vec::new(), 1000, 1000);
        for (timestamp_ms, value) in [(100, "a"), (90, "bb"), (1_000_000, "")] {
            let value = Some(value.as_bytes());
            let record = RecordContents::new(timestamp_ms, None, value, &headers);
            builder.try_append(&record).expect("room");
        }
        let batch = builder.close(ProducerState::NONE);

        let records: Vec<_> = records(&batch).collect();

        assert_eq!(
            records,
            [(0, &b"\x01\x02a\0"[..]), (-10, b"\x01\x04bb\0"), (999_900, b"\x01\0\0")]
                .map(|(timestamp_delta, contents)| EncodedRecord { timestamp_delta, contents })
        );
    }

    #[test]
    fn takes_apart_what_the_builder_wrote() {
        let mut headers = Headers::new();
        headers.add(Header::new("", Some(b"".as_slice())));
        let none = Headers::new();
        let contents =
            [(Some("k"), Some("v"), &none), (None, Some(""), &headers), (Some(""), None, &none)];
        let mut builder = MemoryRecordsBuilder::new(Vec::new(), 1000, 1000);
        for (key, value, headers) in contents {
            let (key, value) = (key.map(str::as_bytes), value.map(str::as_bytes));
            builder.try_append(&RecordContents::new(0, key, value, headers)).expect("room");
        }
        let batch = builder.close(ProducerState::NONE);

        let read = records(&batch).map(|record| record.fields().expect("three fields"));
        let read = read.map(|Fields { key, value, has_headers }| (key, value, has_headers));
        assert_eq!(
            read.collect::<Vec<_>>(),
            [
                (Some(&b"k"[..]), Some(&b"v"[..]), false),
                (None, Some(&b""[..]), true),
                (Some(&b""[..]), None, false),
            ]
        );
    }

    #[test]
    fn nonsense_ends_it() {
        assert_eq!(records(&[]).count(), 0);
        assert_eq!(records(&[0xff; 200]).count(), 0);
    }
}
