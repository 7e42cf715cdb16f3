//! What was seen at least once: a run in which nothing interesting happens proves nothing.

use std::collections::BTreeMap;

/// Counts by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Coverage {
    counts: BTreeMap<&'static str, u64>,
}

impl Coverage {
    pub(super) fn hit(&mut self, what: &'static str) {
        self.add(what, 1);
    }

    pub(super) fn hit_if(&mut self, what: &'static str, happened: bool) {
        self.add(what, u64::from(happened));
    }

    pub(super) fn merge(&mut self, other: &Self) {
        other.counts.iter().for_each(|(what, count)| self.add(what, *count));
    }

    pub(super) fn count(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or(0)
    }

    pub(super) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.counts.iter().map(|(what, count)| (*what, *count))
    }

    fn add(&mut self, what: &'static str, count: u64) {
        *self.counts.entry(what).or_default() += count;
    }
}
