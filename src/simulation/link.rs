//! One TCP connection between the producer and a broker: two pipes of segments on their way.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::common::node::NodeId;
use crate::mock_cluster::connection::ConnectionId;
use crate::simulation::sim_socket::SimSocket;
use crate::utils::clock::Instant;
use crate::utils::sync::Mutex;

#[derive(Debug)]
pub(super) struct Link {
    /// Who the peer is.
    pub(super) broker: NodeId,
    pub(super) socket: Arc<Mutex<SimSocket>>,
    /// The broker's end; `None` before it accepts and after it closes.
    pub(super) connection: Option<ConnectionId>,
    pub(super) to_broker: Pipe,
    pub(super) to_client: Pipe,
    pub(super) is_closed_by_client: bool,
    /// Nothing passes any more, and nobody is told.
    pub(super) is_silent: bool,
}

/// Bytes on their way in one direction, in order.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    pub(super) segments: VecDeque<Segment>,
    /// When the last segment arrives: none overtakes another.
    pub(super) last_due: Instant,
    /// Nothing arrives before.
    pub(super) stalled_until: Instant,
    pub(super) passed_bytes: usize,
    /// After how many bytes the connection breaks.
    pub(super) breaks_after: Option<usize>,
}

#[derive(Debug)]
pub(super) struct Segment {
    pub(super) due: Instant,
    /// Empty for the end of the stream.
    pub(super) bytes: Vec<u8>,
}

impl Link {
    pub(super) fn new(broker: NodeId, socket: Arc<Mutex<SimSocket>>) -> Self {
        Self {
            broker,
            socket,
            connection: None,
            to_broker: Pipe::default(),
            to_client: Pipe::default(),
            is_closed_by_client: false,
            is_silent: false,
        }
    }
}

impl Pipe {
    /// Puts a segment behind the others; returns when it arrives.
    pub(super) fn push(&mut self, bytes: Vec<u8>, due: Instant) -> Instant {
        let due = due.max(self.last_due).max(self.stalled_until);
        self.last_due = due;
        self.segments.push_back(Segment { due, bytes });
        due
    }

    /// Counts `bytes`; gives those that come through, and whether the connection breaks behind them.
    pub(super) fn pass(&mut self, mut bytes: Vec<u8>) -> (Vec<u8>, bool) {
        let room = self.breaks_after.map(|limit| limit.saturating_sub(self.passed_bytes));
        self.passed_bytes += bytes.len();
        match room {
            Some(room) if room <= bytes.len() => {
                bytes.truncate(room);
                (bytes, true)
            }
            _ => (bytes, false),
        }
    }

    /// Takes the next segment that has arrived; `Err` says when to look again.
    pub(super) fn pop(&mut self, now: Instant) -> Result<Option<Segment>, Instant> {
        let Some(first) = self.segments.front() else {
            return Ok(None);
        };
        let due = first.due.max(self.stalled_until);
        if due > now { Err(due) } else { Ok(self.segments.pop_front()) }
    }
}
