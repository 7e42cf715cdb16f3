//! librdkafka's producer, with its own thread for callbacks.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use compare::{Options, Start, letters, print_latencies, print_throughput};
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;

const NAME: &str = "librdkafka";

static ACKNOWLEDGED: AtomicU64 = AtomicU64::new(0);
static FAILED: AtomicU64 = AtomicU64::new(0);

#[derive(Debug, Parser)]
struct Flags {
    #[command(flatten)]
    options: Options,
    #[arg(long, default_value = "none")]
    compression: String,
    /// A file that the values are cut from, instead of letters
    #[arg(long)]
    payload: Option<PathBuf>,
}

/// Counts the answers, and passes them on to whoever waits.
struct Answers {
    waiting: Option<SyncSender<()>>,
}

impl ClientContext for Answers {}

impl ProducerContext for Answers {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let counter = if result.is_ok() { &ACKNOWLEDGED } else { &FAILED };
        counter.fetch_add(1, Ordering::Relaxed);
        if let Some(waiting) = &self.waiting {
            let _ = waiting.send(()); // nobody waits any more at the end
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let Flags { options, compression, payload } = Flags::parse();
    let payload = payload.map_or_else(|| Ok(letters(options.size)), fs::read)?;
    let mut values = payload.chunks_exact(options.size).cycle();
    let mut send_next =
        |producer: &_| send(producer, &options.topic, values.next().unwrap_or_default());
    let (answered, answers) = mpsc::sync_channel(1);
    let waiting = options.sync.then_some(answered);
    let producer: ThreadedProducer<Answers> = ClientConfig::new()
        .set("bootstrap.servers", &options.bootstrap)
        .set("acks", &options.acks)
        .set("linger.ms", options.linger.to_string())
        .set("batch.size", options.batch.to_string())
        .set("compression.type", compression)
        .set("enable.idempotence", options.idempotence.to_string())
        .set("queue.buffering.max.messages", "1000000")
        .create_with_context(Answers { waiting })?;
    send_next(&producer)?; // it is connected when this is answered
    producer.flush(Duration::from_secs(120))?;
    if options.sync {
        answers.recv()?;
        let mut latencies = Vec::new();
        for _ in 0..options.records {
            let start = Instant::now();
            send_next(&producer)?;
            answers.recv()?;
            latencies.push(start.elapsed());
        }
        print_latencies(NAME, latencies);
        return Ok(());
    }
    ACKNOWLEDGED.store(0, Ordering::Relaxed);
    let start = Start::now();
    for _ in 0..options.records {
        send_next(&producer)?;
    }
    producer.flush(Duration::from_secs(120))?;
    let (acknowledged, failed) =
        (ACKNOWLEDGED.load(Ordering::Relaxed), FAILED.load(Ordering::Relaxed));
    print_throughput(NAME, options.size, &start, acknowledged, failed);
    Ok(())
}

/// Tries until there is room in its queue, which it does not wait for by itself.
fn send(producer: &ThreadedProducer<Answers>, topic: &str, value: &[u8]) -> Result<(), KafkaError> {
    let mut record = BaseRecord::<(), [u8]>::to(topic).payload(value);
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                record = back;
                thread::sleep(Duration::from_micros(100));
            }
            Err((error, _)) => return Err(error),
        }
    }
}
