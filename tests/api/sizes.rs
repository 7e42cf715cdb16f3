//! How large records and requests may be.

use kafka_producer::mock_cluster::{Api, MockCluster, TopicOptions};
use kafka_producer::{ErrorCode, ErrorKind, Persistence, ProducerRecord};

use crate::setup::{
    TOPIC, answer, cluster, failure, log, offset, produced, producer, record, send_telling,
};

/// What a record without key and headers takes beside its value: the batch's header, the record's own at its largest, and
/// the lengths of key, value and headers.
const OVERHEAD: usize = 61 + 21 + 1 + 2 + 1;

// API-06, BUF-03
#[test]
fn a_record_may_be_exactly_as_large_as_the_limit() {
    for property in ["max.request.size", "buffer.memory"] {
        let cluster = cluster();
        let properties = [(property, "5000"), ("batch.size", "100")];
        let producer = producer(&cluster, &properties);

        let fits = producer.send(record(&"x".repeat(5000 - OVERHEAD)));
        let too_large = send_telling(&producer, record(&"x".repeat(5001 - OVERHEAD)));

        let error = too_large.try_recv().expect("called at once").expect_err("too large");
        let expected = match property {
            "buffer.memory" => {
                ErrorKind::RecordTooLarge { size: 5001, limit: 5000, property: "buffer.memory" }
            }
            _ => {
                ErrorKind::RecordTooLarge { size: 5001, limit: 5000, property: "max.request.size" }
            }
        };
        assert_eq!((error.kind(), error.property()), (&expected, Some(property)));
        assert_eq!(error.persistence(), Persistence::NeverSent);
        assert_eq!(offset(&fits), 0);
        assert_eq!(produced(&cluster).len(), 1);
        assert_eq!(offset(&producer.send(record("small"))), 1);
    }
}

// A batch takes memory as its records come, so `batch.size` may be larger than all there is.
#[test]
fn a_batch_size_larger_than_all_memory_keeps_nobody_waiting() {
    let cluster = cluster();
    let producer = producer(&cluster, &[("buffer.memory", "5000")]);

    for _ in 0..100 {
        producer.send(record("small"));
    }
    producer.flush().expect("in time");

    assert_eq!(cluster.end_offset("orders", 0), 100);
}

// API-06
#[test]
fn keys_and_headers_count() {
    let cluster = cluster();
    let producer = producer(&cluster, &[("max.request.size", "1000")]);
    let large = "x".repeat(1000);

    for record in
        [ProducerRecord::new(TOPIC, large.as_str(), "v"), record("v").header("h", Some(&large))]
    {
        let error = failure(&producer.send(record));
        assert!(matches!(error.kind(), ErrorKind::RecordTooLarge { .. }));
    }
}

// ACC-02
#[test]
fn a_record_larger_than_a_batch_begins_one_of_its_own() {
    let cluster = cluster();
    let producer = producer(&cluster, &[("batch.size", "1000"), ("linger.ms", "1000")]);

    let values = ["a".to_owned(), "b".repeat(5000), "c".repeat(50)];
    for value in &values {
        producer.send(record(value));
    }
    producer.flush().expect("in time");

    assert_eq!(log(&cluster, 0), values);
    let sizes = produced(&cluster).iter().map(|batch| batch.size).collect::<Vec<_>>();
    assert!(sizes[0] < 100 && sizes[1] > 5000, "{sizes:?}");
}

// ACC-03
#[test]
fn batches_without_a_size_are_sent_all_the_same() {
    let cluster = cluster();
    cluster.create_topic("wide", 3);
    let producer = producer(&cluster, &[("batch.size", "0")]);

    let futures: Vec<_> =
        (0..30).map(|_| producer.send(ProducerRecord::without_key("wide", "x"))).collect();

    for future in &futures {
        answer(future).expect("acknowledged");
    }
}

// ACC-04
#[test]
fn requests_stay_within_their_limit_and_no_partition_starves() {
    let cluster = MockCluster::start(1).expect("a cluster");
    cluster.create_topic("wide", 50);
    let limit = 10_000;
    let properties = [("max.request.size", "10000"), ("batch.size", "2000"), ("linger.ms", "1000")];
    let producer = producer(&cluster, &properties);

    let value = "x".repeat(1500);
    for partition in 0..50 {
        for _ in 0..4 {
            producer.send(ProducerRecord::without_key("wide", value.as_str()).partition(partition));
        }
    }
    producer.flush().expect("in time");

    let requests = cluster.requests();
    let produce = requests.iter().filter(|request| request.api == Api::Produce);
    for request in produce {
        let size: usize = request.batches.iter().map(|batch| batch.size).sum();
        assert!(size <= limit, "{size} bytes in {} batches", request.batches.len());
    }
    assert!((0..50).all(|partition| cluster.end_offset("wide", partition) == 4));
}

// API-05
#[test]
fn a_single_record_too_large_for_the_topic_fails_at_the_first_attempt() {
    let cluster = MockCluster::start(1).expect("a cluster");
    cluster.create_topic_with(TOPIC, TopicOptions::new(1).max_message_bytes(1000));
    let producer = producer(&cluster, &[]);

    let error = failure(&producer.send(record(&"x".repeat(2000))));

    assert_eq!(error.code(), Some(ErrorCode::MessageTooLarge));
    assert_eq!((error.attempts(), error.persistence()), (1, Persistence::Refused));
    assert_eq!(produced(&cluster).len(), 1);
    assert_eq!(offset(&producer.send(record("small"))), 0);
}
