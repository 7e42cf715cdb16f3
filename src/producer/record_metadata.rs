//! Mirrors `org.apache.kafka.clients.producer.RecordMetadata`.

use std::fmt;

use crate::common::topic_partition::TopicPartition;

/// What stands for an offset or a timestamp that is not known.
pub(crate) const UNKNOWN: i64 = -1;

/// Where a record went: what the broker's acknowledgement says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordMetadata {
    pub(crate) topic_partition: TopicPartition,
    pub(crate) offset: i64,
    pub(crate) timestamp_ms: i64,
    pub(crate) serialized_key_size: i32,
    pub(crate) serialized_value_size: i32,
}

impl RecordMetadata {
    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        self.topic_partition.topic()
    }

    /// The partition.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.topic_partition.partition()
    }

    /// The topic and the partition.
    #[must_use]
    pub fn topic_partition(&self) -> &TopicPartition {
        &self.topic_partition
    }

    /// The position in the partition; -1 where no broker told it: with `acks=0`, or of a record that an earlier attempt had
    /// written already, where the broker knows only that.
    #[must_use]
    pub fn offset(&self) -> i64 {
        self.offset
    }

    /// Whether the offset is known.
    #[must_use]
    pub fn has_offset(&self) -> bool {
        self.offset != UNKNOWN
    }

    /// The record's time in milliseconds since 1970: the broker's where the topic has `LogAppendTime`, else its own; -1 where
    /// it is not known, which only [`MockProducer`](crate::MockProducer) answers.
    #[must_use]
    pub fn timestamp(&self) -> i64 {
        self.timestamp_ms
    }

    /// Whether the timestamp is known.
    #[must_use]
    pub fn has_timestamp(&self) -> bool {
        self.timestamp_ms != UNKNOWN
    }

    /// The key's length in bytes, uncompressed; -1 for a null key.
    #[must_use]
    pub fn serialized_key_size(&self) -> i32 {
        self.serialized_key_size
    }

    /// The value's length in bytes, uncompressed; -1 for a null value.
    #[must_use]
    pub fn serialized_value_size(&self) -> i32 {
        self.serialized_value_size
    }
}

impl fmt::Display for RecordMetadata {
    /// `topic-partition@offset`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}@{}", self.topic_partition, self.offset)
    }
}
