//! How the table of topics and queues follows the metadata.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::client::metadata::Metadata;
use crate::client::metadata_snapshot::MetadataSnapshot;
use crate::common::cluster::TopicInfo;
use crate::common::topic_partition::TopicPartition;
use crate::producer::internals::built_in_partitioner::BuiltInPartitioner;
use crate::producer::internals::partition_queue::PartitionQueue;
use crate::producer::internals::partition_ref::{PartitionId, PartitionRef};
use crate::producer::internals::record_accumulator::RecordAccumulator;
use crate::producer::internals::topic_compression::TopicCompression;
use crate::producer::internals::topic_table::{TopicEntry, TopicTable};
use crate::utils::random::Random;
use crate::utils::saturate::saturate_u32;

/// Everything that ever was in the table.
#[derive(Debug)]
pub(super) struct TopicRegistry {
    /// By [`PartitionId`].
    pub(super) queues: Vec<Arc<PartitionQueue>>,
    /// With their numbers.
    topics: BTreeMap<Arc<str>, u32>,
    random: Random,
}

impl RecordAccumulator {
    /// The topics as the newest metadata describes them. Takes no lock unless the metadata changed.
    #[inline(always)]
    pub(crate) fn topics(&self, metadata: &Metadata) -> &TopicTable {
        if self.table_version.load(Ordering::Acquire) != metadata.version() {
            self.update_table(&metadata.snapshot());
        }
        &self.table
    }

    /// As [`topics`](Self::topics), of one view of the cluster.
    #[cfg(any(test, feature = "bench"))]
    pub(crate) fn topics_of(&self, metadata: &MetadataSnapshot) -> &TopicTable {
        if self.table_version.load(Ordering::Acquire) != metadata.version {
            self.update_table(metadata);
        }
        &self.table
    }

    #[cold]
    fn update_table(&self, metadata: &MetadataSnapshot) {
        let mut registry = self.registry.lock();
        if self.table_version.load(Ordering::Acquire) >= metadata.version {
            return; // another thread was faster
        }
        for info in metadata.cluster.topics.values() {
            registry.update(info, self);
        }
        for name in registry.topics.keys() {
            if !metadata.cluster.topics.contains_key(name) {
                self.table.get(name).into_iter().for_each(TopicEntry::forget);
            }
        }
        self.table_version.store(metadata.version, Ordering::Release);
    }
}

impl TopicRegistry {
    pub(super) fn new(random: Random) -> Self {
        Self { queues: Vec::new(), topics: BTreeMap::new(), random }
    }

    pub(super) fn update(&mut self, info: &Arc<TopicInfo>, accumulator: &RecordAccumulator) {
        let Self { queues, topics, random } = self;
        let entry = accumulator.table.get_or_insert(info.name(), || {
            topics.insert(Arc::clone(info.shared_name()), saturate_u32(topics.len()));
            let sticky = Arc::clone(&accumulator.sticky);
            let compressors = accumulator.compressors.clone();
            let compression = compressors.map(|it| Arc::new(TopicCompression::new(it)));
            TopicEntry::new(info, BuiltInPartitioner::new(sticky, random.fork()), compression)
        });
        if entry.is_up_to_date(info) {
            return;
        }
        let topic = topics.get(info.name()).copied().unwrap_or_default();
        let new = info.partitions().iter().skip(entry.queue_count()).map(|partition| {
            let name = TopicPartition::new(Arc::clone(entry.name()), partition.partition());
            let signal = Arc::clone(&accumulator.signal);
            let partition = PartitionRef::new(PartitionId::new(queues.len()), name, signal)
                .of_topic(topic)
                .with_compression(entry.compression().cloned());
            queues.push(Arc::new(PartitionQueue::new(partition)));
            queues.last().cloned()
        });
        entry.update(info, new.flatten().collect());
        accumulator.queue_count.store(queues.len(), Ordering::Relaxed);
    }
}
