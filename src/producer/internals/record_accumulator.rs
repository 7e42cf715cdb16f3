//! Mirrors `org.apache.kafka.clients.producer.internals.RecordAccumulator`: the side of the callers' threads.
//!
//! Java's `ready`, `drain` and expiry walk every partition ever used; here callers announce the partitions that
//! changed, and `SendablePartitions` keeps the rest on the sender's side.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::client::metadata::Metadata;
use crate::client::metadata_snapshot::MetadataSnapshot;
use crate::common::cluster::TopicInfo;
use crate::common::topic_partition::TopicPartition;
use crate::compress::{Compression, CompressionType, Compressors};
use crate::error::{Error, ErrorKind, Persistence};
use crate::producer::callback::Callback;
use crate::producer::internals::buffer_pool::{AllocateError, BufferPool, PooledBuffer};
use crate::producer::internals::built_in_partitioner::{BuiltInPartitioner, StickySettings};
use crate::producer::internals::future_record_metadata::FutureRecordMetadata;
use crate::producer::internals::incomplete_batches::IncompleteBatches;
use crate::producer::internals::packing::Loan;
use crate::producer::internals::partition_queue::{LockedQueue, PartitionQueue};
use crate::producer::internals::partition_ref::PartitionRef;
use crate::producer::internals::produce_request_result::{ProduceRequestResult, RecordShare};
use crate::producer::internals::producer_batch::{self, ProducerBatch};
use crate::producer::internals::sender_signal::SenderSignal;
use crate::producer::internals::topic_compression::TopicCompression;
use crate::producer::internals::topic_table::{TopicEntry, TopicTable};
use crate::record::default_record::RecordContents;
use crate::record::default_record_batch::RECORD_BATCH_OVERHEAD;
use crate::utils::clock::Instant;
use crate::utils::random::Random;
use crate::utils::sync::Mutex;

/// The records that were accepted and not yet sent, by partition.
///
/// Runs on: callers' threads, which share nothing but a read-mostly table and the queue they append to.
#[derive(Debug)]
pub(crate) struct RecordAccumulator {
    batch_size: usize,
    pool: Arc<BufferPool>,
    table: TopicTable,
    /// The version of the metadata that the table follows.
    table_version: AtomicU64,
    /// Held by whoever brings the table up to date.
    growth: Mutex<Growth>,
    sticky: Arc<StickySettings>,
    /// `None` if batches travel uncompressed.
    compressors: Option<Arc<Compressors>>,
    incomplete: IncompleteBatches,
    next_batch: AtomicU64,
    is_closed: AtomicBool,
    /// Why it was closed, where the application did not ask for it.
    poison: OnceLock<Error>,
    signal: Arc<SenderSignal>,
}

/// Everything that ever was in the table.
#[derive(Debug)]
struct Growth {
    /// By number.
    queues: Vec<Arc<PartitionQueue>>,
    topics: Vec<Arc<str>>,
    random: Random,
}

/// What [`RecordAccumulator::append`] is given.
#[derive(Debug)]
pub(crate) struct Append<'a> {
    pub(crate) topic: &'a TopicEntry,
    /// `None` leaves the choice to the built-in partitioner.
    pub(crate) partition: Option<i32>,
    pub(crate) record: RecordContents<'a>,
    /// The longest wait for memory.
    pub(crate) max_wait: Duration,
}

/// What [`RecordAccumulator::append`] did.
#[derive(Debug)]
pub(crate) struct Appended {
    /// Of the batch that took it.
    pub(crate) result: Arc<ProduceRequestResult>,
    /// Its index there.
    pub(crate) index: u32,
    pub(crate) news: News,
}

/// What an append means for the sender. As large as an index, for what is moved with every record.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    Nothing,
    FullBatch,
    NewBatch,
}

/// Why a record was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AppendError {
    Closed,
    /// There was no memory for a batch of this many bytes.
    Exhausted {
        requested: usize,
    },
    /// The topic has no such partition.
    UnknownPartition {
        partition: i32,
    },
}

impl Appended {
    /// The answer to come, of the record that was appended.
    #[inline(always)]
    pub(crate) fn future(self, record: &RecordContents<'_>) -> FutureRecordMetadata {
        FutureRecordMetadata::accepted(self.result, RecordShare::new(self.index, record))
    }
}

impl RecordAccumulator {
    /// `batch_size` is `batch.size`, at least 1.
    pub(crate) fn new(
        batch_size: usize,
        pool: Arc<BufferPool>,
        sticky: Arc<StickySettings>,
        signal: Arc<SenderSignal>,
        random: Random,
    ) -> Self {
        Self {
            batch_size,
            pool,
            table: TopicTable::default(),
            table_version: AtomicU64::new(0),
            growth: Mutex::new(Growth { queues: Vec::new(), topics: Vec::new(), random }),
            sticky,
            compressors: None,
            incomplete: IncompleteBatches::default(),
            next_batch: AtomicU64::new(0),
            is_closed: AtomicBool::new(false),
            poison: OnceLock::new(),
            signal,
        }
    }

    /// Has batches compressed. Call it before the first [`append`](Self::append).
    pub(crate) fn with_compression(self, compression: Compression) -> Self {
        let is_wanted = compression.codec != CompressionType::None;
        Self { compressors: is_wanted.then(|| Arc::new(Compressors::new(compression))), ..self }
    }

    /// Copies the record into the newest batch of its partition, or into a new one.
    ///
    /// Waits only for memory, and then with no lock held. Takes `callback` if, and only if, it takes the record. Reads
    /// the clock only for a new batch.
    #[inline(always)]
    pub(crate) fn append(
        &self,
        append: &Append<'_>,
        callback: &mut Option<Callback>,
        now: &dyn Fn() -> Instant,
    ) -> Result<Appended, AppendError> {
        match self.append_to_open_batch(append, callback) {
            Some(appended) => Ok(appended),
            None => self.append_into(append, None, callback, now),
        }
    }

    /// Most records: there is a batch with room for them.
    #[inline(always)]
    fn append_to_open_batch(
        &self,
        append: &Append<'_>,
        callback: &mut Option<Callback>,
    ) -> Option<Appended> {
        let partition = append.partition.unwrap_or_else(|| append.topic.sticky_partition());
        let target = Target { append, queue: append.topic.queue(partition)? };
        let mut batches = target.queue.lock();
        if self.is_closed() || target.has_moved() {
            return None;
        }
        let appended = target.append_to_tail(&mut batches, callback)?;
        if appended.news == News::FullBatch {
            self.announce(batches, target.queue);
        }
        Some(appended)
    }

    /// As [`append`](Self::append), with memory for a new batch that was waited for already.
    #[cold]
    pub(crate) fn append_into(
        &self,
        append: &Append<'_>,
        mut buffer: Option<PooledBuffer>,
        callback: &mut Option<Callback>,
        now: &dyn Fn() -> Instant,
    ) -> Result<Appended, AppendError> {
        loop {
            let partition = append.partition.unwrap_or_else(|| append.topic.sticky_partition());
            let Some(queue) = append.topic.queue(partition) else {
                return Err(AppendError::UnknownPartition { partition });
            };
            let target = Target { append, queue };
            match self.try_append(&target, callback, &mut buffer, now) {
                Ok(appended) => return Ok(appended),
                Err(Obstacle::Moved) => {}
                Err(Obstacle::Closed) => return Err(AppendError::Closed),
                Err(Obstacle::NeedsMemory(requested)) => {
                    buffer = Some(self.allocate(requested, append.max_wait)?);
                }
            }
        }
    }

    fn try_append(
        &self,
        target: &Target<'_>,
        callback: &mut Option<Callback>,
        buffer: &mut Option<PooledBuffer>,
        now: &dyn Fn() -> Instant,
    ) -> Result<Appended, Obstacle> {
        let mut batches = target.queue.lock();
        if self.is_closed() {
            return Err(Obstacle::Closed);
        }
        if target.has_moved() {
            return Err(Obstacle::Moved);
        }
        if let Some(appended) = target.append_rarely(&mut batches, callback) {
            if appended.news == News::FullBatch {
                self.announce(batches, target.queue);
            }
            return Ok(appended);
        }
        target.note_produced(0, true); // the last batch is full: a move that waited for this happens now
        if target.has_moved() {
            return Err(Obstacle::Moved);
        }
        let size = self.batch_size.max(target.append.record.batch_size_upper_bound());
        let buffer = match buffer.take() {
            Some(buffer) => buffer,
            None => match self.pool.try_allocate(size) {
                Ok(buffer) => buffer,
                Err(AllocateError::Exhausted) => return Err(Obstacle::NeedsMemory(size)),
                Err(AllocateError::Closed) => return Err(Obstacle::Closed),
            },
        };
        let id = self.next_batch_id();
        let callbacks = batches.callbacks_a_batch();
        let batch = ProducerBatch::new(id, target.queue.partition(), buffer, callbacks, now());
        self.incomplete.add(id, Arc::clone(batch.result()));
        batches.push_tail(batch);
        let appended = target.append_rarely(&mut batches, callback).ok_or(Obstacle::Moved)?;
        self.announce(batches, target.queue);
        Ok(Appended { news: News::NewBatch, ..appended })
    }

    /// Lets the sender look at a queue in which a batch became full, or began; the lock is released before.
    #[inline(never)]
    fn announce(&self, mut batches: LockedQueue<'_>, queue: &PartitionQueue) {
        let loan = self.lend(&mut batches);
        drop(batches);
        queue.partition().announce();
        if let Some(loan) = loan {
            self.work_off(loan, queue);
        }
    }

    /// A full batch to be compressed by this thread, unless the sender has nothing to do, and nothing else to do here: then
    /// it compresses this one, while this thread goes on.
    fn lend(&self, batches: &mut LockedQueue<'_>) -> Option<Loan> {
        let is_left_to_sender = self.signal.is_sender_idle() && batches.len() <= 2;
        if self.compressors.is_none() || is_left_to_sender {
            return None;
        }
        // Only the newest two can just have become full.
        let mut full = batches.newest_first().take(2).filter(|batch| batch.is_full());
        full.find_map(ProducerBatch::lend)
    }

    /// Compresses what [`lend`](Self::lend) gave, with no lock held, and puts it back.
    fn work_off(&self, loan: Loan, queue: &PartitionQueue) {
        self.signal.wake(); // what is announced already need not wait for this
        let id = loan.batch;
        let packed = loan.pack();
        if let Some(batch) = queue.lock().newest_first().find(|batch| batch.id() == id) {
            batch.take_back(packed);
        }
        queue.partition().announce();
        self.signal.wake();
    }

    fn allocate(&self, requested: usize, max_wait: Duration) -> Result<PooledBuffer, AppendError> {
        self.pool.allocate(requested, max_wait).map_err(|error| match error {
            AllocateError::Exhausted => AppendError::Exhausted { requested },
            AllocateError::Closed => AppendError::Closed,
        })
    }

    /// The topics as the newest metadata describes them. Takes no lock unless the metadata changed.
    #[inline]
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
        let mut growth = self.growth.lock();
        if self.table_version.load(Ordering::Acquire) >= metadata.version {
            return; // another thread was faster
        }
        for info in metadata.cluster.topics.values() {
            growth.update(info, self);
        }
        for name in &growth.topics {
            if !metadata.cluster.topics.contains_key(name) {
                self.table.get(name).into_iter().for_each(TopicEntry::forget);
            }
        }
        self.table_version.store(metadata.version, Ordering::Release);
    }

    /// The queue with this number.
    pub(super) fn queue(&self, id: usize) -> Option<Arc<PartitionQueue>> {
        self.growth.lock().queues.get(id).cloned()
    }

    /// A number that no other batch has.
    pub(super) fn next_batch_id(&self) -> u64 {
        self.next_batch.fetch_add(1, Ordering::Relaxed)
    }

    /// `batch.size`, in bytes.
    pub(super) fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// The batches that were created and not yet answered.
    pub(crate) fn incomplete(&self) -> &IncompleteBatches {
        &self.incomplete
    }

    pub(crate) fn pool(&self) -> &Arc<BufferPool> {
        &self.pool
    }

    pub(crate) fn sticky(&self) -> &StickySettings {
        &self.sticky
    }

    pub(crate) fn signal(&self) -> &Arc<SenderSignal> {
        &self.signal
    }

    /// Refuses every later record; those already taken are worth sending at once.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        self.pool.close();
        self.signal.wake();
    }

    /// Closes because of `error`, with which every later record fails.
    pub(crate) fn poison(&self, error: Error) {
        // Where two reasons meet, the first one stays.
        let _ = self.poison.set(error);
        self.close();
    }

    /// What a record fails with after [`close`](Self::close).
    pub(crate) fn closed_error(&self) -> Error {
        self.poison.get().cloned().unwrap_or_else(|| Error::new(ErrorKind::Closed))
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::SeqCst)
    }

    /// Takes out every batch that waits to be sent. Call it after [`close`](Self::close): then none is missed.
    pub(super) fn take_all(&self) -> Vec<ProducerBatch> {
        let mut taken = Vec::new();
        for queue in &self.growth.lock().queues {
            taken.extend(queue.lock().take_all());
        }
        taken.sort_by_key(ProducerBatch::order);
        taken
    }
}

impl RecordAccumulator {
    /// Fails whatever is still not answered: what a panic tore out of the sender's hands. Call it last.
    pub(super) fn fail_orphans(&self, error: &Error) {
        drop(self.take_all());
        for result in self.incomplete.take_all().values() {
            let persistence =
                if result.is_drained() { Persistence::Perhaps } else { Persistence::NeverSent };
            let topic_partition = result.partition().topic_partition();
            let error =
                error.clone().with_topic_partition(topic_partition).with_persistence(persistence);
            producer_batch::complete_orphan(result, error);
        }
    }
}

impl Growth {
    fn update(&mut self, info: &Arc<TopicInfo>, accumulator: &RecordAccumulator) {
        let Self { queues, topics, random } = self;
        let entry = accumulator.table.get_or_insert(info.name(), || {
            topics.push(Arc::clone(info.shared_name()));
            let sticky = Arc::clone(&accumulator.sticky);
            let compressors = accumulator.compressors.clone();
            let compression = compressors.map(|it| Arc::new(TopicCompression::new(it)));
            TopicEntry::new(info, BuiltInPartitioner::new(sticky, random.fork()), compression)
        });
        if entry.is_up_to_date(info) {
            return;
        }
        let new = info.partitions().iter().skip(entry.queue_count()).map(|partition| {
            let name = TopicPartition::new(Arc::clone(entry.name()), partition.partition());
            let signal = Arc::clone(&accumulator.signal);
            let partition = PartitionRef::new(queues.len(), name, signal)
                .with_compression(entry.compression().cloned());
            queues.push(Arc::new(PartitionQueue::new(partition)));
            queues.last().cloned()
        });
        entry.update(info, new.flatten().collect());
    }
}

/// Where a record is to go, for one attempt.
struct Target<'a> {
    append: &'a Append<'a>,
    queue: &'a Arc<PartitionQueue>,
}

/// Why an attempt did not place the record.
enum Obstacle {
    /// Keyless records go to another partition by now.
    Moved,
    NeedsMemory(usize),
    Closed,
}

impl Target<'_> {
    #[inline]
    fn is_keyless(&self) -> bool {
        self.append.partition.is_none()
    }

    /// Whether keyless records go to another partition by now.
    #[inline]
    fn has_moved(&self) -> bool {
        let partition = self.queue.partition().topic_partition().partition();
        self.is_keyless() && self.append.topic.has_moved_from(partition)
    }

    #[inline]
    fn note_produced(&self, bytes: usize, may_move: bool) {
        if self.is_keyless() {
            self.append.topic.produced(bytes, may_move);
        }
    }

    /// As [`append_to_tail`](Self::append_to_tail), once a batch: most records should not pay for what this needs.
    #[inline(never)]
    fn append_rarely(
        &self,
        batches: &mut LockedQueue<'_>,
        callback: &mut Option<Callback>,
    ) -> Option<Appended> {
        self.append_to_tail(batches, callback)
    }

    #[inline(always)]
    fn append_to_tail(
        &self,
        batches: &mut LockedQueue<'_>,
        callback: &mut Option<Callback>,
    ) -> Option<Appended> {
        let tail = batches.tail()?;
        let size_before = match tail.size() {
            RECORD_BATCH_OVERHEAD => 0, // its first record pays for the header
            size => size,
        };
        let index = tail.try_append(&self.append.record, callback)?;
        let result = Arc::clone(tail.result());
        let is_full = tail.is_full();
        self.note_produced(tail.size() - size_before, is_full);
        let news = if is_full { News::FullBatch } else { News::Nothing };
        Some(Appended { result, index, news })
    }
}

#[cfg(test)]
mod tests {
    use arc_swap::ArcSwap;

    use super::*;
    use crate::common::header::Headers;
    use crate::common::node::NodeId;
    use crate::common::partition_info::PartitionInfo;
    use crate::common::uuid::Uuid;
    use crate::network::wakeup::Wakeup;

    const BATCH_SIZE: usize = 200;

    #[test]
    fn fills_one_batch_before_it_starts_another() {
        let accumulator = accumulator(10 * BATCH_SIZE);
        let topic = topic(1);

        let first = append(&accumulator, &topic, Some(0), 100).expect("room");
        let second = append(&accumulator, &topic, Some(0), 20).expect("room");
        let third = append(&accumulator, &topic, Some(0), 100).expect("room");

        assert_eq!(
            [first.news, second.news, third.news],
            [News::NewBatch, News::Nothing, News::NewBatch]
        );
        assert_eq!(accumulator.take_all().len(), 2);
    }

    #[test]
    fn a_large_record_gets_a_batch_of_its_own_size() {
        let accumulator = accumulator(10 * BATCH_SIZE);

        append(&accumulator, &topic(1), Some(0), 5 * BATCH_SIZE).expect("room");

        let batches = accumulator.take_all();
        assert_eq!(batches[0].record_count(), 1);
        assert!(batches[0].size() > 5 * BATCH_SIZE);
    }

    #[test]
    fn a_full_pool_refuses_and_takes_neither_record_nor_callback() {
        let accumulator = accumulator(BATCH_SIZE);
        let topic = topic(2);
        append(&accumulator, &topic, Some(0), 10).expect("room");
        let mut callback: Option<Callback> = Some(Box::new(|_| {}));

        let refused = append_with(&accumulator, &topic, Some(1), 10, &mut callback);

        assert_eq!(refused.err(), Some(AppendError::Exhausted { requested: BATCH_SIZE }));
        assert!(callback.is_some());
        assert_eq!(accumulator.take_all().len(), 1);
    }

    #[test]
    fn memory_comes_back_when_batches_go() {
        let accumulator = accumulator(10 * BATCH_SIZE);
        append(&accumulator, &topic(1), Some(0), 7 * BATCH_SIZE).expect("room");
        assert!(accumulator.pool().available() < 3 * BATCH_SIZE);

        drop(accumulator.take_all());

        assert_eq!(accumulator.pool().available(), 10 * BATCH_SIZE);
    }

    #[test]
    fn takes_nothing_once_it_is_closed() {
        let accumulator = accumulator(10 * BATCH_SIZE);
        accumulator.close();

        let refused = append(&accumulator, &topic(1), None, 1);

        assert_eq!(refused.err(), Some(AppendError::Closed));
    }

    #[test]
    fn a_topic_may_gain_partitions() {
        let accumulator = accumulator(10 * BATCH_SIZE);
        append(&accumulator, &topic(1), Some(0), 1).expect("room");

        append(&accumulator, &topic(3), Some(2), 1).expect("room");

        let numbers = accumulator.take_all();
        let numbers = numbers.iter().map(|batch| batch.topic_partition().partition());
        assert_eq!(numbers.collect::<Vec<_>>(), [0, 2]);
    }

    #[test]
    fn keyless_records_stay_together_until_a_batch_is_full() {
        let accumulator = accumulator(100 * BATCH_SIZE);
        let topic = topic(8);
        for _ in 0..60 {
            append(&accumulator, &topic, None, 30).expect("room");
        }

        let batches = accumulator.take_all();

        let half_filled = batches.iter().filter(|batch| batch.size() < BATCH_SIZE / 2).count();
        assert!(half_filled <= 1, "{half_filled} of {} batches", batches.len());
    }

    #[test]
    fn a_partition_is_announced_once_however_many_records_come() {
        let accumulator = accumulator(10 * BATCH_SIZE);
        for _ in 0..20 {
            append(&accumulator, &topic(1), Some(0), 60).expect("room");
        }

        let mut changed = Vec::new();
        accumulator.signal().take_changed(&mut changed);

        assert_eq!(changed.len(), 1);
    }

    fn accumulator(buffer_memory: usize) -> RecordAccumulator {
        let signal = Arc::new(SenderSignal::new(Wakeup::detached()));
        let pool = Arc::new(BufferPool::new(buffer_memory, BATCH_SIZE, || {}));
        let sticky = StickySettings {
            sticky_bytes: BATCH_SIZE,
            is_adaptive: true,
            unavailable_nodes: ArcSwap::default(),
        };
        RecordAccumulator::new(BATCH_SIZE, pool, Arc::new(sticky), signal, Random::new(5))
    }

    fn topic(partitions: i32) -> Arc<TopicInfo> {
        let leader = Some(NodeId(1));
        let partitions = (0..partitions).map(|partition| PartitionInfo::new(partition, leader));
        TopicInfo::new("t".into(), Uuid::ZERO, false, partitions.collect()).into()
    }

    fn append(
        accumulator: &RecordAccumulator,
        topic: &Arc<TopicInfo>,
        partition: Option<i32>,
        value_size: usize,
    ) -> Result<Appended, AppendError> {
        append_with(accumulator, topic, partition, value_size, &mut None)
    }

    fn append_with(
        accumulator: &RecordAccumulator,
        topic: &Arc<TopicInfo>,
        partition: Option<i32>,
        value_size: usize,
        callback: &mut Option<Callback>,
    ) -> Result<Appended, AppendError> {
        let value = vec![0; value_size];
        let headers = Headers::new();
        let record = RecordContents::new(1, None, Some(&value), &headers);
        accumulator.growth.lock().update(topic, accumulator);
        let entry = accumulator.table.get(topic.name()).expect("known");
        let append = Append { topic: entry, partition, record, max_wait: Duration::ZERO };
        accumulator.append(&append, callback, &|| Instant::ZERO)
    }
}
