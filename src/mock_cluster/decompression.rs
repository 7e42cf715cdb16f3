//! What a broker makes of the records of a compressed batch, shared with no code of the client.
//!
//! Every codec is bounded: a batch may be made to inflate to more than any memory holds.

#![cfg_attr(
    not(any(feature = "gzip", feature = "lz4", feature = "zstd")),
    expect(dead_code, reason = "without these codecs there is little to do")
)]

use std::borrow::Cow;
use std::io::Read;

use crate::error::ErrorCode;
use crate::mock_cluster::record_batch::Refusal;

/// The most that a batch may become. A broker has no such limit but its memory.
const MAX_BYTES: u64 = 64 << 20;

const CORRUPT: Refusal =
    Refusal::new(ErrorCode::CorruptMessage, "the records are not what their codec makes");
const TOO_LARGE: Refusal =
    Refusal::new(ErrorCode::CorruptMessage, "the records are too large when they are decompressed");

/// The records of a batch whose attributes name `codec` by its number.
pub(super) fn decompress(codec: i16, records: &[u8]) -> Result<Cow<'_, [u8]>, Refusal> {
    match codec {
        0 => Ok(Cow::Borrowed(records)),
        #[cfg(feature = "gzip")]
        1 => read(&mut flate2::read::GzDecoder::new(records)),
        #[cfg(feature = "snappy")]
        2 => xerial(records),
        #[cfg(feature = "lz4")]
        3 => read(&mut lz4_flex::frame::FrameDecoder::new(records)),
        #[cfg(feature = "zstd")]
        4 => read(&mut zstd::stream::read::Decoder::new(records).map_err(|_| CORRUPT)?),
        _ => Err(Refusal::new(
            ErrorCode::UnsupportedCompressionType,
            "this cluster was built without the batch's codec",
        )),
    }
}

fn read(decoder: &mut dyn Read) -> Result<Cow<'static, [u8]>, Refusal> {
    let mut plain = Vec::new();
    match decoder.take(MAX_BYTES + 1).read_to_end(&mut plain) {
        Ok(length) if length as u64 > MAX_BYTES => Err(TOO_LARGE),
        Ok(_) => Ok(Cow::Owned(plain)),
        Err(_) => Err(CORRUPT),
    }
}

/// Blocks behind a header of sixteen bytes, or, from some clients, one block without any.
#[cfg(feature = "snappy")]
fn xerial(records: &[u8]) -> Result<Cow<'static, [u8]>, Refusal> {
    const MARK: &[u8] = b"\x82SNAPPY\0";
    const VERSIONS: usize = 8;
    let mut plain = Vec::new();
    let Some(behind_mark) = records.strip_prefix(MARK) else {
        snappy_block(records, &mut plain)?;
        return Ok(Cow::Owned(plain));
    };
    let mut rest = behind_mark.get(VERSIONS..).ok_or(CORRUPT)?;
    while !rest.is_empty() {
        let (length, behind) = rest.split_first_chunk().ok_or(CORRUPT)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| CORRUPT)?;
        let (block, behind) = behind.split_at_checked(length).ok_or(CORRUPT)?;
        snappy_block(block, &mut plain)?;
        rest = behind;
    }
    Ok(Cow::Owned(plain))
}

#[cfg(feature = "snappy")]
fn snappy_block(block: &[u8], plain: &mut Vec<u8>) -> Result<(), Refusal> {
    let length = snap::raw::decompress_len(block).map_err(|_| CORRUPT)?;
    if (plain.len() + length) as u64 > MAX_BYTES {
        return Err(TOO_LARGE);
    }
    let decoded = snap::raw::Decoder::new().decompress_vec(block).map_err(|_| CORRUPT)?;
    plain.extend_from_slice(&decoded);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// The records of a batch that kafka-clients 4.1.1 made with each codec, behind its header.
    #[test]
    fn reads_what_java_compresses() {
        let plain = "10000000026b02760030000a02010c7365636f6e64060468310476310468320100001000050404\
                     6b330100";
        let gzip = "1f8b08000000000000ff1360606060ca662a633060e06262e4294e4dcecf4b6163c93064293364c9\
                    306264601060606561c93666640000273af1182b000000";
        let snappy = format!("82534e4150505900{:08x}{:08x}{:08x}2ba8{plain}", 1, 1, 0x2d);
        let lz4 = format!("04224d186040822b000080{plain}00000000");
        let zstd = format!("28b52ffd0058580100{plain}010000");

        for (codec, compressed) in [(1, gzip), (2, &*snappy), (3, &*lz4), (4, &*zstd)] {
            let read = decompress(codec, &bytes(compressed)).map(Cow::into_owned);
            assert_eq!(read, Ok(bytes(plain)), "codec {codec}");
        }
    }

    #[test]
    fn reads_snappy_without_framing() {
        let bare = snap::raw::Encoder::new().compress_vec(b"abcabc").expect("it works");

        assert_eq!(decompress(2, &bare).as_deref(), Ok(&b"abcabc"[..]));
    }

    // MOCK-03
    #[test]
    fn what_inflates_beyond_all_measure_is_refused() {
        let zeros = vec![0; usize::try_from(MAX_BYTES).expect("64 bits") + 1];
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&zeros).expect("memory");
        let gzip = gzip.finish().expect("memory");
        let zstd = zstd::encode_all(&zeros[..], 1).expect("memory");
        let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
        lz4.write_all(&zeros).expect("memory");
        let lz4 = lz4.finish().expect("memory");
        let snappy = snap::raw::Encoder::new().compress_vec(&zeros).expect("memory");

        for (codec, compressed) in [(1, gzip), (2, snappy), (3, lz4), (4, zstd)] {
            assert_eq!(decompress(codec, &compressed), Err(TOO_LARGE), "codec {codec}");
        }
    }

    // MOCK-03
    #[test]
    fn sizes_that_lie_are_found_out() {
        let huge_snappy = b"\xff\xff\xff\xff\x0f\0";
        let huge_zstd = b"\x28\xb5\x2f\xfd\xe0\0\0\0\0\0\0\0\x7f\x01\0\0";

        assert_eq!(decompress(2, huge_snappy), Err(TOO_LARGE));
        assert_eq!(decompress(4, huge_zstd), Err(CORRUPT));
        for codec in 1..=4 {
            assert_eq!(decompress(codec, &[0xff; 40]), Err(CORRUPT), "codec {codec}");
        }
    }

    fn bytes(hex: &str) -> Vec<u8> {
        let digits = (0..hex.len()).step_by(2).map(|at| &hex[at..at + 2]);
        digits.map(|digits| u8::from_str_radix(digits, 16).expect("hexadecimal")).collect()
    }
}
