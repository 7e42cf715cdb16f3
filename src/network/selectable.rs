//! Mirrors `org.apache.kafka.common.network.Selectable`.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::common::node::NodeId;
use crate::error::Error;
use crate::network::network_send::NetworkSend;
use crate::utils::clock::Instant;

/// Connections by node, and the one place where the sender thread waits.
///
/// At most one connection a node, at most one request being written a connection.
pub(crate) trait Selectable: fmt::Debug {
    /// Starts connecting to `node`. Whether that succeeds, and be it at once, a later `poll` tells.
    fn connect(&mut self, node: NodeId, address: SocketAddr, now: Instant);

    /// Hands over a request to a connected `node` whose last request is written. A later `poll` writes it.
    fn send(&mut self, node: NodeId, send: NetworkSend);

    /// Does all I/O that is possible now; where that brings no news, waits for some, for a wake-up or for `timeout`.
    ///
    /// Time passes only here: returns the moment at which it stopped. `results` is emptied first.
    fn poll(
        &mut self,
        timeout: Option<Duration>,
        now: Instant,
        results: &mut PollResults,
    ) -> Instant;

    /// Lets `node` send large answers: it has shown that it is a broker.
    fn lift_receive_limit(&mut self, node: NodeId);

    /// Closes the connection to `node` without further notice, if there is one.
    ///
    /// Returns whether the request that was being written, if any, had left in part.
    fn close(&mut self, node: NodeId) -> bool;
}

/// What one `poll` brought about; to be handled in the order of the fields.
#[derive(Debug, Default)]
pub(crate) struct PollResults {
    /// Nodes whose request is now with the socket as a whole.
    pub(crate) completed_sends: Vec<NodeId>,
    /// Frames without their sizes, in the order of their arrival; several a node are possible.
    pub(crate) completed_receives: Vec<(NodeId, Vec<u8>)>,
    /// Connections that are gone, or never came about.
    pub(crate) disconnected: Vec<Disconnection>,
    /// Nodes that may now be sent requests.
    pub(crate) connected: Vec<NodeId>,
    /// Why the system cannot wait for sockets at all, if so: no later poll will do any better.
    pub(crate) failure: Option<Error>,
    /// Buffers for the next frames.
    pub(crate) spare: Vec<Vec<u8>>,
}

/// The end of a connection that the other side, the system or the idle time brought about.
#[derive(Debug)]
pub(crate) struct Disconnection {
    pub(crate) node: NodeId,
    pub(crate) cause: DisconnectCause,
    /// Whether a part of the request being written had left.
    pub(crate) send_started: bool,
}

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DisconnectCause {
    /// The peer closed it.
    EndOfStream,
    /// Nothing was sent or received for `connections.max.idle.ms`.
    Idle,
    /// The system reported a failure, or the peer sent what no broker sends.
    Failed(Error),
}

/// More spare buffers than this are let go.
const MAX_SPARE_BUFFERS: usize = 64;
/// Larger buffers than this are let go.
const MAX_SPARE_BYTES: usize = 64 * 1024;

impl PollResults {
    /// Takes back the buffer of a frame that was handled.
    pub(crate) fn recycle(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < MAX_SPARE_BUFFERS && buffer.capacity() <= MAX_SPARE_BYTES {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.completed_sends.is_empty() && !self.has_arrivals()
    }

    /// Whether there is more to tell than that requests have left.
    pub(crate) fn has_arrivals(&self) -> bool {
        !self.completed_receives.is_empty()
            || !self.disconnected.is_empty()
            || !self.connected.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.completed_sends.clear();
        self.completed_receives.clear();
        self.disconnected.clear();
        self.connected.clear();
    }
}
