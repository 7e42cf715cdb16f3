//! The wall clock in milliseconds, for less than what the operating system's costs: a tenth of a `send`.
//!
//! Java asks `System.currentTimeMillis` for every record.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::utils::clock::{Clock, Instant, SystemClock};
use crate::utils::sync::Mutex;
use crate::utils::tick_counter;

/// Asks the operating system once a millisecond, and in between only the processor's counter, which tells whether that
/// millisecond is over. A change of the wall clock is noticed within that time.
///
/// Where there is no counter to rely on, and until its pace is known, it asks every time.
#[derive(Debug)]
pub(super) struct WallClock {
    millisecond: Millisecond,
    /// Whether there is no counter to rely on, as is known once somebody looked.
    is_counter_missing: AtomicBool,
    /// Held by whoever has asked the operating system.
    pace: Mutex<Pace>,
}

pub(super) static WALL_CLOCK: WallClock = WallClock::new();

impl WallClock {
    const fn new() -> Self {
        let pace = Pace { is_reliable: None, first: None, ticks_a_milli: None };
        Self {
            millisecond: Millisecond::new(),
            is_counter_missing: AtomicBool::new(false),
            pace: Mutex::new(pace),
        }
    }

    /// Milliseconds since 1970.
    #[inline(always)]
    pub(super) fn millis(&self) -> i64 {
        self.millisecond.at(tick_counter::ticks()).unwrap_or_else(|| self.ask())
    }

    #[cold]
    fn ask(&self) -> i64 {
        if self.is_counter_missing.load(Ordering::Relaxed) {
            return millis_of(since_epoch()); // without the lock, for this is every time
        }
        self.ask_by(since_epoch)
    }

    fn ask_by(&self, since_epoch: impl FnOnce() -> Duration) -> i64 {
        // First the lock: whoever has it next tells of a later moment. A thread that was held up on its way to the lock
        // would have everybody read a time that is long over.
        let mut pace = self.pace.try_lock();
        // Then the counter: if the thread is held up between the two, the millisecond ends too early and not too late.
        let reading = Reading { ticks: tick_counter::ticks(), since_epoch: since_epoch() };
        if let Some(pace) = &mut pace {
            match pace.ticks_a_milli() {
                Some(length) => self.millisecond.begin(reading, length),
                None => self.is_counter_missing.store(!pace.is_reliable(), Ordering::Relaxed),
            }
        }
        millis_of(reading.since_epoch)
    }
}

/// The counter and the wall clock at one moment.
#[derive(Clone, Copy, Debug)]
struct Reading {
    ticks: u64,
    since_epoch: Duration,
}

/// How fast the counter is.
#[derive(Debug)]
struct Pace {
    /// Whether there is a counter to rely on, once somebody looked.
    is_reliable: Option<bool>,
    /// The counter, and the moment at which it was read.
    first: Option<(u64, Instant)>,
    ticks_a_milli: Option<u64>,
}

impl Pace {
    fn is_reliable(&mut self) -> bool {
        *self.is_reliable.get_or_insert_with(tick_counter::is_reliable)
    }

    /// The counter's pace, if it is known by now.
    fn ticks_a_milli(&mut self) -> Option<u64> {
        if self.ticks_a_milli.is_none() && self.is_reliable() {
            let (ticks, now) = (tick_counter::ticks(), SystemClock.now());
            if tick_counter::ticks().wrapping_sub(ticks) < MAX_READING {
                self.measure(ticks, now);
            }
        }
        self.ticks_a_milli
    }

    /// By the monotonic clock: the wall clock may be set in between, and the pace is kept for good.
    fn measure(&mut self, ticks: u64, now: Instant) {
        let (first_ticks, first) = *self.first.get_or_insert((ticks, now));
        let elapsed = now.saturating_duration_since(first);
        let nanos = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        if nanos < BASE_NANOS.start {
            return;
        }
        self.first = Some((ticks, now));
        if nanos < BASE_NANOS.end {
            let ticks = u128::from(ticks.wrapping_sub(first_ticks));
            let ticks_a_milli = ticks * u128::from(NANOS_PER_MILLI) / u128::from(nanos);
            self.ticks_a_milli =
                u64::try_from(ticks_a_milli).ok().filter(|ticks| PLAUSIBLE.contains(ticks));
        }
    }
}

const NANOS_PER_MILLI: u64 = 1_000_000;
/// What lies between the two readings that the pace is told from. In a second the clock is adjusted by half a millisecond
/// at most.
const BASE_NANOS: Range<u64> = 20 * NANOS_PER_MILLI..1000 * NANOS_PER_MILLI;
/// Counters run at some hundred megahertz or some gigahertz.
const PLAUSIBLE: Range<u64> = 100_000..10_000_000;
/// A reading that took more ticks than this was interrupted.
const MAX_READING: u64 = 20_000;

/// The millisecond that the clock is in, in ticks of the counter.
#[derive(Debug)]
struct Millisecond {
    /// In ticks; 0 while it is not known.
    length: AtomicU64,
    /// The first tick that does not belong to it.
    end: AtomicU64,
    since_epoch: AtomicI64,
}

impl Millisecond {
    /// Not known yet.
    const fn new() -> Self {
        let (length, end) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { length, end, since_epoch: AtomicI64::new(0) }
    }

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
        let nanos_left = NANOS_PER_MILLI - nanos % NANOS_PER_MILLI;
        let ticks_left = length.saturating_mul(nanos_left) / NANOS_PER_MILLI;
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

    fn at(millis: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn a_millisecond_ends_when_the_clock_says_so() {
        let millisecond = Millisecond::new();
        assert_eq!(millisecond.at(0), None);
        millisecond.begin(reading(1000, 5750), LENGTH);

        assert_eq!(millisecond.at(1000), Some(5));
        assert_eq!(millisecond.at(1000 + LENGTH / 4 - 1), Some(5));
        assert_eq!(millisecond.at(1000 + LENGTH / 4), None);
    }

    #[test]
    fn a_counter_that_jumped_tells_nothing() {
        let millisecond = Millisecond::new();
        millisecond.begin(reading(10 * LENGTH, 5000), LENGTH);

        assert_eq!(millisecond.at(8 * LENGTH), None, "back, as after a move to another machine");
        assert_eq!(millisecond.at(0), None);
        assert_eq!(millisecond.at(u64::MAX), None);
    }

    #[test]
    fn the_pace_is_told_from_two_readings_some_time_apart() {
        let mut pace = WallClock::new().pace.into_inner();
        pace.measure(7, at(1000));
        pace.measure(8, at(1001));
        assert_eq!(pace.ticks_a_milli, None, "too soon");

        pace.measure(7 + 60 * LENGTH, at(1060));

        assert_eq!(pace.ticks_a_milli, Some(LENGTH));
    }

    #[test]
    fn no_pace_is_told_across_a_jump() {
        let jumps = [
            (7 + 60 * LENGTH, 9000), // a long silence
            (0, 1060),               // the counter went back
            (8, 1060),               // or stood still
        ];
        for (ticks, millis) in jumps {
            let mut pace = WallClock::new().pace.into_inner();
            pace.measure(7, at(1000));

            pace.measure(ticks, at(millis));

            assert_eq!(pace.ticks_a_milli, None, "{ticks} at {millis}");
        }
    }

    // Set back while the pace was measured, it made every millisecond longer for good: timestamps came late.
    #[test]
    fn a_wall_clock_that_is_set_leaves_the_pace_as_it_is() {
        let clock = WallClock::new();
        let start = SystemClock.now();
        let passed = || SystemClock.now().saturating_duration_since(start);
        while passed() < Duration::from_millis(100) {
            // Of three milliseconds it shows one.
            clock.ask_by(|| Duration::from_secs(1) + passed() / 3);
        }

        let told = clock.pace.lock().ticks_a_milli;
        let (ticks, now) = (tick_counter::ticks(), SystemClock.now());
        while SystemClock.now().saturating_duration_since(now) < Duration::from_millis(30) {}
        let passed = SystemClock.now().saturating_duration_since(now).as_micros();
        let counted = u128::from(tick_counter::ticks().wrapping_sub(ticks)) * 1000 / passed;
        let is_right = |told: u64| (counted * 9 / 10..=counted * 11 / 10).contains(&told.into());
        assert!(told.is_none_or(is_right), "{told:?}, but {counted}");
    }

    // Read before the lock was taken, it could be minutes old when everybody was told of it.
    #[test]
    fn the_clock_is_read_by_one_thread_at_a_time() {
        let clock = WallClock::new();

        clock.ask_by(|| {
            assert!(clock.pace.try_lock().is_none());
            Duration::ZERO
        });
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
