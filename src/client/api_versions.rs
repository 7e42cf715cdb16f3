//! Mirrors `org.apache.kafka.clients.ApiVersions`.

use std::collections::BTreeMap;

use crate::client::node_api_versions::NodeApiVersions;
use crate::common::node::NodeId;
use crate::protocol::api_keys::ApiKey;

/// The versions that every connected broker knows.
#[derive(Debug, Default)]
pub(crate) struct ApiVersions {
    nodes: BTreeMap<NodeId, NodeApiVersions>,
    lowest_produce_version: Option<i16>,
}

impl ApiVersions {
    pub(crate) fn update(&mut self, node: NodeId, versions: NodeApiVersions) {
        self.nodes.insert(node, versions);
        self.find_lowest();
    }

    /// Forgets a broker: after a restart it may be another version.
    pub(crate) fn remove(&mut self, node: NodeId) {
        self.nodes.remove(&node);
        self.find_lowest();
    }

    pub(crate) fn get(&self, node: NodeId) -> Option<&NodeApiVersions> {
        self.nodes.get(&node)
    }

    /// The lowest of the versions in which the brokers take Produce requests; those that take none do not count. Java:
    /// `maxUsableProduceMagic`.
    pub(crate) fn lowest_produce_version(&self) -> Option<i16> {
        self.lowest_produce_version
    }

    fn find_lowest(&mut self) {
        let versions = self.nodes.values();
        let usable = versions.filter_map(|node| node.latest_usable_version(ApiKey::Produce).ok());
        self.lowest_produce_version = usable.min();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::message::api_versions::ApiVersion;

    #[test]
    fn the_oldest_broker_decides_until_it_is_gone() {
        let mut versions = ApiVersions::default();
        assert_eq!(versions.lowest_produce_version(), None);

        for (node, newest) in [(1, 13), (2, 2), (3, 7), (4, 1)] {
            versions.update(NodeId(node), up_to(newest));
        }
        assert_eq!(versions.lowest_produce_version(), Some(2), "one that takes none is left out");

        versions.remove(NodeId(2));
        assert_eq!(versions.lowest_produce_version(), Some(7));
    }

    fn up_to(max_version: i16) -> NodeApiVersions {
        let api_key = ApiKey::Produce.id();
        NodeApiVersions::new(&[ApiVersion { api_key, min_version: 0, max_version }])
    }
}
