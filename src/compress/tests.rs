//! Every codec against decoders that are not ours, and the framing against Java's bytes.

use std::io::Read;

use super::*;
use crate::utils::random::Random;

/// The records of a batch of three: little, and nothing in it repeats.
const RECORDS: &str = "10000000026b02760030000a02010c7365636f6e64060468310476310468320100\
                       0010000504046b330100";

#[test]
fn whatever_is_compressed_comes_back() {
    let mut random = Random::new(11);
    for codec in CODECS {
        let mut encoder = encoder(codec, None);
        for round in 0..120 {
            let plain = input(round, &mut random);

            let mut compressed = b"before".to_vec();
            encoder.compress(&plain, &mut compressed).expect("it works");
            let compressed = &compressed[b"before".len()..];

            assert_eq!(independently(codec, compressed), plain, "{codec}, round {round}");
            let mut ours = b"before".to_vec();
            decompress(codec, compressed, &mut ours).expect("it works");
            assert_eq!(&ours[b"before".len()..], plain, "{codec}, round {round}");
        }
    }
}

// CFG-11: valid levels are really used.
#[test]
fn levels_make_a_difference() {
    let mut random = Random::new(5);
    let plain: Vec<_> = (0..3000_u32)
        .flat_map(|number| {
            format!("{{\"id\":{number},\"user\":{}}}", random.below(5000)).into_bytes()
        })
        .collect();
    for (codec, levels) in [
        (CompressionType::Gzip, [Some(1), Some(9)]),
        (CompressionType::Zstd, [Some(-5), Some(3)]),
        (CompressionType::Zstd, [Some(3), Some(19)]),
    ] {
        let [fast, small] = levels.map(|level| {
            let mut compressed = Vec::new();
            encoder(codec, level).compress(&plain, &mut compressed).expect("it works");
            assert_eq!(independently(codec, &compressed), plain);
            compressed.len()
        });
        assert!(small < fast, "{codec} {levels:?}: {small} and {fast} bytes");
    }
}

#[test]
fn a_level_that_is_not_given_is_the_codecs_own() {
    let plain = b"abcabcabd".repeat(100);
    for (codec, level) in [(CompressionType::Gzip, 6), (CompressionType::Zstd, 3)] {
        let [default, explicit] = [None, Some(level)].map(|level| {
            let mut compressed = Vec::new();
            encoder(codec, level).compress(&plain, &mut compressed).expect("it works");
            compressed
        });
        assert_eq!(default, explicit);
    }
}

/// As kafka-clients 4.1.1 writes them: a block that does not become smaller is stored, another is not.
#[test]
fn lz4_writes_the_frames_that_java_writes() {
    let stored = format!("04224d186040822b000080{RECORDS}00000000");
    assert_eq!(hex(&compressed(CompressionType::Lz4, &bytes(RECORDS))), stored);

    let record = [&bytes("a003000000026b9003")[..], &[b'x'; 200], &[0]].concat();
    let frame = hex(&compressed(CompressionType::Lz4, &record));
    assert!(frame.starts_with("04224d18604082"), "{frame}");
    assert!(frame.ends_with("00000000") && frame.len() < 2 * 50, "{frame}");
}

/// As kafka-clients 4.1.1 writes them.
#[test]
fn snappy_is_framed_as_java_frames_it() {
    let expected = format!("82534e4150505900{}{}2ba8{RECORDS}", "0000000100000001", "0000002d");
    assert_eq!(hex(&compressed(CompressionType::Snappy, &bytes(RECORDS))), expected);

    let two_blocks = compressed(CompressionType::Snappy, &vec![7; 32 * 1024 + 1]);
    let first = usize::from(u16::from_be_bytes([two_blocks[18], two_blocks[19]]));
    let second = &two_blocks[16 + 4 + first..];
    assert_eq!(second, [0, 0, 0, 3, 1, 0, 7]);
}

/// The header of kafka-clients 4.1.1, and checksum and length at the end.
#[test]
fn gzip_is_one_member() {
    let compressed = compressed(CompressionType::Gzip, &bytes(RECORDS));

    assert_eq!(hex(&compressed[..10]), "1f8b08000000000000ff");
    assert_eq!(hex(&compressed[compressed.len() - 8..]), "273af1182b000000");
}

#[test]
fn what_is_cut_off_is_an_error() {
    for codec in CODECS {
        let whole = compressed(codec, &b"abcabcabd".repeat(20_000));
        for length in [0, 3, 12, whole.len() / 2, whole.len() - 1] {
            let mut out = Vec::new();
            let read = decompress(codec, &whole[..length], &mut out);
            assert!(read.is_err() || out.len() < 180_000, "{codec}, {length}");
        }
    }
}

#[test]
fn a_codec_is_kept_for_the_next_batch() {
    let compressors = Compressors::new(Compression { codec: CompressionType::Lz4, level: None });
    let mut first = compressors.take().expect("no failure").expect("lz4");
    let once = first.compress(b"abcabcabcabcabc").expect("it works").to_vec();
    compressors.put_back(first);

    let mut again = compressors.take().expect("no failure").expect("lz4");

    assert_eq!(again.compress(b"abcabcabcabcabc").expect("it works"), once);
    assert!(Compressors::new(Compression::default()).take().expect("no failure").is_none());
}

const CODECS: [CompressionType; 4] =
    [CompressionType::Gzip, CompressionType::Snappy, CompressionType::Lz4, CompressionType::Zstd];

fn encoder(codec: CompressionType, level: Option<i32>) -> Box<dyn compression::Encoder> {
    Compression { codec, level }.encoder().expect("memory").expect("built in")
}

fn compressed(codec: CompressionType, plain: &[u8]) -> Vec<u8> {
    let mut compressed = Vec::new();
    encoder(codec, None).compress(plain, &mut compressed).expect("it works");
    compressed
}

/// Empty and short, random, repeated and half of each; around the sizes of blocks, and large.
fn input(round: usize, random: &mut Random) -> Vec<u8> {
    let sizes = [0, 1, 17, 32_767, 32_768, 32_769, 65_536, 65_537, 200_000, random.below(100_000)];
    let size = sizes[round % sizes.len()];
    let words: Vec<_> = (0..200).map(|_| random.below(256)).collect();
    let byte = |value: usize| u8::try_from(value % 256).expect("a byte");
    let plain = (0..size).map(|index| match round / sizes.len() % 4 {
        0 => byte(random.below(256)),
        1 => byte(7),
        2 => byte(words[index % 200]),
        _ if index % 50 < 25 => byte(random.below(256)),
        _ => byte(index),
    });
    plain.collect()
}

fn independently(codec: CompressionType, compressed: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut decoder: Box<dyn Read> = match codec {
        CompressionType::Gzip => Box::new(flate2::read::MultiGzDecoder::new(compressed)),
        CompressionType::Lz4 => Box::new(lz4_flex::frame::FrameDecoder::new(compressed)),
        CompressionType::Zstd => {
            Box::new(::zstd::stream::read::Decoder::new(compressed).expect("memory"))
        }
        CompressionType::Snappy => return xerial(compressed),
        CompressionType::None => panic!("no codec"),
    };
    decoder.read_to_end(&mut plain).expect("readable");
    plain
}

/// As consumers read it: what the header says is skipped, blocks are read until there is nothing more.
fn xerial(compressed: &[u8]) -> Vec<u8> {
    let mut rest = &compressed[16..];
    let mut plain = Vec::new();
    while !rest.is_empty() {
        let length = u32::from_be_bytes(rest[..4].try_into().expect("four bytes"));
        let (block, behind) = rest[4..].split_at(usize::try_from(length).expect("small"));
        plain.extend(snap::raw::Decoder::new().decompress_vec(block).expect("a block"));
        rest = behind;
    }
    plain
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = (0..hex.len()).step_by(2).map(|at| &hex[at..at + 2]);
    digits.map(|digits| u8::from_str_radix(digits, 16).expect("hexadecimal")).collect()
}
