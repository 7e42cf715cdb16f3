//! Mirrors `java.util.Properties`, its text format.

use std::fs;
use std::path::Path;

use crate::error::{ConfigProblem, Error, ErrorKind};

/// The properties of the file at `path`, in their order. Unlike Java's it is read as UTF-8.
///
/// # Errors
///
/// Names the file: [`ErrorKind::Io`] if it cannot be read, [`ErrorKind::InvalidConfig`] if it is malformed.
pub(crate) fn read(path: &Path) -> Result<Vec<(String, String)>, Error> {
    let text = fs::read_to_string(path).map_err(|error| {
        let message = format!("cannot read {}: {error}", path.display()).into();
        Error::new(ErrorKind::Io { kind: error.kind(), message })
    })?;
    parse(&text).map_err(|malformed| {
        let place = format!("{}, line {}", path.display(), malformed.line);
        let problem = ConfigProblem::new(&place, malformed.reason);
        Error::new(ErrorKind::InvalidConfig { problems: vec![problem] })
    })
}

/// Where and why a text is no property file. Names no value: it may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Malformed {
    line: usize,
    reason: &'static str,
}

/// The pairs of `text`: one a line, `name=value`, `name: value` or `name value`. Lines that begin with `#` or `!` are
/// comments, a backslash at the end joins the next line, and `\t`, `\n`, `\uXXXX` and the like stand for characters.
fn parse(text: &str) -> Result<Vec<(String, String)>, Malformed> {
    let mut pairs = Vec::new();
    for (line, logical) in logical_lines(text) {
        let (name, value) = split(&logical);
        let unescaped = unescape(name).and_then(|name| Ok((name, unescape(value)?)));
        pairs.push(unescaped.map_err(|reason| Malformed { line, reason })?);
    }
    Ok(pairs)
}

/// The lines that say something, continuations joined, each with the number of its first line.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut open: Option<(usize, String)> = None;
    let unified = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    for (index, line) in unified.split(['\n', '\r']).enumerate() {
        let line = line.trim_start_matches(is_blank);
        if open.is_none() && (line.is_empty() || line.starts_with(['#', '!'])) {
            continue;
        }
        let (number, mut logical) = open.take().unwrap_or((index + 1, String::new()));
        let backslashes = line.len() - line.trim_end_matches('\\').len();
        if backslashes % 2 == 1 {
            logical.push_str(&line[..line.len() - 1]);
            open = Some((number, logical));
        } else {
            logical.push_str(line);
            lines.push((number, logical));
        }
    }
    lines.extend(open);
    lines
}

/// Cuts a line at the first separator that no backslash protects.
fn split(line: &str) -> (&str, &str) {
    let mut is_escaped = false;
    let end = line.find(|letter| {
        let ends = !is_escaped && (is_blank(letter) || letter == '=' || letter == ':');
        is_escaped = letter == '\\' && !is_escaped;
        ends
    });
    let (name, rest) = line.split_at(end.unwrap_or(line.len()));
    let rest = rest.trim_start_matches(is_blank);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (name, rest.trim_start_matches(is_blank))
}

fn is_blank(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\u{c}')
}

fn unescape(text: &str) -> Result<String, &'static str> {
    let mut units = Vec::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        let plain = match letter {
            '\\' => match letters.next() {
                Some('u') => {
                    units.push(hexadecimal(letters.by_ref().take(4))?);
                    continue;
                }
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\u{c}',
                Some(other) => other,
                None => continue,
            },
            other => other,
        };
        units.extend_from_slice(plain.encode_utf16(&mut [0; 2]));
    }
    String::from_utf16(&units).map_err(|_| "\\u escapes name half a character")
}

fn hexadecimal(digits: impl Iterator<Item = char>) -> Result<u16, &'static str> {
    let digits: String = digits.collect();
    let is_number = digits.len() == 4 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    u16::from_str_radix(&digits, 16)
        .ok()
        .filter(|_| is_number)
        .ok_or("\\u must be followed by four hexadecimal digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_java_reads() {
        for (text, name, value) in [
            ("acks=all", "acks", "all"),
            ("  acks = all ", "acks", "all "),
            ("acks:all", "acks", "all"),
            ("acks all", "acks", "all"),
            ("acks\t \tall", "acks", "all"),
            ("acks : = all", "acks", "= all"),
            ("acks", "acks", ""),
            ("a\\ b\\=c\\:d=e=f:g", "a b=c:d", "e=f:g"),
            ("list=a,\\\n   b,\\\r\n\tc", "list", "a,b,c"),
            ("path=C:\\\\kafka\\\\", "path", "C:\\kafka\\"),
            ("ends=here\\", "ends", "here"),
            ("tab=\\t|\\n|\\r|\\f|\\q", "tab", "\t|\n|\r|\u{c}|q"),
            ("unicode=\\u00e9\\uD83D\\uDE00é", "unicode", "é😀é"),
            ("value=#no comment", "value", "#no comment"),
            ("\u{feff}acks=1", "acks", "1"),
            ("joined=a\\\n#b", "joined", "a#b"),
            ("client.id=${file:/etc/passwd:x}", "client.id", "${file:/etc/passwd:x}"),
        ] {
            assert_eq!(parse(text), Ok(vec![(name.to_owned(), value.to_owned())]), "{text:?}");
        }
    }

    #[test]
    fn comments_and_empty_lines_say_nothing() {
        let pairs =
            parse("# one\n\n  ! two\n \t \nacks=1\r# three\rretries=2\n").expect("well formed");

        assert_eq!(pairs, [("acks", "1"), ("retries", "2")].map(|(n, v)| (n.into(), v.into())));
    }

    #[test]
    fn a_malformed_escape_is_told_by_its_line_without_the_value() {
        for (text, line) in
            [("a=1\nb=\\u12", 2), ("b=\\u12g4", 1), ("b=\\u+123", 1), ("\n\nb=\\uD83D", 3)]
        {
            assert_eq!(parse(text).expect_err(text).line, line, "{text}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = read(Path::new("no/such.properties")).expect_err("there is none");

        assert!(error.to_string().contains("cannot read no/such.properties"), "{error}");
    }
}
