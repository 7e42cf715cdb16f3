//! What `send` promises.

use std::cell::RefCell;
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kafka_producer::mock_cluster::{Api, MockCluster, TopicOptions};
use kafka_producer::{
    ByteArraySerializer, ErrorCode, ErrorKind, IntegerSerializer, KafkaProducer, ProducerConfig,
    ProducerRecord, StringSerializer,
};

use crate::setup::{
    LONG, TOPIC, answer, build, builder, cluster, failure, log, numbers, offset, producer, record,
    send_telling,
};

// API-01
#[test]
fn a_record_is_acknowledged_and_can_be_read_back() {
    let cluster = MockCluster::start(1).expect("a cluster");
    let config =
        ProducerConfig::from_properties([("bootstrap.servers", cluster.bootstrap_servers())])
            .expect("valid");
    let producer: KafkaProducer<i32, str> =
        KafkaProducer::new(config, IntegerSerializer, StringSerializer::default())
            .expect("a producer");

    let metadata = producer.send(ProducerRecord::new("test", &1, "Message_1")).get();

    let metadata = metadata.expect("acknowledged");
    assert_eq!(metadata.to_string(), "test-0@0");
    assert_eq!((metadata.serialized_key_size(), metadata.serialized_value_size()), (4, 9));
    let records = cluster.records("test", 0);
    assert_eq!(records[0].key.as_deref(), Some([0, 0, 0, 1].as_slice()));
    assert_eq!(records[0].value.as_deref(), Some(b"Message_1".as_slice()));
    assert_eq!(records[0].timestamp, metadata.timestamp());
}

// API-01
#[test]
fn future_and_callback_tell_the_same() {
    let cluster = cluster();
    let producer = producer(&cluster, &[]);
    let (tell, told) = mpsc::channel();

    let future = producer.send_with_callback(record("a"), move |result| {
        tell.send(result.expect("acknowledged").clone()).expect("heard");
    });

    let by_future = answer(&future).expect("acknowledged");
    assert_eq!(by_future, told.recv_timeout(LONG).expect("called"));
}

// The thread's own buffers were gone by then, and the process was aborted.
#[test]
fn a_thread_may_send_while_it_ends() {
    struct Farewell(KafkaProducer<str, str>);
    impl Drop for Farewell {
        fn drop(&mut self) {
            drop(self.0.send(record("farewell")));
        }
    }
    thread_local! {
        static FAREWELL: RefCell<Option<Farewell>> = const { RefCell::new(None) };
    }
    let cluster = cluster();
    let producer = producer(&cluster, &[]);
    let sent_by_thread = producer.clone();

    let thread = thread::spawn(move || {
        FAREWELL.set(Some(Farewell(sent_by_thread.clone())));
        offset(&sent_by_thread.send(record("hello")))
    });
    thread.join().expect("no panic");
    producer.flush().expect("answered");

    assert_eq!(cluster.records(TOPIC, 0).len(), 2);
}

// API-02
#[test]
fn null_and_empty_stay_apart() {
    let cluster = cluster();
    let config =
        ProducerConfig::from_properties([("bootstrap.servers", cluster.bootstrap_servers())]);
    let producer: KafkaProducer<[u8], [u8]> =
        KafkaProducer::new(config.expect("valid"), ByteArraySerializer, ByteArraySerializer)
            .expect("a producer");
    let fields: [Option<&[u8]>; 3] = [None, Some(b""), Some(b"x")];

    for key in fields {
        for value in fields {
            let record = ProducerRecord::new(TOPIC, key, value).header("h", key).header("", value);
            producer.send(record).get().expect("acknowledged");
        }
    }

    let owned = |field: Option<&[u8]>| field.map(<[u8]>::to_vec);
    let sent = fields.iter().flat_map(|key| fields.map(|value| (owned(*key), owned(value))));
    for (record, (key, value)) in cluster.records(TOPIC, 0).iter().zip(sent) {
        assert_eq!((&record.key, &record.value), (&key, &value));
        assert_eq!(record.headers, [("h".to_owned(), key), (String::new(), value)]);
    }
    assert_eq!(cluster.end_offset(TOPIC, 0), 9);
}

// API-03
#[test]
fn headers_keep_order_and_repeats() {
    let cluster = cluster();
    let producer = producer(&cluster, &[]);
    let names: Vec<_> = (0..500).map(|number| format!("header-{}", number % 7)).collect();

    let with_headers =
        names.iter().fold(record("a"), |record, name| record.header(name, Some(name)));
    producer.send(with_headers).get().expect("acknowledged");

    let read: Vec<_> = cluster.records(TOPIC, 0)[0].headers.clone();
    let expected = names.iter().map(|name| (name.clone(), Some(name.clone().into_bytes())));
    assert_eq!(read, expected.collect::<Vec<_>>());
}

// API-20
#[test]
fn a_timestamp_is_the_callers_or_that_of_send() {
    let cluster = cluster();
    let producer = producer(&cluster, &[]);

    let explicit = producer.send(record("a").timestamp(1_700_000_000_000)).get();
    let before = now_millis();
    let now = producer.send(record("b")).get().expect("acknowledged").timestamp();

    assert_eq!(explicit.expect("acknowledged").timestamp(), 1_700_000_000_000);
    assert!((before..=now_millis()).contains(&now), "{now}");
    let stored: Vec<_> = cluster.records(TOPIC, 0).iter().map(|record| record.timestamp).collect();
    assert_eq!(stored, [1_700_000_000_000, now]);
}

// API-20
#[test]
fn where_the_broker_sets_the_time_the_metadata_has_it() {
    let cluster = MockCluster::start(1).expect("a cluster");
    cluster.create_topic_with(TOPIC, TopicOptions::new(1).log_append_time());
    let producer = producer(&cluster, &[]);

    let metadata = producer.send(record("a").timestamp(7)).get().expect("acknowledged");

    assert!(metadata.timestamp() > 7);
    assert_eq!(cluster.records(TOPIC, 0)[0].timestamp, metadata.timestamp());
}

// API-09
#[test]
fn an_impossible_record_fails_without_a_word_to_the_brokers() {
    let cluster = cluster();
    let producer = producer(&cluster, &[]);

    let impossible = [
        record("a").partition(-1),
        record("a").timestamp(-1),
        ProducerRecord::without_key("", "a"),
        ProducerRecord::without_key("x".repeat(40_000), "a"),
    ];
    for record in impossible {
        let future = producer.send(record);
        assert!(future.is_done());
        assert!(matches!(failure(&future).kind(), ErrorKind::InvalidRecord { .. }));
    }

    assert!(cluster.requests().iter().all(|request| request.topics.is_empty()));
}

// API-10
#[test]
fn a_name_that_was_found_invalid_is_not_asked_about_again() {
    let cluster = cluster();
    let producer = producer(&cluster, &[]);
    let invalid = || ProducerRecord::without_key("a b", "a");
    failure(&producer.send(invalid()));
    cluster.clear_requests();

    for _ in 0..10 {
        let error = failure(&producer.send(invalid()));
        assert_eq!(error.code(), Some(ErrorCode::InvalidTopicException));
    }

    assert!(cluster.requests().iter().all(|request| request.topics != ["a b"]));
}

// API-10
#[test]
fn a_topic_that_the_brokers_refuse_fails_at_once_and_alone() {
    let cluster = cluster();
    let producer = producer(&cluster, &[("max.block.ms", "3600000")]);

    for topic in ["a b", "..", "ü", &"x".repeat(250)] {
        let told = send_telling(&producer, ProducerRecord::without_key(topic, "a"));
        let error = told.recv_timeout(LONG).expect("called").expect_err("refused");
        assert_eq!(error.code(), Some(ErrorCode::InvalidTopicException));
        assert_eq!(error.topic(), Some(topic));
    }

    assert_eq!(offset(&producer.send(record("b"))), 0);
}

// API-04
#[test]
fn acks_tell_the_broker_who_has_to_have_the_record() {
    let cluster = cluster();

    for (acks, number, offset) in [("0", 0, -1), ("1", 1, 1), ("all", -1, 2)] {
        let producer = producer(&cluster, &[("acks", acks)]);
        let metadata = producer.send(record(acks)).get().expect("acknowledged");
        assert_eq!((metadata.offset(), metadata.has_offset()), (offset, offset >= 0));
        let arrived = cluster.wait_for_requests(LONG, |requests| {
            requests.last().is_some_and(|request| request.acks == Some(number))
        });
        assert!(arrived, "acks={acks}");
    }

    assert_eq!(log(&cluster, 0), ["0", "1", "all"]);
}

// API-04
#[test]
fn without_acks_a_refused_record_goes_unnoticed_and_the_next_finds_a_new_connection() {
    let cluster = MockCluster::builder().max_message_bytes(1000).start().expect("a cluster");
    let producer = producer(&cluster, &[("acks", "0")]);

    let refused = producer.send(record(&"x".repeat(2000))).get().expect("handed over");
    assert_eq!(refused.offset(), -1);
    while log(&cluster, 0).is_empty() {
        producer.send(record("small")).get().expect("handed over"); // some may meet the closing connection
    }

    let connections: Vec<_> = cluster.requests().iter().map(|request| request.connection).collect();
    assert!(connections.last() > connections.first(), "{connections:?}");
}

// CON-01
#[test]
fn every_thread_finds_its_records_in_its_order() {
    let (threads, each) = (8, 500);
    let cluster = cluster();
    let producer = producer(&cluster, &[]);

    thread::scope(|scope| {
        for name in 0..threads {
            let producer = producer.clone();
            scope.spawn(move || {
                for number in 0..each {
                    let value = number.to_string();
                    producer.send(ProducerRecord::new(
                        TOPIC,
                        name.to_string().as_str(),
                        value.as_str(),
                    ));
                }
            });
        }
    });
    producer.flush().expect("in time");

    let records = cluster.records(TOPIC, 0);
    for name in 0..threads {
        let key = name.to_string().into_bytes();
        let of_thread = records.iter().filter(|record| record.key.as_ref() == Some(&key));
        let values = of_thread.map(|record| record.value.clone().expect("a value"));
        let expected: Vec<_> = numbers(each).into_iter().map(String::into_bytes).collect();
        assert_eq!(values.collect::<Vec<_>>(), expected, "thread {name}");
    }
}

// It asked twice, and the second time for a topic that it knew by then.
#[test]
fn the_first_record_of_a_topic_asks_for_metadata_once() {
    let cluster = cluster();
    let producer = producer(&cluster, &[]);
    producer.partitions_for("others").expect("known"); // now no request for everything is due
    cluster.clear_requests();

    offset(&producer.send(record("a")));

    let asks_again = cluster.wait_for_requests(Duration::from_millis(300), |requests| {
        requests.iter().filter(|request| request.api == Api::Metadata).count() > 1
    });
    assert!(!asks_again, "{:?}", cluster.requests());
}

// It named no address: neither the connection nor the request had timed out by then.
#[test]
fn a_peer_that_keeps_silent_is_named() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("an address").to_string();
    let producer = build(builder(&address, &[("max.block.ms", "50")]));

    let error = failure(&producer.send(record("a")));

    assert_eq!(
        error.to_string(),
        format!(
            "topic orders: no metadata of the topic within max.block.ms (50 ms): broker {address}: \
             no answer within max.block.ms (50 ms)"
        )
    );
}

// API-09
#[test]
fn an_empty_topic_is_called_that_wherever_it_is_named() {
    let cluster = cluster();
    let producer = producer(&cluster, &[]);

    let of_send = failure(&producer.send(ProducerRecord::without_key("", "a")));
    let of_partitions = producer.partitions_for("").expect_err("no name");

    for error in [of_send, of_partitions] {
        assert_eq!(error.to_string(), "invalid record: the topic is empty");
    }
}

fn now_millis() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since_epoch.as_millis()).expect("before the year 292 million")
}
