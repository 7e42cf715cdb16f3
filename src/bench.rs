//! Handles on the pieces that every record passes, for `benches/`. No part of the interface: behind the feature `bench`.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::client::metadata_snapshot::MetadataSnapshot;
use crate::common::cluster::{Cluster, TopicInfo};
use crate::common::header::Headers;
use crate::common::node::{Node, NodeId};
use crate::common::partition_info::PartitionInfo;
use crate::common::uuid::Uuid;
use crate::network::wakeup::Wakeup;
use crate::producer::callback::Callback;
use crate::producer::internals::buffer_pool::BufferPool;
use crate::producer::internals::built_in_partitioner::{StickySettings, partition_for_key};
use crate::producer::internals::produce_request_result::BatchOutcome;
use crate::producer::internals::producer_batch::ProducerBatch;
use crate::producer::internals::record_accumulator::{Append, RecordAccumulator};
use crate::producer::internals::sendable_partitions::{Capacity, SendablePartitions, Turn};
use crate::producer::internals::sender_signal::SenderSignal;
use crate::record::default_record::RecordContents;
use crate::record::default_record_batch::ProducerState;
use crate::record::memory_records_builder::MemoryRecordsBuilder;
use crate::record::record_version::RecordVersion;
use crate::utils::clock::Instant;
use crate::utils::crc32c;
use crate::utils::random::Random;

const TOPIC: &str = "orders";
const NODE: NodeId = NodeId(1);
const BUFFER_MEMORY: usize = 32 << 20;
const CAPACITY: Capacity = Capacity { max_size: 1 << 20, version: RecordVersion::V2 };
const PRODUCER: ProducerState =
    ProducerState { producer_id: 7, producer_epoch: 0, base_sequence: 0 };

/// The CRC-32C of `data`.
#[must_use]
pub fn checksum(data: &[u8]) -> u32 {
    crc32c::checksum(data)
}

/// The partition of `count` that `key` belongs to.
#[must_use]
pub fn partition(key: &[u8], count: usize) -> i32 {
    partition_for_key(key, count)
}

/// One batch that is filled and never sent.
#[derive(Debug)]
pub struct Batch {
    builder: MemoryRecordsBuilder,
    headers: Headers<'static>,
}

impl Batch {
    #[must_use]
    pub fn new(size: usize) -> Self {
        let builder = MemoryRecordsBuilder::new(Vec::with_capacity(size), size, size);
        Self { builder, headers: Headers::new() }
    }

    /// Encodes a record without a key; `false` if the batch is full.
    pub fn encode(&mut self, value: &[u8]) -> bool {
        self.builder.try_append(&RecordContents::new(1, None, Some(value), &self.headers)).is_some()
    }
}

/// The accumulator between a caller and a sender, both of which are the benchmark.
#[derive(Debug)]
pub struct Accumulator {
    accumulator: RecordAccumulator,
    sendable: SendablePartitions,
    metadata: MetadataSnapshot,
    headers: Headers<'static>,
}

/// Batches on their way.
#[derive(Debug)]
pub struct Drained(Vec<Box<ProducerBatch>>);

impl Accumulator {
    #[must_use]
    pub fn new(partitions: i32, batch_size: usize) -> Self {
        let signal = Arc::new(SenderSignal::new(Wakeup::detached()));
        let pool = Arc::new(BufferPool::new(BUFFER_MEMORY, batch_size, || {}));
        let sticky = Arc::new(StickySettings {
            sticky_bytes: batch_size,
            is_adaptive: true,
            unavailable_nodes: ArcSwap::default(),
        });
        Self {
            accumulator: RecordAccumulator::new(batch_size, pool, sticky, signal, Random::new(5)),
            sendable: SendablePartitions::new(Duration::ZERO, Duration::from_secs(120)),
            metadata: metadata(partitions),
            headers: Headers::new(),
        }
    }

    /// Appends a record as `send` does, to the partition of its key or to the one of the moment; `false` if there was no
    /// memory.
    pub fn append(&self, key: Option<&[u8]>, value: &[u8], callback: Option<fn()>) -> bool {
        let Some(topic) = self.accumulator.topics_of(&self.metadata).get(TOPIC) else {
            return false;
        };
        let append = Append {
            topic,
            partition_count: topic.partition_count(),
            partition: key.map(|key| partition_for_key(key, topic.partition_count())),
            record: RecordContents::new(1, key, Some(value), &self.headers),
            max_wait: Duration::ZERO,
        };
        let mut callback = callback.map(|tell| -> Callback { Box::new(move |_| tell()) });
        self.accumulator.append(&append, &mut callback, &|| Instant::ZERO).is_ok()
    }

    /// Takes what one request has room for, of everything that was appended, and gives each batch its header.
    #[must_use]
    pub fn drain(&mut self) -> Drained {
        let turn = Turn { now: Instant::ZERO, metadata: &self.metadata, is_urgent: true };
        self.sendable.refresh(&self.accumulator, &turn);
        let mut batches = self.sendable.drain(NODE, CAPACITY, None, &turn);
        for batch in &mut batches {
            batch.seal(PRODUCER);
        }
        Drained(batches)
    }

    /// Answers every record.
    pub fn complete(&mut self, drained: Drained) {
        let mut batches = drained.0;
        for batch in &mut batches {
            batch.complete(BatchOutcome::Appended { base_offset: 0, log_append_time_ms: -1 });
        }
        self.accumulator.retire(&mut batches);
        self.sendable.keep_boxes(&mut batches);
    }

    /// Sends everything to nowhere.
    pub fn clear(&mut self) {
        loop {
            let drained = self.drain();
            if drained.0.is_empty() {
                return;
            }
            self.complete(drained);
        }
    }
}

fn metadata(partitions: i32) -> MetadataSnapshot {
    let partitions = (0..partitions).map(|number| PartitionInfo::new(number, Some(NODE)));
    let topic = TopicInfo::new(TOPIC.into(), Uuid::ZERO, false, partitions.collect());
    let mut cluster = Cluster::default();
    cluster.nodes.insert(NODE, Node::new(NODE, "localhost", 9092, None));
    cluster.topics.insert(TOPIC.into(), Arc::new(topic));
    MetadataSnapshot { cluster, version: 1, ..MetadataSnapshot::default() }
}
