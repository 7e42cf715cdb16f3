//! Leaders, brokers and topics that come, go and move.

use kafka_producer::mock_cluster::{Api, Fault, MockCluster, RecordedRequest, TopicOptions};
use kafka_producer::{Deadline, ErrorCode, KafkaProducer, NodeId, ProducerRecord};

use crate::setup::{
    LONG, TOPIC, answer, await_batches, brokers, failure, log, long_numbers, numbers, offset,
    produced, producer, record, whole_batch,
};

// SND-02, INV-16
#[test]
fn a_broker_that_names_the_new_leader_is_believed() {
    let cluster = brokers(2);
    let (producer, old, new) = used_and_to_be_moved(&cluster, &[]);
    cluster.freeze_metadata(old);
    cluster.freeze_metadata(new);

    cluster.set_leader(TOPIC, 0, new);
    answer(&producer.send(record("moved"))).expect("acknowledged");

    let nodes: Vec<_> = cluster.requests().iter().filter_map(produce_node).collect();
    assert_eq!(nodes, [old, new]);
    assert_eq!(log(&cluster, 0), ["first", "moved"]);
}

// SND-03
#[test]
fn without_such_a_hint_the_metadata_tells() {
    let cluster = brokers(2);
    cluster.set_versions(Api::Produce, 3..=9);
    let (producer, _, new) = used_and_to_be_moved(&cluster, &[]);

    cluster.set_leader(TOPIC, 0, new);
    answer(&producer.send(record("moved"))).expect("acknowledged");

    let requests = cluster.requests();
    assert!(requests.iter().any(|request| request.api == Api::Metadata));
    assert_eq!(requests.iter().filter_map(produce_node).next_back(), Some(new));
    assert_eq!(log(&cluster, 0), ["first", "moved"]);
}

// IDEM-20, INV-06
#[test]
fn batches_on_their_way_to_the_old_leader_stay_ahead_of_those_behind() {
    let cluster = brokers(2);
    let (producer, old, new) = used_and_to_be_moved(&cluster, &[("batch.size", "1")]);
    cluster.inject(Fault::hold().on(Api::Produce));
    for number in long_numbers(5) {
        producer.send(record(&number));
    }
    await_batches(&cluster, 5);

    cluster.set_leader(TOPIC, 0, new);
    for number in &long_numbers(10)[5..] {
        producer.send(record(number));
    }
    cluster.close_connections(old);
    producer.flush_timeout(LONG).expect("in time");

    assert_eq!(log(&cluster, 0)[1..], long_numbers(10));
}

// ACC-11
#[test]
fn with_one_request_in_flight_the_new_leader_gets_nothing_before_the_old_one_has_answered() {
    let cluster = brokers(2);
    let properties = [
        ("enable.idempotence", "false"),
        ("max.in.flight.requests.per.connection", "1"),
        ("metadata.max.age.ms", "10"),
    ];
    let (producer, _, new) = used_and_to_be_moved(&cluster, &properties);
    connect_to(&cluster, &producer, new); // so that metadata comes from there
    cluster.inject(Fault::hold().on(Api::Produce));
    producer.send(record("to the old"));
    await_batches(&cluster, 1);

    cluster.set_leader(TOPIC, 0, new);
    await_refreshes(&cluster);
    let second = producer.send(record("to the new"));
    await_refreshes(&cluster);
    assert_eq!(produced(&cluster).len(), 1);
    cluster.release();

    assert_eq!(offset(&second), 2);
    assert_eq!(log(&cluster, 0), ["first", "to the old", "to the new"]);
}

// BRK-01, BRK-02
#[test]
fn the_end_of_a_leader_goes_unnoticed_where_another_replica_is_in_sync() {
    let cluster = brokers(3);
    let producer = producer(&cluster, &[("batch.size", "200")]);

    let mut futures = Vec::new();
    for (number, node) in numbers(300).iter().zip((0..300).map(|index| index / 50)) {
        futures.push(producer.send(record(number)));
        match (number.ends_with("49"), node) {
            (true, 0 | 2) => cluster.stop_node(leader(&cluster)),
            (true, _) => restart_all(&cluster),
            _ => {}
        }
    }

    for (future, expected) in futures.iter().zip(0..) {
        assert_eq!(offset(future), expected);
    }
    assert_eq!(log(&cluster, 0), numbers(300));
}

// BRK-09
#[test]
fn a_broker_may_come_back_on_another_port() {
    let cluster = brokers(2);
    let (producer, old, _) = used_and_to_be_moved(&cluster, &[]);
    cluster.set_in_sync(TOPIC, 0, &[old]);

    cluster.stop_node(old);
    let waiting = producer.send(record("waiting"));
    cluster.start_node_on_another_port(old).expect("a port");

    assert_eq!(offset(&waiting), 1);
    assert_eq!(leader(&cluster), old);
}

// BRK-05
#[test]
fn records_outlast_the_absence_of_all_brokers() {
    let cluster = brokers(2);
    let (producer, ..) = used_and_to_be_moved(&cluster, &[]);
    for node in cluster.nodes() {
        cluster.stop_node(node);
    }

    let futures: Vec<_> = numbers(10).iter().map(|value| producer.send(record(value))).collect();
    restart_all(&cluster);

    for (future, expected) in futures.iter().zip(1..) {
        assert_eq!(offset(future), expected);
    }
}

// BRK-05
#[test]
fn an_absence_beyond_delivery_timeout_fails_what_waited_and_nothing_else() {
    let cluster = brokers(1);
    let properties =
        [("delivery.timeout.ms", "100"), ("request.timeout.ms", "100"), ("linger.ms", "0")];
    let (producer, ..) = used_and_to_be_moved(&cluster, &properties);
    cluster.stop_node(NodeId(1));
    let waited = producer.send(record("waited"));
    let error = failure(&waited);
    cluster.start_node(NodeId(1)).expect("its port is free");

    while answer(&producer.send(record("later"))).is_err() {}

    assert_eq!(error.deadline(), Some(Deadline::Delivery));
    assert!(!log(&cluster, 0).contains(&"waited".to_owned()));
}

// NET-11, NET-12
#[test]
fn idle_connections_may_be_closed_by_either_side() {
    let cluster = brokers(1);
    let (producer, ..) = used_and_to_be_moved(&cluster, &[("connections.max.idle.ms", "10")]);

    for number in numbers(10) {
        cluster.close_connections(NodeId(1));
        answer(&producer.send(record(&number))).expect("acknowledged");
    }

    assert_eq!(log(&cluster, 0)[1..], numbers(10));
}

#[test]
fn a_broker_that_turns_connections_away_is_tried_again() {
    let cluster = brokers(1);
    let (producer, ..) = used_and_to_be_moved(&cluster, &[]);
    cluster.refuse_connections(NodeId(1));
    cluster.close_connections(NodeId(1));

    let waiting = producer.send(record("a"));
    cluster.accept_connections(NodeId(1));

    assert_eq!(offset(&waiting), 1);
}

// BRK-06
#[test]
fn too_few_replicas_in_sync_hold_records_up_until_there_are_enough() {
    let cluster = MockCluster::start(3).expect("a cluster");
    cluster.create_topic_with(TOPIC, TopicOptions::new(1).min_insync_replicas(2));
    let (producer, leader, _) = used_and_to_be_moved(&cluster, &[]);
    cluster.set_in_sync(TOPIC, 0, &[leader]);

    let waiting = producer.send(record("a"));
    await_batches(&cluster, 2);
    assert!(!waiting.is_done());
    cluster.set_in_sync(TOPIC, 0, &cluster.nodes());

    assert_eq!(offset(&waiting), 1);
}

// BRK-08
#[test]
fn a_leader_whose_disk_fails_gives_way_to_another() {
    let cluster = brokers(2);
    let (producer, old, new) = used_and_to_be_moved(&cluster, &[]);
    cluster.inject(Fault::error(ErrorCode::KafkaStorageError).on(Api::Produce).at(old).always());

    let waiting = producer.send(record("a"));
    await_batches(&cluster, 2);
    cluster.set_leader(TOPIC, 0, new);

    assert_eq!(offset(&waiting), 1);
    assert_eq!(log(&cluster, 0), ["first", "a"]);
}

// BRK-11
#[test]
fn while_nobody_can_create_topics_those_that_exist_go_on() {
    let cluster = brokers(1);
    let (producer, ..) = used_and_to_be_moved(&cluster, &[("max.block.ms", "100")]);
    // What a broker answers that finds no controller.
    let not_created = Fault::error(ErrorCode::LeaderNotAvailable).on(Api::Metadata);
    cluster.inject(not_created.topic("new").always());

    let error = failure(&producer.send(ProducerRecord::without_key("new", "x")));

    assert_eq!(error.deadline(), Some(Deadline::MaxBlock));
    assert_eq!(error.code(), Some(ErrorCode::LeaderNotAvailable));
    assert_eq!(offset(&producer.send(record("a"))), 1);
}

// IDEM-15
#[test]
fn a_topic_that_metadata_leaves_out_for_a_while_keeps_its_sequences() {
    let cluster = brokers(1);
    let (producer, ..) = used_and_to_be_moved(&cluster, &[("metadata.max.age.ms", "10")]);
    let not_there = Fault::error(ErrorCode::UnknownTopicOrPartition).on(Api::Metadata);
    cluster.inject(not_there.topic(TOPIC).after(1).times(5));
    cluster.close_connections(NodeId(1));

    let mut futures = Vec::new();
    while cluster.pending_faults() > 0 {
        let number = futures.len().to_string();
        futures.push(producer.send(record(&number)));
    }
    producer.flush_timeout(LONG).expect("in time");

    assert_eq!(log(&cluster, 0)[1..], numbers(futures.len()));
    let records = cluster.records(TOPIC, 0);
    let places = records.iter().map(|record| (record.producer_epoch, record.sequence));
    assert!(places.eq((0..).take(records.len()).map(|sequence| (0, sequence))));
}

// SND-21, MET-11, COMPAT-07
#[test]
fn a_topic_may_be_deleted_and_created_anew() {
    for newest_produce in [9, 12, 13] {
        let cluster = MockCluster::builder().auto_create_topics(None).start().expect("a cluster");
        cluster.set_versions(Api::Produce, 3..=newest_produce);
        cluster.create_topic(TOPIC, 1);
        let (producer, ..) = used_and_to_be_moved(&cluster, &[]);
        let old = cluster.topic_id(TOPIC);

        cluster.delete_topic(TOPIC);
        let waiting = producer.send(record("a"));
        let told = cluster.wait_for_requests(LONG, |requests| {
            requests.iter().any(|request| request.api == Api::Metadata && request.topics == [TOPIC])
        });
        assert!(told && !waiting.is_done());
        cluster.create_topic(TOPIC, 1);

        assert_eq!(offset(&waiting), 0, "Produce {newest_produce}");
        assert_eq!(offset(&producer.send(record("b"))), 1);
        assert_ne!(cluster.topic_id(TOPIC), old);
    }
}

// SND-21
#[test]
fn records_for_a_topic_that_stays_deleted_fail_in_time() {
    let cluster = MockCluster::builder().auto_create_topics(None).start().expect("a cluster");
    cluster.create_topic(TOPIC, 1);
    let properties =
        [("delivery.timeout.ms", "100"), ("request.timeout.ms", "100"), ("linger.ms", "0")];
    let (producer, ..) = used_and_to_be_moved(&cluster, &properties);

    cluster.delete_topic(TOPIC);
    let error = failure(&producer.send(record("a")));

    assert_eq!((error.topic(), error.partition()), (Some(TOPIC), Some(0)));
    assert!(error.deadline() == Some(Deadline::Delivery), "{error}");
    let codes = [ErrorCode::UnknownTopicOrPartition, ErrorCode::UnknownTopicId];
    assert!(error.code().is_some_and(|code| codes.contains(&code)), "{error}");
}

// HOST-19
#[test]
fn brokers_that_disagree_about_the_leader_are_not_stormed() {
    let cluster = brokers(2);
    let properties = [
        ("delivery.timeout.ms", "200"),
        ("request.timeout.ms", "200"),
        ("linger.ms", "0"),
        ("retry.backoff.ms", "10"),
        ("retry.backoff.max.ms", "10"),
    ];
    let (producer, ..) = used_and_to_be_moved(&cluster, &properties);
    cluster.inject(Fault::error(ErrorCode::NotLeaderOrFollower).on(Api::Produce).always());

    failure(&producer.send(record(&whole_batch())));

    let requests = cluster.requests().len();
    assert!(requests <= 100, "{requests} requests in 200 ms");
}

/// Has `producer` use a connection to `node`.
fn connect_to(cluster: &MockCluster, producer: &KafkaProducer<str, str>, node: NodeId) {
    cluster.create_topic("elsewhere", 1);
    cluster.set_leader("elsewhere", 0, node);
    let sent = producer.send(ProducerRecord::without_key("elsewhere", "x"));
    answer(&sent).expect("acknowledged");
    cluster.clear_requests();
}

/// Waits until the producer has asked for metadata three times more, and so used two answers.
fn await_refreshes(cluster: &MockCluster) {
    let count = |requests: &[RecordedRequest]| {
        requests.iter().filter(|request| request.api == Api::Metadata).count()
    };
    let before = count(&cluster.requests());
    assert!(cluster.wait_for_requests(LONG, |requests| count(requests) >= before + 3));
}

fn restart_all(cluster: &MockCluster) {
    for node in cluster.nodes() {
        cluster.start_node(node).expect("its port is free");
    }
}

fn leader(cluster: &MockCluster) -> NodeId {
    cluster.leader(TOPIC, 0).expect("a leader")
}

/// A producer with one acknowledged record, the leader that it knows, and another broker if there is one.
fn used_and_to_be_moved(
    cluster: &MockCluster,
    properties: &[(&str, &str)],
) -> (KafkaProducer<str, str>, NodeId, NodeId) {
    let producer = producer(cluster, properties);
    answer(&producer.send(record("first"))).expect("acknowledged");
    cluster.clear_requests();
    let old = leader(cluster);
    let other = cluster.nodes().into_iter().find(|node| *node != old);
    (producer, old, other.unwrap_or(old))
}

fn produce_node(request: &RecordedRequest) -> Option<NodeId> {
    (request.api == Api::Produce).then_some(request.node)
}
