//! What this process holds: memory, threads, descriptors.

use std::fs;

use crate::history::History;

/// A look at this process at one time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resources {
    pub(crate) at_ms: u32,
    pub(crate) resident_kib: u64,
    pub(crate) threads: u64,
    pub(crate) descriptors: u64,
}

impl Resources {
    /// `None` where the system does not tell in Linux's way.
    pub(crate) fn look(history: &History) -> Option<Self> {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name))?;
            line.split_whitespace().nth(1)?.parse().ok()
        };
        Some(Self {
            at_ms: history.now_ms(),
            resident_kib: field("VmRSS:")?,
            threads: field("Threads:")?,
            descriptors: fs::read_dir("/proc/self/fd").ok()?.count() as u64,
        })
    }
}

/// How much the peak of a value in the second half of the time is above that in the first.
///
/// Peaks, for threads and descriptors come and go with connections: a node that leads nothing at the moment has none.
pub(crate) fn rise(looks: &[Resources], value: impl Fn(&Resources) -> u64) -> f64 {
    let (Some(first), Some(last)) = (looks.first(), looks.last()) else {
        return 0.0;
    };
    let half_ms = (last.at_ms - first.at_ms) / 2;
    let middle = looks.partition_point(|look| look.at_ms - first.at_ms < half_ms);
    let peak = |looks: &[Resources]| Some(looks.iter().map(&value).max()? as f64);
    let (before, after) = looks.split_at(middle);
    peak(after).zip(peak(before)).map_or(0.0, |(after, before)| after - before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_is_told_from_what_comes_and_goes() {
        let look = |minute: u32| Resources {
            at_ms: minute * 60_000,
            resident_kib: 1000 + 3 * u64::from(minute),
            threads: 7 + u64::from(minute % 2) * 8,
            descriptors: 9 + u64::from(minute / 4) * 2,
        };
        let looks: Vec<_> = (0..=40).map(look).collect();

        assert!((rise(&looks, |look| look.resident_kib) - 63.0).abs() < 1e-6);
        assert!(rise(&looks, |look| look.threads).abs() < 1e-6);
        assert!((rise(&looks, |look| look.descriptors) - 12.0).abs() < 1e-6);
        assert!(rise(&looks[..1], |look| look.resident_kib).abs() < 1e-6);
    }
}
