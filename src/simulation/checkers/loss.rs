//! INV-02: what was acknowledged is there, where it was said to be. INV-05: what was refused, or never sent, is not.

use std::collections::{BTreeMap, BTreeSet};

use crate::simulation::checkers::Evidence;
use crate::simulation::history::id_of;

pub(super) fn check(evidence: &Evidence<'_>) -> Vec<String> {
    let mut places = BTreeMap::<usize, BTreeSet<(&str, i32, i64)>>::new();
    for log in &evidence.logs {
        for record in &log.records {
            if let Some(id) = record.value.as_deref().and_then(id_of) {
                let place = (log.topic.as_str(), log.partition, record.offset);
                places.entry(id).or_default().insert(place);
            }
        }
    }
    let mut complaints = Vec::new();
    for (id, record) in evidence.history.records.iter().enumerate() {
        let Some(answer) = &record.answer else { continue };
        let present = places.get(&id);
        match &answer.result {
            Ok(acknowledged) if acknowledged.offset < 0 => {
                if evidence.scenario.settings.acks != 0 {
                    complaints.push(format!("INV-02: record {id} is acknowledged without offset"));
                }
            }
            Ok(acknowledged) => {
                let place = (record.topic.as_str(), answer.partition, acknowledged.offset);
                if !evidence.was_truncated(id, place)
                    && !present.is_some_and(|present| present.contains(&place))
                {
                    complaints
                        .push(format!("INV-02: record {id} is not at {place:?}: {present:?}"));
                }
            }
            Err(failed) if failed.is_definite() && present.is_some() => {
                let text = &failed.text;
                complaints
                    .push(format!("INV-05: record {id} failed ({text}) and is at {present:?}"));
            }
            Err(_) => {}
        }
    }
    complaints
}
