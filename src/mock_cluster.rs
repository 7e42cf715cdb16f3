//! A Kafka cluster inside this process, for tests and for trying things out.
//!
//! [`MockCluster`] serves real Kafka requests on loopback ports: any client can talk to it. It checks what a broker checks
//! (checksums, record counts, sequence numbers, leadership, sizes), keeps what was produced for reading back, records
//! every request, and does wrong what a test tells it to: see [`Fault`]. It can be another server than Kafka: see
//! [`Profile`].
//!
//! It speaks ApiVersions, Metadata, Produce and InitProducerId, without transactions and authentication.
//! There is no consumer side: [`MockCluster::records`] shows what a consumer would read.
//!
//! **This module is outside semantic versioning:** any release may change it. It exists with the feature `mock-cluster`.

mod api;
mod builder;
pub(crate) mod cluster_core;
mod cluster_state;
pub(crate) mod connection;
mod decompression;
mod fault;
mod fault_queue;
mod handlers;
mod message_set;
mod mock_record;
mod partition_log;
mod producer_state;
mod profile;
mod record_batch;
mod record_reader;
mod request_log;
mod server;
#[cfg(test)]
mod test_batch;
#[cfg(test)]
mod tests;
mod topic_options;
mod version_table;
pub(crate) mod world;

use std::io;
use std::ops::RangeInclusive;
use std::time::Duration;

pub use crate::mock_cluster::api::Api;
pub use crate::mock_cluster::builder::MockClusterBuilder;
pub use crate::mock_cluster::fault::Fault;
pub use crate::mock_cluster::mock_record::MockRecord;
pub use crate::mock_cluster::profile::Profile;
pub use crate::mock_cluster::request_log::{RecordedBatch, RecordedRequest};
pub use crate::mock_cluster::topic_options::TopicOptions;

use crate::common::node::NodeId;
use crate::common::uuid::Uuid;
use crate::mock_cluster::cluster_core::ClusterCore;
use crate::mock_cluster::cluster_state::{Partition, Topic};
use crate::mock_cluster::server::Server;

/// A running cluster. It listens on 127.0.0.1 only and ends, threads and ports included, when it is dropped.
///
/// Brokers are numbered from 1. Unless told otherwise, an unknown topic is created with one partition when a client
/// asks for it. Methods that name a broker, topic or partition panic if there is none: a test that misspells a name shall
/// not pass.
///
/// ```
/// use kafka_producer::mock_cluster::{Api, Fault, MockCluster};
/// use kafka_producer::{ErrorCode, NodeId};
///
/// let cluster = MockCluster::start(3)?;
/// cluster.create_topic("orders", 6);
/// cluster.inject(Fault::error(ErrorCode::NotEnoughReplicas).partition("orders", 0).times(2));
/// cluster.set_leader("orders", 1, NodeId(3));
/// assert_eq!(cluster.bootstrap_servers().split(',').count(), 3);
///
/// // … produce to `cluster.bootstrap_servers()` …
///
/// assert!(cluster.records("orders", 0).is_empty());
/// assert!(cluster.requests().iter().all(|request| request.api != Api::Produce));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct MockCluster {
    server: Server,
}

impl MockCluster {
    /// Starts a cluster of `brokers` brokers with the usual settings.
    ///
    /// # Errors
    ///
    /// What the operating system says if it gives no port or no thread.
    pub fn start(brokers: usize) -> io::Result<Self> {
        Self::builder().brokers(brokers).start()
    }

    /// A cluster with other settings.
    pub fn builder() -> MockClusterBuilder {
        MockClusterBuilder::new()
    }

    /// The addresses of all running brokers, as the property `bootstrap.servers` wants them.
    #[must_use]
    pub fn bootstrap_servers(&self) -> String {
        self.server.with_core(|core, _| {
            let running = core.world.state.running();
            let addresses = running.map(|(_, broker)| format!("{}:{}", broker.host, broker.port));
            addresses.collect::<Vec<_>>().join(",")
        })
    }

    /// The numbers of all brokers, running or not.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeId> {
        self.server.with_core(|core, _| core.world.state.brokers.keys().copied().collect())
    }
}

/// Topics and what is in them.
impl MockCluster {
    /// Creates a topic with `partitions` partitions on up to three brokers each. One that exists stays as it is.
    ///
    /// # Panics
    ///
    /// If `partitions` is not positive.
    pub fn create_topic(&self, name: &str, partitions: i32) {
        self.create_topic_with(name, TopicOptions::new(partitions));
    }

    /// Creates a topic. One that exists stays as it is.
    pub fn create_topic_with(&self, name: &str, options: TopicOptions) {
        self.server.with_core(|core, _| core.world.state.create_topic(name, options));
    }

    /// Deletes a topic with its records. Created anew, it has another id.
    ///
    /// # Panics
    ///
    /// If there is no such topic.
    pub fn delete_topic(&self, name: &str) {
        let deleted = self.server.with_core(|core, _| core.world.delete_topic(name));
        assert!(deleted.is_some(), "there is no topic {name:?}");
    }

    /// Adds partitions to a topic until it has `total`.
    ///
    /// # Panics
    ///
    /// If there is no such topic.
    pub fn add_partitions(&self, name: &str, total: i32) {
        self.with_topic(name, |_| ());
        self.server.with_core(|core, _| core.world.state.add_partitions(name, total));
    }

    /// The topic's present id.
    ///
    /// # Panics
    ///
    /// If there is no such topic.
    #[must_use]
    pub fn topic_id(&self, name: &str) -> Uuid {
        self.with_topic(name, |topic| topic.id)
    }

    /// The records of a partition that are still kept, in the order of their offsets. None for a topic that does not exist.
    #[must_use]
    pub fn records(&self, topic: &str, partition: i32) -> Vec<MockRecord> {
        self.server.with_core(|core, _| core.world.records(topic, partition))
    }

    /// The offset that the partition's next record gets. 0 for a topic that does not exist.
    #[must_use]
    pub fn end_offset(&self, topic: &str, partition: i32) -> i64 {
        self.server.with_core(|core, _| {
            core.world.log(topic, partition).map_or(0, partition_log::PartitionLog::end_offset)
        })
    }

    /// Every partition forgets every idempotent producer, as brokers do with one that was long silent.
    pub fn forget_producers(&self) {
        self.server.with_core(|core, _| core.world.forget_producers());
    }
}

/// Who leads, and who believes what.
impl MockCluster {
    /// Who leads a partition; `None` while no broker in sync is running.
    ///
    /// # Panics
    ///
    /// If there is no such partition.
    #[must_use]
    pub fn leader(&self, topic: &str, partition: i32) -> Option<NodeId> {
        self.with_partition(topic, partition, |partition| partition.leader)
    }

    /// Moves a partition's leadership to `node`, under the next epoch; also if it leads already.
    ///
    /// # Panics
    ///
    /// If there is no such partition or broker.
    pub fn set_leader(&self, topic: &str, partition: i32, node: NodeId) {
        self.check_node(node);
        self.with_partition(topic, partition, |partition| partition.set_leader(node));
    }

    /// Sets the replicas that are in sync. Too few for `min.insync.replicas` refuse `acks=all`.
    ///
    /// # Panics
    ///
    /// If there is no such partition.
    pub fn set_in_sync(&self, topic: &str, partition: i32, nodes: &[NodeId]) {
        self.with_partition(topic, partition, |partition| partition.in_sync = nodes.to_vec());
    }

    /// `node` goes on describing the cluster as it is now, whatever changes.
    ///
    /// # Panics
    ///
    /// If there is no such broker.
    pub fn freeze_metadata(&self, node: NodeId) {
        self.check_node(node);
        self.server.with_core(|core, _| core.world.freeze_metadata(node));
    }

    /// `node` describes the cluster as it is again.
    pub fn thaw_metadata(&self, node: NodeId) {
        self.server.with_core(|core, _| core.world.thaw_metadata(node));
    }

    /// Every broker announces and takes these versions of an API.
    ///
    /// What the cluster cannot read it does not take, even if it was told to announce it.
    pub fn set_versions(&self, api: Api, versions: RangeInclusive<i16>) {
        self.server.with_core(|core, _| core.world.versions.set(None, api, Some(versions)));
    }

    /// `node` announces and takes these versions of an API.
    pub fn set_versions_at(&self, node: NodeId, api: Api, versions: RangeInclusive<i16>) {
        self.server.with_core(|core, _| core.world.versions.set(Some(node), api, Some(versions)));
    }

    /// No broker offers the API any more, as old ones do not: they close the connections of those who use it.
    pub fn remove_api(&self, api: Api) {
        self.server.with_core(|core, _| core.world.versions.set(None, api, None));
    }
}

/// What goes wrong.
impl MockCluster {
    /// Adds a fault behind those injected before.
    pub fn inject(&self, fault: Fault) {
        self.server.with_core(|core, _| core.inject(fault));
    }

    /// How many faults have not yet acted as often as they should.
    #[must_use]
    pub fn pending_faults(&self) -> usize {
        self.server.with_core(|core, _| core.faults.len())
    }

    /// Drops all faults. Answers that are held stay so.
    pub fn clear_faults(&self) {
        self.server.with_core(|core, _| core.faults.clear());
    }

    /// Lets all answers go that [`Fault::hold`] holds.
    pub fn release(&self) {
        self.server.with_core(|core, _| core.release());
    }

    /// Closes every connection to `node`. Answers on their way are lost.
    pub fn close_connections(&self, node: NodeId) {
        self.server.with_core(|core, _| core.close_connections(node));
    }

    /// `node` closes the next connection on which it has received `bytes` of a request, and does not act on it.
    pub fn close_after(&self, node: NodeId, bytes: usize) {
        self.server.with_core(|core, _| core.close_after(node, bytes));
    }

    /// `node` closes every new connection as soon as it is there.
    pub fn refuse_connections(&self, node: NodeId) {
        self.server.with_core(|core, _| core.refuse_connections(node));
    }

    /// `node` takes connections again.
    pub fn accept_connections(&self, node: NodeId) {
        self.server.with_core(|core, _| core.accept_connections(node));
    }

    /// `node` leaves unread what it is sent, but for a read that has already begun.
    pub fn stop_reading(&self, node: NodeId) {
        self.server.with_core(|core, _| core.stop_reading(node));
    }

    /// `node` reads and handles what has waited.
    pub fn resume_reading(&self, node: NodeId) {
        self.server.with_core(|core, now| core.resume_reading(node, now));
    }

    /// Stops `node`: connections to its port are refused, and where it led, the next replica in sync leads.
    ///
    /// # Panics
    ///
    /// If there is no such broker.
    pub fn stop_node(&self, node: NodeId) {
        self.check_node(node);
        self.server.stop_node(node);
    }

    /// Starts `node` again on the port that it had; it is in sync at once. Nothing happens if it runs.
    ///
    /// # Errors
    ///
    /// What the operating system says, for example that the port is in use.
    ///
    /// # Panics
    ///
    /// If there is no such broker.
    pub fn start_node(&self, node: NodeId) -> io::Result<()> {
        self.check_node(node);
        let port = self
            .server
            .with_core(|core, _| core.world.state.brokers.get(&node).map(|broker| broker.port));
        self.server.start_node(node, port.unwrap_or(0))
    }

    /// As [`start_node`](Self::start_node), on a free port.
    ///
    /// # Errors
    ///
    /// What the operating system says if it gives no port or no thread.
    ///
    /// # Panics
    ///
    /// If there is no such broker.
    pub fn start_node_on_another_port(&self, node: NodeId) -> io::Result<()> {
        self.check_node(node);
        self.server.start_node(node, 0)
    }
}

/// What the brokers were asked.
impl MockCluster {
    /// Every request so far, also those that were then lost, in the order in which they arrived.
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.server.with_core(|core, _| core.requests.to_vec())
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.server.with_core(|core, _| core.requests.clear());
    }

    /// Waits, for `timeout` at most, until `condition` holds of all requests so far, and says whether it does.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use kafka_producer::mock_cluster::{Api, MockCluster};
    ///
    /// let cluster = MockCluster::start(1)?;
    /// let asked = cluster.wait_for_requests(Duration::from_millis(1), |requests| {
    ///     requests.iter().any(|request| request.api == Api::Metadata)
    /// });
    /// assert!(!asked, "nobody talks to this cluster");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn wait_for_requests(
        &self,
        timeout: Duration,
        condition: impl Fn(&[RecordedRequest]) -> bool,
    ) -> bool {
        self.server.wait_until(timeout, |core| condition(core.requests.as_slice()))
    }
}

impl MockCluster {
    fn new(server: Server) -> Self {
        Self { server }
    }

    fn check_node(&self, node: NodeId) {
        assert!(self.nodes().contains(&node), "there is no broker {node}");
    }

    fn with_topic<T>(&self, name: &str, change: impl FnOnce(&mut Topic) -> T) -> T {
        let result = self
            .server
            .with_core(|core: &mut ClusterCore, _| Some(change(core.world.state.topic_mut(name)?)));
        result.unwrap_or_else(|| panic!("there is no topic {name:?}"))
    }

    fn with_partition<T>(
        &self,
        topic: &str,
        partition: i32,
        change: impl FnOnce(&mut Partition) -> T,
    ) -> T {
        let result = self.with_topic(topic, |topic| topic.partition_mut(partition).map(change));
        result.unwrap_or_else(|| panic!("topic {topic:?} has no partition {partition}"))
    }
}
