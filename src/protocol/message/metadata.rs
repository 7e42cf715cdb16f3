//! Mirrors `MetadataRequest` and `MetadataResponse`: the brokers, and the leader of every partition.

use crate::common::uuid::Uuid;
use crate::error::ErrorCode;
use crate::protocol::api_keys::ApiKey;
use crate::protocol::readable::{DecodeError, Reader};
use crate::protocol::writable::Writable;

/// What stands for authorized operations that were not asked for.
const OPERATIONS_NOT_ASKED_FOR: i32 = i32::MIN;

/// Asks for the brokers, and for some, all or none of the topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MetadataRequest {
    /// `None` for all topics. Version 0 has no null: there, an empty list is all topics as well.
    pub(crate) topics: Option<Vec<MetadataRequestTopic>>,
    /// 4+: whether the broker may create what is missing. Older versions always let it.
    pub(crate) allow_auto_topic_creation: bool,
    /// 8-10.
    pub(crate) include_cluster_authorized_operations: bool,
    /// 8+.
    pub(crate) include_topic_authorized_operations: bool,
}

/// A topic that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MetadataRequestTopic {
    /// 10+, heeded from 12.
    pub(crate) topic_id: Uuid,
    /// May be `None` from 10, heeded from 12; older versions send an empty name then.
    pub(crate) name: Option<String>,
}

impl Default for MetadataRequest {
    fn default() -> Self {
        Self {
            topics: None,
            allow_auto_topic_creation: true,
            include_cluster_authorized_operations: false,
            include_topic_authorized_operations: false,
        }
    }
}

impl MetadataRequest {
    pub(crate) fn encode(&self, version: i16, out: &mut Vec<u8>) {
        let encoding = ApiKey::Metadata.encoding(version);
        match &self.topics {
            Some(topics) => {
                out.put_array(topics, encoding, |topic, out| topic.encode(version, out));
            }
            None if version >= 1 => out.put_length(None, encoding),
            None => out.put_length(Some(0), encoding),
        }
        if version >= 4 {
            out.put_bool(self.allow_auto_topic_creation);
        }
        if (8..=10).contains(&version) {
            out.put_bool(self.include_cluster_authorized_operations);
        }
        if version >= 8 {
            out.put_bool(self.include_topic_authorized_operations);
        }
        out.put_no_tags(encoding);
    }

    pub(crate) fn decode(version: i16, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let encoding = ApiKey::Metadata.encoding(version);
        let request = Self {
            topics: Self::decode_topics(version, reader)?,
            allow_auto_topic_creation: version < 4 || reader.read_bool()?,
            include_cluster_authorized_operations: (8..=10).contains(&version)
                && reader.read_bool()?,
            include_topic_authorized_operations: version >= 8 && reader.read_bool()?,
        };
        reader.skip_tags(encoding)?;
        Ok(request)
    }

    fn decode_topics(
        version: i16,
        reader: &mut Reader<'_>,
    ) -> Result<Option<Vec<MetadataRequestTopic>>, DecodeError> {
        let encoding = ApiKey::Metadata.encoding(version);
        let topic = |reader: &mut Reader<'_>| MetadataRequestTopic::decode(version, reader);
        if version >= 1 {
            reader.read_nullable_array(encoding, topic)
        } else {
            Ok(Some(reader.read_array(encoding, topic)?).filter(|topics| !topics.is_empty()))
        }
    }
}

impl MetadataRequestTopic {
    fn encode(&self, version: i16, out: &mut Vec<u8>) {
        let encoding = ApiKey::Metadata.encoding(version);
        if version >= 10 {
            out.put_uuid(self.topic_id);
            out.put_nullable_string(self.name.as_deref(), encoding);
        } else {
            out.put_string(self.name.as_deref().unwrap_or_default(), encoding);
        }
        out.put_no_tags(encoding);
    }

    fn decode(version: i16, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let encoding = ApiKey::Metadata.encoding(version);
        let topic = if version >= 10 {
            Self { topic_id: reader.read_uuid()?, name: reader.read_nullable_string(encoding)? }
        } else {
            Self { topic_id: Uuid::ZERO, name: Some(reader.read_string(encoding)?) }
        };
        reader.skip_tags(encoding)?;
        Ok(topic)
    }
}

/// The cluster as one broker sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MetadataResponse {
    /// 3+: for how long the broker holds back this client's requests.
    pub(crate) throttle_time_ms: i32,
    pub(crate) brokers: Vec<MetadataResponseBroker>,
    /// 2+.
    pub(crate) cluster_id: Option<String>,
    /// 1+; -1 if there is none.
    pub(crate) controller_id: i32,
    pub(crate) topics: Vec<MetadataResponseTopic>,
    /// 8-10: a bit field.
    pub(crate) cluster_authorized_operations: i32,
    /// 13+: of the answer as a whole. Since: KIP-1102.
    pub(crate) error_code: ErrorCode,
}

/// A broker and its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MetadataResponseBroker {
    pub(crate) node_id: i32,
    pub(crate) host: String,
    pub(crate) port: i32,
    /// 1+.
    pub(crate) rack: Option<String>,
}

/// A topic, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MetadataResponseTopic {
    pub(crate) error_code: ErrorCode,
    /// May be `None` from 12, where an unknown topic was asked for by its id.
    pub(crate) name: Option<String>,
    /// 10+; zero where it is unknown. Since: KIP-516.
    pub(crate) topic_id: Uuid,
    /// 1+.
    pub(crate) is_internal: bool,
    pub(crate) partitions: Vec<MetadataResponsePartition>,
    /// 8+: a bit field.
    pub(crate) topic_authorized_operations: i32,
}

/// A partition and the brokers that hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MetadataResponsePartition {
    pub(crate) error_code: ErrorCode,
    pub(crate) partition_index: i32,
    /// -1 if there is none.
    pub(crate) leader_id: i32,
    /// 7+, reliable from 9; -1 if it is unknown. Since: KIP-320.
    pub(crate) leader_epoch: i32,
    pub(crate) replica_nodes: Vec<i32>,
    pub(crate) isr_nodes: Vec<i32>,
    /// 5+.
    pub(crate) offline_replicas: Vec<i32>,
}

impl Default for MetadataResponse {
    fn default() -> Self {
        Self {
            throttle_time_ms: 0,
            brokers: Vec::new(),
            cluster_id: None,
            controller_id: -1,
            topics: Vec::new(),
            cluster_authorized_operations: OPERATIONS_NOT_ASKED_FOR,
            error_code: ErrorCode::None,
        }
    }
}

impl Default for MetadataResponseTopic {
    fn default() -> Self {
        Self {
            error_code: ErrorCode::None,
            name: None,
            topic_id: Uuid::ZERO,
            is_internal: false,
            partitions: Vec::new(),
            topic_authorized_operations: OPERATIONS_NOT_ASKED_FOR,
        }
    }
}

impl Default for MetadataResponsePartition {
    fn default() -> Self {
        Self {
            error_code: ErrorCode::None,
            partition_index: 0,
            leader_id: -1,
            leader_epoch: -1,
            replica_nodes: Vec::new(),
            isr_nodes: Vec::new(),
            offline_replicas: Vec::new(),
        }
    }
}

impl MetadataResponse {
    pub(crate) fn encode(&self, version: i16, out: &mut Vec<u8>) {
        let encoding = ApiKey::Metadata.encoding(version);
        if version >= 3 {
            out.put_i32(self.throttle_time_ms);
        }
        out.put_array(&self.brokers, encoding, |broker, out| broker.encode(version, out));
        if version >= 2 {
            out.put_nullable_string(self.cluster_id.as_deref(), encoding);
        }
        if version >= 1 {
            out.put_i32(self.controller_id);
        }
        out.put_array(&self.topics, encoding, |topic, out| topic.encode(version, out));
        if (8..=10).contains(&version) {
            out.put_i32(self.cluster_authorized_operations);
        }
        if version >= 13 {
            out.put_error_code(self.error_code);
        }
        out.put_no_tags(encoding);
    }

    pub(crate) fn decode(version: i16, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let encoding = ApiKey::Metadata.encoding(version);
        let mut response = Self::default();
        if version >= 3 {
            response.throttle_time_ms = reader.read_i32()?;
        }
        response.brokers = reader
            .read_array(encoding, |reader| MetadataResponseBroker::decode(version, reader))?;
        if version >= 2 {
            response.cluster_id = reader.read_nullable_string(encoding)?;
        }
        if version >= 1 {
            response.controller_id = reader.read_i32()?;
        }
        response.topics =
            reader.read_array(encoding, |reader| MetadataResponseTopic::decode(version, reader))?;
        if (8..=10).contains(&version) {
            response.cluster_authorized_operations = reader.read_i32()?;
        }
        if version >= 13 {
            response.error_code = reader.read_error_code()?;
        }
        reader.skip_tags(encoding)?;
        Ok(response)
    }
}

impl MetadataResponseBroker {
    fn encode(&self, version: i16, out: &mut Vec<u8>) {
        let encoding = ApiKey::Metadata.encoding(version);
        out.put_i32(self.node_id);
        out.put_string(&self.host, encoding);
        out.put_i32(self.port);
        if version >= 1 {
            out.put_nullable_string(self.rack.as_deref(), encoding);
        }
        out.put_no_tags(encoding);
    }

    fn decode(version: i16, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let encoding = ApiKey::Metadata.encoding(version);
        let broker = Self {
            node_id: reader.read_i32()?,
            host: reader.read_string(encoding)?,
            port: reader.read_i32()?,
            rack: if version >= 1 { reader.read_nullable_string(encoding)? } else { None },
        };
        reader.skip_tags(encoding)?;
        Ok(broker)
    }
}

impl MetadataResponseTopic {
    fn encode(&self, version: i16, out: &mut Vec<u8>) {
        let encoding = ApiKey::Metadata.encoding(version);
        out.put_error_code(self.error_code);
        if version >= 12 {
            out.put_nullable_string(self.name.as_deref(), encoding);
        } else {
            out.put_string(self.name.as_deref().unwrap_or_default(), encoding);
        }
        if version >= 10 {
            out.put_uuid(self.topic_id);
        }
        if version >= 1 {
            out.put_bool(self.is_internal);
        }
        out.put_array(&self.partitions, encoding, |partition, out| partition.encode(version, out));
        if version >= 8 {
            out.put_i32(self.topic_authorized_operations);
        }
        out.put_no_tags(encoding);
    }

    fn decode(version: i16, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let encoding = ApiKey::Metadata.encoding(version);
        let mut topic = Self { error_code: reader.read_error_code()?, ..Self::default() };
        topic.name = if version >= 12 {
            reader.read_nullable_string(encoding)?
        } else {
            Some(reader.read_string(encoding)?)
        };
        if version >= 10 {
            topic.topic_id = reader.read_uuid()?;
        }
        if version >= 1 {
            topic.is_internal = reader.read_bool()?;
        }
        topic.partitions = reader
            .read_array(encoding, |reader| MetadataResponsePartition::decode(version, reader))?;
        if version >= 8 {
            topic.topic_authorized_operations = reader.read_i32()?;
        }
        reader.skip_tags(encoding)?;
        Ok(topic)
    }
}

impl MetadataResponsePartition {
    fn encode(&self, version: i16, out: &mut Vec<u8>) {
        let encoding = ApiKey::Metadata.encoding(version);
        let put_node = |node: &i32, out: &mut Vec<u8>| out.put_i32(*node);
        out.put_error_code(self.error_code);
        out.put_i32(self.partition_index);
        out.put_i32(self.leader_id);
        if version >= 7 {
            out.put_i32(self.leader_epoch);
        }
        out.put_array(&self.replica_nodes, encoding, put_node);
        out.put_array(&self.isr_nodes, encoding, put_node);
        if version >= 5 {
            out.put_array(&self.offline_replicas, encoding, put_node);
        }
        out.put_no_tags(encoding);
    }

    fn decode(version: i16, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let encoding = ApiKey::Metadata.encoding(version);
        let mut partition = Self {
            error_code: reader.read_error_code()?,
            partition_index: reader.read_i32()?,
            leader_id: reader.read_i32()?,
            leader_epoch: if version >= 7 { reader.read_i32()? } else { -1 },
            replica_nodes: reader.read_array(encoding, Reader::read_i32)?,
            isr_nodes: reader.read_array(encoding, Reader::read_i32)?,
            offline_replicas: Vec::new(),
        };
        if version >= 5 {
            partition.offline_replicas = reader.read_array(encoding, Reader::read_i32)?;
        }
        reader.skip_tags(encoding)?;
        Ok(partition)
    }
}
