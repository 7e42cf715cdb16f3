//! What every value begins with, so that a reader can judge a record without knowing who sent it.

/// A record's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp {
    /// The run that sent it.
    pub(crate) run: u64,
    /// The sending thread, counted over all producers.
    pub(crate) thread: u32,
    pub(crate) partition: u32,
    /// Its number among the records of its thread.
    pub(crate) number: u32,
    /// Its number among the records of its thread for its partition.
    pub(crate) counter: u32,
}

/// The stamp's own bytes and a CRC-32C of everything else.
pub(crate) const STAMP_BYTES: usize = 28;

impl Stamp {
    /// A value of `length` bytes: the stamp, a checksum, and a filler that follows from both.
    pub(crate) fn value(&self, length: usize) -> Vec<u8> {
        let mut value = Vec::with_capacity(length.max(STAMP_BYTES));
        value.extend(self.run.to_be_bytes());
        for number in [self.thread, self.partition, self.number, self.counter] {
            value.extend(number.to_be_bytes());
        }
        value.extend([0; 4]);
        let filler = (self.number % 251) as u8;
        value.resize(length.max(STAMP_BYTES), filler);
        let checksum = checksum(&value);
        value[STAMP_BYTES - 4..STAMP_BYTES].copy_from_slice(&checksum.to_be_bytes());
        value
    }

    /// The stamp of a value whose checksum is right.
    pub(crate) fn read(value: &[u8]) -> Option<Self> {
        let number = |at: usize| Some(u32::from_be_bytes(value.get(at..at + 4)?.try_into().ok()?));
        if number(STAMP_BYTES - 4)? != checksum(value) {
            return None;
        }
        Some(Self {
            run: u64::from(number(0)?) << 32 | u64::from(number(4)?),
            thread: number(8)?,
            partition: number(12)?,
            number: number(16)?,
            counter: number(20)?,
        })
    }
}

fn checksum(value: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&value[..STAMP_BYTES - 4]);
    hasher.update(&value[STAMP_BYTES..]);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_back_and_a_flipped_bit_is_found() {
        let stamp = Stamp { run: u64::MAX - 5, thread: 7, partition: 3, number: 1000, counter: 99 };

        let value = stamp.value(100);

        assert_eq!(value.len(), 100);
        assert_eq!(Stamp::read(&value), Some(stamp));
        for at in 0..value.len() {
            let mut spoiled = value.clone();
            spoiled[at] ^= 1;
            assert_eq!(Stamp::read(&spoiled), None, "byte {at}");
        }
        assert_eq!(Stamp::read(&value[..20]), None);
    }
}
