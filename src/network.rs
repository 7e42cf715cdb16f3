//! Sockets and frames: the only user of mio. Mirrors `org.apache.kafka.common.network`.

pub(crate) mod wakeup;
