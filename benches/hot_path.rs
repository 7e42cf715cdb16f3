//! What the pieces cost that every record passes.
//!
//! ```sh
//! cargo bench --features bench
//! ```
//!
//! Figures are for [`RECORDS`], 1,000, where the name does not say otherwise; the rate beside them is of single records.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use kafka_producer::bench::{Accumulator, Batch, checksum, partition};
use kafka_producer::mock_cluster::MockCluster;
use kafka_producer::{ByteArraySerializer, KafkaProducer, ProducerConfig, ProducerRecord};

/// Several batches' worth.
const RECORDS: usize = 1000;
const BATCH_SIZE: usize = 16 * 1024;
const VALUE: [u8; 100] = [b'x'; 100];
const TOPIC: &str = "orders";

static ANSWERS: AtomicU64 = AtomicU64::new(0);

fn main() {
    divan::main();
}

#[divan::bench]
fn crc(bencher: Bencher<'_, '_>) {
    let batch = vec![b'x'; BATCH_SIZE];
    bencher.counter(BytesCount::of_slice(&batch)).bench(|| checksum(black_box(&batch)));
}

/// One key of so many bytes.
#[divan::bench(args = [4, 8, 16, 36, 100])]
fn partition_of_key(bencher: Bencher<'_, '_>, size: usize) {
    let key = vec![b'k'; size];
    bencher.bench(|| partition(black_box(&key), black_box(100)));
}

/// A batch of values of so many bytes, encoded into memory that is there already.
#[divan::bench(args = [10, 100, 1000], sample_size = 1)]
fn encode(bencher: Bencher<'_, '_>, size: usize) {
    let value = vec![b'x'; size];
    let count = 8_000 / (size + 10);
    bencher
        .counter(ItemsCount::new(count))
        .with_inputs(|| Batch::new(BATCH_SIZE))
        .bench_local_refs(|batch| {
            for _ in 0..count {
                batch.encode(black_box(&value));
            }
        });
}

#[divan::bench(sample_size = 1)]
fn append_without_key(bencher: Bencher<'_, '_>) {
    append(bencher, 6, |_| None, None);
}

#[divan::bench(sample_size = 1)]
fn append_without_key_with_callback(bencher: Bencher<'_, '_>) {
    append(bencher, 6, |_| None, Some(count_answer));
}

#[divan::bench(args = [6, 100, 1000], sample_size = 1)]
fn append_with_key(bencher: Bencher<'_, '_>, partitions: i32) {
    append(bencher, partitions, |number| Some(number.to_be_bytes()), None);
}

fn append(
    bencher: Bencher<'_, '_>,
    partitions: i32,
    key: impl Fn(usize) -> Option<[u8; 8]>,
    callback: Option<fn()>,
) {
    let accumulator = RefCell::new(Accumulator::new(partitions, BATCH_SIZE));
    bencher
        .counter(ItemsCount::new(RECORDS))
        .with_inputs(|| accumulator.borrow_mut().clear())
        .bench_local_values(|()| {
            let accumulator = accumulator.borrow();
            for number in 0..RECORDS {
                let key = key(number);
                accumulator.append(key.as_ref().map(|key| &key[..]), black_box(&VALUE), callback);
            }
        });
}

/// The sender's part before a request: batches leave their queues, get a header and a checksum.
#[divan::bench(sample_size = 1)]
fn drain_and_seal(bencher: Bencher<'_, '_>) {
    let accumulator = RefCell::new(Accumulator::new(6, BATCH_SIZE));
    let fill = || {
        accumulator.borrow_mut().clear();
        fill(&accumulator.borrow(), None);
    };
    let counter = ItemsCount::new(RECORDS);
    bencher.counter(counter).with_inputs(fill).bench_local_values(|()| {
        // A batch a partition and request: these are all of them.
        [(); 2].map(|()| accumulator.borrow_mut().drain())
    });
}

/// The sender's part after an answer: memory goes back, callbacks run, futures are released.
#[divan::bench(sample_size = 1, args = ["no callbacks", "callbacks"])]
fn complete(bencher: Bencher<'_, '_>, callbacks: &str) {
    let accumulator = RefCell::new(Accumulator::new(6, BATCH_SIZE));
    let drained = || {
        accumulator.borrow_mut().clear();
        fill(&accumulator.borrow(), (callbacks == "callbacks").then_some(count_answer));
        [(); 2].map(|()| accumulator.borrow_mut().drain())
    };
    let counter = ItemsCount::new(RECORDS);
    bencher.counter(counter).with_inputs(drained).bench_local_values(|drained| {
        for drained in drained {
            accumulator.borrow_mut().complete(drained);
        }
    });
}

fn fill(accumulator: &Accumulator, callback: Option<fn()>) {
    for number in 0..RECORDS {
        accumulator.append(Some(&number.to_be_bytes()), &VALUE, callback);
    }
}

fn count_answer() {
    ANSWERS.fetch_add(1, Ordering::Relaxed);
}

/// All of it, to a cluster in this process: from `send` to the last acknowledgement.
#[divan::bench(sample_size = 1)]
fn send_and_flush(bencher: Bencher<'_, '_>) {
    let (_cluster, producer) = cluster_and_producer();
    const MANY: usize = 100 * RECORDS;
    bencher.counter(ItemsCount::new(MANY)).bench_local(|| {
        for _ in 0..MANY {
            producer.send(ProducerRecord::without_key(TOPIC, &VALUE[..]));
        }
        producer.flush()
    });
}

/// One record, awaited, to a cluster in this process.
#[divan::bench]
fn send_and_get(bencher: Bencher<'_, '_>) {
    let (_cluster, producer) = cluster_and_producer();
    bencher.bench_local(|| producer.send(ProducerRecord::without_key(TOPIC, &VALUE[..])).get());
}

fn cluster_and_producer() -> (MockCluster, KafkaProducer<[u8], [u8]>) {
    let cluster = MockCluster::builder().retention_bytes(1 << 20).start().expect("a cluster");
    cluster.create_topic(TOPIC, 6);
    let servers = cluster.bootstrap_servers();
    let config = ProducerConfig::from_properties([("bootstrap.servers", servers)]).expect("valid");
    let producer = KafkaProducer::new(config, ByteArraySerializer, ByteArraySerializer);
    (cluster, producer.expect("a producer"))
}
