//! Programs in Java on Kafka's own jars, for tests that compare what this crate writes and reads.

#[path = "../tests/kafka/distribution.rs"]
mod distribution;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

pub(crate) use self::distribution::{NEWEST, Release, is_available};

use crate::utils::sync::Mutex;

/// The last release with the versions that Kafka 4 has dropped.
pub(crate) const LAST_OF_3: Release = Release {
    version: "3.9.2",
    scala: "2.13",
    further: &["org.apache.kafka:kafka-tools:3.9.2", "org.slf4j:slf4j-simple:1.7.36"],
};

/// One thread at a time fetches jars.
static FETCHING: Mutex<()> = Mutex::new(());

/// Runs a program of `tests/wire` and returns its answers, one for each of these lines.
pub(crate) fn ask(release: &Release, program: &str, lines: &[String]) -> Vec<String> {
    let input = lines.join("\n");
    let mut child = Command::new("java")
        .args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"])
        .arg(jars(release).join("*"))
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire").join(program))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Java starts");
    let mut stdin = child.stdin.take().expect("piped");
    // It answers while it is asked.
    let asking = thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("Java ends");
    let asked = asking.join().expect("no panic");

    assert!(output.status.success() && asked.is_ok(), "{program}: {} {asked:?}", output.status);
    let answers = String::from_utf8(output.stdout).expect("text");
    let answers: Vec<_> = answers.lines().map(str::to_owned).collect();
    assert_eq!(answers.len(), lines.len(), "{program}: {:?}", answers.last());
    answers
}

fn jars(release: &Release) -> PathBuf {
    let _alone = FETCHING.lock();
    distribution::jars(release).expect("Kafka's jars")
}

/// Hexadecimal digits, as the programs read and write bytes.
pub(crate) fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn bytes_of(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks_exact(2);
    let pairs = pairs.map(|pair| std::str::from_utf8(pair).expect("ASCII"));
    pairs.map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal digits")).collect()
}
