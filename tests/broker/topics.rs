//! Topics that are not there, may not be written, or grow.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use kafka_producer::{
    ByteArraySerializer, Deadline, Error, ErrorCode, Headers, KafkaProducer, Persistence,
    ProducerConfig, ProducerInterceptor, ProducerRecord, RecordMetadata,
};

use crate::harness;

/// API-07: the error comes when `max.block.ms` is over, and names the reason.
#[test]
fn a_topic_that_does_not_exist_is_waited_for_and_then_named() {
    let Some(broker) = harness::broker() else { return };
    let producer = harness::producer(broker, &[("max.block.ms", "1500")]);

    let start = Instant::now();
    let error = producer.send(record("no-such-topic")).get().expect_err("there is none");
    let waited = start.elapsed();

    assert!(waited >= Duration::from_millis(1500), "{waited:?}");
    assert!(waited < Duration::from_millis(2500), "{waited:?}");
    assert_eq!(error.deadline(), Some(Deadline::MaxBlock));
    assert_eq!(error.code(), Some(ErrorCode::UnknownTopicOrPartition));
    assert_eq!(error.persistence(), Persistence::NeverSent);
    assert!(error.to_string().contains("no-such-topic"), "{error}");
    assert!(error.to_string().contains("1500 ms"), "{error}");
}

/// API-08: a partition that is not there yet fails; once it is, the same call succeeds.
#[test]
fn a_partition_added_later_is_found() {
    let Some(broker) = harness::broker() else { return };
    broker.create_topic("grows", 2, &[]);
    let impatient = harness::producer(broker, &[("max.block.ms", "1000")]);

    let error = impatient.send(record("grows").partition(2)).get().expect_err("not there yet");
    broker.grow_topic("grows", 3);
    let producer = harness::producer(broker, &[]);
    let metadata = producer.send(record("grows").partition(2)).get().expect("there now");
    let again = impatient.send(record("grows").partition(2)).get();

    assert_eq!(error.deadline(), Some(Deadline::MaxBlock));
    assert_eq!((error.topic(), error.partition()), (Some("grows"), Some(2)));
    assert!(error.to_string().contains("partition 2 of 2"), "{error}");
    assert_eq!((metadata.partition(), metadata.offset()), (2, 0));
    assert_eq!(again.expect("also for a producer that knew the topic before").offset(), 1);
}

/// Counts how often it is told of a failure.
#[derive(Debug, Default)]
struct Failures(AtomicU32);

#[derive(Debug)]
struct CountFailures(Arc<Failures>);

impl ProducerInterceptor<[u8], [u8]> for CountFailures {
    fn on_acknowledgement(&self, result: Result<&RecordMetadata, &Error>, _headers: &Headers<'_>) {
        if result.is_err() {
            self.0.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// API-10: told at once and exactly once to each who asked; other topics do not suffer.
#[test]
fn an_illegal_name_fails_at_once() {
    let Some(broker) = harness::broker() else { return };
    broker.create_topic("legal", 1, &[]);
    let long = "x".repeat(250);
    for name in ["a b", "..", "tøpic", &long] {
        let (in_interceptor, in_callback) =
            (Arc::new(Failures::default()), Arc::new(Failures::default()));
        let config = ProducerConfig::from_properties([("bootstrap.servers", broker.bootstrap())]);
        let producer: KafkaProducer<[u8], [u8]> = KafkaProducer::builder(config.expect("valid"))
            .interceptor(CountFailures(Arc::clone(&in_interceptor)))
            .build(ByteArraySerializer, ByteArraySerializer)
            .expect("a producer");

        let start = Instant::now();
        let told = Arc::clone(&in_callback);
        producer.send_with_callback(record(name), move |result| {
            if result.is_err_and(|error| error.code() == Some(ErrorCode::InvalidTopicException)) {
                told.0.fetch_add(1, Ordering::Relaxed);
            }
        });
        let error = producer.send(record(name)).get().expect_err("illegal");
        let waited = start.elapsed();

        assert_eq!(error.code(), Some(ErrorCode::InvalidTopicException), "{name}: {error}");
        assert!(waited < Duration::from_secs(5), "{name}: {waited:?}");
        assert!(producer.send(record("legal")).get().is_ok(), "after {name}");
        assert_eq!(in_callback.0.load(Ordering::Relaxed), 1, "{name}");
        assert_eq!(in_interceptor.0.load(Ordering::Relaxed), 2, "{name}: one for each record");
    }
}

/// API-11: Kafka's own topics take no records from a producer.
#[test]
fn an_internal_topic_refuses() {
    let Some(broker) = harness::broker() else { return };
    broker.create_topic("__transaction_state", 1, &[]);
    let producer = harness::producer(broker, &[]);

    let error = producer.send(record("__transaction_state")).get().expect_err("internal");

    assert_eq!(error.code(), Some(ErrorCode::InvalidTopicException), "{error}");
    assert_eq!(error.persistence(), Persistence::Refused);
    assert_eq!(broker.read("__transaction_state"), []);
}

fn record(topic: &str) -> ProducerRecord<'_, [u8], [u8]> {
    ProducerRecord::without_key(topic, &b"value"[..])
}
