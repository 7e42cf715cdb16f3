//! The application: two producers, four threads each, that send all the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use kafka_producer::{ByteArraySerializer, Error, KafkaProducer, ProducerConfig, ProducerRecord};

use crate::history::{History, THREADS_PER_PRODUCER};
use crate::random::Random;
use crate::stamp::Stamp;

pub(crate) const TOPIC: &str = "conserved";

/// Records a second of one thread.
pub(crate) const RATE: usize = 400;

/// Records of one turn of a thread, and how long until the next.
const TURN_RECORDS: usize = 4;
const TURN: Duration = Duration::from_millis(1000 * TURN_RECORDS as u64 / RATE as u64);

/// A kind of application.
#[derive(Debug)]
pub(crate) struct Profile {
    pub(crate) name: &'static str,
    pub(crate) delivery_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) max_block: Duration,
    /// Whether faults may cost it records, which it is then told.
    pub(crate) may_fail: bool,
}

/// One whose time-outs outlast every fault, as the defaults do, and one that gives up early.
pub(crate) const PROFILES: [Profile; 2] = [
    Profile {
        name: "patient",
        delivery_timeout: Duration::from_secs(120),
        request_timeout: Duration::from_secs(30),
        max_block: Duration::from_secs(60),
        may_fail: false,
    },
    Profile {
        name: "impatient",
        delivery_timeout: Duration::from_secs(8),
        request_timeout: Duration::from_secs(3),
        max_block: Duration::from_secs(3),
        may_fail: true,
    },
];

pub(crate) const THREADS: usize = PROFILES.len() * THREADS_PER_PRODUCER;

/// What the sending threads share with whoever causes the faults.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) history: History,
    /// How many partitions to send to.
    pub(crate) partitions: AtomicU32,
    stop: AtomicBool,
}

impl Shared {
    pub(crate) fn new(history: History, partitions: u32) -> Self {
        Self { history, partitions: AtomicU32::new(partitions), stop: AtomicBool::new(false) }
    }
}

#[derive(Debug)]
pub(crate) struct Load {
    shared: Arc<Shared>,
    producers: Vec<KafkaProducer<[u8], [u8]>>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    pub(crate) fn start(bootstrap: &str, shared: &Arc<Shared>, random: &mut Random) -> Self {
        let producers: Vec<_> =
            PROFILES.iter().map(|profile| producer(bootstrap, profile)).collect();
        let spawn = |thread: usize| {
            let sending = Sending {
                producer: producers[thread / THREADS_PER_PRODUCER].clone(),
                shared: Arc::clone(shared),
                thread,
                random: Random::new(random.next()),
                counters: Vec::new(),
            };
            thread::spawn(move || sending.run())
        };
        let threads = (0..THREADS).map(spawn).collect();
        Self { shared: Arc::clone(shared), producers, threads }
    }

    /// Stops sending, waits for every answer, and closes.
    ///
    /// # Errors
    ///
    /// If a record is not answered within its `delivery.timeout.ms`, or something is left to wait for after that.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("a sending thread does not panic");
        }
        for (producer, profile) in self.producers.iter().zip(&PROFILES) {
            producer.flush_timeout(profile.delivery_timeout + Duration::from_secs(5))?;
            producer.close(Duration::from_secs(10))?;
        }
        Ok(())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

fn producer(bootstrap: &str, profile: &Profile) -> KafkaProducer<[u8], [u8]> {
    let config = ProducerConfig::builder()
        .bootstrap_servers(bootstrap)
        .client_id(profile.name)
        .delivery_timeout(profile.delivery_timeout)
        .request_timeout(profile.request_timeout)
        .max_block(profile.max_block)
        .build();
    let config = config.expect("a valid configuration");
    KafkaProducer::new(config, ByteArraySerializer, ByteArraySerializer).expect("a producer")
}

/// One sending thread.
#[derive(Debug)]
struct Sending {
    producer: KafkaProducer<[u8], [u8]>,
    shared: Arc<Shared>,
    thread: usize,
    random: Random,
    /// How many records each partition has got.
    counters: Vec<u32>,
}

impl Sending {
    /// Sends at a steady pace until told to stop; what a fault held up is not made up for.
    fn run(mut self) {
        let mut turn = Instant::now();
        for number in 0..self.shared.history.capacity() {
            if self.shared.stop.load(Ordering::Relaxed) {
                return;
            }
            self.send(number);
            if number % TURN_RECORDS == 0 {
                turn = (turn + TURN).max(Instant::now());
                thread::sleep(turn.saturating_duration_since(Instant::now()));
            }
        }
    }

    fn send(&mut self, number: usize) {
        let stamp = self.stamp(number);
        let length = match self.random.index(200) {
            0 => 8_000,
            _ => 30 + self.random.index(250),
        };
        let value = stamp.value(length);
        let (thread, history) = (self.thread, &self.shared.history);
        history.send(thread, number, stamp.partition);
        let record = ProducerRecord::without_key(TOPIC, value.as_slice());
        let record = record.partition(i32::try_from(stamp.partition).expect("a partition"));
        let told = Arc::clone(&self.shared);
        self.producer
            .send_with_callback(record, move |result| told.history.tell(thread, number, result));
        history.returned(thread, number);
    }

    fn stamp(&mut self, number: usize) -> Stamp {
        let partitions = self.shared.partitions.load(Ordering::Relaxed) as usize;
        self.counters.resize(partitions, 0);
        let partition = self.random.index(partitions);
        let counter = self.counters[partition];
        self.counters[partition] += 1;
        let small = |number: usize| u32::try_from(number).expect("a small number");
        Stamp {
            run: self.shared.history.run(),
            thread: small(self.thread),
            partition: small(partition),
            number: small(number),
            counter,
        }
    }
}
