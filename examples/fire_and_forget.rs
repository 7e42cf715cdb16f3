//! Hands records over and returns from `main` at once: no waiting, no flush, no close.
//!
//! Dropping the producer sends what it has accepted, so nothing is lost.

mod common;

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Parser;
use kafka_producer::{
    ByteArraySerializer, KafkaProducer, ProducerConfig, ProducerRecord, StringSerializer,
};

use common::Cluster;

/// Sends events without waiting for any of them.
#[derive(Debug, Parser)]
struct Options {
    /// The cluster, as host:port[,host:port…]; without it an embedded one
    #[arg(long)]
    bootstrap_server: Option<String>,
    #[arg(long, default_value = "events")]
    topic: String,
    /// How many events to send
    #[arg(long, default_value_t = 10_000)]
    count: u64,
}

/// What became of the events. Each callback holds it, so that it goes, and tells, with the last of them.
#[derive(Debug, Default)]
struct Tally {
    acknowledged: AtomicU64,
    failed: AtomicU64,
}

impl Drop for Tally {
    fn drop(&mut self) {
        let (acknowledged, failed) = (self.acknowledged.get_mut(), self.failed.get_mut());
        println!("{acknowledged} events acknowledged, {failed} failed");
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let cluster = Cluster::at(options.bootstrap_server)?;
    let config =
        ProducerConfig::from_properties([("bootstrap.servers", cluster.bootstrap_servers())])?;
    let producer: KafkaProducer<[u8], str> =
        KafkaProducer::new(config, ByteArraySerializer, StringSerializer::default())?;

    let tally = Arc::new(Tally::default());
    for number in 0..options.count {
        let event = format!("event {number}");
        let tally = Arc::clone(&tally);
        let record = ProducerRecord::without_key(options.topic.as_str(), event.as_str());
        producer.send_with_callback(record, move |result| match result {
            Ok(_) => {
                tally.acknowledged.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                tally.failed.fetch_add(1, Ordering::Relaxed);
                eprintln!("{error}");
            }
        });
    }
    println!("{} events handed over; main returns", options.count);
    Ok(())
}
