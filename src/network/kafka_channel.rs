//! Mirrors `org.apache.kafka.common.network.KafkaChannel`.

use std::io;

use crate::common::node::NodeId;
use crate::error::Error;
use crate::network::channel_state::ChannelState;
use crate::network::network_receive::{MAX_FIRST_FRAME_BYTES, MAX_FRAME_BYTES, NetworkReceive};
use crate::network::network_send::NetworkSend;
use crate::network::selectable::{DisconnectCause, PollResults};
use crate::network::transport_layer::TransportLayer;
use crate::utils::clock::Instant;

/// One connection: its transport, the request being written and the answer being read.
///
/// Readiness is remembered: the operating system tells of it once, and it holds until a call says `WouldBlock`.
#[derive(Debug)]
pub(crate) struct KafkaChannel {
    pub(crate) node: NodeId,
    pub(crate) token: usize,
    pub(crate) transport: Box<dyn TransportLayer>,
    pub(crate) last_active: Instant,
    /// Whether the selector already has it on its list of channels to run.
    pub(crate) is_queued: bool,
    state: ChannelState,
    pending_send: Option<NetworkSend>,
    receive: NetworkReceive,
    receive_limit: usize,
    is_readable: bool,
    is_writable: bool,
    /// Whether its end has been announced.
    is_over: bool,
}

/// What the operating system said of a socket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Readiness {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// There is an end or an error to be read, of which no further event will tell.
    pub(crate) is_over: bool,
}

/// After this many buffers read from one channel in a row the others get their turn.
const MAX_READS: usize = 16;

impl KafkaChannel {
    pub(crate) fn new(
        node: NodeId,
        token: usize,
        transport: Box<dyn TransportLayer>,
        now: Instant,
    ) -> Self {
        Self {
            node,
            token,
            transport,
            last_active: now,
            is_queued: false,
            state: ChannelState::Connecting,
            pending_send: None,
            receive: NetworkReceive::default(),
            receive_limit: MAX_FIRST_FRAME_BYTES,
            is_readable: false,
            is_writable: false,
            is_over: false,
        }
    }

    pub(crate) fn lift_receive_limit(&mut self) {
        self.receive_limit = MAX_FRAME_BYTES;
    }

    /// Takes the next request; the last one must be written.
    pub(crate) fn set_send(&mut self, send: NetworkSend) {
        debug_assert_eq!(self.state, ChannelState::Ready, "only a connected node is sent requests");
        debug_assert!(self.pending_send.is_none(), "one request is written at a time");
        self.pending_send = Some(send);
    }

    /// Whether a request is being written, or has to be.
    pub(crate) fn has_send(&self) -> bool {
        self.pending_send.is_some()
    }

    /// Whether the request being written had left in part.
    pub(crate) fn is_send_started(&self) -> bool {
        self.pending_send.as_ref().is_some_and(NetworkSend::is_started)
    }

    pub(crate) fn handle_readiness(&mut self, readiness: Readiness) {
        self.is_readable |= readiness.readable;
        self.is_writable |= readiness.writable;
        self.is_over |= readiness.is_over;
    }

    /// Whether there is something to do without another event.
    pub(crate) fn is_runnable(&self) -> bool {
        match self.state {
            ChannelState::Connecting | ChannelState::Preparing => false,
            ChannelState::Ready => {
                self.is_readable || (self.is_writable && self.pending_send.is_some())
            }
        }
    }

    /// Connects, writes and reads as far as that is possible now.
    ///
    /// # Errors
    ///
    /// The connection is lost; what arrived before is in `results` all the same.
    pub(crate) fn run(
        &mut self,
        scratch: &mut [u8],
        results: &mut PollResults,
    ) -> Result<(), DisconnectCause> {
        if self.state != ChannelState::Ready && !self.connect().map_err(lost)? {
            return Ok(());
        }
        if self.state != ChannelState::Ready {
            self.state = ChannelState::Ready;
            results.connected.push(self.node);
        }
        let written = self.write(results);
        // What the peer said before it closed explains more than a failed write.
        self.read(scratch, results)?;
        written
    }

    /// Goes on towards readiness for requests; true once it is reached.
    fn connect(&mut self) -> io::Result<bool> {
        if self.state == ChannelState::Connecting {
            if !self.transport.finish_connect()? {
                return Ok(false);
            }
            self.state = ChannelState::Preparing;
        }
        self.transport.handshake()
    }

    fn write(&mut self, results: &mut PollResults) -> Result<(), DisconnectCause> {
        let Some(send) = self.pending_send.as_mut().filter(|_| self.is_writable) else {
            return Ok(());
        };
        if send.write_to(&mut *self.transport).map_err(lost)? {
            self.pending_send = None;
            results.completed_sends.push(self.node);
        } else {
            self.is_writable = false;
        }
        Ok(())
    }

    fn read(
        &mut self,
        scratch: &mut [u8],
        results: &mut PollResults,
    ) -> Result<(), DisconnectCause> {
        let mut reads = 0;
        while self.is_readable && reads < MAX_READS {
            match self.transport.read(scratch) {
                Ok(0) => return Err(DisconnectCause::EndOfStream),
                Ok(read) => {
                    self.take_in(&scratch[..read], results)?;
                    let is_short = read < scratch.len() && !self.is_over;
                    let is_emptied = is_short && self.transport.is_emptied_by_short_read();
                    self.is_readable &= !is_emptied;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.is_readable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(lost(error)),
            }
            reads += 1;
        }
        Ok(())
    }

    fn take_in(&mut self, bytes: &[u8], results: &mut PollResults) -> Result<(), DisconnectCause> {
        let PollResults { completed_receives, spare, .. } = results;
        let node = self.node;
        self.receive
            .read_from(bytes, self.receive_limit, spare, |frame| {
                completed_receives.push((node, frame));
            })
            .map_err(DisconnectCause::Failed)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn lost(error: io::Error) -> DisconnectCause {
    DisconnectCause::Failed(Error::io(&error))
}
