//! What the producer sent, batch by batch, as it left.

use crate::common::node::NodeId;
use crate::common::uuid::Uuid;
use crate::protocol::api_keys::ApiKey;
use crate::protocol::message::produce::ProduceRequest;
use crate::protocol::readable::Reader;
use crate::protocol::request_header::RequestHeader;
use crate::simulation::history::id_of;
use crate::utils::clock::Instant;

/// Everything that was handed to a connection.
#[derive(Debug, Default)]
pub(super) struct WireLog {
    pub(super) batches: Vec<WireBatch>,
    /// Connection attempts by the client's number for the node.
    pub(super) connects: Vec<(Instant, NodeId)>,
    pub(super) metadata_requests: Vec<(Instant, NodeId)>,
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
    /// What tells the batch's records from others', whatever its header says.
    pub(super) records_hash: u64,
    /// Whom the producer's own metadata calls the leader.
    pub(super) announced_leader: Option<NodeId>,
}

/// The bytes of a batch's header; the records follow.
const HEADER_BYTES: usize = 61;

/// Which request `payload` is.
pub(super) fn api_of(payload: &[u8]) -> Option<ApiKey> {
    ApiKey::from_id(i16::from_be_bytes(*payload.first_chunk()?))
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
        let header = bytes.first_chunk::<HEADER_BYTES>()?;
        let field = |at: usize| i64::from_be_bytes(std::array::from_fn(|index| header[at + index]));
        Some(Self {
            at: Instant::ZERO,
            node: NodeId(0),
            topic: String::new(),
            topic_id: Uuid::ZERO,
            partition: 0,
            producer_id: field(43),
            epoch: i16::from_be_bytes([header[51], header[52]]),
            base_sequence: i32::from_be_bytes(std::array::from_fn(|index| header[53 + index])),
            record_count: i32::from_be_bytes(std::array::from_fn(|index| header[57 + index])),
            first_id: first_id(&bytes[HEADER_BYTES..]),
            size: bytes.len(),
            records_hash: hash(&bytes[HEADER_BYTES..]),
            announced_leader: None,
        })
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
