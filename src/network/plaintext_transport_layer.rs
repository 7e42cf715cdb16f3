//! Mirrors `org.apache.kafka.common.network.PlaintextTransportLayer`.

use std::io::{self, IoSlice, Read, Write};
use std::net::SocketAddr;

use mio::net::TcpStream;
use socket2::SockRef;

use crate::network::transport_layer::TransportLayer;

/// TCP as it is.
#[derive(Debug)]
pub(crate) struct PlaintextTransportLayer {
    stream: TcpStream,
}

/// What is asked of the operating system for each socket.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SocketOptions {
    /// `send.buffer.bytes`; `None` leaves the choice to the system.
    pub(crate) send_buffer: Option<usize>,
    /// `receive.buffer.bytes`; `None` leaves the choice to the system.
    pub(crate) receive_buffer: Option<usize>,
}

impl PlaintextTransportLayer {
    /// Starts connecting to `address`.
    ///
    /// # Errors
    ///
    /// The system refuses at once: no route, no descriptors left.
    pub(crate) fn connect(address: SocketAddr, options: SocketOptions) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        let socket = SockRef::from(&stream);
        socket.set_keepalive(true)?;
        if let Some(bytes) = options.send_buffer {
            socket.set_send_buffer_size(bytes)?;
        }
        if let Some(bytes) = options.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        Ok(Self { stream })
    }
}

impl TransportLayer for PlaintextTransportLayer {
    fn finish_connect(&mut self) -> io::Result<bool> {
        if let Some(error) = self.stream.take_error()? {
            return Err(error);
        }
        match self.stream.peer_addr() {
            Ok(_) => self.stream.set_nodelay(true).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn handshake(&mut self) -> io::Result<bool> {
        Ok(true)
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }

    fn is_emptied_by_short_read(&self) -> bool {
        cfg!(unix) // elsewhere only `WouldBlock` arms the next event
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.stream.write_vectored(slices)
    }

    fn socket(&mut self) -> &mut TcpStream {
        &mut self.stream
    }
}
