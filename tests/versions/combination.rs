//! The settings that are combined, and the records that each combination sends.

use std::fmt;

use crate::release::Release;

pub(crate) const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
pub(crate) const PARTITIONS: i32 = 2;

/// What each combination sends to each of the two topics.
pub(crate) const RECORDS: i64 = 60;

/// A time in 2023.
const FIRST_TIMESTAMP: i64 = 1_700_000_000_000;
/// How far apart the times of two combinations are: every record has one of its own.
const SPAN: i64 = 1000;

pub(crate) type Bytes = Option<Vec<u8>>;
pub(crate) type Headers = Vec<(String, Bytes)>;

/// One way to send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Combination {
    pub(crate) number: i64,
    pub(crate) codec: &'static str,
    pub(crate) delivery: Delivery,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    Unacknowledged,
    Leader,
    All,
    Idempotent,
}

/// A topic: what is in it depends on who reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    /// Lines of text, for readers that print.
    Text,
    /// Any bytes.
    Bytes,
}

/// A record as it is sent.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) partition: i32,
    pub(crate) timestamp_ms: i64,
    pub(crate) key: Bytes,
    pub(crate) value: Bytes,
    pub(crate) headers: Headers,
}

/// Every combination that a release can take.
pub(crate) fn combinations(release: &Release) -> Vec<Combination> {
    let codecs = CODECS.into_iter().filter(|codec| *codec != "zstd" || release.has_zstd());
    let deliveries = Delivery::each_of(release);
    let pairs = codecs.flat_map(|codec| deliveries.iter().map(move |delivery| (codec, *delivery)));
    let combination = |(number, (codec, delivery))| Combination { number, codec, delivery };
    (0..).zip(pairs).map(combination).collect()
}

impl Delivery {
    pub(crate) fn each_of(release: &Release) -> Vec<Self> {
        let mut deliveries = vec![Self::Unacknowledged, Self::Leader, Self::All];
        deliveries.extend(release.has_idempotence().then_some(Self::Idempotent));
        deliveries
    }

    pub(crate) fn properties(self) -> [(&'static str, &'static str); 2] {
        let (acks, idempotence) = match self {
            Self::Unacknowledged => ("0", "false"),
            Self::Leader => ("1", "false"),
            Self::All => ("all", "false"),
            Self::Idempotent => ("all", "true"),
        };
        [("acks", acks), ("enable.idempotence", idempotence)]
    }
}

/// As `acks` has it, or that it is idempotent.
impl fmt::Display for Delivery {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Unacknowledged => "0",
            Self::Leader => "1",
            Self::All => "all",
            Self::Idempotent => "idempotent",
        })
    }
}

impl fmt::Display for Combination {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.codec, self.delivery)
    }
}

impl fmt::Display for Content {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, timestamp_ms, key, value, headers } = self;
        let (key, value) = (brief(key), brief(value));
        write!(formatter, "partition {partition}, time {timestamp_ms}, key {key}, value {value}")?;
        for (name, value) in headers {
            write!(formatter, ", header {name}={}", brief(value))?;
        }
        Ok(())
    }
}

/// Bytes for a message: all of a short text, the beginning of a long one.
pub(crate) fn brief(bytes: &Bytes) -> String {
    match bytes {
        None => "null".to_owned(),
        Some(bytes) if bytes.len() <= 50 => format!("'{}'", bytes.escape_ascii()),
        Some(bytes) => format!("'{}'... of {} bytes", bytes[..50].escape_ascii(), bytes.len()),
    }
}

impl Topic {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Bytes => "bytes",
        }
    }

    /// The records of a combination, in the order of sending.
    pub(crate) fn records(self, number: i64, release: &Release) -> Vec<Content> {
        let content = |index| {
            let (key, value, mut headers) = match self {
                Self::Text => text(index),
                Self::Bytes => bytes(index),
            };
            headers.retain(|_| release.has_headers());
            let timestamp_ms = timestamp(number, index);
            Content { partition: partition(index), timestamp_ms, key, value, headers }
        };
        (0..RECORDS).map(content).collect()
    }
}

/// Both in turn, but for runs of one.
fn partition(index: i64) -> i32 {
    i32::from(index % 2 == 1 || index % 10 > 5)
}

/// Times do not grow with offsets.
fn timestamp(number: i64, index: i64) -> i64 {
    let within = if index % 3 == 0 { SPAN - 1 - index } else { index };
    FIRST_TIMESTAMP + number * SPAN + within
}

fn text(index: i64) -> (Bytes, Bytes, Headers) {
    let key = match index % 5 {
        0 => None,
        1 => Some(String::new()),
        _ => Some(format!("key-{index}")),
    };
    let value = match index % 7 {
        0 => None,
        1 => Some(String::new()),
        2 => Some("grün, 緑, зелёный".to_owned()),
        _ => Some(format!("{{\"number\":{index},\"user\":\"user-{}\"}}", index % 4).repeat(10)),
    };
    let own = |text: &str| Some(text.as_bytes().to_vec());
    let headers = match index % 3 {
        0 => Vec::new(),
        1 => vec![("trace".to_owned(), own("4bf92f35"))],
        _ => vec![("twice".to_owned(), own("a")), ("twice".to_owned(), own(&index.to_string()))],
    };
    (key.map(String::into_bytes), value.map(String::into_bytes), headers)
}

/// Headers are without the characters that readers put between them or end them with.
fn bytes(index: i64) -> (Bytes, Bytes, Headers) {
    let key = match index % 4 {
        0 => None,
        1 => Some(Vec::new()),
        2 => Some(index.to_be_bytes().to_vec()),
        _ => Some(b"\n\0 \xff\t".to_vec()),
    };
    let value = match index % 6 {
        0 => None,
        1 => Some(Vec::new()),
        2 => Some((0..=255).collect()),
        3 => Some(noise(index, 900)),
        4 => Some(noise(index, 30).repeat(100)),
        _ => Some(vec![b'\n'; 10]),
    };
    let headers = match index % 3 {
        0 => Vec::new(),
        1 => vec![("\u{1F600}".to_owned(), Some(vec![255, 128, 9]))],
        _ => vec![("a".to_owned(), Some(b"1".to_vec())), (String::new(), Some(vec![7]))],
    };
    (key, value, headers)
}

/// Bytes without a pattern.
fn noise(seed: i64, length: usize) -> Vec<u8> {
    let mut state = seed.unsigned_abs() * 2 + 1;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}
