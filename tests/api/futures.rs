//! What the future of a record promises.

use std::thread;
use std::time::Duration;

use kafka_producer::mock_cluster::{Api, Fault};
use kafka_producer::{Deadline, FutureRecordMetadata};

use crate::setup::{
    LONG, answer, await_batches, cluster, is_closed, log, offset, producer, record,
};

const ONE_HOUR: (&str, &str) = ("linger.ms", "3600000");
const FOR_LONG: (&str, &str) = ("delivery.timeout.ms", "7200000");

#[test]
fn get_does_not_sit_out_an_hour_of_linger() {
    let cluster = cluster();
    let producer = producer(&cluster, &[ONE_HOUR, FOR_LONG]);

    let first = producer.send(record("a"));
    let second = producer.send(record("b"));

    assert_eq!(offset(&second), 1);
    assert!(first.is_done(), "it is in the same batch");
    assert_eq!(first.get().expect("acknowledged").offset(), 0);
}

// API-24
#[test]
fn a_wait_that_runs_out_does_not_take_the_record_back() {
    let cluster = cluster();
    let producer = producer(&cluster, &[]);
    cluster.inject(Fault::hold().on(Api::Produce));
    let future = producer.send(record("a"));
    await_batches(&cluster, 1);

    let error = future.get_timeout(Duration::from_millis(1)).expect_err("held");
    let is_done = future.is_done();
    cluster.release();

    assert_eq!((error.deadline(), error.property()), (Some(Deadline::Call), None));
    assert!(!is_done);
    assert_eq!(offset(&future), 0);
    assert_eq!(offset(&future), 0, "as often as one asks");
}

// API-24
#[test]
fn a_dropped_future_changes_nothing() {
    let cluster = cluster();
    let producer = producer(&cluster, &[]);

    drop(producer.send(record("a")));
    producer.flush().expect("in time");

    assert_eq!(log(&cluster, 0), ["a"]);
}

// API-24
#[test]
fn several_threads_may_wait_for_one_record() {
    let cluster = cluster();
    let producer = producer(&cluster, &[]);
    cluster.inject(Fault::hold().on(Api::Produce));
    let future = producer.send(record("a"));

    let offsets = thread::scope(|scope| {
        let waiters: Vec<_> = (0..4).map(|_| scope.spawn(|| offset(&future))).collect();
        await_batches(&cluster, 1);
        cluster.release();
        waiters.into_iter().map(|waiter| waiter.join().expect("no panic")).collect::<Vec<_>>()
    });

    assert_eq!(offsets, [0; 4]);
}

// CLS-10
#[test]
fn a_future_outlives_its_producer() {
    let cluster = cluster();
    let delivered = producer(&cluster, &[]).send(record("a"));
    let closed = producer(&cluster, &[ONE_HOUR, FOR_LONG]);
    let failed = closed.send(record("b"));
    let _ = closed.close(Duration::ZERO);
    drop(closed);
    drop(cluster);

    assert_eq!(offset(&delivered), 0);
    assert!(is_closed(&answer(&failed).expect_err("closed before it was sent")));
}

#[test]
fn the_records_of_a_batch_count_their_offsets() {
    let cluster = cluster();
    let producer = producer(&cluster, &[ONE_HOUR, FOR_LONG]);

    let futures: Vec<_> = (0..100).map(|_| producer.send(record("a"))).collect();
    producer.flush_timeout(LONG).expect("in time");

    let offsets: Vec<_> = futures.iter().map(offset).collect();
    assert!(futures.iter().all(FutureRecordMetadata::is_done));
    assert_eq!(offsets, (0..100).collect::<Vec<_>>());
    assert_eq!(crate::setup::produced(&cluster).len(), 1);
}
