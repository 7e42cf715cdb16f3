//! Mirrors `org.apache.kafka.clients.producer.internals.ProducerBatch`.

mod callback_rate;
mod completion;
mod down_conversion;
mod split;

use std::sync::Arc;
use std::time::Duration;
use std::{fmt, iter, mem};

use crate::common::node::NodeId;
use crate::common::topic_partition::TopicPartition;
use crate::error::Error;
use crate::producer::callback::Callback;
use crate::producer::internals::batch_compression::{CompressionJob, CompressionState};
use crate::producer::internals::batch_recycler::RecycledBatch;
use crate::producer::internals::batch_ref::{BatchId, BatchRef};
use crate::producer::internals::incomplete_batches::{IncompleteBatches, IncompleteKey};
use crate::producer::internals::partition_ref::{PartitionId, PartitionKey, PartitionRef};
use crate::producer::internals::pooled_buffer::PooledBuffer;
use crate::producer::internals::produce_request_result::{ProduceRequestResult, RecordShare};
use crate::producer::internals::thunks::{ThunkSlot, Thunks};
use crate::producer::internals::topic_compression::{CompressedBatch, TopicCompression};
use crate::record::default_record::RecordContents;
use crate::record::default_record_batch::ProducerState;
use crate::record::memory_records_builder::MemoryRecordsBuilder;
use crate::utils::clock::Instant;
use crate::utils::pieces::concat;
use crate::utils::saturate::saturate_u32;

pub(super) use callback_rate::CallbackRate;
pub(super) use completion::complete_orphan;
pub(crate) use completion::run_callback;
pub(crate) use down_conversion::NotConvertible;
pub(super) use split::Split;

/// Records of one partition that are sent, acknowledged and retried together.
///
/// Owned by the queue of its partition while it waits and by the sender while it is on its way. Its bytes are shared
/// with the request that carries them and return to the pool when the last of both is dropped.
#[repr(C)] // what every append needs comes first, right behind the lock of the queue
pub(crate) struct ProducerBatch {
    builder: MemoryRecordsBuilder,
    compression_state: CompressionState,
    /// `None` once the batch is over and was [recycled](Self::recycle).
    result: Option<Arc<ProduceRequestResult>>,
    /// The callbacks of those records that have one, in order.
    thunks: Thunks,
    id: BatchId,
    order: BatchOrder,
    partition_id: PartitionId,
    key: PartitionKey,
    created: Instant,
    /// Empty until the batch is compressed or sealed, as the builder fills the bytes; `None` once it is completed.
    buffer: Option<Arc<PooledBuffer>>,
    /// What `buffer` was in, once its memory went back to the pool: the next batch that is made of this one puts its own there,
    /// instead of allocating another.
    emptied: Option<Arc<PooledBuffer>>,
    /// Whom the header names, once there is one.
    sealed_for: Option<ProducerState>,
    /// Set while it waits to be sent again.
    retry: Option<Box<Retry>>,
    /// `None` if it travels uncompressed.
    compression: Option<Arc<TopicCompression>>,
    /// How often it was sent.
    attempts: u32,
    /// What it is known by among the incomplete batches, once it is.
    incomplete_key: Option<IncompleteKey>,
    /// What it counts for in `PartitionQueue::load`: how many batches of `batch.size` it has room for, rounded up.
    weight: u32,
    /// Whether an attempt ended without the broker saying that it did not append.
    is_perhaps_persisted: bool,
}

/// What a batch begins with.
#[derive(Debug)]
pub(crate) struct BatchStart<'a> {
    pub(crate) id: BatchId,
    pub(crate) partition: &'a PartitionRef,
    pub(crate) buffer: PooledBuffer,
    /// With how many bytes it is full.
    pub(crate) write_limit: usize,
    /// How many callbacks are likely.
    pub(crate) callbacks: usize,
    pub(crate) now: Instant,
}

/// Where a batch stands among those of its partition: by creation, and within a batch that was split by its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BatchOrder {
    /// The batch that first took its records.
    original: BatchId,
    /// The index of its first record there.
    first_record: u32,
}

/// What a batch waits for after a failed attempt.
#[derive(Clone, Debug)]
pub(crate) struct Retry {
    /// The backoff's end, drawn once.
    pub(crate) at: Instant,
    /// Who was asked; another leader is asked without backoff (KIP-951).
    pub(crate) asked: NodeId,
    /// What the attempt failed with.
    pub(crate) error: Error,
}

/// What lists and the allocator take of [`ProducerBatch::OWN_BYTES`], about.
const OWN_BYTES_ELSEWHERE: usize = 128;

impl ProducerBatch {
    /// How much of it every append needs, from its beginning on.
    #[cfg(test)]
    pub(super) const BYTES_FOR_APPENDS: usize =
        mem::offset_of!(Self, thunks) + Thunks::BYTES_FOR_PUSHES;

    /// What a batch takes beside its records and their callbacks, in bytes: itself, its result, and the place of its memory.
    const OWN_BYTES: usize = size_of::<Self>()
        + size_of::<ProduceRequestResult>()
        + size_of::<PooledBuffer>()
        + OWN_BYTES_ELSEWHERE;

    /// What a batch with so many callbacks takes beside its records, in bytes.
    pub(crate) fn overhead(callbacks: usize) -> usize {
        Self::OWN_BYTES.saturating_add(Thunks::bytes_for(callbacks))
    }

    /// An empty batch in the memory of `start`, made with what another one has left.
    pub(super) fn new(start: BatchStart<'_>, recycled: RecycledBatch) -> Self {
        let BatchStart { id, partition, mut buffer, write_limit, callbacks, now } = start;
        let RecycledBatch { mut result, mut thunks, emptied } = recycled;
        match result.as_mut().and_then(Arc::get_mut) {
            Some(result) => result.assign(partition),
            None => result = Some(Arc::new(ProduceRequestResult::new(partition))),
        }
        thunks.renew(callbacks);
        let compression = partition.compression().cloned();
        let compression_state = CompressionState::new(compression.as_deref());
        let limit = compression_state.write_limit(write_limit);
        let mut builder = MemoryRecordsBuilder::new(buffer.take_bytes(), buffer.size(), limit);
        if compression_state.is_due() {
            builder = builder.for_compression();
        }
        Self {
            builder,
            compression_state,
            thunks,
            result,
            id,
            order: BatchOrder { original: id, first_record: 0 },
            partition_id: partition.id(),
            key: partition.key(),
            created: now,
            buffer: Some(share_in(emptied, buffer)),
            emptied: None,
            sealed_for: None,
            retry: None,
            compression,
            attempts: 0,
            incomplete_key: None,
            weight: 0,
            is_perhaps_persisted: false,
        }
    }

    /// Gives out what is of use for another batch, of one that is over and that nobody looks at any more; and leaves its
    /// blocks of slots in `blocks`.
    pub(super) fn recycle(&mut self, blocks: &mut Vec<Box<[ThunkSlot]>>) -> RecycledBatch {
        self.thunks.leave_blocks(blocks);
        let mut result = self.result.take();
        match result.as_mut().and_then(Arc::get_mut) {
            Some(result) => result.reset(),
            None => result = None, // somebody keeps a future
        }
        let (thunks, emptied) = (mem::take(&mut self.thunks), self.emptied.take());
        RecycledBatch { result, thunks, emptied }
    }

    /// Appends `record` and takes its callback, if there is room for it; returns its index in the batch.
    #[inline(always)]
    pub(crate) fn try_append(
        &mut self,
        record: &RecordContents<'_>,
        callback: &mut Option<Callback>,
    ) -> Option<u32> {
        let index = self.builder.try_append(record)?;
        if let Some(callback) = callback.take() {
            let base_ms = self.builder.base_timestamp_ms();
            self.thunks.push(&RecordShare::new(index, record), base_ms, callback);
        }
        Some(index)
    }

    /// For how many batches of the usual size it has room, at least 1: what it was when asked last, 0 if never, and now.
    pub(super) fn weigh(&mut self) -> (u32, u32) {
        let weight = saturate_u32(self.builder.room_in_batches()).max(1);
        (mem::replace(&mut self.weight, weight), weight)
    }

    /// What [`weigh`](Self::weigh) found last, which it forgets.
    pub(super) fn take_weight(&mut self) -> u32 {
        mem::take(&mut self.weight)
    }

    /// Leaves no room for another record, until [room is made](Self::make_room).
    pub(super) fn trim(&mut self) {
        self.builder.trim();
    }

    /// Whether it may take more records, up to `limit` bytes before they are compressed.
    pub(super) fn may_grow_to(&self, limit: usize) -> bool {
        !self.builder.is_closed_for_appends() && self.written() < limit
    }

    /// Makes room for `record` with memory from the pool, if no more than `limit` bytes are expected to travel. Else, or
    /// if there is no memory, the batch takes no more records.
    ///
    /// A batch that is to be compressed may turn out not to become smaller. So it gets no more than `limit` bytes before that
    /// either, or as many as fill it if those are more: the ones that are expected to become `batch.size`.
    pub(super) fn make_room(&mut self, record: &RecordContents<'_>, limit: usize) {
        let limit =
            self.compression_state.write_limit(limit).min(limit.max(self.builder.write_limit()));
        let fits = self.builder.size_with(record) <= limit;
        let is_open = fits && !self.builder.is_closed_for_appends();
        if !is_open || !self.grow(record, limit) {
            self.builder.close_for_appends();
        }
    }

    /// Makes room for `record`, up to `limit` bytes, which are no less than it takes: in the last buffer while that is small,
    /// else in another one. `false` if there is no memory for it.
    fn grow(&mut self, record: &RecordContents<'_>, limit: usize) -> bool {
        let (before, size) = (self.builder.before(), self.builder.size_with(record));
        let rate = CallbackRate { bytes: size, ..self.callback_rate() };
        let Some(buffer) = self.buffer.as_mut().and_then(Arc::get_mut) else {
            return false;
        };
        let (lent, usual) = (buffer.size_of_last(), buffer.poolable_size());
        let largest = usual.min(limit - before).max(lent);
        if size - before > largest {
            let written = self.builder.size();
            return self.go_on(size - written, limit - written, rate);
        }
        let room = (2 * lent).clamp(size - before, largest).max(lent);
        let is_granted = buffer.grow(rate.demand(buffer.size() - lent + room));
        if is_granted {
            self.builder.grow(room.min(limit - before)); // the memory may be more, of a size that is used again
        }
        is_granted
    }

    /// Goes on in another buffer that has room for a record of `needed` bytes, and takes up to `limit`. `false` if there is no
    /// memory for it.
    fn go_on(&mut self, needed: usize, limit: usize, rate: CallbackRate) -> bool {
        let Some(buffer) = self.buffer.as_mut().and_then(Arc::get_mut) else {
            return false;
        };
        let needed = buffer.size_for(needed);
        let least = buffer.poolable_size().max(needed);
        let is_large =
            self.builder.size() > least || needed.saturating_mul(RECORDS_PER_BUFFER) > least;
        let large = is_large.then(|| buffer.large_size().min(limit).max(needed));
        let mut borrow = |size| buffer.borrow_another(rate.demand(buffer.size() + size));
        let Some(another) = large.and_then(&mut borrow).or_else(|| borrow(least)) else {
            return false;
        };
        let room = another.capacity().min(limit);
        buffer.add_filled(self.builder.go_on_in(another, room));
        true
    }

    /// How many callbacks came with how many bytes of records so far. One whose record is [kept apart](Thunks::odd_count) takes
    /// twice the memory and counts twice.
    pub(super) fn callback_rate(&self) -> CallbackRate {
        let callbacks = self.thunks.len() + self.thunks.odd_count();
        CallbackRate { callbacks, bytes: self.builder.size() }
    }

    pub(crate) fn id(&self) -> BatchId {
        self.id
    }

    /// The batch as far as its sequence numbers go.
    pub(super) fn batch_ref(&self) -> BatchRef {
        let record_count = i32::try_from(self.record_count()).unwrap_or(i32::MAX);
        BatchRef { partition: self.partition_id, id: self.id, record_count }
    }

    /// Notes the batch among those that are not yet answered.
    pub(super) fn enroll(&mut self, incomplete: &IncompleteBatches) {
        self.incomplete_key = Some(incomplete.add(self.id, Arc::clone(self.result())));
    }

    /// What [`IncompleteBatches::remove`] knows it by.
    pub(super) fn incomplete_key(&self) -> Option<IncompleteKey> {
        self.incomplete_key
    }

    pub(super) fn order(&self) -> BatchOrder {
        self.order
    }

    #[inline(always)]
    #[expect(
        clippy::expect_used,
        reason = "there until the batch is recycled, which is the end of it"
    )]
    pub(crate) fn result(&self) -> &Arc<ProduceRequestResult> {
        self.result.as_ref().expect("a result")
    }

    pub(crate) fn partition_id(&self) -> PartitionId {
        self.partition_id
    }

    pub(super) fn key(&self) -> PartitionKey {
        self.key
    }

    pub(crate) fn topic_partition(&self) -> &TopicPartition {
        self.result().topic_partition()
    }

    pub(crate) fn created(&self) -> Instant {
        self.created
    }

    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    pub(crate) fn retry(&self) -> Option<&Retry> {
        self.retry.as_deref()
    }

    /// Whom the header names, once the batch was sent.
    pub(crate) fn sealed_for(&self) -> Option<ProducerState> {
        self.sealed_for
    }

    /// Whether an attempt ended without the broker saying that it did not append.
    pub(crate) fn is_perhaps_persisted(&self) -> bool {
        self.is_perhaps_persisted
    }

    /// Notes that an attempt ended in doubt.
    pub(crate) fn set_perhaps_persisted(&mut self) {
        self.is_perhaps_persisted = true;
    }

    pub(super) fn callback_count(&self) -> usize {
        self.thunks.len()
    }

    /// How many blocks of slots are missing if its room is filled with records like those it has.
    pub(super) fn missing_blocks(&self) -> usize {
        let expected = self.callback_rate().callbacks_in(self.builder.total_room());
        self.thunks.missing_blocks(expected)
    }

    /// Takes up to `count` blocks of slots from `store`.
    pub(super) fn add_blocks(&mut self, count: usize, store: &mut Vec<Box<[ThunkSlot]>>) {
        self.thunks.add_blocks(count, store);
    }

    pub(crate) fn record_count(&self) -> u32 {
        self.builder.record_count()
    }

    /// The bytes so far, header included; as long as they are to be compressed, what they are expected to become.
    #[inline(always)]
    pub(crate) fn size(&self) -> usize {
        match self.sealed_for {
            None => self.open_size(),
            Some(_) => self.written(),
        }
    }

    /// As [`size`](Self::size), of a batch that still takes records.
    #[inline(always)]
    pub(super) fn open_size(&self) -> usize {
        self.compression_state.size(self.written())
    }

    /// The bytes that were written so far, header included, before they are compressed.
    #[inline(always)]
    pub(super) fn written(&self) -> usize {
        self.builder.size()
    }

    /// By how much the [`size`](Self::size) of an open batch has grown since there were `written` bytes.
    #[inline(always)]
    pub(super) fn growth_since(&self, written: usize) -> usize {
        self.open_size() - self.compression_state.size(written)
    }

    /// Whether the batch is as large as it was to become with `written` bytes of records.
    #[inline(always)]
    pub(super) fn is_full_with(&self, written: usize) -> bool {
        self.builder.is_full_with(written)
    }

    /// Whether no further record fits, or none may be added.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.builder.is_closed_for_appends() || self.builder.is_full()
    }

    /// Whether somebody waits for it, so that it should not linger.
    pub(crate) fn is_urgent(&self) -> bool {
        self.result().is_urgent()
    }

    /// Whether it has its outcome, whatever that is: it may run out of time while it is on its way.
    pub(crate) fn is_completed(&self) -> bool {
        self.result().has_outcome()
    }

    /// Whether `delivery.timeout.ms` has passed since its first record.
    pub(crate) fn has_reached_delivery_timeout(&self, timeout: Duration, now: Instant) -> bool {
        now >= self.created + timeout
    }

    /// Whether a thread is compressing its records, so that it cannot be sent now.
    pub(super) fn is_compressing(&self) -> bool {
        matches!(self.compression_state, CompressionState::Running { .. })
    }

    /// Hands out the records for compression, if that is due; the batch takes no more then.
    /// [`finish_compression`](Self::finish_compression) ends it.
    pub(super) fn start_compression(&mut self) -> Option<CompressionJob> {
        if !self.compression_state.is_due() {
            return None;
        }
        let size = saturate_u32(self.size());
        let compression = Arc::clone(self.compression.as_ref()?);
        let buffer = self.buffer.as_mut().and_then(Arc::get_mut)?;
        let (capacity, mut records) = (buffer.size_after_compression(), buffer.take_filled());
        records.push(self.builder.take_buffer());
        self.builder.close_for_appends();
        self.compression_state = CompressionState::Running { size };
        Some(CompressionJob { batch: self.id, records, capacity, compression })
    }

    /// Takes the records that [`start_compression`](Self::start_compression) gave out, as they will travel.
    pub(super) fn finish_compression(&mut self, compressed: CompressedBatch) {
        // If the batch was completed meanwhile, its memory is gone and nobody wants the records any more.
        let overhead = Self::overhead(self.callback_rate().callbacks);
        if let Some(buffer) = self.buffer.as_mut().and_then(Arc::get_mut) {
            self.builder.set_compressed(compressed.codec, compressed.bytes.len());
            buffer.set_bytes(compressed.bytes);
            buffer.shrink(overhead);
            self.compression_state = CompressionState::Done;
        }
    }

    /// Compresses the records, if that is due, on this thread and with no lock held.
    pub(super) fn compress(&mut self) {
        if let Some(job) = self.start_compression() {
            self.finish_compression(job.run());
        }
    }

    /// Whether it became larger than `limit` although less was expected, and can be sent in parts.
    pub(super) fn is_unexpectedly_large(&self, limit: usize) -> bool {
        let was_estimated = self.compression.is_some();
        was_estimated && self.sealed_for.is_none() && self.size() > limit && self.record_count() > 1
    }

    /// Closes the batch and gives out its bytes, with a header for `producer`; counts an attempt.
    ///
    /// `None` if the batch is completed.
    pub(crate) fn seal(&mut self, producer: ProducerState) -> Option<Arc<PooledBuffer>> {
        self.begin_attempt();
        let buffer = self.buffer.as_mut()?;
        match (self.sealed_for, Arc::get_mut(buffer)) {
            (Some(state), _) if state == producer => {}
            (_, Some(buffer)) => {
                if buffer.is_last_empty() {
                    buffer.set_bytes(self.builder.take_buffer());
                }
                let (beginning, behind) = buffer.beginning();
                self.builder.write_header(beginning, behind, producer);
            }
            // The request of the last attempt still holds the bytes, so they must not change.
            (_, None) => {
                let mut copy = concat(&**buffer);
                self.builder.write_header(&mut copy, iter::empty(), producer);
                *buffer = Arc::new(buffer.unpooled(copy));
            }
        }
        self.sealed_for = Some(producer);
        Some(Arc::clone(buffer))
    }

    /// Closes the batch and counts an attempt.
    pub(crate) fn begin_attempt(&mut self) {
        self.builder.close_for_appends();
        self.attempts += 1;
        self.result().set_attempted();
    }

    /// Lets the batch wait to be sent again.
    pub(crate) fn reenqueued(&mut self, retry: Retry) {
        self.retry = Some(Box::new(retry));
    }
}

impl ProducerBatch {
    /// For a prefetch of the first records, of a batch that is not sealed.
    pub(super) fn touch_records(&self) -> usize {
        self.builder.touch()
    }

    /// For a prefetch of what its completion needs.
    pub(super) fn touch(&self) -> usize {
        let buffer = self.buffer.as_ref().map_or(0, |buffer| buffer.size());
        usize::from(self.result().was_attempted()) + buffer + self.thunks.touch()
    }
}

/// At least this many records like the next have to fit into a buffer of `batch.size`; else a large one is taken, for what
/// is left at its end is unused.
const RECORDS_PER_BUFFER: usize = 8;

/// Shares `buffer`, in the place of an emptied one if there is one.
fn share_in(emptied: Option<Arc<PooledBuffer>>, buffer: PooledBuffer) -> Arc<PooledBuffer> {
    if let Some(mut place) = emptied {
        if let Some(emptied) = Arc::get_mut(&mut place) {
            *emptied = buffer;
            return place;
        }
    }
    Arc::new(buffer)
}

impl fmt::Debug for ProducerBatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ProducerBatch")
            .field("topic_partition", &self.result.as_ref().map(|result| result.topic_partition()))
            .field("id", &self.id)
            .field("records", &self.record_count())
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
