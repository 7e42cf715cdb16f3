//! Mirrors `org.apache.kafka.common.network.ChannelState`.

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChannelState {
    /// The TCP connection is not established yet.
    Connecting,
    /// Established; the transport's handshake is under way.
    Preparing,
    /// Requests and answers may flow.
    Ready,
}
