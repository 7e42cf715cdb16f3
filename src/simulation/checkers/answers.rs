//! INV-08: every record is answered once, the future tells what the callback was told, and answers come in order.
//! INV-09: they come within `delivery.timeout.ms`.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::simulation::checkers::Evidence;
use crate::simulation::history::{Answer, SentRecord};

/// How much later than promised an answer may come.
const GRACE: Duration = Duration::from_millis(100);

pub(super) fn check(evidence: &Evidence<'_>) -> Vec<String> {
    let mut complaints = Vec::new();
    for (id, record) in evidence.history.records.iter().enumerate() {
        let Some(answer) = &record.answer else {
            complaints.push(format!("INV-08: record {id} is never answered"));
            continue;
        };
        if let Some(difference) = future_differs(record, answer) {
            complaints.push(format!("INV-08: record {id}: {difference}"));
        }
        let took = answer.at.saturating_duration_since(record.accepted_at);
        if took > evidence.scenario.settings.delivery_timeout + GRACE {
            complaints.push(format!("INV-09: record {id} is answered after {took:?}"));
        }
    }
    complaints.extend(disorder(evidence));
    complaints
}

fn future_differs(record: &SentRecord, answer: &Answer) -> Option<String> {
    let future = record.future.as_ref()?;
    if !future.is_done() {
        return Some("the future is not done".to_owned());
    }
    let result = future.get_timeout(Duration::ZERO);
    let is_same = match (&result, &answer.result) {
        (Ok(metadata), Ok(told)) => {
            (metadata.offset(), metadata.timestamp()) == (told.offset, told.timestamp_ms)
        }
        (Err(error), Err(told)) => error.to_string() == told.text,
        _ => false,
    };
    (!is_same).then(|| format!("the future tells {result:?}, the callback was told {answer:?}"))
}

/// With one request at a time, acknowledgements come in the order of the records.
fn disorder(evidence: &Evidence<'_>) -> Vec<String> {
    if evidence.scenario.settings.max_in_flight > 1 {
        return Vec::new();
    }
    let mut complaints = Vec::new();
    let mut newest = BTreeMap::<(&str, i32), u64>::new();
    for (id, record) in evidence.history.records.iter().enumerate() {
        let Some(answer) = record.answer.as_ref().filter(|answer| answer.result.is_ok()) else {
            continue;
        };
        let previous = newest.insert((&record.topic, answer.partition), answer.turn);
        if previous.is_some_and(|previous| previous > answer.turn) {
            complaints.push(format!("INV-08: record {id} is answered before an earlier one"));
        }
    }
    complaints
}
