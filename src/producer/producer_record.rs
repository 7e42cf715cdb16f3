//! Mirrors `org.apache.kafka.clients.producer.ProducerRecord`.

use std::borrow::Cow;
use std::fmt;

use crate::common::header::{Header, Headers};

/// A record to be sent: topic, key and value, and where wanted a partition, a timestamp and headers.
///
/// It borrows what it is given: `send` copies the bytes into a batch before it returns, so nothing has to outlive the
/// call. A null key or value is `None` and differs from an empty one: a record without a key goes to a partition of
/// the producer's choice, one without a value is a tombstone.
///
/// ```
/// use kafka_producer::ProducerRecord;
///
/// let record: ProducerRecord<'_, str, str> = ProducerRecord::new("orders", "customer-7", "two books")
///     .header("trace-id", Some(b"4711"))
///     .timestamp(1_700_000_000_000);
/// assert_eq!(record.key(), Some("customer-7"));
/// ```
pub struct ProducerRecord<'a, K: ?Sized, V: ?Sized> {
    topic: Cow<'a, str>,
    partition: Option<i32>,
    timestamp_ms: Option<i64>,
    key: Field<'a, K>,
    value: Field<'a, V>,
    headers: Headers<'a>,
}

/// A key or a value: null, the caller's, or what an interceptor put in its place.
enum Field<'a, T: ?Sized> {
    Null,
    Borrowed(&'a T),
    Owned(Box<T>),
}

impl<'a, K: ?Sized, V: ?Sized> ProducerRecord<'a, K, V> {
    /// A record for `topic`. Give `None` for a null key or a null value.
    #[inline]
    pub fn new(
        topic: impl Into<Cow<'a, str>>,
        key: impl Into<Option<&'a K>>,
        value: impl Into<Option<&'a V>>,
    ) -> Self {
        Self {
            topic: topic.into(),
            partition: None,
            timestamp_ms: None,
            key: key.into().map_or(Field::Null, Field::Borrowed),
            value: value.into().map_or(Field::Null, Field::Borrowed),
            headers: Headers::new(),
        }
    }

    /// A record without a key, which the producer sends to a partition of its own choice.
    pub fn without_key(topic: impl Into<Cow<'a, str>>, value: impl Into<Option<&'a V>>) -> Self {
        Self::new(topic, None, value)
    }

    /// Sends the record to this partition and no other. A negative number fails it with
    /// [`ErrorKind::InvalidRecord`](crate::ErrorKind::InvalidRecord) when it is sent.
    #[must_use]
    pub fn partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// Gives the record this time of creation, in milliseconds since 1970; the default is the time of `send`. A negative
    /// number fails it with [`ErrorKind::InvalidRecord`](crate::ErrorKind::InvalidRecord) when it is sent.
    #[must_use]
    pub fn timestamp(mut self, timestamp_ms: i64) -> Self {
        self.timestamp_ms = Some(timestamp_ms);
        self
    }

    /// Adds a header behind those already there; `None` is the null value. Brokers before 0.11 cannot store headers.
    #[must_use]
    pub fn header(
        mut self,
        key: impl Into<Cow<'a, str>>,
        value: Option<&'a (impl AsRef<[u8]> + ?Sized)>,
    ) -> Self {
        self.headers.add(Header::new(key, value.map(AsRef::as_ref)));
        self
    }

    /// The topic.
    #[inline]
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The partition that was asked for.
    #[inline]
    #[must_use]
    pub fn requested_partition(&self) -> Option<i32> {
        self.partition
    }

    /// The timestamp that was asked for, in milliseconds since 1970.
    #[inline]
    #[must_use]
    pub fn requested_timestamp(&self) -> Option<i64> {
        self.timestamp_ms
    }

    /// The key, `None` for null.
    #[must_use]
    pub fn key(&self) -> Option<&K> {
        self.key.get()
    }

    /// The value, `None` for null.
    #[must_use]
    pub fn value(&self) -> Option<&V> {
        self.value.get()
    }

    /// The headers.
    #[inline]
    #[must_use]
    pub fn headers(&self) -> &Headers<'a> {
        &self.headers
    }

    /// The headers, for an interceptor to change.
    pub fn headers_mut(&mut self) -> &mut Headers<'a> {
        &mut self.headers
    }

    /// Sends the record to another topic.
    pub fn set_topic(&mut self, topic: impl Into<Cow<'a, str>>) {
        self.topic = topic.into();
    }

    /// Sends the record to another partition; `None` lets the producer choose.
    pub fn set_partition(&mut self, partition: Option<i32>) {
        self.partition = partition;
    }

    /// Changes the timestamp; `None` stands for the time of `send`.
    pub fn set_timestamp(&mut self, timestamp_ms: Option<i64>) {
        self.timestamp_ms = timestamp_ms;
    }

    /// Puts another key in place of the caller's; `None` is null.
    pub fn set_key(&mut self, key: Option<Box<K>>) {
        self.key = key.map_or(Field::Null, Field::Owned);
    }

    /// Puts another value in place of the caller's; `None` is null.
    pub fn set_value(&mut self, value: Option<Box<V>>) {
        self.value = value.map_or(Field::Null, Field::Owned);
    }

    /// The parts that `send` works on: serializers may add headers while they read key and value.
    #[inline]
    pub(crate) fn parts(&mut self) -> Parts<'_, 'a, K, V> {
        Parts {
            topic: &self.topic,
            key: self.key.get(),
            value: self.value.get(),
            headers: &mut self.headers,
        }
    }

    /// What makes this record impossible to send, if anything does.
    #[inline]
    pub(crate) fn problem(&self) -> Option<Problem> {
        match (self.partition, self.timestamp_ms) {
            _ if self.topic.is_empty() => Some(Problem::EmptyTopic),
            (Some(partition), _) if partition < 0 => Some(Problem::NegativePartition(partition)),
            (_, Some(timestamp_ms)) if timestamp_ms < 0 => {
                Some(Problem::NegativeTimestamp(timestamp_ms))
            }
            _ => None,
        }
    }
}

/// Why a record cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    EmptyTopic,
    NegativePartition(i32),
    NegativeTimestamp(i64),
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyTopic => formatter.write_str("the topic is empty"),
            Self::NegativePartition(number) => write!(formatter, "partition {number} is negative"),
            Self::NegativeTimestamp(time) => write!(formatter, "timestamp {time} is negative"),
        }
    }
}

/// A record taken apart.
pub(crate) struct Parts<'r, 'a, K: ?Sized, V: ?Sized> {
    pub(crate) topic: &'r str,
    pub(crate) key: Option<&'r K>,
    pub(crate) value: Option<&'r V>,
    pub(crate) headers: &'r mut Headers<'a>,
}

impl<T: ?Sized> Field<'_, T> {
    #[inline]
    fn get(&self) -> Option<&T> {
        match self {
            Self::Null => None,
            Self::Borrowed(field) => Some(field),
            Self::Owned(field) => Some(field),
        }
    }
}

impl<K: ?Sized, V: ?Sized> fmt::Debug for ProducerRecord<'_, K, V> {
    /// Leaves out key and value, which may be large or secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ProducerRecord")
            .field("topic", &self.topic)
            .field("partition", &self.partition)
            .field("timestamp", &self.timestamp_ms)
            .field("headers", &self.headers.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_differs_from_empty() {
        let null: ProducerRecord<'_, [u8], [u8]> = ProducerRecord::new("t", None, None);
        let empty: ProducerRecord<'_, [u8], [u8]> = ProducerRecord::new("t", &[][..], &[][..]);

        assert_eq!((null.key(), null.value()), (None, None));
        assert_eq!((empty.key(), empty.value()), (Some(&[][..]), Some(&[][..])));
    }

    // API-09
    #[test]
    fn says_what_is_wrong_with_it() {
        let record = || ProducerRecord::<str, str>::without_key("t", "v");

        assert_eq!(record().problem(), None);
        assert_eq!(record().partition(0).timestamp(0).problem(), None);
        assert!(record().partition(-1).problem().is_some());
        assert!(record().timestamp(-1).problem().is_some());
        assert!(ProducerRecord::<str, str>::without_key("", "v").problem().is_some());
    }
}
