//! Records that are refused, by the broker or before they leave.

use std::sync::mpsc;

use kafka_producer::{Error, ErrorCode, ErrorKind, KafkaProducer, Persistence, ProducerRecord};

use crate::harness;

/// API-05: one attempt, not in the log, and the producer goes on.
#[test]
fn a_record_beyond_the_topics_limit_is_refused_by_the_broker() {
    let Some(broker) = harness::broker() else { return };
    for acks in ["all", "1"] {
        let topic = format!("too-large-for-the-topic-{acks}");
        broker.create_topic(&topic, 1, &["max.message.bytes=1000"]);
        let producer = harness::producer(broker, &[("acks", acks)]);

        let error = answer(&producer, &topic, &[b'x'; 5000]).expect_err("too large");
        let next = answer(&producer, &topic, b"small");

        assert_eq!(error.code(), Some(ErrorCode::MessageTooLarge));
        assert_eq!(error.attempts(), 1);
        assert_eq!(error.persistence(), Persistence::Refused);
        assert_eq!((error.topic(), error.partition()), (Some(topic.as_str()), Some(0)));
        assert_eq!(next, Ok(0));
        assert_eq!(broker.read(&topic).len(), 1);
    }
}

/// API-06: the limit itself is allowed, one byte more is not, and nothing of it leaves.
#[test]
fn a_record_beyond_max_request_size_stays_here() {
    const LIMIT: usize = 2000;
    /// The batch's header, and the most that a record of this size needs beside its value.
    const OVERHEAD: usize = 61 + 21 + 1 + 2 + 1;
    let Some(broker) = harness::broker() else { return };
    broker.create_topic("max-request-size", 1, &[]);
    let producer = harness::producer(broker, &[("max.request.size", &LIMIT.to_string())]);

    let fits = answer(&producer, "max-request-size", &vec![b'x'; LIMIT - OVERHEAD]);
    let error = answer(&producer, "max-request-size", &vec![b'x'; LIMIT - OVERHEAD + 1])
        .expect_err("too large");

    assert_eq!(fits, Ok(0));
    assert_eq!(
        *error.kind(),
        ErrorKind::RecordTooLarge { size: LIMIT + 1, limit: LIMIT, property: "max.request.size" }
    );
    assert_eq!(error.persistence(), Persistence::NeverSent);
    assert_eq!(broker.read("max-request-size").len(), 1);
}

/// The offset or the error of one record; future and callback tell the same.
fn answer(producer: &KafkaProducer<[u8], [u8]>, topic: &str, value: &[u8]) -> Result<i64, Error> {
    let (told, callback) = mpsc::channel();
    let record = ProducerRecord::without_key(topic, value);
    let future = producer.send_with_callback(record, move |result| {
        let result = result.map(|metadata| metadata.offset()).map_err(Clone::clone);
        told.send(result).expect("the test waits");
    });
    let answer = future.get().map(|metadata| metadata.offset());
    assert_eq!(callback.recv().expect("the callback runs"), answer);
    answer
}
