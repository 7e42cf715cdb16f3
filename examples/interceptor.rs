//! An interceptor: it marks every record with a header, and counts what became of them.

mod common;

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::Parser;
use kafka_producer::{
    Header, Headers, KafkaProducer, ProducerConfig, ProducerInterceptor, ProducerRecord,
    RecordMetadata, StringSerializer,
};

use common::Cluster;

/// Sends orders through an interceptor that gives each a trace id.
#[derive(Debug, Parser)]
struct Options {
    /// The cluster, as host:port[,host:port…]; without it an embedded one
    #[arg(long)]
    bootstrap_server: Option<String>,
    #[arg(long, default_value = "orders")]
    topic: String,
    /// How many orders to send
    #[arg(long, default_value_t = 5)]
    count: u64,
}

/// Numbers the records that pass, in a header of their own.
#[derive(Debug, Default)]
struct Tracing {
    sent: AtomicU64,
    acknowledged: AtomicU64,
    failed: AtomicU64,
}

/// What the producer owns; the counts are shared with `main`.
#[derive(Debug)]
struct TracingInterceptor(Arc<Tracing>);

impl ProducerInterceptor<str, str> for TracingInterceptor {
    fn on_send(&self, record: &mut ProducerRecord<'_, str, str>) {
        let number = self.0.sent.fetch_add(1, Ordering::Relaxed) + 1;
        let trace_id = format!("trace-{number}");
        record.headers_mut().add(Header::new("trace-id", Some(trace_id.into_bytes())));
    }

    fn on_acknowledgement(
        &self,
        result: Result<&RecordMetadata, &kafka_producer::Error>,
        headers: &Headers<'_>,
    ) {
        let trace_id = headers.last_header("trace-id").and_then(Header::value).unwrap_or_default();
        let trace_id = String::from_utf8_lossy(trace_id);
        match result {
            Ok(metadata) => {
                self.0.acknowledged.fetch_add(1, Ordering::Relaxed);
                println!("{trace_id} is at {metadata}");
            }
            Err(error) => {
                self.0.failed.fetch_add(1, Ordering::Relaxed);
                println!("{trace_id} failed: {error}");
            }
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let cluster = Cluster::at(options.bootstrap_server)?;
    let config =
        ProducerConfig::from_properties([("bootstrap.servers", cluster.bootstrap_servers())])?;
    let tracing = Arc::new(Tracing::default());
    let producer = KafkaProducer::builder(config)
        .interceptor(TracingInterceptor(Arc::clone(&tracing)))
        .build(StringSerializer::default(), StringSerializer::default())?;

    for number in 1..=options.count {
        let (customer, order) = (format!("customer-{}", number % 3), format!("order {number}"));
        producer.send(ProducerRecord::new(
            options.topic.as_str(),
            customer.as_str(),
            order.as_str(),
        ));
    }
    producer.close(Duration::from_secs(30))?;
    println!(
        "{} sent, {} acknowledged, {} failed",
        tracing.sent.load(Ordering::Relaxed),
        tracing.acknowledged.load(Ordering::Relaxed),
        tracing.failed.load(Ordering::Relaxed)
    );
    Ok(())
}
