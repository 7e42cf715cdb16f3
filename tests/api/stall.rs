//! A broker that reads nothing: how much memory the producer takes, how long `send` takes, and that all comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kafka_producer::mock_cluster::MockCluster;
use kafka_producer::{Deadline, ErrorKind, KafkaProducer, NodeId, Persistence};

use crate::setup::{LONG, TOPIC, answer, memory_peak, producer, record, run_alone};

const BUFFER_MEMORY: usize = 32 << 20;
/// How many bytes the buffer counts for each record besides its value: some of its own, and the place of its callback.
const BESIDE_A_VALUE: usize = 7 + 24;
/// And for each batch besides its records, about.
const BESIDE_THE_RECORDS: usize = 700;
/// How many bytes the process may grow beyond the buffer, whatever the records: what is known of each batch, and memory that
/// is not used again.
const OVERHEAD: usize = 2 << 20;
/// And for each record: what its callback captures, 8 bytes of which the allocator makes 32, and some slack.
const RECORD_OVERHEAD: usize = 40;
const MAX_BLOCK: Duration = Duration::from_millis(300);
const THREADS: usize = 4;
/// How many records each thread tries to send while there is no room.
const REFUSED: usize = 5;

// BUF-07, INV-25
#[test]
fn large_records_take_little_more_than_buffer_memory() {
    run_alone("stall::large_records_take_little_more_than_buffer_memory", || stall(8_000, "16384"));
}

// BUF-07, INV-25
#[test]
fn small_records_take_room_for_what_their_callbacks_capture_besides() {
    run_alone("stall::small_records_take_room_for_what_their_callbacks_capture_besides", || {
        stall(100, "16384");
    });
}

// BUF-07, INV-25
#[test]
fn the_smallest_records_take_no_more_besides_than_small_ones() {
    let name = "stall::the_smallest_records_take_no_more_besides_than_small_ones";
    run_alone(name, || stall(1, "16384"));
}

// BUF-07, INV-25
#[test]
fn batches_of_one_record_take_no_more_besides_than_large_ones() {
    let name = "stall::batches_of_one_record_take_no_more_besides_than_large_ones";
    run_alone(name, || stall(10, "0"));
}

/// Fills the buffer with values of `size` bytes, and holds how far the process grows beyond it.
fn stall(size: usize, batch_size: &str) {
    let cluster = MockCluster::builder().retention_bytes(1 << 20).max_message_bytes(BUFFER_MEMORY);
    let cluster = cluster.start().expect("a cluster");
    let properties = [
        ("buffer.memory", "33554432"),
        ("max.request.size", "33554432"),
        ("batch.size", batch_size),
        ("max.block.ms", "300"),
        ("request.timeout.ms", "60000"),
    ];
    let producer = producer(&cluster, &properties);
    while answer(&producer.send(record("first"))).is_err() {}
    cluster.stop_reading(NodeId(1));
    let value = "x".repeat(size);
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let before = memory_peak();

    let filled: Vec<_> = thread::scope(|scope| {
        let fill = || fill(&producer, &value, &acknowledged);
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(fill)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    let grown = memory_peak() - before;
    let accepted: usize = filled.iter().map(|(accepted, _)| accepted).sum();
    let longest = filled.iter().map(|(_, longest)| *longest).max().expect("threads");
    let beside =
        i64::try_from(grown).expect("small") - i64::try_from(BUFFER_MEMORY).expect("small");
    let each = beside / i64::try_from(accepted).expect("few");
    println!(
        "{accepted} records of {size} bytes: {} KiB beside the buffer, {each} bytes a record; \
         refused after {longest:?} of {MAX_BLOCK:?}",
        beside / 1024,
    );

    let own_batch = if batch_size == "0" { BESIDE_THE_RECORDS } else { 0 };
    let counted = accepted * (size + BESIDE_A_VALUE + own_batch);
    assert!(counted > BUFFER_MEMORY / 2, "{accepted} records: the buffer was not filled");
    assert!(grown <= BUFFER_MEMORY + OVERHEAD + accepted * RECORD_OVERHEAD, "{grown} bytes");
    assert_eq!(acknowledged.load(Ordering::SeqCst), 0);
    cluster.resume_reading(NodeId(1));
    producer.flush_timeout(LONG).expect("in time");
    assert_eq!(acknowledged.load(Ordering::SeqCst), accepted);
    assert_eq!(cluster.end_offset(TOPIC, 0), i64::try_from(accepted + 1).expect("few"));
    let all = "x".repeat(BUFFER_MEMORY - 100); // fits only if nothing else is in the buffer
    answer(&producer.send(record(&all))).expect("acknowledged");
}

/// Sends until [`REFUSED`] records found no room; returns how many did, and the longest wait of the others.
fn fill(
    producer: &KafkaProducer<str, str>,
    value: &str,
    acknowledged: &Arc<AtomicUsize>,
) -> (usize, Duration) {
    let (mut accepted, mut refused, mut longest) = (0, 0, Duration::ZERO);
    while refused < REFUSED {
        let count = Arc::clone(acknowledged);
        let start = Instant::now();
        let future = producer.send_with_callback(record(value), move |result| {
            count.fetch_add(usize::from(result.is_ok()), Ordering::Relaxed);
        });
        let taken = start.elapsed();
        if !future.is_done() {
            accepted += 1;
            continue;
        }
        let error = future.get().expect_err("there is no room");
        assert!(matches!(error.kind(), ErrorKind::BufferExhausted { .. }), "{error}");
        assert_eq!(error.deadline(), Some(Deadline::MaxBlock));
        assert_eq!(error.persistence(), Persistence::NeverSent);
        assert!(taken >= MAX_BLOCK, "refused after {taken:?}");
        longest = longest.max(taken);
        refused += 1;
    }
    assert!(longest < 10 * MAX_BLOCK, "refused after {longest:?}");
    (accepted, longest)
}
