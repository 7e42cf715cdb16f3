//! Batches that are compressed: what a consumer would read is what was sent.

use std::thread;

use kafka_producer::mock_cluster::{Api, TopicOptions};
use kafka_producer::{CompressionType, ErrorKind, ProducerConfig, ProducerRecord};

use crate::setup::{LONG, TOPIC, answer, cluster, failure, log, offset, producer, record};

const CODECS: [&str; 4] = ["gzip", "snappy", "lz4", "zstd"];

// API-01
#[test]
fn records_arrive_unchanged_with_every_codec() {
    for codec in CODECS {
        let cluster = cluster();
        let producer = producer(&cluster, &[("compression.type", codec), ("linger.ms", "20")]);
        let values: Vec<_> = (0..5000).map(|number| format!("{{\"number\":{number}}}")).collect();

        let futures: Vec<_> = values.iter().map(|value| producer.send(record(value))).collect();
        let with_header = ProducerRecord::new(TOPIC, "key", "value").timestamp(77);
        let last = producer.send(with_header.header("name", Some(b"header")));
        producer.flush_timeout(LONG).expect("in time");

        let offsets: Vec<_> = futures.iter().map(offset).collect();
        assert_eq!(offsets, (0..5000).collect::<Vec<_>>(), "{codec}");
        let mut records = cluster.records(TOPIC, 0);
        let read = records.pop().expect("records");
        assert_eq!((read.offset, read.timestamp), (offset(&last), 77));
        assert_eq!(read.key.as_deref(), Some(&b"key"[..]));
        assert_eq!(read.headers, [("name".to_owned(), Some(b"header".to_vec()))]);
        let read = records.into_iter().map(|record| record.value.expect("a value"));
        assert!(read.eq(values.iter().map(|value| value.as_bytes().to_vec())), "{codec}");
        let sizes = cluster.requests().into_iter().flat_map(|request| request.batches);
        let sent: usize = sizes.map(|batch| batch.size).sum();
        assert!(sent < values.iter().map(String::len).sum(), "{codec}: {sent} bytes");
    }
}

// ACC-09: noise in topics that were compressible, and the other way round, from many threads.
#[test]
fn what_compresses_and_what_does_not_may_alternate() {
    for codec in CODECS {
        let cluster = cluster();
        cluster.create_topic_with("small", TopicOptions::new(1).max_message_bytes(20_000));
        let producer = producer(&cluster, &[("compression.type", codec), ("linger.ms", "1")]);

        thread::scope(|scope| {
            for thread in 0..4_u64 {
                let producer = &producer;
                scope.spawn(move || {
                    for number in 0..500 {
                        let value = if number / 100 % 2 == 0 {
                            "x".repeat(500)
                        } else {
                            noise(thread, number)
                        };
                        let key = format!("{thread} {number}");
                        producer.send(ProducerRecord::new("small", &*key, &*value));
                    }
                });
            }
        });
        producer.flush_timeout(LONG).expect("in time");

        let records = cluster.records("small", 0);
        for thread in 0..4 {
            let name = format!("{thread} ");
            let keys = records.iter().filter_map(|record| {
                String::from_utf8(record.key.clone()?).ok()?.strip_prefix(&name)?.parse().ok()
            });
            assert_eq!(keys.collect::<Vec<u64>>(), (0..500).collect::<Vec<_>>(), "{codec}");
        }
    }
}

// ACC-02, INP-05
#[test]
fn a_large_record_travels_alone() {
    for codec in CODECS {
        let cluster = cluster();
        let producer = producer(&cluster, &[("compression.type", codec)]);
        let value: String = (0..900).map(|number| noise(1, number)).collect();

        assert_eq!(offset(&producer.send(record(&value))), 0);
        assert_eq!(offset(&producer.send(record("small"))), 1);

        assert_eq!(log(&cluster, 0), [value, "small".to_owned()]);
    }
}

// COMPAT-04
#[test]
fn zstd_to_a_broker_before_2_1_is_an_error_at_once() {
    let cluster = cluster();
    cluster.set_versions(Api::Produce, 3..=6);
    let zstd = producer(&cluster, &[("compression.type", "zstd")]);
    let lz4 = producer(&cluster, &[("compression.type", "lz4")]);

    let error = failure(&zstd.send(record("a")));
    answer(&lz4.send(record("b"))).expect("acknowledged");

    assert!(matches!(error.kind(), ErrorKind::UnsupportedVersion { .. }), "{error}");
    assert!(error.to_string().contains("set another compression.type"), "{error}");
    assert_eq!(log(&cluster, 0), ["b"]);
}

#[test]
fn the_typed_builder_has_the_codecs() {
    let config = ProducerConfig::builder()
        .bootstrap_servers("localhost:9092")
        .compression_type(CompressionType::Gzip)
        .compression_gzip_level(1)
        .build()
        .expect("valid settings");

    assert_eq!(config.to_properties()["compression.type"], "gzip");
    assert_eq!(config.to_properties()["compression.gzip.level"], "1");
}

/// Text of 1000 characters without a pattern.
fn noise(thread: u64, number: u64) -> String {
    let mut state = (thread << 32 | number) * 2 + 1;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b' ' + u8::try_from(state >> 33 & 63).expect("6 bits"))
    };
    (0..1000).map(|_| next()).collect()
}
