//! ACC-01: a batch that has room waits for `linger.ms`, unless somebody waits for it or the producer is closed.

use std::collections::BTreeSet;

use crate::compress::CompressionType;
use crate::producer::internals::producer_batch::ProducerBatch;
use crate::simulation::checkers::Evidence;
use crate::simulation::wire_log::WireBatch;
use crate::utils::clock::Instant;

/// More than a record takes beside its value.
const RECORD_OVERHEAD: usize = 100;

/// Many times as large as a batch is no message set that is made of it.
const GROWTH: usize = 8;

pub(super) fn check(evidence: &Evidence<'_>) -> Vec<String> {
    // What of a compressed batch still had room does not show.
    let is_compressed = evidence.scenario.quirks.codec != CompressionType::None;
    if !evidence.scenario.is_calm() || evidence.history.lacked_memory || is_compressed {
        return Vec::new();
    }
    let batches = evidence.wire.batches.iter();
    let hurried = batches.filter(|batch| is_hurried(evidence, batch));
    hurried.map(|batch| format!("ACC-01: linger.ms is not over: {batch:?}")).collect()
}

fn is_hurried(evidence: &Evidence<'_>, batch: &WireBatch) -> bool {
    let settings = &evidence.scenario.settings;
    let Some(first_id) = batch.first_id else { return true };
    let Some(first) = evidence.history.records.get(first_id) else { return true };
    let waited = batch.at.saturating_duration_since(first.accepted_at);
    // A record that did not fit closes the batch, and may itself have gone to another partition.
    let has_room = batch.size + evidence.scenario.max_value + RECORD_OVERHEAD < settings.batch_size;
    // A batch that is too large once it is a message set leaves in parts, one right after the other.
    let is_part = batch.is_message_set && settings.max_request_size < GROWTH * settings.batch_size;
    if waited >= settings.linger || !has_room || is_part {
        return false;
    }
    let since = |moment: &Instant| *moment >= first.accepted_at && *moment <= batch.at;
    let end = evidence.scenario.closes_at.map(|close| Instant::ZERO + close.at);
    let is_urgent = evidence.history.urgent.iter().chain(&end).any(since);
    !is_urgent && !has_successor(evidence, batch, first_id) && has_memory(evidence, batch)
}

/// A batch of the smallest records is counted as less than so many times its size, with their callbacks but without itself.
const WITH_CALLBACKS: usize = 3;

/// Whether `buffer.memory` is enough for all partitions that had records at the time. Else a batch may have found none to
/// grow, and a record without a key that did not fit may have gone to another partition: neither is seen from here.
fn has_memory(evidence: &Evidence<'_>, batch: &WireBatch) -> bool {
    let settings = &evidence.scenario.settings;
    let unanswered = evidence.history.records.iter().filter(|record| {
        let is_answered = record.answer.as_ref().is_some_and(|answer| answer.at < batch.at);
        record.accepted_at <= batch.at && !is_answered
    });
    let partitions: BTreeSet<_> = unanswered
        .map(|record| (&record.topic, record.answer.as_ref().map(|answer| answer.partition)))
        .collect();
    let batch_bytes = settings.batch_size * WITH_CALLBACKS + ProducerBatch::overhead(0);
    (partitions.len() + 1) * batch_bytes <= settings.buffer_memory
}

/// Whether a later batch of the partition was begun before this one left: then there was no use in waiting.
fn has_successor(evidence: &Evidence<'_>, batch: &WireBatch, first_id: usize) -> bool {
    let records = evidence.history.records.iter().skip(first_id);
    let in_partition = records.filter(|record| {
        let partition = record.answer.as_ref().map(|answer| answer.partition);
        record.topic == batch.topic && partition == Some(batch.partition)
    });
    let accepted_before = in_partition.filter(|record| record.accepted_at <= batch.at).count();
    accepted_before > usize::try_from(batch.record_count).unwrap_or(0)
}
