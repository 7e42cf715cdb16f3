//! What can go wrong, drawn from a seed.

use std::fmt;
use std::time::Duration;

use crate::cluster::{NODES, Node};
use crate::random::Random;

/// One kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A node's process is killed (SIGKILL) and started again.
    Kill,
    /// A node shuts down in good order (SIGTERM) and is started again.
    Terminate,
    /// A node's process stands still (SIGSTOP), often longer than its session.
    Pause,
    /// Leaders move to other nodes, some more than once.
    MoveLeaders,
    /// Nothing passes between the producers and a node.
    CutOne,
    CutAll,
    /// A node takes requests and answers nothing.
    HoldAnswers,
    /// A node refuses connections.
    RefuseOne,
    RefuseAll,
    /// All connections are reset every 200 ms.
    Resets,
    /// A round trip takes 300 ms longer.
    Latency,
    /// 64 KiB a second pass to and from each node.
    Bandwidth,
    /// Three replicas are wanted in sync while a node is down.
    RaiseMinInsync,
    /// The topic gets another partition.
    AddPartition,
    /// All nodes are killed, and started again 20 s later.
    AllDown,
}

pub(crate) const KINDS: [Kind; 15] = [
    Kind::Kill,
    Kind::Terminate,
    Kind::Pause,
    Kind::MoveLeaders,
    Kind::CutOne,
    Kind::CutAll,
    Kind::HoldAnswers,
    Kind::RefuseOne,
    Kind::RefuseAll,
    Kind::Resets,
    Kind::Latency,
    Kind::Bandwidth,
    Kind::RaiseMinInsync,
    Kind::AddPartition,
    Kind::AllDown,
];

/// A fault with its place and length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    /// The node concerned, where only one is.
    pub(crate) node: Node,
    pub(crate) lasts: Duration,
    /// Whether connections that a fault of the network held are reset at its end, instead of going on.
    pub(crate) then_reset: bool,
}

impl Fault {
    pub(crate) fn draw(kind: Kind, random: &mut Random) -> Self {
        let node = 1 + random.index(NODES);
        let milliseconds = match kind {
            Kind::Kill | Kind::Terminate => random.within(500..=6_000),
            // Half of them about as short as a broker's session, the others up to half a minute.
            Kind::Pause if random.index(2) == 0 => random.within(1_000..=6_000),
            Kind::Pause => random.within(6_000..=30_000),
            Kind::MoveLeaders => random.within(2_000..=6_000),
            Kind::RaiseMinInsync => random.within(2_000..=10_000),
            Kind::AddPartition => 0,
            Kind::AllDown => 20_000,
            _ => random.within(1_000..=10_000),
        };
        let then_reset = random.index(2) == 0;
        Self { kind, node, lasts: Duration::from_millis(milliseconds), then_reset }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, node, lasts, then_reset } = self;
        write!(formatter, "{kind:?}")?;
        match kind {
            Kind::Kill
            | Kind::Terminate
            | Kind::Pause
            | Kind::CutOne
            | Kind::HoldAnswers
            | Kind::RefuseOne
            | Kind::RaiseMinInsync => write!(formatter, " node {node}")?,
            _ => {}
        }
        write!(formatter, " for {} ms", lasts.as_millis())?;
        match kind {
            Kind::CutOne | Kind::CutAll | Kind::HoldAnswers if *then_reset => {
                formatter.write_str(", then reset")
            }
            _ => Ok(()),
        }
    }
}
