//! Whose time a record carries (API-20).

use std::time::{SystemTime, UNIX_EPOCH};

use kafka_producer::{ErrorCode, Persistence, ProducerRecord};

use crate::harness;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

#[test]
fn a_record_carries_the_time_of_its_send() {
    let Some(broker) = harness::broker() else { return };
    broker.create_topic("create-time", 1, &[]);
    let producer = harness::producer(broker, &[]);

    let before = now_ms();
    let metadata = producer.send(record("create-time")).get().expect("an acknowledgement");
    let after = now_ms();

    assert!((before..=after).contains(&metadata.timestamp()));
    assert_eq!(broker.read("create-time")[0].timestamp_ms, metadata.timestamp());
}

#[test]
fn a_topic_may_prefer_the_brokers_time() {
    let Some(broker) = harness::broker() else { return };
    broker.create_topic("log-append-time", 1, &["message.timestamp.type=LogAppendTime"]);
    let producer = harness::producer(broker, &[]);

    let before = now_ms();
    let sent = producer.send(record("log-append-time").timestamp(1_000));
    let metadata = sent.get().expect("an acknowledgement");
    let after = now_ms();

    assert!((before..=after).contains(&metadata.timestamp()));
    assert_eq!(broker.read("log-append-time")[0].timestamp_ms, metadata.timestamp());
}

#[test]
fn a_time_out_of_the_brokers_range_is_refused() {
    let Some(broker) = harness::broker() else { return };
    let configs =
        ["message.timestamp.before.max.ms=3600000", "message.timestamp.after.max.ms=3600000"];
    broker.create_topic("narrow-times", 1, &configs);
    let producer = harness::producer(broker, &[]);

    for timestamp in [now_ms() - DAY_MS, now_ms() + DAY_MS] {
        let sent = producer.send(record("narrow-times").timestamp(timestamp));
        let error = sent.get().expect_err("out of range");
        assert_eq!(error.code(), Some(ErrorCode::InvalidTimestamp), "{error}");
        assert_eq!(error.persistence(), Persistence::Refused);
    }
    assert_eq!(broker.read("narrow-times"), []);
}

fn record(topic: &str) -> ProducerRecord<'_, [u8], [u8]> {
    ProducerRecord::without_key(topic, &b"value"[..])
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("a time of this age")
}
