//! What callers' threads tell the sender thread: which partitions changed, and that it should look.

use std::cell::Cell;
use std::fmt;
#[cfg(test)]
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::network::wakeup::Wakeup;
use crate::producer::internals::partition_ref::PartitionId;
use crate::utils::clock::Instant;
use crate::utils::sync::Mutex;

/// One for each producer. Runs on: any thread.
pub(crate) struct SenderSignal {
    /// Tells this producer from the others of the process.
    producer: u64,
    announcements: Mutex<Announcements>,
    wakeup: Wakeup,
}

/// What happened to partitions since the sender last looked.
#[derive(Debug, Default)]
pub(super) struct Announcements {
    /// Those whose queue was empty and got a batch that is not full, with the time of its creation.
    pub(super) first_batches: Vec<(PartitionId, Instant)>,
    /// Those whose batches changed in another way, each once.
    pub(super) changed: Vec<PartitionId>,
}

static NEXT_PRODUCER: AtomicU64 = AtomicU64::new(1);

thread_local! {
    /// The producer whose sender thread this is; 0 on every other thread.
    static SENDER_OF: Cell<u64> = const { Cell::new(0) };
}

impl SenderSignal {
    pub(crate) fn new(wakeup: Wakeup) -> Self {
        let producer = NEXT_PRODUCER.fetch_add(1, Ordering::Relaxed);
        Self { producer, announcements: Mutex::default(), wakeup }
    }

    /// Of a producer without a sender thread.
    #[cfg(test)]
    pub(crate) fn detached() -> Arc<Self> {
        Arc::new(Self::new(Wakeup::detached()))
    }

    /// Makes the sender's next turn look at a partition; does not wake it.
    pub(super) fn announce(&self, partition: PartitionId) {
        self.announcements.lock().changed.push(partition);
    }

    /// Tells the sender's next turn of the first batch in a queue; does not wake it.
    pub(super) fn announce_first_batch(&self, partition: PartitionId, created: Instant) {
        self.announcements.lock().first_batches.push((partition, created));
    }

    /// Wakes the sender thread; costs a system call only if it sleeps.
    pub(crate) fn wake(&self) {
        self.wakeup.wake();
    }

    /// As [`wake`](Self::wake), if the sender sleeps. One that only dozes or naps is left alone until there is more of it.
    pub(crate) fn wake_lazily(&self) {
        self.wakeup.wake_lazily();
    }

    /// As [`wake`](Self::wake), if the sender sleeps. One that dozes or naps is left alone however much there is of it.
    pub(crate) fn wake_if_asleep(&self) {
        self.wakeup.wake_if_asleep();
    }

    /// Waits by `wait`, of which the sender knows as long as it takes: it stays awake for a while longer then.
    pub(super) fn while_waiting(&self, wait: impl FnOnce()) {
        self.wakeup.caller_waits();
        wait();
        self.wakeup.caller_goes_on();
    }

    /// Whether the sender thread has nothing to do, if only for a moment.
    pub(super) fn is_sender_idle(&self) -> bool {
        self.wakeup.is_idle()
    }

    /// What was announced, into `taken`, which has to be empty.
    pub(super) fn take_announcements(&self, taken: &mut Announcements) {
        debug_assert!(taken.first_batches.is_empty() && taken.changed.is_empty());
        std::mem::swap(taken, &mut self.announcements.lock());
    }

    /// Whether the calling thread is the one that runs callbacks: it must never wait for itself.
    pub(crate) fn is_sender_thread(&self) -> bool {
        SENDER_OF.get() == self.producer
    }

    /// Declares the calling thread the sender thread of this producer.
    pub(crate) fn enter_sender_thread(&self) {
        SENDER_OF.set(self.producer);
    }

    /// Makes the calling thread the sender thread of this producer for as long as `callback` runs.
    ///
    /// `callback` must not panic.
    pub(crate) fn while_sender_thread(&self, callback: impl FnOnce()) {
        let before = SENDER_OF.replace(self.producer);
        callback();
        SENDER_OF.set(before);
    }
}

impl fmt::Debug for SenderSignal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SenderSignal")
            .field("producer", &self.producer)
            .finish_non_exhaustive()
    }
}
