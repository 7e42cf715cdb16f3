//! Which versions each broker announces and takes.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::common::node::NodeId;
use crate::mock_cluster::api::Api;
use crate::mock_cluster::profile::Profile;

/// The versions of every broker: all that the cluster speaks, but for what was set.
#[derive(Clone, Debug, Default)]
pub(super) struct VersionTable {
    /// Keyed by broker, or `None` for all that have no entry of their own. A value of `None` is an API not offered.
    set: BTreeMap<(Option<NodeId>, Api), Option<RangeInclusive<i16>>>,
}

impl VersionTable {
    /// As brokers of this kind have it.
    pub(super) fn new(profile: &Profile) -> Self {
        let mut table = Self::default();
        for (api, versions) in profile.versions.iter().cloned() {
            table.set(None, api, Some(versions));
        }
        table
    }

    /// `None` as `node` stands for all brokers, as `versions` for an API that is not offered.
    pub(super) fn set(
        &mut self,
        node: Option<NodeId>,
        api: Api,
        versions: Option<RangeInclusive<i16>>,
    ) {
        self.set.insert((node, api), versions);
    }

    /// The versions that `node` announces; `None` if it does not offer the API.
    pub(super) fn announced(&self, node: NodeId, api: Api) -> Option<RangeInclusive<i16>> {
        let set = self.set.get(&(Some(node), api)).or_else(|| self.set.get(&(None, api)));
        set.cloned().unwrap_or_else(|| Some(api.key().versions()))
    }

    /// Whether `node` takes a request of this version: announced, and one that we can read.
    pub(super) fn accepts(&self, node: NodeId, api: Api, version: i16) -> bool {
        let announced = self.announced(node, api);
        announced.is_some_and(|range| range.contains(&version))
            && api.key().versions().contains(&version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_set_for_one_broker_wins_over_what_was_set_for_all() {
        let mut table = VersionTable::default();
        table.set(None, Api::Produce, Some(3..=7));
        table.set(Some(NodeId(2)), Api::Produce, Some(3..=9));
        table.set(Some(NodeId(3)), Api::Produce, None);

        assert_eq!(table.announced(NodeId(1), Api::Produce), Some(3..=7));
        assert_eq!(table.announced(NodeId(2), Api::Produce), Some(3..=9));
        assert_eq!(table.announced(NodeId(3), Api::Produce), None);
        assert!(table.accepts(NodeId(2), Api::Produce, 9));
        assert!(!table.accepts(NodeId(1), Api::Produce, 8));
    }

    #[test]
    fn may_announce_more_than_can_be_read() {
        let mut table = VersionTable::default();
        table.set(None, Api::Metadata, Some(0..=i16::MAX));

        assert!(!table.accepts(NodeId(1), Api::Metadata, 5000));
    }
}
