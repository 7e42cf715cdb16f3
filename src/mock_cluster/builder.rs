//! How a cluster is made.

use std::io;
use std::sync::Arc;

use crate::mock_cluster::MockCluster;
use crate::mock_cluster::cluster_core::ClusterCore;
use crate::mock_cluster::profile::Profile;
use crate::mock_cluster::server::Server;
use crate::mock_cluster::topic_options::TopicOptions;
use crate::mock_cluster::world::ClusterSettings;
use crate::utils::clock::{Clock, Instant, SystemClock};

/// The settings of a [`MockCluster`] to be.
///
/// ```
/// use kafka_producer::mock_cluster::{MockCluster, TopicOptions};
///
/// let cluster = MockCluster::builder()
///     .brokers(3)
///     .auto_create_topics(Some(TopicOptions::new(6)))
///     .max_message_bytes(1 << 20)
///     .start()?;
/// assert_eq!(cluster.nodes().len(), 3);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing runs until `start`"]
pub struct MockClusterBuilder {
    settings: ClusterSettings,
}

impl MockClusterBuilder {
    pub(super) fn new() -> Self {
        Self { settings: ClusterSettings::new(1) }
    }

    /// How many brokers there are, numbered from 1. Default: 1.
    ///
    /// # Panics
    ///
    /// If `count` is 0.
    pub fn brokers(mut self, count: usize) -> Self {
        assert!(count > 0, "a cluster has at least one broker");
        self.settings.brokers = count;
        self
    }

    /// The cluster's id.
    pub fn cluster_id(mut self, id: impl Into<String>) -> Self {
        self.settings.cluster_id = id.into();
        self
    }

    /// What kind of server the brokers are. Default: Apache Kafka.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.settings.profile = profile;
        self
    }

    /// What an unknown topic is created with when a client asks for it, or `None` to leave it unknown. Default: one
    /// partition.
    pub fn auto_create_topics(mut self, options: Option<TopicOptions>) -> Self {
        self.settings.auto_create = options;
        self
    }

    /// Refuses larger batches with `MESSAGE_TOO_LARGE`, unless their topic has a limit of its own. Default: 1048588, as
    /// a broker.
    pub fn max_message_bytes(mut self, bytes: usize) -> Self {
        self.settings.max_message_bytes = bytes;
        self
    }

    /// How much each partition keeps for reading back; the oldest batches go first. Default: everything. For long runs
    /// that read nothing back.
    pub fn retention_bytes(mut self, bytes: usize) -> Self {
        self.settings.retention_bytes = bytes;
        self
    }

    /// Starts the cluster.
    ///
    /// # Errors
    ///
    /// What the operating system says if it gives no port or no thread.
    pub fn start(mut self) -> io::Result<MockCluster> {
        let clock = SystemClock;
        let now = clock.now();
        let since_zero = now.saturating_duration_since(Instant::ZERO).as_millis();
        self.settings.started_at = now;
        self.settings.epoch_millis_at_zero =
            clock.epoch_millis() - i64::try_from(since_zero).unwrap_or(0);
        Server::start(ClusterCore::new(self.settings), Arc::new(clock)).map(MockCluster::new)
    }
}
