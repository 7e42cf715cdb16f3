//! Mirrors `org.apache.kafka.clients.NetworkClient`.
//!
//! Differs in that whatever a peer sends ends its own connection at worst, in that metadata never holds back other
//! requests, and in that a turn costs what happened in it and not what there is.

mod connecting;
mod connection_errors;
mod failure_log;
mod node_timers;
mod receiving;
mod updating;

use std::sync::Arc;
use std::time::Duration;

use crate::client::api_versions::ApiVersions;
use crate::client::client_request::ClientRequest;
use crate::client::client_response::{ClientResponse, ResponseOutcome};
use crate::client::cluster_connection_states::ClusterConnectionStates;
use crate::client::host_resolver::HostResolver;
use crate::client::in_flight_requests::{InFlightRequest, InFlightRequests, Origin};
use crate::client::kafka_client::{KafkaClient, Polled};
use crate::client::metadata::Metadata;
use crate::client::metadata_updater::MetadataUpdater;
use crate::client::network_client::failure_log::FailureLog;
use crate::client::network_client::node_timers::NodeTimers;
use crate::client::node_api_versions;
use crate::common::node::NodeId;
use crate::error::{Error, ErrorKind};
use crate::network::network_send::{NetworkSend, SIZE_PREFIX_BYTES, Splice};
use crate::network::selectable::{PollResults, Selectable};
use crate::network::selector::Selector;
use crate::protocol::api_keys::ApiKey;
use crate::protocol::body::{RequestBody, SharedBytes};
use crate::protocol::request_header::RequestHeader;
use crate::utils::clock::Instant;
use crate::utils::exponential_backoff::ExponentialBackoff;
use crate::utils::random::Random;

/// Requests and answers over the connections of `S`, and what it takes to keep those up. Runs on: the sender thread.
///
/// One connection a node, opened when it is first wanted. A connection is ready once the broker has said which
/// versions it knows; each request then goes out in the highest version that both sides know.
#[derive(Debug)]
pub(crate) struct NetworkClient<S: Selectable = Selector> {
    selector: S,
    resolver: Box<dyn HostResolver>,
    metadata_updater: MetadataUpdater,
    connections: ClusterConnectionStates,
    api_versions: ApiVersions,
    in_flight: InFlightRequests,
    timers: NodeTimers,
    failure_log: FailureLog,
    client_id: Arc<str>,
    request_timeout: Duration,
    next_correlation_id: i32,
    /// Outcomes that the current or the next poll returns.
    responses: Vec<ClientResponse>,
    /// Kept for its memory.
    results: PollResults,
    random: Random,
}

/// How [`NetworkClient`] behaves.
#[derive(Clone, Debug)]
pub(crate) struct NetworkClientSettings {
    pub(crate) client_id: Arc<str>,
    /// `max.in.flight.requests.per.connection`.
    pub(crate) max_in_flight: usize,
    /// `reconnect.backoff.ms` and `reconnect.backoff.max.ms`.
    pub(crate) reconnect_backoff: ExponentialBackoff,
    /// `socket.connection.setup.timeout.ms` and `socket.connection.setup.timeout.max.ms`.
    pub(crate) connection_setup_timeout: ExponentialBackoff,
    /// `request.timeout.ms`, for the client's own requests.
    pub(crate) request_timeout: Duration,
}

/// Larger ones are reserved for re-authentication, as in Java.
const MAX_CORRELATION_ID: i32 = i32::MAX - 8;
/// Room for a header and a small body.
const USUAL_REQUEST_BYTES: usize = 256;

impl<S: Selectable> NetworkClient<S> {
    pub(crate) fn new(
        settings: NetworkClientSettings,
        metadata: Arc<Metadata>,
        selector: S,
        resolver: Box<dyn HostResolver>,
        mut random: Random,
    ) -> Self {
        let connections = ClusterConnectionStates::new(
            settings.reconnect_backoff,
            settings.connection_setup_timeout,
            random.fork(),
        );
        Self {
            selector,
            resolver,
            metadata_updater: MetadataUpdater::new(metadata),
            connections,
            api_versions: ApiVersions::default(),
            in_flight: InFlightRequests::new(settings.max_in_flight),
            timers: NodeTimers::default(),
            failure_log: FailureLog::default(),
            client_id: settings.client_id,
            request_timeout: settings.request_timeout,
            next_correlation_id: 0,
            responses: Vec::new(),
            results: PollResults::default(),
            random,
        }
    }

    fn metadata(&self) -> &Metadata {
        self.metadata_updater.metadata()
    }

    /// Puts `outgoing` on its way. The node must be connected and its last request written.
    fn send_now(&mut self, node: NodeId, outgoing: Outgoing, now: Instant) -> Result<(), Error> {
        let Outgoing { correlation_id, origin, version, body, expect_response, timeout } = outgoing;
        let send = self.encode(&body, version, correlation_id)?;
        log::trace!("node {node}: sending {} v{version} ({correlation_id})", body.api());
        let size = send.size();
        self.selector.send(node, send);
        self.timers.arm(node, now + timeout);
        let request = InFlightRequest {
            correlation_id,
            origin,
            version,
            size,
            body,
            expect_response,
            send_completed: false,
            timeout,
            sent: now,
            throttled: Duration::ZERO,
            is_awaited: true,
        };
        self.in_flight.add(node, request);
        Ok(())
    }

    fn encode(
        &self,
        body: &RequestBody,
        version: i16,
        correlation_id: i32,
    ) -> Result<NetworkSend, Error> {
        let mut own = Vec::with_capacity(USUAL_REQUEST_BYTES);
        own.extend_from_slice(&[0; SIZE_PREFIX_BYTES]);
        let (api, client_id) = (body.api(), Some(&*self.client_id));
        RequestHeader { api, version, correlation_id, client_id }.encode(&mut own);
        let spliced = body.encode_spliced(version, &mut own);
        let splices = spliced
            .iter()
            .flat_map(|(position, SharedBytes(bytes))| Splice::all_of(*position, bytes));
        NetworkSend::new(own, splices.collect()).map_err(|error| Error::io(&error))
    }

    /// The version in which `body` goes to `node`.
    fn version_for(&self, node: NodeId, body: &RequestBody) -> Result<i16, Error> {
        let Some(versions) = self.api_versions.get(node) else {
            return Err(Error::new(ErrorKind::Disconnected));
        };
        match body {
            RequestBody::Produce(request)
                if request.topics.iter().any(|topic| topic.topic_id.is_zero()) =>
            {
                versions.latest_usable_version_up_to(body.api(), LAST_PRODUCE_BY_NAME)
            }
            _ => versions.latest_usable_version(body.api()),
        }
    }

    fn take_correlation_id(&mut self) -> i32 {
        let id = self.next_correlation_id;
        self.next_correlation_id = if id >= MAX_CORRELATION_ID { 0 } else { id + 1 };
        id
    }

    /// Notes the outcome of a request of the sender that was never handed to the selector.
    fn refuse(&mut self, node: NodeId, correlation_id: i32, error: Error) {
        let error = error.with_broker(self.connections.broker(node));
        let outcome = match error.kind() {
            ErrorKind::UnsupportedVersion { .. } => ResponseOutcome::UnsupportedVersion(error),
            _ => ResponseOutcome::Disconnected { error, timed_out: false, written: false },
        };
        self.responses.push(ClientResponse { correlation_id, outcome });
    }

    /// The time that the selector may wait: until the first of the deadlines.
    fn poll_timeout(
        &mut self,
        timeout: Option<Duration>,
        metadata_due: Option<Instant>,
        now: Instant,
    ) -> Option<Duration> {
        if !self.responses.is_empty() {
            return Some(Duration::ZERO);
        }
        let (connections, in_flight) = (&self.connections, &self.in_flight);
        let next = self.timers.next_deadline(|node| next_deadline(connections, in_flight, node));
        let deadlines = next.into_iter().chain(metadata_due);
        let waits = deadlines.map(|deadline| deadline.saturating_duration_since(now));
        waits.chain(timeout).min()
    }

    fn handle_completed_sends(&mut self, results: &PollResults) {
        for node in &results.completed_sends {
            if let Some(request) = self.in_flight.complete_send(*node) {
                self.respond(&request, ResponseOutcome::Sent);
            }
        }
    }

    /// Notes the outcome of a request of the sender.
    fn respond(&mut self, request: &InFlightRequest, outcome: ResponseOutcome) {
        self.responses.push(ClientResponse { correlation_id: request.correlation_id, outcome });
    }
}

impl<S: Selectable> KafkaClient for NetworkClient<S> {
    fn ready(&mut self, node: NodeId, now: Instant) -> bool {
        if self.connections.is_ready(node, now) {
            return self.in_flight.can_send_more(node);
        }
        if self.connections.can_connect(node, now) {
            self.connect(node, now);
        }
        false
    }

    fn next_attempt(&self, node: NodeId, now: Instant) -> Option<Instant> {
        // A node that has left the cluster cannot be connected to, whatever its backoff: only metadata brings it back.
        self.metadata().snapshot().cluster.node(node)?;
        self.connections.next_attempt(node, now)
    }

    fn last_error(&self, node: NodeId) -> Option<Error> {
        self.connections.last_error(node)
    }

    fn usable_version(&self, node: NodeId, api: ApiKey) -> Option<i16> {
        self.api_versions.get(node)?.latest_usable_version(api).ok()
    }

    fn lowest_produce_version(&self) -> Option<i16> {
        self.api_versions.lowest_produce_version()
    }

    fn send(&mut self, request: ClientRequest, now: Instant) -> i32 {
        let ClientRequest { node, body, expect_response, timeout, least_version } = request;
        let correlation_id = self.take_correlation_id();
        let can_send =
            self.connections.is_ready(node, now) && self.in_flight.can_send_internal(node);
        let version = match self.version_for(node, &body) {
            Ok(version) if version < least_version => {
                Err(node_api_versions::too_old(body.api(), version, least_version))
            }
            Ok(_) if !can_send => Err(Error::new(ErrorKind::Disconnected)),
            version => version,
        };
        let sent = version.and_then(|version| {
            let origin = Origin::Sender;
            let outgoing =
                Outgoing { correlation_id, origin, version, body, expect_response, timeout };
            self.send_now(node, outgoing, now)
        });
        if let Err(error) = sent {
            self.refuse(node, correlation_id, error);
        }
        correlation_id
    }

    fn poll(&mut self, timeout: Option<Duration>, now: Instant) -> Polled {
        let metadata_due = self.update_metadata(now);
        let timeout = self.poll_timeout(timeout, metadata_due, now);
        let mut results = std::mem::take(&mut self.results);
        let now = self.selector.poll(timeout, now, &mut results);
        self.handle_completed_sends(&results);
        self.handle_completed_receives(&mut results, now);
        self.handle_disconnections(&mut results, now);
        self.handle_connections(&mut results, now);
        self.results = results;
        self.handle_lookups(now);
        self.handle_timeouts(now);
        // Before the sender takes the slots that have just become free.
        self.update_metadata(now);
        let responses = std::mem::take(&mut self.responses);
        Polled { now, responses, failure: self.results.failure.take() }
    }

    fn set_unawaited(&mut self, node: NodeId, correlation_id: i32) {
        if let Some(deadline) = self.in_flight.set_unawaited(node, correlation_id) {
            self.timers.arm(node, deadline);
        }
    }

    fn least_loaded_node(&mut self, now: Instant) -> Option<NodeId> {
        self.find_least_loaded_node(now)
    }

    fn close(&mut self) {
        for node in self.connections.nodes() {
            self.selector.close(node);
            self.in_flight.clear_all(node);
            self.api_versions.remove(node);
        }
        self.connections.clear();
    }
}

/// A request that is ready to go out.
#[derive(Debug)]
struct Outgoing {
    correlation_id: i32,
    origin: Origin,
    version: i16,
    body: RequestBody,
    expect_response: bool,
    timeout: Duration,
}

/// From the next version on, topics have ids for names.
const LAST_PRODUCE_BY_NAME: i16 = 12;

/// The next moment at which `node` will have let us wait for too long.
fn next_deadline(
    connections: &ClusterConnectionStates,
    in_flight: &InFlightRequests,
    node: NodeId,
) -> Option<Instant> {
    let deadlines = [connections.setup_deadline(node), in_flight.next_deadline(node)];
    deadlines.into_iter().flatten().min()
}

#[cfg(test)]
mod tests;
