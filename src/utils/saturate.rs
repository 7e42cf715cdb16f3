//! Numbers in 32 bits, for where they take half the memory.

/// `number`, or the largest there is in 32 bits: for sizes and counts, which are smaller, and for limits, which are none from
/// there on.
#[inline(always)]
pub(crate) fn saturate_u32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
