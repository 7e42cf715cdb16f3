//! Produce requests out, their answers in.

use std::sync::Arc;

use crate::client::client_request::ClientRequest;
use crate::client::client_response::{ClientResponse, ResponseOutcome};
use crate::client::kafka_client::KafkaClient;
use crate::client::metadata_snapshot::LeaderHint;
use crate::common::node::{Node, NodeId};
use crate::common::uuid::Uuid;
use crate::compress::CompressionType;
use crate::error::{Error, ErrorCode, ErrorKind};
use crate::producer::internals::partition_ref::PartitionKey;
use crate::producer::internals::producer_batch::ProducerBatch;
use crate::producer::internals::sendable_partitions::Turn;
use crate::producer::internals::sender::completion::PartitionResponse;
use crate::producer::internals::sender::{RequestCompletionHandler, Sender};
use crate::producer::internals::txn_partition_entry::LogIdentity;
use crate::protocol::api_keys::ApiKey;
use crate::protocol::body::{RequestBody, ResponseBody, SharedBytes};
use crate::protocol::message::produce::{
    NodeEndpoint, PartitionProduceData, PartitionProduceResponse, ProduceRequest, ProduceResponse,
    TopicProduceData, TopicProduceResponse,
};
use crate::record::default_record_batch::ProducerState;
use crate::utils::clock::Instant;
use crate::utils::prefetch::touch_all;

/// The batches of one produce request, which belong to it until it is answered.
#[derive(Debug)]
pub(super) struct ProduceHandler {
    pub(super) node: NodeId,
    /// The highest version of the request that the node took, if it took one.
    version: Option<i16>,
    /// In the order of the request: topic by topic.
    pub(super) batches: Vec<Box<ProducerBatch>>,
    topics: RequestTopics,
    /// When the oldest batch runs out of time.
    pub(super) expires: Instant,
}

/// The numbers of the topics of a request, for its answer.
#[derive(Debug, Default)]
struct RequestTopics {
    /// With the ids that they had then, zero for none, in ascending order of the numbers.
    ids: Vec<(u32, Uuid)>,
    /// In ascending order of the names.
    by_name: Vec<(Arc<str>, u32)>,
    /// In ascending order of the ids that stand for topics from version 13 on. Without those that have none.
    by_id: Vec<(Uuid, u32)>,
}

/// A batch on its way out.
#[derive(Debug)]
pub(super) struct OutgoingBatch {
    /// The batch's, copied so that sorting does not touch batches.
    key: PartitionKey,
    pub(super) batch: Box<ProducerBatch>,
    /// What it travels as, if not as it is.
    pub(super) message_set: Option<Vec<u8>>,
}

impl OutgoingBatch {
    pub(super) fn new(batch: Box<ProducerBatch>, message_set: Option<Vec<u8>>) -> Self {
        Self { key: batch.key(), batch, message_set }
    }
}

/// Since Kafka 0.11 (KIP-98): record batches, and nothing else.
pub(super) const FIRST_PRODUCE_OF_BATCHES: i16 = 3;
/// Since Kafka 2.1 (KIP-110).
const FIRST_PRODUCE_WITH_ZSTD: i16 = 7;

impl<C: KafkaClient> Sender<C> {
    /// Numbers and seals the batches of `outgoing` and queues one request with all of them.
    pub(super) fn send_produce_request(
        &mut self,
        node: NodeId,
        mut outgoing: Vec<OutgoingBatch>,
        turn: &Turn<'_>,
    ) {
        outgoing.sort_unstable_by_key(|batch| batch.key);
        let least_version = self.least_version(&outgoing);
        let mut topics: Vec<TopicProduceData<SharedBytes>> = Vec::new();
        let mut numbers = RequestTopics::default();
        for of_topic in outgoing.chunk_by_mut(|left, right| left.key.topic == right.key.topic) {
            let number = of_topic.first().map_or(0, |batch| batch.key.topic);
            if let Some(data) = self.topic_data(node, of_topic, turn) {
                numbers.add(&data, number);
                topics.push(data);
            }
        }
        numbers.sort();
        let batches: Vec<_> = outgoing.into_iter().map(|it| it.batch).collect();
        let expires = batches.iter().map(|batch| batch.created()).min().unwrap_or(turn.now)
            + self.settings.delivery_timeout;
        let version = self.client.usable_version(node, ApiKey::Produce);
        let request = ClientRequest { least_version, ..self.produce_request(node, topics) };
        let correlation_id = self.client.send(request, turn.now);
        self.in_flight_expiry.insert((expires, correlation_id));
        let handler = ProduceHandler { node, version, batches, topics: numbers, expires };
        self.handlers.insert(correlation_id, RequestCompletionHandler::Produce(handler));
    }

    /// Numbers and seals the batches of `outgoing`, which are of one topic; `None` if nothing is left of them.
    fn topic_data(
        &mut self,
        node: NodeId,
        outgoing: &mut [OutgoingBatch],
        turn: &Turn<'_>,
    ) -> Option<TopicProduceData<SharedBytes>> {
        let name = Arc::clone(outgoing.first()?.batch.topic_partition().shared_topic());
        let mut topic_id = Uuid::ZERO;
        let mut partitions = Vec::with_capacity(outgoing.len());
        for outgoing in outgoing.chunks_mut(BATCHES_PER_STEP) {
            touch_all(outgoing.iter().map(|it| it.batch.touch_records()));
            for OutgoingBatch { batch, message_set, .. } in outgoing {
                let Some(log) = self.partitions.log_identity(batch.partition_id(), node, turn)
                else {
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

    /// The version that a broker has to know for what is in `outgoing`.
    fn least_version(&self, outgoing: &[OutgoingBatch]) -> i16 {
        if outgoing.iter().any(|batch| batch.message_set.is_some()) {
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
        let Some(transactions) = &mut self.transaction_manager else {
            return ProducerState::NONE;
        };
        transactions.assign_sequence(batch.batch_ref(), log)
    }

    /// Java: `handleProduceResponse`.
    pub(super) fn handle_produce_response(
        &mut self,
        response: ClientResponse,
        handler: ProduceHandler,
        now: Instant,
    ) {
        self.in_flight_expiry.remove(&(handler.expires, response.correlation_id));
        let answer = match response.outcome {
            ResponseOutcome::Answered(ResponseBody::Produce(answer)) => {
                return self.complete_batches(handler, answer, now);
            }
            ResponseOutcome::Sent => PartitionResponse::not_expected(),
            ResponseOutcome::UnsupportedVersion(error) => {
                let error = self.explain(handler.version, error);
                PartitionResponse::local(ErrorCode::UnsupportedVersion, error, false)
            }
            ResponseOutcome::Disconnected { error, timed_out, written } => {
                let code = if timed_out {
                    ErrorCode::RequestTimedOut
                } else {
                    ErrorCode::NetworkException
                };
                PartitionResponse::local(code, error, written)
            }
            ResponseOutcome::Answered(body) => {
                log::error!("a produce request was answered with {:?}", body.api());
                let error = Error::broker_code(ErrorCode::NetworkException, None);
                PartitionResponse::local(ErrorCode::NetworkException, error, true)
            }
        };
        for batch in handler.batches {
            self.complete_batch(batch, &answer, handler.node, now);
        }
    }

    fn complete_batches(
        &mut self,
        handler: ProduceHandler,
        response: ProduceResponse,
        now: Instant,
    ) {
        let ProduceHandler { node, batches, topics, .. } = handler;
        let mut answers = ResponseIndex::new(&response, &topics);
        self.apply_leader_hints(&response, &answers, &topics, &batches);
        let mut batches = batches.into_iter();
        let mut answered = Vec::with_capacity(BATCHES_PER_STEP.min(batches.len()));
        while !batches.as_slice().is_empty() {
            self.look_ahead(batches.as_slice());
            for batch in batches.by_ref().take(BATCHES_PER_STEP) {
                let answer = answers
                    .of(&batch)
                    .map_or_else(PartitionResponse::missing, PartitionResponse::of_broker);
                answered.push((batch, answer));
            }
            let succeed = answered.iter_mut().filter(|(_, answer)| answer.is_success());
            self.return_memory(succeed.map(|(batch, _)| batch));
            for (batch, answer) in answered.drain(..) {
                self.complete_batch(batch, &answer, node, now);
            }
            self.retire();
        }
        if answers.used < answers.count {
            log::warn!("broker {node} answered for partitions that it was not asked about");
        }
    }

    /// Leaders that the broker named in place of itself are asked next (KIP-951).
    fn apply_leader_hints(
        &self,
        response: &ProduceResponse,
        answers: &ResponseIndex<'_>,
        topics: &RequestTopics,
        batches: &[Box<ProducerBatch>],
    ) {
        if !answers.name_leaders() {
            return;
        }
        let hints: Vec<_> = batches
            .iter()
            .filter_map(|batch| {
                let leader = answers.find(batch)?.current_leader;
                let leader = leader.filter(|leader| leader.leader_id >= 0)?;
                Some(LeaderHint {
                    topic: Arc::clone(batch.topic_partition().shared_topic()),
                    topic_id: topics.id_of(batch.key().topic),
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

    /// Fetches from memory what the next batches need to be completed.
    fn look_ahead(&self, batches: &[Box<ProducerBatch>]) {
        let next = batches.iter().take(BATCHES_PER_STEP);
        touch_all(next.map(|batch| {
            let transactions = self.transaction_manager.as_ref();
            transactions.map_or(0, |it| it.touch(batch.partition_id())) + batch.touch()
        }));
    }
}

/// How many batches go through each step together: what they need stays in the cache until they are done with.
const BATCHES_PER_STEP: usize = 32;

impl RequestTopics {
    /// Call it in ascending order of the numbers.
    fn add(&mut self, topic: &TopicProduceData<SharedBytes>, number: u32) {
        self.ids.push((number, topic.topic_id));
        self.by_name.push((Arc::clone(&topic.name), number));
        if !topic.topic_id.is_zero() {
            self.by_id.push((topic.topic_id, number));
        }
    }

    fn sort(&mut self) {
        self.by_name.sort_unstable();
        self.by_id.sort_unstable();
    }

    /// The id that the topic had when the request was sent; zero for none.
    fn id_of(&self, number: u32) -> Uuid {
        let position = self.ids.binary_search_by_key(&number, |(number, _)| *number).ok();
        position.and_then(|position| self.ids.get(position)).map_or(Uuid::ZERO, |(_, id)| *id)
    }

    /// The topic's number; `None` if it was not in the request.
    fn number_of(&self, topic: &TopicProduceResponse) -> Option<u32> {
        if topic.name.is_empty() {
            let position = self.by_id.binary_search_by_key(&topic.topic_id, |(id, _)| *id).ok()?;
            return self.by_id.get(position).map(|(_, number)| *number);
        }
        let position =
            self.by_name.binary_search_by_key(&&*topic.name, |(name, _)| &**name).ok()?;
        self.by_name.get(position).map(|(_, number)| *number)
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
struct ResponseIndex<'a> {
    /// In ascending order, without topics that were not asked about.
    partitions: Vec<(PartitionKey, &'a PartitionProduceResponse)>,
    /// The place behind the answer that was found last.
    next: usize,
    /// How many there are in all.
    count: usize,
    used: usize,
}

impl<'a> ResponseIndex<'a> {
    fn new(response: &'a ProduceResponse, topics: &RequestTopics) -> Self {
        let count = response.topics.iter().map(|topic| topic.partitions.len()).sum();
        let mut partitions = Vec::with_capacity(count);
        for topic in &response.topics {
            if let Some(number) = topics.number_of(topic) {
                partitions.extend(topic.partitions.iter().map(|answer| {
                    (PartitionKey { topic: number, partition: answer.index }, answer)
                }));
            }
        }
        if !partitions.is_sorted_by_key(|(key, _)| *key) {
            partitions.sort_by_key(|(key, _)| *key);
        }
        Self { partitions, next: 0, count, used: 0 }
    }

    /// Whether one of them names the partition's leader.
    fn name_leaders(&self) -> bool {
        self.partitions.iter().any(|(_, answer)| answer.current_leader.is_some())
    }

    /// The answer for `batch`; quick for the one behind the last.
    fn of(&mut self, batch: &ProducerBatch) -> Option<&'a PartitionProduceResponse> {
        let position = self.position(batch)?;
        self.used += 1;
        self.next = position + 1;
        self.partitions.get(position).map(|(_, answer)| *answer)
    }

    fn find(&self, batch: &ProducerBatch) -> Option<&'a PartitionProduceResponse> {
        self.partitions.get(self.position(batch)?).map(|(_, answer)| *answer)
    }

    fn position(&self, batch: &ProducerBatch) -> Option<usize> {
        let wanted = batch.key();
        let is_at =
            |position: usize| self.partitions.get(position).is_some_and(|it| it.0 == wanted);
        if is_at(self.next) {
            return Some(self.next);
        }
        let position = self.partitions.partition_point(|(key, _)| *key < wanted);
        is_at(position).then_some(position)
    }
}
