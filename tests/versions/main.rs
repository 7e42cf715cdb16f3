//! The producer against releases of Apache Kafka from 0.10 to 4.3, one after another.
//!
//! Needs a JDK (17 or later) and Maven, which fetches each release once. Where they are missing the test says that it was
//! skipped; with the variable `CI` set it fails instead.

mod combination;
mod comparison;
mod console_consumer;
#[path = "../kafka"]
mod kafka {
    pub(crate) mod distribution;
    pub(crate) mod host;
    pub(crate) mod single_node;
}
mod kcat;
mod matrix;
mod node;
mod release;
mod table;
mod workload;
