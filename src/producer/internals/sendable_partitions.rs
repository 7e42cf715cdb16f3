//! The sender's side of the accumulator: Java's `RecordAccumulator.ready`, `drain` and `expiredBatches`.
//!
//! Differs in that a turn costs what changed: partitions are looked at when their batches, their leader or an answer
//! changed something, or when a deadline passed, and never otherwise.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::client::metadata_snapshot::MetadataSnapshot;
use crate::common::cluster::TopicInfo;
use crate::common::node::NodeId;
use crate::common::topic_partition::TopicPartition;
use crate::common::uuid::Uuid;
use crate::producer::internals::partition_queue::PartitionQueue;
use crate::producer::internals::producer_batch::ProducerBatch;
use crate::producer::internals::record_accumulator::RecordAccumulator;
use crate::producer::internals::transaction_manager::TransactionManager;
use crate::producer::internals::txn_partition_entry::LogIdentity;
use crate::record::record_version::RecordVersion;
use crate::utils::clock::Instant;
use crate::utils::deadlines::Deadlines;

/// Which partitions have something to send, and to whom. Owned by the sender thread.
#[derive(Debug)]
pub(crate) struct SendablePartitions {
    linger: Duration,
    delivery_timeout: Duration,
    /// By the queues' numbers.
    slots: Vec<Option<Slot>>,
    /// For each leader the partitions with a sendable head, each once, longest waiting first.
    nodes: BTreeMap<NodeId, Line>,
    /// Counts the places that were ever taken in a line.
    next_place: u64,
    /// When each partition is to be looked at although nothing happens.
    deadlines: Deadlines,
    /// Partitions whose head waits for company.
    lingering: BTreeSet<usize>,
    /// Partitions whose head waits for the end of its backoff.
    backing_off: BTreeSet<usize>,
    /// Partitions with batches and no known leader.
    leaderless: BTreeSet<usize>,
    /// Topics without leader that the sender was not told of since the metadata last changed.
    unreported: BTreeSet<Arc<str>>,
    /// Topics without leader that it was.
    reported: BTreeSet<Arc<str>>,
    /// The metadata that the leaders were taken from.
    metadata_version: u64,
    /// Reused from turn to turn.
    changed: Vec<usize>,
    expired: Vec<ProducerBatch>,
}

#[derive(Debug)]
struct Slot {
    queue: Arc<PartitionQueue>,
    /// Where it stands in line.
    place: Option<Place>,
    /// Nothing more may be sent until the answer to what is on its way is there.
    is_muted: bool,
}

/// A place in the line of a node. Whoever comes back gets another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    node: NodeId,
    number: u64,
}

/// Partitions that wait for one node. Leaving costs the same however long it is: a place is given up by its partition,
/// and found empty later.
#[derive(Debug, Default)]
struct Line {
    /// Each place with the partition that took it, and may have left it since.
    places: VecDeque<(usize, Place)>,
    /// How many partitions stand in it; a line without any is removed.
    standing: usize,
}

/// The world of one turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) now: Instant,
    pub(crate) metadata: &'a MetadataSnapshot,
    /// Whether batches are worth sending though they are neither full nor old: memory ran out, or the producer closes.
    pub(crate) is_urgent: bool,
}

/// What a request to a node can take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capacity {
    /// The bytes of all batches together; a single one may be larger.
    pub(crate) max_size: usize,
    /// The format in which they travel.
    pub(crate) version: RecordVersion,
}

/// What to do with the head of a queue.
enum Verdict {
    Idle,
    Send(NodeId),
    /// Look again at the moment given.
    Linger(Instant),
    BackOff(Instant),
    NoLeader,
    Muted,
}

impl Turn<'_> {
    /// Where a batch goes that is sent to `leader` in this turn.
    pub(super) fn log_of(&self, topic_partition: &TopicPartition, leader: NodeId) -> LogIdentity {
        let topic = self.metadata.topic(topic_partition.topic());
        let partition = topic.and_then(|topic| topic.partition(topic_partition.partition()));
        LogIdentity {
            topic_id: topic.map_or(Uuid::ZERO, TopicInfo::id),
            leader,
            leader_epoch: partition.and_then(|partition| partition.leader_epoch),
        }
    }
}

impl SendablePartitions {
    /// `linger` is `linger.ms`, `delivery_timeout` is `delivery.timeout.ms`.
    pub(crate) fn new(linger: Duration, delivery_timeout: Duration) -> Self {
        Self {
            linger,
            delivery_timeout,
            slots: Vec::new(),
            nodes: BTreeMap::new(),
            next_place: 0,
            deadlines: Deadlines::default(),
            lingering: BTreeSet::new(),
            backing_off: BTreeSet::new(),
            leaderless: BTreeSet::new(),
            unreported: BTreeSet::new(),
            reported: BTreeSet::new(),
            metadata_version: 0,
            changed: Vec::new(),
            expired: Vec::new(),
        }
    }

    /// Looks at every partition that may have changed since the last turn.
    pub(crate) fn refresh(&mut self, accumulator: &RecordAccumulator, turn: &Turn<'_>) {
        let mut changed = std::mem::take(&mut self.changed);
        accumulator.signal().take_changed(&mut changed);
        for id in changed.drain(..) {
            if let Some(slot) = self.adopt(id, accumulator) {
                slot.queue.partition().accept_announcement();
            }
            self.reconsider(id, turn);
        }
        self.changed = changed;
        while let Some(id) = self.deadlines.pop_due(turn.now) {
            self.reconsider(id, turn);
        }
        if turn.metadata.version != self.metadata_version {
            self.metadata_version = turn.metadata.version;
            self.unreported.clear();
            self.reported.clear();
            self.reconsider_leaders(turn);
        }
        if turn.is_urgent {
            for id in std::mem::take(&mut self.lingering) {
                self.reconsider(id, turn);
            }
        }
    }

    /// The batches that passed `delivery.timeout.ms` while they waited, oldest first.
    pub(crate) fn take_expired(&mut self) -> Vec<ProducerBatch> {
        std::mem::take(&mut self.expired)
    }

    /// Whether [`take_expired`](Self::take_expired) has something to give.
    pub(crate) fn has_expired(&self) -> bool {
        !self.expired.is_empty()
    }

    /// The nodes that have something to be sent to.
    pub(crate) fn ready_nodes(&self) -> Vec<NodeId> {
        self.nodes.keys().copied().collect()
    }

    /// Whether a partition waits in the line of `node`.
    pub(crate) fn is_ready(&self, node: NodeId) -> bool {
        self.nodes.contains_key(&node)
    }

    /// The topics that have batches and no known leader for them, each once as long as the metadata stays the same.
    pub(crate) fn take_topics_without_leader(&mut self) -> BTreeSet<Arc<str>> {
        let taken = std::mem::take(&mut self.unreported);
        self.reported.extend(taken.iter().cloned());
        taken
    }

    /// When to look again although nothing happens.
    pub(crate) fn next_deadline(&mut self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// Takes the heads of the partitions in the line of `node`, one each, as far as `capacity` goes. Compresses what
    /// still has to be, with no lock held, unless it is to travel in another format. A partition that has to wait for
    /// an answer is left out and does not stop the others, and so is one whose head a caller is compressing: it will
    /// be announced.
    pub(crate) fn drain(
        &mut self,
        node: NodeId,
        capacity: Capacity,
        transactions: Option<&TransactionManager>,
        turn: &Turn<'_>,
    ) -> Vec<ProducerBatch> {
        let Capacity { max_size, version } = capacity;
        let mut drained: Vec<ProducerBatch> = Vec::new();
        let mut size = 0;
        let mut left_over = None;
        let Some(mut line) = self.nodes.remove(&node) else {
            return drained;
        };
        while let Some((id, place)) = line.places.pop_front() {
            let slot = self.slots.get_mut(id).and_then(Option::as_mut);
            let Some(slot) = slot.filter(|slot| slot.place == Some(place)) else {
                continue;
            };
            let mut batches = slot.queue.lock_patiently();
            let may_send = batches.head().is_some_and(|head| {
                !head.is_lent()
                    && transactions.is_none_or(|manager| {
                        let log = turn.log_of(head.topic_partition(), node);
                        manager.may_send(id, head.id(), log, turn.now)
                    })
            });
            let head_size = batches.head().map_or(0, |head| head.size_in(version));
            if may_send && size > 0 && size + head_size > max_size {
                line.places.push_front((id, place));
                break;
            }
            slot.place = None;
            line.standing -= 1;
            let batch = if may_send { batches.pop_head() } else { None };
            drop(batches);
            if let Some(mut batch) = batch {
                if version == RecordVersion::V2 {
                    batch.pack();
                }
                let batch_size = batch.size_in(version);
                if size > 0 && size + batch_size > max_size {
                    left_over = Some(batch); // it is larger than was expected
                    break;
                }
                size += batch_size;
                drained.push(batch);
            }
        }
        if line.standing > 0 {
            self.nodes.insert(node, line);
        }
        for batch in &drained {
            self.reconsider(batch.partition().id(), turn);
        }
        if let Some(batch) = left_over {
            self.reinsert(batch, turn);
        }
        drained
    }

    /// Puts back batches that have to be sent again.
    pub(crate) fn reinsert(&mut self, batch: ProducerBatch, turn: &Turn<'_>) {
        let id = batch.partition().id();
        if let Some(slot) = self.slots.get(id).and_then(Option::as_ref) {
            slot.queue.lock_patiently().reinsert(batch);
        }
        self.reconsider(id, turn);
    }

    /// A broker found a batch of the partition too large: from now on none grows beyond what it has to be.
    pub(crate) fn keep_batches_small(&self, id: usize) {
        if let Some(slot) = self.slots.get(id).and_then(Option::as_ref) {
            slot.queue.keep_batches_small();
        }
    }

    /// Holds a partition back until [`unmute`](Self::unmute).
    pub(crate) fn mute(&mut self, id: usize) {
        self.move_to_line(id, None);
        if let Some(slot) = self.slots.get_mut(id).and_then(Option::as_mut) {
            slot.is_muted = true;
        }
    }

    /// Ends [`mute`](Self::mute).
    pub(crate) fn unmute(&mut self, id: usize) {
        if let Some(slot) = self.slots.get_mut(id).and_then(Option::as_mut) {
            slot.is_muted = false;
        }
    }

    /// Looks at one partition: takes out what ran out of time, and puts it where it belongs.
    pub(crate) fn reconsider(&mut self, id: usize, turn: &Turn<'_>) {
        let Some(slot) = self.slots.get(id).and_then(Option::as_ref) else {
            return;
        };
        let queue = Arc::clone(&slot.queue);
        let is_muted = slot.is_muted;
        let mut batches = queue.lock_patiently();
        while let Some(head) = batches.head() {
            if !head.has_reached_delivery_timeout(self.delivery_timeout, turn.now) {
                break;
            }
            self.expired.extend(batches.pop_head());
        }
        let has_more = batches.len() > 1;
        let (verdict, expires) = match batches.head() {
            None => (Verdict::Idle, None),
            Some(head) if is_muted => {
                (Verdict::Muted, Some(head.created() + self.delivery_timeout))
            }
            Some(head) => {
                let verdict = self.judge(head, has_more, turn);
                (verdict, Some(head.created() + self.delivery_timeout))
            }
        };
        drop(batches);
        self.place(id, &verdict, expires);
    }

    fn judge(&self, head: &ProducerBatch, has_more: bool, turn: &Turn<'_>) -> Verdict {
        let topic_partition = head.topic_partition();
        let leader =
            turn.metadata.cluster.leader(topic_partition.topic(), topic_partition.partition());
        let Some(leader) = leader else {
            return Verdict::NoLeader;
        };
        if let Some(retry) = head.retry() {
            // A new leader may be asked at once (KIP-951).
            let has_to_wait = retry.asked == leader && turn.now < retry.at;
            return if has_to_wait { Verdict::BackOff(retry.at) } else { Verdict::Send(leader) };
        }
        let lingers_until = head.created() + self.linger;
        let is_sendable = has_more
            || turn.is_urgent
            || head.is_full()
            || head.is_urgent()
            || self.linger.is_zero() // its time may be later than the turn's
            || turn.now >= lingers_until;
        if is_sendable { Verdict::Send(leader) } else { Verdict::Linger(lingers_until) }
    }

    fn place(&mut self, id: usize, verdict: &Verdict, expires: Option<Instant>) {
        keep(&mut self.lingering, id, matches!(verdict, Verdict::Linger(_)));
        keep(&mut self.backing_off, id, matches!(verdict, Verdict::BackOff(_)));
        keep(&mut self.leaderless, id, matches!(verdict, Verdict::NoLeader));
        if matches!(verdict, Verdict::NoLeader) {
            self.report_leaderless(id);
        }
        let due = match (verdict, expires) {
            (Verdict::Linger(moment) | Verdict::BackOff(moment), Some(expires)) => {
                Some(expires.min(*moment))
            }
            (_, expires) => expires,
        };
        self.deadlines.set(id, due);
        let wanted = match verdict {
            Verdict::Send(node) => Some(*node),
            _ => None,
        };
        self.move_to_line(id, wanted);
    }

    fn report_leaderless(&mut self, id: usize) {
        let Some(slot) = self.slots.get(id).and_then(Option::as_ref) else {
            return;
        };
        let topic = slot.queue.partition().topic_partition().shared_topic();
        if !self.reported.contains(topic) {
            self.unreported.insert(Arc::clone(topic));
        }
    }

    fn move_to_line(&mut self, id: usize, wanted: Option<NodeId>) {
        let Some(slot) = self.slots.get_mut(id).and_then(Option::as_mut) else {
            return;
        };
        let current = slot.place.map(|place| place.node);
        if current == wanted {
            return;
        }
        let place = wanted.map(|node| Place { node, number: self.next_place });
        slot.place = place;
        if let Some(node) = current {
            self.leave_line(node);
        }
        if let Some(place) = place {
            self.next_place += 1;
            let line = self.nodes.entry(place.node).or_default();
            line.places.push_back((id, place));
            line.standing += 1;
        }
    }

    /// A partition in the line of `node` has given up its place.
    fn leave_line(&mut self, node: NodeId) {
        let Some(line) = self.nodes.get_mut(&node) else {
            return;
        };
        line.standing -= 1;
        if line.standing == 0 {
            self.nodes.remove(&node);
        } else if line.places.len() > 2 * line.standing + SPARE_PLACES {
            let slots = &self.slots;
            let stands = |id: usize| slots.get(id).and_then(Option::as_ref)?.place;
            line.places.retain(|(id, place)| stands(*id) == Some(*place));
        }
    }

    /// The metadata changed: whatever waits for a leader, or for its turn at one, may belong elsewhere.
    fn reconsider_leaders(&mut self, turn: &Turn<'_>) {
        let in_line = self.nodes.values().flat_map(|line| &line.places).map(|(id, _)| id);
        let waiting = self.leaderless.iter().chain(&self.backing_off).chain(in_line);
        for id in waiting.copied().collect::<Vec<_>>() {
            self.reconsider(id, turn);
        }
    }

    fn adopt(&mut self, id: usize, accumulator: &RecordAccumulator) -> Option<&Slot> {
        if id >= self.slots.len() {
            self.slots.resize_with(id + 1, || None);
        }
        let slot = &mut self.slots[id];
        if slot.is_none() {
            let queue = accumulator.queue(id)?;
            *slot = Some(Slot { queue, place: None, is_muted: false });
        }
        slot.as_ref()
    }
}

/// A line is cleared of empty places when they outnumber the others by this many.
const SPARE_PLACES: usize = 16;

fn keep(set: &mut BTreeSet<usize>, id: usize, is_member: bool) {
    if is_member {
        set.insert(id);
    } else {
        set.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use arc_swap::ArcSwap;

    use super::*;
    use crate::common::cluster::Cluster;
    use crate::common::header::Headers;
    use crate::common::node::Node;
    use crate::common::partition_info::PartitionInfo;
    use crate::network::wakeup::Wakeup;
    use crate::producer::internals::buffer_pool::BufferPool;
    use crate::producer::internals::built_in_partitioner::StickySettings;
    use crate::producer::internals::record_accumulator::Append;
    use crate::producer::internals::sender_signal::SenderSignal;
    use crate::record::default_record::RecordContents;
    use crate::utils::random::Random;

    const MANY: i32 = 2000;
    const BATCH_SIZE: usize = 100;
    const NODE_1: NodeId = NodeId(1);
    const NODE_2: NodeId = NodeId(2);
    const UNLIMITED: Capacity = Capacity { max_size: usize::MAX, version: RecordVersion::V2 };

    // Each that left was looked for in the whole line: a broker that handed over its partitions took the square of
    // their number.
    #[test]
    fn a_whole_line_moves_to_another_leader_in_order() {
        let accumulator = accumulator_with_a_record_each();
        let mut partitions = SendablePartitions::new(Duration::ZERO, Duration::from_secs(120));

        let metadata = led_by(NODE_1, 1);
        partitions.refresh(&accumulator, &turn(&metadata));
        let metadata = led_by(NODE_2, 2);
        partitions.refresh(&accumulator, &turn(&metadata));

        assert_eq!(partitions.ready_nodes(), [NODE_2]);
        let drained = partitions.drain(NODE_2, UNLIMITED, None, &turn(&metadata));
        let numbers = drained.iter().map(|batch| batch.topic_partition().partition());
        assert_eq!(numbers.collect::<Vec<_>>(), (0..MANY).collect::<Vec<_>>());
        assert!(!partitions.is_ready(NODE_2));
    }

    #[test]
    fn whoever_comes_and_goes_leaves_no_places_behind() {
        let accumulator = accumulator_with_a_record_each();
        let mut partitions = SendablePartitions::new(Duration::ZERO, Duration::from_secs(120));
        let metadata = led_by(NODE_1, 1);
        partitions.refresh(&accumulator, &turn(&metadata));

        for id in (0..1900).cycle().take(20_000) {
            partitions.mute(id);
            partitions.unmute(id);
            partitions.reconsider(id, &turn(&metadata));
        }

        let line = &partitions.nodes[&NODE_1];
        assert_eq!(line.standing, 2000);
        assert!(line.places.len() < 5000, "{}", line.places.len());
        let mut first =
            partitions.drain(NODE_1, Capacity { max_size: 1, ..UNLIMITED }, None, &turn(&metadata));
        assert_eq!(first.remove(0).topic_partition().partition(), 1900);
        let drained = partitions.drain(NODE_1, UNLIMITED, None, &turn(&metadata));
        assert_eq!(drained.len(), 1999);
    }

    fn turn(metadata: &MetadataSnapshot) -> Turn<'_> {
        Turn { now: Instant::ZERO, metadata, is_urgent: false }
    }

    fn led_by(leader: NodeId, version: u64) -> MetadataSnapshot {
        let partitions = (0..MANY).map(|number| PartitionInfo::new(number, Some(leader)));
        let topic = TopicInfo::new("orders".into(), Uuid::ZERO, false, partitions.collect());
        let mut cluster = Cluster::default();
        cluster.nodes.insert(leader, Node::new(leader, "localhost", 9092, None));
        cluster.topics.insert("orders".into(), Arc::new(topic));
        MetadataSnapshot { cluster, version, ..MetadataSnapshot::default() }
    }

    fn accumulator_with_a_record_each() -> RecordAccumulator {
        let signal = Arc::new(SenderSignal::new(Wakeup::detached()));
        let pool = Arc::new(BufferPool::new(1 << 30, BATCH_SIZE, || {}));
        let sticky = Arc::new(StickySettings {
            sticky_bytes: BATCH_SIZE,
            is_adaptive: true,
            unavailable_nodes: ArcSwap::default(),
        });
        let accumulator = RecordAccumulator::new(BATCH_SIZE, pool, sticky, signal, Random::new(5));
        let topics = accumulator.topics_of(&led_by(NODE_1, 1));
        let headers = Headers::new();
        for number in 0..MANY {
            let record = RecordContents::new(1, None, None, &headers);
            let append = Append {
                topic: topics.get("orders").expect("known"),
                partition_count: usize::try_from(MANY).expect("small"),
                partition: Some(number),
                record,
                max_wait: Duration::ZERO,
            };
            accumulator.append(&append, &mut None, &|| Instant::ZERO).expect("room");
        }
        accumulator
    }
}
