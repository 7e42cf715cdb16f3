//! Mirrors `org.apache.kafka.clients.KafkaClient`.

use std::time::Duration;

use crate::client::client_request::ClientRequest;
use crate::client::client_response::ClientResponse;
use crate::common::node::NodeId;
use crate::error::Error;
use crate::protocol::api_keys::ApiKey;
use crate::utils::clock::Instant;

/// Requests out, answers in: the seam under the sender. Time passes only in [`poll`](Self::poll).
pub(crate) trait KafkaClient {
    /// Whether `node` can take a request now; starts connecting where it is time to.
    fn ready(&mut self, node: NodeId, now: Instant) -> bool;

    /// When `node`, refused by [`ready`](Self::ready), is worth asking again although nothing else happens: the end of
    /// its backoff or of its throttling. `None`: an event will tell.
    fn next_attempt(&self, node: NodeId, now: Instant) -> Option<Instant>;

    /// Why `node` cannot be used: how its connection ended last, until it stands again.
    fn last_error(&self, node: NodeId) -> Option<Error>;

    /// The highest version of `api` that both `node` and we know; `None` if there is none, or no connection.
    fn usable_version(&self, node: NodeId, api: ApiKey) -> Option<i16>;

    /// The lowest of the versions in which the connected nodes take Produce requests.
    fn lowest_produce_version(&self) -> Option<i16>;

    /// Queues `request` and returns its correlation id. Nothing is written yet.
    ///
    /// Whatever becomes of it comes out of a later `poll`, exactly once. To a node that is not ready, that is
    /// [`ResponseOutcome::Disconnected`](crate::client::client_response::ResponseOutcome::Disconnected).
    fn send(&mut self, request: ClientRequest, now: Instant) -> i32;

    /// Nobody waits for the answer to this request of `node` any more, if it is still in flight: it is over after its own
    /// timeout, however long the broker throttles.
    fn set_unawaited(&mut self, node: NodeId, correlation_id: i32);

    /// Does all network work that is possible now; where there is none, waits for some, for a wake-up or for
    /// `timeout`, and without a timeout for as long as that takes.
    fn poll(&mut self, timeout: Option<Duration>, now: Instant) -> Polled;

    /// The node that would answer soonest, also one that has to be connected to first.
    fn least_loaded_node(&mut self, now: Instant) -> Option<NodeId>;

    /// Closes every connection. What was in flight gets no outcome any more.
    fn close(&mut self);
}

/// What a [`KafkaClient::poll`] brought about.
#[derive(Debug)]
pub(crate) struct Polled {
    /// The moment at which it returned.
    pub(crate) now: Instant,
    /// In the order in which they are to be handled.
    pub(crate) responses: Vec<ClientResponse>,
    /// Why nothing can ever be sent or received again, if so.
    pub(crate) failure: Option<Error>,
}
