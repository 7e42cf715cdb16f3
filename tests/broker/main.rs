//! The producer against a real Apache Kafka, started by the tests and looked at with Java's own clients.
//!
//! Needs a JDK (17 or later) and Maven, which fetches Kafka once. Where they are missing each test says that it was
//! skipped; with the variable `CI` set it fails instead.

mod acks;
mod codecs;
#[cfg(unix)]
mod ctrl_c;
mod exactly_once;
mod examples;
mod fidelity;
mod harness;
mod java_clients;
#[path = "../kafka/mod.rs"]
mod kafka;
mod partitions;
mod refusals;
#[path = "../kafka/single_node.rs"]
mod single_node;
mod timestamps;
mod topics;
