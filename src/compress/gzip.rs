//! Mirrors `GzipCompression`: one gzip member a batch, as RFC 1952 has it.

use std::io::{self, Read};

use flate2::read::GzDecoder;
use flate2::{Compress, Crc, FlushCompress, Status};

use crate::compress::compression::Encoder;

/// Deflate, no name, no time, no word on how hard it tried; the system is unknown.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// The least room to give the codec at a time.
const ROOM: usize = 1024;

/// Keeps the codec's window and tables, a quarter of a MiB, from batch to batch.
pub(super) struct GzipEncoder {
    deflate: Compress,
}

impl GzipEncoder {
    /// `level` is 1 to 9.
    pub(super) fn new(level: Option<i32>) -> Self {
        let level = level.and_then(|level| u32::try_from(level).ok());
        let level = level.map_or_else(flate2::Compression::default, flate2::Compression::new);
        Self { deflate: Compress::new(level, false) }
    }
}

impl Encoder for GzipEncoder {
    fn compress(&mut self, input: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        out.extend_from_slice(&HEADER);
        out.reserve(input.len() / 2 + ROOM);
        self.deflate.reset();
        loop {
            let consumed = usize::try_from(self.deflate.total_in()).unwrap_or(usize::MAX);
            let rest = input.get(consumed..).unwrap_or_default();
            match self.deflate.compress_vec(rest, out, FlushCompress::Finish)? {
                Status::StreamEnd => break,
                Status::Ok | Status::BufError => out.reserve(input.len() / 2 + ROOM),
            }
        }
        let mut crc = Crc::new();
        crc.update(input);
        out.extend_from_slice(&crc.sum().to_le_bytes());
        out.extend_from_slice(&crc.amount().to_le_bytes());
        Ok(())
    }
}

pub(super) fn decompress(input: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    GzDecoder::new(input).read_to_end(out).map(drop)
}
