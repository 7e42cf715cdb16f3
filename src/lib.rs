//! A blocking Kafka producer for plain threads.
//!
//! The caller's thread appends each record to a batch; one dedicated sender thread does all network I/O. There is no
//! async runtime. The design is the Java producer's, piece by piece, and so are the names of settings and behaviours.
//!
//! ```no_run
//! use kafka_producer::{KafkaProducer, ProducerConfig, ProducerRecord, StringSerializer};
//!
//! let config = ProducerConfig::from_properties([("bootstrap.servers", "localhost:9092")])?;
//! let producer: KafkaProducer<str, str> =
//!     KafkaProducer::new(config, StringSerializer::default(), StringSerializer::default())?;
//!
//! let metadata = producer.send(ProducerRecord::new("orders", "customer-7", "two books")).get()?;
//! println!("{metadata}");
//! # Ok::<(), kafka_producer::Error>(())
//! ```
//!
//! # Where to look
//!
//! - [`KafkaProducer`] sends a [`ProducerRecord`]; a [`FutureRecordMetadata`] and, if wanted, a callback tell what became
//!   of it: [`RecordMetadata`] or an [`Error`].
//! - [`ProducerConfig`] holds the settings, by Kafka's property names or by typed methods.
//! - [`Serializer`] turns keys and values into bytes. Java's serializers are all here: [`StringSerializer`],
//!   [`ByteArraySerializer`], [`IntegerSerializer`] and so on.
//! - [`Partitioner`] and [`ProducerInterceptor`] are for the application to implement.
//! - [`Producer`] is what to be generic over, so that [`MockProducer`] can stand in in unit tests. With the feature
//!   `mock-cluster` the module `mock_cluster` has a whole cluster inside the process.
//!
//! The features `gzip`, `lz4`, `snappy` (on by default) and `zstd` (which needs a C compiler) are the codecs for
//! `compression.type`.
//!
//! The crate speaks through [`log`](https://docs.rs/log). TLS, SASL and transactions are not built yet: settings that
//! ask for them are refused.

#![warn(missing_docs, clippy::exhaustive_enums, clippy::missing_errors_doc)]
#![warn(clippy::expect_used, clippy::unwrap_used)]
#![warn(clippy::cast_possible_truncation, clippy::cast_possible_wrap, clippy::cast_sign_loss)]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)] // a simulation repeats from its seed
#![deny(clippy::print_stderr, clippy::print_stdout)] // a library speaks through `log`

#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;
mod client;
mod common;
mod compress;
mod config;
mod error;
#[cfg(test)]
mod java_oracle;
#[cfg(any(test, feature = "mock-cluster"))]
pub mod mock_cluster;
mod network;
mod producer;
#[cfg_attr(
    not(any(test, feature = "mock-cluster")),
    expect(
        dead_code,
        reason = "only the embedded cluster speaks the broker's side of the protocol"
    )
)]
mod protocol;
mod record;
mod serialization;
#[cfg(test)]
mod simulation;
mod utils;

pub use common::cluster::{Cluster, TopicInfo};
pub use common::header::{Header, Headers};
pub use common::node::{Node, NodeId};
pub use common::partition_info::PartitionInfo;
pub use common::topic_partition::TopicPartition;
pub use common::uuid::Uuid;
pub use compress::CompressionType;
pub use error::{ConfigProblem, Deadline, Error, ErrorCode, ErrorKind, Persistence};
pub use producer::internals::built_in_partitioner::partition_for_key;
pub use producer::internals::future_record_metadata::FutureRecordMetadata;
pub use producer::kafka_producer::{KafkaProducer, KafkaProducerBuilder};
pub use producer::mock_producer::{MockProducer, MockProducerBuilder, SentRecord};
pub use producer::partitioner::Partitioner;
pub use producer::producer::Producer;
pub use producer::producer_config::{
    Acks, MetadataRecoveryStrategy, PartitionerClass, ProducerConfig, ProducerConfigBuilder,
};
pub use producer::producer_interceptor::ProducerInterceptor;
pub use producer::producer_record::ProducerRecord;
pub use producer::record_metadata::RecordMetadata;
pub use producer::round_robin_partitioner::RoundRobinPartitioner;
pub use serialization::serializer::{
    BooleanSerializer, ByteArraySerializer, BytesSerializer, Charset, DoubleSerializer,
    FloatSerializer, IntegerSerializer, ListSerializer, LongSerializer, SerializationError,
    Serializer, ShortSerializer, StringSerializer, UuidSerializer, VoidSerializer,
};

/// Compiles the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
