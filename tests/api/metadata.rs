//! How `send` learns of topics and partitions, and how long it waits for that.

use std::thread;
use std::time::Duration;

use kafka_producer::mock_cluster::{Api, Fault, MockCluster};
use kafka_producer::{Deadline, ErrorCode, ErrorKind, NodeId, Persistence, ProducerRecord};

use crate::setup::{
    LONG, TOPIC, answer, brokers, cluster, failure, is_closed, offset, producer, record,
};

const FOR_LONG: (&str, &str) = ("max.block.ms", "3600000");

// API-07
#[test]
fn an_unknown_topic_fails_after_max_block_ms_with_the_brokers_reason() {
    let cluster = without_auto_create();
    let producer = producer(&cluster, &[("max.block.ms", "50")]);

    let future = producer.send(record("a"));

    assert!(future.is_done());
    let error = failure(&future);
    assert_eq!(error.deadline(), Some(Deadline::MaxBlock));
    assert_eq!(error.code(), Some(ErrorCode::UnknownTopicOrPartition));
    assert_eq!((error.topic(), error.persistence()), (Some(TOPIC), Persistence::NeverSent));
    let same = producer.partitions_for(TOPIC).expect_err("unknown");
    assert_eq!(same, error);
}

// API-07
#[test]
fn a_topic_that_appears_while_send_waits_is_found() {
    let cluster = without_auto_create();
    let producer = producer(&cluster, &[FOR_LONG]);

    thread::scope(|scope| {
        let sending = scope.spawn(|| offset(&producer.send(record("a"))));
        await_question(&cluster, TOPIC);
        cluster.create_topic(TOPIC, 1);
        assert_eq!(sending.join().expect("no panic"), 0);
    });
}

#[test]
fn brokers_may_create_a_topic_when_it_is_named() {
    let cluster = cluster();
    let producer = producer(&cluster, &[]);

    let created = producer.send(ProducerRecord::without_key("created", "a")).get();

    assert_eq!(created.expect("acknowledged").to_string(), "created-0@0");
}

// API-08
#[test]
fn a_partition_that_does_not_exist_fails_after_max_block_ms() {
    let cluster = cluster();
    let producer = producer(&cluster, &[("max.block.ms", "50")]);

    let error = failure(&producer.send(record("a").partition(3)));

    assert_eq!(error.deadline(), Some(Deadline::MaxBlock));
    assert!(error.to_string().contains("partition 3 of 1"), "{error}");
}

// API-08
#[test]
fn a_partition_that_is_added_while_send_waits_is_found() {
    let cluster = cluster();
    let producer = producer(&cluster, &[FOR_LONG]);
    answer(&producer.send(record("a"))).expect("acknowledged");
    cluster.clear_requests();

    thread::scope(|scope| {
        let sending = scope.spawn(|| answer(&producer.send(record("b").partition(3))));
        await_question(&cluster, TOPIC);
        cluster.add_partitions(TOPIC, 4);
        let metadata = sending.join().expect("no panic").expect("acknowledged");
        assert_eq!(metadata.to_string(), "orders-3@0");
    });
}

// API-12
#[test]
fn without_time_to_wait_the_first_record_fails_and_a_later_one_works() {
    let cluster = cluster();
    let producer = producer(&cluster, &[("max.block.ms", "0")]);

    let error = failure(&producer.send(record("a")));
    assert_eq!(error.deadline(), Some(Deadline::MaxBlock));

    // It asked all the same, so that some later record finds what it needs.
    while answer(&producer.send(record("b"))).is_err() {
        thread::yield_now();
    }
    assert_eq!(cluster.records(TOPIC, 0).len(), 1);
}

// API-22
#[test]
fn partitions_for_describes_the_topic() {
    let cluster = brokers(3);
    cluster.create_topic("wide", 5);
    let producer = producer(&cluster, &[]);

    let partitions = producer.partitions_for("wide").expect("known");

    let described: Vec<_> =
        partitions.iter().map(|info| (info.partition(), info.leader())).collect();
    let expected: Vec<_> =
        (0..5).map(|partition| (partition, cluster.leader("wide", partition))).collect();
    assert_eq!(described, expected);
    assert!(partitions.iter().all(|info| info.replicas().len() == 3));
}

// SND-15, MET-06, MET-07, API-22
#[test]
fn a_topic_that_may_not_be_seen_fails_at_once_and_alone() {
    let cluster = cluster();
    cluster.create_topic("secret", 1);
    let producer = producer(&cluster, &[FOR_LONG]);
    let denied = Fault::error(ErrorCode::TopicAuthorizationFailed).on(Api::Metadata);
    cluster.inject(denied.topic("secret").always());

    let error = failure(&producer.send(ProducerRecord::without_key("secret", "a")));
    assert_eq!(error.code(), Some(ErrorCode::TopicAuthorizationFailed));
    assert_eq!((error.topic(), error.is_retriable()), (Some("secret"), false));
    assert_eq!(producer.partitions_for("secret").expect_err("not allowed").code(), error.code());
    assert_eq!(offset(&producer.send(record("b"))), 0);

    cluster.clear_faults();
    let granted = producer.send(ProducerRecord::without_key("secret", "a"));
    assert_eq!(offset(&granted), 0);
}

// MET-04
#[test]
fn a_topic_without_leaders_at_first_is_asked_for_again() {
    let cluster = cluster();
    let producer = producer(&cluster, &[FOR_LONG]);
    let not_yet = Fault::error(ErrorCode::LeaderNotAvailable).on(Api::Metadata);
    cluster.inject(not_yet.topic(TOPIC).times(3));

    assert_eq!(offset(&producer.send(record("a"))), 0);
    assert_eq!(cluster.pending_faults(), 0);
}

// HOST-03, HOST-06
#[test]
fn metadata_that_cannot_be_used_is_asked_for_again() {
    for trouble in [
        Fault::close_before_append(),
        Fault::close_after_bytes(6),
        Fault::corrupt_response(4, 0xff),
        Fault::respond_with_body([0xff; 64]),
        Fault::respond_with_body([]),
        Fault::respond_with_bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n".as_slice()),
    ] {
        let cluster = cluster();
        cluster.inject(trouble.on(Api::Metadata).times(2));
        let producer = producer(&cluster, &[FOR_LONG]);

        assert_eq!(offset(&producer.send(record("a"))), 0);
        assert_eq!(cluster.pending_faults(), 0);
    }
}

// MET-01
#[test]
fn what_is_known_is_refreshed_while_nobody_sends() {
    let cluster = cluster();
    let producer = producer(&cluster, &[("metadata.max.age.ms", "20")]);
    answer(&producer.send(record("a"))).expect("acknowledged");
    cluster.add_partitions(TOPIC, 2);
    cluster.clear_requests();

    let refreshed = cluster.wait_for_requests(LONG, |requests| {
        requests.iter().filter(|request| request.topics == [TOPIC]).count() >= 2
    });

    assert!(refreshed);
    assert_eq!(producer.partitions_for(TOPIC).expect("known").len(), 2);
}

// MET-13
#[test]
fn of_many_topics_only_those_in_use_are_asked_for() {
    let cluster = cluster();
    for number in 0..2000 {
        cluster.create_topic(&format!("topic-{number}"), 10);
    }
    let producer = producer(&cluster, &[("metadata.max.age.ms", "20")]);
    let used = ["topic-0", "topic-1000", "topic-1999"];
    for topic in used {
        answer(&producer.send(ProducerRecord::without_key(topic, "a"))).expect("acknowledged");
    }
    cluster.clear_requests();

    let refreshed = cluster.wait_for_requests(LONG, |requests| requests.len() >= 3);

    assert!(refreshed);
    for request in cluster.requests() {
        let mut topics = request.topics.clone();
        topics.sort();
        assert_eq!((request.api, topics.as_slice()), (Api::Metadata, &used.map(String::from)[..]));
    }
}

// MET-07
#[test]
fn close_ends_the_wait() {
    let cluster = without_auto_create();
    let producer = producer(&cluster, &[FOR_LONG]);

    thread::scope(|scope| {
        let sending = scope.spawn(|| failure(&producer.send(record("a"))));
        let asking = scope.spawn(|| producer.partitions_for("other").expect_err("closed"));
        await_question(&cluster, TOPIC);
        producer.close(LONG).expect("nothing was accepted");
        assert!(is_closed(&sending.join().expect("no panic")));
        assert!(is_closed(&asking.join().expect("no panic")));
    });
}

// MET-12, NET-01
#[test]
fn a_producer_may_be_there_before_the_cluster() {
    let cluster = brokers(1);
    let servers = cluster.bootstrap_servers();
    cluster.stop_node(NodeId(1));
    let producer = crate::setup::build(crate::setup::builder(&servers, &[("max.block.ms", "100")]));

    let error = failure(&producer.send(record("a")));
    assert!(matches!(error.kind(), ErrorKind::Timeout { deadline: Deadline::MaxBlock, .. }));
    cluster.start_node(NodeId(1)).expect("its port is free");

    while answer(&producer.send(record("b"))).is_err() {}
    assert_eq!(cluster.records(TOPIC, 0).len(), 1);
}

// NET-01
#[test]
fn one_good_address_is_enough() {
    let cluster = cluster();
    let servers = format!("127.0.0.1:1,127.0.0.1:2,{}", cluster.bootstrap_servers());
    let producer = crate::setup::build(crate::setup::builder(&servers, &[]));

    assert_eq!(offset(&producer.send(record("a"))), 0);
}

fn without_auto_create() -> MockCluster {
    MockCluster::builder().auto_create_topics(None).start().expect("a cluster")
}

fn await_question(cluster: &MockCluster, topic: &str) {
    let asked = cluster.wait_for_requests(Duration::from_secs(30), |requests| {
        requests.iter().any(|request| {
            request.api == Api::Metadata && request.topics.iter().any(|asked| asked == topic)
        })
    });
    assert!(asked);
}
