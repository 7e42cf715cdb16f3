//! What the parts of a producer know a partition by.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::common::topic_partition::TopicPartition;
use crate::producer::internals::sender_signal::SenderSignal;
use crate::producer::internals::topic_compression::TopicCompression;
use crate::utils::clock::Instant;

/// A partition's name, its number within the producer, and the way to make the sender look at it.
#[derive(Debug)]
pub(crate) struct PartitionRef {
    id: PartitionId,
    topic_partition: TopicPartition,
    key: PartitionKey,
    /// Whether the sender was told to look and has not yet.
    is_announced: AtomicBool,
    signal: Arc<SenderSignal>,
    /// `None` if batches travel uncompressed.
    compression: Option<Arc<TopicCompression>>,
}

/// The number of a partition within its producer, counted from 0: not the one that it has within its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PartitionId(usize);

/// A partition by two numbers, which are quicker to compare than names are: topics by their numbers within the producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PartitionKey {
    pub(super) topic: u32,
    pub(super) partition: i32,
}

impl PartitionRef {
    pub(crate) fn new(
        id: PartitionId,
        topic_partition: TopicPartition,
        signal: Arc<SenderSignal>,
    ) -> Self {
        let is_announced = AtomicBool::new(false);
        let key = PartitionKey { topic: 0, partition: topic_partition.partition() };
        Self { id, topic_partition, key, is_announced, signal, compression: None }
    }

    /// Gives the topic a number of its own within the producer; the first one has 0.
    pub(super) fn of_topic(mut self, number: u32) -> Self {
        self.key.topic = number;
        self
    }

    /// Has the batches of this partition compressed like those of its whole topic.
    pub(super) fn with_compression(self, compression: Option<Arc<TopicCompression>>) -> Self {
        Self { compression, ..self }
    }

    pub(super) fn compression(&self) -> Option<&Arc<TopicCompression>> {
        self.compression.as_ref()
    }

    pub(crate) fn id(&self) -> PartitionId {
        self.id
    }

    pub(crate) fn topic_partition(&self) -> &TopicPartition {
        &self.topic_partition
    }

    pub(super) fn key(&self) -> PartitionKey {
        self.key
    }

    pub(crate) fn signal(&self) -> &Arc<SenderSignal> {
        &self.signal
    }

    /// Makes the sender look at this partition in its next turn. Call it after the change, without its lock.
    pub(crate) fn announce(&self) {
        if !self.is_announced.swap(true, Ordering::SeqCst) {
            self.signal.announce(self.id);
        }
    }

    /// Tells the sender of a batch that began at `created`, where there was none, and is not full. Call it without the
    /// queue's lock.
    pub(super) fn announce_first_batch(&self, created: Instant) {
        self.signal.announce_first_batch(self.id, created);
    }

    /// The sender is about to look: what changes from now on has to be announced again.
    pub(super) fn accept_announcement(&self) {
        self.is_announced.store(false, Ordering::SeqCst);
    }
}

impl PartitionId {
    pub(crate) fn new(index: usize) -> Self {
        Self(index)
    }

    /// The place of the partition in tables of all.
    pub(crate) fn index(self) -> usize {
        self.0
    }
}
