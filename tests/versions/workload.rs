//! Sends the records, and asks for what a release must refuse.

use std::fmt;
use std::time::Duration;

use kafka_producer::{
    ByteArraySerializer, Error, ErrorKind, FutureRecordMetadata, KafkaProducer, Persistence,
    ProducerConfig, ProducerRecord,
};

use crate::combination::{Combination, Content, Delivery, Topic};
use crate::node::Node;

const LONG: Duration = Duration::from_secs(60);

/// A record that was sent, and what is known of it.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) combination: Combination,
    pub(crate) content: Content,
    /// Where it was acknowledged.
    pub(crate) offset: Option<i64>,
}

impl fmt::Display for Sent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { combination, content, offset } = self;
        write!(formatter, "{combination}: {content}")?;
        offset.map_or(Ok(()), |offset| write!(formatter, ", acknowledged at {offset}"))
    }
}

type Producer = KafkaProducer<[u8], [u8]>;

/// What was sent to each topic, by producers that are still open.
///
/// With `acks=0`, Kafka 0.10.0 forgets requests that it has not come to when their connection is closed.
#[derive(Debug, Default)]
pub(crate) struct Workload {
    pub(crate) text: Vec<Sent>,
    pub(crate) bytes: Vec<Sent>,
    producers: Vec<Producer>,
}

impl Workload {
    /// Sends a combination's records to the topic of bytes, then to that of text: whoever has read all of the latter knows
    /// that a node has all of the former.
    pub(crate) fn send(&mut self, node: &Node, combination: Combination) -> Result<(), String> {
        let name = combination.to_string();
        let properties = [("client.id", name.as_str()), ("compression.type", combination.codec)];
        let properties = [&properties[..], &combination.delivery.properties()].concat();
        let producer = producer(node, &properties)?;
        for (topic, all) in [(Topic::Bytes, &mut self.bytes), (Topic::Text, &mut self.text)] {
            let records = topic.records(combination.number, &node.release);
            let answers: Vec<_> = records.iter().map(|each| pass(&producer, topic, each)).collect();
            producer.flush().map_err(|error| error.to_string())?;
            for (content, answer) in records.into_iter().zip(answers) {
                all.push(answered_as(combination, content, &answer)?);
            }
        }
        self.producers.push(producer);
        Ok(())
    }

    /// Closes the producers, once all was read.
    pub(crate) fn close(self) -> Result<(), String> {
        self.producers
            .into_iter()
            .try_for_each(|producer| producer.close(LONG).map_err(|error| error.to_string()))
    }
}

/// Batches of a few records each.
fn producer(node: &Node, properties: &[(&str, &str)]) -> Result<Producer, String> {
    let usual =
        [("bootstrap.servers", node.bootstrap()), ("linger.ms", "5"), ("batch.size", "3000")];
    let config = ProducerConfig::from_properties(usual.iter().chain(properties).copied());
    let config = config.map_err(|error| error.to_string())?;
    let producer = KafkaProducer::new(config, ByteArraySerializer, ByteArraySerializer);
    producer.map_err(|error| error.to_string())
}

fn pass(producer: &Producer, topic: Topic, content: &Content) -> FutureRecordMetadata {
    let record =
        ProducerRecord::new(topic.name(), content.key.as_deref(), content.value.as_deref());
    let record = record.partition(content.partition).timestamp(content.timestamp_ms);
    producer.send(
        content
            .headers
            .iter()
            .fold(record, |record, (key, value)| record.header(key.as_str(), value.as_deref())),
    )
}

fn answered_as(
    combination: Combination,
    content: Content,
    answer: &FutureRecordMetadata,
) -> Result<Sent, String> {
    let metadata = answer.get_timeout(LONG).map_err(|error| format!("{combination}: {error}"))?;
    let is_acknowledged = combination.delivery != Delivery::Unacknowledged;
    if metadata.has_offset() != is_acknowledged {
        return Err(format!("{combination}: acknowledged at {}", metadata.offset()));
    }
    if metadata.partition() != content.partition || metadata.timestamp() != content.timestamp_ms {
        return Err(format!("{combination}: {content}: acknowledged as {metadata:?}"));
    }
    Ok(Sent { combination, content, offset: is_acknowledged.then(|| metadata.offset()) })
}

/// What the release does not have is refused, with the words that tell what to change; readers see none of it.
pub(crate) fn refuse(node: &Node) -> Result<(), String> {
    let release = &node.release;
    if !release.has_zstd() {
        let plain = [("enable.idempotence", "false"), ("compression.type", "zstd")];
        refused(node, &plain, &[], "compression.type")?;
    }
    if !release.has_idempotence() {
        refused(node, &[], &[], "enable.idempotence")?;
    }
    if !release.has_headers() {
        let header = [("trace".to_owned(), Some(b"1".to_vec()))];
        refused(node, &[("enable.idempotence", "false")], &header, "header")?;
    }
    Ok(())
}

fn refused(
    node: &Node,
    properties: &[(&str, &str)],
    headers: &[(String, Option<Vec<u8>>)],
    named: &str,
) -> Result<(), String> {
    let producer = producer(node, properties)?;
    let value = Some(b"refused".to_vec());
    let headers = headers.to_vec();
    let content = Content { partition: 0, timestamp_ms: 1, key: None, value, headers };
    match pass(&producer, Topic::Text, &content).get() {
        Err(error) if is_refusal(&error) && error.to_string().contains(named) => Ok(()),
        Err(error) => Err(format!("refused for want of {named}, but as: {error}")),
        Ok(metadata) => Err(format!("taken without {named}: {metadata}")),
    }
}

fn is_refusal(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::UnsupportedVersion { .. })
        && error.persistence() == Persistence::NeverSent
}
