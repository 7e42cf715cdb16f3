//! Batches that are compressed: by whom, when, and what if they become larger than was expected.

use kafka_protocol::records::{Record, RecordBatchDecoder, RecordSet};

use super::*;
use crate::producer::internals::partition_ref::PartitionId;
use crate::producer::internals::producer_batch::ProducerBatch;

const CODECS: [(CompressionType, i16); 4] = [
    (CompressionType::Gzip, 1),
    (CompressionType::Snappy, 2),
    (CompressionType::Lz4, 3),
    (CompressionType::Zstd, 4),
];
/// Batches after which a topic is expected to become as small as it does.
const ENOUGH: i64 = 250;

// API-01
#[test]
fn every_codec_is_read_by_a_decoder_that_is_not_ours() {
    for (codec, id) in CODECS {
        let mut fixture = Setup::new().linger().with(|settings| settings.codec = codec).start();
        for size in [300, 0, 300] {
            fixture.append(0, size);
        }
        fixture.advance(LINGER);

        let request = fixture.sent();

        let bytes = fixture.bytes(request.id);
        assert_eq!(i16::from_be_bytes([bytes[21], bytes[22]]), id);
        assert!(bytes.len() < 200, "{} bytes", bytes.len());
        let RecordSet { records, .. } =
            RecordBatchDecoder::decode(&mut bytes.as_slice()).expect("a batch");
        let lengths = records.iter().map(|Record { value, .. }| value.as_ref().map(|it| it.len()));
        assert_eq!(lengths.collect::<Vec<_>>(), [Some(300), Some(0), Some(300)], "{codec}");
    }
}

#[test]
fn what_does_not_become_smaller_travels_as_it_is() {
    let mut fixture = lz4().start();
    append_noise(&fixture, 0, 200, 1);

    let request = fixture.sent();

    let bytes = fixture.bytes(request.id);
    assert_eq!((bytes[21], bytes[22]), (0, 0));
    assert_eq!(request.batches[0].size, 61 + 9 + 200);
}

// ACC-09
#[test]
fn a_batch_takes_what_will_become_its_size() {
    let mut fixture = lz4().start();
    learn(&mut fixture, ENOUGH);

    let future = fixture.append(0, 100);
    for _ in 0..50 {
        fixture.append(0, 100);
    }

    assert!(!future.is_done());
    let request = fixture.sent();
    assert_eq!(request.batches[0].count, 51, "5000 bytes are less than {BATCH_SIZE} compressed");
    assert!(request.batches[0].size < BATCH_SIZE);
    assert!(
        fixture.available_memory() >= BUFFER_MEMORY - BATCH_SIZE - ProducerBatch::overhead(0),
        "what it needs no more is back"
    );
    fixture.acknowledge(&request, 0);
    assert_eq!(fixture.available_memory(), BUFFER_MEMORY);
}

#[test]
fn a_batch_does_not_grow_beyond_the_memory_there_is() {
    let memory = 4 * BATCH_SIZE;
    let mut fixture = lz4().linger().buffer_memory(memory).start();
    learn(&mut fixture, ENOUGH);

    let taken = (0..1000).map_while(|_| try_append(&fixture, 0, 100)).count();

    let queue = fixture.accumulator.queue(PartitionId::new(0)).expect("appended to");
    let held: usize = queue.lock().newest_first().map(|batch| batch.written()).sum();
    assert!(taken > 5 && taken < 1000, "{taken} records in {memory} bytes");
    assert!(held <= memory, "{held} bytes in {memory}");
    fixture.advance(LINGER);
    fixture.rest();
    for request in fixture.requests() {
        fixture.acknowledge(&request, 0);
    }
    assert_eq!(fixture.available_memory(), memory);
}

#[test]
fn a_sender_at_work_leaves_full_batches_to_their_callers() {
    let fixture = lz4().linger().start();

    fixture.fill(0);

    let queue = fixture.accumulator.queue(PartitionId::new(0)).expect("appended to");
    let mut batches = queue.lock();
    let tail = batches.tail().expect("a batch");
    assert!(tail.size() < 200, "{} bytes: it is compressed", tail.size());
    assert!(tail.start_compression().is_none(), "and once only");
}

#[test]
fn a_batch_that_is_being_compressed_is_waited_for() {
    let mut fixture = lz4().linger().start();
    let future = fixture.append(0, 300);
    let queue = fixture.accumulator.queue(PartitionId::new(0)).expect("appended to");
    let job =
        queue.lock().tail().and_then(ProducerBatch::start_compression).expect("not compressed yet");

    fixture.advance(LINGER);
    fixture.rest();
    assert_eq!(fixture.client.sent_count(), 0);

    let compressed = job.run();
    queue.lock().tail().expect("still there").finish_compression(compressed);
    queue.partition().announce();
    let request = fixture.sent();
    fixture.acknowledge(&request, 5);
    assert_eq!(offset(&future), 5);
    assert_eq!(fixture.available_memory(), BUFFER_MEMORY);
}

#[test]
fn a_batch_that_fails_while_it_is_compressed_fails_once() {
    let mut fixture = lz4().linger().start();
    let future = fixture.append(0, 300);
    let queue = fixture.accumulator.queue(PartitionId::new(0)).expect("appended to");
    let job =
        queue.lock().tail().and_then(ProducerBatch::start_compression).expect("not compressed yet");

    fixture.advance(DELIVERY_TIMEOUT);
    fixture.rest();

    assert_eq!(error(&future).persistence(), Persistence::NeverSent);
    drop(job.run());
    assert!(queue.lock().tail().is_none());
    assert_eq!(fixture.available_memory(), BUFFER_MEMORY);
}

// ACC-09, INP-05
#[test]
fn a_batch_that_becomes_larger_than_a_request_may_be_is_sent_in_parts() {
    for is_idempotent in [false, true] {
        let setup = lz4().linger().with(|settings| {
            settings.max_request_size = BATCH_SIZE;
            settings.is_idempotent = is_idempotent;
        });
        let mut fixture = setup.start();
        if is_idempotent {
            fixture.append(0, 1);
            fixture.give_producer_id(7, 0);
            fixture.advance(LINGER);
            let first = fixture.sent();
            fixture.acknowledge(&first, 0);
        }
        learn(&mut fixture, ENOUGH);

        let futures: Vec<_> = (0..20).map(|seed| append_noise(&fixture, 0, 100, seed)).collect();
        fixture.advance(LINGER);
        let mut next_offset = 0;
        while !futures.iter().all(FutureRecordMetadata::is_done) {
            fixture.rest();
            for request in fixture.requests() {
                let [batch] = &request.batches[..] else { panic!("{request:?}") };
                assert!(batch.size <= BATCH_SIZE, "{} bytes", batch.size);
                let base_offset = next_offset;
                next_offset += i64::from(batch.count);
                fixture.acknowledge(&request, base_offset);
            }
        }

        assert_eq!(futures.iter().map(offset).collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
        assert_eq!(fixture.available_memory(), BUFFER_MEMORY);
    }
}

// Java: RecordAccumulatorTest.testSplitBatchOffAccumulator
#[test]
fn a_compressed_batch_that_a_broker_finds_too_large_is_split_and_less_is_hoped_for() {
    for (codec, _) in CODECS {
        let mut fixture = Setup::new().linger().with(|settings| settings.codec = codec).start();
        learn(&mut fixture, 30);
        let futures: Vec<_> = (0..4).map(|_| fixture.append(0, 200)).collect();
        fixture.advance(LINGER);
        let whole = fixture.sent();

        fixture.refuse(&whole, ErrorCode::MessageTooLarge);

        let mut base_offset = 0;
        while !futures.iter().all(FutureRecordMetadata::is_done) {
            for part in fixture.requests() {
                assert!(part.batches[0].count < 4, "{part:?}");
                fixture.acknowledge(&part, base_offset);
                base_offset += i64::from(part.batches[0].count);
            }
        }
        assert_eq!(futures.iter().map(offset).collect::<Vec<_>>(), [0, 1, 2, 3], "{codec}");
        let ratio = fixture.accumulator.queue(PartitionId::new(0)).and_then(|queue| {
            queue.partition().compression().map(|compression| compression.estimation())
        });
        assert!(ratio.is_some_and(|ratio| ratio > 0.95), "{codec}: {ratio:?}");
    }
}

// ACC-09. Java: RecordAccumulatorTest.testSplitFrequency
#[test]
fn alternating_data_is_seldom_split() {
    let mut fixture = lz4().linger().with(|it| it.max_request_size = 2 * BATCH_SIZE).start();
    let (mut sent, mut too_large) = (0_u32, 0_u32);
    for round in 0..2000_u64 {
        // Alone in its batch, what would be split shows as one that exceeds the limit of the batches.
        let is_noise = round % 2 == 0;
        if is_noise {
            append_noise(&fixture, 0, 400, round);
        } else {
            fixture.append(0, 400);
        }
        fixture.rest();
        for request in fixture.requests() {
            sent += 1;
            too_large += u32::from(request.batches[0].size > BATCH_SIZE);
            fixture.acknowledge(&request, 0);
        }
    }
    assert!(sent > 100 && too_large * 10 < sent, "{too_large} of {sent}");
}

// COMPAT-04: a broker before 2.1.
#[test]
fn a_request_with_zstd_needs_a_broker_that_knows_it() {
    let zstd = |settings: &mut SenderSettings| settings.codec = CompressionType::Zstd;
    let mut fixture = Setup::new().with(zstd).start();
    fixture.client.set_produce_version(NODE_1, 6);
    let future = fixture.append(0, 300);
    let request = fixture.sent();
    let cause = ErrorKind::UnsupportedVersion { message: "up to 6".into() };

    fixture.client.respond(request.id, ResponseOutcome::UnsupportedVersion(Error::new(cause)));
    fixture.rest();

    let error = error(&future);
    assert!(error.to_string().contains("compression.type"), "{error}");
    assert!(error.to_string().contains("up to 6"), "{error}");
    assert_eq!(error.persistence(), Persistence::NeverSent);
}

fn lz4() -> Setup {
    Setup::new().with(|settings| settings.codec = CompressionType::Lz4)
}

/// Sends so many batches of zeros that more of them are expected.
fn learn(fixture: &mut Fixture, batches: i64) {
    for base_offset in 0..batches {
        fixture.append(0, 600);
        fixture.advance(LINGER);
        let request = fixture.sent();
        fixture.acknowledge(&request, base_offset);
    }
}

fn append_noise(fixture: &Fixture, partition: i32, size: usize, seed: u64) -> FutureRecordMetadata {
    let mut random = Random::new(seed);
    let value: Vec<_> =
        (0..size).map(|_| u8::try_from(random.below(256)).expect("a byte")).collect();
    append_value(fixture, partition, &value).expect("room")
}

fn try_append(fixture: &Fixture, partition: i32, size: usize) -> Option<FutureRecordMetadata> {
    append_value(fixture, partition, &vec![0; size])
}

fn append_value(fixture: &Fixture, partition: i32, value: &[u8]) -> Option<FutureRecordMetadata> {
    fixture.append_record(partition, value, &Headers::new(), &mut None).ok()
}
