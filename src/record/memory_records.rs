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

fn take_varlong(rest: &mut &[u8]) -> Option<i64> {
    let (value, length) = varint::read(rest, varint::MAX_VARLONG_BYTES)?;
    *rest = &rest[length..];
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::header::Headers;
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
    fn nonsense_ends_it() {
        assert_eq!(records(&[]).count(), 0);
        assert_eq!(records(&[0xff; 200]).count(), 0);
    }
}
