//! Reads and checks message sets (magic 1), which Produce before version 3 carries, with code of its own. The log keeps
//! what was in them as a record batch.
//!
//! Stricter than a broker where that would number messages anew: what a producer numbers wrongly is refused.

use crate::error::ErrorCode;
use crate::mock_cluster::decompression::decompress;
use crate::mock_cluster::record_batch::Refusal;
use crate::utils::{crc32, crc32c};

/// The bytes of offset and size, which the size does not count.
const PREFIX: usize = 12;
/// Where the bytes begin that the checksum covers.
const CHECKSUM_START: usize = 16;
/// Where the key begins.
const HEADER: usize = 26;
const CODEC_MASK: u8 = 0x07;

/// One message, borrowed from its set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct MessageView<'a> {
    offset: i64,
    checksum: u32,
    attributes: u8,
    timestamp: i64,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    size: usize,
}

impl MessageView<'_> {
    fn codec(&self) -> i16 {
        i16::from(self.attributes & CODEC_MASK)
    }
}

const fn corrupt(message: &'static str) -> Refusal {
    Refusal::new(ErrorCode::CorruptMessage, message)
}

/// What a request's log tells of a message set: the checksum of its first message, and how many there are.
pub(super) fn describe(bytes: &[u8]) -> Option<(u32, i32)> {
    let (first, _) = read_message(bytes).ok()?;
    let mut count = 0;
    with_messages(bytes, usize::MAX, |messages| count = messages.len()).ok()?;
    Some((first.checksum, i32::try_from(count).ok()?))
}

/// The records of the one message set that `bytes` must be, as a record batch.
pub(super) fn to_batch(bytes: &[u8], max_message_bytes: usize) -> Result<Vec<u8>, Refusal> {
    let mut batch = Vec::new();
    with_messages(bytes, max_message_bytes, |messages| batch = batch_of(messages))?;
    Ok(batch)
}

/// Gives the checked messages of a set, those in a wrapper included, to `take`.
fn with_messages(
    bytes: &[u8],
    max_message_bytes: usize,
    take: impl FnOnce(&[MessageView<'_>]),
) -> Result<(), Refusal> {
    let outer = read_messages(bytes)?;
    if outer.iter().any(|message| message.size > max_message_bytes) {
        let message = "a message exceeds max.message.bytes of the topic";
        return Err(Refusal::new(ErrorCode::MessageTooLarge, message));
    }
    let [wrapper] = *outer else {
        if outer.iter().any(|message| message.codec() != 0) {
            return Err(corrupt("a compressed message must be alone"));
        }
        check_offsets(&outer)?;
        take(&outer);
        return Ok(());
    };
    if wrapper.codec() == 0 {
        check_offsets(&outer)?;
        take(&outer);
        return Ok(());
    }
    let value = wrapper.value.ok_or(corrupt("a compressed message must have a value"))?;
    let plain = decompress(wrapper.codec(), value)?;
    let inner = read_messages(&plain)?;
    if inner.iter().any(|message| message.codec() != 0) {
        return Err(corrupt("a compressed message must not contain another"));
    }
    check_offsets(&inner)?;
    if inner.last().map(|last| last.offset) != Some(wrapper.offset) {
        return Err(corrupt("a wrapper must have the offset of the last message in it"));
    }
    if inner.iter().map(|message| message.timestamp).max() != Some(wrapper.timestamp) {
        return Err(corrupt("a wrapper must have the latest timestamp of the messages in it"));
    }
    take(&inner);
    Ok(())
}

fn check_offsets(messages: &[MessageView<'_>]) -> Result<(), Refusal> {
    let is_numbered = messages.iter().zip(0..).all(|(message, index)| message.offset == index);
    if is_numbered && !messages.is_empty() {
        return Ok(());
    }
    Err(corrupt("the offsets of a message set must count from 0"))
}

fn read_messages(mut bytes: &[u8]) -> Result<Vec<MessageView<'_>>, Refusal> {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        let (message, rest) = read_message(bytes)?;
        messages.push(message);
        bytes = rest;
    }
    Ok(messages)
}

fn read_message(bytes: &[u8]) -> Result<(MessageView<'_>, &[u8]), Refusal> {
    const CUT_OFF: Refusal = corrupt("the message is cut off");
    let header: &[u8; HEADER] = bytes.first_chunk().ok_or(CUT_OFF)?;
    let size = usize::try_from(i32::from_be_bytes(field(header, 8))).map_err(|_| CUT_OFF)?;
    let (message, rest) = bytes.split_at_checked(PREFIX + size).ok_or(CUT_OFF)?;
    let checked = message.get(CHECKSUM_START..).ok_or(CUT_OFF)?;
    let checksum = u32::from_be_bytes(field(header, 12));
    if crc32::checksum(checked) != checksum {
        return Err(corrupt("the message's CRC-32 is wrong"));
    }
    if header[16] != 1 {
        return Err(corrupt("messages must have magic 1"));
    }
    let fields = message.get(HEADER..).ok_or(CUT_OFF)?;
    let (key, fields) = nullable_bytes(fields).ok_or(CUT_OFF)?;
    let (value, fields) = nullable_bytes(fields).ok_or(CUT_OFF)?;
    if !fields.is_empty() {
        return Err(corrupt("the message is longer than its key and value"));
    }
    let view = MessageView {
        offset: i64::from_be_bytes(field(header, 0)),
        checksum,
        attributes: header[17],
        timestamp: i64::from_be_bytes(field(header, 18)),
        key,
        value,
        size: message.len(),
    };
    Ok((view, rest))
}

type Nullable<'a> = Option<&'a [u8]>;

/// `None` if it is malformed; null is written as length -1.
fn nullable_bytes(bytes: &[u8]) -> Option<(Nullable<'_>, &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    match i32::from_be_bytes(*length) {
        -1 => Some((None, rest)),
        length => {
            let (value, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            Some((Some(value), rest))
        }
    }
}

fn field<const LENGTH: usize>(header: &[u8; HEADER], at: usize) -> [u8; LENGTH] {
    let mut field = [0; LENGTH];
    field.copy_from_slice(&header[at..at + LENGTH]);
    field
}

/// A record batch of the same records, as one that travels without a producer id.
fn batch_of(messages: &[MessageView<'_>]) -> Vec<u8> {
    let timestamps = || messages.iter().map(|message| message.timestamp);
    let base_timestamp = timestamps().next().unwrap_or(0);
    let count = i32::try_from(messages.len()).unwrap_or(i32::MAX);
    let mut checked = vec![0, 0]; // attributes
    checked.extend((count - 1).to_be_bytes());
    checked.extend(base_timestamp.to_be_bytes());
    checked.extend(timestamps().max().unwrap_or(0).to_be_bytes());
    checked.extend((-1_i64).to_be_bytes());
    checked.extend((-1_i16).to_be_bytes());
    checked.extend((-1_i32).to_be_bytes());
    checked.extend(count.to_be_bytes());
    for message in messages {
        let mut record = vec![0]; // attributes
        put_varint(message.timestamp.wrapping_sub(base_timestamp), &mut record);
        put_varint(message.offset, &mut record);
        for field in [message.key, message.value] {
            put_varint(field.map_or(-1, length), &mut record);
            record.extend_from_slice(field.unwrap_or_default());
        }
        record.push(0); // headers
        put_varint(length(&record), &mut checked);
        checked.extend(record);
    }
    let mut batch = vec![0; 8]; // base offset
    let size = i32::try_from(checked.len() + 9).unwrap_or(i32::MAX);
    batch.extend(size.to_be_bytes());
    batch.extend((-1_i32).to_be_bytes()); // leader epoch
    batch.push(2); // magic
    batch.extend(crc32c::checksum(&checked).to_be_bytes());
    batch.extend(checked);
    batch
}

fn length(bytes: &[u8]) -> i64 {
    i64::try_from(bytes.len()).unwrap_or(i64::MAX)
}

/// In zig-zag form, in groups of seven bits, lowest first.
#[expect(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "the bits are meant")]
fn put_varint(value: i64, out: &mut Vec<u8>) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mock_cluster::mock_record::MockRecord;

    /// Of kafka-clients 4.1.1: (k, v), (null, "second") and (k3, null).
    const PLAIN: &str = "00000000000000000000001839268c3301000000018bcfe56800000000016b0000000176\
                         00000000000000010000001c9ba73a5501000000018bcfe56805ffffffff000000067365636f6e64\
                         000000000000000200000018a04a244901000000018bcfe567fd000000026b33ffffffff";
    /// The same in gzip, snappy and lz4.
    const COMPRESSED: [&str; 3] = [
        "00000000000000020000006be0eee02c01010000018bcfe56805ffffffff000000551f8b080000000000\
         00ff63608003094bb51e63462083b1fbfcd30c90086336882883ca83a464662fb70a85ab61fd0f04400e\
         5b716a727e5e0a541d13c8ac055e2a9e3075e97f41a2d9c620d50095cb3b0470000000",
        "0000000000000002000000847016135201020000018bcfe56805ffffffff0000006e82534e4150505900\
         00000001000000010000005a7000001901341839268c3301000000018bcfe568011804016b010e007601\
         0b01091c0000001c9ba73a55010905243c05ffffffff000000067365636f6e64000901200200000018a0\
         4a244911282c67fd000000026b33ffffffff",
        "00000000000000020000007f01b5339201030000018bcfe56805ffffffff0000006904224d186040825a\
         00000016000100e01839268c3301000000018bcfe568180020016b0e0010760b00000900850000001c9b\
         a73a552400f10005ffffffff000000067365636f6e642600b400000200000018a04a24492800c067fd00\
         0000026b33ffffffff00000000",
    ];

    // COMPAT-05
    #[test]
    fn reads_what_javas_producer_made() {
        let first = 1_700_000_000_000;
        for set in [&[PLAIN][..], &COMPRESSED].concat() {
            let batch = to_batch(&bytes(set), 1000).expect("valid");

            let records = MockRecord::read_batch(&batch).into_iter();
            let records = records.map(|it| (it.offset, it.timestamp, it.key, it.value));
            let bytes = |text: &str| Some(text.as_bytes().to_vec());
            assert_eq!(
                records.collect::<Vec<_>>(),
                [
                    (0, first, bytes("k"), bytes("v")),
                    (1, first + 5, None, bytes("second")),
                    (2, first - 3, bytes("k3"), None),
                ]
            );
        }
    }

    #[test]
    fn describes_what_it_reads() {
        assert_eq!(describe(&bytes(PLAIN)), Some((0x3926_8c33, 3)));
        assert_eq!(describe(&bytes(COMPRESSED[0])), Some((0xe0ee_e02c, 3)));
        assert_eq!(describe(&[]), None);
    }

    #[test]
    fn refuses_a_message_with_a_flipped_bit() {
        for set in [PLAIN, COMPRESSED[2]] {
            let good = bytes(set);
            for at in 0..good.len() {
                let mut bad = good.clone();
                bad[at] ^= 4;
                let refusal = to_batch(&bad, 1000).expect_err("damaged");
                assert_eq!(refusal.code, ErrorCode::CorruptMessage, "byte {at}");
            }
        }
    }

    #[test]
    fn refuses_what_is_too_large_message_by_message() {
        let plain = bytes(PLAIN);

        assert!(to_batch(&plain, 40).is_ok(), "40 bytes is the largest of them");
        let too_large = to_batch(&plain, 39).expect_err("too large");
        assert_eq!(too_large.code, ErrorCode::MessageTooLarge);
        let too_large = to_batch(&bytes(COMPRESSED[0]), 100).expect_err("too large");
        assert_eq!(too_large.code, ErrorCode::MessageTooLarge);
    }

    #[test]
    fn refuses_sets_that_are_cut_off_numbered_wrongly_or_not_one() {
        let plain = bytes(PLAIN);
        let wrapped = bytes(COMPRESSED[0]);
        for bad in [
            Vec::new(),
            plain[..plain.len() - 1].to_vec(),
            plain[36..].to_vec(),
            [&wrapped[..], &wrapped].concat(),
            [&plain[..], &wrapped].concat(),
        ] {
            assert_eq!(to_batch(&bad, 1000).expect_err("bad").code, ErrorCode::CorruptMessage);
        }
    }

    fn bytes(hex: &str) -> Vec<u8> {
        let digits = (0..hex.len()).step_by(2).map(|at| &hex[at..at + 2]);
        digits.map(|digits| u8::from_str_radix(digits, 16).expect("hexadecimal")).collect()
    }
}
