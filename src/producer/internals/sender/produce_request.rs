//! Produce requests out, their answers in.

use std::sync::Arc;

use crate::client::client_request::ClientRequest;
use crate::client::client_response::{ClientResponse, Outcome};
use crate::client::kafka_client::KafkaClient;
use crate::client::metadata_snapshot::LeaderHint;
use crate::common::node::{Node, NodeId};
use crate::common::uuid::Uuid;
use crate::compress::CompressionType;
use crate::error::{Error, ErrorCode, ErrorKind};
use crate::producer::internals::producer_batch::ProducerBatch;
use crate::producer::internals::sendable_partitions::Turn;
use crate::producer::internals::sender::completion::{Answer, count};
use crate::producer::internals::sender::{RequestCompletionHandler, Sender};
use crate::producer::internals::txn_partition_entry::LogIdentity;
use crate::protocol::api_keys::ApiKey;
use crate::protocol::body::{RequestBody, ResponseBody, SharedBytes};
use crate::protocol::message::produce::{
    NodeEndpoint, PartitionProduceData, PartitionProduceResponse, ProduceRequest, ProduceResponse,
    TopicProduceData,
};
use crate::record::default_record_batch::ProducerState;
use crate::utils::clock::Instant;

/// The batches of one produce request, which belong to it until it is answered.
#[derive(Debug)]
pub(super) struct ProduceHandler {
    pub(super) node: NodeId,
    /// The highest version of the request that the node took, if it took one.
    version: Option<i16>,
    /// In the order of the request: topic by topic.
    pub(super) batches: Vec<Box<ProducerBatch>>,
    /// The topics by the ids that stand for them from version 13 on, in ascending order. Without those that have none.
    topics: Vec<(Uuid, Arc<str>)>,
    /// When the oldest batch runs out of time.
    pub(super) expires: Instant,
}

/// A batch on its way out.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) batch: Box<ProducerBatch>,
    /// What it travels as, if not as it is.
    pub(super) message_set: Option<Vec<u8>>,
}

impl Parcel {
    fn topic(&self) -> &Arc<str> {
        self.batch.topic_partition().shared_topic()
    }
}

/// Since Kafka 0.11 (KIP-98): record batches, and nothing else.
pub(super) const FIRST_PRODUCE_OF_BATCHES: i16 = 3;
/// Since Kafka 2.1 (KIP-110).
const FIRST_PRODUCE_WITH_ZSTD: i16 = 7;

impl<C: KafkaClient> Sender<C> {
    /// Numbers and seals the batches of `parcels` and queues one request with all of them.
    pub(super) fn send_produce_request(
        &mut self,
        node: NodeId,
        mut parcels: Vec<Parcel>,
        turn: &Turn<'_>,
    ) {
        parcels.sort_unstable_by(|left, right| {
            left.batch.topic_partition().cmp(right.batch.topic_partition())
        });
        let least_version = self.least_version(&parcels);
        let mut topics: Vec<TopicProduceData<SharedBytes>> = Vec::new();
        for of_topic in parcels.chunk_by_mut(|left, right| left.topic() == right.topic()) {
            topics.extend(self.topic_data(node, of_topic, turn));
        }
        let batches: Vec<_> = parcels.into_iter().map(|parcel| parcel.batch).collect();
        let expires = batches.iter().map(|batch| batch.created()).min().unwrap_or(turn.now)
            + self.settings.delivery_timeout;
        let with_id = topics.iter().filter(|topic| !topic.topic_id.is_zero());
        let mut ids: Vec<_> =
            with_id.map(|topic| (topic.topic_id, Arc::clone(&topic.name))).collect();
        ids.sort_unstable();
        let version = self.client.usable_version(node, ApiKey::Produce);
        let request = ClientRequest { least_version, ..self.produce_request(node, topics) };
        let correlation_id = self.client.send(request, turn.now);
        self.in_flight_expiry.insert((expires, correlation_id));
        let handler = ProduceHandler { node, version, batches, topics: ids, expires };
        self.handlers.insert(correlation_id, RequestCompletionHandler::Produce(handler));
    }

    /// Numbers and seals the batches of `parcels`, which are of one topic; `None` if nothing is left of them.
    fn topic_data(
        &mut self,
        node: NodeId,
        parcels: &mut [Parcel],
        turn: &Turn<'_>,
    ) -> Option<TopicProduceData<SharedBytes>> {
        let name = Arc::clone(parcels.first()?.topic());
        let mut topic_id = Uuid::ZERO;
        let mut partitions = Vec::with_capacity(parcels.len());
        for Parcel { batch, message_set } in parcels {
            let Some(log) = self.partitions.log_of(batch.partition_id(), node, turn) else {
                continue; // what was drained has its place
            };
            topic_id = log.topic_id;
            let producer = self.number(batch, log);
            if self.settings.guarantees_order {
                self.partitions.mute(batch.partition_id(), turn);
            }
            let index = batch.topic_partition().partition();
            let records = seal(batch, message_set.take(), producer);
            partitions.extend(records.map(|records| PartitionProduceData { index, records }));
        }
        (!partitions.is_empty()).then_some(TopicProduceData { name, topic_id, partitions })
    }

    fn produce_request(
        &self,
        node: NodeId,
        topics: Vec<TopicProduceData<SharedBytes>>,
    ) -> ClientRequest {
        let timeout = self.settings.request_timeout;
        let body = RequestBody::Produce(ProduceRequest {
            transactional_id: None,
            acks: self.settings.acks,
            timeout_ms: i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX),
            topics,
        });
        let expect_response = self.settings.acks != 0;
        ClientRequest { node, body, expect_response, timeout, least_version: 0 }
    }

    /// The version that a broker has to know for what is in `parcels`.
    fn least_version(&self, parcels: &[Parcel]) -> i16 {
        if parcels.iter().any(|parcel| parcel.message_set.is_some()) {
            return 0;
        }
        match self.settings.codec {
            CompressionType::Zstd => FIRST_PRODUCE_WITH_ZSTD,
            _ => FIRST_PRODUCE_OF_BATCHES,
        }
    }

    /// Tells what to do where a setting is why a broker, which takes requests up to `version`, is too old.
    fn explain(&self, version: Option<i16>, cause: Error) -> Error {
        let message = match (version, self.settings.codec) {
            (Some(..FIRST_PRODUCE_WITH_ZSTD), CompressionType::Zstd) => {
                "brokers before 2.1 do not know zstd: set another compression.type"
            }
            (Some(..FIRST_PRODUCE_OF_BATCHES), _) => {
                "brokers before 0.11 have no idempotent producers: set enable.idempotence to false"
            }
            _ => return cause,
        };
        Error::new(ErrorKind::UnsupportedVersion { message: message.into() })
            .with_cause(Some(cause))
    }

    fn number(&mut self, batch: &ProducerBatch, log: LogIdentity) -> ProducerState {
        let Some(transactions) = &mut self.transactions else {
            return ProducerState::NONE;
        };
        transactions.send(batch.partition_id(), batch.id(), count(batch), log)
    }

    /// Java: `handleProduceResponse`.
    pub(super) fn handle_produce_response(
        &mut self,
        response: ClientResponse,
        handler: ProduceHandler,
        now: Instant,
    ) {
        self.in_flight_expiry.remove(&(handler.expires, response.correlation_id));
        let node = handler.node;
        match response.outcome {
            Outcome::Answered(ResponseBody::Produce(answer)) => {
                self.handle_answers(handler, answer, now);
            }
            Outcome::Sent => {
                for batch in handler.batches {
                    self.complete_batch(batch, &Answer::not_expected(), node, now);
                }
            }
            Outcome::UnsupportedVersion(error) => {
                let error = self.explain(handler.version, error);
                for batch in handler.batches {
                    let answer = Answer::local(ErrorCode::UnsupportedVersion, error.clone(), false);
                    self.complete_batch(batch, &answer, node, now);
                }
            }
            Outcome::Disconnected { error, timed_out, written } => {
                let code = if timed_out {
                    ErrorCode::RequestTimedOut
                } else {
                    ErrorCode::NetworkException
                };
                for batch in handler.batches {
                    let answer = Answer::local(code, error.clone(), written);
                    self.complete_batch(batch, &answer, node, now);
                }
            }
            Outcome::Answered(body) => {
                let error = Error::broker_code(ErrorCode::NetworkException, None);
                log::error!("a produce request was answered with {:?}", body.api());
                for batch in handler.batches {
                    let answer = Answer::local(ErrorCode::NetworkException, error.clone(), true);
                    self.complete_batch(batch, &answer, node, now);
                }
            }
        }
    }

    fn handle_answers(&mut self, handler: ProduceHandler, response: ProduceResponse, now: Instant) {
        let ProduceHandler { node, batches, topics, .. } = handler;
        let mut answers = Answers::new(&response, &topics);
        let mut answered: Vec<_> = batches
            .into_iter()
            .map(|batch| {
                let answer = answers.of(&batch).map_or_else(Answer::missing, Answer::of_broker);
                (batch, answer)
            })
            .collect();
        if answers.used < answers.count() {
            log::warn!("broker {node} answered for partitions that it was not asked about");
        }
        self.apply_leader_hints(&response, &answered);
        let succeed = answered.iter_mut().filter(|(_, answer)| answer.is_success());
        self.return_memory(succeed.map(|(batch, _)| batch));
        for (batch, answer) in answered {
            self.complete_batch(batch, &answer, node, now);
        }
    }

    /// Leaders that the broker named in place of itself are asked next (KIP-951).
    fn apply_leader_hints(
        &self,
        response: &ProduceResponse,
        answered: &[(Box<ProducerBatch>, Answer)],
    ) {
        let hints: Vec<_> = answered
            .iter()
            .filter_map(|(batch, answer)| {
                let leader = answer.current_leader.filter(|leader| leader.leader_id >= 0)?;
                Some(LeaderHint {
                    topic: Arc::clone(batch.topic_partition().shared_topic()),
                    partition: batch.topic_partition().partition(),
                    leader: NodeId(leader.leader_id),
                    epoch: leader.leader_epoch,
                })
            })
            .collect();
        if !hints.is_empty() {
            let endpoints: Vec<_> = response.node_endpoints.iter().filter_map(node).collect();
            self.metadata.update_leaders(&hints, &endpoints);
        }
    }
}

/// The bytes with which `batch` goes on its way; `None` if it is completed.
fn seal(
    batch: &mut ProducerBatch,
    message_set: Option<Vec<u8>>,
    producer: ProducerState,
) -> Option<SharedBytes> {
    let Some(bytes) = message_set else {
        return Some(SharedBytes(batch.seal(producer)?));
    };
    batch.begin_attempt();
    Some(SharedBytes(Arc::new(bytes)))
}

fn node(endpoint: &NodeEndpoint) -> Option<Node> {
    let port = u16::try_from(endpoint.port).ok()?;
    Some(Node::new(NodeId(endpoint.node_id), &endpoint.host, port, endpoint.rack.as_deref()))
}

/// Finds the answer for each batch. Brokers answer in any order: Kafka's in that of a hash map.
struct Answers<'a> {
    /// The topic's name, if it is one that was asked about, and the answer; by name and partition.
    partitions: Vec<(Option<&'a str>, &'a PartitionProduceResponse)>,
    used: usize,
}

impl<'a> Answers<'a> {
    /// `topics` are in the order of their ids.
    fn new(response: &'a ProduceResponse, topics: &'a [(Uuid, Arc<str>)]) -> Self {
        let name_of = |wanted| {
            let position = topics.binary_search_by_key(wanted, |(id, _)| *id).ok()?;
            topics.get(position).map(|(_, name)| &**name)
        };
        let count = response.topics.iter().map(|topic| topic.partitions.len()).sum();
        let mut partitions = Vec::with_capacity(count);
        for topic in &response.topics {
            let name = match topic.name.as_str() {
                "" => name_of(&topic.topic_id),
                name => Some(name),
            };
            partitions.extend(topic.partitions.iter().map(|partition| (name, partition)));
        }
        partitions.sort_by_key(|(name, partition)| (*name, partition.index));
        Self { partitions, used: 0 }
    }

    fn count(&self) -> usize {
        self.partitions.len()
    }

    fn of(&mut self, batch: &ProducerBatch) -> Option<&'a PartitionProduceResponse> {
        let topic_partition = batch.topic_partition();
        let wanted = (Some(topic_partition.topic()), topic_partition.partition());
        let place = |(name, partition): &(Option<&'a str>, &PartitionProduceResponse)| {
            (*name, partition.index)
        };
        let position = self.partitions.partition_point(|entry| place(entry) < wanted);
        let (_, answer) = self.partitions.get(position).filter(|entry| place(entry) == wanted)?;
        self.used += 1;
        Some(*answer)
    }
}
