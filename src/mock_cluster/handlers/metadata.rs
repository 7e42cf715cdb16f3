//! Metadata 0 to 13: brokers, topics and leaders, as this broker knows them.
//!
//! - 0: no topics means all; from 1 null means all and none means none.
//! - 4: the client says whether unknown topics may be created; before, they always may.
//! - 7: leader epochs.
//! - 10: topic ids, heeded in requests from 12. Since: KIP-516.
//! - 13: an error for the answer as a whole. Since: KIP-1102.

use std::sync::Arc;

use crate::common::node::NodeId;
use crate::error::ErrorCode;
use crate::mock_cluster::cluster_state::{self, Broker, ClusterState, Partition, Topic};
use crate::mock_cluster::fault::Outcome;
use crate::mock_cluster::fault_queue::{Plan, Target};
use crate::mock_cluster::handlers::Context;
use crate::protocol::message::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseBroker,
    MetadataResponsePartition, MetadataResponseTopic,
};

pub(in crate::mock_cluster) fn targets(
    request: &MetadataRequest,
    state: &ClusterState,
) -> Vec<Target> {
    match &request.topics {
        None => state.topics().flat_map(topic_targets).collect(),
        Some(topics) => topics.iter().flat_map(|asked| asked_targets(asked, state)).collect(),
    }
}

fn asked_targets(asked: &MetadataRequestTopic, state: &ClusterState) -> Vec<Target> {
    match (find(asked, state), &asked.name) {
        (Some(topic), _) => topic_targets(topic),
        (None, Some(name)) => vec![Target { topic: name.as_str().into(), partition: None }],
        (None, None) => Vec::new(),
    }
}

fn topic_targets(topic: &Topic) -> Vec<Target> {
    let of_topic = Target { topic: topic.name.clone(), partition: None };
    let of_partition = |(index, _)| partition_target(&topic.name, index);
    let partitions = (0..).zip(&topic.partitions).map(of_partition);
    std::iter::once(of_topic).chain(partitions).collect()
}

pub(in crate::mock_cluster) fn answer(
    request: MetadataRequest,
    context: &mut Context<'_>,
) -> MetadataResponse {
    if request.allow_auto_topic_creation {
        create_unknown(&request, context);
    }
    let state = context.world.metadata_of(context.node);
    let mut topics: Vec<_> = match &request.topics {
        None => state.topics().map(|topic| describe(topic, state, context.plan)).collect(),
        Some(topics) => topics.iter().map(|asked| describe_asked(asked, context)).collect(),
    };
    topics.retain(|topic| {
        let topic = topic.name.as_deref().unwrap_or_default().into();
        !context.plan.leaves_out(&Target { topic, partition: None })
    });
    MetadataResponse {
        throttle_time_ms: context.plan.throttle_ms(),
        brokers: brokers(state),
        cluster_id: Some(context.world.settings.cluster_id.clone()),
        controller_id: state.running().next().map_or(-1, |(id, _)| id.0),
        topics,
        error_code: context.plan.outcome(None).map_or(ErrorCode::None, Outcome::code),
        ..MetadataResponse::default()
    }
}

fn create_unknown(request: &MetadataRequest, context: &mut Context<'_>) {
    let names = request.topics.iter().flatten().filter_map(|topic| topic.name.as_deref());
    for name in names {
        let target = Target { topic: name.into(), partition: None };
        let is_refused = matches!(context.plan.outcome(Some(&target)), Some(Outcome::Refuse(_)));
        if !is_refused {
            context.world.auto_create(name);
        }
    }
}

fn describe_asked(asked: &MetadataRequestTopic, context: &Context<'_>) -> MetadataResponseTopic {
    let state = context.world.metadata_of(context.node);
    if let Some(topic) = find(asked, state) {
        return describe(topic, state, context.plan);
    }
    let error_code = match &asked.name {
        None => ErrorCode::UnknownTopicId,
        Some(name) => {
            let target = Target { topic: name.as_str().into(), partition: None };
            context.plan.outcome(Some(&target)).map_or_else(|| unknown(name), Outcome::code)
        }
    };
    let (name, topic_id) = (asked.name.clone(), asked.topic_id);
    MetadataResponseTopic { error_code, name, topic_id, ..MetadataResponseTopic::default() }
}

fn unknown(name: &str) -> ErrorCode {
    if cluster_state::is_valid_topic_name(name) {
        ErrorCode::UnknownTopicOrPartition
    } else {
        ErrorCode::InvalidTopicException
    }
}

fn find<'a>(asked: &MetadataRequestTopic, state: &'a ClusterState) -> Option<&'a Topic> {
    match &asked.name {
        Some(name) => state.topic(name),
        None => state.topic_by_id(asked.topic_id),
    }
}

fn describe(topic: &Topic, state: &ClusterState, plan: &Plan) -> MetadataResponseTopic {
    let target = Target { topic: topic.name.clone(), partition: None };
    let failed = plan.outcome(Some(&target)).map(Outcome::code);
    let partitions = match failed {
        Some(_) => Vec::new(),
        None => (0..)
            .zip(&topic.partitions)
            .map(|(index, partition)| {
                let target = partition_target(&topic.name, index);
                let failed = plan.outcome(Some(&target)).map(Outcome::code);
                describe_partition(index, partition, state, failed)
            })
            .collect(),
    };
    MetadataResponseTopic {
        error_code: failed.unwrap_or(ErrorCode::None),
        name: Some(topic.name.to_string()),
        topic_id: topic.id,
        partitions,
        ..MetadataResponseTopic::default()
    }
}

fn describe_partition(
    index: i32,
    partition: &Partition,
    state: &ClusterState,
    failed: Option<ErrorCode>,
) -> MetadataResponsePartition {
    let leader = partition.leader.filter(|_| failed.is_none());
    let is_offline = |node: &&_| !state.is_running(**node);
    let leaderless = if leader.is_none() { ErrorCode::LeaderNotAvailable } else { ErrorCode::None };
    MetadataResponsePartition {
        error_code: failed.unwrap_or(leaderless),
        partition_index: index,
        leader_id: leader.map_or(-1, |node| node.0),
        leader_epoch: partition.leader_epoch,
        replica_nodes: partition.replicas.iter().map(|node| node.0).collect(),
        isr_nodes: partition.in_sync.iter().map(|node| node.0).collect(),
        offline_replicas: partition.replicas.iter().filter(is_offline).map(|node| node.0).collect(),
    }
}

fn brokers(state: &ClusterState) -> Vec<MetadataResponseBroker> {
    let describe = |(id, broker): (NodeId, &Broker)| {
        let (host, port) = (broker.host.clone(), i32::from(broker.port));
        MetadataResponseBroker { node_id: id.0, host, port, rack: None }
    };
    state.running().map(describe).collect()
}

fn partition_target(topic: &Arc<str>, index: i32) -> Target {
    Target { topic: topic.clone(), partition: Some(index) }
}
