//! What must hold in every run, whatever went wrong. One file an invariant, or a small group of them.

mod answered;
mod answers;
mod conservation;
mod integrity;
mod linger;
mod loss;
mod offsets;
mod order;
mod pace;
mod sequences;
mod spoiled;
mod wire;

use std::collections::{BTreeMap, BTreeSet};

use crate::simulation::coverage::Coverage;
use crate::simulation::history::History;
use crate::simulation::scenario::Scenario;
use crate::simulation::sending::CALLBACKS;
use crate::simulation::wire_log::{WireBatch, WireLog};
use crate::simulation::world::PartitionEvidence;

/// Everything that is known when a run is over.
#[derive(Debug)]
pub(super) struct Evidence<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) history: &'a History,
    pub(super) logs: Vec<PartitionEvidence>,
    pub(super) wire: &'a WireLog,
    /// Topic, partition, offset and number of what a log had and lost.
    pub(super) truncated: &'a BTreeSet<(String, i32, i64, usize)>,
    /// Whether the producer ended by itself.
    pub(super) is_fatal: bool,
}

impl Evidence<'_> {
    /// Whether record `id` was at this place until an unclean election.
    fn was_truncated(&self, id: usize, (topic, partition, offset): (&str, i32, i64)) -> bool {
        self.truncated.contains(&(topic.to_owned(), partition, offset, id))
    }
}

/// All complaints, each with the number of the invariant that is broken.
pub(super) fn check(evidence: &Evidence<'_>) -> Vec<String> {
    let checkers = [
        integrity::check,
        loss::check,
        order::check,
        offsets::check,
        answered::check,
        answers::check,
        conservation::check,
        linger::check,
        sequences::check,
        wire::check,
        pace::check,
    ];
    checkers.iter().flat_map(|checker| checker(evidence)).collect()
}

/// Notes what the run shows to have happened.
pub(super) fn note_coverage(evidence: &Evidence<'_>, coverage: &mut Coverage) {
    answered::note_coverage(evidence, coverage);
    let without_room = evidence.history.callbacks_without_room > 0;
    coverage.hit_if("a callback found no room for a record", without_room);
    for record in &evidence.history.records {
        coverage.hit_if("a callback sent a record", record.caller == CALLBACKS);
        let Some(answer) = &record.answer else { continue };
        match &answer.result {
            Ok(_) => coverage.hit("a record was acknowledged"),
            Err(failed) => {
                let is_expired = failed.text.contains("delivery.timeout.ms");
                coverage.hit("a record failed");
                coverage.hit_if("expired in the queue", is_expired && failed.attempts == 0);
                coverage.hit_if("expired after an attempt", is_expired && failed.attempts > 0);
                coverage.hit_if("failed for sure", failed.is_definite());
                coverage.hit_if("failed in doubt", !failed.is_definite());
            }
        }
    }
    let wire = &evidence.wire.batches;
    let goes_round = |batch: &WireBatch| {
        batch.base_sequence > 0 && batch.base_sequence.checked_add(batch.record_count).is_none()
    };
    coverage.hit_if("sequences went round amid a batch", wire.iter().any(goes_round));
    coverage.hit_if("a batch was split", has_split(evidence.wire));
    let mut formats = wire.iter().map(|batch| batch.is_message_set);
    coverage
        .hit_if("message sets and batches", formats.clone().any(|it| it) && !formats.all(|it| it));
    let nodes: Vec<_> = evidence.wire.connects.iter().map(|(_, node)| node.0).collect();
    let returned = nodes.windows(2).any(|pair| pair[0] > 0 && pair[1] < 0);
    coverage.hit_if("back to the configured addresses", returned);
    let epochs = evidence.wire.batches.iter().map(|batch| (batch.producer_id, batch.epoch));
    let first = epochs.clone().min();
    coverage.hit_if("the epoch was bumped", epochs.clone().any(|one| Some(one) > first));
    let ids = epochs.map(|(id, _)| id).collect::<BTreeSet<_>>();
    coverage.hit_if("a second producer id", ids.len() > 1);
    coverage.hit_if("the producer ended by itself", evidence.is_fatal);
    coverage.hit_if("a calm run", evidence.scenario.is_calm());
    coverage.hit_if("closed amid its work", evidence.scenario.closes_at.is_some());
    coverage.hit_if("idempotent", evidence.scenario.settings.is_idempotent);
    coverage.hit_if("acks=0", evidence.scenario.settings.acks == 0);
    coverage.hit_if("acks=1", evidence.scenario.settings.acks == 1);
}

/// Whether a batch went out again with fewer records than before.
fn has_split(wire: &WireLog) -> bool {
    let mut counts = BTreeMap::new();
    let mut batches = wire.batches.iter();
    batches.any(|batch| {
        let place = (&batch.topic, batch.partition, batch.first_id);
        let count = counts.insert(place, batch.record_count);
        count.is_some_and(|count| count > batch.record_count)
    })
}
