//! Mirrors `org.apache.kafka.clients.producer.KafkaProducer`: the shell on the callers' threads.

mod builder;
mod send;
mod wait_on_metadata;

use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

pub use builder::KafkaProducerBuilder;

use crate::client::metadata::Metadata;
use crate::common::partition_info::PartitionInfo;
use crate::error::{Deadline, Error, ErrorKind};
use crate::producer::internals::field_serializer::FieldSerializer;
use crate::producer::internals::future_record_metadata::FutureRecordMetadata;
use crate::producer::internals::producer_interceptors::ProducerInterceptors;
use crate::producer::internals::record_accumulator::RecordAccumulator;
use crate::producer::internals::sender_thread::Lifecycle;
use crate::producer::internals::shared_result;
use crate::producer::kafka_producer::send::{FastPath, MayWait};
use crate::producer::partitioner::Partitioner;
use crate::producer::producer::Producer;
use crate::producer::producer_config::ProducerConfig;
use crate::producer::producer_record::ProducerRecord;
use crate::producer::record_metadata::RecordMetadata;
use crate::serialization::serializer::Serializer;
use crate::utils::clock::{Clock, SystemClock};
use crate::utils::sync::Mutex;

/// Sends records to Kafka.
///
/// One producer serves any number of threads: every method takes `&self`, and a clone is another handle to the same
/// producer. Records are collected in batches and sent by one thread of the producer's own, which also runs the
/// callbacks; no runtime is needed.
///
/// **Every record is answered exactly once**, through its future and its callback: with its place in the log, or with the
/// reason why not, at the latest after `max.block.ms` and `delivery.timeout.ms`. Dropping the last handle waits, up to
/// `delivery.timeout.ms`, until that has happened, so nothing is lost when `main` just returns. But nothing drops a handle in
/// a `static`, one that a thread has which still runs, or any when `process::exit` is called, and a callback keeps the handle
/// that it captures until it has run: where there are such, [`close`](Self::close) before `main` returns. Nor does the sender
/// thread live on in a child after `fork`: build the producer there.
///
/// ```no_run
/// use std::time::Duration;
///
/// use kafka_producer::{
///     IntegerSerializer, KafkaProducer, ProducerConfig, ProducerRecord, StringSerializer,
/// };
///
/// let config = ProducerConfig::from_properties([("bootstrap.servers", "localhost:9092")])?;
/// let producer: KafkaProducer<i32, str> =
///     KafkaProducer::new(config, IntegerSerializer, StringSerializer::default())?;
///
/// let metadata = producer.send(ProducerRecord::new("test", &1, "Message_1")).get()?;
/// println!("partition {}, offset {}", metadata.partition(), metadata.offset());
///
/// producer.send_with_callback(ProducerRecord::new("test", &2, "Message_2"), |result| {
///     if let Err(error) = result {
///         eprintln!("{error}");
///     }
/// });
/// producer.close(Duration::from_secs(30))?;
/// # Ok::<(), kafka_producer::Error>(())
/// ```
pub struct KafkaProducer<K: ?Sized + 'static, V: ?Sized + 'static> {
    inner: Arc<Inner<K, V>>,
}

/// What the handles share. The sender thread shares parts of it, but not this, so the last handle's end is noticed.
struct Inner<K: ?Sized + 'static, V: ?Sized + 'static> {
    config: ProducerConfig,
    key_serializer: FieldSerializer<K>,
    value_serializer: FieldSerializer<V>,
    /// `None` for the built-in choice.
    partitioner: Option<Box<dyn Partitioner>>,
    interceptors: ProducerInterceptors<K, V>,
    /// `None` if no record can take it: user code has a part in every one.
    fast_path: Option<FastPath<K, V>>,
    metadata: Arc<Metadata>,
    accumulator: Arc<RecordAccumulator>,
    clock: SystemClock,
    lifecycle: Arc<Lifecycle>,
    /// Taken by whoever closes.
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// How long `close` waits for the sender thread to notice that it must end, beyond the time it was given.
const FORCED_CLOSE_GRACE: Duration = Duration::from_secs(1);
/// How long a drop waits, beyond `delivery.timeout.ms`, for the sender thread to fail what has expired.
const EXPIRY_GRACE: Duration = Duration::from_secs(1);

impl<K: ?Sized + 'static, V: ?Sized + 'static> KafkaProducer<K, V> {
    /// A producer with these settings. Connects when it is needed, not here.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] if the operating system refuses a poll descriptor or a thread.
    pub fn new(
        config: ProducerConfig,
        key_serializer: impl Serializer<K> + 'static,
        value_serializer: impl Serializer<V> + 'static,
    ) -> Result<Self, Error> {
        Self::builder(config).build(key_serializer, value_serializer)
    }

    /// A producer with a partitioner or interceptors of the application's own.
    #[must_use]
    pub fn builder(config: ProducerConfig) -> KafkaProducerBuilder<K, V> {
        KafkaProducerBuilder::new(config)
    }

    /// Sends `record`; the future tells what became of it.
    ///
    /// Returns as soon as the record is copied into a batch. Waits for up to `max.block.ms` for the topic's metadata and
    /// for memory, if they are not there; inside a callback it does not wait. Never fails on the spot: the future has
    /// every error, also that the producer is closed.
    #[inline]
    pub fn send(&self, mut record: ProducerRecord<'_, K, V>) -> FutureRecordMetadata {
        self.inner.send(&mut record, None, MayWait::ForMaxBlock)
    }

    /// As [`send`](Self::send), and calls `callback` once with what became of the record.
    ///
    /// It runs on the sender thread, and holds up everything else there: let it be short. Within a partition callbacks run
    /// in the order of `send`, but for a batch that has to be sent again while those behind it are acknowledged, as in Java.
    /// `send` inside a callback never waits: it fails where there is no memory. A panic in a callback is logged and ends
    /// there.
    ///
    /// If the record is not accepted at all, its callback runs on the calling thread before this method returns. One that
    /// sends again and is refused again runs in itself; eight deep, only the future tells of the next refusal, and no interceptor is told.
    #[inline]
    pub fn send_with_callback(
        &self,
        mut record: ProducerRecord<'_, K, V>,
        callback: impl FnOnce(Result<&RecordMetadata, &Error>) + Send + 'static,
    ) -> FutureRecordMetadata {
        self.inner.send(&mut record, Some(Box::new(callback)), MayWait::ForMaxBlock)
    }

    /// As [`send`](Self::send), but never waits.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WouldBlock`] if there is no metadata or no memory yet. Then nothing was taken: send it again. Every other
    /// failure is in the future, as with [`send`](Self::send).
    pub fn try_send(
        &self,
        record: ProducerRecord<'_, K, V>,
    ) -> Result<FutureRecordMetadata, Error> {
        self.inner.try_send(record, None)
    }

    /// As [`send_with_callback`](Self::send_with_callback), but never waits.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WouldBlock`] if there is no metadata or no memory yet. Then nothing was taken, and `callback` was
    /// dropped without being called. Every other failure is told to the callback and in the future.
    pub fn try_send_with_callback(
        &self,
        record: ProducerRecord<'_, K, V>,
        callback: impl FnOnce(Result<&RecordMetadata, &Error>) + Send + 'static,
    ) -> Result<FutureRecordMetadata, Error> {
        self.inner.try_send(record, Some(Box::new(callback)))
    }

    /// Sends everything that was accepted before this call, without lingering, and waits until all of it is answered
    /// and all its callbacks have run.
    ///
    /// That takes at most `delivery.timeout.ms`, apart from the callbacks' own time. Whether the records were
    /// acknowledged is told by their futures and callbacks.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CalledFromCallback`] inside a callback; [`ErrorKind::Timeout`] if callbacks hold up the sender thread
    /// for longer than `delivery.timeout.ms` and `request.timeout.ms` together.
    pub fn flush(&self) -> Result<(), Error> {
        let config = &self.inner.config;
        self.flush_timeout(config.delivery_timeout().saturating_add(config.request_timeout()))
    }

    /// As [`flush`](Self::flush), but waits no longer than `timeout`. The records are sent all the same.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CalledFromCallback`] inside a callback; [`ErrorKind::Timeout`] with [`Deadline::Call`] if records
    /// are still not answered.
    pub fn flush_timeout(&self, timeout: Duration) -> Result<(), Error> {
        self.inner.refuse_in_callback("flush")?;
        let incomplete = self.inner.accumulator.incomplete().snapshot();
        for result in &incomplete {
            result.expedite();
        }
        let deadline = self.inner.clock.now() + timeout;
        for result in &incomplete {
            let remaining = deadline.saturating_duration_since(self.inner.clock.now());
            if !result.wait(Some(remaining)) {
                return Err(call_timeout(timeout, "acknowledgement of all records"));
            }
        }
        Ok(())
    }

    /// The partitions of `topic`, by number. Waits for up to `max.block.ms` if they are not known yet; a topic that does
    /// not exist is created if the brokers do that (`auto.create.topics.enable`).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Timeout`] if the brokers do not describe the topic in time, with their reason as the cause;
    /// [`ErrorKind::Broker`] if its name is invalid or it may not be seen; [`ErrorKind::Closed`].
    pub fn partitions_for(&self, topic: &str) -> Result<Vec<PartitionInfo>, Error> {
        self.inner.partitions_for(topic)
    }

    /// Takes no more records, sends those that were accepted and waits, for up to `timeout`, until all are answered.
    /// Those that are not by then fail, so that nothing is left unanswered. Every later call of any handle fails.
    ///
    /// With a `timeout` of zero nothing more is sent. A second call waits for the same end. A callback that is running at the
    /// end of `timeout` is waited for a second more; if it takes longer, the rest is answered once it returns.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CalledFromCallback`] inside a callback, and then nothing is closed; [`ErrorKind::Timeout`] with
    /// [`Deadline::Call`] if records had to be failed.
    pub fn close(&self, timeout: Duration) -> Result<(), Error> {
        self.inner.refuse_in_callback("close")?;
        self.inner.close(timeout)
    }
}

impl<K: ?Sized + 'static, V: ?Sized + 'static> Inner<K, V> {
    /// The sender thread must not wait for itself.
    fn refuse_in_callback(&self, method: &'static str) -> Result<(), Error> {
        if self.accumulator.signal().is_sender_thread() {
            return Err(Error::new(ErrorKind::CalledFromCallback { method }));
        }
        Ok(())
    }

    fn close(&self, timeout: Duration) -> Result<(), Error> {
        shared_result::release_kept_reference();
        self.initiate_close();
        let mut is_in_time = true;
        if !self.lifecycle.await_end(timeout) {
            is_in_time = self.accumulator.incomplete().is_empty();
            self.lifecycle.force_close();
            self.accumulator.signal().wake();
            if !self.lifecycle.await_end(FORCED_CLOSE_GRACE) {
                log::warn!("a callback holds up the sender thread, which ends when it returns");
                return Err(call_timeout(timeout, "return of a callback"));
            }
        }
        let thread = self.thread.lock().take(); // on a line of its own: the lock is not held while it ends
        if let Some(thread) = thread {
            if thread.join().is_err() {
                log::error!("the sender thread panicked");
                is_in_time = is_in_time && self.accumulator.incomplete().is_empty();
            }
        }
        if is_in_time {
            return Ok(());
        }
        Err(call_timeout(timeout, "acknowledgement of all records"))
    }

    fn initiate_close(&self) {
        self.lifecycle.initiate_close();
        self.accumulator.close();
        self.metadata.close();
    }
}

impl<K: ?Sized + 'static, V: ?Sized + 'static> Drop for Inner<K, V> {
    /// Bounded by `delivery.timeout.ms`, after which each record has failed for a reason of its own, and the time that
    /// takes.
    fn drop(&mut self) {
        if self.accumulator.signal().is_sender_thread() {
            self.initiate_close(); // the last handle was in a callback: the thread ends by itself
            return;
        }
        let until_all_expired = self.config.delivery_timeout().saturating_add(EXPIRY_GRACE);
        if let Err(error) = self.close(until_all_expired) {
            log::warn!("closing a dropped producer: {error}");
        }
    }
}

impl<K: ?Sized + 'static, V: ?Sized + 'static> Producer<K, V> for KafkaProducer<K, V> {
    fn send(&self, record: ProducerRecord<'_, K, V>) -> FutureRecordMetadata {
        Self::send(self, record)
    }

    fn send_with_callback(
        &self,
        record: ProducerRecord<'_, K, V>,
        callback: impl FnOnce(Result<&RecordMetadata, &Error>) + Send + 'static,
    ) -> FutureRecordMetadata {
        Self::send_with_callback(self, record, callback)
    }

    fn flush(&self) -> Result<(), Error> {
        Self::flush(self)
    }

    fn partitions_for(&self, topic: &str) -> Result<Vec<PartitionInfo>, Error> {
        Self::partitions_for(self, topic)
    }

    fn close(&self, timeout: Duration) -> Result<(), Error> {
        Self::close(self, timeout)
    }
}

fn call_timeout(limit: Duration, waiting_for: &'static str) -> Error {
    Error::new(ErrorKind::Timeout { deadline: Deadline::Call, limit, waiting_for })
}

impl<K: ?Sized, V: ?Sized> Clone for KafkaProducer<K, V> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<K: ?Sized, V: ?Sized> fmt::Debug for KafkaProducer<K, V> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("KafkaProducer")
            .field("client_id", &self.inner.config.client_id())
            .field("is_running", &self.inner.lifecycle.is_running())
            .finish_non_exhaustive()
    }
}
