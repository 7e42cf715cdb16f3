//! Mirrors `org.apache.kafka.clients.ClientRequest`.
//!
//! Differs in that it carries no callback: the sender finds what belongs to an answer by its correlation id.

use std::time::Duration;

use crate::common::node::NodeId;
use crate::protocol::body::RequestBody;

/// A request and where it goes.
#[derive(Debug)]
pub(crate) struct ClientRequest {
    pub(crate) node: NodeId,
    /// Its version is chosen when it is sent: the highest that both sides know.
    pub(crate) body: RequestBody,
    /// False with `acks=0`: the request is over once it is with the socket.
    pub(crate) expect_response: bool,
    /// `request.timeout.ms`, from the call of `send`.
    pub(crate) timeout: Duration,
    /// The broker has to know this version: older ones cannot carry what is in the request.
    pub(crate) least_version: i16,
}
