//! The client's end of a simulated connection: what a socket of the operating system would be.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read};
use std::sync::Arc;

use crate::network::transport_layer::{TcpStream, TransportLayer};
use crate::utils::sync::Mutex;

/// A socket's buffers and state. The network fills and empties it between the client's calls.
#[derive(Debug)]
pub(super) struct SimSocket {
    pub(super) state: SocketState,
    /// Written by the client, not yet taken by the network.
    pub(super) outgoing: Vec<u8>,
    /// Written by the client and not yet received by the broker: it fills the send buffer.
    pub(super) unacknowledged: usize,
    pub(super) send_buffer: usize,
    /// Arrived, not yet read by the client.
    pub(super) incoming: VecDeque<u8>,
    /// The broker has closed; this shows behind what is in `incoming`.
    pub(super) is_finished: bool,
    /// The most bytes that one call reads or writes.
    pub(super) max_bytes_a_call: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SocketState {
    Connecting,
    Open,
    Failed(io::ErrorKind),
}

impl SimSocket {
    pub(super) fn new(send_buffer: usize, max_bytes_a_call: usize) -> Self {
        Self {
            state: SocketState::Connecting,
            outgoing: Vec::new(),
            unacknowledged: 0,
            send_buffer,
            incoming: VecDeque::new(),
            is_finished: false,
            max_bytes_a_call,
        }
    }
}

/// A transport over a [`SimSocket`]. Behaves as a non-blocking socket does.
#[derive(Debug)]
pub(super) struct SimTransport(pub(super) Arc<Mutex<SimSocket>>);

impl TransportLayer for SimTransport {
    fn finish_connect(&mut self) -> io::Result<bool> {
        match self.0.lock().state {
            SocketState::Connecting => Ok(false),
            SocketState::Open => Ok(true),
            SocketState::Failed(kind) => Err(kind.into()),
        }
    }

    fn handshake(&mut self) -> io::Result<bool> {
        Ok(true)
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut socket = self.0.lock();
        if let SocketState::Failed(kind) = socket.state {
            return Err(kind.into());
        }
        if socket.incoming.is_empty() {
            return if socket.is_finished { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) };
        }
        let most = buffer.len().min(socket.max_bytes_a_call);
        socket.incoming.read(&mut buffer[..most])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut socket = self.0.lock();
        if let SocketState::Failed(kind) = socket.state {
            return Err(kind.into());
        }
        let room = socket.send_buffer.saturating_sub(socket.unacknowledged);
        let mut room = room.min(socket.max_bytes_a_call);
        if room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut written = 0;
        for slice in slices {
            let taken = slice.len().min(room);
            socket.outgoing.extend_from_slice(&slice[..taken]);
            room -= taken;
            written += taken;
        }
        socket.unacknowledged += written;
        Ok(written)
    }

    fn socket(&mut self) -> &mut TcpStream {
        unreachable!("only mio asks for the socket, and there is none")
    }
}
