//! The wall clock in milliseconds, for less than what the operating system's costs: a tenth of a `send`.
//!
//! Java asks `System.currentTimeMillis` for every record.

use std::ops::Range;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::utils::sync::Mutex;
use crate::utils::tick_counter;

/// Asks the operating system once a millisecond, and in between only the processor's counter, which tells whether that
/// millisecond is over. A change of the wall clock is noticed within that time.
///
/// Where there is no counter to rely on, and until its pace is known, it asks every time.
#[derive(Debug)]
pub(super) struct WallClock {
    millisecond: Millisecond,
    /// Held by whoever has asked the operating system. `None` if there is no counter.
    pace: Option<Mutex<Pace>>,
}

pub(super) static WALL_CLOCK: LazyLock<WallClock> = LazyLock::new(|| WallClock {
    millisecond: Millisecond::default(),
    pace: tick_counter::is_reliable().then(Mutex::default),
});

impl WallClock {
    /// Milliseconds since 1970.
    #[inline]
    pub(super) fn millis(&self) -> i64 {
        self.millisecond.at(tick_counter::ticks()).unwrap_or_else(|| self.ask())
    }

    #[cold]
    fn ask(&self) -> i64 {
        // First the counter: if the thread is held up between the two, the millisecond ends too early and not too late.
        let ticks = tick_counter::ticks();
        let now = since_epoch();
        let took = tick_counter::ticks().wrapping_sub(ticks);
        if let Some(mut pace) = self.pace.as_ref().and_then(Mutex::try_lock) {
            let reading = Reading { ticks, since_epoch: now };
            if let Some(length) = pace.ticks_a_milli(reading, took) {
                self.millisecond.begin(reading, length);
            }
        }
        millis_of(now)
    }
}

/// The counter and the clock at one moment.
#[derive(Clone, Copy, Debug)]
struct Reading {
    ticks: u64,
    since_epoch: Duration,
}

/// How fast the counter is.
#[derive(Debug, Default)]
struct Pace {
    first: Option<Reading>,
    ticks_a_milli: Option<u64>,
}

impl Pace {
    /// The counter's pace, if it is known as of `reading`, which took `took` ticks.
    fn ticks_a_milli(&mut self, reading: Reading, took: u64) -> Option<u64> {
        if self.ticks_a_milli.is_none() && took < LONGEST_READING {
            self.measure(reading);
        }
        self.ticks_a_milli
    }

    fn measure(&mut self, reading: Reading) {
        let first = *self.first.get_or_insert(reading);
        let elapsed = reading.since_epoch.checked_sub(first.since_epoch);
        match elapsed.map(|elapsed| u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)) {
            Some(nanos) if nanos < BASE_NANOS.start => {}
            Some(nanos) if nanos < BASE_NANOS.end => {
                let ticks = u128::from(reading.ticks.wrapping_sub(first.ticks));
                let ticks_a_milli = ticks * u128::from(NANOS_A_MILLI) / u128::from(nanos);
                self.ticks_a_milli =
                    u64::try_from(ticks_a_milli).ok().filter(|ticks| PLAUSIBLE.contains(ticks));
                self.first = Some(reading);
            }
            _ => self.first = Some(reading),
        }
    }
}

const NANOS_A_MILLI: u64 = 1_000_000;
/// What lies between the two readings that the pace is told from. In a second the wall clock is adjusted by half a
/// millisecond at most, unless it jumps.
const BASE_NANOS: Range<u64> = 20 * NANOS_A_MILLI..1000 * NANOS_A_MILLI;
/// Counters run at some hundred megahertz or some gigahertz.
const PLAUSIBLE: Range<u64> = 100_000..10_000_000;
/// A reading that took more ticks than this was interrupted.
const LONGEST_READING: u64 = 20_000;

/// The millisecond that the clock is in, in ticks of the counter.
#[derive(Debug, Default)]
struct Millisecond {
    /// In ticks; 0 while it is not known.
    length: AtomicU64,
    /// The first tick that does not belong to it.
    end: AtomicU64,
    since_epoch: AtomicI64,
}

impl Millisecond {
    /// The time, if `ticks` is within this millisecond. A counter that jumped is not.
    #[inline]
    fn at(&self, ticks: u64) -> Option<i64> {
        let left = self.end.load(Ordering::Acquire).wrapping_sub(ticks);
        let is_within = left.wrapping_sub(1) < self.length.load(Ordering::Relaxed);
        is_within.then(|| self.since_epoch.load(Ordering::Relaxed))
    }

    /// Begins the millisecond of `reading`, of `length` ticks. One thread at a time.
    fn begin(&self, reading: Reading, length: u64) {
        let nanos = u64::from(reading.since_epoch.subsec_nanos());
        let nanos_left = NANOS_A_MILLI - nanos % NANOS_A_MILLI;
        let ticks_left = length.saturating_mul(nanos_left) / NANOS_A_MILLI;
        // In this order: whoever sees the new end sees the new time.
        self.since_epoch.store(millis_of(reading.since_epoch), Ordering::Relaxed);
        self.length.store(length, Ordering::Relaxed);
        self.end.store(reading.ticks.wrapping_add(ticks_left), Ordering::Release);
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn millis_of(since_epoch: Duration) -> i64 {
    let seconds = i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX);
    seconds.saturating_mul(1000).saturating_add(i64::from(since_epoch.subsec_millis()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: u64 = 3_000_000;

    fn reading(ticks: u64, micros: u64) -> Reading {
        Reading { ticks, since_epoch: Duration::from_micros(micros) }
    }

    #[test]
    fn a_millisecond_ends_when_the_clock_says_so() {
        let millisecond = Millisecond::default();
        assert_eq!(millisecond.at(0), None);
        millisecond.begin(reading(1000, 5750), LENGTH);

        assert_eq!(millisecond.at(1000), Some(5));
        assert_eq!(millisecond.at(1000 + LENGTH / 4 - 1), Some(5));
        assert_eq!(millisecond.at(1000 + LENGTH / 4), None);
    }

    #[test]
    fn a_counter_that_jumped_tells_nothing() {
        let millisecond = Millisecond::default();
        millisecond.begin(reading(10 * LENGTH, 5000), LENGTH);

        assert_eq!(millisecond.at(8 * LENGTH), None, "back, as after a move to another machine");
        assert_eq!(millisecond.at(0), None);
        assert_eq!(millisecond.at(u64::MAX), None);
    }

    #[test]
    fn the_pace_is_told_from_two_readings_some_time_apart() {
        let mut pace = Pace::default();
        assert_eq!(pace.ticks_a_milli(reading(7, 1_000_000), 100), None);
        assert_eq!(pace.ticks_a_milli(reading(8, 1_000_001), 100), None, "too soon");
        assert_eq!(
            pace.ticks_a_milli(reading(7 + 50 * LENGTH, 1_050_000), LONGEST_READING),
            None,
            "held up in between"
        );

        assert_eq!(pace.ticks_a_milli(reading(7 + 60 * LENGTH, 1_060_000), 100), Some(LENGTH));
    }

    #[test]
    fn no_pace_is_told_across_a_jump() {
        let jumps = [
            reading(7 + 60 * LENGTH, 999_000),   // the clock went back
            reading(7 + 60 * LENGTH, 9_000_000), // or far ahead
            reading(0, 1_060_000),               // the counter went back
            reading(8, 1_060_000),               // or stood still
        ];
        for after in jumps {
            let mut pace = Pace::default();
            pace.ticks_a_milli(reading(7, 1_000_000), 100);

            assert_eq!(pace.ticks_a_milli(after, 100), None, "{after:?}");
        }
    }

    #[test]
    fn tells_what_the_operating_system_tells() {
        let start = since_epoch();
        while since_epoch().saturating_sub(start) < Duration::from_millis(60) {
            let before = millis_of(since_epoch());
            let told = WALL_CLOCK.millis();
            let after = millis_of(since_epoch());

            // The two round the end of a millisecond differently.
            assert!((before - 1..=after).contains(&told), "{told} between {before} and {after}");
        }
    }
}
