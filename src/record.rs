//! The formats in which records travel and are stored. Mirrors `org.apache.kafka.common.record`.

pub(crate) mod compression_ratio_estimator;
pub(crate) mod default_record;
pub(crate) mod default_record_batch;
pub(crate) mod memory_records;
pub(crate) mod memory_records_builder;
pub(crate) mod message_set;
pub(crate) mod record_version;
#[cfg(test)]
mod tests;
