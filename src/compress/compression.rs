//! Mirrors `org.apache.kafka.common.compress.Compression` and `CompressionType`.

use std::fmt;
use std::io;

/// How batches are compressed: the values of `compression.type`.
///
/// Every codec but [`None`](Self::None) is a feature of this crate with its name.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CompressionType {
    /// `none`: not at all.
    #[default]
    None,
    /// `gzip`: small and slow.
    Gzip,
    /// `snappy`: fast.
    Snappy,
    /// `lz4`: fast.
    Lz4,
    /// `zstd`: smaller than `lz4` and faster than `gzip`. Needs brokers of Kafka 2.1 or later.
    Zstd,
}

impl CompressionType {
    pub(crate) const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// The value of `compression.type`, and the name of the feature.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// The number in a batch's attributes.
    pub(crate) const fn id(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    /// Whether this build has it.
    pub(crate) const fn is_built_in(self) -> bool {
        match self {
            Self::None => true,
            Self::Gzip => cfg!(feature = "gzip"),
            Self::Snappy => cfg!(feature = "snappy"),
            Self::Lz4 => cfg!(feature = "lz4"),
            Self::Zstd => cfg!(feature = "zstd"),
        }
    }
}

impl fmt::Display for CompressionType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Which codec, and how hard it tries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Compression {
    pub(crate) codec: CompressionType,
    /// `None` leaves it to the codec; those without levels have no other.
    pub(crate) level: Option<i32>,
}

/// A codec with its working memory, which is used for one batch after another.
pub(crate) trait Encoder: Send {
    /// Appends what `input` becomes to `out`.
    ///
    /// # Errors
    ///
    /// The codec failed; what it has appended is of no use.
    fn compress(&mut self, input: &[u8], out: &mut Vec<u8>) -> io::Result<()>;
}

impl Compression {
    /// `None` if there is nothing to do, or if this build lacks the codec.
    ///
    /// # Errors
    ///
    /// There is no memory for it.
    pub(super) fn encoder(self) -> io::Result<Option<Box<dyn Encoder>>> {
        Ok(match self.codec {
            #[cfg(feature = "gzip")]
            CompressionType::Gzip => Some(Box::new(super::gzip::GzipEncoder::new(self.level))),
            #[cfg(feature = "snappy")]
            CompressionType::Snappy => Some(Box::new(super::snappy::SnappyEncoder::new())),
            #[cfg(feature = "lz4")]
            CompressionType::Lz4 => Some(Box::new(super::lz4::Lz4Encoder::new())),
            #[cfg(feature = "zstd")]
            CompressionType::Zstd => Some(Box::new(super::zstd::ZstdEncoder::new(self.level)?)),
            _ => None,
        })
    }
}

/// Appends to `out` what a codec of this crate made smaller. Not for what others wrote: nothing bounds the result.
///
/// # Errors
///
/// The bytes are none of the codec's, or this build lacks it.
pub(crate) fn decompress(
    codec: CompressionType,
    input: &[u8],
    out: &mut Vec<u8>,
) -> io::Result<()> {
    match codec {
        CompressionType::None => {
            out.extend_from_slice(input);
            Ok(())
        }
        #[cfg(feature = "gzip")]
        CompressionType::Gzip => super::gzip::decompress(input, out),
        #[cfg(feature = "snappy")]
        CompressionType::Snappy => super::snappy::decompress(input, out),
        #[cfg(feature = "lz4")]
        CompressionType::Lz4 => super::lz4::decompress(input, out),
        #[cfg(feature = "zstd")]
        CompressionType::Zstd => super::zstd::decompress(input, out),
        #[cfg(not(all(feature = "gzip", feature = "snappy", feature = "lz4", feature = "zstd")))]
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}
