//! A million records from four threads: all acknowledged, each in the log once, at the offset that its callback told.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::thread;

use kafka_producer::{Error, KafkaProducer, ProducerRecord, RecordMetadata};

use crate::harness::{self, Record};

const TOPIC: &str = "a-million";
const PARTITIONS: usize = 6;
const THREADS: u32 = 4;
const RECORDS_PER_THREAD: u32 = 250_000;
const SIZE: usize = 100;

/// What the callbacks told: a place for each record, `UNTOLD` before.
#[derive(Debug)]
struct Told {
    places: Vec<AtomicI64>,
    /// Failures, and records told of twice. (A panic in a callback would end there.)
    faults: AtomicU32,
}

const UNTOLD: i64 = -1;

#[test]
fn a_million_records_arrive_once_and_in_order() {
    let Some(broker) = harness::broker() else { return };
    broker.create_topic(TOPIC, i32::try_from(PARTITIONS).expect("few"), &[]);
    let producer = harness::producer(broker, &[("acks", "all"), ("enable.idempotence", "true")]);
    let places = (0..THREADS * RECORDS_PER_THREAD).map(|_| AtomicI64::new(UNTOLD)).collect();
    let told = Arc::new(Told { places, faults: AtomicU32::new(0) });

    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (producer, told) = (&producer, &told);
            scope.spawn(move || send_share(producer, thread, told));
        }
    });
    producer.flush().expect("all is answered");

    assert_eq!(told.faults.load(Ordering::Relaxed), 0);
    assert!(
        told.places.iter().all(|place| place.load(Ordering::Relaxed) != UNTOLD),
        "each is acknowledged"
    );
    assert_told_once_and_in_order(&broker.read(TOPIC), &told);
    if let Some(records) = harness::kcat(broker, TOPIC) {
        assert_told_once_and_in_order(&records, &told);
    }
}

fn send_share(producer: &KafkaProducer<[u8], [u8]>, thread: u32, told: &Arc<Told>) {
    for number in 0..RECORDS_PER_THREAD {
        let index = thread * RECORDS_PER_THREAD + number;
        let told = Arc::clone(told);
        let callback = move |result: Result<&RecordMetadata, &Error>| {
            let place = result.map(|metadata| place(metadata.partition(), metadata.offset()));
            let before =
                told.places[index as usize].swap(place.unwrap_or(UNTOLD), Ordering::Relaxed);
            if place.is_err() || before != UNTOLD {
                told.faults.fetch_add(1, Ordering::Relaxed);
            }
        };
        producer
            .send_with_callback(ProducerRecord::without_key(TOPIC, &value(index)[..]), callback);
    }
}

/// The record's number in ten digits, and a filler made from it.
fn value(index: u32) -> [u8; SIZE] {
    let mut value = [b'a' + (index % 26) as u8; SIZE];
    value[..10].copy_from_slice(format!("{index:010}").as_bytes());
    value
}

fn index(value: &[u8]) -> u32 {
    let digits = std::str::from_utf8(&value[..10]).expect("text");
    digits.parse().expect("a number")
}

/// Partition and offset in one number.
fn place(partition: i32, offset: i64) -> i64 {
    i64::from(partition) << 40 | offset
}

fn assert_told_once_and_in_order(records: &[Record], told: &Told) {
    assert_eq!(records.len(), told.places.len(), "none is missing, none is there twice");
    let mut newest = [[None; PARTITIONS]; THREADS as usize];
    for record in records {
        let bytes = record.value.as_deref().expect("a value");
        let index = index(bytes);
        assert!(bytes == value(index), "the bytes of record {index}");
        let told = told.places[index as usize].load(Ordering::Relaxed);
        assert_eq!(told, place(record.partition, record.offset), "the place of record {index}");
        let partition = usize::try_from(record.partition).expect("a partition");
        let before = newest[(index / RECORDS_PER_THREAD) as usize][partition].replace(index);
        assert!(before < Some(index), "record {index} comes after {before:?}");
    }
}
