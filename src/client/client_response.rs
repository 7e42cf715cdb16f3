//! Mirrors `org.apache.kafka.clients.ClientResponse`.

use crate::error::Error;
use crate::protocol::body::ResponseBody;

/// What became of a request.
#[derive(Debug)]
pub(crate) struct ClientResponse {
    /// The number that `send` gave the request.
    pub(crate) correlation_id: i32,
    pub(crate) outcome: ResponseOutcome,
}

/// How a request ended.
#[derive(Debug)]
pub(crate) enum ResponseOutcome {
    /// The broker answered, perhaps with errors.
    Answered(ResponseBody),
    /// No answer was expected, and every byte is with the socket.
    Sent,
    /// The connection was lost, or closed because an answer took too long or was none.
    Disconnected {
        error: Error,
        /// Whether the time for the answer ran out.
        timed_out: bool,
        /// Whether at least a part of the request had left. If not, the broker cannot have seen it.
        written: bool,
    },
    /// Nothing was sent: the broker knows no version of the request that this crate knows.
    UnsupportedVersion(Error),
}
