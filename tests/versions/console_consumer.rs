//! Kafka's console consumer, that of the node's own release.

use std::str;

use crate::combination::{Bytes, Topic};
use crate::comparison::{HeaderStyle, Read};
use crate::node::Node;

pub(crate) const HEADERS: HeaderStyle =
    HeaderStyle { between_key_and_value: b':', none: "NO_HEADERS" };

/// Reads so many records of text, or as many as come.
pub(crate) fn read(node: &Node, count: usize) -> Result<Vec<Read>, String> {
    let release = &node.release;
    let mut tool = node.tool(release.console_consumer());
    tool.args(["--bootstrap-server", node.bootstrap(), "--topic", Topic::Text.name()]);
    tool.args(["--from-beginning", "--timeout-ms", "20000", "--max-messages", &count.to_string()]);
    if release.has_two_consumers() {
        tool.arg("--new-consumer");
    }
    let mut printed = vec!["key", "timestamp"];
    if release.tells_position_and_headers() {
        printed.extend(["partition", "offset", "headers"]);
    }
    for part in printed {
        tool.args([release.formatter_option(), &format!("print.{part}=true")]);
    }
    let output = tool.output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let lines = output.stdout.split_inclusive(|byte| *byte == b'\n');
    lines.map(|line| parse(line, release.tells_position_and_headers())).collect()
}

/// Reads one line: timestamp, partition, offset and headers, key, value.
fn parse(line: &[u8], has_position: bool) -> Result<Read, String> {
    let odd = || format!("the console consumer wrote {:?}", String::from_utf8_lossy(line));
    let mut fields = line.strip_suffix(b"\n").ok_or_else(odd)?.split(|byte| *byte == b'\t');
    let mut next = || fields.next().ok_or_else(odd);
    let number = |field: &[u8], name: &str| {
        let text = str::from_utf8(field).ok()?;
        text.strip_prefix(name)?.parse::<i64>().ok()
    };
    let timestamp_ms = number(next()?, "CreateTime:").ok_or_else(odd)?;
    let mut position = None;
    let mut headers = None;
    if has_position {
        let partition = number(next()?, "Partition:").ok_or_else(odd)?;
        let offset = number(next()?, "Offset:").ok_or_else(odd)?;
        position = Some((i32::try_from(partition).map_err(|_| odd())?, offset));
        headers = Some(next()?.to_vec());
    }
    Ok(Read { position, timestamp_ms, key: bytes(next()?), value: bytes(next()?), headers })
}

fn bytes(field: &[u8]) -> Bytes {
    (field != b"null").then(|| field.to_vec())
}
