//! Servers that speak Kafka's protocol in their own ways: the profiles of the embedded cluster.

use std::time::Duration;

use kafka_producer::mock_cluster::{Api, Fault, MockCluster, Profile, RecordedRequest};
use kafka_producer::{Deadline, KafkaProducer, NodeId, ProducerRecord};

use crate::setup::{
    LONG, TOPIC, answer, await_batches, failure, log, long_numbers, numbers, offset, producer,
    record, send_telling, whole_batch,
};

/// Below what Event Hubs takes, as its documentation and ours recommend.
const SMALL_REQUESTS: (&str, &str) = ("max.request.size", "1000000");

#[test]
fn event_hubs_takes_records_once_and_in_order() {
    for idempotence in ["false", "true"] {
        let cluster = cluster(Profile::azure_event_hubs());
        let producer = producer(&cluster, &[SMALL_REQUESTS, ("enable.idempotence", idempotence)]);

        send_all(&producer, 1000);

        assert_eq!(log(&cluster, 0), numbers(1000));
    }
}

#[test]
fn event_hubs_hangs_up_on_the_newest_api_versions_once() {
    let cluster = cluster(Profile::azure_event_hubs());
    let producer = producer(&cluster, &[]);
    answer(&producer.send(record("first"))).expect("acknowledged");

    assert_eq!(versions(&cluster, Api::ApiVersions), [4, 3, 3], "then the broker at that address");
    cluster.close_connections(NodeId(1));
    answer(&producer.send(record("second"))).expect("acknowledged");

    assert!(versions(&cluster, Api::ApiVersions)[3..].iter().all(|version| *version == 3));
    assert_eq!(log(&cluster, 0), ["first", "second"]);
}

#[test]
fn event_hubs_is_never_sent_a_topic_id_that_it_did_not_tell() {
    let cluster = cluster(Profile::azure_event_hubs());
    let producer = producer(&cluster, &[]);

    send_all(&producer, 10);

    assert!(versions(&cluster, Api::Metadata).iter().all(|version| *version == 9));
    let produce = versions(&cluster, Api::Produce);
    assert!(!produce.is_empty() && produce.iter().all(|version| *version == 12), "{produce:?}");
}

#[test]
fn event_hubs_may_answer_what_wants_no_answer() {
    let cluster = cluster(Profile::azure_event_hubs());
    let producer = producer(&cluster, &[("acks", "0"), ("batch.size", "1")]);
    let values = long_numbers(200);

    for (count, value) in values.iter().enumerate() {
        answer(&producer.send(record(value))).expect("sent");
        await_batches(&cluster, count + 1);
    }

    assert_eq!(log(&cluster, 0), values);
    let requests = produce_requests(&cluster);
    assert!(requests.iter().all(|request| request.acks == Some(0)));
    let first = requests[0].connection;
    assert!(requests.iter().all(|request| request.connection == first), "none was given up");
}

#[test]
fn what_is_too_large_for_event_hubs_fails_in_time_and_with_the_property_to_change() {
    let cluster = cluster(Profile::azure_event_hubs());
    let times = [("delivery.timeout.ms", "500"), ("request.timeout.ms", "400"), ("linger.ms", "0")];
    let producer = producer(&cluster, &times);
    let large = "x".repeat(1_047_000);
    answer(&producer.send(record("before"))).expect("acknowledged");

    let error = failure(&producer.send(record(&large)));
    answer(&producer.send(record("after"))).expect("acknowledged");

    assert_eq!(error.deadline(), Some(Deadline::Delivery));
    assert!(error.to_string().contains("lower max.request.size"), "{error}");
    assert_eq!(log(&cluster, 0), ["before", "after"]);
}

#[test]
fn with_smaller_requests_event_hubs_never_hangs_up() {
    const PARTITIONS: i32 = 100;
    let cluster = cluster(Profile::azure_event_hubs());
    cluster.create_topic("wide", PARTITIONS);
    let producer = producer(&cluster, &[SMALL_REQUESTS, ("linger.ms", "50")]);
    answer(&producer.send(record("first"))).expect("acknowledged");
    let connections = versions(&cluster, Api::ApiVersions).len();

    let error = failure(&producer.send(record(&"x".repeat(1_000_000))));
    let value = whole_batch();
    for partition in (0..PARTITIONS).cycle().take(300) {
        producer.send(ProducerRecord::without_key("wide", value.as_str()).partition(partition));
    }
    producer.flush().expect("acknowledged");

    assert_eq!(error.property(), Some("max.request.size"));
    assert!((0..PARTITIONS).all(|partition| cluster.records("wide", partition).len() == 3));
    assert_eq!(versions(&cluster, Api::ApiVersions).len(), connections);
}

/// Each record lingers for longer than the connection may be idle.
#[test]
fn connections_that_event_hubs_cuts_cost_no_record() {
    let cluster = cluster(Profile::azure_event_hubs().max_idle(Duration::from_millis(20)));
    let producer = producer(&cluster, &[("linger.ms", "60"), ("enable.idempotence", "false")]);

    let mut sent = Vec::new();
    while connections_used(&cluster) < 4 {
        sent.push(sent.len().to_string());
        let told = send_telling(&producer, record(sent.last().expect("a value")));
        told.recv_timeout(LONG).expect("in time").expect("acknowledged");
        assert!(sent.len() < 100, "no connection was cut");
    }

    assert_eq!(log(&cluster, 0), sent);
}

#[test]
fn redpanda_takes_records_once_and_in_order_in_its_own_versions() {
    let cluster = cluster(Profile::redpanda());
    let producer = producer(&cluster, &[]);

    send_all(&producer, 1000);

    assert_eq!(log(&cluster, 0), numbers(1000));
    for (api, version) in [(Api::Produce, 7), (Api::Metadata, 7), (Api::InitProducerId, 1)] {
        let used = versions(&cluster, api);
        assert!(!used.is_empty() && used.iter().all(|used| *used == version), "{api}: {used:?}");
    }
    let api_versions = versions(&cluster, Api::ApiVersions);
    assert_eq!(api_versions[..2], [4, 3], "it says what it knows, on the same connection");
}

#[test]
fn slow_appends_are_made_up_for_by_requests_in_flight() {
    for (idempotence, in_flight) in [("true", 1), ("true", 5), ("false", 20)] {
        let cluster = cluster(Profile::object_store());
        let limit = in_flight.to_string();
        let properties = [
            ("enable.idempotence", idempotence),
            ("max.in.flight.requests.per.connection", limit.as_str()),
            ("batch.size", "1"),
        ];
        let producer = producer(&cluster, &properties);
        let values = long_numbers(2 * in_flight);
        answer(&producer.send(record("first"))).expect("acknowledged");

        let futures: Vec<_> = values.iter().map(|value| producer.send(record(value))).collect();
        let offsets: Vec<_> = futures.iter().map(offset).collect();

        assert_eq!(offsets, (1..).take(values.len()).collect::<Vec<_>>());
        assert_eq!(log(&cluster, 0)[1..], values);
        let unanswered = produce_requests(&cluster).iter().map(|request| request.unanswered).max();
        assert_eq!(unanswered, Some(in_flight), "as many under way as allowed, and no more");
    }
}

#[test]
fn a_server_with_the_first_api_versions_alone_is_asked_in_that_from_then_on() {
    let cluster = cluster(Profile::api_versions_0_only());
    let producer = producer(&cluster, &[]);
    send_all(&producer, 1000);

    assert_eq!(versions(&cluster, Api::ApiVersions), [4, 0, 0]);
    cluster.close_connections(NodeId(1));
    assert_eq!(offset(&producer.send(record("1000"))), 1000);

    assert_eq!(log(&cluster, 0), numbers(1001));
    assert!(versions(&cluster, Api::ApiVersions)[3..].iter().all(|version| *version == 0));
}

#[test]
fn an_accident_does_not_make_a_good_broker_an_old_one() {
    let cluster = cluster(Profile::kafka());
    cluster.inject(Fault::close_before_append().on(Api::ApiVersions).times(2));
    let producer = producer(&cluster, &[]);
    answer(&producer.send(record("first"))).expect("acknowledged");
    assert_eq!(versions(&cluster, Api::ApiVersions)[..3], [4, 3, 0]);

    cluster.close_connections(NodeId(1));
    answer(&producer.send(record("second"))).expect("acknowledged");

    assert_eq!(versions(&cluster, Api::ApiVersions).last(), Some(&4));
    assert_eq!(log(&cluster, 0), ["first", "second"]);
}

fn cluster(profile: Profile) -> MockCluster {
    let cluster = MockCluster::builder().profile(profile).start().expect("a cluster");
    cluster.create_topic(TOPIC, 1);
    cluster
}

fn send_all(producer: &KafkaProducer<str, str>, count: usize) {
    for number in numbers(count) {
        producer.send(record(&number));
    }
    producer.flush().expect("acknowledged");
}

/// The versions in which an API was used, in order, also where the server hung up.
fn versions(cluster: &MockCluster, api: Api) -> Vec<i16> {
    let requests = cluster.requests();
    let requests = requests.iter().filter(|request| request.api == api);
    requests.map(|request| request.version).collect()
}

fn produce_requests(cluster: &MockCluster) -> Vec<RecordedRequest> {
    let mut requests = cluster.requests();
    requests.retain(|request| request.api == Api::Produce);
    requests
}

fn connections_used(cluster: &MockCluster) -> usize {
    let mut connections: Vec<_> =
        produce_requests(cluster).iter().map(|request| request.connection).collect();
    connections.dedup();
    connections.len()
}
