//! Settings by name: what is accepted, refused and adjusted.

use std::fs;
use std::time::Duration;

use super::*;
use crate::error::ConfigProblem;
use crate::utils::random::Random;

const SERVERS: (&str, &str) = ("bootstrap.servers", "localhost:9092");

#[test]
fn an_address_is_all_that_must_be_given_and_the_rest_has_defaults() {
    let config = valid(&[]);

    assert_eq!(config.bootstrap_servers(), [("localhost".to_owned(), 9092)]);
    assert_eq!(config.acks(), Acks::All);
    assert_eq!(config.batch_size(), 16_384);
    assert_eq!(config.buffer_memory(), 33_554_432);
    assert_eq!(config.connections_max_idle(), Some(Duration::from_secs(180)));
    assert_eq!(config.delivery_timeout(), Duration::from_secs(120));
    assert!(config.enable_idempotence());
    assert_eq!(config.linger(), Duration::from_millis(5));
    assert_eq!(config.max_block(), Duration::from_secs(60));
    assert_eq!(config.max_in_flight_requests_per_connection(), 5);
    assert_eq!(config.max_request_size(), 1_048_576);
    assert_eq!(config.metadata_max_age(), Duration::from_secs(300));
    assert_eq!(config.metadata_max_idle(), Duration::from_secs(300));
    assert_eq!(config.metadata_recovery_rebootstrap_trigger(), Some(Duration::from_secs(300)));
    assert!(config.partitioner_adaptive_partitioning_enable());
    assert_eq!(config.partitioner_availability_timeout(), Duration::ZERO);
    assert_eq!(config.partitioner_class(), PartitionerClass::BuiltIn);
    assert!(!config.partitioner_ignore_keys());
    assert_eq!(config.receive_buffer(), Some(32_768));
    assert_eq!(config.reconnect_backoff(), Duration::from_millis(50));
    assert_eq!(config.reconnect_backoff_max(), Duration::from_secs(1));
    assert_eq!(config.request_timeout(), Duration::from_secs(30));
    assert_eq!(config.retries(), 2_147_483_647);
    assert_eq!(config.retry_backoff(), Duration::from_millis(100));
    assert_eq!(config.retry_backoff_max(), Duration::from_secs(1));
    assert_eq!(config.send_buffer(), Some(131_072));
    assert_eq!(config.socket_connection_setup_timeout(), Duration::from_secs(10));
    assert_eq!(config.socket_connection_setup_timeout_max(), Duration::from_secs(30));
}

#[test]
fn the_last_of_two_values_counts() {
    let config = ProducerConfig::builder()
        .properties([SERVERS, ("linger.ms", "1"), ("partitioner.class", "RoundRobinPartitioner")])
        .linger(Duration::from_millis(2))
        .partitioner_class(PartitionerClass::BuiltIn)
        .metadata_recovery_strategy(MetadataRecoveryStrategy::Rebootstrap)
        .metadata_recovery_strategy(MetadataRecoveryStrategy::None)
        .build()
        .expect("a valid configuration");

    assert_eq!(config.linger(), Duration::from_millis(2));
    assert_eq!(config.partitioner_class(), PartitionerClass::BuiltIn);
    assert_eq!(config.metadata_recovery_rebootstrap_trigger(), None);
}

#[test]
fn its_properties_make_the_same_configuration() {
    let config = valid(&[("client.id", " me "), ("acks", "1"), ("retry.backoff.ms", "7")]);

    let properties = config.to_properties();

    assert_eq!(properties.get("client.id").map(String::as_str), Some("me"));
    assert_eq!(ProducerConfig::from_properties(&properties), Ok(config));
}

#[test]
fn producers_without_a_name_are_numbered() {
    let (first, second) = (valid(&[]), valid(&[]));

    assert!(first.client_id().starts_with("producer-"), "{first:?}");
    assert_ne!(first.client_id(), second.client_id());
    assert!(!first.to_properties().contains_key("client.id"));
}

#[test]
fn text_is_trimmed() {
    let config = valid(&[("linger.ms", " 7\t"), ("enable.idempotence", " FALSE ")]);

    assert_eq!(config.linger(), Duration::from_millis(7));
    assert!(!config.enable_idempotence());
}

// CFG-01
#[test]
fn a_value_of_the_wrong_type_is_told_with_its_property_and_what_is_allowed() {
    for property in DEFINITIONS.iter().filter(|property| property.kind.bounds().is_some()) {
        let (least, most) = property.kind.bounds().expect("a number");
        for wrong in ["", "abc", "1.5", "0x10", "10k", "1 000", "--1"] {
            assert_problem(property.name, wrong, "is not a whole number (allowed: ");
        }
        for wrong in [i128::from(least) - 1, i128::from(most) + 1] {
            assert_problem(property.name, &wrong.to_string(), "is out of range (allowed: ");
        }
    }
    for property in DEFINITIONS.iter().filter(|property| property.allowed() == "true or false") {
        for wrong in ["", "yes", "1", "truee"] {
            assert_problem(property.name, wrong, "is neither true nor false (allowed: ");
        }
    }
    assert_problem("sasl.login.refresh.window.factor", "most", "is not a number (allowed: 0.5 to");
}

// CFG-01
#[test]
fn a_range_ends_where_java_ends_it() {
    let int = i64::from(i32::MAX);
    for (property, least, most) in [
        ("batch.size", 0, int),
        ("buffer.memory", 0, i64::MAX),
        ("compression.lz4.level", 1, 17),
        ("compression.zstd.level", -131_072, 22),
        ("connections.max.idle.ms", i64::MIN, i64::MAX),
        ("linger.ms", 0, i64::MAX),
        ("max.block.ms", 0, i64::MAX),
        ("max.in.flight.requests.per.connection", 1, int),
        ("max.request.size", 0, int),
        ("metadata.max.age.ms", 0, i64::MAX),
        ("metadata.max.idle.ms", 5_000, i64::MAX),
        ("metadata.recovery.rebootstrap.trigger.ms", 0, i64::MAX),
        ("metrics.num.samples", 1, int),
        ("partitioner.availability.timeout.ms", 0, i64::MAX),
        ("receive.buffer.bytes", -1, int),
        ("reconnect.backoff.ms", 0, i64::MAX),
        ("reconnect.backoff.max.ms", 0, i64::MAX),
        ("request.timeout.ms", 0, int),
        ("retries", 0, int),
        ("retry.backoff.ms", 0, i64::MAX),
        ("retry.backoff.max.ms", 0, i64::MAX),
        ("send.buffer.bytes", -1, int),
    ] {
        for inside in [least, most] {
            valid(&[("enable.idempotence", "false"), (property, &inside.to_string())]);
        }
        for outside in [i128::from(least) - 1, i128::from(most) + 1] {
            assert_problem(property, &outside.to_string(), "is out of range (allowed: ");
        }
    }
    assert_problem("delivery.timeout.ms", "-1", "is out of range (allowed: 0 to 2147483647");
}

// CFG-01
#[test]
fn a_choice_that_does_not_exist_is_told_with_those_that_do() {
    for (property, wrong, allowed) in [
        ("acks", "2", "all, -1, 0, 1; default: all"),
        ("acks", "ALL", "all, -1, 0, 1"),
        ("acks", "", "all, -1, 0, 1"),
        ("client.dns.lookup", "default", "use_all_dns_ips, "),
        ("compression.type", "brotli", "none, gzip, snappy, lz4, zstd; default: none"),
        ("metadata.recovery.strategy", "pray", "rebootstrap, none, in any case"),
        ("metrics.recording.level", "info", "INFO, DEBUG, TRACE"),
        ("security.protocol", "abc", "SASL_SSL, PLAINTEXT, SSL, SASL_PLAINTEXT, in any case"),
    ] {
        let expected = format!("{wrong:?} is not one of the known values (allowed: {allowed}");
        assert_problem(property, wrong, &expected);
    }
    assert_problem("partitioner.class", "com.example.Mine", "KafkaProducer::builder");
}

#[test]
fn a_long_value_is_cut_in_its_error() {
    let error = invalid(&[("linger.ms", &"é".repeat(100_000))]).to_string();

    assert!(error.contains("... (200000 bytes) is not a whole number"), "{error}");
    assert!(error.len() < 1_000);
}

#[test]
fn all_problems_are_told_at_once() {
    let error = ProducerConfig::from_properties([
        ("linger.ms", "-1"),
        ("acks", "0"),
        ("enable.idempotence", "true"),
        ("retries", "0"),
        ("max.in.flight.requests.per.connection", "6"),
        ("compression.type", "zlib"),
        ("compresion.type", "zstd"),
        ("request.timeout.ms", "soon"),
    ]);

    let error = error.expect_err("nothing of it is right");
    let mut names: Vec<_> = problems(&error).iter().map(ConfigProblem::property).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "acks",
            "bootstrap.servers",
            "compresion.type",
            "compression.type",
            "linger.ms",
            "max.in.flight.requests.per.connection",
            "request.timeout.ms",
            "retries",
        ]
    );
}

// CFG-02: a warning in Java; here a misspelt name is no longer found out in production.
#[test]
fn an_unknown_name_is_refused_with_the_name_that_was_meant() {
    for (name, expected) in [
        ("linger", "did you mean linger.ms?"),
        ("bootstrap.server", "did you mean bootstrap.servers?"),
        ("enable.idempotance", "did you mean enable.idempotence?"),
        ("queue.buffering.max.ms", "Kafka's name for it is linger.ms"),
        ("group.id", "it is a property of consumers"),
        ("block.on.buffer.full", "Kafka removed it"),
        ("something.else.entirely", "docs/CONFIGURATION.md lists them"),
        ("", "docs/CONFIGURATION.md lists them"),
    ] {
        let error = invalid(&[(name, "hunter2")]);

        assert_eq!(problems(&error).len(), 1, "{error}");
        assert_eq!(problems(&error)[0].property(), name);
        assert!(problems(&error)[0].reason().contains(expected), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

// CFG-02: what is set and cannot be honoured is refused, so that nobody takes it for done.
#[test]
fn what_the_crate_cannot_do_is_refused_by_name() {
    for (name, value) in [
        ("transactional.id", "tx"),
        ("interceptor.classes", "com.example.A"),
        ("metric.reporters", "com.example.A"),
        ("config.providers", "file"),
        ("config.providers.file.class", "com.example.A"),
        ("key.serializer.encoding", "UTF-16"),
        ("security.protocol", "SASL_SSL"),
        ("security.protocol", "ssl"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.jaas.config", "anything"),
        ("ssl.truststore.location", "/etc/trust.jks"),
        ("ssl.endpoint.identification.algorithm", ""),
        ("partitioner.rack.aware", "true"),
        ("client.dns.lookup", "resolve_canonical_bootstrap_servers_only"),
        ("transaction.two.phase.commit.enable", "true"),
    ] {
        assert_problem(name, value, "is not supported by this version of the crate: ");
    }
}

#[test]
fn the_default_of_what_the_crate_cannot_do_asks_for_nothing() {
    for (name, value) in [
        ("metric.reporters", ""),
        ("interceptor.classes", ""),
        ("security.protocol", "PLAINTEXT"),
        ("ssl.endpoint.identification.algorithm", "https"),
        ("sasl.mechanism", "GSSAPI"),
        ("client.dns.lookup", "use_all_dns_ips"),
        ("key.serializer.encoding", "utf-8"),
    ] {
        valid(&[(name, value)]);
    }
}

#[test]
fn what_means_nothing_here_is_accepted_and_noted() {
    for name in ["key.serializer", "value.serializer", "metrics.context.team", "client.rack"] {
        let notes = notes(&[(name, "com.example.A")]);

        assert!(notes.contains(&format!("{name} has no effect here")), "{notes}");
    }
}

#[test]
fn secrets_are_shown_nowhere() {
    let secrets: Vec<_> = DEFINITIONS.iter().filter(|property| property.is_secret()).collect();
    assert!(secrets.len() > 8);
    for property in secrets {
        let builder = ProducerConfig::builder().property(property.name, "hunter2");
        let shown = format!("{builder:?}");
        let error = builder.build().expect_err("no secret is of use yet");

        for text in [shown, error.to_string(), format!("{error:?}")] {
            assert!(text.contains(property.name) && !text.contains("hunter2"), "{text}");
        }
    }
    let misspelt = ProducerConfig::builder().property("sasl.jaas.confg", "hunter2");
    assert!(!format!("{misspelt:?}").contains("hunter2"));
    let provider = invalid(&[("config.providers.vault.param.token", "hunter2")]);
    assert!(!provider.to_string().contains("hunter2"), "{provider}");
}

#[test]
fn a_configuration_prints_what_was_given() {
    let config = valid(&[("client.id", "me"), ("acks", "1")]);

    assert_eq!(
        format!("{config:?}"),
        "ProducerConfig { client_id: \"me\", given: {\"acks\": \"1\", \
         \"bootstrap.servers\": \"localhost:9092\", \"client.id\": \"me\"} }"
    );
}

// CFG-03
#[test]
fn a_delivery_timeout_that_cannot_be_kept_is_refused_if_given() {
    let error = invalid(&[
        ("delivery.timeout.ms", "1000"),
        ("linger.ms", "1000"),
        ("request.timeout.ms", "1"),
    ]);

    assert_eq!(
        problems(&error)[0].to_string(),
        "delivery.timeout.ms: 1000 is less than linger.ms + request.timeout.ms (1001): \
         raise it to 1001 at least, or lower those"
    );
    valid(&[("delivery.timeout.ms", "1001"), ("linger.ms", "1000"), ("request.timeout.ms", "1")]);
}

// CFG-03
#[test]
fn a_delivery_timeout_that_is_the_default_is_raised() {
    let properties = [("linger.ms", "119000"), ("request.timeout.ms", "30000")];

    assert_eq!(valid(&properties).delivery_timeout(), Duration::from_secs(149));
    assert!(notes(&properties).contains("delivery.timeout.ms is raised from 120000 to 149000"));
}

// CFG-04
#[test]
fn idempotence_gives_way_or_is_insisted_on_as_in_java() {
    const IN_FLIGHT: &str = "max.in.flight.requests.per.connection";
    let refused = |names: &[&'static str]| Err(names.to_vec());
    for (idempotence, acks, retries, in_flight, expected) in [
        ("", "", "", "", Ok(true)),
        ("", "all", "1", "5", Ok(true)),
        ("", "-1", "1", "1", Ok(true)),
        ("", "1", "", "", Ok(false)),
        ("", "0", "", "", Ok(false)),
        ("", "", "0", "", Ok(false)),
        ("", "0", "0", "5", Ok(false)),
        ("", "", "", "6", refused(&[IN_FLIGHT])),
        ("", "1", "", "6", refused(&[IN_FLIGHT])),
        ("", "", "0", "6", refused(&[IN_FLIGHT])),
        ("true", "", "", "", Ok(true)),
        ("true", "all", "1", "5", Ok(true)),
        ("true", "1", "", "", refused(&["acks"])),
        ("true", "0", "", "", refused(&["acks"])),
        ("true", "", "0", "", refused(&["retries"])),
        ("true", "", "", "6", refused(&[IN_FLIGHT])),
        ("true", "1", "0", "6", refused(&[IN_FLIGHT, "retries", "acks"])),
        ("false", "", "", "", Ok(false)),
        ("false", "0", "0", "6", Ok(false)),
    ] {
        let given = [
            ("enable.idempotence", idempotence),
            ("acks", acks),
            ("retries", retries),
            (IN_FLIGHT, in_flight),
        ];
        let given: Vec<_> = given.into_iter().filter(|(_, value)| !value.is_empty()).collect();

        let outcome = ProducerConfig::from_properties(given.iter().copied().chain([SERVERS]));

        let outcome = outcome.map(|config| config.enable_idempotence()).map_err(|error| {
            problems(&error).iter().map(|problem| problem.property().to_owned()).collect::<Vec<_>>()
        });
        let expected = expected.map_err(|names| names.into_iter().map(String::from).collect());
        assert_eq!(outcome, expected, "{given:?}");
    }
    assert!(notes(&[("acks", "1")]).contains("enable.idempotence is off, since acks conflicts"));
    assert_problem("transactional.id", "tx", "there are no transactions");
}

// CFG-05
#[test]
fn faulty_addresses_are_told_by_their_reason() {
    for (servers, reason) in [
        ("", "\"\" is empty"),
        ("a:1,,b:2", "has an empty element"),
        ("a:1,", "has an empty element"),
        ("a:1,b:2,a:1", "names an element twice"),
        ("a", "has no port"),
        ("a:65536,b:x", "\"b:x\" has the port \"x\" (allowed: 1 to 65535"),
    ] {
        let error = ProducerConfig::from_properties([("bootstrap.servers", servers)]);
        let error = error.expect_err(servers);

        assert_eq!(error.property(), Some("bootstrap.servers"));
        assert!(problems(&error)[0].reason().contains(reason), "{error}");
    }
}

// CFG-07
#[test]
fn extremes_are_kept_without_overflow() {
    let (long, int) = (i64::MAX.to_string(), i32::MAX.to_string());
    let config = valid(&[
        ("linger.ms", &long),
        ("delivery.timeout.ms", &int),
        ("max.block.ms", &long),
        ("buffer.memory", "0"),
        ("batch.size", "0"),
        ("reconnect.backoff.ms", "0"),
        ("retry.backoff.ms", "0"),
        ("retry.backoff.max.ms", "0"),
        ("connections.max.idle.ms", "-1"),
    ]);

    assert_eq!(config.linger(), Duration::from_millis(2_147_483_647));
    assert_eq!(config.delivery_timeout(), Duration::from_millis(2_147_483_647));
    assert_eq!(config.max_block(), Duration::from_millis(i64::MAX.unsigned_abs()));
    assert_eq!((config.batch_size(), config.buffer_memory()), (1, 0));
    assert_eq!((config.reconnect_backoff(), config.reconnect_backoff_max()), Default::default());
    assert_eq!(config.connections_max_idle(), None);
}

// CFG-08
#[test]
fn a_client_id_is_whatever_a_request_header_can_carry() {
    for id in ["", "größe ✓ 😀", &"x".repeat(32_767)] {
        assert_eq!(valid(&[("client.id", id)]).client_id(), id);
    }
    for (id, reason) in [
        (&*"x".repeat(32_768), "has 32768 bytes (allowed: 32767 at most"),
        ("a\nb", "\"a\\nb\" has a control character"),
        ("a\0b", "\"a\\0b\" has a control character"),
    ] {
        assert_problem("client.id", id, reason);
    }
}

// CFG-09
#[test]
fn case_and_system_defaults_are_as_in_java() {
    valid(&[("security.protocol", "plaintext")]);
    valid(&[("metadata.recovery.strategy", "ReBootstrap")]);
    let config = valid(&[("send.buffer.bytes", "-1"), ("receive.buffer.bytes", "-1")]);

    assert_eq!((config.send_buffer(), config.receive_buffer()), (None, None));
    assert_problem("send.buffer.bytes", "-2", "\"-2\" is out of range (allowed: -1 to 2147483647");
    assert_problem("receive.buffer.bytes", "-2", "allowed: -1 to 2147483647");
}

// CFG-10
#[test]
fn references_are_taken_literally() {
    for text in ["${file:/etc/passwd:x}", "${env:HOME}", "$HOME"] {
        assert_eq!(valid(&[("client.id", text)]).client_id(), text);
        assert_problem("linger.ms", text, "is not a whole number");
    }
}

// CFG-11
#[test]
fn levels_of_compression_are_checked_for_their_codec() {
    for level in ["-1", "1", "9"] {
        valid(&[("compression.gzip.level", level)]);
    }
    for level in ["-2", "0", "10"] {
        let allowed = "is out of range (allowed: 1 to 9, or -1; default: -1";
        assert_problem("compression.gzip.level", level, allowed);
    }
    assert_problem("compression.lz4.level", "0", "allowed: 1 to 17");
    assert_problem("compression.zstd.level", "23", "allowed: -131072 to 22");
}

// CFG-11
#[test]
fn a_level_is_read_with_its_own_codec() {
    for (codec, property, level, expected) in [
        ("gzip", "compression.gzip.level", "9", Some(9)),
        ("gzip", "compression.gzip.level", "-1", None),
        ("gzip", "compression.zstd.level", "22", None),
        ("zstd", "compression.zstd.level", "-7", Some(-7)),
        ("zstd", "compression.gzip.level", "1", Some(3)),
        ("lz4", "compression.lz4.level", "9", None),
        ("snappy", "compression.lz4.level", "12", None),
        ("none", "compression.gzip.level", "1", None),
    ] {
        let config = valid(&[("compression.type", codec), (property, level)]);

        assert_eq!(config.compression().codec.name(), codec);
        assert_eq!(config.compression().level, expected, "{codec} {property} {level}");
    }
}

// The tests have all codecs: a build that has none is made up.
#[test]
fn a_codec_that_is_not_built_in_is_refused_with_its_feature() {
    for codec in ["gzip", "snappy", "lz4", "zstd"] {
        let given = [("compression.type".to_owned(), codec.to_owned())];
        let mut parsed = DEFINITIONS.parse(&given.into());

        settings::compression(&mut parsed, |_| false);

        let problem = parsed.problems.last().expect("refused");
        assert_eq!(problem.property(), "compression.type");
        let remedy = format!("switch on the feature `{codec}` of the crate kafka-producer");
        assert!(problem.reason().contains(&remedy), "{}", problem.reason());
    }
}

// CFG-11: Java turns to another method of lz4 there, which is not built in.
#[test]
fn lz4_has_one_level() {
    let error = invalid(&[("compression.type", "lz4"), ("compression.lz4.level", "12")]);

    assert_eq!(problems(&error)[0].property(), "compression.lz4.level");
    assert!(error.to_string().contains("no other level than 9"), "{error}");
}

#[test]
fn a_wait_whose_bound_is_not_given_does_not_grow() {
    let properties = [("reconnect.backoff.ms", "2000")];
    assert_eq!(valid(&properties).reconnect_backoff_max(), Duration::from_secs(2));
    assert!(notes(&properties).contains("does not grow"));

    let properties = [("reconnect.backoff.ms", "2000"), ("reconnect.backoff.max.ms", "1000")];
    assert_eq!(valid(&properties).reconnect_backoff_max(), Duration::from_secs(1));

    let properties = [("retry.backoff.ms", "2000")];
    assert_eq!(valid(&properties).retry_backoff_max(), Duration::from_secs(1));
    assert!(notes(&properties).contains("retry.backoff.ms is greater than retry.backoff.max.ms"));
}

#[test]
fn a_file_can_be_the_beginning_of_a_configuration() {
    let path =
        std::env::temp_dir().join(format!("kafka-producer-{}.properties", std::process::id()));
    fs::write(&path, "# demo\nbootstrap.servers = a:1,\\\n  b:2\nclient.id: from file\nacks 1\n")
        .expect("a writable folder");

    let config = ProducerConfig::from_file(&path);
    let builder = ProducerConfig::builder().properties_file(&path);
    fs::remove_file(&path).expect("the file is there");

    let config = config.expect("a valid configuration");
    assert_eq!(config.bootstrap_servers().len(), 2);
    assert_eq!((config.client_id(), config.acks()), ("from file", Acks::Leader));
    let changed = builder.expect("a valid file").client_id("other").build().expect("valid");
    assert_eq!((changed.client_id(), changed.acks()), ("other", Acks::Leader));
}

#[test]
fn no_text_whatever_makes_it_panic() {
    let mut random = Random::new(20);
    let names: Vec<_> = DEFINITIONS.iter().map(|property| property.name).collect();
    let pieces =
        ["", "-", "1", "9", "e400", ",", ":", "[", "]", "://", "\\", "=", "é", "\0", " ", "x"];
    for _ in 0..3_000 {
        let name = names[random.below(names.len())];
        let length = random.below(8);
        let value: String = (0..length).map(|_| pieces[random.below(pieces.len())]).collect();

        let outcome = ProducerConfig::from_properties([SERVERS, (name, &value)]);

        if let Err(error) = outcome {
            assert_eq!(error.property(), Some(name), "{value:?}: {error}");
        }
    }
}

fn valid(properties: &[(&str, &str)]) -> ProducerConfig {
    let given = [SERVERS].into_iter().chain(properties.iter().copied());
    ProducerConfig::from_properties(given).expect("a valid configuration")
}

fn invalid(properties: &[(&str, &str)]) -> Error {
    let given = [SERVERS].into_iter().chain(properties.iter().copied());
    ProducerConfig::from_properties(given).expect_err("an invalid configuration")
}

fn problems(error: &Error) -> &[ConfigProblem] {
    match error.kind() {
        ErrorKind::InvalidConfig { problems } => problems,
        other => panic!("{other} is not about the configuration"),
    }
}

/// The error for one wrong value names the property and says `expected` of it.
fn assert_problem(name: &str, value: &str, expected: &str) {
    let error = invalid(&[(name, value)]);
    let [problem] = problems(&error) else { panic!("{error}") };
    assert_eq!(problem.property(), name);
    assert!(problem.reason().contains(expected), "{problem}");
}

/// What the log is told about a valid configuration.
fn notes(properties: &[(&str, &str)]) -> String {
    let given = [SERVERS].iter().chain(properties);
    let given = given.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mut parsed = DEFINITIONS.parse(&given);
    Settings::resolve(&mut parsed);
    assert_eq!(parsed.problems, []);
    parsed.notes.iter().map(|note| format!("{}: {}\n", note.level, note.text)).collect()
}

#[test]
fn an_idle_time_of_zero_is_refused_because_no_connection_would_live_to_be_used() {
    let given = [("bootstrap.servers", "localhost:9092"), ("connections.max.idle.ms", "0")];

    let error = ProducerConfig::from_properties(given).expect_err("refused").to_string();

    assert!(error.contains("connections.max.idle.ms") && error.contains("-1"), "{error}");
}
