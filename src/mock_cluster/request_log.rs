//! What the brokers were asked.

use std::collections::VecDeque;
use std::time::Duration;

use crate::common::node::NodeId;
use crate::mock_cluster::api::Api;
use crate::mock_cluster::handlers::{Request, produce};
use crate::mock_cluster::message_set;
use crate::mock_cluster::record_batch::BatchHeader;
use crate::mock_cluster::world::World;
use crate::protocol::message::produce::ProduceRequest;

/// A request as it arrived at a broker.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedRequest {
    /// When it arrived, counted from the start of the cluster.
    pub at: Duration,
    /// The broker that received it.
    pub node: NodeId,
    /// Numbers the connections to the cluster in the order in which they were accepted.
    pub connection: u64,
    /// What it asks for.
    pub api: Api,
    /// The version of its layout.
    pub version: i16,
    /// The number that the client gave it.
    pub correlation_id: i32,
    /// The client's name for itself.
    pub client_id: Option<String>,
    /// ApiVersions 3 and later: the name and the version of the client's library.
    pub client_software: Option<(String, String)>,
    /// The topics that it names. A metadata request for all topics names none.
    pub topics: Vec<String>,
    /// Produce: who must acknowledge, -1 for all replicas in sync.
    pub acks: Option<i16>,
    /// How many requests of the connection had no answer yet when it arrived, itself included.
    pub unanswered: usize,
    /// Produce: the batches, in order.
    pub batches: Vec<RecordedBatch>,
}

/// The header of a batch in a produce request, as the client wrote it.
///
/// The numbers are -1 where the bytes were too few for a batch.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedBatch {
    /// The topic, also where the request named it by its id.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The length in bytes, header included.
    pub size: usize,
    /// The format: 2 for a record batch, 1 for a message set.
    pub magic: i8,
    /// The checksum: equal batches have equal ones.
    pub checksum: u32,
    /// How many records it claims to have.
    pub record_count: i32,
    /// The idempotent producer, or -1.
    pub producer_id: i64,
    /// Its epoch, or -1.
    pub producer_epoch: i16,
    /// The sequence number of the first record, or -1.
    pub base_sequence: i32,
}

/// The newest requests, oldest first.
#[derive(Debug, Default)]
pub(super) struct RequestLog {
    requests: VecDeque<RecordedRequest>,
}

/// Beyond this many the oldest are forgotten.
const MAX_REQUESTS: usize = 1_000_000;

impl RequestLog {
    pub(super) fn push(&mut self, request: RecordedRequest) {
        if self.requests.len() == MAX_REQUESTS {
            self.requests.pop_front();
        }
        self.requests.push_back(request);
    }

    pub(super) fn to_vec(&self) -> Vec<RecordedRequest> {
        self.requests.iter().cloned().collect()
    }

    pub(super) fn clear(&mut self) {
        self.requests.clear();
    }

    pub(super) fn as_slice(&mut self) -> &[RecordedRequest] {
        self.requests.make_contiguous()
    }
}

impl RecordedRequest {
    /// Adds what the body says.
    pub(super) fn describe(&mut self, request: &Request, world: &World) {
        match request {
            Request::Produce(produce) => self.describe_produce(produce, world),
            Request::Metadata(metadata) => {
                let topics = metadata.topics.iter().flatten();
                self.topics = topics.filter_map(|topic| topic.name.clone()).collect();
            }
            Request::ApiVersions(request) if self.version >= 3 => {
                let name = request.client_software_name.clone();
                self.client_software = Some((name, request.client_software_version.clone()));
            }
            Request::ApiVersions(_) | Request::InitProducerId(_) => {}
        }
    }

    fn describe_produce(&mut self, request: &ProduceRequest<Vec<u8>>, world: &World) {
        self.acks = Some(request.acks);
        for topic in &request.topics {
            let name = produce::topic_name(topic, world).unwrap_or_else(|| topic.name.clone());
            self.topics.push(name.to_string());
            for partition in &topic.partitions {
                self.batches.push(RecordedBatch::new(&name, partition.index, &partition.records));
            }
        }
    }
}

impl RecordedBatch {
    fn new(topic: &str, partition: i32, bytes: &[u8]) -> Self {
        let header = BatchHeader::read(bytes).filter(|header| header.magic == 2);
        let mut batch = Self {
            topic: topic.to_owned(),
            partition,
            size: bytes.len(),
            magic: header.map_or(-1, |header| header.magic),
            checksum: header.map_or(0, |header| header.checksum),
            record_count: header.map_or(-1, |header| header.record_count),
            producer_id: header.map_or(-1, |header| header.producer_id),
            producer_epoch: header.map_or(-1, |header| header.producer_epoch),
            base_sequence: header.map_or(-1, |header| header.base_sequence),
        };
        if let Some((checksum, record_count)) = message_set::describe(bytes) {
            batch = Self { magic: 1, checksum, record_count, ..batch };
        }
        batch
    }
}
