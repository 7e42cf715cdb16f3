//! The producer itself. Mirrors `org.apache.kafka.clients.producer`.

pub(crate) mod producer_config;
