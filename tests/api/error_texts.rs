//! Errors say where, what, why, and what to change.

use std::io::Write;
use std::net::TcpListener;
use std::thread;

use kafka_producer::mock_cluster::{Api, Fault, MockCluster};
use kafka_producer::{Error, ErrorCode, NodeId};

use crate::setup::{TOPIC, build, builder, cluster, failure, producer, record};

#[test]
fn a_port_where_nobody_listens() {
    let address = unused_address();

    let text = text_from(&address, "refused");

    assert_contains(&text, &["topic orders", "max.block.ms (50 ms)", &address]);
}

#[test]
fn a_host_that_does_not_exist() {
    let text = text_from("no-such-host.invalid:9092", "cannot be resolved");

    assert_contains(&text, &["max.block.ms", "no-such-host.invalid:9092"]);
}

// HOST-20
#[test]
fn a_web_server() {
    let text = text_from_peer("HTTP", |listener| {
        while let Ok((mut peer, _)) = listener.accept() {
            let _ = peer.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        }
    });

    assert_contains(&text, &["127.0.0.1:", "not a Kafka port"]);
}

// TLS-12
#[test]
fn a_port_that_speaks_tls() {
    let alert = [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x46];
    let text = text_from_peer("TLS", move |listener| {
        while let Ok((mut peer, _)) = listener.accept() {
            let _ = peer.write_all(&alert);
        }
    });

    assert_contains(&text, &["127.0.0.1:", "security.protocol"]);
}

// NET-03
#[test]
fn a_peer_that_accepts_and_stays_silent() {
    let text = text_from_peer("no answer to ApiVersions", |listener| {
        let mut peers = Vec::new();
        while let Ok(peer) = listener.accept() {
            peers.push(peer);
        }
    });

    assert_contains(&text, &["127.0.0.1:", "socket.connection.setup.timeout.ms"]);
}

#[test]
fn a_peer_that_accepts_and_closes() {
    let text = text_from_peer("closed", |listener| while listener.accept().is_ok() {});

    assert_contains(&text, &["127.0.0.1:", "ApiVersions"]);
}

#[test]
fn a_brokers_refusal_names_partition_broker_and_attempts() {
    let cluster = cluster();
    let producer = producer(&cluster, &[("enable.idempotence", "false"), ("retries", "1")]);
    cluster.inject(Fault::error(ErrorCode::NotEnoughReplicas).on(Api::Produce).always());

    let error = failure(&producer.send(record("a")));

    let broker = broker(&cluster);
    assert_eq!((error.topic(), error.partition()), (Some(TOPIC), Some(0)));
    assert_eq!((error.broker(), error.attempts()), (Some(broker.as_str()), 2));
    assert!(error.elapsed().is_some());
    let parts = ["orders-0: ", &broker, "NOT_ENOUGH_REPLICAS (19)", "sent 2 times"];
    assert_contains(&error.to_string(), &parts);
}

#[test]
fn delivery_timeout_names_the_last_trouble() {
    let cluster = cluster();
    let producer = producer(&cluster, &half_a_second());
    cluster.inject(Fault::error(ErrorCode::KafkaStorageError).on(Api::Produce).always());

    let error = failure(&producer.send(record("a")));

    let parts = ["orders-0: ", "delivery.timeout.ms (500 ms)", "KAFKA_STORAGE_ERROR (56)"];
    assert_contains(&error.to_string(), &parts);
    assert_contains(&error.to_string(), &[&broker(&cluster), "it may be in the log"]);
}

#[test]
fn delivery_timeout_names_the_broker_that_cannot_be_reached() {
    let cluster = cluster();
    let producer = producer(&cluster, &half_a_second());
    producer.partitions_for(TOPIC).expect("known");
    let address = cluster.bootstrap_servers();
    cluster.stop_node(NodeId(1));

    let text = failure(&producer.send(record("a"))).to_string();

    assert_contains(&text, &["orders-0: ", "delivery.timeout.ms", &address, "refused"]);
}

#[test]
fn a_record_that_is_too_large_names_sizes_and_property() {
    let cluster = cluster();
    let producer = producer(&cluster, &[("max.request.size", "1000")]);

    let text = failure(&producer.send(record(&"x".repeat(1000)))).to_string();

    assert_contains(&text, &["topic orders: ", "1086 bytes", "max.request.size of 1000"]);
}

#[test]
fn a_full_buffer_names_sizes_and_both_properties() {
    let cluster = cluster();
    let producer = producer(&cluster, &[("buffer.memory", "1024"), ("max.block.ms", "20")]);
    producer.partitions_for(TOPIC).expect("known");
    cluster.inject(Fault::hold().on(Api::Produce));
    producer.send(record("a"));
    crate::setup::await_batches(&cluster, 1);

    let text = failure(&producer.send(record("b"))).to_string();

    assert_contains(&text, &["orders", "buffer.memory (1024 bytes)", "max.block.ms (20 ms)"]);
    cluster.release();
}

fn half_a_second() -> [(&'static str, &'static str); 3] {
    [("delivery.timeout.ms", "500"), ("request.timeout.ms", "500"), ("linger.ms", "0")]
}

/// As errors name it.
fn broker(cluster: &MockCluster) -> String {
    format!("{} (id 1)", cluster.bootstrap_servers())
}

/// As [`text_from`], if `serve` is all there is at the bootstrap address.
fn text_from_peer(reason: &str, serve: impl FnOnce(TcpListener) + Send + 'static) -> String {
    text_from(&serving(serve), reason)
}

/// The address at which `serve` is all there is.
pub(crate) fn serving(serve: impl FnOnce(TcpListener) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    thread::spawn(move || serve(listener)); // ends with the process
    address
}

fn text_from(bootstrap_servers: &str, reason: &str) -> String {
    error_from(bootstrap_servers, reason).to_string()
}

/// The error that a record ends with once it gives `reason`: that takes as long as it takes to find out.
pub(crate) fn error_from(bootstrap_servers: &str, reason: &str) -> Error {
    let properties = [("max.block.ms", "50"), ("socket.connection.setup.timeout.ms", "500")];
    let producer = build(builder(bootstrap_servers, &properties));
    let mut errors = std::iter::repeat_with(|| failure(&producer.send(record("a"))));
    let found = errors.by_ref().take(200).find(|error| error.to_string().contains(reason));
    found.unwrap_or_else(|| panic!("{reason:?} is missing in: {:?}", errors.next()))
}

/// An address that was free a moment ago.
pub(crate) fn unused_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("bound").to_string()
}

fn assert_contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in: {text}");
    }
}
