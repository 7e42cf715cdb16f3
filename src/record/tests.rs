//! Java's own classes read our batches and message sets, whatever the codec, and build the same bytes of the same records.

use crate::common::header::{Header, Headers};
use crate::compress::{Compression, CompressionType, Compressors};
use crate::java_oracle::{self, NEWEST, digits};
use crate::record::default_record::RecordContents;
use crate::record::default_record_batch::{ProducerState, RECORD_BATCH_OVERHEAD};
use crate::record::memory_records_builder::MemoryRecordsBuilder;
use crate::record::message_set::MessageSet;
use crate::utils::random::Random;

const BATCHES: u64 = 60;
const CODECS: [CompressionType; 5] = [
    CompressionType::None,
    CompressionType::Gzip,
    CompressionType::Snappy,
    CompressionType::Lz4,
    CompressionType::Zstd,
];

/// A batch of random records, and what Java has to find in it.
struct Sample {
    compressed: Vec<u8>,
    plain: Vec<u8>,
    described: String,
}

/// Random records in a batch that is not closed yet.
struct Records {
    builder: MemoryRecordsBuilder,
    /// The time of each, and all of it as Java shows it.
    shown: Vec<(i64, String)>,
}

#[test]
fn java_reads_every_batch_of_ours_and_builds_the_same() {
    check(Sample::batch);
}

#[test]
fn java_reads_every_message_set_of_ours_and_builds_the_same() {
    check(|codec, seed| {
        // It is younger than message sets.
        let codec = if codec == CompressionType::Zstd { CompressionType::None } else { codec };
        Sample::message_set(codec, seed)
    });
}

fn check(sample: impl Fn(CompressionType, u64) -> Sample) {
    if !java_oracle::is_available() {
        return;
    }
    let each = CODECS.into_iter().flat_map(|codec| (0..BATCHES).map(move |seed| (codec, seed)));
    let samples: Vec<_> = each.map(|(codec, seed)| sample(codec, seed)).collect();

    let lines: Vec<_> = samples.iter().map(|sample| digits(&sample.compressed)).collect();
    let answers = java_oracle::ask(&NEWEST, "Batches.java", &lines);

    for (sample, answer) in samples.iter().zip(answers) {
        let (described, rebuilt) = answer.split_once('\t').unwrap_or((&answer, ""));
        assert_eq!(described, sample.described);
        assert_eq!(rebuilt, digits(&sample.plain), "{described}");
    }
}

impl Sample {
    fn batch(codec: CompressionType, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let producer = producer(&mut random);
        let Records { mut builder, shown } = Records::new(seed, &mut random, headers);
        let plain = with_header(&mut builder, producer);
        let compressed = match compress(codec, &plain[RECORD_BATCH_OVERHEAD..]) {
            Some(records) => {
                let mut batch = [&plain[..RECORD_BATCH_OVERHEAD], &records].concat();
                builder.set_compressed(codec, batch.len());
                builder.write_header(&mut batch, std::iter::empty(), producer);
                batch
            }
            None => plain.clone(),
        };
        let ProducerState { producer_id, producer_epoch, base_sequence } = producer;
        let described = format!(
            "v2 {codec} CreateTime offsets 0-{} count {} producer {producer_id}/{producer_epoch} \
             sequence {base_sequence} max {}; {}",
            shown.len() - 1,
            shown.len(),
            newest(&shown),
            joined(&shown)
        );
        Self { compressed, plain, described }
    }

    fn message_set(codec: CompressionType, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let Records { mut builder, shown } = Records::new(seed, &mut random, |_| Headers::new());
        let (base, count) = (builder.base_timestamp_ms(), builder.record_count());
        let batch = with_header(&mut builder, ProducerState::NONE);
        let set = MessageSet::of_batch(&batch, base, count).expect("a batch of ours");
        let plain = set.bytes().to_vec();
        let described = |first: usize, shown: &[(i64, String)]| {
            format!(
                "v1 {codec} CreateTime offsets {first}-{} count null producer -1/-1 sequence -1 max {}; {}",
                first + shown.len() - 1,
                newest(shown),
                joined(shown)
            )
        };
        match compress(codec, &plain) {
            Some(compressed) => Self {
                compressed: set.wrapper(codec, &compressed),
                plain,
                described: described(0, &shown),
            },
            None => {
                let each = shown.chunks(1).zip(0..).map(|(one, offset)| described(offset, one));
                let described = each.collect::<Vec<_>>().join("; ");
                Self { compressed: plain.clone(), plain, described }
            }
        }
    }
}

impl Records {
    fn new(
        seed: u64,
        random: &mut Random,
        headers: impl Fn(&mut Random) -> Headers<'static>,
    ) -> Self {
        let mut builder = MemoryRecordsBuilder::new(Vec::new(), usize::MAX, usize::MAX);
        let count = 1 + random.below(if seed % 8 == 0 { 300 } else { 6 });
        let shown = (0..count).map(|offset| {
            let timestamp_ms = timestamp_ms(random);
            let [key, value] = [(); 2].map(|()| bytes(random));
            let headers = headers(random);
            let record =
                RecordContents::new(timestamp_ms, key.as_deref(), value.as_deref(), &headers);
            builder.try_append(&record).expect("room");
            let [key, value] = [key, value].map(|bytes| shown(bytes.as_deref()));
            let headers = listed(&headers);
            (timestamp_ms, format!("{offset} {timestamp_ms} {key} {value} [{headers}]"))
        });
        let shown = shown.collect();
        Self { builder, shown }
    }
}

fn newest(shown: &[(i64, String)]) -> i64 {
    shown.iter().map(|(timestamp_ms, _)| *timestamp_ms).max().expect("a record")
}

fn joined(shown: &[(i64, String)]) -> String {
    shown.iter().map(|(_, record)| record.as_str()).collect::<Vec<_>>().join("; ")
}

fn with_header(builder: &mut MemoryRecordsBuilder, producer: ProducerState) -> Vec<u8> {
    let mut batch = builder.take_buffer();
    builder.write_header(&mut batch, std::iter::empty(), producer);
    batch
}

/// Also where they become larger: what travels is then left as it is. `None` without a codec.
fn compress(codec: CompressionType, records: &[u8]) -> Option<Vec<u8>> {
    let compressors = Compressors::new(Compression { codec, level: None });
    let compressor = compressors.take().expect("memory");
    assert_eq!(compressor.is_none(), codec == CompressionType::None, "tests have every codec");
    Some(compressor?.compress(records).expect("it works").to_vec())
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
