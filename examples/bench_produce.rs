//! Measures the producer: how many records a second, at what cost; or how long one awaited send takes.
//!
//! ```sh
//! cargo run --release --example bench_produce -- --records 5000000
//! cargo run --release --example bench_produce -- --sync --records 5000 --linger 0
//! ```

mod common;

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::{ArgAction, Parser};
use kafka_producer::{ByteArraySerializer, KafkaProducer, ProducerConfig, ProducerRecord};

use common::Cluster;

/// Sends records and prints one line about it.
#[derive(Debug, Parser)]
struct Options {
    /// The cluster, as host:port[,host:port…]; without it an embedded one
    #[arg(long, alias = "bootstrap-server")]
    bootstrap: Option<String>,
    #[arg(long, default_value = "perf")]
    topic: String,
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    records: u64,
    /// The size of each value in bytes
    #[arg(long, default_value_t = 100)]
    size: usize,
    /// The values: pieces of this file, one after the other, then again from its beginning; else the same letters always
    #[arg(long)]
    payload: Option<PathBuf>,
    #[arg(long, default_value = "all")]
    acks: String,
    /// In milliseconds
    #[arg(long, default_value_t = 5)]
    linger: u64,
    /// The size of a batch in bytes
    #[arg(long, default_value_t = 16_384)]
    batch: usize,
    #[arg(long, default_value = "none")]
    compression: String,
    /// Any other property of the producer, as NAME=VALUE
    #[arg(long)]
    property: Vec<String>,
    /// Whether duplicates are prevented [default: true where acks allow it]
    #[arg(long, action = ArgAction::Set)]
    idempotence: Option<bool>,
    /// How many threads share the producer; no more than there are records
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    threads: u64,
    /// Sends without a callback and drops the future, so that nobody learns which records failed
    #[arg(long)]
    no_callback: bool,
    /// Gives the records keys, so many different ones, instead of none
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    keys: Option<u64>,
    /// First sends 500,000 records with as many different keys to this topic, which are not measured
    #[arg(long)]
    burst: Option<String>,
    /// Waits for each record before the next, and reports latencies
    #[arg(long, conflicts_with_all = ["threads", "no_callback", "keys", "burst", "payload"])]
    sync: bool,
}

// Counted by callbacks that capture nothing, one for every record.
static ACKNOWLEDGED: AtomicU64 = AtomicU64::new(0);
static FAILED: AtomicU64 = AtomicU64::new(0);
static FIRST_FAILURE: OnceLock<String> = OnceLock::new();

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let cluster = Cluster::at(options.bootstrap.clone())?;
    let producer =
        KafkaProducer::new(config(&options, &cluster)?, ByteArraySerializer, ByteArraySerializer)?;
    let payload = payload(&options)?;
    let value = &payload[..options.size];

    // Connected when this is answered: what follows is measured.
    producer.send(ProducerRecord::without_key(options.topic.as_str(), value)).get()?;

    if options.sync {
        print_latencies(one_at_a_time(&producer, &options, value)?);
        return Ok(());
    }
    if let Some(topic) = &options.burst {
        burst(&producer, topic, value)?;
    }
    let (usage, start) = (Usage::of_this_process(), Instant::now());
    let paces = thread::scope(|scope| {
        let (producer, options, payload) = (&producer, &options, &payload);
        let send = |thread| scope.spawn(move || send_share(producer, options, payload, thread));
        let threads: Vec<_> = (0..options.threads.min(options.records)).map(send).collect();
        let paces = threads.into_iter().map(|thread| thread.join().unwrap_or(0.0));
        paces.collect::<Vec<_>>()
    });
    producer.close(Duration::from_secs(120))?;
    print_throughput(&options, start.elapsed(), Usage::of_this_process().since(&usage), &paces);
    FIRST_FAILURE.get().map_or(Ok(()), |failure| Err(failure.as_str().into()))
}

fn config(options: &Options, cluster: &Cluster) -> Result<ProducerConfig, kafka_producer::Error> {
    let mut properties = vec![
        ("bootstrap.servers", cluster.bootstrap_servers().to_owned()),
        ("acks", options.acks.clone()),
        ("linger.ms", options.linger.to_string()),
        ("batch.size", options.batch.to_string()),
        ("compression.type", options.compression.clone()),
    ];
    if let Some(idempotence) = options.idempotence {
        properties.push(("enable.idempotence", idempotence.to_string()));
    }
    for property in &options.property {
        let (name, value) = property.split_once('=').unwrap_or((property, ""));
        properties.push((name, value.to_owned()));
    }
    ProducerConfig::from_properties(properties)
}

/// Uses every partition of `topic` once, or often.
fn burst(
    producer: &KafkaProducer<[u8], [u8]>,
    topic: &str,
    value: &[u8],
) -> Result<(), kafka_producer::Error> {
    let send = |number: u64| {
        producer.send(ProducerRecord::new(topic, Some(&number.to_be_bytes()[..]), value))
    };
    send(0).get()?; // or the topic cannot be sent to
    (1..500_000).for_each(|number| drop(send(number)));
    producer.flush()
}

/// Sends one thread's share of the records; the first threads take what does not divide evenly. Returns how many it got
/// rid of in a second.
fn send_share(
    producer: &KafkaProducer<[u8], [u8]>,
    options: &Options,
    payload: &[u8],
    thread: u64,
) -> f64 {
    let start = Instant::now();
    let share =
        options.records / options.threads + u64::from(thread < options.records % options.threads);
    let values = payload.chunks_exact(options.size).cycle();
    for (number, value) in (0..share).zip(values) {
        let key = options.keys.map(|keys| (number % keys).to_be_bytes());
        let key = key.as_ref().map(|key| &key[..]);
        let record = ProducerRecord::new(options.topic.as_str(), key, value);
        if options.no_callback {
            producer.send(record);
            continue;
        }
        producer.send_with_callback(record, |result| {
            let counter = if result.is_ok() { &ACKNOWLEDGED } else { &FAILED };
            counter.fetch_add(1, Ordering::Relaxed);
            if let Err(error) = result {
                FIRST_FAILURE.get_or_init(|| error.to_string());
            }
        });
    }
    share as f64 / start.elapsed().as_secs_f64()
}

fn one_at_a_time(
    producer: &KafkaProducer<[u8], [u8]>,
    options: &Options,
    value: &[u8],
) -> Result<Vec<Duration>, kafka_producer::Error> {
    let sends = (0..options.records).map(|_| {
        let start = Instant::now();
        producer.send(ProducerRecord::without_key(options.topic.as_str(), value)).get()?;
        Ok(start.elapsed())
    });
    sends.collect()
}

fn print_throughput(options: &Options, elapsed: Duration, usage: Usage, paces: &[f64]) {
    let (acknowledged, failed) =
        (ACKNOWLEDGED.load(Ordering::Relaxed), FAILED.load(Ordering::Relaxed));
    let (count, outcome) = match (options.no_callback, options.acks.as_str()) {
        (true, _) => {
            (options.records, format!("{} sent, not known how many acked", options.records))
        }
        (false, "0") => (acknowledged, format!("{acknowledged} sent, not acked, {failed} failed")),
        (false, _) => (acknowledged, format!("{acknowledged} acked {failed} failed")),
    };
    let seconds = elapsed.as_secs_f64();
    let rate = count as f64 / seconds;
    let (slowest, fastest) = paces
        .iter()
        .fold((f64::MAX, 0.0_f64), |(low, high), pace| (low.min(*pace), high.max(*pace)));
    let fairness = match paces.len() {
        0 | 1 => String::new(),
        _ => format!(" | slowest thread {:.2} of the fastest", slowest / fastest),
    };
    // The line of other clients' benchmarks, so that they can be compared.
    println!(
        "ours: {outcome} in {seconds:.2} s = {rate:.0} rec/s {:.1} MB/s \
         | cpu {:.2}+{:.2} s = {:.3} s/M rec | rss {} MB{fairness}",
        rate * options.size as f64 / 1e6,
        usage.user_seconds,
        usage.system_seconds,
        (usage.user_seconds + usage.system_seconds) / count.max(1) as f64 * 1e6,
        usage.peak_memory_bytes / (1 << 20),
    );
}

fn print_latencies(mut latencies: Vec<Duration>) {
    latencies.sort_unstable();
    let quantile = |share: f64| {
        let last = latencies.len().saturating_sub(1);
        let at = (last as f64 * share) as usize;
        latencies.get(at).map_or(0.0, |latency| latency.as_secs_f64() * 1e6)
    };
    let usage = Usage::of_this_process();
    println!(
        "ours: sync {} sends p50 {:.0} us p95 {:.0} us p99 {:.0} us p99.9 {:.0} us | cpu {:.2}+{:.2} s",
        latencies.len(),
        quantile(0.5),
        quantile(0.95),
        quantile(0.99),
        quantile(0.999),
        usage.user_seconds,
        usage.system_seconds,
    );
}

/// What values are cut from: one of letters, or many from a file.
fn payload(options: &Options) -> Result<Vec<u8>, Box<dyn Error>> {
    let payload = match &options.payload {
        Some(file) => {
            fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?
        }
        None => letters(options.size),
    };
    if options.size == 0 || payload.len() < options.size {
        return Err("a value has at least one byte, and the payload at least one value".into());
    }
    Ok(payload)
}

/// Random letters, alike in every run.
fn letters(count: usize) -> Vec<u8> {
    let mut state: u64 = 42;
    let letter = |_| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        b'A' + ((state >> 33) % 26) as u8
    };
    (0..count).map(letter).collect()
}

/// What the operating system has charged this process so far.
#[derive(Debug, Default)]
struct Usage {
    user_seconds: f64,
    system_seconds: f64,
    peak_memory_bytes: i64,
}

impl Usage {
    /// What was charged after `before`; the memory stays the most of all time.
    fn since(self, before: &Self) -> Self {
        Self {
            user_seconds: self.user_seconds - before.user_seconds,
            system_seconds: self.system_seconds - before.system_seconds,
            ..self
        }
    }

    #[cfg(unix)]
    fn of_this_process() -> Self {
        use nix::sys::resource::{UsageWho, getrusage};
        use nix::sys::time::TimeVal;

        let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
        let unit = if cfg!(target_os = "macos") { 1 } else { 1 << 10 };
        getrusage(UsageWho::RUSAGE_SELF).map_or_else(
            |_| Self::default(),
            |usage| Self {
                user_seconds: seconds(usage.user_time()),
                system_seconds: seconds(usage.system_time()),
                peak_memory_bytes: usage.max_rss() * unit,
            },
        )
    }

    /// Not measured here: zeros.
    #[cfg(not(unix))]
    fn of_this_process() -> Self {
        Self::default()
    }
}
