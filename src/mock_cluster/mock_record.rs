//! A record as a consumer would see it.

use crate::mock_cluster::decompression::decompress;
use crate::mock_cluster::record_batch::{self, BatchHeader, HEADER_LENGTH};
use crate::mock_cluster::record_reader::RecordView;

/// One record in a partition of a [`MockCluster`](crate::mock_cluster::MockCluster).
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MockRecord {
    /// Its place in the partition.
    pub offset: i64,
    /// Milliseconds since 1970: the producer's, or the broker's where the topic has log append time.
    pub timestamp: i64,
    /// The key's bytes, `None` for null.
    pub key: Option<Vec<u8>>,
    /// The value's bytes, `None` for null (a tombstone).
    pub value: Option<Vec<u8>>,
    /// The headers in order; a name that is not UTF-8 shows replacement characters.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// The idempotent producer that sent it, or -1.
    pub producer_id: i64,
    /// That producer's epoch, or -1.
    pub producer_epoch: i16,
    /// The record's own sequence number, or -1.
    pub sequence: i32,
}

impl MockRecord {
    /// The records of a batch that was found valid.
    pub(super) fn read_batch(batch: &[u8]) -> Vec<Self> {
        let Some(header) = BatchHeader::read(batch) else {
            return Vec::new();
        };
        let bytes = batch.get(HEADER_LENGTH..).unwrap_or_default();
        let records = decompress(header.codec(), bytes).unwrap_or_default();
        record_batch::records(&records).map(|record| Self::new(&header, &record)).collect()
    }

    fn new(header: &BatchHeader, record: &RecordView<'_>) -> Self {
        let delta = i32::try_from(record.offset_delta).unwrap_or(0);
        let headers = record.headers().into_iter().map(|(name, value)| {
            (String::from_utf8_lossy(name).into_owned(), value.map(<[u8]>::to_vec))
        });
        Self {
            offset: header.base_offset + record.offset_delta,
            timestamp: header.timestamp(record.timestamp_delta),
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: headers.collect(),
            producer_id: header.producer_id,
            producer_epoch: header.producer_epoch,
            sequence: if header.has_producer_id() {
                header.base_sequence.wrapping_add(delta) & i32::MAX
            } else {
                -1
            },
        }
    }
}
