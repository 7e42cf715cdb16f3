//! Mirrors `ZstdCompression`: one zstd frame a batch.

use std::io;

use zstd::bulk::Compressor;
use zstd::zstd_safe;

use crate::compress::compression::Encoder;

/// Keeps the codec's tables, up to some MiB at high levels, from batch to batch.
pub(super) struct ZstdEncoder {
    compressor: Compressor<'static>,
}

impl ZstdEncoder {
    pub(super) fn new(level: Option<i32>) -> io::Result<Self> {
        let level = level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL);
        Ok(Self { compressor: Compressor::new(level)? })
    }
}

impl Encoder for ZstdEncoder {
    fn compress(&mut self, input: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let start = out.len();
        out.resize(start + zstd_safe::compress_bound(input.len()), 0);
        let written = self.compressor.compress_to_buffer(input, &mut out[start..])?;
        out.truncate(start + written);
        Ok(())
    }
}

pub(super) fn decompress(input: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    zstd::stream::copy_decode(input, out)
}
