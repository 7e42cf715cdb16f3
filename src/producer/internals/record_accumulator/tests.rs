use std::collections::{BTreeMap, BTreeSet};

use arc_swap::ArcSwap;

use super::*;
use crate::common::cluster::TopicInfo;
use crate::common::header::Headers;
use crate::common::node::NodeId;
use crate::common::partition_info::PartitionInfo;
use crate::common::uuid::Uuid;
use crate::producer::internals::produce_request_result::BatchOutcome;
use crate::producer::internals::sender_signal::Announcements;
use crate::producer::internals::thunks::Thunks;

const BATCH_SIZE: usize = 200;

#[test]
fn fills_one_batch_before_it_starts_another() {
    let accumulator = accumulator(10 * BATCH_SIZE);
    let topic = topic(1);

    let first = append(&accumulator, &topic, Some(0), 100).expect("room");
    let second = append(&accumulator, &topic, Some(0), 20).expect("room");
    let third = append(&accumulator, &topic, Some(0), 100).expect("room");

    assert_eq!(
        [first.news, second.news, third.news],
        [News::FirstBatch, News::Nothing, News::NextBatch]
    );
    assert_eq!(accumulator.take_all().len(), 2);
}

#[test]
fn a_large_record_gets_a_batch_of_its_own_size() {
    let accumulator = accumulator(10 * BATCH_SIZE);

    append(&accumulator, &topic(1), Some(0), 5 * BATCH_SIZE).expect("room");

    let batches = accumulator.take_all();
    assert_eq!(batches[0].record_count(), 1);
    assert!(batches[0].size() > 5 * BATCH_SIZE);
}

#[test]
fn a_full_pool_refuses_and_takes_neither_record_nor_callback() {
    let accumulator = accumulator(BATCH_SIZE / 2);
    let topic = topic(2);
    append(&accumulator, &topic, Some(0), 10).expect("room");
    let mut callback: Option<Callback> = Some(Box::new(|_| {}));

    let refused = append_with(&accumulator, &topic, Some(1), 10, &mut callback);

    assert_eq!(refused.err(), Some(AppendError::Exhausted { requested: (BATCH_SIZE / 2).into() }));
    assert!(callback.is_some());
    assert_eq!(accumulator.take_all().len(), 1);
}

#[test]
fn memory_comes_back_when_batches_go() {
    let accumulator = accumulator(10 * BATCH_SIZE);
    append(&accumulator, &topic(1), Some(0), 7 * BATCH_SIZE).expect("room");
    assert!(accumulator.pool().available() < 3 * BATCH_SIZE);

    drop(accumulator.take_all());

    assert_eq!(accumulator.pool().available(), 10 * BATCH_SIZE);
}

#[test]
fn takes_nothing_once_it_is_closed() {
    let accumulator = accumulator(10 * BATCH_SIZE);
    accumulator.close();

    let refused = append(&accumulator, &topic(1), None, 1);

    assert_eq!(refused.err(), Some(AppendError::Closed));
}

#[test]
fn a_topic_may_gain_partitions() {
    let accumulator = accumulator(10 * BATCH_SIZE);
    append(&accumulator, &topic(1), Some(0), 1).expect("room");

    append(&accumulator, &topic(3), Some(2), 1).expect("room");

    let numbers = accumulator.take_all();
    let numbers = numbers.iter().map(|batch| batch.topic_partition().partition());
    assert_eq!(numbers.collect::<Vec<_>>(), [0, 2]);
}

#[test]
fn keyless_records_stay_together_until_a_batch_is_full() {
    let accumulator = accumulator(100 * BATCH_SIZE);
    let topic = topic(8);
    for _ in 0..60 {
        append(&accumulator, &topic, None, 30).expect("room");
    }

    let batches = accumulator.take_all();

    let half_filled = batches.iter().filter(|batch| batch.size() < BATCH_SIZE / 2).count();
    assert!(half_filled <= 1, "{half_filled} of {} batches", batches.len());
}

// Threads wait for one another as little as can be.
#[test]
fn a_keyless_record_goes_elsewhere_while_another_thread_is_at_its_partition() {
    let accumulator = accumulator(100 * BATCH_SIZE);
    let topic = topic(50);
    let partitions = || {
        let mut partitions = BTreeMap::new();
        for batch in accumulator.take_all() {
            let count = partitions.entry(batch.topic_partition().partition()).or_insert(0);
            *count += batch.record_count();
        }
        partitions
    };
    append(&accumulator, &topic, None, 30).expect("room");
    let entry = accumulator.table.get("t").expect("known");
    let first = entry.sticky_partition(Lane::FIRST, 50);

    let locked = entry.queue(first).expect("known").lock();
    for _ in 0..6 {
        append(&accumulator, &topic, None, 30).expect("room");
    }
    drop(locked);

    let by_partition = partitions();
    assert_eq!(by_partition[&first], 1, "{by_partition:?}");
    assert_eq!(by_partition.values().sum::<u32>(), 7);
    let mut next = 0;
    while next < 20 && !partitions().contains_key(&first) {
        append(&accumulator, &topic, None, 30).expect("room");
        next += 1;
    }
    assert!(next < 20, "comes back when a batch is full elsewhere");
}

// A batch that became full when keyless records moved on lingered although it could be sent.
#[test]
fn every_full_batch_is_announced_when_keyless_records_move_on() {
    let accumulator = accumulator(1000 * BATCH_SIZE);
    let topic = topic(100);
    let (mut announced, mut full) = (0, 0);

    for _ in 0..500 {
        let appended = append(&accumulator, &topic, None, 30).expect("room");
        let mut news = Announcements::default();
        accumulator.signal().take_announcements(&mut news);
        for partition in news.changed {
            let queue = accumulator.queue(partition).expect("known");
            queue.partition().accept_announcement();
            if queue.lock().tail().is_some_and(|tail| tail.is_full()) {
                drop(queue.lock().take_all());
                announced += 1;
                assert_ne!(appended.news, News::Nothing);
            }
        }
    }
    for batch in accumulator.take_all() {
        full += i32::from(batch.is_full());
    }

    assert!(announced > 50, "{announced}");
    assert_eq!(full, 0, "nobody knows of them");
}

// The metadata may lose sight of a topic between the look-up and the append.
#[test]
fn a_topic_that_is_forgotten_meanwhile_takes_its_records_all_the_same() {
    let accumulator = accumulator(10 * BATCH_SIZE);
    accumulator.registry.lock().update(&topic(3), &accumulator);
    let topic = accumulator.table.get("t").expect("known");
    topic.forget();
    let headers = Headers::new();
    let record = RecordContents::new(1, None, None, &headers);
    let append =
        Append { topic, partition_count: 3, partition: None, record, max_wait: Duration::ZERO };

    let appended = accumulator.append(&append, &mut None, &|| Instant::ZERO);

    assert!(appended.is_ok());
}

#[test]
fn a_batch_grows_beyond_its_size_behind_others_but_not_the_first_of_a_partition() {
    let accumulator = accumulator(100 * BATCH_SIZE).with_largest_batch(8 * BATCH_SIZE);
    let topic = topic(1);

    for _ in 0..30 {
        append(&accumulator, &topic, Some(0), 30).expect("room");
    }

    let sizes: Vec<_> = accumulator.take_all().iter().map(|batch| batch.size()).collect();
    assert_eq!(sizes.len(), 2, "{sizes:?}");
    assert!(sizes[0] <= BATCH_SIZE && sizes[1] > 4 * BATCH_SIZE, "{sizes:?}");
}

#[test]
fn a_lone_batch_grows_as_far_as_those_before_it_did() {
    let accumulator = accumulator(100 * BATCH_SIZE).with_largest_batch(8 * BATCH_SIZE);
    let append_many = || {
        for _ in 0..30 {
            append(&accumulator, &topic(1), Some(0), 30).expect("room");
        }
    };
    append_many();
    let queue = accumulator.queue(PartitionId::new(0)).expect("used");
    while queue.lock().pop_head(&mut Vec::new()).is_some() {}
    let before = accumulator.pool().available();

    append(&accumulator, &topic(1), Some(0), 30).expect("room");
    let used = before - accumulator.pool().available();
    assert_eq!(used, accumulator.pool().large_size() + ProducerBatch::overhead(0));
    append_many();

    let first = queue.lock().pop_head(&mut Vec::new()).expect("there");
    assert!(first.size() > 4 * BATCH_SIZE, "{}", first.size());
}

#[test]
fn a_batch_that_grows_counts_its_callbacks() {
    let accumulator = accumulator(1000 * BATCH_SIZE).with_largest_batch(100 * BATCH_SIZE);
    let without = append_tiny(&accumulator, || None);
    send_all(&accumulator);

    let with = append_tiny(&accumulator, || Some(Box::new(|_| {})));

    let least = without + Thunks::bytes_for(TINY_RECORDS) * 9 / 10;
    assert!(with >= least, "{with} bytes, {without} without callbacks");
    send_all(&accumulator);
    assert_eq!(accumulator.pool().available(), accumulator.pool().total());
}

#[test]
fn the_next_batch_counts_from_the_start_the_callbacks_that_are_likely() {
    let accumulator = accumulator(1000 * BATCH_SIZE).with_largest_batch(100 * BATCH_SIZE);
    append_tiny(&accumulator, || Some(Box::new(|_| {})));
    send_all(&accumulator);

    append(&accumulator, &topic(1), Some(0), 1).expect("room");

    let pool = accumulator.pool();
    let used = pool.total() - pool.available();
    let without = pool.large_size() + ProducerBatch::overhead(0);
    assert!(used > without + pool.large_size() / 2, "{used} bytes, {without} without callbacks");
}

#[test]
fn while_nothing_is_sent_a_batch_counts_as_many_callbacks_as_the_one_before() {
    let accumulator = accumulator(1000 * BATCH_SIZE);
    append(&accumulator, &topic(1), Some(0), BATCH_SIZE - 80).expect("room");
    send_all(&accumulator);

    let used = append_tiny(&accumulator, || Some(Box::new(|_| {})));

    let batches = accumulator.queue(PartitionId::new(0)).expect("used").lock().len();
    let without = batches * (BATCH_SIZE + ProducerBatch::overhead(0));
    let least = without + Thunks::bytes_for(TINY_RECORDS) * 8 / 10;
    assert!(used >= least, "{used} bytes, {without} without callbacks");
}

#[test]
fn many_partitions_share_the_memory_alike_each_time_it_is_full() {
    const PARTITIONS: i32 = 125;
    let accumulator = accumulator_with(1 << 14, 2 << 20);
    let topic = topic(PARTITIONS);
    let mut counts = Vec::new();
    for _ in 0..6 {
        let partitions = (0..PARTITIONS).cycle();
        let taken = partitions.take_while(|partition| {
            let mut callback: Option<Callback> = Some(Box::new(|_| {}));
            append_with(&accumulator, &topic, Some(*partition), 10, &mut callback).is_ok()
        });
        counts.push(taken.count());
        for index in 0..accumulator.queue_count.load(Ordering::Relaxed) {
            let queue = accumulator.queue(PartitionId::new(index)).expect("used");
            while queue.lock().pop_head(&mut Vec::new()).is_some() {}
        }
    }

    let (least, most) = (counts.iter().min(), counts.iter().max());
    assert!(least.zip(most).is_some_and(|(least, most)| 2 * least >= *most), "{counts:?}");
}

#[test]
fn a_batch_fills_all_of_a_memory_that_is_no_larger() {
    let accumulator = accumulator(BATCH_SIZE);
    let fill = std::iter::from_fn(|| append(&accumulator, &topic(1), Some(0), 10).ok());

    assert_eq!(fill.count(), 8);

    let sizes: Vec<_> = accumulator.take_all().iter().map(|batch| batch.size()).collect();
    assert!(matches!(sizes[..], [size] if size + 18 > BATCH_SIZE), "{sizes:?}");
}

#[test]
fn a_small_batch_takes_little_memory() {
    let accumulator = accumulator(100 * BATCH_SIZE);

    append(&accumulator, &topic(1), Some(0), 10).expect("room");

    let used = accumulator.pool().total() - accumulator.pool().available();
    assert_eq!(used, BATCH_SIZE / 2 + ProducerBatch::overhead(0));
}

#[test]
fn a_partition_is_announced_once_however_many_records_come() {
    let accumulator = accumulator(100 * BATCH_SIZE);
    for _ in 0..20 {
        append(&accumulator, &topic(1), Some(0), 60).expect("room");
    }

    let mut news = Announcements::default();
    accumulator.signal().take_announcements(&mut news);

    assert_eq!((news.first_batches.len(), news.changed.len()), (1, 1), "empty, then not");
}

#[test]
fn a_first_batch_that_is_full_at_once_is_not_taken_for_one_that_lingers() {
    let accumulator = accumulator(10 * BATCH_SIZE);

    append(&accumulator, &topic(1), Some(0), 2 * BATCH_SIZE).expect("room");

    let mut news = Announcements::default();
    accumulator.signal().take_announcements(&mut news);
    assert_eq!((news.first_batches.len(), news.changed.len()), (0, 1));
}

#[test]
fn a_batch_size_smaller_than_a_batch_s_header_gives_each_record_a_batch() {
    let accumulator = accumulator_with(1, 10 * BATCH_SIZE);

    append(&accumulator, &topic(1), Some(0), 10).expect("room");
    append(&accumulator, &topic(1), Some(0), 10).expect("room");

    let mut news = Announcements::default();
    accumulator.signal().take_announcements(&mut news);
    assert_eq!((news.first_batches.len(), news.changed.len()), (0, 1));
    assert_eq!(accumulator.take_all().len(), 2);
}

// What was left counted for more and more batches, and drew keyless records elsewhere.
#[test]
fn nothing_is_left_of_the_load_of_a_queue_that_is_emptied() {
    let accumulator = accumulator_with(100, 100 * BATCH_SIZE).with_largest_batch(1600);
    for size in [60, 100, 500, 10] {
        append(&accumulator, &topic(1), Some(0), size).expect("room");
    }

    let queue = accumulator.queue(PartitionId::new(0)).expect("used");
    while queue.lock().pop_head(&mut Vec::new()).is_some() {}

    assert_eq!(queue.load(), 0);
}

// Compressing a batch in its queue changed what it counted for, and what it had counted for before stayed behind.
#[test]
fn nothing_is_left_of_the_load_of_a_queue_whose_batches_were_compressed() {
    let compression = Compression { codec: CompressionType::Snappy, level: None };
    let accumulator = accumulator(1000 * BATCH_SIZE)
        .with_largest_batch(16 * BATCH_SIZE)
        .with_compression(compression);
    append(&accumulator, &topic(1), Some(0), 10).expect("room");
    expect_compression(&accumulator, 0.06);
    for _ in 0..1000 {
        append(&accumulator, &topic(1), Some(0), 10).expect("room");
    }

    let queue = accumulator.queue(PartitionId::new(0)).expect("used");
    while queue.lock().pop_head(&mut Vec::new()).is_some() {}

    assert_eq!(queue.load(), 0);
}

// A batch was compressed as soon as it was full, and took no more: with a distant broker, none became larger than
// `batch.size`.
#[test]
fn a_batch_that_is_to_be_compressed_grows_behind_two_others() {
    const BYTES_PER_RECORD: usize = 107; // with a value of 100
    const LARGEST: usize = 32_000;
    for (ratio, full) in [(1.0, 2000), (0.5, 4000)] {
        let accumulator = accumulator_with(2000, 1 << 20)
            .with_largest_batch(LARGEST)
            .with_compression(Compression { codec: CompressionType::Snappy, level: None });
        append(&accumulator, &topic(1), Some(1), 100).expect_err("no such partition"); // makes the topic known
        expect_compression(&accumulator, ratio);

        for _ in 0..1000 {
            append(&accumulator, &topic(1), Some(0), 100).expect("room");
        }

        let mut batches = accumulator.take_all();
        let sizes: Vec<_> =
            batches.iter().map(|batch| batch.record_count() as usize * BYTES_PER_RECORD).collect();
        let (first, others) = sizes.split_at(2);
        assert!(first.iter().all(|size| (full / 2..=full).contains(size)), "{sizes:?}");
        // They are expected to become smaller, but may not.
        assert!(others.iter().all(|size| *size <= LARGEST), "{sizes:?}");
        assert!(others[0] > LARGEST - full, "{sizes:?}");
        let uncompressed = batches.iter_mut().filter_map(|batch| batch.start_compression()).count();
        assert_eq!(uncompressed, 1, "all but the newest were compressed by callers");
    }
}

// The newest batch of each of many partitions took more than half of the memory, while nobody had a reason to compress it.
#[test]
fn batches_that_grow_before_they_are_compressed_take_a_part_of_the_memory() {
    let accumulator = accumulator_with(2000, 160_000)
        .with_largest_batch(32_000)
        .with_compression(Compression { codec: CompressionType::Snappy, level: None });
    for _ in 0..100 {
        for partition in 0..10 {
            append(&accumulator, &topic(10), Some(partition), 100).expect("room");
        }
    }

    let mut batches = accumulator.take_all();
    let uncompressed = batches.iter_mut().filter_map(|batch| batch.start_compression());
    let uncompressed: usize = uncompressed.flat_map(|loan| loan.records).map(|it| it.len()).sum();

    assert!(uncompressed > 20_000, "{uncompressed}: they have grown");
    assert!(uncompressed <= 40_000, "{uncompressed}");
}

#[test]
fn a_caller_compresses_a_full_batch_before_it_waits_for_memory() {
    let accumulator = accumulator_with(2000, 40_000)
        .with_largest_batch(32_000)
        .with_compression(Compression { codec: CompressionType::Snappy, level: None });

    while append(&accumulator, &topic(1), Some(0), 100).is_ok() {}

    let queue = accumulator.queue(PartitionId::new(0)).expect("used");
    let mut batches = queue.lock();
    assert!(batches.len() > 3, "{}", batches.len());
    assert!(batches.tail().expect("there").start_compression().is_none(), "it is compressed");
}

#[test]
fn a_batch_that_grows_takes_memory_for_callbacks_that_another_left() {
    let accumulator = accumulator_with(4000, 1 << 20).with_largest_batch(64_000);
    let append_many = || {
        for _ in 0..3000 {
            let mut callback: Option<Callback> = Some(Box::new(|_| {}));
            append_with(&accumulator, &topic(1), Some(0), 10, &mut callback).expect("room");
        }
    };
    append_many();
    let mut batches = accumulator.take_all();
    for batch in &mut batches {
        batch.complete(BatchOutcome::Appended { base_offset: 0, log_append_time_ms: -1 });
    }
    accumulator.retire(&mut batches);
    let left = accumulator.recycler.block_count();

    append_many();

    let unused = accumulator.recycler.block_count();
    assert!(unused < left / 2, "{unused} of {left}");
}

#[test]
fn batches_that_are_kept_small_stay_small_whatever_they_were_before() {
    let accumulator = accumulator(1000 * BATCH_SIZE).with_largest_batch(16 * BATCH_SIZE);
    let append_some = || {
        for _ in 0..100 {
            append(&accumulator, &topic(1), Some(0), 10).expect("room");
        }
    };
    append_some();
    let queue = accumulator.queue(PartitionId::new(0)).expect("used");
    let sizes = || {
        let batches = std::iter::from_fn(|| queue.lock().pop_head(&mut Vec::new()));
        batches.map(|batch| batch.size()).collect::<Vec<_>>()
    };
    assert!(sizes().iter().any(|size| *size > BATCH_SIZE));

    accumulator.keep_batches_small("t");
    append_some();

    let sizes = sizes();
    assert!(sizes.iter().all(|size| *size <= BATCH_SIZE), "{sizes:?}");
}

// With records of 100 KB, and as many threads as processors have, it stayed with the allocator: three times all of it.
#[test]
fn the_memory_of_large_records_is_kept_for_others() {
    // Two in a batch, which goes on in another buffer, and each in a batch of its own.
    for largest in [100 * BATCH_SIZE, 16 * BATCH_SIZE] {
        let accumulator = accumulator(1000 * BATCH_SIZE).with_largest_batch(largest);
        // The first has one in front of it, so it may grow.
        for size in [100 * BATCH_SIZE, 25 * BATCH_SIZE + 1, 33 * BATCH_SIZE + 1] {
            append(&accumulator, &topic(1), Some(0), size).expect("room");
        }

        for mut batch in accumulator.take_all() {
            batch.complete(BatchOutcome::Appended { base_offset: 0, log_append_time_ms: -1 });
        }

        let kept = accumulator.pool().spare_bytes();
        assert!(kept > 158 * BATCH_SIZE, "{kept} with {largest}");
    }
}

// Its memory may be a bit more, so that it is of a size that others can use.
#[test]
fn a_large_record_leaves_others_no_room_beyond_the_largest_batch() {
    let largest = 16 * BATCH_SIZE - 3;
    let accumulator = accumulator(1000 * BATCH_SIZE).with_largest_batch(largest);
    append(&accumulator, &topic(1), Some(0), 2 * BATCH_SIZE).expect("room");
    append(&accumulator, &topic(1), Some(0), largest - 100).expect("room");
    for _ in 0..100 {
        append(&accumulator, &topic(1), Some(0), 1).expect("room");
    }

    let batches = accumulator.take_all();

    let sizes: Vec<_> = batches.iter().map(|batch| batch.size()).collect();
    assert!(sizes.iter().all(|size| *size <= largest), "{sizes:?}");
    assert!(sizes.iter().any(|size| *size > largest - 200), "{sizes:?}");
}

#[test]
fn a_large_record_needs_little_more_memory_than_it_takes() {
    let memory = 3 * BATCH_SIZE + 150 + 2 * ProducerBatch::overhead(0);
    let accumulator = accumulator(memory).with_largest_batch(16 * BATCH_SIZE);
    append(&accumulator, &topic(2), Some(0), 250).expect("twice the size of a batch");

    append(&accumulator, &topic(2), Some(1), 250).expect("less than that");
}

// Each record's share was rounded down by itself: of small ones nothing was left.
#[test]
fn small_records_that_are_compressed_well_fill_a_partition_s_share() {
    let compression = Compression { codec: CompressionType::Snappy, level: None };
    let accumulator = accumulator(1000 * BATCH_SIZE).with_compression(compression);
    let topic = topic(1000);
    append(&accumulator, &topic, Some(0), 10).expect("room");
    expect_compression(&accumulator, 0.06);

    for _ in 0..3000 {
        append(&accumulator, &topic, None, 10).expect("room");
    }

    let batches = accumulator.take_all();
    let partitions: BTreeSet<_> = batches.iter().map(|batch| batch.partition_id()).collect();
    assert!(batches.len() > 10, "{}", batches.len());
    let most = 2 * partitions.len(); // what is a byte short of the share gets another one
    assert!(batches.len() <= most, "{} in {}", batches.len(), partitions.len());
}

/// Lets the accumulator learn that no more than `ratio` is left of the topic's records.
fn expect_compression(accumulator: &RecordAccumulator, ratio: f32) {
    let compression = accumulator.table.get("t").and_then(TopicEntry::compression);
    let compression = compression.expect("wanted");
    while compression.estimation() > ratio {
        compression.compress_batch(vec![0; 4000], 8000); // it learns slowly
    }
}

fn accumulator(buffer_memory: usize) -> RecordAccumulator {
    accumulator_with(BATCH_SIZE, buffer_memory)
}

fn accumulator_with(batch_size: usize, buffer_memory: usize) -> RecordAccumulator {
    let signal = SenderSignal::detached();
    let pool = Arc::new(BufferPool::new(buffer_memory, batch_size, || {}));
    let sticky = StickySettings {
        sticky_bytes: batch_size,
        is_adaptive: true,
        unavailable_nodes: ArcSwap::default(),
    };
    RecordAccumulator::new(batch_size, pool, Arc::new(sticky), signal, Random::new(5))
}

fn topic(partitions: i32) -> Arc<TopicInfo> {
    let leader = Some(NodeId(1));
    let partitions = (0..partitions).map(|partition| PartitionInfo::new(partition, leader));
    TopicInfo::new("t".into(), Uuid::ZERO, false, partitions.collect()).into()
}

const TINY_RECORDS: usize = 300;

/// Appends [`TINY_RECORDS`]; returns how many bytes of the pool are taken then.
fn append_tiny(accumulator: &RecordAccumulator, callback: fn() -> Option<Callback>) -> usize {
    for _ in 0..TINY_RECORDS {
        append_with(accumulator, &topic(1), Some(0), 1, &mut callback()).expect("room");
    }
    accumulator.pool().total() - accumulator.pool().available()
}

/// Takes all batches of the first partition as the sender does, so that its queue knows what to expect.
fn send_all(accumulator: &RecordAccumulator) {
    let queue = accumulator.queue(PartitionId::new(0)).expect("used");
    while queue.lock().pop_head(&mut Vec::new()).is_some() {}
}

fn append(
    accumulator: &RecordAccumulator,
    topic: &Arc<TopicInfo>,
    partition: Option<i32>,
    value_size: usize,
) -> Result<Appended, AppendError> {
    append_with(accumulator, topic, partition, value_size, &mut None)
}

fn append_with(
    accumulator: &RecordAccumulator,
    topic: &Arc<TopicInfo>,
    partition: Option<i32>,
    value_size: usize,
    callback: &mut Option<Callback>,
) -> Result<Appended, AppendError> {
    let value = vec![0; value_size];
    let headers = Headers::new();
    let record = RecordContents::new(1, None, Some(&value), &headers);
    accumulator.registry.lock().update(topic, accumulator);
    let entry = accumulator.table.get(topic.name()).expect("known");
    let partition_count = entry.partition_count();
    let append =
        Append { topic: entry, partition_count, partition, record, max_wait: Duration::ZERO };
    accumulator.append(&append, callback, &|| Instant::ZERO)
}
