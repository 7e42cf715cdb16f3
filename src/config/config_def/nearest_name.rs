//! The name that a misspelt one was probably meant to be.

/// The one of `names` that is closest to `wanted`, if any is close enough to be worth offering.
pub(super) fn nearest_name<'n>(
    wanted: &str,
    names: impl Iterator<Item = &'n str>,
) -> Option<&'n str> {
    let (whole, wanted) = (letters(wanted), plain(wanted));
    if wanted.len() < 3 || wanted.len() > 100 {
        return None;
    }
    let close_enough = 1 + wanted.len() / 5;
    // With the unit as well: the slip may be in it.
    let distance = |name| {
        distance_between(&wanted, &plain(name)).min(distance_between(&whole, &letters(name)))
    };
    names
        .map(|name| (distance(name), name))
        .filter(|(distance, _)| *distance <= close_enough)
        .min()
        .map(|(_, name)| name)
}

/// `linger_ms`, `Linger-Ms` and `linger` come down to the same letters as `linger.ms`.
fn plain(name: &str) -> Vec<u8> {
    let name = name.trim().to_ascii_lowercase().replace(['_', '-', ' '], ".");
    let name = [".ms", ".bytes"].iter().find_map(|unit| name.strip_suffix(unit)).unwrap_or(&name);
    letters(name)
}

fn letters(name: &str) -> Vec<u8> {
    let is_letter = |byte: &u8| !matches!(byte, b'.' | b'_' | b'-' | b' ');
    name.bytes().map(|byte| byte.to_ascii_lowercase()).filter(is_letter).collect()
}

/// How many letters have to be put in, left out, replaced or swapped with their neighbour to turn one into the other.
fn distance_between(from: &[u8], to: &[u8]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (row, letter) in from.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, other) in to.iter().enumerate() {
            let replaced = last[column] + usize::from(letter != other);
            let mut least = replaced.min(last[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && *letter == to[column - 1] && from[row - 1] == *other {
                least = least.min(before_last[column - 1] + 1);
            }
            current.push(least);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 6] =
        ["acks", "bootstrap.servers", "linger.ms", "retries", "retry.backoff.ms", "batch.size"];

    #[test]
    fn finds_what_was_meant() {
        for (wanted, expected) in [
            ("lingerms", Some("linger.ms")),
            ("linger", Some("linger.ms")),
            ("LINGER_MS", Some("linger.ms")),
            ("lniger.ms", Some("linger.ms")),
            ("linger.mss", Some("linger.ms")),
            ("bootstrap-server", Some("bootstrap.servers")),
            ("bootstrap.sevrers", Some("bootstrap.servers")),
            ("ack", Some("acks")),
            ("batchsize", Some("batch.size")),
            ("group.id", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest_name(wanted, NAMES.into_iter()), expected, "{wanted}");
        }
    }

    #[test]
    fn two_letters_swapped_are_one_slip() {
        assert_eq!(distance_between(b"acks", b"akcs"), 1);
        assert_eq!(distance_between(b"", b"abc"), 3);
        assert_eq!(distance_between(b"kitten", b"sitting"), 3);
    }
}
