//! One Kafka node for all tests of this binary, started when the first of them asks for it.

mod broker;

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use kafka_producer::{ByteArraySerializer, KafkaProducer, ProducerConfig};

use crate::kafka::distribution;

pub(crate) use crate::kafka::record::Record;
pub(crate) use broker::Broker;

/// The shared node, or `None` where this machine cannot run one; then the test has nothing to do.
///
/// # Panics
///
/// If the node cannot be fetched or started, and where a tool is missing although `CI` is set.
pub(crate) fn broker() -> Option<&'static Broker> {
    static BROKER: OnceLock<Result<Broker, String>> = OnceLock::new();
    if !distribution::is_available() {
        return None;
    }
    match BROKER.get_or_init(Broker::start) {
        Ok(broker) => Some(broker),
        Err(reason) => panic!("no Kafka: {reason}"),
    }
}

/// A producer of plain bytes for `broker`, with these properties besides.
pub(crate) fn producer(broker: &Broker, properties: &[(&str, &str)]) -> KafkaProducer<[u8], [u8]> {
    let config = ProducerConfig::from_properties(
        [("bootstrap.servers", broker.bootstrap())].iter().chain(properties).copied(),
    );
    let config = config.expect("a valid configuration");
    KafkaProducer::new(config, ByteArraySerializer, ByteArraySerializer).expect("a producer")
}

/// A topic of records that are one line of text each, as kcat reads it; `None` where kcat is not installed.
pub(crate) fn kcat(broker: &Broker, topic: &str) -> Option<Vec<Record>> {
    let mut kcat = Command::new("kcat");
    kcat.args(["-C", "-e", "-q", "-b", broker.bootstrap(), "-t", topic]);
    let output = kcat.args(["-f", "%p %o %T %s\n"]).output().ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("records of text");
    Some(text.lines().map(parse_kcat).collect())
}

/// Reads one line of kcat's, whose format is `PARTITION OFFSET TIMESTAMP VALUE`.
fn parse_kcat(line: &str) -> Record {
    let mut words = line.splitn(4, ' ');
    let mut next = || words.next().expect("a record's line has four parts");
    Record {
        partition: next().parse().expect("a partition"),
        offset: next().parse().expect("an offset"),
        timestamp_ms: next().parse().expect("a timestamp"),
        key: None,
        value: Some(next().into()),
        headers: Vec::new(),
    }
}

/// A command that runs the example `name`, which `cargo test` has built beside this test.
pub(crate) fn example(name: &str) -> Command {
    let mut path = env::current_exe().expect("the path of this test");
    path.pop(); // the file
    path.pop(); // deps
    path.extend(["examples", name]);
    let path: PathBuf = path.with_extension(env::consts::EXE_EXTENSION);
    assert!(path.is_file(), "{} is not built: run `cargo build --examples`", path.display());
    Command::new(path)
}
