//! Mirrors `org.apache.kafka.clients.producer.internals.RecordAccumulator`: the side of the callers' threads.
//!
//! Java's `ready`, `drain` and expiry walk every partition ever used; here callers announce the partitions that
//! changed, and `SendablePartitions` keeps the rest on the sender's side.

mod batch_sizes;
mod compressing;
mod topic_registry;

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::compress::{Compression, CompressionType, Compressors};
use crate::error::{Error, ErrorKind, Persistence};
use crate::producer::callback::Callback;
use crate::producer::internals::batch_recycler::BatchRecycler;
use crate::producer::internals::batch_ref::BatchId;
use crate::producer::internals::buffer_pool::{AllocateError, BufferPool, Demand};
use crate::producer::internals::built_in_partitioner::StickySettings;
use crate::producer::internals::future_record_metadata::FutureRecordMetadata;
use crate::producer::internals::incomplete_batches::IncompleteBatches;
use crate::producer::internals::lane::Lane;
use crate::producer::internals::partition_queue::{LockedQueue, PartitionQueue};
use crate::producer::internals::partition_ref::PartitionId;
use crate::producer::internals::pooled_buffer::PooledBuffer;
use crate::producer::internals::produce_request_result::RecordShare;
use crate::producer::internals::producer_batch::{self, BatchStart, ProducerBatch};
use crate::producer::internals::record_accumulator::topic_registry::TopicRegistry;
use crate::producer::internals::sender_signal::SenderSignal;
use crate::producer::internals::shared_result::{CachedResult, SharedResult};
use crate::producer::internals::topic_table::{TopicEntry, TopicTable};
use crate::record::default_record::RecordContents;
use crate::record::default_record_batch::RECORD_BATCH_OVERHEAD;
use crate::utils::clock::Instant;
use crate::utils::random::Random;
use crate::utils::sync::Mutex;

pub(crate) use batch_sizes::{is_split_harmless, largest_batch};

/// The records that were accepted and not yet sent, by partition.
///
/// Runs on: callers' threads, which share nothing but a read-mostly table and the queue they append to.
#[derive(Debug)]
pub(crate) struct RecordAccumulator {
    batch_size: usize,
    /// How large a batch may become while it waits.
    largest_batch: usize,
    pool: Arc<BufferPool>,
    table: TopicTable,
    /// The version of the metadata that the table follows.
    table_version: AtomicU64,
    /// How many queues there are.
    queue_count: AtomicUsize,
    /// Held by whoever brings the table up to date.
    registry: Mutex<TopicRegistry>,
    sticky: Arc<StickySettings>,
    /// `None` if batches travel uncompressed.
    compressors: Option<Arc<Compressors>>,
    incomplete: IncompleteBatches,
    recycler: BatchRecycler,
    next_batch: AtomicU64,
    is_closed: AtomicBool,
    /// Whether a broker is connected that takes message sets only.
    has_old_brokers: AtomicBool,
    /// Why it was closed, where the application did not ask for it.
    poison: OnceLock<Error>,
    signal: Arc<SenderSignal>,
}

/// What [`RecordAccumulator::append`] is given.
#[derive(Debug)]
pub(crate) struct Append<'a> {
    pub(crate) topic: &'a TopicEntry,
    /// How many partitions the topic has, as the caller sees it: the metadata may lose sight of it at any time.
    pub(crate) partition_count: usize,
    /// `None` leaves the choice to the built-in partitioner.
    pub(crate) partition: Option<i32>,
    pub(crate) record: RecordContents<'a>,
    /// The longest wait for memory.
    pub(crate) max_wait: Duration,
}

/// What [`RecordAccumulator::append`] did. Small enough to be returned in registers: what is put together in memory and
/// read again in larger pieces costs a stall.
#[derive(Debug)]
pub(crate) struct Appended {
    /// Of the batch that the record is in.
    result: SharedResult,
    /// The record's place there.
    index: u32,
    pub(crate) news: News,
}

/// What an append means for the sender. As large as the index beside it, so that both fill one register.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    Nothing,
    FullBatch,
    /// The only one of its partition: it may linger.
    FirstBatch,
    /// Behind one that takes no more.
    NextBatch,
}

/// Why a record was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AppendError {
    Closed,
    /// There was no memory for a batch.
    Exhausted {
        requested: Demand,
    },
    /// The topic has no such partition.
    UnknownPartition {
        partition: i32,
    },
}

const _: () = assert!(size_of::<Option<Appended>>() <= 2 * size_of::<u64>());

impl Appended {
    /// The answer to come, for `record`.
    #[inline(always)]
    pub(crate) fn future(self, record: &RecordContents<'_>) -> FutureRecordMetadata {
        FutureRecordMetadata::accepted(self.result, RecordShare::new(self.index, record))
    }
}

impl Append<'_> {
    /// Where the record is to go now; `None` if there is no such partition, or none at all.
    #[inline(always)]
    fn target(&self, lane: Lane) -> Option<Target<'_>> {
        let partition = self
            .partition
            .unwrap_or_else(|| self.topic.sticky_partition(lane, self.partition_count));
        Some(Target { append: self, partition, queue: self.topic.queue(partition)?, lane })
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
            largest_batch: batch_size,
            pool,
            table: TopicTable::default(),
            table_version: AtomicU64::new(0),
            queue_count: AtomicUsize::new(0),
            registry: Mutex::new(TopicRegistry::new(random)),
            sticky,
            compressors: None,
            incomplete: IncompleteBatches::default(),
            recycler: BatchRecycler::default(),
            next_batch: AtomicU64::new(0),
            is_closed: AtomicBool::new(false),
            has_old_brokers: AtomicBool::new(false),
            poison: OnceLock::new(),
            signal,
        }
    }

    /// Lets a batch that waits grow up to `bytes`. Call it before the first [`append`](Self::append).
    pub(crate) fn with_largest_batch(self, bytes: usize) -> Self {
        Self { largest_batch: bytes, ..self }
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

    /// Copies the record into the newest batch of its partition, if that has room for it and nobody else is at it. Takes
    /// `callback` if, and only if, it takes the record.
    #[inline(always)]
    pub(crate) fn append_at_once(
        &self,
        append: &Append<'_>,
        callback: &mut Option<Callback>,
    ) -> Option<Appended> {
        let mut kept = CachedResult::take(); // declared first: dropped after the lock
        let target = append.target(Lane::current())?;
        self.append_under_lock(&target, target.queue.try_lock()?, &mut kept, callback)
    }

    /// Copies the record into the newest batch of its partition, if that has room for it. Takes `callback` if, and only
    /// if, it takes the record.
    ///
    /// Keyless records go to another lane's partition where the queue of their own is taken.
    fn append_to_open_batch(
        &self,
        append: &Append<'_>,
        callback: &mut Option<Callback>,
    ) -> Option<Appended> {
        let mut kept = CachedResult::take(); // declared first: dropped after the lock
        let target = append.target(Lane::current())?;
        if let Some(batches) = target.queue.try_lock() {
            return self.append_under_lock(&target, batches, &mut kept, callback);
        }
        let target = match append.partition {
            Some(_) => target,
            None => append.target(Lane::current().leave())?,
        };
        self.append_under_lock(&target, target.queue.lock(), &mut kept, callback)
    }

    #[inline(always)]
    fn append_under_lock(
        &self,
        target: &Target<'_>,
        mut batches: LockedQueue<'_>,
        kept: &mut CachedResult,
        callback: &mut Option<Callback>,
    ) -> Option<Appended> {
        if self.is_closed() || target.has_moved() {
            return None;
        }
        let appended = target.append_to_tail(&mut batches, kept, callback)?;
        if appended.news == News::FullBatch {
            self.announce(batches, target.queue, target.append.topic);
        }
        Some(appended)
    }

    /// As [`append`](Self::append), for a record that needs a new batch: in `buffer`, if memory was waited for already.
    #[cold]
    pub(crate) fn append_into(
        &self,
        append: &Append<'_>,
        mut buffer: Option<PooledBuffer>,
        callback: &mut Option<Callback>,
        now: &dyn Fn() -> Instant,
    ) -> Result<Appended, AppendError> {
        let mut has_filled_batch = false;
        loop {
            let Some(target) = append.target(Lane::current()) else {
                let partition = append.partition.unwrap_or_default();
                return Err(AppendError::UnknownPartition { partition });
            };
            match self.try_append(&target, callback, &mut buffer, now) {
                Ok(appended) if has_filled_batch => {
                    let news = match appended.news {
                        News::Nothing => News::FullBatch,
                        News::FirstBatch => News::NextBatch,
                        news => news,
                    };
                    return Ok(Appended { news, ..appended });
                }
                Ok(appended) => return Ok(appended),
                Err(Obstacle::Moved) => {}
                Err(Obstacle::MovedFromFullBatch) => has_filled_batch = true,
                Err(Obstacle::Closed) => return Err(AppendError::Closed),
                Err(Obstacle::NeedsMemory(requested)) => {
                    let job = self.start_compression_behind(&mut target.queue.lock(), 0);
                    if let Some(job) = job {
                        self.run_compression(job, target.queue); // what is compressed leaves memory
                        continue;
                    }
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
        let appended = target
            .append_rarely(&mut batches, callback)
            .or_else(|| self.append_to_grown_batch(target, &mut batches, callback));
        if let Some(appended) = appended {
            if appended.news == News::FullBatch {
                self.announce(batches, target.queue, target.append.topic);
            }
            return Ok(appended);
        }
        target.note_produced(0, true); // the last batch is full: a move that waited for this happens now
        if target.has_moved() {
            self.announce(batches, target.queue, target.append.topic);
            return Err(Obstacle::MovedFromFullBatch);
        }
        let buffer = match buffer.take() {
            Some(buffer) => buffer,
            None => self.memory_for_batch(target, &batches)?,
        };
        let (id, created) = (self.next_batch_id(), now());
        let callbacks = batches.expected_callbacks(buffer.size());
        let start = BatchStart {
            id,
            partition: target.queue.partition(),
            buffer,
            write_limit: self.batch_size,
            callbacks,
            now: created,
        };
        let mut batch = ProducerBatch::new(start, self.recycler.take());
        batch.enroll(&self.incomplete);
        batches.push_tail(batch);
        let appended = target.append_rarely(&mut batches, callback).ok_or(Obstacle::Moved)?;
        if appended.news == News::FullBatch {
            batches.trim_tail(); // what its memory has left over is not for another one: with `batch.size` 0, above all
        }
        let news = if batches.len() > 1 { News::NextBatch } else { News::FirstBatch };
        if news == News::FirstBatch && appended.news == News::Nothing {
            drop(batches); // not full, so it lingers: the sender need not look at it
            target.queue.partition().announce_first_batch(created);
        } else {
            self.announce(batches, target.queue, target.append.topic);
        }
        Ok(Appended { news, ..appended })
    }

    /// Lets the sender look at a queue in which a batch became full, or began; the lock is released before.
    ///
    /// Not given the [`Target`], which has both: a reference that is passed to a call that is not inlined forces the value onto
    /// the stack, and every record would pay for that, though few come here.
    #[inline(never)]
    fn announce(&self, mut batches: LockedQueue<'_>, queue: &PartitionQueue, topic: &TopicEntry) {
        let job = self.start_compression(&mut batches, topic);
        drop(batches);
        queue.partition().announce();
        if let Some(job) = job {
            self.run_compression(job, queue);
        }
    }

    /// Appends to the newest batch, which has no room for the record, with more memory for it. It takes up to `batch.size`,
    /// and more while it waits: behind others, or for the sender, if the partition's batches have been larger lately.
    fn append_to_grown_batch(
        &self,
        target: &Target<'_>,
        batches: &mut LockedQueue<'_>,
        callback: &mut Option<Callback>,
    ) -> Option<Appended> {
        let largest = self.growth_limit(target.append.topic);
        let limit = match batches.len() {
            0 => return None,
            1 => batches.expected_bytes().clamp(self.batch_size, largest),
            _ => largest,
        };
        batches.grow_tail(&target.append.record, limit);
        if let Some(tail) = batches.tail() {
            self.recycler.supply(tail);
        }
        target.append_rarely(batches, callback)
    }

    fn allocate(&self, requested: Demand, max_wait: Duration) -> Result<PooledBuffer, AppendError> {
        self.pool.allocate(requested, max_wait).map_err(|error| match error {
            AllocateError::Exhausted => AppendError::Exhausted { requested },
            AllocateError::Closed => AppendError::Closed,
        })
    }

    pub(super) fn queue(&self, partition: PartitionId) -> Option<Arc<PartitionQueue>> {
        self.registry.lock().queues.get(partition.index()).cloned()
    }

    /// A number that no other batch has.
    pub(super) fn next_batch_id(&self) -> BatchId {
        BatchId::new(self.next_batch.fetch_add(1, Ordering::Relaxed))
    }

    /// `batch.size`, in bytes.
    pub(super) fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// The batches that were created and not yet answered.
    pub(crate) fn incomplete(&self) -> &IncompleteBatches {
        &self.incomplete
    }

    /// Lets go of batches that were answered, and whose callbacks have run: keeps what new ones can use. The boxes are
    /// left.
    pub(crate) fn retire(&self, batches: &mut [Box<ProducerBatch>]) {
        self.incomplete.remove(batches.iter().filter_map(|batch| batch.incomplete_key()));
        self.recycler.keep(batches);
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

    /// Whether a broker is connected that knows nothing newer than message sets, as the sender last saw it. Java:
    /// `maxUsableProduceMagic`.
    #[inline]
    pub(crate) fn has_old_brokers(&self) -> bool {
        self.has_old_brokers.load(Ordering::Relaxed)
    }

    /// Notes it. Runs on: the sender thread.
    pub(crate) fn set_has_old_brokers(&self, has_some: bool) {
        self.has_old_brokers.store(has_some, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::SeqCst)
    }

    /// Takes out every batch that waits to be sent. Call it after [`close`](Self::close): then none is missed.
    pub(super) fn take_all(&self) -> Vec<Box<ProducerBatch>> {
        let mut taken = Vec::new();
        for queue in &self.registry.lock().queues {
            taken.extend(queue.lock().take_all());
        }
        taken.sort_by_key(|batch| batch.order());
        taken
    }
}

impl RecordAccumulator {
    /// Fails whatever is still not answered: what a panic tore out of the sender's hands. Call it last.
    pub(super) fn fail_orphans(&self, error: &Error) {
        drop(self.take_all()); // whose callbacks go to the results that are completed below
        for result in &self.incomplete.take_all() {
            let persistence =
                if result.was_attempted() { Persistence::Perhaps } else { Persistence::NeverSent };
            let error = error
                .clone()
                .with_topic_partition(result.topic_partition())
                .with_persistence(persistence);
            producer_batch::complete_orphan(result, error);
        }
    }
}

/// Where a record is to go, for one attempt.
struct Target<'a> {
    append: &'a Append<'a>,
    partition: i32,
    queue: &'a Arc<PartitionQueue>,
    lane: Lane,
}

/// Why an attempt did not place the record.
enum Obstacle {
    /// Keyless records go to another partition by now.
    Moved,
    /// They do so because the batch is full, which the sender has to learn.
    MovedFromFullBatch,
    NeedsMemory(Demand),
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
        self.is_keyless() && self.append.topic.has_moved_from(self.lane, self.partition)
    }

    #[inline]
    fn note_produced(&self, bytes: usize, may_move: bool) {
        if self.is_keyless() {
            self.append.topic.produced(self.lane, bytes, may_move);
        }
    }

    /// As [`append_to_tail`](Self::append_to_tail), once a batch: most records should not pay for what this needs.
    #[inline(never)]
    fn append_rarely(
        &self,
        batches: &mut LockedQueue<'_>,
        callback: &mut Option<Callback>,
    ) -> Option<Appended> {
        self.append_to_tail(batches, &mut CachedResult::none(), callback)
    }

    #[inline(always)]
    fn append_to_tail(
        &self,
        batches: &mut LockedQueue<'_>,
        kept: &mut CachedResult,
        callback: &mut Option<Callback>,
    ) -> Option<Appended> {
        let tail = batches.tail()?;
        let written_before = tail.written();
        let index = tail.try_append(&self.append.record, callback)?;
        let result = kept.share(tail.result());
        let is_full = tail.is_full_with(tail.written());
        let header = if index == 0 { RECORD_BATCH_OVERHEAD } else { 0 }; // the first record pays for it
        self.note_produced(tail.growth_since(written_before) + header, is_full);
        // A first record may find a limit that the header alone exceeds.
        let is_newly_full = is_full && (index == 0 || !tail.is_full_with(written_before));
        let news = if is_newly_full { News::FullBatch } else { News::Nothing };
        Some(Appended { result, index, news })
    }
}

#[cfg(test)]
mod tests;
