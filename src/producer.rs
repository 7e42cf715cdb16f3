//! The producer. Mirrors `org.apache.kafka.clients.producer`.

pub(crate) mod callback;
pub(crate) mod internals;
pub(crate) mod kafka_producer;
pub(crate) mod mock_producer;
pub(crate) mod partitioner;
#[expect(clippy::module_inception, reason = "a file has the name of its Java class")]
pub(crate) mod producer;
pub(crate) mod producer_config;
pub(crate) mod producer_interceptor;
pub(crate) mod producer_record;
pub(crate) mod record_metadata;
pub(crate) mod round_robin_partitioner;
