//! Mirrors `org.apache.kafka.clients.Metadata` and `ProducerMetadata`.
//!
//! Differs in that a stale topic is refreshed alone, not with all others, and in that the backoff is drawn once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};

use crate::client::metadata_snapshot::{
    LeaderHint, MetadataSnapshot, Update, has_usable_broker, warn_of_troubles,
};
use crate::common::node::Node;
use crate::error::{Error, ErrorCode};
use crate::protocol::message::metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse};
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
    /// The snapshot's version, for those who only want to know whether it changed.
    version: AtomicU64,
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
            version: AtomicU64::new(0),
            state: Mutex::new(state),
            updated: Condvar::new(),
            settings,
        }
    }

    /// The newest view. Lock-free; hold the guard for short.
    pub(crate) fn snapshot(&self) -> Guard<Arc<MetadataSnapshot>> {
        self.snapshot.load()
    }

    /// The version of the newest view, which may be about to be stored; costs a plain read.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Keeps `topic` in use for another `metadata.max.idle.ms`; a new one is asked for without backoff, once the sender is
    /// woken.
    pub(crate) fn add_topic(&self, topic: &Arc<str>, now: Instant) {
        let state = &mut *self.state.lock();
        let expires = now + self.settings.max_idle;
        if let Some(known) = state.topics.get_mut(&**topic) {
            *known = expires;
            return;
        }
        state.topics.insert(Arc::clone(topic), expires);
        state.new_topics.insert(Arc::clone(topic));
        state.equivalent_answers = 0;
        state.not_before = Instant::ZERO;
    }

    /// Wants everything described anew, as soon as the backoff allows.
    pub(crate) fn request_update(&self) {
        let state = &mut *self.state.lock();
        state.need_full = true;
    }

    /// Wants `topic` described anew, as soon as the backoff allows.
    ///
    /// A topic that is being asked for the first time is not asked for twice.
    pub(crate) fn request_update_for_topic(&self, topic: &str) {
        let state = &mut *self.state.lock();
        let snapshot = self.snapshot.load();
        let is_first_time = state.new_topics.contains(topic)
            || (snapshot.topic(topic).is_none() && state.is_in_progress(topic));
        if !is_first_time {
            if let Some((topic, _)) = state.topics.get_key_value(topic) {
                state.stale_topics.insert(Arc::clone(topic));
            }
        }
    }

    /// Parks the calling thread until a view newer than `past_version` is there.
    pub(crate) fn await_update(&self, past_version: u64, timeout: Duration) -> AwaitUpdate {
        let is_updated = || self.snapshot.load().version > past_version;
        let mut state = self.state.lock();
        let waits = |state: &mut State| !state.is_closed && !is_updated();
        self.updated.wait_while_for(&mut state, waits, timeout);
        match (is_updated(), state.is_closed) {
            (true, _) => AwaitUpdate::Updated,
            (false, true) => AwaitUpdate::Closed,
            (false, false) => AwaitUpdate::TimedOut,
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

/// What the sender thread does with it.
impl Metadata {
    /// When the next request is due; a moment in the past means now. `None` while one is under way.
    pub(crate) fn next_update(&self) -> Option<Instant> {
        let state = self.state.lock();
        if state.in_progress.is_some() {
            return None;
        }
        Some(state.wanted_at(self.settings.max_age).max(state.not_before))
    }

    /// What to ask for now. The outcome has to be told to `handle_response` or `handle_failure`.
    pub(crate) fn next_request(&self, now: Instant) -> MetadataRequest {
        let (request, unused) = self.state.lock().start_request(self.settings.max_age, now);
        for topic in unused {
            log::debug!("topic {topic} has not been used for metadata.max.idle.ms");
        }
        request
    }

    /// Takes over an answer to the request under way.
    pub(crate) fn handle_response(&self, response: &MetadataResponse, version: i16, now: Instant) {
        if !has_usable_broker(response) {
            log::warn!("the brokers announce no address at all");
            return self.handle_failure(now);
        }
        warn_of_troubles(&self.snapshot(), response);
        for (topic, code) in self.take_over(response, version, now) {
            log::warn!("no metadata of topic {topic}: {code}");
        }
    }

    /// Returns the topics whose error is new, worth a warning: they were described before, or failed for another reason.
    fn take_over(
        &self,
        response: &MetadataResponse,
        version: i16,
        now: Instant,
    ) -> Vec<(Arc<str>, ErrorCode)> {
        let state = &mut *self.state.lock();
        let Some(requested) = state.in_progress.take() else { return Vec::new() };
        let previous = self.snapshot.load();
        let update = state.update(&previous, response, version, &requested);
        let refused = state.handle_update(&update, &requested, now);
        state.set_backoff(self.settings.refresh_backoff, now);
        self.publish(update.snapshot);
        refused
    }

    /// Notes that the request under way, or the attempt to make one, came to nothing.
    pub(crate) fn handle_failure(&self, now: Instant) {
        let state = &mut *self.state.lock();
        match state.in_progress.take() {
            Some(RequestedTopics::All(_)) => state.need_full = true,
            Some(RequestedTopics::Some(topics)) => state.stale_topics.extend(topics),
            None => {}
        }
        state.failed_attempts = state.failed_attempts.saturating_add(1);
        state.equivalent_answers = 0;
        state.set_backoff(self.settings.refresh_backoff, now);
    }

    /// Takes over the leaders that brokers named in their answers.
    ///
    /// `endpoints` are the addresses that came with them.
    pub(crate) fn update_leaders(&self, hints: &[LeaderHint], endpoints: &[Node]) {
        let _state = self.state.lock();
        let updated = self.snapshot.load().with_leaders(hints, endpoints);
        updated.into_iter().for_each(|snapshot| self.publish(snapshot));
    }

    /// Goes back to the addresses of the configuration, where all known brokers are lost (KIP-899).
    pub(crate) fn rebootstrap(&self) {
        let state = &mut *self.state.lock();
        state.need_full = true;
        state.not_before = Instant::ZERO;
        self.publish(self.snapshot.load().rebootstrapped(&self.settings.bootstrap));
    }

    /// After how long without metadata to rebootstrap; `None` for never.
    pub(crate) fn rebootstrap_trigger(&self) -> Option<Duration> {
        self.settings.rebootstrap_trigger
    }

    /// Keeps the reason why a broker cannot be used, for whoever waits in vain.
    pub(crate) fn set_last_error(&self, error: Error) {
        self.state.lock().last_error = Some(error);
    }

    /// Under the lock of `state`, which orders the snapshots.
    fn publish(&self, snapshot: MetadataSnapshot) {
        // First the version: whoever sees the new view must not take it for the old one.
        self.version.store(snapshot.version, Ordering::Release);
        self.snapshot.store(Arc::new(snapshot));
        self.updated.notify_all();
    }
}

impl RequestedTopics {
    fn topics(&self) -> &[Arc<str>] {
        match self {
            Self::All(topics) | Self::Some(topics) => topics,
        }
    }
}

impl State {
    /// When an update is wanted, the backoff left aside.
    fn wanted_at(&self, max_age: Duration) -> Instant {
        if self.need_full || !self.new_topics.is_empty() || !self.stale_topics.is_empty() {
            return Instant::ZERO;
        }
        self.last_full_update.map_or(Instant::ZERO, |updated| updated + max_age)
    }

    /// Returns what to ask for now, and the topics that are forgotten.
    fn start_request(
        &mut self,
        max_age: Duration,
        now: Instant,
    ) -> (MetadataRequest, Vec<Arc<str>>) {
        let is_old = self.last_full_update.is_none_or(|updated| updated + max_age <= now);
        let mut unused = Vec::new();
        let requested = if self.need_full || is_old {
            unused = self.forget_unused_topics(now);
            RequestedTopics::All(self.topics.keys().cloned().collect())
        } else {
            self.give_up_unused_stale_topics(now);
            RequestedTopics::Some(self.new_topics.union(&self.stale_topics).cloned().collect())
        };
        self.need_full = false;
        self.stale_topics.clear();
        self.new_topics.clear();
        let topics = requested.topics().iter().map(|topic| MetadataRequestTopic {
            name: Some(topic.to_string()),
            ..MetadataRequestTopic::default()
        });
        let topics = Some(topics.collect());
        self.in_progress = Some(requested);
        (MetadataRequest { topics, ..MetadataRequest::default() }, unused)
    }

    fn forget_unused_topics(&mut self, now: Instant) -> Vec<Arc<str>> {
        let Self { topics, topic_errors, new_topics, .. } = self;
        let is_unused =
            |topic: &Arc<str>, expires: Instant| expires <= now && !new_topics.contains(topic);
        let unused = topics.iter().filter(|(topic, expires)| is_unused(topic, **expires));
        let unused: Vec<_> = unused.map(|(topic, _)| Arc::clone(topic)).collect();
        for topic in &unused {
            topics.remove(topic);
            topic_errors.remove(topic);
        }
        unused
    }

    /// What does not exist stays stale: it would be asked for without end.
    fn give_up_unused_stale_topics(&mut self, now: Instant) {
        let Self { topics, stale_topics, .. } = self;
        stale_topics.retain(|topic| topics.get(topic).is_some_and(|expires| *expires > now));
    }

    fn update(
        &self,
        previous: &MetadataSnapshot,
        response: &MetadataResponse,
        version: i16,
        requested: &RequestedTopics,
    ) -> Update {
        let mut update = match requested {
            RequestedTopics::All(_) => Update::from_nothing(previous),
            RequestedTopics::Some(_) => Update::from_all_known(previous),
        };
        update.set_cluster(response);
        for topic in &response.topics {
            let tracked = topic.name.as_deref().and_then(|name| self.topics.get_key_value(name));
            if let Some((name, _)) = tracked {
                let reliable_epochs = version >= FIRST_RELIABLE_EPOCHS;
                update.set_topic(name, topic, previous.topic(name), reliable_epochs);
            }
        }
        update
    }

    /// Returns the topics whose error is new, worth a warning: they were described before, or failed for another reason.
    fn handle_update(
        &mut self,
        update: &Update,
        requested: &RequestedTopics,
        now: Instant,
    ) -> Vec<(Arc<str>, ErrorCode)> {
        let mut refused = Vec::new();
        for topic in &update.answered {
            self.new_topics.remove(topic);
            match update.errors.get(topic) {
                Some(code) if self.topic_errors.insert(Arc::clone(topic), *code) != Some(*code) => {
                    refused.push((Arc::clone(topic), *code));
                }
                Some(_) => {}
                None => {
                    self.topic_errors.remove(topic);
                }
            }
        }
        let left_out = requested.topics().iter().filter(|topic| !update.answered.contains(*topic));
        self.stale_topics.extend(left_out.chain(&update.stale_topics).cloned());
        self.failed_attempts = 0;
        self.last_error = None;
        self.equivalent_answers =
            if update.is_news { 0 } else { self.equivalent_answers.saturating_add(1) };
        if matches!(requested, RequestedTopics::All(_)) {
            self.last_full_update = Some(now);
        }
        refused
    }

    /// Draws the wait before the next request, once.
    fn set_backoff(&mut self, backoff: ExponentialBackoff, now: Instant) {
        let attempts = self.failed_attempts.max(self.equivalent_answers).saturating_sub(1);
        self.not_before = now + backoff.backoff(attempts, &mut self.random);
        if !self.new_topics.is_empty() {
            self.not_before = Instant::ZERO;
        }
    }

    fn is_in_progress(&self, topic: &str) -> bool {
        let requested = self.in_progress.as_ref().map(RequestedTopics::topics);
        requested.is_some_and(|topics| topics.iter().any(|requested| **requested == *topic))
    }
}

/// Below this version of the answer, leader epochs may be older than what was sent before (KAFKA-9212).
const FIRST_RELIABLE_EPOCHS: i16 = 9;

#[cfg(test)]
mod tests;
