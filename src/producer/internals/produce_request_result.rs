//! Mirrors `org.apache.kafka.clients.producer.internals.ProduceRequestResult`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread;
use std::time::Duration;

use crate::common::topic_partition::TopicPartition;
use crate::error::Error;
use crate::producer::internals::partition_ref::{PartitionId, PartitionRef};
use crate::producer::internals::sender_signal::SenderSignal;
use crate::producer::internals::thunks::Thunks;
use crate::producer::record_metadata::{RecordMetadata, UNKNOWN};
use crate::record::default_record::RecordContents;
use crate::utils::sync::{Condvar, Mutex};

/// What became of a batch; shared by the batch and the futures of its records.
///
/// Has its partition's name and number and no counted reference: counting would write to a line of memory of each partition.
#[derive(Debug)]
#[repr(C)] // what a batch's beginning touches comes first, beside the count of references
pub(crate) struct ProduceRequestResult {
    partition_id: PartitionId,
    topic_partition: TopicPartition,
    /// Somebody waits: the batch should not linger.
    is_urgent: AtomicBool,
    /// Whether it was made ready for a first attempt: from then on it may be in the log.
    was_attempted: AtomicBool,
    /// Whether the outcome is there and all callbacks of the batch have run.
    is_done: AtomicBool,
    waiters: Waiters,
    outcome: OnceLock<BatchOutcome>,
    signal: Arc<SenderSignal>,
    /// What a panic left undone. Boxed, for it is hardly ever there.
    orphaned: Mutex<Option<Box<OrphanedThunks>>>,
    /// The batches that the records were handed on to, where this one was split: for each the index, in this batch, of
    /// its first record.
    parts: OnceLock<Vec<(u32, Arc<Self>)>>,
    /// Of a part: what was split. Whoever waits for that is told of the part's end, too.
    whole: Option<Weak<Self>>,
}

/// Where threads wait for a batch, or for those that it was split into.
#[derive(Debug, Default)]
struct Waiters {
    /// Guards nothing but the wait.
    lock: Mutex<()>,
    done: Condvar,
}

/// The callbacks of a batch that a panic dropped before they ran.
#[derive(Debug, Default)]
pub(super) struct OrphanedThunks {
    pub(super) thunks: Thunks,
    /// The batch's first timestamp.
    pub(super) base_ms: i64,
}

/// The end of a batch.
#[derive(Clone, Debug)]
pub(crate) enum BatchOutcome {
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RecordShare {
    /// The record's index in its batch.
    pub(crate) index: u32,
    pub(crate) timestamp_ms: i64,
    /// -1 for null.
    pub(crate) key_size: i32,
    /// -1 for null.
    pub(crate) value_size: i32,
}

impl RecordShare {
    #[inline(always)]
    pub(crate) fn new(index: u32, record: &RecordContents<'_>) -> Self {
        Self {
            index,
            timestamp_ms: record.timestamp_ms,
            key_size: record.key_size(),
            value_size: record.value_size(),
        }
    }
}

impl BatchOutcome {
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
    pub(crate) fn new(partition: &PartitionRef) -> Self {
        let name = partition.topic_partition().clone();
        Self::of(partition.id(), name, Arc::clone(partition.signal()))
    }

    fn of(
        partition_id: PartitionId,
        topic_partition: TopicPartition,
        signal: Arc<SenderSignal>,
    ) -> Self {
        Self {
            partition_id,
            topic_partition,
            is_urgent: AtomicBool::new(false),
            was_attempted: AtomicBool::new(false),
            is_done: AtomicBool::new(false),
            waiters: Waiters::default(),
            outcome: OnceLock::new(),
            signal,
            orphaned: Mutex::default(),
            parts: OnceLock::new(),
            whole: None,
        }
    }

    /// The result of a batch that takes over records of this one's.
    pub(super) fn new_part(self: &Arc<Self>) -> Self {
        let (name, signal) = (self.topic_partition.clone(), Arc::clone(&self.signal));
        Self { whole: Some(Arc::downgrade(self)), ..Self::of(self.partition_id, name, signal) }
    }

    /// Of a part, what was split; `None` also once nobody is left who could wait there.
    fn whole(&self) -> Option<Arc<Self>> {
        self.whole.as_ref()?.upgrade()
    }

    /// Becomes that of a batch that is still to begin, of whatever partition of the same producer:
    /// [`assign`](Self::assign) comes next.
    pub(super) fn reset(&mut self) {
        self.is_urgent = AtomicBool::new(false);
        self.was_attempted = AtomicBool::new(false);
        self.is_done = AtomicBool::new(false);
        self.outcome = OnceLock::new();
        self.orphaned = Mutex::default();
        self.parts = OnceLock::new();
        self.whole = None;
    }

    /// Becomes that of a batch of `partition`.
    pub(super) fn assign(&mut self, partition: &PartitionRef) {
        self.partition_id = partition.id();
        self.topic_partition.clone_from(partition.topic_partition());
    }

    pub(crate) fn topic_partition(&self) -> &TopicPartition {
        &self.topic_partition
    }

    pub(crate) fn signal(&self) -> &SenderSignal {
        &self.signal
    }

    /// Stores the outcome. Returns it, or `None` if there was one already: the first one counts.
    pub(crate) fn set_outcome(&self, outcome: BatchOutcome) -> Option<&BatchOutcome> {
        self.outcome.set(outcome).ok()?;
        self.outcome.get()
    }

    pub(super) fn has_outcome(&self) -> bool {
        self.outcome.get().is_some()
    }

    pub(super) fn outcome(&self) -> Option<&BatchOutcome> {
        self.outcome.get()
    }

    /// Keeps the callbacks of a batch that is dropped before they ran.
    pub(super) fn store_orphaned(&self, thunks: OrphanedThunks) {
        *self.orphaned.lock() = Some(Box::new(thunks));
    }

    pub(super) fn take_orphaned(&self) -> OrphanedThunks {
        let thunks = self.orphaned.lock().take();
        thunks.map(|thunks| *thunks).unwrap_or_default()
    }

    /// Releases those who wait; every callback of the batch has run.
    pub(crate) fn done(&self) {
        self.is_done.store(true, Ordering::Release);
        self.waiters.notify_all();
        let mut above = self.whole();
        while let Some(whole) = above {
            whole.waiters.notify_all();
            above = whole.whole();
        }
    }

    /// Hands the records on to `parts`, in order, each with the index of its first record: this batch was split.
    pub(super) fn split(&self, parts: Vec<(u32, Arc<Self>)>) {
        // A batch is split by its one owner, at most once.
        let _ = self.parts.set(parts);
    }

    /// Whether all records of the batch are answered.
    pub(crate) fn is_all_done(&self) -> bool {
        match self.parts.get() {
            Some(parts) => parts.iter().all(|(_, part)| part.is_all_done()),
            None => self.is_done.load(Ordering::Acquire),
        }
    }

    /// Whether the record at `index` is answered.
    pub(crate) fn is_done(&self, index: u32) -> bool {
        let (holder, _) = self.holder(index);
        holder.is_done.load(Ordering::Acquire)
    }

    /// Waits for up to `timeout` of real time until all records are answered; returns whether they are.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> bool {
        self.waiters.wait_while(timeout, || !self.is_all_done());
        self.is_all_done()
    }

    /// As [`wait`](Self::wait), for the record at `index` alone.
    pub(crate) fn wait_for(&self, index: u32, timeout: Option<Duration>) -> bool {
        self.signal.while_waiting(|| {
            self.waiters.wait_while(timeout, || !self.is_done(index));
        });
        self.is_done(index)
    }

    /// The result that the record at `index` is answered through by now, and its index there.
    fn holder(&self, index: u32) -> (&Self, u32) {
        let (mut holder, mut index) = (self, index);
        while let Some(parts) = holder.parts.get() {
            let position = parts.partition_point(|(first, _)| *first <= index);
            let Some((first, part)) = position.checked_sub(1).and_then(|last| parts.get(last))
            else {
                break;
            };
            (holder, index) = (part, index - first);
        }
        (holder, index)
    }

    /// Makes the batch sendable at once, whatever `linger.ms` says, and wakes the sender for it.
    pub(crate) fn expedite(&self) {
        if self.was_attempted.load(Ordering::Acquire) || self.is_urgent.swap(true, Ordering::SeqCst)
        {
            return;
        }
        self.signal.announce(self.partition_id);
        self.signal.wake();
    }

    pub(super) fn is_urgent(&self) -> bool {
        self.is_urgent.load(Ordering::SeqCst)
    }

    /// The batch is on its way: from now on there is nothing to expedite.
    pub(crate) fn set_attempted(&self) {
        self.was_attempted.store(true, Ordering::Release);
    }

    pub(super) fn was_attempted(&self) -> bool {
        self.was_attempted.load(Ordering::Acquire)
    }

    /// The answer for one record, once the batch is done.
    pub(crate) fn record_result(
        &self,
        share: &RecordShare,
    ) -> Option<Result<RecordMetadata, Error>> {
        let (holder, index) = self.holder(share.index);
        let outcome = holder.outcome.get()?;
        let here = RecordShare { index, ..*share };
        Some(outcome.of_record(&here).map_err(Clone::clone).map(|(offset, timestamp_ms)| {
            RecordMetadata {
                topic_partition: self.topic_partition.clone(),
                offset,
                timestamp_ms,
                serialized_key_size: share.key_size,
                serialized_value_size: share.value_size,
            }
        }))
    }
}

/// How often to look for an answer before sleeping until it comes: some 50 microseconds where nobody else runs.
const YIELDS: u32 = 100;

impl Waiters {
    /// Lets everybody look again.
    fn notify_all(&self) {
        drop(self.lock.lock()); // whoever has looked before the change sleeps by now
        self.done.notify_all();
    }

    fn wait_while(&self, timeout: Option<Duration>, waits: impl Fn() -> bool) {
        // To sleep and to be woken takes longer than many an answer. Whoever else wants to run is let.
        for _ in 0..YIELDS {
            if !waits() || timeout.is_some_and(|timeout| timeout.is_zero()) {
                return;
            }
            thread::yield_now();
        }
        let mut guard = self.lock.lock();
        match timeout {
            Some(timeout) => {
                self.done.wait_while_for(&mut guard, |()| waits(), timeout);
            }
            None => self.done.wait_while(&mut guard, |()| waits()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn whoever_waits_for_a_batch_is_woken_when_the_part_with_its_record_is_answered() {
        let whole = result();
        let [first, second] = split(&whole);
        let woken = wait(&whole, |whole| whole.wait_for(7, None));

        first.done();
        assert!(!whole.is_done(7) && !whole.is_all_done());
        second.done();

        assert_eq!(woken.recv_timeout(LONG), Ok(true));
        assert!(whole.is_all_done());
    }

    // A flush waits for parts, too, and they may be split again.
    #[test]
    fn whoever_waits_for_a_part_that_is_split_again_is_woken_when_its_parts_are_answered() {
        let whole = result();
        let [first, second] = split(&whole);
        let (of_whole, of_part) =
            (wait(&whole, |whole| whole.wait(None)), wait(&second, |part| part.wait(None)));

        split(&second).iter().chain([&first]).for_each(|part| part.done());

        assert_eq!(of_part.recv_timeout(LONG), Ok(true));
        assert_eq!(of_whole.recv_timeout(LONG), Ok(true));
    }

    /// Splits off the records from the sixth on.
    fn split(result: &Arc<ProduceRequestResult>) -> [Arc<ProduceRequestResult>; 2] {
        let parts = [(); 2].map(|()| Arc::new(result.new_part()));
        result.split([0, 5].into_iter().zip(parts.clone()).collect());
        parts
    }

    /// Lets a thread sleep by `wait`; tells its answer when it is awake again.
    fn wait(
        result: &Arc<ProduceRequestResult>,
        wait: fn(&ProduceRequestResult) -> bool,
    ) -> mpsc::Receiver<bool> {
        let result = Arc::clone(result);
        let (awake, woken) = mpsc::channel();
        thread::spawn(move || awake.send(wait(&result)));
        for _ in 0..1000 * YIELDS {
            thread::yield_now(); // it sleeps by now
        }
        assert!(woken.try_recv().is_err());
        woken
    }

    fn result() -> Arc<ProduceRequestResult> {
        let signal = SenderSignal::detached();
        let partition = PartitionRef::new(PartitionId::new(0), TopicPartition::new("t", 0), signal);
        Arc::new(ProduceRequestResult::new(&partition))
    }
}
