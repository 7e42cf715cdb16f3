//! Variable-length integers, seven bits a byte, low bits first: zig-zag in records, plain in compact protocol types.
//!
//! Mirrors `org.apache.kafka.common.utils.ByteUtils`.

/// The most bytes that a 32-bit value takes.
pub(crate) const MAX_VARINT_BYTES: usize = 5;
/// The most bytes that a 64-bit value takes.
pub(crate) const MAX_VARLONG_BYTES: usize = 10;

/// Maps small negative and small positive numbers to small unsigned ones.
#[expect(clippy::cast_sign_loss, reason = "the bits are what counts")]
#[inline]
pub(crate) const fn zigzag(value: i64) -> u64 {
    (value.wrapping_shl(1) ^ (value >> 63)) as u64
}

/// The reverse of [`zigzag`].
#[expect(clippy::cast_possible_wrap, reason = "the bits are what counts")]
pub(crate) const fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// How many bytes `value` takes.
#[inline]
pub(crate) const fn unsigned_size(value: u64) -> usize {
    if value < 1 << 7 {
        return 1; // nearly all of them
    }
    if value < 1 << 14 {
        return 2;
    }
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// Appends `value`.
#[expect(clippy::cast_possible_truncation, reason = "the low byte is what is written")]
pub(crate) fn write_unsigned(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Writes `value` to the start of `out`; returns how many bytes it took.
///
/// # Panics
///
/// If `out` is shorter than what `value` takes.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the low byte is what is written")]
pub(crate) fn put(mut value: u64, out: &mut [u8]) -> usize {
    if value < 1 << 7 {
        out[0] = value as u8; // nearly all of them
        return 1;
    }
    if value < 1 << 14 {
        out[..2].copy_from_slice(&[value as u8 | 0x80, (value >> 7) as u8]);
        return 2;
    }
    let mut length = 0;
    while value >= 0x80 {
        out[length] = value as u8 | 0x80;
        value >>= 7;
        length += 1;
    }
    out[length] = value as u8;
    length + 1
}

/// Bytes that are put together in a register and stored at once: one by one costs more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShortBytes {
    /// The first one lowest, zeros behind the last one.
    bytes: u64,
    length: usize,
}

impl ShortBytes {
    /// How many there can be.
    pub(crate) const MOST: usize = size_of::<u64>();
    /// What [`short_varint`](Self::short_varint) takes is less than this, and takes two bytes at most: four of them fit.
    pub(crate) const LIMIT: u64 = 1 << 14;

    /// `value`, less than [`LIMIT`](Self::LIMIT), as an unsigned varint.
    #[inline(always)]
    pub(crate) fn short_varint(value: u64) -> Self {
        debug_assert!(value < Self::LIMIT);
        if value < 1 << 7 {
            return Self { bytes: value, length: 1 };
        }
        Self { bytes: (value & 0x7f) | 0x80 | ((value >> 7) << 8), length: 2 }
    }

    /// These, and `more` behind them, [`MOST`](Self::MOST) at most.
    #[inline(always)]
    pub(crate) fn then(self, more: Self) -> Self {
        debug_assert!(self.length + more.length <= Self::MOST);
        let bytes = self.bytes | (more.bytes << (8 * self.length));
        Self { bytes, length: self.length + more.length }
    }

    /// As [`then`](Self::then); `None` if that is too many.
    #[inline(always)]
    pub(crate) fn checked_then(self, more: Self) -> Option<Self> {
        (self.length + more.length <= Self::MOST).then(|| self.then(more))
    }

    /// How many there are.
    #[inline(always)]
    pub(crate) fn len(self) -> usize {
        self.length
    }

    /// Writes the bytes to the start of `out`, and perhaps zeros behind them.
    ///
    /// # Panics
    ///
    /// If `out` is shorter than they are.
    #[inline(always)]
    pub(crate) fn write(self, out: &mut [u8]) {
        match out.first_chunk_mut() {
            Some(out) => *out = self.bytes.to_le_bytes(),
            None => self.write_tightly(out),
        }
    }

    #[cold]
    fn write_tightly(self, out: &mut [u8]) {
        out[..self.length].copy_from_slice(&self.bytes.to_le_bytes()[..self.length]);
    }
}

/// The value at the start of `data` and the bytes it took, at most `max_bytes`; `None` if it is cut off or too long.
pub(crate) fn read_unsigned(data: &[u8], max_bytes: usize) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (index, byte) in data.iter().take(max_bytes).enumerate() {
        value |= u64::from(byte & 0x7f).checked_shl(7 * u32::try_from(index).ok()?)?;
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

/// As [`read_unsigned`], in zig-zag form.
pub(crate) fn read(data: &[u8], max_bytes: usize) -> Option<(i64, usize)> {
    let (value, length) = read_unsigned(data, max_bytes)?;
    Some((unzigzag(value), length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_values_in_a_row_are_what_each_is_alone() {
        let values = [0, 1, 127, 128, 300, ShortBytes::LIMIT - 1];
        for (first, second) in values.iter().flat_map(|a| values.map(|b| (*a, b))) {
            let row = [first, second, ShortBytes::LIMIT - 1, 0];
            let mut expected = Vec::new();
            row.iter().for_each(|value| write_unsigned(*value, &mut expected));

            let bytes = row
                .map(ShortBytes::short_varint)
                .into_iter()
                .reduce(ShortBytes::then)
                .expect("four");

            assert_eq!(bytes.len(), expected.len());
            for room in [expected.len(), 8, 9] {
                let mut out = vec![0xff; room];
                bytes.write(&mut out);
                assert_eq!(out[..bytes.len()], expected, "{row:?} in {room}");
            }
        }
    }

    #[test]
    fn writes_the_bytes_that_java_writes_and_reads_them_back() {
        let cases: [(i64, &[u8]); 10] = [
            (0, &[0x00]),
            (-1, &[0x01]),
            (63, &[0x7e]),
            (-64, &[0x7f]),
            (64, &[0x80, 0x01]),
            (8192, &[0x80, 0x80, 0x01]),
            (i64::from(i32::MAX), &[0xfe, 0xff, 0xff, 0xff, 0x0f]),
            (i64::from(i32::MIN), &[0xff, 0xff, 0xff, 0xff, 0x0f]),
            (i64::MAX, &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
            (i64::MIN, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
        ];

        for (value, bytes) in cases {
            let mut out = Vec::new();
            write_unsigned(zigzag(value), &mut out);
            assert_eq!(out, bytes, "{value}");
            let mut place = [0; MAX_VARLONG_BYTES];
            let length = put(zigzag(value), &mut place);
            assert_eq!(&place[..length], bytes, "{value}");
            assert_eq!(unsigned_size(zigzag(value)), bytes.len(), "{value}");
            assert_eq!(read(bytes, MAX_VARLONG_BYTES), Some((value, bytes.len())), "{value}");
        }
    }

    #[test]
    fn refuses_what_is_cut_off_or_too_long() {
        assert_eq!(read_unsigned(&[0x80], MAX_VARINT_BYTES), None);
        assert_eq!(read_unsigned(&[], MAX_VARINT_BYTES), None);
        assert_eq!(read_unsigned(&[0xff; 6], MAX_VARINT_BYTES), None);
        assert_eq!(read_unsigned(&[0xff; 20], MAX_VARLONG_BYTES), None);
    }
}
