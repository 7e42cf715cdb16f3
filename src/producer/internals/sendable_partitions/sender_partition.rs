//! What the sender knows of one partition.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use crate::client::metadata_snapshot::MetadataSnapshot;
use crate::common::cluster::TopicInfo;
use crate::common::node::NodeId;
use crate::common::topic_partition::TopicPartition;
use crate::common::uuid::Uuid;
use crate::producer::internals::partition_queue::{LockedQueue, PartitionQueue};
use crate::producer::internals::partition_ref::PartitionId;
use crate::producer::internals::producer_batch::ProducerBatch;
use crate::producer::internals::sendable_partitions::line::Place;
use crate::producer::internals::txn_partition_entry::LogIdentity;
use crate::utils::clock::Instant;
use crate::utils::deadlines::Deadlines;

/// One partition, as the sender sees it. In two parts, so that the state can change while the queue is locked.
#[derive(Debug)]
pub(super) struct SenderPartition {
    pub(super) queue: Arc<PartitionQueue>,
    pub(super) state: PartitionState,
}

/// What the sender knows of one partition, and what that waits for.
#[derive(Debug, Default)]
pub(super) struct PartitionState {
    pub(super) waiting_for: WaitingFor,
    /// Nothing more may be sent until the answer to what is on its way is there.
    pub(super) is_muted: bool,
    /// Whether it stands in line and has a timer all the same, for when its head runs out of time.
    pub(super) is_timed: bool,
    home: Option<KnownLeader>,
}

/// What a partition waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum WaitingFor {
    /// For batches.
    #[default]
    Idle,
    /// For its turn.
    InLine(Place),
    /// For company, until the moment given.
    Lingering(Instant),
    /// For the end of a backoff.
    BackingOff,
    /// For a leader.
    Leaderless,
    /// For an answer, or for an announcement.
    Held,
}

/// Where the batches of a partition go, by one view of the cluster.
#[derive(Clone, Copy, Debug)]
struct KnownLeader {
    metadata_version: u64,
    /// `None` if nobody is known to lead it.
    leader: Option<NodeId>,
    topic_id: Uuid,
    leader_epoch: Option<i32>,
}

/// The world of one turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) now: Instant,
    pub(crate) metadata: &'a MetadataSnapshot,
    /// Whether batches are worth sending though they are neither full nor old: memory ran out, or the producer closes.
    pub(crate) is_urgent: bool,
}

/// What was found in a queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Assessment {
    pub(super) action: NextAction,
    /// When its head runs out of time; `None` without one.
    pub(super) expires: Option<Instant>,
}

/// What to do with the head of a queue.
#[derive(Clone, Copy, Debug)]
pub(super) enum NextAction {
    Idle,
    Send(NodeId),
    /// Look again at the moment given.
    Linger(Instant),
    BackOff(Instant),
    NoLeader,
    Hold,
}

/// For how long batches wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// `linger.ms`.
    pub(super) linger: Duration,
    /// `delivery.timeout.ms`.
    pub(super) delivery_timeout: Duration,
}

impl SenderPartition {
    pub(super) fn new(queue: Arc<PartitionQueue>) -> Self {
        Self { queue, state: PartitionState::default() }
    }

    /// Who leads the partition.
    pub(super) fn leader(&mut self, metadata: &MetadataSnapshot) -> Option<NodeId> {
        self.state.home(&self.queue, metadata).leader
    }

    /// Where a batch goes that is sent to `leader`.
    pub(super) fn log_identity(
        &mut self,
        leader: NodeId,
        metadata: &MetadataSnapshot,
    ) -> LogIdentity {
        let KnownLeader { topic_id, leader_epoch, .. } = *self.state.home(&self.queue, metadata);
        LogIdentity { topic_id, leader, leader_epoch }
    }
}

impl PartitionState {
    /// Removes the timer that `partition`, whose state this is, has while it stands in line, if it has one.
    pub(super) fn end_timer(&mut self, partition: PartitionId, expiries: &mut Deadlines) {
        if mem::take(&mut self.is_timed) {
            expiries.set(partition.index(), None);
        }
    }

    /// Looked up once for each view of the cluster.
    fn home(&mut self, queue: &PartitionQueue, metadata: &MetadataSnapshot) -> &KnownLeader {
        let known = self.home.filter(|home| home.metadata_version == metadata.version);
        let topic_partition = || queue.partition().topic_partition();
        self.home.insert(known.unwrap_or_else(|| KnownLeader::of(topic_partition(), metadata)))
    }

    /// Judges the head of `queue`; `batches` is its lock.
    pub(super) fn assess_head(
        &mut self,
        queue: &PartitionQueue,
        batches: &mut LockedQueue<'_>,
        rules: Rules,
        turn: &Turn<'_>,
    ) -> Assessment {
        let has_more = batches.len() > 1;
        let Some(head) = batches.head() else {
            return Assessment { action: NextAction::Idle, expires: None };
        };
        let leader = self.home(queue, turn.metadata).leader;
        let action = match leader {
            _ if self.is_muted => NextAction::Hold,
            None => NextAction::NoLeader,
            Some(leader) => rules.next_action(head, has_more, leader, turn),
        };
        Assessment { action, expires: Some(rules.expiry(head)) }
    }
}

impl KnownLeader {
    fn of(topic_partition: &TopicPartition, metadata: &MetadataSnapshot) -> Self {
        let (name, number) = (topic_partition.topic(), topic_partition.partition());
        let topic = metadata.topic(name);
        let partition = topic.and_then(|topic| topic.partition(number));
        Self {
            metadata_version: metadata.version,
            leader: metadata.cluster.leader(name, number),
            topic_id: topic.map_or(Uuid::ZERO, TopicInfo::id),
            leader_epoch: partition.and_then(|partition| partition.leader_epoch),
        }
    }
}

impl Rules {
    /// When a batch runs out of time.
    pub(super) fn expiry(self, batch: &ProducerBatch) -> Instant {
        batch.created() + self.delivery_timeout
    }

    fn next_action(
        self,
        head: &ProducerBatch,
        has_more: bool,
        leader: NodeId,
        turn: &Turn<'_>,
    ) -> NextAction {
        if let Some(retry) = head.retry() {
            // A new leader may be asked at once (KIP-951).
            let has_to_wait = retry.asked == leader && turn.now < retry.at;
            return if has_to_wait {
                NextAction::BackOff(retry.at)
            } else {
                NextAction::Send(leader)
            };
        }
        let lingers_until = head.created() + self.linger;
        let is_sendable = has_more
            || turn.is_urgent
            || head.is_full()
            || head.is_urgent()
            || self.linger.is_zero() // its time may be later than the turn's
            || turn.now >= lingers_until;
        if is_sendable { NextAction::Send(leader) } else { NextAction::Linger(lingers_until) }
    }
}
