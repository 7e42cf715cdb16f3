//! The hash that maps keys to partitions, bit for bit as every Java producer does.
//!
//! Mirrors `org.apache.kafka.common.utils.Utils.murmur2`.

const SEED: u32 = 0x9747_b28c;
const MULTIPLIER: u32 = 0x5bd1_e995;
const SHIFT: u32 = 24;

/// The 32-bit murmur2 of `data`.
#[expect(clippy::cast_possible_truncation, reason = "Java mixes in the length as 32 bits")]
pub(crate) fn murmur2(data: &[u8]) -> u32 {
    let mut hash = SEED ^ data.len() as u32;
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
        let mut mixed = word.wrapping_mul(MULTIPLIER);
        mixed ^= mixed >> SHIFT;
        hash = hash.wrapping_mul(MULTIPLIER) ^ mixed.wrapping_mul(MULTIPLIER);
    }
    let tail = words.remainder();
    if !tail.is_empty() {
        for (index, byte) in tail.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * index);
        }
        hash = hash.wrapping_mul(MULTIPLIER);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MULTIPLIER);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_as_java_does() {
        let cases: [(&[u8], i32); 11] = [
            (b"", 275_646_681),
            (b"a", -1_563_381_124),
            (b"ab", 316_155_434),
            (b"abc", 479_470_107),
            (b"abcd", -1_323_649_548),
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"\xff", -311_467_685),
            (b"\x80\xff\x00", 2_014_942_385),
            (b"\xff\xff\xff\xff\xff", -363_838_622),
        ];

        for (data, expected) in cases {
            assert_eq!(murmur2(data).cast_signed(), expected, "{data:?}");
        }
    }
}
