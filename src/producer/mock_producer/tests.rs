//! Java's `MockProducerTest`, and what this crate promises beyond it.

use std::sync::mpsc;
use std::thread;

use super::*;
use crate::common::header::Header;
use crate::error::ErrorCode;
use crate::producer::round_robin_partitioner::RoundRobinPartitioner;
use crate::serialization::serializer::{SerializationError, StringSerializer};

const TOPIC: &str = "topic";
const ANY_TIME: Duration = Duration::from_secs(1);

// Java: testAutoCompleteMock
#[test]
fn a_record_is_acknowledged_inside_send() {
    let producer = auto_complete();

    let future = producer.send(record("key1", "value1").timestamp(7).header("h", Some(b"1")));

    assert!(future.is_done());
    let metadata = future.get().expect("acknowledged");
    assert_eq!(metadata.to_string(), "topic-0@0");
    assert_eq!(metadata.timestamp(), 7);
    assert_eq!((metadata.serialized_key_size(), metadata.serialized_value_size()), (4, 6));
    let history = producer.history();
    assert_eq!(history.len(), 1);
    assert_eq!((history[0].topic(), history[0].partition()), (TOPIC, 0));
    assert_eq!(history[0].timestamp(), Some(7));
    assert_eq!(history[0].key(), Some(&b"key1"[..]));
    assert_eq!(history[0].value(), Some(&b"value1"[..]));
    let header = history[0].headers().last_header("h").expect("kept");
    assert_eq!(header.value(), Some(&b"1"[..]));
    producer.clear();
    assert_eq!(producer.history(), []);
}

// Java: testPartitioner
#[test]
fn the_partitioner_chooses_among_the_declared_partitions() {
    let producer = MockProducer::builder()
        .topic(TOPIC, 2)
        .partitioner(RoundRobinPartitioner::new())
        .build(StringSerializer::default(), StringSerializer::default());

    let partitions = [0; 3].map(|_| sent_to(&producer, record("key", "value")));

    assert_eq!(partitions, [0, 1, 0]);
    assert_eq!(sent_to(&producer, record("key", "value").partition(1)), 1);
}

#[test]
fn a_record_goes_to_the_first_partition_where_nobody_chooses() {
    let producer = declared(3);

    assert_eq!(sent_to(&producer, record("key", "value")), 0);
    assert_eq!(producer.partitions_for(TOPIC).expect("known").len(), 3);
    assert_eq!(producer.partitions_for("new").expect("created").len(), 1);
}

#[test]
fn offsets_count_from_zero_in_each_partition_and_outlive_clear() {
    let producer = declared(2);
    let offset = |partition| {
        let future = producer.send(record("key", "value").partition(partition));
        future.get().expect("acknowledged").offset()
    };

    assert_eq!([offset(0), offset(0), offset(1)], [0, 1, 0]);
    producer.clear();
    assert_eq!(offset(0), 2);
}

// Java: testManualCompletion
#[test]
fn records_are_answered_one_by_one_in_the_order_sent() {
    let producer = manual();
    let first = producer.send(record("key1", "value1"));
    let second = producer.send(record("key2", "value2"));
    assert!(!first.is_done());

    assert!(producer.complete_next());
    assert!(first.get().is_ok());
    assert!(!second.is_done());

    assert!(producer.error_next(ErrorCode::NotEnoughReplicas));
    let error = second.get().expect_err("failed");
    assert_eq!(error.code(), Some(ErrorCode::NotEnoughReplicas));
    assert_eq!((error.topic(), error.partition()), (Some(TOPIC), Some(0)));
    assert!(!producer.complete_next());

    let (third, fourth) = (producer.send(record("k", "v")), producer.send(record("k", "v")));
    assert!(!third.is_done() && !fourth.is_done());
    producer.flush().expect("open");
    assert!(third.is_done() && fourth.is_done());
}

// Java: testMetadataOnException
#[test]
fn a_failed_record_tells_its_callback_the_error_that_its_future_has() {
    let producer = manual();
    let told = told_by(&producer, record("key2", "value2"));

    assert!(producer.error_next(ErrorKind::Disconnected));

    let error = told.try_recv().expect("called").expect_err("failed");
    assert_eq!(error.kind(), &ErrorKind::Disconnected);
}

// Java: shouldThrowOnSendIfProducerIsClosed, shouldThrowOnFlushProducerIfProducerIsClosed
#[test]
fn a_closed_producer_refuses_everything_through_the_usual_answers() {
    let producer = auto_complete();
    producer.close(ANY_TIME).expect("open");

    let told = told_by(&producer, record("key1", "value1"));

    assert!(producer.closed());
    let closed = |error: &Error| error.kind() == &ErrorKind::Closed;
    assert!(told.try_recv().expect("called").is_err_and(|error| closed(&error)));
    assert!(producer.send(record("key1", "value1")).get().is_err_and(|error| closed(&error)));
    assert!(producer.flush().is_err_and(|error| closed(&error)));
    assert!(producer.partitions_for(TOPIC).is_err_and(|error| closed(&error)));
    assert_eq!(producer.close(ANY_TIME), Ok(()));
    assert_eq!(producer.history(), []);
}

// Java: shouldBeFlushedIfNoBufferedRecords, shouldBeFlushedWithAutoCompleteIfBufferedRecords
#[test]
fn is_flushed_where_nothing_waits_for_its_answer() {
    let producer = auto_complete();

    assert!(producer.flushed());
    producer.send(record("key1", "value1"));
    assert!(producer.flushed());
}

// Java: shouldNotBeFlushedWithNoAutoCompleteIfBufferedRecords, shouldNotBeFlushedAfterFlush
#[test]
fn is_not_flushed_until_flush_where_the_test_answers() {
    let producer = manual();

    producer.send(record("key1", "value1"));
    assert!(!producer.flushed());
    producer.flush().expect("open");
    assert!(producer.flushed());
}

#[test]
fn close_answers_what_waits() {
    let producer = manual();
    let future = producer.send(record("key1", "value1"));

    producer.close(ANY_TIME).expect("open");

    assert!(future.get().is_ok());
}

#[test]
fn a_producer_that_is_dropped_answers_what_waits() {
    let producer = manual();
    let future = producer.send(record("key1", "value1"));

    drop(producer);

    assert_eq!(future.get().expect_err("given up").kind(), &ErrorKind::Closed);
}

#[test]
fn injected_errors_last_until_they_are_taken_back() {
    let producer = auto_complete();
    let error = Error::from(ErrorCode::TopicAuthorizationFailed);
    let outcomes = || {
        let sent = producer.send(record("key1", "value1")).get();
        let partitions = producer.partitions_for(TOPIC);
        [sent.err(), producer.flush().err(), partitions.err(), producer.close(ANY_TIME).err()]
            .map(|error| error.and_then(|error| error.code()))
    };
    let set = |error: Option<Error>| {
        producer.set_send_error(error.clone());
        producer.set_flush_error(error.clone());
        producer.set_partitions_for_error(error.clone());
        producer.set_close_error(error);
    };

    set(Some(error));
    assert_eq!(outcomes(), [Some(ErrorCode::TopicAuthorizationFailed); 4]);
    assert!(!producer.closed());
    set(None);
    assert_eq!(outcomes(), [None; 4]);
    assert!(producer.closed());
}

#[test]
fn a_partition_that_does_not_exist_fails_the_record() {
    let producer = declared(2);

    let told = told_by(&producer, record("key", "value").partition(2));

    let error = told.try_recv().expect("called").expect_err("out of range");
    assert_eq!(
        error.to_string(),
        "topic topic: invalid record: partition 2 does not exist, the topic has 2"
    );
    assert!(producer.send(record("key", "value").partition(-1)).get().is_err());
    assert_eq!(producer.history(), []);
}

#[test]
fn null_stays_null() {
    let producer = auto_complete();

    let metadata = producer.send(ProducerRecord::new(TOPIC, None, None)).get().expect("sent");

    assert_eq!((metadata.serialized_key_size(), metadata.serialized_value_size()), (-1, -1));
    let history = producer.history();
    assert_eq!((history[0].key(), history[0].value()), (None, None));
}

#[test]
fn a_serializer_that_refuses_or_panics_fails_the_record() {
    let producer: MockProducer<str, str> = MockProducer::new(Squeamish, Squeamish);
    let message = |key: &'static str| {
        let error = producer.send(record(key, "value")).get().expect_err("not serialized");
        error.to_string()
    };

    assert_eq!(message("bad"), "topic topic: serialization failed: key: not that");
    assert_eq!(
        message("worse"),
        "topic topic: serialization failed: key: the serializer panicked: a serializer's own mistake"
    );
    assert!(producer.send(record("good", "value")).get().is_ok());
    let sent = producer.history();
    assert_eq!(sent[0].headers().len(), 2, "a serializer may add headers");
}

#[test]
fn a_callback_runs_on_the_thread_that_answers() {
    let producer = manual();
    let (tell, told) = mpsc::channel();
    producer.send_with_callback(record("key1", "value1"), move |_| {
        tell.send(thread::current().id()).expect("the test waits");
    });

    let answering = thread::scope(|scope| {
        let answer = scope.spawn(|| producer.complete_next().then(|| thread::current().id()));
        answer.join().expect("no panic")
    });

    assert_eq!(told.try_recv().ok(), answering);
}

#[test]
fn what_would_wait_for_itself_in_a_callback_is_refused_and_send_is_not() {
    let producer = manual();
    let inside = producer.clone();
    let (tell, told) = mpsc::channel();
    producer.send_with_callback(record("key1", "value1"), move |_| {
        let future = inside.send(record("key2", "value2"));
        let refusals = [inside.flush().err(), inside.close(ANY_TIME).err(), future.get().err()];
        tell.send(refusals).expect("the test waits");
    });

    producer.complete_next();

    let kinds =
        told.try_recv().expect("called").map(|error| error.expect("refused").kind().clone());
    let refused = |method| ErrorKind::CalledFromCallback { method };
    assert_eq!(kinds, [refused("flush"), refused("close"), refused("get")]);
    assert_eq!(producer.history().len(), 2);
    assert_eq!(producer.flush(), Ok(()), "the thread is itself again");
}

#[test]
fn a_future_waits_for_an_answer_of_another_thread() {
    let producer = manual();
    let future = producer.send(record("key1", "value1"));

    thread::scope(|scope| {
        let waiting = scope.spawn(|| future.get());
        producer.complete_next();
        assert!(waiting.join().expect("no panic").is_ok());
    });
}

/// Refuses one string, panics at another, and leaves a header behind.
struct Squeamish;

impl Serializer<str> for Squeamish {
    fn serialize<'a>(
        &self,
        _topic: &str,
        headers: &mut Headers<'_>,
        data: &'a str,
        _buffer: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, SerializationError> {
        headers.add(Header::new("seen", Some(&b"yes"[..])));
        match data {
            "bad" => Err(SerializationError::new("not that")),
            "worse" => panic!("a serializer's own mistake"),
            _ => Ok(Some(data.as_bytes())),
        }
    }
}

fn auto_complete() -> MockProducer<str, str> {
    MockProducer::new(StringSerializer::default(), StringSerializer::default())
}

fn manual() -> MockProducer<str, str> {
    let builder = MockProducer::builder().auto_complete(false);
    builder.build(StringSerializer::default(), StringSerializer::default())
}

fn declared(partitions: i32) -> MockProducer<str, str> {
    let builder = MockProducer::builder().topic(TOPIC, partitions);
    builder.build(StringSerializer::default(), StringSerializer::default())
}

fn record<'a>(key: &'a str, value: &'a str) -> ProducerRecord<'a, str, str> {
    ProducerRecord::new(TOPIC, key, value)
}

fn sent_to(producer: &MockProducer<str, str>, record: ProducerRecord<'_, str, str>) -> i32 {
    producer.send(record).get().expect("acknowledged").partition()
}

/// What the record's callback is told.
fn told_by(
    producer: &MockProducer<str, str>,
    record: ProducerRecord<'_, str, str>,
) -> mpsc::Receiver<Result<RecordMetadata, Error>> {
    let (tell, told) = mpsc::channel();
    producer.send_with_callback(record, move |answer| {
        tell.send(answer.cloned().map_err(Clone::clone)).expect("the test waits");
    });
    told
}
