//! Produce 2 to 13: batches into their partitions.
//!
//! - 2: message sets; the time of the append.
//! - 3: record batches.
//! - 8: which record is at fault, and a message. Since: KIP-467.
//! - 9: flexible.
//! - 10: who leads now, with `NOT_LEADER_OR_FOLLOWER`. Since: KIP-951.
//! - 13: topics by id. Since: KIP-516.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::common::node::NodeId;
use crate::error::ErrorCode;
use crate::mock_cluster::fault::Outcome;
use crate::mock_cluster::fault_queue::Target;
use crate::mock_cluster::handlers::{Context, Reply};
use crate::mock_cluster::partition_log::Appended;
use crate::mock_cluster::record_batch::{BatchHeader, Refusal};
use crate::mock_cluster::world::{Append, World};
use crate::protocol::message::produce::{
    LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, ProduceRequest, ProduceResponse,
    RecordError, TopicProduceData, TopicProduceResponse,
};

/// What makes a batch transactional tells the header, too.
const NO_TRANSACTIONS: Refusal =
    Refusal::new(ErrorCode::InvalidTxnState, "this cluster knows no transactions");

/// The topic's name: given, or found by its id. `None` where no topic has the id.
pub(in crate::mock_cluster) fn topic_name<R>(
    topic: &TopicProduceData<R>,
    world: &World,
) -> Option<Arc<str>> {
    if !topic.name.is_empty() {
        return Some(topic.name.clone());
    }
    world.state.topic_by_id(topic.topic_id).map(|topic| topic.name.clone())
}

pub(in crate::mock_cluster) fn targets(
    request: &ProduceRequest<Vec<u8>>,
    world: &World,
) -> Vec<Target> {
    let of_topic = |topic: &TopicProduceData<Vec<u8>>| {
        let name = topic_name(topic, world).unwrap_or_else(|| topic.name.clone());
        let target = |index: i32| Target { topic: name.clone(), partition: Some(index) };
        topic.partitions.iter().map(|partition| target(partition.index)).collect::<Vec<_>>()
    };
    request.topics.iter().flat_map(of_topic).collect()
}

pub(in crate::mock_cluster) fn answer(
    request: ProduceRequest<Vec<u8>>,
    context: &mut Context<'_>,
) -> Reply {
    let acks = request.acks;
    let topics: Vec<_> =
        request.topics.into_iter().map(|topic| answer_topic(topic, acks, context)).collect();
    if acks == 0 && !context.world.settings.profile.acknowledges_everything {
        let mut partitions = topics.iter().flat_map(|topic| &topic.partitions);
        let all_appended = partitions.all(|partition| partition.error_code.is_ok());
        return if all_appended { Reply::Silence } else { Reply::Close };
    }
    let response = ProduceResponse {
        node_endpoints: endpoints(&topics, context.world),
        topics,
        throttle_time_ms: context.plan.throttle_ms(),
    };
    let mut body = Vec::new();
    response.encode(context.version, &mut body);
    Reply::Body(body)
}

fn answer_topic(
    topic: TopicProduceData<Vec<u8>>,
    acks: i16,
    context: &mut Context<'_>,
) -> TopicProduceResponse {
    let name = topic_name(&topic, context.world);
    let mut partitions = Vec::with_capacity(topic.partitions.len());
    for partition in topic.partitions {
        let index = partition.index;
        let append = |topic| Append {
            node: context.node,
            topic,
            partition: index,
            acks,
            version: context.version,
            records: partition.records,
        };
        partitions.push(match name.clone().map(append) {
            Some(append) => answer_partition(append, context),
            None => refused(index, &Refusal::new(ErrorCode::UnknownTopicId, "no such topic id")),
        });
    }
    partitions.retain(|response| {
        let topic = name.clone().unwrap_or_default();
        !context.plan.leaves_out(&Target { topic, partition: Some(response.index) })
    });
    TopicProduceResponse { name: topic.name.to_string(), topic_id: topic.topic_id, partitions }
}

fn answer_partition(append: Append, context: &mut Context<'_>) -> PartitionProduceResponse {
    let (topic, index) = (append.topic.clone(), append.partition);
    let target = Target { topic: topic.clone(), partition: Some(index) };
    let result = apply(append, context.plan.outcome(Some(&target)), context);
    let mut response = match result {
        Ok(appended) => PartitionProduceResponse {
            index,
            base_offset: appended.base_offset,
            log_append_time_ms: appended.log_append_time_ms,
            log_start_offset: context.world.log_start_offset(&topic, index),
            ..PartitionProduceResponse::default()
        },
        Err(refusal) => refused(index, &refusal),
    };
    if response.error_code == ErrorCode::NotLeaderOrFollower {
        response.current_leader = current_leader(context.world, &topic, index);
    }
    response
}

/// Appends, or does what a fault wants instead.
fn apply(
    append: Append,
    outcome: Option<Outcome>,
    context: &mut Context<'_>,
) -> Result<Appended, Refusal> {
    let injected = |code| Refusal::new(code, "injected by the test");
    match outcome {
        None => checked_append(append, context),
        Some(Outcome::Refuse(code)) => Err(injected(code)),
        Some(Outcome::ApplyThenFail(code)) => {
            checked_append(append, context)?;
            Err(injected(code))
        }
        Some(Outcome::FailThenApply { code, after }) => {
            context.world.append_late(append, context.now, after);
            Err(injected(code))
        }
    }
}

fn checked_append(append: Append, context: &mut Context<'_>) -> Result<Appended, Refusal> {
    if !(-1..=1).contains(&append.acks) {
        let message = "acks must be -1, 0 or 1";
        return Err(Refusal::new(ErrorCode::InvalidRequiredAcks, message));
    }
    let header = BatchHeader::read(&append.records).filter(|header| header.magic == 2);
    if header.is_some_and(|header| header.is_transactional()) {
        return Err(NO_TRANSACTIONS);
    }
    context.world.append(append, context.now)
}

fn refused(index: i32, refusal: &Refusal) -> PartitionProduceResponse {
    let message = Some(refusal.message.to_owned());
    let at_fault = |batch_index| RecordError { batch_index, message: message.clone() };
    PartitionProduceResponse {
        index,
        error_code: refusal.code,
        record_errors: refusal.batch_index.map(at_fault).into_iter().collect(),
        error_message: message.clone(),
        ..PartitionProduceResponse::default()
    }
}

fn current_leader(world: &World, topic: &str, index: i32) -> Option<LeaderIdAndEpoch> {
    let partition = world.state.topic(topic)?.partition(index)?;
    let leader_id = partition.leader?.0;
    Some(LeaderIdAndEpoch { leader_id, leader_epoch: partition.leader_epoch })
}

/// The addresses of the leaders that the answer names.
fn endpoints(topics: &[TopicProduceResponse], world: &World) -> Vec<NodeEndpoint> {
    let partitions = topics.iter().flat_map(|topic| &topic.partitions);
    let leaders = partitions.filter_map(|partition| partition.current_leader);
    let nodes: BTreeSet<NodeId> = leaders.map(|leader| NodeId(leader.leader_id)).collect();
    let endpoint = |node: NodeId| {
        let broker = world.state.brokers.get(&node)?;
        let (host, port) = (broker.host.clone(), i32::from(broker.port));
        Some(NodeEndpoint { node_id: node.0, host, port, rack: None })
    };
    nodes.into_iter().filter_map(endpoint).collect()
}
