//! Random messages. A field that a version does not carry has its default, as it has after decoding.

use crate::common::uuid::Uuid;
use crate::error::ErrorCode;
use crate::protocol::message::api_versions::*;
use crate::protocol::message::init_producer_id::*;
use crate::protocol::message::metadata::*;
use crate::protocol::message::produce::*;
use crate::utils::random::Random;

/// What can be made up.
pub(super) trait Sample: Sized {
    fn sample(version: i16, random: &mut Random) -> Self;

    /// A random value where the version carries the field, otherwise `default`.
    fn sample_if(version_carries: bool, default: Self, random: &mut Random) -> Self {
        if version_carries { Self::sample(NEWEST, random) } else { default }
    }
}

/// For lists that only newer versions carry: their elements have been the same since.
const NEWEST: i16 = i16::MAX;

/// An integer: one of the edges as often as not.
fn integer(random: &mut Random) -> i64 {
    const EDGES: [i64; 8] = [0, 1, -1, 127, 128, 16_384, i64::MAX, i64::MIN];
    match random.below(2) {
        0 => EDGES[random.below(EDGES.len())],
        _ => i64::from_le_bytes(random.next_u64().to_le_bytes()),
    }
}

impl Sample for bool {
    fn sample(_: i16, random: &mut Random) -> Self {
        random.below(2) == 1
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low bits are as random as all")]
impl Sample for i16 {
    fn sample(_: i16, random: &mut Random) -> Self {
        integer(random) as Self
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low bits are as random as all")]
impl Sample for i32 {
    fn sample(_: i16, random: &mut Random) -> Self {
        integer(random) as Self
    }
}

impl Sample for i64 {
    fn sample(_: i16, random: &mut Random) -> Self {
        integer(random)
    }
}

impl Sample for u8 {
    fn sample(_: i16, random: &mut Random) -> Self {
        random.next_u64().to_le_bytes()[0]
    }
}

impl Sample for Uuid {
    fn sample(_: i16, random: &mut Random) -> Self {
        Self::from_bytes(std::array::from_fn(|_| u8::sample(NEWEST, random)))
    }
}

impl Sample for ErrorCode {
    fn sample(version: i16, random: &mut Random) -> Self {
        Self::from_code(i16::sample(version, random))
    }
}

impl Sample for String {
    /// Short as a rule; at times longer than one byte of compact length can tell.
    fn sample(_: i16, random: &mut Random) -> Self {
        const CHARS: [char; 6] = ['a', 'Z', '9', '.', 'é', '世'];
        let bound = if random.below(8) == 0 { 300 } else { 12 };
        (0..random.below(bound)).map(|_| CHARS[random.below(CHARS.len())]).collect()
    }
}

impl<T: Sample> Sample for Option<T> {
    fn sample(version: i16, random: &mut Random) -> Self {
        (random.below(3) > 0).then(|| T::sample(version, random))
    }
}

impl<T: Sample> Sample for Vec<T> {
    /// Short as a rule; at times longer than one byte of compact count can tell.
    fn sample(version: i16, random: &mut Random) -> Self {
        let bound = if random.below(32) == 0 { 150 } else { 4 };
        (0..random.below(bound)).map(|_| T::sample(version, random)).collect()
    }
}

impl Sample for ApiVersionsRequest {
    fn sample(version: i16, random: &mut Random) -> Self {
        Self {
            client_software_name: String::sample_if(version >= 3, String::new(), random),
            client_software_version: String::sample_if(version >= 3, String::new(), random),
        }
    }
}

impl Sample for ApiVersionsResponse {
    fn sample(version: i16, random: &mut Random) -> Self {
        Self {
            error_code: ErrorCode::sample(version, random),
            api_keys: Vec::sample(version, random),
            throttle_time_ms: i32::sample_if(version >= 1, 0, random),
            supported_features: Vec::sample_if(version >= 3, Vec::new(), random),
            finalized_features_epoch: i64::sample_if(version >= 3, -1, random),
            finalized_features: Vec::sample_if(version >= 3, Vec::new(), random),
            zk_migration_ready: bool::sample_if(version >= 3, false, random),
        }
    }
}

impl Sample for ApiVersion {
    fn sample(version: i16, random: &mut Random) -> Self {
        Self {
            api_key: i16::sample(version, random),
            min_version: i16::sample(version, random),
            max_version: i16::sample(version, random),
        }
    }
}

impl Sample for SupportedFeatureKey {
    fn sample(version: i16, random: &mut Random) -> Self {
        Self {
            name: String::sample(version, random),
            min_version: i16::sample(version, random),
            max_version: i16::sample(version, random),
        }
    }
}

impl Sample for FinalizedFeatureKey {
    fn sample(version: i16, random: &mut Random) -> Self {
        Self {
            name: String::sample(version, random),
            max_version_level: i16::sample(version, random),
            min_version_level: i16::sample(version, random),
        }
    }
}

impl Sample for InitProducerIdRequest {
    fn sample(version: i16, random: &mut Random) -> Self {
        Self {
            transactional_id: Option::sample(version, random),
            transaction_timeout_ms: i32::sample(version, random),
            producer_id: i64::sample_if(version >= 3, -1, random),
            producer_epoch: i16::sample_if(version >= 3, -1, random),
        }
    }
}

impl Sample for InitProducerIdResponse {
    fn sample(version: i16, random: &mut Random) -> Self {
        Self {
            throttle_time_ms: i32::sample(version, random),
            error_code: ErrorCode::sample(version, random),
            producer_id: i64::sample(version, random),
            producer_epoch: i16::sample(version, random),
        }
    }
}

impl Sample for MetadataRequest {
    fn sample(version: i16, random: &mut Random) -> Self {
        let topics: Option<Vec<_>> = Option::sample(version, random);
        let tells_of_cluster_operations = (8..=10).contains(&version);
        Self {
            topics: topics.filter(|topics| version >= 1 || !topics.is_empty()),
            allow_auto_topic_creation: bool::sample_if(version >= 4, true, random),
            include_cluster_authorized_operations: bool::sample_if(
                tells_of_cluster_operations,
                false,
                random,
            ),
            include_topic_authorized_operations: bool::sample_if(version >= 8, false, random),
        }
    }
}

impl Sample for MetadataRequestTopic {
    fn sample(version: i16, random: &mut Random) -> Self {
        Self {
            topic_id: Uuid::sample_if(version >= 10, Uuid::ZERO, random),
            name: match version {
                10.. => Option::sample(version, random),
                _ => Some(String::sample(version, random)),
            },
        }
    }
}

impl Sample for MetadataResponse {
    fn sample(version: i16, random: &mut Random) -> Self {
        let tells_of_cluster_operations = (8..=10).contains(&version);
        Self {
            throttle_time_ms: i32::sample_if(version >= 3, 0, random),
            brokers: Vec::sample(version, random),
            cluster_id: Option::sample_if(version >= 2, None, random),
            controller_id: i32::sample_if(version >= 1, -1, random),
            topics: Vec::sample(version, random),
            cluster_authorized_operations: i32::sample_if(
                tells_of_cluster_operations,
                i32::MIN,
                random,
            ),
            error_code: ErrorCode::sample_if(version >= 13, ErrorCode::None, random),
        }
    }
}

impl Sample for MetadataResponseBroker {
    fn sample(version: i16, random: &mut Random) -> Self {
        Self {
            node_id: i32::sample(version, random),
            host: String::sample(version, random),
            port: i32::sample(version, random),
            rack: Option::sample_if(version >= 1, None, random),
        }
    }
}

impl Sample for MetadataResponseTopic {
    fn sample(version: i16, random: &mut Random) -> Self {
        Self {
            error_code: ErrorCode::sample(version, random),
            name: match version {
                12.. => Option::sample(version, random),
                _ => Some(String::sample(version, random)),
            },
            topic_id: Uuid::sample_if(version >= 10, Uuid::ZERO, random),
            is_internal: bool::sample_if(version >= 1, false, random),
            partitions: Vec::sample(version, random),
            topic_authorized_operations: i32::sample_if(version >= 8, i32::MIN, random),
        }
    }
}

impl Sample for MetadataResponsePartition {
    fn sample(version: i16, random: &mut Random) -> Self {
        Self {
            error_code: ErrorCode::sample(version, random),
            partition_index: i32::sample(version, random),
            leader_id: i32::sample(version, random),
            leader_epoch: i32::sample_if(version >= 7, -1, random),
            replica_nodes: Vec::sample(version, random),
            isr_nodes: Vec::sample(version, random),
            offline_replicas: Vec::sample_if(version >= 5, Vec::new(), random),
        }
    }
}

impl Sample for ProduceRequest<Vec<u8>> {
    fn sample(version: i16, random: &mut Random) -> Self {
        Self {
            transactional_id: Option::sample_if(version >= 3, None, random),
            acks: i16::sample(version, random),
            timeout_ms: i32::sample(version, random),
            topics: Vec::sample(version, random),
        }
    }
}

impl Sample for TopicProduceData<Vec<u8>> {
    fn sample(version: i16, random: &mut Random) -> Self {
        Self {
            name: String::sample_if(version < 13, String::new(), random).into(),
            topic_id: Uuid::sample_if(version >= 13, Uuid::ZERO, random),
            partitions: Vec::sample(version, random),
        }
    }
}

impl Sample for PartitionProduceData<Vec<u8>> {
    fn sample(version: i16, random: &mut Random) -> Self {
        Self { index: i32::sample(version, random), records: Vec::sample(version, random) }
    }
}

impl Sample for ProduceResponse {
    fn sample(version: i16, random: &mut Random) -> Self {
        Self {
            topics: Vec::sample(version, random),
            throttle_time_ms: i32::sample(version, random),
            node_endpoints: Vec::sample_if(version >= 10, Vec::new(), random),
        }
    }
}

impl Sample for TopicProduceResponse {
    fn sample(version: i16, random: &mut Random) -> Self {
        Self {
            name: String::sample_if(version < 13, String::new(), random),
            topic_id: Uuid::sample_if(version >= 13, Uuid::ZERO, random),
            partitions: Vec::sample(version, random),
        }
    }
}

impl Sample for PartitionProduceResponse {
    fn sample(version: i16, random: &mut Random) -> Self {
        Self {
            index: i32::sample(version, random),
            error_code: ErrorCode::sample(version, random),
            base_offset: i64::sample(version, random),
            log_append_time_ms: i64::sample(version, random),
            log_start_offset: i64::sample_if(version >= 5, -1, random),
            record_errors: Vec::sample_if(version >= 8, Vec::new(), random),
            error_message: Option::sample_if(version >= 8, None, random),
            current_leader: Option::sample_if(version >= 10, None, random),
        }
    }
}

impl Sample for RecordError {
    fn sample(version: i16, random: &mut Random) -> Self {
        Self { batch_index: i32::sample(version, random), message: Option::sample(version, random) }
    }
}

impl Sample for LeaderIdAndEpoch {
    /// Never the pair of -1 that stands for none: another implementation leaves it out.
    fn sample(version: i16, random: &mut Random) -> Self {
        let leader_id = i32::sample(version, random).max(0);
        Self { leader_id, leader_epoch: i32::sample(version, random) }
    }
}

impl Sample for NodeEndpoint {
    fn sample(version: i16, random: &mut Random) -> Self {
        Self {
            node_id: i32::sample(version, random),
            host: String::sample(version, random),
            port: i32::sample(version, random),
            rack: Option::sample(version, random),
        }
    }
}
