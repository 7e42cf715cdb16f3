//! Everything the brokers share: the agreed state, the logs and the settings. No I/O, no clock, no chance.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::common::node::NodeId;
use crate::common::uuid::Uuid;
use crate::error::ErrorCode;
use crate::mock_cluster::cluster_state::{self, ClusterState, Topic};
use crate::mock_cluster::message_set;
use crate::mock_cluster::mock_record::MockRecord;
use crate::mock_cluster::partition_log::{AppendSettings, Appended, PartitionLog};
use crate::mock_cluster::profile::Profile;
use crate::mock_cluster::record_batch::Refusal;
use crate::mock_cluster::topic_options::TopicOptions;
use crate::mock_cluster::version_table::VersionTable;
use crate::utils::clock::Instant;

/// What a cluster is made with.
#[derive(Clone, Debug)]
pub(crate) struct ClusterSettings {
    pub(crate) brokers: usize,
    pub(crate) cluster_id: String,
    pub(crate) profile: Profile,
    /// What an unknown topic is created with when a client asks for it; `None` leaves it unknown.
    pub(crate) auto_create: Option<TopicOptions>,
    pub(crate) max_message_bytes: usize,
    /// The bytes that a partition keeps.
    pub(crate) retention_bytes: usize,
    /// The moment from which the request log counts.
    pub(crate) started_at: Instant,
    /// The wall clock at [`Instant::ZERO`].
    pub(crate) epoch_millis_at_zero: i64,
}

impl ClusterSettings {
    pub(crate) fn new(brokers: usize) -> Self {
        Self {
            brokers,
            cluster_id: "mock-cluster".to_owned(),
            profile: Profile::kafka(),
            auto_create: Some(TopicOptions::new(1)),
            max_message_bytes: 1_048_588,
            retention_bytes: usize::MAX,
            started_at: Instant::ZERO,
            epoch_millis_at_zero: 0,
        }
    }
}

/// The cluster behind its brokers.
#[derive(Debug)]
pub(crate) struct World {
    pub(super) settings: ClusterSettings,
    pub(super) state: ClusterState,
    pub(super) versions: VersionTable,
    /// What brokers whose metadata lags still believe.
    lagging: BTreeMap<NodeId, ClusterState>,
    /// Keyed by topic id: a topic created anew begins empty.
    pub(super) logs: BTreeMap<(Uuid, i32), PartitionLog>,
    /// In the order in which they fall due; the number tells apart those due at once.
    late_appends: BTreeMap<(Instant, u64), LateAppend>,
    late_append_count: u64,
    next_producer_id: i64,
}

/// A batch on its way into a partition.
#[derive(Clone, Debug)]
pub(super) struct Append {
    pub(super) node: NodeId,
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    pub(super) acks: i16,
    /// Of the request: it decides about the format of the records.
    pub(super) version: i16,
    pub(super) records: Vec<u8>,
}

/// What came before carries message sets.
const FIRST_PRODUCE_OF_BATCHES: i16 = 3;

/// A batch that was put off: it goes into the log that its partition had then, or nowhere.
#[derive(Debug)]
struct LateAppend {
    topic_id: Option<Uuid>,
    append: Append,
}

impl World {
    pub(super) fn new(settings: ClusterSettings) -> Self {
        Self {
            state: ClusterState::new(settings.brokers),
            versions: VersionTable::new(&settings.profile),
            settings,
            lagging: BTreeMap::new(),
            logs: BTreeMap::new(),
            late_appends: BTreeMap::new(),
            late_append_count: 0,
            next_producer_id: 1000,
        }
    }

    /// The cluster as `node` describes it.
    pub(super) fn metadata_of(&self, node: NodeId) -> &ClusterState {
        self.lagging.get(&node).unwrap_or(&self.state)
    }

    pub(super) fn freeze_metadata(&mut self, node: NodeId) {
        self.lagging.insert(node, self.state.clone());
    }

    pub(super) fn thaw_metadata(&mut self, node: NodeId) {
        self.lagging.remove(&node);
    }

    /// Creates an unknown topic, if the cluster does that and the name is legal.
    pub(super) fn auto_create(&mut self, name: &str) {
        if let Some(options) = &self.settings.auto_create {
            if cluster_state::is_valid_topic_name(name) {
                self.state.create_topic(name, options.clone());
            }
        }
    }

    pub(super) fn delete_topic(&mut self, name: &str) -> Option<Topic> {
        let topic = self.state.delete_topic(name)?;
        self.logs.retain(|(id, _), _| *id != topic.id);
        Some(topic)
    }

    /// Appends a batch as the leader of its partition does.
    pub(super) fn append(&mut self, append: Append, now: Instant) -> Result<Appended, Refusal> {
        let (id, settings) = self.check_append(&append, now)?;
        let (batch, settings) = if append.version < FIRST_PRODUCE_OF_BATCHES {
            let batch = message_set::to_batch(&append.records, settings.max_message_bytes)?;
            (batch, AppendSettings { max_message_bytes: usize::MAX, ..settings })
        } else {
            (append.records, settings)
        };
        self.logs.entry((id, append.partition)).or_default().append(batch, settings)
    }

    /// Appends a batch once `after` has passed, whatever becomes of it then.
    pub(super) fn append_late(&mut self, append: Append, now: Instant, after: Duration) {
        self.late_append_count += 1;
        let topic_id = self.state.topic(&append.topic).map(|topic| topic.id);
        let late = LateAppend { topic_id, append };
        self.late_appends.insert((now + after, self.late_append_count), late);
    }

    /// Does what was put off until `now`.
    pub(super) fn advance(&mut self, now: Instant) {
        while let Some(entry) = self.late_appends.first_entry() {
            let due = entry.key().0;
            if due > now {
                break;
            }
            let LateAppend { topic_id, append } = entry.remove();
            if self.state.topic(&append.topic).map(|topic| topic.id) != topic_id {
                continue;
            }
            if let Err(refusal) = self.append(append, due) {
                log::debug!("an append that was put off is refused: {}", refusal.message);
            }
        }
    }

    /// When [`advance`](Self::advance) has something to do.
    pub(super) fn next_late_append(&self) -> Option<Instant> {
        self.late_appends.first_key_value().map(|((due, _), _)| *due)
    }

    #[cfg(test)]
    pub(super) fn log_mut(&mut self, topic: &str, partition: i32) -> Option<&mut PartitionLog> {
        let id = self.state.topic(topic)?.id;
        Some(self.logs.entry((id, partition)).or_default())
    }

    /// The log of a partition, `None` until something was appended.
    pub(super) fn log(&self, topic: &str, partition: i32) -> Option<&PartitionLog> {
        self.logs.get(&(self.state.topic(topic)?.id, partition))
    }

    pub(super) fn log_start_offset(&self, topic: &str, partition: i32) -> i64 {
        self.log(topic, partition).map_or(0, PartitionLog::start_offset)
    }

    pub(super) fn records(&self, topic: &str, partition: i32) -> Vec<MockRecord> {
        self.log(topic, partition).map(PartitionLog::records).unwrap_or_default()
    }

    /// `node` runs and is reached at `host` and `port`.
    pub(super) fn start(&mut self, node: NodeId, host: String, port: u16) {
        let leaderless = self.state.partitions_without_leader();
        self.state.start(node, host, port);
        for id in leaderless {
            if let Some(log) = self.logs.get_mut(&id) {
                log.forget_all_but_last_batches();
            }
        }
    }

    /// Every partition forgets every producer.
    pub(super) fn forget_producers(&mut self) {
        self.logs.values_mut().for_each(PartitionLog::forget_producers);
    }

    pub(super) fn new_producer_id(&mut self) -> i64 {
        self.next_producer_id += 1;
        self.next_producer_id
    }

    fn check_append(
        &self,
        append: &Append,
        now: Instant,
    ) -> Result<(Uuid, AppendSettings), Refusal> {
        let topic = self.state.topic(&append.topic);
        let partition = topic.and_then(|topic| topic.partition(append.partition));
        let (Some(topic), Some(partition)) = (topic, partition) else {
            return Err(Refusal::new(ErrorCode::UnknownTopicOrPartition, "no such partition"));
        };
        if partition.leader != Some(append.node) {
            let message = "this broker does not lead the partition";
            return Err(Refusal::new(ErrorCode::NotLeaderOrFollower, message));
        }
        if append.acks == -1 && partition.in_sync.len() < topic.options.min_insync_replicas {
            let message = "fewer replicas are in sync than min.insync.replicas";
            return Err(Refusal::new(ErrorCode::NotEnoughReplicas, message));
        }
        let max_message_bytes = topic.options.max_message_bytes;
        let settings = AppendSettings {
            leader_epoch: partition.leader_epoch,
            max_message_bytes: max_message_bytes.unwrap_or(self.settings.max_message_bytes),
            log_append_time_ms: topic.options.log_append_time.then(|| self.epoch_millis(now)),
            retention_bytes: self.settings.retention_bytes,
        };
        Ok((topic.id, settings))
    }

    fn epoch_millis(&self, now: Instant) -> i64 {
        let since_zero = now.saturating_duration_since(Instant::ZERO).as_millis();
        let since_zero = i64::try_from(since_zero).unwrap_or(i64::MAX);
        self.settings.epoch_millis_at_zero.saturating_add(since_zero)
    }
}
