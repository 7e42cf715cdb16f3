//! Brokers before 0.11, which take message sets and know neither headers nor idempotent producers.

use kafka_producer::mock_cluster::{Api, MockCluster, RecordedRequest, TopicOptions};
use kafka_producer::{Error, ErrorKind, NodeId, Persistence, ProducerRecord};

use crate::setup::{
    Journal, LONG, TOPIC, answer, brokers, build, builder, cluster, failure, log, numbers, offset,
    produced, producer, record,
};

const PLAIN: (&str, &str) = ("enable.idempotence", "false");
const OLD: NodeId = NodeId(2);
const NEW: NodeId = NodeId(1);

/// What Kafka 0.10.0 announces.
fn make_old(cluster: &MockCluster) {
    cluster.set_versions(Api::Produce, 0..=2);
    cluster.set_versions(Api::Metadata, 0..=1);
    cluster.set_versions(Api::ApiVersions, 0..=0);
    cluster.remove_api(Api::InitProducerId);
}

/// Broker 1 is of today and broker 2 is old. They lead partitions 0 and 1 of [`TOPIC`].
fn mixed_cluster() -> MockCluster {
    let cluster = MockCluster::start(2).expect("a cluster");
    cluster.set_versions_at(OLD, Api::Produce, 0..=2);
    cluster.set_versions_at(OLD, Api::Metadata, 0..=2);
    cluster.set_versions_at(OLD, Api::ApiVersions, 0..=0);
    cluster.create_topic_with(TOPIC, TopicOptions::new(2).replication_factor(2));
    cluster.set_leader(TOPIC, 0, NEW);
    cluster.set_leader(TOPIC, 1, OLD);
    cluster
}

/// The formats in which batches came to `node`.
fn formats(cluster: &MockCluster, node: NodeId) -> Vec<i8> {
    let requests = cluster.requests().into_iter().filter(|request| request.node == node);
    requests.flat_map(|request| request.batches).map(|batch| batch.magic).collect()
}

fn is_about_headers(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::UnsupportedVersion { .. })
        && error.to_string().contains("headers")
}

// COMPAT-01, COMPAT-05
#[test]
fn records_of_every_kind_arrive_at_brokers_of_kafka_0_10() {
    for acks in ["0", "1", "all"] {
        for codec in ["none", "gzip", "snappy", "lz4"] {
            let cluster = cluster();
            make_old(&cluster);
            let properties =
                [PLAIN, ("acks", acks), ("compression.type", codec), ("linger.ms", "9")];
            let producer = producer(&cluster, &properties);

            let long = "long ".repeat(200);
            let null = ProducerRecord::new(TOPIC, "key", None).timestamp(5);
            producer.send(null);
            producer.send(ProducerRecord::new(TOPIC, "", "").timestamp(1_700_000_000_000));
            producer.send(ProducerRecord::without_key(TOPIC, &*long).timestamp(3));
            let last = producer.send(record("last"));
            producer.close(LONG).expect("in time");
            let count = |requests: &[RecordedRequest]| {
                let batches = requests.iter().flat_map(|request| &request.batches);
                batches.map(|batch| batch.record_count).sum::<i32>()
            };
            assert!(cluster.wait_for_requests(LONG, |requests| count(requests) == 4));

            let answered = answer(&last).expect("acknowledged").offset();
            assert_eq!(answered, if acks == "0" { -1 } else { 3 }, "{acks} {codec}");
            let read = cluster.records(TOPIC, 0).into_iter();
            let read: Vec<_> = read.map(|it| (it.offset, it.timestamp, it.key, it.value)).collect();
            let bytes = |text: &str| Some(text.as_bytes().to_vec());
            assert_eq!(
                read[..3],
                [
                    (0, 5, bytes("key"), None),
                    (1, 1_700_000_000_000, bytes(""), bytes("")),
                    (2, 3, None, bytes(&long)),
                ]
            );
            assert_eq!(read[3].3, bytes("last"));
            assert_eq!(formats(&cluster, NodeId(1)), vec![1; produced(&cluster).len()]);
            let sent: usize = produced(&cluster).iter().map(|batch| batch.size).sum();
            assert_eq!(sent < long.len(), codec != "none", "{codec}: {sent} bytes");
        }
    }
}

// COMPAT-06
#[test]
fn old_brokers_tell_the_time_of_the_append() {
    let cluster = MockCluster::start(1).expect("a cluster");
    make_old(&cluster);
    cluster.create_topic_with(TOPIC, TopicOptions::new(1).log_append_time());
    let producer = producer(&cluster, &[PLAIN]);

    let sent = answer(&producer.send(record("a").timestamp(5))).expect("acknowledged");

    let stored = cluster.records(TOPIC, 0)[0].timestamp;
    assert_ne!(stored, 5);
    assert_eq!(sent.timestamp(), stored);
}

#[test]
fn order_holds_and_every_record_is_told_once() {
    let cluster = cluster();
    make_old(&cluster);
    let one_at_a_time = ("max.in.flight.requests.per.connection", "1");
    let producer = producer(&cluster, &[PLAIN, one_at_a_time, ("batch.size", "300")]);
    let journal = Journal::default();

    for number in numbers(500) {
        let journal = journal.clone();
        let told = number.clone();
        producer.send_with_callback(record(&number), move |result| {
            journal.note(if result.is_ok() { told } else { "failed".to_owned() });
        });
    }
    producer.close(LONG).expect("in time");

    assert_eq!(log(&cluster, 0), numbers(500));
    assert_eq!(journal.entries(), numbers(500));
}

// Java: RecordAccumulatorTest, the message formats of brokers before 0.11.
#[test]
fn headers_are_refused_at_once_where_an_old_broker_is_known() {
    let cluster = cluster();
    make_old(&cluster);
    let producer = producer(&cluster, &[PLAIN]);

    let before = producer.send(record("before"));
    assert_eq!(offset(&before), 0, "the broker is known from then on");

    let refused = producer.send(record("refused").header("name", Some("value")));
    assert!(refused.is_done(), "nothing is waited for");
    let after = producer.send(record("after"));

    let error = failure(&refused);
    assert!(is_about_headers(&error), "{error}");
    assert_eq!(error.persistence(), Persistence::NeverSent);
    assert!(error.to_string().contains(TOPIC), "{error}");
    assert_eq!(offset(&after), 1);
    assert_eq!(log(&cluster, 0), ["before", "after"]);
}

// COMPAT-03: the leader was new enough when the records were accepted.
#[test]
fn headers_that_an_old_leader_cannot_store_fail_alone() {
    for codec in ["none", "gzip"] {
        let cluster = mixed_cluster();
        let address = cluster.bootstrap_servers();
        let new_broker = address.split(',').next().expect("an address");
        let properties = [
            PLAIN,
            ("linger.ms", "3600000"),
            ("delivery.timeout.ms", "4000000"),
            ("compression.type", codec),
        ];
        let producer = build(builder(new_broker, &properties));
        let journal = Journal::default();
        let send = |value: &'static str, has_header: bool| {
            let to = record(value).partition(0);
            let to = if has_header { to.header("name", Some("value")) } else { to };
            let journal = journal.clone();
            producer.send_with_callback(to, move |_| journal.note(value))
        };

        let futures = [("a", false), ("b", true), ("c", true), ("d", false), ("e", false)]
            .map(|(value, has_header)| send(value, has_header));
        cluster.set_leader(TOPIC, 0, OLD);
        producer.flush_timeout(LONG).expect("in time");

        let [a, b, c, d, e] = futures;
        assert_eq!([&a, &d, &e].map(offset), [0, 1, 2]);
        for refused in [b, c] {
            let error = failure(&refused);
            assert!(is_about_headers(&error), "{error}");
        }
        assert_eq!(log(&cluster, 0), ["a", "d", "e"]);
        assert_eq!(journal.entries(), ["a", "b", "c", "d", "e"]);
        assert!(formats(&cluster, OLD).iter().all(|magic| *magic == 1));
    }
}

// COMPAT-03
#[test]
fn each_leader_of_a_mixed_cluster_gets_its_own_format() {
    for codec in ["none", "lz4"] {
        let cluster = mixed_cluster();
        let producer = producer(&cluster, &[PLAIN, ("compression.type", codec)]);
        let long = "long ".repeat(200);

        for partition in [0, 1, 0, 1] {
            offset(&producer.send(record(&long).partition(partition)));
        }

        assert_eq!(formats(&cluster, NEW), [2, 2]);
        assert_eq!(formats(&cluster, OLD), [1, 1]);
        for partition in 0..2 {
            assert_eq!(log(&cluster, partition), [&*long, &long]);
        }
        assert_eq!(produced(&cluster).iter().all(|batch| batch.size > 500), codec == "none");
    }
}

// COMPAT-03
#[test]
fn a_batch_that_an_old_leader_gave_up_goes_to_the_new_one_as_it_was_built() {
    let cluster = mixed_cluster();
    let producer = producer(&cluster, &[PLAIN]);
    offset(&producer.send(record("first").partition(1)));

    cluster.set_leader(TOPIC, 1, NEW);
    let moved = producer.send(record("second").partition(1));

    assert_eq!(offset(&moved), 1);
    let refused = formats(&cluster, OLD).split_off(1);
    assert!(!refused.is_empty(), "the second went there first");
    // Where the new leader becomes known late, it is tried there more than once.
    assert!(refused.iter().all(|magic| *magic == 1), "{refused:?}");
    assert_eq!(formats(&cluster, NEW), [2]);
    assert_eq!(log(&cluster, 1), ["first", "second"]);
}

// COMPAT-03: nothing of what makes a producer idempotent is left out silently.
#[test]
fn an_idempotent_producer_is_told_that_a_leader_is_too_old() {
    let cluster = mixed_cluster();
    let address = cluster.bootstrap_servers();
    let new_broker = address.split(',').next().expect("an address");
    let producer = build(builder(new_broker, &[]));

    let taken = producer.send(record("a").partition(0));
    assert_eq!(offset(&taken), 0);
    let error = failure(&producer.send(record("b").partition(1)));

    assert!(matches!(error.kind(), ErrorKind::UnsupportedVersion { .. }), "{error}");
    assert!(error.to_string().contains("enable.idempotence"), "{error}");
    assert_eq!(error.persistence(), Persistence::NeverSent);
    assert_eq!(formats(&cluster, OLD), [0; 0]);
    assert_eq!(offset(&producer.send(record("c").partition(0))), 1);
}

// COMPAT-04
#[test]
fn zstd_is_refused_with_the_property_to_change_and_nothing_is_sent() {
    for newest in [2, 3, 6] {
        let cluster = cluster();
        cluster.set_versions(Api::Produce, 0..=newest);
        let producer = producer(&cluster, &[PLAIN, ("compression.type", "zstd")]);

        let error = failure(&producer.send(record(&"long ".repeat(200))));

        assert!(matches!(error.kind(), ErrorKind::UnsupportedVersion { .. }), "{error}");
        assert!(error.to_string().contains("compression.type"), "{error}");
        assert!(error.to_string().contains("127.0.0.1"), "it names the broker: {error}");
        assert_eq!(produced(&cluster), []);
    }
}

// A record takes five times as many bytes in a message set, if it is small.
#[test]
fn requests_keep_to_max_request_size_also_in_the_old_format() {
    const LIMIT: usize = 10_000;
    for codec in ["none", "snappy"] {
        let cluster = brokers(1);
        make_old(&cluster);
        cluster.create_topic("wide", 3);
        let properties = [
            PLAIN,
            ("max.request.size", "10000"),
            ("batch.size", "9000"),
            ("linger.ms", "20"),
            ("max.in.flight.requests.per.connection", "1"),
            ("compression.type", codec),
        ];
        let producer = producer(&cluster, &properties);

        for number in numbers(6000) {
            for partition in 0..3 {
                let to = ProducerRecord::without_key("wide", &*number);
                producer.send(to.partition(partition));
            }
        }
        producer.close(LONG).expect("in time");

        for partition in 0..3 {
            let stored = cluster.records("wide", partition).into_iter();
            let stored = stored.map(|it| String::from_utf8(it.value.expect("a value")));
            assert!(stored.map(|it| it.expect("text")).eq(numbers(6000)), "{codec}");
        }
        for request in cluster.requests() {
            let size: usize = request.batches.iter().map(|batch| batch.size).sum();
            assert!(size <= LIMIT, "{codec}: {size}");
        }
    }
}

// COMPAT-02
#[test]
fn brokers_that_know_not_even_message_sets_of_today_are_refused() {
    let cluster = cluster();
    cluster.set_versions(Api::Produce, 0..=1);
    let producer = producer(&cluster, &[PLAIN]);

    let error = failure(&producer.send(record("a")));

    assert!(matches!(error.kind(), ErrorKind::UnsupportedVersion { .. }), "{error}");
    assert!(error.to_string().contains("versions 0 to 1"), "{error}");
    assert_eq!(produced(&cluster), []);
}
