//! Brokers from the oldest to those that are yet to come.

use std::ops::RangeInclusive;

use kafka_producer::mock_cluster::{Api, MockCluster};
use kafka_producer::{ErrorKind, NodeId, ProducerRecord};

use crate::setup::{
    LONG, answer, brokers, cluster, failure, log, numbers, offset, producer, record,
};

const SPOKEN: [(Api, RangeInclusive<i16>); 4] = [
    (Api::Produce, 2..=13),
    (Api::Metadata, 0..=13),
    (Api::ApiVersions, 0..=4),
    (Api::InitProducerId, 0..=5),
];

/// Before it, neither headers nor idempotent producers were known.
const FIRST_PRODUCE_OF_BATCHES: i16 = 3;

// COMPAT-02
#[test]
fn the_highest_version_that_both_know_is_used() {
    for (api, versions) in SPOKEN {
        for newest in versions.clone() {
            let cluster = cluster();
            cluster.set_versions(api, *versions.start()..=newest);
            let is_old = api == Api::Produce && newest < FIRST_PRODUCE_OF_BATCHES;
            let idempotence = if is_old { "false" } else { "true" };
            let producer = producer(&cluster, &[("enable.idempotence", idempotence)]);

            let record = ProducerRecord::new("created", "k", "v");
            let sent = producer.send(if is_old { record } else { record.header("h", Some("x")) });

            assert_eq!(offset(&sent), 0, "{api} {newest}");
            assert_eq!(version_used(&cluster, api), Some(newest), "{api} {newest}");
        }
    }
}

// COMPAT-01
#[test]
fn the_oldest_brokers_take_plain_and_idempotent_records() {
    for (idempotence, produce) in [("false", 2), ("false", 3), ("true", 3)] {
        let cluster = cluster();
        for (api, versions) in SPOKEN {
            cluster.set_versions(api, *versions.start()..=*versions.start());
        }
        cluster.set_versions(Api::Produce, produce..=produce);
        let producer = producer(&cluster, &[("enable.idempotence", idempotence)]);

        for number in numbers(100) {
            producer.send(record(&number));
        }
        producer.close(LONG).expect("in time");

        assert_eq!(log(&cluster, 0), numbers(100));
    }
}

// HOST-10
#[test]
fn newer_brokers_than_this_crate_are_spoken_to_in_what_it_knows() {
    let cluster = cluster();
    for (api, _) in SPOKEN {
        cluster.set_versions(api, 0..=i16::MAX);
    }
    let producer = producer(&cluster, &[]);

    assert_eq!(offset(&producer.send(record("a"))), 0);

    for (api, versions) in SPOKEN {
        assert_eq!(version_used(&cluster, api), Some(*versions.end()), "{api}");
    }
}

// COMPAT-02
#[test]
fn without_a_common_version_nothing_is_sent() {
    let cluster = cluster();
    cluster.set_versions(Api::Produce, 100..=101);
    let producer = producer(&cluster, &[]);

    let error = failure(&producer.send(record("a")));

    assert!(matches!(error.kind(), ErrorKind::UnsupportedVersion { .. }), "{error}");
    assert!(error.to_string().contains("100"), "it names the broker's versions: {error}");
    assert_eq!(version_used(&cluster, Api::Produce), None);
}

// TXN-30
#[test]
fn a_broker_without_idempotent_producers_is_told_with_the_property_to_change() {
    let cluster = cluster();
    cluster.remove_api(Api::InitProducerId);
    let idempotent = producer(&cluster, &[]);

    let error = failure(&idempotent.send(record("a")));
    let plain = producer(&cluster, &[("enable.idempotence", "false")]);

    assert!(matches!(error.kind(), ErrorKind::UnsupportedVersion { .. }), "{error}");
    assert!(error.to_string().contains("enable.idempotence"), "{error}");
    assert_eq!(offset(&plain.send(record("b"))), 0);
}

// COMPAT-03
#[test]
fn each_broker_of_a_mixed_cluster_is_spoken_to_in_its_own_versions() {
    let cluster = brokers(3);
    cluster.create_topic("wide", 3);
    let newest = [(NodeId(1), 3), (NodeId(2), 9), (NodeId(3), 13)];
    for ((node, newest), partition) in newest.into_iter().zip(0..) {
        cluster.set_versions_at(node, Api::Produce, 3..=newest);
        cluster.set_leader("wide", partition, node);
    }
    let producer = producer(&cluster, &[]);

    for partition in 0..3 {
        let sent = producer.send(ProducerRecord::without_key("wide", "x").partition(partition));
        answer(&sent).expect("acknowledged");
    }

    let requests = cluster.requests();
    let produce = requests.iter().filter(|request| request.api == Api::Produce);
    assert_eq!(produce.map(|request| (request.node, request.version)).collect::<Vec<_>>(), newest);
}

// CFG-08
#[test]
fn brokers_learn_who_speaks() {
    let cluster = cluster();
    let producer = producer(&cluster, &[("client.id", "über client\u{1f980}")]);
    answer(&producer.send(record("a"))).expect("acknowledged");

    let requests = cluster.requests();
    let mut software = requests.iter().filter_map(|request| request.client_software.as_ref());
    assert!(software.all(|(name, version)| is_accepted(name) && is_accepted(version)));
    let id = Some("über client\u{1f980}".to_owned());
    assert!(requests.iter().all(|request| request.client_id == id));
}

/// What brokers demand of a name or version of client software (KIP-511).
fn is_accepted(text: &str) -> bool {
    let is_edge = |character: char| character.is_ascii_alphanumeric();
    let is_inner = |character: char| is_edge(character) || character == '-' || character == '.';
    text.chars().all(is_inner) && text.starts_with(is_edge) && text.ends_with(is_edge)
}

/// That of the latest request.
fn version_used(cluster: &MockCluster, api: Api) -> Option<i16> {
    let requests = cluster.requests();
    requests.iter().rev().find(|request| request.api == api).map(|request| request.version)
}
