//! Wakes the poll loop from other threads. Takes the place of `java.nio.channels.Selector.wakeup`.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Makes a sleeping [`poll`](crate::network::selectable::Selectable::poll) return, or the next one not sleep.
///
/// Calls between two turns of the loop coalesce, and only the first one that finds the loop asleep costs a system
/// call. Runs on: any thread.
#[derive(Clone)]
pub(crate) struct Wakeup(Arc<Shared>);

struct Shared {
    /// Set by whoever wakes, cleared by the loop before its turn.
    requested: AtomicBool,
    /// Whether the loop is in, or about to enter, the system call that waits.
    sleeping: AtomicBool,
    /// `None` where nothing ever sleeps.
    waker: Option<mio::Waker>,
}

impl Wakeup {
    pub(crate) fn new(waker: mio::Waker) -> Self {
        Self::with(Some(waker))
    }

    /// A wakeup that belongs to no poll loop, for what runs without one.
    pub(crate) fn detached() -> Self {
        Self::with(None)
    }

    fn with(waker: Option<mio::Waker>) -> Self {
        let (requested, sleeping) = (AtomicBool::new(false), AtomicBool::new(false));
        Self(Arc::new(Shared { requested, sleeping, waker }))
    }

    /// What was published before this call is seen by the turn of the loop that follows it.
    pub(crate) fn wake(&self) {
        let shared = &*self.0;
        // Whoever set the flag first has seen, or will see, whether the loop sleeps.
        if shared.requested.swap(true, Ordering::SeqCst) || !shared.sleeping.load(Ordering::SeqCst)
        {
            return;
        }
        if let Some(Err(error)) = shared.waker.as_ref().map(mio::Waker::wake) {
            log::error!("cannot wake the sender thread: {error}");
        }
    }

    /// Announces that the loop is about to wait; `false` means that it must not.
    pub(super) fn fall_asleep(&self) -> bool {
        self.0.sleeping.store(true, Ordering::SeqCst);
        !self.0.requested.load(Ordering::SeqCst)
    }

    /// Ends the wait. The flag falls before the turn, so that a later request is kept for the next wait.
    pub(super) fn awake(&self) {
        self.0.sleeping.store(false, Ordering::SeqCst);
        self.0.requested.swap(false, Ordering::SeqCst);
    }

    /// Takes the request, if there is one.
    #[cfg(test)]
    pub(crate) fn take(&self) -> bool {
        self.0.requested.swap(false, Ordering::SeqCst)
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

        assert!(!wakeup.fall_asleep());
        wakeup.awake();
        assert!(wakeup.fall_asleep());
    }
}
