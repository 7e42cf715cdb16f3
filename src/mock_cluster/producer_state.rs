//! What a partition's leader remembers of the idempotent producers that wrote to it.

use std::collections::{BTreeMap, VecDeque};

use crate::error::ErrorCode;
use crate::mock_cluster::record_batch::{BatchHeader, Refusal};

/// The batches a broker remembers of each producer; what limits a producer to five in flight.
const REMEMBERED_BATCHES: usize = 5;

/// The producers of one partition.
#[derive(Clone, Debug, Default)]
pub(super) struct ProducerStates {
    producers: BTreeMap<i64, ProducerState>,
}

#[derive(Clone, Debug)]
struct ProducerState {
    epoch: i16,
    /// Oldest first, of the current epoch, never empty.
    batches: VecDeque<AppendedBatch>,
}

/// A batch that is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AppendedBatch {
    first_sequence: i32,
    last_sequence: i32,
    pub(super) base_offset: i64,
    pub(super) max_timestamp: i64,
}

impl ProducerStates {
    /// Whether the batch may be appended: `Ok(Some(…))` says that it already was, and where.
    ///
    /// As a broker of today does, takes any sequence from a producer that it does not know (any more).
    pub(super) fn check(&self, batch: &BatchHeader) -> Result<Option<AppendedBatch>, Refusal> {
        let Some(state) = self.producers.get(&batch.producer_id) else {
            return Ok(None);
        };
        if let Some(duplicate) = state.duplicate_of(batch) {
            return Ok(Some(duplicate));
        }
        if batch.producer_epoch < state.epoch {
            return Err(Refusal::new(
                ErrorCode::InvalidProducerEpoch,
                "the producer has a newer epoch",
            ));
        }
        let expected = if batch.producer_epoch > state.epoch { 0 } else { state.next_sequence() };
        if batch.base_sequence != expected {
            return Err(Refusal::new(
                ErrorCode::OutOfOrderSequenceNumber,
                "the batch's first sequence does not follow the last one appended",
            ));
        }
        Ok(None)
    }

    /// Remembers a batch that was appended at `base_offset`.
    pub(super) fn record(&mut self, batch: &BatchHeader, base_offset: i64) {
        let state = self.producers.entry(batch.producer_id).or_insert_with(|| ProducerState {
            epoch: batch.producer_epoch,
            batches: VecDeque::new(),
        });
        if state.epoch != batch.producer_epoch {
            state.epoch = batch.producer_epoch;
            state.batches.clear();
        }
        if state.batches.len() == REMEMBERED_BATCHES {
            state.batches.pop_front();
        }
        state.batches.push_back(AppendedBatch {
            first_sequence: batch.base_sequence,
            last_sequence: batch.last_sequence(),
            base_offset,
            max_timestamp: batch.max_timestamp,
        });
    }

    /// Forgets every producer, as a broker does once `producer.id.expiration.ms` has passed.
    pub(super) fn forget(&mut self) {
        self.producers.clear();
    }

    /// Remembers no more than the last batch of each producer, which is all that a broker writes down when it stops.
    pub(super) fn forget_all_but_last_batches(&mut self) {
        for state in self.producers.values_mut() {
            state.batches.drain(..state.batches.len().saturating_sub(1));
        }
    }
}

#[cfg(test)]
impl ProducerStates {
    pub(super) fn knows_all_of(&self, other: &Self) -> bool {
        other.producers.keys().all(|id| self.producers.contains_key(id))
    }

    /// As if a batch had been appended that ended with `last_sequence`.
    pub(super) fn remember(&mut self, producer_id: i64, last_sequence: i32) {
        let batch = AppendedBatch {
            first_sequence: last_sequence,
            last_sequence,
            base_offset: 0,
            max_timestamp: -1,
        };
        let state = ProducerState { epoch: 0, batches: VecDeque::from([batch]) };
        self.producers.insert(producer_id, state);
    }
}

impl ProducerState {
    fn duplicate_of(&self, batch: &BatchHeader) -> Option<AppendedBatch> {
        if batch.producer_epoch != self.epoch {
            return None;
        }
        let sequences = (batch.base_sequence, batch.last_sequence());
        self.batches
            .iter()
            .find(|known| (known.first_sequence, known.last_sequence) == sequences)
            .copied()
    }

    fn next_sequence(&self) -> i32 {
        self.batches.back().map_or(0, |last| last.last_sequence.wrapping_add(1) & i32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mock_cluster::test_batch::TestBatch;

    #[test]
    fn takes_batches_whose_sequences_follow_one_another() {
        let mut states = ProducerStates::default();

        assert_eq!(append(&mut states, 0, 0, 0), Ok(None));
        assert_eq!(append(&mut states, 0, 2, 2), Ok(None));
        assert_eq!(append(&mut states, 0, 4, 4), Ok(None));
    }

    #[test]
    fn refuses_a_gap_and_a_step_back() {
        let mut states = ProducerStates::default();
        append(&mut states, 0, 0, 0).unwrap();

        for sequence in [1, 3, 4] {
            let refusal = append(&mut states, 0, sequence, 2).unwrap_err();
            assert_eq!(refusal.code, ErrorCode::OutOfOrderSequenceNumber, "{sequence}");
        }
    }

    #[test]
    fn knows_the_last_five_batches_again_and_no_more() {
        let mut states = ProducerStates::default();
        for index in 0..6 {
            append(&mut states, 0, index * 2, i64::from(index) * 2).unwrap();
        }

        for index in 1..6 {
            let duplicate = append(&mut states, 0, index * 2, 99).unwrap().unwrap();
            assert_eq!(duplicate.base_offset, i64::from(index) * 2);
        }
        let refusal = append(&mut states, 0, 0, 99).unwrap_err();
        assert_eq!(refusal.code, ErrorCode::OutOfOrderSequenceNumber);
    }

    #[test]
    fn a_newer_epoch_begins_at_zero_and_fences_the_older() {
        let mut states = ProducerStates::default();
        append(&mut states, 3, 0, 0).unwrap();

        let late = append(&mut states, 4, 2, 2).unwrap_err();
        assert_eq!(late.code, ErrorCode::OutOfOrderSequenceNumber);
        assert_eq!(append(&mut states, 4, 0, 2), Ok(None));
        let fenced = append(&mut states, 3, 2, 4).unwrap_err();
        assert_eq!(fenced.code, ErrorCode::InvalidProducerEpoch);
    }

    #[test]
    fn takes_any_sequence_from_a_producer_that_was_forgotten() {
        let mut states = ProducerStates::default();
        append(&mut states, 0, 0, 0).unwrap();

        states.forget();

        assert_eq!(append(&mut states, 0, 8, 2), Ok(None));
    }

    #[test]
    fn knows_the_last_batch_again_and_no_other_once_it_was_started_anew() {
        let mut states = ProducerStates::default();
        append(&mut states, 0, 0, 0).unwrap();
        append(&mut states, 0, 2, 2).unwrap();

        states.forget_all_but_last_batches();

        let refusal = append(&mut states, 0, 0, 4).unwrap_err();
        assert_eq!(refusal.code, ErrorCode::OutOfOrderSequenceNumber);
        assert_eq!(append(&mut states, 0, 2, 4).unwrap().unwrap().base_offset, 2);
        assert_eq!(append(&mut states, 0, 4, 4), Ok(None));
    }

    // IDEM-09
    #[test]
    fn the_sequence_after_the_greatest_is_zero() {
        let mut states = ProducerStates::default();
        append(&mut states, 0, i32::MAX - 1, 0).unwrap();

        assert_eq!(append(&mut states, 0, 0, 2), Ok(None));
    }

    /// Checks and, if it is new, appends a batch of two records.
    fn append(
        states: &mut ProducerStates,
        epoch: i16,
        sequence: i32,
        offset: i64,
    ) -> Result<Option<AppendedBatch>, Refusal> {
        let bytes = TestBatch::of(&["a", "b"]).producer(7, epoch, sequence).build();
        let batch = BatchHeader::read(&bytes).unwrap();
        let verdict = states.check(&batch)?;
        if verdict.is_none() {
            states.record(&batch, offset);
        }
        Ok(verdict)
    }
}
