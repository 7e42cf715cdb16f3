//! Where the caller's thread waits for a topic to become known. Java: `KafkaProducer.waitOnMetadata`.

use std::sync::Arc;

use crate::client::metadata::AwaitUpdate;
use crate::client::metadata_snapshot::MetadataSnapshot;
use crate::common::partition_info::PartitionInfo;
use crate::error::{Deadline, Error, ErrorCode, ErrorKind};
use crate::producer::kafka_producer::Inner;
use crate::producer::kafka_producer::send::{
    KnownTopic, MayWait, WaitBudget, find_topic, would_block,
};
use crate::protocol::writable::MAX_STRING_BYTES;
use crate::utils::clock::{Clock, Instant};

impl<K: ?Sized + 'static, V: ?Sized + 'static> Inner<K, V> {
    /// Step 2, where the topic, or the partition that was asked for, is not known yet.
    #[cold]
    pub(super) fn wait_on_metadata(
        &self,
        topic: &str,
        partition: Option<i32>,
        budget: &mut WaitBudget,
    ) -> Result<KnownTopic<'_>, Error> {
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
            if let Some(known) = find_topic(topics, topic, partition) {
                return Ok(known);
            }
            self.metadata.request_update_for_topic(topic);
            self.accumulator.signal().wake();
            let snapshot = self.metadata.snapshot();
            if budget.remaining.is_zero() {
                let missing = || self.no_metadata(&snapshot, topic, partition, *budget);
                return Err(topic_error(&snapshot, topic).unwrap_or_else(missing));
            }
            drop(snapshot);
            if self.metadata.await_update(version, budget.remaining) == AwaitUpdate::Closed {
                return Err(self.accumulator.closed_error());
            }
            budget.remaining = left(self.clock.now()); // what is left is for memory
            let topics = self.accumulator.topics(&self.metadata);
            if let Some(known) = find_topic(topics, topic, partition) {
                return Ok(known);
            }
            // Only now: what was refused before this call may be granted since.
            if let Some(error) = topic_error(&self.metadata.snapshot(), topic) {
                return Err(error);
            }
        }
    }

    fn no_metadata(
        &self,
        snapshot: &MetadataSnapshot,
        topic: &str,
        partition: Option<i32>,
        budget: WaitBudget,
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
        let known = match find_topic(self.accumulator.topics(&self.metadata), topic, None) {
            Some(known) => known,
            None => self
                .wait_on_metadata(topic, None, &mut budget)
                .map_err(|error| error.with_topic(&topic.into()))?,
        };
        Ok(known.entry.partitions())
    }
}

/// Why the brokers will never describe `topic`, if that is so.
fn topic_error(snapshot: &MetadataSnapshot, topic: &str) -> Option<Error> {
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
