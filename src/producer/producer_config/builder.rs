//! Settings by methods, with types and units.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use crate::compress::CompressionType;
use crate::config::properties_file;
use crate::error::Error;
use crate::producer::producer_config::values::{
    Acks, MetadataRecoveryStrategy, PartitionerClass, ROUND_ROBIN,
};
use crate::producer::producer_config::{ProducerConfig, Shown};

/// Collects settings for a [`ProducerConfig`]; [`build`](Self::build) checks them, all at once.
///
/// A method set twice counts the last time, and so does a property set by its name.
///
/// ```
/// use std::time::Duration;
///
/// use kafka_producer::ProducerConfig;
///
/// let config = ProducerConfig::builder()
///     .bootstrap_servers("broker-1:9092,broker-2:9092")
///     .client_id("orders")
///     .linger(Duration::from_millis(20))
///     .batch_size(64 * 1024)
///     .build()?;
/// # Ok::<(), kafka_producer::Error>(())
/// ```
#[derive(Clone, Default)]
#[must_use = "settings take effect in the configuration that `build` returns"]
pub struct ProducerConfigBuilder {
    given: BTreeMap<String, String>,
}

impl ProducerConfigBuilder {
    /// Checks the settings and completes them with the defaults.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`](crate::ErrorKind::InvalidConfig) with every problem there is.
    pub fn build(self) -> Result<ProducerConfig, Error> {
        ProducerConfig::from_given(self.given)
    }

    /// Sets a property by Kafka's own name, as in a `.properties` file.
    pub fn property(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.given.insert(name.as_ref().to_owned(), value.as_ref().trim().to_owned());
        self
    }

    /// Sets properties by Kafka's own names.
    pub fn properties<N: AsRef<str>, V: AsRef<str>>(
        self,
        properties: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        properties.into_iter().fold(self, |builder, (name, value)| builder.property(name, value))
    }

    /// Sets the properties of a `.properties` file: Java's syntax, in UTF-8.
    ///
    /// Values such as `${file:...}` stand for themselves; nothing is looked up.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the file cannot be read,
    /// [`ErrorKind::InvalidConfig`](crate::ErrorKind::InvalidConfig) if it is no such file.
    pub fn properties_file(self, path: impl AsRef<Path>) -> Result<Self, Error> {
        Ok(self.properties(properties_file::read(path.as_ref())?))
    }

    /// Names brokers to ask for the rest of the cluster, as `host:port`, separated by commas.
    ///
    /// - Property: `bootstrap.servers`.
    /// - Default: none; it must be set.
    /// - Valid: one address or more, none twice. IPv6 addresses go in brackets: `[::1]:9092`.
    /// - Since: 0.8.1.
    pub fn bootstrap_servers(self, servers: impl AsRef<str>) -> Self {
        self.property("bootstrap.servers", servers)
    }

    /// Chooses who must have a record before it counts as sent.
    ///
    /// - Property: `acks`.
    /// - Default: [`Acks::All`].
    /// - Valid: any; less than all turns idempotence off, or is refused beside `enable_idempotence(true)`.
    /// - Since: 0.8; `all` by default since 3.0 (KIP-679).
    pub fn acks(self, acks: Acks) -> Self {
        self.property("acks", acks.property_value())
    }

    /// Sets how many bytes of records for one partition travel together. A batch that waits may grow to 16 times this within
    /// `max_request_size`, where it does no harm if a broker finds it too large.
    ///
    /// - Property: `batch.size`.
    /// - Default: 16384 (16 KiB).
    /// - Valid: 0 to 2147483647; 0 sends every record by itself.
    /// - Since: 0.8.1.
    pub fn batch_size(self, bytes: usize) -> Self {
        self.property("batch.size", bytes.to_string())
    }

    /// Limits the memory of records that wait to be sent or acknowledged, and of their callbacks without what these capture.
    ///
    /// - Property: `buffer.memory`.
    /// - Default: 33554432 (32 MiB).
    /// - Valid: any. When all are taken, `send` waits, up to `max_block`.
    /// - Since: 0.8.1.
    pub fn buffer_memory(self, bytes: usize) -> Self {
        self.property("buffer.memory", bytes.to_string())
    }

    /// Names this producer to the brokers, which log, limit and count by it.
    ///
    /// - Property: `client.id`.
    /// - Default: `producer-<number>`, numbered within the process.
    /// - Valid: up to 32767 bytes, no control characters.
    /// - Since: 0.8.
    pub fn client_id(self, id: impl AsRef<str>) -> Self {
        self.property("client.id", id)
    }

    /// Sets how hard gzip tries.
    ///
    /// - Property: `compression.gzip.level`.
    /// - Default: -1, which leaves it to gzip.
    /// - Valid: 1 to 9, or -1. Read with [`CompressionType::Gzip`] only.
    /// - Since: 3.8 (KIP-390).
    pub fn compression_gzip_level(self, level: i32) -> Self {
        self.property("compression.gzip.level", level.to_string())
    }

    /// Chooses how batches are compressed.
    ///
    /// - Property: `compression.type`.
    /// - Default: [`CompressionType::None`].
    /// - Valid: any whose feature of this crate is switched on; [`build`](Self::build) refuses others.
    /// - Since: 0.8; zstd since 2.1 (KIP-110).
    pub fn compression_type(self, codec: CompressionType) -> Self {
        self.property("compression.type", codec.name())
    }

    /// Sets how hard zstd tries.
    ///
    /// - Property: `compression.zstd.level`.
    /// - Default: 3.
    /// - Valid: -131072 to 22; less than 1 is faster and larger. Read with [`CompressionType::Zstd`] only.
    /// - Since: 3.8 (KIP-390).
    pub fn compression_zstd_level(self, level: i32) -> Self {
        self.property("compression.zstd.level", level.to_string())
    }

    /// Sets how long an unused connection stays open; `None` keeps it for ever.
    ///
    /// - Property: `connections.max.idle.ms`, in whole milliseconds; a part of one counts as one.
    /// - Default: 3 minutes; cloud load balancers drop idle connections silently after 4. (Java: 9 minutes.)
    /// - Valid: any but zero, with which no connection would ever be used.
    /// - Since: 0.9.
    pub fn connections_max_idle(self, duration: Option<Duration>) -> Self {
        self.property("connections.max.idle.ms", duration.map_or("-1".to_owned(), millis))
    }

    /// Limits the time from `send` to the acknowledgement of a record, retries included.
    ///
    /// - Property: `delivery.timeout.ms`, in whole milliseconds; a part of one counts as one.
    /// - Default: 2 minutes, or `linger` + `request_timeout` where that is longer.
    /// - Valid: `linger` + `request_timeout` to 2147483647 ms; [`build`](Self::build) refuses less.
    /// - Since: 2.1 (KIP-91). Prefer it to `retries` for bounding how long a record is retried.
    ///
    /// A record that runs out of time may be in the log all the same: the broker can have appended it and the
    /// acknowledgement been lost. [`Error::persistence`] tells.
    pub fn delivery_timeout(self, duration: Duration) -> Self {
        self.property("delivery.timeout.ms", millis(duration))
    }

    /// Has brokers recognise repeated batches, so that retries neither duplicate nor reorder records.
    ///
    /// - Property: `enable.idempotence`.
    /// - Default: true, unless `acks` or `retries` conflict with it.
    /// - Valid: true needs [`Acks::All`], `retries` above 0 and at most 5 requests in flight.
    /// - Since: 0.11 (KIP-98); on by default since 3.0 (KIP-679).
    pub fn enable_idempotence(self, enable: bool) -> Self {
        self.property("enable.idempotence", enable.to_string())
    }

    /// Sets how long a batch that is not full waits for more records.
    ///
    /// - Property: `linger.ms`, in whole milliseconds; a part of one counts as one.
    /// - Default: 5 ms.
    /// - Valid: any; more than 2147483647 ms is that. A blocking `get` does not sit it out.
    /// - Since: 0.8.1; 5 ms by default since 4.0 (KIP-1030).
    pub fn linger(self, duration: Duration) -> Self {
        self.property("linger.ms", millis(duration))
    }

    /// Limits how long `send` and `partitions_for` wait for metadata and for room in the buffer, together.
    ///
    /// - Property: `max.block.ms`, in whole milliseconds; a part of one counts as one.
    /// - Default: 1 minute.
    /// - Valid: any; zero never waits.
    /// - Since: 0.9 (KIP-19).
    pub fn max_block(self, duration: Duration) -> Self {
        self.property("max.block.ms", millis(duration))
    }

    /// Limits the requests that await their answer on one connection.
    ///
    /// - Property: `max.in.flight.requests.per.connection`.
    /// - Default: 5.
    /// - Valid: 1 to 2147483647, and at most 5 with idempotence.
    /// - Since: 0.8.1. Without idempotence, more than 1 lets a retry change the order of records.
    pub fn max_in_flight_requests_per_connection(self, requests: u32) -> Self {
        self.property("max.in.flight.requests.per.connection", requests.to_string())
    }

    /// Limits the bytes of one request, and so of one record.
    ///
    /// - Property: `max.request.size`.
    /// - Default: 1048576.
    /// - Valid: 0 to 2147483647. Brokers have a limit of their own, `message.max.bytes`.
    /// - Since: 0.8.1.
    pub fn max_request_size(self, bytes: usize) -> Self {
        self.property("max.request.size", bytes.to_string())
    }

    /// Sets after how long the brokers, topics and leaders are asked for anew, even if nothing went wrong.
    ///
    /// - Property: `metadata.max.age.ms`, in whole milliseconds; a part of one counts as one.
    /// - Default: 5 minutes.
    /// - Valid: any.
    /// - Since: 0.8.1.
    pub fn metadata_max_age(self, duration: Duration) -> Self {
        self.property("metadata.max.age.ms", millis(duration))
    }

    /// Sets after how long a topic to which nothing was sent is no longer asked for.
    ///
    /// - Property: `metadata.max.idle.ms`, in whole milliseconds; a part of one counts as one.
    /// - Default: 5 minutes.
    /// - Valid: at least 5 seconds.
    /// - Since: 2.5 (KIP-526).
    pub fn metadata_max_idle(self, duration: Duration) -> Self {
        self.property("metadata.max.idle.ms", millis(duration))
    }

    /// Sets how long metadata may be unobtainable before everything starts over from the bootstrap servers.
    ///
    /// - Property: `metadata.recovery.rebootstrap.trigger.ms`, in whole milliseconds; a part of one counts as one.
    /// - Default: 5 minutes.
    /// - Valid: any.
    /// - Since: 4.0 (KIP-1102).
    pub fn metadata_recovery_rebootstrap_trigger(self, duration: Duration) -> Self {
        self.property("metadata.recovery.rebootstrap.trigger.ms", millis(duration))
    }

    /// Chooses what to do when none of the known brokers can be reached.
    ///
    /// - Property: `metadata.recovery.strategy`.
    /// - Default: [`MetadataRecoveryStrategy::Rebootstrap`].
    /// - Valid: any.
    /// - Since: 3.8 (KIP-899).
    pub fn metadata_recovery_strategy(self, strategy: MetadataRecoveryStrategy) -> Self {
        self.property("metadata.recovery.strategy", strategy.property_value())
    }

    /// Has records without a key avoid partitions whose brokers are slow.
    ///
    /// - Property: `partitioner.adaptive.partitioning.enable`.
    /// - Default: true.
    /// - Valid: any; without effect beside another partitioner.
    /// - Since: 3.3 (KIP-794).
    pub fn partitioner_adaptive_partitioning_enable(self, enable: bool) -> Self {
        self.property("partitioner.adaptive.partitioning.enable", enable.to_string())
    }

    /// Sets after how long of taking no batch a broker's partitions are passed by for records without a key.
    ///
    /// - Property: `partitioner.availability.timeout.ms`, in whole milliseconds; a part of one counts as one.
    /// - Default: zero, which is never.
    /// - Valid: any; needs adaptive partitioning.
    /// - Since: 3.3 (KIP-794).
    pub fn partitioner_availability_timeout(self, duration: Duration) -> Self {
        self.property("partitioner.availability.timeout.ms", millis(duration))
    }

    /// Chooses who picks the partition where the record does not.
    ///
    /// - Property: `partitioner.class`.
    /// - Default: [`PartitionerClass::BuiltIn`].
    /// - Valid: any.
    /// - Since: 0.9; `RoundRobinPartitioner` since 2.4 (KIP-369).
    pub fn partitioner_class(mut self, class: PartitionerClass) -> Self {
        match class {
            PartitionerClass::RoundRobin => self.property("partitioner.class", ROUND_ROBIN),
            PartitionerClass::BuiltIn => {
                self.given.remove("partitioner.class");
                self
            }
        }
    }

    /// Has records with a key spread like those without one.
    ///
    /// - Property: `partitioner.ignore.keys`.
    /// - Default: false.
    /// - Valid: any; without effect beside another partitioner.
    /// - Since: 3.3 (KIP-794).
    pub fn partitioner_ignore_keys(self, ignore: bool) -> Self {
        self.property("partitioner.ignore.keys", ignore.to_string())
    }

    /// Sets the size of a socket's receive buffer in bytes; `None` leaves it to the operating system.
    ///
    /// - Property: `receive.buffer.bytes`.
    /// - Default: 32768.
    /// - Valid: 0 to 2147483647.
    /// - Since: 0.8.1.
    pub fn receive_buffer(self, bytes: Option<usize>) -> Self {
        self.property(
            "receive.buffer.bytes",
            bytes.map_or("-1".to_owned(), |bytes| bytes.to_string()),
        )
    }

    /// Sets the wait before a new connection to a broker that failed; it doubles with every failure.
    ///
    /// - Property: `reconnect.backoff.ms`, in whole milliseconds; a part of one counts as one.
    /// - Default: 50 ms.
    /// - Valid: any. Set alone, every wait is this long: set `reconnect_backoff_max` as well to let it grow.
    /// - Since: 0.8.1.
    pub fn reconnect_backoff(self, duration: Duration) -> Self {
        self.property("reconnect.backoff.ms", millis(duration))
    }

    /// Limits the wait before a new connection to a broker that keeps failing.
    ///
    /// - Property: `reconnect.backoff.max.ms`, in whole milliseconds; a part of one counts as one.
    /// - Default: 1 second, or `reconnect_backoff` where that is set.
    /// - Valid: any.
    /// - Since: 0.11 (KIP-144).
    pub fn reconnect_backoff_max(self, duration: Duration) -> Self {
        self.property("reconnect.backoff.max.ms", millis(duration))
    }

    /// Limits how long one request awaits its answer; then its connection is closed.
    ///
    /// - Property: `request.timeout.ms`, in whole milliseconds; a part of one counts as one.
    /// - Default: 30 seconds.
    /// - Valid: 0 to 2147483647 ms. Should exceed the broker's `replica.lag.time.max.ms`.
    /// - Since: 0.9 (KIP-19).
    pub fn request_timeout(self, duration: Duration) -> Self {
        self.property("request.timeout.ms", millis(duration))
    }

    /// Limits how often a batch is sent again after an error that may pass.
    ///
    /// - Property: `retries`.
    /// - Default: 2147483647: `delivery_timeout` decides.
    /// - Valid: 0 to 2147483647; 0 turns idempotence off, or is refused beside `enable_idempotence(true)`.
    /// - Since: 0.8.1.
    pub fn retries(self, retries: u32) -> Self {
        self.property("retries", retries.to_string())
    }

    /// Sets the wait before a batch is sent, or metadata asked for, again; it doubles with every failure.
    ///
    /// - Property: `retry.backoff.ms`, in whole milliseconds; a part of one counts as one.
    /// - Default: 100 ms.
    /// - Valid: any.
    /// - Since: 0.8.1; doubles since 3.7 (KIP-580).
    pub fn retry_backoff(self, duration: Duration) -> Self {
        self.property("retry.backoff.ms", millis(duration))
    }

    /// Limits the wait before a batch is sent, or metadata asked for, again.
    ///
    /// - Property: `retry.backoff.max.ms`, in whole milliseconds; a part of one counts as one.
    /// - Default: 1 second.
    /// - Valid: any; where it is less than `retry_backoff`, every wait is this long.
    /// - Since: 3.7 (KIP-580).
    pub fn retry_backoff_max(self, duration: Duration) -> Self {
        self.property("retry.backoff.max.ms", millis(duration))
    }

    /// Sets the size of a socket's send buffer in bytes; `None` leaves it to the operating system, which costs less where
    /// requests are larger.
    ///
    /// - Property: `send.buffer.bytes`.
    /// - Default: 131072.
    /// - Valid: 0 to 2147483647.
    /// - Since: 0.8.1.
    pub fn send_buffer(self, bytes: Option<usize>) -> Self {
        self.property("send.buffer.bytes", bytes.map_or("-1".to_owned(), |bytes| bytes.to_string()))
    }

    /// Limits how long a connection takes to become usable; the time doubles with every failure.
    ///
    /// - Property: `socket.connection.setup.timeout.ms`, in whole milliseconds; a part of one counts as one.
    /// - Default: 10 seconds.
    /// - Valid: any.
    /// - Since: 2.7 (KIP-601).
    pub fn socket_connection_setup_timeout(self, duration: Duration) -> Self {
        self.property("socket.connection.setup.timeout.ms", millis(duration))
    }

    /// Limits how far failures double the time that a connection may take.
    ///
    /// - Property: `socket.connection.setup.timeout.max.ms`, in whole milliseconds; a part of one counts as one.
    /// - Default: 30 seconds.
    /// - Valid: any; where it is less than `socket_connection_setup_timeout`, it is used in its place.
    /// - Since: 2.7 (KIP-601).
    pub fn socket_connection_setup_timeout_max(self, duration: Duration) -> Self {
        self.property("socket.connection.setup.timeout.max.ms", millis(duration))
    }
}

/// `duration` as a property has it. What exceeds even 64 bits is the most that they hold, 292 million years.
fn millis(duration: Duration) -> String {
    let rounded_up = duration.as_nanos().div_ceil(1_000_000);
    i64::try_from(rounded_up).unwrap_or(i64::MAX).to_string()
}

impl fmt::Debug for ProducerConfigBuilder {
    /// What was given; secrets are hidden.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ProducerConfigBuilder").field("given", &Shown(&self.given)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compress::Compression;

    #[test]
    fn every_method_of_the_builder_sets_its_property() {
        let config = ProducerConfig::builder()
            .bootstrap_servers("a:1, b:2")
            .client_id("id")
            .acks(Acks::Leader)
            .batch_size(1)
            .buffer_memory(2)
            .compression_gzip_level(2)
            .compression_type(CompressionType::Zstd)
            .compression_zstd_level(-5)
            .connections_max_idle(None)
            .delivery_timeout(Duration::from_secs(3))
            .enable_idempotence(false)
            .linger(Duration::from_millis(4))
            .max_block(Duration::from_millis(5))
            .max_in_flight_requests_per_connection(6)
            .max_request_size(7)
            .metadata_max_age(Duration::from_millis(8))
            .metadata_max_idle(Duration::from_secs(9))
            .metadata_recovery_rebootstrap_trigger(Duration::from_millis(10))
            .partitioner_adaptive_partitioning_enable(false)
            .partitioner_availability_timeout(Duration::from_millis(11))
            .partitioner_class(PartitionerClass::RoundRobin)
            .partitioner_ignore_keys(true)
            .receive_buffer(None)
            .reconnect_backoff(Duration::from_millis(12))
            .reconnect_backoff_max(Duration::from_millis(13))
            .request_timeout(Duration::from_millis(14))
            .retries(15)
            .retry_backoff(Duration::from_millis(16))
            .retry_backoff_max(Duration::from_millis(17))
            .send_buffer(Some(18))
            .socket_connection_setup_timeout(Duration::from_millis(19))
            .socket_connection_setup_timeout_max(Duration::from_millis(20))
            .build()
            .expect("a valid configuration");

        assert_eq!(config.bootstrap_servers(), [("a".to_owned(), 1), ("b".to_owned(), 2)]);
        assert_eq!(config.client_id(), "id");
        let zstd = Compression { codec: CompressionType::Zstd, level: Some(-5) };
        assert_eq!(config.compression(), zstd);
        assert_eq!(config.acks(), Acks::Leader);
        assert_eq!((config.batch_size(), config.buffer_memory()), (1, 2));
        assert_eq!(config.connections_max_idle(), None);
        assert_eq!(config.delivery_timeout(), Duration::from_secs(3));
        assert!(!config.enable_idempotence());
        assert_eq!(config.linger(), Duration::from_millis(4));
        assert_eq!(config.max_block(), Duration::from_millis(5));
        assert_eq!(config.max_in_flight_requests_per_connection(), 6);
        assert_eq!(config.max_request_size(), 7);
        assert_eq!(config.metadata_max_age(), Duration::from_millis(8));
        assert_eq!(config.metadata_max_idle(), Duration::from_secs(9));
        assert_eq!(config.metadata_recovery_rebootstrap_trigger(), Some(Duration::from_millis(10)));
        assert!(!config.partitioner_adaptive_partitioning_enable());
        assert_eq!(config.partitioner_availability_timeout(), Duration::from_millis(11));
        assert_eq!(config.partitioner_class(), PartitionerClass::RoundRobin);
        assert!(config.partitioner_ignore_keys());
        assert_eq!((config.receive_buffer(), config.send_buffer()), (None, Some(18)));
        assert_eq!(config.reconnect_backoff(), Duration::from_millis(12));
        assert_eq!(config.reconnect_backoff_max(), Duration::from_millis(13));
        assert_eq!(config.request_timeout(), Duration::from_millis(14));
        assert_eq!(config.retries(), 15);
        assert_eq!(config.retry_backoff(), Duration::from_millis(16));
        assert_eq!(config.retry_backoff_max(), Duration::from_millis(17));
        assert_eq!(config.socket_connection_setup_timeout(), Duration::from_millis(19));
        assert_eq!(config.socket_connection_setup_timeout_max(), Duration::from_millis(20));
    }

    #[test]
    fn a_part_of_a_millisecond_counts_as_one() {
        let config = ProducerConfig::builder()
            .bootstrap_servers("a:1")
            .linger(Duration::from_micros(1_001))
            .max_block(Duration::MAX)
            .build()
            .expect("a valid configuration");

        assert_eq!(config.linger(), Duration::from_millis(2));
        assert_eq!(config.max_block(), Duration::from_millis(i64::MAX.unsigned_abs()));
    }
}
