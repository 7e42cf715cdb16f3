//! What a producer costs while no broker can be reached: little time, few warnings, no storm of connections.
//!
//! `OUTAGE_SECONDS` says how long; 600 is what `.ci/run long` takes.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kafka_producer::mock_cluster::MockCluster;
use kafka_producer::{KafkaProducer, ProducerConfig, ProducerRecord, StringSerializer};
use nix::sys::resource::{UsageWho, getrusage};

use crate::setup::{LONG, TOPIC, answer, brokers, run_alone};

/// How long there is no broker, if nobody says otherwise.
const USUAL_SECONDS: u64 = 10;
/// From here on the cost of the beginning does not count for much.
const LONG_SECONDS: u64 = 60;
const BROKERS: u8 = 3;
const MAX_WARNINGS: usize = 20;
/// Between attempts to reach a broker, once `reconnect.backoff.max.ms` is reached and luck makes it short.
const MIN_BACKOFF: Duration = Duration::from_millis(800);
/// How many attempts go to one broker before that.
const FIRST_ATTEMPTS: usize = 20;

// INV-23, INV-24
#[test]
fn brokers_that_refuse_connections_cost_next_to_nothing() {
    run_alone("outage::brokers_that_refuse_connections_cost_next_to_nothing", || {
        let cluster = brokers(BROKERS.into());
        let producer = connected(&cluster);
        stop(&cluster);

        let cost = Cost::of(|| send_each_second(&producer));

        cost.check();
        assert!(cost.attempts > 0, "nothing was tried");
        recover(&cluster, &producer);
    });
}

// INV-23, INV-24
#[test]
fn peers_that_close_each_connection_cost_next_to_nothing() {
    run_alone("outage::peers_that_close_each_connection_cost_next_to_nothing", || {
        let cluster = brokers(BROKERS.into());
        let addresses = cluster.bootstrap_servers();
        let producer = connected(&cluster);
        stop(&cluster);
        let accepted: Vec<_> = addresses.split(',').map(accept_and_close).collect();

        let cost = Cost::of(|| send_each_second(&producer));

        cost.check();
        for accepted in accepted {
            let accepted = accepted.load(Ordering::SeqCst);
            println!("accepted and closed: {accepted}");
            assert!(accepted > 0, "nothing was tried");
            assert!(accepted <= most_attempts(cost.elapsed), "{accepted} to one broker");
        }
        producer.close(Duration::ZERO).expect_err("nothing could be delivered");
    });
}

/// A producer with the default backoffs that knows [`TOPIC`] and has been answered.
fn connected(cluster: &MockCluster) -> KafkaProducer<str, str> {
    cluster.add_partitions(TOPIC, BROKERS.into());
    let config = ProducerConfig::builder().bootstrap_servers(cluster.bootstrap_servers());
    let config = config.max_block(Duration::from_secs(1)).build().expect("valid settings");
    let text = StringSerializer::default;
    let producer = KafkaProducer::builder(config).build(text(), text()).expect("a producer");
    for partition in 0..BROKERS.into() {
        let record = ProducerRecord::without_key(TOPIC, "x").partition(partition);
        answer(&producer.send(record)).expect("acknowledged");
    }
    producer
}

fn stop(cluster: &MockCluster) {
    cluster.nodes().into_iter().for_each(|node| cluster.stop_node(node));
}

/// All is well again once the brokers are back.
fn recover(cluster: &MockCluster, producer: &KafkaProducer<str, str>) {
    for node in cluster.nodes() {
        cluster.start_node(node).expect("its port is free");
    }
    let start = Instant::now();
    while answer(&producer.send(ProducerRecord::without_key(TOPIC, "x"))).is_err() {
        assert!(start.elapsed() < LONG, "it does not recover");
    }
    println!("recovered after {:?}", start.elapsed());
}

/// Counts the connections to `address`, which live no longer than it takes to count them.
fn accept_and_close(address: &str) -> Arc<AtomicUsize> {
    let listener = TcpListener::bind(address).expect("the port is free");
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&accepted);
    thread::spawn(move || {
        // Ends with the process.
        for connection in listener.incoming() {
            drop(connection);
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    accepted
}

fn send_each_second(producer: &KafkaProducer<str, str>) {
    let start = Instant::now();
    for (second, partition) in (1..=seconds()).zip((0..BROKERS.into()).cycle()) {
        producer.send(ProducerRecord::without_key(TOPIC, "x").partition(partition));
        let next = start + Duration::from_secs(second);
        while let Some(left) = next.checked_duration_since(Instant::now()) {
            thread::park_timeout(left);
        }
    }
}

fn seconds() -> u64 {
    let asked = std::env::var("OUTAGE_SECONDS").ok();
    asked.map_or(USUAL_SECONDS, |asked| asked.parse().expect("a number of seconds"))
}

fn most_attempts(elapsed: Duration) -> usize {
    FIRST_ATTEMPTS + usize::try_from(elapsed.as_millis() / MIN_BACKOFF.as_millis()).expect("few")
}

/// What a stretch of time took of this process.
#[derive(Debug)]
struct Cost {
    elapsed: Duration,
    cpu: Duration,
    warnings: usize,
    attempts: usize,
}

impl Cost {
    fn of(work: impl FnOnce()) -> Self {
        log::set_logger(&LOG).expect("the only one");
        log::set_max_level(log::LevelFilter::Debug);
        let (start, cpu) = (Instant::now(), cpu_time());
        work();
        Self {
            elapsed: start.elapsed(),
            cpu: cpu_time() - cpu,
            warnings: LOG.warnings.load(Ordering::SeqCst),
            attempts: LOG.attempts.load(Ordering::SeqCst),
        }
    }

    fn check(&self) {
        let share = self.cpu.as_secs_f64() / self.elapsed.as_secs_f64();
        println!("{self:?}: {:.3} % of a core", share * 100.0);
        let most = if seconds() < LONG_SECONDS { 0.05 } else { 0.005 };
        assert!(share < most, "{self:?}: {:.2} % of a core", share * 100.0);
        assert!(self.warnings <= MAX_WARNINGS, "{self:?}");
        assert!(self.attempts <= usize::from(BROKERS) * most_attempts(self.elapsed), "{self:?}");
    }
}

fn cpu_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("Linux");
    let times = [usage.user_time(), usage.system_time()];
    let micros = times.map(|time| time.tv_sec() * 1_000_000 + time.tv_usec());
    Duration::from_micros(micros.iter().sum::<i64>().unsigned_abs())
}

/// Counts warnings and what is worse, and attempts to connect.
#[derive(Debug)]
struct CountingLog {
    warnings: AtomicUsize,
    attempts: AtomicUsize,
}

static LOG: CountingLog =
    CountingLog { warnings: AtomicUsize::new(0), attempts: AtomicUsize::new(0) };

impl log::Log for CountingLog {
    fn enabled(&self, _metadata: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let text = record.args().to_string();
        if record.level() <= log::Level::Warn {
            println!("{}: {text}", record.level());
            self.warnings.fetch_add(1, Ordering::SeqCst);
        }
        if text.starts_with("connecting to ") {
            self.attempts.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn flush(&self) {}
}
