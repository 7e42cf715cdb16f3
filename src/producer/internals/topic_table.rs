//! What `send` needs to know of every topic. Takes the place of `RecordAccumulator.topicInfoMap`.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::{ArcSwap, Guard};

use crate::common::cluster::TopicInfo;
use crate::common::partition_info::PartitionInfo;
use crate::producer::internals::built_in_partitioner::BuiltInPartitioner;
use crate::producer::internals::lane::Lane;
use crate::producer::internals::partition_queue::PartitionQueue;
use crate::producer::internals::partition_queues::PartitionQueues;
use crate::producer::internals::topic_compression::TopicCompression;
use crate::utils::hash;

/// The topics by name: a trie of the names' hashes that only grows, so that `send` borrows what it finds, with no lock
/// and no count of references.
#[derive(Debug, Default)]
pub(crate) struct TopicTable {
    root: OnceLock<Box<TrieNode>>,
}

#[derive(Debug)]
struct TrieNode {
    topic: TopicEntry,
    /// By the next bits of the hash.
    children: [OnceLock<Box<Self>>; CHILDREN],
}

/// One topic: what the metadata says, its queues, and the choice among them without a key.
#[derive(Debug)]
pub(crate) struct TopicEntry {
    name: Arc<str>,
    /// How many the metadata gives it now, 0 while it is unknown. There may be more queues.
    partition_count: AtomicUsize,
    queues: PartitionQueues,
    partitioner: BuiltInPartitioner,
    /// `None` if batches travel uncompressed.
    compression: Option<Arc<TopicCompression>>,
    may_batches_grow: AtomicBool,
    info: ArcSwap<TopicInfo>,
}

const CHILDREN: usize = 1 << BITS_PER_LEVEL;
const BITS_PER_LEVEL: u32 = 4;

impl TopicTable {
    /// What is known of `topic`.
    #[inline(always)]
    pub(crate) fn get(&self, topic: &str) -> Option<&TopicEntry> {
        self.place(topic).get().map(|node| &node.topic)
    }

    /// The topic, which is added with what `create` makes of it if it is new. One thread at a time.
    pub(super) fn get_or_insert(
        &self,
        topic: &str,
        create: impl FnOnce() -> TopicEntry,
    ) -> &TopicEntry {
        let node = || Box::new(TrieNode { topic: create(), children: Default::default() });
        &self.place(topic).get_or_init(node).topic
    }

    /// Where the topic is, or would be put.
    #[inline(always)]
    fn place(&self, topic: &str) -> &OnceLock<Box<TrieNode>> {
        match self.root.get() {
            Some(root) if !is_same(&root.topic.name, topic) => root.place_below(topic),
            _ => &self.root, // of one topic, the hash is not needed
        }
    }
}

/// Whether the names are equal. From 4 to 16 bytes, as most are, without a call: the first and the last few are all there is.
#[inline(always)]
fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    match one.len() {
        4..=8 => ends_are_same::<4>(one, other),
        9..=16 => ends_are_same::<8>(one, other),
        _ => one == other,
    }
}

/// Of two that are as long as each other, up to twice `N`.
#[inline(always)]
fn ends_are_same<const N: usize>(one: &[u8], other: &[u8]) -> bool {
    one.first_chunk::<N>() == other.first_chunk() && one.last_chunk::<N>() == other.last_chunk()
}

impl TrieNode {
    /// Where a topic other than this one is, or would be put.
    fn place_below(&self, topic: &str) -> &OnceLock<Box<Self>> {
        let mut node = self;
        let mut bits = hash::of_bytes(topic.as_bytes());
        loop {
            #[expect(clippy::cast_possible_truncation, reason = "the low bits are what counts")]
            let place = &node.children[bits as usize % CHILDREN];
            match place.get() {
                Some(child) if *child.topic.name != *topic => node = child,
                _ => return place,
            }
            bits >>= BITS_PER_LEVEL;
        }
    }
}

impl TopicEntry {
    /// A topic without partitions.
    pub(super) fn new(
        info: &Arc<TopicInfo>,
        partitioner: BuiltInPartitioner,
        compression: Option<Arc<TopicCompression>>,
    ) -> Self {
        Self {
            name: Arc::clone(info.shared_name()),
            partition_count: AtomicUsize::new(0),
            queues: PartitionQueues::default(),
            partitioner,
            compression,
            may_batches_grow: AtomicBool::new(true),
            info: ArcSwap::new(Arc::clone(info)),
        }
    }

    pub(super) fn compression(&self) -> Option<&Arc<TopicCompression>> {
        self.compression.as_ref()
    }

    /// Whether batches may grow beyond `batch.size` while they wait.
    pub(super) fn may_batches_grow(&self) -> bool {
        self.may_batches_grow.load(Ordering::Relaxed)
    }

    /// Keeps batches from growing beyond `batch.size`: how much a broker takes at once is the topic's property.
    pub(super) fn keep_batches_small(&self) {
        self.may_batches_grow.store(false, Ordering::Relaxed);
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// How many partitions the topic has, 0 while it is unknown.
    #[inline]
    pub(crate) fn partition_count(&self) -> usize {
        self.partition_count.load(Ordering::Acquire)
    }

    /// What the metadata says of the partitions.
    pub(crate) fn partitions(&self) -> Vec<PartitionInfo> {
        self.info().partitions().to_vec()
    }

    /// The queue of a partition that the topic has, or once had.
    #[inline]
    pub(super) fn queue(&self, partition: i32) -> Option<&Arc<PartitionQueue>> {
        self.queues.get(usize::try_from(partition).ok()?)
    }

    /// How many partitions have a queue.
    pub(super) fn queue_count(&self) -> usize {
        self.queues.len()
    }

    /// Takes in what the metadata says by now, and queues for the partitions that are new. One thread at a time.
    pub(super) fn update(&self, info: &Arc<TopicInfo>, new: Vec<Arc<PartitionQueue>>) {
        self.queues.extend(new);
        self.info.store(Arc::clone(info));
        self.partition_count.store(info.partitions().len(), Ordering::Release);
    }

    /// Whether the metadata says the same as at the last [`update`](Self::update).
    pub(super) fn is_up_to_date(&self, info: &Arc<TopicInfo>) -> bool {
        Arc::ptr_eq(&self.info.load(), info) && self.partition_count() == info.partitions().len()
    }

    /// The metadata does not know the topic any more.
    pub(super) fn forget(&self) {
        self.partition_count.store(0, Ordering::Release);
    }

    /// The partition, of `count`, that takes the lane's keyless records now; negative if there are none.
    #[inline(always)]
    pub(super) fn sticky_partition(&self, lane: Lane, count: usize) -> i32 {
        let current = self.partitioner.current(lane, count);
        current.unwrap_or_else(|| self.first_sticky_partition(lane, count))
    }

    #[cold]
    fn first_sticky_partition(&self, lane: Lane, count: usize) -> i32 {
        self.partitioner.draw_first(lane, &self.info(), count, &self.queues)
    }

    /// Whether keyless records go elsewhere by now. Meaningful under the lock of the queue of `partition`.
    #[inline]
    pub(super) fn has_moved_from(&self, lane: Lane, partition: i32) -> bool {
        self.partitioner.has_moved_from(lane, partition)
    }

    /// Notes that `bytes` without a key were appended to the current partition, whose lock the caller holds, and
    /// moves on when it had its share.
    #[inline(always)]
    pub(super) fn produced(&self, lane: Lane, bytes: usize, may_move: bool) {
        if self.partitioner.has_had_its_share(lane, bytes, may_move) {
            self.move_on(lane);
        }
    }

    #[cold]
    fn move_on(&self, lane: Lane) {
        Lane::reset();
        self.partitioner.move_on(lane, &self.info(), &self.queues);
    }

    fn info(&self) -> Guard<Arc<TopicInfo>> {
        self.info.load()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_to_the_last_byte() {
        let name = "a.name-of-some-length_0";
        for length in 0..=name.len() {
            let one = &name[..length];
            assert!(is_same(one, one), "{one}");
            assert!(!is_same(one, &format!("{one}x")) && !is_same(&format!("{one}x"), one));
            for changed in 0..length {
                let other = format!("{}!{}", &one[..changed], &one[changed + 1..]);
                assert!(!is_same(one, &other), "{one} and {other}");
            }
        }
    }
}
