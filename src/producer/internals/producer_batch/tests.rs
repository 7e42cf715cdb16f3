//! Batches that outgrow their first buffer.

use std::sync::Arc;

use super::*;
use crate::common::header::Headers;
use crate::producer::internals::buffer_pool::BufferPool;
use crate::producer::internals::produce_request_result::BatchOutcome;
use crate::producer::internals::sender_signal::SenderSignal;
use crate::utils::crc32c;
use crate::utils::pieces::{pieces_of, total_size};

const BATCH_SIZE: usize = 1000;
const LARGEST: usize = 16 * BATCH_SIZE;
const STATE: ProducerState = ProducerState { producer_id: 7, producer_epoch: 1, base_sequence: 5 };

#[test]
fn a_batch_in_several_buffers_has_the_bytes_of_one_in_a_single_one() {
    for sizes in [vec![100; 60], vec![700; 12], vec![990, 3, 2500, 3, 3], vec![3000, 4000, 10]] {
        let pool = pool();
        let mut batch = grown(&pool, &sizes);
        let mut builder = MemoryRecordsBuilder::new(Vec::new(), usize::MAX, usize::MAX);
        for size in &sizes {
            builder.try_append(&record(&vec![7; *size], &Headers::new())).expect("room");
        }

        assert_eq!(batch.record_count() as usize, sizes.len());
        let plain = batch.plain().expect("there").into_owned();
        assert_eq!(plain[61..], builder.last_records().expect("there")[61..], "{sizes:?}");
        let sealed = batch.seal(STATE).expect("open");
        let count = pieces_of(&*sealed).count();
        assert!(count > 1, "{count}");
        assert_eq!(concat(&*sealed), builder.close(STATE), "{sizes:?}");
        assert_eq!(batch.size(), total_size(&*sealed));
    }
}

#[test]
fn a_batch_in_several_buffers_gives_all_of_them_back() {
    let pool = pool();
    let mut batch = grown(&pool, &[300; 20]);
    assert!(pool.available() <= pool.total() - 6 * BATCH_SIZE, "{}", pool.available());
    let request = batch.seal(STATE);

    let mut returned = Vec::new();
    batch.surrender(&mut returned);
    assert!(returned.is_empty(), "a request has them");
    drop(request);
    batch.surrender(&mut returned);
    pool.give_back_all(&mut returned);
    batch.complete(BatchOutcome::Appended { base_offset: 0, log_append_time_ms: -1 });

    assert_eq!(pool.available(), pool.total());
}

#[test]
fn a_batch_in_several_buffers_can_be_sent_again_by_another_producer() {
    let pool = pool();
    let mut batch = grown(&pool, &[300; 20]);
    let first = batch.seal(ProducerState::NONE).map(|request| concat(&*request));

    let under_way = batch.seal(STATE).expect("open");
    let again = batch.seal(ProducerState::NONE).expect("open");

    assert!(!Arc::ptr_eq(&under_way, &again), "the socket may still read it");
    for (request, expected) in [(&under_way, STATE), (&again, ProducerState::NONE)] {
        let bytes = concat(&**request);
        assert_eq!(bytes[17..21], crc32c::checksum(&bytes[21..]).to_be_bytes());
        assert_eq!(bytes[43..51], expected.producer_id.to_be_bytes());
    }
    assert_eq!(Some(concat(&*again)), first);
}

#[test]
fn a_batch_in_several_buffers_can_be_split() {
    let pool = pool();
    let mut batch = grown(&pool, &[300; 20]);
    batch.seal(STATE);

    let mut parts = batch.split(Split::AtSize(2000), &|| BatchId::new(8)).expect("not completed");

    let counts: Vec<_> = parts.iter().map(ProducerBatch::record_count).collect();
    assert_eq!(counts, [6, 6, 6, 2]);
    let lent = parts.iter().map(ProducerBatch::size).sum::<usize>();
    assert_eq!(pool.available(), pool.total() - lent, "the loan is that of the parts");
    for part in &mut parts {
        part.seal(STATE);
        part.complete(BatchOutcome::Appended { base_offset: 0, log_append_time_ms: -1 });
    }
    assert_eq!(pool.available(), pool.total());
}

#[test]
fn the_parts_of_a_batch_keep_the_loan_for_their_callbacks() {
    let pool = pool();
    let mut batch = begin(&pool);
    let (value, headers) = ([7; 20], Headers::new());
    for _ in 0..200 {
        batch.make_room(&record(&value, &headers), LARGEST);
        batch.try_append(&record(&value, &headers), &mut Some(Box::new(|_| {}))).expect("room");
    }
    batch.seal(STATE);

    let mut parts = batch.split(Split::AtSize(1000), &|| BatchId::new(8)).expect("not completed");

    let demand = |part: &ProducerBatch| part.size() + Thunks::bytes_for(part.callback_count());
    assert_eq!(pool.available(), pool.total() - parts.iter().map(demand).sum::<usize>());
    let last = parts.pop().expect("there");
    for part in &mut parts {
        part.complete(BatchOutcome::Appended { base_offset: 0, log_append_time_ms: -1 });
    }
    assert_eq!(pool.available(), pool.total() - demand(&last));
}

#[test]
fn a_large_record_among_small_ones_is_not_counted_as_many() {
    let pool = pool();
    let mut batch = begin(&pool);
    let (headers, large) = (Headers::new(), [7; 5 * BATCH_SIZE]);
    append_small(&mut batch, 20, 0);

    batch.make_room(&record(&large, &headers), LARGEST);

    let used = pool.total() - pool.available();
    let bytes = batch.size() + large.len() + BATCH_SIZE;
    assert!(used <= bytes + ProducerBatch::overhead(2 * 20), "{used} bytes for {bytes}");
}

#[test]
fn callbacks_whose_records_are_kept_apart_count_twice() {
    let used_by = |time_step_ms: i64| {
        let pool = pool();
        append_small(&mut begin(&pool), 200, time_step_ms);
        let mut batch = begin(&pool);
        append_small(&mut batch, 200, time_step_ms);
        pool.total() - pool.available()
    };

    let (usual, apart) = (used_by(0), used_by(i64::from(i32::MAX)));

    assert!(apart >= usual + Thunks::bytes_for(150), "{apart} and {usual} bytes");
}

#[test]
fn a_batch_stays_as_it_is_where_the_pool_has_no_more() {
    let pool = Arc::new(BufferPool::new(2 * BATCH_SIZE, BATCH_SIZE, || {}));
    let mut batch = begin(&pool);
    let (value, headers) = ([7; 900], Headers::new());
    assert_eq!(batch.try_append(&record(&value, &headers), &mut None), Some(0));
    let other = pool.try_allocate(BATCH_SIZE).expect("free");

    batch.make_room(&record(&value, &headers), LARGEST);

    assert!(batch.is_full());
    assert_eq!(batch.try_append(&record(&value, &headers), &mut None), None);
    assert_eq!(batch.record_count(), 1);
    drop((batch, other));
    assert_eq!(pool.available(), pool.total());
}

/// Appends so many records of one byte, each with a callback and so much later than the one before.
fn append_small(batch: &mut ProducerBatch, count: i64, time_step_ms: i64) {
    let headers = Headers::new();
    for number in 0..count {
        let record = RecordContents::new(number * time_step_ms, None, Some(&[7]), &headers);
        let mut callback: Option<Callback> = Some(Box::new(|_| {}));
        if batch.try_append(&record, &mut callback).is_none() {
            batch.make_room(&record, LARGEST);
            batch.try_append(&record, &mut callback).expect("room");
        }
    }
}

/// A batch with records of these sizes, however large it has to become.
fn grown(pool: &Arc<BufferPool>, sizes: &[usize]) -> ProducerBatch {
    let mut batch = begin(pool);
    let headers = Headers::new();
    for (size, index) in sizes.iter().zip(0..) {
        let value = vec![7; *size];
        let record = record(&value, &headers);
        if batch.builder.try_append(&record).is_none() {
            batch.make_room(&record, LARGEST);
            assert_eq!(batch.try_append(&record, &mut None), Some(index));
        }
    }
    batch
}

fn begin(pool: &Arc<BufferPool>) -> ProducerBatch {
    let signal = SenderSignal::detached();
    let partition = PartitionRef::new(PartitionId::new(0), TopicPartition::new("t", 0), signal);
    let buffer = pool.try_allocate(BATCH_SIZE / 4).expect("free");
    let start = BatchStart {
        id: BatchId::new(1),
        partition: &partition,
        buffer,
        write_limit: BATCH_SIZE,
        callbacks: 0,
        now: Instant::ZERO,
    };
    ProducerBatch::new(start, RecycledBatch::default())
}

fn record<'a>(value: &'a [u8], headers: &'a Headers<'a>) -> RecordContents<'a> {
    RecordContents::new(1_700_000_000_000, None, Some(value), headers)
}

fn pool() -> Arc<BufferPool> {
    Arc::new(BufferPool::new(100 * BATCH_SIZE, BATCH_SIZE, || {}))
}
