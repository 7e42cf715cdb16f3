//! Mirrors `org.apache.kafka.clients.MetadataSnapshot`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::common::cluster::{Cluster, TopicInfo};
use crate::common::node::{Node, NodeId};
use crate::common::partition_info::PartitionInfo;
use crate::common::uuid::Uuid;
use crate::error::ErrorCode;
use crate::protocol::message::metadata::{
    MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};

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

    /// Where the brokers are, for an error; of many, the first.
    pub(crate) fn addresses(&self) -> String {
        const SHOWN: usize = 3;
        let nodes = &self.cluster.nodes;
        let mut shown: Vec<_> = nodes.values().take(SHOWN).map(ToString::to_string).collect();
        if nodes.len() > SHOWN {
            shown.push(format!("{} more", nodes.len() - SHOWN));
        }
        shown.join(", ")
    }

    /// The same topics, with the addresses of the configuration for brokers.
    pub(super) fn rebootstrapped(&self, addresses: &[(String, u16)]) -> Self {
        let mut next = self.successor();
        next.cluster.nodes = Self::bootstrap(addresses).cluster.nodes;
        next
    }

    /// Whether the brokers are still, or again, the addresses of the configuration.
    pub(super) fn is_bootstrap(&self) -> bool {
        self.cluster.nodes.keys().all(|id| id.0 < 0)
    }

    fn successor(&self) -> Self {
        Self { version: self.version + 1, ..self.clone() }
    }
}

/// What one partition's leader said of its successor (KIP-951).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LeaderHint {
    pub(crate) topic: Arc<str>,
    /// Of the topic that was asked for, zero for none: another one of the same name counts its epochs anew.
    pub(crate) topic_id: Uuid,
    pub(crate) partition: i32,
    pub(crate) leader: NodeId,
    pub(crate) epoch: i32,
}

/// A snapshot in the making, and what the answer says beyond it.
#[derive(Debug)]
pub(super) struct Update {
    pub(super) snapshot: MetadataSnapshot,
    /// Topics whose description is incomplete: to be asked for again.
    pub(super) stale_topics: BTreeSet<Arc<str>>,
    /// Topics that the brokers did not describe, and why.
    pub(super) errors: BTreeMap<Arc<str>, ErrorCode>,
    /// Topics that the answer speaks of.
    pub(super) answered: BTreeSet<Arc<str>>,
    /// Whether a partition has changed hands, as far as can be known.
    pub(super) is_news: bool,
}

impl Update {
    /// For an answer that describes all topics in use.
    pub(super) fn from_nothing(previous: &MetadataSnapshot) -> Self {
        let mut update = Self::from_all_known(previous);
        update.snapshot.cluster.topics.clear();
        update.snapshot.invalid_topics.clear();
        update.snapshot.unauthorized_topics.clear();
        update
    }

    /// For an answer that describes some topics: of the others everything stays.
    pub(super) fn from_all_known(previous: &MetadataSnapshot) -> Self {
        Self {
            snapshot: previous.successor(),
            stale_topics: BTreeSet::new(),
            errors: BTreeMap::new(),
            answered: BTreeSet::new(),
            is_news: false,
        }
    }

    /// Takes over the answer's brokers and what it says of the cluster as a whole.
    pub(super) fn set_cluster(&mut self, response: &MetadataResponse) {
        let cluster = &mut self.snapshot.cluster;
        cluster.nodes = response.brokers.iter().filter_map(node).collect();
        cluster.id = response.cluster_id.as_deref().map(Into::into);
        cluster.controller = leader(response.controller_id, &cluster.nodes);
    }

    /// Takes over what the answer says of one topic, whose name is `name`.
    ///
    /// `reliable_epochs` is true from version 9: below it a broker may send old ones.
    pub(super) fn set_topic(
        &mut self,
        name: &Arc<str>,
        topic: &MetadataResponseTopic,
        previous: Option<&TopicInfo>,
        reliable_epochs: bool,
    ) {
        self.answered.insert(Arc::clone(name));
        self.snapshot.invalid_topics.remove(name);
        self.snapshot.unauthorized_topics.remove(name);
        if topic.error_code.is_ok() {
            self.describe(name, topic, previous, reliable_epochs);
        } else {
            self.refuse(name, topic.error_code);
        }
    }

    fn describe(
        &mut self,
        name: &Arc<str>,
        topic: &MetadataResponseTopic,
        previous: Option<&TopicInfo>,
        reliable_epochs: bool,
    ) {
        let previous = previous.filter(|previous| previous.id() == topic.topic_id);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for answered in &topic.partitions {
            if answered.error_code.is_stale_metadata() {
                self.stale_topics.insert(Arc::clone(name));
            }
            let known = previous.and_then(|previous| previous.partition(answered.partition_index));
            let epoch =
                (reliable_epochs && answered.leader_epoch >= 0).then_some(answered.leader_epoch);
            let known_epoch = known.and_then(|known| known.leader_epoch);
            match known {
                // A broker that lags behind must not undo what another has said.
                Some(known) if epoch.is_some() && known_epoch > epoch => {
                    partitions.push(known.clone());
                }
                _ => {
                    self.is_news |= epoch.is_none() || known_epoch < epoch;
                    // Else the next broker that lags behind would be believed. Without an id, the topic may be another.
                    let kept = known_epoch.filter(|_| reliable_epochs && !topic.topic_id.is_zero());
                    let epoch = epoch.or(kept);
                    partitions.push(partition(answered, epoch, &self.snapshot.cluster.nodes));
                }
            }
        }
        let info = TopicInfo::new(Arc::clone(name), topic.topic_id, topic.is_internal, partitions);
        self.snapshot.cluster.topics.insert(Arc::clone(name), Arc::new(info));
    }

    fn refuse(&mut self, name: &Arc<str>, code: ErrorCode) {
        self.snapshot.cluster.topics.remove(name);
        self.errors.insert(Arc::clone(name), code);
        match code {
            ErrorCode::InvalidTopicException => {
                self.snapshot.invalid_topics.insert(Arc::clone(name));
            }
            ErrorCode::TopicAuthorizationFailed => {
                self.snapshot.unauthorized_topics.insert(Arc::clone(name));
            }
            code if code.is_stale_metadata() || code.is_retriable() => {
                self.stale_topics.insert(Arc::clone(name));
            }
            _ => {}
        }
    }
}

impl MetadataSnapshot {
    /// Takes over the leaders that are news; `None` if there are none.
    pub(super) fn with_leaders(&self, hints: &[LeaderHint], endpoints: &[Node]) -> Option<Self> {
        let mut next = self.successor();
        for endpoint in endpoints {
            next.cluster.nodes.insert(endpoint.id(), endpoint.clone());
        }
        let mut is_changed = false;
        for hint in hints.iter().filter(|hint| next.cluster.nodes.contains_key(&hint.leader)) {
            let Some(topic) = next.cluster.topics.get_mut(&hint.topic) else { continue };
            // Java looks at the name only, and takes no metadata of the new topic until its epoch has caught up.
            let known = topic.partition(hint.partition).filter(|_| topic.id() == hint.topic_id);
            if known.is_some_and(|known| known.leader_epoch < Some(hint.epoch)) {
                // Copies the topic for the first of its partitions only: one answer may name leaders of thousands.
                Arc::make_mut(topic).set_leader(hint.partition, hint.leader, hint.epoch);
                is_changed = true;
            }
        }
        is_changed.then_some(next)
    }
}

/// Says what is wrong with the brokers that an answer names, beside what was known before.
pub(super) fn warn_of_troubles(known: &MetadataSnapshot, response: &MetadataResponse) {
    match (known.cluster.id.as_deref(), response.cluster_id.as_deref()) {
        // Offsets and topics are others there: somebody wiped the cluster, or an address leads elsewhere.
        (Some(known), Some(answered)) if known != answered => {
            log::warn!("the brokers belong to cluster {answered} now, and belonged to {known}");
        }
        _ => {}
    }
    for broker in response.brokers.iter().filter(|broker| node(broker).is_none()) {
        let MetadataResponseBroker { node_id, host, port, .. } = broker;
        log::warn!("broker {node_id} announces {host}:{port}, which is no address");
    }
}

/// Whether an answer names a broker that can be asked next. One that has just started may not know the others yet, nor
/// itself.
pub(super) fn has_usable_broker(response: &MetadataResponse) -> bool {
    response.brokers.iter().any(|broker| u16::try_from(broker.port).is_ok())
}

/// `None` if its port is none.
fn node(broker: &MetadataResponseBroker) -> Option<(NodeId, Node)> {
    let id = NodeId(broker.node_id);
    let port = u16::try_from(broker.port).ok()?;
    Some((id, Node::new(id, &broker.host, port, broker.rack.as_deref())))
}

fn partition(
    answered: &MetadataResponsePartition,
    leader_epoch: Option<i32>,
    nodes: &BTreeMap<NodeId, Node>,
) -> PartitionInfo {
    let ids = |ids: &[i32]| ids.iter().copied().map(NodeId).collect();
    PartitionInfo {
        partition: answered.partition_index,
        leader: leader(answered.leader_id, nodes),
        leader_epoch,
        replicas: ids(&answered.replica_nodes),
        in_sync_replicas: ids(&answered.isr_nodes),
        offline_replicas: ids(&answered.offline_replicas),
    }
}

/// A broker that cannot be reached is none.
fn leader(id: i32, nodes: &BTreeMap<NodeId, Node>) -> Option<NodeId> {
    Some(NodeId(id)).filter(|id| nodes.contains_key(id))
}
