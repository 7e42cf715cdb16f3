//! The three values of `acks`.

use std::thread;
use std::time::{Duration, Instant};

use kafka_producer::ProducerRecord;

use crate::harness::{self, Broker};

#[test]
fn acks_all_and_1_tell_the_offset() {
    let Some(broker) = harness::broker() else { return };
    for acks in ["all", "1"] {
        let topic = format!("acks-{acks}");
        broker.create_topic(&topic, 1, &[]);
        let producer = harness::producer(broker, &[("acks", acks)]);
        let send = |value: &'static str| {
            producer.send(ProducerRecord::without_key(topic.as_str(), value.as_bytes()))
        };

        let sent: Vec<_> = ["a", "b", "c"].map(send).into_iter().collect();
        let offsets: Vec<_> =
            sent.into_iter().map(|sent| sent.get().expect("an acknowledgement").offset()).collect();

        assert_eq!(offsets, [0, 1, 2]);
        assert_eq!(values(broker, &topic), ["a", "b", "c"]);
    }
}

#[test]
fn acks_0_answers_without_an_offset() {
    let Some(broker) = harness::broker() else { return };
    broker.create_topic("acks-0", 1, &[]);
    let producer = harness::producer(broker, &[("acks", "0")]);

    for value in ["a", "b", "c"] {
        let sent = producer.send(ProducerRecord::without_key("acks-0", value.as_bytes()));
        let metadata = sent.get().expect("written");
        assert!(!metadata.has_offset());
        assert_eq!(metadata.offset(), -1);
    }
    drop(producer);

    await_last_value(broker, "acks-0", "c");
    assert_eq!(values(broker, "acks-0"), ["a", "b", "c"]);
}

/// API-04: nobody says that the record is too large; the broker hangs up, and the producer connects again.
#[test]
fn with_acks_0_a_broker_that_hangs_up_is_found_again() {
    let Some(broker) = harness::broker() else { return };
    broker.create_topic("acks-0-too-large", 1, &["max.message.bytes=1000"]);
    let producer = harness::producer(broker, &[("acks", "0")]);
    let send =
        |value: &[u8]| producer.send(ProducerRecord::without_key("acks-0-too-large", value)).get();

    let metadata = send(&[b'x'; 5000]).expect("written, and that is all that was asked for");
    assert!(!metadata.has_offset());

    // What is written to a connection that is being closed is lost without a word; that is what acks=0 means.
    let deadline = Instant::now() + Duration::from_secs(20);
    while values(broker, "acks-0-too-large").is_empty() {
        assert!(Instant::now() < deadline, "nothing arrives any more");
        let _ = send(b"small");
        thread::sleep(Duration::from_millis(50));
    }
    assert!(values(broker, "acks-0-too-large").iter().all(|value| value == "small"));
}

/// Nobody tells when an unacknowledged record has been written, so look until it is there.
fn await_last_value(broker: &Broker, topic: &str, value: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while values(broker, topic).last().is_none_or(|last| last != value) {
        assert!(Instant::now() < deadline, "{value} has not arrived");
        thread::sleep(Duration::from_millis(50));
    }
}

fn values(broker: &Broker, topic: &str) -> Vec<String> {
    let value = |bytes: Option<Vec<u8>>| String::from_utf8(bytes.expect("a value")).expect("UTF-8");
    broker.read(topic).into_iter().map(|record| value(record.value)).collect()
}
