//! What becomes of a batch: acknowledged, sent again, or failed.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::client::kafka_client::KafkaClient;
use crate::common::node::NodeId;
use crate::error::{Deadline, Error, ErrorCode, ErrorKind, Persistence};
use crate::producer::internals::partition_ref::PartitionId;
use crate::producer::internals::produce_request_result::BatchOutcome;
use crate::producer::internals::producer_batch::{BatchOrder, ProducerBatch, Retry, Split};
use crate::producer::internals::sendable_partitions::Turn;
use crate::producer::internals::sender::produce_request::ProduceHandler;
use crate::producer::internals::sender::{RequestCompletionHandler, Sender};
use crate::producer::internals::transaction_manager::ends_idempotent_producer;
use crate::producer::record_metadata::UNKNOWN;
use crate::protocol::message::produce::PartitionProduceResponse;
use crate::utils::clock::Instant;

/// What is known of a batch after its request ended.
#[derive(Debug)]
pub(super) struct PartitionResponse {
    code: ErrorCode,
    /// The error that `code` stands for; `None` for success.
    error: Option<Error>,
    base_offset: i64,
    log_append_time_ms: i64,
    log_start_offset: i64,
    /// What the broker said of single records, by index.
    record_errors: BTreeMap<u32, Error>,
    /// Whether the broker may have appended the batch in spite of the error.
    is_ambiguous: bool,
}

impl PartitionResponse {
    /// With `acks=0` nothing is known, and that is success.
    pub(super) fn not_expected() -> Self {
        Self::success(UNKNOWN, UNKNOWN)
    }

    fn success(base_offset: i64, log_append_time_ms: i64) -> Self {
        Self {
            code: ErrorCode::None,
            error: None,
            base_offset,
            log_append_time_ms,
            log_start_offset: UNKNOWN,
            record_errors: BTreeMap::new(),
            is_ambiguous: false,
        }
    }

    /// No broker answered; `code` is what Java would make up.
    pub(super) fn local(code: ErrorCode, error: Error, is_ambiguous: bool) -> Self {
        Self { code, error: Some(error), is_ambiguous, ..Self::not_expected() }
    }

    /// The broker answered for other partitions and left this one out.
    pub(super) fn missing() -> Self {
        let message = "the broker's answer leaves this partition out";
        let error = Error::new(ErrorKind::Protocol { message: message.into() });
        Self::local(ErrorCode::NetworkException, error, true)
    }

    pub(super) fn of_broker(answer: &PartitionProduceResponse) -> Self {
        let code = answer.error_code;
        if code.is_ok() {
            return Self::success(answer.base_offset, answer.log_append_time_ms);
        }
        let error = Error::broker_code(code, answer.error_message.as_deref());
        let record_errors = answer.record_errors.iter().filter_map(|record| {
            let index = u32::try_from(record.batch_index).ok()?;
            let message = record.message.as_deref().or(answer.error_message.as_deref());
            Some((index, Error::broker_code(code, message)))
        });
        Self {
            is_ambiguous: error.persistence() == Persistence::Perhaps,
            log_start_offset: answer.log_start_offset,
            record_errors: record_errors.collect(),
            base_offset: answer.base_offset,
            log_append_time_ms: answer.log_append_time_ms,
            ..Self::local(code, error, false)
        }
    }

    /// Whether the records are in the log; those of a duplicate are, too.
    pub(super) fn is_success(&self) -> bool {
        self.failure().is_none()
    }

    /// Why the records are not in the log, if they are not.
    fn failure(&self) -> Option<&Error> {
        self.error.as_ref().filter(|_| self.code != ErrorCode::DuplicateSequenceNumber)
    }
}

/// A batch that ran out of time.
enum Expired<'a> {
    Waiting(Box<ProducerBatch>),
    InFlight { batch: &'a mut ProducerBatch, node: NodeId },
}

impl Expired<'_> {
    fn order(&self) -> BatchOrder {
        match self {
            Self::Waiting(batch) => batch.order(),
            Self::InFlight { batch, .. } => batch.order(),
        }
    }
}

/// Who did not take a batch, and why.
struct FailedAttempt {
    node: NodeId,
    error: Error,
}

impl<C: KafkaClient> Sender<C> {
    /// Java: `completeBatch`.
    pub(super) fn complete_batch(
        &mut self,
        mut batch: Box<ProducerBatch>,
        answer: &PartitionResponse,
        node: NodeId,
        now: Instant,
    ) {
        let partition = batch.partition_id();
        if let Some(transactions) = &mut self.transaction_manager {
            transactions.handle_request_ended(partition);
        }
        self.partitions.unmute(partition);
        match answer.failure() {
            None => self.succeed(batch, answer, now),
            Some(error) => {
                if answer.is_ambiguous {
                    batch.set_perhaps_persisted();
                }
                if let Some(transactions) = &mut self.transaction_manager {
                    transactions.handle_attempt_failed(batch.batch_ref(), answer.is_ambiguous);
                }
                if answer.code.is_stale_metadata() {
                    let topic = batch.topic_partition().shared_topic();
                    self.metadata.add_topic(topic, now); // it is in use, if nobody sends to it any more
                    self.metadata.request_update_for_topic(topic);
                }
                let error = error.clone().with_broker(self.broker_name(node));
                self.retry_or_fail(batch, answer, FailedAttempt { node, error }, now);
            }
        }
        if self.partitions.is_held(partition) {
            self.reconsider(partition, now);
        }
    }

    /// Completes the batch; [`retire`](Self::retire) forgets it.
    fn succeed(&mut self, mut batch: Box<ProducerBatch>, answer: &PartitionResponse, now: Instant) {
        if let (Some(transactions), Some(state)) =
            (&mut self.transaction_manager, batch.sealed_for())
        {
            transactions.handle_completed_batch(batch.batch_ref(), state, now);
        }
        batch.complete(BatchOutcome::Appended {
            base_offset: answer.base_offset,
            log_append_time_ms: answer.log_append_time_ms,
        });
        self.succeeded.push(batch);
    }

    /// Gives the memory of batches that succeeded back to the pool, all at once: callers wait for its lock.
    pub(super) fn return_memory<'a>(
        &mut self,
        batches: impl Iterator<Item = &'a mut Box<ProducerBatch>>,
    ) {
        batches.for_each(|batch| batch.surrender(&mut self.returned));
        self.accumulator.pool().give_back_all(&mut self.returned);
    }

    /// Lets go of the batches that succeeded.
    pub(super) fn retire(&mut self) {
        self.accumulator.retire(&mut self.succeeded);
        self.partitions.keep_boxes(&mut self.succeeded);
    }

    fn retry_or_fail(
        &mut self,
        mut batch: Box<ProducerBatch>,
        answer: &PartitionResponse,
        failed_attempt: FailedAttempt,
        now: Instant,
    ) {
        if batch.is_completed() {
            return; // it ran out of time while it was on its way
        }
        let FailedAttempt { node, error } = failed_attempt;
        let was_refused =
            batch.retry().is_some_and(|retry| retry.error.persistence() == Persistence::Refused);
        // An attempt that never left does not undo that an earlier one did.
        let error = match error.persistence() {
            Persistence::NeverSent if was_refused => error.with_persistence(Persistence::Refused),
            _ => error,
        };
        if batch.has_reached_delivery_timeout(self.settings.delivery_timeout, now) {
            let error = self.expiry_error(&batch, Some(error));
            return self.fail(batch, &error, now);
        }
        if answer.code == ErrorCode::MessageTooLarge {
            self.accumulator.keep_batches_small(batch.topic_partition().topic());
            if batch.record_count() > 1 {
                return self.split_and_reenqueue(batch, &error, now);
            }
        }
        if self.can_retry(&batch, answer) {
            self.retry_log.note(batch.topic_partition(), &error, now);
            let wait = self.settings.retry_backoff.backoff(batch.attempts() - 1, &mut self.random);
            batch.reenqueued(Retry { at: now + wait, asked: node, error });
            return self.reinsert(batch, now);
        }
        let is_the_end = self.transaction_manager.is_some() && ends_idempotent_producer(&error);
        let error = if is_the_end { error.into_fatal() } else { error };
        if is_the_end {
            self.fatal = Some(error.clone()); // without what is this batch's own: other records fail with it
        }
        let broker = self.broker_name(node);
        let records = answer.record_errors.iter();
        let record_errors =
            records.map(|(index, error)| (*index, error.clone().with_broker(broker.clone())));
        self.fail_with_record_errors(batch, &error, &record_errors.collect(), now);
    }

    /// The broker takes smaller batches. Costs no retry.
    fn split_and_reenqueue(&mut self, batch: Box<ProducerBatch>, error: &Error, now: Instant) {
        let partition = batch.topic_partition();
        log::warn!("splitting a batch of {} bytes in {partition}: {error}", batch.size());
        self.reenqueue_halves(batch, error, now);
    }

    /// Sends the records of `batch` in halves, or in less where `batch.size` is.
    pub(super) fn reenqueue_halves(
        &mut self,
        batch: Box<ProducerBatch>,
        error: &Error,
        now: Instant,
    ) {
        let max_size = self.accumulator.batch_size().min(batch.size() / 2);
        self.reenqueue_parts(batch, Split::AtSize(max_size), error, now);
    }

    /// Sends the records of `batch` in several. If they are gone, it fails with `error`.
    pub(super) fn reenqueue_parts(
        &mut self,
        batch: Box<ProducerBatch>,
        split: Split,
        error: &Error,
        now: Instant,
    ) {
        let (whole, key) = (batch.batch_ref(), batch.incomplete_key());
        let is_in_doubt = batch.is_perhaps_persisted();
        let accumulator = Arc::clone(&self.accumulator);
        let parts = match batch.split(split, &|| accumulator.next_batch_id()) {
            Ok(parts) => parts,
            Err(batch) => return self.fail(batch, error, now),
        };
        if let Some(transactions) = &mut self.transaction_manager {
            let parts: Vec<_> = parts.iter().map(ProducerBatch::batch_ref).collect();
            transactions.split(whole, &parts, is_in_doubt);
        }
        for mut part in parts {
            part.enroll(accumulator.incomplete());
            self.reinsert(Box::new(part), now);
        }
        accumulator.incomplete().remove(key);
    }

    fn can_retry(&mut self, batch: &ProducerBatch, answer: &PartitionResponse) -> bool {
        if batch.attempts() > self.settings.retries {
            return false;
        }
        match &mut self.transaction_manager {
            Some(transactions) => {
                transactions.can_retry(batch.batch_ref(), answer.code, answer.log_start_offset)
            }
            None => answer.code.is_retriable(),
        }
    }

    /// Fails a batch for good.
    pub(super) fn fail(&mut self, batch: Box<ProducerBatch>, error: &Error, now: Instant) {
        self.fail_with_record_errors(batch, error, &BTreeMap::new(), now);
    }

    fn fail_with_record_errors(
        &mut self,
        mut batch: Box<ProducerBatch>,
        error: &Error,
        record_errors: &BTreeMap<u32, Error>,
        now: Instant,
    ) {
        // Also a batch that was never sent may hold sequences: those of the batch that it was split from.
        if let Some(transactions) = &mut self.transaction_manager {
            if batch.is_perhaps_persisted() {
                transactions.mark_sequence_unresolved(batch.batch_ref());
            } else {
                transactions.handle_failed_batch(batch.batch_ref());
            }
        }
        let describe = |error: &Error| describe(&batch, error.clone(), now);
        let error = describe(error);
        let records = record_errors.iter().map(|(index, error)| (*index, describe(error)));
        let record_errors = records.collect();
        batch.complete(BatchOutcome::Failed { error, record_errors });
        self.accumulator.incomplete().remove(batch.incomplete_key());
    }

    /// Fails what passed `delivery.timeout.ms`, oldest first: of one partition some may be on their way and others wait.
    /// Returns whether there was anything.
    pub(super) fn fail_expired_batches(&mut self, now: Instant) -> bool {
        let mut requests = self.take_requests_with_expired(now);
        let waiting = self.partitions.take_expired();
        let mut expired: Vec<_> = waiting.into_iter().map(Expired::Waiting).collect();
        let timeout = self.settings.delivery_timeout;
        for (_, handler) in &mut requests {
            let node = handler.node;
            let batches = handler.batches.iter_mut().filter(|batch| {
                !batch.is_completed() && batch.has_reached_delivery_timeout(timeout, now)
            });
            expired.extend(batches.map(|batch| Expired::InFlight { batch, node }));
        }
        expired.sort_by_key(Expired::order);
        let is_any = !expired.is_empty();
        for expired in expired {
            match expired {
                Expired::Waiting(batch) => {
                    let error = self.expiry_error(&batch, None);
                    self.fail(batch, &error, now);
                }
                Expired::InFlight { batch, node } => self.fail_in_flight(batch, node, now),
            }
        }
        for (correlation_id, handler) in requests {
            self.put_back(correlation_id, handler);
        }
        is_any
    }

    /// The produce requests in flight of which at least one batch may be out of time.
    fn take_requests_with_expired(&mut self, now: Instant) -> Vec<(i32, ProduceHandler)> {
        let mut taken = Vec::new();
        while let Some((moment, correlation_id)) = self.in_flight_expiry.first().copied() {
            if moment > now {
                break;
            }
            self.in_flight_expiry.remove(&(moment, correlation_id));
            let handler = self.handlers.remove(&correlation_id);
            if let Some(RequestCompletionHandler::Produce(handler)) = handler {
                taken.push((correlation_id, handler));
            }
        }
        taken
    }

    /// The batch stays with its request: the socket may still read its bytes.
    fn fail_in_flight(&mut self, batch: &mut ProducerBatch, node: NodeId, now: Instant) {
        batch.set_perhaps_persisted();
        if let Some(transactions) = &mut self.transaction_manager {
            transactions.mark_sequence_unresolved(batch.batch_ref());
        }
        let error = self.expiry_error(batch, None);
        let error = describe(batch, error.with_broker(self.broker_name(node)), now);
        batch.complete(BatchOutcome::failed(error));
        self.accumulator.incomplete().remove(batch.incomplete_key());
    }

    fn put_back(&mut self, correlation_id: i32, mut handler: ProduceHandler) {
        let pending = handler.batches.iter().filter(|batch| !batch.is_completed());
        if let Some(oldest) = pending.map(|batch| batch.created()).min() {
            handler.expires = oldest + self.settings.delivery_timeout;
            self.in_flight_expiry.insert((handler.expires, correlation_id));
        } else {
            self.client.set_unawaited(handler.node, correlation_id);
        }
        self.handlers.insert(correlation_id, RequestCompletionHandler::Produce(handler));
    }

    /// `latest` is what the last attempt ended with, unless the batch waits since then and knows it itself.
    fn expiry_error(&self, batch: &ProducerBatch, latest: Option<Error>) -> Error {
        let cause = latest.or_else(|| batch.retry().map(|retry| retry.error.clone()));
        let kind = ErrorKind::Timeout {
            deadline: Deadline::Delivery,
            limit: self.settings.delivery_timeout,
            waiting_for: "acknowledgement",
        };
        let persistence = cause.as_ref().map_or(Persistence::NeverSent, Error::persistence);
        Error::new(kind)
            .with_persistence(persistence)
            .with_cause(cause.or_else(|| self.why_waiting(batch)))
    }

    /// What keeps a batch from being sent, as far as one can tell.
    fn why_waiting(&self, batch: &ProducerBatch) -> Option<Error> {
        let topic_partition = batch.topic_partition();
        let (topic, partition) = (topic_partition.topic(), topic_partition.partition());
        let leader = self.metadata.snapshot().cluster.leader(topic, partition);
        let without_leader = || {
            let message = "the partition has no leader";
            let error = || Error::broker_code(ErrorCode::LeaderNotAvailable, Some(message));
            leader.is_none().then(error)
        };
        let of_leader = || leader.and_then(|leader| self.client.last_error(leader));
        let known = self.producer_id_error.clone().or_else(of_leader);
        let known = known.or_else(|| self.metadata.last_error());
        known.or_else(|| self.metadata.topic_error(topic)).or_else(without_leader)
    }

    pub(super) fn broker_name(&self, node: NodeId) -> String {
        let snapshot = self.metadata.snapshot();
        snapshot.cluster.node(node).map_or_else(|| format!("(id {node})"), ToString::to_string)
    }

    fn reinsert(&mut self, batch: Box<ProducerBatch>, now: Instant) {
        let metadata = self.metadata.snapshot();
        let turn = Turn { now, metadata: &metadata, is_urgent: self.accumulator.is_closed() };
        self.partitions.reinsert(batch, &turn);
    }

    pub(super) fn reconsider(&mut self, partition: PartitionId, now: Instant) {
        let metadata = self.metadata.snapshot();
        let turn = Turn { now, metadata: &metadata, is_urgent: self.accumulator.is_closed() };
        self.partitions.reconsider(partition, &turn);
    }
}

/// Adds what every error of a batch tells.
fn describe(batch: &ProducerBatch, error: Error, now: Instant) -> Error {
    // Then the client has not even tried.
    let is_unsent = matches!(error.kind(), ErrorKind::UnsupportedVersion { .. });
    let attempts = if is_unsent { 0 } else { batch.attempts() };
    let persistence = match error.persistence() {
        _ if batch.is_perhaps_persisted() => Persistence::Perhaps,
        _ if attempts == 0 => Persistence::NeverSent,
        persistence => persistence,
    };
    error
        .with_topic_partition(batch.topic_partition())
        .with_attempts(attempts)
        .with_elapsed(now.saturating_duration_since(batch.created()))
        .with_persistence(persistence)
}
