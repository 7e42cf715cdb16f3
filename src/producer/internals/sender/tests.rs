//! The sender against brokers that the test plays itself, under a made-up clock. Mirrors `SenderTest`,
//! `RecordAccumulatorTest` and the idempotent part of `TransactionManagerTest`.

mod batching;
mod chance;
mod completion;
mod compression;
mod down_conversion;
mod expiry;
mod idempotence;
mod leaders;
mod order;
mod producer_id;
mod retries;
mod scale;
mod sequences;
mod thread;

use arc_swap::ArcSwap;

use super::*;
use crate::client::metadata::MetadataSettings;
use crate::client::mock_client::MockClient;
use crate::common::header::Headers;
use crate::common::uuid::Uuid;
use crate::compress::Compression;
use crate::error::{ErrorCode, Persistence};
use crate::producer::callback::Callback;
use crate::producer::internals::buffer_pool::BufferPool;
use crate::producer::internals::built_in_partitioner::StickySettings;
use crate::producer::internals::future_record_metadata::FutureRecordMetadata;
use crate::producer::internals::record_accumulator::{Append, AppendError};
use crate::producer::internals::sender_signal::SenderSignal;
use crate::producer::internals::topic_table::TopicEntry;
use crate::producer::record_metadata::RecordMetadata;
use crate::protocol::message::metadata::{
    MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use crate::protocol::message::produce::{
    PartitionProduceResponse, ProduceResponse, TopicProduceResponse,
};
use crate::record::default_record::RecordContents;
use crate::utils::pieces::concat;

const TOPIC: &str = "orders";
const BATCH_SIZE: usize = 1000;
const BUFFER_MEMORY: usize = 100 * BATCH_SIZE;
const LINGER: Duration = Duration::from_millis(50);
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(120);
const TRUSTED_SILENCE: Duration = Duration::from_secs(60);
const BACKOFF: Duration = Duration::from_millis(100);
const NODE_1: NodeId = NodeId(1);
const NODE_2: NodeId = NodeId(2);
/// A record of this many bytes leaves no room for another.
const FULL: usize = BATCH_SIZE;

/// What a test wants of its sender, where that is not the usual.
struct Setup {
    settings: SenderSettings,
    buffer_memory: usize,
}

/// A sender and all that is around it.
struct Fixture {
    sender: Sender<MockClient>,
    client: MockClient,
    metadata: Arc<Metadata>,
    accumulator: Arc<RecordAccumulator>,
    now: Instant,
    leader_epoch: i32,
}

/// A produce request in flight.
#[derive(Debug)]
struct Sent {
    id: i32,
    node: NodeId,
    acks: i16,
    batches: Vec<SentBatch>,
}

/// A batch in it, as its header describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct SentBatch {
    partition: i32,
    size: usize,
    /// The format: 2, or 1 for a message set.
    magic: u8,
    producer_id: i64,
    epoch: i16,
    sequence: i32,
    count: i32,
}

impl Setup {
    /// No idempotence, no linger, partitions 0 to 9 of [`TOPIC`] all led by node 1.
    fn new() -> Self {
        let settings = SenderSettings {
            acks: -1,
            max_request_size: 100 * BATCH_SIZE,
            retries: u32::MAX,
            request_timeout: Duration::from_secs(30),
            delivery_timeout: DELIVERY_TIMEOUT,
            linger: Duration::ZERO,
            retry_backoff: ExponentialBackoff::new(BACKOFF, Duration::from_secs(1)),
            is_idempotent: false,
            trusted_silence: TRUSTED_SILENCE,
            guarantees_order: false,
            availability_timeout: Duration::ZERO,
            codec: CompressionType::None,
        };
        Self { settings, buffer_memory: BUFFER_MEMORY }
    }

    fn linger(mut self) -> Self {
        self.settings.linger = LINGER;
        self
    }

    fn idempotent(mut self) -> Self {
        self.settings.is_idempotent = true;
        self
    }

    fn with(mut self, change: impl FnOnce(&mut SenderSettings)) -> Self {
        change(&mut self.settings);
        self
    }

    fn buffer_memory(mut self, bytes: usize) -> Self {
        self.buffer_memory = bytes;
        self
    }

    fn start(self) -> Fixture {
        let signal = SenderSignal::detached();
        let pool = Arc::new(BufferPool::new(self.buffer_memory, BATCH_SIZE, || {}));
        let sticky = StickySettings {
            sticky_bytes: BATCH_SIZE,
            is_adaptive: true,
            unavailable_nodes: ArcSwap::default(),
        };
        let accumulator =
            RecordAccumulator::new(BATCH_SIZE, pool, Arc::new(sticky), signal, Random::new(5))
                .with_compression(Compression { codec: self.settings.codec, level: None });
        let accumulator = Arc::new(accumulator);
        let metadata = Arc::new(Metadata::new(metadata_settings(), Random::new(1)));
        let client = MockClient::new();
        let sender = Sender::new(
            self.settings,
            client.clone(),
            Arc::clone(&metadata),
            Arc::clone(&accumulator),
            Random::new(7),
        );
        let now = Instant::ZERO + Duration::from_secs(1);
        let mut fixture = Fixture { sender, client, metadata, accumulator, now, leader_epoch: 0 };
        fixture.metadata.add_topic(&TOPIC.into(), now);
        fixture.lead(&[]);
        fixture
    }
}

impl Setup {
    /// Producer id 7 with epoch 0; in partitions 0 and 1, a first batch of one record was acknowledged.
    fn start_with_producer_id(self) -> Fixture {
        let mut fixture = self.start();
        fixture.append(0, 10);
        fixture.append(1, 10);
        fixture.give_producer_id(7, 0);
        let first = fixture.request();
        fixture.acknowledge(&first, 0);
        fixture
    }
}

fn metadata_settings() -> MetadataSettings {
    MetadataSettings {
        bootstrap: vec![("localhost".into(), 9092)],
        refresh_backoff: ExponentialBackoff::new(BACKOFF, Duration::from_secs(1)),
        max_age: Duration::from_secs(3000),
        max_idle: Duration::from_secs(3000),
        rebootstrap_trigger: None,
    }
}

impl Fixture {
    /// Metadata comes in: these partitions are led by these nodes, the others by node 1.
    fn lead(&mut self, exceptions: &[(i32, i32)]) {
        let response = self.metadata_response(exceptions);
        let _ = self.metadata.next_request(self.now);
        self.metadata.handle_response(&response, 13, self.now);
    }

    fn metadata_response(&mut self, exceptions: &[(i32, i32)]) -> MetadataResponse {
        self.leader_epoch += 1;
        let partition = |partition_index: i32| MetadataResponsePartition {
            error_code: ErrorCode::None,
            partition_index,
            leader_id: exceptions
                .iter()
                .find(|(partition, _)| *partition == partition_index)
                .map_or(NODE_1.0, |(_, leader)| *leader),
            leader_epoch: self.leader_epoch,
            replica_nodes: Vec::new(),
            isr_nodes: Vec::new(),
            offline_replicas: Vec::new(),
        };
        let topic = MetadataResponseTopic {
            name: Some(TOPIC.into()),
            partitions: (0..10).map(partition).collect(),
            ..MetadataResponseTopic::default()
        };
        let broker = |node_id| MetadataResponseBroker {
            node_id,
            host: format!("broker-{node_id}"),
            port: 9092,
            rack: None,
        };
        let brokers = vec![broker(1), broker(2)];
        MetadataResponse { brokers, topics: vec![topic], ..MetadataResponse::default() }
    }

    fn may_batches_grow(&self) -> bool {
        let topic = self.accumulator.topics(&self.metadata).get(TOPIC);
        topic.is_some_and(TopicEntry::may_batches_grow)
    }

    /// Metadata tells another id of the topic, made of `id`.
    fn recreate_topic(&mut self, id: u8) {
        let mut response = self.metadata_response(&[]);
        response.topics[0].topic_id = Uuid::from_bytes([id; 16]);
        let _ = self.metadata.next_request(self.now);
        self.metadata.handle_response(&response, 13, self.now);
    }

    /// A caller appends a record of about `size` bytes.
    fn append(&self, partition: i32, size: usize) -> FutureRecordMetadata {
        self.append_with(partition, size, None)
    }

    fn append_with(
        &self,
        partition: i32,
        size: usize,
        mut callback: Option<Callback>,
    ) -> FutureRecordMetadata {
        let value = vec![0; size];
        self.append_record(partition, &value, &Headers::new(), &mut callback).expect("room")
    }

    fn append_record(
        &self,
        partition: i32,
        value: &[u8],
        headers: &Headers<'_>,
        callback: &mut Option<Callback>,
    ) -> Result<FutureRecordMetadata, AppendError> {
        let topics = self.accumulator.topics(&self.metadata);
        let append = Append {
            topic: topics.get(TOPIC).expect("known"),
            partition_count: 10,
            partition: Some(partition),
            record: RecordContents::new(1, None, Some(value), headers),
            max_wait: Duration::ZERO,
        };
        let appended = self.accumulator.append(&append, callback, &|| self.now);
        appended.map(|appended| appended.future(&append.record))
    }

    /// The bytes of the only batch of a request.
    fn bytes(&self, request: i32) -> Vec<u8> {
        self.client.inspect(request, |body| match body {
            RequestBody::Produce(request) => concat(&request.topics[0].partitions[0].records),
            other => panic!("{other:?}"),
        })
    }

    /// A caller fills a batch to its last byte, with two records.
    fn fill(&self, partition: i32) -> [FutureRecordMetadata; 2] {
        [400, 521].map(|size| self.append(partition, size))
    }

    fn advance(&mut self, duration: Duration) {
        self.now = self.now + duration;
    }

    fn turn(&mut self) {
        let now = self.now;
        assert_eq!(self.sender.run_once(&|| now), now);
    }

    /// Runs turns until there is nothing more to do without something happening, and returns how long the next poll
    /// would wait. A sender that never comes to rest would take a whole core.
    fn rest(&mut self) -> Option<Duration> {
        for _ in 0..20 {
            let is_answered = self.client.has_responses();
            self.turn();
            let timeout = self.client.take_timeouts().pop().expect("a poll");
            if !is_answered && timeout != Some(Duration::ZERO) {
                self.check_rest(timeout);
                return timeout;
            }
        }
        panic!("does not come to rest");
    }

    /// A turn more must change nothing: without an event there would be none.
    fn check_rest(&mut self, timeout: Option<Duration>) {
        let sent_count = self.client.sent_count();
        self.turn();
        assert_eq!(self.client.sent_count(), sent_count, "a request was late by a turn");
        assert_eq!(self.client.take_timeouts(), [timeout], "another turn, another deadline");
    }

    /// The produce requests in flight, oldest first.
    fn requests(&self) -> Vec<Sent> {
        let in_flight = self.client.in_flight().into_iter();
        let requests = in_flight.filter_map(|(id, node)| {
            self.client.inspect(id, |body| match body {
                RequestBody::Produce(request) => {
                    let partitions = request.topics.iter().flat_map(|topic| &topic.partitions);
                    let batches = partitions
                        .map(|partition| parse(partition.index, &concat(&partition.records)));
                    Some(Sent { id, node, acks: request.acks, batches: batches.collect() })
                }
                _ => None,
            })
        });
        requests.collect()
    }

    /// The only produce request in flight.
    fn request(&self) -> Sent {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests.remove(0)
    }

    /// Comes to rest, and returns the only produce request in flight.
    fn sent(&mut self) -> Sent {
        self.rest();
        self.request()
    }

    /// The brokers append all batches of a request, at this offset; handles the answer and comes to rest.
    fn acknowledge(&mut self, request: &Sent, base_offset: i64) {
        let answer = |batch: &SentBatch| PartitionProduceResponse {
            index: batch.partition,
            base_offset,
            ..PartitionProduceResponse::default()
        };
        self.answer(request.id, request.batches.iter().map(answer).collect());
        self.rest();
    }

    /// The brokers answer for all batches of a request with this error; handles the answer and comes to rest.
    fn refuse(&mut self, request: &Sent, error_code: ErrorCode) {
        let answer = |batch: &SentBatch| PartitionProduceResponse {
            index: batch.partition,
            error_code,
            ..PartitionProduceResponse::default()
        };
        self.answer(request.id, request.batches.iter().map(answer).collect());
        self.rest();
    }

    fn answer(&self, request: i32, partitions: Vec<PartitionProduceResponse>) {
        let name = TOPIC.to_owned();
        let topic = TopicProduceResponse { name, partitions, ..TopicProduceResponse::default() };
        let response = ProduceResponse { topics: vec![topic], ..ProduceResponse::default() };
        self.answer_with(request, response);
    }

    fn answer_with(&self, request: i32, response: ProduceResponse) {
        let body = ResponseBody::Produce(response);
        self.client.respond(request, ResponseOutcome::Answered(body));
    }

    /// The connection is lost, with nothing or with a part of the request written; comes to rest.
    fn disconnect(&mut self, request: &Sent, written: bool) {
        let error = Error::new(ErrorKind::Disconnected);
        self.client.respond(
            request.id,
            ResponseOutcome::Disconnected { error, timed_out: false, written },
        );
        self.rest();
    }

    /// The numbers of the requests for a producer id that are in flight.
    fn producer_id_requests(&self) -> Vec<i32> {
        let in_flight = self.client.in_flight().into_iter().map(|(id, _)| id);
        let is_wanted = |body: &RequestBody| matches!(body, RequestBody::InitProducerId(_));
        in_flight.filter(|id| self.client.inspect(*id, is_wanted)).collect()
    }

    /// Comes to rest, answers the request for a producer id, and comes to rest again.
    fn give_producer_id(&mut self, producer_id: i64, producer_epoch: i16) {
        self.answer_producer_id(InitProducerIdResponse {
            producer_id,
            producer_epoch,
            ..InitProducerIdResponse::default()
        });
    }

    fn refuse_producer_id(&mut self, error_code: ErrorCode) {
        self.answer_producer_id(InitProducerIdResponse {
            error_code,
            ..InitProducerIdResponse::default()
        });
    }

    fn answer_producer_id(&mut self, answer: InitProducerIdResponse) {
        self.rest();
        let requests = self.producer_id_requests();
        assert_eq!(requests.len(), 1, "one request for a producer id");
        let body = ResponseBody::InitProducerId(answer);
        self.client.respond(requests[0], ResponseOutcome::Answered(body));
        self.rest();
    }

    fn available_memory(&self) -> usize {
        self.accumulator.pool().available()
    }
}

fn parse(partition: i32, batch: &[u8]) -> SentBatch {
    fn field<const N: usize>(batch: &[u8], position: usize) -> [u8; N] {
        batch[position..position + N].try_into().expect("a whole header")
    }
    if batch[16] == 1 {
        return parse_message_set(partition, batch);
    }
    SentBatch {
        partition,
        size: batch.len(),
        magic: batch[16],
        producer_id: i64::from_be_bytes(field(batch, 43)),
        epoch: i16::from_be_bytes(field(batch, 51)),
        sequence: i32::from_be_bytes(field(batch, 53)),
        count: i32::from_be_bytes(field(batch, 57)),
    }
}

/// Counts what is not in a wrapper.
fn parse_message_set(partition: i32, set: &[u8]) -> SentBatch {
    let mut rest = set;
    let mut count = 0;
    while let Some(size) = rest.get(8..12) {
        let size = u32::from_be_bytes(size.try_into().expect("four bytes"));
        rest = &rest[12 + usize::try_from(size).expect("64 bits")..];
        count += 1;
    }
    let (producer_id, epoch, sequence) = (-1, -1, -1);
    SentBatch { partition, size: set.len(), magic: 1, producer_id, epoch, sequence, count }
}

impl Sent {
    fn partitions(&self) -> Vec<i32> {
        self.batches.iter().map(|batch| batch.partition).collect()
    }

    /// Partition, epoch and first sequence of the only batch.
    fn sequence(&self) -> (i32, i16, i32) {
        assert_eq!(self.batches.len(), 1, "{self:?}");
        let batch = &self.batches[0];
        (batch.partition, batch.epoch, batch.sequence)
    }
}

/// What became of a record; `None` while nothing has.
fn outcome(future: &FutureRecordMetadata) -> Option<Result<RecordMetadata, Error>> {
    future.is_done().then(|| future.get_timeout(Duration::ZERO))
}

fn error(future: &FutureRecordMetadata) -> Error {
    outcome(future).expect("an outcome").expect_err("an error")
}

fn offset(future: &FutureRecordMetadata) -> i64 {
    outcome(future).expect("an outcome").expect("success").offset()
}
