//! When metadata is asked for, and what an answer changes.

use super::*;
use crate::common::node::NodeId;
use crate::common::uuid::Uuid;
use crate::protocol::message::metadata::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};

const BACKOFF: Duration = Duration::from_millis(100);
const MAX_AGE: Duration = Duration::from_secs(300);

#[test]
fn only_a_new_topic_is_asked_for_at_once() {
    let metadata = with_topic("orders", &[(0, 1, 0)]);

    metadata.add_topic(&"orders".into(), at(1));
    assert!(metadata.next_update() > Some(at(1)), "known already");
    metadata.add_topic(&"parcels".into(), at(1));
    assert!(metadata.next_update() <= Some(at(1)));
}

#[test]
fn a_wait_without_an_answer_times_out_and_a_closed_one_does_not_begin() {
    let metadata = metadata();
    let version = metadata.version();
    metadata.request_update();

    assert_eq!(metadata.await_update(version, Duration::from_millis(1)), AwaitUpdate::TimedOut);
    metadata.close();
    assert_eq!(metadata.await_update(version, Duration::MAX), AwaitUpdate::Closed);
}

#[test]
fn an_answer_ends_the_wait_of_another_thread() {
    let metadata = Arc::new(metadata());
    let version = metadata.version();
    metadata.request_update();
    let waiting = Arc::clone(&metadata);
    let waiter = std::thread::spawn(move || waiting.await_update(version, Duration::from_secs(60)));

    answer(&metadata, &[], at(0));

    assert_eq!(waiter.join().expect("no panic"), AwaitUpdate::Updated);
}

#[test]
fn before_the_first_answer_the_addresses_of_the_configuration_are_the_brokers() {
    let snapshot = Arc::clone(&metadata().snapshot());

    let nodes: Vec<_> = snapshot.cluster.nodes().map(ToString::to_string).collect();
    assert_eq!(nodes, ["second:9093", "first:9092"]);
    assert_eq!(snapshot.cluster.node(NodeId(-1)).expect("the first").host(), "first");
}

#[test]
fn a_requested_update_waits_for_the_backoff_and_a_new_topic_does_not() {
    let metadata = metadata();
    answer(&metadata, &[], at(0));

    metadata.request_update();
    let due = metadata.next_update().expect("none under way");
    assert!(due >= at(0) + BACKOFF.mul_f64(0.8) && due <= at(0) + BACKOFF.mul_f64(1.2), "{due:?}");

    metadata.add_topic(&"orders".into(), at(0));
    assert_eq!(metadata.next_update(), Some(at(0)));
}

#[test]
fn nothing_is_due_while_a_request_is_under_way() {
    let metadata = metadata();

    let _ = metadata.next_request(at(0));

    assert_eq!(metadata.next_update(), None);
}

#[test]
fn without_other_cause_metadata_is_refreshed_when_it_is_too_old() {
    let metadata = metadata();
    metadata.add_topic(&"orders".into(), at(0));
    answer(&metadata, &[topic("orders", &[(0, 1, 0)])], at(0));

    assert_eq!(metadata.next_update(), Some(at(0) + MAX_AGE));
}

#[test]
fn a_new_topic_is_asked_for_alone_and_what_is_known_of_others_stays() {
    let metadata = with_topic("orders", &[(0, 1, 0)]);
    metadata.add_topic(&"bills".into(), at(1));

    assert_eq!(names(&metadata.next_request(at(1))), ["bills"]);
    metadata.handle_response(&response(&[topic("bills", &[(0, 1, 0)])]), 13, at(1));

    let snapshot = metadata.snapshot();
    assert!(snapshot.topic("orders").is_some() && snapshot.topic("bills").is_some());
}

#[test]
fn a_full_answer_replaces_what_was_known() {
    let metadata = with_topic("orders", &[(0, 1, 0)]);
    metadata.request_update();

    answer(&metadata, &[], at(1));

    assert!(metadata.snapshot().topic("orders").is_none());
}

#[test]
fn a_stale_topic_is_refreshed_alone() {
    let metadata = with_topic("orders", &[(0, 1, 0)]);
    metadata.add_topic(&"bills".into(), at(0));
    answer(&metadata, &[topic("bills", &[(0, 1, 0)])], at(0));

    metadata.request_update_for_topic("orders");

    assert_eq!(names(&metadata.next_request(at(1))), ["orders"]);
}

#[test]
fn a_topic_that_is_asked_for_already_is_not_asked_for_again() {
    let metadata = metadata();
    metadata.add_topic(&"orders".into(), at(0));
    let _ = metadata.next_request(at(0));

    metadata.request_update_for_topic("orders");
    metadata.handle_response(&response(&[topic("orders", &[(0, 1, 0)])]), 13, at(0));

    assert_eq!(metadata.next_update(), Some(at(0) + MAX_AGE));
}

#[test]
fn a_topic_under_creation_is_asked_for_until_it_is_there() {
    let metadata = metadata();
    metadata.add_topic(&"orders".into(), at(0));
    answer(&metadata, &[refused("orders", ErrorCode::LeaderNotAvailable)], at(0));

    let error = metadata.topic_error("orders").expect("an error");
    assert_eq!(error.code(), Some(ErrorCode::LeaderNotAvailable));
    assert!(metadata.next_update().expect("none under way") < at(1));
    answer(&metadata, &[topic("orders", &[(0, 1, 0)])], at(1));
    assert_eq!(metadata.topic_error("orders"), None);
}

#[test]
fn answers_that_tell_nothing_new_stretch_the_backoff() {
    let metadata = metadata();
    metadata.add_topic(&"orders".into(), at(0));
    for _ in 0..5 {
        answer(&metadata, &[refused("orders", ErrorCode::UnknownTopicOrPartition)], at(0));
    }

    assert!(metadata.next_update().expect("none under way") > at(0) + 6 * BACKOFF);
}

// MET-06
#[test]
fn invalid_and_unauthorized_topics_are_told_apart_and_not_asked_for_again() {
    let metadata = metadata();
    metadata.add_topic(&"a b".into(), at(0));
    metadata.add_topic(&"secret".into(), at(0));

    let refused = [
        refused("a b", ErrorCode::InvalidTopicException),
        refused("secret", ErrorCode::TopicAuthorizationFailed),
    ];
    answer(&metadata, &refused, at(0));

    let snapshot = metadata.snapshot();
    assert!(snapshot.invalid_topics.contains("a b"));
    assert!(snapshot.unauthorized_topics.contains("secret"));
    assert_eq!(metadata.next_update(), Some(at(0) + MAX_AGE));
}

// MET-03
#[test]
fn a_broker_that_lags_behind_does_not_undo_a_newer_leader() {
    let metadata = with_topic("orders", &[(0, 2, 7)]);
    metadata.request_update();

    answer(&metadata, &[topic("orders", &[(0, 1, 6)])], at(1));

    assert_eq!(metadata.snapshot().cluster.leader("orders", 0), Some(NodeId(2)));
}

// MET-11
#[test]
fn a_topic_created_anew_begins_its_epochs_anew() {
    let metadata = with_topic("orders", &[(0, 2, 7)]);
    metadata.request_update();
    let mut recreated = topic("orders", &[(0, 1, 0)]);
    recreated.topic_id = Uuid::from_bytes([9; 16]);

    answer(&metadata, &[recreated], at(1));

    assert_eq!(metadata.snapshot().cluster.leader("orders", 0), Some(NodeId(1)));
}

// MET-03
#[test]
fn an_answer_without_an_epoch_does_not_open_the_door_to_older_ones() {
    let metadata = with_topic_id("orders", &[(0, 2, 7)]);
    for ((leader, epoch), expected) in
        [((-1, -1), None), ((1, 6), None), ((2, 7), Some(NodeId(2))), ((1, 8), Some(NodeId(1)))]
    {
        metadata.request_update();
        answer(&metadata, &[topic_with_id("orders", &[(0, leader, epoch)])], at(1));

        assert_eq!(metadata.snapshot().cluster.leader("orders", 0), expected, "epoch {epoch}");
    }
}

#[test]
fn epochs_of_old_versions_are_not_believed() {
    let metadata = with_topic("orders", &[(0, 2, 7)]);
    metadata.request_update();

    let _ = metadata.next_request(at(1));
    metadata.handle_response(&response(&[topic("orders", &[(0, 1, 6)])]), 8, at(1));

    assert_eq!(metadata.snapshot().cluster.leader("orders", 0), Some(NodeId(1)));
}

#[test]
fn a_topic_that_the_answer_leaves_out_is_asked_for_again() {
    let metadata = metadata();
    metadata.add_topic(&"orders".into(), at(0));

    answer(&metadata, &[], at(0));

    assert!(metadata.next_update().expect("none under way") < at(1));
    assert_eq!(names(&metadata.next_request(at(1))), ["orders"]);
}

// MET-08
#[test]
fn a_leader_that_is_no_known_broker_is_no_leader() {
    let metadata = with_topic("orders", &[(0, 9, 0)]);

    assert_eq!(metadata.snapshot().cluster.leader("orders", 0), None);
}

// MET-08
#[test]
fn partitions_that_are_left_out_or_have_no_replicas_are_without_leader() {
    let mut holes = topic("orders", &[(3, 1, 0), (0, 1, 0), (2, -1, 0)]);
    holes.partitions[2].replica_nodes.clear();
    holes.partitions[2].isr_nodes.clear();
    let metadata = metadata();
    metadata.add_topic(&"orders".into(), at(0));

    answer(&metadata, &[holes], at(0));

    let cluster = &metadata.snapshot().cluster;
    let leaders = [0, 1, 2, 3, 4].map(|partition| cluster.leader("orders", partition));
    assert_eq!(leaders, [Some(NodeId(1)), None, None, Some(NodeId(1)), None]);
}

#[test]
fn a_hint_is_taken_if_it_is_newer_and_its_broker_is_known() {
    let metadata = with_topic("orders", &[(0, 1, 3)]);
    let hint = |leader, epoch| {
        let (topic, topic_id) = ("orders".into(), Uuid::ZERO);
        [LeaderHint { topic, topic_id, partition: 0, leader: NodeId(leader), epoch }]
    };

    assert!(!takes(&metadata, &hint(2, 3), &[]));
    assert!(!takes(&metadata, &hint(5, 4), &[]));
    assert!(takes(&metadata, &hint(5, 4), &[Node::new(NodeId(5), "five", 9092, None)]));

    let snapshot = metadata.snapshot();
    assert_eq!(snapshot.cluster.leader("orders", 0), Some(NodeId(5)));
    assert_eq!(snapshot.cluster.node(NodeId(5)).expect("known now").host(), "five");
}

// The answer of a broker that had been slow told of the topic before. Its epoch was higher than any of the new topic, so
// what the brokers said of that was not believed any more.
#[test]
fn a_hint_about_a_topic_that_was_replaced_is_ignored() {
    let metadata = with_topic_id("orders", &[(0, 2, 0)]);
    let current = metadata.snapshot().cluster.topics["orders"].id();
    let hint = |topic_id, epoch| {
        [LeaderHint { topic: "orders".into(), topic_id, partition: 0, leader: NodeId(1), epoch }]
    };

    assert!(!takes(&metadata, &hint(Uuid::from_bytes([9; 16]), 7), &[]));
    assert!(takes(&metadata, &hint(current, 1), &[]));
}

// MET-02
#[test]
fn a_topic_that_nobody_uses_is_forgotten() {
    let metadata = with_topic("orders", &[(0, 1, 0)]);

    assert_eq!(names(&metadata.next_request(at(301))), [""; 0]);
    metadata.handle_response(&response(&[]), 13, at(301));

    metadata.add_topic(&"orders".into(), at(302)); // new again
    assert!(metadata.next_update() <= Some(at(302)), "at once");
    assert_eq!(names(&metadata.next_request(at(302))), ["orders"]);
}

// MET-02
#[test]
fn a_topic_that_does_not_exist_is_asked_for_only_as_long_as_it_may_be_used() {
    let max_age = Duration::from_secs(100_000); // asking for all of them forgets those that nobody uses
    let metadata = Metadata::new(MetadataSettings { max_age, ..settings() }, Random::new(1));
    metadata.add_topic(&"typo".into(), at(0));
    let unknown = MetadataResponseTopic {
        error_code: ErrorCode::UnknownTopicOrPartition,
        ..topic("typo", &[])
    };
    let asked_at = |second| {
        metadata.add_topic(&"orders".into(), at(second)); // that one is in use
        let is_due = metadata.next_update().is_some_and(|due| due <= at(second));
        is_due && {
            let request = metadata.next_request(at(second));
            let described = [topic("orders", &[(0, 1, 0)]), unknown.clone()];
            metadata.handle_response(&response(&described), 13, at(second));
            names(&request).contains(&"typo")
        }
    };

    let asked: Vec<_> = (0..900).filter(|second| asked_at(*second)).collect();

    let last = asked.last().copied();
    assert!((290..300).contains(&last.unwrap_or_default()), "last asked for at {last:?} s");
}

#[test]
fn a_failed_request_is_made_again_after_a_growing_backoff() {
    let metadata = with_topic("orders", &[(0, 1, 0)]);
    metadata.request_update_for_topic("orders");
    for _ in 0..4 {
        let _ = metadata.next_request(at(1));
        metadata.handle_failure(at(1));
    }

    assert!(metadata.next_update().expect("none under way") > at(1) + 6 * BACKOFF);
    assert_eq!(names(&metadata.next_request(at(3))), ["orders"]);
}

// MET-05
#[test]
fn an_answer_without_brokers_is_a_failure() {
    let metadata = metadata();
    let _ = metadata.next_request(at(0));

    metadata.handle_response(&MetadataResponse::default(), 13, at(0));

    assert_eq!(metadata.snapshot().version, 0);
    assert!(metadata.next_update().expect("none under way") > at(0));
}

// MET-05
// There was nobody left to ask.
#[test]
fn an_answer_whose_brokers_have_impossible_addresses_is_a_failure() {
    for port in [-1, 65_536] {
        let metadata = metadata();
        let _ = metadata.next_request(at(0));
        let mut response = response(&[]);
        response.brokers.iter_mut().for_each(|broker| broker.port = port);

        metadata.handle_response(&response, 13, at(0));

        assert!(
            metadata.snapshot().is_bootstrap() && !metadata.snapshot().cluster.nodes.is_empty()
        );
        assert!(metadata.next_update().is_some_and(|due| due > at(0) && due < at(2)), "{port}");
    }
}

#[test]
fn an_answer_that_says_nothing_useful_takes_no_broker_away() {
    let metadata = with_topic("orders", &[(0, 1, 0)]);
    metadata.request_update();
    let _ = metadata.next_request(at(1));
    metadata.handle_response(&MetadataResponse::default(), 13, at(1));
    assert_eq!(metadata.snapshot().cluster.leader("orders", 0), Some(NodeId(1)));

    let _ = metadata.next_request(at(2));
    let refused = refused("orders", ErrorCode::UnknownServerError);
    let answer = MetadataResponse { controller_id: 77, ..response(&[refused]) };
    metadata.handle_response(&answer, 13, at(2));

    assert!(metadata.snapshot().cluster.node(NodeId(1)).is_some());
    assert_eq!(metadata.snapshot().cluster.controller(), None);
}

#[test]
fn the_last_error_is_kept_until_a_broker_answers() {
    let metadata = metadata();
    metadata.set_last_error(Error::new(crate::error::ErrorKind::Disconnected));
    assert!(metadata.last_error().is_some());

    answer(&metadata, &[], at(0));

    assert_eq!(metadata.last_error(), None);
}

// Each of the leaders copied the whole topic: a broker that hands over thousands of partitions held the sender up.
#[test]
fn many_leaders_in_one_answer_cost_no_more_than_the_topic() {
    let partitions: Vec<_> = (0..1000).map(|number| (number, 1, 0)).collect();
    let metadata = with_topic("orders", &partitions);
    let hint = |partition| {
        let (topic, topic_id) = ("orders".into(), Uuid::ZERO);
        LeaderHint { topic, topic_id, partition, leader: NodeId(2), epoch: 1 }
    };
    let hints: Vec<_> = (0..1000).map(hint).collect();

    let taken = allocation_counter::measure(|| assert!(takes(&metadata, &hints, &[])));

    assert!(taken.count_total < 10_000, "{taken:?}");
    let snapshot = metadata.snapshot();
    assert_eq!(snapshot.cluster.leader("orders", 999), Some(NodeId(2)));
    assert_eq!(snapshot.cluster.topics["orders"].available_partitions().len(), 1000);
}

#[test]
fn going_back_to_the_configured_addresses_keeps_the_topics() {
    let metadata = with_topic("orders", &[(0, 1, 0)]);

    metadata.rebootstrap();

    let snapshot = metadata.snapshot();
    assert!(snapshot.is_bootstrap());
    assert!(snapshot.topic("orders").is_some());
    assert_eq!(metadata.next_update(), Some(at(0)));
}

fn metadata() -> Metadata {
    Metadata::new(settings(), Random::new(1))
}

fn settings() -> MetadataSettings {
    MetadataSettings {
        bootstrap: vec![("first".into(), 9092), ("second".into(), 9093)],
        refresh_backoff: ExponentialBackoff::new(BACKOFF, Duration::from_secs(1)),
        max_age: MAX_AGE,
        max_idle: Duration::from_secs(300),
        rebootstrap_trigger: Some(Duration::from_secs(300)),
    }
}

fn with_topic(name: &str, partitions: &[(i32, i32, i32)]) -> Metadata {
    let metadata = metadata();
    metadata.add_topic(&name.into(), at(0));
    answer(&metadata, &[topic(name, partitions)], at(0));
    metadata
}

fn with_topic_id(name: &str, partitions: &[(i32, i32, i32)]) -> Metadata {
    let metadata = metadata();
    metadata.add_topic(&name.into(), at(0));
    answer(&metadata, &[topic_with_id(name, partitions)], at(0));
    metadata
}

fn topic_with_id(name: &str, partitions: &[(i32, i32, i32)]) -> MetadataResponseTopic {
    MetadataResponseTopic { topic_id: Uuid::from_bytes([5; 16]), ..topic(name, partitions) }
}

fn answer(metadata: &Metadata, topics: &[MetadataResponseTopic], now: Instant) {
    let _ = metadata.next_request(now);
    metadata.handle_response(&response(topics), 13, now);
}

fn response(topics: &[MetadataResponseTopic]) -> MetadataResponse {
    let broker = |node_id| MetadataResponseBroker {
        node_id,
        host: format!("broker-{node_id}"),
        port: 9092,
        rack: None,
    };
    let brokers = vec![broker(1), broker(2)];
    MetadataResponse { brokers, topics: topics.to_vec(), ..MetadataResponse::default() }
}

/// Partitions as number, leader and epoch.
fn topic(name: &str, partitions: &[(i32, i32, i32)]) -> MetadataResponseTopic {
    let partition =
        |&(partition_index, leader_id, leader_epoch): &(i32, i32, i32)| MetadataResponsePartition {
            error_code: ErrorCode::None,
            partition_index,
            leader_id,
            leader_epoch,
            replica_nodes: vec![1, 2],
            isr_nodes: vec![1],
            offline_replicas: Vec::new(),
        };
    MetadataResponseTopic {
        name: Some(name.into()),
        partitions: partitions.iter().map(partition).collect(),
        ..MetadataResponseTopic::default()
    }
}

fn refused(name: &str, error_code: ErrorCode) -> MetadataResponseTopic {
    MetadataResponseTopic { error_code, ..topic(name, &[]) }
}

fn names(request: &MetadataRequest) -> Vec<&str> {
    let topics = request.topics.iter().flatten();
    topics.map(|topic| topic.name.as_deref().unwrap_or_default()).collect()
}

/// Whether one of the hints was news.
fn takes(metadata: &Metadata, hints: &[LeaderHint], endpoints: &[Node]) -> bool {
    let before = Arc::clone(&metadata.snapshot());
    metadata.update_leaders(hints, endpoints);
    !Arc::ptr_eq(&before, &metadata.snapshot())
}

fn at(seconds: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(seconds)
}
