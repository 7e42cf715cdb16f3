//! Records that were sent, or would have been.

use kafka_producer::mock_cluster::{Api, Fault, MockCluster};
use kafka_producer::{Error, ErrorCode, KafkaProducer, NodeId};

use super::Texts;
use crate::setup::{TOPIC, cluster, failure, producer, record};

const HALF_A_SECOND: [(&str, &str); 3] =
    [("delivery.timeout.ms", "500"), ("request.timeout.ms", "500"), ("linger.ms", "0")];
const ONCE: [(&str, &str); 2] = [("enable.idempotence", "false"), ("retries", "0")];
const TWICE: [(&str, &str); 2] = [("enable.idempotence", "false"), ("retries", "1")];

pub(super) fn texts() -> Texts {
    let refused = |code| Fault::error(code).on(Api::Produce).always();
    vec![
        ("Too large for the broker", with(refused(ErrorCode::MessageTooLarge), &[])),
        (
            "A topic that may not be written",
            with(refused(ErrorCode::TopicAuthorizationFailed), &[]),
        ),
        ("A record that the broker finds invalid", with(refused(ErrorCode::InvalidRecord), &[])),
        ("A time out of the broker's range", with(refused(ErrorCode::InvalidTimestamp), &[])),
        ("An error that says nothing", with(refused(ErrorCode::UnknownServerError), &[])),
        ("An error of a newer broker", with(refused(ErrorCode::Unknown(999)), &[])),
        ("Fenced by another producer", with(refused(ErrorCode::ProducerFenced), &[])),
        ("No retries left", with(refused(ErrorCode::NotEnoughReplicas), &TWICE)),
        (
            "No retries left, in doubt",
            with(refused(ErrorCode::NotEnoughReplicasAfterAppend), &TWICE),
        ),
        ("A lost connection", with(Fault::close_after_append().on(Api::Produce), &ONCE)),
        (
            "No answer within request.timeout.ms",
            with(
                Fault::lose_response().on(Api::Produce),
                &[&ONCE[..], &[("request.timeout.ms", "300")]].concat(),
            ),
        ),
        (
            "No success within delivery.timeout.ms",
            with(refused(ErrorCode::NotEnoughReplicas), &slowly()),
        ),
        (
            "No success within delivery.timeout.ms, in doubt",
            with(refused(ErrorCode::KafkaStorageError), &slowly()),
        ),
        (
            "No answer within delivery.timeout.ms",
            with(
                Fault::lose_response().on(Api::Produce).always(),
                &[("delivery.timeout.ms", "700"), ("request.timeout.ms", "400")],
            ),
        ),
        ("A broker that cannot be reached", unreachable()),
        ("A topic that was deleted", deleted()),
        ("A broker that breaks the protocol", broken_answer()),
        (
            "No permission for a producer id",
            with(
                Fault::error(ErrorCode::ClusterAuthorizationFailed)
                    .on(Api::InitProducerId)
                    .always(),
                &[],
            ),
        ),
        (
            "No producer id within delivery.timeout.ms",
            with(
                Fault::error(ErrorCode::CoordinatorLoadInProgress).on(Api::InitProducerId).always(),
                &HALF_A_SECOND,
            ),
        ),
    ]
}

/// The error that a record ends with when this goes wrong.
fn with(fault: Fault, properties: &[(&str, &str)]) -> Error {
    let (cluster, producer) = ready(properties);
    cluster.inject(fault);
    failure(&producer.send(record("a")))
}

/// A cluster and a producer that knows the topic.
fn ready(properties: &[(&str, &str)]) -> (MockCluster, KafkaProducer<str, str>) {
    let cluster = cluster();
    let producer = producer(&cluster, properties);
    producer.partitions_for(TOPIC).expect("known");
    (cluster, producer)
}

/// One attempt, and no time for another.
fn slowly() -> Vec<(&'static str, &'static str)> {
    let backoffs = [("retry.backoff.ms", "60000"), ("retry.backoff.max.ms", "60000")];
    [&HALF_A_SECOND[..], &backoffs].concat()
}

fn unreachable() -> Error {
    let (cluster, producer) = ready(&HALF_A_SECOND);
    cluster.stop_node(NodeId(1));
    failure(&producer.send(record("a")))
}

fn deleted() -> Error {
    let cluster = MockCluster::builder().auto_create_topics(None).start().expect("a cluster");
    cluster.create_topic(TOPIC, 1);
    let producer = producer(&cluster, &slowly());
    producer.send(record("a")).get().expect("acknowledged");
    cluster.delete_topic(TOPIC);
    failure(&producer.send(record("b")))
}

fn broken_answer() -> Error {
    let (cluster, producer) = ready(&ONCE);
    cluster.inject(Fault::corrupt_response(4, 0x40).on(Api::Produce));
    failure(&producer.send(record("a")))
}
