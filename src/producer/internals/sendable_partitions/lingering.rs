//! Who waits for company.

use std::collections::VecDeque;

use crate::producer::internals::partition_ref::PartitionId;
use crate::utils::clock::Instant;

/// Partitions whose first batch lingers, the one that has waited longest first. All wait for as long, so whoever comes
/// goes to the end, or very near to it; whoever stops waiting before its time is found out later.
#[derive(Debug, Default)]
pub(super) struct Lingering {
    /// Until when each of them waits, if it still does.
    entries: VecDeque<(Instant, PartitionId)>,
    /// How many of them do.
    waiting: usize,
}

/// Entries of partitions that wait no more are cleared away when they outnumber the others by this many.
const SPARE_ENTRIES: usize = 16;

impl Lingering {
    pub(super) fn add(&mut self, partition: PartitionId, until: Instant) {
        self.waiting += 1;
        // Callers' clocks are read before they get in each other's way, and one that was held back is older.
        let later = self.entries.iter().rev().take_while(|(other, _)| *other > until).count();
        self.entries.insert(self.entries.len() - later, (until, partition));
    }

    /// A partition waits no more. `waits` tells whether one still does, until the moment given.
    pub(super) fn leave(&mut self, waits: impl Fn(PartitionId, Instant) -> bool) {
        self.waiting -= 1;
        if self.entries.len() > 2 * self.waiting + SPARE_ENTRIES {
            self.entries.retain(|(until, partition)| waits(*partition, *until));
        }
    }

    /// The end of the first wait.
    pub(super) fn next_end(
        &mut self,
        waits: impl Fn(PartitionId, Instant) -> bool,
    ) -> Option<Instant> {
        loop {
            let (until, partition) = *self.entries.front()?;
            if waits(partition, until) {
                return Some(until);
            }
            self.entries.pop_front();
        }
    }

    /// Takes out the first entry if it ends by `now`. Its partition may wait no more; if it does, it counts until
    /// [`leave`](Self::leave).
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(PartitionId, Instant)> {
        let (until, partition) = *self.entries.front().filter(|(until, _)| *until <= now)?;
        self.entries.pop_front();
        Some((partition, until))
    }

    /// Takes out all entries; those who still wait count until [`leave`](Self::leave).
    pub(super) fn take(&mut self) -> impl Iterator<Item = (PartitionId, Instant)> + use<> {
        std::mem::take(&mut self.entries).into_iter().map(|(until, partition)| (partition, until))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}
