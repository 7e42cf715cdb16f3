//! Tools that know nothing of Kafka. Mirrors `org.apache.kafka.common.utils`.

pub(crate) mod brief_mutex;
pub(crate) mod clock;
pub(crate) mod crc32;
pub(crate) mod crc32c;
pub(crate) mod deadlines;
pub(crate) mod exponential_backoff;
pub(crate) mod hash;
pub(crate) mod murmur2;
pub(crate) mod panics;
pub(crate) mod pieces;
pub(crate) mod prefetch;
pub(crate) mod random;
pub(crate) mod saturate;
pub(crate) mod sync;
pub(crate) mod table;
mod tick_counter;
pub(crate) mod varint;
mod wall_clock;
