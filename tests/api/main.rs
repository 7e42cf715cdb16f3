//! The public interface, over TCP, on the embedded cluster.

mod buffer_memory;
mod callbacks;
mod clones;
mod close;
mod cluster_changes;
mod compression;
mod construction;
mod deadlines;
mod error_texts;
mod flush;
mod futures;
mod golden;
mod idempotence;
#[cfg(target_os = "linux")]
mod idle;
mod interceptors;
#[cfg(target_os = "linux")]
mod logging;
mod metadata;
mod network;
mod old_brokers;
#[cfg(target_os = "linux")]
mod outage;
mod partitioners;
mod retries;
mod send;
mod serializers;
mod setup;
mod sizes;
mod split;
#[cfg(target_os = "linux")]
mod stall;
mod try_send;
mod versions;
