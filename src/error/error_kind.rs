//! What can go wrong, by what the caller can do about it.

use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use crate::error::{ErrorCode, Persistence};

/// What happened. Each variant says whose fault it is.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// A broker answered with an error.
    Broker {
        /// Its code.
        code: ErrorCode,
        /// Its explanation, where it gave one (Produce v8+).
        message: Option<Arc<str>>,
    },
    /// A deadline of ours ran out.
    Timeout {
        /// Which one.
        deadline: Deadline,
        /// Its length.
        limit: Duration,
        /// What did not come.
        waiting_for: &'static str,
    },
    /// The record does not fit; the application has to send less or to raise `property`.
    RecordTooLarge {
        /// The record's serialized size, an upper bound.
        size: usize,
        /// The value of `property`.
        limit: usize,
        /// `max.request.size` or `buffer.memory`.
        property: &'static str,
    },
    /// `buffer.memory` stayed full for `max.block.ms`: records come faster than the brokers take them.
    BufferExhausted {
        /// The bytes that were asked for: for a batch, which may be more than the record takes, and what is counted with it.
        requested: usize,
        /// The value of `buffer.memory`.
        total: usize,
        /// The value of `max.block.ms`.
        limit: Duration,
    },
    /// The call must not wait and would have had to: nothing was taken.
    WouldBlock {
        /// What it would have waited for.
        waiting_for: &'static str,
    },
    /// A serializer refused the key or the value, or panicked.
    Serialization {
        /// The serializer's explanation.
        message: Arc<str>,
    },
    /// The record itself is wrong: a negative partition, an empty topic.
    InvalidRecord {
        /// What is wrong with it.
        reason: Arc<str>,
    },
    /// The connection to a broker ended while an answer was due.
    Disconnected,
    /// The operating system failed a connection.
    Io {
        /// The kind that it reported.
        kind: io::ErrorKind,
        /// Its own words.
        message: Arc<str>,
    },
    /// A host name has no address.
    UnknownHost {
        /// The resolver's own words.
        message: Arc<str>,
    },
    /// What answered does not speak Kafka's protocol, or broke it.
    Protocol {
        /// What was received.
        message: Arc<str>,
    },
    /// The broker and this crate have no version of a request in common, or none that has a place for what is in it:
    /// headers, the numbers of an idempotent producer, a codec.
    UnsupportedVersion {
        /// The request and the versions of both sides, or what the broker is too old for.
        message: Arc<str>,
    },
    /// Settings that are invalid or contradict one another; all of them at once.
    InvalidConfig {
        /// Each with its property.
        problems: Vec<ConfigProblem>,
    },
    /// The producer was closed before the record was acknowledged, or before the call.
    Closed,
    /// Called from a callback, where waiting would never end.
    CalledFromCallback {
        /// The method.
        method: &'static str,
    },
    /// Our own fault: the sender thread panicked; every pending record failed with this.
    SenderPanicked {
        /// The panic's message.
        message: Arc<str>,
    },
}

/// The deadlines that can end in [`ErrorKind::Timeout`], by the property that sets them.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// `max.block.ms`: waiting for a topic's metadata or for room in the buffer.
    MaxBlock,
    /// `delivery.timeout.ms`: waiting for the acknowledgement, retries included.
    Delivery,
    /// `request.timeout.ms`: waiting for one answer of one broker.
    Request,
    /// `socket.connection.setup.timeout.ms`: waiting for a connection to become usable.
    ConnectionSetup,
    /// The time given to the call itself, as in `get_timeout` and `close`.
    Call,
}

impl Deadline {
    /// The property that sets it, `None` for [`Deadline::Call`].
    #[must_use]
    pub const fn property(self) -> Option<&'static str> {
        match self {
            Self::MaxBlock => Some("max.block.ms"),
            Self::Delivery => Some("delivery.timeout.ms"),
            Self::Request => Some("request.timeout.ms"),
            Self::ConnectionSetup => Some("socket.connection.setup.timeout.ms"),
            Self::Call => None,
        }
    }
}

/// One invalid setting, and why it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    property: Arc<str>,
    reason: Arc<str>,
}

impl ConfigProblem {
    pub(crate) fn new(property: &str, reason: impl Into<Arc<str>>) -> Self {
        Self { property: property.into(), reason: reason.into() }
    }

    /// The property's Java name.
    #[must_use]
    pub fn property(&self) -> &str {
        &self.property
    }

    /// What is wrong with its value, and what would be right.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.property, self.reason)
    }
}

impl ErrorKind {
    /// What follows from the kind alone; whoever knows more says so.
    pub(super) fn usual_persistence(&self) -> Persistence {
        match self {
            Self::Broker { code, .. } if is_ambiguous(*code) => Persistence::Perhaps,
            Self::Broker { .. } => Persistence::Refused,
            _ => Persistence::NeverSent,
        }
    }
}

/// Codes after which the leader, or one of its followers, may have kept the batch.
fn is_ambiguous(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::RequestTimedOut
            | ErrorCode::NetworkException
            | ErrorCode::NotEnoughReplicasAfterAppend
            | ErrorCode::NotLeaderOrFollower
            | ErrorCode::KafkaStorageError
            | ErrorCode::UnknownServerError
            | ErrorCode::Unknown(_)
    )
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broker { code, message: Some(message) } => write!(formatter, "{code}: {message}"),
            Self::Broker { code, message: None } => write!(formatter, "{code}"),
            Self::Timeout { deadline, limit, waiting_for } => {
                let limit = limit.as_millis();
                match deadline.property() {
                    Some(name) => write!(formatter, "no {waiting_for} within {name} ({limit} ms)"),
                    None => write!(formatter, "no {waiting_for} within {limit} ms"),
                }
            }
            Self::RecordTooLarge { size, limit, property } => {
                write!(formatter, "record of {size} bytes exceeds {property} of {limit}")
            }
            Self::BufferExhausted { requested, total, limit } => write!(
                formatter,
                "no room for a batch of {requested} bytes in buffer.memory ({total} bytes) within max.block.ms ({} ms)",
                limit.as_millis()
            ),
            Self::WouldBlock { waiting_for } => {
                write!(formatter, "the call would have to wait for {waiting_for}")
            }
            Self::Serialization { message } => write!(formatter, "serialization failed: {message}"),
            Self::InvalidRecord { reason } => write!(formatter, "invalid record: {reason}"),
            Self::Disconnected => formatter.write_str("the connection was lost"),
            Self::Io { message, .. }
            | Self::UnknownHost { message }
            | Self::Protocol { message }
            | Self::UnsupportedVersion { message } => formatter.write_str(message),
            Self::InvalidConfig { problems } => {
                formatter.write_str("invalid configuration")?;
                for (index, problem) in problems.iter().enumerate() {
                    write!(formatter, "{}{problem}", if index == 0 { ": " } else { "; " })?;
                }
                Ok(())
            }
            Self::Closed => formatter.write_str("the producer is closed"),
            Self::CalledFromCallback { method } => {
                write!(
                    formatter,
                    "{method} was called from a callback, where it would wait for ever"
                )
            }
            Self::SenderPanicked { message } => {
                write!(formatter, "the sender thread panicked: {message}")
            }
        }
    }
}
