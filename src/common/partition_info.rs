//! Mirrors `org.apache.kafka.common.PartitionInfo`.

use crate::common::node::NodeId;

/// Who leads and who copies one partition, as the cluster last said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionInfo {
    pub(crate) partition: i32,
    pub(crate) leader: Option<NodeId>,
    /// Unknown below Metadata v9, where epochs cannot be relied on (KIP-320).
    pub(crate) leader_epoch: Option<i32>,
    pub(crate) replicas: Vec<NodeId>,
    pub(crate) in_sync_replicas: Vec<NodeId>,
    pub(crate) offline_replicas: Vec<NodeId>,
}

impl PartitionInfo {
    /// Nothing but number and leader is known.
    pub(crate) fn new(partition: i32, leader: Option<NodeId>) -> Self {
        Self {
            partition,
            leader,
            leader_epoch: None,
            replicas: Vec::new(),
            in_sync_replicas: Vec::new(),
            offline_replicas: Vec::new(),
        }
    }

    /// The partition's number, from 0.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// The broker that takes its records; `None` while it has no known leader.
    #[must_use]
    pub fn leader(&self) -> Option<NodeId> {
        self.leader
    }

    /// All brokers that keep a copy, whether alive or not.
    #[must_use]
    pub fn replicas(&self) -> &[NodeId] {
        &self.replicas
    }

    /// The copies that have caught up with the leader.
    #[must_use]
    pub fn in_sync_replicas(&self) -> &[NodeId] {
        &self.in_sync_replicas
    }

    /// The copies that are not reachable.
    #[must_use]
    pub fn offline_replicas(&self) -> &[NodeId] {
        &self.offline_replicas
    }
}
