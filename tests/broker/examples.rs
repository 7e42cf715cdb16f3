//! The examples, run as a user runs them, and what Kafka's console consumer says about it.

use std::collections::BTreeMap;
use std::process::Command;

use crate::harness::{self, Broker};

const COUNT: i32 = 10_000;

/// Where a message is, and what it is.
type Messages = BTreeMap<(i32, i64), (i32, String)>;

#[test]
fn the_demo_sends_one_by_one() {
    the_demo_arrives_as_printed("sync");
}

#[test]
fn the_demo_sends_all_at_once() {
    the_demo_arrives_as_printed("async");
}

fn the_demo_arrives_as_printed(mode: &str) {
    let Some(broker) = harness::broker() else { return };
    let topic = format!("demo-{mode}");
    broker.create_topic(&topic, 3, &[]);

    let mut demo = harness::example("producer_demo");
    demo.args(["--mode", mode, "--topic", &topic, "--interval-ms", "0"]);
    demo.args(["--count", &COUNT.to_string(), "--bootstrap-server", broker.bootstrap()]);
    let printed = output(&mut demo);
    let consumed = console_consumer(broker, &topic);

    let sends = printed.lines().filter(|line| line.starts_with("send message : ("));
    let expected: Vec<_> =
        (1..=COUNT).map(|key| format!("send message : ({key} , Message_{key})")).collect();
    assert!(sends.eq(expected), "each send is announced, in order");
    assert_eq!(consumed.len(), usize::try_from(COUNT).expect("small"));
    assert!(acknowledgements(&printed) == consumed, "what was printed is what was read");
    assert_keys_rise_within_partitions(&consumed);
}

/// The parts of each line `message(1, Message_1) sent to partition(0), offset(0) in 3 ms`.
fn acknowledgements(printed: &str) -> Messages {
    let lines = printed.lines().filter_map(|line| line.strip_prefix("message("));
    let parse = |line: &str| {
        let (message, place) = line.split_once(") sent to partition(")?;
        let (key, value) = message.split_once(", ")?;
        let (partition, rest) = place.split_once("), offset(")?;
        let (offset, rest) = rest.split_once(") in ")?;
        rest.strip_suffix(" ms")?.parse::<u64>().ok()?;
        let place = (partition.parse().ok()?, offset.parse().ok()?);
        Some((place, (key.parse().ok()?, value.to_owned())))
    };
    lines.map(|line| parse(line).unwrap_or_else(|| panic!("an unusual line: {line}"))).collect()
}

/// A topic with integer keys and text values, as Kafka's own tool prints it.
fn console_consumer(broker: &Broker, topic: &str) -> Messages {
    let mut tool = broker.tool("org.apache.kafka.tools.consumer.ConsoleConsumer");
    tool.args(["--bootstrap-server", broker.bootstrap(), "--topic", topic, "--from-beginning"]);
    tool.args(["--max-messages", &COUNT.to_string(), "--timeout-ms", "30000"]);
    for property in ["print.key=true", "print.partition=true", "print.offset=true"] {
        tool.args(["--formatter-property", property]);
    }
    tool.args(["--key-deserializer", "org.apache.kafka.common.serialization.IntegerDeserializer"]);
    let printed = output(&mut tool);
    let parse = |line: &str| {
        let mut columns = line.split('\t');
        let partition = columns.next()?.strip_prefix("Partition:")?.parse().ok()?;
        let offset = columns.next()?.strip_prefix("Offset:")?.parse().ok()?;
        Some(((partition, offset), (columns.next()?.parse().ok()?, columns.next()?.to_owned())))
    };
    printed
        .lines()
        .map(|line| parse(line).unwrap_or_else(|| panic!("an unusual line: {line}")))
        .collect()
}

fn assert_keys_rise_within_partitions(messages: &Messages) {
    let mut last = BTreeMap::new();
    for ((partition, offset), (key, value)) in messages {
        assert_eq!(*value, format!("Message_{key}"));
        let before = last.insert(*partition, *key).unwrap_or(0);
        assert!(before < *key, "{key} at {partition}@{offset} comes after {before}");
    }
}

#[test]
fn a_main_that_just_returns_loses_nothing() {
    let Some(broker) = harness::broker() else { return };
    broker.create_topic("just-returns", 3, &[]);

    let mut example = harness::example("fire_and_forget");
    example.args(["--topic", "just-returns", "--count", &COUNT.to_string()]);
    let printed = output(example.args(["--bootstrap-server", broker.bootstrap()]));

    assert!(printed.contains("10000 events acknowledged, 0 failed"), "{printed}");
    let mut events: Vec<_> =
        broker.read("just-returns").into_iter().map(|record| record.value).collect();
    let mut expected: Vec<_> =
        (0..COUNT).map(|number| Some(format!("event {number}").into_bytes())).collect();
    events.sort_unstable();
    expected.sort_unstable();
    assert!(events == expected, "each event is there once");
}

// Scripts compare it with what other clients' benchmarks print.
#[test]
fn the_benchmark_prints_the_usual_line() {
    let mut example = harness::example("bench_produce");
    let printed = output(example.args(["--records", "1000", "--threads", "3"]));
    assert!(printed.starts_with("ours: 1000 acked 0 failed in "), "{printed}");

    let mut example = harness::example("bench_produce");
    let printed = output(example.args(["--records", "10", "--sync"]));
    assert!(printed.starts_with("ours: sync 10 sends p50 "), "{printed}");
}

fn output(command: &mut Command) -> String {
    let output = command.output().expect("a program that starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} ended with {}:\n{errors}", output.status);
    String::from_utf8(output.stdout).expect("UTF-8")
}
