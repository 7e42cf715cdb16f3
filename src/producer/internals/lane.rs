//! Which of a topic's current partitions a thread's keyless records go to.

use std::cell::Cell;

/// Mostly the first. A thread that finds the current partition's queue taken by another thread takes the next lane, with
/// a partition of its own, until a batch is full there: so threads do not queue up for one lock, least of all behind one
/// that the system has put aside, and few threads still fill one batch together.
///
/// Java has one current partition a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lane(usize);

/// How many there are.
pub(super) const LANES: usize = 4;

thread_local! {
    static CURRENT: Cell<usize> = const { Cell::new(0) };
}

impl Lane {
    #[cfg(test)]
    pub(super) const FIRST: Self = Self(0);

    /// The calling thread's.
    #[inline(always)]
    pub(super) fn current() -> Self {
        Self(CURRENT.get())
    }

    /// Moves the calling thread from this lane to the next one.
    #[cold]
    pub(super) fn leave(self) -> Self {
        let next = (self.0 + 1) % LANES;
        CURRENT.set(next);
        Self(next)
    }

    /// Moves the calling thread back to the first lane.
    pub(super) fn reset() {
        CURRENT.set(0);
    }

    /// Its own of `all`.
    #[inline(always)]
    pub(super) fn of<T>(self, all: &[T; LANES]) -> &T {
        &all[self.0 % LANES]
    }
}
