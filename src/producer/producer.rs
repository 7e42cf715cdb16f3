//! Mirrors `org.apache.kafka.clients.producer.Producer`.

use std::time::Duration;

use crate::common::partition_info::PartitionInfo;
use crate::error::Error;
use crate::producer::internals::future_record_metadata::FutureRecordMetadata;
use crate::producer::producer_record::ProducerRecord;
use crate::producer::record_metadata::RecordMetadata;

/// What every producer can do: the real one and [`MockProducer`](crate::MockProducer).
///
/// Code that is generic over it can be tested without a cluster:
///
/// ```
/// use kafka_producer::{Error, Producer, ProducerRecord};
///
/// fn greet(producer: &impl Producer<str, str>, name: &str) -> Result<i64, Error> {
///     let metadata = producer.send(ProducerRecord::new("greetings", name, "hello")).get()?;
///     Ok(metadata.offset())
/// }
/// ```
pub trait Producer<K: ?Sized, V: ?Sized> {
    /// Sends `record`. It is answered exactly once, through the future: whatever goes wrong is found there.
    fn send(&self, record: ProducerRecord<'_, K, V>) -> FutureRecordMetadata;

    /// Sends `record` and tells `callback`, exactly once, what became of it. The future may be dropped.
    fn send_with_callback(
        &self,
        record: ProducerRecord<'_, K, V>,
        callback: impl FnOnce(Result<&RecordMetadata, &Error>) + Send + 'static,
    ) -> FutureRecordMetadata;

    /// Sends at once what waits, and returns when every record sent before is answered, its callback included.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CalledFromCallback`](crate::ErrorKind::CalledFromCallback) inside a callback: it would wait for
    /// itself. [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) if callbacks hold up the answers. That a record failed is
    /// no error here.
    fn flush(&self) -> Result<(), Error>;

    /// The partitions of `topic`, by number.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) if the brokers do not describe the topic in time;
    /// [`ErrorKind::Broker`](crate::ErrorKind::Broker) if its name is invalid or it may not be seen;
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed).
    fn partitions_for(&self, topic: &str) -> Result<Vec<PartitionInfo>, Error>;

    /// Takes no more records, and returns when those taken are answered. What is not within `timeout` fails.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CalledFromCallback`](crate::ErrorKind::CalledFromCallback) inside a callback;
    /// [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) with [`Deadline::Call`](crate::Deadline::Call) if records had to
    /// be failed.
    fn close(&self, timeout: Duration) -> Result<(), Error>;
}
