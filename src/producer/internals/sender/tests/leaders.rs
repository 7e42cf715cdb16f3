//! Partitions without a leader, and leaders that change.

use super::*;
use crate::protocol::message::produce::{LeaderIdAndEpoch, NodeEndpoint};

const NO_LEADER: i32 = -1;

#[test]
fn a_partition_without_leader_waits_for_one_and_is_sent_then() {
    let mut fixture = Setup::new().start();
    fixture.lead(&[(0, NO_LEADER)]);
    fixture.append(0, 10);
    fixture.append(1, 10);

    assert_eq!(fixture.sent().partitions(), [1]);
    fixture.lead(&[]);
    fixture.rest();

    assert_eq!(fixture.requests()[1].partitions(), [0]);
}

// Java: SenderTest.testMetadataTopicExpiry and testNodeNotReady; more requests than one would tell nothing new.
#[test]
fn a_missing_leader_asks_for_metadata_once_for_each_answer() {
    let mut fixture = Setup::new().start();
    fixture.lead(&[(0, NO_LEADER)]);
    assert!(!fixture.is_metadata_wanted());

    fixture.append(0, 10);
    fixture.rest();
    assert!(fixture.is_metadata_wanted());
    let _under_way = fixture.metadata.next_request(fixture.now);
    fixture.rest();
    let response = fixture.metadata_response(&[(0, NO_LEADER)]);
    fixture.metadata.handle_response(&response, 13, fixture.now);
    assert!(!fixture.is_metadata_wanted());

    fixture.rest();
    assert!(fixture.is_metadata_wanted());
}

#[test]
fn a_second_topic_partition_without_leader_does_not_ask_again() {
    let mut fixture = Setup::new().start();
    fixture.lead(&[(0, NO_LEADER), (1, NO_LEADER)]);
    fixture.append(0, 10);
    fixture.rest();
    let _under_way = fixture.metadata.next_request(fixture.now);

    fixture.append(1, 10);
    fixture.rest();
    let response = fixture.metadata_response(&[]);
    fixture.metadata.handle_response(&response, 13, fixture.now);
    fixture.rest();

    assert!(!fixture.is_metadata_wanted());
    assert_eq!(fixture.request().partitions(), [0, 1]);
}

#[test]
fn a_failed_request_for_a_missing_leader_is_made_again() {
    let mut fixture = Setup::new().start();
    fixture.lead(&[(0, NO_LEADER)]);
    fixture.append(0, 10);
    fixture.rest();
    let _under_way = fixture.metadata.next_request(fixture.now);

    fixture.metadata.handle_failure(fixture.now);

    assert!(fixture.is_metadata_wanted());
}

#[test]
fn a_partition_that_waits_in_line_follows_its_leader() {
    let mut fixture = Setup::new().start();
    fixture.client.set_ready(NODE_1, false);
    fixture.append(0, FULL);
    fixture.append(0, FULL);
    fixture.rest();
    assert_eq!(fixture.requests().len(), 0);

    fixture.lead(&[(0, 2)]);
    fixture.rest();

    assert_eq!(fixture.requests().iter().map(|sent| sent.node).collect::<Vec<_>>(), [NODE_2; 2]);
}

#[test]
fn a_partition_that_lingers_is_sent_to_the_leader_of_the_end_of_its_linger() {
    let mut fixture = Setup::new().linger().start();
    fixture.append(0, 10);
    fixture.rest();

    fixture.lead(&[(0, 2)]);
    fixture.rest();
    fixture.advance(LINGER);

    assert_eq!(fixture.sent().node, NODE_2);
}

// Java: SenderTest.testWhenProduceResponseReturnsWithALeaderShipChangeErrorButNoNewLeaderInformation
#[test]
fn a_broker_that_no_longer_leads_is_asked_again_only_after_the_backoff() {
    let mut fixture = Setup::new().start();
    fixture.append(0, 10);
    let request = fixture.sent();

    fixture.refuse(&request, ErrorCode::NotLeaderOrFollower);

    assert!(fixture.is_metadata_wanted());
    assert_eq!(fixture.requests().len(), 0);
    fixture.advance(BACKOFF.mul_f64(1.2));
    assert_eq!(fixture.sent().node, NODE_1);
}

// ACC-06
// Java: ProducerBatchTest.testWithLeaderChangesAcrossRetries (KIP-951)
#[test]
fn new_metadata_with_another_leader_ends_the_backoff() {
    let mut fixture = Setup::new().start();
    fixture.append(0, 10);
    let request = fixture.sent();
    fixture.refuse(&request, ErrorCode::NotLeaderOrFollower);

    fixture.lead(&[(0, 2)]);

    assert_eq!(fixture.sent().node, NODE_2);
}

#[test]
fn new_metadata_with_the_same_leader_does_not_end_the_backoff() {
    let mut fixture = Setup::new().start();
    fixture.append(0, 10);
    let request = fixture.sent();
    fixture.refuse(&request, ErrorCode::NotLeaderOrFollower);

    fixture.lead(&[]);

    assert!(fixture.rest() <= Some(BACKOFF.mul_f64(1.2)));
    assert_eq!(fixture.requests().len(), 0);
}

// With a short `metadata.max.idle.ms` its new leader was not asked for any more.
#[test]
fn a_topic_with_a_batch_that_was_refused_is_in_use() {
    let mut fixture = Setup::new().start();
    fixture.append(0, 10);
    let request = fixture.sent();
    fixture.advance(DELIVERY_TIMEOUT / 2);

    fixture.refuse(&request, ErrorCode::NotLeaderOrFollower);

    let idle = Duration::from_secs(3000); // since it was sent to last
    let wanted =
        fixture.metadata.next_request(fixture.now + idle.saturating_sub(DELIVERY_TIMEOUT / 4));
    let topics = wanted.topics.into_iter().flatten().filter_map(|topic| topic.name);
    assert_eq!(topics.collect::<Vec<_>>(), [TOPIC]);
}

// ACC-17
// Java: RecordAccumulatorTest.testDrainWithANodeThatDoesntHostAnyPartitions
#[test]
fn a_topic_that_vanishes_from_the_metadata_disturbs_nobody_and_may_come_back() {
    let mut fixture = Setup::new().linger().start();
    let future = fixture.append(0, 10);
    fixture.rest();
    fixture.metadata.request_update();
    let mut without = fixture.metadata_response(&[]);
    without.topics.clear();
    let _ = fixture.metadata.next_request(fixture.now);
    fixture.metadata.handle_response(&without, 13, fixture.now);

    fixture.advance(LINGER);
    fixture.rest();
    assert!(fixture.requests().is_empty() && outcome(&future).is_none());
    fixture.lead(&[]);

    assert_eq!(fixture.sent().partitions(), [0]);
}

// The leader was taken down after the answer's hint had been applied, and so never seemed to change.
// Java: SenderTest.testWhenProduceResponseReturnsWithALeaderShipChangeErrorAndNewLeaderInformation
#[test]
fn a_leader_that_the_answer_names_is_asked_at_once() {
    let mut fixture = Setup::new().start();
    fixture.append(0, 10);
    let request = fixture.sent();

    fixture.name_leader(&request, 2);
    fixture.rest();

    assert_eq!((fixture.request().node, fixture.request().partitions()), (NODE_2, vec![0]));
}

#[test]
fn a_leader_that_changed_while_the_request_was_under_way_is_asked_at_once() {
    let mut fixture = Setup::new().start();
    fixture.append(0, 10);
    let request = fixture.sent();
    fixture.lead(&[(0, 2)]);

    fixture.refuse(&request, ErrorCode::NotLeaderOrFollower);

    assert_eq!(fixture.request().node, NODE_2);
}

#[test]
fn a_leader_that_a_late_answer_names_of_the_topic_before_is_ignored() {
    let mut fixture = Setup::new().start();
    fixture.recreate_topic(7);
    fixture.append(0, 10);
    let request = fixture.sent();
    fixture.recreate_topic(9);

    fixture.name_leader(&request, 2);
    fixture.rest();

    let metadata = fixture.metadata.snapshot();
    let partition = metadata.topic(TOPIC).and_then(|topic| topic.partition(0)).expect("known");
    assert_eq!(partition.leader(), Some(NODE_1));
}

#[test]
fn a_named_leader_that_is_none_is_ignored() {
    let mut fixture = Setup::new().start();
    fixture.append(0, 10);
    let request = fixture.sent();
    fixture.metadata.rebootstrap(); // the addresses of the configuration have negative numbers

    fixture.name_leader(&request, -1);
    fixture.rest();

    let metadata = fixture.metadata.snapshot();
    let partition = metadata.topic(TOPIC).and_then(|topic| topic.partition(0)).expect("known");
    assert_eq!(partition.leader(), Some(NODE_1));
}

// An answer about other topics replaces the brokers and leaves this topic's leaders as they were. Its records then
// waited for a broker that could not be connected to, and nobody asked for metadata, until they ran out of time.
#[test]
fn a_leader_that_has_left_the_cluster_is_none() {
    let mut fixture = Setup::new().start();
    fixture.lead(&[(0, 2)]);
    fixture.metadata.add_topic(&"payments".into(), fixture.now);
    let _only_the_new_topic = fixture.metadata.next_request(fixture.now);
    let mut response = fixture.metadata_response(&[]);
    response.topics.clear();
    response.brokers.retain(|broker| broker.node_id != NODE_2.0);
    fixture.metadata.handle_response(&response, 13, fixture.now);

    fixture.append(0, 10);
    fixture.rest();
    assert_eq!(fixture.requests().len(), 0);
    let asked = fixture.metadata.next_request(fixture.now).topics.expect("some");
    assert!(asked.iter().any(|topic| topic.name.as_deref() == Some(TOPIC)), "{asked:?}");

    let response = fixture.metadata_response(&[(0, 1)]);
    fixture.metadata.handle_response(&response, 13, fixture.now);
    assert_eq!(fixture.sent().node, NODE_1);
}

impl Fixture {
    fn is_metadata_wanted(&self) -> bool {
        let next = self.metadata.next_update().expect("none under way");
        next < self.now + Duration::from_secs(10)
    }

    /// The node refuses the batches of `request` and names another leader.
    fn name_leader(&self, request: &Sent, leader_id: i32) {
        let leader = LeaderIdAndEpoch { leader_id, leader_epoch: self.leader_epoch + 1 };
        let answer = |batch: &SentBatch| PartitionProduceResponse {
            index: batch.partition,
            error_code: ErrorCode::NotLeaderOrFollower,
            current_leader: Some(leader),
            ..PartitionProduceResponse::default()
        };
        let topic = TopicProduceResponse {
            name: TOPIC.into(),
            partitions: request.batches.iter().map(answer).collect(),
            ..TopicProduceResponse::default()
        };
        let host = format!("broker-{leader_id}");
        let endpoint = NodeEndpoint { node_id: leader_id, host, port: 9092, rack: None };
        let response = ProduceResponse {
            topics: vec![topic],
            node_endpoints: vec![endpoint],
            ..ProduceResponse::default()
        };
        self.answer_with(request.id, response);
    }
}
