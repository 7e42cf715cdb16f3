//! Mirrors `org.apache.kafka.clients.producer.MockProducer`.

mod builder;
mod completion;
mod sent_record;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use builder::MockProducerBuilder;
pub use sent_record::SentRecord;

use crate::common::cluster::{Cluster, TopicInfo};
use crate::common::header::Headers;
use crate::common::partition_info::PartitionInfo;
use crate::common::topic_partition::TopicPartition;
use crate::error::{Error, ErrorKind};
use crate::producer::callback::Callback;
use crate::producer::internals::field_serializer::FieldSerializer;
use crate::producer::internals::future_record_metadata::FutureRecordMetadata;
use crate::producer::internals::producer_batch::run_callback;
use crate::producer::internals::sender_signal::SenderSignal;
use crate::producer::mock_producer::builder::add_topic;
use crate::producer::mock_producer::completion::Completion;
use crate::producer::partitioner::Partitioner;
use crate::producer::producer::Producer;
use crate::producer::producer_record::{Parts, ProducerRecord};
use crate::producer::record_metadata::RecordMetadata;
use crate::serialization::serializer::Serializer;
use crate::utils::panics::catch;
use crate::utils::sync::Mutex;

/// A producer for tests of your own code: it has no network and no thread, and remembers what was sent.
///
/// Your code is generic over [`Producer`], whose methods are all it needs; the methods here are for the test. Clones
/// share one producer, so that the test can give one away and look through the other.
///
/// ```
/// use std::time::Duration;
///
/// use kafka_producer::{
///     Error, ErrorCode, MockProducer, Producer, ProducerRecord, StringSerializer,
/// };
///
/// // What is to be tested: it counts what it could not send.
/// struct Audit<P> {
///     producer: P,
///     lost: usize,
/// }
///
/// impl<P: Producer<str, str>> Audit<P> {
///     fn log_in(&mut self, user: &str) {
///         let record = ProducerRecord::new("audit", user, "logged in");
///         self.lost += usize::from(self.producer.send(record).get().is_err());
///     }
/// }
///
/// let producer = MockProducer::new(StringSerializer::default(), StringSerializer::default());
/// let mut audit = Audit { producer: producer.clone(), lost: 0 };
/// audit.log_in("ada");
///
/// let sent = producer.history();
/// assert_eq!(sent.len(), 1);
/// assert_eq!(sent[0].topic(), "audit");
/// assert_eq!(sent[0].key(), Some(&b"ada"[..]));
///
/// producer.set_send_error(Some(ErrorCode::TopicAuthorizationFailed.into()));
/// audit.log_in("grace");
/// assert_eq!(audit.lost, 1);
/// ```
///
/// Where the order of events matters, the test answers the records itself:
///
/// ```
/// # use kafka_producer::{ErrorCode, MockProducer, Producer, ProducerRecord, StringSerializer};
/// let producer: MockProducer<str, str> = MockProducer::builder()
///     .auto_complete(false)
///     .build(StringSerializer::default(), StringSerializer::default());
/// let first = producer.send(ProducerRecord::without_key("t", "first"));
/// let second = producer.send(ProducerRecord::without_key("t", "second"));
///
/// producer.complete_next();
/// assert_eq!(first.get()?.offset(), 0);
/// assert!(!second.is_done());
///
/// producer.error_next(ErrorCode::NotEnoughReplicas);
/// assert!(second.get().is_err());
/// # Ok::<(), kafka_producer::Error>(())
/// ```
///
/// As with the real producer every record is answered exactly once, whatever is wrong with it, and a callback that
/// panics stops nothing: assert outside of it. Unlike there, a callback runs on the thread that answers the record.
pub struct MockProducer<K: ?Sized, V: ?Sized>(Arc<Shared<K, V>>);

/// What the clones share. User code never runs under the lock.
struct Shared<K: ?Sized, V: ?Sized> {
    key_serializer: FieldSerializer<K>,
    value_serializer: FieldSerializer<V>,
    partitioner: Option<Box<dyn Partitioner>>,
    auto_complete: bool,
    signal: Arc<SenderSignal>,
    state: Mutex<State>,
}

struct State {
    cluster: Arc<Cluster>,
    history: Vec<SentRecord>,
    next_offsets: BTreeMap<TopicPartition, i64>,
    /// The oldest first; always empty if records are answered inside `send`.
    unanswered: VecDeque<Completion>,
    is_closed: bool,
    send_error: Option<Error>,
    flush_error: Option<Error>,
    partitions_for_error: Option<Error>,
    close_error: Option<Error>,
}

impl<K: ?Sized, V: ?Sized> MockProducer<K, V> {
    /// A producer that acknowledges each record inside `send` and gives every topic one partition.
    pub fn new(
        key_serializer: impl Serializer<K> + 'static,
        value_serializer: impl Serializer<V> + 'static,
    ) -> Self {
        Self::builder().build(key_serializer, value_serializer)
    }

    /// For topics of several partitions, a partitioner, and records that the test answers.
    #[must_use]
    pub fn builder() -> MockProducerBuilder<K, V> {
        MockProducerBuilder::new()
    }

    /// The records that `send` took since the last [`clear`](Self::clear), in that order, answered or not.
    ///
    /// What failed inside `send` is not among them.
    #[must_use]
    pub fn history(&self) -> Vec<SentRecord> {
        self.0.state.lock().history.clone()
    }

    /// Forgets the history. Offsets go on, and records without an answer keep waiting for it.
    pub fn clear(&self) {
        self.0.state.lock().history.clear();
    }

    /// Acknowledges the oldest record without an answer; its callback runs now. Returns whether there was one.
    pub fn complete_next(&self) -> bool {
        self.0.answer_next(Ok(()))
    }

    /// Fails the oldest record without an answer; its callback runs now. Returns whether there was one.
    ///
    /// The error names the record's topic and partition, unless it names a topic already.
    pub fn error_next(&self, error: impl Into<Error>) -> bool {
        self.0.answer_next(Err(error.into()))
    }

    /// Whether every record that was sent is answered.
    #[must_use]
    pub fn flushed(&self) -> bool {
        self.0.state.lock().unanswered.is_empty()
    }

    /// Whether the producer was closed.
    #[must_use]
    pub fn closed(&self) -> bool {
        self.0.state.lock().is_closed
    }

    /// From now on every record fails inside `send`; `None` ends it.
    pub fn set_send_error(&self, error: Option<Error>) {
        self.0.state.lock().send_error = error;
    }

    /// From now on `flush` fails, and answers nothing; `None` ends it.
    pub fn set_flush_error(&self, error: Option<Error>) {
        self.0.state.lock().flush_error = error;
    }

    /// From now on `partitions_for` fails; `None` ends it.
    pub fn set_partitions_for_error(&self, error: Option<Error>) {
        self.0.state.lock().partitions_for_error = error;
    }

    /// From now on `close` fails, and the producer stays open; `None` ends it.
    pub fn set_close_error(&self, error: Option<Error>) {
        self.0.state.lock().close_error = error;
    }
}

impl<K: ?Sized, V: ?Sized> Producer<K, V> for MockProducer<K, V> {
    fn send(&self, record: ProducerRecord<'_, K, V>) -> FutureRecordMetadata {
        self.0.send(record, None)
    }

    fn send_with_callback(
        &self,
        record: ProducerRecord<'_, K, V>,
        callback: impl FnOnce(Result<&RecordMetadata, &Error>) + Send + 'static,
    ) -> FutureRecordMetadata {
        self.0.send(record, Some(Box::new(callback)))
    }

    /// Acknowledges every record that was sent before; [`ErrorKind::Closed`] if the producer is closed.
    fn flush(&self) -> Result<(), Error> {
        self.0.check_may_wait("flush")?;
        let mut state = self.0.state.lock();
        state.check_open()?;
        fails_with(&state.flush_error)?;
        let unanswered = std::mem::take(&mut state.unanswered);
        drop(state);
        acknowledge_all(unanswered);
        Ok(())
    }

    fn partitions_for(&self, topic: &str) -> Result<Vec<PartitionInfo>, Error> {
        let mut state = self.0.state.lock();
        state.check_open()?;
        fails_with(&state.partitions_for_error)?;
        let cluster = state.cluster_with(topic);
        Ok(cluster.topic(topic).map(TopicInfo::partitions).unwrap_or_default().to_vec())
    }

    /// Acknowledges every record that was sent before, as the real producer does within `timeout`.
    fn close(&self, _timeout: Duration) -> Result<(), Error> {
        self.0.check_may_wait("close")?;
        let mut state = self.0.state.lock();
        fails_with(&state.close_error)?;
        state.is_closed = true;
        let unanswered = std::mem::take(&mut state.unanswered);
        drop(state);
        acknowledge_all(unanswered);
        Ok(())
    }
}

impl<K: ?Sized, V: ?Sized> Shared<K, V> {
    fn send(
        &self,
        mut record: ProducerRecord<'_, K, V>,
        mut callback: Option<Callback>,
    ) -> FutureRecordMetadata {
        let accepted =
            self.prepare(&mut record).and_then(|record| self.accept(record, &mut callback));
        accepted.unwrap_or_else(|error| {
            let error = match error.topic() {
                Some(_) => error,
                None => error.with_topic(&record.topic().into()),
            };
            if let Some(callback) = callback {
                run_callback(callback, Err(&error));
            }
            FutureRecordMetadata::failed(error)
        })
    }

    /// What `send` does on the caller's thread, in the order of the real one.
    fn prepare(&self, record: &mut ProducerRecord<'_, K, V>) -> Result<SentRecord, Error> {
        let cluster = self.admit(record)?;
        let Parts { topic, key, value, headers } = record.parts();
        let key = serialize(&self.key_serializer, topic, headers, key)?;
        let value = serialize(&self.value_serializer, topic, headers, value)?;
        let chosen = match (record.requested_partition(), &self.partitioner) {
            (Some(partition), _) => partition,
            (None, Some(partitioner)) => {
                let (topic, key, value) = (record.topic(), key.as_deref(), value.as_deref());
                catch(|| partitioner.partition(topic, key, value, &cluster))
                    .map_err(|message| invalid(format!("the partitioner panicked: {message}")))?
            }
            (None, None) => 0,
        };
        Ok(SentRecord {
            topic_partition: existing_partition(&cluster, record.topic(), chosen)?,
            timestamp_ms: record.requested_timestamp(),
            key,
            value,
            headers: record.headers().clone().into_owned(),
        })
    }

    /// Refuses what would fail whatever the record contains. Returns a cluster that knows its topic.
    fn admit(&self, record: &ProducerRecord<'_, K, V>) -> Result<Arc<Cluster>, Error> {
        let mut state = self.state.lock();
        state.check_open()?;
        fails_with(&state.send_error)?;
        match record.problem() {
            Some(problem) => Err(invalid(problem.to_string())),
            None => Ok(state.cluster_with(record.topic())),
        }
    }

    /// Remembers the record and takes the callback; answers it, if it is not left to the test.
    fn accept(
        &self,
        record: SentRecord,
        callback: &mut Option<Callback>,
    ) -> Result<FutureRecordMetadata, Error> {
        let mut state = self.state.lock();
        // The serializers ran without the lock: it may have been closed meanwhile.
        state.check_open()?;
        let offset = state.take_offset(&record.topic_partition);
        let completion = Completion::new(&record, offset, callback.take(), &self.signal);
        let future = completion.future();
        state.history.push(record);
        if self.auto_complete {
            drop(state);
            completion.complete(Ok(()));
        } else {
            state.unanswered.push_back(completion);
        }
        Ok(future)
    }

    fn answer_next(&self, answer: Result<(), Error>) -> bool {
        let next = self.state.lock().unanswered.pop_front();
        next.map(|completion| completion.complete(answer)).is_some()
    }

    /// Finds in a test what would be a dead-lock with a real producer.
    fn check_may_wait(&self, method: &'static str) -> Result<(), Error> {
        if self.signal.is_sender_thread() {
            return Err(Error::new(ErrorKind::CalledFromCallback { method }));
        }
        Ok(())
    }
}

impl<K: ?Sized, V: ?Sized> Drop for Shared<K, V> {
    /// No future waits for ever, not even if the test forgot to answer it.
    fn drop(&mut self) {
        for completion in std::mem::take(&mut self.state.get_mut().unanswered) {
            completion.complete(Err(Error::new(ErrorKind::Closed)));
        }
    }
}

impl State {
    fn check_open(&self) -> Result<(), Error> {
        if self.is_closed { Err(Error::new(ErrorKind::Closed)) } else { Ok(()) }
    }

    /// The cluster, to which `topic` is added if it was not declared.
    fn cluster_with(&mut self, topic: &str) -> Arc<Cluster> {
        if self.cluster.topic(topic).is_none() {
            add_topic(Arc::make_mut(&mut self.cluster), topic, 1);
        }
        Arc::clone(&self.cluster)
    }

    fn take_offset(&mut self, topic_partition: &TopicPartition) -> i64 {
        let next = self.next_offsets.entry(topic_partition.clone()).or_default();
        *next += 1;
        *next - 1
    }
}

fn fails_with(error: &Option<Error>) -> Result<(), Error> {
    error.clone().map_or(Ok(()), Err)
}

fn acknowledge_all(unanswered: VecDeque<Completion>) {
    for completion in unanswered {
        completion.complete(Ok(()));
    }
}

fn serialize<T: ?Sized>(
    serializer: &FieldSerializer<T>,
    topic: &str,
    headers: &mut Headers<'_>,
    data: Option<&T>,
) -> Result<Option<Vec<u8>>, Error> {
    let mut buffer = Vec::new();
    let bytes = serializer.serialize(topic, headers, data, &mut buffer)?;
    Ok(bytes.map(<[u8]>::to_vec))
}

fn existing_partition(
    cluster: &Cluster,
    topic: &str,
    partition: i32,
) -> Result<TopicPartition, Error> {
    let Some(info) = cluster.topic(topic) else {
        return Err(invalid(format!("topic {topic} does not exist")));
    };
    match info.partition(partition) {
        Some(_) => Ok(TopicPartition::new(Arc::clone(info.shared_name()), partition)),
        None => {
            let count = info.partitions().len();
            Err(invalid(format!("partition {partition} does not exist, the topic has {count}")))
        }
    }
}

fn invalid(reason: String) -> Error {
    Error::new(ErrorKind::InvalidRecord { reason: reason.into() })
}

impl<K: ?Sized, V: ?Sized> Clone for MockProducer<K, V> {
    /// Another handle of the same producer.
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: ?Sized, V: ?Sized> fmt::Debug for MockProducer<K, V> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.state.lock();
        formatter
            .debug_struct("MockProducer")
            .field("auto_complete", &self.0.auto_complete)
            .field("sent", &state.history.len())
            .field("unanswered", &state.unanswered.len())
            .field("is_closed", &state.is_closed)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
