//! Connections to a cluster's brokers, and what is known of it. Mirrors `org.apache.kafka.clients`.

pub(crate) mod client_request;
pub(crate) mod client_response;
pub(crate) mod client_utils;
pub(crate) mod kafka_client;
pub(crate) mod metadata;
pub(crate) mod metadata_snapshot;
