//! A service of plain threads that share one producer, and that stops on Ctrl-C without losing a record.

mod common;

use std::error::Error;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use kafka_producer::{KafkaProducer, ProducerConfig, ProducerRecord, StringSerializer};

use common::Cluster;

/// Several threads report through one producer until Ctrl-C.
#[derive(Debug, Parser)]
struct Options {
    /// The cluster, as host:port[,host:port…]; without it an embedded one
    #[arg(long)]
    bootstrap_server: Option<String>,
    #[arg(long, default_value = "measurements")]
    topic: String,
    #[arg(long, default_value_t = 4)]
    threads: usize,
    /// How long to run [default: until Ctrl-C]
    #[arg(long)]
    seconds: Option<u64>,
}

static STOPPING: AtomicBool = AtomicBool::new(false);
static ACKNOWLEDGED: AtomicU64 = AtomicU64::new(0);

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let options = Options::parse();
    let cluster = Cluster::at(options.bootstrap_server)?;
    ctrlc::set_handler(|| STOPPING.store(true, Ordering::Relaxed))?;
    let config =
        ProducerConfig::from_properties([("bootstrap.servers", cluster.bootstrap_servers())])?;
    let producer =
        KafkaProducer::new(config, StringSerializer::default(), StringSerializer::default())?;

    println!("{} threads are sending to {}; stop them with Ctrl-C", options.threads, options.topic);
    let end = options
        .seconds
        .and_then(|seconds| Instant::now().checked_add(Duration::from_secs(seconds)));
    let sent: u64 = thread::scope(|scope| {
        let start = |number| {
            scope.spawn({
                let (producer, topic) = (&producer, options.topic.as_str());
                move || work(producer, topic, number, end)
            })
        };
        let threads: Vec<_> = (0..options.threads).map(start).collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread that does not panic")).sum()
    });

    // The threads are done; what they have sent is not yet.
    producer.close(Duration::from_secs(30))?;
    let acknowledged = ACKNOWLEDGED.load(Ordering::Relaxed);
    println!("{sent} records sent, {acknowledged} acknowledged");
    Ok(if acknowledged == sent { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One thread's work: a record every few milliseconds. Answers how many it has sent.
fn work(
    producer: &KafkaProducer<str, str>,
    topic: &str,
    thread: usize,
    end: Option<Instant>,
) -> u64 {
    let key = format!("thread-{thread}");
    let mut sent = 0;
    while !STOPPING.load(Ordering::Relaxed) && end.is_none_or(|end| Instant::now() < end) {
        let value = format!("measurement {sent}");
        let record = ProducerRecord::new(topic, key.as_str(), value.as_str());
        producer.send_with_callback(record, |result| match result {
            Ok(_) => {
                ACKNOWLEDGED.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => eprintln!("{error}"),
        });
        sent += 1;
        thread::sleep(Duration::from_millis(5));
    }
    sent
}
