//! Mirrors `org.apache.kafka.clients.producer.internals.Sender`.

mod completion;
mod down_conversion;
mod produce_request;
mod retry_log;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::client::client_request::ClientRequest;
use crate::client::client_response::{ClientResponse, ResponseOutcome};
use crate::client::kafka_client::KafkaClient;
use crate::client::metadata::Metadata;
use crate::common::node::NodeId;
use crate::compress::CompressionType;
use crate::error::{Error, ErrorCode, ErrorKind};
use crate::producer::internals::buffer_pool::Returned;
use crate::producer::internals::node_availability::NodeAvailability;
use crate::producer::internals::producer_batch::ProducerBatch;
use crate::producer::internals::producer_id_and_epoch::ProducerIdAndEpoch;
use crate::producer::internals::record_accumulator::RecordAccumulator;
use crate::producer::internals::sendable_partitions::{Capacity, SendablePartitions, Turn};
use crate::producer::internals::sender::produce_request::{OutgoingBatch, ProduceHandler};
use crate::producer::internals::sender::retry_log::RetryLog;
use crate::producer::internals::transaction_manager::TransactionManager;
use crate::protocol::body::{RequestBody, ResponseBody};
use crate::protocol::message::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use crate::record::record_version::RecordVersion;
use crate::utils::clock::Instant;
use crate::utils::exponential_backoff::ExponentialBackoff;
use crate::utils::hash::HashMap;
use crate::utils::random::Random;

pub(crate) use down_conversion::headers_need_newer_brokers;

/// Sends what the accumulator has and completes what the brokers answer, one turn at a time.
///
/// Has no thread, clock or socket of its own: [`run_once`](Self::run_once) drives everything.
#[derive(Debug)]
pub(crate) struct Sender<C> {
    settings: SenderSettings,
    client: C,
    metadata: Arc<Metadata>,
    accumulator: Arc<RecordAccumulator>,
    partitions: SendablePartitions,
    /// `None` without idempotence.
    transaction_manager: Option<TransactionManager>,
    availability: NodeAvailability,
    /// What to do with the answers that are due, by correlation id.
    handlers: HashMap<i32, RequestCompletionHandler>,
    /// When the oldest batch of each produce request runs out of time.
    in_flight_expiry: BTreeSet<(Instant, i32)>,
    /// Set once nothing can ever be sent again.
    fatal: Option<Error>,
    /// How often in a row no producer id was given.
    producer_id_failures: u32,
    /// Why there is no producer id yet, if one was refused.
    producer_id_error: Option<Error>,
    random: Random,
    retry_log: RetryLog,
    /// The batches of the answer at hand that succeeded. Reused.
    succeeded: Vec<Box<ProducerBatch>>,
    /// Their memory, on its way to the pool. Reused.
    returned: Vec<Returned>,
}

/// The properties that the sender goes by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SenderSettings {
    /// `acks`: 0, 1, or -1 for all.
    pub(crate) acks: i16,
    /// `max.request.size`, in bytes.
    pub(crate) max_request_size: usize,
    /// `retries`.
    pub(crate) retries: u32,
    /// `request.timeout.ms`.
    pub(crate) request_timeout: Duration,
    /// `delivery.timeout.ms`.
    pub(crate) delivery_timeout: Duration,
    /// `linger.ms`.
    pub(crate) linger: Duration,
    /// `retry.backoff.ms` and `retry.backoff.max.ms`.
    pub(crate) retry_backoff: ExponentialBackoff,
    /// `enable.idempotence`.
    pub(crate) is_idempotent: bool,
    /// How long after an acknowledgement a partition's leader surely remembers an idempotent producer.
    pub(crate) trusted_silence: Duration,
    /// Whether `max.in.flight.requests.per.connection` is 1, which promises order also without idempotence.
    pub(crate) guarantees_order: bool,
    /// `partitioner.availability.timeout.ms`, zero for none.
    pub(crate) availability_timeout: Duration,
    /// `compression.type`.
    pub(crate) codec: CompressionType,
}

/// What a request was for. Java: `RequestCompletionHandler`.
#[derive(Debug)]
enum RequestCompletionHandler {
    Produce(ProduceHandler),
    InitProducerId,
}

impl<C: KafkaClient> Sender<C> {
    pub(crate) fn new(
        settings: SenderSettings,
        client: C,
        metadata: Arc<Metadata>,
        accumulator: Arc<RecordAccumulator>,
        random: Random,
    ) -> Self {
        Self {
            client,
            metadata,
            accumulator,
            partitions: SendablePartitions::new(settings.linger, settings.delivery_timeout),
            transaction_manager: settings
                .is_idempotent
                .then(|| TransactionManager::new(settings.trusted_silence)),
            availability: NodeAvailability::new(settings.availability_timeout),
            handlers: HashMap::default(),
            in_flight_expiry: BTreeSet::new(),
            fatal: None,
            producer_id_failures: 0,
            producer_id_error: None,
            random,
            retry_log: RetryLog::default(),
            succeeded: Vec::new(),
            returned: Vec::new(),
            settings,
        }
    }

    #[cfg(test)]
    pub(crate) fn transaction_manager_mut(&mut self) -> Option<&mut TransactionManager> {
        self.transaction_manager.as_mut()
    }

    /// One turn: fails what ran out of time, sends what is ready, does the network's work, completes what was answered. Returns
    /// the time after the network's work.
    ///
    /// Waits for the network, for a wake-up or for the next deadline if there is nothing to do.
    pub(crate) fn run_once(&mut self, clock: &dyn Fn() -> Instant) -> Instant {
        let (timeout, now) = self.send_producer_data(clock);
        let polled = self.client.poll(timeout, now);
        if let Some(error) = polled.failure {
            self.fatal = Some(error.into_fatal());
        }
        for response in polled.responses {
            self.handle_response(response, polled.now);
        }
        self.note_old_brokers();
        polled.now
    }

    /// Whether every accepted record is answered.
    pub(crate) fn is_drained(&self) -> bool {
        self.accumulator.incomplete().is_empty()
    }

    /// Why nothing can ever be sent again, if so: the thread then fails what is left.
    pub(crate) fn fatal_error(&self) -> Option<&Error> {
        self.fatal.as_ref()
    }

    /// Fails every record that was accepted and not answered, oldest first, and closes the connections. The accumulator
    /// has to be closed before: then no record is missed.
    pub(crate) fn abort(&mut self, reason: &Error, now: Instant) {
        let mut batches = self.partitions.take_expired();
        for (_, handler) in std::mem::take(&mut self.handlers) {
            if let RequestCompletionHandler::Produce(handler) = handler {
                batches.extend(handler.batches.into_iter().map(|mut batch| {
                    batch.set_perhaps_persisted();
                    batch
                }));
            }
        }
        batches.extend(self.accumulator.take_all());
        batches.sort_by_key(|batch| batch.order());
        for batch in batches {
            self.fail(batch, reason, now);
        }
        self.client.close();
    }

    /// Java: `sendProducerData`. Returns how long the network may be waited for, and from when on.
    fn send_producer_data(&mut self, clock: &dyn Fn() -> Instant) -> (Option<Duration>, Instant) {
        let metadata = Arc::clone(&self.metadata);
        let snapshot = metadata.snapshot();
        let is_urgent = self.accumulator.is_closed() || self.accumulator.pool().is_exhausted();
        let mut turn = Turn { now: clock(), metadata: &snapshot, is_urgent };
        let mut wait = Wait::for_event();
        self.partitions.refresh(&self.accumulator, &turn);
        if self.fail_expired_batches(turn.now) {
            // Callbacks have run: what is sent with the time from before them could be late as soon as it has left.
            turn.now = clock();
        }
        let now = turn.now;
        self.settle_sequences(&turn);
        for topic in self.partitions.take_topics_without_leader() {
            self.metadata.add_topic(&topic, now);
            self.metadata.request_update_for_topic(&topic);
        }
        if self.has_producer_id(now, &mut wait) {
            let mut next = self.partitions.next_ready_node(None);
            while let Some(node) = next {
                self.send_to(node, &turn, &mut wait);
                next = self.partitions.next_ready_node(Some(node));
            }
        }
        drop(snapshot);
        self.availability.retain(|node| self.partitions.is_ready(node));
        self.availability.publish(self.accumulator.sticky(), now);
        wait.until(self.partitions.next_deadline());
        wait.until(self.in_flight_expiry.first().map(|(moment, _)| *moment));
        if self.partitions.has_expired() {
            wait.not_at_all();
        }
        (wait.timeout(now), now)
    }

    /// Whether batches can be numbered, or need not be. If not, asks for a producer id as soon as that is possible.
    fn has_producer_id(&mut self, now: Instant, wait: &mut Wait) -> bool {
        let Some(transactions) =
            self.transaction_manager.as_mut().filter(|it| !it.has_producer_id())
        else {
            return true;
        };
        if self.accumulator.incomplete().is_empty() {
            return false; // nobody needs one yet
        }
        let Some(request) = transactions.init_producer_id_request(now) else {
            wait.until(transactions.next_request());
            return false;
        };
        let Some(node) = self.client.least_loaded_node(now) else {
            // No event will tell when there is one again.
            let soon = now + self.settings.retry_backoff.backoff(0, &mut self.random);
            transactions.handle_producer_id_failed(soon);
            wait.until(Some(soon));
            return false;
        };
        if self.client.ready(node, now) {
            transactions.handle_producer_id_requested();
            self.send_producer_id_request(node, request, now);
        } else {
            wait.until(self.client.next_attempt(node, now));
        }
        false
    }

    fn send_producer_id_request(
        &mut self,
        node: NodeId,
        request: InitProducerIdRequest,
        now: Instant,
    ) {
        let request = ClientRequest {
            node,
            body: RequestBody::InitProducerId(request),
            expect_response: true,
            timeout: self.settings.request_timeout,
            least_version: 0,
        };
        let correlation_id = self.client.send(request, now);
        self.handlers.insert(correlation_id, RequestCompletionHandler::InitProducerId);
    }

    fn send_to(&mut self, node: NodeId, turn: &Turn<'_>, wait: &mut Wait) {
        if !self.client.ready(node, turn.now) {
            self.availability.refused(node, turn.now);
            wait.until(self.client.next_attempt(node, turn.now));
            return;
        }
        self.availability.accepted(node);
        let max_size = self.settings.max_request_size;
        let capacity = Capacity { max_size, version: self.record_version(node) };
        let drained =
            self.partitions.drain(node, capacity, self.transaction_manager.as_ref(), turn);
        let outgoing = match capacity.version {
            RecordVersion::V1 => self.down_convert(node, drained, turn),
            RecordVersion::V2 => self.without_too_large(drained, turn.now),
        };
        if !outgoing.is_empty() {
            self.send_produce_request(node, outgoing, turn);
        }
        if self.partitions.is_ready(node) {
            wait.not_at_all(); // there is more for this node: it may fit behind this request
        }
    }

    /// What may be sent of `drained`. Batches that the codec left larger than was expected are split.
    fn without_too_large(
        &mut self,
        drained: Vec<Box<ProducerBatch>>,
        now: Instant,
    ) -> Vec<OutgoingBatch> {
        let limit = self.settings.max_request_size;
        let mut outgoing = Vec::with_capacity(drained.len());
        for batch in drained {
            if batch.is_unexpectedly_large(limit) {
                let property = "max.request.size";
                log::warn!(
                    "splitting a batch of {} bytes in {}: less than {property} was expected of the codec",
                    batch.size(),
                    batch.topic_partition()
                );
                let kind = ErrorKind::RecordTooLarge { size: batch.size(), limit, property };
                self.reenqueue_halves(batch, &Error::new(kind), now);
            } else {
                outgoing.push(OutgoingBatch::new(batch, None));
            }
        }
        outgoing
    }

    /// Lets partitions go on whose sequences were in doubt.
    fn settle_sequences(&mut self, turn: &Turn<'_>) {
        let settled = self.transaction_manager.as_mut().map(TransactionManager::resolve_sequences);
        for partition in settled.unwrap_or_default() {
            self.partitions.reconsider(partition, turn);
        }
    }

    fn handle_response(&mut self, response: ClientResponse, now: Instant) {
        match self.handlers.remove(&response.correlation_id) {
            Some(RequestCompletionHandler::Produce(handler)) => {
                self.handle_produce_response(response, handler, now);
                self.retire();
            }
            Some(RequestCompletionHandler::InitProducerId) => {
                self.handle_init_producer_id_response(response, now);
            }
            None => log::warn!("an answer to request {} came twice", response.correlation_id),
        }
    }

    fn handle_init_producer_id_response(&mut self, response: ClientResponse, now: Instant) {
        // A connection that fails, for whatever reason, says nothing about the next one.
        let is_worth_another_try = matches!(response.outcome, ResponseOutcome::Disconnected { .. });
        let error = match response.outcome {
            ResponseOutcome::Answered(ResponseBody::InitProducerId(answer)) => {
                match self.adopt_producer_id(&answer) {
                    Ok(()) => return,
                    Err(error) => error,
                }
            }
            ResponseOutcome::UnsupportedVersion(cause) => {
                let message = "the broker is older than 0.11 and has no idempotent producers: \
                               set enable.idempotence to false";
                let kind = ErrorKind::UnsupportedVersion { message: message.into() };
                Error::new(kind).with_cause(Some(cause))
            }
            ResponseOutcome::Disconnected { error, .. } => error,
            ResponseOutcome::Answered(_) | ResponseOutcome::Sent => {
                Error::new(ErrorKind::Disconnected)
            }
        };
        let wait = self.settings.retry_backoff.backoff(self.producer_id_failures, &mut self.random);
        self.producer_id_failures = self.producer_id_failures.saturating_add(1);
        if let Some(transactions) = &mut self.transaction_manager {
            transactions.handle_producer_id_failed(now + wait);
        }
        if !is_worth_another_try && !error.is_retriable() {
            self.fail_batches_without_producer_id(&error, now);
        }
        self.producer_id_error = Some(error);
    }

    fn adopt_producer_id(&mut self, answer: &InitProducerIdResponse) -> Result<(), Error> {
        if !answer.error_code.is_ok() {
            return Err(Error::broker_code(
                answer.error_code,
                Some(why_refused(answer.error_code)),
            ));
        }
        if answer.producer_id < 0 || answer.producer_epoch < 0 {
            log::warn!("a broker gave out a negative producer id or epoch");
            return Err(Error::new(ErrorKind::Disconnected));
        }
        self.producer_id_failures = 0;
        self.producer_id_error = None;
        let producer = ProducerIdAndEpoch { id: answer.producer_id, epoch: answer.producer_epoch };
        if let Some(transactions) = &mut self.transaction_manager {
            transactions.handle_producer_id(producer);
        }
        Ok(())
    }

    /// No producer id can be had, so what waits for one fails; later records cause another attempt.
    fn fail_batches_without_producer_id(&mut self, error: &Error, now: Instant) {
        log::error!("no producer id: {error}");
        for batch in self.accumulator.take_all() {
            let partition = batch.partition_id();
            self.fail(batch, error, now);
            self.reconsider(partition, now);
        }
    }
}

fn why_refused(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::ClusterAuthorizationFailed => {
            "no producer id was given: this client needs the operation IdempotentWrite on the cluster, \
             or enable.idempotence=false"
        }
        _ => "no producer id was given",
    }
}

/// How long a turn may wait.
#[derive(Debug)]
struct Wait {
    deadline: Instant,
}

impl Wait {
    fn for_event() -> Self {
        Self { deadline: Instant::FAR_FUTURE }
    }

    fn until(&mut self, moment: Option<Instant>) {
        self.deadline = self.deadline.min(moment.unwrap_or(Instant::FAR_FUTURE));
    }

    fn not_at_all(&mut self) {
        self.deadline = Instant::ZERO;
    }

    fn timeout(&self, now: Instant) -> Option<Duration> {
        (self.deadline != Instant::FAR_FUTURE).then(|| self.deadline.saturating_duration_since(now))
    }
}
