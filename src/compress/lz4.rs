//! Mirrors `Lz4Compression` and `Lz4BlockOutputStream`: an LZ4 frame with the options that Java sets.

use std::io;

use lz4_flex::block::{self, CompressTable};

use crate::compress::compression::Encoder;

/// The frame's mark; version 1 with independent blocks and no checksums; blocks of up to 64 KiB; the checksum of these.
const HEADER: [u8; 7] = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];
/// How many bytes go into a block.
const BLOCK: usize = 64 * 1024;
/// The bytes of a block's length.
const LENGTH: usize = 4;
/// Marks, in a block's length, one that is as it was.
const IS_STORED: u32 = 1 << 31;
/// In place of another block's length.
const END: [u8; LENGTH] = [0; LENGTH];

pub(super) struct Lz4Encoder {
    table: CompressTable,
}

impl Lz4Encoder {
    pub(super) fn new() -> Self {
        Self { table: CompressTable::large() }
    }
}

impl Encoder for Lz4Encoder {
    fn compress(&mut self, input: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        out.extend_from_slice(&HEADER);
        for plain in input.chunks(BLOCK) {
            let start = out.len();
            out.resize(start + LENGTH + block::get_maximum_output_size(plain.len()), 0);
            let space = &mut out[start + LENGTH..];
            let written = block::compress_into_with_table(plain, space, &mut self.table)
                .map_err(io::Error::other)?;
            let length = if written < plain.len() {
                out.truncate(start + LENGTH + written);
                u32::try_from(written).map_err(io::Error::other)?
            } else {
                out.truncate(start + LENGTH);
                out.extend_from_slice(plain);
                u32::try_from(plain.len()).map_err(io::Error::other)? | IS_STORED
            };
            out[start..start + LENGTH].copy_from_slice(&length.to_le_bytes());
        }
        out.extend_from_slice(&END);
        Ok(())
    }
}

pub(super) fn decompress(input: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let mut rest = input.strip_prefix(&HEADER).ok_or(io::ErrorKind::InvalidData)?;
    loop {
        let (length, following) =
            rest.split_first_chunk::<LENGTH>().ok_or(io::ErrorKind::UnexpectedEof)?;
        if *length == END {
            return Ok(());
        }
        let length = u32::from_le_bytes(*length);
        let size = usize::try_from(length & !IS_STORED).map_err(io::Error::other)?;
        let (content, following) =
            following.split_at_checked(size).ok_or(io::ErrorKind::UnexpectedEof)?;
        if length & IS_STORED == 0 {
            let plain = block::decompress(content, BLOCK).map_err(io::Error::other)?;
            out.extend_from_slice(&plain);
        } else {
            out.extend_from_slice(content);
        }
        rest = following;
    }
}
