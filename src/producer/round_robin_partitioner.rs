//! Mirrors `org.apache.kafka.clients.producer.RoundRobinPartitioner`.

use crate::common::cluster::Cluster;
use crate::common::partition_info::PartitionInfo;
use crate::producer::partitioner::Partitioner;
use crate::utils::hash::HashMap;
use crate::utils::sync::Mutex;

/// Sends each record of a topic to its next partition that has a leader, whatever the keys.
///
/// Where no partition has a leader it goes through all of them.
#[derive(Debug, Default)]
pub struct RoundRobinPartitioner {
    counters: Mutex<HashMap<String, usize>>,
}

impl RoundRobinPartitioner {
    /// Starts every topic at its first partition.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn next(&self, topic: &str) -> usize {
        let mut counters = self.counters.lock();
        if let Some(next) = counters.get_mut(topic) {
            let turn = *next;
            *next = next.wrapping_add(1);
            return turn;
        }
        counters.insert(topic.to_owned(), 1);
        0
    }
}

impl Partitioner for RoundRobinPartitioner {
    fn partition(
        &self,
        topic: &str,
        _key: Option<&[u8]>,
        _value: Option<&[u8]>,
        cluster: &Cluster,
    ) -> i32 {
        let Some(info) = cluster.topic(topic) else {
            return 0;
        };
        let turn = self.next(topic);
        match info.available_partitions() {
            [] => {
                let partitions = info.partitions();
                partitions.get(turn % partitions.len().max(1)).map_or(0, PartitionInfo::partition)
            }
            available => available[turn % available.len()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::cluster::TopicInfo;
    use crate::common::node::NodeId;
    use crate::common::partition_info::PartitionInfo;
    use crate::common::uuid::Uuid;

    #[test]
    fn goes_round_the_partitions_that_have_a_leader() {
        let cluster = cluster(&[Some(1), None, Some(2)]);

        assert_eq!(turns(&cluster, 5), [0, 2, 0, 2, 0]);
    }

    #[test]
    fn goes_round_all_partitions_while_none_has_a_leader() {
        assert_eq!(turns(&cluster(&[None, None]), 3), [0, 1, 0]);
    }

    fn turns(cluster: &Cluster, count: usize) -> Vec<i32> {
        let partitioner = RoundRobinPartitioner::new();
        (0..count).map(|_| partitioner.partition("t", None, None, cluster)).collect()
    }

    fn cluster(leaders: &[Option<i32>]) -> Cluster {
        let partitions = leaders
            .iter()
            .zip(0..)
            .map(|(leader, partition)| PartitionInfo::new(partition, leader.map(NodeId)));
        let topic = TopicInfo::new("t".into(), Uuid::ZERO, false, partitions.collect());
        let mut cluster = Cluster::default();
        cluster.topics.insert("t".into(), topic.into());
        cluster
    }
}
