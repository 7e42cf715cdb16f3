//! Mirrors `SnappyCompression`: the framing of xerial's `SnappyOutputStream`, which every consumer reads.

use std::io;

use snap::raw;

use crate::compress::compression::Encoder;

/// A mark, the version of the framing and the oldest one that can read it.
const HEADER: [u8; 16] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1];
/// How many bytes go into a block.
const BLOCK: usize = 32 * 1024;
/// The bytes of a block's length.
const LENGTH: usize = 4;

pub(super) struct SnappyEncoder {
    encoder: raw::Encoder,
}

impl SnappyEncoder {
    pub(super) fn new() -> Self {
        Self { encoder: raw::Encoder::new() }
    }
}

impl Encoder for SnappyEncoder {
    fn compress(&mut self, input: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        out.extend_from_slice(&HEADER);
        for block in input.chunks(BLOCK) {
            let start = out.len();
            let room = LENGTH + raw::max_compress_len(block.len());
            out.resize(start + room, 0);
            let written = self.encoder.compress(block, &mut out[start + LENGTH..])?;
            let length = u32::try_from(written).map_err(io::Error::other)?;
            out[start..start + LENGTH].copy_from_slice(&length.to_be_bytes());
            out.truncate(start + LENGTH + written);
        }
        Ok(())
    }
}

pub(super) fn decompress(input: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let mut rest = input.strip_prefix(&HEADER).ok_or(io::ErrorKind::InvalidData)?;
    while let Some((length, following)) = rest.split_first_chunk::<LENGTH>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(io::Error::other)?;
        let (block, following) =
            following.split_at_checked(length).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.extend_from_slice(&raw::Decoder::new().decompress_vec(block)?);
        rest = following;
    }
    Ok(())
}
