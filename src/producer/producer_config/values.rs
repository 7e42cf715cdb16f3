//! The values of properties that are a choice.

/// Who must have a record before it counts as sent: the values of `acks`.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acks {
    /// `0`: nobody. A record is done when it is written to the socket; no error can be seen and no offset is known.
    None,
    /// `1`: the partition's leader. The record is lost if the leader fails before a follower copied it.
    Leader,
    /// `all`: every in-sync replica.
    #[default]
    All,
}

impl Acks {
    /// The number in a produce request.
    pub(crate) const fn number(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Leader => 1,
            Self::All => -1,
        }
    }

    pub(super) const fn property_value(self) -> &'static str {
        match self {
            Self::None => "0",
            Self::Leader => "1",
            Self::All => "all",
        }
    }
}

/// What to do when no known broker can be reached: the values of `metadata.recovery.strategy` (KIP-899).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetadataRecoveryStrategy {
    /// `none`: keep on trying the brokers known last.
    None,
    /// `rebootstrap`: start over from `bootstrap.servers`.
    #[default]
    Rebootstrap,
}

impl MetadataRecoveryStrategy {
    pub(super) const fn property_value(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Rebootstrap => "rebootstrap",
        }
    }
}

/// Who chooses the partition where the record does not: the values of `partitioner.class`.
///
/// A partitioner of your own is given to the producer's builder.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PartitionerClass {
    /// Not set: the hash of the key, and without a key one partition for a batch's worth of records, then another
    /// (KIP-794).
    #[default]
    BuiltIn,
    /// `RoundRobinPartitioner`: each record goes to the next partition, whatever its key.
    RoundRobin,
}

pub(super) const ROUND_ROBIN: &str = "org.apache.kafka.clients.producer.RoundRobinPartitioner";
pub(super) const ROUND_ROBIN_SHORT: &str = "RoundRobinPartitioner";
