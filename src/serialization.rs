//! How keys and values become bytes. Mirrors `org.apache.kafka.common.serialization`.

pub(crate) mod serializer;
