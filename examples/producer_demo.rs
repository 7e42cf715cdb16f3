//! The classic demo: numbered messages, sent one by one or all at once.
//!
//! ```sh
//! cargo run --example producer_demo
//! cargo run --example producer_demo -- --mode async --count 1000 --bootstrap-server localhost:9092
//! ```

mod common;

use std::error::Error;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum, value_parser};
use kafka_producer::{
    IntegerSerializer, KafkaProducer, ProducerConfig, ProducerRecord, RecordMetadata,
    StringSerializer,
};

use common::Cluster;

/// Sends Message_1, Message_2, … with the keys 1, 2, …
#[derive(Debug, Parser)]
struct Options {
    /// The cluster, as host:port[,host:port…]; without it an embedded one
    #[arg(long)]
    bootstrap_server: Option<String>,
    /// Whether to wait for each message before the next
    #[arg(long, value_enum, default_value_t = Mode::Sync)]
    mode: Mode,
    #[arg(long, default_value = "test")]
    topic: String,
    /// How many messages to send
    #[arg(long, default_value_t = 10, value_parser = value_parser!(i32).range(0..))]
    count: i32,
    /// The pause between two messages [default: 500 with --mode sync, none with --mode async]
    #[arg(long)]
    interval_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// `send(..).get()`: one message at a time
    Sync,
    /// `send_with_callback(..)`: the callback tells what became of the message
    Async,
}

/// Whether any message failed: the exit code of the demo.
static FAILED: AtomicBool = AtomicBool::new(false);

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let options = Options::parse();
    let cluster = Cluster::at(options.bootstrap_server.clone())?;
    let config = ProducerConfig::from_properties([
        ("bootstrap.servers", cluster.bootstrap_servers()),
        ("client.id", "DemoProducer"),
    ])?;
    let producer = KafkaProducer::new(config, IntegerSerializer, StringSerializer::default())?;

    for key in 1..=options.count {
        if key > 1 {
            thread::sleep(options.interval());
        }
        send(&producer, &options, key);
    }
    producer.close(Duration::from_secs(30))?;
    Ok(if FAILED.load(Ordering::Relaxed) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn send(producer: &KafkaProducer<i32, str>, options: &Options, key: i32) {
    let value = format!("Message_{key}");
    let record = ProducerRecord::new(options.topic.as_str(), &key, value.as_str());
    println!("send message : ({key} , {value})");
    let start = Instant::now();
    match options.mode {
        Mode::Sync => report(key, &value, producer.send(record).get().as_ref(), start),
        Mode::Async => {
            let value = value.clone();
            producer.send_with_callback(record, move |result| report(key, &value, result, start));
        }
    }
}

fn report(
    key: i32,
    value: &str,
    result: Result<&RecordMetadata, &kafka_producer::Error>,
    start: Instant,
) {
    match result {
        Ok(metadata) => println!(
            "message({key}, {value}) sent to partition({}), offset({}) in {} ms",
            metadata.partition(),
            metadata.offset(),
            start.elapsed().as_millis()
        ),
        Err(error) => {
            FAILED.store(true, Ordering::Relaxed);
            eprintln!("message({key}, {value}) failed: {error}");
        }
    }
}

impl Options {
    fn interval(&self) -> Duration {
        let default = if self.mode == Mode::Sync { 500 } else { 0 };
        Duration::from_millis(self.interval_ms.unwrap_or(default))
    }
}
