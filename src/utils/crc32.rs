//! The checksum of messages before record batches: CRC-32 (IEEE 802.3).
//!
//! Mirrors `java.util.zip.CRC32`.

/// The CRC-32 of `data`.
pub(crate) fn checksum(data: &[u8]) -> u32 {
    crc32fast::hash(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_standard_check_value() {
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
    }
}
