//! Mirrors `org.apache.kafka.common.TopicPartition`.

use std::fmt;
use std::sync::Arc;

/// A topic's name and a partition's number.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    topic: Arc<str>,
    partition: i32,
}

impl Clone for TopicPartition {
    fn clone(&self) -> Self {
        Self { topic: Arc::clone(&self.topic), partition: self.partition }
    }

    /// Counts no reference where both are of one topic.
    fn clone_from(&mut self, source: &Self) {
        if !Arc::ptr_eq(&self.topic, &source.topic) {
            self.topic = Arc::clone(&source.topic);
        }
        self.partition = source.partition;
    }
}

impl TopicPartition {
    /// `partition` of `topic`.
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }

    /// The topic's name.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The partition's number, from 0.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.partition
    }

    pub(crate) fn shared_topic(&self) -> &Arc<str> {
        &self.topic
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.topic, self.partition)
    }
}
