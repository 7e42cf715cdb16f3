//! What interceptors are promised.

use kafka_producer::mock_cluster::MockCluster;
use kafka_producer::{
    Error, Header, Headers, KafkaProducer, ProducerInterceptor, ProducerRecord, RecordMetadata,
};

use crate::setup::{
    Journal, LONG, answer, build, builder, cluster, failure, log, record, whole_batch,
};

/// Appends its name to the value and to the headers, and notes what it sees.
struct Signs {
    name: &'static str,
    journal: Journal,
}

impl ProducerInterceptor<str, str> for Signs {
    fn on_send(&self, record: &mut ProducerRecord<'_, str, str>) {
        let signed = format!("{}{}", record.value().unwrap_or_default(), self.name);
        record.set_value(Some(signed.into()));
        record.headers_mut().add(Header::new(self.name, Some(b"signed".as_slice())));
    }

    fn on_acknowledgement(&self, result: Result<&RecordMetadata, &Error>, headers: &Headers<'_>) {
        let outcome = if result.is_ok() { "ok" } else { "failed" };
        self.journal.note(format!("{} {outcome} {}", self.name, headers.len()));
    }
}

/// Changes the record first, then panics; panics again when it is told the end.
struct Panics;

impl ProducerInterceptor<str, str> for Panics {
    fn on_send(&self, record: &mut ProducerRecord<'_, str, str>) {
        record.set_timestamp(Some(4711));
        panic!("on purpose");
    }

    fn on_acknowledgement(&self, _: Result<&RecordMetadata, &Error>, _: &Headers<'_>) {
        panic!("on purpose");
    }
}

// API-16
#[test]
fn each_sees_what_the_one_before_made_of_the_record() {
    let cluster = cluster();
    let (producer, journal) = signed_by_two(&cluster, &[]);
    let of_callback = journal.clone();

    let sent = producer.send_with_callback(record("x"), move |_| of_callback.note("callback"));

    answer(&sent).expect("acknowledged");
    assert_eq!(log(&cluster, 0), ["xab"]);
    assert_eq!(cluster.records("orders", 0)[0].headers.len(), 2);
    assert_eq!(journal.entries(), ["a ok 2", "b ok 2", "callback"]);
}

// API-16
#[test]
fn a_panic_stops_neither_the_record_nor_the_others() {
    let cluster = cluster();
    let journal = Journal::default();
    let signs = Signs { name: "a", journal: journal.clone() };
    let builder = builder(&cluster.bootstrap_servers(), &[]);
    let producer = build(builder.interceptor(Panics).interceptor(signs));

    let metadata = producer.send(record("x")).get().expect("acknowledged");

    assert_eq!(metadata.timestamp(), 4711, "what it did before stays done");
    assert_eq!(log(&cluster, 0), ["xa"]);
    assert_eq!(journal.entries(), ["a ok 1"]);
}

// API-16
#[test]
fn each_is_told_once_of_every_record_however_early_it_fails() {
    let cluster = MockCluster::builder().auto_create_topics(None).start().expect("a cluster");
    let properties = [("max.block.ms", "20"), ("max.request.size", "1000")];
    let (producer, journal) = signed_by_two(&cluster, &properties);
    let unknown_topic = producer.send(record("x"));
    cluster.create_topic("orders", 1);

    let early_failures = [
        unknown_topic,
        producer.send(record(&whole_batch())),
        producer.send(record("x").partition(-1)),
        producer.send(record("x").partition(9)),
        producer.send(ProducerRecord::without_key("a b", "x")),
    ];
    producer.close(LONG).expect("in time");
    let closed = producer.send(record("x"));

    for future in early_failures.iter().chain([&closed]) {
        failure(future);
    }
    assert_eq!(journal.entries(), ["a failed 2", "b failed 2"].repeat(6));
}

#[test]
fn one_may_redirect_a_record() {
    struct Redirects;
    impl ProducerInterceptor<str, str> for Redirects {
        fn on_send(&self, record: &mut ProducerRecord<'_, str, str>) {
            record.set_topic("elsewhere");
            record.set_key(None);
            record.set_partition(Some(0));
        }
    }
    let cluster = cluster();
    let producer = build(builder(&cluster.bootstrap_servers(), &[]).interceptor(Redirects));

    let sent = producer.send(ProducerRecord::new("orders", "key", "x")).get();

    assert_eq!(sent.expect("acknowledged").to_string(), "elsewhere-0@0");
    assert_eq!(cluster.records("elsewhere", 0)[0].key, None);
}

fn signed_by_two(
    cluster: &MockCluster,
    properties: &[(&str, &str)],
) -> (KafkaProducer<str, str>, Journal) {
    let journal = Journal::default();
    let signs = |name| Signs { name, journal: journal.clone() };
    let builder = builder(&cluster.bootstrap_servers(), properties);
    (build(builder.interceptor(signs("a")).interceptor(signs("b"))), journal)
}
