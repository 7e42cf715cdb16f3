//! INV-14: sequences start at 0 and have no gaps, none is used for two batches, and epochs never fall.

use std::collections::BTreeMap;

use crate::simulation::checkers::Evidence;
use crate::simulation::wire_log::WireBatch;
use crate::simulation::world::LONG_LIVED_PRODUCER;

/// The sequences of one partition under one producer id and epoch.
#[derive(Debug, Default)]
struct Sequences {
    next: i32,
    /// Count and contents by first sequence.
    used: BTreeMap<i32, (i32, u64)>,
    /// First sequence and count of batches that were sent again in parts.
    split: Vec<(i32, i32)>,
}

pub(super) fn check(evidence: &Evidence<'_>) -> Vec<String> {
    let is_idempotent = evidence.scenario.settings.is_idempotent;
    let mut complaints = Vec::new();
    let mut sequences = BTreeMap::<(&str, i32, i64, i16), Sequences>::new();
    let mut epochs = BTreeMap::<(&str, i32, i64), i16>::new();
    for batch in &evidence.wire.batches {
        if !is_idempotent {
            if (batch.producer_id, batch.epoch, batch.base_sequence) != (-1, -1, -1) {
                complaints
                    .push(format!("INV-14: a producer without idempotence numbers {batch:?}"));
            }
            continue;
        }
        let place = (batch.topic.as_str(), batch.partition, batch.producer_id);
        let previous = epochs.insert(place, batch.epoch);
        if previous.is_some_and(|previous| previous > batch.epoch) {
            complaints.push(format!("INV-14: the epoch falls from {previous:?}: {batch:?}"));
        }
        let key = (batch.topic.as_str(), batch.partition, batch.producer_id, batch.epoch);
        let is_first = batch.producer_id == LONG_LIVED_PRODUCER && batch.epoch == 0;
        let next = evidence.scenario.first_sequence().filter(|_| is_first).unwrap_or(0);
        let new = || Sequences { next, ..Sequences::default() };
        let sequences = sequences.entry(key).or_insert_with(new);
        complaints.extend(sequences.take(batch));
    }
    complaints
}

impl Sequences {
    fn take(&mut self, batch: &WireBatch) -> Option<String> {
        let contents = (batch.record_count, batch.records_hash);
        let (start, count) = (batch.base_sequence, batch.record_count);
        let known = self.used.get(&start).copied();
        if let Some((whole, _)) = known.filter(|(whole, _)| *whole > count) {
            self.split.push((start, whole));
        }
        let is_part = |(first, whole): &(i32, i32)| {
            let skipped = start.wrapping_sub(*first) & i32::MAX;
            skipped <= whole - count
        };
        if self.split.iter().any(is_part) {
            self.used.insert(start, contents);
            return None;
        }
        if let Some(known) = known {
            return (known != contents)
                .then(|| format!("INV-14: a sequence used twice: {batch:?}"));
        }
        self.used.insert(batch.base_sequence, contents);
        let behind = start.wrapping_add(count) & i32::MAX; // after the largest comes 0
        let expected = std::mem::replace(&mut self.next, behind);
        (start != expected || batch.producer_id < 0)
            .then(|| format!("INV-14: sequence {expected} was due: {batch:?}"))
    }
}
