//! What `send` makes of serializers.

use kafka_producer::{
    ErrorKind, Header, Headers, KafkaProducer, ProducerConfig, ProducerRecord, SerializationError,
    Serializer, StringSerializer,
};

use crate::setup::{LONG, TOPIC, cluster};

/// Does with a value what it says.
struct Obedient;

impl Serializer<str> for Obedient {
    fn serialize<'a>(
        &self,
        topic: &str,
        headers: &mut Headers<'_>,
        data: &'a str,
        buffer: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, SerializationError> {
        headers.add(Header::new("topic", Some(topic.as_bytes().to_vec())));
        match data {
            "fail" => Err(SerializationError::new("as you wish")),
            "panic" => panic!("as you wish"),
            "null" => Ok(None),
            "borrow" => Ok(Some(data.as_bytes())),
            _ => {
                buffer.extend_from_slice(b"written");
                Ok(Some(buffer))
            }
        }
    }
}

// API-21
#[test]
fn one_that_fails_or_panics_fails_that_record_alone() {
    let cluster = cluster();
    let producer = obedient(&cluster.bootstrap_servers());

    for (key, value) in [("fail", "x"), ("x", "fail"), ("panic", "x"), ("x", "panic")] {
        let future = producer.send(ProducerRecord::new(TOPIC, key, value));
        assert!(future.is_done());
        let error = future.get().expect_err("not serialized");
        assert!(matches!(error.kind(), ErrorKind::Serialization { .. }), "{error}");
        assert_eq!(error.topic(), Some(TOPIC));
    }

    assert_eq!(cluster.end_offset(TOPIC, 0), 0);
    producer.send(ProducerRecord::new(TOPIC, "x", "x")).get().expect("acknowledged");
}

#[test]
fn bytes_may_be_borrowed_written_or_null_and_headers_added() {
    let cluster = cluster();
    let producer = obedient(&cluster.bootstrap_servers());

    producer.send(ProducerRecord::new(TOPIC, "borrow", "write"));
    producer.send(ProducerRecord::new(TOPIC, "write", "null"));
    producer.send(ProducerRecord::new(TOPIC, None, "borrow"));
    producer.close(LONG).expect("in time");

    let records = cluster.records(TOPIC, 0);
    let fields = records.iter().map(|record| (record.key.as_deref(), record.value.as_deref()));
    let expected = [
        (Some(b"borrow".as_slice()), Some(b"written".as_slice())),
        (Some(b"written"), None),
        (None, Some(b"borrow")),
    ];
    assert_eq!(fields.collect::<Vec<_>>(), expected);
    let added = records.iter().map(|record| record.headers.len());
    assert_eq!(added.collect::<Vec<_>>(), [2, 2, 1], "null is not shown to a serializer");
}

#[test]
fn one_may_send_a_record_itself() {
    struct Audits(KafkaProducer<str, str>);
    impl Serializer<str> for Audits {
        fn serialize<'a>(
            &self,
            _: &str,
            _: &mut Headers<'_>,
            data: &'a str,
            buffer: &'a mut Vec<u8>,
        ) -> Result<Option<&'a [u8]>, SerializationError> {
            buffer.extend_from_slice(data.as_bytes());
            self.0.send(ProducerRecord::new(TOPIC, "audit", data)).get().expect("acknowledged");
            Ok(Some(buffer))
        }
    }
    let cluster = cluster();
    let servers = cluster.bootstrap_servers();
    let audits = Audits(obedient(&servers));
    let producer: KafkaProducer<str, str> =
        KafkaProducer::new(config(&servers), StringSerializer::default(), audits)
            .expect("a producer");

    producer.send(ProducerRecord::new(TOPIC, "k", "borrow")).get().expect("acknowledged");

    let values = cluster.records(TOPIC, 0).into_iter().map(|record| record.value);
    assert_eq!(values.collect::<Vec<_>>(), [Some(b"borrow".to_vec()), Some(b"borrow".to_vec())]);
}

fn obedient(servers: &str) -> KafkaProducer<str, str> {
    KafkaProducer::new(config(servers), Obedient, Obedient).expect("a producer")
}

fn config(servers: &str) -> ProducerConfig {
    ProducerConfig::from_properties([("bootstrap.servers", servers)]).expect("valid")
}
