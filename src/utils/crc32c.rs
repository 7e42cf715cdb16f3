//! The checksum of record batches: CRC-32C (Castagnoli), in hardware where the processor has it.
//!
//! Mirrors `org.apache.kafka.common.utils.Crc32C`.

/// The CRC-32C of `data`.
pub(crate) fn checksum(data: &[u8]) -> u32 {
    crc32c::crc32c(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_standard_check_value() {
        assert_eq!(checksum(b"123456789"), 0xe306_9283);
    }
}
