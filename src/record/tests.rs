//! Java's own classes read our batches, whatever the codec, and build the same bytes of the same records.

use std::fmt::Write;

use crate::common::header::{Header, Headers};
use crate::compress::{Compression, CompressionType, Compressors};
use crate::record::default_record::RecordContents;
use crate::record::default_record_batch::{ProducerState, RECORD_BATCH_OVERHEAD};
use crate::record::memory_records_builder::MemoryRecordsBuilder;
use crate::utils::java::{self, NEWEST, digits};
use crate::utils::random::Random;

const BATCHES: u64 = 60;
const CODECS: [CompressionType; 5] = [
    CompressionType::None,
    CompressionType::Gzip,
    CompressionType::Snappy,
    CompressionType::Lz4,
    CompressionType::Zstd,
];

/// A batch of random records, compressed or not, and what Java has to find in it.
struct Sample {
    compressed: Vec<u8>,
    plain: Vec<u8>,
    described: String,
}

#[test]
fn java_reads_every_batch_of_ours_and_builds_the_same() {
    if !java::is_available() {
        return;
    }
    let of_codec = |codec| (0..BATCHES).map(move |seed| Sample::new(codec, seed));
    let samples: Vec<_> = CODECS.into_iter().flat_map(of_codec).collect();

    let lines: Vec<_> = samples.iter().map(|sample| digits(&sample.compressed)).collect();
    let answers = java::ask(&NEWEST, "Batches.java", &lines);

    for (sample, answer) in samples.iter().zip(answers) {
        let (described, rebuilt) = answer.split_once('\t').unwrap_or((&answer, ""));
        assert_eq!(described, sample.described);
        assert_eq!(rebuilt, digits(&sample.plain), "{described}");
    }
}

impl Sample {
    fn new(codec: CompressionType, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let producer = producer(&mut random);
        let mut builder = MemoryRecordsBuilder::new(Vec::new(), usize::MAX, usize::MAX);
        let (mut records, mut newest) = (String::new(), i64::MIN);
        let count = 1 + random.below(if seed % 8 == 0 { 300 } else { 6 });
        for offset in 0..count {
            let timestamp_ms = timestamp_ms(&mut random);
            let (key, value) = (bytes(&mut random), bytes(&mut random));
            let headers = headers(&mut random);
            let record =
                RecordContents::new(timestamp_ms, key.as_deref(), value.as_deref(), &headers);
            builder.try_append(&record).expect("room");
            let [key, value] = [key, value].map(|bytes| shown(bytes.as_deref()));
            write!(records, "; {offset} {timestamp_ms} {key} {value} [{}]", listed(&headers))
                .expect("memory");
            newest = newest.max(timestamp_ms);
        }
        let plain = with_header(&mut builder, producer);
        let compressed = compress(&mut builder, &plain, codec, producer);
        let ProducerState { producer_id, producer_epoch, base_sequence } = producer;
        let described = format!(
            "v2 {codec} CreateTime offsets 0-{} count {count} producer {producer_id}/{producer_epoch} \
             sequence {base_sequence} max {newest}{records}",
            count - 1
        );
        Self { compressed, plain, described }
    }
}

fn with_header(builder: &mut MemoryRecordsBuilder, producer: ProducerState) -> Vec<u8> {
    let mut batch = builder.take_records();
    builder.rewrite_header(&mut batch, producer);
    batch
}

/// Compressed also where it becomes larger: batches that travel are then left as they are.
fn compress(
    builder: &mut MemoryRecordsBuilder,
    plain: &[u8],
    codec: CompressionType,
    producer: ProducerState,
) -> Vec<u8> {
    let compressors = Compressors::new(Compression { codec, level: None });
    let Some(mut compressor) = compressors.take().expect("memory") else {
        assert_eq!(codec, CompressionType::None, "tests have every codec");
        return plain.to_vec();
    };
    let (header, records) = plain.split_at(RECORD_BATCH_OVERHEAD);
    let mut batch = header.to_vec();
    batch.extend_from_slice(compressor.compress(records).expect("it works"));
    builder.set_compressed(codec, batch.len());
    builder.rewrite_header(&mut batch, producer);
    batch
}

fn producer(random: &mut Random) -> ProducerState {
    match random.below(3) {
        0 => ProducerState::NONE,
        _ => ProducerState {
            producer_id: [0, 1000, i64::MAX][random.below(3)],
            producer_epoch: [0, 7, i16::MAX][random.below(3)],
            base_sequence: [0, 123_456, i32::MAX][random.below(3)],
        },
    }
}

/// Now and some time before or after.
fn timestamp_ms(random: &mut Random) -> i64 {
    1_700_000_000_000 + i64::try_from(random.below(100_000)).expect("small") - 50_000
}

/// At times none, at times empty, seldom long.
fn bytes(random: &mut Random) -> Option<Vec<u8>> {
    let length = match random.below(8) {
        0 => return None,
        1 => 0,
        2 => random.below(3000),
        _ => random.below(20),
    };
    // Half of them repeat themselves.
    let kinds = [256, 3][random.below(2)];
    Some((0..length).map(|_| u8::try_from(random.below(kinds)).expect("a byte")).collect())
}

fn headers(random: &mut Random) -> Headers<'static> {
    let mut headers = Headers::new();
    for _ in 0..random.below(4) {
        let key = ["", "trace", "über", "trace"][random.below(4)];
        headers.add(Header::new(key, bytes(random)));
    }
    headers
}

fn listed(headers: &Headers<'_>) -> String {
    let shown = headers
        .iter()
        .map(|header| format!("{}={}", digits(header.key().as_bytes()), shown(header.value())));
    shown.collect::<Vec<_>>().join(", ")
}

fn shown(bytes: Option<&[u8]>) -> String {
    bytes.map_or_else(|| "null".to_owned(), digits)
}
