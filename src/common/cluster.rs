//! Mirrors `org.apache.kafka.common.Cluster`.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::common::node::{Node, NodeId};
use crate::common::partition_info::PartitionInfo;
use crate::common::uuid::Uuid;
use crate::utils::hash::HashMap;

/// The brokers and topics of a cluster at one moment, as far as this producer asked for them. Immutable.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    pub(crate) id: Option<Arc<str>>,
    pub(crate) controller: Option<NodeId>,
    pub(crate) nodes: BTreeMap<NodeId, Node>,
    /// Shared with the previous cluster where an update left a topic alone.
    pub(crate) topics: HashMap<Arc<str>, Arc<TopicInfo>>,
}

/// One topic of a [`Cluster`].
#[derive(Clone, Debug)]
pub struct TopicInfo {
    name: Arc<str>,
    id: Uuid,
    is_internal: bool,
    /// Indexed by partition number: number n stands at position n.
    partitions: Vec<PartitionInfo>,
    available: Vec<i32>,
}

impl Cluster {
    /// The cluster's id; brokers before 0.10.1 have none.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The broker that is the controller.
    #[must_use]
    pub fn controller(&self) -> Option<NodeId> {
        self.controller
    }

    /// All known brokers, by number.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values()
    }

    /// The broker with this number.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(&id)
    }

    /// What is known of `topic`.
    #[must_use]
    pub fn topic(&self, topic: &str) -> Option<&TopicInfo> {
        self.topics.get(topic).map(Arc::as_ref)
    }

    /// The leader of a partition; `None` while it has no known leader, or one that is no longer among the brokers.
    #[must_use]
    pub fn leader(&self, topic: &str, partition: i32) -> Option<NodeId> {
        let leader = self.topic(topic)?.partition(partition)?.leader;
        leader.filter(|leader| self.nodes.contains_key(leader))
    }
}

impl TopicInfo {
    /// `partitions` in any order. A number that is missing below the highest one is filled in without a leader, and a
    /// negative one is dropped: the position of a partition is its number.
    pub(crate) fn new(
        name: Arc<str>,
        id: Uuid,
        is_internal: bool,
        mut partitions: Vec<PartitionInfo>,
    ) -> Self {
        partitions.retain(|info| info.partition >= 0);
        partitions.sort_by_key(|info| info.partition);
        partitions.dedup_by_key(|info| info.partition);
        let partitions = without_gaps(partitions);
        let led = partitions.iter().filter(|info| info.leader.is_some());
        let available = led.map(|info| info.partition).collect();
        Self { name, id, is_internal, partitions, available }
    }

    /// The topic's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The topic's id, zero where the brokers have none (before 2.8).
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Whether it is one of Kafka's own topics, such as `__consumer_offsets`.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        self.is_internal
    }

    /// All partitions, by number; those without a leader are included.
    #[must_use]
    pub fn partitions(&self) -> &[PartitionInfo] {
        &self.partitions
    }

    /// The partition with this number.
    #[must_use]
    pub fn partition(&self, partition: i32) -> Option<&PartitionInfo> {
        self.partitions.get(usize::try_from(partition).ok()?)
    }

    /// The numbers of the partitions that have a leader.
    #[must_use]
    pub fn available_partitions(&self) -> &[i32] {
        &self.available
    }

    pub(crate) fn shared_name(&self) -> &Arc<str> {
        &self.name
    }

    /// Takes over that a partition is led by `leader` since `epoch`; without effect where there is no such partition.
    pub(crate) fn set_leader(&mut self, partition: i32, leader: NodeId, epoch: i32) {
        let known =
            usize::try_from(partition).ok().and_then(|index| self.partitions.get_mut(index));
        let Some(known) = known else { return };
        known.leader = Some(leader);
        known.leader_epoch = Some(epoch);
        if let Err(position) = self.available.binary_search(&partition) {
            self.available.insert(position, partition);
        }
    }
}

/// Beyond this, and twice the number of partitions that were told, gaps are not filled: a broker's word alone must not
/// fill our memory.
const MAX_FILLED_PARTITION: usize = 1000;

fn without_gaps(partitions: Vec<PartitionInfo>) -> Vec<PartitionInfo> {
    let highest = i32::try_from(2 * partitions.len() + MAX_FILLED_PARTITION).unwrap_or(i32::MAX);
    let mut filled = Vec::with_capacity(partitions.len());
    for info in partitions {
        if info.partition > highest {
            break;
        }
        for missing in (0..info.partition).skip(filled.len()) {
            filled.push(PartitionInfo::new(missing, None));
        }
        filled.push(info);
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_stands_at_the_position_of_its_number() {
        let topic = topic([(3, Some(1)), (1, None), (-4, Some(1)), (0, Some(2))]);

        let numbers = topic.partitions().iter().map(PartitionInfo::partition);
        assert_eq!(numbers.collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!(topic.partition(2).expect("filled in").leader(), None);
        assert_eq!(topic.available_partitions(), [0, 3]);
    }

    #[test]
    fn a_partition_that_gets_a_leader_becomes_available() {
        let mut topic = topic([(0, Some(1)), (1, None), (2, Some(1))]);

        topic.set_leader(1, NodeId(2), 7);
        topic.set_leader(2, NodeId(2), 8);
        topic.set_leader(9, NodeId(2), 8);

        assert_eq!(topic.available_partitions(), [0, 1, 2]);
        let leaders = topic.partitions().iter().map(|info| (info.leader, info.leader_epoch));
        let second = Some(NodeId(2));
        let expected = [(Some(NodeId(1)), None), (second, Some(7)), (second, Some(8))];
        assert_eq!(leaders.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_number_out_of_all_proportion_does_not_fill_the_memory() {
        let topic = topic([(0, Some(1)), (i32::MAX, Some(1))]);

        assert_eq!(topic.partitions().len(), 1);
        assert_eq!(topic.available_partitions(), [0]);
    }

    fn topic<const N: usize>(partitions: [(i32, Option<i32>); N]) -> TopicInfo {
        let info = |(partition, leader): (i32, Option<i32>)| {
            PartitionInfo::new(partition, leader.map(NodeId))
        };
        TopicInfo::new("t".into(), Uuid::ZERO, false, partitions.map(info).to_vec())
    }
}
