//! Mirrors `org.apache.kafka.clients.MetadataSnapshot`.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::common::cluster::{Cluster, TopicInfo};
use crate::common::node::{Node, NodeId};

/// The cluster as one metadata answer left it. Immutable; every caller's thread shares it.
#[derive(Clone, Debug, Default)]
pub(crate) struct MetadataSnapshot {
    pub(crate) cluster: Cluster,
    /// Counts the snapshots; rises with each.
    pub(crate) version: u64,
    /// Topics whose names the brokers refuse.
    pub(crate) invalid_topics: BTreeSet<Arc<str>>,
    /// Topics that this client may not see.
    pub(crate) unauthorized_topics: BTreeSet<Arc<str>>,
}

impl MetadataSnapshot {
    /// What is known before the first answer: the addresses of the configuration, as nodes -1, -2 and so on.
    pub(crate) fn bootstrap(addresses: &[(String, u16)]) -> Self {
        let nodes = addresses.iter().zip(1..).map(|((host, port), number)| {
            let id = NodeId(-number);
            (id, Node::new(id, host, *port, None))
        });
        let cluster = Cluster { nodes: nodes.collect(), ..Cluster::default() };
        Self { cluster, ..Self::default() }
    }

    /// What is known of `topic`; `None` until the brokers described it.
    pub(crate) fn topic(&self, topic: &str) -> Option<&TopicInfo> {
        self.cluster.topic(topic)
    }
}
