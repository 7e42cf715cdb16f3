//! Mirrors `org.apache.kafka.clients.ApiVersions`.

use std::collections::BTreeMap;

use crate::client::node_api_versions::NodeApiVersions;
use crate::common::node::NodeId;

/// The versions that every connected broker knows.
#[derive(Debug, Default)]
pub(crate) struct ApiVersions {
    nodes: BTreeMap<NodeId, NodeApiVersions>,
}

impl ApiVersions {
    pub(crate) fn update(&mut self, node: NodeId, versions: NodeApiVersions) {
        self.nodes.insert(node, versions);
    }

    /// Forgets a broker: after a restart it may be another version.
    pub(crate) fn remove(&mut self, node: NodeId) {
        self.nodes.remove(&node);
    }

    pub(crate) fn get(&self, node: NodeId) -> Option<&NodeApiVersions> {
        self.nodes.get(&node)
    }
}
