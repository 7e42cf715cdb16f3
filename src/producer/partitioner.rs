//! Mirrors `org.apache.kafka.clients.producer.Partitioner`.

use crate::common::cluster::Cluster;

/// Chooses the partition of each record that does not name one.
///
/// Runs on: the threads that call `send`, concurrently. It takes the place of the built-in choice altogether, also
/// for records with a key: [`partition_for_key`](crate::partition_for_key) is what they would have had.
///
/// ```
/// use kafka_producer::{Cluster, Partitioner};
///
/// /// Keeps partition 0 for what is urgent; the length of the value picks one of the others.
/// struct UrgentFirst;
///
/// impl Partitioner for UrgentFirst {
///     fn partition(
///         &self,
///         topic: &str,
///         key: Option<&[u8]>,
///         value: Option<&[u8]>,
///         cluster: &Cluster,
///     ) -> i32 {
///         let partitions = cluster.topic(topic).map_or(&[][..], |info| info.partitions());
///         match partitions {
///             [_, others @ ..] if !others.is_empty() && key != Some(b"urgent") => {
///                 others[value.map_or(0, <[u8]>::len) % others.len()].partition()
///             }
///             _ => 0,
///         }
///     }
/// }
/// ```
pub trait Partitioner: Send + Sync {
    /// The number of the partition for a record with these serialized bytes.
    ///
    /// `cluster` knows `topic`. A number outside `0..partition count` fails the record.
    fn partition(
        &self,
        topic: &str,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        cluster: &Cluster,
    ) -> i32;
}
