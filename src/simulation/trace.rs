//! What happened in a run, as one number and, on demand, line by line.

use crate::utils::clock::Instant;

/// Two runs of one seed have to end with the same [`hash`](Self::hash).
#[derive(Debug)]
pub(super) struct Trace {
    hash: u64,
    lines: Option<Vec<String>>,
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

impl Trace {
    pub(super) fn new(keeps_lines: bool) -> Self {
        Self { hash: FNV_OFFSET, lines: keeps_lines.then(Vec::new) }
    }

    pub(super) fn note(&mut self, now: Instant, what: &str, numbers: &[i64]) {
        let micros = now.saturating_duration_since(Instant::ZERO).as_micros();
        self.mix(u64::try_from(micros).unwrap_or(u64::MAX));
        what.bytes().for_each(|byte| self.mix(u64::from(byte)));
        numbers.iter().for_each(|number| self.mix(u64::from_ne_bytes(number.to_ne_bytes())));
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{micros:>12} us  {what} {numbers:?}"));
        }
    }

    /// Adds to the lines what the hash need not know.
    pub(super) fn explain(&mut self, text: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>16}{}", "", text()));
        }
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    pub(super) fn lines(&self) -> &[String] {
        self.lines.as_deref().unwrap_or_default()
    }

    fn mix(&mut self, number: u64) {
        self.hash = (self.hash ^ number).wrapping_mul(FNV_PRIME);
        self.hash ^= self.hash >> 29;
    }
}
