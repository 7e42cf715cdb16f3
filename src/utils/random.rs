//! A seeded generator: whoever needs chance is given one, so that a simulation repeats from its seed.

use std::hash::{BuildHasher, Hasher, RandomState};

/// SplitMix64: small, fast, good enough for jitter and for spreading load; never for secrets.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    state: u64,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A generator that starts differently in every process and on every call.
    pub(crate) fn from_entropy() -> Self {
        Self::new(RandomState::new().build_hasher().finish())
    }

    /// A second generator whose numbers are independent of this one's.
    pub(crate) fn fork(&mut self) -> Self {
        Self::new(self.next_u64())
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in `0..bound`; 0 if `bound` is 0.
    #[expect(clippy::cast_possible_truncation, reason = "the product's high word is below bound")]
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next_u64()) * bound as u128) >> 64) as usize
    }

    /// A number in `0.0..1.0`.
    pub(crate) fn unit_f64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_sequence() {
        let (mut first, mut second) = (Random::new(7), Random::new(7));

        for _ in 0..100 {
            assert_eq!(first.next_u64(), second.next_u64());
        }
    }

    #[test]
    fn stays_below_its_bound_and_reaches_every_number() {
        let mut random = Random::new(1);
        let mut seen = [false; 6];
        for _ in 0..1000 {
            seen[random.below(6)] = true;
        }

        assert_eq!(seen, [true; 6]);
        assert_eq!(random.below(0), 0);
    }
}
