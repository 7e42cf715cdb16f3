//! What a broker finds too large as a batch is sent in parts.

use std::sync::Arc;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use kafka_producer::mock_cluster::{Api, Fault, MockCluster, TopicOptions};
use kafka_producer::{ErrorCode, FutureRecordMetadata, KafkaProducer, Persistence};

use crate::setup::{LONG, TOPIC, answer, await_batches, log, produced, producer, record};

const COUNT: usize = 300;

// Java: SenderTest.testIdempotentSplitBatchAndSend
#[test]
fn every_record_of_a_batch_that_is_too_large_arrives_once_and_in_order() {
    // Without idempotence only one request at a time keeps the order.
    for (idempotence, in_flight) in [("true", "5"), ("false", "1")] {
        let cluster = cluster(1000);
        let properties = [
            ("linger.ms", "3600000"),
            ("delivery.timeout.ms", "4000000"),
            ("enable.idempotence", idempotence),
            ("max.in.flight.requests.per.connection", in_flight),
        ];
        let producer = producer(&cluster, &properties);
        let called_back = Arc::new(Mutex::new(Vec::new()));
        let values: Vec<_> = (0..COUNT).map(|number| format!("value {number}")).collect();

        let futures: Vec<_> = values
            .iter()
            .map(|value| {
                let called_back = Arc::clone(&called_back);
                producer.send_with_callback(record(value), move |result| {
                    called_back.lock().expect("no panic").push(result.map(|it| it.offset()).ok());
                })
            })
            .collect();
        producer.flush_timeout(LONG).expect("in time");

        let offsets: Vec<_> = (0..).take(COUNT).collect();
        let answered = futures.iter().map(|future| answer(future).expect("acknowledged").offset());
        assert_eq!(answered.collect::<Vec<i64>>(), offsets);
        let expected: Vec<_> = offsets.into_iter().map(Some).collect();
        assert_eq!(*called_back.lock().expect("no panic"), expected);
        let stored = cluster.records(TOPIC, 0);
        let stored = stored.iter().map(|record| record.value.clone().expect("a value"));
        assert_eq!(
            stored.collect::<Vec<_>>(),
            values.iter().map(|v| v.as_bytes()).collect::<Vec<_>>()
        );
    }
}

// ACC-13
#[test]
fn records_that_come_while_batches_leave_and_are_split_arrive_whole_and_once() {
    let (threads, each) = (4, 250);
    let cluster = cluster(1000);
    let producer = producer(&cluster, &[("batch.size", "2000"), ("linger.ms", "1")]);

    thread::scope(|scope| {
        for thread in 0..threads {
            let producer = &producer;
            scope.spawn(move || {
                for number in 0..each {
                    producer.send(record(&value(thread, number)));
                }
            });
        }
    });
    producer.flush_timeout(LONG).expect("in time");

    let stored = log(&cluster, 0);
    for thread in 0..threads {
        let name = format!("{thread}-");
        let of_thread: Vec<_> = stored.iter().filter(|value| value.starts_with(&name)).collect();
        let expected: Vec<_> = (0..each).map(|number| value(thread, number)).collect();
        assert_eq!(of_thread, expected.iter().collect::<Vec<_>>());
    }
    assert_eq!(stored.len(), threads * each);
    assert!(produced(&cluster).iter().any(|batch| batch.size > 1000), "some had to be split");
}

fn value(thread: usize, number: usize) -> String {
    format!("{thread}-{number:0100}")
}

#[test]
fn a_single_record_that_is_too_large_fails_and_the_others_do_not() {
    let cluster = cluster(1000);
    let producer = producer(&cluster, &[("linger.ms", "50")]);
    let large = "x".repeat(2000);

    let before = producer.send(record("before"));
    let refused = producer.send(record(&large));
    let after = producer.send(record("after"));

    assert_eq!(answer(&before).expect("acknowledged").offset(), 0);
    let error = answer(&refused).expect_err("too large for the broker");
    assert!(error.to_string().contains("MESSAGE_TOO_LARGE"), "{error}");
    assert_eq!(answer(&after).expect("acknowledged").offset(), 1);
}

// A batch that waited grew beyond what the topic takes. Its parts were overtaken by the batches behind it.
#[test]
fn batches_stay_as_small_as_asked_for_where_the_parts_of_one_could_be_overtaken() {
    let cluster = cluster(1000);
    cluster.inject(Fault::delay(Duration::from_millis(5)).on(Api::Produce).always());
    let properties = [("acks", "1"), ("retries", "0"), ("batch.size", "900")];
    let producer = producer(&cluster, &properties);
    let values: Vec<_> = (0..10 * COUNT).map(|number| format!("value {number}")).collect();

    values.iter().for_each(|value| drop(producer.send(record(value))));
    producer.flush_timeout(LONG).expect("in time");

    assert_eq!(log(&cluster, 0), values);
    assert!(produced(&cluster).iter().all(|batch| batch.size <= 900));
}

// A batch that had grown while it waited, and whose first answer was lost, could not be split: its records failed.
#[test]
fn a_batch_that_is_too_large_arrives_in_parts_also_if_an_earlier_attempt_got_no_answer() {
    let cluster = cluster(2000);
    let (_producer, sent, futures) = send_behind_another(&cluster, || {
        cluster.inject(Fault::close_after_append().on(Api::Produce).after(1));
    });

    futures.iter().for_each(|future| drop(answer(future).expect("acknowledged")));

    assert_eq!(log(&cluster, 0), sent);
    let attempts = produced(&cluster).iter().filter(|batch| batch.size > 2000).count();
    assert!(attempts >= 2, "one had grown, and was sent again: {attempts}");
}

// The topic takes less than it did when the batch was sent first, and has the whole of it.
#[test]
fn parts_of_a_batch_that_is_in_the_log_do_not_double_its_records() {
    let cluster = cluster(100_000);
    let (producer, mut sent, futures) = send_behind_another(&cluster, || {
        cluster
            .inject(Fault::append_then_error(ErrorCode::RequestTimedOut).on(Api::Produce).after(1));
        cluster.inject(Fault::error(ErrorCode::MessageTooLarge).on(Api::Produce).after(2));
    });

    let told = futures.iter().map(|future| answer(future).map_err(|it| it.persistence()));
    let failed: Vec<_> = told.filter_map(Result::err).collect();
    assert!(failed.len() > COUNT / 2, "they were in the batch that was split: {}", failed.len());
    assert!(failed.iter().all(|persistence| *persistence == Persistence::Perhaps));
    answer(&producer.send(record("after"))).expect("acknowledged");

    sent.push("after".to_owned());
    assert_eq!(log(&cluster, 0), sent);
}

/// Sends many records while another one is on its way, so that they become a batch of `batch.size` and a larger one, after
/// `trouble`. Returns all values that were sent, and the futures of the many.
fn send_behind_another(
    cluster: &MockCluster,
    trouble: impl FnOnce(),
) -> (KafkaProducer<str, str>, Vec<String>, Vec<FutureRecordMetadata>) {
    let producer = producer(cluster, &[("linger.ms", "0"), ("batch.size", "500")]);
    let values: Vec<_> = (0..=COUNT).map(|number| format!("value {number}")).collect();
    cluster.inject(Fault::hold().on(Api::Produce));
    let first = producer.send(record(&values[0]));
    await_batches(cluster, 1);
    let futures = values[1..].iter().map(|value| producer.send(record(value))).collect();
    trouble();
    cluster.release();
    answer(&first).expect("acknowledged");
    (producer, values, futures)
}

fn cluster(max_message_bytes: usize) -> MockCluster {
    let cluster = MockCluster::start(1).expect("a cluster");
    let options = TopicOptions::new(1).max_message_bytes(max_message_bytes);
    cluster.create_topic_with(TOPIC, options);
    cluster
}
