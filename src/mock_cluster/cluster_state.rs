//! What the brokers agree on: who runs, which topics there are, who leads.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::common::node::NodeId;
use crate::common::uuid::Uuid;
use crate::mock_cluster::topic_options::TopicOptions;

/// Brokers and topics at one moment. A broker whose metadata lags answers from an older copy.
#[derive(Clone, Debug, Default)]
pub(super) struct ClusterState {
    pub(super) brokers: BTreeMap<NodeId, Broker>,
    topics: BTreeMap<Arc<str>, Topic>,
    topics_created: u64,
}

/// A broker and its address.
#[derive(Clone, Debug)]
pub(super) struct Broker {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) is_running: bool,
}

/// A topic and who leads it.
#[derive(Clone, Debug)]
pub(super) struct Topic {
    pub(super) name: Arc<str>,
    pub(super) id: Uuid,
    pub(super) options: TopicOptions,
    pub(super) partitions: Vec<Partition>,
}

/// Who keeps a partition.
#[derive(Clone, Debug)]
pub(super) struct Partition {
    /// `None` while no broker in sync is running.
    pub(super) leader: Option<NodeId>,
    /// Grows with every change of the leader.
    pub(super) leader_epoch: i32,
    pub(super) replicas: Vec<NodeId>,
    pub(super) in_sync: Vec<NodeId>,
}

impl ClusterState {
    /// Brokers 1 to `count`, stopped and without addresses.
    pub(super) fn new(count: usize) -> Self {
        let stopped = || Broker { host: String::new(), port: 0, is_running: false };
        let brokers = (1..).map(NodeId).map(|id| (id, stopped())).take(count).collect();
        Self { brokers, ..Self::default() }
    }

    pub(super) fn running(&self) -> impl Iterator<Item = (NodeId, &Broker)> {
        self.brokers
            .iter()
            .filter(|(_, broker)| broker.is_running)
            .map(|(id, broker)| (*id, broker))
    }

    pub(super) fn is_running(&self, node: NodeId) -> bool {
        self.brokers.get(&node).is_some_and(|broker| broker.is_running)
    }

    pub(super) fn topics(&self) -> impl Iterator<Item = &Topic> {
        self.topics.values()
    }

    pub(super) fn topic(&self, name: &str) -> Option<&Topic> {
        self.topics.get(name)
    }

    pub(super) fn topic_by_id(&self, id: Uuid) -> Option<&Topic> {
        self.topics.values().find(|topic| topic.id == id)
    }

    pub(super) fn topic_mut(&mut self, name: &str) -> Option<&mut Topic> {
        self.topics.get_mut(name)
    }

    /// Creates a topic under an id that no topic had before; one that exists stays as it is.
    pub(super) fn create_topic(&mut self, name: &str, options: TopicOptions) {
        if self.topics.contains_key(name) {
            return;
        }
        self.topics_created += 1;
        let partition_count = options.partitions;
        let name: Arc<str> = name.into();
        let id = topic_id(self.topics_created);
        let topic = Topic { name: name.clone(), id, options, partitions: Vec::new() };
        self.topics.insert(name.clone(), topic);
        self.add_partitions(&name, partition_count);
    }

    pub(super) fn delete_topic(&mut self, name: &str) -> Option<Topic> {
        self.topics.remove(name)
    }

    /// Adds partitions until there are `total`.
    pub(super) fn add_partitions(&mut self, name: &str, total: i32) {
        let nodes: Vec<NodeId> = self.brokers.keys().copied().collect();
        let running: Vec<NodeId> = self.running().map(|(id, _)| id).collect();
        let Some(topic) = self.topics.get_mut(name) else {
            return;
        };
        let total = usize::try_from(total).unwrap_or(0);
        for index in topic.partitions.len()..total {
            let partition = Partition::new(index, topic.options.replication_factor, &nodes);
            topic.partitions.push(partition);
        }
        for partition in &mut topic.partitions {
            partition.elect(&running);
        }
    }

    /// The partitions that nobody leads, by their topics' ids.
    pub(super) fn partitions_without_leader(&self) -> Vec<(Uuid, i32)> {
        let of_topic = |topic: &Topic| {
            let id = topic.id;
            let numbered = (0..).zip(&topic.partitions);
            let leaderless = numbered.filter(|(_, partition)| partition.leader.is_none());
            leaderless.map(|(number, _)| (id, number)).collect::<Vec<_>>()
        };
        self.topics.values().flat_map(of_topic).collect()
    }

    /// Takes a broker in: it is in sync at once wherever it is a replica.
    pub(super) fn start(&mut self, node: NodeId, host: String, port: u16) {
        self.brokers.insert(node, Broker { host, port, is_running: true });
        for partition in self.topics.values_mut().flat_map(|topic| &mut topic.partitions) {
            if partition.replicas.contains(&node) && !partition.in_sync.contains(&node) {
                partition.in_sync.push(node);
            }
        }
        self.elect_leaders();
    }

    /// Takes a broker out: where it led, the next replica in sync leads. The last one in sync stays so.
    pub(super) fn stop(&mut self, node: NodeId) {
        if let Some(broker) = self.brokers.get_mut(&node) {
            broker.is_running = false;
        }
        for partition in self.topics.values_mut().flat_map(|topic| &mut topic.partitions) {
            if partition.in_sync.len() > 1 {
                partition.in_sync.retain(|in_sync| *in_sync != node);
            }
        }
        self.elect_leaders();
    }

    fn elect_leaders(&mut self) {
        let running: Vec<NodeId> = self.running().map(|(id, _)| id).collect();
        for partition in self.topics.values_mut().flat_map(|topic| &mut topic.partitions) {
            partition.elect(&running);
        }
    }
}

impl Topic {
    pub(super) fn partition(&self, index: i32) -> Option<&Partition> {
        self.partitions.get(usize::try_from(index).ok()?)
    }

    pub(super) fn partition_mut(&mut self, index: i32) -> Option<&mut Partition> {
        self.partitions.get_mut(usize::try_from(index).ok()?)
    }
}

impl Partition {
    /// Replicas follow one another around the brokers, the first one further along for each partition.
    fn new(index: usize, replication_factor: usize, nodes: &[NodeId]) -> Self {
        let around = nodes.iter().cycle().skip(index % nodes.len().max(1));
        let replicas: Vec<NodeId> =
            around.take(replication_factor.min(nodes.len())).copied().collect();
        Self { leader: None, leader_epoch: 0, in_sync: replicas.clone(), replicas }
    }

    /// Makes `node` the leader, and a replica in sync if it was none.
    pub(super) fn set_leader(&mut self, node: NodeId) {
        for set in [&mut self.replicas, &mut self.in_sync] {
            if !set.contains(&node) {
                set.push(node);
            }
        }
        self.leader = Some(node);
        self.leader_epoch += 1;
    }

    fn elect(&mut self, running: &[NodeId]) {
        if self.leader.is_some_and(|leader| running.contains(&leader)) {
            return;
        }
        let previous = self.leader;
        self.leader = self.in_sync.iter().find(|node| running.contains(node)).copied();
        if previous != self.leader {
            self.leader_epoch += 1;
        }
    }
}

/// An id with the bits of a random UUID (version 4), made from a counter: a simulation repeats from its seed.
fn topic_id(number: u64) -> Uuid {
    let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&spread);
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Uuid::from_bytes(bytes)
}

/// Whether a broker accepts `name` for a topic.
pub(super) fn is_valid_topic_name(name: &str) -> bool {
    let is_legal = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
    (1..=249).contains(&name.len()) && name != "." && name != ".." && name.chars().all(is_legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_leaders_and_replicas_over_the_brokers() {
        let state = three_brokers(TopicOptions::new(4).replication_factor(2));

        let topic = state.topic("t").unwrap();
        let leaders: Vec<_> = topic.partitions.iter().map(|p| p.leader.unwrap().0).collect();
        assert_eq!(leaders, [1, 2, 3, 1]);
        assert_eq!(topic.partitions[2].replicas, [NodeId(3), NodeId(1)]);
    }

    #[test]
    fn the_next_replica_in_sync_leads_when_the_leader_stops() {
        let mut state = three_brokers(TopicOptions::new(1).replication_factor(2));
        let epoch = state.topic("t").unwrap().partitions[0].leader_epoch;

        state.stop(NodeId(1));

        let partition = &state.topic("t").unwrap().partitions[0];
        assert_eq!(partition.leader, Some(NodeId(2)));
        assert_eq!(partition.in_sync, [NodeId(2)]);
        assert_eq!(partition.leader_epoch, epoch + 1);
    }

    #[test]
    fn a_partition_waits_for_the_last_replica_that_was_in_sync() {
        let mut state = three_brokers(TopicOptions::new(1).replication_factor(2));

        state.stop(NodeId(1));
        state.stop(NodeId(2));
        state.start(NodeId(1), String::new(), 1);
        assert_eq!(state.topic("t").unwrap().partitions[0].leader, Some(NodeId(1)));

        let mut state = three_brokers(TopicOptions::new(1).replication_factor(1));
        state.stop(NodeId(1));
        assert_eq!(state.topic("t").unwrap().partitions[0].leader, None);
        state.start(NodeId(1), String::new(), 1);
        assert_eq!(state.topic("t").unwrap().partitions[0].leader, Some(NodeId(1)));
    }

    #[test]
    fn a_topic_created_anew_has_another_id() {
        let mut state = three_brokers(TopicOptions::new(1));
        let first = state.topic("t").unwrap().id;

        state.delete_topic("t");
        state.create_topic("t", TopicOptions::new(1));

        assert_ne!(state.topic("t").unwrap().id, first);
    }

    #[test]
    fn accepts_the_topic_names_that_a_broker_accepts() {
        for name in ["a", "A.b_c-9", "...", &"x".repeat(249)] {
            assert!(is_valid_topic_name(name), "{name}");
        }
        for name in ["", ".", "..", "a b", "ü", "a/b", &"x".repeat(250)] {
            assert!(!is_valid_topic_name(name), "{name}");
        }
    }

    fn three_brokers(options: TopicOptions) -> ClusterState {
        let mut state = ClusterState::new(3);
        for node in 1..=3 {
            state.start(NodeId(node), "localhost".to_owned(), 9000);
        }
        state.create_topic("t", options);
        state
    }
}
