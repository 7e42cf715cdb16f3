//! What `flush` promises.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use kafka_producer::mock_cluster::{Api, Fault};
use kafka_producer::{Deadline, ErrorCode, FutureRecordMetadata};

use crate::setup::{
    Journal, LONG, answer, await_batches, cluster, failure, log, numbers, producer, record,
};

/// `linger.ms` and what has to be longer still.
const FOR_EVER: [(&str, &str); 2] =
    [("linger.ms", "2147483647"), ("delivery.timeout.ms", "2147483647")];

// API-19
#[test]
fn ends_a_linger_without_end() {
    let cluster = cluster();
    let producer = producer(&cluster, &FOR_EVER);
    let futures: Vec<_> = numbers(100).iter().map(|value| producer.send(record(value))).collect();
    assert!(!futures.iter().any(FutureRecordMetadata::is_done));

    producer.flush_timeout(LONG).expect("in time");

    assert!(futures.iter().all(FutureRecordMetadata::is_done));
    assert_eq!(log(&cluster, 0), numbers(100));
}

// API-19, CON-03
#[test]
fn does_not_wait_for_what_other_threads_go_on_sending() {
    let cluster = cluster();
    let producer = producer(&cluster, &[]);
    let is_over = AtomicBool::new(false);

    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::SeqCst) {
                    producer.send(record("background"));
                }
            });
        }
        for _ in 0..10 {
            let mine = producer.send(record("mine"));
            let flushed = producer.flush_timeout(LONG);
            let is_done = mine.is_done();
            is_over.store(flushed.is_err() || !is_done, Ordering::SeqCst);
            assert_eq!((flushed, is_done), (Ok(()), true));
        }
        is_over.store(true, Ordering::SeqCst);
    });
}

// INV-10
#[test]
fn returns_after_the_callbacks() {
    let cluster = cluster();
    let producer = producer(&cluster, &[]);
    let journal = Journal::default();

    for number in numbers(100) {
        let journal = journal.clone();
        producer.send_with_callback(record("a"), move |_| journal.note(number));
    }
    producer.flush().expect("in time");

    assert_eq!(journal.entries(), numbers(100));
}

// CON-04
#[test]
fn counts_a_refused_record_as_answered() {
    let cluster = cluster();
    let producer = producer(&cluster, &[]);
    cluster.inject(Fault::error(ErrorCode::InvalidRecord).on(Api::Produce));

    let refused = producer.send(record("a"));
    producer.flush().expect("in time");

    assert_eq!(failure(&refused).code(), Some(ErrorCode::InvalidRecord));
}

#[test]
fn gives_up_in_time_without_giving_up_the_records() {
    let cluster = cluster();
    let producer = producer(&cluster, &[]);
    cluster.inject(Fault::hold().on(Api::Produce));
    let future = producer.send(record("a"));

    let error = producer.flush_timeout(Duration::from_millis(1)).expect_err("held");
    await_batches(&cluster, 1);
    cluster.release();

    assert_eq!(error.deadline(), Some(Deadline::Call));
    answer(&future).expect("acknowledged");
}

// CLS-11
#[test]
fn returns_when_another_thread_closes() {
    let cluster = cluster();
    let producer = producer(&cluster, &[]);
    cluster.inject(Fault::hold().on(Api::Produce));
    let future = producer.send(record("a"));
    await_batches(&cluster, 1);

    thread::scope(|scope| {
        let flush = scope.spawn(|| producer.flush_timeout(LONG));
        let _ = producer.close(Duration::ZERO);
        assert_eq!(flush.join().expect("no panic"), Ok(()));
    });

    assert!(future.is_done());
}

// API-13
#[test]
fn has_nothing_to_do_after_close_or_before_the_first_record() {
    let cluster = cluster();
    let producer = producer(&cluster, &[]);

    producer.flush().expect("nothing to wait for");
    producer.close(LONG).expect("in time");
    producer.flush().expect("nothing to wait for");
}
