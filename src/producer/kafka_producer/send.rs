//! The way of a record on the caller's thread, from `send` into a batch. Java: `KafkaProducer.doSend`.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::Guard;

use crate::client::metadata::AwaitUpdate;
use crate::client::metadata_snapshot::MetadataSnapshot;
use crate::common::cluster::TopicInfo;
use crate::common::header::Headers;
use crate::common::partition_info::PartitionInfo;
use crate::error::{ConfigProblem, Deadline, Error, ErrorCode, ErrorKind};
use crate::producer::callback::Callback;
use crate::producer::internals::built_in_partitioner::partition_for_key;
use crate::producer::internals::future_record_metadata::FutureRecordMetadata;
use crate::producer::internals::producer_batch::run_callback;
use crate::producer::internals::producer_interceptors::ProducerInterceptors;
use crate::producer::internals::record_accumulator::{Append, AppendError, TopicEntry, TopicTable};
use crate::producer::kafka_producer::Inner;
use crate::producer::producer_record::{Parts, ProducerRecord};
use crate::protocol::writable::MAX_STRING_BYTES;
use crate::record::default_record::RecordContents;
use crate::serialization::serializer::Serializer;
use crate::utils::clock::Instant;
use crate::utils::panics::contain;

/// Whether a call may wait for metadata and memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MayWait {
    /// For `max.block.ms` in all; on the sender thread not at all.
    ForMaxBlock,
    No,
}

/// A record that was not accepted: its callback is still to be told.
pub(super) struct Rejected {
    pub(super) error: Error,
    callback: Option<Callback>,
}

/// Serialized keys and values that are kept from one `send` to the next are at most this large.
const MAX_KEPT_SCRATCH: usize = 64 * 1024;

thread_local! {
    /// Where serializers write. Taken out while in use, for a serializer may send records itself.
    static SCRATCH: Cell<Scratch> = const { Cell::new(Scratch { key: Vec::new(), value: Vec::new() }) };
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

/// Who is to be told what became of a record.
struct Listener<'r, K: ?Sized + 'static, V: ?Sized + 'static> {
    interceptors: &'r ProducerInterceptors<K, V>,
    callback: Option<Callback>,
    is_wrapped: bool,
}

impl<K: ?Sized + 'static, V: ?Sized + 'static> Inner<K, V> {
    /// Steps 1 to 8 of a record's way.
    pub(super) fn send(
        &self,
        mut record: ProducerRecord<'_, K, V>,
        callback: Option<Callback>,
        may_wait: MayWait,
    ) -> Result<FutureRecordMetadata, Rejected> {
        if !self.interceptors.is_empty() {
            self.interceptors.on_send(&mut record);
        }
        let mut listener =
            Listener { interceptors: &self.interceptors, callback, is_wrapped: false };
        // A thread that ends may have given it up already, and what it still owned may send its last words.
        let mut scratch = SCRATCH.try_with(Cell::take).unwrap_or_default();
        scratch.key.clear();
        scratch.value.clear();
        let sent = self.place(&mut record, &mut scratch, &mut listener, self.budget(may_wait));
        if scratch.key.capacity().max(scratch.value.capacity()) <= MAX_KEPT_SCRATCH {
            let _ = SCRATCH.try_with(|kept| kept.set(scratch));
        }
        sent.map_err(|error| {
            listener.wrap(record.headers());
            Rejected {
                error: error.with_topic(&record.topic().into()),
                callback: listener.callback,
            }
        })
    }

    /// As [`send`](Self::send), but a record that would have to wait is given back instead of answered.
    pub(super) fn try_send(
        &self,
        record: ProducerRecord<'_, K, V>,
        callback: Option<Callback>,
    ) -> Result<FutureRecordMetadata, Error> {
        match self.send(record, callback, MayWait::No) {
            Ok(future) => Ok(future),
            Err(rejected) if rejected.error.is_would_block() => Err(rejected.error),
            Err(rejected) => Ok(self.answer(rejected)),
        }
    }

    /// Tells the callback of a record that was not accepted. Runs on: the caller's thread.
    pub(super) fn answer(&self, rejected: Rejected) -> FutureRecordMetadata {
        log::debug!("not accepted: {}", rejected.error);
        if let Some(callback) = rejected.callback {
            run_callback(callback, Err(&rejected.error));
        }
        FutureRecordMetadata::failed(rejected.error)
    }

    /// Steps 2 to 8.
    fn place(
        &self,
        record: &mut ProducerRecord<'_, K, V>,
        scratch: &mut Scratch,
        listener: &mut Listener<'_, K, V>,
        mut budget: Budget,
    ) -> Result<FutureRecordMetadata, Error> {
        if let Some(reason) = record.problem() {
            return Err(Error::new(ErrorKind::InvalidRecord { reason: reason.into() }));
        }
        if self.accumulator.is_closed() {
            return Err(self.accumulator.closed_error());
        }
        let (requested, timestamp_ms) =
            (record.requested_partition(), record.requested_timestamp());
        let known = self.accumulator.topics(&self.metadata);
        let awaited;
        let topic = match find(&known, record.topic(), requested) {
            Some(topic) => topic,
            None => {
                awaited = self.await_metadata(record.topic(), requested, &mut budget)?;
                awaited.get(record.topic()).ok_or_else(|| would_block("metadata"))?
            }
        };
        let Parts { topic: name, key, value, headers } = record.parts();
        let key = serialize(&*self.key_serializer, name, headers, key, &mut scratch.key)
            .map_err(|error| in_field("key", &error))?;
        let value = serialize(&*self.value_serializer, name, headers, value, &mut scratch.value)
            .map_err(|error| in_field("value", &error))?;
        let partition = match requested {
            Some(partition) => Some(partition),
            None => self.partition(topic.info(), key, value)?,
        };
        let timestamp_ms = timestamp_ms.unwrap_or_else(|| self.clock.epoch_millis());
        let contents = RecordContents { timestamp_ms, key, value, headers };
        self.check_size(&contents)?;
        listener.wrap(contents.headers);
        let append = Append { topic, partition, record: contents, max_wait: budget.remaining };
        self.append(&append, &mut listener.callback, budget)
    }

    /// Step 4: `None` leaves the choice to the accumulator, which knows how full the batches are.
    fn partition(
        &self,
        topic: &TopicInfo,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<Option<i32>, Error> {
        let count = topic.partitions().len();
        let Some(partitioner) = &self.partitioner else {
            let key = key.filter(|_| !self.config.partitioner_ignore_keys());
            return Ok(key.map(|key| partition_for_key(key, count)));
        };
        let metadata = self.metadata.snapshot();
        let choose = || partitioner.partition(topic.name(), key, value, &metadata.cluster);
        let invalid =
            |reason: String| Error::new(ErrorKind::InvalidRecord { reason: reason.into() });
        let chosen =
            contain(choose).ok_or_else(|| invalid("the partitioner panicked".to_owned()))?;
        if usize::try_from(chosen).is_ok_and(|chosen| chosen < count) {
            return Ok(Some(chosen));
        }
        Err(invalid(format!("the partitioner chose partition {chosen} of {count}")))
    }

    /// Step 5.
    fn check_size(&self, contents: &RecordContents<'_>) -> Result<(), Error> {
        let size = contents.batch_size_upper_bound();
        let limits = [
            ("max.request.size", self.config.max_request_size()),
            ("buffer.memory", self.config.buffer_memory()),
        ];
        for (property, limit) in limits {
            if size > limit {
                return Err(Error::new(ErrorKind::RecordTooLarge { size, limit, property }));
            }
        }
        Ok(())
    }

    /// Steps 7 and 8.
    fn append(
        &self,
        append: &Append<'_>,
        callback: &mut Option<Callback>,
        budget: Budget,
    ) -> Result<FutureRecordMetadata, Error> {
        let now = || self.clock.now();
        let appended = match self.accumulator.append(append, callback, &now) {
            Ok(appended) => appended,
            Err(error) => return Err(self.append_error(error, append.partition, budget)),
        };
        if appended.is_new_batch {
            self.metadata.add_topic(append.topic.info().shared_name(), now());
        }
        if appended.is_worth_waking {
            self.accumulator.signal().wake();
        }
        Ok(appended.future)
    }

    fn append_error(&self, error: AppendError, partition: Option<i32>, budget: Budget) -> Error {
        let error = match error {
            AppendError::Closed => self.accumulator.closed_error(),
            AppendError::Exhausted { requested } if requested > self.accumulator.pool().total() => {
                batch_never_fits(requested, self.accumulator.pool().total())
            }
            AppendError::Exhausted { .. } if budget.may_wait == MayWait::No => {
                would_block("memory")
            }
            AppendError::Exhausted { requested } => Error::new(ErrorKind::BufferExhausted {
                requested,
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
    fn budget(&self, may_wait: MayWait) -> Budget {
        if may_wait == MayWait::No || self.accumulator.signal().is_sender_thread() {
            return Budget { remaining: Duration::ZERO, may_wait: MayWait::No };
        }
        Budget { remaining: self.config.max_block(), may_wait }
    }

    /// Step 2, where the topic, or the partition that was asked for, is not known yet.
    fn await_metadata(
        &self,
        topic: &str,
        partition: Option<i32>,
        budget: &mut Budget,
    ) -> Result<Guard<Arc<TopicTable>>, Error> {
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
            if find(&topics, topic, partition).is_some() {
                return Ok(topics);
            }
            self.metadata.request_update_for_topic(topic);
            self.accumulator.signal().wake();
            let snapshot = self.metadata.snapshot();
            if budget.remaining.is_zero() {
                let missing = || self.no_metadata(&snapshot, topic, partition, *budget);
                return Err(refusal(&snapshot, topic).unwrap_or_else(missing));
            }
            drop((topics, snapshot));
            if self.metadata.await_update(version, budget.remaining) == AwaitUpdate::Closed {
                return Err(self.accumulator.closed_error());
            }
            budget.remaining = left(self.clock.now()); // what is left is for memory
            let topics = self.accumulator.topics(&self.metadata);
            if find(&topics, topic, partition).is_some() {
                return Ok(topics);
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
        let topics = self.accumulator.topics(&self.metadata);
        if let Some(known) = find(&topics, topic, None) {
            return Ok(known.info().partitions().to_vec());
        }
        let mut budget = self.budget(MayWait::ForMaxBlock);
        let awaited = self.await_metadata(topic, None, &mut budget);
        let awaited = awaited.map_err(|error| error.with_topic(&topic.into()))?;
        Ok(awaited.get(topic).map_or_else(Vec::new, |topic| topic.info().partitions().to_vec()))
    }
}

impl<K: ?Sized + 'static, V: ?Sized + 'static> Listener<'_, K, V> {
    /// Step 6: lets the interceptors learn the result right before the user's callback. Does so once.
    fn wrap(&mut self, headers: &Headers<'_>) {
        if !self.is_wrapped && !self.interceptors.is_empty() {
            self.is_wrapped = true;
            self.callback = Some(self.interceptors.wrap(headers, self.callback.take()));
        }
    }
}

/// The topic, if it is known and has the partition that was asked for.
fn find<'t>(topics: &'t TopicTable, topic: &str, partition: Option<i32>) -> Option<&'t TopicEntry> {
    let entry = topics.get(topic)?;
    let has_partition = match partition {
        Some(partition) => entry.info().partition(partition).is_some(),
        None => !entry.info().partitions().is_empty(),
    };
    has_partition.then_some(entry)
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

/// A batch is never smaller than `batch.size`: waiting does not help.
fn batch_never_fits(size: usize, total: usize) -> Error {
    let reason = format!(
        "{size} bytes never fit into buffer.memory ({total} bytes): lower it, or raise buffer.memory"
    );
    Error::new(ErrorKind::InvalidConfig {
        problems: vec![ConfigProblem::new("batch.size", reason)],
    })
}

fn would_block(waiting_for: &'static str) -> Error {
    Error::new(ErrorKind::WouldBlock { waiting_for })
}

/// Says which of the two could not be serialized.
pub(in crate::producer) fn in_field(field: &str, error: &Error) -> Error {
    let message = match error.kind() {
        ErrorKind::Serialization { message } => format!("{field}: {message}"),
        other => format!("{field}: {other}"),
    };
    Error::new(ErrorKind::Serialization { message: message.into() })
}

/// Step 3: the bytes of a key or a value; null stays null.
pub(in crate::producer) fn serialize<'a, T: ?Sized>(
    serializer: &dyn Serializer<T>,
    topic: &str,
    headers: &mut Headers<'_>,
    data: Option<&'a T>,
    buffer: &'a mut Vec<u8>,
) -> Result<Option<&'a [u8]>, Error> {
    let Some(data) = data else {
        return Ok(None);
    };
    match contain(|| serializer.serialize(topic, headers, data, buffer)) {
        Some(Ok(bytes)) => Ok(bytes),
        Some(Err(error)) => {
            Err(Error::new(ErrorKind::Serialization { message: error.to_string().into() }))
        }
        None => {
            let message = "the serializer panicked".into();
            Err(Error::new(ErrorKind::Serialization { message }))
        }
    }
}
