//! The values in force: what was given and the defaults, after the rules that span several properties.

use std::time::Duration;

use log::Level;

use crate::client::client_utils::parse_bootstrap_servers;
use crate::compress::{Compression, CompressionType};
use crate::config::config_def::Parsed;
use crate::producer::producer_config::ProducerConfig;
use crate::producer::producer_config::values::{
    Acks, PartitionerClass, ROUND_ROBIN, ROUND_ROBIN_SHORT,
};

/// Defines the settings that are plain values, and their getters.
macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident: $kind:ty,)*) => {
        /// One field a property that does something, named as the property without its unit.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub(super) struct Settings {
            pub(super) bootstrap_servers: Vec<(String, u16)>,
            pub(super) client_id: String,
            $(pub(super) $name: $kind,)*
        }

        impl ProducerConfig {
            /// Host and port of each, in the order given; not empty.
            pub(crate) fn bootstrap_servers(&self) -> &[(String, u16)] {
                &self.settings.bootstrap_servers
            }

            /// `producer-<number>` if none was given.
            pub(crate) fn client_id(&self) -> &str {
                &self.settings.client_id
            }

            $($(#[$doc])*
            pub(crate) fn $name(&self) -> $kind {
                self.settings.$name
            })*
        }
    };
}

settings! {
    acks: Acks,
    /// At least 1.
    batch_size: usize,
    buffer_memory: usize,
    /// A codec that is built in.
    compression: Compression,
    connections_max_idle: Option<Duration>,
    /// At least `linger` and `request_timeout` together.
    delivery_timeout: Duration,
    enable_idempotence: bool,
    linger: Duration,
    max_block: Duration,
    /// From 1, and up to 5 with idempotence.
    max_in_flight_requests_per_connection: usize,
    max_request_size: usize,
    metadata_max_age: Duration,
    metadata_max_idle: Duration,
    /// `None` if `metadata.recovery.strategy` is `none`.
    metadata_recovery_rebootstrap_trigger: Option<Duration>,
    partitioner_adaptive_partitioning_enable: bool,
    /// Zero means never.
    partitioner_availability_timeout: Duration,
    partitioner_class: PartitionerClass,
    partitioner_ignore_keys: bool,
    /// `None` leaves it to the operating system.
    receive_buffer: Option<usize>,
    reconnect_backoff: Duration,
    reconnect_backoff_max: Duration,
    request_timeout: Duration,
    retries: u32,
    retry_backoff: Duration,
    /// Where it is less than `retry_backoff`, every wait is this long.
    retry_backoff_max: Duration,
    /// `None` leaves it to the operating system.
    send_buffer: Option<usize>,
    socket_connection_setup_timeout: Duration,
    socket_connection_setup_timeout_max: Duration,
}

const ACKS: &str = "acks";
const BOOTSTRAP_SERVERS: &str = "bootstrap.servers";
const CLIENT_ID: &str = "client.id";
const COMPRESSION_TYPE: &str = "compression.type";
const CONNECTIONS_MAX_IDLE: &str = "connections.max.idle.ms";
const DELIVERY_TIMEOUT: &str = "delivery.timeout.ms";
const ENABLE_IDEMPOTENCE: &str = "enable.idempotence";
const LZ4_LEVEL: &str = "compression.lz4.level";
const LINGER: &str = "linger.ms";
const MAX_IN_FLIGHT: &str = "max.in.flight.requests.per.connection";
const PARTITIONER_CLASS: &str = "partitioner.class";
const RECONNECT_BACKOFF: &str = "reconnect.backoff.ms";
const RECONNECT_BACKOFF_MAX: &str = "reconnect.backoff.max.ms";
const REQUEST_TIMEOUT: &str = "request.timeout.ms";
const RETRIES: &str = "retries";

/// The most requests in flight among which a broker recognises a repeated batch.
const MAX_IN_FLIGHT_WITH_IDEMPOTENCE: i64 = 5;
/// What the length of a client id in a request header can say.
const MAX_CLIENT_ID_BYTES: usize = i16::MAX as usize;
/// The level that stands for the fast method in Java, and for nothing else.
const FAST_LZ4: i64 = 9;
/// The longest time that Java's 32-bit settings can say.
const MAX_INT_MILLIS: Duration = Duration::from_millis(i32::MAX as u64);

impl Settings {
    /// Applies the rules, in Java's order. Their problems and adjustments are left in `parsed`.
    pub(super) fn resolve(parsed: &mut Parsed) -> Self {
        check_client_id(parsed);
        Self {
            bootstrap_servers: bootstrap_servers(parsed),
            client_id: parsed.text(CLIENT_ID).unwrap_or_default().to_owned(),
            acks: acks(parsed),
            batch_size: parsed.count("batch.size").max(1),
            buffer_memory: parsed.count("buffer.memory"),
            compression: compression(parsed, CompressionType::is_built_in),
            connections_max_idle: connections_max_idle(parsed),
            enable_idempotence: enable_idempotence(parsed),
            delivery_timeout: delivery_timeout(parsed),
            linger: parsed.millis(LINGER).min(MAX_INT_MILLIS),
            max_block: parsed.millis("max.block.ms"),
            max_in_flight_requests_per_connection: parsed.count(MAX_IN_FLIGHT),
            max_request_size: parsed.count("max.request.size"),
            metadata_max_age: parsed.millis("metadata.max.age.ms"),
            metadata_max_idle: parsed.millis("metadata.max.idle.ms"),
            metadata_recovery_rebootstrap_trigger: metadata_recovery_rebootstrap_trigger(parsed),
            partitioner_adaptive_partitioning_enable: parsed
                .boolean("partitioner.adaptive.partitioning.enable"),
            partitioner_availability_timeout: parsed.millis("partitioner.availability.timeout.ms"),
            partitioner_class: partitioner_class(parsed),
            partitioner_ignore_keys: parsed.boolean("partitioner.ignore.keys"),
            receive_buffer: parsed.count_unless_negative("receive.buffer.bytes"),
            reconnect_backoff: parsed.millis(RECONNECT_BACKOFF),
            reconnect_backoff_max: reconnect_backoff_max(parsed),
            request_timeout: parsed.millis(REQUEST_TIMEOUT),
            retries: u32::try_from(parsed.number(RETRIES)).unwrap_or_default(),
            retry_backoff: parsed.millis("retry.backoff.ms"),
            retry_backoff_max: capped(parsed, "retry.backoff.ms", "retry.backoff.max.ms"),
            send_buffer: parsed.count_unless_negative("send.buffer.bytes"),
            socket_connection_setup_timeout: parsed.millis("socket.connection.setup.timeout.ms"),
            socket_connection_setup_timeout_max: capped(
                parsed,
                "socket.connection.setup.timeout.ms",
                "socket.connection.setup.timeout.max.ms",
            ),
        }
    }
}

fn bootstrap_servers(parsed: &mut Parsed) -> Vec<(String, u16)> {
    if !parsed.are_sound(&[BOOTSTRAP_SERVERS]) {
        return Vec::new();
    }
    match parse_bootstrap_servers(parsed.list(BOOTSTRAP_SERVERS)) {
        Ok(addresses) => addresses,
        Err(problem) => {
            parsed.refuse(BOOTSTRAP_SERVERS, problem.reason().to_owned());
            Vec::new()
        }
    }
}

/// Levels are read with their own codec only, as in Java.
pub(super) fn compression(
    parsed: &mut Parsed,
    is_built_in: fn(CompressionType) -> bool,
) -> Compression {
    let name = parsed.text(COMPRESSION_TYPE).unwrap_or_default();
    let known = CompressionType::ALL.into_iter().find(|codec| codec.name() == name);
    let codec = known.unwrap_or_default();
    if !is_built_in(codec) {
        let reason = format!(
            "{codec} is not built in: switch on the feature `{codec}` of the crate kafka-producer, \
             or choose another codec"
        );
        parsed.refuse(COMPRESSION_TYPE, reason);
        return Compression::default();
    }
    let level = match codec {
        CompressionType::Gzip => Some(parsed.number("compression.gzip.level")),
        CompressionType::Zstd => Some(parsed.number("compression.zstd.level")),
        CompressionType::Lz4 if parsed.number(LZ4_LEVEL) != FAST_LZ4 => {
            let reason = format!(
                "lz4 has no other level than {FAST_LZ4} here, which is its fast method: leave it out"
            );
            parsed.refuse(LZ4_LEVEL, reason);
            None
        }
        _ => None,
    };
    let level = level.and_then(|level| i32::try_from(level).ok());
    let level = level.filter(|level| (codec, *level) != (CompressionType::Gzip, -1));
    Compression { codec, level }
}

/// Zero would close every connection before its first answer.
fn connections_max_idle(parsed: &mut Parsed) -> Option<Duration> {
    let idle = parsed.millis_unless_negative(CONNECTIONS_MAX_IDLE);
    if idle == Some(Duration::ZERO) {
        let reason = "0 would close every connection before it is used: set it to -1 for never";
        parsed.refuse(CONNECTIONS_MAX_IDLE, reason.to_owned());
    }
    idle
}

/// It goes into every request header, into log lines and into a thread's name.
fn check_client_id(parsed: &mut Parsed) {
    let id = parsed.text(CLIENT_ID).unwrap_or_default();
    let length = id.len();
    if length > MAX_CLIENT_ID_BYTES {
        let reason = format!("has {length} bytes (allowed: {MAX_CLIENT_ID_BYTES} at most)");
        parsed.refuse(CLIENT_ID, reason);
    } else if id.contains(char::is_control) {
        let reason = format!("{id:?} has a control character (leave out line breaks and the like)");
        parsed.refuse(CLIENT_ID, reason);
    }
}

fn acks(parsed: &Parsed) -> Acks {
    match parsed.text(ACKS) {
        Some("0") => Acks::None,
        Some("1") => Acks::Leader,
        _ => Acks::All,
    }
}

fn metadata_recovery_rebootstrap_trigger(parsed: &Parsed) -> Option<Duration> {
    let strategy = parsed.text("metadata.recovery.strategy").unwrap_or_default();
    let starts_over = !strategy.eq_ignore_ascii_case("none");
    starts_over.then(|| parsed.millis("metadata.recovery.rebootstrap.trigger.ms"))
}

/// Classes cannot be loaded by name; Kafka's own one that is not the default is known.
fn partitioner_class(parsed: &mut Parsed) -> PartitionerClass {
    match parsed.text(PARTITIONER_CLASS) {
        None => PartitionerClass::BuiltIn,
        Some(ROUND_ROBIN | ROUND_ROBIN_SHORT) => PartitionerClass::RoundRobin,
        Some(class) => {
            let reason = format!(
                "{class:?} cannot be loaded by name (allowed: {ROUND_ROBIN_SHORT}, or not set). \
                 A partitioner of your own is given to KafkaProducer::builder"
            );
            parsed.refuse(PARTITIONER_CLASS, reason);
            PartitionerClass::BuiltIn
        }
    }
}

/// Idempotence asked for by default gives way to `retries=0` and to `acks` of less than all. Asked for in words it does
/// not, and more than five requests in flight are refused either way. A faulty value stands as its default, which conflicts
/// with nothing.
fn enable_idempotence(parsed: &mut Parsed) -> bool {
    if !parsed.boolean(ENABLE_IDEMPOTENCE) || !parsed.are_sound(&[ENABLE_IDEMPOTENCE]) {
        return false;
    }
    let in_flight = parsed.number(MAX_IN_FLIGHT);
    if in_flight > MAX_IN_FLIGHT_WITH_IDEMPOTENCE {
        let reason = format!(
            "{in_flight} is too many for an idempotent producer: \
             set it to {MAX_IN_FLIGHT_WITH_IDEMPOTENCE} or less, or set enable.idempotence=false"
        );
        parsed.refuse(MAX_IN_FLIGHT, reason);
    }
    let mut conflicts = Vec::new();
    if parsed.number(RETRIES) == 0 {
        conflicts.push((RETRIES, "0 is too few for an idempotent producer: set it to 1 or more"));
    }
    match acks(parsed) {
        Acks::All => {}
        Acks::Leader => {
            conflicts.push((ACKS, "1 is not enough for an idempotent producer: set it to all"));
        }
        Acks::None => {
            conflicts.push((ACKS, "0 is not enough for an idempotent producer: set it to all"));
        }
    }
    for (property, reason) in &conflicts {
        if parsed.is_explicit(ENABLE_IDEMPOTENCE) {
            parsed.refuse(property, format!("{reason}, or set enable.idempotence=false"));
        } else {
            let text = format!("enable.idempotence is off, since {property} conflicts with it");
            parsed.note(Level::Info, text);
        }
    }
    conflicts.is_empty()
}

/// A time-out that cannot be kept is refused if it was given, and raised if it is the default.
fn delivery_timeout(parsed: &mut Parsed) -> Duration {
    let timeout = parsed.millis(DELIVERY_TIMEOUT);
    let linger = parsed.millis(LINGER).min(MAX_INT_MILLIS);
    let least = (linger + parsed.millis(REQUEST_TIMEOUT)).min(MAX_INT_MILLIS);
    if timeout >= least || !parsed.are_sound(&[DELIVERY_TIMEOUT, LINGER, REQUEST_TIMEOUT]) {
        return timeout;
    }
    let (timeout, least_ms) = (timeout.as_millis(), least.as_millis());
    if parsed.is_explicit(DELIVERY_TIMEOUT) {
        let reason = format!(
            "{timeout} is less than linger.ms + request.timeout.ms ({least_ms}): \
             raise it to {least_ms} at least, or lower those"
        );
        parsed.refuse(DELIVERY_TIMEOUT, reason);
    } else {
        let text = format!(
            "{DELIVERY_TIMEOUT} is raised from {timeout} to {least_ms}, \
             which is linger.ms + request.timeout.ms"
        );
        parsed.note(Level::Warn, text);
    }
    least
}

/// Whoever sets the base alone gets waits of that length always.
fn reconnect_backoff_max(parsed: &mut Parsed) -> Duration {
    if parsed.is_explicit(RECONNECT_BACKOFF) && !parsed.is_explicit(RECONNECT_BACKOFF_MAX) {
        let text = format!(
            "the wait before a new connection does not grow, \
             since {RECONNECT_BACKOFF} is set and {RECONNECT_BACKOFF_MAX} is not"
        );
        parsed.note(Level::Warn, text);
        return parsed.millis(RECONNECT_BACKOFF);
    }
    capped(parsed, RECONNECT_BACKOFF, RECONNECT_BACKOFF_MAX)
}

/// The value of `cap`, which makes every wait the same where it is less than `base`.
fn capped(parsed: &mut Parsed, base: &str, cap: &str) -> Duration {
    if parsed.number(base) > parsed.number(cap) {
        parsed
            .note(Level::Warn, format!("{base} is greater than {cap}, which is used in its place"));
    }
    parsed.millis(cap)
}
