//! What a simulation changes in the cluster, and reads from it, without a server.

use crate::common::node::NodeId;
use crate::common::uuid::Uuid;
use crate::error::ErrorCode;
use crate::mock_cluster::api::Api;
use crate::mock_cluster::cluster_core::ClusterCore;
use crate::mock_cluster::cluster_state::Partition;
use crate::mock_cluster::connection::ConnectionId;
use crate::mock_cluster::fault::Fault;
use crate::mock_cluster::mock_record::MockRecord;
use crate::mock_cluster::partition_log::PartitionLog;
use crate::mock_cluster::topic_options::TopicOptions;
use crate::protocol::api_keys::ApiKey;
use crate::protocol::message::init_producer_id::InitProducerIdResponse;
use crate::utils::clock::Instant;

impl ClusterCore {
    pub(crate) fn create_topic(&mut self, name: &str, options: TopicOptions) {
        self.world.state.create_topic(name, options);
    }

    /// `node` knows message sets, and nothing newer.
    pub(crate) fn set_old(&mut self, node: NodeId) {
        self.world.versions.set(Some(node), Api::Produce, Some(0..=2));
    }

    /// Ends [`set_old`](Self::set_old); returns whether it was.
    pub(crate) fn upgrade(&mut self, node: NodeId) -> bool {
        let was_old = self.world.versions.announced(node, Api::Produce) == Some(0..=2);
        if was_old {
            self.world.versions.set(Some(node), Api::Produce, Some(ApiKey::Produce.versions()));
        }
        was_old
    }

    pub(crate) fn delete_topic(&mut self, name: &str) {
        self.world.delete_topic(name);
    }

    pub(crate) fn add_partitions(&mut self, name: &str, total: i32) {
        self.world.state.add_partitions(name, total);
    }

    pub(crate) fn partition_count(&self, topic: &str) -> usize {
        self.world.state.topic(topic).map_or(0, |topic| topic.partitions.len())
    }

    pub(crate) fn topic_id(&self, topic: &str) -> Option<Uuid> {
        self.world.state.topic(topic).map(|topic| topic.id)
    }

    /// Lets `node` lead, if it runs.
    pub(crate) fn move_leader(&mut self, topic: &str, partition: i32, node: NodeId) {
        if self.is_running(node) {
            self.with_partition(topic, partition, |partition| partition.set_leader(node));
        }
    }

    /// Lets `node` lead, if it runs, although it does not have the last `count` batches. Returns their records.
    pub(crate) fn elect_uncleanly(
        &mut self,
        topic: &str,
        partition: i32,
        node: NodeId,
        count: usize,
    ) -> Vec<MockRecord> {
        if !self.is_running(node) {
            return Vec::new();
        }
        self.move_leader(topic, partition, node);
        let log = self.world.log_mut(topic, partition);
        log.map(|log| log.truncate(count)).unwrap_or_default()
    }

    /// As if `producer_id` had sent batches to a partition, the last of which ended with `last_sequence`.
    pub(crate) fn remember_producer(
        &mut self,
        topic: &str,
        partition: i32,
        producer_id: i64,
        last_sequence: i32,
    ) {
        if let Some(log) = self.world.log_mut(topic, partition) {
            log.remember_producer(producer_id, last_sequence);
        }
    }

    /// How often a batch came that was in the log already.
    pub(crate) fn duplicates(&self, topic: &str) -> u64 {
        let partitions = (0..).take(self.partition_count(topic));
        let logs = partitions.filter_map(|partition| self.world.log(topic, partition));
        logs.map(PartitionLog::duplicates).sum()
    }

    /// Closes a connection on which nothing is under way; returns whether there was none.
    pub(crate) fn close_if_idle(&mut self, id: ConnectionId, now: Instant) -> bool {
        let connection = self.connections.get_mut(&id).filter(|connection| connection.is_idle());
        connection.map(|connection| connection.close(now, false)).is_some()
    }

    /// Leaves only the leader in sync.
    pub(crate) fn shrink_in_sync(&mut self, topic: &str, partition: i32) {
        self.with_partition(topic, partition, |partition| {
            if let Some(leader) = partition.leader {
                partition.in_sync = vec![leader];
            }
        });
    }

    /// Every replica that runs is in sync again.
    pub(crate) fn restore_in_sync(&mut self, topic: &str, partition: i32) {
        let running: Vec<_> = self.world.state.running().map(|(node, _)| node).collect();
        self.with_partition(topic, partition, |partition| {
            partition.in_sync = partition.replicas.clone();
            partition.in_sync.retain(|node| running.contains(node));
        });
    }

    pub(crate) fn is_running(&self, node: NodeId) -> bool {
        self.world.state.is_running(node)
    }

    /// Where `node` is reached.
    pub(crate) fn port(&self, node: NodeId) -> Option<u16> {
        self.world.state.brokers.get(&node).map(|broker| broker.port)
    }

    pub(crate) fn freeze_metadata(&mut self, node: NodeId) {
        self.world.freeze_metadata(node);
    }

    pub(crate) fn thaw_metadata(&mut self, node: NodeId) {
        self.world.thaw_metadata(node);
    }

    /// One partition forgets every producer.
    pub(crate) fn forget_producers_of(&mut self, topic: &str, partition: i32) {
        let log = self.topic_id(topic).and_then(|id| self.world.logs.get_mut(&(id, partition)));
        if let Some(log) = log {
            log.forget_producers();
        }
    }

    pub(crate) fn clear_faults(&mut self) {
        self.faults.clear();
        self.cuts.clear();
    }

    pub(crate) fn records(&self, topic: &str, partition: i32) -> Vec<MockRecord> {
        self.world.records(topic, partition)
    }

    /// Whether `id` has bytes that no broker has looked at yet.
    pub(crate) fn has_unread_input(&self, id: ConnectionId) -> bool {
        self.is_connected(id) && !self.wants_input(id)
    }

    /// Whether nothing waits to be read, appended or answered.
    pub(crate) fn is_quiet(&self) -> bool {
        self.not_reading.is_empty() && self.next_due().is_none()
    }

    /// The next producer id comes with this epoch.
    pub(crate) fn give_epoch(&mut self, producer_epoch: i16) {
        let producer_id = self.world.new_producer_id();
        let response = InitProducerIdResponse {
            throttle_time_ms: 0,
            error_code: ErrorCode::None,
            producer_id,
            producer_epoch,
        };
        let mut body = Vec::new();
        response.encode(*ApiKey::InitProducerId.versions().end(), &mut body);
        self.inject(Fault::respond_with_body(body).on(Api::InitProducerId));
    }

    fn with_partition(&mut self, topic: &str, partition: i32, change: impl FnOnce(&mut Partition)) {
        let topic = self.world.state.topic_mut(topic);
        if let Some(partition) = topic.and_then(|topic| topic.partition_mut(partition)) {
            change(partition);
        }
    }
}
