//! What a producer is made of. Mirrors `org.apache.kafka.clients.producer.internals`.

mod batch_compression;
mod batch_recycler;
mod batch_ref;
pub(crate) mod buffer_pool;
pub(crate) mod built_in_partitioner;
pub(crate) mod field_serializer;
pub(crate) mod future_record_metadata;
pub(crate) mod incomplete_batches;
mod lane;
pub(crate) mod node_availability;
pub(crate) mod partition_queue;
pub(crate) mod partition_queues;
pub(crate) mod partition_ref;
pub(crate) mod pooled_buffer;
pub(crate) mod produce_request_result;
pub(crate) mod producer_batch;
pub(crate) mod producer_id_and_epoch;
pub(crate) mod producer_interceptors;
pub(crate) mod record_accumulator;
pub(crate) mod sendable_partitions;
pub(crate) mod sender;
pub(crate) mod sender_signal;
pub(crate) mod sender_thread;
pub(crate) mod shared_result;
mod thunks;
pub(crate) mod topic_compression;
pub(crate) mod topic_table;
pub(crate) mod transaction_manager;
mod txn_partition_entry;

/// How many batches give back what they had under one lock: callers wait for it meanwhile.
const BATCHES_PER_LOCK: usize = 32;
