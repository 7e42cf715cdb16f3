//! Mirrors `org.apache.kafka.common.Node`.

use std::fmt;
use std::sync::Arc;

/// A broker's number. Bootstrap addresses count down from -1 until their broker's number is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub i32);

impl fmt::Display for NodeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A broker and the address under which it wants to be reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    id: NodeId,
    host: Arc<str>,
    port: u16,
    rack: Option<Arc<str>>,
}

impl Node {
    pub(crate) fn new(id: NodeId, host: &str, port: u16, rack: Option<&str>) -> Self {
        Self { id, host: host.into(), port, rack: rack.map(Into::into) }
    }

    /// The broker's number.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// The host name or address, as the cluster gives it.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The rack, where the broker has one configured.
    #[must_use]
    pub fn rack(&self) -> Option<&str> {
        self.rack.as_deref()
    }
}

impl fmt::Display for Node {
    /// `host:port (id 3)`; a bootstrap address, which has no number yet, shows the address alone.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.host, self.port)?;
        if self.id.0 >= 0 {
            write!(formatter, " (id {})", self.id)?;
        }
        Ok(())
    }
}
