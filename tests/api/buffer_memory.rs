//! What happens when `buffer.memory` is full, and that it comes back.

use std::thread;
use std::time::{Duration, Instant};

use kafka_producer::mock_cluster::{Api, Fault, MockCluster};
use kafka_producer::{
    Deadline, ErrorCode, ErrorKind, KafkaProducer, NodeId, Persistence, ProducerRecord,
};

use crate::setup::{
    LONG, answer, await_batches, brokers, cluster, failure, log, numbers, offset, producer, record,
};
#[cfg(target_os = "linux")]
use crate::setup::{memory_peak, run_alone};

/// Room for what a default batch begins with, and for none beside it.
const ONE_BATCH: (&str, &str) = ("buffer.memory", "1024");

// BUF-02, API-12
#[test]
fn a_full_buffer_fails_a_record_after_max_block_ms() {
    for max_block in ["0", "20"] {
        let cluster = cluster();
        let producer = producer(&cluster, &[ONE_BATCH, ("max.block.ms", max_block)]);
        know_topic(&producer);
        cluster.inject(Fault::hold().on(Api::Produce));
        let queued = producer.send(record("queued"));
        await_batches(&cluster, 1);

        let refused = producer.send(record("refused"));

        assert!(refused.is_done());
        let error = failure(&refused);
        assert!(matches!(error.kind(), ErrorKind::BufferExhausted { total: 1024, .. }));
        assert_eq!(error.deadline(), Some(Deadline::MaxBlock));
        assert_eq!(error.persistence(), Persistence::NeverSent);
        cluster.release();
        answer(&queued).expect("acknowledged");
        producer.close(LONG).expect("in time");
        assert_eq!(log(&cluster, 0), ["queued"]);
    }
}

// BUF-01
#[test]
fn an_answer_lets_those_who_wait_go_on() {
    let cluster = cluster();
    let producer = producer(&cluster, &[ONE_BATCH]);
    cluster.inject(Fault::hold().on(Api::Produce));
    producer.send(record("first"));
    await_batches(&cluster, 1);

    thread::scope(|scope| {
        let waiting: Vec<_> =
            (0..4).map(|_| scope.spawn(|| offset(&producer.send(record("waited"))))).collect();
        cluster.release();
        for waiting in waiting {
            assert!(waiting.join().expect("no panic") > 0);
        }
    });
}

// ACC-05
#[test]
fn whoever_needs_memory_ends_the_linger_of_all() {
    let cluster = cluster();
    cluster.create_topic("wide", 8);
    let for_ever = [("linger.ms", "2147483647"), ("delivery.timeout.ms", "2147483647")];
    let producer = producer(&cluster, &[for_ever[0], for_ever[1], ("buffer.memory", "65536")]);

    for partition in 0..8 {
        let record = ProducerRecord::without_key("wide", "x").partition(partition);
        producer.send(record);
    }
    producer.close(LONG).expect("in time");

    assert!((0..8).all(|partition| cluster.end_offset("wide", partition) == 1));
}

// ACC-14, BUF-06
#[test]
fn many_threads_share_a_small_buffer() {
    let cluster = cluster();
    let producer = producer(&cluster, &[("buffer.memory", "10240"), ("batch.size", "1024")]);
    let value = "x".repeat(300);

    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..500 {
                    producer.send(record(&value));
                }
            });
        }
    });
    producer.flush().expect("in time");

    assert_eq!(cluster.end_offset("orders", 0), 2000);
    needs_all_memory(&producer, 10240);
}

// BUF-06, INV-11
#[test]
fn all_of_it_comes_back_whatever_became_of_the_records() {
    let troubles = [
        ("refused", Fault::error(ErrorCode::InvalidRecord)),
        ("retried", Fault::error(ErrorCode::NotEnoughReplicas)),
        ("appended, then in doubt", Fault::append_then_error(ErrorCode::RequestTimedOut)),
        ("cut off before", Fault::close_before_append()),
        ("cut off after", Fault::close_after_append()),
        ("left out", Fault::leave_out()),
        ("damaged", Fault::corrupt_response(4, 0xff)),
        ("cut short", Fault::close_after_bytes(9)),
    ];
    for (name, trouble) in troubles {
        let cluster = cluster();
        let producer = producer(&cluster, &[("buffer.memory", "32768"), ("batch.size", "1000")]);
        cluster.inject(trouble.on(Api::Produce).after(1).times(2));

        for number in numbers(100) {
            producer.send(record(&number.repeat(200)));
        }
        producer.flush_timeout(LONG).expect("in time");

        assert_eq!(cluster.pending_faults(), 0, "{name}");
        needs_all_memory(&producer, 32768);
    }
}

// BUF-06, ACC-10
#[test]
fn it_comes_back_from_records_that_ran_out_of_time_unsent() {
    let cluster = brokers(1);
    let properties = [
        ONE_BATCH,
        ("delivery.timeout.ms", "50"),
        ("request.timeout.ms", "50"),
        ("linger.ms", "0"),
    ];
    let producer = producer(&cluster, &properties);
    know_topic(&producer);
    cluster.stop_node(NodeId(1));

    let error = failure(&producer.send(record(&"x".repeat(900))));
    cluster.start_node(NodeId(1)).expect("its port is free");

    assert_eq!(error.deadline(), Some(Deadline::Delivery));
    assert!(producer.try_send(record("a")).is_ok());
}

// BUF-10
// A wait for memory behind one for metadata had all of the time once more.
#[test]
fn metadata_and_memory_share_max_block_ms() {
    let cluster = brokers(2);
    for (topic, node) in [("orders", 1), ("elsewhere", 2), ("other", 2)] {
        cluster.create_topic(topic, 1);
        cluster.set_leader(topic, 0, NodeId(node));
    }
    let producer = producer(&cluster, &[ONE_BATCH, ("max.block.ms", "1000")]);
    // Connects to the second broker, where no answer is held.
    answer(&producer.send(ProducerRecord::without_key("elsewhere", "a"))).expect("acknowledged");
    know_topic(&producer);
    cluster.clear_requests();
    cluster.inject(Fault::hold().on(Api::Produce));
    producer.send(record("fills the buffer"));
    await_batches(&cluster, 1);
    let late = Duration::from_millis(600);
    cluster.inject(Fault::delay(late).on(Api::Metadata).topic("other"));

    let start = Instant::now();
    let error = failure(&producer.send(ProducerRecord::without_key("other", "a")));
    let taken = start.elapsed();

    assert!(matches!(error.kind(), ErrorKind::BufferExhausted { .. }), "{error}");
    assert!(taken >= Duration::from_millis(1000), "{taken:?}");
    assert!(taken < Duration::from_millis(1500), "{taken:?}");
    cluster.release();
}

// BUF-07
#[cfg(target_os = "linux")]
#[test]
fn more_than_the_brokers_take_does_not_fill_the_memory() {
    run_alone("buffer_memory::more_than_the_brokers_take_does_not_fill_the_memory", overload);
}

#[cfg(target_os = "linux")]
fn overload() {
    const BUFFER_MEMORY: usize = 8 << 20;
    let cluster = MockCluster::builder().retention_bytes(1 << 20).start().expect("a cluster");
    let properties = [("buffer.memory", "8388608"), ("max.block.ms", "100")];
    let producer = producer(&cluster, &properties);
    know_topic(&producer);
    cluster.inject(Fault::delay(Duration::from_millis(50)).on(Api::Produce).always());
    let before = memory_peak();
    let value = "x".repeat(1000);
    let end = Instant::now() + Duration::from_secs(3);

    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while Instant::now() < end {
                    let start = Instant::now();
                    producer.send(record(&value));
                    assert!(start.elapsed() < Duration::from_millis(600), "{:?}", start.elapsed());
                }
            });
        }
    });

    let grown = memory_peak() - before;
    assert!(grown < BUFFER_MEMORY + (64 << 20), "{grown} bytes");
    assert!(grown > BUFFER_MEMORY / 2, "{grown} bytes: there was no overload");
}

/// Also where `max.block.ms` leaves no time to ask.
fn know_topic(producer: &KafkaProducer<str, str>) {
    while producer.partitions_for("orders").is_err() {
        thread::yield_now();
    }
}

/// Sends a record that fits only if nothing else is in the buffer.
fn needs_all_memory(producer: &KafkaProducer<str, str>, buffer_memory: usize) {
    let value = "x".repeat(buffer_memory - 100);
    answer(&producer.send(record(&value))).expect("acknowledged");
}
