//! Which brokers take requests. Mirrors `RecordAccumulator.NodeLatencyStats` (KIP-794).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::common::node::NodeId;
use crate::producer::internals::built_in_partitioner::StickySettings;
use crate::utils::clock::Instant;

/// Finds the brokers that had data waiting and took none of it for `partitioner.availability.timeout.ms`.
#[derive(Debug)]
pub(crate) struct NodeAvailability {
    /// Zero turns it off.
    timeout: Duration,
    /// The brokers that refused, since when.
    refusing_since: BTreeMap<NodeId, Instant>,
    published: BTreeSet<NodeId>,
}

impl NodeAvailability {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { timeout, refusing_since: BTreeMap::new(), published: BTreeSet::new() }
    }

    /// `node` had data waiting and could not take it.
    pub(crate) fn refused(&mut self, node: NodeId, now: Instant) {
        if !self.timeout.is_zero() {
            self.refusing_since.entry(node).or_insert(now);
        }
    }

    /// `node` takes data.
    pub(crate) fn accepted(&mut self, node: NodeId) {
        self.refusing_since.remove(&node);
    }

    /// Forgets the brokers that have no data waiting any more: those cannot refuse it.
    pub(crate) fn retain(&mut self, has_data: impl Fn(NodeId) -> bool) {
        self.refusing_since.retain(|node, _| has_data(*node));
    }

    /// Tells the partitioners, if anything changed.
    pub(crate) fn publish(&mut self, settings: &StickySettings, now: Instant) {
        let is_unavailable = |since: Instant| now.saturating_duration_since(since) > self.timeout;
        let unavailable = self.refusing_since.iter().filter(|(_, since)| is_unavailable(**since));
        if unavailable.clone().map(|(node, _)| node).eq(&self.published) {
            return;
        }
        self.published = unavailable.map(|(node, _)| *node).collect();
        settings.unavailable_nodes.store(Arc::new(self.published.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(5);

    // PAR-03
    #[test]
    fn a_broker_that_takes_nothing_for_too_long_is_avoided_until_it_does() {
        let settings = settings();
        let mut availability = NodeAvailability::new(TIMEOUT);
        let (start, later) = (Instant::ZERO, Instant::ZERO + TIMEOUT + Duration::from_millis(1));

        availability.refused(NodeId(1), start);
        availability.publish(&settings, start);
        assert!(settings.unavailable_nodes.load().is_empty());

        availability.refused(NodeId(1), later);
        availability.publish(&settings, later);
        assert_eq!(**settings.unavailable_nodes.load(), BTreeSet::from([NodeId(1)]));

        availability.accepted(NodeId(1));
        availability.publish(&settings, later);
        assert!(settings.unavailable_nodes.load().is_empty());
    }

    #[test]
    fn without_a_timeout_every_broker_is_available() {
        let settings = settings();
        let mut availability = NodeAvailability::new(Duration::ZERO);

        availability.refused(NodeId(1), Instant::ZERO);
        availability.publish(&settings, Instant::ZERO + TIMEOUT);

        assert!(settings.unavailable_nodes.load().is_empty());
    }

    fn settings() -> StickySettings {
        StickySettings { sticky_bytes: 1, is_adaptive: true, unavailable_nodes: Default::default() }
    }
}
