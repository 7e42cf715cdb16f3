//! Mirrors `org.apache.kafka.test.MockSelector`: a network whose peers the test plays itself.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::common::node::NodeId;
use crate::network::network_send::NetworkSend;
use crate::network::selectable::{DisconnectCause, Disconnection, PollResults, Selectable};
use crate::utils::clock::Instant;

/// Records what is asked of it, and answers what the test put in.
#[derive(Debug, Default)]
pub(crate) struct MockSelector {
    /// Every connection attempt, in order.
    pub(crate) connects: Vec<(NodeId, SocketAddr)>,
    /// Every request written, without its size, in order.
    pub(crate) sent: Vec<(NodeId, Vec<u8>)>,
    /// Every connection that the client closed, in order.
    pub(crate) closed: Vec<NodeId>,
    /// Every time-out that `poll` was given.
    pub(crate) timeouts: Vec<Option<Duration>>,
    /// Whether new connections come about by themselves.
    pub(crate) accepts: bool,
    /// Whether requests are written as a whole by the next poll.
    pub(crate) writes: bool,
    /// The part of a request that is written although `writes` is false.
    pub(crate) writes_in_part: bool,
    pending: BTreeMap<NodeId, NetworkSend>,
    upcoming: PollResults,
}

impl MockSelector {
    pub(crate) fn new() -> Self {
        Self { accepts: true, writes: true, ..Self::default() }
    }

    /// The next poll finds this frame, the size left out, from `node`.
    pub(crate) fn receive(&mut self, node: NodeId, frame: Vec<u8>) {
        self.upcoming.completed_receives.push((node, frame));
    }

    /// The next poll finds the connection to `node` established.
    pub(crate) fn complete_connect(&mut self, node: NodeId) {
        self.upcoming.connected.push(node);
    }

    /// The next poll finds the connection to `node` gone.
    pub(crate) fn disconnect(&mut self, node: NodeId, cause: DisconnectCause) {
        let send_started = self.drop_pending(node);
        self.upcoming.disconnected.push(Disconnection { node, cause, send_started });
    }

    fn drop_pending(&mut self, node: NodeId) -> bool {
        self.pending.remove(&node).is_some() && self.writes_in_part
    }
}

impl Selectable for MockSelector {
    fn connect(&mut self, node: NodeId, address: SocketAddr, _now: Instant) {
        self.connects.push((node, address));
        if self.accepts {
            self.complete_connect(node);
        }
    }

    fn send(&mut self, node: NodeId, send: NetworkSend) {
        assert!(self.pending.insert(node, send).is_none(), "one request is written at a time");
    }

    /// Time passes by `timeout` where nothing happens, and not at all where something does.
    fn poll(
        &mut self,
        timeout: Option<Duration>,
        now: Instant,
        results: &mut PollResults,
    ) -> Instant {
        self.timeouts.push(timeout);
        results.clear();
        if self.writes {
            for (node, send) in std::mem::take(&mut self.pending) {
                self.sent.push((node, send.payload()));
                self.upcoming.completed_sends.push(node);
            }
        }
        std::mem::swap(results, &mut self.upcoming);
        if results.is_empty() { now + timeout.unwrap_or_default() } else { now }
    }

    fn lift_receive_limit(&mut self, _node: NodeId) {}

    fn close(&mut self, node: NodeId) -> bool {
        self.closed.push(node);
        self.drop_pending(node)
    }
}
