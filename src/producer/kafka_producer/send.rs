//! The way of a record on the caller's thread, from `send` into a batch. Java: `KafkaProducer.doSend`. The steps are those
//! of docs/ARCHITECTURE.md.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use crate::client::metadata::AwaitUpdate;
use crate::client::metadata_snapshot::MetadataSnapshot;
use crate::common::header::Headers;
use crate::common::partition_info::PartitionInfo;
use crate::error::{Deadline, Error, ErrorCode, ErrorKind};
use crate::producer::callback::Callback;
use crate::producer::internals::built_in_partitioner::partition_for_key;
use crate::producer::internals::future_record_metadata::FutureRecordMetadata;
use crate::producer::internals::producer_batch::run_callback;
use crate::producer::internals::producer_interceptors::ProducerInterceptors;
use crate::producer::internals::record_accumulator::{Append, AppendError, News};
use crate::producer::internals::sender::headers_need_newer_brokers;
use crate::producer::internals::topic_table::{TopicEntry, TopicTable};
use crate::producer::kafka_producer::Inner;
use crate::producer::partitioner::Partitioner;
use crate::producer::producer_config::ProducerConfig;
use crate::producer::producer_record::{Parts, ProducerRecord};
use crate::protocol::writable::MAX_STRING_BYTES;
use crate::record::default_record::RecordContents;
use crate::serialization::serializer::PlainBytes;
use crate::utils::clock::{Clock, Instant};
use crate::utils::panics::contain;

/// Whether a call may wait for metadata and memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MayWait {
    /// For `max.block.ms` in all; on the sender thread not at all.
    ForMaxBlock,
    No,
}

/// Serialized keys and values that are kept from one `send` to the next are at most this large.
const MAX_KEPT_SCRATCH: usize = 64 * 1024;

/// So many callbacks run in one another at most, each told of a refusal by the `send` of the one around it. One that sends
/// again whatever failed would go on until the stack ends: a producer that is closed refuses every record.
const MOST_NESTED_REFUSALS: usize = 8;

thread_local! {
    /// In how many of them this thread is.
    static NESTED_REFUSALS: Cell<usize> = const { Cell::new(0) };
    /// Where serializers write.
    static SCRATCH: RefCell<Scratch> = const { RefCell::new(Scratch { key: Vec::new(), value: Vec::new() }) };
}

#[derive(Default)]
struct Scratch {
    key: Vec<u8>,
    value: Vec<u8>,
}

/// The time that a call has left for waiting.
#[derive(Clone, Copy, Debug)]
struct Budget {
    remaining: Duration,
    may_wait: MayWait,
}

/// What a record needs to go the way of most: no user code has a part in it, neither a serializer nor a partitioner nor an
/// interceptor.
pub(super) struct ShortWay<K: ?Sized, V: ?Sized> {
    key_bytes: PlainBytes<K>,
    value_bytes: PlainBytes<V>,
    largest_record: usize,
}

/// Who is to be told what became of a record.
struct Listener<'r, K: ?Sized + 'static, V: ?Sized + 'static> {
    interceptors: &'r ProducerInterceptors<K, V>,
    callback: &'r mut Option<Callback>,
    is_wrapped: bool,
}

impl<K: ?Sized + 'static, V: ?Sized + 'static> ShortWay<K, V> {
    /// `None` if a record may need more: a serializer that does not just give out bytes, a partitioner, interceptors.
    pub(super) fn of(producer: &Inner<K, V>) -> Option<Self> {
        if producer.partitioner.is_some() || !producer.interceptors.is_empty() {
            return None;
        }
        Some(Self {
            key_bytes: producer.key_serializer.plain_bytes()?,
            value_bytes: producer.value_serializer.plain_bytes()?,
            largest_record: largest_record(&producer.config),
        })
    }
}

impl<K: ?Sized + 'static, V: ?Sized + 'static> Inner<K, V> {
    /// Steps 1 to 8 of a record's way. The future also has what keeps a record from being accepted; with
    /// [`MayWait::No`], the callback of a record that would have to wait is not told.
    #[inline(never)]
    pub(super) fn send(
        &self,
        record: &mut ProducerRecord<'_, K, V>,
        mut callback: Option<Callback>,
        may_wait: MayWait,
    ) -> FutureRecordMetadata {
        match self.place_at_once(record, &mut callback) {
            Some(future) => future,
            None => self.send_thoroughly(record, callback, may_wait),
        }
    }

    /// Steps 2 to 8 for what most records are like: there is no user code to be run and nothing to be waited for, and an
    /// open batch has room. Else nothing has happened, and `callback` is still there.
    #[inline(always)]
    fn place_at_once(
        &self,
        record: &ProducerRecord<'_, K, V>,
        callback: &mut Option<Callback>,
    ) -> Option<FutureRecordMetadata> {
        let append = self.plain_append(record)?;
        let appended = self.accumulator.append_at_once(&append, callback)?;
        if appended.news != News::Nothing {
            self.pass_on(appended.news, append.topic);
        }
        Some(appended.future(&append.record))
    }

    /// Steps 2 to 5 for what most records are like.
    #[inline(always)]
    fn plain_append<'r>(&'r self, record: &'r ProducerRecord<'_, K, V>) -> Option<Append<'r>> {
        let way = self.short_way.as_ref()?;
        let is_plain = record.headers().is_empty()
            && record.requested_timestamp().is_none_or(|timestamp_ms| timestamp_ms >= 0);
        if !is_plain {
            return None;
        }
        let known = self.accumulator.topics(&self.metadata);
        let requested = record.requested_partition();
        let Known { entry: topic, partition_count } = find(known, record.topic(), requested)?;
        let (key, value) = (record.key().map(way.key_bytes), record.value().map(way.value_bytes));
        let partition = match requested {
            Some(partition) => Some(partition),
            None => self.partition_of_key(key, partition_count),
        };
        let timestamp_ms = match record.requested_timestamp() {
            Some(timestamp_ms) => timestamp_ms,
            None => self.clock.epoch_millis(),
        };
        let record = RecordContents::new(timestamp_ms, key, value, record.headers());
        let append = Append { topic, partition_count, partition, record, max_wait: Duration::ZERO };
        (append.record.batch_size_upper_bound() <= way.largest_record).then_some(append)
    }

    /// As [`send`](Self::send), whatever has to be done for it.
    #[inline(never)]
    fn send_thoroughly(
        &self,
        record: &mut ProducerRecord<'_, K, V>,
        mut callback: Option<Callback>,
        may_wait: MayWait,
    ) -> FutureRecordMetadata {
        if !self.interceptors.is_empty() {
            self.interceptors.on_send(record);
        }
        let mut listener = Listener {
            interceptors: &self.interceptors,
            callback: &mut callback,
            is_wrapped: false,
        };
        let budget = self.budget(may_wait);
        self.place(record, &mut listener, budget).unwrap_or_else(|error| {
            listener.wrap(record.headers());
            let error = error.with_topic(&record.topic().into());
            self.refuse(error, listener.callback.take(), may_wait)
        })
    }

    /// Steps 2 to 8, with the thread's own buffers for what serializers write.
    fn place(
        &self,
        record: &mut ProducerRecord<'_, K, V>,
        listener: &mut Listener<'_, K, V>,
        budget: Budget,
    ) -> Result<FutureRecordMetadata, Error> {
        let in_own = |scratch: &RefCell<Scratch>| {
            let mut scratch = scratch.try_borrow_mut().ok()?;
            scratch.clear();
            Some(self.place_with(&mut scratch, record, listener, budget))
        };
        match SCRATCH.try_with(in_own) {
            Ok(Some(sent)) => sent,
            // A serializer that is at work has the thread's own, and a thread that ends has given it up.
            _ => self.place_with(&mut Scratch::default(), record, listener, budget),
        }
    }

    /// As [`send`](Self::send), but a record that would have to wait is given back instead of answered.
    pub(super) fn try_send(
        &self,
        mut record: ProducerRecord<'_, K, V>,
        callback: Option<Callback>,
    ) -> Result<FutureRecordMetadata, Error> {
        self.send(&mut record, callback, MayWait::No).or_would_block()
    }

    /// Tells the callback of a record that was not accepted. Runs on: the caller's thread.
    #[cold]
    fn refuse(
        &self,
        error: Error,
        callback: Option<Callback>,
        may_wait: MayWait,
    ) -> FutureRecordMetadata {
        contain(|| log::debug!("not accepted: {error}")); // a logger that panics is not to cost the callback
        let is_given_back = may_wait == MayWait::No && error.is_would_block();
        if let Some(callback) = callback.filter(|_| !is_given_back) {
            tell_of_refusal(callback, &error);
        }
        FutureRecordMetadata::failed(error)
    }

    fn place_with(
        &self,
        scratch: &mut Scratch,
        record: &mut ProducerRecord<'_, K, V>,
        listener: &mut Listener<'_, K, V>,
        mut budget: Budget,
    ) -> Result<FutureRecordMetadata, Error> {
        if let Some(problem) = record.problem() {
            return Err(invalid_record(problem.to_string()));
        }
        if self.accumulator.is_closed() {
            return Err(self.accumulator.closed_error());
        }
        let (requested, timestamp_ms) =
            (record.requested_partition(), record.requested_timestamp());
        let known = self.accumulator.topics(&self.metadata);
        let topic = match find(known, record.topic(), requested) {
            Some(topic) => topic,
            None => self.await_metadata(record.topic(), requested, &mut budget)?,
        };
        let Parts { topic: name, key, value, headers } = record.parts();
        let key = self.key_serializer.serialize(name, headers, key, &mut scratch.key)?;
        let value = self.value_serializer.serialize(name, headers, value, &mut scratch.value)?;
        let partition = match requested {
            Some(partition) => Some(partition),
            None => self.partition(topic, key, value)?,
        };
        let timestamp_ms = timestamp_ms.unwrap_or_else(|| self.clock.epoch_millis());
        listener.wrap(headers);
        self.check_headers(headers)?;
        let record = RecordContents::new(timestamp_ms, key, value, headers);
        let Known { entry: topic, partition_count } = topic;
        let max_wait = budget.remaining;
        let append = Append { topic, partition_count, partition, record, max_wait };
        self.check_size(append.record.batch_size_upper_bound())?;
        self.append(&append, listener.callback, budget)
    }

    /// Step 4: `None` leaves the choice to the accumulator, which knows how full the batches are.
    #[inline]
    fn partition(
        &self,
        topic: Known<'_>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<Option<i32>, Error> {
        if let Some(partitioner) = &self.partitioner {
            return self.ask_partitioner(&**partitioner, topic, key, value).map(Some);
        }
        Ok(self.partition_of_key(key, topic.partition_count))
    }

    #[inline]
    fn partition_of_key(&self, key: Option<&[u8]>, partition_count: usize) -> Option<i32> {
        let key = key.filter(|_| !self.config.partitioner_ignore_keys())?;
        Some(partition_for_key(key, partition_count))
    }

    fn ask_partitioner(
        &self,
        partitioner: &dyn Partitioner,
        topic: Known<'_>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<i32, Error> {
        let count = topic.partition_count;
        let metadata = self.metadata.snapshot();
        let choose = || partitioner.partition(topic.entry.name(), key, value, &metadata.cluster);
        let chosen =
            contain(choose).ok_or_else(|| invalid_record("the partitioner panicked".to_owned()))?;
        if usize::try_from(chosen).is_ok_and(|chosen| chosen < count) {
            return Ok(chosen);
        }
        Err(invalid_record(format!("the partitioner chose partition {chosen} of {count}")))
    }

    /// Where a broker is known that cannot store headers, they are refused. Java: `RecordAccumulator.append`.
    #[inline]
    fn check_headers(&self, headers: &Headers<'_>) -> Result<(), Error> {
        if headers.is_empty() || !self.accumulator.has_old_brokers() {
            return Ok(());
        }
        Err(headers_need_newer_brokers())
    }

    /// Step 5.
    fn check_size(&self, size: usize) -> Result<(), Error> {
        if size <= largest_record(&self.config) {
            return Ok(());
        }
        Err(self.too_large(size))
    }

    #[cold]
    fn too_large(&self, size: usize) -> Error {
        let (limit, property) = match self.config.max_request_size() {
            limit if size > limit => (limit, "max.request.size"),
            _ => (self.config.buffer_memory(), "buffer.memory"),
        };
        Error::new(ErrorKind::RecordTooLarge { size, limit, property })
    }

    /// Steps 7 and 8.
    fn append(
        &self,
        append: &Append<'_>,
        callback: &mut Option<Callback>,
        budget: Budget,
    ) -> Result<FutureRecordMetadata, Error> {
        let now = || self.clock.now();
        let appended = self
            .accumulator
            .append(append, callback, &now)
            .map_err(|error| self.append_error(error, append.partition, budget))?;
        if appended.news != News::Nothing {
            self.pass_on(appended.news, append.topic);
        }
        Ok(appended.future(&append.record))
    }

    /// Step 8. What may linger can wait for the sender's next event, too.
    #[cold]
    fn pass_on(&self, news: News, topic: &TopicEntry) {
        if matches!(news, News::FirstBatch | News::NextBatch) {
            self.metadata.add_topic(topic.name(), self.clock.now());
        }
        let signal = self.accumulator.signal();
        match news {
            _ if self.config.linger().is_zero() => signal.wake(),
            News::FirstBatch => signal.note(),
            _ => signal.hint(),
        }
    }

    #[cold]
    fn append_error(&self, error: AppendError, partition: Option<i32>, budget: Budget) -> Error {
        let error = match error {
            AppendError::Closed => self.accumulator.closed_error(),
            AppendError::Exhausted { .. } if budget.may_wait == MayWait::No => {
                would_block("memory")
            }
            AppendError::Exhausted { requested } => Error::new(ErrorKind::BufferExhausted {
                requested: requested.total(),
                total: self.accumulator.pool().total(),
                limit: self.config.max_block(),
            })
            .with_cause(self.metadata.last_error()),
            AppendError::UnknownPartition { partition } => {
                let reason = format!("partition {partition} does not exist any more");
                Error::new(ErrorKind::InvalidRecord { reason: reason.into() })
            }
        };
        match partition {
            Some(partition) => error.with_partition(partition),
            None => error,
        }
    }

    /// On the sender thread nothing may wait: it is the one that ends the wait.
    #[inline]
    fn budget(&self, may_wait: MayWait) -> Budget {
        if may_wait == MayWait::No || self.accumulator.signal().is_sender_thread() {
            return Budget { remaining: Duration::ZERO, may_wait: MayWait::No };
        }
        Budget { remaining: self.config.max_block(), may_wait }
    }

    /// Step 2, where the topic, or the partition that was asked for, is not known yet.
    #[cold]
    fn await_metadata(
        &self,
        topic: &str,
        partition: Option<i32>,
        budget: &mut Budget,
    ) -> Result<Known<'_>, Error> {
        check_name(topic)?;
        if self.metadata.snapshot().invalid_topics.contains(topic) {
            return Err(invalid_topic()); // a name does not become valid
        }
        let start = self.clock.now();
        let max_wait = budget.remaining;
        let left = |now: Instant| max_wait.saturating_sub(now.saturating_duration_since(start));
        let name: Arc<str> = topic.into();
        loop {
            let now = self.clock.now();
            self.metadata.add_topic(&name, now);
            budget.remaining = left(now);
            // First the version: what comes after it ends the wait below.
            let version = self.metadata.snapshot().version;
            let topics = self.accumulator.topics(&self.metadata);
            if let Some(known) = find(topics, topic, partition) {
                return Ok(known);
            }
            self.metadata.request_update_for_topic(topic);
            self.accumulator.signal().wake();
            let snapshot = self.metadata.snapshot();
            if budget.remaining.is_zero() {
                let missing = || self.no_metadata(&snapshot, topic, partition, *budget);
                return Err(refusal(&snapshot, topic).unwrap_or_else(missing));
            }
            drop(snapshot);
            if self.metadata.await_update(version, budget.remaining) == AwaitUpdate::Closed {
                return Err(self.accumulator.closed_error());
            }
            budget.remaining = left(self.clock.now()); // what is left is for memory
            let topics = self.accumulator.topics(&self.metadata);
            if let Some(known) = find(topics, topic, partition) {
                return Ok(known);
            }
            // Only now: what was refused before this call may be granted since.
            if let Some(error) = refusal(&self.metadata.snapshot(), topic) {
                return Err(error);
            }
        }
    }

    fn no_metadata(
        &self,
        snapshot: &MetadataSnapshot,
        topic: &str,
        partition: Option<i32>,
        budget: Budget,
    ) -> Error {
        let known = snapshot.topic(topic).map(|topic| topic.partitions().len());
        let (waiting_for, cause) = match (known, partition) {
            (Some(count), Some(partition)) => {
                let reason = format!("partition {partition} of {count}");
                let kind = ErrorKind::InvalidRecord { reason: reason.into() };
                ("such partition in the metadata", Some(Error::new(kind)))
            }
            _ => {
                let cause = self.metadata.topic_error(topic).or_else(|| self.metadata.last_error());
                ("metadata of the topic", cause)
            }
        };
        if budget.may_wait == MayWait::No {
            return would_block("metadata").with_cause(cause);
        }
        let limit = self.config.max_block();
        let timeout = |waiting_for| {
            Error::new(ErrorKind::Timeout { deadline: Deadline::MaxBlock, limit, waiting_for })
        };
        // Nothing went wrong yet, and nobody answered.
        let unanswered = || timeout("answer").with_broker(snapshot.addresses());
        let error = timeout(waiting_for).with_cause(Some(cause.unwrap_or_else(unanswered)));
        match partition {
            Some(partition) => error.with_partition(partition),
            None => error,
        }
    }

    pub(super) fn partitions_for(&self, topic: &str) -> Result<Vec<PartitionInfo>, Error> {
        if self.accumulator.is_closed() {
            return Err(self.accumulator.closed_error());
        }
        let mut budget = self.budget(MayWait::ForMaxBlock);
        let known = match find(self.accumulator.topics(&self.metadata), topic, None) {
            Some(known) => known,
            None => self
                .await_metadata(topic, None, &mut budget)
                .map_err(|error| error.with_topic(&topic.into()))?,
        };
        Ok(known.entry.partitions())
    }
}

impl<K: ?Sized + 'static, V: ?Sized + 'static> Listener<'_, K, V> {
    /// Step 6: lets the interceptors learn the result right before the user's callback. Does so once.
    #[inline]
    fn wrap(&mut self, headers: &Headers<'_>) {
        if !self.is_wrapped && !self.interceptors.is_empty() {
            self.is_wrapped = true;
            *self.callback = Some(self.interceptors.wrap(headers, self.callback.take()));
        }
    }
}

impl Scratch {
    /// Empties both buffers; large ones are given back.
    #[inline]
    fn clear(&mut self) {
        for buffer in [&mut self.key, &mut self.value] {
            buffer.clear();
            buffer.shrink_to(MAX_KEPT_SCRATCH);
        }
    }
}

/// A topic, and how many partitions it had when it was looked up: the one number that all of a `send` goes by.
#[derive(Clone, Copy, Debug)]
struct Known<'a> {
    entry: &'a TopicEntry,
    partition_count: usize,
}

/// How large a record may be, as a batch of its own.
fn largest_record(config: &ProducerConfig) -> usize {
    config.max_request_size().min(config.buffer_memory())
}

fn tell_of_refusal(callback: Callback, error: &Error) {
    let enter = |nested: &Cell<usize>| nested.replace(nested.get() + 1);
    let nested = NESTED_REFUSALS.try_with(enter).unwrap_or_default(); // a thread that ends
    if nested < MOST_NESTED_REFUSALS {
        run_callback(callback, Err(error));
    } else {
        log::error!(
            "a callback that sends again is refused again, and only its future tells of it: {error}"
        );
        contain(|| drop(callback)); // what it captures is the user's
    }
    NESTED_REFUSALS.try_with(|it| it.set(nested)).unwrap_or_default();
}

/// The topic, if it is known and has the partition that was asked for, or any.
#[inline(always)]
fn find<'t>(topics: &'t TopicTable, topic: &str, partition: Option<i32>) -> Option<Known<'t>> {
    let entry = topics.get(topic)?;
    let partition_count = entry.partition_count();
    let is_there = match partition {
        Some(partition) => usize::try_from(partition).is_ok_and(|number| number < partition_count),
        None => partition_count > 0,
    };
    is_there.then_some(Known { entry, partition_count })
}

/// Why the brokers will never describe `topic`, if that is so.
fn refusal(snapshot: &MetadataSnapshot, topic: &str) -> Option<Error> {
    if snapshot.invalid_topics.contains(topic) {
        return Some(invalid_topic());
    }
    let is_unauthorized = snapshot.unauthorized_topics.contains(topic);
    is_unauthorized.then(|| {
        let missing = "the operation Describe on the topic is not allowed to this client";
        Error::broker_code(ErrorCode::TopicAuthorizationFailed, Some(missing))
    })
}

fn invalid_topic() -> Error {
    let rule = "a topic's name has 1 to 249 characters of a-z, A-Z, 0-9, '.', '_' and '-', and is not '.' or '..'";
    Error::broker_code(ErrorCode::InvalidTopicException, Some(rule))
}

fn check_name(topic: &str) -> Result<(), Error> {
    if topic.is_empty() || topic.len() > MAX_STRING_BYTES {
        let reason = match topic.len() {
            0 => "the topic is empty".to_owned(),
            length => format!("a topic name of {length} bytes"),
        };
        return Err(Error::new(ErrorKind::InvalidRecord { reason: reason.into() }));
    }
    Ok(())
}

#[cold]
fn invalid_record(reason: String) -> Error {
    Error::new(ErrorKind::InvalidRecord { reason: reason.into() })
}

fn would_block(waiting_for: &'static str) -> Error {
    Error::new(ErrorKind::WouldBlock { waiting_for })
}
