//! Mirrors `org.apache.kafka.common.record.RecordVersion`: the formats in which records can travel.

/// A format of records ("magic"). Version 0 is that of brokers that this crate does not speak to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordVersion {
    /// Message sets, without headers and producers. Since Kafka 0.10.0.
    V1,
    /// Record batches. Since Kafka 0.11.
    V2,
}
