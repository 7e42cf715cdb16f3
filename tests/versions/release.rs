//! The releases, and what they can do.

use std::env;

use crate::kafka::distribution;

/// A release of Kafka.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Release {
    artifacts: distribution::Release,
    /// The newest version of Produce that it and we know.
    pub(crate) produce: i16,
    /// Whether it runs where no release is asked for: the oldest, the newest, and one between.
    is_usual: bool,
}

const SCALA_11: &str = "2.11";
const SCALA_13: &str = "2.13";
const SIMPLE_LOGGER: &str = "org.slf4j:slf4j-simple:1.7.36";
const JAXB: &str = "javax.xml.bind:jaxb-api:2.3.1"; // was part of Java 8
const LOG4J: &str = "log4j:log4j:1.2.17";
const LOG4J_BINDING: &str = "org.slf4j:slf4j-log4j12:1.7.25";

const RELEASES: [Release; 9] = [
    release("0.10.0.1", SCALA_11, 2, &[]).usual(),
    release("0.10.2.2", SCALA_11, 2, &[JAXB]),
    release("0.11.0.3", SCALA_11, 3, &[JAXB]),
    release("1.1.1", SCALA_11, 5, &[LOG4J, LOG4J_BINDING]).usual(),
    release(
        "2.1.1",
        SCALA_11,
        7,
        &[
            LOG4J,
            LOG4J_BINDING,
            // Its own release of ZooKeeper cannot speak to itself on Java 17.
            "org.apache.zookeeper:zookeeper:3.5.8",
            "org.apache.zookeeper:zookeeper-jute:3.5.8",
        ],
    ),
    release("2.8.2", SCALA_13, 9, &[SIMPLE_LOGGER]),
    release("3.9.2", SCALA_13, 11, &["org.apache.kafka:kafka-tools:3.9.2", SIMPLE_LOGGER]),
    release("4.0.2", SCALA_13, 12, &["org.apache.kafka:kafka-tools:4.0.2", SIMPLE_LOGGER]),
    Release { artifacts: distribution::NEWEST, produce: 13, is_usual: true },
];

/// The releases that `KAFKA_RELEASES` names, `all` of them, or the usual three.
///
/// # Panics
///
/// Where it names one that is not here.
pub(crate) fn asked_for() -> Vec<Release> {
    match env::var("KAFKA_RELEASES").unwrap_or_default().as_str() {
        "" => RELEASES.into_iter().filter(|release| release.is_usual).collect(),
        "all" => RELEASES.to_vec(),
        versions => versions.split(',').map(named).collect(),
    }
}

fn named(version: &str) -> Release {
    let found = RELEASES.into_iter().find(|release| release.version() == version);
    found.unwrap_or_else(|| panic!("KAFKA_RELEASES: there is no release {version} here"))
}

const fn release(
    version: &'static str,
    scala: &'static str,
    produce: i16,
    further: &'static [&'static str],
) -> Release {
    let artifacts = distribution::Release { version, scala, further };
    Release { artifacts, produce, is_usual: false }
}

impl Release {
    const fn usual(mut self) -> Self {
        self.is_usual = true;
        self
    }

    pub(crate) fn artifacts(&self) -> &distribution::Release {
        &self.artifacts
    }

    pub(crate) fn version(&self) -> &'static str {
        self.artifacts.version
    }

    pub(crate) fn has_headers(&self) -> bool {
        self.is_since(0, 11)
    }

    pub(crate) fn has_idempotence(&self) -> bool {
        self.is_since(0, 11)
    }

    pub(crate) fn has_zstd(&self) -> bool {
        self.is_since(2, 1)
    }

    pub(crate) fn has_zookeeper(&self) -> bool {
        !self.is_since(4, 0)
    }

    /// Whether its console consumer has to be told that it may ask a broker, not ZooKeeper.
    pub(crate) fn has_two_consumers(&self) -> bool {
        !self.is_since(0, 11)
    }

    /// Whether its console consumer tells a record's partition, offset and headers (KIP-431).
    pub(crate) fn tells_position_and_headers(&self) -> bool {
        self.is_since(2, 7)
    }

    pub(crate) fn console_consumer(&self) -> &'static str {
        if self.is_since(3, 8) {
            "org.apache.kafka.tools.consumer.ConsoleConsumer"
        } else {
            "kafka.tools.ConsoleConsumer"
        }
    }

    /// What comes before `print.key=true` and the like.
    pub(crate) fn formatter_option(&self) -> &'static str {
        if self.is_since(4, 2) { "--formatter-property" } else { "--property" }
    }

    fn is_since(&self, major: u32, minor: u32) -> bool {
        let mut numbers = self.version().split('.').map(|part| part.parse().expect("a number"));
        let own: [u32; 2] = [(); 2].map(|()| numbers.next().expect("a major and a minor number"));
        own >= [major, minor]
    }
}
