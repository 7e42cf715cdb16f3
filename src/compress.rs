//! Codecs for the records of a batch. Mirrors `org.apache.kafka.common.compress`.
//!
//! Each codec is a feature of the crate; what is left out is refused when a producer is configured.

mod compression;
mod compressors;
#[cfg(feature = "gzip")]
mod gzip;
#[cfg(feature = "lz4")]
mod lz4;
#[cfg(feature = "snappy")]
mod snappy;
#[cfg(feature = "zstd")]
mod zstd;

#[cfg(test)]
mod tests;

pub use compression::CompressionType;

pub(crate) use compression::{Compression, decompress};
pub(crate) use compressors::{Compressor, Compressors};
