//! INV-04: without idempotence a record is there no more often than it was sent. INV-28: where nothing goes wrong,
//! everything is acknowledged at the first attempt.

use std::collections::{BTreeMap, BTreeSet};

use crate::simulation::checkers::Evidence;

pub(super) fn check(evidence: &Evidence<'_>) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut balance = BTreeMap::<(&str, i32), i64>::new();
    for batch in &evidence.wire.batches {
        let place = (batch.topic.as_str(), batch.partition);
        *balance.entry(place).or_default() += i64::from(batch.record_count);
    }
    for log in &evidence.logs {
        let count = i64::try_from(log.records.len()).unwrap_or(i64::MAX);
        let balance = balance.entry((&log.topic, log.partition)).or_default();
        *balance -= count;
        if *balance < 0 {
            complaints
                .push(format!("INV-04: {}-{} has more than was sent", log.topic, log.partition));
        }
    }
    let settings = &evidence.scenario.settings;
    if settings.retries == 0 || evidence.scenario.is_calm() {
        let mut seen = BTreeSet::new();
        for batch in &evidence.wire.batches {
            if !seen.insert((&batch.topic, batch.partition, batch.records_hash)) {
                let place = format!("{}-{}", batch.topic, batch.partition);
                complaints.push(format!("INV-28: a batch of {place} is sent twice for no reason"));
            }
        }
    }
    if evidence.scenario.is_calm() {
        let records = evidence.history.records.iter().enumerate();
        for (id, record) in records {
            if let Some(Err(failed)) = record.answer.as_ref().map(|answer| &answer.result) {
                complaints
                    .push(format!("INV-28: record {id} failed for no reason: {}", failed.text));
            }
        }
    }
    complaints
}
