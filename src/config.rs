//! Settings: what a property is, and how its text becomes a value. Mirrors `org.apache.kafka.common.config`.

pub(crate) mod config_def;
pub(crate) mod properties_file;
