//! Mirrors `org.apache.kafka.clients.producer.internals.TransactionManager`, as far as idempotence needs it.
//!
//! Differs in that it belongs to the sender thread alone: `send` takes no lock for it.

use std::collections::BTreeSet;
use std::time::Duration;

#[cfg(test)]
use crate::common::{node::NodeId, uuid::Uuid};
use crate::error::{Error, ErrorCode};
#[cfg(test)]
use crate::producer::internals::batch_ref::BatchId;
use crate::producer::internals::batch_ref::BatchRef;
use crate::producer::internals::partition_ref::PartitionId;
use crate::producer::internals::producer_id_and_epoch::ProducerIdAndEpoch;
use crate::producer::internals::txn_partition_entry::{
    LogIdentity, SendAttempt, TxnPartitionEntry,
};
use crate::protocol::message::init_producer_id::InitProducerIdRequest;
use crate::record::default_record_batch::{NO_PRODUCER_EPOCH, NO_PRODUCER_ID, ProducerState};
use crate::utils::clock::Instant;
use crate::utils::table::place_of;

/// The producer id and the sequence numbers of every partition.
#[derive(Debug)]
pub(crate) struct TransactionManager {
    producer: ProducerId,
    /// How long after an acknowledgement a partition's leader surely remembers the producer.
    trusted_silence: Duration,
    /// By [`PartitionId`]; `None` before the first batch.
    partitions: Vec<Option<TxnPartitionEntry>>,
    /// Partitions whose sequences are in doubt or have to start anew.
    troubled: BTreeSet<PartitionId>,
}

#[derive(Debug)]
enum ProducerId {
    /// To be asked for, not before the moment given.
    Wanted(Option<Instant>),
    Requested,
    Known(ProducerIdAndEpoch),
}

impl TransactionManager {
    pub(crate) fn new(trusted_silence: Duration) -> Self {
        Self {
            producer: ProducerId::Wanted(None),
            trusted_silence,
            partitions: Vec::new(),
            troubled: BTreeSet::new(),
        }
    }

    /// The request for a producer id, if it is time for one; the caller sends it.
    pub(crate) fn init_producer_id_request(&self, now: Instant) -> Option<InitProducerIdRequest> {
        match self.producer {
            ProducerId::Wanted(not_before) if not_before.is_none_or(|moment| moment <= now) => {
                Some(InitProducerIdRequest {
                    transactional_id: None,
                    transaction_timeout_ms: i32::MAX,
                    producer_id: NO_PRODUCER_ID,
                    producer_epoch: NO_PRODUCER_EPOCH,
                })
            }
            _ => None,
        }
    }

    /// The moment from which a producer id may be asked for again.
    pub(crate) fn next_request(&self) -> Option<Instant> {
        match self.producer {
            ProducerId::Wanted(not_before) => not_before,
            _ => None,
        }
    }

    /// The request for a producer id is under way.
    pub(crate) fn handle_producer_id_requested(&mut self) {
        self.producer = ProducerId::Requested;
    }

    /// The request failed; the next one is due at `not_before`.
    pub(crate) fn handle_producer_id_failed(&mut self, not_before: Instant) {
        self.producer = ProducerId::Wanted(Some(not_before));
    }

    /// The brokers gave this producer a number.
    pub(crate) fn handle_producer_id(&mut self, producer: ProducerIdAndEpoch) {
        log::debug!("producer id {} with epoch {}", producer.id, producer.epoch);
        self.producer = ProducerId::Known(producer);
    }

    /// Whether batches can be numbered at all.
    pub(crate) fn has_producer_id(&self) -> bool {
        matches!(self.producer, ProducerId::Known(_))
    }

    /// Whether `batch` may be sent; if not, an answer for its partition or
    /// [`resolve_sequences`](Self::resolve_sequences) will change it.
    pub(crate) fn may_send(&self, batch: BatchRef, log: LogIdentity, now: Instant) -> bool {
        let ProducerId::Known(current) = self.producer else {
            return false;
        };
        let trusted_silence = self.trusted_silence;
        let attempt = SendAttempt { producer: current, log, now, trusted_silence };
        self.partitions
            .get(batch.partition.index())
            .and_then(Option::as_ref)
            .is_none_or(|entry| entry.may_send(batch.id, &attempt))
    }

    /// Numbers a batch that is about to be sent. Call it only if [`may_send`](Self::may_send).
    pub(crate) fn assign_sequence(&mut self, batch: BatchRef, log: LogIdentity) -> ProducerState {
        let ProducerId::Known(current) = self.producer else {
            return ProducerState::NONE;
        };
        let new = || TxnPartitionEntry::new(current, log);
        let entry = place_of(&mut self.partitions, batch.partition.index()).get_or_insert_with(new);
        entry.assign_sequence(batch, current, log)
    }

    /// The request with a batch of `partition` ended.
    pub(crate) fn handle_request_ended(&mut self, partition: PartitionId) {
        if let Some(entry) = self.entry(partition) {
            entry.handle_request_ended();
        }
    }

    /// An attempt to send the batch failed. `is_ambiguous` tells whether it may be in the log all the same.
    pub(crate) fn handle_attempt_failed(&mut self, batch: BatchRef, is_ambiguous: bool) {
        if let Some(entry) = self.entry(batch.partition) {
            entry.handle_attempt_failed(batch.id, is_ambiguous);
        }
    }

    /// The batch is in the log.
    pub(crate) fn handle_completed_batch(
        &mut self,
        batch: BatchRef,
        state: ProducerState,
        now: Instant,
    ) {
        if let Some(entry) = self.entry(batch.partition) {
            entry.handle_completed_batch(batch, state, now);
        }
    }

    /// Whether to send a batch again after `code`; may decide to start the partition's sequences anew first.
    ///
    /// Java: `canRetry`. `log_start_offset` is the answer's, -1 if it has none.
    pub(crate) fn can_retry(
        &mut self,
        batch: BatchRef,
        code: ErrorCode,
        log_start_offset: i64,
    ) -> bool {
        let BatchRef { partition, id, .. } = batch;
        let Some(entry) = self.entry(partition) else {
            return code.is_retriable();
        };
        let bump_from = match code {
            ErrorCode::UnknownProducerId => {
                (log_start_offset != -1 && !entry.was_reset(id)).then_some(id)
            }
            ErrorCode::OutOfOrderSequenceNumber
                if entry.is_whole_in_doubt(id) || entry.is_overtaken(id) =>
            {
                return false;
            }
            ErrorCode::OutOfOrderSequenceNumber => entry.handle_out_of_order(id),
            _ => return code.is_retriable(),
        };
        if let Some(first) = bump_from {
            entry.request_bump(first);
            self.troubled.insert(partition);
        }
        true
    }

    /// The batch was split into `parts`. `is_in_doubt` tells whether it may be in the log all the same.
    pub(crate) fn split(&mut self, batch: BatchRef, parts: &[BatchRef], is_in_doubt: bool) {
        if let Some(entry) = self.entry(batch.partition) {
            entry.split(batch.id, parts, is_in_doubt);
        }
    }

    /// The batch failed for good: its sequences are missing, so the partition starts anew, unless it was not sent with them.
    pub(crate) fn handle_failed_batch(&mut self, batch: BatchRef) {
        let BatchRef { partition, id, .. } = batch;
        if let Some(entry) = self.entry(partition) {
            if !entry.take_back_sequence(id) {
                if !entry.is_overtaken(id) {
                    entry.request_bump(id);
                }
                entry.forget(id);
            }
            self.troubled.insert(partition);
        }
    }

    /// The batch failed, and may be in the log all the same.
    pub(crate) fn mark_sequence_unresolved(&mut self, batch: BatchRef) {
        let BatchRef { partition, id, .. } = batch;
        if let Some(entry) = self.entry(partition) {
            if !entry.take_back_sequence(id) {
                entry.mark_sequence_unresolved(id);
            }
            self.troubled.insert(partition);
        }
    }

    /// Settles doubts and starts sequences anew where nothing is on the wire any more; returns the partitions that may
    /// go on.
    pub(crate) fn resolve_sequences(&mut self) -> Vec<PartitionId> {
        let mut settled = Vec::new();
        let mut to_bump = Vec::new();
        for partition in &self.troubled {
            let entry = self.partitions.get_mut(partition.index()).and_then(Option::as_mut);
            let Some(entry) = entry else {
                continue;
            };
            entry.resolve();
            if entry.is_ready_to_bump() {
                to_bump.push(*partition);
            } else if !entry.needs_bump() && !entry.is_unresolved() {
                settled.push(*partition);
            }
        }
        if !to_bump.is_empty() && self.bump_epoch() {
            self.start_at_beginning(&to_bump);
            settled.extend(to_bump);
        }
        for partition in &settled {
            self.troubled.remove(partition);
        }
        settled
    }

    /// As if `record_count` records had been sent to the partition, and acknowledged, long ago.
    #[cfg(test)]
    pub(crate) fn assume_sent(&mut self, partition: PartitionId, record_count: i32) {
        let id = BatchId::new(u64::MAX); // no batch has it
        let batch = BatchRef { partition, id, record_count };
        let log = LogIdentity { topic_id: Uuid::ZERO, leader: NodeId(-1), leader_epoch: None };
        let state = self.assign_sequence(batch, log);
        self.handle_request_ended(partition);
        self.handle_completed_batch(batch, state, Instant::ZERO);
    }

    /// For a prefetch of what is known of a partition.
    pub(super) fn touch(&self, partition: PartitionId) -> usize {
        let entry = self.partitions.get(partition.index()).and_then(Option::as_ref);
        entry.map_or(0, TxnPartitionEntry::touch)
    }

    fn entry(&mut self, partition: PartitionId) -> Option<&mut TxnPartitionEntry> {
        self.partitions.get_mut(partition.index()).and_then(Option::as_mut)
    }

    /// Java: `bumpIdempotentProducerEpoch`. Returns whether there is a number to go on with.
    fn bump_epoch(&mut self) -> bool {
        let ProducerId::Known(current) = self.producer else {
            return false;
        };
        let Some(epoch) = current.epoch.checked_add(1) else {
            self.producer = ProducerId::Wanted(None); // all epochs are used up
            return false;
        };
        self.producer = ProducerId::Known(ProducerIdAndEpoch { epoch, ..current });
        true
    }

    fn start_at_beginning(&mut self, partitions: &[PartitionId]) {
        let ProducerId::Known(current) = self.producer else {
            return;
        };
        for partition in partitions {
            if let Some(entry) = self.entry(*partition) {
                entry.start_at_beginning(current);
            }
        }
    }
}

/// Whether `error` ends an idempotent producer for good (Java: `FATAL_ERROR`).
pub(crate) fn ends_idempotent_producer(error: &Error) -> bool {
    matches!(
        error.code(),
        Some(
            ErrorCode::ClusterAuthorizationFailed
                | ErrorCode::ProducerFenced
                | ErrorCode::InvalidProducerIdMapping
                | ErrorCode::UnsupportedVersion
        )
    )
}
