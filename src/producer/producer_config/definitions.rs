//! Every property of Java's producer, as of Kafka 4.4.

mod sasl;
mod ssl;
mod unsupported;
mod without_effect;

use crate::config::config_def::{ConfigDef, Property, Valid};

pub(super) const DEFINITIONS: ConfigDef = ConfigDef {
    properties: &[
        WORKING,
        without_effect::WITHOUT_EFFECT,
        unsupported::UNSUPPORTED,
        sasl::SASL,
        ssl::SSL,
    ],
    prefixes: &[without_effect::LABELS, unsupported::PROVIDERS],
    replaced: unsupported::REPLACED,
};

const WORKING: &[Property] = &[
    Property::string("acks")
        .default("all")
        .valid(Valid::OneOf(&["all", "-1", "0", "1"]))
        .doc("Who must have a record before it counts as sent. `0`: nobody; errors go unseen and offsets unknown. \
              `1`: the leader of the partition. `all` or `-1`: every in-sync replica. Idempotence needs `all`: any \
              other value turns it off, or is refused if `enable.idempotence=true` was given."),
    Property::int("batch.size")
        .default("16384")
        .at_least(0)
        .medium()
        .doc("How many bytes of records for one partition travel together. `0` sends every record by itself. A \
              record that is larger begins a batch of its own. Batches take memory as their records come; one that \
              waits may grow to 16 times this, counted before compression, within `max.request.size`, where it does no \
              harm if a broker finds it too large: with idempotence, or with one request at a time and answers."),
    Property::list("bootstrap.servers")
        .required()
        .valid(Valid::NonEmptyUniqueList)
        .high()
        .doc("Brokers to ask for the rest of the cluster, as `host:port`, separated by commas. IPv6 addresses go in \
              brackets: `[::1]:9092`. One is enough; more help when it is down. A scheme in front, as in \
              `PLAINTEXT://`, is left aside, unless it stands for TLS or SASL."),
    Property::long("buffer.memory")
        .default("33554432")
        .at_least(0)
        .high()
        .doc("How many bytes the records that wait to be sent or acknowledged may take, in batches that take at least a \
              sixteenth of `batch.size` each. For small batches and records it also counts what else they take: about \
              650 bytes for a batch, and 24 for a callback, without what that captures; a record that is larger than \
              `batch.size` takes up to an eighth more. Codecs take memory of their own while they work, zstd at its \
              highest levels many megabytes a thread. When all is taken, `send` waits, up to `max.block.ms`. A record \
              that is larger than this, with some 80 bytes around it, is refused."),
    Property::string("client.id")
        .default("")
        .medium()
        .doc("The name under which brokers log, limit and count this producer; up to 32767 bytes, no control \
              characters. If it is not given: `producer-<number>`, numbered within the process."),
    Property::int("compression.gzip.level")
        .default("-1")
        .valid(Valid::BetweenOr(1, 9, -1))
        .medium()
        .doc("How hard gzip tries; `-1` leaves it to gzip. Read with `compression.type=gzip` only."),
    Property::int("compression.lz4.level")
        .default("9")
        .between(1, 17)
        .medium()
        .doc("How hard lz4 tries; 9 is the fast method, and the only one here: with `compression.type=lz4` any other \
              is refused."),
    Property::string("compression.type")
        .default("none")
        .valid(Valid::OneOf(&["none", "gzip", "snappy", "lz4", "zstd"]))
        .high()
        .doc("How batches are compressed. Each codec is a feature of the crate; one that is not built in is refused. \
              `zstd` needs brokers of 2.1 or later. A batch then takes records until it is expected to become \
              `batch.size`; one that does not become smaller travels as it is."),
    Property::int("compression.zstd.level")
        .default("3")
        .between(-131_072, 22)
        .medium()
        .doc("How hard zstd tries; less than 1 is faster and larger. Read with `compression.type=zstd` only."),
    Property::long("connections.max.idle.ms")
        .default("180000")
        .medium()
        .doc("How long an unused connection stays open. Cloud load balancers drop one silently after 4 minutes. A \
              negative value keeps it for ever; 0 is refused."),
    Property::int("delivery.timeout.ms")
        .default("120000")
        .at_least(0)
        .medium()
        .doc("How long a record may take from `send` to its acknowledgement, waiting and retries included. At least \
              `linger.ms` + `request.timeout.ms`: less is refused if given, and raised to that if it is the default."),
    Property::boolean("enable.idempotence")
        .default("true")
        .doc("Whether brokers recognise repeated batches, so that retries neither duplicate nor reorder records. \
              Needs `acks=all`, `retries` above 0 and at most 5 requests in flight. If it was not given, conflicting \
              `acks` or `retries` turn it off; if it was, they are refused."),
    Property::long("linger.ms")
        .default("5")
        .at_least(0)
        .medium()
        .doc("How long a batch that is not full waits for more records. A blocking `get` does not sit it out."),
    Property::long("max.block.ms")
        .default("60000")
        .at_least(0)
        .medium()
        .doc("How long `send` and `partitions_for` may wait for metadata and for room in `buffer.memory`, together."),
    Property::int("max.in.flight.requests.per.connection")
        .default("5")
        .at_least(1)
        .doc("How many requests may await their answer on one connection. Above 5 only without idempotence. Without \
              idempotence, more than 1 means that a retry can change the order of records, and so can a batch that a \
              broker finds too large, which is sent again in parts."),
    Property::int("max.request.size")
        .default("1048576")
        .at_least(0)
        .medium()
        .doc("The most bytes of one request, and so of one record. Brokers have a limit of their own, \
              `message.max.bytes`; Azure Event Hubs closes the connection on more than 1046528, so that 1000000 is \
              right for it."),
    Property::long("metadata.max.age.ms")
        .default("300000")
        .at_least(0)
        .doc("After how long the brokers, topics and leaders are asked for anew, even if nothing went wrong."),
    Property::long("metadata.max.idle.ms")
        .default("300000")
        .at_least(5000)
        .doc("After how long a topic to which nothing was sent is no longer asked for."),
    Property::long("metadata.recovery.rebootstrap.trigger.ms")
        .default("300000")
        .at_least(0)
        .doc("How long metadata may be unobtainable before the connections are dropped and `bootstrap.servers` are \
              asked again. Only with `metadata.recovery.strategy=rebootstrap`."),
    Property::string("metadata.recovery.strategy")
        .default("rebootstrap")
        .valid(Valid::OneOfIgnoringCase(&["rebootstrap", "none"]))
        .doc("What to do when none of the known brokers can be reached: start over from `bootstrap.servers`, or keep \
              on trying."),
    Property::boolean("partitioner.adaptive.partitioning.enable")
        .default("true")
        .doc("Whether records without a key avoid partitions whose brokers are slow. Not with another partitioner."),
    Property::long("partitioner.availability.timeout.ms")
        .default("0")
        .at_least(0)
        .doc("After how long of being unable to take a batch a broker's partitions are passed by for records without \
              a key. `0`: never. Needs adaptive partitioning."),
    Property::class("partitioner.class")
        .medium()
        .doc("Who chooses partitions. Not set: the hash of the key, and without a key one partition after the other, \
              a batch's worth of records each. `RoundRobinPartitioner`: each record to the next partition."),
    Property::boolean("partitioner.ignore.keys")
        .default("false")
        .medium()
        .doc("Whether records with a key are spread like those without one. Not with another partitioner."),
    Property::int("receive.buffer.bytes")
        .default("32768")
        .at_least(-1)
        .medium()
        .doc("The size of a socket's receive buffer. `-1` leaves it to the operating system."),
    Property::long("reconnect.backoff.max.ms")
        .default("1000")
        .at_least(0)
        .doc("The longest wait before a new connection to a broker that keeps failing. If `reconnect.backoff.ms` is \
              given and this is not, it is the same."),
    Property::long("reconnect.backoff.ms")
        .default("50")
        .at_least(0)
        .doc("The wait before a new connection to a broker that failed; doubles with every failure, give or take \
              20 %."),
    Property::int("request.timeout.ms")
        .default("30000")
        .at_least(0)
        .medium()
        .doc("How long one request may await its answer. Then its connection is closed and the request repeated, if \
              `delivery.timeout.ms` and `retries` allow. Should exceed the broker's `replica.lag.time.max.ms`."),
    Property::int("retries")
        .default("2147483647")
        .at_least(0)
        .high()
        .doc("How often a batch is sent again after an error that may pass. Better left alone: \
              `delivery.timeout.ms` bounds retries by time. `0` conflicts with idempotence."),
    Property::long("retry.backoff.max.ms")
        .default("1000")
        .at_least(0)
        .doc("The longest wait before a batch is sent again or metadata asked for again. If it is less than \
              `retry.backoff.ms`, every wait is this long."),
    Property::long("retry.backoff.ms")
        .default("100")
        .at_least(0)
        .doc("The wait before a batch is sent again or metadata asked for again; doubles with every failure, give or \
              take 20 %."),
    Property::int("send.buffer.bytes")
        .default("131072")
        .at_least(-1)
        .medium()
        .doc("The size of a socket's send buffer in bytes. `-1` leaves it to the operating system: where requests are larger \
              than this, Linux makes room for more of them at once, which takes fewer system calls."),
    Property::long("socket.connection.setup.timeout.max.ms")
        .default("30000")
        .at_least(0)
        .medium()
        .doc("The longest that a connection may take to become usable, after failures doubled the time. If it is less \
              than `socket.connection.setup.timeout.ms`, it is used in its place."),
    Property::long("socket.connection.setup.timeout.ms")
        .default("10000")
        .at_least(0)
        .medium()
        .doc("How long a connection may take to become usable; doubles with every failure, give or take 20 %."),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::config_def::Support;
    use crate::producer::producer_config::ProducerConfig;

    const SERVERS: (&str, &str) = ("bootstrap.servers", "localhost:9092");

    #[test]
    fn every_definition_is_complete_and_its_default_is_valid() {
        let mut names: Vec<_> = DEFINITIONS.iter().map(|property| property.name).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all, "a name is defined twice");

        let replaced = DEFINITIONS.replaced.iter().map(|(name, _)| *name);
        assert_eq!(replaced.filter(|name| names.contains(name)).collect::<Vec<_>>(), [""; 0]);

        for property in DEFINITIONS.iter() {
            assert!(property.doc.ends_with('.'), "{} has no documentation", property.name);
            if let Some(default) = property.default_text() {
                let given = [(property.name, default)].into_iter();
                let outcome = ProducerConfig::from_properties(given.chain([SERVERS]));
                assert!(outcome.is_ok(), "{outcome:?}");
            }
            if let Support::Ignored(reason) | Support::Refused { reason, .. } = property.support {
                assert!(!reason.is_empty(), "{} does not say why", property.name);
            }
        }
    }
}
