//! Clusters, producers and records as the tests want them.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use kafka_producer::mock_cluster::{Api, MockCluster, RecordedBatch, RecordedRequest};
use kafka_producer::{
    Error, ErrorKind, FutureRecordMetadata, KafkaProducer, KafkaProducerBuilder, ProducerConfig,
    ProducerRecord, RecordMetadata, StringSerializer,
};

/// Longer than anything takes that works, so that a test fails instead of hanging.
pub(crate) const LONG: Duration = Duration::from_secs(30);
/// What most tests send to.
pub(crate) const TOPIC: &str = "orders";
/// Retries and reconnects that a test does not have to wait for.
const QUICK: [(&str, &str); 4] = [
    ("retry.backoff.ms", "1"),
    ("retry.backoff.max.ms", "10"),
    ("reconnect.backoff.ms", "1"),
    ("reconnect.backoff.max.ms", "10"),
];

/// A cluster in which [`TOPIC`] has one partition, and others come into being when they are named.
pub(crate) fn cluster() -> MockCluster {
    brokers(1)
}

/// As [`cluster`], with this many brokers.
pub(crate) fn brokers(count: usize) -> MockCluster {
    let cluster = MockCluster::start(count).expect("a cluster");
    cluster.create_topic(TOPIC, 1);
    cluster
}

/// A producer of text, with the defaults but for short backoffs and `properties`.
pub(crate) fn producer(
    cluster: &MockCluster,
    properties: &[(&str, &str)],
) -> KafkaProducer<str, str> {
    build(builder(&cluster.bootstrap_servers(), properties))
}

/// As [`producer`], not yet built.
pub(crate) fn builder(
    bootstrap_servers: &str,
    properties: &[(&str, &str)],
) -> KafkaProducerBuilder<str, str> {
    let config = ProducerConfig::builder()
        .bootstrap_servers(bootstrap_servers)
        .properties(QUICK)
        .properties(properties.iter().copied());
    KafkaProducer::builder(config.build().expect("valid settings"))
}

pub(crate) fn build(builder: KafkaProducerBuilder<str, str>) -> KafkaProducer<str, str> {
    builder.build(StringSerializer::default(), StringSerializer::default()).expect("a producer")
}

/// A record for [`TOPIC`] without a key.
pub(crate) fn record(value: &str) -> ProducerRecord<'_, str, str> {
    ProducerRecord::without_key(TOPIC, value)
}

/// A value as large as a whole default batch: it is sent without company.
pub(crate) fn whole_batch() -> String {
    "x".repeat(16 * 1024)
}

/// The answer to a record, which has to come.
pub(crate) fn answer(future: &FutureRecordMetadata) -> Result<RecordMetadata, Error> {
    let answer = future.get_timeout(LONG);
    assert!(future.is_done(), "no answer: {answer:?}");
    answer
}

/// The error that a record has to end with.
pub(crate) fn failure(future: &FutureRecordMetadata) -> Error {
    answer(future).expect_err("refused")
}

/// The offset that a record has to get.
pub(crate) fn offset(future: &FutureRecordMetadata) -> i64 {
    answer(future).expect("acknowledged").offset()
}

/// Gives every record an answer that arrives in the receiver, too.
pub(crate) fn send_telling(
    producer: &KafkaProducer<str, str>,
    record: ProducerRecord<'_, str, str>,
) -> Receiver<Result<RecordMetadata, Error>> {
    let (tell, told) = mpsc::channel();
    producer.send_with_callback(record, move |result| {
        let _ = tell.send(result.cloned().map_err(Clone::clone));
    });
    told
}

/// What is in the log of a partition of [`TOPIC`].
pub(crate) fn log(cluster: &MockCluster, partition: i32) -> Vec<String> {
    let records = cluster.records(TOPIC, partition);
    let values = records.into_iter().map(|record| record.value.expect("a value"));
    values.map(|value| String::from_utf8(value).expect("text")).collect()
}

/// The numbers from 0 as text, as the tests on order send them.
pub(crate) fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

/// As [`numbers`], but no two fit into a batch where `batch.size` is 1.
pub(crate) fn long_numbers(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{number:032}")).collect()
}

/// The batches of all produce requests so far, also of those that failed.
pub(crate) fn produced(cluster: &MockCluster) -> Vec<RecordedBatch> {
    batches_of(&cluster.requests())
}

/// Waits until this many batches have been asked to be appended, whatever the answers.
pub(crate) fn await_batches(cluster: &MockCluster, count: usize) {
    let seen = cluster.wait_for_requests(LONG, |requests| batches_of(requests).len() >= count);
    assert!(seen, "only {:?}", produced(cluster));
}

fn batches_of(requests: &[RecordedRequest]) -> Vec<RecordedBatch> {
    let produce = requests.iter().filter(|request| request.api == Api::Produce);
    produce.flat_map(|request| request.batches.clone()).collect()
}

/// What callbacks and threads report to a test, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal(Arc<std::sync::Mutex<Vec<String>>>);

impl Journal {
    pub(crate) fn note(&self, entry: impl Into<String>) {
        self.0.lock().expect("no panic").push(entry.into());
    }

    pub(crate) fn entries(&self) -> Vec<String> {
        self.0.lock().expect("no panic").clone()
    }
}

pub(crate) fn is_closed(error: &Error) -> bool {
    *error.kind() == ErrorKind::Closed
}

/// Runs `check`, which is the whole of the test named `test`, in a process in which nothing else goes on: this binary
/// again, told to run that test alone.
#[cfg(target_os = "linux")]
pub(crate) fn run_alone(test: &str, check: impl FnOnce()) {
    const ALONE: &str = "TEST_THAT_RUNS_ALONE";
    if std::env::var(ALONE).is_ok_and(|alone| alone == test) {
        return check();
    }
    let this = std::env::current_exe().expect("a path");
    let arguments = ["--exact", test, "--nocapture"];
    let output = std::process::Command::new(this).args(arguments).env(ALONE, test).output();
    let output = output.expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{errors}");
}

/// The most bytes that this process ever had in memory.
#[cfg(target_os = "linux")]
pub(crate) fn memory_peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") * 1024
}

/// How many threads and open files this process has.
#[cfg(target_os = "linux")]
pub(crate) fn threads_and_files() -> (usize, usize) {
    let count =
        |what: &str| std::fs::read_dir(format!("/proc/self/{what}")).expect("Linux").count();
    (count("task"), count("fd"))
}

/// Fails if this process has not come down to that. A thread that was joined may be listed for a moment longer.
#[cfg(target_os = "linux")]
pub(crate) fn expect_threads_and_files(expected: (usize, usize)) {
    let end = std::time::Instant::now() + LONG;
    while threads_and_files() != expected && std::time::Instant::now() < end {
        std::thread::yield_now();
    }
    assert_eq!(threads_and_files(), expected);
}
