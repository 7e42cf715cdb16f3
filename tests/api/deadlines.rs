//! However a record is sent, an answer that cannot come is given up at its deadline, and not noticeably later.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use kafka_producer::mock_cluster::{Api, Fault, MockCluster};
use kafka_producer::{Deadline, Error, KafkaProducer, NodeId, ProducerRecord};

use crate::setup::{
    LONG, TOPIC, answer, await_batches, brokers, build, builder, cluster, produced, producer,
};

const MAX_BLOCK: (&str, &str) = ("max.block.ms", "250");
const LIMIT: Duration = Duration::from_millis(250);
/// How much later than its deadline an answer may come.
const GRACE: Duration = Duration::from_millis(100);
/// What a busy machine adds is not the producer's fault: it may try this often to be in time.
const TRIES: usize = 8;

/// The ways to send a record and to hear of it.
const PATHS: [(&str, Path); 4] = [
    ("send, get", |producer, record| producer.send(record).get().map(drop)),
    ("send, get_timeout", |producer, record| producer.send(record).get_timeout(LONG).map(drop)),
    ("send_with_callback", |producer, record| {
        let (tell, told) = mpsc::channel();
        producer.send_with_callback(record, move |result| {
            tell.send(result.map(drop).map_err(Clone::clone)).expect("heard");
        });
        told.recv_timeout(LONG).expect("called")
    }),
    ("send, is_done", |producer, record| {
        let future = producer.send(record);
        while !future.is_done() {
            std::thread::yield_now();
        }
        future.get().map(drop)
    }),
];
type Path = fn(&KafkaProducer<str, str>, ProducerRecord<'_, str, str>) -> Result<(), Error>;

// BUF-02, INV-09
#[test]
fn in_a_full_buffer() {
    let cluster = cluster();
    let producer = producer(&cluster, &[MAX_BLOCK, ("buffer.memory", "1024")]);
    while answer(&producer.send(Target(TOPIC, Some(0)).record())).is_err() {}
    let sent = produced(&cluster).len();
    cluster.inject(Fault::hold().on(Api::Produce));
    producer.send(Target(TOPIC, Some(0)).record());
    await_batches(&cluster, sent + 1);

    for partition in [None, Some(0)] {
        check("full buffer", &producer, Target(TOPIC, partition), Deadline::MaxBlock);
        check_try(&producer, Target(TOPIC, partition));
    }
    cluster.release();
}

// API-07, INV-09
#[test]
fn for_an_unknown_topic() {
    let cluster = MockCluster::builder().auto_create_topics(None).start().expect("a cluster");
    let producer = producer(&cluster, &[MAX_BLOCK]);

    for partition in [None, Some(0)] {
        check("unknown topic", &producer, Target("unknown", partition), Deadline::MaxBlock);
        check_try(&producer, Target("unknown", partition));
    }
}

// API-08, INV-09
#[test]
fn for_an_unknown_partition() {
    let cluster = cluster();
    let producer = producer(&cluster, &[MAX_BLOCK]);

    check("unknown partition", &producer, Target(TOPIC, Some(7)), Deadline::MaxBlock);
    check_try(&producer, Target(TOPIC, Some(7)));
}

// NET-01, INV-09
#[test]
fn without_a_broker() {
    let producer = build(builder("127.0.0.1:1", &[MAX_BLOCK]));

    for partition in [None, Some(0)] {
        check("no broker", &producer, Target(TOPIC, partition), Deadline::MaxBlock);
        check_try(&producer, Target(TOPIC, partition));
    }
}

// ACC-10, INV-09
#[test]
fn without_a_leader() {
    let cluster = brokers(2);
    cluster.set_leader(TOPIC, 0, NodeId(2));
    cluster.set_in_sync(TOPIC, 0, &[NodeId(2)]);
    cluster.stop_node(NodeId(2));
    assert_eq!(cluster.leader(TOPIC, 0), None);
    check_delivery("no leader", &cluster);
}

// INV-09
#[test]
fn with_an_unreachable_leader() {
    let cluster = brokers(2);
    cluster.set_leader(TOPIC, 0, NodeId(2));
    cluster.refuse_connections(NodeId(2));
    check_delivery("unreachable leader", &cluster);
}

// INV-09
#[test]
fn with_a_silent_leader() {
    let cluster = cluster();
    cluster.inject(Fault::lose_response().on(Api::Produce).always());
    check_delivery("silent leader", &cluster);
}

/// There is room for the record: the answer is due at `delivery.timeout.ms`.
fn check_delivery(situation: &str, cluster: &MockCluster) {
    let properties = [
        ("delivery.timeout.ms", "250"),
        ("request.timeout.ms", "100"),
        ("linger.ms", "0"),
        ("enable.idempotence", "false"),
    ];
    let producer = producer(cluster, &properties);
    for partition in [None, Some(0)] {
        producer.partitions_for(TOPIC).expect("known");
        check(situation, &producer, Target(TOPIC, partition), Deadline::Delivery);
        let future = producer.try_send(Target(TOPIC, partition).record()).expect("there is room");
        assert_eq!(answer(&future).expect_err("no answer").deadline(), Some(Deadline::Delivery));
    }
}

/// A topic, and the partition that is asked for.
#[derive(Clone, Copy, Debug)]
struct Target(&'static str, Option<i32>);

impl Target {
    fn record(self) -> ProducerRecord<'static, str, str> {
        let record = ProducerRecord::without_key(self.0, "x");
        match self.1 {
            Some(partition) => record.partition(partition),
            None => record,
        }
    }
}

/// On every path the record has to fail at `deadline`, which is after [`LIMIT`].
fn check(situation: &str, producer: &KafkaProducer<str, str>, target: Target, deadline: Deadline) {
    for (name, send) in PATHS {
        let excess = least_excess(|| {
            let start = Instant::now();
            let error = send(producer, target.record()).expect_err("no answer can come");
            let taken = start.elapsed();
            assert_eq!(error.deadline(), Some(deadline), "{situation}, {name}: {error}");
            assert!(taken >= LIMIT, "{situation}, {name}: {taken:?}");
            taken - LIMIT
        });
        println!("{situation}, {:?}, {name}: {excess:?} late", target.1);
        assert!(excess < GRACE, "{situation}, {name}: {excess:?} late");
    }
}

/// Whoever does not want to wait is told at once.
fn check_try(producer: &KafkaProducer<str, str>, target: Target) {
    let taken = least_excess(|| {
        let start = Instant::now();
        assert!(producer.try_send(target.record()).expect_err("no room").is_would_block());
        start.elapsed()
    });
    assert!(taken < GRACE, "{taken:?}");
}

/// The first measurement that is good enough, or the best of all.
fn least_excess(mut measure: impl FnMut() -> Duration) -> Duration {
    let mut least = Duration::MAX;
    for _ in 0..TRIES {
        least = least.min(measure());
        if least < GRACE {
            break;
        }
    }
    least
}
