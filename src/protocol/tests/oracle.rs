//! The `kafka-protocol` crate, generated from Kafka's own schemas, reads our bytes as we mean them, and we read its.

use kafka_protocol::messages as theirs;
use kafka_protocol::messages::{
    api_versions_response as their_versions, metadata_response as their_metadata,
    produce_request as their_produce, produce_response as their_produced,
};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

use crate::common::uuid::Uuid;
use crate::protocol::message::api_versions::{
    ApiVersion, FinalizedFeatureKey, SupportedFeatureKey,
};
use crate::protocol::message::metadata::{
    MetadataRequestTopic, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use crate::protocol::message::produce::{
    NodeEndpoint, PartitionProduceData, PartitionProduceResponse, RecordError, TopicProduceData,
    TopicProduceResponse,
};

use super::*;

/// A message that the other crate has as well.
trait Known: Message {
    type Theirs: kafka_protocol::protocol::Message + Encodable + Decodable + Debug + PartialEq;

    /// The same message, field for field.
    fn to_theirs(&self, version: i16) -> Self::Theirs;
}

#[test]
fn another_implementation_agrees_on_every_message_in_every_version() {
    for_each_message!(agrees);
}

fn agrees<M: Known>() {
    for_samples::<M>(50, |version, ours| {
        if !is_known::<M::Theirs>(version) {
            return; // it has dropped what brokers before 0.11 speak
        }
        let theirs = ours.to_theirs(version);
        let our_bytes = ours.to_bytes(version);
        let mut their_bytes = Vec::new();
        theirs.encode(&mut their_bytes, version).expect("a message of this version");

        let mut rest = &our_bytes[..];
        let read = M::Theirs::decode(&mut rest, version).expect("a message of this version");
        assert_eq!(read, theirs, "v{version}");
        assert!(rest.is_empty(), "v{version} {ours:?}");

        let mut reader = Reader::new(&their_bytes);
        assert_eq!(M::decode(version, &mut reader).as_ref(), Ok(&ours), "v{version}");
        assert_eq!(reader.remaining(), 0, "v{version} {ours:?}");
    });
}

fn is_known<T: kafka_protocol::protocol::Message>(version: i16) -> bool {
    (T::VERSIONS.min..=T::VERSIONS.max).contains(&version)
}

/// The default with each field set: their structs are not exhaustive.
macro_rules! with {
    ($theirs:ty; $($field:ident: $value:expr),* $(,)?) => {{
        let mut theirs = <$theirs>::default();
        $(theirs.$field = $value;)*
        theirs
    }};
}

fn text(ours: &str) -> StrBytes {
    StrBytes::from_string(ours.to_owned())
}

fn maybe_text(ours: Option<&String>) -> Option<StrBytes> {
    ours.map(|ours| text(ours))
}

fn node(ours: &i32) -> theirs::BrokerId {
    theirs::BrokerId(*ours)
}

/// Their ids are of a crate that we do not name; both know the written form.
fn id<T: std::str::FromStr<Err: Debug>>(ours: Uuid) -> T {
    ours.to_string().parse().expect("a written id")
}

fn each<T, U>(ours: &[T], to_theirs: impl Fn(&T) -> U) -> Vec<U> {
    ours.iter().map(to_theirs).collect()
}

impl Known for ApiVersionsRequest {
    type Theirs = theirs::ApiVersionsRequest;

    fn to_theirs(&self, _: i16) -> Self::Theirs {
        with!(Self::Theirs;
            client_software_name: text(&self.client_software_name),
            client_software_version: text(&self.client_software_version),
        )
    }
}

impl Known for ApiVersionsResponse {
    type Theirs = theirs::ApiVersionsResponse;

    fn to_theirs(&self, _: i16) -> Self::Theirs {
        let api = |api: &ApiVersion| {
            with!(their_versions::ApiVersion;
                api_key: api.api_key,
                min_version: api.min_version,
                max_version: api.max_version,
            )
        };
        let supported = |key: &SupportedFeatureKey| {
            with!(their_versions::SupportedFeatureKey;
                name: text(&key.name),
                min_version: key.min_version,
                max_version: key.max_version,
            )
        };
        let finalized = |key: &FinalizedFeatureKey| {
            with!(their_versions::FinalizedFeatureKey;
                name: text(&key.name),
                max_version_level: key.max_version_level,
                min_version_level: key.min_version_level,
            )
        };
        with!(Self::Theirs;
            error_code: self.error_code.code(),
            api_keys: each(&self.api_keys, api),
            throttle_time_ms: self.throttle_time_ms,
            supported_features: each(&self.supported_features, supported),
            finalized_features_epoch: self.finalized_features_epoch,
            finalized_features: each(&self.finalized_features, finalized),
            zk_migration_ready: self.zk_migration_ready,
        )
    }
}

impl Known for InitProducerIdRequest {
    type Theirs = theirs::InitProducerIdRequest;

    fn to_theirs(&self, _: i16) -> Self::Theirs {
        let transactional_id = maybe_text(self.transactional_id.as_ref());
        with!(Self::Theirs;
            transactional_id: transactional_id.map(theirs::TransactionalId),
            transaction_timeout_ms: self.transaction_timeout_ms,
            producer_id: theirs::ProducerId(self.producer_id),
            producer_epoch: self.producer_epoch,
        )
    }
}

impl Known for InitProducerIdResponse {
    type Theirs = theirs::InitProducerIdResponse;

    fn to_theirs(&self, _: i16) -> Self::Theirs {
        with!(Self::Theirs;
            throttle_time_ms: self.throttle_time_ms,
            error_code: self.error_code.code(),
            producer_id: theirs::ProducerId(self.producer_id),
            producer_epoch: self.producer_epoch,
        )
    }
}

impl Known for MetadataRequest {
    type Theirs = theirs::MetadataRequest;

    fn to_theirs(&self, version: i16) -> Self::Theirs {
        let topic = |topic: &MetadataRequestTopic| {
            with!(theirs::metadata_request::MetadataRequestTopic;
                topic_id: id(topic.topic_id),
                name: maybe_text(topic.name.as_ref()).map(theirs::TopicName),
            )
        };
        let topics = self.topics.as_ref().map(|topics| each(topics, topic));
        with!(Self::Theirs;
            topics: if version == 0 { Some(topics.unwrap_or_default()) } else { topics },
            allow_auto_topic_creation: self.allow_auto_topic_creation,
            include_cluster_authorized_operations: self.include_cluster_authorized_operations,
            include_topic_authorized_operations: self.include_topic_authorized_operations,
        )
    }
}

impl Known for MetadataResponse {
    type Theirs = theirs::MetadataResponse;

    fn to_theirs(&self, _: i16) -> Self::Theirs {
        let broker = |broker: &MetadataResponseBroker| {
            with!(their_metadata::MetadataResponseBroker;
                node_id: theirs::BrokerId(broker.node_id),
                host: text(&broker.host),
                port: broker.port,
                rack: maybe_text(broker.rack.as_ref()),
            )
        };
        with!(Self::Theirs;
            throttle_time_ms: self.throttle_time_ms,
            brokers: each(&self.brokers, broker),
            cluster_id: maybe_text(self.cluster_id.as_ref()),
            controller_id: theirs::BrokerId(self.controller_id),
            topics: each(&self.topics, metadata_topic),
            cluster_authorized_operations: self.cluster_authorized_operations,
            error_code: self.error_code.code(),
        )
    }
}

fn metadata_topic(ours: &MetadataResponseTopic) -> their_metadata::MetadataResponseTopic {
    let partition = |partition: &MetadataResponsePartition| {
        with!(their_metadata::MetadataResponsePartition;
            error_code: partition.error_code.code(),
            partition_index: partition.partition_index,
            leader_id: theirs::BrokerId(partition.leader_id),
            leader_epoch: partition.leader_epoch,
            replica_nodes: each(&partition.replica_nodes, node),
            isr_nodes: each(&partition.isr_nodes, node),
            offline_replicas: each(&partition.offline_replicas, node),
        )
    };
    with!(their_metadata::MetadataResponseTopic;
        error_code: ours.error_code.code(),
        name: maybe_text(ours.name.as_ref()).map(theirs::TopicName),
        topic_id: id(ours.topic_id),
        is_internal: ours.is_internal,
        partitions: each(&ours.partitions, partition),
        topic_authorized_operations: ours.topic_authorized_operations,
    )
}

impl Known for ProduceRequest<Vec<u8>> {
    type Theirs = theirs::ProduceRequest;

    fn to_theirs(&self, _: i16) -> Self::Theirs {
        let transactional_id = maybe_text(self.transactional_id.as_ref());
        let partition = |partition: &PartitionProduceData<Vec<u8>>| {
            with!(their_produce::PartitionProduceData;
                index: partition.index,
                records: Some(partition.records.clone().into()),
            )
        };
        let topic = |topic: &TopicProduceData<Vec<u8>>| {
            with!(their_produce::TopicProduceData;
                name: theirs::TopicName(text(&topic.name)),
                topic_id: id(topic.topic_id),
                partition_data: each(&topic.partitions, partition),
            )
        };
        with!(Self::Theirs;
            transactional_id: transactional_id.map(theirs::TransactionalId),
            acks: self.acks,
            timeout_ms: self.timeout_ms,
            topic_data: each(&self.topics, topic),
        )
    }
}

impl Known for ProduceResponse {
    type Theirs = theirs::ProduceResponse;

    fn to_theirs(&self, _: i16) -> Self::Theirs {
        let topic = |topic: &TopicProduceResponse| {
            with!(their_produced::TopicProduceResponse;
                name: theirs::TopicName(text(&topic.name)),
                topic_id: id(topic.topic_id),
                partition_responses: each(&topic.partitions, produced_partition),
            )
        };
        let endpoint = |endpoint: &NodeEndpoint| {
            with!(their_produced::NodeEndpoint;
                node_id: theirs::BrokerId(endpoint.node_id),
                host: text(&endpoint.host),
                port: endpoint.port,
                rack: maybe_text(endpoint.rack.as_ref()),
            )
        };
        with!(Self::Theirs;
            responses: each(&self.topics, topic),
            throttle_time_ms: self.throttle_time_ms,
            node_endpoints: each(&self.node_endpoints, endpoint),
        )
    }
}

fn produced_partition(ours: &PartitionProduceResponse) -> their_produced::PartitionProduceResponse {
    let record_error = |error: &RecordError| {
        with!(their_produced::BatchIndexAndErrorMessage;
            batch_index: error.batch_index,
            batch_index_error_message: maybe_text(error.message.as_ref()),
        )
    };
    let leader = ours.current_leader.map(|leader| {
        with!(their_produced::LeaderIdAndEpoch;
            leader_id: theirs::BrokerId(leader.leader_id),
            leader_epoch: leader.leader_epoch,
        )
    });
    with!(their_produced::PartitionProduceResponse;
        index: ours.index,
        error_code: ours.error_code.code(),
        base_offset: ours.base_offset,
        log_append_time_ms: ours.log_append_time_ms,
        log_start_offset: ours.log_start_offset,
        record_errors: each(&ours.record_errors, record_error),
        error_message: maybe_text(ours.error_message.as_ref()),
        current_leader: leader.unwrap_or_default(),
    )
}
