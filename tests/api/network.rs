//! Slow, cut and misled connections.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use kafka_producer::mock_cluster::{Api, Fault, MockCluster, RecordedRequest};
use kafka_producer::{Deadline, NodeId, Persistence, ProducerRecord};

use crate::setup::{
    LONG, TOPIC, answer, brokers, build, builder, cluster, failure, log, long_numbers, numbers,
    offset, produced, producer, record, whole_batch,
};

/// More than the operating system takes for a peer that reads nothing.
const LARGE: usize = 24 << 20;
const FOR_LARGE: [(&str, &str); 2] =
    [("max.request.size", "33554432"), ("buffer.memory", "67108864")];

// NET-04
#[test]
fn a_request_that_is_cut_off_goes_out_whole_on_the_next_connection() {
    for bytes in [1, 4, 20, 200, 9_000, 16_000] {
        let cluster = cluster();
        let producer = producer(&cluster, &[]);
        answer(&producer.send(record("first"))).expect("acknowledged");
        cluster.clear_requests();
        cluster.close_after(NodeId(1), bytes);

        let value = whole_batch();
        let futures = [0; 3].map(|_| producer.send(record(&value)));

        assert_eq!(futures.each_ref().map(offset), [1, 2, 3], "{bytes} bytes");
        assert_eq!(cluster.end_offset(TOPIC, 0), 4);
        let requests = cluster.requests();
        assert!(requests.iter().any(|request| request.api == Api::ApiVersions), "{requests:?}");
    }
}

// NET-06
#[test]
fn over_a_long_way_several_requests_are_under_way_at_once() {
    const ROUND_TRIP: Duration = Duration::from_millis(200);
    const IN_FLIGHT: usize = 5;
    let batches = long_numbers(30);
    let cluster = cluster();
    let producer = producer(&cluster, &[("batch.size", "1")]);
    answer(&producer.send(record("first"))).expect("acknowledged");
    cluster.inject(Fault::delay(ROUND_TRIP).on(Api::Produce).always());

    let start = Instant::now();
    let futures: Vec<_> = batches.iter().map(|value| producer.send(record(value))).collect();
    let offsets: Vec<_> = futures.iter().map(offset).collect();
    let taken = start.elapsed();

    assert_eq!(offsets, (1..=30).collect::<Vec<_>>());
    assert_eq!(produced(&cluster).len(), 31, "none is sent twice");
    let trips = u32::try_from(batches.len() / IN_FLIGHT).expect("few");
    assert!(taken < (trips * ROUND_TRIP).mul_f64(1.0 / 0.7), "{taken:?}");
}

// NET-07
#[test]
fn a_large_request_may_take_its_time_to_be_written() {
    let cluster = roomy();
    let producer = producer(&cluster, &FOR_LARGE);
    answer(&producer.send(record("first"))).expect("acknowledged");

    cluster.stop_reading(NodeId(1));
    let slow = producer.send(record(&"x".repeat(LARGE)));
    slow.get_timeout(Duration::from_millis(200)).expect_err("nobody reads");
    cluster.resume_reading(NodeId(1));

    assert_eq!(offset(&slow), 1);
    assert_eq!(connections(&cluster), 1);
}

// NET-07
#[test]
fn a_large_request_that_times_out_half_written_goes_out_whole_again() {
    let cluster = roomy();
    let producer = producer(&cluster, &[&FOR_LARGE[..], &[("request.timeout.ms", "400")]].concat());
    answer(&producer.send(record("first"))).expect("acknowledged");

    cluster.stop_reading(NodeId(1));
    let slow = producer.send(record(&"x".repeat(LARGE)));
    slow.get_timeout(Duration::from_millis(800)).expect_err("nobody reads");
    cluster.resume_reading(NodeId(1));

    assert_eq!(offset(&slow), 1);
    assert!(connections(&cluster) > 1);
    let sizes: Vec<_> = log(&cluster, 0).iter().map(String::len).collect();
    assert_eq!(sizes, ["first".len(), LARGE]);
}

// NET-07
#[test]
fn a_large_request_that_nobody_ever_reads_ends_in_time() {
    let cluster = roomy();
    let times = [("request.timeout.ms", "200"), ("delivery.timeout.ms", "500"), ("linger.ms", "0")];
    let producer = producer(&cluster, &[&FOR_LARGE[..], &times].concat());
    answer(&producer.send(record("first"))).expect("acknowledged");

    cluster.stop_reading(NodeId(1));
    let start = Instant::now();
    let error = failure(&producer.send(record(&"x".repeat(LARGE))));
    let taken = start.elapsed();
    cluster.resume_reading(NodeId(1));

    assert_eq!(error.deadline(), Some(Deadline::Delivery));
    assert_eq!(error.persistence(), Persistence::Perhaps);
    assert!(taken < Duration::from_millis(1500), "{taken:?}");
    while answer(&producer.send(record("last"))).is_err() {}
    assert!(log(&cluster, 0).iter().all(|value| value == "first" || value == "last"));
}

// NET-09
#[test]
fn a_broker_that_only_this_producer_cannot_reach_holds_up_its_own_partitions() {
    let cluster = brokers(2);
    cluster.create_topic("wide", 2);
    for (partition, node) in [(0, NodeId(1)), (1, NodeId(2))] {
        cluster.set_leader("wide", partition, node);
    }
    let times = [("delivery.timeout.ms", "1000"), ("request.timeout.ms", "500")];
    let producer = producer(&cluster, &times);
    let send =
        |partition| producer.send(ProducerRecord::without_key("wide", "x").partition(partition));
    for partition in [0, 1] {
        answer(&send(partition)).expect("acknowledged");
    }

    cluster.refuse_connections(NodeId(1));
    cluster.close_connections(NodeId(1));
    let cut_off = send(0);
    for expected in 1..20 {
        assert_eq!(offset(&send(1)), expected);
    }
    assert_eq!(failure(&cut_off).deadline(), Some(Deadline::Delivery));
    let moves = send(0);
    cluster.set_leader("wide", 0, NodeId(2));

    assert_eq!(answer(&moves).expect("acknowledged").partition(), 0);
}

// SND-16
#[test]
fn without_acks_lost_connections_cost_records_but_no_callback() {
    let cluster = cluster();
    let producer = producer(&cluster, &[("acks", "0"), ("batch.size", "200")]);
    let called = Arc::new(AtomicUsize::new(0));
    let mut futures = Vec::new();

    for (number, index) in numbers(2000).iter().zip(1..) {
        let counted = Arc::clone(&called);
        futures.push(producer.send_with_callback(record(number), move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
        }));
        if index % 400 == 0 {
            cluster.close_connections(NodeId(1));
        }
    }
    producer.flush_timeout(LONG).expect("in time");

    assert_eq!(called.load(Ordering::SeqCst), 2000);
    assert!(futures.iter().filter_map(|future| answer(future).ok()).all(|it| !it.has_offset()));
    while !log(&cluster, 0).contains(&"last".to_owned()) {
        let _ = producer.send(record("last")).get(); // as many as meet a closing connection
    }
}

// BRK-10, BRK-14
#[test]
fn when_no_known_broker_is_left_the_configured_address_leads_to_others() {
    let old = brokers(2);
    let forwarder = Forwarder::to(&old);
    let producer = build(builder(&forwarder.address, &[]));
    assert_eq!(offset(&producer.send(record("a"))), 0);

    let new = MockCluster::builder().brokers(2).cluster_id("another").auto_create_topics(None);
    let new = new.start().expect("a cluster");
    forwarder.lead_to(&new);
    drop(old);
    let waiting = producer.send(record("b"));
    assert!(waiting.get_timeout(Duration::from_millis(100)).is_err(), "there is no such topic yet");
    new.create_topic(TOPIC, 1);

    assert_eq!(offset(&waiting), 0);
    assert_eq!(offset(&producer.send(record("c"))), 1);
    producer.close(LONG).expect("in time");
}

// BRK-14
#[test]
fn a_cluster_that_has_lost_its_topics_says_so() {
    let old = brokers(1);
    let forwarder = Forwarder::to(&old);
    let times =
        [("delivery.timeout.ms", "300"), ("request.timeout.ms", "200"), ("max.block.ms", "50")];
    let producer = build(builder(&forwarder.address, &times));
    assert_eq!(offset(&producer.send(record("a"))), 0);

    let new = MockCluster::builder().cluster_id("another").auto_create_topics(None).start();
    let new = new.expect("a cluster");
    forwarder.lead_to(&new);
    drop(old);

    loop {
        let error = failure(&producer.send(record("b")));
        assert!(!error.is_fatal(), "{error}");
        if error.to_string().contains("UNKNOWN_TOPIC_OR_PARTITION") {
            break;
        }
    }
    new.create_topic(TOPIC, 1);
    while answer(&producer.send(record("c"))).is_err() {}
    assert_eq!(log(&new, 0).len(), 1);
}

// BRK-10
#[test]
fn without_recovery_a_producer_stays_with_the_brokers_that_it_knew() {
    let old = brokers(1);
    let forwarder = Forwarder::to(&old);
    let properties = [
        ("metadata.recovery.strategy", "none"),
        ("delivery.timeout.ms", "300"),
        ("request.timeout.ms", "200"),
    ];
    let producer = build(builder(&forwarder.address, &properties));
    assert_eq!(offset(&producer.send(record("a"))), 0);

    let new = brokers(1);
    forwarder.lead_to(&new);
    drop(old);

    assert_eq!(failure(&producer.send(record("b"))).deadline(), Some(Deadline::Delivery));
    producer.close(LONG).expect("nothing is left");
    assert!(new.requests().is_empty());
}

/// Takes larger records than usual.
fn roomy() -> MockCluster {
    MockCluster::builder().max_message_bytes(LARGE + 1000).start().expect("a cluster")
}

/// How many there were that carried a produce request.
fn connections(cluster: &MockCluster) -> usize {
    let is_produce = |request: &&RecordedRequest| request.api == Api::Produce;
    let requests = cluster.requests();
    let mut numbers: Vec<_> =
        requests.iter().filter(is_produce).map(|request| request.connection).collect();
    numbers.dedup();
    numbers.len()
}

/// An address that leads to a cluster, and may lead to another one later.
struct Forwarder {
    address: String,
    target: Arc<Mutex<String>>,
}

impl Forwarder {
    fn to(cluster: &MockCluster) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound").to_string();
        let target = Arc::new(Mutex::new(String::new()));
        let forwarder = Self { address, target: Arc::clone(&target) };
        forwarder.lead_to(cluster);
        thread::spawn(move || {
            // Ends with the process.
            for peer in listener.incoming().flatten() {
                let address = target.lock().expect("no panic").clone();
                if let Ok(broker) = TcpStream::connect(address) {
                    forward(&peer, &broker);
                    forward(&broker, &peer);
                }
            }
        });
        forwarder
    }

    fn lead_to(&self, cluster: &MockCluster) {
        let servers = cluster.bootstrap_servers();
        let first = servers.split(',').next().expect("a broker");
        first.clone_into(&mut self.target.lock().expect("no panic"));
    }
}

fn forward(from: &TcpStream, to: &TcpStream) {
    let mut from = from.try_clone().expect("a socket");
    let mut to = to.try_clone().expect("a socket");
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
}
