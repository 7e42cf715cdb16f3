//! A lock that is taken for every record, and never for long.

use std::hint;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use spin::mutex::{SpinMutex, SpinMutexGuard};

use crate::utils::sync::{Condvar, Mutex, MutexGuard};

/// A mutex for what is held for less than a microsecond.
///
/// Released by a plain store, where a lock whose release looks for sleepers in the same step has the processor wait until
/// all that was written under it has reached the cache.
///
/// Who finds it taken tries again for a moment, then lets others run, then sleeps until it is released.
///
/// What its release looks at, the lock, and the beginning of the value lie next to one another.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct BriefMutex<T> {
    /// Whether one of the sleepers is to be woken at the next release. Whoever was woken has to ask anew.
    is_one_due: AtomicBool,
    value: SpinMutex<T>,
    sleepers: Sleepers,
}

/// Those who wait for a [`BriefMutex`] whose holder the system has put aside.
#[derive(Debug, Default)]
struct Sleepers {
    count: Mutex<u32>,
    released: Condvar,
}

/// Releases the lock when it is dropped.
pub(crate) struct BriefGuard<'m, T> {
    value: SpinMutexGuard<'m, T>,
    /// Dropped after the guard: whoever is woken is to find the lock free.
    _wake: WakeOne<'m, T>,
}

struct WakeOne<'m, T>(&'m BriefMutex<T>);

/// How often to look at once, after a wait that is twice as long each time. Not often: to take turns for every record is
/// dear, for all that the lock guards moves from one processor to the other, and cheap for whoever stays away for a while.
const SPINS: u32 = 3;
/// How often to try before sleeping, letting other threads run in between after the first [`SPINS`].
const ATTEMPTS: u32 = SPINS + 7;
/// How often to try before that, for the patient: a few microseconds.
const PATIENT_ATTEMPTS: u32 = 100;
/// Whoever asks to be woken in the very moment of the release can be overlooked, for no barrier keeps the store of the one
/// and the load of the other in order: so long does that one sleep at most.
const MAX_SLEEP: Duration = Duration::from_millis(1);

impl<T> BriefMutex<T> {
    /// The lock, once it is free.
    #[inline]
    pub(crate) fn lock(&self) -> BriefGuard<'_, T> {
        self.try_lock().unwrap_or_else(|| self.lock_late(MAX_SLEEP))
    }

    /// Whether somebody has the lock, as it was a moment ago.
    pub(crate) fn is_locked(&self) -> bool {
        self.value.is_locked()
    }

    /// The lock, if it is free.
    #[inline(always)]
    pub(crate) fn try_lock(&self) -> Option<BriefGuard<'_, T>> {
        let value = self.value.try_lock()?;
        Some(BriefGuard { value, _wake: WakeOne(self) })
    }

    /// As [`lock`](Self::lock), for who has little else to do: others hold the lock for less than it would cost to wake
    /// whoever sleeps for it, but take it again at once.
    pub(crate) fn lock_patiently(&self) -> BriefGuard<'_, T> {
        let patient = self.try_often(PATIENT_ATTEMPTS, |_| hint::spin_loop());
        patient.unwrap_or_else(|| self.lock())
    }

    /// As [`lock`](Self::lock); sleeps for `longest_sleep` at a time.
    #[cold]
    fn lock_late(&self, longest_sleep: Duration) -> BriefGuard<'_, T> {
        if let Some(guard) = self.try_for_a_moment() {
            return guard;
        }
        let Self { is_one_due, sleepers: Sleepers { count, released }, .. } = self;
        let mut count = count.lock();
        *count += 1;
        let mut woken = None;
        loop {
            is_one_due.store(true, Ordering::SeqCst);
            if let Some(guard) = woken.take().or_else(|| self.try_lock()) {
                *count -= 1;
                is_one_due.store(*count > 0, Ordering::SeqCst);
                return guard;
            }
            released.wait_for(&mut count, longest_sleep);
            // Those who are awake take it as often as they can: one attempt could fail for long.
            woken = MutexGuard::unlocked(&mut count, || self.try_for_a_moment());
        }
    }

    #[cold]
    fn wake_one(&self) {
        let _count = self.sleepers.count.lock(); // who has asked for it sleeps by now
        self.is_one_due.store(false, Ordering::SeqCst);
        self.sleepers.released.notify_one();
    }

    fn try_for_a_moment(&self) -> Option<BriefGuard<'_, T>> {
        self.try_often(ATTEMPTS, |attempt| match attempt {
            ..SPINS => (0..2 << attempt).for_each(|_| hint::spin_loop()),
            _ => thread::yield_now(),
        })
    }

    fn try_often(&self, attempts: u32, pause: impl Fn(u32)) -> Option<BriefGuard<'_, T>> {
        (0..attempts).find_map(|attempt| {
            // Looked at first: an attempt takes the line of memory away from whoever holds the lock.
            let free = (!self.is_locked()).then(|| self.try_lock());
            free.flatten().or_else(|| {
                pause(attempt);
                None
            })
        })
    }
}

impl<T> Deref for BriefGuard<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for BriefGuard<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T> Drop for WakeOne<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.0.is_one_due.load(Ordering::Relaxed) {
            self.0.wake_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem;
    use std::sync::Arc;

    impl<T> BriefMutex<T> {
        fn is_sleeper_due(&self) -> bool {
            self.is_one_due.load(Ordering::SeqCst)
        }
    }

    #[test]
    fn what_its_release_reads_lies_in_front_of_the_lock_and_the_value() {
        assert_eq!(mem::offset_of!(BriefMutex<u64>, is_one_due), 0);
        assert_eq!(mem::offset_of!(BriefMutex<u64>, value), align_of::<u64>());
    }

    #[test]
    fn one_thread_at_a_time_has_the_value() {
        let counter = Arc::new(BriefMutex::<u32>::default());
        let count = || {
            for _ in 0..20_000 {
                let mut value = counter.lock();
                *value = hint::black_box(*value) + 1;
            }
        };

        thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(count))));

        assert_eq!(*counter.lock(), 80_000);
        assert!(!counter.is_sleeper_due(), "nobody is left");
    }

    #[test]
    fn who_sleeps_for_it_is_woken_by_the_release() {
        const AN_HOUR: Duration = Duration::from_secs(3600);
        let mutex = BriefMutex::<u32>::default();
        let held = mutex.lock();
        thread::scope(|scope| {
            let sleepers = [(); 2].map(|()| scope.spawn(|| *mutex.lock_late(AN_HOUR) += 1));
            while *mutex.sleepers.count.lock() < 2 {
                thread::yield_now();
            }
            assert!(mutex.is_sleeper_due() && mutex.try_lock().is_none());

            drop(held);

            sleepers.into_iter().for_each(|sleeper| sleeper.join().expect("no panic"));
        });
        assert_eq!(*mutex.lock(), 2);
        assert_eq!(*mutex.sleepers.count.lock(), 0);
        assert!(!mutex.is_sleeper_due());
    }

    #[test]
    fn a_release_takes_the_mark_away() {
        let mutex = BriefMutex::<u32>::default();
        let held = mutex.lock();
        mutex.is_one_due.store(true, Ordering::SeqCst);

        drop(held);

        assert!(!mutex.is_sleeper_due());
    }

    #[test]
    fn a_panic_releases_it() {
        let mutex = BriefMutex::<u32>::default();
        let panicking = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _held = mutex.lock();
            panic!("while it is held");
        }));

        assert!(panicking.is_err());
        assert!(mutex.try_lock().is_some());
    }
}
