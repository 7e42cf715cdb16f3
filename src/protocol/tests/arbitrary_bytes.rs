//! Bytes that no honest peer sends: an error or some message, but no panic and no memory out of proportion.

use crate::protocol::body::ResponseBody;
use crate::utils::varint;

use super::*;

/// What decoding may hold at most, for each byte and besides. The smallest topic takes 3 bytes on the wire and 64 in
/// memory, and a list that grows exists twice for a moment.
const BYTES_PER_BYTE: u64 = 64;
const BYTES_BESIDES: u64 = 4096;

#[test]
fn a_message_cut_off_anywhere_is_refused() {
    for_each_message!(refuses_what_is_cut_off);
}

fn refuses_what_is_cut_off<M: Message>() {
    for_samples::<M>(8, |version, message| {
        let bytes = message.to_bytes(version);
        for length in 0..bytes.len().min(2000) {
            let cut_off = M::from_bytes(version, &bytes[..length]);

            assert!(cut_off.is_err(), "v{version} {length} {message:?}");
        }
    });
}

#[test]
fn noise_is_survived() {
    for_each_message!(survives_noise);
}

fn survives_noise<M: Message>() {
    for version in M::API.versions() {
        let mut random = Random::new(u64::from(version.unsigned_abs()));
        for _ in 0..500 {
            // Small numbers are credible lengths and get further into a message than most bytes would.
            let bound = if random.below(2) == 0 { 4 } else { 256 };
            let byte = |_| u8::try_from(random.below(bound)).expect("a bound of at most 256");
            let noise: Vec<_> = (0..200).map(byte).collect();

            let _ = decode_in_proportion::<M>(version, &noise[..random.below(200)]);
        }
    }
}

#[test]
fn a_damaged_message_is_survived() {
    for_each_message!(survives_damage);
}

fn survives_damage<M: Message>() {
    let mut random = Random::new(3);
    for_samples::<M>(50, |version, message| {
        let mut bytes = message.to_bytes(version);
        for _ in 0..8 {
            damage(&mut bytes, &mut random);
            let _ = decode_in_proportion::<M>(version, &bytes);
        }
    });
}

/// Any field may be a length or a count: each place in turn is one, in each of its widths.
#[test]
fn a_message_that_lies_about_a_length_is_survived() {
    for_each_message!(survives_lies);
}

fn survives_lies<M: Message>() {
    for_samples::<M>(2, |version, message| {
        let bytes = message.to_bytes(version);
        for position in 0..bytes.len().min(120) {
            let (front, back) = bytes.split_at(position);
            for lie in lies(back.len()) {
                let replaced = lie.len().min(back.len());
                for back in [back, &back[replaced..]] {
                    let _ = decode_in_proportion::<M>(version, &[front, &lie, back].concat());
                }
            }
        }
    });
}

#[test]
fn an_answer_of_the_smallest_topics_stays_in_proportion() {
    let mut bytes = vec![0x89, 0x27]; // 5000 topics
    bytes.extend([1, 1, 0].repeat(5000));
    bytes.extend([0, 0, 0, 0, 0]);

    let response = decode_in_proportion::<ProduceResponse>(9, &bytes).unwrap();

    assert_eq!(response.topics.len(), 5000);
}

#[test]
fn an_answer_read_as_that_of_another_version_or_api_is_survived() {
    for_samples(10, |version, response: MetadataResponse| {
        let bytes = response.to_bytes(version);
        for api in ApiKey::ALL {
            for version in api.versions() {
                // Some are messages by chance: what matters is to come back.
                let _ = ResponseBody::decode(api, version, &mut Reader::new(&bytes));
            }
        }
    });
}

/// Decodes and measures what it takes; a second time gives the same.
fn decode_in_proportion<M: Message>(version: i16, bytes: &[u8]) -> Result<M, DecodeError> {
    let mut decoded = None;
    let taken = allocation_counter::measure(|| decoded = Some(M::from_bytes(version, bytes)));
    let decoded = decoded.expect("a measured result");

    let limit = BYTES_PER_BYTE * bytes.len() as u64 + BYTES_BESIDES;
    assert!(taken.bytes_max <= limit, "v{version} took {} for {bytes:?}", taken.bytes_max);
    assert_eq!(decoded, M::from_bytes(version, bytes), "v{version} {bytes:?}");
    decoded
}

/// Flips a bit, or cuts out, doubles or moves a few bytes.
fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    let start = random.below(bytes.len());
    let end = (start + random.below(16)).min(bytes.len());
    match random.below(4) {
        0 => {
            if let Some(byte) = bytes.get_mut(start) {
                *byte ^= 1 << random.below(8);
            }
        }
        1 => drop(bytes.drain(start..end)),
        2 => bytes.extend_from_within(start..end),
        _ => {
            let piece: Vec<_> = bytes.drain(start..end).collect();
            let to = random.below(bytes.len());
            bytes.splice(to..to, piece);
        }
    }
}

/// The length `rest` and others that are wrong anywhere, in every width that the protocol has.
fn lies(rest: usize) -> Vec<Vec<u8>> {
    let rest = i32::try_from(rest).expect("a short message");
    let in_every_width = |length: i32| {
        let mut compact = Vec::new();
        let unsigned = u32::from_be_bytes(length.to_be_bytes());
        varint::write_unsigned(u64::from(unsigned), &mut compact);
        let narrow = i16::try_from(length).unwrap_or(i16::MAX);
        [length.to_be_bytes().to_vec(), narrow.to_be_bytes().to_vec(), compact]
    };
    [-1, 0, 1, rest, rest + 1, i32::MAX].into_iter().flat_map(in_every_width).collect()
}
