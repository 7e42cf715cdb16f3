//! A hash map that iterates alike on every run, so that a simulation repeats from its seed.

use std::hash::{BuildHasherDefault, Hasher};

/// A map keyed by trusted, short values: topic names, node and correlation ids.
#[expect(clippy::disallowed_types, reason = "the fixed hasher makes the order repeatable")]
pub(crate) type HashMap<K, V> = std::collections::HashMap<K, V, BuildHasherDefault<FixedHasher>>;

/// A multiply-and-rotate hash with a fixed start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FixedHasher {
    state: u64,
}

const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

impl FixedHasher {
    fn add(&mut self, word: u64) {
        self.state = (self.state.rotate_left(5) ^ word).wrapping_mul(MULTIPLIER);
    }
}

/// The hash of a byte string, alike on every run.
#[inline]
pub(crate) fn of_bytes(bytes: &[u8]) -> u64 {
    let mut hasher = FixedHasher::default();
    hasher.write(bytes);
    hasher.finish()
}

impl Hasher for FixedHasher {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some((word, others)) = rest.split_first_chunk() {
            self.add(u64::from_le_bytes(*word));
            rest = others;
        }
        // Without a detour through memory, which would cost more than the rest.
        if let Some((word, others)) = rest.split_first_chunk() {
            self.add(u64::from(u32::from_le_bytes(*word)));
            rest = others;
        }
        for byte in rest {
            self.add(u64::from(*byte));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.add(u64::from(value));
    }

    fn write_u32(&mut self, value: u32) {
        self.add(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.add(value);
    }

    fn write_usize(&mut self, value: usize) {
        self.add(value as u64);
    }

    fn finish(&self) -> u64 {
        // The table takes its bucket from the low bits and its tag from the high ones.
        self.state ^ (self.state >> 32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iterates_alike_on_every_run() {
        let build = || {
            let mut map = HashMap::default();
            for key in 0..100_u32 {
                map.insert(key.wrapping_mul(2_654_435_761), key);
            }
            map.into_iter().collect::<Vec<_>>()
        };

        assert_eq!(build(), build());
    }

    #[test]
    fn tells_similar_names_apart() {
        let mut map = HashMap::default();
        for number in 0..1000 {
            map.insert(format!("topic-{number}"), number);
        }

        assert_eq!(map.get("topic-77"), Some(&77));
        assert_eq!(map.len(), 1000);
    }
}
