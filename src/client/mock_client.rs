//! Mirrors `org.apache.kafka.clients.MockClient`: brokers that the test plays itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::client::client_request::ClientRequest;
use crate::client::client_response::{ClientResponse, ResponseOutcome};
use crate::client::kafka_client::{KafkaClient, Polled};
use crate::common::node::NodeId;
use crate::error::Error;
use crate::protocol::api_keys::ApiKey;
use crate::protocol::body::RequestBody;
use crate::utils::clock::Instant;
use crate::utils::sync::Mutex;

/// Records what it is given, and answers what the test put in. A clone is another handle to the same brokers.
#[derive(Clone, Debug, Default)]
pub(crate) struct MockClient(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Oldest first. Holds the bytes of each request for as long as it is in flight, as a socket would.
    in_flight: Vec<InFlight>,
    /// What the next poll tells, and of which node.
    responses: Vec<(NodeId, ClientResponse)>,
    timeouts: Vec<Option<Duration>>,
    refusing: BTreeSet<NodeId>,
    next_attempts: BTreeMap<NodeId, Instant>,
    last_errors: BTreeMap<NodeId, Error>,
    produce_versions: BTreeMap<NodeId, i16>,
    least_loaded: Option<NodeId>,
    max_in_flight: Option<usize>,
    panic_in_poll: Option<&'static str>,
    panic_in_send: Option<&'static str>,
    failure: Option<Error>,
    sent_count: i32,
    unawaited: Vec<i32>,
    is_closed: bool,
}

#[derive(Debug)]
struct InFlight {
    correlation_id: i32,
    request: ClientRequest,
}

impl MockClient {
    /// Takes any number of requests, and has node 1 for what any node can answer.
    pub(crate) fn new() -> Self {
        let client = Self::default();
        client.set_least_loaded(Some(NodeId(1)));
        client
    }

    /// Whether `node` takes requests from now on.
    pub(crate) fn set_ready(&self, node: NodeId, is_ready: bool) {
        let refusing = &mut self.0.lock().refusing;
        if is_ready {
            refusing.remove(&node)
        } else {
            refusing.insert(node)
        };
    }

    /// What [`KafkaClient::next_attempt`] tells of a node that refuses.
    pub(crate) fn set_next_attempt(&self, node: NodeId, moment: Instant) {
        self.0.lock().next_attempts.insert(node, moment);
    }

    /// What [`KafkaClient::last_error`] tells of a node.
    pub(crate) fn set_last_error(&self, node: NodeId, error: Error) {
        self.0.lock().last_errors.insert(node, error);
    }

    /// The highest version of Produce that `node` knows, where that is not the newest.
    pub(crate) fn set_produce_version(&self, node: NodeId, version: i16) {
        self.0.lock().produce_versions.insert(node, version);
    }

    pub(crate) fn set_least_loaded(&self, node: Option<NodeId>) {
        self.0.lock().least_loaded = node;
    }

    /// Refuses further requests to a node that owes this many answers; the next poll makes room, as it tells of them.
    pub(crate) fn set_max_in_flight(&self, count: usize) {
        self.0.lock().max_in_flight = Some(count);
    }

    /// The next poll tells that the network is of no use any more.
    pub(crate) fn fail_next_poll(&self, error: Error) {
        self.0.lock().failure = Some(error);
    }

    /// The next poll panics, with this message.
    pub(crate) fn panic_in_next_poll(&self, message: &'static str) {
        self.0.lock().panic_in_poll = Some(message);
    }

    /// The next request to be sent causes a panic, with this message.
    pub(crate) fn panic_in_next_send(&self, message: &'static str) {
        self.0.lock().panic_in_send = Some(message);
    }

    /// The requests that await their outcome, oldest first: number and node.
    pub(crate) fn in_flight(&self) -> Vec<(i32, NodeId)> {
        let state = self.0.lock();
        let requests = state.in_flight.iter();
        requests.map(|entry| (entry.correlation_id, entry.request.node)).collect()
    }

    /// The requests that [nobody waits for](KafkaClient::set_unawaited) any more, in this order.
    pub(crate) fn unawaited(&self) -> Vec<i32> {
        self.0.lock().unawaited.clone()
    }

    /// What `look` makes of a request in flight.
    pub(crate) fn inspect<R>(
        &self,
        correlation_id: i32,
        look: impl FnOnce(&RequestBody) -> R,
    ) -> R {
        let state = self.0.lock();
        let entry = state.in_flight.iter().find(|entry| entry.correlation_id == correlation_id);
        look(&entry.expect("a request in flight").request.body)
    }

    /// The version that the node of a request in flight has to know.
    pub(crate) fn least_version(&self, correlation_id: i32) -> i16 {
        let state = self.0.lock();
        let entry = state.in_flight.iter().find(|entry| entry.correlation_id == correlation_id);
        entry.expect("a request in flight").request.least_version
    }

    /// Lets a request in flight end like this; the next poll tells.
    pub(crate) fn respond(&self, correlation_id: i32, outcome: ResponseOutcome) {
        let state = &mut *self.0.lock();
        let position =
            state.in_flight.iter().position(|entry| entry.correlation_id == correlation_id);
        let ended = state.in_flight.remove(position.expect("a request in flight"));
        let response = ClientResponse { correlation_id, outcome };
        state.responses.push((ended.request.node, response));
    }

    /// Whether the next poll has something to tell, and so would not wait.
    pub(crate) fn has_responses(&self) -> bool {
        !self.0.lock().responses.is_empty()
    }

    /// How many requests were ever sent.
    pub(crate) fn sent_count(&self) -> i32 {
        self.0.lock().sent_count
    }

    /// The time-outs of all polls so far.
    pub(crate) fn take_timeouts(&self) -> Vec<Option<Duration>> {
        std::mem::take(&mut self.0.lock().timeouts)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.0.lock().is_closed
    }
}

impl KafkaClient for MockClient {
    fn ready(&mut self, node: NodeId, _now: Instant) -> bool {
        let state = self.0.lock();
        let in_flight = state.in_flight.iter().map(|entry| entry.request.node);
        let untold = state.responses.iter().map(|(of, _)| *of);
        let owed = in_flight.chain(untold).filter(|of| *of == node).count();
        !state.refusing.contains(&node) && state.max_in_flight.is_none_or(|max| owed < max)
    }

    fn next_attempt(&self, node: NodeId, _now: Instant) -> Option<Instant> {
        self.0.lock().next_attempts.get(&node).copied()
    }

    fn last_error(&self, node: NodeId) -> Option<Error> {
        self.0.lock().last_errors.get(&node).cloned()
    }

    fn usable_version(&self, node: NodeId, api: ApiKey) -> Option<i16> {
        let newest = *api.versions().end();
        match api {
            ApiKey::Produce => self.0.lock().produce_versions.get(&node).copied().or(Some(newest)),
            _ => Some(newest),
        }
    }

    fn lowest_produce_version(&self) -> Option<i16> {
        self.0.lock().produce_versions.values().copied().min()
    }

    fn send(&mut self, request: ClientRequest, _now: Instant) -> i32 {
        let state = &mut *self.0.lock();
        if let Some(message) = state.panic_in_send.take() {
            panic!("{message}");
        }
        let correlation_id = state.sent_count;
        state.sent_count += 1;
        state.in_flight.push(InFlight { correlation_id, request });
        correlation_id
    }

    fn set_unawaited(&mut self, _node: NodeId, correlation_id: i32) {
        self.0.lock().unawaited.push(correlation_id);
    }

    /// Never waits, and no time passes.
    fn poll(&mut self, timeout: Option<Duration>, now: Instant) -> Polled {
        let state = &mut *self.0.lock();
        if let Some(message) = state.panic_in_poll.take() {
            panic!("{message}");
        }
        state.timeouts.push(timeout);
        let responses = std::mem::take(&mut state.responses).into_iter();
        let responses = responses.map(|(_, response)| response).collect();
        Polled { now, responses, failure: state.failure.take() }
    }

    fn least_loaded_node(&mut self, _now: Instant) -> Option<NodeId> {
        self.0.lock().least_loaded
    }

    fn close(&mut self) {
        let state = &mut *self.0.lock();
        state.is_closed = true;
        state.in_flight.clear();
    }
}
