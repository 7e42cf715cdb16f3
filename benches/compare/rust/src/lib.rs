//! What the programs of the comparison have in common: their flags and the line they print.

use std::time::{Duration, Instant};

use clap::{ArgAction, Parser};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// Sends records without keys and prints one line about it.
#[derive(Debug, Parser)]
pub struct Options {
    #[arg(long)]
    pub bootstrap: String,
    #[arg(long, default_value = "perf")]
    pub topic: String,
    #[arg(long, default_value_t = 1_000_000)]
    pub records: u64,
    /// The size of each value in bytes
    #[arg(long, default_value_t = 100)]
    pub size: usize,
    #[arg(long, default_value = "all")]
    pub acks: String,
    /// In milliseconds
    #[arg(long, default_value_t = 5)]
    pub linger: u64,
    /// The size of a batch in bytes
    #[arg(long, default_value_t = 16_384)]
    pub batch: usize,
    #[arg(long, default_value_t = true, action = ArgAction::Set)]
    pub idempotence: bool,
    /// Waits for each record before the next, and reports latencies
    #[arg(long)]
    pub sync: bool,
}

/// Where a measurement begins: once the producer is connected, for that is no part of a record's cost.
pub struct Start {
    at: Instant,
    user: f64,
    system: f64,
}

impl Start {
    pub fn now() -> Self {
        let (user, system, _) = usage();
        Self { at: Instant::now(), user, system }
    }
}

/// Prints what came of sending without waiting.
pub fn print_throughput(name: &str, size: usize, start: &Start, acked: u64, failed: u64) {
    let (elapsed, (user, system, memory)) = (start.at.elapsed(), usage());
    let (user, system) = (user - start.user, system - start.system);
    let (seconds, count) = (elapsed.as_secs_f64(), acked.max(1) as f64);
    println!(
        "{name}: {acked} acked {failed} failed in {seconds:.2} s = {:.0} rec/s {:.1} MB/s | cpu {user:.2}+{system:.2} s \
         = {:.3} s/M rec | rss {memory} MB",
        acked as f64 / seconds,
        acked as f64 * size as f64 / seconds / 1e6,
        (user + system) / count * 1e6,
    );
}

/// Prints what came of sending one at a time.
pub fn print_latencies(name: &str, mut latencies: Vec<Duration>) {
    latencies.sort_unstable();
    let quantile = |share: f64| {
        let at = (latencies.len().saturating_sub(1) as f64 * share) as usize;
        latencies.get(at).map_or(0.0, |latency| latency.as_secs_f64() * 1e6)
    };
    let (user, system, _) = usage();
    println!(
        "{name}: sync {} sends p50 {:.0} us p95 {:.0} us p99 {:.0} us p99.9 {:.0} us | cpu {user:.2}+{system:.2} s",
        latencies.len(),
        quantile(0.5),
        quantile(0.95),
        quantile(0.99),
        quantile(0.999),
    );
}

/// Random letters, alike in every run.
pub fn letters(count: usize) -> Vec<u8> {
    let mut state: u64 = 42;
    let letter = |_| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        b'A' + ((state >> 33) % 26) as u8
    };
    (0..count).map(letter).collect()
}

/// Seconds in user mode and in the kernel, and the most megabytes ever held.
fn usage() -> (f64, f64, i64) {
    let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    let kib = if cfg!(target_os = "macos") { 1024 } else { 1 };
    getrusage(UsageWho::RUSAGE_SELF).map_or((0.0, 0.0, 0), |usage| {
        (seconds(usage.user_time()), seconds(usage.system_time()), usage.max_rss() / kib / 1024)
    })
}
