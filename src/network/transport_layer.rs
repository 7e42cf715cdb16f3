//! Mirrors `org.apache.kafka.common.network.TransportLayer`.

use std::fmt;
use std::io::{self, IoSlice};

pub(crate) use mio::net::TcpStream;

/// Bytes in and out of one connection, whatever protects them on the way.
///
/// Nothing here waits. Every method may answer `WouldBlock`: the caller then waits for the socket's next event.
/// In the order of the calls: `finish_connect` until it says true, `handshake` until it says true, then the others.
pub(crate) trait TransportLayer: fmt::Debug + Send {
    /// Whether the TCP connection is established.
    ///
    /// # Errors
    ///
    /// What became of the connection attempt, for instance `ConnectionRefused`.
    fn finish_connect(&mut self) -> io::Result<bool>;

    /// Goes on with the handshake; true once it is over, at once where there is none.
    ///
    /// # Errors
    ///
    /// The handshake failed, and the connection with it.
    fn handshake(&mut self) -> io::Result<bool>;

    /// Reads what has arrived; 0 is the end of the stream.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if nothing has arrived; else the connection is lost.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Whether a read that fills only a part of the buffer leaves nothing behind, and an event tells of what comes later.
    fn is_emptied_by_short_read(&self) -> bool {
        false
    }

    /// Writes as much of `slices` as the socket takes and says how many bytes that were.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if it takes nothing now; else the connection is lost.
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize>;

    /// The socket, to be registered with mio.
    fn socket(&mut self) -> &mut TcpStream;
}
