//! Connections to a cluster's brokers, and what is known of it. Mirrors `org.apache.kafka.clients`.

pub(crate) mod metadata;
pub(crate) mod metadata_snapshot;
