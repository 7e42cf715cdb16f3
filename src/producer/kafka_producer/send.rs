//! The way of a record on the caller's thread, from `send` into a batch. Java: `KafkaProducer.doSend`. The steps are those
//! of docs/ARCHITECTURE.md.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use crate::common::header::Headers;
use crate::error::{Error, ErrorKind};
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
use crate::record::default_record::RecordContents;
use crate::serialization::serializer::PlainBytes;
use crate::utils::clock::Clock;
use crate::utils::panics::{catch, contain};

/// Whether a call may wait for metadata and memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MayWait {
    /// For `max.block.ms` in all; on the sender thread not at all.
    ForMaxBlock,
    No,
}

/// Serialized keys and values that are kept from one `send` to the next are at most this large.
const MAX_KEPT_SCRATCH_BYTES: usize = 64 * 1024;

/// How many callbacks run in one another at most, each told of a refusal by the `send` of the one around it. One that sends
/// again whatever failed would go on until the stack ends: a producer that is closed refuses every record.
const MAX_NESTED_REFUSALS: usize = 8;

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
pub(super) struct WaitBudget {
    pub(super) remaining: Duration,
    pub(super) may_wait: MayWait,
}

/// What most records need. User code has no part in it, neither a serializer nor a partitioner nor an interceptor.
pub(super) struct FastPath<K: ?Sized, V: ?Sized> {
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

impl<K: ?Sized + 'static, V: ?Sized + 'static> FastPath<K, V> {
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
        match self.try_fast_path(record, &mut callback) {
            Some(future) => future,
            None => self.send_slow_path(record, callback, may_wait),
        }
    }

    /// Steps 2 to 8 for what most records are like: there is no user code to be run and nothing to be waited for, and an
    /// open batch has room. Else nothing has happened, and `callback` is still there.
    #[inline(always)]
    fn try_fast_path(
        &self,
        record: &ProducerRecord<'_, K, V>,
        callback: &mut Option<Callback>,
    ) -> Option<FutureRecordMetadata> {
        let append = self.fast_path_append(record)?;
        let appended = self.accumulator.append_at_once(&append, callback)?;
        if appended.news != News::Nothing {
            self.notify_sender(appended.news, append.topic);
        }
        Some(appended.future(&append.record))
    }

    /// Steps 2 to 5 for what most records are like.
    #[inline(always)]
    fn fast_path_append<'r>(&'r self, record: &'r ProducerRecord<'_, K, V>) -> Option<Append<'r>> {
        let path = self.fast_path.as_ref()?;
        let is_plain = record.headers().is_empty()
            && record.requested_timestamp().is_none_or(|timestamp_ms| timestamp_ms >= 0);
        if !is_plain {
            return None;
        }
        let known = self.accumulator.topics(&self.metadata);
        let requested = record.requested_partition();
        let KnownTopic { entry: topic, partition_count } =
            find_topic(known, record.topic(), requested)?;
        let (key, value) = (record.key().map(path.key_bytes), record.value().map(path.value_bytes));
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
        (append.record.batch_size_upper_bound() <= path.largest_record).then_some(append)
    }

    /// As [`send`](Self::send), also where user code has a part in it, something has to be waited for, or a batch begins.
    #[inline(never)]
    fn send_slow_path(
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
        self.do_send(record, &mut listener, budget).unwrap_or_else(|error| {
            listener.wrap(record.headers());
            let error = error.with_topic(&record.topic().into());
            self.refuse(error, listener.callback.take(), may_wait)
        })
    }

    /// Steps 2 to 8, with the thread's own buffers for what serializers write.
    fn do_send(
        &self,
        record: &mut ProducerRecord<'_, K, V>,
        listener: &mut Listener<'_, K, V>,
        budget: WaitBudget,
    ) -> Result<FutureRecordMetadata, Error> {
        let in_own = |scratch: &RefCell<Scratch>| {
            let mut scratch = scratch.try_borrow_mut().ok()?;
            scratch.clear();
            Some(self.do_send_with(&mut scratch, record, listener, budget))
        };
        match SCRATCH.try_with(in_own) {
            Ok(Some(sent)) => sent,
            // A serializer that is at work has the thread's own, and a thread that ends has given it up.
            _ => self.do_send_with(&mut Scratch::default(), record, listener, budget),
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

    fn do_send_with(
        &self,
        scratch: &mut Scratch,
        record: &mut ProducerRecord<'_, K, V>,
        listener: &mut Listener<'_, K, V>,
        mut budget: WaitBudget,
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
        let topic = match find_topic(known, record.topic(), requested) {
            Some(topic) => topic,
            None => self.wait_on_metadata(record.topic(), requested, &mut budget)?,
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
        let KnownTopic { entry: topic, partition_count } = topic;
        let max_wait = budget.remaining;
        let append = Append { topic, partition_count, partition, record, max_wait };
        self.check_size(append.record.batch_size_upper_bound())?;
        self.append(&append, listener.callback, budget)
    }

    /// Step 4: `None` leaves the choice to the accumulator, which knows how full the batches are.
    #[inline]
    fn partition(
        &self,
        topic: KnownTopic<'_>,
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
        topic: KnownTopic<'_>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<i32, Error> {
        let count = topic.partition_count;
        let metadata = self.metadata.snapshot();
        let choose = || partitioner.partition(topic.entry.name(), key, value, &metadata.cluster);
        let chosen = catch(choose)
            .map_err(|message| invalid_record(format!("the partitioner panicked: {message}")))?;
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
        budget: WaitBudget,
    ) -> Result<FutureRecordMetadata, Error> {
        let now = || self.clock.now();
        let appended = self
            .accumulator
            .append(append, callback, &now)
            .map_err(|error| self.append_error(error, append.partition, budget))?;
        if appended.news != News::Nothing {
            self.notify_sender(appended.news, append.topic);
        }
        Ok(appended.future(&append.record))
    }

    /// Step 8. What may linger can wait for the sender's next event, too.
    #[cold]
    fn notify_sender(&self, news: News, topic: &TopicEntry) {
        if matches!(news, News::FirstBatch | News::NextBatch) {
            self.metadata.add_topic(topic.name(), self.clock.now());
        }
        let signal = self.accumulator.signal();
        match news {
            _ if self.config.linger().is_zero() => signal.wake(),
            News::FirstBatch => signal.wake_if_asleep(),
            _ => signal.wake_lazily(),
        }
    }

    #[cold]
    fn append_error(
        &self,
        error: AppendError,
        partition: Option<i32>,
        budget: WaitBudget,
    ) -> Error {
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
    pub(super) fn budget(&self, may_wait: MayWait) -> WaitBudget {
        if may_wait == MayWait::No || self.accumulator.signal().is_sender_thread() {
            return WaitBudget { remaining: Duration::ZERO, may_wait: MayWait::No };
        }
        WaitBudget { remaining: self.config.max_block(), may_wait }
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
            buffer.shrink_to(MAX_KEPT_SCRATCH_BYTES);
        }
    }
}

/// A topic, and how many partitions it had when it was looked up: the one number that all of a `send` goes by.
#[derive(Clone, Copy, Debug)]
pub(super) struct KnownTopic<'a> {
    pub(super) entry: &'a TopicEntry,
    partition_count: usize,
}

/// How large a record may be, as a batch of its own.
fn largest_record(config: &ProducerConfig) -> usize {
    config.max_request_size().min(config.buffer_memory())
}

fn tell_of_refusal(callback: Callback, error: &Error) {
    let enter = |nested: &Cell<usize>| nested.replace(nested.get() + 1);
    let nested = NESTED_REFUSALS.try_with(enter).unwrap_or_default(); // a thread that ends
    if nested < MAX_NESTED_REFUSALS {
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
pub(super) fn find_topic<'t>(
    topics: &'t TopicTable,
    topic: &str,
    partition: Option<i32>,
) -> Option<KnownTopic<'t>> {
    let entry = topics.get(topic)?;
    let partition_count = entry.partition_count();
    let is_there = match partition {
        Some(partition) => usize::try_from(partition).is_ok_and(|number| number < partition_count),
        None => partition_count > 0,
    };
    is_there.then_some(KnownTopic { entry, partition_count })
}

#[cold]
fn invalid_record(reason: String) -> Error {
    Error::new(ErrorKind::InvalidRecord { reason: reason.into() })
}

pub(super) fn would_block(waiting_for: &'static str) -> Error {
    Error::new(ErrorKind::WouldBlock { waiting_for })
}
