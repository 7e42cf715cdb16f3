//! What brokers' answers to batches show. INV-14: nobody insists on numbers that a broker finds out of order.

use std::collections::{BTreeMap, BTreeSet};

use crate::common::node::NodeId;
use crate::error::{ErrorCode, Persistence};
use crate::simulation::checkers::Evidence;
use crate::simulation::coverage::Coverage;
use crate::simulation::wire_log::{WireAnswer, WireBatch};
use crate::utils::clock::Instant;

/// Topic, partition, producer id, epoch, base sequence.
type Numbers<'a> = (&'a str, i32, i64, i16, i32);

pub(super) fn check(evidence: &Evidence<'_>) -> Vec<String> {
    let mut refused = BTreeMap::<Numbers<'_>, ((NodeId, Option<i32>), usize)>::new();
    let mut insisting = BTreeSet::new();
    for batch in evidence.wire.batches.iter().filter(|batch| is_out_of_order(batch)) {
        if is_one_behind_in_doubt(evidence, batch) {
            continue;
        }
        let log = (batch.node, batch.announced_epoch);
        let (latest, count) = refused.entry(numbers(batch)).or_insert((log, 0));
        // A broker that leads anew may have another log, and has to say so again.
        *count = if *latest == log { *count + 1 } else { 1 };
        *latest = log;
        if *count > MAX_REFUSALS {
            insisting.insert(numbers(batch));
        }
    }
    insisting
        .into_iter()
        .filter(|numbers| !is_overtaken(evidence, numbers))
        .map(|numbers| format!("INV-14: sent on although it is out of order: {numbers:?}"))
        .collect()
}

/// Whether a batch behind this one may have been in the log when this one was answered: then both may, and it is sent again until
/// that one is answered.
fn is_one_behind_in_doubt(evidence: &Evidence<'_>, batch: &WireBatch) -> bool {
    let (topic, partition, producer_id, epoch, base_sequence) = numbers(batch);
    let Some(answered) = batch.answer.map(|answer| answer.at) else {
        return false;
    };
    let mut latest = BTreeMap::new();
    for other in evidence.wire.batches.iter().filter(|other| other.at <= answered) {
        let is_later = is_before(base_sequence, other.base_sequence);
        if is_later && numbers(other) == (topic, partition, producer_id, epoch, other.base_sequence)
        {
            // Other errors, as that of a leader that has lost its place, leave open whether it was appended before.
            let is_settled = other.answer.is_some_and(|answer| {
                let is_told = answer.code.is_ok() || is_out_of_order(other);
                is_told && answer.at <= answered
            });
            latest.insert(other.base_sequence, is_settled);
        }
    }
    latest.into_values().any(|is_settled| !is_settled)
}

/// Once behind a batch that is in doubt, and once more after that one ran out of time: then sequences start anew.
const MAX_REFUSALS: usize = 2;

fn numbers(batch: &WireBatch) -> Numbers<'_> {
    let WireBatch { partition, producer_id, epoch, base_sequence, .. } = batch;
    (&batch.topic, *partition, *producer_id, *epoch, *base_sequence)
}

/// Whether a batch that was sent later, with a later number under the same epoch, was acknowledged, or ended in doubt. Then
/// this one may be in the log, and sequences do not start anew with it: it fails, or is sent until it runs out of time.
fn is_overtaken(evidence: &Evidence<'_>, numbers_of_one: &Numbers<'_>) -> bool {
    let (topic, partition, producer_id, epoch, base_sequence) = *numbers_of_one;
    let since = evidence.wire.batches.iter().skip_while(|batch| numbers(batch) != *numbers_of_one);
    let mut behind = since.filter(|batch| {
        let is_later = is_before(base_sequence, batch.base_sequence);
        is_later && numbers(batch) == (topic, partition, producer_id, epoch, batch.base_sequence)
    });
    behind.any(|batch| is_acknowledged(batch) || ended_in_doubt(evidence, batch))
}

fn is_acknowledged(batch: &WireBatch) -> bool {
    batch.answer.is_some_and(|answer| answer.code.is_ok())
}

fn ended_in_doubt(evidence: &Evidence<'_>, batch: &WireBatch) -> bool {
    let record = batch.first_id.and_then(|id| evidence.history.records.get(id));
    let end = record.and_then(|record| record.answer.as_ref());
    end.is_some_and(|answer| {
        answer.result.as_ref().is_err_and(|failed| failed.persistence == Persistence::Perhaps)
    })
}

/// Sequences go round. Worked out here, too: what is checked should not be the measure.
fn is_before(sequence: i32, other: i32) -> bool {
    let distance = other.wrapping_sub(sequence) & i32::MAX;
    distance != 0 && distance <= i32::MAX / 2
}

fn is_out_of_order(batch: &WireBatch) -> bool {
    batch.answer.is_some_and(|answer| answer.code == ErrorCode::OutOfOrderSequenceNumber)
}

/// Notes what was seen between two batches of a partition, one sent after the other.
pub(super) fn note_coverage(evidence: &Evidence<'_>, coverage: &mut Coverage) {
    let mut latest = BTreeMap::<(&str, i32), &WireBatch>::new();
    for batch in &evidence.wire.batches {
        let Some(previous) = latest.insert((&batch.topic, batch.partition), batch) else {
            continue;
        };
        let Some(answer) = previous.answer.filter(|answer| answer.at <= batch.at) else {
            continue;
        };
        let is_again = previous.first_id == batch.first_id;
        let is_out_of_order = is_again && is_out_of_order(previous);
        coverage.hit_if("out of order, and sent again", is_out_of_order);
        let proved_gap = is_out_of_order && previous.epoch < batch.epoch;
        coverage.hit_if("out of order proved a gap", proved_gap);
        let followed_hint = is_again && follows_hint(evidence, previous, answer, batch);
        coverage.hit_if("a leader that a broker named was asked at once", followed_hint);
        let was_held = !is_again && was_held(evidence, previous, answer, batch);
        coverage.hit_if("a batch for a new leader waited for the old one's answer", was_held);
    }
}

/// Whether `batch` went to the leader that the answer before had named, and no metadata had come since.
fn follows_hint(
    evidence: &Evidence<'_>,
    previous: &WireBatch,
    answer: WireAnswer,
    batch: &WireBatch,
) -> bool {
    let is_named = answer.leader.is_some_and(|leader| leader == batch.node);
    let between = |at: &Instant| answer.at <= *at && *at <= batch.at;
    is_named && batch.node != previous.node && !evidence.wire.metadata_answers.iter().any(between)
}

/// Whether `batch`, at one request at a time, waited for the answer of a leader that was none any more.
fn was_held(
    evidence: &Evidence<'_>,
    previous: &WireBatch,
    answer: WireAnswer,
    batch: &WireBatch,
) -> bool {
    let record = batch.first_id.and_then(|id| evidence.history.records.get(id));
    let is_older = record.is_some_and(|record| record.accepted_at < answer.at);
    let settings = &evidence.scenario.settings;
    settings.max_in_flight == 1 && is_older && batch.node != previous.node
}
