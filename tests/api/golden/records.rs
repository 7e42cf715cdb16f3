//! Records that never leave.

use kafka_producer::mock_cluster::{Api, Fault, MockCluster};
use kafka_producer::{
    Cluster, Headers, Partitioner, ProducerRecord, SerializationError, Serializer, StringSerializer,
};

use super::Texts;
use crate::setup::{
    TOPIC, await_batches, build, builder, cluster, failure, producer, record, whole_batch,
};

struct Refuses;

impl Serializer<str> for Refuses {
    fn serialize<'a>(
        &self,
        _: &str,
        _: &mut Headers<'_>,
        data: &'a str,
        _: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, SerializationError> {
        assert!(data != "panic", "on purpose");
        Err(SerializationError::new("no number in it"))
    }
}

struct ToPartition9;

impl Partitioner for ToPartition9 {
    fn partition(&self, _: &str, _: Option<&[u8]>, value: Option<&[u8]>, _: &Cluster) -> i32 {
        assert!(value != Some(&b"panic"[..]), "on purpose");
        9
    }
}

pub(super) fn texts() -> Texts {
    let cluster = cluster();
    [impossible(&cluster), foreign_code(&cluster), sizes(&cluster), full_buffer(&cluster)].concat()
}

fn impossible(cluster: &MockCluster) -> Texts {
    let producer = producer(cluster, &[]);
    let records = [
        ("A negative partition", record("a").partition(-1)),
        ("A negative timestamp", record("a").timestamp(-1)),
        ("No topic", ProducerRecord::without_key("", "a")),
        ("A topic with a space in its name", ProducerRecord::without_key("a b", "a")),
    ];
    records.map(|(situation, record)| (situation, failure(&producer.send(record)))).into()
}

fn foreign_code(cluster: &MockCluster) -> Texts {
    let refuses = builder(&cluster.bootstrap_servers(), &[]);
    let refuses = refuses.build(StringSerializer::default(), Refuses).expect("a producer");
    let astray = build(builder(&cluster.bootstrap_servers(), &[]).partitioner(ToPartition9));
    vec![
        ("A serializer that refuses", failure(&refuses.send(record("a")))),
        ("A serializer that panics", failure(&refuses.send(record("panic")))),
        ("A partitioner that chooses wrongly", failure(&astray.send(record("a")))),
        ("A partitioner that panics", failure(&astray.send(record("panic")))),
    ]
}

fn sizes(cluster: &MockCluster) -> Texts {
    let value = whole_batch();
    let limits = [
        ("A record above max.request.size", ("max.request.size", "1000")),
        ("A record above buffer.memory", ("buffer.memory", "1000")),
    ];
    let error = |limit: (&'static str, &'static str)| {
        failure(&producer(cluster, &[limit]).send(record(&value)))
    };
    limits.map(|(situation, limit)| (situation, error(limit))).into()
}

fn full_buffer(cluster: &MockCluster) -> Texts {
    let properties = [("buffer.memory", "1024"), ("max.block.ms", "200")];
    let producer = producer(cluster, &properties);
    producer.partitions_for(TOPIC).expect("known");
    cluster.clear_requests();
    cluster.inject(Fault::hold().on(Api::Produce));
    producer.send(record("a"));
    await_batches(cluster, 1);
    let waited = failure(&producer.send(record("b")));
    let did_not_wait = producer.try_send(record("b")).expect_err("no room");
    cluster.release();
    vec![
        ("No memory within max.block.ms", waited),
        ("No memory, and the call must not wait", did_not_wait),
    ]
}
