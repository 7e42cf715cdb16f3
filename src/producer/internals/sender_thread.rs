//! The thread around [`Sender`]. Mirrors `Sender.run` and `KafkaThread`.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::client::kafka_client::KafkaClient;
use crate::client::metadata::Metadata;
use crate::error::{Error, ErrorKind, Persistence};
use crate::producer::internals::record_accumulator::RecordAccumulator;
use crate::producer::internals::sender::Sender;
use crate::utils::clock::Clock;
use crate::utils::panics::{catch, contain};
use crate::utils::sync::{Condvar, Mutex};

/// How far the life of a sender thread has come.
#[derive(Debug)]
pub(crate) struct Lifecycle {
    stage: AtomicU8,
    is_finished: Mutex<bool>,
    finished: Condvar,
}

/// Records are taken and sent.
const RUNNING: u8 = 0;
/// No more records are taken; those that were are sent.
const CLOSING: u8 = 1;
/// What is left fails.
const FORCED: u8 = 2;

impl Lifecycle {
    fn new() -> Self {
        Self {
            stage: AtomicU8::new(RUNNING),
            is_finished: Mutex::new(false),
            finished: Condvar::new(),
        }
    }

    /// Asks the thread to send what is there and to end.
    pub(crate) fn initiate_close(&self) {
        self.stage.fetch_max(CLOSING, Ordering::SeqCst);
    }

    /// Asks the thread to fail what is there and to end.
    pub(crate) fn force_close(&self) {
        self.stage.fetch_max(FORCED, Ordering::SeqCst);
    }

    pub(crate) fn is_running(&self) -> bool {
        self.stage.load(Ordering::SeqCst) == RUNNING
    }

    /// Waits for up to `timeout` of real time for the thread's end; returns whether it came.
    pub(crate) fn await_end(&self, timeout: Duration) -> bool {
        let mut is_finished = self.is_finished.lock();
        let waits = |is_finished: &mut bool| !*is_finished;
        !self.finished.wait_while_for(&mut is_finished, waits, timeout).timed_out()
    }

    fn finish(&self) {
        *self.is_finished.lock() = true;
        self.finished.notify_all();
    }
}

/// Starts the thread named `kafka-producer-network-thread | <client id>`.
pub(crate) fn spawn<C: KafkaClient + Send + 'static>(
    sender: Sender<C>,
    shared: SenderShared,
    client_id: &str,
) -> io::Result<(Arc<Lifecycle>, JoinHandle<()>)> {
    let lifecycle = Arc::new(Lifecycle::new());
    let name = format!("kafka-producer-network-thread | {}", client_id.replace('\0', ""));
    let of_thread = Arc::clone(&lifecycle);
    let thread =
        thread::Builder::new().name(name).spawn(move || run(sender, &shared, &of_thread))?;
    Ok((lifecycle, thread))
}

/// What the thread needs beside its [`Sender`].
#[derive(Debug)]
pub(crate) struct SenderShared {
    pub(crate) accumulator: Arc<RecordAccumulator>,
    pub(crate) metadata: Arc<Metadata>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Tells those who wait for the thread's end, also if a panic ended it.
struct FinishOnDrop<'l>(&'l Lifecycle);

impl Drop for FinishOnDrop<'_> {
    fn drop(&mut self) {
        self.0.finish();
    }
}

fn run<C: KafkaClient>(mut sender: Sender<C>, shared: &SenderShared, lifecycle: &Lifecycle) {
    let _finish = FinishOnDrop(lifecycle);
    shared.accumulator.signal().enter_sender_thread();
    let reason = match catch(|| drive(&mut sender, shared, lifecycle)) {
        Ok(reason) => reason,
        Err(message) => Error::new(ErrorKind::SenderPanicked { message: message.into() }),
    };
    if *reason.kind() == ErrorKind::Closed {
        shared.accumulator.close();
    } else {
        // A logger may be what panicked.
        contain(|| log::error!("the producer ends, every pending record fails: {reason}"));
        let unsent = reason.clone().with_persistence(Persistence::NeverSent);
        shared.accumulator.poison(unsent); // what later records fail with
    }
    shared.metadata.close();
    if contain(|| sender.abort(&reason, shared.clock.now())).is_none() {
        contain(|| log::error!("the sender thread panicked while it failed the pending records"));
    }
    shared.accumulator.fail_orphans(&reason);
}

/// Runs turns until the end; returns the reason that records still there fail with.
fn drive<C: KafkaClient>(
    sender: &mut Sender<C>,
    shared: &SenderShared,
    lifecycle: &Lifecycle,
) -> Error {
    loop {
        let stage = lifecycle.stage.load(Ordering::SeqCst);
        if stage == FORCED || (stage == CLOSING && sender.is_drained()) {
            return Error::new(ErrorKind::Closed);
        }
        // The time that a turn returns is not the one at which the next begins: callbacks have run since.
        sender.run_once(&|| shared.clock.now());
        if let Some(error) = sender.fatal_error() {
            return error.clone();
        }
    }
}
