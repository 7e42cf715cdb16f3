//! Through the core, without sockets.

use std::time::Duration;

use crate::common::node::NodeId;
use crate::error::ErrorCode;
use crate::mock_cluster::api::Api;
use crate::mock_cluster::cluster_core::ClusterCore;
use crate::mock_cluster::connection::{ConnectionId, Output};
use crate::mock_cluster::fault::Fault;
use crate::mock_cluster::profile::Profile;
use crate::mock_cluster::test_batch::TestBatch;
use crate::mock_cluster::tests::test_client;
use crate::mock_cluster::topic_options::TopicOptions;
use crate::mock_cluster::world::ClusterSettings;
use crate::protocol::api_keys::ApiKey;
use crate::protocol::message::api_versions::ApiVersionsResponse;
use crate::protocol::message::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use crate::protocol::message::metadata::MetadataResponse;
use crate::protocol::message::produce::{PartitionProduceResponse, ProduceResponse};
use crate::protocol::readable::Reader;
use crate::utils::clock::Instant;
use crate::utils::random::Random;

const LEADER: NodeId = NodeId(1);
const OTHER: NodeId = NodeId(2);

#[test]
fn answers_a_request_that_comes_byte_by_byte() {
    let mut cluster = Cluster::new();

    for byte in test_client::api_versions(4) {
        assert_eq!(cluster.output(), None);
        cluster.send(&[byte]);
    }

    let response = cluster.api_versions(4);
    assert_eq!(response.error_code, ErrorCode::None);
    assert_eq!(response.api_keys.len(), 4);
    let recorded = &cluster.core.requests.to_vec()[0];
    assert_eq!(recorded.client_software, Some(("test".to_owned(), "1".to_owned())));
    assert_eq!(recorded.client_id.as_deref(), Some("tester"));
}

#[test]
fn answers_several_requests_that_come_at_once_in_their_order() {
    let mut cluster = Cluster::new();
    let mut bytes = test_client::produce(-1, &TestBatch::of(&["a", "b"]));
    bytes.extend(test_client::produce(-1, &TestBatch::of(&["c"])));

    cluster.send(&bytes);

    assert_eq!(cluster.produced().base_offset, 0);
    assert_eq!(cluster.produced().base_offset, 2);
    assert_eq!(cluster.values(), ["a", "b", "c"]);
}

#[test]
fn answers_an_unknown_version_of_api_versions_in_version_0() {
    let mut cluster = Cluster::new();
    cluster.core.world.versions.set(None, Api::ApiVersions, Some(0..=2));

    cluster.send(&test_client::api_versions(3));

    let response = cluster.api_versions(0);
    assert_eq!(response.error_code, ErrorCode::UnsupportedVersion);
    let announced = response.api_keys.iter().find(|api| api.api_key == 18).unwrap();
    assert_eq!((announced.min_version, announced.max_version), (0, 2));
}

#[test]
fn closes_the_connection_for_any_other_unknown_version() {
    let mut cluster = Cluster::new();
    cluster.core.world.versions.set(Some(LEADER), Api::Metadata, Some(0..=8));

    cluster.send(&test_client::metadata(9, &["t"]));

    assert_eq!(cluster.output(), Some(Output::Close));
}

#[test]
fn closes_the_connection_for_garbage() {
    for garbage in [
        b"GET / HTTP/1.1\r\n".as_slice(),
        &[0x7f, 0xff, 0xff, 0xff],
        &[0xff; 8],
        &[0, 0, 0, 2, 1, 2],
        &[0, 0, 0, 0],
        &[0, 0, 0, 10, 0, 0, 0, 9, 0, 0, 0, 1, 0xff, 0xff],
    ] {
        let mut cluster = Cluster::new();
        cluster.send(garbage);
        assert_eq!(cluster.output(), Some(Output::Close), "{garbage:?}");
        cluster.send(&test_client::api_versions(0));
        assert_eq!(cluster.output(), None, "nothing follows a close");
    }
}

#[test]
fn describes_brokers_and_topics_in_every_version() {
    for version in 0..=13 {
        let mut cluster = Cluster::new();
        cluster.send(&test_client::metadata(version, &["t"]));

        let response = cluster.metadata(version);

        assert_eq!(response.brokers.len(), 3, "v{version}");
        assert_eq!(response.topics[0].name.as_deref(), Some("t"));
        let leaders: Vec<_> =
            response.topics[0].partitions.iter().map(|partition| partition.leader_id).collect();
        assert_eq!(leaders, [1, 2], "v{version}");
    }
}

#[test]
fn creates_an_unknown_topic_unless_its_name_is_wrong() {
    let mut cluster = Cluster::new();

    cluster.send(&test_client::metadata(9, &["new", "a b"]));

    let response = cluster.metadata(9);
    let codes: Vec<_> = response.topics.iter().map(|topic| topic.error_code).collect();
    assert_eq!(codes, [ErrorCode::None, ErrorCode::InvalidTopicException]);
    assert_eq!(response.topics[0].partitions.len(), 1);
}

#[test]
fn a_broker_whose_metadata_lags_does_not_know_the_new_topic() {
    let mut cluster = Cluster::new();
    cluster.core.world.freeze_metadata(LEADER);

    cluster.send(&test_client::metadata(9, &["new"]));
    assert_eq!(cluster.metadata(9).topics[0].error_code, ErrorCode::UnknownTopicOrPartition);
    cluster.core.world.thaw_metadata(LEADER);
    cluster.send(&test_client::metadata(9, &["new"]));

    assert_eq!(cluster.metadata(9).topics[0].error_code, ErrorCode::None);
}

#[test]
fn gives_every_producer_an_id_of_its_own() {
    let mut cluster = Cluster::new();
    let ids = [0, 1].map(|_| cluster.init_producer_id(None));

    assert_eq!(ids.each_ref().map(|response| response.error_code), [ErrorCode::None; 2]);
    assert_ne!(ids[0].producer_id, ids[1].producer_id);
    let transactional = cluster.init_producer_id(Some("tx"));
    assert_eq!(transactional.error_code, ErrorCode::InvalidRequest);
}

#[test]
fn says_who_leads_where_it_does_not() {
    let mut cluster = Cluster::new();
    let partition = |cluster: &mut Cluster| {
        let topic = cluster.core.world.state.topic_mut("t").unwrap();
        topic.partition_mut(0).unwrap().set_leader(OTHER);
    };
    partition(&mut cluster);

    cluster.send(&test_client::produce(-1, &TestBatch::of(&["a"])));

    let response = cluster.produce_response();
    let refused = &response.topics[0].partitions[0];
    assert_eq!(refused.error_code, ErrorCode::NotLeaderOrFollower);
    assert_eq!(refused.current_leader.unwrap().leader_id, 2);
    assert_eq!(response.node_endpoints[0].node_id, 2);
    assert_eq!(response.node_endpoints[0].port, 9002);
    assert!(cluster.values().is_empty());
}

#[test]
fn refuses_what_a_broker_refuses() {
    let one = TestBatch::of(&["a"]);
    for (request, code) in [
        (test_client::produce(2, &one), ErrorCode::InvalidRequiredAcks),
        (test_client::produce_to(-1, "none", 0, one.build()), ErrorCode::UnknownTopicOrPartition),
        (test_client::produce_to(-1, "t", 7, one.build()), ErrorCode::UnknownTopicOrPartition),
        (test_client::produce_to(-1, "t", 0, Vec::new()), ErrorCode::InvalidRecord),
        (
            test_client::produce(-1, &TestBatch::of(&[&"x".repeat(2_000_000)])),
            ErrorCode::MessageTooLarge,
        ),
        (test_client::produce(-1, &one.clone().attributes(0x10)), ErrorCode::InvalidTxnState),
        (
            test_client::produce(-1, &one.clone().attributes(5)),
            ErrorCode::UnsupportedCompressionType,
        ),
    ] {
        let mut cluster = Cluster::new();
        cluster.send(&request);
        let refused = cluster.produced();
        assert_eq!((refused.error_code, refused.base_offset), (code, -1));
        assert!(refused.error_message.is_some());
    }
}

#[test]
fn refuses_acks_all_while_too_few_replicas_are_in_sync() {
    let mut cluster = Cluster::new();
    cluster.core.world.state.create_topic("two", TopicOptions::new(1).min_insync_replicas(2));
    let topic = cluster.core.world.state.topic_mut("two").unwrap();
    topic.partition_mut(0).unwrap().in_sync = vec![LEADER];
    let batch = TestBatch::of(&["a"]).build();

    cluster.send(&test_client::produce_to(-1, "two", 0, batch.clone()));
    assert_eq!(cluster.produced().error_code, ErrorCode::NotEnoughReplicas);
    cluster.send(&test_client::produce_to(1, "two", 0, batch));

    assert_eq!(cluster.produced().error_code, ErrorCode::None);
}

#[test]
fn says_nothing_to_acks_0_and_closes_if_the_batch_was_refused() {
    let mut cluster = Cluster::new();

    cluster.send(&test_client::produce(0, &TestBatch::of(&["a"])));
    assert_eq!(cluster.output(), None);
    cluster.send(&test_client::produce(0, &TestBatch::of(&["b"]).record_count(9)));

    assert_eq!(cluster.output(), Some(Output::Close));
    assert_eq!(cluster.values(), ["a"]);
}

#[test]
fn an_error_comes_before_the_append_after_it_or_without_it() {
    let code = ErrorCode::RequestTimedOut;
    let late = Duration::from_secs(1);
    for (fault, at_once, later) in [
        (Fault::error(code), 0, 0),
        (Fault::append_then_error(code), 1, 1),
        (Fault::error_then_append(code, late), 0, 1),
    ] {
        let mut cluster = Cluster::new();
        cluster.core.inject(fault.partition("t", 0));

        cluster.send(&test_client::produce(-1, &TestBatch::of(&["a"])));

        assert_eq!(cluster.produced().error_code, code);
        assert_eq!(cluster.values().len(), at_once);
        cluster.now = cluster.now + late;
        assert_eq!(cluster.core.due_connections(cluster.now), []);
        assert_eq!(cluster.values().len(), later);
    }
}

#[test]
fn an_error_of_a_batch_appended_twice_leaves_one_copy() {
    let mut cluster = Cluster::new();
    let batch = TestBatch::of(&["a"]).producer(7, 0, 0);
    cluster.core.inject(Fault::append_then_error(ErrorCode::NotEnoughReplicasAfterAppend));

    cluster.send(&test_client::produce(-1, &batch));
    assert_eq!(cluster.produced().error_code, ErrorCode::NotEnoughReplicasAfterAppend);
    cluster.send(&test_client::produce(-1, &batch));

    assert_eq!(cluster.produced().base_offset, 0);
    assert_eq!(cluster.values(), ["a"]);
}

#[test]
fn a_delayed_answer_holds_back_those_behind_it() {
    let mut cluster = Cluster::new();
    let delay = Duration::from_millis(100);
    cluster.core.inject(Fault::delay(delay).on(Api::Produce));

    cluster.send(&test_client::produce(-1, &TestBatch::of(&["a"])));
    cluster.send(&test_client::api_versions(0));

    assert_eq!(cluster.output(), None);
    assert_eq!(cluster.core.next_due(), Some(cluster.now + delay));
    cluster.now = cluster.now + delay;
    assert_eq!(cluster.produced().base_offset, 0);
    assert_eq!(cluster.api_versions(0).error_code, ErrorCode::None);
}

#[test]
fn a_held_answer_waits_for_its_release() {
    let mut cluster = Cluster::new();
    cluster.core.inject(Fault::hold());

    cluster.send(&test_client::produce(-1, &TestBatch::of(&["a"])));
    assert_eq!((cluster.output(), cluster.core.next_due()), (None, None));
    cluster.core.release();

    assert_eq!(cluster.produced().base_offset, 0);
}

#[test]
fn loses_requests_answers_and_connections() {
    for (fault, appended, outputs) in [
        (Fault::lose_request(), 0, vec![]),
        (Fault::lose_response(), 1, vec![]),
        (Fault::close_before_append(), 0, vec![Output::Close]),
        (Fault::close_after_append(), 1, vec![Output::Close]),
        (Fault::close_after_bytes(3), 1, vec![Output::Bytes(vec![0, 0, 0]), Output::Close]),
        (Fault::respond_with_bytes(*b"hm"), 1, vec![Output::Bytes(b"hm".to_vec())]),
    ] {
        let mut cluster = Cluster::new();
        cluster.core.inject(fault);

        cluster.send(&test_client::produce(-1, &TestBatch::of(&["a"])));

        assert_eq!(std::iter::from_fn(|| cluster.output()).collect::<Vec<_>>(), outputs);
        assert_eq!(cluster.values().len(), appended);
    }
}

#[test]
fn spoils_answers() {
    let mut cluster = Cluster::new();
    cluster.core.inject(Fault::respond_with_body(*b"?!").on(Api::Produce));
    cluster.core.inject(Fault::corrupt_response(7, 1).on(Api::Metadata));

    cluster.send(&test_client::produce(-1, &TestBatch::of(&["a"])));
    assert_eq!(cluster.output(), Some(Output::Bytes(b"\0\0\0\x07\0\0\0\x2a\0?!".to_vec())));
    cluster.send(&test_client::metadata(0, &["t"]));

    let Some(Output::Bytes(answer)) = cluster.output() else { panic!("no answer") };
    assert_eq!(answer[4..8], [0, 0, 0, 43]);
}

#[test]
fn leaves_out_of_its_answer_what_it_is_told_to() {
    let mut cluster = Cluster::new();
    cluster.core.inject(Fault::leave_out().on(Api::Produce).partition("t", 0));
    cluster.core.inject(Fault::leave_out().on(Api::Metadata).topic("t"));

    cluster.send(&test_client::produce(-1, &TestBatch::of(&["a"])));
    cluster.send(&test_client::metadata(9, &["t", "new"]));

    assert!(cluster.produce_response().topics[0].partitions.is_empty());
    assert_eq!(cluster.values(), ["a"]);
    let topics = cluster.metadata(9).topics;
    assert_eq!(topics.iter().map(|topic| topic.name.as_deref()).collect::<Vec<_>>(), [Some("new")]);
}

#[test]
fn closes_the_connection_in_the_midst_of_a_request() {
    let mut cluster = Cluster::new();
    cluster.core.close_after(LEADER, 60);
    let request = test_client::produce(-1, &TestBatch::of(&["a"]));

    cluster.send(&[test_client::api_versions(0), request[..59].to_vec()].concat());
    assert_eq!(cluster.api_versions(0).error_code, ErrorCode::None);
    assert_eq!(cluster.output(), None);
    cluster.send(&request[59..]);

    assert_eq!(cluster.output(), Some(Output::Close));
    assert!(cluster.values().is_empty());
}

#[test]
fn survives_requests_with_any_bytes_changed() {
    let mut random = Random::new(11);
    let requests = [
        test_client::api_versions(4),
        test_client::metadata(12, &["t", "new"]),
        test_client::produce(-1, &TestBatch::of(&["a", "b"]).producer(7, 0, 0)),
    ];
    for round in 0..6_000 {
        let mut cluster = Cluster::new();
        let mut bytes = requests[round % requests.len()].clone();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len());
            bytes[at] ^= 1 << random.below(8);
        }
        cluster.send(&bytes);
        while cluster.output().is_some() {}
    }
}

#[test]
fn leaves_unread_what_comes_while_it_does_not_read() {
    let mut cluster = Cluster::new();
    cluster.core.stop_reading(LEADER);
    assert!(!cluster.core.wants_input(cluster.connection));

    cluster.send(&test_client::produce(-1, &TestBatch::of(&["a"])));
    assert_eq!((cluster.output(), cluster.values().len()), (None, 0));
    cluster.core.resume_reading(LEADER, cluster.now);

    assert_eq!(cluster.produced().base_offset, 0);
}

#[test]
fn asks_the_client_to_pause() {
    let mut cluster = Cluster::new();
    cluster.core.inject(Fault::throttle(Duration::from_millis(250)));

    cluster.send(&test_client::produce(-1, &TestBatch::of(&["a"])));

    assert_eq!(cluster.produce_response().throttle_time_ms, 250);
}

#[test]
fn records_the_headers_of_batches() {
    let mut cluster = Cluster::new();

    cluster.send(&test_client::produce(1, &TestBatch::of(&["a", "b"]).producer(7, 1, 0)));

    let recorded = &cluster.core.requests.to_vec()[0];
    assert_eq!((recorded.api, recorded.acks, recorded.node), (Api::Produce, Some(1), LEADER));
    let batch = &recorded.batches[0];
    assert_eq!((batch.topic.as_str(), batch.partition, batch.record_count), ("t", 0, 2));
    assert_eq!((batch.producer_id, batch.producer_epoch, batch.base_sequence), (7, 1, 0));
}

#[test]
fn closes_a_connection_that_was_idle_for_too_long_and_no_other() {
    let limit = Duration::from_secs(240);
    let mut cluster = Cluster::with_profile(Profile::azure_event_hubs());
    assert_eq!(cluster.core.next_due(), Some(cluster.now + limit));
    cluster.now = cluster.now + (limit - Duration::from_millis(1));
    assert_eq!(cluster.output(), None);

    cluster.send(&test_client::api_versions(3));
    cluster.api_versions(3);
    cluster.now = cluster.now + (limit - Duration::from_millis(1));
    assert_eq!(cluster.output(), None);
    cluster.now = cluster.now + Duration::from_millis(1);

    assert_eq!(cluster.output(), Some(Output::Close));
    assert_eq!(cluster.core.next_due(), None);
}

#[test]
fn an_answer_that_is_still_due_is_no_idleness() {
    let profile = Profile::object_store().max_idle(Duration::from_millis(100));
    let mut cluster = Cluster::with_profile(profile);
    cluster.send(&test_client::produce(-1, &TestBatch::of(&["a"])));
    assert_eq!(cluster.values(), ["a"]);

    cluster.now = cluster.now + Duration::from_millis(399);
    assert_eq!(cluster.output(), None);
    cluster.now = cluster.now + Duration::from_millis(1);

    assert_eq!(cluster.produced().base_offset, 0);
    assert_eq!(cluster.core.next_due(), Some(cluster.now + Duration::from_millis(100)));
}

#[test]
fn hangs_up_on_a_request_that_is_longer_by_one_byte() {
    for (bytes, expected) in [(1_046_528, None), (1_046_529, Some(Output::Close))] {
        let mut cluster = Cluster::with_profile(Profile::azure_event_hubs());

        cluster.send(&i32::to_be_bytes(bytes));

        assert_eq!(cluster.output(), expected);
    }
}

#[test]
fn answers_without_acks_only_where_the_profile_says_so() {
    let bytes = test_client::produce(0, &TestBatch::of(&["a"]));
    let mut kafka = Cluster::new();
    kafka.send(&bytes);
    assert_eq!(kafka.output(), None);

    let mut event_hubs = Cluster::with_profile(Profile::azure_event_hubs());
    event_hubs.send(&bytes);

    assert_eq!(event_hubs.produced().base_offset, 0);
}

/// A cluster of three brokers with topic `t` of two partitions, and a connection to the leader of the first.
struct Cluster {
    core: ClusterCore,
    connection: ConnectionId,
    now: Instant,
}

impl Cluster {
    fn new() -> Self {
        Self::with_profile(Profile::kafka())
    }

    fn with_profile(profile: Profile) -> Self {
        let mut core = ClusterCore::new(ClusterSettings { profile, ..ClusterSettings::new(3) });
        for (node, port) in (1..=3).zip(9001..) {
            core.start_node(NodeId(node), "localhost".to_owned(), port);
        }
        core.world.state.create_topic("t", TopicOptions::new(2));
        let connection = core.connect(LEADER, Instant::ZERO).unwrap();
        Self { core, connection, now: Instant::ZERO }
    }

    fn send(&mut self, bytes: &[u8]) {
        self.core.handle(self.connection, bytes, self.now);
    }

    fn output(&mut self) -> Option<Output> {
        self.core.take_output(self.connection, self.now)
    }

    fn body(&mut self, api: ApiKey, version: i16) -> Vec<u8> {
        match self.output() {
            Some(Output::Bytes(answer)) => test_client::body(api, version, &answer),
            other => panic!("no answer but {other:?}"),
        }
    }

    fn api_versions(&mut self, version: i16) -> ApiVersionsResponse {
        let body = self.body(ApiKey::ApiVersions, version);
        ApiVersionsResponse::decode(version, &mut Reader::new(&body)).unwrap()
    }

    fn metadata(&mut self, version: i16) -> MetadataResponse {
        let body = self.body(ApiKey::Metadata, version);
        MetadataResponse::decode(version, &mut Reader::new(&body)).unwrap()
    }

    fn init_producer_id(&mut self, transactional_id: Option<&str>) -> InitProducerIdResponse {
        let request = InitProducerIdRequest {
            transactional_id: transactional_id.map(str::to_owned),
            ..InitProducerIdRequest::default()
        };
        self.send(&test_client::request(ApiKey::InitProducerId, 4, |out| request.encode(4, out)));
        let body = self.body(ApiKey::InitProducerId, 4);
        InitProducerIdResponse::decode(4, &mut Reader::new(&body)).unwrap()
    }

    fn produce_response(&mut self) -> ProduceResponse {
        let version = test_client::PRODUCE_VERSION;
        let body = self.body(ApiKey::Produce, version);
        ProduceResponse::decode(version, &mut Reader::new(&body)).unwrap()
    }

    fn produced(&mut self) -> PartitionProduceResponse {
        self.produce_response().topics.remove(0).partitions.remove(0)
    }

    fn values(&self) -> Vec<String> {
        let records = self.core.world.records("t", 0);
        let values = records.into_iter().map(|record| record.value.unwrap());
        values.map(|value| String::from_utf8(value).unwrap()).collect()
    }
}
