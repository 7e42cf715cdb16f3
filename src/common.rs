//! Plain values without behaviour. Mirrors `org.apache.kafka.common`.

pub(crate) mod cluster;
pub(crate) mod header;
pub(crate) mod node;
pub(crate) mod partition_info;
pub(crate) mod topic_partition;
pub(crate) mod uuid;
