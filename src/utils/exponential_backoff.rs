//! Mirrors `org.apache.kafka.common.utils.ExponentialBackoff` (KIP-580).

use std::time::Duration;

use crate::utils::random::Random;

/// Waits that double from attempt to attempt up to a bound, each moved by up to 20 % by chance.
///
/// The caller draws once a retry and keeps the answer: asked twice it gives two answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExponentialBackoff {
    initial: Duration,
    max: Duration,
}

const JITTER: f64 = 0.2;

impl ExponentialBackoff {
    /// `initial` is the first wait, `max` the longest. Where `max` is not above `initial`, every wait is `max` exactly.
    pub(crate) fn new(initial: Duration, max: Duration) -> Self {
        Self { initial, max }
    }

    /// The wait before the attempt after `attempts` failed ones (0 gives the first wait).
    pub(crate) fn backoff(&self, attempts: u32, random: &mut Random) -> Duration {
        if self.max <= self.initial {
            return self.max;
        }
        if self.initial.is_zero() {
            return Duration::ZERO;
        }
        let doubled = self.initial.as_secs_f64() * f64::from(2_u32.saturating_pow(attempts));
        let capped = doubled.min(self.max.as_secs_f64());
        let jittered = capped * (1.0 - JITTER + 2.0 * JITTER * random.unit_f64());
        Duration::try_from_secs_f64(jittered).unwrap_or(self.max).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_within_its_jitter_up_to_the_bound() {
        let backoff = ExponentialBackoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let mut random = Random::new(3);

        for (attempts, expected) in
            [(0, 100.0), (1, 200.0), (2, 400.0), (3, 800.0), (4, 1000.0), (4_000_000, 1000.0)]
        {
            for _ in 0..200 {
                let wait = backoff.backoff(attempts, &mut random).as_secs_f64() * 1000.0;
                assert!(
                    wait >= expected * 0.8 - 0.001 && wait <= (expected * 1.2).min(1000.0),
                    "{attempts}: {wait}"
                );
            }
        }
    }

    #[test]
    fn a_bound_below_the_start_is_a_constant_wait() {
        let backoff =
            ExponentialBackoff::new(Duration::from_millis(500), Duration::from_millis(50));

        assert_eq!(backoff.backoff(5, &mut Random::new(1)), Duration::from_millis(50));
    }

    #[test]
    fn no_initial_wait_means_no_wait() {
        let backoff = ExponentialBackoff::new(Duration::ZERO, Duration::from_secs(1));

        assert_eq!(backoff.backoff(9, &mut Random::new(1)), Duration::ZERO);
    }
}
