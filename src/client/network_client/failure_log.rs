//! Which failures of nodes the log was told of.

use std::mem::{Discriminant, discriminant};

use crate::common::node::NodeId;
use crate::error::{Error, ErrorKind};
use crate::utils::hash::HashMap;

/// The failures that were warned of, by node, so that each is once until the node is well again.
#[derive(Debug, Default)]
pub(super) struct FailureLog {
    told: HashMap<NodeId, Vec<Discriminant<ErrorKind>>>,
}

impl FailureLog {
    /// Warns of `error` unless one of its kind was told of already; then it is a detail.
    pub(super) fn warn_once(&mut self, node: NodeId, error: &Error) {
        let told = self.told.entry(node).or_default();
        let kind = discriminant(error.kind());
        if told.contains(&kind) {
            log::debug!("node {node}: {error}");
        } else {
            told.push(kind);
            log::warn!("node {node}: {error}");
        }
    }

    /// Forgets the brokers that are not known any more.
    pub(super) fn forget_departed(&mut self, is_known: impl Fn(NodeId) -> bool) {
        self.told.retain(|node, _| is_known(*node));
    }

    pub(super) fn is_well(&mut self, node: NodeId) {
        if self.told.remove(&node).is_some() {
            log::info!("node {node} can be used again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_of_brokers_that_left_are_forgotten() {
        let mut log = FailureLog::default();
        for node in [NodeId(1), NodeId(2)] {
            log.warn_once(node, &Error::new(ErrorKind::Disconnected));
        }

        log.forget_departed(|node| node == NodeId(1));

        assert_eq!(log.told.keys().copied().collect::<Vec<_>>(), [NodeId(1)]);
    }
}
