//! Batches that we compress, in the hands of Kafka's broker, its consumers, its tools and kcat.

use std::process::Command;

use kafka_producer::ProducerRecord;

use crate::harness::{self, Broker, Record};

const CODECS: [&str; 4] = ["gzip", "snappy", "lz4", "zstd"];
const COUNT: i64 = 3000;

/// API-01, COMPAT-05: a partition for each codec, with text and noise, small and large.
#[test]
fn every_codec_is_read_by_everybody() {
    let Some(broker) = harness::broker() else { return };
    let topic = "codecs";
    broker.create_topic(topic, 4, &[]);
    let mut sent = Vec::new();
    for (codec, partition) in CODECS.into_iter().zip(0..) {
        let properties = [("compression.type", codec), ("linger.ms", "20")];
        let producer = harness::producer(broker, &properties);
        for offset in 0..COUNT {
            let record = record(partition, offset);
            let value = record.value.as_deref();
            let to_send = ProducerRecord::new(topic, record.key.as_deref(), value);
            let to_send = to_send.partition(partition).timestamp(record.timestamp_ms);
            producer.send(to_send.header("codec", Some(codec.as_bytes())));
            sent.push(record);
        }
        producer.flush().expect("all is answered");
    }

    let mut read = broker.read(topic);
    read.sort_by_key(|record| (record.partition, record.offset));

    assert!(read == sent, "{} of {} records, or others", read.len(), sent.len());
    assert_eq!(lines_of_console_consumer(broker, topic), values(&sent));
    if let Some(mut read) = harness::kcat(broker, topic) {
        read.sort_by_key(|record| (record.partition, record.offset));
        assert_eq!(values(&read).len(), values(&sent).len());
        assert!(values(&read) == values(&sent), "kcat reads something else");
    }
    for (codec, partition) in CODECS.into_iter().zip(0..) {
        assert_segment_is_sound(broker, topic, partition, codec);
    }
}

/// CFG-11: what a level makes, every reader reads.
#[test]
fn levels_change_nothing_for_readers() {
    let Some(broker) = harness::broker() else { return };
    broker.create_topic("levels", 4, &[]);
    for ((codec, property, level), partition) in [
        ("gzip", "compression.gzip.level", "1"),
        ("gzip", "compression.gzip.level", "9"),
        ("zstd", "compression.zstd.level", "-50"),
        ("zstd", "compression.zstd.level", "19"),
    ]
    .into_iter()
    .zip(0..)
    {
        let properties = [("compression.type", codec), (property, level)];
        let producer = harness::producer(broker, &properties);
        for offset in 0..200 {
            let value = record(partition, offset).value;
            let to_send = ProducerRecord::without_key("levels", value.as_deref());
            producer.send(to_send.partition(partition));
        }
        producer.flush().expect("all is answered");
    }

    for read in broker.read("levels") {
        assert_eq!(read.value, record(read.partition, read.offset).value);
    }
}

/// COMPAT-06: the topic has its own codec, and times of the broker's.
#[test]
fn a_topic_may_have_another_codec() {
    let Some(broker) = harness::broker() else { return };
    let configs = ["compression.type=lz4", "message.timestamp.type=LogAppendTime"];
    broker.create_topic("another-codec", 1, &configs);
    let producer = harness::producer(broker, &[("compression.type", "zstd")]);

    for offset in 0..100 {
        let value = record(0, offset).value;
        producer.send(ProducerRecord::without_key("another-codec", value.as_deref()));
    }
    producer.flush().expect("all is answered");

    let values: Vec<_> =
        broker.read("another-codec").into_iter().map(|record| record.value).collect();
    let expected = (0..100).map(|offset| record(0, offset).value);
    assert_eq!(values, expected.collect::<Vec<_>>());
}

/// Text most of the time; every seventh record has no pattern, every hundredth is large.
fn record(partition: i32, offset: i64) -> Record {
    let text = format!("{{\"offset\":{offset},\"user\":\"user-{}\",\"ok\":true}}", offset % 50);
    let value = match offset {
        offset if offset % 100 == 0 => text.repeat(500),
        offset if offset % 7 == 0 => noise(offset),
        _ => text,
    };
    Record {
        partition,
        offset,
        timestamp_ms: 1_700_000_000_000 + offset,
        key: (offset % 3 == 0).then(|| offset.to_be_bytes().to_vec()),
        value: Some(value.into_bytes()),
        headers: headers(partition),
    }
}

fn headers(partition: i32) -> Vec<(String, Option<Vec<u8>>)> {
    let codec = CODECS[usize::try_from(partition).expect("a partition")];
    vec![("codec".to_owned(), Some(codec.into()))]
}

fn noise(seed: i64) -> String {
    let mut state = u64::try_from(seed).expect("an offset") * 2 + 1;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'0' + u8::try_from((state >> 33) & 63).expect("6 bits"))
    };
    (0..300).map(|_| next()).collect()
}

/// The values alone, in the order of the alphabet: the console consumer mixes partitions.
fn values(records: &[Record]) -> Vec<String> {
    let text = |record: &Record| String::from_utf8(record.value.clone().expect("a value"));
    let mut values: Vec<_> = records.iter().map(|record| text(record).expect("text")).collect();
    values.sort();
    values
}

fn lines_of_console_consumer(broker: &Broker, topic: &str) -> Vec<String> {
    let mut tool = broker.tool("org.apache.kafka.tools.consumer.ConsoleConsumer");
    tool.args(["--bootstrap-server", broker.bootstrap(), "--topic", topic, "--from-beginning"]);
    tool.args(["--timeout-ms", "20000", "--max-messages", &(4 * COUNT).to_string()]);
    let mut lines: Vec<_> = output(&mut tool).lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// Kafka's own tool reads every batch and every record in it, and finds the codec that was asked for.
fn assert_segment_is_sound(broker: &Broker, topic: &str, partition: i32, codec: &str) {
    let mut tool = broker.tool("org.apache.kafka.tools.DumpLogSegments");
    tool.args(["--deep-iteration", "--files"]).arg(broker.segment(topic, partition));

    let dump = output(&mut tool);

    let batches: Vec<_> = dump.lines().filter(|line| line.starts_with("baseOffset:")).collect();
    let records = dump.lines().filter(|line| line.trim_start().starts_with("| offset:")).count();
    assert!(batches.iter().all(|line| line.contains("isvalid: true")), "{dump}");
    let compressed = format!("compresscodec: {codec}");
    assert!(batches.iter().all(|line| line.contains(&compressed)), "{dump}");
    assert!(batches.len() > 3, "{dump}");
    assert_eq!(records, usize::try_from(COUNT).expect("small"), "{codec}");
}

fn output(command: &mut Command) -> String {
    let output = command.output().expect("a program that runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}
