//! What a topic may be created with.

/// The settings of a topic.
///
/// ```
/// use kafka_producer::mock_cluster::TopicOptions;
///
/// let options = TopicOptions::new(6).replication_factor(3).min_insync_replicas(2).log_append_time();
/// ```
#[derive(Clone, Debug)]
pub struct TopicOptions {
    pub(super) partitions: i32,
    pub(super) replication_factor: usize,
    pub(super) min_insync_replicas: usize,
    pub(super) max_message_bytes: Option<usize>,
    pub(super) log_append_time: bool,
}

impl TopicOptions {
    /// A topic with `partitions` partitions on up to three brokers each, of which one must be in sync.
    ///
    /// # Panics
    ///
    /// If `partitions` is not positive.
    #[must_use]
    pub fn new(partitions: i32) -> Self {
        assert!(partitions > 0, "a topic has at least one partition");
        Self {
            partitions,
            replication_factor: 3,
            min_insync_replicas: 1,
            max_message_bytes: None,
            log_append_time: false,
        }
    }

    /// How many brokers keep each partition; no more than there are. Default: 3.
    #[must_use]
    pub fn replication_factor(mut self, brokers: usize) -> Self {
        self.replication_factor = brokers.max(1);
        self
    }

    /// Refuses `acks=all` with `NOT_ENOUGH_REPLICAS` while fewer brokers are in sync. Default: 1.
    #[must_use]
    pub fn min_insync_replicas(mut self, brokers: usize) -> Self {
        self.min_insync_replicas = brokers;
        self
    }

    /// Refuses larger batches with `MESSAGE_TOO_LARGE`. Default: the cluster's.
    #[must_use]
    pub fn max_message_bytes(mut self, bytes: usize) -> Self {
        self.max_message_bytes = Some(bytes);
        self
    }

    /// Stamps records with the broker's time instead of keeping the producer's.
    #[must_use]
    pub fn log_append_time(mut self) -> Self {
        self.log_append_time = true;
        self
    }
}
