//! Who chooses a record's partition, and how.

use std::collections::BTreeSet;
use std::time::Duration;

use kafka_producer::mock_cluster::{Api, Fault, MockCluster};
use kafka_producer::{
    Cluster, ErrorKind, FutureRecordMetadata, KafkaProducer, NodeId, Partitioner, ProducerRecord,
};

use crate::setup::{
    LONG, answer, brokers, build, builder, failure, log, numbers, producer, record,
};

const WIDE: &str = "wide";

/// Answers with the number in the value.
struct AsTold;

impl Partitioner for AsTold {
    fn partition(&self, _: &str, _: Option<&[u8]>, value: Option<&[u8]>, _: &Cluster) -> i32 {
        let value = std::str::from_utf8(value.expect("a value")).expect("text");
        value.parse().expect("a number")
    }
}

#[test]
fn a_record_goes_where_it_wants_whatever_its_key() {
    let cluster = wide(7);
    let producer = producer(&cluster, &[]);

    for partition in 0..7 {
        let record = ProducerRecord::new(WIDE, "key-0", "x").partition(partition);
        assert_eq!(partition_of(&producer, record), partition);
    }
}

// PAR-01: the numbers are Java's.
#[test]
fn keys_are_spread_as_java_spreads_them() {
    let cluster = wide(7);
    let producer = producer(&cluster, &[]);
    let keys = [
        ("", 2),
        ("a", 5),
        ("ab", 0),
        ("foobar", 0),
        ("a-little-bit-long-string", 1),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", 3),
        ("é世界", 2),
        ("0123456789abcdef", 6),
    ];

    for (key, partition) in keys {
        assert_eq!(
            partition_of(&producer, ProducerRecord::new(WIDE, key, "x")),
            partition,
            "{key}"
        );
    }
}

// PAR-02
#[test]
fn records_without_a_key_stay_for_a_batch_and_then_move_on() {
    let cluster = wide(4);
    let properties = [("batch.size", "1000"), ("linger.ms", "1000")];
    let producer = producer(&cluster, &properties);

    let value = "x".repeat(100);
    for _ in 0..1000 {
        producer.send(ProducerRecord::without_key(WIDE, value.as_str()));
    }
    producer.flush().expect("in time");

    let counts: Vec<_> = (0..4).map(|partition| cluster.end_offset(WIDE, partition)).collect();
    assert_eq!(counts.iter().sum::<i64>(), 1000);
    assert!(counts.iter().all(|count| *count > 50), "{counts:?}");
    let batches = crate::setup::produced(&cluster).len();
    // Those that wait behind others take more than their size.
    assert!((8..=400).contains(&batches), "{batches} batches");
}

#[test]
fn ignored_keys_leave_the_choice_open() {
    let cluster = wide(4);
    let properties = [("partitioner.ignore.keys", "true"), ("batch.size", "100")];
    let producer = producer(&cluster, &properties);

    let partitions: BTreeSet<_> = (0..100)
        .map(|_| partition_of(&producer, ProducerRecord::new(WIDE, "same key", "x")))
        .collect();

    assert!(partitions.len() > 1);
    assert!(cluster.records(WIDE, 0).iter().all(|record| record.key.is_some()));
}

#[test]
fn the_round_robin_partitioner_takes_turns() {
    let cluster = wide(3);
    let properties =
        [("partitioner.class", "org.apache.kafka.clients.producer.RoundRobinPartitioner")];
    let producer = producer(&cluster, &properties);

    let turns: Vec<_> = (0..7)
        .map(|_| partition_of(&producer, ProducerRecord::new(WIDE, "same key", "x")))
        .collect();

    assert_eq!(turns, [0, 1, 2, 0, 1, 2, 0]);
}

#[test]
fn ones_own_partitioner_has_the_say() {
    let cluster = wide(3);
    let producer = partitioned(&cluster, AsTold);

    for partition in [2, 0, 1] {
        let value = partition.to_string();
        let record = ProducerRecord::new(WIDE, "key", value.as_str());
        assert_eq!(partition_of(&producer, record), partition);
    }
}

// PAR-05, CON-05
#[test]
fn a_partitioner_that_errs_or_panics_fails_that_record_alone() {
    let cluster = wide(3);
    let producer = partitioned(&cluster, AsTold);

    let wrong = ["-1", "3", &i32::MAX.to_string(), &i32::MIN.to_string(), "not a number"];
    for value in wrong {
        let error = failure(&producer.send(ProducerRecord::without_key(WIDE, value)));
        assert!(matches!(error.kind(), ErrorKind::InvalidRecord { .. }), "{value}: {error}");
    }

    assert_eq!(partition_of(&producer, ProducerRecord::without_key(WIDE, "1")), 1);
}

// PAR-07
#[test]
fn partitions_that_are_added_are_used_and_the_old_ones_go_on() {
    let cluster = brokers(1);
    let producer = producer(&cluster, &[("metadata.max.age.ms", "50")]);
    answer(&producer.send(record("0"))).expect("acknowledged");

    cluster.add_partitions("orders", 2);
    for partition in [1, 0] {
        let sent = producer.send(record("1").partition(partition));
        assert_eq!(answer(&sent).expect("acknowledged").partition(), partition);
    }

    assert_eq!((log(&cluster, 0), log(&cluster, 1)), (numbers(2), vec!["1".to_owned()]));
}

// PAR-04
#[test]
fn records_wait_for_a_leader_when_no_partition_has_one() {
    let cluster = brokers(2);
    cluster.create_topic_with(
        WIDE,
        kafka_producer::mock_cluster::TopicOptions::new(2).replication_factor(1),
    );
    let producer = producer(&cluster, &[]);
    cluster.set_in_sync(WIDE, 0, &[NodeId(1)]);
    cluster.set_in_sync(WIDE, 1, &[NodeId(1)]);
    cluster.set_leader(WIDE, 0, NodeId(1));
    cluster.set_leader(WIDE, 1, NodeId(1));
    cluster.stop_node(NodeId(1));
    assert_eq!(cluster.leader(WIDE, 0), None);

    let future = producer.send(ProducerRecord::without_key(WIDE, "x"));
    assert!(!future.is_done());
    cluster.start_node(NodeId(1)).expect("its port is free");

    assert_eq!(future.get_timeout(LONG).expect("acknowledged").offset(), 0);
}

// PAR-03
#[test]
fn a_broker_that_takes_nothing_is_spared_records_without_keys_until_it_does() {
    let cluster = wide_on_two_brokers();
    let properties = [("partitioner.availability.timeout.ms", "20"), ("batch.size", "100")];
    let producer = producer(&cluster, &properties);
    let value = "x".repeat(100);
    let send = || producer.send(ProducerRecord::without_key(WIDE, value.as_str()));
    let partition_soon = |future: FutureRecordMetadata| {
        future.get_timeout(Duration::from_millis(100)).map(|it| it.partition()).ok()
    };
    for partition in [0, 1] {
        let record = ProducerRecord::without_key(WIDE, "x").partition(partition);
        assert_eq!(partition_of(&producer, record), partition);
    }

    cluster.inject(Fault::hold().on(Api::Produce).at(NodeId(2)).always());
    // A broker takes five requests before it counts as unavailable; until then so short a queue still draws records.
    let is_spared = (0..20).any(|_| (0..50).all(|_| partition_soon(send()) == Some(0)));
    cluster.clear_faults();
    cluster.release();
    let comes_back = (0..10_000).any(|_| partition_soon(send()) == Some(1));

    assert!(is_spared && comes_back, "{is_spared} {comes_back}");
}

fn wide_on_two_brokers() -> MockCluster {
    let cluster = brokers(2);
    cluster.create_topic(WIDE, 2);
    cluster.set_leader(WIDE, 0, NodeId(1));
    cluster.set_leader(WIDE, 1, NodeId(2));
    cluster
}

fn wide(partitions: i32) -> MockCluster {
    let cluster = brokers(1);
    cluster.create_topic(WIDE, partitions);
    cluster
}

fn partitioned(cluster: &MockCluster, by: impl Partitioner + 'static) -> KafkaProducer<str, str> {
    build(builder(&cluster.bootstrap_servers(), &[]).partitioner(by))
}

fn partition_of(producer: &KafkaProducer<str, str>, record: ProducerRecord<'_, str, str>) -> i32 {
    answer(&producer.send(record)).expect("acknowledged").partition()
}
