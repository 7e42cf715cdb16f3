//! Mirrors `Selector.IdleExpiryManager`.
//!
//! Differs in that a connection's use costs nothing here: a deadline that comes too early is put off when it comes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::utils::clock::Instant;

/// Knows when the next connection may have been idle for too long.
#[derive(Debug)]
pub(crate) struct IdleExpiryManager {
    /// `None`: connections may idle for ever.
    max_idle: Option<Duration>,
    /// One entry a connection: a moment before which it cannot expire. Closed connections' entries linger.
    deadlines: BinaryHeap<Reverse<(Instant, usize)>>,
}

impl IdleExpiryManager {
    pub(crate) fn new(max_idle: Option<Duration>) -> Self {
        Self { max_idle, deadlines: BinaryHeap::new() }
    }

    /// Begins to watch a connection that was just opened.
    pub(crate) fn watch(&mut self, token: usize, now: Instant) {
        if let Some(max_idle) = self.max_idle {
            self.deadlines.push(Reverse((now + max_idle, token)));
        }
    }

    /// When the next connection expires. `last_active` tells when a connection was used, `None` if it is gone.
    pub(crate) fn next_deadline(
        &mut self,
        last_active: impl Fn(usize) -> Option<Instant>,
    ) -> Option<Instant> {
        let max_idle = self.max_idle?;
        while let Some(Reverse((deadline, token))) = self.deadlines.peek().copied() {
            let actual = last_active(token).map(|used| used + max_idle);
            if actual == Some(deadline) {
                return actual;
            }
            self.deadlines.pop();
            if let Some(actual) = actual {
                self.deadlines.push(Reverse((actual, token)));
            }
        }
        None
    }

    /// A connection that has expired by `now`; call again for the next.
    pub(crate) fn next_expired(
        &mut self,
        now: Instant,
        last_active: impl Fn(usize) -> Option<Instant>,
    ) -> Option<usize> {
        if self.next_deadline(last_active)? > now {
            return None;
        }
        self.deadlines.pop().map(|Reverse((_, token))| token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn use_puts_the_expiry_off() {
        let mut manager = IdleExpiryManager::new(Some(Duration::from_secs(10)));
        manager.watch(1, Instant::ZERO);
        manager.watch(2, Instant::ZERO);
        let used = |token| Some(at(if token == 1 { 5 } else { 0 }));

        assert_eq!(manager.next_deadline(used), Some(at(10)));
        assert_eq!(manager.next_expired(at(9), used), None);
        assert_eq!(manager.next_expired(at(10), used), Some(2));
        assert_eq!(manager.next_deadline(used), Some(at(15)));
    }

    #[test]
    fn forgets_connections_that_are_gone() {
        let mut manager = IdleExpiryManager::new(Some(Duration::from_secs(10)));
        manager.watch(1, Instant::ZERO);

        assert_eq!(manager.next_deadline(|_| None), None);
        assert!(manager.deadlines.is_empty());
    }

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }
}
