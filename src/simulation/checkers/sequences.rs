//! INV-14: sequences start at 0 and have no gaps, none is used for two batches, and epochs never fall.

use std::collections::BTreeMap;

use crate::simulation::checkers::Evidence;
use crate::simulation::wire_log::WireBatch;

/// The sequences of one partition under one producer id and epoch.
#[derive(Debug, Default)]
struct Sequences {
    next: i32,
    /// Count and contents by first sequence.
    used: BTreeMap<i32, (i32, u64)>,
    /// First and behind last sequence of batches that were sent again in parts.
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
        complaints.extend(sequences.entry(key).or_default().take(batch));
    }
    complaints
}

impl Sequences {
    fn take(&mut self, batch: &WireBatch) -> Option<String> {
        let contents = (batch.record_count, batch.records_hash);
        let (start, end) = (batch.base_sequence, batch.base_sequence + batch.record_count);
        let known = self.used.get(&start).copied();
        if known.is_some_and(|(count, _)| count > batch.record_count) {
            self.split.push((start, start + known.map_or(0, |(count, _)| count)));
        }
        if self.split.iter().any(|(first, behind)| *first <= start && end <= *behind) {
            self.used.insert(start, contents);
            return None;
        }
        if let Some(known) = known {
            return (known != contents)
                .then(|| format!("INV-14: a sequence used twice: {batch:?}"));
        }
        self.used.insert(batch.base_sequence, contents);
        let expected = std::mem::replace(&mut self.next, end);
        let follows = batch.base_sequence == expected && batch.producer_id >= 0;
        (!follows).then(|| format!("INV-14: sequence {expected} was due: {batch:?}"))
    }
}
