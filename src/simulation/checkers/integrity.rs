//! INV-01: every record in a log was sent, to this topic and partition, with these bytes, headers and time.

use crate::mock_cluster::MockRecord;
use crate::simulation::checkers::Evidence;
use crate::simulation::history::{SentRecord, id_of, value_of};
use crate::simulation::sending::headers_of;
use crate::simulation::world::PartitionEvidence;

pub(super) fn check(evidence: &Evidence<'_>) -> Vec<String> {
    let mut complaints = Vec::new();
    for log in &evidence.logs {
        let topic = evidence.scenario.topics.iter().find(|topic| topic.name == log.topic);
        let keeps_time = topic.is_some_and(|topic| !topic.has_log_append_time);
        for record in &log.records {
            if let Some(what) = difference(evidence, log, record, keeps_time) {
                let place = format!("{}-{}@{}", log.topic, log.partition, record.offset);
                complaints.push(format!("INV-01: {place}: {what}"));
            }
        }
    }
    complaints
}

/// How `record` differs from what was sent.
fn difference(
    evidence: &Evidence<'_>,
    log: &PartitionEvidence,
    record: &MockRecord,
    keeps_time: bool,
) -> Option<&'static str> {
    let sent = record.value.as_deref().and_then(id_of);
    let sent = sent.and_then(|id| Some((id, evidence.history.records.get(id)?)));
    let Some((id, sent)) = sent else {
        return Some("nobody sent this record");
    };
    let headers: Vec<_> = headers_of(id, evidence.scenario.old_brokers() == 0)
        .iter()
        .map(|header| (header.key().to_owned(), header.value().map(<[u8]>::to_vec)))
        .collect();
    let differences = [
        (sent.topic != log.topic, "sent to another topic"),
        (partition_of(sent).is_some_and(|sent| sent != log.partition), "sent to another partition"),
        (sent.key != record.key, "another key"),
        (record.value != Some(value_of(id, sent.value_size)), "another value"),
        (headers != record.headers, "other headers"),
        (keeps_time && sent.timestamp_ms != record.timestamp, "another time"),
    ];
    differences.into_iter().find(|(is_different, _)| *is_different).map(|(_, what)| what)
}

/// Where the record was meant to go, if that was ever told.
fn partition_of(sent: &SentRecord) -> Option<i32> {
    let told = sent.answer.as_ref().map(|answer| answer.partition).filter(|told| *told >= 0);
    sent.partition.or(told)
}
