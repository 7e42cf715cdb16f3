//! kcat: another client's consumer, librdkafka's.

use std::process::Command;
use std::{io, str};

use crate::combination::{Bytes, Topic};
use crate::comparison::{HeaderStyle, Read};
use crate::node::Node;

pub(crate) const HEADERS: HeaderStyle = HeaderStyle { between_key_and_value: b'=', none: "" };

/// Reads all of a topic; `None` where kcat is not installed.
pub(crate) fn read(node: &Node, topic: Topic) -> Result<Option<Vec<Read>>, String> {
    let mut kcat = Command::new("kcat");
    kcat.args(["-C", "-e", "-q", "-o", "beginning", "-b", node.bootstrap(), "-t", topic.name()]);
    kcat.args(["-f", "%p %o %T %K %S %k%s%h\n"]);
    let output = match kcat.output() {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let mut rest = output.stdout.as_slice();
    let mut records = Vec::new();
    while !rest.is_empty() {
        let odd = || format!("kcat wrote {:?}", String::from_utf8_lossy(rest));
        let (record, behind) = parse(rest).ok_or_else(odd)?;
        records.push(record);
        rest = behind;
    }
    Ok(Some(records))
}

/// Reads `PARTITION OFFSET TIMESTAMP KEY-LENGTH VALUE-LENGTH`, then the key, the value and a line of headers.
fn parse(mut rest: &[u8]) -> Option<(Read, &[u8])> {
    let mut numbers = [0; 5];
    for number in &mut numbers {
        let end = rest.iter().position(|byte| *byte == b' ')?;
        *number = str::from_utf8(&rest[..end]).ok()?.parse::<i64>().ok()?;
        rest = &rest[end + 1..];
    }
    let [partition, offset, timestamp_ms, key, value] = numbers;
    let key = take(&mut rest, key)?;
    let value = take(&mut rest, value)?;
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let headers = Some(rest[..end].to_vec());
    let position = Some((i32::try_from(partition).ok()?, offset));
    Some((Read { position, timestamp_ms, key, value, headers }, &rest[end + 1..]))
}

/// A length of -1 is null.
fn take(rest: &mut &[u8], length: i64) -> Option<Bytes> {
    let Ok(length) = usize::try_from(length) else { return Some(None) };
    let (taken, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(Some(taken.to_vec()))
}
