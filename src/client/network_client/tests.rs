//! Connections and requests over a network that the test plays itself.

mod nodes;
mod versions;

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::*;
use crate::client::cluster_connection_states::ConnectionState;
use crate::client::host_resolver::Resolved;
use crate::client::metadata::MetadataSettings;
use crate::common::uuid::Uuid;
use crate::error::ErrorCode;
use crate::network::mock_selector::MockSelector;
use crate::network::selectable::DisconnectCause;
use crate::protocol::api_keys::ApiKey;
use crate::protocol::body::ResponseBody;
use crate::protocol::message::api_versions::{ApiVersion, ApiVersionsResponse};
use crate::protocol::message::metadata::{MetadataResponse, MetadataResponseBroker};
use crate::protocol::message::produce::{
    PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData,
};
use crate::protocol::readable::Reader;
use crate::protocol::response_header::ResponseHeader;
use crate::utils::sync::Mutex;

const BOOTSTRAP: NodeId = NodeId(-1);
const NODE: NodeId = NodeId(1);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const SETUP_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_AGE: Duration = Duration::from_secs(300);

#[test]
fn learns_the_brokers_versions_then_the_cluster_before_anybody_sends() {
    let mut setup = Setup::new();

    setup.poll();
    setup.poll();
    assert_eq!(setup.client.selector.connects, [(BOOTSTRAP, "10.0.0.9:9092".parse().unwrap())]);
    assert_eq!(setup.last_request(), (BOOTSTRAP, ApiKey::ApiVersions, 4));
    setup.answer(&api_versions(13));
    setup.poll();
    assert_eq!(setup.last_request(), (BOOTSTRAP, ApiKey::Metadata, 13));
    setup.answer(&cluster(&[1]));

    assert_eq!(setup.metadata.snapshot().cluster.node(NODE).expect("known").host(), "10.0.0.1");
}

#[test]
fn an_answer_comes_with_the_version_that_both_sides_know() {
    let mut setup = Setup::ready(9);
    let correlation_id = setup.send(produce(Uuid::ZERO));
    assert_eq!(setup.client.in_flight.count(NODE), 1);
    setup.poll();
    assert_eq!(setup.last_request(), (NODE, ApiKey::Produce, 9));

    let responses = setup.answer(&produce_response(0));

    assert_eq!(responses[0].correlation_id, correlation_id);
    assert!(matches!(responses[0].outcome, ResponseOutcome::Answered(_)));
    assert_eq!(setup.client.in_flight.count(NODE), 0);
}

#[test]
fn topics_without_ids_go_out_under_their_names() {
    let mut setup = Setup::ready(13);

    setup.send(produce(Uuid::ZERO));
    setup.poll();
    assert_eq!(setup.last_request(), (NODE, ApiKey::Produce, 12));

    setup.send(produce(Uuid::from_bytes([1; 16])));
    setup.poll();
    assert_eq!(setup.last_request(), (NODE, ApiKey::Produce, 13));
}

#[test]
fn a_request_that_the_broker_does_not_know_is_not_sent() {
    let mut setup = Setup::ready(1);

    setup.send(produce(Uuid::ZERO));
    let responses = setup.poll();

    let ResponseOutcome::UnsupportedVersion(error) = &responses[0].outcome else {
        panic!("{responses:?}")
    };
    assert!(error.to_string().contains("10.0.0.1:9092"), "{error}");
}

#[test]
fn a_request_to_a_node_that_is_not_ready_comes_back_unwritten() {
    let mut setup = Setup::new();

    setup.send(produce(Uuid::ZERO));

    let responses = setup.poll();
    assert!(matches!(responses[0].outcome, ResponseOutcome::Disconnected { written: false, .. }));
}

#[test]
fn without_an_expected_answer_a_request_is_over_once_it_is_written() {
    let mut setup = Setup::ready(13);
    let request = ClientRequest { expect_response: false, ..request(produce(Uuid::ZERO)) };
    setup.client.send(request, setup.now);

    let responses = setup.poll();

    assert!(matches!(responses[0].outcome, ResponseOutcome::Sent));
}

#[test]
fn one_request_without_its_answer_in_time_ends_the_connection_and_all_its_requests() {
    let mut setup = Setup::ready(13);
    setup.send(produce(Uuid::ZERO));
    setup.poll();
    setup.send(produce(Uuid::ZERO));
    setup.poll();

    setup.now = setup.now + REQUEST_TIMEOUT;
    let responses = setup.poll();

    assert_eq!(responses.len(), 2);
    for response in &responses {
        let ResponseOutcome::Disconnected { error, timed_out: true, written: true } =
            &response.outcome
        else {
            panic!("{response:?}")
        };
        assert_eq!(error.property(), Some("request.timeout.ms"));
        assert_eq!(error.broker(), Some("10.0.0.1:9092"));
    }
    assert_eq!(setup.client.selector.closed, [NODE]);
    assert!(!setup.client.ready(NODE, setup.now));
}

#[test]
fn a_request_that_was_not_written_is_told_from_one_that_was_in_part() {
    for writes_in_part in [false, true] {
        let mut setup = Setup::ready(13);
        setup.client.selector.writes = false;
        setup.client.selector.writes_in_part = writes_in_part;
        setup.send(produce(Uuid::ZERO));

        setup.client.selector.disconnect(NODE, DisconnectCause::EndOfStream);
        let responses = setup.poll();

        let ResponseOutcome::Disconnected { written, timed_out: false, .. } = responses[0].outcome
        else {
            panic!("{responses:?}")
        };
        assert_eq!(written, writes_in_part);
    }
}

#[test]
fn a_node_takes_no_more_than_its_share_and_nothing_while_it_is_written_to() {
    let mut setup = Setup::ready(13);
    setup.client.selector.writes = false;
    setup.send(produce(Uuid::ZERO));
    assert!(!setup.client.ready(NODE, setup.now));

    setup.client.selector.writes = true;
    setup.poll();
    for _ in 1..5 {
        assert!(setup.client.ready(NODE, setup.now));
        setup.send(produce(Uuid::ZERO));
        setup.poll();
    }
    assert!(!setup.client.ready(NODE, setup.now));
}

#[test]
fn metadata_gets_its_turn_at_a_node_that_is_full() {
    let mut setup = Setup::ready(13);
    for _ in 0..5 {
        setup.send(produce(Uuid::ZERO));
        setup.poll();
    }

    setup.metadata.add_topic(&"orders".into(), setup.now);
    setup.poll();
    setup.poll();

    assert_eq!(setup.last_request(), (NODE, ApiKey::Metadata, 13));
}

// NET-03
#[test]
fn a_peer_that_accepts_and_says_nothing_is_given_up_in_time() {
    let mut setup = Setup::new();
    setup.poll();
    setup.poll();

    setup.now = setup.now + 2 * SETUP_TIMEOUT;
    setup.poll();

    let error = setup.metadata.last_error().expect("a failure");
    assert_eq!(error.property(), Some("socket.connection.setup.timeout.ms"));
    assert!(
        error.to_string().starts_with("broker 10.0.0.9:9092: no answer to ApiVersions"),
        "{error}"
    );
    assert_eq!(setup.client.selector.closed, [BOOTSTRAP]);
}

// NET-02
#[test]
fn a_peer_that_does_not_accept_is_given_up_in_time() {
    let mut setup = Setup::new();
    setup.client.selector.accepts = false;
    setup.poll();

    setup.now = setup.now + 2 * SETUP_TIMEOUT;
    setup.poll();

    let error = setup.metadata.last_error().expect("a failure");
    assert!(error.to_string().starts_with("broker 10.0.0.9:9092: no TCP connection"), "{error}");
}

#[test]
fn a_refused_connection_is_tried_again_after_its_backoff_and_not_before() {
    let mut setup = Setup::new();
    setup.client.selector.accepts = false;
    setup.poll();
    let refused = Error::io(&std::io::ErrorKind::ConnectionRefused.into());
    setup.client.selector.disconnect(BOOTSTRAP, DisconnectCause::Failed(refused));
    setup.poll();
    assert_eq!(setup.client.selector.connects.len(), 1);

    let before = setup.now;
    setup.wait();
    assert!(setup.now > before && setup.now <= before + Duration::from_millis(120));

    assert_eq!(setup.client.selector.connects.len(), 2);
    let error = setup.metadata.last_error().expect("a failure").to_string();
    assert!(error.contains("10.0.0.9:9092") && error.contains("refused"), "{error}");
}

// NET-02, NET-13
#[test]
fn every_address_of_a_name_is_tried() {
    let mut setup = Setup::with_bootstrap("kafka");
    setup.client.selector.accepts = false;
    setup.poll();
    let addresses = ["10.1.0.1:9092".parse().unwrap(), "10.1.0.2:9092".parse().unwrap()];
    setup.resolve("kafka", Ok(addresses.to_vec()));
    for _ in 0..2 {
        setup.poll();
        let refused = Error::io(&std::io::ErrorKind::ConnectionRefused.into());
        setup.client.selector.disconnect(BOOTSTRAP, DisconnectCause::Failed(refused));
        setup.poll();
        setup.now = setup.now + Duration::from_secs(2);
    }
    setup.poll();

    assert_eq!(setup.client.selector.connects, addresses.map(|address| (BOOTSTRAP, address)));
    assert_eq!(setup.asked_hosts(), ["kafka", "kafka"]);
}

#[test]
fn an_unknown_host_is_named() {
    let mut setup = Setup::with_bootstrap("no-such-host");
    setup.poll();
    let unknown = Error::new(ErrorKind::UnknownHost { message: "nothing known".into() });

    setup.resolve("no-such-host", Err(unknown));
    setup.poll();

    let error = setup.metadata.last_error().expect("a failure");
    assert_eq!(error.to_string(), "broker no-such-host:9092: nothing known");
}

#[test]
fn a_wrong_correlation_id_ends_that_connection_only() {
    let mut setup = Setup::with_nodes(&[1, 2]);
    setup.make_ready(NodeId(2));
    setup.send(produce(Uuid::ZERO));
    setup.poll();

    setup.client.selector.receive(NODE, frame(99, ApiKey::Produce, 12, &produce_response(0)));
    let responses = setup.poll();

    assert!(matches!(responses[0].outcome, ResponseOutcome::Disconnected { written: true, .. }));
    assert_eq!(setup.client.selector.closed, [NODE]);
    assert!(setup.client.ready(NodeId(2), setup.now));
}

#[test]
fn an_answer_that_cannot_be_read_ends_the_connection() {
    let mut setup = Setup::ready(13);
    let correlation_id = setup.send(produce(Uuid::ZERO));
    setup.poll();

    let mut cut = frame(correlation_id, ApiKey::Produce, 12, &produce_response(0));
    cut.truncate(7);
    setup.client.selector.receive(NODE, cut);
    let responses = setup.poll();

    let ResponseOutcome::Disconnected { error, .. } = &responses[0].outcome else {
        panic!("{responses:?}")
    };
    assert!(error.to_string().contains("answer to Produce v12"), "{error}");
    assert!(matches!(error.kind(), ErrorKind::Protocol { .. }));
}

#[test]
fn an_answer_that_nobody_asked_for_ends_the_connection_and_what_follows_is_ignored() {
    let mut setup = Setup::ready(13);

    for _ in 0..2 {
        setup.client.selector.receive(NODE, frame(0, ApiKey::Produce, 12, &produce_response(0)));
    }
    setup.poll();

    assert_eq!(setup.client.selector.closed, [NODE]);
}

// Azure Event Hubs has sent such answers.
#[test]
fn an_answer_to_a_request_that_wanted_none_is_passed_over() {
    let mut setup = Setup::ready(13);
    let request = ClientRequest { expect_response: false, ..request(produce(Uuid::ZERO)) };
    let unacknowledged = setup.client.send(request, setup.now);
    setup.poll();
    let due = setup.send(produce(Uuid::ZERO));
    setup.poll();

    for number in [unacknowledged, due] {
        let answer = frame(number, ApiKey::Produce, 12, &produce_response(0));
        setup.client.selector.receive(NODE, answer);
    }
    let responses = setup.poll();

    assert_eq!(responses.len(), 1);
    assert_eq!(responses[0].correlation_id, due);
    assert!(setup.client.selector.closed.is_empty());
}

// BUF-09
#[test]
fn an_answer_to_a_request_that_is_still_being_written_ends_the_connection() {
    let mut setup = Setup::ready(13);
    setup.client.selector.writes = false;
    setup.client.selector.writes_in_part = true;
    let correlation_id = setup.send(produce(Uuid::ZERO));

    let early = frame(correlation_id, ApiKey::Produce, 12, &produce_response(0));
    setup.client.selector.receive(NODE, early);
    let responses = setup.poll();

    let ResponseOutcome::Disconnected { error, written: true, .. } = &responses[0].outcome else {
        panic!("{responses:?}")
    };
    assert!(error.to_string().contains("nobody asked for"), "{error}");
    assert_eq!(setup.client.selector.closed, [NODE]);
}

// NET-17
#[test]
fn an_answer_found_together_with_the_end_of_its_connection_counts() {
    let mut setup = Setup::ready(13);
    let answered = setup.send(produce(Uuid::ZERO));
    setup.poll();
    let unanswered = setup.send(produce(Uuid::ZERO));
    setup.poll();

    setup.client.selector.disconnect(NODE, DisconnectCause::EndOfStream);
    let answer = frame(answered, ApiKey::Produce, 12, &produce_response(0));
    setup.client.selector.receive(NODE, answer);
    let responses = setup.poll();

    let outcomes: Vec<_> = responses
        .iter()
        .map(|response| {
            (response.correlation_id, matches!(response.outcome, ResponseOutcome::Answered(_)))
        })
        .collect();
    assert_eq!(outcomes, [(answered, true), (unanswered, false)]);
}

#[test]
fn no_bytes_whatever_make_it_panic() {
    let mut random = Random::new(42);
    for _ in 0..2000 {
        let mut setup = Setup::ready(13);
        let correlation_id = setup.send(produce(Uuid::ZERO));
        setup.poll();
        let mut frame = frame(correlation_id, ApiKey::Produce, 12, &produce_response(7));
        for _ in 0..=random.below(4) {
            let position = random.below(frame.len());
            frame[position] = u8::try_from(random.below(256)).unwrap();
        }
        frame.truncate(random.below(frame.len() + 1));

        setup.client.selector.receive(NODE, frame);
        assert_eq!(setup.poll().len(), 1);
    }
}

#[test]
fn a_throttled_node_is_left_alone_for_as_long_as_it_asks() {
    let mut setup = Setup::ready(13);
    setup.send(produce(Uuid::ZERO));
    setup.poll();
    setup.answer(&produce_response(2000));

    assert!(!setup.client.ready(NODE, setup.now));
    let until = setup.client.next_attempt(NODE, setup.now).expect("time alone will tell");
    assert_eq!(until, setup.now + Duration::from_secs(2));
    assert!(setup.client.ready(NODE, until));
}

#[test]
fn no_broker_is_left_alone_for_days() {
    let mut setup = Setup::ready(13);
    setup.send(produce(Uuid::ZERO));
    setup.poll();
    setup.answer(&produce_response(i32::MAX));

    let until = setup.client.next_attempt(NODE, setup.now).expect("time alone will tell");
    assert_eq!(until, setup.now + Duration::from_secs(60));
}

#[test]
fn a_request_whose_answer_nobody_waits_for_ends_in_time_however_long_the_broker_throttles() {
    let mut setup = Setup::ready(13);
    let answered = setup.send(produce(Uuid::ZERO));
    setup.poll();
    let unanswered = setup.send(produce(Uuid::ZERO));
    setup.poll();
    let frame = frame(answered, ApiKey::Produce, setup.last_request().2, &produce_response(20_000));
    setup.client.selector.receive(NODE, frame);
    assert_eq!(setup.poll().len(), 1);

    setup.now = setup.now + REQUEST_TIMEOUT;
    assert_eq!(setup.poll().len(), 0, "the broker may still answer");
    setup.client.set_unawaited(NODE, unanswered);
    let responses = setup.poll();

    assert_eq!(responses.iter().map(|it| it.correlation_id).collect::<Vec<_>>(), [unanswered]);
}

#[test]
fn an_idle_client_waits_for_old_metadata_and_for_nothing_else() {
    let mut setup = Setup::ready(13);

    setup.wait();

    let timeout = setup.client.selector.timeouts.last().expect("a poll");

    assert!(
        timeout.is_some_and(|timeout| timeout > MAX_AGE - Duration::from_secs(1)),
        "{timeout:?}"
    );
}

#[test]
fn a_connection_that_nobody_used_ends_without_a_word() {
    let mut setup = Setup::ready(13);

    setup.client.selector.disconnect(NODE, DisconnectCause::Idle);
    setup.poll();

    assert_eq!(setup.metadata.last_error(), None);
    assert_eq!(setup.client.connections.state(NODE), ConnectionState::Disconnected);
    assert!(setup.metadata.next_update().expect("none under way") > setup.now);
}

#[test]
fn a_lost_connection_asks_for_metadata() {
    let mut setup = Setup::with_nodes(&[1, 2]);

    setup.client.selector.disconnect(NODE, DisconnectCause::EndOfStream);
    setup.poll();

    assert!(
        setup.metadata.next_update().expect("none under way") <= setup.now + Duration::from_secs(1)
    );
}

// BRK-10
#[test]
fn when_all_brokers_are_lost_it_starts_from_the_configured_addresses() {
    let mut setup = Setup::ready(13);
    setup.client.selector.disconnect(BOOTSTRAP, DisconnectCause::Idle);
    setup.client.selector.disconnect(NODE, DisconnectCause::EndOfStream);
    setup.client.selector.accepts = false;
    setup.client.selector.connects.clear();
    setup.poll();

    for _ in 0..10 {
        setup.now = setup.now + Duration::from_millis(100);
        setup.poll();
        if setup.client.connections.state(NODE) == ConnectionState::Connecting {
            let refused = Error::io(&std::io::ErrorKind::ConnectionRefused.into());
            setup.client.selector.disconnect(NODE, DisconnectCause::Failed(refused));
        }
    }

    assert!(setup.client.selector.connects.iter().any(|(node, _)| *node == BOOTSTRAP));
}

/// Else the sender would ask again and again, without ever waiting.
#[test]
fn a_node_that_has_left_the_cluster_is_not_worth_asking_again() {
    let mut setup = Setup::ready(13);
    setup.client.selector.disconnect(NODE, DisconnectCause::EndOfStream);
    setup.poll();
    setup.metadata.rebootstrap();
    setup.now = setup.now + Duration::from_secs(10);

    assert!(!setup.client.ready(NODE, setup.now));
    assert_eq!(setup.client.next_attempt(NODE, setup.now), None);
}

// The attempt failed at the beginning of a turn, and the turn then waited for an event that never came.
#[test]
fn a_broker_that_cannot_tell_metadata_is_no_reason_to_wait_for_ever() {
    let mut setup = Setup::new();
    setup.poll();
    setup.poll();
    setup.metadata.handle_failure(setup.now); // the backoff of an attempt elsewhere
    let announced = ApiVersion { api_key: ApiKey::Produce.id(), min_version: 0, max_version: 13 };
    setup.answer(&ResponseBody::ApiVersions(ApiVersionsResponse {
        api_keys: vec![announced],
        ..ApiVersionsResponse::default()
    }));
    assert!(setup.client.selector.closed.is_empty());

    setup.now = setup.now + Duration::from_secs(1);
    setup.wait();

    assert_eq!(setup.client.selector.closed, [BOOTSTRAP]);
    assert!(setup.client.selector.timeouts.last().expect("a poll").is_some());
}

#[test]
fn a_closed_client_has_closed_its_connections() {
    let mut setup = Setup::ready(13);

    setup.client.close();

    assert_eq!(setup.client.selector.closed, [BOOTSTRAP, NODE]);
}

struct Setup {
    client: NetworkClient<MockSelector>,
    metadata: Arc<Metadata>,
    dns: Arc<Mutex<FakeDns>>,
    now: Instant,
}

impl Setup {
    fn new() -> Self {
        Self::with_bootstrap("10.0.0.9")
    }

    fn with_bootstrap(host: &str) -> Self {
        let metadata_settings = MetadataSettings {
            bootstrap: vec![(host.into(), 9092)],
            refresh_backoff: backoff(100, 1000),
            max_age: MAX_AGE,
            max_idle: MAX_AGE,
            rebootstrap_trigger: Some(MAX_AGE),
        };
        let settings = NetworkClientSettings {
            client_id: "test".into(),
            max_in_flight: 5,
            reconnect_backoff: backoff(50, 1000),
            connection_setup_timeout: backoff(10_000, 30_000),
            request_timeout: REQUEST_TIMEOUT,
        };
        let metadata = Arc::new(Metadata::new(metadata_settings, Random::new(1)));
        let dns = Arc::new(Mutex::new(FakeDns::default()));
        let client = NetworkClient::new(
            settings,
            Arc::clone(&metadata),
            MockSelector::new(),
            Box::new(FakeResolver(Arc::clone(&dns))),
            Random::new(2),
        );
        Self { client, metadata, dns, now: Instant::ZERO + Duration::from_secs(1000) }
    }

    /// With one node, ready, whose highest version of Produce is `produce_version`.
    fn ready(produce_version: i16) -> Self {
        let mut setup = Self::started(&[1]);
        setup.make_ready_with(NODE, produce_version);
        setup
    }

    /// With several nodes, of which the first is ready.
    fn with_nodes(ids: &[i32]) -> Self {
        let mut setup = Self::started(ids);
        setup.make_ready(NODE);
        setup
    }

    fn started(ids: &[i32]) -> Self {
        let mut setup = Self::new();
        setup.poll();
        setup.poll();
        setup.answer(&api_versions(13));
        setup.poll();
        setup.answer(&cluster(ids));
        setup
    }

    fn make_ready(&mut self, node: NodeId) {
        self.make_ready_with(node, 13);
    }

    fn make_ready_with(&mut self, node: NodeId, produce_version: i16) {
        assert!(!self.client.ready(node, self.now));
        self.poll();
        self.poll();
        assert_eq!(self.last_request(), (node, ApiKey::ApiVersions, 4));
        self.answer(&api_versions(produce_version));
        assert!(self.client.ready(node, self.now));
    }

    /// Connects to `node` once it may be tried again, up to the question for its versions.
    fn ask(&mut self, node: NodeId) {
        self.now = self.now + Duration::from_secs(2);
        self.client.ready(node, self.now);
        self.poll();
        self.poll();
    }

    fn fail_connection(&mut self, node: NodeId) {
        self.client.selector.disconnect(node, DisconnectCause::EndOfStream);
        self.poll();
    }

    /// One turn that does not wait.
    fn poll(&mut self) -> Vec<ClientResponse> {
        self.poll_for(Some(Duration::ZERO))
    }

    /// One turn that waits until something happens or is due.
    fn wait(&mut self) -> Vec<ClientResponse> {
        self.poll_for(None)
    }

    fn poll_for(&mut self, timeout: Option<Duration>) -> Vec<ClientResponse> {
        let polled = self.client.poll(timeout, self.now);
        self.now = polled.now;
        polled.responses
    }

    fn send(&mut self, body: RequestBody) -> i32 {
        self.client.send(request(body), self.now)
    }

    fn last_request(&self) -> (NodeId, ApiKey, i16) {
        let (node, bytes) = self.client.selector.sent.last().expect("a request");
        let header = RequestHeader::decode(&mut Reader::new(bytes)).expect("a header");
        (*node, header.api, header.version)
    }

    /// Answers the last request in its own version.
    fn answer(&mut self, body: &ResponseBody) -> Vec<ClientResponse> {
        self.answer_in(self.last_request().2, body)
    }

    fn answer_in(&mut self, version: i16, body: &ResponseBody) -> Vec<ClientResponse> {
        let (node, bytes) = self.client.selector.sent.last().expect("a request");
        let header = RequestHeader::decode(&mut Reader::new(bytes)).expect("a header");
        let frame = frame(header.correlation_id, header.api, version, body);
        self.client.selector.receive(*node, frame);
        self.poll()
    }

    fn resolve(&self, host: &str, addresses: Result<Vec<SocketAddr>, Error>) {
        let answer = Resolved { node: BOOTSTRAP, host: host.into(), addresses };
        self.dns.lock().answers.push_back(answer);
    }

    fn asked_hosts(&self) -> Vec<String> {
        self.dns.lock().asked.clone()
    }
}

#[derive(Debug, Default)]
struct FakeDns {
    asked: Vec<String>,
    answers: VecDeque<Resolved>,
}

#[derive(Debug)]
struct FakeResolver(Arc<Mutex<FakeDns>>);

impl HostResolver for FakeResolver {
    fn resolve(&mut self, _node: NodeId, host: &Arc<str>, _port: u16) {
        self.0.lock().asked.push(host.to_string());
    }

    fn next_answer(&mut self) -> Option<Resolved> {
        self.0.lock().answers.pop_front()
    }
}

fn backoff(initial_ms: u64, max_ms: u64) -> ExponentialBackoff {
    ExponentialBackoff::new(Duration::from_millis(initial_ms), Duration::from_millis(max_ms))
}

fn request(body: RequestBody) -> ClientRequest {
    ClientRequest {
        node: NODE,
        body,
        expect_response: true,
        timeout: REQUEST_TIMEOUT,
        least_version: 0,
    }
}

fn produce(topic_id: Uuid) -> RequestBody {
    let records = SharedBytes(Arc::new(b"batch".to_vec()));
    RequestBody::Produce(ProduceRequest {
        transactional_id: None,
        acks: -1,
        timeout_ms: 30_000,
        topics: vec![TopicProduceData {
            name: "orders".into(),
            topic_id,
            partitions: vec![PartitionProduceData { index: 0, records }],
        }],
    })
}

fn produce_response(throttle_time_ms: i32) -> ResponseBody {
    let topics = Vec::new();
    ResponseBody::Produce(ProduceResponse { topics, throttle_time_ms, node_endpoints: Vec::new() })
}

fn api_versions(produce_version: i16) -> ResponseBody {
    let announced = ApiKey::ALL.map(|api| ApiVersion {
        api_key: api.id(),
        min_version: 0,
        max_version: if api == ApiKey::Produce { produce_version } else { *api.versions().end() },
    });
    let api_keys = announced.to_vec();
    ResponseBody::ApiVersions(ApiVersionsResponse { api_keys, ..ApiVersionsResponse::default() })
}

fn cluster(ids: &[i32]) -> ResponseBody {
    let broker = |&node_id: &i32| MetadataResponseBroker {
        node_id,
        host: format!("10.0.0.{node_id}"),
        port: 9092,
        rack: None,
    };
    let brokers = ids.iter().map(broker).collect();
    ResponseBody::Metadata(MetadataResponse { brokers, ..MetadataResponse::default() })
}

fn frame(correlation_id: i32, api: ApiKey, version: i16, body: &ResponseBody) -> Vec<u8> {
    let mut out = Vec::new();
    ResponseHeader { correlation_id }.encode(api, version, &mut out);
    body.encode(version, &mut out);
    out
}
