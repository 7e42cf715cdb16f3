//! One file an API: its request and its response, written by hand after Kafka's schemas.
//!
//! Every message encodes and decodes in both directions: the embedded cluster is the other side. A field that a version
//! does not carry is left out when encoding and takes the schema's default when decoding.
//!
//! Mirrors `org.apache.kafka.common.message`.

pub(crate) mod api_versions;
pub(crate) mod init_producer_id;
pub(crate) mod metadata;
pub(crate) mod produce;
