//! What `send` promises.

use kafka_producer::mock_cluster::MockCluster;
use kafka_producer::{
    IntegerSerializer, KafkaProducer, ProducerConfig, ProducerRecord, StringSerializer,
};

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
    let records = cluster.records("test", 0);
    assert_eq!(records[0].value.as_deref(), Some(b"Message_1".as_slice()));
}
