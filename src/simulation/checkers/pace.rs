//! INV-23: connection attempts and requests for metadata keep the backoff. INV-16: so do batches that are sent again to the same leader.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::common::node::NodeId;
use crate::simulation::checkers::Evidence;
use crate::simulation::scenario::{Families, Settings};
use crate::utils::clock::Instant;

/// The most that chance takes from a backoff.
const MIN_OF_BACKOFF: f64 = 0.79;

pub(super) fn check(evidence: &Evidence<'_>) -> Vec<String> {
    let mut complaints = Vec::new();
    let settings = &evidence.scenario.settings;
    let Settings { reconnect_backoff, reconnect_backoff_max, .. } = *settings;
    let least = least(reconnect_backoff, reconnect_backoff_max);
    let mut last = BTreeMap::<NodeId, Instant>::new();
    for (at, node) in &evidence.wire.connects {
        let previous = last.insert(*node, *at);
        let waited = previous.map(|previous| at.saturating_duration_since(previous));
        if waited.is_some_and(|waited| waited < least) {
            complaints
                .push(format!("INV-23: node {node} is tried again after {waited:?} at {at:?}"));
        }
    }
    complaints.extend(hurried_metadata(evidence));
    complaints.extend(hurried_retries(evidence));
    complaints
}

/// Only a new topic may be asked for at once, and only the configured addresses may be asked at once.
fn hurried_metadata(evidence: &Evidence<'_>) -> Option<String> {
    let Settings { retry_backoff, retry_backoff_max, .. } = evidence.scenario.settings;
    let least = least(retry_backoff, retry_backoff_max);
    let pairs = evidence.wire.metadata_requests.windows(2);
    let is_hurried = |pair: &&[(Instant, NodeId)]| pair[1].0 < pair[0].0 + least;
    let hurried = pairs.filter(is_hurried).filter(|pair| pair[1].1.0 > 0).count();
    (hurried > evidence.scenario.topics.len()).then(|| {
        format!("INV-23: {hurried} requests for metadata within {least:?} of the one before")
    })
}

fn hurried_retries(evidence: &Evidence<'_>) -> Vec<String> {
    let Families { broker, leaders, metadata, state_loss, .. } = evidence.scenario.families;
    let rare_faults = evidence.scenario.quirks.rare_faults;
    if [broker, leaders, metadata, state_loss, rare_faults].iter().any(Option::is_some) {
        return Vec::new(); // leaders that come and go may be asked at once
    }
    let settings = &evidence.scenario.settings;
    let least = least(settings.retry_backoff, settings.retry_backoff_max);
    let mut last = BTreeMap::new();
    let mut complaints = Vec::new();
    for batch in &evidence.wire.batches {
        let key = (&batch.topic, batch.partition, batch.records_hash);
        let previous = last.insert(key, batch.at);
        let waited = previous.map(|previous| batch.at.saturating_duration_since(previous));
        if waited.is_some_and(|waited| waited < least) {
            complaints.push(format!("INV-16: sent again after {waited:?}: {batch:?}"));
        }
    }
    complaints
}

fn least(initial: Duration, max: Duration) -> Duration {
    initial.min(max).mul_f64(MIN_OF_BACKOFF)
}
