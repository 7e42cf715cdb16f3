//! What the producer sent, batch by batch, as it left.

use std::ops::Range;

use crate::common::node::NodeId;
use crate::common::uuid::Uuid;
use crate::error::ErrorCode;
use crate::protocol::api_keys::ApiKey;
use crate::protocol::message::produce::{ProduceRequest, ProduceResponse};
use crate::protocol::readable::Reader;
use crate::protocol::request_header::RequestHeader;
use crate::protocol::response_header::ResponseHeader;
use crate::simulation::history::id_of;
use crate::utils::clock::Instant;

/// Everything that was handed to a connection.
#[derive(Debug, Default)]
pub(super) struct WireLog {
    pub(super) batches: Vec<WireBatch>,
    /// Connection attempts by the client's number for the node.
    pub(super) connects: Vec<(Instant, NodeId)>,
    pub(super) metadata_requests: Vec<(Instant, NodeId)>,
    /// When metadata came.
    pub(super) metadata_answers: Vec<Instant>,
    /// The largest produce request with more than one batch.
    pub(super) largest_shared_request: usize,
    /// The most produce requests on their way on one connection.
    pub(super) most_in_flight: usize,
}

/// A batch in a produce request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WireBatch {
    pub(super) at: Instant,
    pub(super) node: NodeId,
    pub(super) topic: String,
    pub(super) topic_id: Uuid,
    pub(super) partition: i32,
    pub(super) producer_id: i64,
    pub(super) epoch: i16,
    pub(super) base_sequence: i32,
    pub(super) record_count: i32,
    /// The number of the first record, as its value tells.
    pub(super) first_id: Option<usize>,
    pub(super) size: usize,
    pub(super) is_message_set: bool,
    /// What tells the batch's records from others', whatever its header says.
    pub(super) records_hash: u64,
    /// Whom the producer's own metadata calls the leader.
    pub(super) announced_leader: Option<NodeId>,
    /// Since when, by the same metadata.
    pub(super) announced_epoch: Option<i32>,
    /// What the broker answered, if that came back.
    pub(super) answer: Option<WireAnswer>,
}

/// What a broker said of one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WireAnswer {
    pub(super) at: Instant,
    pub(super) code: ErrorCode,
    /// Whom the broker calls the leader.
    pub(super) leader: Option<NodeId>,
}

/// A request whose answer is due.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) api: ApiKey,
    version: i16,
    /// The places of its batches in the log.
    batches: Range<usize>,
}

/// Where a batch and a message tell their format.
const MAGIC: usize = 16;
/// Where the length of a message's key stands.
const MESSAGE_KEY: usize = 26;
/// The bytes of a batch's header; the records follow.
const HEADER_BYTES: usize = 61;

impl Asked {
    /// The request in `payload`; its batches come behind the `count` that were sent before.
    pub(super) fn read(payload: &[u8], count: usize) -> Option<Self> {
        let RequestHeader { api, version, .. } =
            RequestHeader::decode(&mut Reader::new(payload)).ok()?;
        let own = if api == ApiKey::Produce { batches_of(payload).len() } else { 0 };
        Some(Self { api, version, batches: count..count + own })
    }

    /// What a produce request was answered.
    fn read_answer(&self, frame: &[u8]) -> Option<ProduceResponse> {
        let mut reader = Reader::new(frame);
        ResponseHeader::decode(self.api, self.version, &mut reader).ok()?;
        ProduceResponse::decode(self.version, &mut reader).ok()
    }
}

impl WireLog {
    /// Notes the answer to `asked`; returns for how long the broker wants to be left alone.
    pub(super) fn note_answer(&mut self, asked: &Asked, frame: &[u8], at: Instant) -> i32 {
        match asked.api {
            ApiKey::Metadata => self.metadata_answers.push(at),
            ApiKey::Produce => return self.note_produce_answer(asked, frame, at),
            _ => {}
        }
        0
    }

    fn note_produce_answer(&mut self, asked: &Asked, frame: &[u8], at: Instant) -> i32 {
        let Some(response) = asked.read_answer(frame) else { return 0 };
        let batches = self.batches.get_mut(asked.batches.clone()).unwrap_or_default();
        for topic in &response.topics {
            for partition in &topic.partitions {
                let batch = batches.iter_mut().find(|batch| {
                    let is_topic = match &*topic.name {
                        "" => batch.topic_id == topic.topic_id,
                        name => batch.topic == name,
                    };
                    is_topic && batch.partition == partition.index
                });
                let Some(batch) = batch else { continue };
                let leader = partition.current_leader.map(|leader| NodeId(leader.leader_id));
                batch.answer = Some(WireAnswer { at, code: partition.error_code, leader });
            }
        }
        response.throttle_time_ms
    }
}

/// The topic's name, or its id, the partition and the bytes of every batch in a produce request.
pub(super) fn batches_of(payload: &[u8]) -> Vec<(String, Uuid, i32, Vec<u8>)> {
    let mut reader = Reader::new(payload);
    let Ok(header) = RequestHeader::decode(&mut reader) else {
        return Vec::new();
    };
    let Ok(request) = ProduceRequest::decode(header.version, &mut reader) else {
        return Vec::new();
    };
    let topics = request.topics.into_iter();
    topics
        .flat_map(|topic| {
            let (name, id) = (topic.name.to_string(), topic.topic_id);
            topic
                .partitions
                .into_iter()
                .map(move |partition| (name.clone(), id, partition.index, partition.records))
        })
        .collect()
}

impl WireBatch {
    /// Reads what the header of `bytes` says; the rest is to be filled in.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.get(MAGIC) == Some(&1) {
            return Self::read_message_set(bytes);
        }
        let header = bytes.first_chunk::<HEADER_BYTES>()?;
        let field = |at: usize| i64::from_be_bytes(std::array::from_fn(|index| header[at + index]));
        Some(Self {
            producer_id: field(43),
            epoch: i16::from_be_bytes([header[51], header[52]]),
            base_sequence: i32::from_be_bytes(std::array::from_fn(|index| header[53 + index])),
            record_count: i32::from_be_bytes(std::array::from_fn(|index| header[57 + index])),
            first_id: first_id(&bytes[HEADER_BYTES..]),
            records_hash: hash(&bytes[HEADER_BYTES..]),
            ..Self::unread(bytes.len())
        })
    }

    /// A compressed message stands for as many as its offset tells.
    fn read_message_set(bytes: &[u8]) -> Option<Self> {
        let is_compressed = bytes.get(MAGIC + 1)? & 7 != 0;
        let mut first_id = None;
        let mut record_count = 0;
        let mut rest = bytes;
        while !rest.is_empty() {
            let length = |at: usize| Some(i32::from_be_bytes(*rest.get(at..)?.first_chunk()?));
            let key_size = usize::try_from(length(MESSAGE_KEY)?).unwrap_or(0);
            let value = rest.get(MESSAGE_KEY + 4 + key_size + 4..)?;
            if record_count == 0 && !is_compressed {
                first_id = id_of(value);
            }
            let offset = i64::from_be_bytes(*rest.first_chunk()?);
            record_count = i32::try_from(offset + 1).ok()?;
            rest = rest.get(12 + usize::try_from(length(8)?).ok()?..)?;
        }
        Some(Self {
            record_count,
            first_id,
            is_message_set: true,
            records_hash: hash(bytes),
            ..Self::unread(bytes.len())
        })
    }

    /// A batch of which only the size is known.
    fn unread(size: usize) -> Self {
        Self {
            at: Instant::ZERO,
            node: NodeId(0),
            topic: String::new(),
            topic_id: Uuid::ZERO,
            partition: 0,
            producer_id: -1,
            epoch: -1,
            base_sequence: -1,
            record_count: 0,
            first_id: None,
            size,
            is_message_set: false,
            records_hash: 0,
            announced_leader: None,
            announced_epoch: None,
            answer: None,
        }
    }
}

/// The number of the record at the start of `records`.
fn first_id(mut records: &[u8]) -> Option<usize> {
    read_varint(&mut records)?; // its length
    records = records.get(1..)?; // no attributes are defined
    read_varint(&mut records)?; // distance in time
    read_varint(&mut records)?; // distance in offset
    let key_size = usize::try_from(read_varint(&mut records)?).unwrap_or(0);
    records = records.get(key_size..)?;
    read_varint(&mut records)?; // the value's length
    id_of(records)
}

fn read_varint(bytes: &mut &[u8]) -> Option<i64> {
    let mut unsigned = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        unsigned |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let magnitude = i64::try_from(unsigned >> 1).ok()?;
            return Some(if unsigned & 1 == 0 { magnitude } else { -magnitude - 1 });
        }
    }
    None
}

fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
