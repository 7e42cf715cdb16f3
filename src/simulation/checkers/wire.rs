//! INV-14: no more requests on their way than allowed. INV-15: requests within their size. INV-16: batches go to the
//! leader that was last announced.

use crate::simulation::checkers::Evidence;

pub(super) fn check(evidence: &Evidence<'_>) -> Vec<String> {
    let settings = &evidence.scenario.settings;
    let mut complaints = Vec::new();
    let wire = evidence.wire;
    if settings.acks != 0 && wire.most_in_flight > settings.max_in_flight {
        complaints.push(format!("INV-14: {} requests on their way at once", wire.most_in_flight));
    }
    if wire.largest_shared_request > settings.max_request_size {
        let size = wire.largest_shared_request;
        complaints.push(format!("INV-15: a request with batches of {size} bytes"));
    }
    for batch in &wire.batches {
        if batch.announced_leader != Some(batch.node) {
            complaints.push(format!("INV-16: not to the announced leader: {batch:?}"));
        }
        if batch.record_count < 1 {
            complaints.push(format!("INV-15: a batch without records: {batch:?}"));
        }
    }
    complaints
}
