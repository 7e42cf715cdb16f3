//! What must hold in every run, whatever went wrong. One file an invariant, or a small group of them.

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

use crate::simulation::coverage::Coverage;
use crate::simulation::history::History;
use crate::simulation::scenario::Scenario;
use crate::simulation::wire_log::WireLog;
use crate::simulation::world::PartitionEvidence;

/// Everything that is known when a run is over.
#[derive(Debug)]
pub(super) struct Evidence<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) history: &'a History,
    pub(super) logs: Vec<PartitionEvidence>,
    pub(super) wire: &'a WireLog,
    /// Whether the producer ended by itself.
    pub(super) is_fatal: bool,
}

/// All complaints, each with the number of the invariant that is broken.
pub(super) fn check(evidence: &Evidence<'_>) -> Vec<String> {
    let checkers = [
        integrity::check,
        loss::check,
        order::check,
        offsets::check,
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
    for record in &evidence.history.records {
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
    let epochs = evidence.wire.batches.iter().map(|batch| (batch.producer_id, batch.epoch));
    let first = epochs.clone().min();
    coverage.hit_if("the epoch was bumped", epochs.clone().any(|one| Some(one) > first));
    let ids = epochs.map(|(id, _)| id).collect::<std::collections::BTreeSet<_>>();
    coverage.hit_if("a second producer id", ids.len() > 1);
    coverage.hit_if("the producer ended by itself", evidence.is_fatal);
    coverage.hit_if("a calm run", evidence.scenario.is_calm());
    coverage.hit_if("closed amid its work", evidence.scenario.closes_at.is_some());
    coverage.hit_if("idempotent", evidence.scenario.settings.is_idempotent);
    coverage.hit_if("acks=0", evidence.scenario.settings.acks == 0);
    coverage.hit_if("acks=1", evidence.scenario.settings.acks == 1);
}
