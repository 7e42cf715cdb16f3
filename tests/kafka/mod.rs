//! Apache Kafka itself, for the test binaries that need it: its jars, a JVM that runs it, and what Java's consumer read.

pub(crate) mod distribution;
pub(crate) mod host;
pub(crate) mod record;
