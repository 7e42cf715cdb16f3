//! Mirrors `org.apache.kafka.common.utils.Time`: the only reader of the OS clocks, with `wall_clock`.

use std::fmt;
use std::ops::Add;
use std::sync::LazyLock;
use std::time::Duration;

use crate::utils::wall_clock::WALL_CLOCK;

/// A moment, as the time since the process first looked at its clock.
///
/// Unlike std's it has a zero and prints alike on every run. It never goes back and does not follow changes of the
/// wall clock.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Instant(Duration);

impl Instant {
    pub(crate) const ZERO: Self = Self(Duration::ZERO);
    /// Later than every other moment: a deadline that never comes.
    pub(crate) const FAR_FUTURE: Self = Self(Duration::MAX);

    /// The time from `earlier` to `self`, zero if `earlier` is later.
    pub(crate) fn saturating_duration_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates at [`Instant::FAR_FUTURE`], so that no setting overflows.
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.0)
    }
}

/// Tells the time. Two shells hold one, the sender thread and `Selector`; a third, `KafkaProducer`, reads the system's.
pub(crate) trait Clock: fmt::Debug + Send + Sync {
    /// The monotonic time, for every interval and deadline.
    fn now(&self) -> Instant;

    /// The wall clock in milliseconds since 1970, for record timestamps only.
    fn epoch_millis(&self) -> i64;
}

/// The operating system's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SystemClock;

#[expect(clippy::disallowed_types, reason = "the one place that reads the monotonic clock")]
static START: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant(START.elapsed())
    }

    #[inline(always)]
    fn epoch_millis(&self) -> i64 {
        WALL_CLOCK.millis()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_beyond_all_time_does_not_overflow() {
        assert_eq!(Instant::ZERO + Duration::MAX + Duration::from_secs(1), Instant::FAR_FUTURE);
    }

    #[test]
    fn no_time_passes_backwards() {
        let later = Instant::ZERO + Duration::from_secs(1);

        assert_eq!(Instant::ZERO.saturating_duration_since(later), Duration::ZERO);
    }
}
