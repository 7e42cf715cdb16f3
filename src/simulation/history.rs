//! What the application saw: every record, from its acceptance to its answer.

use std::time::Duration;

use crate::error::{Error, ErrorCode, Persistence};
use crate::producer::internals::future_record_metadata::FutureRecordMetadata;
use crate::producer::record_metadata::RecordMetadata;
use crate::utils::clock::Instant;
use crate::utils::random::Random;

/// All records that the callers handed over, in that order. Filled by callers and callbacks.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The time of the turn whose callbacks run.
    pub(super) now: Instant,
    pub(super) records: Vec<SentRecord>,
    /// How many callbacks ran so far.
    pub(super) answered: u64,
    /// The moments at which somebody began to wait for records.
    pub(super) urgent: Vec<Instant>,
    /// Whether somebody ever waited for memory.
    pub(super) lacked_memory: bool,
    /// How often a callback had a record to send and found no memory for it.
    pub(super) callbacks_without_room: u64,
    /// How many records have no answer yet.
    pub(super) pending: usize,
    /// What went wrong while callbacks ran.
    pub(super) complaints: Vec<String>,
    /// Set once the producer has ended: no callback may run any more.
    pub(super) is_ended: bool,
}

/// A record that was accepted. Its number is its place in the history.
#[derive(Debug)]
pub(super) struct SentRecord {
    pub(super) caller: usize,
    pub(super) topic: String,
    /// What was asked for.
    pub(super) partition: Option<i32>,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value_size: usize,
    pub(super) timestamp_ms: i64,
    pub(super) accepted_at: Instant,
    pub(super) answer: Option<Answer>,
    pub(super) future: Option<FutureRecordMetadata>,
}

/// What a callback was told.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) at: Instant,
    /// Rises with the order of the callbacks.
    pub(super) turn: u64,
    /// Where the record is, or was to be.
    pub(super) partition: i32,
    pub(super) result: Result<Acknowledged, Failed>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Acknowledged {
    /// -1 where the broker did not tell.
    pub(super) offset: i64,
    pub(super) timestamp_ms: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failed {
    pub(super) persistence: Persistence,
    pub(super) code: Option<ErrorCode>,
    pub(super) attempts: u32,
    pub(super) elapsed: Option<Duration>,
    pub(super) text: String,
}

impl History {
    /// The number of the next record.
    pub(super) fn next_id(&self) -> usize {
        self.records.len()
    }

    pub(super) fn accept(&mut self, record: SentRecord) {
        self.records.push(record);
        self.pending += 1;
    }

    /// What the callback of record `id` does.
    pub(super) fn answer(&mut self, id: usize, result: Result<&RecordMetadata, &Error>) {
        let at = self.now;
        if self.is_ended {
            self.complaints.push(format!("INV-12: record {id} is answered after the end"));
        }
        let turn = self.answered;
        self.answered += 1;
        let Some(record) = self.records.get_mut(id) else {
            self.complaints.push(format!("INV-08: record {id} is answered before it is accepted"));
            return;
        };
        if record.future.as_ref().is_some_and(FutureRecordMetadata::is_done) {
            self.complaints.push(format!("INV-08: future {id} is done before its callback"));
        }
        if record.answer.is_some() {
            self.complaints.push(format!("INV-08: record {id} is answered twice"));
            return;
        }
        self.pending -= 1;
        let (partition, result) = match result {
            Ok(metadata) => {
                let (offset, timestamp_ms) = (metadata.offset(), metadata.timestamp());
                (metadata.partition(), Ok(Acknowledged { offset, timestamp_ms }))
            }
            Err(error) => (error.partition().unwrap_or(-1), Err(Failed::new(error))),
        };
        record.answer = Some(Answer { at, turn, partition, result });
    }
}

impl Failed {
    fn new(error: &Error) -> Self {
        Self {
            persistence: error.persistence(),
            code: error.code(),
            attempts: error.attempts(),
            elapsed: error.elapsed(),
            text: error.to_string(),
        }
    }

    /// Whether the record must be in no log.
    pub(super) fn is_definite(&self) -> bool {
        self.persistence != Persistence::Perhaps
    }
}

/// The bytes of record `id`: its number, then what follows from it.
pub(super) fn value_of(id: usize, size: usize) -> Vec<u8> {
    let number = (id as u64).to_be_bytes();
    let mut random = Random::new(id as u64);
    let filler = std::iter::repeat_with(move || random.next_u64().to_be_bytes()).flatten();
    number.into_iter().chain(filler).take(size.max(number.len())).collect()
}

/// The record that `value` belongs to.
pub(super) fn id_of(value: &[u8]) -> Option<usize> {
    usize::try_from(u64::from_be_bytes(*value.first_chunk()?)).ok()
}
