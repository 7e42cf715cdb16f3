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

/// By how much a value grows in ten minutes, after the method of least squares.
pub(crate) fn slope(looks: &[Resources], value: impl Fn(&Resources) -> u64) -> f64 {
    let points: Vec<_> =
        looks.iter().map(|look| (f64::from(look.at_ms) / 600_000.0, value(look) as f64)).collect();
    let count = points.len() as f64;
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / count;
    let spread: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    let product: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    if spread == 0.0 { 0.0 } else { product / spread }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_slope() {
        let look = |minute: u32| Resources {
            at_ms: minute * 60_000,
            resident_kib: 1000 + 3 * u64::from(minute),
            threads: 7,
            descriptors: 9,
        };
        let looks: Vec<_> = (0..20).map(look).collect();

        assert!((slope(&looks, |look| look.resident_kib) - 30.0).abs() < 1e-6);
        assert!(slope(&looks, |look| look.threads).abs() < 1e-6);
        assert!(slope(&looks[..1], |look| look.threads).abs() < 1e-6);
    }
}
