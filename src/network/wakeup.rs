//! Wakes the poll loop from other threads. Takes the place of `java.nio.channels.Selector.wakeup`.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::Duration;

/// Makes a sleeping [`poll`](crate::network::selectable::Selectable::poll) return, or the next one not sleep.
///
/// Calls between two turns of the loop coalesce, and only the first one that finds the loop asleep costs a system
/// call. Runs on: any thread.
#[derive(Clone)]
pub(crate) struct Wakeup(Arc<Shared>);

struct Shared {
    /// Set by whoever wakes, cleared by the loop before its turn.
    requested: AtomicBool,
    /// How often the loop was told of something that can wait for a moment, since its last turn.
    hints: AtomicU32,
    /// One of [`AWAKE`], [`NAPPING`], [`DOZING`] and [`ASLEEP`].
    state: AtomicU8,
    /// How many threads wait for an answer.
    waiting_callers: AtomicU32,
    /// `None` where nothing ever sleeps.
    waker: Option<mio::Waker>,
    /// The loop's, once it napped.
    thread: OnceLock<Thread>,
}

const AWAKE: u8 = 0;
/// As [`DOZING`], without regard to sockets.
const NAPPING: u8 = 1;
/// In, or about to enter, a system call that ends by itself in a moment.
const DOZING: u8 = 2;
/// In, or about to enter, a system call that ends when something happens.
const ASLEEP: u8 = 3;
/// How many hints wake a loop that dozes or naps.
const HINTS_PER_WAKE: u32 = 8;

impl Wakeup {
    pub(crate) fn new(waker: mio::Waker) -> Self {
        Self::with(Some(waker))
    }

    /// A wakeup that belongs to no poll loop, for what runs without one.
    pub(crate) fn detached() -> Self {
        Self::with(None)
    }

    fn with(waker: Option<mio::Waker>) -> Self {
        Self(Arc::new(Shared {
            requested: AtomicBool::new(false),
            hints: AtomicU32::new(0),
            state: AtomicU8::new(AWAKE),
            waiting_callers: AtomicU32::new(0),
            waker,
            thread: OnceLock::new(),
        }))
    }

    /// What was published before this call is seen by the turn of the loop that follows it.
    pub(crate) fn wake(&self) {
        let shared = &*self.0;
        // Whoever set the flag first has seen, or will see, whether the loop sleeps.
        if shared.requested.swap(true, Ordering::SeqCst) {
            return;
        }
        match shared.state.load(Ordering::SeqCst) {
            AWAKE => {}
            NAPPING => shared.end_nap(),
            _ => {
                if let Some(Err(error)) = shared.waker.as_ref().map(mio::Waker::wake) {
                    log::error!("cannot wake the sender thread: {error}");
                }
            }
        }
    }

    /// As [`wake`](Self::wake), for what can wait for a moment: a loop that only dozes or naps is left alone until there
    /// is more of it.
    pub(crate) fn wake_lazily(&self) {
        let shared = &*self.0;
        let hints = shared.hints.fetch_add(1, Ordering::SeqCst).saturating_add(1);
        match shared.state.load(Ordering::SeqCst) {
            ASLEEP => self.wake(),
            DOZING | NAPPING if hints >= HINTS_PER_WAKE => self.wake(),
            _ => {}
        }
    }

    /// As [`wake_lazily`](Self::wake_lazily), for what can wait for as long as a loop dozes.
    pub(crate) fn wake_if_asleep(&self) {
        self.0.hints.fetch_max(1, Ordering::SeqCst);
        if self.0.state.load(Ordering::SeqCst) == ASLEEP {
            self.wake();
        }
    }

    /// Whether the loop waits, if only for a moment, as it was a moment ago.
    pub(crate) fn is_idle(&self) -> bool {
        self.0.state.load(Ordering::Relaxed) != AWAKE
    }

    /// Notes that the calling thread waits for an answer, until [`caller_goes_on`](Self::caller_goes_on).
    pub(crate) fn caller_waits(&self) {
        self.0.waiting_callers.fetch_add(1, Ordering::SeqCst);
        if self.0.state.load(Ordering::SeqCst) == NAPPING {
            self.0.end_nap();
        }
    }

    pub(crate) fn caller_goes_on(&self) {
        self.0.waiting_callers.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether a thread waits for an answer.
    pub(super) fn has_waiting_callers(&self) -> bool {
        self.0.waiting_callers.load(Ordering::SeqCst) > 0
    }

    /// Whether the loop was asked to take a turn, if only by many hints.
    pub(super) fn is_requested(&self) -> bool {
        let hints = self.0.hints.load(Ordering::SeqCst);
        self.0.requested.load(Ordering::SeqCst) || hints >= HINTS_PER_WAKE
    }

    /// Sleeps for up to `limit`, or until somebody waits, or asks for a turn by more than a few hints. [`try_to_doze`](Self::try_to_doze) or
    /// [`try_to_sleep`](Self::try_to_sleep) comes next, and sees what was asked for meanwhile.
    pub(super) fn nap(&self, limit: Duration) {
        self.0.thread.get_or_init(thread::current);
        self.0.state.store(NAPPING, Ordering::SeqCst);
        if !self.is_requested() && !self.has_waiting_callers() {
            thread::park_timeout(limit);
        }
    }

    /// Announces that the loop is about to wait; `false` means that it must not.
    pub(super) fn try_to_sleep(&self) -> bool {
        self.0.state.store(ASLEEP, Ordering::SeqCst);
        !self.0.requested.load(Ordering::SeqCst) && self.0.hints.load(Ordering::SeqCst) == 0
    }

    /// Announces that the loop is about to wait for a moment; `false` means that it must not.
    pub(super) fn try_to_doze(&self) -> bool {
        self.0.state.store(DOZING, Ordering::SeqCst);
        !self.is_requested()
    }

    /// Ends the wait; returns whether anybody asked for that. The flags fall before the turn, so that a later request
    /// is kept for the next wait.
    pub(super) fn end_wait(&self) -> bool {
        self.0.state.store(AWAKE, Ordering::SeqCst);
        let hints = self.0.hints.swap(0, Ordering::SeqCst);
        self.0.requested.swap(false, Ordering::SeqCst) || hints > 0
    }

    /// Takes the request, if there is one.
    #[cfg(test)]
    pub(crate) fn take(&self) -> bool {
        self.end_wait()
    }
}

impl Shared {
    fn end_nap(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

impl fmt::Debug for Wakeup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Wakeup")
            .field("requested", &self.0.requested)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_between_two_waits_keeps_the_next_from_sleeping() {
        let wakeup = Wakeup::detached();
        wakeup.wake();
        wakeup.wake();

        assert!(!wakeup.try_to_sleep());
        assert!(wakeup.end_wait());
        assert!(wakeup.try_to_sleep());
    }

    #[test]
    fn a_few_hints_keep_nobody_from_dozing_but_from_sleeping() {
        let wakeup = Wakeup::detached();
        for _ in 1..HINTS_PER_WAKE {
            wakeup.wake_lazily();
        }
        assert!(wakeup.try_to_doze());
        assert!(!wakeup.try_to_sleep());

        wakeup.wake_lazily();

        assert!(!wakeup.try_to_doze());
        assert!(wakeup.end_wait());
        assert!(wakeup.try_to_sleep());
    }

    #[test]
    fn a_note_wakes_who_sleeps_and_nobody_else() {
        let wakeup = Wakeup::detached();
        assert!(wakeup.try_to_doze());
        for _ in 0..2 * HINTS_PER_WAKE {
            wakeup.wake_if_asleep();
        }
        assert!(!wakeup.is_requested());
        assert!(!wakeup.try_to_sleep(), "it would not be seen");
        wakeup.end_wait();

        assert!(wakeup.try_to_sleep());
        wakeup.wake_if_asleep();
        assert!(wakeup.is_requested());
    }

    #[test]
    fn a_hint_wakes_who_sleeps_and_only_a_lot_of_them_who_dozes() {
        let is_woken = |wakeup: &Wakeup| wakeup.0.requested.load(Ordering::SeqCst);
        let wakeup = Wakeup::detached();
        assert!(wakeup.try_to_sleep());
        wakeup.wake_lazily();
        assert!(is_woken(&wakeup));
        wakeup.end_wait();

        assert!(wakeup.try_to_doze());
        for _ in 1..HINTS_PER_WAKE {
            wakeup.wake_lazily();
        }
        assert!(!is_woken(&wakeup));
        wakeup.wake_lazily();
        assert!(is_woken(&wakeup));
    }

    /// The nap is so long that to come back from it proves that it was ended.
    #[test]
    fn a_nap_ends_when_somebody_asks_or_waits() {
        const HOUR: Duration = Duration::from_secs(3600);
        let hint_often = |wakeup: &Wakeup| (0..HINTS_PER_WAKE).for_each(|_| wakeup.wake_lazily());
        let others: [fn(&Wakeup); 3] = [Wakeup::wake, hint_often, Wakeup::caller_waits];
        for ask in others {
            let wakeup = Wakeup::detached();
            thread::scope(|scope| {
                let napper = scope.spawn(|| {
                    wakeup.nap(HOUR);
                    wakeup.end_wait();
                });
                while wakeup.0.state.load(Ordering::SeqCst) != NAPPING && !napper.is_finished() {
                    thread::yield_now();
                }
                ask(&wakeup);
            });
        }
    }

    #[test]
    fn knows_whether_anybody_waits() {
        let wakeup = Wakeup::detached();
        assert!(!wakeup.has_waiting_callers());

        wakeup.caller_waits();
        wakeup.caller_waits();
        wakeup.caller_goes_on();
        assert!(wakeup.has_waiting_callers());

        wakeup.caller_goes_on();
        assert!(!wakeup.has_waiting_callers());
    }
}
