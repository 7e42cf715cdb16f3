//! A producer with nothing to do: it sleeps, and nothing wakes it.
//!
//! `IDLE_SECONDS` says how long; 60 is what `.ci/run long` takes.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use crate::setup::{answer, cluster, producer, record, run_alone};

/// How long nothing may happen, in seconds, where `IDLE_SECONDS` does not say.
const USUAL_SECONDS: u64 = 5;
/// The sender is asleep if it was not switched to for so long.
const SETTLED: Duration = Duration::from_millis(200);
/// The thread's name, as far as Linux keeps it.
const NETWORK_THREAD: &str = "kafka-producer-";

#[test]
fn an_idle_sender_is_never_woken() {
    run_alone("idle::an_idle_sender_is_never_woken", || {
        let cluster = cluster();
        let producer = producer(&cluster, &[("linger.ms", "5")]);
        for _ in 0..100 {
            producer.send(record("busy for a moment"));
        }
        answer(&producer.send(record("and waited for"))).expect("acknowledged");
        producer.flush().expect("acknowledged");
        let sender = sender_thread();
        let mut before = switches(&sender);
        loop {
            let now = sleep_and_count(&sender, SETTLED);
            if now == before {
                break;
            }
            before = now;
        }

        let quiet = quiet();
        let after = sleep_and_count(&sender, quiet);

        assert_eq!(after, before, "the sender was woken within {quiet:?}");
    });
}

/// How long nothing may happen.
fn quiet() -> Duration {
    let asked = env::var("IDLE_SECONDS").ok();
    let seconds = asked.map(|seconds| seconds.parse().expect("IDLE_SECONDS: a whole number"));
    Duration::from_secs(seconds.unwrap_or(USUAL_SECONDS))
}

/// Where Linux tells of the sender thread.
fn sender_thread() -> PathBuf {
    let threads = fs::read_dir("/proc/self/task").expect("Linux");
    let mut folders = threads.map(|thread| thread.expect("a thread").path());
    let is_sender = |folder: &PathBuf| {
        let name = fs::read_to_string(folder.join("comm")).expect("a name");
        name.trim_end() == NETWORK_THREAD
    };
    folders.find(is_sender).expect("the sender thread")
}

fn sleep_and_count(thread: &Path, time: Duration) -> u64 {
    let (_open, never) = mpsc::channel::<()>();
    never.recv_timeout(time).expect_err("nobody sends");
    switches(thread)
}

/// How often the thread stopped running so far: every wake-up is followed by that.
fn switches(thread: &Path) -> u64 {
    let status = fs::read_to_string(thread.join("status")).expect("Linux");
    let counts = status.lines().filter_map(|line| {
        let (name, count) = line.split_once(':')?;
        name.ends_with("voluntary_ctxt_switches")
            .then(|| count.trim().parse::<u64>().expect("a number"))
    });
    counts.sum()
}
