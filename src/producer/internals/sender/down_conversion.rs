//! What goes to brokers before 0.11, in the format that they know. Java: `Sender.sendProduceRequest`.

use crate::client::kafka_client::KafkaClient;
use crate::common::node::NodeId;
use crate::compress::CompressionType;
use crate::error::{Error, ErrorKind};
use crate::producer::internals::partition_ref::PartitionId;
use crate::producer::internals::producer_batch::{NotConvertible, ProducerBatch, Split};
use crate::producer::internals::sendable_partitions::Turn;
use crate::producer::internals::sender::produce_request::{
    FIRST_PRODUCE_OF_BATCHES, OutgoingBatch,
};
use crate::producer::internals::sender::{RequestCompletionHandler, Sender};
use crate::protocol::api_keys::ApiKey;
use crate::record::record_version::RecordVersion;

impl<C: KafkaClient> Sender<C> {
    /// Notes whether a broker is connected that knows nothing newer than message sets.
    pub(super) fn note_old_brokers(&self) {
        let lowest = self.client.lowest_produce_version();
        let are_there = lowest.is_some_and(|version| version < FIRST_PRODUCE_OF_BATCHES);
        if are_there != self.accumulator.has_old_brokers() {
            self.accumulator.set_has_old_brokers(are_there);
        }
    }

    /// The format in which records go to `node`. What has no place in a message set, as the numbers of an idempotent
    /// producer, is never left out silently: such batches stay what they are, and find no version to travel in.
    pub(super) fn record_version(&self, node: NodeId) -> RecordVersion {
        let is_old = self
            .client
            .usable_version(node, ApiKey::Produce)
            .is_some_and(|version| version < FIRST_PRODUCE_OF_BATCHES);
        let needs_batches =
            self.transaction_manager.is_some() || self.settings.codec == CompressionType::Zstd;
        if is_old && !needs_batches { RecordVersion::V1 } else { RecordVersion::V2 }
    }

    /// Makes message sets of what was drained. What turns out too large for the request waits for the next one, or is
    /// split if it is too large for any.
    pub(super) fn down_convert(
        &mut self,
        node: NodeId,
        drained: Vec<Box<ProducerBatch>>,
        turn: &Turn<'_>,
    ) -> Vec<OutgoingBatch> {
        let limit = self.settings.max_request_size;
        let mut size = 0;
        let mut outgoing = Vec::with_capacity(drained.len());
        for mut batch in drained {
            match batch.down_convert() {
                Ok(bytes) if bytes.len() > limit && batch.record_count() > 1 => {
                    log::debug!("{} is too much for one message set", batch.topic_partition());
                    self.reenqueue_halves(batch, &unreadable(), turn.now);
                }
                Ok(bytes) if size > 0 && size + bytes.len() > limit => {
                    self.partitions.reinsert(batch, turn);
                }
                Ok(bytes) => {
                    size += bytes.len();
                    outgoing.push(OutgoingBatch::new(batch, Some(bytes)));
                }
                Err(NotConvertible::SomeHaveHeaders) => {
                    let error = self.headers_error(node);
                    self.reenqueue_parts(batch, Split::AtHeaders, &error, turn.now);
                }
                Err(NotConvertible::AllHaveHeaders) => self.refuse_headers(batch, node, turn),
                Err(NotConvertible::Unreadable) => {
                    self.fail(batch, &unreadable(), turn.now);
                }
            }
        }
        outgoing
    }

    /// Fails `batch`, but not before what is on its way of its partition: callbacks run in order.
    fn refuse_headers(&mut self, batch: Box<ProducerBatch>, node: NodeId, turn: &Turn<'_>) {
        let partition = batch.partition_id();
        if self.is_on_its_way(partition) {
            self.partitions.reinsert(batch, turn);
            self.partitions.mute(partition, turn); // until the next answer
            return;
        }
        let error = self.headers_error(node);
        self.fail(batch, &error, turn.now);
    }

    /// Whether a request is on its way with records of `partition` that are still to be answered.
    fn is_on_its_way(&self, partition: PartitionId) -> bool {
        self.handlers.values().any(|handler| match handler {
            RequestCompletionHandler::Produce(handler) => {
                let mut open = handler.batches.iter().filter(|batch| !batch.is_completed());
                open.any(|batch| batch.partition_id() == partition)
            }
            RequestCompletionHandler::InitProducerId => false,
        })
    }

    fn headers_error(&self, node: NodeId) -> Error {
        headers_need_newer_brokers().with_broker(self.broker_name(node))
    }
}

fn unreadable() -> Error {
    Error::new(ErrorKind::InvalidRecord { reason: "its batch cannot be read back".into() })
}

/// The error of a record with headers where a broker cannot store them.
pub(crate) fn headers_need_newer_brokers() -> Error {
    let message = "brokers before 0.11 cannot store headers: send the record without, or upgrade";
    Error::new(ErrorKind::UnsupportedVersion { message: message.into() })
}
