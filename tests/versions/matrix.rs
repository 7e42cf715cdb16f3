//! Every release, with every codec, every `acks`, and with idempotence and without.

use std::time::Instant;

use crate::combination::{self, Combination, Topic};
use crate::comparison::compare;
use crate::kafka::distribution;
use crate::node::{Log, Node};
use crate::release::{self, Release};
use crate::table::{self, Row};
use crate::workload::{self, Sent, Workload};
use crate::{console_consumer, kcat};

// COMPAT-01, COMPAT-02, COMPAT-05
#[test]
fn every_release_stores_what_it_is_sent() {
    if !distribution::is_available() {
        return;
    }
    let mut rows = Vec::new();
    let mut failures = Vec::new();
    for release in release::asked_for() {
        let start = Instant::now();
        match examine(release) {
            Ok(row) => rows.push(row),
            Err(reason) => failures.push(format!("Kafka {}: {reason}", release.version())),
        }
        println!("Kafka {}: {:.1} s", release.version(), start.elapsed().as_secs_f64());
    }
    println!("\n{}", table::table(&rows));
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

fn examine(release: Release) -> Result<Row, String> {
    let node = Node::start(release)?;
    let row = fill_and_read(&node);
    let log = node.stop();
    let checked = row.and_then(|row| check_versions(&log, &row).map(|()| row));
    checked.map_err(|reason| {
        let kept = log.keep(&format!("kafka-{}-failed", release.version()));
        format!("{reason}\nwhat the node logged at the end ({kept}):\n{log}")
    })
}

fn fill_and_read(node: &Node) -> Result<Row, String> {
    let combinations = combination::combinations(&node.release);
    let mut work = Workload::default();
    for combination in &combinations {
        work.send(node, *combination)?;
    }
    workload::refuse(node)?;

    let printed = console_consumer::read(node, work.text.len())?;
    compare(&work.text, &printed, console_consumer::HEADERS).map_err(by("the console consumer"))?;
    let mut read_by_kcat = Some(0);
    for (topic, sent) in [(Topic::Text, &work.text), (Topic::Bytes, &work.bytes)] {
        let Some(read) = kcat::read(node, topic)? else {
            read_by_kcat = None;
            continue;
        };
        compare(sent, &read, kcat::HEADERS).map_err(by("kcat"))?;
        read_by_kcat = read_by_kcat.map(|count| count + read.len());
    }
    let acknowledged = |sent: &[Sent]| sent.iter().filter(|each| each.offset.is_some()).count();
    let row = Row {
        release: node.release,
        combinations,
        sent: work.text.len() + work.bytes.len(),
        acknowledged: acknowledged(&work.text) + acknowledged(&work.bytes),
        read_by_console_consumer: printed.len(),
        read_by_kcat,
    };
    work.close()?;
    Ok(row)
}

fn by(reader: &str) -> impl Fn(String) -> String {
    move |reason| format!("{reader}: {reason}")
}

/// Every combination's requests were of the newest version that both sides know.
fn check_versions(log: &Log, row: &Row) -> Result<(), String> {
    let versions = log.produce_versions()?;
    let expected = row.release.produce;
    let differs = |combination: &&Combination| {
        versions.get(combination.to_string().as_str()) != Some(&expected)
    };
    match row.combinations.iter().find(differs) {
        Some(combination) => {
            let seen = versions.get(combination.to_string().as_str());
            Err(format!("{combination}: Produce v{expected} expected, logged is {seen:?}"))
        }
        None => Ok(()),
    }
}
