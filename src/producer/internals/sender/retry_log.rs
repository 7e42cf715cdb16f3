//! What the log is told of batches that are sent again. Java warns of each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::common::topic_partition::TopicPartition;
use crate::error::{Error, ErrorCode, ErrorKind};
use crate::utils::clock::Instant;

/// Warns of the first batch of a topic that is refused for a reason, and again once that warning is some time old: in between
/// there may be thousands.
#[derive(Debug, Default)]
pub(super) struct RetryLog {
    /// When a warning was given, by topic and reason.
    warned: BTreeMap<(Arc<str>, ErrorCode), Instant>,
    /// When old ones are to be forgotten.
    next_cleaning: Instant,
}

/// How long one warning is enough.
const PAUSE: Duration = Duration::from_secs(60);

impl RetryLog {
    /// Tells that a batch is sent again after `error`.
    pub(super) fn note(&mut self, partition: &TopicPartition, error: &Error, now: Instant) {
        // What becomes of connections is told by the client.
        let refusal = match error.kind() {
            ErrorKind::Broker { code, .. } => Some(*code),
            _ => None,
        };
        if refusal.is_some_and(|code| self.is_news(partition.shared_topic(), code, now)) {
            log::warn!("sending a batch of {partition} again, until delivery.timeout.ms: {error}");
        } else {
            log::debug!("sending a batch of {partition} again: {error}");
        }
    }

    /// Whether this is worth a warning; then it is not for a while.
    fn is_news(&mut self, topic: &Arc<str>, reason: ErrorCode, now: Instant) -> bool {
        if now >= self.next_cleaning {
            self.warned.retain(|_, at| now < *at + PAUSE);
            self.next_cleaning = now + PAUSE;
        }
        let key = (Arc::clone(topic), reason);
        let is_news = self.warned.get(&key).is_none_or(|at| now >= *at + PAUSE);
        if is_news {
            self.warned.insert(key, now);
        }
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_and_a_reason_are_news_once_a_minute() {
        let mut log = RetryLog::default();
        let (topic, other): (Arc<str>, Arc<str>) = ("orders".into(), "parcels".into());
        let (reason, another) = (ErrorCode::NotEnoughReplicas, ErrorCode::NotLeaderOrFollower);
        let start = Instant::ZERO;

        assert!(log.is_news(&topic, reason, start) && !log.is_news(&topic, reason, start));
        assert!(log.is_news(&other, reason, start) && log.is_news(&topic, another, start));
        assert!(!log.is_news(
            &topic,
            reason,
            start + PAUSE.saturating_sub(Duration::from_nanos(1))
        ));
        assert!(log.is_news(&topic, reason, start + PAUSE));
        assert_eq!(log.warned.len(), 1, "old ones are forgotten");
    }
}
