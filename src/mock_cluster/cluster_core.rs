//! The brokers without sockets, threads or clocks: bytes in, bytes out, and when.

#[cfg(test)]
mod simulated;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::common::node::NodeId;
use crate::mock_cluster::api::Api;
use crate::mock_cluster::connection::{Connection, ConnectionId, Output};
use crate::mock_cluster::fault::{Delivery, Fault};
use crate::mock_cluster::fault_queue::{FaultQueue, Plan};
use crate::mock_cluster::handlers::{Context, Reply, Request, api_versions};
use crate::mock_cluster::profile::UnknownVersion;
use crate::mock_cluster::request_log::{RecordedRequest, RequestLog};
use crate::mock_cluster::world::{ClusterSettings, World};
use crate::protocol::readable::Reader;
use crate::protocol::request_header::RequestHeader;
use crate::protocol::response_header::ResponseHeader;
use crate::utils::clock::Instant;

/// A whole cluster as a state machine.
///
/// Whoever drives it, a server or a simulation, tells it of connections and their bytes, and asks afterwards, and
/// whenever [`next_due`](Self::next_due) has come, what is to be written or closed.
#[derive(Debug)]
pub(crate) struct ClusterCore {
    pub(super) world: World,
    pub(super) faults: FaultQueue,
    pub(super) requests: RequestLog,
    connections: BTreeMap<ConnectionId, Connection>,
    connections_accepted: u64,
    /// Brokers that close every connection as soon as they have accepted it.
    refusing: BTreeSet<NodeId>,
    /// Brokers that leave what they are sent unread.
    not_reading: BTreeSet<NodeId>,
    /// How much each broker shall receive of a request before it closes the connection.
    cuts: BTreeMap<NodeId, usize>,
}

/// The bytes of the length in front of every request and answer.
const SIZE_BYTES: usize = 4;

impl ClusterCore {
    pub(crate) fn new(settings: ClusterSettings) -> Self {
        Self {
            world: World::new(settings),
            faults: FaultQueue::default(),
            requests: RequestLog::default(),
            connections: BTreeMap::new(),
            connections_accepted: 0,
            refusing: BTreeSet::new(),
            not_reading: BTreeSet::new(),
            cuts: BTreeMap::new(),
        }
    }

    /// `node` runs and is reached at `host` and `port`.
    pub(crate) fn start_node(&mut self, node: NodeId, host: String, port: u16) {
        self.world.start(node, host, port);
    }

    /// `node` runs no more: its connections close, and others lead where it led.
    pub(crate) fn stop_node(&mut self, node: NodeId) {
        self.world.state.stop(node);
        self.close_connections(node);
    }

    /// Begins a connection to `node`; `None` if that refuses them now.
    pub(crate) fn connect(&mut self, node: NodeId, now: Instant) -> Option<ConnectionId> {
        if self.refusing.contains(&node) || !self.world.state.is_running(node) {
            return None;
        }
        self.connections_accepted += 1;
        let id = ConnectionId(self.connections_accepted);
        let max_idle = self.world.settings.profile.max_idle;
        self.connections.insert(id, Connection::new(node, max_idle, now));
        Some(id)
    }

    /// Forgets a connection that its client closed, or that was closed for [`Output::Close`].
    pub(crate) fn disconnect(&mut self, id: ConnectionId) {
        self.connections.remove(&id);
    }

    /// Takes what a client sent: any part of a request, or several.
    pub(crate) fn handle(&mut self, id: ConnectionId, bytes: &[u8], now: Instant) {
        self.world.advance(now);
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.receive(bytes, now);
            self.process(id, now);
        }
    }

    /// What is to be done with a connection now; ask until it answers `None`.
    pub(crate) fn take_output(&mut self, id: ConnectionId, now: Instant) -> Option<Output> {
        self.connections.get_mut(&id)?.take_output(now)
    }

    /// The connections for which [`take_output`](Self::take_output) has something.
    pub(crate) fn due_connections(&mut self, now: Instant) -> Vec<ConnectionId> {
        self.world.advance(now);
        let is_due = |connection: &Connection| connection.next_due().is_some_and(|due| due <= now);
        let due = self.connections.iter().filter(|(_, connection)| is_due(connection));
        due.map(|(id, _)| *id).collect()
    }

    /// When there is something to do, if no one sends anything.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        let answers = self.connections.values().filter_map(Connection::next_due);
        answers.chain(self.world.next_late_append()).min()
    }

    /// Whether the connection's bytes are wanted now; else they may wait where they are.
    pub(crate) fn wants_input(&self, id: ConnectionId) -> bool {
        let connection = self.connections.get(&id);
        connection.is_some_and(|connection| !self.not_reading.contains(&connection.node))
    }

    /// Whether the connection is known: neither side has ended it.
    pub(crate) fn is_connected(&self, id: ConnectionId) -> bool {
        self.connections.contains_key(&id)
    }

    pub(crate) fn inject(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Lets every held answer go.
    pub(crate) fn release(&mut self) {
        self.connections.values_mut().for_each(Connection::release);
    }

    /// Closes every connection to `node`, with the answers still on their way.
    pub(crate) fn close_connections(&mut self, node: NodeId) {
        let of_node = self.connections.values_mut().filter(|connection| connection.node == node);
        of_node.for_each(Connection::abort);
    }

    pub(crate) fn refuse_connections(&mut self, node: NodeId) {
        self.refusing.insert(node);
    }

    pub(crate) fn accept_connections(&mut self, node: NodeId) {
        self.refusing.remove(&node);
    }

    /// Closes the next connection on which `node` has received `bytes` of a request, which does not act.
    pub(crate) fn close_after(&mut self, node: NodeId, bytes: usize) {
        self.cuts.insert(node, bytes);
    }

    pub(crate) fn stop_reading(&mut self, node: NodeId) {
        self.not_reading.insert(node);
    }

    pub(crate) fn resume_reading(&mut self, node: NodeId, now: Instant) {
        self.not_reading.remove(&node);
        let of_node = self.connections.iter().filter(|(_, connection)| connection.node == node);
        let ids: Vec<_> = of_node.map(|(id, _)| *id).collect();
        for id in ids {
            self.process(id, now);
        }
    }

    /// Handles every complete request that was received.
    fn process(&mut self, id: ConnectionId, now: Instant) {
        if !self.wants_input(id) {
            return;
        }
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let input = connection.take_input();
        let mut used = 0;
        while let Some(frame) = self.next_frame(id, &input[used..]) {
            used += SIZE_BYTES + frame.len();
            self.handle_frame(id, frame, now);
        }
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.put_back(input, used);
        }
    }

    /// The request at the start of `input`, if it is complete. One that is too long closes the connection.
    fn next_frame<'a>(&mut self, id: ConnectionId, input: &'a [u8]) -> Option<&'a [u8]> {
        let connection = self.connections.get_mut(&id)?;
        if connection.is_closing() {
            return None;
        }
        let (size, rest) = input.split_first_chunk::<SIZE_BYTES>()?;
        let size = usize::try_from(i32::from_be_bytes(*size)).unwrap_or(usize::MAX);
        if size > self.world.settings.profile.max_request_bytes {
            log::debug!("{id:?} sent a longer request than is taken");
            connection.abort();
            return None;
        }
        let received = input.len().min(SIZE_BYTES + size);
        if self.cuts.get(&connection.node).is_some_and(|cut| received >= *cut) {
            self.cuts.remove(&connection.node);
            connection.abort();
            return None;
        }
        rest.get(..size)
    }

    fn handle_frame(&mut self, id: ConnectionId, frame: &[u8], now: Instant) {
        if self.handle_request(id, frame, now).is_some() {
            return;
        }
        log::debug!("{id:?} sent what is no request that this cluster speaks");
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.close(now, false);
        }
    }

    /// `None` if the bytes are not a request that the broker takes.
    fn handle_request(&mut self, id: ConnectionId, frame: &[u8], now: Instant) -> Option<()> {
        let node = self.connections.get(&id)?.node;
        let mut reader = Reader::new(frame);
        let header = RequestHeader::decode(&mut reader).ok()?;
        let (api, version) = (Api::from(header.api), header.version);
        let mut recorded = self.record_header(id, node, &header, now);
        if !self.world.versions.accepts(node, api, version) {
            self.requests.push(recorded);
            return self.answer_unsupported(id, node, &header, now);
        }
        let request = Request::decode(api, version, &mut reader).ok()?;
        recorded.describe(&request, &self.world);
        self.requests.push(recorded);
        let plan = self.faults.plan(node, api, &request.targets(&self.world, node));
        let connection = self.connections.get_mut(&id)?;
        match plan.delivery {
            Some(Delivery::LoseRequest) => return Some(()),
            Some(Delivery::CloseBefore) => {
                connection.close(now, false);
                return Some(());
            }
            _ => {}
        }
        let mut context = Context { world: &mut self.world, node, version, plan: &plan, now };
        let reply = request.answer(&mut context);
        let append_latency = self.world.settings.profile.append_latency;
        let latency = if api == Api::Produce { append_latency } else { Duration::ZERO };
        deliver(reply, &header, &plan, now + latency, connection);
        Some(())
    }

    fn record_header(
        &self,
        id: ConnectionId,
        node: NodeId,
        header: &RequestHeader<'_>,
        now: Instant,
    ) -> RecordedRequest {
        RecordedRequest {
            at: now.saturating_duration_since(self.world.settings.started_at),
            node,
            connection: id.0,
            api: header.api.into(),
            version: header.version,
            correlation_id: header.correlation_id,
            client_id: header.client_id.map(str::to_owned),
            client_software: None,
            topics: Vec::new(),
            acks: None,
            unanswered: 1 + self.connections.get(&id).map_or(0, Connection::unanswered),
            batches: Vec::new(),
        }
    }

    /// Only `ApiVersions` has an answer for a version that the broker does not take.
    fn answer_unsupported(
        &mut self,
        id: ConnectionId,
        node: NodeId,
        header: &RequestHeader<'_>,
        now: Instant,
    ) -> Option<()> {
        let is_offered = self.world.versions.announced(node, Api::ApiVersions).is_some();
        let hangs_up = self.world.settings.profile.unknown_version == UnknownVersion::HangUp;
        if Api::from(header.api) != Api::ApiVersions || !is_offered || hangs_up {
            return None;
        }
        let mut body = Vec::new();
        api_versions::unsupported_version(&self.world, node).encode(0, &mut body);
        let version_0 = RequestHeader { version: 0, ..*header };
        self.connections.get_mut(&id)?.send(frame(&version_0, &body), now, false);
        Some(())
    }
}

/// Puts the reply, or what a fault makes of it, on its way as soon as it is `ready`.
fn deliver(
    reply: Reply,
    header: &RequestHeader<'_>,
    plan: &Plan,
    ready: Instant,
    connection: &mut Connection,
) {
    let due = ready + plan.delay.unwrap_or_default();
    let mut bytes = match reply {
        Reply::Body(body) => frame(header, &body),
        Reply::Silence => Vec::new(),
        Reply::Close => return connection.close(due, plan.hold),
    };
    match &plan.delivery {
        Some(Delivery::LoseResponse | Delivery::LoseRequest) => return,
        Some(Delivery::CloseAfter | Delivery::CloseBefore) => bytes.clear(),
        Some(Delivery::CutAfter(length)) => bytes.truncate(*length),
        Some(Delivery::Bytes(instead)) => bytes.clone_from(instead),
        Some(Delivery::Body(body)) => bytes = frame(header, body),
        Some(Delivery::Corrupt { at, mask }) => {
            if let Some(byte) = bytes.get_mut(*at) {
                *byte ^= mask;
            }
        }
        None => {}
    }
    if !bytes.is_empty() {
        connection.send(bytes, due, plan.hold);
    }
    if matches!(plan.delivery, Some(Delivery::CloseAfter | Delivery::CutAfter(_))) {
        connection.close(due, plan.hold);
    }
}

/// An answer as it stands on the wire: length, header, body.
fn frame(header: &RequestHeader<'_>, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; SIZE_BYTES];
    let correlation_id = header.correlation_id;
    ResponseHeader { correlation_id }.encode(header.api, header.version, &mut bytes);
    bytes.extend_from_slice(body);
    let length = i32::try_from(bytes.len() - SIZE_BYTES).unwrap_or(i32::MAX);
    bytes[..SIZE_BYTES].copy_from_slice(&length.to_be_bytes());
    bytes
}
