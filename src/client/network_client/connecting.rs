//! How connections come about and how they end.

use std::sync::Arc;

use crate::client::client_response::ResponseOutcome;
use crate::client::cluster_connection_states::{ConnectionState, NextStep};
use crate::client::host_resolver::Resolved;
use crate::client::in_flight_requests::Origin;
use crate::client::network_client::connection_errors::{
    connection_error, is_hang_up, request_timeout, setup_timeout,
};
use crate::client::network_client::{NetworkClient, Outgoing, next_deadline};
use crate::common::node::NodeId;
use crate::error::Error;
use crate::network::selectable::{DisconnectCause, Disconnection, PollResults, Selectable};
use crate::protocol::body::RequestBody;
use crate::protocol::message::api_versions::ApiVersionsRequest;
use crate::utils::clock::Instant;

/// How a connection ended, as far as its requests are concerned.
#[derive(Debug)]
pub(super) struct ConnectionFailure {
    pub(super) error: Error,
    pub(super) timed_out: bool,
    /// Whether a part of the request being written had left.
    pub(super) send_started: bool,
}

/// The name under which brokers count this library (KIP-511).
const SOFTWARE_NAME: &str = "kafka-producer-rust";

/// The number of a connection's first request, which is alone on it: "\r\n". A server that reads lines, as HTTP servers
/// do, answers at once that it does not understand; else it would wait for an end of line until our time ran out.
const API_VERSIONS_CORRELATION_ID: i32 = 0x0d0a;

impl<S: Selectable> NetworkClient<S> {
    /// Begins to connect to `node`, if its address is known.
    pub(super) fn connect(&mut self, node: NodeId, now: Instant) {
        let Some(known) = self.metadata().snapshot().cluster.node(node).cloned() else { return };
        log::debug!("connecting to {known}");
        match self.connections.connecting(&known, now) {
            NextStep::Connect(address) => self.selector.connect(node, address, now),
            NextStep::Resolve => {
                let host: Arc<str> = known.host().into();
                self.resolver.resolve(node, &host, known.port());
            }
            NextStep::AwaitLookup => {}
        }
        if let Some(deadline) = self.connections.setup_deadline(node) {
            self.timers.arm(node, deadline);
        }
    }

    pub(super) fn handle_lookups(&mut self, now: Instant) {
        while let Some(Resolved { node, host, addresses }) = self.resolver.next_answer() {
            match addresses {
                Ok(addresses) => {
                    log::debug!("node {node}: {host} has the addresses {addresses:?}");
                    if let Some(address) = self.connections.resolved(node, &host, addresses) {
                        self.selector.connect(node, address, now);
                    }
                }
                Err(error) => {
                    if self.connections.lookup_failed(node, &host) {
                        self.fail_connection(node, ConnectionFailure::of(error), now);
                    }
                }
            }
        }
    }

    pub(super) fn handle_connections(&mut self, results: &mut PollResults, now: Instant) {
        for node in results.connected.drain(..) {
            if self.connections.state(node) == ConnectionState::Connecting {
                self.connections.checking_api_versions(node);
                self.ask_api_versions(node, self.connections.api_versions_version(node), now);
            }
        }
    }

    /// Asks `node` which versions it knows.
    pub(super) fn ask_api_versions(&mut self, node: NodeId, version: i16, now: Instant) {
        let request = ApiVersionsRequest {
            client_software_name: SOFTWARE_NAME.into(),
            client_software_version: env!("CARGO_PKG_VERSION").into(),
        };
        let outgoing = Outgoing {
            correlation_id: API_VERSIONS_CORRELATION_ID,
            origin: Origin::ApiVersions,
            version,
            body: RequestBody::ApiVersions(request),
            expect_response: true,
            timeout: self.request_timeout,
        };
        if let Err(error) = self.send_now(node, outgoing, now) {
            self.close_connection(node, error, now);
        }
    }

    pub(super) fn handle_disconnections(&mut self, results: &mut PollResults, now: Instant) {
        for Disconnection { node, cause, send_started } in results.disconnected.drain(..) {
            let state = self.connections.state(node);
            if state == ConnectionState::Disconnected {
                continue;
            }
            let is_expected = match cause {
                DisconnectCause::Idle => true,
                // Brokers, too, close what nobody uses.
                DisconnectCause::EndOfStream => {
                    state == ConnectionState::Ready && self.in_flight.count(node) == 0
                }
                DisconnectCause::Failed(_) => false,
            };
            let is_idle = cause == DisconnectCause::Idle;
            let is_refused_version = state == ConnectionState::CheckingApiVersions
                && is_hang_up(&cause)
                && self.connections.api_versions_unanswered(node);
            let largest = self.in_flight.largest(node);
            let error = connection_error(state, cause, largest);
            let failure = ConnectionFailure { error, timed_out: false, send_started };
            if is_expected {
                log::debug!("node {node}: the connection was not used and is closed");
                self.process_disconnection(node, &failure, now);
            } else if is_refused_version {
                log::debug!(
                    "node {node}: hung up on ApiVersions, is to be asked in an older version"
                );
                self.record_failure(node, failure, now);
            } else {
                self.fail_connection(node, failure, now);
            }
            if !is_idle {
                self.metadata().request_update();
            }
        }
    }

    /// Closes the connections of nodes that let a deadline pass.
    pub(super) fn handle_timeouts(&mut self, now: Instant) {
        loop {
            let (connections, in_flight) = (&self.connections, &self.in_flight);
            let deadline = |node| next_deadline(connections, in_flight, node);
            let Some(node) = self.timers.next_due(now, deadline) else { return };
            let state = self.connections.state(node);
            let error = if self.connections.setup_deadline(node).is_some_and(|due| due <= now) {
                setup_timeout(state, self.connections.setup_timeout(node))
            } else if let Some(late) = self.in_flight.most_urgent(node) {
                request_timeout(late.api(), late.timeout)
            } else {
                continue;
            };
            let send_started = self.selector.close(node);
            self.fail_connection(
                node,
                ConnectionFailure { error, timed_out: true, send_started },
                now,
            );
            self.metadata().request_update();
        }
    }

    /// Closes the connection to a peer that cannot be talked to.
    pub(super) fn close_connection(&mut self, node: NodeId, error: Error, now: Instant) {
        let send_started = self.selector.close(node);
        self.fail_connection(
            node,
            ConnectionFailure { error, timed_out: false, send_started },
            now,
        );
        self.metadata().request_update();
    }

    /// Takes note that a connection is gone, or did not come about, and tells why.
    pub(super) fn fail_connection(
        &mut self,
        node: NodeId,
        failure: ConnectionFailure,
        now: Instant,
    ) {
        let error = self.record_failure(node, failure, now);
        self.failure_log.warn_once(node, &error);
    }

    /// As [`fail_connection`](Self::fail_connection), without telling; returns what there is to tell.
    fn record_failure(&mut self, node: NodeId, failure: ConnectionFailure, now: Instant) -> Error {
        let error = failure.error.with_broker(self.connections.broker(node));
        self.connections.set_last_error(node, error.clone());
        self.metadata().set_last_error(error.clone());
        let was_usable = self.connections.state(node) == ConnectionState::Ready;
        self.process_disconnection(
            node,
            &ConnectionFailure { error: error.clone(), ..failure },
            now,
        );
        if !was_usable && self.metadata_updater.is_due(now) && !self.has_better_node(node, now) {
            self.metadata_updater.handle_failure(now);
        }
        error
    }

    /// Whether another node is worth an attempt before `node` gets the next one.
    fn has_better_node(&self, node: NodeId, now: Instant) -> bool {
        let failed_attempts = self.connections.failed_attempts(node);
        self.metadata().snapshot().cluster.nodes().any(|other| {
            self.connections.is_ready(other.id(), now)
                || (self.connections.can_connect(other.id(), now)
                    && self.connections.failed_attempts(other.id()) < failed_attempts)
        })
    }

    /// Ends the requests of a connection that is gone.
    fn process_disconnection(&mut self, node: NodeId, failure: &ConnectionFailure, now: Instant) {
        self.connections.disconnected(node, now);
        self.api_versions.remove(node);
        for request in self.in_flight.clear_all(node) {
            match request.origin {
                Origin::Sender => {
                    let outcome = ResponseOutcome::Disconnected {
                        error: failure.error.clone(),
                        timed_out: failure.timed_out,
                        written: request.send_completed || failure.send_started,
                    };
                    self.respond(&request, outcome);
                }
                Origin::Metadata => self.metadata_updater.handle_failure(now),
                Origin::ApiVersions => {}
            }
        }
    }
}

impl ConnectionFailure {
    /// Before anything was sent.
    fn of(error: Error) -> Self {
        Self { error, timed_out: false, send_started: false }
    }
}
