//! Puts a producer together from its settings. Java: the constructor of `KafkaProducer`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::client::host_resolver::SystemResolver;
use crate::client::metadata::{Metadata, MetadataSettings};
use crate::client::network_client::{NetworkClient, NetworkClientSettings};
use crate::error::{Error, ErrorKind};
use crate::network::plaintext_transport_layer::SocketOptions;
use crate::network::selector::{Selector, SelectorSettings};
use crate::producer::internals::buffer_pool::BufferPool;
use crate::producer::internals::built_in_partitioner::StickySettings;
use crate::producer::internals::field_serializer::FieldSerializer;
use crate::producer::internals::producer_interceptors::ProducerInterceptors;
use crate::producer::internals::record_accumulator::{
    RecordAccumulator, is_split_harmless, largest_batch,
};
use crate::producer::internals::sender::{Sender, SenderSettings};
use crate::producer::internals::sender_signal::SenderSignal;
use crate::producer::internals::sender_thread::{self, SenderShared};
use crate::producer::kafka_producer::send::FastPath;
use crate::producer::kafka_producer::{Inner, KafkaProducer};
use crate::producer::partitioner::Partitioner;
use crate::producer::producer_config::{PartitionerClass, ProducerConfig};
use crate::producer::producer_interceptor::ProducerInterceptor;
use crate::producer::round_robin_partitioner::RoundRobinPartitioner;
use crate::serialization::serializer::Serializer;
use crate::utils::clock::{Clock, SystemClock};
use crate::utils::exponential_backoff::ExponentialBackoff;
use crate::utils::random::Random;
use crate::utils::sync::Mutex;

/// The longest that a full batch waits for the sender's next event instead of waking it; no longer than `linger.ms`.
const MAX_DOZE: Duration = Duration::from_millis(1);

/// A producer in the making, with what cannot be written in a properties file.
pub struct KafkaProducerBuilder<K: ?Sized, V: ?Sized> {
    config: ProducerConfig,
    partitioner: Option<Box<dyn Partitioner>>,
    interceptors: Vec<Box<dyn ProducerInterceptor<K, V>>>,
}

impl<K: ?Sized + 'static, V: ?Sized + 'static> KafkaProducerBuilder<K, V> {
    pub(super) fn new(config: ProducerConfig) -> Self {
        Self { config, partitioner: None, interceptors: Vec::new() }
    }

    /// Lets `partitioner` choose the partition of every record that does not name one.
    ///
    /// - Property: `partitioner.class`, which this overrides.
    /// - Default: the hash of the key; without a key, one partition for a batch's worth of records, then another.
    #[must_use]
    pub fn partitioner(mut self, partitioner: impl Partitioner + 'static) -> Self {
        self.partitioner = Some(Box::new(partitioner));
        self
    }

    /// Adds an interceptor behind those already there.
    ///
    /// - Property: takes the place of `interceptor.classes`.
    /// - Default: none.
    /// - Since: KIP-42.
    #[must_use]
    pub fn interceptor(mut self, interceptor: impl ProducerInterceptor<K, V> + 'static) -> Self {
        self.interceptors.push(Box::new(interceptor));
        self
    }

    /// Starts the producer. Connects when it is needed, not here.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the operating system refuses a poll descriptor or a thread.
    pub fn build(
        self,
        key_serializer: impl Serializer<K> + 'static,
        value_serializer: impl Serializer<V> + 'static,
    ) -> Result<KafkaProducer<K, V>, Error> {
        let Self { config, partitioner, interceptors } = self;
        let partitioner = partitioner.or_else(|| match config.partitioner_class() {
            PartitionerClass::BuiltIn => None,
            PartitionerClass::RoundRobin => Some(Box::new(RoundRobinPartitioner::new())),
        });
        let mut random = Random::from_entropy();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let selector = selector(&config, &clock).map_err(|error| {
            let message = format!("cannot open a poll descriptor: {error}").into();
            Error::new(ErrorKind::Io { kind: error.kind(), message })
        })?;
        let signal = Arc::new(SenderSignal::new(selector.wakeup()));
        let metadata = Arc::new(Metadata::new(metadata_settings(&config), random.fork()));
        let accumulator = Arc::new(accumulator(&config, &signal, random.fork()));
        let client = network_client(&config, selector, &metadata, random.fork());
        let sender = Sender::new(
            sender_settings(&config),
            client,
            Arc::clone(&metadata),
            Arc::clone(&accumulator),
            random.fork(),
        );
        let shared = SenderShared {
            accumulator: Arc::clone(&accumulator),
            metadata: Arc::clone(&metadata),
            clock: Arc::clone(&clock),
        };
        let (lifecycle, thread) = sender_thread::spawn(sender, shared, config.client_id())
            .map_err(|error| Error::io(&error))?;
        let mut inner = Inner {
            key_serializer: FieldSerializer::of_keys(key_serializer),
            value_serializer: FieldSerializer::of_values(value_serializer),
            partitioner,
            interceptors: ProducerInterceptors::new(interceptors),
            fast_path: None,
            config,
            metadata,
            accumulator,
            clock: SystemClock,
            lifecycle,
            thread: Mutex::new(Some(thread)),
        };
        inner.fast_path = FastPath::of(&inner);
        Ok(KafkaProducer { inner: Arc::new(inner) })
    }
}

fn selector(config: &ProducerConfig, clock: &Arc<dyn Clock>) -> std::io::Result<Selector> {
    let options = SocketOptions {
        send_buffer: config.send_buffer(),
        receive_buffer: config.receive_buffer(),
    };
    let connections_max_idle = config.connections_max_idle();
    let max_doze = MAX_DOZE.min(config.linger());
    let all_are_answered = config.acks().number() != 0;
    let settings = SelectorSettings { options, connections_max_idle, max_doze, all_are_answered };
    Selector::new(settings, Arc::clone(clock))
}

fn metadata_settings(config: &ProducerConfig) -> MetadataSettings {
    MetadataSettings {
        bootstrap: config.bootstrap_servers().to_vec(),
        refresh_backoff: retry_backoff(config),
        max_age: config.metadata_max_age(),
        max_idle: config.metadata_max_idle(),
        rebootstrap_trigger: config.metadata_recovery_rebootstrap_trigger(),
    }
}

fn accumulator(
    config: &ProducerConfig,
    signal: &Arc<SenderSignal>,
    random: Random,
) -> RecordAccumulator {
    let batch_size = config.batch_size();
    let wakes = Arc::clone(signal);
    let pool = BufferPool::new(config.buffer_memory(), batch_size, move || wakes.wake());
    let sticky = StickySettings {
        sticky_bytes: batch_size,
        is_adaptive: config.partitioner_adaptive_partitioning_enable(),
        unavailable_nodes: ArcSwap::default(),
    };
    let signal = Arc::clone(signal);
    RecordAccumulator::new(batch_size, Arc::new(pool), Arc::new(sticky), signal, random)
        .with_compression(config.compression())
        .with_largest_batch(largest_batch_of(config))
}

fn largest_batch_of(config: &ProducerConfig) -> usize {
    let (acks, in_flight) =
        (config.acks().number(), config.max_in_flight_requests_per_connection());
    let is_split_harmless = is_split_harmless(config.enable_idempotence(), acks, in_flight);
    largest_batch(config.batch_size(), config.max_request_size(), is_split_harmless)
}

fn network_client(
    config: &ProducerConfig,
    selector: Selector,
    metadata: &Arc<Metadata>,
    random: Random,
) -> NetworkClient<Selector> {
    let settings = NetworkClientSettings {
        client_id: config.client_id().into(),
        max_in_flight: config.max_in_flight_requests_per_connection(),
        reconnect_backoff: ExponentialBackoff::new(
            config.reconnect_backoff(),
            config.reconnect_backoff_max(),
        ),
        connection_setup_timeout: ExponentialBackoff::new(
            config.socket_connection_setup_timeout(),
            config.socket_connection_setup_timeout_max(),
        ),
        request_timeout: config.request_timeout(),
    };
    let resolver = Box::new(SystemResolver::new(selector.wakeup()));
    NetworkClient::new(settings, Arc::clone(metadata), selector, resolver, random)
}

fn sender_settings(config: &ProducerConfig) -> SenderSettings {
    SenderSettings {
        acks: config.acks().number(),
        max_request_size: config.max_request_size(),
        retries: config.retries(),
        request_timeout: config.request_timeout(),
        delivery_timeout: config.delivery_timeout(),
        linger: config.linger(),
        retry_backoff: retry_backoff(config),
        is_idempotent: config.enable_idempotence(),
        trusted_silence: TRUSTED_SILENCE,
        guarantees_order: config.max_in_flight_requests_per_connection() == 1,
        availability_timeout: availability_timeout(config),
        codec: config.compression().codec,
    }
}

/// Brokers forget a producer after a day, unless `producer.id.expiration.ms` says otherwise; to be too careful costs a
/// partition one round trip.
const TRUSTED_SILENCE: Duration = Duration::from_secs(60);

/// The time-out has a meaning for the adaptive choice only.
fn availability_timeout(config: &ProducerConfig) -> Duration {
    if config.partitioner_adaptive_partitioning_enable() {
        config.partitioner_availability_timeout()
    } else {
        Duration::ZERO
    }
}

fn retry_backoff(config: &ProducerConfig) -> ExponentialBackoff {
    ExponentialBackoff::new(config.retry_backoff(), config.retry_backoff_max())
}

impl<K: ?Sized, V: ?Sized> fmt::Debug for KafkaProducerBuilder<K, V> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("KafkaProducerBuilder")
            .field("config", &self.config)
            .field("interceptors", &self.interceptors.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_grow_only_where_a_broker_may_find_them_too_large_without_harm() {
        let largest = |acks, idempotence, in_flight| {
            let config = ProducerConfig::from_properties([
                ("bootstrap.servers", "localhost:9092"),
                ("batch.size", "1000"),
                ("acks", acks),
                ("enable.idempotence", idempotence),
                ("max.in.flight.requests.per.connection", in_flight),
            ]);
            largest_batch_of(&config.expect("valid"))
        };

        assert_eq!(largest("all", "true", "5"), 16_000);
        assert_eq!(largest("1", "false", "1"), 16_000);
        assert_eq!(largest("1", "false", "2"), 1000);
        assert_eq!(largest("0", "false", "1"), 1000);
        assert_eq!(largest("0", "false", "5"), 1000);
    }
}
