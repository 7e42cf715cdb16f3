//! How the client keeps its metadata up to date.

use crate::client::cluster_connection_states::ConnectionState;
use crate::client::in_flight_requests::Origin;
use crate::client::metadata_updater::Need;
use crate::client::network_client::{NetworkClient, Outgoing};
use crate::common::node::NodeId;
use crate::error::{Error, ErrorKind};
use crate::network::selectable::Selectable;
use crate::protocol::body::RequestBody;
use crate::utils::clock::Instant;

impl<S: Selectable> NetworkClient<S> {
    /// Does what it takes to get due metadata; returns when it is to be called again although nothing happens.
    pub(super) fn update_metadata(&mut self, now: Instant) -> Option<Instant> {
        match self.metadata_updater.need(now) {
            Need::Nothing { until } => until,
            Need::Update { rebootstrap_at } => {
                let next = self.request_metadata(now);
                next.into_iter().chain(rebootstrap_at).min()
            }
            Need::Rebootstrap => {
                self.rebootstrap(now);
                self.request_metadata(now)
            }
        }
    }

    fn request_metadata(&mut self, now: Instant) -> Option<Instant> {
        if self.is_everything_lost() {
            self.rebootstrap(now);
        }
        match self.find_least_loaded_node(now) {
            Some(node) if self.can_send_internal(node, now) => self.ask_metadata(node, now),
            Some(node) if self.connections.can_connect(node, now) => {
                self.connect(node, now);
                None
            }
            // It is being connected to.
            Some(_) => None,
            None => self.first_next_attempt(now),
        }
    }

    /// Returns when to ask again, where it could not ask: no event will tell.
    fn ask_metadata(&mut self, node: NodeId, now: Instant) -> Option<Instant> {
        let body = RequestBody::Metadata(self.metadata_updater.next_request(now));
        let sent = self.version_for(node, &body).and_then(|version| {
            let outgoing = Outgoing {
                correlation_id: self.take_correlation_id(),
                origin: Origin::Metadata,
                version,
                body,
                expect_response: true,
                timeout: self.request_timeout,
            };
            self.send_now(node, outgoing, now)
        });
        if let Err(error) = sent {
            self.metadata_updater.handle_failure(now);
            self.close_connection(node, error, now);
        }
        self.metadata().next_update()
    }

    /// Whether no known node could be connected to when last tried, and the configured addresses are others.
    fn is_everything_lost(&self) -> bool {
        self.metadata_updater.can_rebootstrap()
            && self.nodes().iter().all(|node| self.connections.is_unreachable(*node))
    }

    /// Starts again from the configured addresses.
    pub(super) fn rebootstrap(&mut self, now: Instant) {
        log::debug!("starting again from bootstrap.servers: the known brokers are lost");
        for node in self.nodes() {
            if self.connections.state(node) != ConnectionState::Disconnected {
                self.close_connection(node, Error::new(ErrorKind::Disconnected), now);
            }
        }
        self.metadata_updater.rebootstrap(now);
    }

    /// When the first node may be tried again.
    fn first_next_attempt(&self, now: Instant) -> Option<Instant> {
        let attempts = self.nodes().into_iter().filter_map(|node| {
            self.connections.next_attempt(node, now).filter(|attempt| *attempt > now)
        });
        attempts.min()
    }

    /// One that is idle, else one with few requests, else one on its way to being connected, else the one that was
    /// not tried for the longest time.
    pub(super) fn find_least_loaded_node(&mut self, now: Instant) -> Option<NodeId> {
        let mut nodes = self.nodes();
        if !nodes.is_empty() {
            let start = self.random.below(nodes.len());
            nodes.rotate_left(start);
        }
        let sendable = nodes.iter().filter(|node| self.can_send_internal(**node, now));
        let connecting = || nodes.iter().find(|node| self.connections.is_connecting(**node));
        let connectable = || {
            let nodes = nodes.iter().filter(|node| self.connections.can_connect(**node, now));
            nodes.min_by_key(|node| self.connections.last_attempt(**node))
        };
        let found = sendable.min_by_key(|node| self.in_flight.count(**node));
        found.or_else(connecting).or_else(connectable).copied()
    }

    fn can_send_internal(&self, node: NodeId, now: Instant) -> bool {
        self.connections.is_ready(node, now) && self.in_flight.can_send_internal(node)
    }

    fn nodes(&self) -> Vec<NodeId> {
        self.metadata().snapshot().cluster.nodes.keys().copied().collect()
    }
}
