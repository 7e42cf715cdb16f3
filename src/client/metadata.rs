//! Mirrors `org.apache.kafka.clients.Metadata` and `ProducerMetadata`.
//!
//! Differs in that a stale topic is refreshed alone, not with all others, and in that the backoff is drawn once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};

use crate::client::metadata_snapshot::MetadataSnapshot;
use crate::error::Error;
use crate::error::ErrorCode;
use crate::utils::clock::Instant;
use crate::utils::exponential_backoff::ExponentialBackoff;
use crate::utils::hash::HashMap;
use crate::utils::random::Random;
use crate::utils::sync::{Condvar, Mutex};

/// The view of the cluster that callers' threads read and the sender thread keeps up to date.
///
/// [`snapshot`](Self::snapshot) takes no lock. Everything else shares one, held for short.
#[derive(Debug)]
pub(crate) struct Metadata {
    snapshot: ArcSwap<MetadataSnapshot>,
    state: Mutex<State>,
    updated: Condvar,
    settings: MetadataSettings,
}

/// How [`Metadata`] behaves.
#[derive(Clone, Debug)]
pub(crate) struct MetadataSettings {
    /// `bootstrap.servers`, never empty.
    pub(crate) bootstrap: Vec<(String, u16)>,
    /// `retry.backoff.ms` and `retry.backoff.max.ms`: between two requests.
    pub(crate) refresh_backoff: ExponentialBackoff,
    /// `metadata.max.age.ms`.
    pub(crate) max_age: Duration,
    /// `metadata.max.idle.ms`.
    pub(crate) max_idle: Duration,
    /// `metadata.recovery.rebootstrap.trigger.ms`; `None` if `metadata.recovery.strategy` is `none`.
    pub(crate) rebootstrap_trigger: Option<Duration>,
}

/// How a wait for newer metadata ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AwaitUpdate {
    Updated,
    TimedOut,
    Closed,
}

#[derive(Debug)]
struct State {
    /// The topics in use, with the moment at which each is forgotten unless used again.
    topics: HashMap<Arc<str>, Instant>,
    /// Topics in use that no answer described yet.
    new_topics: BTreeSet<Arc<str>>,
    /// Topics whose description proved wrong or incomplete.
    stale_topics: BTreeSet<Arc<str>>,
    topic_errors: BTreeMap<Arc<str>, ErrorCode>,
    /// The request that awaits its answer, if any.
    in_progress: Option<RequestedTopics>,
    need_full: bool,
    /// The backoff's end: no request goes out before it, unless for a new topic.
    not_before: Instant,
    last_full_update: Option<Instant>,
    failed_attempts: u32,
    /// Answers in a row that told nothing new.
    equivalent_answers: u32,
    last_error: Option<Error>,
    is_closed: bool,
    random: Random,
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RequestedTopics {
    /// All topics in use, and the answer replaces what is known.
    All(Vec<Arc<str>>),
    /// Some topics; what is known of others stays.
    Some(Vec<Arc<str>>),
}

impl Metadata {
    /// Knows the bootstrap addresses only, and wants an update at once.
    pub(crate) fn new(settings: MetadataSettings, random: Random) -> Self {
        let state = State {
            topics: HashMap::default(),
            new_topics: BTreeSet::new(),
            stale_topics: BTreeSet::new(),
            topic_errors: BTreeMap::new(),
            in_progress: None,
            need_full: true,
            not_before: Instant::ZERO,
            last_full_update: None,
            failed_attempts: 0,
            equivalent_answers: 0,
            last_error: None,
            is_closed: false,
            random,
        };
        Self {
            snapshot: ArcSwap::from_pointee(MetadataSnapshot::bootstrap(&settings.bootstrap)),
            state: Mutex::new(state),
            updated: Condvar::new(),
            settings,
        }
    }

    /// The newest view. Lock-free; hold the guard for short.
    pub(crate) fn snapshot(&self) -> Guard<Arc<MetadataSnapshot>> {
        self.snapshot.load()
    }

    /// Keeps `topic` in use for another `metadata.max.idle.ms`; a new one is asked for without backoff.
    ///
    /// Returns whether it is new: then the sender has to be woken.
    pub(crate) fn add_topic(&self, topic: &Arc<str>, now: Instant) -> bool {
        let state = &mut *self.state.lock();
        let expires = now + self.settings.max_idle;
        if let Some(known) = state.topics.get_mut(&**topic) {
            *known = expires;
            return false;
        }
        state.topics.insert(Arc::clone(topic), expires);
        state.new_topics.insert(Arc::clone(topic));
        state.equivalent_answers = 0;
        state.not_before = Instant::ZERO;
        true
    }

    /// Wants everything described anew, as soon as the backoff allows; returns the version to wait past.
    pub(crate) fn request_update(&self) -> u64 {
        let state = &mut *self.state.lock();
        state.need_full = true;
        self.snapshot.load().version
    }

    /// Wants `topic` described anew, as soon as the backoff allows; returns the version to wait past.
    ///
    /// A topic that is being asked for the first time is not asked for twice.
    pub(crate) fn request_update_for_topic(&self, topic: &str) -> u64 {
        let state = &mut *self.state.lock();
        let snapshot = self.snapshot.load();
        let is_first_time = state.new_topics.contains(topic)
            || (snapshot.topic(topic).is_none() && state.is_in_progress(topic));
        if !is_first_time {
            if let Some((topic, _)) = state.topics.get_key_value(topic) {
                state.stale_topics.insert(Arc::clone(topic));
            }
        }
        snapshot.version
    }

    /// Parks the calling thread until a view newer than `past_version` is there.
    pub(crate) fn await_update(&self, past_version: u64, timeout: Duration) -> AwaitUpdate {
        let is_current = || self.snapshot.load().version <= past_version;
        let mut state = self.state.lock();
        self.updated.wait_while_for(&mut state, |state| !state.is_closed && is_current(), timeout);
        match (is_current(), state.is_closed) {
            (false, _) => AwaitUpdate::Updated,
            (true, true) => AwaitUpdate::Closed,
            (true, false) => AwaitUpdate::TimedOut,
        }
    }

    /// Why no metadata comes: the latest failure to reach a usable broker, until one answers.
    pub(crate) fn last_error(&self) -> Option<Error> {
        self.state.lock().last_error.clone()
    }

    /// Why the brokers did not describe `topic` when last asked.
    pub(crate) fn topic_error(&self, topic: &str) -> Option<Error> {
        let state = self.state.lock();
        let (topic, code) = state.topic_errors.get_key_value(topic)?;
        Some(Error::broker_code(*code, None).with_topic(topic))
    }

    /// Ends every wait, now and later.
    pub(crate) fn close(&self) {
        self.state.lock().is_closed = true;
        self.updated.notify_all();
    }
}

impl State {
    fn is_in_progress(&self, topic: &str) -> bool {
        match &self.in_progress {
            Some(RequestedTopics::All(topics) | RequestedTopics::Some(topics)) => {
                topics.iter().any(|requested| **requested == *topic)
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_new_once() {
        let metadata = metadata();
        let topic = "orders".into();

        assert!(metadata.add_topic(&topic, Instant::ZERO));
        assert!(!metadata.add_topic(&topic, Instant::ZERO));
    }

    #[test]
    fn a_wait_without_an_answer_times_out_and_a_closed_one_does_not_begin() {
        let metadata = metadata();
        let version = metadata.request_update();

        assert_eq!(metadata.await_update(version, Duration::from_millis(1)), AwaitUpdate::TimedOut);
        metadata.close();
        assert_eq!(metadata.await_update(version, Duration::MAX), AwaitUpdate::Closed);
    }

    fn metadata() -> Metadata {
        let backoff =
            ExponentialBackoff::new(Duration::from_millis(100), Duration::from_millis(1000));
        let settings = MetadataSettings {
            bootstrap: vec![("localhost".into(), 9092)],
            refresh_backoff: backoff,
            max_age: Duration::from_secs(300),
            max_idle: Duration::from_secs(300),
            rebootstrap_trigger: Some(Duration::from_secs(300)),
        };
        Metadata::new(settings, Random::new(1))
    }
}
