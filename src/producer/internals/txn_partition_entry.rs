//! Mirrors `org.apache.kafka.clients.producer.internals.TxnPartitionEntry`.

use std::collections::VecDeque;
use std::time::Duration;

use crate::common::node::NodeId;
use crate::common::uuid::Uuid;
use crate::producer::internals::batch_ref::{BatchId, BatchRef};
use crate::producer::internals::producer_id_and_epoch::ProducerIdAndEpoch;
use crate::record::default_record_batch::ProducerState;
use crate::utils::clock::Instant;

/// The sequence numbers of one partition and the batches that hold some without being acknowledged.
#[derive(Debug)]
pub(super) struct TxnPartitionEntry {
    /// Under whom the sequences count.
    producer: ProducerIdAndEpoch,
    next_sequence: i32,
    last_acked_sequence: Option<i32>,
    /// In the order of their sequences; on the wire or waiting to be sent again.
    in_flight: VecDeque<InFlightBatch>,
    /// How many batches got sequences so far.
    batch_count: u64,
    /// How many are on the wire, those that already ran out of time included.
    on_wire: usize,
    /// Where batches were sent last.
    log: LogIdentity,
    /// Counts the changes of `log`.
    log_number: u32,
    /// Set once something was accepted under `producer`, until an attempt fails.
    confirmation: Option<Confirmation>,
    /// The sequence behind a batch that ran out of time with unknown outcome.
    unresolved_before: Option<i32>,
    /// The first sequence that the broker will never accept: sequences have to start anew under a new epoch, but only
    /// once the batches before it are answered, for they may be in the log already.
    missing_from: Option<i32>,
}

/// The log that a batch goes to, as far as the metadata tells one from another. A topic that was created anew has a new
/// one, and that of a new leader may be shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogIdentity {
    /// Zero where brokers have no topic ids (before 2.8).
    pub(crate) topic_id: Uuid,
    pub(crate) leader: NodeId,
    pub(crate) leader_epoch: Option<i32>,
}

/// A batch about to be sent: where to, and what is known by then.
#[derive(Clone, Copy, Debug)]
pub(super) struct SendAttempt {
    pub(super) producer: ProducerIdAndEpoch,
    pub(super) log: LogIdentity,
    pub(super) now: Instant,
    /// How long after an acknowledgement a broker surely remembers the producer.
    pub(super) trusted_silence: Duration,
}

/// A broker knew the producer when it acknowledged a batch.
#[derive(Clone, Copy, Debug)]
struct Confirmation {
    log_number: u32,
    at: Instant,
}

#[derive(Debug)]
struct InFlightBatch {
    id: BatchId,
    /// How many got sequences before it.
    number: u64,
    /// Where it was sent last.
    log_number: u32,
    base_sequence: i32,
    record_count: i32,
    /// Whether it was sent with this sequence, by itself or as part of a whole.
    is_sent: bool,
    /// Whether it is on its way, with this sequence.
    is_on_wire: bool,
    /// Whether an attempt with this sequence, of its own or of its whole, ended with unknown outcome.
    is_in_doubt: bool,
    /// Whether the sequence is not the first one it had.
    was_reset: bool,
    /// Whether the latest attempt was called out of order.
    is_out_of_order: bool,
    /// Whether an attempt was although all records before it seem to be in the log.
    is_disputed: bool,
    /// Whether it is part of a batch that may be in the log as a whole. If that is so, the broker calls it out of order, for it
    /// knows only the whole again.
    is_whole_in_doubt: bool,
}

impl TxnPartitionEntry {
    pub(super) fn new(producer: ProducerIdAndEpoch, log: LogIdentity) -> Self {
        Self {
            producer,
            log,
            log_number: 0,
            next_sequence: 0,
            last_acked_sequence: None,
            in_flight: VecDeque::with_capacity(1), // more are there only once batches follow one another
            batch_count: 0,
            on_wire: 0,
            confirmation: None,
            unresolved_before: None,
            missing_from: None,
        }
    }

    /// For a prefetch of it, and of its first batch in flight.
    pub(super) fn touch(&self) -> usize {
        self.on_wire + usize::from(self.in_flight.front().is_some_and(|batch| batch.is_sent))
    }

    /// Whether sequences have to start anew.
    pub(super) fn needs_bump(&self) -> bool {
        self.missing_from.is_some()
    }

    /// Whether they may start anew now: nothing that could still be accepted is under way.
    pub(super) fn is_ready_to_bump(&self) -> bool {
        let Some(missing) = self.missing_from else {
            return false;
        };
        self.on_wire == 0
            && !self.in_flight.iter().any(|batch| is_before(batch.base_sequence, missing))
    }

    /// Starts sequences anew from batch `id` on: its own will never be accepted.
    pub(super) fn request_bump(&mut self, id: BatchId) {
        let Some(batch) = self.in_flight.iter().find(|batch| batch.id == id) else {
            return;
        };
        let sequence = batch.base_sequence;
        if self.missing_from.is_none_or(|missing| is_before(sequence, missing)) {
            self.missing_from = Some(sequence);
        }
    }

    /// Whether nothing holds a sequence or is on the wire: then sequences may start anew.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.on_wire == 0
    }

    pub(super) fn is_unresolved(&self) -> bool {
        self.unresolved_before.is_some()
    }

    /// Whether batch `id` may be sent.
    pub(super) fn may_send(&self, id: BatchId, attempt: &SendAttempt) -> bool {
        let position = self.in_flight.iter().position(|batch| batch.id == id);
        match (position, self.missing_from) {
            (Some(position), None) => return self.may_send_again(position, attempt.log),
            (Some(position), Some(missing)) => {
                let sequence = self.in_flight[position].base_sequence;
                return self.may_send_again(position, attempt.log) && is_before(sequence, missing);
            }
            (None, Some(_)) => return false,
            (None, None) => {}
        }
        if self.is_idle() && !self.is_unresolved() {
            return true;
        }
        self.producer == attempt.producer
            && self.is_known_at(attempt)
            && !self.is_unresolved()
            && self.has_room()
    }

    /// After an error, batches are sent again one by one, in order. But behind one that should be next and is called out of
    /// order the others follow at once, and it waits for their answers: [they tell](Self::handle_out_of_order) what became of
    /// it.
    fn may_send_again(&self, position: usize, log: LogIdentity) -> bool {
        let Some(first) = self.in_flight.front() else {
            return false;
        };
        if position > 0 {
            // Another log may not know the producer, and take the second batch in place of the first.
            let is_same_log = first.log_number == self.log_number && self.log == log;
            return first.is_disputed && is_same_log;
        }
        !first.is_out_of_order || self.on_wire == 0
    }

    /// Whether the broker remembers the oldest batch in flight for as long as it may be sent again, also if others were
    /// appended behind it.
    fn has_room(&self) -> bool {
        let since_oldest = self.in_flight.front().map_or(0, |it| self.batch_count - it.number);
        since_oldest < REMEMBERED_BATCHES as u64 && self.in_flight.len() < REMEMBERED_BATCHES
    }

    /// Whether the broker knows the producer, as far as we can know that. One that does not takes any sequence: it could
    /// accept a second batch in place of the first.
    fn is_known_at(&self, attempt: &SendAttempt) -> bool {
        self.confirmation.is_some_and(|known| {
            self.log == attempt.log
                && known.log_number == self.log_number
                && attempt.now < known.at + attempt.trusted_silence
        })
    }

    /// The state that `batch` carries; one that is sent for the first time takes the next sequences.
    pub(super) fn assign_sequence(
        &mut self,
        batch: BatchRef,
        current: ProducerIdAndEpoch,
        log: LogIdentity,
    ) -> ProducerState {
        let BatchRef { id, record_count, .. } = batch;
        self.on_wire += 1;
        if self.log != log {
            self.log = log;
            self.log_number = self.log_number.wrapping_add(1);
        }
        let log_number = self.log_number;
        if let Some(batch) = self.in_flight.iter_mut().find(|batch| batch.id == id) {
            batch.is_disputed &= batch.log_number == log_number; // what another log said is over
            batch.log_number = log_number;
            (batch.is_sent, batch.is_on_wire) = (true, true);
            batch.is_out_of_order = false;
            return self.producer.at_sequence(batch.base_sequence);
        }
        if self.producer != current && self.in_flight.is_empty() {
            self.start_at_beginning(current);
        }
        let base_sequence = self.next_sequence;
        self.next_sequence = sequence_after(base_sequence, record_count);
        self.in_flight.push_back(InFlightBatch {
            id,
            number: self.batch_count,
            log_number,
            base_sequence,
            record_count,
            is_sent: true,
            is_on_wire: true,
            is_in_doubt: false,
            was_reset: false,
            is_out_of_order: false,
            is_disputed: false,
            is_whole_in_doubt: false,
        });
        self.batch_count += 1;
        self.producer.at_sequence(base_sequence)
    }

    /// A request with a batch of this partition ended, however it did.
    pub(super) fn handle_request_ended(&mut self) {
        self.on_wire = self.on_wire.saturating_sub(1);
    }

    /// An attempt to send batch `id` failed: who knows what became of the log. `is_ambiguous` tells whether the batch may be in
    /// it all the same.
    pub(super) fn handle_attempt_failed(&mut self, id: BatchId, is_ambiguous: bool) {
        self.confirmation = None;
        if let Some(batch) = self.in_flight.iter_mut().find(|batch| batch.id == id) {
            batch.is_on_wire = false;
            batch.is_in_doubt |= is_ambiguous;
        }
    }

    /// The batch is in the log.
    pub(super) fn handle_completed_batch(
        &mut self,
        batch: BatchRef,
        state: ProducerState,
        now: Instant,
    ) {
        let BatchRef { id, record_count, .. } = batch;
        let batch = self.in_flight.iter().find(|batch| batch.id == id);
        let log_number = batch.map(|batch| batch.log_number);
        if let Some(whole) = batch.filter(|it| it.is_whole_in_doubt).map(|it| it.number) {
            // Then the whole is not: the other parts are like any batch.
            let parts = self.in_flight.iter_mut().filter(|batch| batch.number == whole);
            parts.for_each(|part| part.is_whole_in_doubt = false);
        }
        self.forget(id);
        if self.producer != ProducerIdAndEpoch::of(&state) {
            return; // an answer to what was sent before the sequences started anew
        }
        if let Some(log_number) = log_number {
            self.confirmation = Some(Confirmation { log_number, at: now });
        }
        // What is in front of an accepted batch was accepted, too.
        self.unresolved_before =
            self.unresolved_before.filter(|before| is_before(state.base_sequence, *before));
        let last = sequence_before(sequence_after(state.base_sequence, record_count));
        if self.last_acked_sequence.is_none_or(|acked| is_before(acked, last)) {
            self.last_acked_sequence = Some(last);
        }
    }

    /// Batch `id` was split: `parts`, which took its records over, share its sequences. `is_in_doubt` tells whether it may be
    /// in the log all the same.
    pub(super) fn split(&mut self, id: BatchId, parts: &[BatchRef], is_in_doubt: bool) {
        let Some(position) = self.in_flight.iter().position(|batch| batch.id == id) else {
            return;
        };
        let Some(whole) = self.in_flight.remove(position) else {
            return;
        };
        let is_whole_in_doubt = is_in_doubt || whole.is_whole_in_doubt;
        let mut base_sequence = whole.base_sequence;
        for (offset, BatchRef { id, record_count, .. }) in parts.iter().enumerate() {
            let part = InFlightBatch {
                id: *id,
                number: whole.number,
                log_number: whole.log_number,
                base_sequence,
                record_count: *record_count,
                is_sent: whole.is_sent,
                is_on_wire: false,
                is_in_doubt: is_whole_in_doubt,
                was_reset: whole.was_reset,
                is_out_of_order: false,
                is_disputed: false,
                is_whole_in_doubt,
            };
            self.in_flight.insert(position + offset, part);
            base_sequence = sequence_after(base_sequence, *record_count);
        }
    }

    pub(super) fn forget(&mut self, id: BatchId) {
        self.in_flight.retain(|batch| batch.id != id);
    }

    /// Takes the sequences of batch `id` back if it was not sent with them: those behind it move up. Returns whether it did.
    pub(super) fn take_back_sequence(&mut self, id: BatchId) -> bool {
        let Some(position) = self.in_flight.iter().position(|batch| batch.id == id) else {
            return false;
        };
        let mut from_here = self.in_flight.range(position..);
        if self.needs_bump() || from_here.any(|batch| batch.is_sent) {
            return false;
        }
        let Some(withdrawn) = self.in_flight.remove(position) else {
            return false;
        };
        self.renumber(position, withdrawn.base_sequence);
        true
    }

    /// Batch `id` failed with unknown outcome.
    pub(super) fn mark_sequence_unresolved(&mut self, id: BatchId) {
        let Some(batch) = self.in_flight.iter().find(|batch| batch.id == id) else {
            return;
        };
        let end = sequence_after(batch.base_sequence, batch.record_count);
        let is_last = self.unresolved_before.is_none_or(|before| is_before(before, end));
        if is_last && !self.is_overtaken(id) {
            self.unresolved_before = Some(end);
        }
        self.forget(id);
    }

    /// Whether one behind batch `id` was acknowledged with a sequence of the same epoch: the broker will not accept this one
    /// any more, nor does it wait for it.
    pub(super) fn is_overtaken(&self, id: BatchId) -> bool {
        let batch = self.in_flight.iter().find(|batch| batch.id == id);
        let acked = self.last_acked_sequence;
        batch.zip(acked).is_some_and(|(batch, acked)| !is_before(acked, batch.base_sequence))
    }

    /// The broker called batch `id` out of order. If that proves that records before one of them are missing in the log for
    /// good, returns the batch that should have come next.
    ///
    /// It does not while one behind that batch may be in the log, for then both are: a broker that was started anew
    /// remembers only the last batch of each producer. What becomes of that one tells.
    pub(super) fn handle_out_of_order(&mut self, id: BatchId) -> Option<BatchId> {
        let position = self.in_flight.iter().position(|batch| batch.id == id)?;
        self.in_flight[position].is_out_of_order = true;
        let expected = self.unresolved_before.unwrap_or(self.expected_sequence());
        let next = self.in_flight.iter().position(|batch| batch.base_sequence == expected)?;
        self.in_flight[next].is_disputed |= position == next;
        // By the log there is now: what another one said of a batch does not count.
        let is_missing =
            |it: &InFlightBatch| it.is_out_of_order && it.log_number == self.log_number;
        // And what is to get another number anyway is not asked after.
        let has_number = |it: &&InFlightBatch| {
            self.missing_from.is_none_or(|missing| is_before(it.base_sequence, missing))
        };
        let mut behind = self.in_flight.range(next + 1..).take_while(has_number);
        let first = &self.in_flight[next];
        let is_gap = is_missing(first)
            && behind.all(|it| !(it.is_in_doubt || it.is_on_wire) || is_missing(it));
        is_gap.then_some(first.id)
    }

    /// Whether batch `id` is part of one that may be in the log as a whole: an out-of-order answer says nothing of it then, and
    /// under a new epoch its records could be there twice.
    pub(super) fn is_whole_in_doubt(&self, id: BatchId) -> bool {
        self.in_flight.iter().any(|batch| batch.id == id && batch.is_whole_in_doubt)
    }

    /// Whether the sequence of batch `id` is not the first one it had.
    pub(super) fn was_reset(&self, id: BatchId) -> bool {
        self.in_flight.iter().any(|batch| batch.id == id && batch.was_reset)
    }

    /// Settles the doubt that an expired batch left, once nothing else is under way: either later batches were
    /// accepted, so it must have been, or the sequences have to start anew.
    pub(super) fn resolve(&mut self) {
        if self.is_unresolved() && self.is_idle() {
            self.unresolved_before = None;
            if self.next_sequence != self.expected_sequence() {
                self.missing_from = Some(self.expected_sequence());
            }
        }
    }

    /// Starts at sequence 0 under `producer`; batches that wait to be sent again get new sequences.
    pub(super) fn start_at_beginning(&mut self, producer: ProducerIdAndEpoch) {
        self.renumber(0, 0);
        self.producer = producer;
        self.last_acked_sequence = None;
        self.confirmation = None;
        self.unresolved_before = None;
        self.missing_from = None;
    }

    /// Gives the batches from `position` on the sequences from `first` on.
    fn renumber(&mut self, position: usize, first: i32) {
        let mut sequence = first;
        for batch in self.in_flight.range_mut(position..) {
            batch.base_sequence = sequence;
            (batch.is_sent, batch.is_on_wire, batch.is_in_doubt) = (false, false, false);
            batch.was_reset = true;
            (batch.is_out_of_order, batch.is_disputed) = (false, false);
            sequence = sequence_after(sequence, batch.record_count);
        }
        self.next_sequence = sequence;
    }

    /// The sequence that the broker expects next, as far as we know.
    fn expected_sequence(&self) -> i32 {
        self.last_acked_sequence.map_or(0, |acked| sequence_after(acked, 1))
    }
}

/// How many batches of a producer a broker remembers for each partition. With more in flight it could take one that it has
/// for one out of order.
const REMEMBERED_BATCHES: usize = 5;

/// Sequences go round from the largest positive number to 0.
fn sequence_after(sequence: i32, count: i32) -> i32 {
    sequence.wrapping_add(count) & i32::MAX
}

/// Whether `sequence` comes before `other`, at most half the circle away.
fn is_before(sequence: i32, other: i32) -> bool {
    let distance = other.wrapping_sub(sequence) & i32::MAX;
    distance != 0 && distance <= i32::MAX / 2
}

fn sequence_before(sequence: i32) -> i32 {
    sequence.wrapping_sub(1) & i32::MAX
}

#[cfg(test)]
mod tests;
