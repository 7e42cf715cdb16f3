//! The public interface, over TCP, on the embedded cluster.

mod buffer_memory;
mod callbacks;
mod close;
mod cluster_changes;
mod construction;
mod error_texts;
mod flush;
mod futures;
mod golden;
mod idempotence;
mod interceptors;
mod metadata;
mod network;
mod partitioners;
mod retries;
mod send;
mod serializers;
mod setup;
mod sizes;
mod split;
mod try_send;
mod versions;
