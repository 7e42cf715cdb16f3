//! INV-03: with idempotence no record is there twice. INV-06: what is there is in the order of `send`.

use std::collections::{BTreeMap, BTreeSet};

use crate::simulation::checkers::Evidence;
use crate::simulation::history::id_of;
use crate::simulation::world::PartitionEvidence;

pub(super) fn check(evidence: &Evidence<'_>) -> Vec<String> {
    let logs = evidence.logs.iter();
    logs.flat_map(|log| check_log(evidence, log)).collect()
}

fn check_log(evidence: &Evidence<'_>, log: &PartitionEvidence) -> Vec<String> {
    let settings = &evidence.scenario.settings;
    let mut complaints = Vec::new();
    let mut seen = BTreeSet::new();
    let mut newest = BTreeMap::<usize, (usize, i64)>::new();
    for record in &log.records {
        let Some(id) = record.value.as_deref().and_then(id_of) else { continue };
        let Some(sent) = evidence.history.records.get(id) else { continue };
        let place = format!("{}-{}@{}", log.topic, log.partition, record.offset);
        if !seen.insert(id) && settings.is_idempotent {
            complaints.push(format!("INV-03: record {id} is there again at {place}"));
            continue;
        }
        // Without idempotence a request that was given up may still be carried out, so a record counts where it was
        // acknowledged.
        let acknowledged = sent.answer.as_ref().and_then(|answer| answer.result.as_ref().ok());
        let is_acknowledged = acknowledged.is_some();
        let is_place = acknowledged.is_some_and(|it| it.offset == record.offset);
        let counts = settings.is_idempotent || (settings.max_in_flight == 1 && is_place);
        if !counts {
            continue;
        }
        let newest = newest.entry(sent.caller).or_insert((id, record.producer_id));
        let (previous, producer_id) = *newest;
        if previous <= id {
            *newest = (id, record.producer_id);
        } else if is_acknowledged || producer_id == record.producer_id {
            // A new epoch shuts out what was given up under an earlier one, a new producer id does not.
            complaints.push(format!("INV-06: record {id} is behind {previous} at {place}"));
        }
    }
    complaints
}
