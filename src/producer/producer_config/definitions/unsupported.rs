//! Properties that ask for what this crate cannot do. Any value but the default is refused.

use crate::config::config_def::{Property, Valid};

const CHARSET_IN_CODE: &str =
    "another charset is given in code, with StringSerializer::with_charset";
const NO_PROVIDERS: &str = "values always stand for themselves: put the value in place of its name";

pub(super) const UNSUPPORTED: &[Property] = &[
    Property::string("client.dns.lookup")
        .default("use_all_dns_ips")
        .valid(Valid::OneOf(&["use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"]))
        .medium()
        .refused("every address of a name is tried, names are not looked up in reverse")
        .doc("How a host name becomes addresses: every address that it has, tried in turn, or canonical names first."),
    Property::list("config.providers")
        .refused(NO_PROVIDERS)
        .doc("Where `${provider:path:key}` in values is looked up. Here such text is never replaced."),
    Property::list("interceptor.classes")
        .refused("classes cannot be loaded by name: give interceptors to KafkaProducer::builder")
        .doc("Interceptors, by class."),
    Property::string("key.serializer.encoding")
        .default("UTF-8")
        .refused(CHARSET_IN_CODE)
        .doc("The charset of keys that are text."),
    Property::list("metric.reporters")
        .default("org.apache.kafka.common.metrics.JmxReporter")
        .refused_but(&["", "JmxReporter"], "classes cannot be loaded by name")
        .doc("Who is told about metrics, by class. The default has no effect here."),
    Property::boolean("partitioner.rack.aware")
        .default("false")
        .refused("racks play no part in the choice of a partition")
        .doc("Whether records without a key prefer partitions whose leader is in the rack of `client.rack`."),
    Property::string("serializer.encoding")
        .default("UTF-8")
        .refused(CHARSET_IN_CODE)
        .doc("The charset of keys and values that are text."),
    Property::boolean("transaction.two.phase.commit.enable")
        .default("false")
        .refused("there are no transactions: leave it out")
        .doc("Whether transactions may take part in a two-phase commit."),
    Property::string("transactional.id")
        .valid(Valid::NonEmpty)
        .refused("there are no transactions: leave it out")
        .doc("The name under which transactions go on after a restart."),
    Property::string("value.serializer.encoding")
        .default("UTF-8")
        .refused(CHARSET_IN_CODE)
        .doc("The charset of values that are text."),
];

/// Any name that begins so.
pub(super) const PROVIDERS: Property = Property::password("config.providers.")
    .refused(NO_PROVIDERS)
    .doc("The settings of one of the `config.providers`.");

/// Names that are not this producer's, and what is.
pub(super) const REPLACED: &[(&str, &str)] = &[
    // Of earlier releases of Kafka.
    ("block.on.buffer.full", "Kafka removed it, max.block.ms=0 fails at once, more waits"),
    ("metadata.fetch.timeout.ms", "Kafka replaced it by max.block.ms"),
    ("timeout.ms", "Kafka replaced it by request.timeout.ms"),
    ("internal.auto.downgrade.txn.commit", "Kafka removed it, leave it out"),
    ("request.required.acks", "Kafka's name for it is acks"),
    ("metadata.broker.list", "Kafka's name for it is bootstrap.servers"),
    // Of librdkafka.
    ("batch.num.messages", "batches are bounded by batch.size, in bytes"),
    ("brokers", "Kafka's name for it is bootstrap.servers"),
    ("compression.codec", "Kafka's name for it is compression.type"),
    ("compression.level", "Kafka has one a codec, such as compression.gzip.level"),
    ("max.in.flight", "Kafka's name for it is max.in.flight.requests.per.connection"),
    ("message.max.bytes", "Kafka's name for it is max.request.size"),
    ("message.send.max.retries", "Kafka's name for it is retries"),
    ("message.timeout.ms", "Kafka's name for it is delivery.timeout.ms"),
    ("partitioner", "Kafka's name for it is partitioner.class"),
    ("queue.buffering.max.kbytes", "Kafka's name for it is buffer.memory, in bytes"),
    ("queue.buffering.max.messages", "waiting records are bounded by buffer.memory, in bytes"),
    ("queue.buffering.max.ms", "Kafka's name for it is linger.ms"),
    ("sasl.password", "Kafka has it in sasl.jaas.config"),
    ("sasl.username", "Kafka has it in sasl.jaas.config"),
    ("socket.receive.buffer.bytes", "Kafka's name for it is receive.buffer.bytes"),
    ("socket.send.buffer.bytes", "Kafka's name for it is send.buffer.bytes"),
    ("socket.timeout.ms", "Kafka's name for it is request.timeout.ms"),
    ("ssl.ca.location", "Kafka's name for it is ssl.truststore.location"),
    ("topic.metadata.refresh.interval.ms", "Kafka's name for it is metadata.max.age.ms"),
    // Of the consumer.
    ("auto.offset.reset", "it is a property of consumers"),
    ("enable.auto.commit", "it is a property of consumers"),
    ("group.id", "it is a property of consumers"),
    ("key.deserializer", "it is a property of consumers"),
    ("max.poll.records", "it is a property of consumers"),
    ("value.deserializer", "it is a property of consumers"),
];
