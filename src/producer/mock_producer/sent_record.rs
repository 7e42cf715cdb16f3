//! What a `MockProducer` remembers of a record. Takes the place of the `ProducerRecord`s in Java's history.

use crate::common::header::Headers;
use crate::common::topic_partition::TopicPartition;

/// A record as it would have travelled: serialized, with its partition chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentRecord {
    pub(super) topic_partition: TopicPartition,
    pub(super) timestamp_ms: Option<i64>,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) headers: Headers<'static>,
}

impl SentRecord {
    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        self.topic_partition.topic()
    }

    /// The partition that was asked for or chosen.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.topic_partition.partition()
    }

    /// The timestamp that was asked for, in milliseconds since 1970.
    #[must_use]
    pub fn timestamp(&self) -> Option<i64> {
        self.timestamp_ms
    }

    /// The key's bytes, `None` for null.
    #[must_use]
    pub fn key(&self) -> Option<&[u8]> {
        self.key.as_deref()
    }

    /// The value's bytes, `None` for null.
    #[must_use]
    pub fn value(&self) -> Option<&[u8]> {
        self.value.as_deref()
    }

    /// The headers, with what the serializers added.
    #[must_use]
    pub fn headers(&self) -> &Headers<'static> {
        &self.headers
    }
}
