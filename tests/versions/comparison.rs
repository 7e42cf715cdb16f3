//! What was read, against what was sent.

use std::collections::BTreeMap;
use std::fmt;

use crate::combination::{Bytes, Headers, PARTITIONS, brief};
use crate::workload::Sent;

/// A record as a reader tells it.
#[derive(Debug)]
pub(crate) struct Read {
    /// The partition and the offset, from readers that tell them.
    pub(crate) position: Option<(i32, i64)>,
    pub(crate) timestamp_ms: i64,
    pub(crate) key: Bytes,
    pub(crate) value: Bytes,
    /// As the reader prints them, from readers that do.
    pub(crate) headers: Option<Vec<u8>>,
}

impl fmt::Display for Read {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { position, timestamp_ms, key, value, headers } = self;
        let (key, value, headers) = (brief(key), brief(value), brief(headers));
        if let Some((partition, offset)) = position {
            write!(formatter, "partition {partition}, offset {offset}, ")?;
        }
        write!(formatter, "time {timestamp_ms}, key {key}, value {value}, headers {headers}")
    }
}

/// How a reader prints headers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeaderStyle {
    pub(crate) between_key_and_value: u8,
    pub(crate) none: &'static str,
}

impl HeaderStyle {
    fn print(self, headers: &Headers) -> Vec<u8> {
        if headers.is_empty() {
            return self.none.into();
        }
        let print = |(key, value): &(String, Bytes)| {
            let value = value.as_deref().expect("headers here are never null");
            [key.as_bytes(), &[self.between_key_and_value], value].concat()
        };
        headers.iter().map(print).collect::<Vec<_>>().join(&b',')
    }
}

/// Every record sent was read, once, as it was, in order, and where it was acknowledged; and nothing else was.
///
/// A record is known by its time, which no other has.
pub(crate) fn compare(sent: &[Sent], read: &[Read], style: HeaderStyle) -> Result<(), String> {
    let times = sent.iter().enumerate().map(|(index, each)| (each.content.timestamp_ms, index));
    let mut unread: BTreeMap<i64, usize> = times.collect();
    let mut last_in = BTreeMap::new();
    let mut next_offsets = [0; PARTITIONS as usize];
    for each in read {
        let Some(index) = unread.remove(&each.timestamp_ms) else {
            return Err(format!("read but not sent, or sent once and read twice: {each}"));
        };
        let of = &sent[index];
        if !is_same(of, each, style) {
            return Err(format!("sent {of}\nread {each}"));
        }
        let place = (of.combination.number, of.content.partition);
        if last_in.insert(place, index).is_some_and(|earlier| earlier > index) {
            return Err(format!("read out of order: {each}"));
        }
        if let Some((partition, offset)) = each.position {
            let next = &mut next_offsets[usize::try_from(partition).expect("one of ours")];
            if offset != *next {
                return Err(format!("read at {offset} what should be at {next}: {each}"));
            }
            *next += 1;
        }
    }
    match unread.values().next() {
        Some(index) => Err(format!("{} are missing, as {}", unread.len(), sent[*index])),
        None => Ok(()),
    }
}

fn is_same(sent: &Sent, read: &Read, style: HeaderStyle) -> bool {
    let content = &sent.content;
    let is_in_place = read.position.is_none_or(|(partition, offset)| {
        partition == content.partition
            && sent.offset.is_none_or(|acknowledged| acknowledged == offset)
    });
    let are_headers = |printed: &Vec<u8>| *printed == style.print(&content.headers);
    is_in_place
        && read.key == content.key
        && read.value == content.value
        && read.headers.as_ref().is_none_or(are_headers)
}

#[cfg(test)]
mod tests {
    use std::slice;

    use super::*;
    use crate::combination::{Combination, Content, Delivery};

    const STYLE: HeaderStyle = HeaderStyle { between_key_and_value: b'=', none: "" };

    fn sent() -> Vec<Sent> {
        let sent = |index: i64| Sent {
            combination: Combination { number: 0, codec: "none", delivery: Delivery::Leader },
            content: Content {
                partition: 0,
                timestamp_ms: index,
                key: None,
                value: Some(vec![7]),
                headers: vec![("a".to_owned(), Some(b"1".to_vec()))],
            },
            offset: Some(index),
        };
        (0..3).map(sent).collect()
    }

    fn read() -> Vec<Read> {
        let read = |index: i64| Read {
            position: Some((0, index)),
            timestamp_ms: index,
            key: None,
            value: Some(vec![7]),
            headers: Some(b"a=1".to_vec()),
        };
        (0..3).map(read).collect()
    }

    fn check(spoil: impl FnOnce(&mut Vec<Read>), found: &str) {
        let mut read = read();
        spoil(&mut read);
        let error = compare(&sent(), &read, STYLE).expect_err(found);
        assert!(error.contains(found), "{error}");
    }

    #[test]
    fn what_was_read_as_it_was_sent_is_fine() {
        assert_eq!(compare(&sent(), &read(), STYLE), Ok(()));
    }

    #[test]
    fn every_difference_is_found() {
        check(|read| read[1].key = Some(Vec::new()), "read partition 0, offset 1");
        check(|read| read[1].value = None, "value null");
        check(|read| read[1].headers = Some(b"a=2".to_vec()), "headers 'a=2'");
        check(|read| read[1].timestamp_ms = 9, "not sent");
        check(|read| read[1].position = Some((1, 1)), "partition 1");
        check(|read| read[2].position = Some((0, 3)), "offset 3");
        check(|read| drop(read.remove(2)), "1 are missing");
    }

    #[test]
    fn order_and_gaps_are_found_without_acknowledgements() {
        let mut sent = sent();
        sent.iter_mut().for_each(|each| each.offset = None);
        let mut read = read();
        read.iter_mut().for_each(|each| each.position = None);
        assert_eq!(compare(&sent, &read, STYLE), Ok(()));

        read.swap(0, 1);
        let error = compare(&sent, &read, STYLE).expect_err("another order");
        assert!(error.contains("out of order"), "{error}");

        let mut gap = self::read().remove(0);
        gap.position = Some((0, 1));
        let error = compare(&sent, slice::from_ref(&gap), STYLE).expect_err("a gap");
        assert!(error.contains("what should be at 0"), "{error}");
    }
}
