//! The checksum of record batches: CRC-32C (Castagnoli), in hardware where the processor has it.
//!
//! Mirrors `org.apache.kafka.common.utils.Crc32C`.

use crc_fast::{CrcAlgorithm, Digest};

/// The CRC-32C of `data`.
pub(crate) fn checksum(data: &[u8]) -> u32 {
    append(0, data)
}

/// The CRC-32C of some data and `more` behind it; `checksum` is that of the data.
#[expect(clippy::cast_possible_truncation, reason = "a CRC-32C has 32 bits")]
pub(crate) fn append(checksum: u32, more: &[u8]) -> u32 {
    // A checksum is the state inverted: inverted again, it is where the next byte goes on.
    let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc32Iscsi, (!checksum).into());
    digest.update(more);
    digest.finalize() as u32
}

/// The CRC-32C of some data and `length` further bytes behind it, of the checksums of both.
///
/// Checksums are remainders of polynomials over bits: bytes that follow multiply what stands before them by x⁸ each.
pub(crate) fn combine(checksum: u32, further: u32, length: usize) -> u32 {
    let set_bits = (0..POWERS.len()).filter(|bit| length >> bit & 1 == 1);
    set_bits.fold(checksum, |shifted, bit| product(shifted, POWERS[bit])) ^ further
}

/// The polynomial that everything is a remainder of: the lowest power in the highest bit, and the power of 32 left out.
const CASTAGNOLI: u32 = 0x82f6_3b78;

/// What 1, 2, 4, 8 … bytes multiply by.
const POWERS: [u32; usize::BITS as usize] = {
    let mut powers = [1 << (31 - 8); usize::BITS as usize];
    let mut bit = 1;
    while bit < powers.len() {
        powers[bit] = product(powers[bit - 1], powers[bit - 1]);
        bit += 1;
    }
    powers
};

/// The remainder of what two remainders make multiplied.
///
/// Without branches, which would be mispredicted half of the time.
const fn product(mut left: u32, mut right: u32) -> u32 {
    let mut sum = 0;
    while left != 0 {
        sum ^= right & (left >> 31).wrapping_neg();
        left <<= 1;
        right = (right >> 1) ^ (CASTAGNOLI & (right & 1).wrapping_neg());
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::utils::random::Random;

    #[test]
    fn gives_the_standard_check_value() {
        assert_eq!(checksum(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn checksums_of_parts_make_that_of_the_whole() {
        let mut random = Random::new(1);
        let data: Vec<_> =
            (0..40_000).map(|_| u8::try_from(random.below(256)).expect("a byte")).collect();
        let ends = [0, 1, 2, 3, 7, 40, 255, 256, 16_324, 39_999, 40_000];
        for (start, end) in ends.iter().flat_map(|start| ends.map(|end| (*start, end.max(*start))))
        {
            let [first, second] = [&data[..start], &data[start..end]];
            let [of_first, of_second] = [first, second].map(checksum);
            let expected = checksum(&data[..end]);

            assert_eq!(combine(of_first, of_second, second.len()), expected, "{start}..{end}");
            assert_eq!(append(of_first, second), expected, "{start}..{end}");
        }
    }
}
