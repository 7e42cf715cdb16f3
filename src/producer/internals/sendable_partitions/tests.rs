use arc_swap::ArcSwap;

use super::*;
use crate::client::metadata_snapshot::MetadataSnapshot;
use crate::common::cluster::{Cluster, TopicInfo};
use crate::common::header::Headers;
use crate::common::node::Node;
use crate::common::partition_info::PartitionInfo;
use crate::common::uuid::Uuid;
use crate::producer::internals::buffer_pool::BufferPool;
use crate::producer::internals::built_in_partitioner::StickySettings;
use crate::producer::internals::record_accumulator::Append;
use crate::producer::internals::sender_signal::SenderSignal;
use crate::record::default_record::RecordContents;
use crate::utils::random::Random;

const MANY: i32 = 2000;
const BATCH_SIZE: usize = 100;
const NODE_1: NodeId = NodeId(1);
const NODE_2: NodeId = NodeId(2);
const UNLIMITED: Capacity = Capacity { max_size: usize::MAX, version: RecordVersion::V2 };

// Each that left was looked for in the whole line: a broker that handed over its partitions took the square of
// their number.
#[test]
fn a_whole_line_moves_to_another_leader_in_order() {
    let accumulator = accumulator_with_a_record_each();
    let mut partitions = SendablePartitions::new(Duration::ZERO, Duration::from_secs(120));

    let metadata = led_by(NODE_1, 1);
    partitions.refresh(&accumulator, &turn(&metadata));
    let metadata = led_by(NODE_2, 2);
    partitions.refresh(&accumulator, &turn(&metadata));

    assert_eq!(partitions.next_ready_node(None), Some(NODE_2));
    assert_eq!(partitions.next_ready_node(Some(NODE_2)), None);
    let drained = partitions.drain(NODE_2, UNLIMITED, None, &turn(&metadata));
    let numbers = drained.iter().map(|batch| batch.topic_partition().partition());
    assert_eq!(numbers.collect::<Vec<_>>(), (0..MANY).collect::<Vec<_>>());
    assert!(!partitions.is_ready(NODE_2));
}

#[test]
fn whoever_comes_and_goes_leaves_no_places_behind() {
    let accumulator = accumulator_with_a_record_each();
    let mut partitions = SendablePartitions::new(Duration::ZERO, Duration::from_secs(120));
    let metadata = led_by(NODE_1, 1);
    partitions.refresh(&accumulator, &turn(&metadata));

    for id in (0..1900).map(PartitionId::new).cycle().take(20_000) {
        partitions.mute(id, &turn(&metadata));
        partitions.unmute(id);
        partitions.reconsider(id, &turn(&metadata));
    }

    let (waiting_for, places) = partitions.lines[&NODE_1].lengths();
    assert_eq!(waiting_for, 2000);
    assert!(places < 5000, "{places}");
    let mut first =
        partitions.drain(NODE_1, Capacity { max_size: 1, ..UNLIMITED }, None, &turn(&metadata));
    assert_eq!(first.remove(0).topic_partition().partition(), 1900);
    let drained = partitions.drain(NODE_1, UNLIMITED, None, &turn(&metadata));
    assert_eq!(drained.len(), 1999);
}

// Each batch left the time of its end behind, so that two minutes' worth of them was kept.
#[test]
fn batches_that_come_and_go_leave_no_timers_behind() {
    const LINGER: Duration = Duration::from_millis(5);
    let accumulator = accumulator();
    let mut partitions = SendablePartitions::new(LINGER, Duration::from_secs(120));
    let metadata = led_by(NODE_1, 1);
    let mut now = Instant::ZERO;

    for _ in 0..10_000 {
        append(&accumulator, 0, now);
        partitions.refresh(&accumulator, &at(now, &metadata));
        assert!(!partitions.is_ready(NODE_1));
        assert_eq!(partitions.next_deadline(), Some(now + LINGER));
        now = now + LINGER;
        partitions.refresh(&accumulator, &at(now, &metadata));
        assert_eq!(partitions.drain(NODE_1, UNLIMITED, None, &at(now, &metadata)).len(), 1);
        assert_eq!(partitions.next_deadline(), None);
    }

    assert!(partitions.expiries.entries() < 10, "{}", partitions.expiries.entries());
    assert!(partitions.lingering.len() < 50, "{}", partitions.lingering.len());
}

#[test]
fn batches_that_fill_before_their_time_leave_no_timers_behind() {
    let accumulator = accumulator();
    let mut partitions =
        SendablePartitions::new(Duration::from_secs(3600), Duration::from_secs(7200));
    let metadata = led_by(NODE_1, 1);

    for _ in 0..1000 {
        append(&accumulator, 0, Instant::ZERO);
        partitions.refresh(&accumulator, &turn(&metadata));
        append(&accumulator, 0, Instant::ZERO);
        append(&accumulator, 0, Instant::ZERO);
        partitions.refresh(&accumulator, &turn(&metadata));
        while partitions.is_ready(NODE_1) {
            let drained = partitions.drain(NODE_1, UNLIMITED, None, &turn(&metadata));
            assert!(!drained.is_empty());
        }
        drop(accumulator.take_all());
        partitions.reconsider(PartitionId::new(0), &turn(&metadata));
    }

    assert!(partitions.lingering.len() < 50, "{}", partitions.lingering.len());
}

#[test]
fn whoever_lingers_is_sent_at_once_when_memory_runs_out() {
    let accumulator = accumulator_with_a_record_each();
    let mut partitions = SendablePartitions::new(Duration::from_secs(1), Duration::from_secs(120));
    let metadata = led_by(NODE_1, 1);
    partitions.refresh(&accumulator, &turn(&metadata));
    assert!(!partitions.is_ready(NODE_1));

    partitions.refresh(&accumulator, &Turn { is_urgent: true, ..turn(&metadata) });

    let drained = partitions.drain(NODE_1, UNLIMITED, None, &turn(&metadata));
    assert_eq!(drained.len(), usize::try_from(MANY).expect("small"));
}

// Another thread may have filled the batch, and told of it, before the one that began it does.
#[test]
fn whoever_tells_late_of_a_beginning_holds_up_nothing() {
    let accumulator = accumulator_with_a_record_each();
    let mut partitions = SendablePartitions::new(Duration::from_secs(1), Duration::from_secs(120));
    let metadata = led_by(NODE_1, 1);
    partitions.refresh(&accumulator, &turn(&metadata));
    append(&accumulator, 0, Instant::ZERO);
    append(&accumulator, 0, Instant::ZERO);
    partitions.refresh(&accumulator, &turn(&metadata));
    assert!(partitions.is_ready(NODE_1), "it is full");

    let queue = accumulator.queue(PartitionId::new(0)).expect("known");
    queue.partition().announce_first_batch(Instant::ZERO);
    partitions.refresh(&accumulator, &turn(&metadata));

    assert!(partitions.is_ready(NODE_1));
}

// Each end was looked for in the whole line.
#[test]
fn those_in_line_run_out_of_time_one_by_one() {
    const COUNT: u64 = 500;
    let accumulator = accumulator();
    for number in 0..COUNT {
        let created = Instant::ZERO + Duration::from_millis(number);
        append(&accumulator, i32::try_from(number).expect("small"), created);
    }
    let mut partitions = SendablePartitions::new(Duration::ZERO, Duration::from_secs(120));
    let metadata = led_by(NODE_1, 1);
    partitions.refresh(&accumulator, &at(Instant::ZERO + Duration::from_secs(3), &metadata));

    for number in 0..COUNT {
        let due = Instant::ZERO + Duration::from_secs(120) + Duration::from_millis(number);
        assert_eq!(partitions.next_deadline(), Some(due));
        partitions.refresh(&accumulator, &at(due, &metadata));
        let expired = partitions.take_expired();
        let ids = expired.iter().map(|batch| batch.partition_id().index() as u64);
        assert_eq!(ids.collect::<Vec<_>>(), [number]);
        assert_eq!(partitions.first_expiry_in_line, None, "the others have timers by now");
    }

    assert_eq!(partitions.next_deadline(), None);
    assert!(!partitions.is_ready(NODE_1));
}

#[test]
fn who_leaves_a_line_leaves_no_timer_behind() {
    let accumulator = accumulator_with_a_record_each();
    let mut partitions = SendablePartitions::new(Duration::ZERO, Duration::from_secs(120));
    let metadata = led_by(NODE_1, 1);
    partitions.refresh(&accumulator, &turn(&metadata));
    let last = Instant::ZERO + Duration::from_secs(120);
    append(&accumulator, 1, last);
    partitions.refresh(&accumulator, &at(last, &metadata)); // all but that one
    partitions.take_expired();

    let drained = partitions.drain(NODE_1, UNLIMITED, None, &at(last, &metadata));

    assert_eq!(drained.len(), 1);
    assert_eq!(partitions.next_deadline(), None);
}

#[test]
fn linger_ends_in_the_order_of_the_beginnings() {
    let mut lingering = Lingering::default();
    for (number, second) in [(0, 1), (1, 4), (2, 3), (3, 5), (4, 2)] {
        lingering.add(PartitionId::new(number), Instant::ZERO + Duration::from_secs(second));
    }

    let taken = std::iter::from_fn(|| lingering.pop_due(Instant::FAR_FUTURE));

    let order = taken.map(|(partition, _)| partition.index());
    assert_eq!(order.collect::<Vec<_>>(), [0, 4, 2, 1, 3]);
}

fn turn(metadata: &MetadataSnapshot) -> Turn<'_> {
    at(Instant::ZERO, metadata)
}

fn at(now: Instant, metadata: &MetadataSnapshot) -> Turn<'_> {
    Turn { now, metadata, is_urgent: false }
}

fn led_by(leader: NodeId, version: u64) -> MetadataSnapshot {
    let partitions = (0..MANY).map(|number| PartitionInfo::new(number, Some(leader)));
    let topic = TopicInfo::new("orders".into(), Uuid::ZERO, false, partitions.collect());
    let mut cluster = Cluster::default();
    cluster.nodes.insert(leader, Node::new(leader, "localhost", 9092, None));
    cluster.topics.insert("orders".into(), Arc::new(topic));
    MetadataSnapshot { cluster, version, ..MetadataSnapshot::default() }
}

fn accumulator_with_a_record_each() -> RecordAccumulator {
    let accumulator = accumulator();
    for number in 0..MANY {
        append(&accumulator, number, Instant::ZERO);
    }
    accumulator
}

fn accumulator() -> RecordAccumulator {
    let signal = SenderSignal::detached();
    let pool = Arc::new(BufferPool::new(1 << 30, BATCH_SIZE, || {}));
    let sticky = Arc::new(StickySettings {
        sticky_bytes: BATCH_SIZE,
        is_adaptive: true,
        unavailable_nodes: ArcSwap::default(),
    });
    RecordAccumulator::new(BATCH_SIZE, pool, sticky, signal, Random::new(5))
}

/// Appends a small record, at `now`.
fn append(accumulator: &RecordAccumulator, partition: i32, now: Instant) {
    let topics = accumulator.topics_of(&led_by(NODE_1, 1));
    let headers = Headers::new();
    let append = Append {
        topic: topics.get("orders").expect("known"),
        partition_count: usize::try_from(MANY).expect("small"),
        partition: Some(partition),
        record: RecordContents::new(1, None, Some(&[0; 15]), &headers),
        max_wait: Duration::ZERO,
    };
    accumulator.append(&append, &mut None, &|| now).expect("room");
}
