//! What became of every record, as the producers told it.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use kafka_producer::{Error, ErrorKind, Persistence, RecordMetadata};

/// The sending threads of one producer. Thread 0 to 3 are the first's, and so on.
pub(crate) const THREADS_PER_PRODUCER: usize = 4;

/// A topic never has more.
pub(crate) const MAX_PARTITIONS: usize = 16;

/// The outcomes of a run: all memory is there from the start, so that a leak elsewhere shows.
#[derive(Debug)]
pub(crate) struct History {
    start: Instant,
    run: u64,
    /// By thread, then by the record's number.
    threads: Vec<Vec<Entry>>,
    kinds: Mutex<Vec<FailureKind>>,
    /// When a record was last acknowledged, by producer and partition.
    acknowledged_ms: Vec<[AtomicU32; MAX_PARTITIONS]>,
    /// Thread and number, once for each answer too many.
    told_twice: Mutex<Vec<(usize, usize)>>,
}

/// Times are since the start of the history.
#[derive(Debug)]
struct Entry {
    /// The offset, or which failure (as [`failed`] counts them), or `UNSENT` or `UNTOLD`.
    state: AtomicI64,
    partition: AtomicU32,
    sent_ms: AtomicU32,
    returned_ms: AtomicU32,
    told_ms: AtomicU32,
}

const UNSENT: i64 = i64::MIN;
const UNTOLD: i64 = i64::MIN + 1;

/// Failures that look alike.
#[derive(Clone, Debug)]
pub(crate) struct FailureKind {
    pub(crate) name: String,
    pub(crate) persistence: Persistence,
    pub(crate) count: u64,
    /// The first one's whole text.
    pub(crate) example: String,
}

/// One record that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) partition: u32,
    pub(crate) sent_ms: u32,
    /// When `send` returned.
    pub(crate) returned_ms: u32,
    /// When the callback ran, if it did.
    pub(crate) told_ms: u32,
    pub(crate) outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Untold,
    Acknowledged {
        offset: i64,
    },
    /// An index into [`History::kinds`].
    Failed {
        kind: usize,
    },
}

impl History {
    /// For `threads` threads, which send no more than `capacity` records each.
    pub(crate) fn new(run: u64, threads: usize, capacity: usize) -> Self {
        let entry = |_| Entry {
            state: AtomicI64::new(UNSENT),
            partition: AtomicU32::new(0),
            sent_ms: AtomicU32::new(0),
            returned_ms: AtomicU32::new(0),
            told_ms: AtomicU32::new(0),
        };
        let producers = threads.div_ceil(THREADS_PER_PRODUCER);
        Self {
            start: Instant::now(),
            run,
            threads: (0..threads).map(|_| (0..capacity).map(entry).collect()).collect(),
            kinds: Mutex::new(Vec::new()),
            acknowledged_ms: (0..producers).map(|_| Default::default()).collect(),
            told_twice: Mutex::new(Vec::new()),
        }
    }

    pub(crate) fn run(&self) -> u64 {
        self.run
    }

    pub(crate) fn capacity(&self) -> usize {
        self.threads[0].len()
    }

    /// Milliseconds since the start.
    pub(crate) fn now_ms(&self) -> u32 {
        u32::try_from(self.start.elapsed().as_millis()).expect("less than seven weeks")
    }

    pub(crate) fn send(&self, thread: usize, number: usize, partition: u32) {
        let entry = &self.threads[thread][number];
        entry.partition.store(partition, Ordering::Relaxed);
        entry.sent_ms.store(self.now_ms(), Ordering::Relaxed);
        entry.state.store(UNTOLD, Ordering::Release);
    }

    pub(crate) fn returned(&self, thread: usize, number: usize) {
        self.threads[thread][number].returned_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    /// What the record's callback is given.
    pub(crate) fn tell(&self, thread: usize, number: usize, told: Result<&RecordMetadata, &Error>) {
        match told {
            Ok(metadata) => self.acknowledge(thread, number, metadata.offset()),
            Err(error) => self.fail(thread, number, error),
        }
    }

    pub(crate) fn acknowledge(&self, thread: usize, number: usize, offset: i64) {
        self.settle(thread, number, offset);
        let partition = self.threads[thread][number].partition.load(Ordering::Relaxed);
        self.acknowledged_ms[thread / THREADS_PER_PRODUCER][partition as usize]
            .store(self.now_ms(), Ordering::Release);
    }

    pub(crate) fn fail(&self, thread: usize, number: usize, error: &Error) {
        let kind = self.count(error);
        self.settle(thread, number, failed(kind));
    }

    fn settle(&self, thread: usize, number: usize, state: i64) {
        let entry = &self.threads[thread][number];
        entry.told_ms.store(self.now_ms(), Ordering::Relaxed);
        if entry.state.swap(state, Ordering::Release) != UNTOLD {
            self.told_twice.lock().unwrap_or_else(PoisonError::into_inner).push((thread, number));
        }
    }

    fn count(&self, error: &Error) -> usize {
        let (name, persistence) = (name(error), error.persistence());
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let alike = |kind: &FailureKind| kind.name == name && kind.persistence == persistence;
        let index = kinds.iter().position(alike).unwrap_or_else(|| {
            kinds.push(FailureKind { name, persistence, count: 0, example: error.to_string() });
            kinds.len() - 1
        });
        kinds[index].count += 1;
        index
    }

    pub(crate) fn kinds(&self) -> Vec<FailureKind> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Thread and number of each record whose callback ran although it had been answered before.
    pub(crate) fn told_twice(&self) -> Vec<(usize, usize)> {
        self.told_twice.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether each producer has had an acknowledgement from each of so many partitions after this time.
    pub(crate) fn acknowledged_after(&self, time_ms: u32, partitions: usize) -> bool {
        self.acknowledged_ms.iter().all(|producer| {
            producer[..partitions].iter().all(|each| each.load(Ordering::Acquire) > time_ms)
        })
    }

    /// The record of this thread with this number, if it was sent.
    pub(crate) fn sent(&self, thread: usize, number: usize) -> Option<Sent> {
        let entry = self.threads.get(thread)?.get(number)?;
        let outcome = match entry.state.load(Ordering::Acquire) {
            UNSENT => return None,
            UNTOLD => Outcome::Untold,
            offset @ 0.. => Outcome::Acknowledged { offset },
            state => Outcome::Failed { kind: usize::try_from(-1 - state).expect("an index") },
        };
        Some(Sent {
            partition: entry.partition.load(Ordering::Relaxed),
            sent_ms: entry.sent_ms.load(Ordering::Relaxed),
            returned_ms: entry.returned_ms.load(Ordering::Relaxed),
            told_ms: entry.told_ms.load(Ordering::Relaxed),
            outcome,
        })
    }

    /// Every record that was sent, with its thread and number.
    pub(crate) fn all(&self) -> impl Iterator<Item = (usize, usize, Sent)> {
        (0..self.threads.len()).flat_map(move |thread| {
            (0..self.capacity())
                .map_while(move |number| Some((thread, number, self.sent(thread, number)?)))
        })
    }

    /// A record's whole story in a line.
    pub(crate) fn story(&self, thread: usize, number: usize) -> String {
        let Some(sent) = self.sent(thread, number) else {
            return format!("thread {thread} never sent a record {number}");
        };
        let Sent { partition, sent_ms, returned_ms, told_ms, outcome } = sent;
        let end = match outcome {
            Outcome::Untold => "never answered".to_owned(),
            Outcome::Acknowledged { offset } => {
                format!("acknowledged at {told_ms} ms with offset {offset}")
            }
            Outcome::Failed { kind } => {
                let FailureKind { name, persistence, .. } = &self.kinds()[kind];
                format!("failed at {told_ms} ms with {name} ({persistence:?})")
            }
        };
        format!(
            "thread {thread} record {number}: sent to partition {partition} at {sent_ms} ms, send returned at \
             {returned_ms} ms, {end}"
        )
    }
}

/// The state of a record that failed in this way.
fn failed(kind: usize) -> i64 {
    -1 - i64::try_from(kind).expect("few kinds")
}

/// What failures have in common, without times and places.
fn name(error: &Error) -> String {
    let kind = match error.kind() {
        ErrorKind::Timeout { deadline, waiting_for, .. } => {
            format!(
                "time-out of {} waiting for {waiting_for}",
                deadline.property().unwrap_or("call")
            )
        }
        ErrorKind::Broker { code, .. } => return format!("{code:?}"),
        ErrorKind::BufferExhausted { .. } => "buffer exhausted".to_owned(),
        other => other.to_string(),
    };
    match error.code() {
        Some(code) => format!("{kind}, last {code:?}"),
        None => kind,
    }
}
