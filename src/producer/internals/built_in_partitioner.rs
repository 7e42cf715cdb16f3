//! Mirrors `org.apache.kafka.clients.producer.internals.BuiltInPartitioner` (KIP-794).
//!
//! Differs in that the weights are computed by the caller that moves on, from the queues as they are then, and not
//! by the sender in every turn; and in that a partition's number and backlog are never mixed up with its neighbour's.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering};

use arc_swap::ArcSwap;

use crate::common::cluster::TopicInfo;
use crate::common::node::NodeId;
use crate::producer::internals::lane::{LANES, Lane};
use crate::producer::internals::partition_queues::PartitionQueues;
use crate::utils::murmur2::murmur2;
use crate::utils::random::Random;
use crate::utils::sync::Mutex;

/// How records without a key are spread.
#[derive(Debug)]
pub(crate) struct StickySettings {
    /// `batch.size`: the bytes after which to move on to another partition.
    pub(crate) sticky_bytes: usize,
    /// `partitioner.adaptive.partitioning.enable`: prefer partitions with a short queue.
    pub(crate) is_adaptive: bool,
    /// The brokers that took no request for `partitioner.availability.timeout.ms`. Written by the sender.
    pub(crate) unavailable_nodes: ArcSwap<BTreeSet<NodeId>>,
}

/// Sends the keyless records of one topic to one partition until a batch's worth is there, then to another; in each
/// lane.
///
/// The partition of a lane changes only under the lock of the current partition's queue, by whoever just appended to
/// it, so the two numbers need no lock of their own.
#[derive(Debug)]
pub(crate) struct BuiltInPartitioner {
    settings: Arc<StickySettings>,
    sticky: [Sticky; LANES],
    random: Mutex<Random>,
    /// Counts the moves; with many partitions the weights are not taken anew at each.
    moves: AtomicU64,
    /// Cumulative weights and their partitions.
    weights: Mutex<Weights>,
}

/// What one lane sticks to. Written with every record, so it shares no line of memory with what other threads write, or
/// read; processors fetch lines in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Sticky {
    /// The current partition; [`NONE`] before the first record.
    partition: AtomicI32,
    /// What the current partition was given since it became that.
    produced_bytes: AtomicUsize,
}

impl Default for Sticky {
    fn default() -> Self {
        Self { partition: AtomicI32::new(NONE), produced_bytes: AtomicUsize::new(0) }
    }
}

#[derive(Debug, Default)]
struct Weights {
    /// For each candidate the sum of the weights up to and including its own, and its number.
    cumulative: Vec<(usize, i32)>,
}

const NONE: i32 = -1;
/// The weights of this many partitions are taken anew at every move; of n times as many at every n-th.
const PARTITIONS_WEIGHED_PER_MOVE: usize = 64;

/// The partition for a serialized key, of `partition_count` partitions: the one that every Java producer picks, by the
/// murmur2 hash of the key. For a [`Partitioner`](crate::Partitioner) that treats some keys differently from the rest.
///
/// Java: `BuiltInPartitioner.partitionForKey`.
///
/// ```
/// use kafka_producer::partition_for_key;
///
/// assert_eq!(partition_for_key(b"customer-7", 6), 1);
/// ```
#[must_use]
pub fn partition_for_key(key: &[u8], partition_count: usize) -> i32 {
    let hash = (murmur2(key) & 0x7fff_ffff) as usize;
    i32::try_from(hash % partition_count.max(1)).unwrap_or(0)
}

impl BuiltInPartitioner {
    pub(crate) fn new(settings: Arc<StickySettings>, random: Random) -> Self {
        Self {
            settings,
            sticky: Default::default(),
            random: Mutex::new(random),
            moves: AtomicU64::new(0),
            weights: Mutex::new(Weights::default()),
        }
    }

    /// The partition that takes keyless records now; `None` if none of the `count` partitions was chosen yet.
    #[inline]
    pub(super) fn current(&self, lane: Lane, count: usize) -> Option<i32> {
        // A thread with newer metadata may have moved to a partition that this one does not know, and a topic may
        // have been made anew with fewer.
        let current = lane.of(&self.sticky).partition.load(Ordering::Acquire);
        usize::try_from(current).is_ok_and(|number| number < count).then_some(current)
    }

    /// Chooses one of the `count` partitions where none is; negative if there are none.
    pub(super) fn draw_first(
        &self,
        lane: Lane,
        topic: &TopicInfo,
        count: usize,
        queues: &PartitionQueues,
    ) -> i32 {
        if count == 0 {
            return NONE;
        }
        loop {
            let sticky = &lane.of(&self.sticky).partition;
            let seen = sticky.load(Ordering::Acquire);
            if let Some(current) = self.current(lane, count) {
                return current;
            }
            let drawn = self.draw(topic, queues);
            let drawn =
                if usize::try_from(drawn).is_ok_and(|number| number < count) { drawn } else { 0 };
            let (on_success, on_failure) = (Ordering::AcqRel, Ordering::Acquire);
            // Whoever wins is looked at next.
            let _ = sticky.compare_exchange(seen, drawn, on_success, on_failure);
        }
    }

    /// Whether records go elsewhere by now. Meaningful under the lock of the queue of `partition`.
    #[inline]
    pub(super) fn has_moved_from(&self, lane: Lane, partition: i32) -> bool {
        lane.of(&self.sticky).partition.load(Ordering::Acquire) != partition
    }

    /// Notes that `bytes` were appended to the current partition, whose lock the caller holds. True when it is time to
    /// [`move_on`](Self::move_on): after its share if `may_move`, else after twice that, so that no half-filled batch
    /// is left behind.
    #[inline]
    pub(super) fn has_had_its_share(&self, lane: Lane, bytes: usize, may_move: bool) -> bool {
        let produced_bytes = &lane.of(&self.sticky).produced_bytes;
        let share = self.settings.sticky_bytes;
        let produced = produced_bytes.load(Ordering::Relaxed) + bytes;
        let is_over = produced >= share && (may_move || produced >= share.saturating_mul(2));
        produced_bytes.store(if is_over { 0 } else { produced }, Ordering::Relaxed);
        is_over
    }

    /// Chooses the next partition. The caller holds the lock of the current one.
    pub(super) fn move_on(&self, lane: Lane, topic: &TopicInfo, queues: &PartitionQueues) {
        lane.of(&self.sticky).partition.store(self.draw(topic, queues), Ordering::Release);
    }

    fn draw(&self, topic: &TopicInfo, queues: &PartitionQueues) -> i32 {
        if self.settings.is_adaptive {
            if let Some(partition) = self.draw_weighted(topic, queues) {
                return partition;
            }
        }
        let mut random = self.random.lock();
        match topic.available_partitions() {
            [] => {
                let drawn = random.below(topic.partitions().len());
                i32::try_from(drawn).unwrap_or(0)
            }
            available => available[random.below(available.len())],
        }
    }

    /// Draws a partition the more likely the shorter its queue; `None` where there is nothing to choose from.
    fn draw_weighted(&self, topic: &TopicInfo, queues: &PartitionQueues) -> Option<i32> {
        let period = (queues.len() / PARTITIONS_WEIGHED_PER_MOVE).max(1) as u64;
        let is_due = self.moves.fetch_add(1, Ordering::Relaxed) % period == 0;
        let mut weights = self.weights.lock();
        if is_due {
            weights.weigh(topic, queues, &self.settings.unavailable_nodes.load());
        }
        let total = weights.cumulative.last()?.0;
        let drawn = self.random.lock().below(total);
        let position = weights.cumulative.partition_point(|(sum, _)| *sum <= drawn);
        weights.cumulative.get(position).map(|(_, partition)| *partition)
    }
}

impl Weights {
    /// A partition with the longest queue weighs 1, one with k batches fewer weighs 1 + k.
    fn weigh(
        &mut self,
        topic: &TopicInfo,
        queues: &PartitionQueues,
        unavailable: &BTreeSet<NodeId>,
    ) {
        let candidates = topic.partitions().iter().filter_map(|info| {
            let leader = info.leader()?;
            let queue = queues.get(usize::try_from(info.partition()).ok()?)?;
            (!unavailable.contains(&leader)).then(|| (queue.load(), info.partition()))
        });
        self.cumulative.clear();
        self.cumulative.extend(candidates);
        let longest = self.cumulative.iter().map(|(length, _)| *length).max().unwrap_or(0);
        let mut sum = 0;
        for (entry, _) in &mut self.cumulative {
            sum += longest + 1 - *entry;
            *entry = sum;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::partition_info::PartitionInfo;
    use crate::common::topic_partition::TopicPartition;
    use crate::common::uuid::Uuid;
    use crate::producer::internals::partition_queue::PartitionQueue;
    use crate::producer::internals::partition_ref::{PartitionId, PartitionRef};
    use crate::producer::internals::sender_signal::SenderSignal;

    // PAR-01
    #[test]
    fn a_key_goes_where_java_sends_it() {
        for (key, of_ten, of_seven) in
            [("", 1, 2), ("a", 4, 5), ("foobar", 6, 0), ("key-42", 7, 3), ("é世界", 1, 2)]
        {
            assert_eq!(partition_for_key(key.as_bytes(), 10), of_ten, "{key}");
            assert_eq!(partition_for_key(key.as_bytes(), 7), of_seven, "{key}");
        }
    }

    // PAR-02: Java's BuiltInPartitionerTest.testStickyPartitioning
    #[test]
    fn stays_until_the_share_is_reached() {
        let (topic, queues) = topic(&[Some(1), Some(1), Some(1)]);
        let partitioner = partitioner(100);
        let first = peek(&partitioner, &topic, &queues);

        update(&partitioner, 99, true, &topic, &queues);
        assert_eq!(peek(&partitioner, &topic, &queues), first);

        let mut seen = BTreeSet::from([first]);
        for _ in 0..100 {
            update(&partitioner, 100, true, &topic, &queues);
            seen.insert(peek(&partitioner, &topic, &queues));
        }
        assert_eq!(seen.len(), 3);
    }

    // PAR-02: Java's RecordAccumulatorTest.testUniformBuiltInPartitioner
    #[test]
    fn serves_all_partitions_alike() {
        let (topic, queues) = topic(&[Some(1); 4]);
        let partitioner = partitioner(100);
        let mut bytes = [0_i32; 4];

        for _ in 0..1_000_000 {
            let partition = peek(&partitioner, &topic, &queues);
            bytes[usize::try_from(partition).expect("not negative")] += 10;
            update(&partitioner, 10, true, &topic, &queues);
        }

        assert!(bytes.iter().all(|bytes| (2_375_000..2_625_000).contains(bytes)), "{bytes:?}");
    }

    // A topic that was made anew with fewer partitions refused every record without a key.
    #[test]
    fn leaves_a_partition_that_does_not_exist_any_more() {
        let (large, all) = topic(&[Some(1); 200]);
        let (small, few) = topic(&[Some(1); 2]);
        let partitioner = partitioner(100);

        for _ in 0..50 {
            update(&partitioner, 100, true, &large, &all);
            let partition = peek(&partitioner, &small, &few);
            assert!((0..2).contains(&partition), "{partition}");
            assert!(!partitioner.has_moved_from(Lane::FIRST, partition));
        }
        assert_eq!(peek(&partitioner, &topic(&[]).0, &PartitionQueues::default()), NONE);
    }

    #[test]
    fn does_not_leave_a_half_filled_batch_before_twice_the_share() {
        let (topic, queues) = topic(&[Some(1); 50]);
        let partitioner = partitioner(100);
        let first = peek(&partitioner, &topic, &queues);

        update(&partitioner, 199, false, &topic, &queues);
        assert!(!partitioner.has_moved_from(Lane::FIRST, first));
        assert_eq!(partitioner.sticky[0].produced_bytes.load(Ordering::Relaxed), 199);
        update(&partitioner, 1, false, &topic, &queues);
        assert_eq!(partitioner.sticky[0].produced_bytes.load(Ordering::Relaxed), 0);
    }

    // PAR-03
    #[test]
    fn avoids_partitions_without_a_leader_or_with_an_unavailable_one() {
        let (topic, queues) = topic(&[None, Some(1), Some(2), Some(1)]);
        let partitioner = partitioner(1);
        partitioner.settings.unavailable_nodes.store(Arc::new(BTreeSet::from([NodeId(2)])));

        let mut seen = BTreeSet::new();
        for _ in 0..200 {
            seen.insert(peek(&partitioner, &topic, &queues));
            update(&partitioner, 1, true, &topic, &queues);
        }

        assert_eq!(seen, BTreeSet::from([1, 3]));
    }

    #[test]
    fn any_partition_will_do_while_none_has_a_leader() {
        let (topic, queues) = topic(&[None, None]);

        let drawn = peek(&partitioner(1), &topic, &queues);

        assert!((0..2).contains(&drawn));
    }

    // PAR-03
    // The example of KIP-794: queues of 0, 3 and 1 batches weigh 4, 1 and 3.
    #[test]
    fn weighs_by_the_length_of_the_queues() {
        let lengths = [0, 3, 1];
        let mut weights =
            Weights { cumulative: lengths.into_iter().zip(0..).collect::<Vec<(usize, i32)>>() };
        let (topic, queues) = topic(&[Some(1), Some(1), Some(1)]);
        for (number, length) in lengths.into_iter().enumerate() {
            queues.get(number).expect("three").set_load(length);
        }

        weights.weigh(&topic, &queues, &BTreeSet::new());

        assert_eq!(weights.cumulative, [(4, 0), (5, 1), (8, 2)]);
    }

    fn peek(partitioner: &BuiltInPartitioner, topic: &TopicInfo, queues: &PartitionQueues) -> i32 {
        partitioner.draw_first(Lane::FIRST, topic, topic.partitions().len(), queues)
    }

    fn update(
        partitioner: &BuiltInPartitioner,
        bytes: usize,
        may_move: bool,
        topic: &TopicInfo,
        queues: &PartitionQueues,
    ) {
        if partitioner.has_had_its_share(Lane::FIRST, bytes, may_move) {
            partitioner.move_on(Lane::FIRST, topic, queues);
        }
    }

    fn partitioner(sticky_bytes: usize) -> BuiltInPartitioner {
        let settings = StickySettings {
            sticky_bytes,
            is_adaptive: true,
            unavailable_nodes: ArcSwap::default(),
        };
        BuiltInPartitioner::new(Arc::new(settings), Random::new(11))
    }

    fn topic(leaders: &[Option<i32>]) -> (TopicInfo, PartitionQueues) {
        let signal = SenderSignal::detached();
        let partitions = leaders
            .iter()
            .zip(0..)
            .map(|(leader, partition)| PartitionInfo::new(partition, leader.map(NodeId)));
        let new = (0..leaders.len()).map(|index| {
            let number = i32::try_from(index).expect("small");
            let (id, name) = (PartitionId::new(index), TopicPartition::new("t", number));
            PartitionQueue::new(PartitionRef::new(id, name, Arc::clone(&signal))).into()
        });
        let queues = PartitionQueues::default();
        queues.extend(new.collect());
        (TopicInfo::new("t".into(), Uuid::ZERO, false, partitions.collect()), queues)
    }
}
