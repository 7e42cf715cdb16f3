//! How often the producer asks for memory: once in a while for a batch, never for a record.
//!
//! Each test counts what all threads of a process ask for, so it runs in one of its own, with the cluster in another.

use std::alloc::System;
use std::env;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use kafka_producer::mock_cluster::MockCluster;
use kafka_producer::{ByteArraySerializer, KafkaProducer, ProducerConfig, ProducerRecord};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const TOPIC: &str = "orders";
const PARTITIONS: i32 = 6;
const VALUE: [u8; 100] = [b'x'; 100];
const RECORDS: usize = 200_000;
/// Longer than anything takes that works, so that a test fails instead of hanging.
const LONG: Duration = Duration::from_secs(60);

static ACKNOWLEDGED: AtomicUsize = AtomicUsize::new(0);

#[test]
fn a_record_without_a_callback_allocates_nothing() {
    alone("a_record_without_a_callback_allocates_nothing", |producer| {
        expect_only_batches_to_allocate(producer, || {
            producer.send(ProducerRecord::without_key(TOPIC, &VALUE[..]));
        });
    });
}

#[test]
fn a_callback_without_captures_allocates_nothing() {
    alone("a_callback_without_captures_allocates_nothing", |producer| {
        expect_only_batches_to_allocate(producer, || {
            producer.send_with_callback(ProducerRecord::without_key(TOPIC, &VALUE[..]), |result| {
                ACKNOWLEDGED.fetch_add(usize::from(result.is_ok()), Ordering::Relaxed);
            });
        });
        assert_eq!(ACKNOWLEDGED.load(Ordering::Relaxed), 2 * RECORDS);
    });
}

#[test]
fn a_record_for_an_open_batch_allocates_nothing_at_all() {
    alone("a_record_for_an_open_batch_allocates_nothing_at_all", |producer| {
        let send = |key: Option<&[u8]>| {
            producer.send(ProducerRecord::new(TOPIC, key, &VALUE[..]));
        };
        let keys = [None, Some(&b"a key"[..])];
        keys.into_iter().for_each(send); // the batches are new, and the sender looks at them

        // What the sender does about that is soon over. A record that allocates would do so every time.
        let counts = (0..20).map(|_| {
            thread::yield_now();
            let region = Region::new(ALLOCATOR);
            keys.into_iter().for_each(send);
            let taken = region.change();
            taken.allocations + taken.reallocations
        });
        let least = counts.min();

        assert_eq!(least, Some(0));
    });
}

/// Sends [`RECORDS`] by `send`, twice; what the second half allocates has to be explained by its batches.
fn expect_only_batches_to_allocate(producer: &KafkaProducer<[u8], [u8]>, send: impl Fn()) {
    let send_all = || {
        (0..RECORDS).for_each(|_| send());
        producer.flush_timeout(LONG).expect("acknowledged");
    };
    send_all();

    let region = Region::new(ALLOCATOR);
    send_all();
    let taken = region.change();

    let count = taken.allocations + taken.reallocations;
    println!("{:.4} allocations a record", count as f64 / RECORDS as f64);
    // A batch has room for about 150, and takes some five allocations with its request and its answer.
    assert!(count <= RECORDS / 15, "{count} allocations for {RECORDS} records");
}

/// Runs `check` in a process of its own, with a producer whose cluster is in this one.
fn alone(test: &str, check: impl FnOnce(&KafkaProducer<[u8], [u8]>)) {
    const CLUSTER: &str = "CLUSTER_OF_THE_ALLOCATIONS_TEST";
    if let Ok(bootstrap_servers) = env::var(CLUSTER) {
        return check(&producer(&bootstrap_servers));
    }
    let cluster = MockCluster::builder().retention_bytes(1 << 20).start().expect("a cluster");
    cluster.create_topic(TOPIC, PARTITIONS);
    let this = env::current_exe().expect("a path");
    let output = Command::new(this)
        .args(["--exact", test, "--nocapture"])
        .env(CLUSTER, cluster.bootstrap_servers())
        .output();
    let output = output.expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{errors}");
}

/// Batches linger for long enough to stay open while a test looks at them; full ones are sent at once.
fn producer(bootstrap_servers: &str) -> KafkaProducer<[u8], [u8]> {
    let config = ProducerConfig::from_properties([
        ("bootstrap.servers", bootstrap_servers),
        ("linger.ms", "30000"),
    ]);
    KafkaProducer::new(config.expect("valid"), ByteArraySerializer, ByteArraySerializer)
        .expect("a producer")
}
