//! Mirrors `ProduceRequest` and `ProduceResponse`: batches of records to their partitions, and where they went.

use std::sync::Arc;

use crate::common::uuid::Uuid;
use crate::error::ErrorCode;
use crate::protocol::api_keys::ApiKey;
use crate::protocol::encoding::Encoding;
use crate::protocol::readable::{DecodeError, Reader};
use crate::protocol::writable::{TaggedField, Writable};
use crate::utils::pieces::{Pieces, pieces_of, total_size};

/// Batches for partitions that one broker leads. `R` holds the bytes of a partition's records, in one piece or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProduceRequest<R> {
    /// 3+: `None` if the producer is not transactional.
    pub(crate) transactional_id: Option<String>,
    /// Who must have the records before the broker answers: -1 all in-sync replicas, 1 the leader, 0 no answer at all.
    pub(crate) acks: i16,
    /// How long the broker may wait for the other replicas.
    pub(crate) timeout_ms: i32,
    pub(crate) topics: Vec<TopicProduceData<R>>,
}

/// The batches for one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TopicProduceData<R> {
    /// 0-12; empty from 13.
    pub(crate) name: Arc<str>,
    /// 13+. Since: KIP-516.
    pub(crate) topic_id: Uuid,
    pub(crate) partitions: Vec<PartitionProduceData<R>>,
}

/// The batch for one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartitionProduceData<R> {
    pub(crate) index: i32,
    pub(crate) records: R,
}

/// To copy fewer bytes than this costs less than what the system does for one more piece of memory to write.
const MIN_SPLICED_BYTES: usize = 1024;

impl<R: Pieces + Clone> ProduceRequest<R> {
    /// In one piece, as tests want it; the client splices the records in.
    #[cfg(test)]
    pub(crate) fn encode(&self, version: i16, out: &mut Vec<u8>) {
        self.encode_with(version, out, &mut |records: &R, _, out| put_pieces(records, out));
    }

    /// Writes everything but records of some size, which are better left where they are.
    ///
    /// Returns those records, each with the position in `out` at which all its pieces belong, in ascending order.
    pub(crate) fn encode_spliced(&self, version: i16, out: &mut Vec<u8>) -> Vec<(usize, R)> {
        let count = self.topics.iter().map(|topic| topic.partitions.len()).sum();
        let mut spliced = Vec::with_capacity(count);
        self.encode_with(version, out, &mut |records: &R, size, out| {
            if size < MIN_SPLICED_BYTES {
                put_pieces(records, out);
            } else {
                spliced.push((out.len(), records.clone()));
            }
        });
        spliced
    }

    fn encode_with(
        &self,
        version: i16,
        out: &mut Vec<u8>,
        put_records: &mut impl FnMut(&R, usize, &mut Vec<u8>),
    ) {
        let encoding = ApiKey::Produce.encoding(version);
        if version >= 3 {
            out.put_nullable_string(self.transactional_id.as_deref(), encoding);
        }
        out.put_i16(self.acks);
        out.put_i32(self.timeout_ms);
        out.put_array(&self.topics, encoding, |topic, out| {
            put_topic(version, &topic.name, topic.topic_id, out);
            out.put_array(&topic.partitions, encoding, |partition, out| {
                out.put_i32(partition.index);
                let size = total_size(&partition.records);
                out.put_length(Some(size), encoding);
                put_records(&partition.records, size, out);
                out.put_no_tags(encoding);
            });
            out.put_no_tags(encoding);
        });
        out.put_no_tags(encoding);
    }
}

fn put_pieces(records: &impl Pieces, out: &mut Vec<u8>) {
    pieces_of(records).for_each(|piece| out.extend_from_slice(piece));
}

impl ProduceRequest<Vec<u8>> {
    pub(crate) fn decode(version: i16, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let encoding = ApiKey::Produce.encoding(version);
        let request = Self {
            transactional_id: match version {
                3.. => reader.read_nullable_string(encoding)?,
                _ => None,
            },
            acks: reader.read_i16()?,
            timeout_ms: reader.read_i32()?,
            topics: reader
                .read_array(encoding, |reader| TopicProduceData::decode(version, reader))?,
        };
        reader.skip_tags(encoding)?;
        Ok(request)
    }
}

impl TopicProduceData<Vec<u8>> {
    fn decode(version: i16, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let encoding = ApiKey::Produce.encoding(version);
        let (name, topic_id) = read_topic(version, reader)?;
        let partitions =
            reader.read_array(encoding, |reader| PartitionProduceData::decode(encoding, reader))?;
        reader.skip_tags(encoding)?;
        Ok(Self { name: name.into(), topic_id, partitions })
    }
}

impl PartitionProduceData<Vec<u8>> {
    fn decode(encoding: Encoding, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let index = reader.read_i32()?;
        let records = reader.read_nullable_bytes(encoding)?.unwrap_or_default().to_vec();
        reader.skip_tags(encoding)?;
        Ok(Self { index, records })
    }
}

/// What became of the batches of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProduceResponse {
    pub(crate) topics: Vec<TopicProduceResponse>,
    /// 1+: for how long the broker holds back this client's requests.
    pub(crate) throttle_time_ms: i32,
    /// 10+, tagged: the addresses of the leaders named in the partitions. Since: KIP-951.
    pub(crate) node_endpoints: Vec<NodeEndpoint>,
}

/// What became of the batches for one topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TopicProduceResponse {
    /// 0-12; empty from 13.
    pub(crate) name: String,
    /// 13+. Since: KIP-516.
    pub(crate) topic_id: Uuid,
    pub(crate) partitions: Vec<PartitionProduceResponse>,
}

/// What became of the batch for one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartitionProduceResponse {
    pub(crate) index: i32,
    pub(crate) error_code: ErrorCode,
    /// The offset of the batch's first record; -1 if it was not appended.
    pub(crate) base_offset: i64,
    /// 2+: the broker's time of the append, or -1 where the topic keeps the records' own timestamps.
    pub(crate) log_append_time_ms: i64,
    /// 5+: the first offset that the partition still has, or -1.
    pub(crate) log_start_offset: i64,
    /// 8+: the records because of which the batch was refused. Since: KIP-467.
    pub(crate) record_errors: Vec<RecordError>,
    /// 8+: why the batch was refused. Since: KIP-467.
    pub(crate) error_message: Option<String>,
    /// 10+, tagged: who leads the partition now, told with `NOT_LEADER_OR_FOLLOWER`. Since: KIP-951.
    pub(crate) current_leader: Option<LeaderIdAndEpoch>,
}

/// A record because of which its batch was refused. Java: `BatchIndexAndErrorMessage`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordError {
    /// The record's place in its batch, counted from 0.
    pub(crate) batch_index: i32,
    pub(crate) message: Option<String>,
}

/// Who leads a partition, and since which epoch; -1 for what is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LeaderIdAndEpoch {
    pub(crate) leader_id: i32,
    pub(crate) leader_epoch: i32,
}

/// A broker and its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeEndpoint {
    pub(crate) node_id: i32,
    pub(crate) host: String,
    pub(crate) port: i32,
    pub(crate) rack: Option<String>,
}

const CURRENT_LEADER: u32 = 0;
const NODE_ENDPOINTS: u32 = 0;

impl Default for PartitionProduceResponse {
    fn default() -> Self {
        Self {
            index: 0,
            error_code: ErrorCode::None,
            base_offset: -1,
            log_append_time_ms: -1,
            log_start_offset: -1,
            record_errors: Vec::new(),
            error_message: None,
            current_leader: None,
        }
    }
}

impl ProduceResponse {
    pub(crate) fn encode(&self, version: i16, out: &mut Vec<u8>) {
        let encoding = ApiKey::Produce.encoding(version);
        out.put_array(&self.topics, encoding, |topic, out| topic.encode(version, out));
        if version >= 1 {
            out.put_i32(self.throttle_time_ms);
        }
        let mut fields = Vec::new();
        if version >= 10 && !self.node_endpoints.is_empty() {
            fields.push(TaggedField::new(NODE_ENDPOINTS, |out| {
                out.put_array(&self.node_endpoints, encoding, |node, out| {
                    node.encode(encoding, out);
                });
            }));
        }
        out.put_tags(&fields, encoding);
    }

    pub(crate) fn decode(version: i16, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let encoding = ApiKey::Produce.encoding(version);
        let mut response = Self {
            topics: reader
                .read_array(encoding, |reader| TopicProduceResponse::decode(version, reader))?,
            throttle_time_ms: if version >= 1 { reader.read_i32()? } else { 0 },
            node_endpoints: Vec::new(),
        };
        reader.read_tags(encoding, |tag, field| {
            if version >= 10 && tag == NODE_ENDPOINTS {
                response.node_endpoints =
                    field.read_array(encoding, |field| NodeEndpoint::decode(encoding, field))?;
            }
            Ok(())
        })?;
        Ok(response)
    }
}

impl TopicProduceResponse {
    fn encode(&self, version: i16, out: &mut Vec<u8>) {
        let encoding = ApiKey::Produce.encoding(version);
        put_topic(version, &self.name, self.topic_id, out);
        out.put_array(&self.partitions, encoding, |partition, out| partition.encode(version, out));
        out.put_no_tags(encoding);
    }

    fn decode(version: i16, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let encoding = ApiKey::Produce.encoding(version);
        let (name, topic_id) = read_topic(version, reader)?;
        let partitions = reader
            .read_array(encoding, |reader| PartitionProduceResponse::decode(version, reader))?;
        reader.skip_tags(encoding)?;
        Ok(Self { name: name.to_owned(), topic_id, partitions })
    }
}

impl PartitionProduceResponse {
    fn encode(&self, version: i16, out: &mut Vec<u8>) {
        let encoding = ApiKey::Produce.encoding(version);
        out.put_i32(self.index);
        out.put_error_code(self.error_code);
        out.put_i64(self.base_offset);
        if version >= 2 {
            out.put_i64(self.log_append_time_ms);
        }
        if version >= 5 {
            out.put_i64(self.log_start_offset);
        }
        if version >= 8 {
            out.put_array(&self.record_errors, encoding, |error, out| error.encode(encoding, out));
            out.put_nullable_string(self.error_message.as_deref(), encoding);
        }
        let leader = self.current_leader.filter(|_| version >= 10);
        let field = leader
            .map(|leader| TaggedField::new(CURRENT_LEADER, |out| leader.encode(encoding, out)));
        out.put_tags(field.as_slice(), encoding);
    }

    fn decode(version: i16, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let encoding = ApiKey::Produce.encoding(version);
        let mut partition = Self {
            index: reader.read_i32()?,
            error_code: reader.read_error_code()?,
            base_offset: reader.read_i64()?,
            log_append_time_ms: if version >= 2 { reader.read_i64()? } else { -1 },
            log_start_offset: if version >= 5 { reader.read_i64()? } else { -1 },
            ..Self::default()
        };
        if version >= 8 {
            partition.record_errors =
                reader.read_array(encoding, |reader| RecordError::decode(encoding, reader))?;
            partition.error_message = reader.read_nullable_string(encoding)?;
        }
        reader.read_tags(encoding, |tag, field| {
            if version >= 10 && tag == CURRENT_LEADER {
                partition.current_leader = Some(LeaderIdAndEpoch::decode(encoding, field)?);
            }
            Ok(())
        })?;
        Ok(partition)
    }
}

impl RecordError {
    fn encode(&self, encoding: Encoding, out: &mut Vec<u8>) {
        out.put_i32(self.batch_index);
        out.put_nullable_string(self.message.as_deref(), encoding);
        out.put_no_tags(encoding);
    }

    fn decode(encoding: Encoding, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let batch_index = reader.read_i32()?;
        let message = reader.read_nullable_string(encoding)?;
        reader.skip_tags(encoding)?;
        Ok(Self { batch_index, message })
    }
}

impl LeaderIdAndEpoch {
    fn encode(self, encoding: Encoding, out: &mut Vec<u8>) {
        out.put_i32(self.leader_id);
        out.put_i32(self.leader_epoch);
        out.put_no_tags(encoding);
    }

    fn decode(encoding: Encoding, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let leader = Self { leader_id: reader.read_i32()?, leader_epoch: reader.read_i32()? };
        reader.skip_tags(encoding)?;
        Ok(leader)
    }
}

impl NodeEndpoint {
    fn encode(&self, encoding: Encoding, out: &mut Vec<u8>) {
        out.put_i32(self.node_id);
        out.put_string(&self.host, encoding);
        out.put_i32(self.port);
        out.put_nullable_string(self.rack.as_deref(), encoding);
        out.put_no_tags(encoding);
    }

    fn decode(encoding: Encoding, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let endpoint = Self {
            node_id: reader.read_i32()?,
            host: reader.read_string(encoding)?,
            port: reader.read_i32()?,
            rack: reader.read_nullable_string(encoding)?,
        };
        reader.skip_tags(encoding)?;
        Ok(endpoint)
    }
}

/// How a topic is named: by its id from version 13, by its name before.
fn put_topic(version: i16, name: &str, topic_id: Uuid, out: &mut Vec<u8>) {
    if version >= 13 {
        out.put_uuid(topic_id);
    } else {
        out.put_string(name, ApiKey::Produce.encoding(version));
    }
}

fn read_topic<'a>(version: i16, reader: &mut Reader<'a>) -> Result<(&'a str, Uuid), DecodeError> {
    if version >= 13 {
        Ok(("", reader.read_uuid()?))
    } else {
        Ok((reader.read_str(ApiKey::Produce.encoding(version))?, Uuid::ZERO))
    }
}
