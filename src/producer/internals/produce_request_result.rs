//! Mirrors `org.apache.kafka.clients.producer.internals.ProduceRequestResult`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::error::Error;
use crate::producer::callback::Callback;
use crate::producer::internals::partition_ref::PartitionRef;
use crate::producer::record_metadata::{RecordMetadata, UNKNOWN};
use crate::utils::sync::{Condvar, Mutex};

/// What became of a batch; shared by the batch and the futures of its records.
#[derive(Debug)]
pub(crate) struct ProduceRequestResult {
    partition: Arc<PartitionRef>,
    outcome: OnceLock<Outcome>,
    /// Somebody waits: the batch should not linger.
    is_urgent: AtomicBool,
    is_drained: AtomicBool,
    /// Whether the outcome is there and all callbacks of the batch have run.
    is_done: AtomicBool,
    /// Guards the wait for `is_done`. Holds the callbacks of a batch that a panic dropped before they ran.
    wait: Mutex<Vec<Thunk>>,
    done: Condvar,
}

/// The end of a batch.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Appended {
        /// The first record's offset, -1 where the broker did not tell.
        base_offset: i64,
        /// The broker's time for all records, -1 where they keep their own.
        log_append_time_ms: i64,
    },
    Failed {
        error: Error,
        /// What the broker said of single records, by their index in the batch (KIP-467).
        record_errors: BTreeMap<u32, Error>,
    },
}

/// What a future or a callback knows of its record beforehand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordShare {
    /// The record's index in its batch.
    pub(crate) index: u32,
    pub(crate) timestamp_ms: i64,
    /// -1 for null.
    pub(crate) key_size: i32,
    /// -1 for null.
    pub(crate) value_size: i32,
}

/// A callback and the record whose outcome it has to be told.
pub(super) struct Thunk {
    pub(super) share: RecordShare,
    pub(super) callback: Callback,
}

impl fmt::Debug for Thunk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Thunk").field("share", &self.share).finish_non_exhaustive()
    }
}

impl Outcome {
    pub(crate) fn failed(error: Error) -> Self {
        Self::Failed { error, record_errors: BTreeMap::new() }
    }

    /// What this means for one record: its offset and time, or its error.
    pub(crate) fn of_record(&self, share: &RecordShare) -> Result<(i64, i64), &Error> {
        match self {
            Self::Appended { base_offset, log_append_time_ms } => {
                let offset = match *base_offset {
                    UNKNOWN => UNKNOWN,
                    base => base.saturating_add(i64::from(share.index)),
                };
                let timestamp_ms = match *log_append_time_ms {
                    UNKNOWN => share.timestamp_ms,
                    appended => appended,
                };
                Ok((offset, timestamp_ms))
            }
            Self::Failed { error, record_errors } => {
                Err(record_errors.get(&share.index).unwrap_or(error))
            }
        }
    }
}

impl ProduceRequestResult {
    pub(crate) fn new(partition: Arc<PartitionRef>) -> Self {
        Self {
            partition,
            outcome: OnceLock::new(),
            is_urgent: AtomicBool::new(false),
            is_drained: AtomicBool::new(false),
            is_done: AtomicBool::new(false),
            wait: Mutex::new(Vec::new()),
            done: Condvar::new(),
        }
    }

    pub(crate) fn partition(&self) -> &Arc<PartitionRef> {
        &self.partition
    }

    /// Stores the outcome. Returns it, or `None` if there was one already: the first one counts.
    pub(crate) fn publish(&self, outcome: Outcome) -> Option<&Outcome> {
        self.outcome.set(outcome).ok()?;
        self.outcome.get()
    }

    pub(super) fn is_published(&self) -> bool {
        self.outcome.get().is_some()
    }

    pub(super) fn outcome(&self) -> Option<&Outcome> {
        self.outcome.get()
    }

    /// Keeps the callbacks of a batch that is dropped before they ran.
    pub(super) fn keep(&self, thunks: Vec<Thunk>) {
        *self.wait.lock() = thunks;
    }

    pub(super) fn take_kept(&self) -> Vec<Thunk> {
        std::mem::take(&mut *self.wait.lock())
    }

    /// Releases those who wait; every callback of the batch has run.
    pub(crate) fn finish(&self) {
        let guard = self.wait.lock();
        self.is_done.store(true, Ordering::Release);
        drop(guard);
        self.done.notify_all();
    }

    pub(crate) fn is_done(&self) -> bool {
        self.is_done.load(Ordering::Acquire)
    }

    /// Waits for up to `timeout` of real time; returns whether the batch is done.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> bool {
        if self.is_done() {
            return true;
        }
        let mut guard = self.wait.lock();
        let waits = |_: &mut Vec<Thunk>| !self.is_done();
        match timeout {
            Some(timeout) => !self.done.wait_while_for(&mut guard, waits, timeout).timed_out(),
            None => {
                self.done.wait_while(&mut guard, waits);
                true
            }
        }
    }

    /// Makes the batch sendable at once, whatever `linger.ms` says, and wakes the sender for it.
    pub(crate) fn expedite(&self) {
        if self.is_drained.load(Ordering::Acquire) || self.is_urgent.swap(true, Ordering::SeqCst) {
            return;
        }
        self.partition.announce();
        self.partition.signal().wake();
    }

    pub(super) fn is_urgent(&self) -> bool {
        self.is_urgent.load(Ordering::SeqCst)
    }

    /// The batch is on its way: from now on there is nothing to expedite.
    pub(crate) fn set_drained(&self) {
        self.is_drained.store(true, Ordering::Release);
    }

    pub(super) fn is_drained(&self) -> bool {
        self.is_drained.load(Ordering::Acquire)
    }

    /// The answer for one record, once the batch is done.
    pub(crate) fn record_result(
        &self,
        share: &RecordShare,
    ) -> Option<Result<RecordMetadata, Error>> {
        let outcome = self.outcome.get()?;
        Some(outcome.of_record(share).map_err(Clone::clone).map(|(offset, timestamp_ms)| {
            RecordMetadata {
                topic_partition: self.partition.topic_partition().clone(),
                offset,
                timestamp_ms,
                serialized_key_size: share.key_size,
                serialized_value_size: share.value_size,
            }
        }))
    }
}
