//! Null and empty, headers, partition and timestamp: what is sent is what Java's consumer reads.

use kafka_producer::ProducerRecord;

use crate::harness::{self, Record};

const NULL: Option<&[u8]> = None;
const EMPTY: Option<&[u8]> = Some(&[]);
const BYTES: Option<&[u8]> = Some(&[0, 255, 10, 32]);

/// API-02: every combination of null, empty and bytes as key, value and header value.
#[test]
fn null_and_empty_are_told_apart() {
    let Some(broker) = harness::broker() else { return };
    broker.create_topic("null-and-empty", 1, &[]);
    let producer = harness::producer(broker, &[]);
    let kinds = [NULL, EMPTY, BYTES];
    let combinations: Vec<_> = kinds
        .into_iter()
        .flat_map(|key| kinds.map(|value| (key, value)))
        .flat_map(|(key, value)| kinds.map(|header| (key, value, header)))
        .collect();

    for (key, value, header) in &combinations {
        let record = ProducerRecord::new("null-and-empty", *key, *value);
        producer.send(record.partition(0).header("h", *header));
    }
    producer.flush().expect("all is answered");

    let read: Vec<_> = broker
        .read("null-and-empty")
        .into_iter()
        .map(|record| (record.key, record.value, record.headers))
        .collect();
    let expected: Vec<_> = combinations
        .into_iter()
        .map(|(key, value, header)| {
            (owned(key), owned(value), vec![("h".to_owned(), owned(header))])
        })
        .collect();
    assert_eq!(read, expected);
}

/// API-03, API-20: headers keep order, duplicates and empty keys; partition and timestamp are those asked for.
#[test]
fn headers_partition_and_timestamp_arrive_unchanged() {
    let Some(broker) = harness::broker() else { return };
    broker.create_topic("unchanged", 4, &[]);
    let producer = harness::producer(broker, &[]);

    let record: ProducerRecord<'_, [u8], [u8]> = ProducerRecord::new("unchanged", BYTES, EMPTY)
        .partition(2)
        .timestamp(1_234_567_890_123)
        .header("twice", Some(b"one"))
        .header("", BYTES)
        .header("null", NULL)
        .header("twice", Some(b"two"))
        .header("", EMPTY)
        .header("schlüssel", Some("wert"));
    let metadata = producer.send(record).get().expect("an acknowledgement");

    let header = |key: &str, value| (key.to_owned(), owned(value));
    let expected = Record {
        partition: 2,
        offset: 0,
        timestamp_ms: 1_234_567_890_123,
        key: owned(BYTES),
        value: owned(EMPTY),
        headers: vec![
            header("twice", Some(b"one")),
            header("", BYTES),
            header("null", NULL),
            header("twice", Some(b"two")),
            header("", EMPTY),
            header("schlüssel", Some(b"wert")),
        ],
    };
    assert_eq!(broker.read("unchanged"), [expected]);
    assert_eq!((metadata.partition(), metadata.offset()), (2, 0));
    assert_eq!(metadata.timestamp(), 1_234_567_890_123);
    assert_eq!((metadata.serialized_key_size(), metadata.serialized_value_size()), (4, 0));
}

/// API-03: five hundred headers on one record.
#[test]
fn many_headers_keep_their_order() {
    let Some(broker) = harness::broker() else { return };
    broker.create_topic("many-headers", 1, &[]);
    let producer = harness::producer(broker, &[]);
    let headers: Vec<_> =
        (0..500).map(|number: u32| (format!("h{}", number % 7), number.to_be_bytes())).collect();

    let mut record: ProducerRecord<'_, [u8], [u8]> =
        ProducerRecord::without_key("many-headers", BYTES);
    for (key, value) in &headers {
        record = record.header(key.as_str(), Some(value));
    }
    producer.send(record).get().expect("an acknowledgement");

    let read = broker.read("many-headers").remove(0).headers;
    let expected: Vec<_> =
        headers.into_iter().map(|(key, value)| (key, Some(value.to_vec()))).collect();
    assert_eq!(read, expected);
}

fn owned(bytes: Option<&[u8]>) -> Option<Vec<u8>> {
    bytes.map(<[u8]>::to_vec)
}
