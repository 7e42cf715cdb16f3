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
        let cases: [(&[u8], u32); 11] = [
            (b"", 0x106e_08d9),
            (b"a", 0xa2d0_b27c),
            (b"ab", 0x12d8_262a),
            (b"abc", 0x1c94_221b),
            (b"abcd", 0xb11a_b5f4),
            (b"21", 0xc5f2_f8ec),
            (b"foobar", 0xd0e4_7bbe),
            (b"a-little-bit-long-string", 0xc53b_1da0),
            (b"\xff", 0xed6f_615b),
            (b"\x80\xff\x00", 0x7819_94b1),
            (b"\xff\xff\xff\xff\xff", 0xea50_4362),
        ];

        for (data, expected) in cases {
            assert_eq!(murmur2(data), expected, "{data:?}");
        }
    }
}
