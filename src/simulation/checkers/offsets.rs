//! INV-07: an offset belongs to one record, and acknowledged offsets rise in the order of `send`.

use std::collections::BTreeMap;

use crate::simulation::checkers::Evidence;

pub(super) fn check(evidence: &Evidence<'_>) -> Vec<String> {
    let mut complaints = Vec::new();
    for log in &evidence.logs {
        for (expected, record) in (0..).zip(&log.records) {
            if record.offset != expected {
                let place = format!("{}-{}@{}", log.topic, log.partition, record.offset);
                complaints.push(format!("INV-07: {place} where {expected} was due"));
            }
        }
    }
    let settings = &evidence.scenario.settings;
    if !settings.is_idempotent && settings.max_in_flight > 1 {
        return complaints;
    }
    let mut newest = BTreeMap::<(usize, &str, i32), i64>::new();
    for (id, record) in evidence.history.records.iter().enumerate() {
        // The offsets of a topic that was created anew begin again.
        if evidence.logs.iter().any(|log| log.is_deleted && log.topic == record.topic) {
            continue;
        }
        let Some(answer) = &record.answer else { continue };
        let Ok(acknowledged) = &answer.result else { continue };
        if acknowledged.offset < 0 {
            continue;
        }
        // What a log loses leaves its offset to others.
        let place = (record.topic.as_str(), answer.partition, acknowledged.offset);
        if evidence.was_truncated(id, place) {
            continue;
        }
        let line = (record.caller, record.topic.as_str(), answer.partition);
        let previous = newest.insert(line, acknowledged.offset);
        if previous.is_some_and(|previous| previous >= acknowledged.offset) {
            let offset = acknowledged.offset;
            complaints
                .push(format!("INV-07: record {id} at {offset}, the one before at {previous:?}"));
        }
    }
    complaints
}
