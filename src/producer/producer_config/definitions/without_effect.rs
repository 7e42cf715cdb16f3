//! Properties that are accepted and change nothing: they belong to the JVM, or to something that is not in use.

use crate::config::config_def::{Property, Valid};

const GIVEN_IN_CODE: &str = "serializers are given to KafkaProducer::new";
const NO_METRICS_REPORTERS: &str = "it is about Java's metrics reporters";
const NO_JMX: &str = "there is no JMX outside the JVM";

pub(super) const WITHOUT_EFFECT: &[Property] = &[
    Property::boolean("auto.include.jmx.reporter")
        .default("true")
        .ignored(NO_JMX)
        .doc("Whether metrics show up in JMX. Removed from Kafka in 4.0."),
    Property::long("bootstrap.resolve.timeout.ms")
        .default("0")
        .at_least(0)
        .high()
        .ignored("names are always resolved in the background, for as long as it takes")
        .doc("How long the names in `bootstrap.servers` may take to resolve; `0` resolves them at construction."),
    Property::string("buffer.memory.allocation.strategy")
        .default("full")
        .valid(Valid::OneOfIgnoringCase(&["full", "incremental"]))
        .medium()
        .ignored("batches always grow with their records")
        .doc("Whether a batch reserves its whole size at once or grows in steps."),
    Property::string("client.rack")
        .default("")
        .ignored("it is read with partitioner.rack.aware only")
        .doc("The rack that this producer is in."),
    Property::class("default.list.key.serde.inner")
        .ignored(GIVEN_IN_CODE)
        .doc("What serializes the elements of a key that is a list."),
    Property::class("default.list.value.serde.inner")
        .ignored(GIVEN_IN_CODE)
        .doc("What serializes the elements of a value that is a list."),
    Property::boolean("enable.metrics.push")
        .default("true")
        .ignored("no metrics are pushed to brokers (KIP-714)")
        .doc("Whether brokers may collect this client's metrics."),
    Property::class("key.serializer")
        .high()
        .ignored(GIVEN_IN_CODE)
        .doc("The class that serializes keys. Required in Java, unless the constructor is given one."),
    Property::boolean("metadata.cluster.check.enable")
        .default("true")
        .ignored("brokers are not told which cluster is expected (KIP-1242)")
        .doc("Whether brokers check that a connection reached the cluster it was meant for."),
    Property::int("metrics.num.samples")
        .default("2")
        .at_least(1)
        .ignored(NO_METRICS_REPORTERS)
        .doc("How many windows of time a metric spans."),
    Property::string("metrics.recording.level")
        .default("INFO")
        .valid(Valid::OneOf(&["INFO", "DEBUG", "TRACE"]))
        .ignored(NO_METRICS_REPORTERS)
        .doc("How detailed the recorded metrics are."),
    Property::long("metrics.sample.window.ms")
        .default("30000")
        .at_least(0)
        .ignored(NO_METRICS_REPORTERS)
        .doc("How long one window of a metric is."),
    Property::int("transaction.timeout.ms")
        .default("60000")
        .ignored("it is read with transactional.id only")
        .doc("How long the coordinator lets a transaction stay open."),
    Property::class("value.serializer")
        .high()
        .ignored(GIVEN_IN_CODE)
        .doc("The class that serializes values. Required in Java, unless the constructor is given one."),
];

/// Any name that begins so.
pub(super) const LABELS: Property = Property::string("metrics.context.")
    .ignored(NO_METRICS_REPORTERS)
    .doc("Labels for metrics reporters.");
