//! Over TCP.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::common::node::NodeId;
use crate::error::ErrorCode;
use crate::mock_cluster::test_batch::TestBatch;
use crate::mock_cluster::tests::test_client;
use crate::mock_cluster::{Api, Fault, MockCluster};
use crate::protocol::api_keys::ApiKey;
use crate::protocol::message::metadata::MetadataResponse;
use crate::protocol::message::produce::ProduceResponse;
use crate::protocol::readable::Reader;
use crate::utils::clock::{Clock, SystemClock};

const NODE: NodeId = NodeId(1);

#[test]
fn produces_over_tcp_and_reads_back() {
    let cluster = MockCluster::start(3).unwrap();
    let mut client = Client::connect(&cluster);

    let metadata = client.metadata("t");
    assert_eq!(metadata.brokers.len(), 3);
    let response = client.produce(&TestBatch::of(&["a", "b"]));

    assert_eq!(response.topics[0].partitions[0].error_code, ErrorCode::None);
    let records = cluster.records("t", 0);
    assert_eq!(records[1].value.as_deref(), Some(b"b".as_slice()));
    assert_eq!((records[1].offset, records[1].key.as_ref(), records[1].sequence), (1, None, -1));
    let apis: Vec<_> = cluster.requests().iter().map(|request| request.api).collect();
    assert_eq!(apis, [Api::Metadata, Api::Produce]);
}

#[test]
fn survives_a_client_that_sends_garbage() {
    let cluster = MockCluster::start(1).unwrap();
    let mut stranger = Client::connect(&cluster);
    stranger.send(b"GET / HTTP/1.1\r\n\r\n");
    assert!(stranger.is_closed());

    let mut client = Client::connect(&cluster);

    assert_eq!(client.metadata("t").topics[0].error_code, ErrorCode::None);
}

#[test]
fn sends_a_delayed_answer_when_it_is_due_and_not_before() {
    let cluster = MockCluster::start(1).unwrap();
    let mut client = Client::connect(&cluster);
    let delay = Duration::from_millis(60);
    cluster.inject(Fault::delay(delay));

    let begin = SystemClock.now();
    client.metadata("t");

    assert!(SystemClock.now().saturating_duration_since(begin) >= delay);
}

#[test]
fn sends_a_held_answer_once_it_is_released() {
    let cluster = MockCluster::start(1).unwrap();
    let mut client = Client::connect(&cluster);
    cluster.inject(Fault::hold());
    client.send(&test_client::metadata(9, &["t"]));
    assert!(cluster.wait_for_requests(LONG, |requests| requests.len() == 1));
    assert!(client.has_nothing_to_read());

    cluster.release();

    assert_eq!(client.receive().len(), client.metadata_answer_length("t"));
}

#[test]
fn a_stopped_node_refuses_connections_and_a_started_one_has_its_port_again() {
    let cluster = MockCluster::start(2).unwrap();
    cluster.create_topic("t", 1);
    let address = addresses(&cluster)[0];
    let mut client = Client::connect(&cluster);

    cluster.stop_node(NODE);
    assert!(client.is_closed());
    assert!(TcpStream::connect(address).is_err());
    assert_eq!(addresses(&cluster).len(), 1);
    assert_eq!(cluster.leader("t", 0), Some(NodeId(2)));
    cluster.start_node(NODE).unwrap();

    assert_eq!(addresses(&cluster)[0], address);
    Client::connect(&cluster).metadata("t");
}

#[test]
fn closes_new_connections_while_it_refuses_them() {
    let cluster = MockCluster::start(1).unwrap();

    cluster.refuse_connections(NODE);
    assert!(Client::connect(&cluster).is_closed());
    cluster.accept_connections(NODE);

    Client::connect(&cluster).metadata("t");
}

#[test]
fn reads_on_after_it_had_stopped_reading() {
    let cluster = MockCluster::start(1).unwrap();
    let mut client = Client::connect(&cluster);
    client.metadata("t");

    cluster.stop_reading(NODE);
    client.send(&test_client::metadata(9, &["t"]));
    assert!(client.has_nothing_to_read());
    cluster.resume_reading(NODE);

    assert!(!client.receive().is_empty());
}

#[test]
fn ends_at_once_with_clients_connected_and_frees_its_ports() {
    let cluster = MockCluster::start(3).unwrap();
    let addresses = addresses(&cluster);
    let mut clients: Vec<_> = (0..20).map(|_| Client::connect(&cluster)).collect();
    cluster.stop_reading(NODE);
    for client in &mut clients {
        client.send(&test_client::metadata(9, &["t"]));
    }

    let begin = SystemClock.now();
    drop(cluster);

    assert!(SystemClock.now().saturating_duration_since(begin) < Duration::from_secs(1));
    assert!(clients.iter_mut().all(Client::is_closed));
    assert!(addresses.iter().all(|address| TcpStream::connect(address).is_err()));
}

#[test]
#[should_panic(expected = "there is no topic \"orders\"")]
fn a_misspelt_topic_does_not_pass() {
    MockCluster::start(1).unwrap().set_leader("orders", 0, NODE);
}

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(10);
/// Longer than an answer takes that is not held back.
const SHORT: Duration = Duration::from_millis(50);

fn addresses(cluster: &MockCluster) -> Vec<SocketAddr> {
    cluster.bootstrap_servers().split(',').map(|address| address.parse().unwrap()).collect()
}

/// A client that sends one request at a time to the first broker.
struct Client {
    stream: TcpStream,
}

impl Client {
    fn connect(cluster: &MockCluster) -> Self {
        let stream = TcpStream::connect(addresses(cluster)[0]).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        Self { stream }
    }

    fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    fn receive(&mut self) -> Vec<u8> {
        let mut answer = vec![0; 4];
        self.stream.read_exact(&mut answer).unwrap();
        let length = i32::from_be_bytes([answer[0], answer[1], answer[2], answer[3]]);
        answer.resize(4 + usize::try_from(length).unwrap(), 0);
        self.stream.read_exact(&mut answer[4..]).unwrap();
        answer
    }

    fn metadata(&mut self, topic: &str) -> MetadataResponse {
        self.send(&test_client::metadata(9, &[topic]));
        let body = test_client::body(ApiKey::Metadata, 9, &self.receive());
        MetadataResponse::decode(9, &mut Reader::new(&body)).unwrap()
    }

    fn metadata_answer_length(&mut self, topic: &str) -> usize {
        self.send(&test_client::metadata(9, &[topic]));
        self.receive().len()
    }

    fn produce(&mut self, batch: &TestBatch) -> ProduceResponse {
        self.send(&test_client::produce(-1, batch));
        let version = test_client::PRODUCE_VERSION;
        let body = test_client::body(ApiKey::Produce, version, &self.receive());
        ProduceResponse::decode(version, &mut Reader::new(&body)).unwrap()
    }

    /// Whether the other side ends the connection, orderly or not.
    fn is_closed(&mut self) -> bool {
        !matches!(self.stream.read(&mut [0]), Ok(1..))
    }

    fn has_nothing_to_read(&self) -> bool {
        self.stream.set_read_timeout(Some(SHORT)).unwrap();
        let read = self.stream.peek(&mut [0]);
        self.stream.set_read_timeout(Some(LONG)).unwrap();
        read.is_err()
    }
}
