//! A record as Java's consumer read it.

/// Every part of a record that a consumer sees; null and empty bytes are told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) timestamp_ms: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Record {
    /// Reads one line of the host's `read` command.
    pub(crate) fn parse(line: &str) -> Self {
        let mut words = line.split(' ');
        let mut next = || words.next().expect("a record's line has five parts");
        Self {
            partition: next().parse().expect("a partition"),
            offset: next().parse().expect("an offset"),
            timestamp_ms: next().parse().expect("a timestamp"),
            key: bytes(next()),
            value: bytes(next()),
            headers: words.map(header).collect(),
        }
    }
}

fn header(word: &str) -> (String, Option<Vec<u8>>) {
    let (key, value) = word.split_once('=').expect("a header's key and value");
    let key = bytes(key).expect("a header's key is never null");
    (String::from_utf8(key).expect("a header's key is UTF-8"), bytes(value))
}

/// `-` is null, `x` and two digits a byte anything else.
fn bytes(word: &str) -> Option<Vec<u8>> {
    let digits = word.strip_prefix('x')?.as_bytes();
    Some(digits.chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect())
}

fn digit(character: u8) -> u8 {
    match character {
        b'0'..=b'9' => character - b'0',
        _ => character - b'a' + 10,
    }
}
