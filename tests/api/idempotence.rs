//! Exactly once and in order, whatever goes wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_producer::mock_cluster::{Api, Fault, MockCluster};
use kafka_producer::{
    Deadline, ErrorCode, FutureRecordMetadata, KafkaProducer, NodeId, Persistence, ProducerRecord,
};

use crate::setup::{
    LONG, TOPIC, answer, await_batches, brokers, cluster, failure, log, long_numbers, numbers,
    offset, produced, producer, record,
};

/// So that several batches of a partition are on their way at once, each with one of [`long_numbers`].
const SMALL_BATCHES: (&str, &str) = ("batch.size", "1");

// A broker that was started anew remembers only the last batch of each producer, and calls the one before it out of order.
// Sent again with new numbers, as by Java, both were in the log twice.
#[test]
fn a_broker_that_restarts_while_two_batches_are_unanswered_has_each_once() {
    let cluster = cluster();
    let producer = producer(&cluster, &[SMALL_BATCHES]);
    offset(&producer.send(record("first")));
    cluster.inject(Fault::hold().on(Api::Produce));
    let second = producer.send(record("second"));
    await_batches(&cluster, 2);
    let third = producer.send(record("third"));
    await_batches(&cluster, 3);

    cluster.stop_node(NodeId(1));
    cluster.start_node(NodeId(1)).expect("its port is free");

    assert_eq!(offset(&third), 2);
    assert_eq!(failure(&second).persistence(), Persistence::Perhaps);
    assert_eq!(log(&cluster, 0), ["first", "second", "third"]);
}

// IDEM-01, INV-14
#[test]
fn sequences_start_at_0_and_have_no_gaps() {
    let cluster = cluster();
    let producer = producer(&cluster, &[("batch.size", "300")]);

    for number in numbers(500) {
        producer.send(record(&number));
    }
    producer.close(LONG).expect("in time");

    let mut next = 0;
    for batch in produced(&cluster) {
        assert_eq!((batch.base_sequence, batch.producer_epoch), (next, 0));
        next += batch.record_count;
    }
    let sequences: Vec<_> =
        cluster.records(TOPIC, 0).iter().map(|record| record.sequence).collect();
    assert_eq!(sequences, (0..500).collect::<Vec<_>>());
}

// IDEM-03, IDEM-21, IDEM-22, SND-05
#[test]
fn one_trouble_with_several_batches_on_their_way_neither_doubles_nor_reorders() {
    let answers = [
        Fault::error(ErrorCode::NotEnoughReplicas),
        Fault::error(ErrorCode::NotLeaderOrFollower),
        Fault::append_then_error(ErrorCode::NotEnoughReplicasAfterAppend),
        Fault::append_then_error(ErrorCode::RequestTimedOut),
        Fault::leave_out(),
        Fault::corrupt_response(5, 1),
    ];
    let ends = [Fault::close_before_append(), Fault::close_after_append()];
    for position in [0, 1, 2, 4] {
        for trouble in &answers {
            five_survive(trouble, position, 5);
        }
        for trouble in &ends {
            five_survive(trouble, position, position as usize + 1); // nothing is read behind it
        }
    }
}

/// Sends five batches, lets `trouble` meet the one at `position`, and the answers go once `arriving` are there.
fn five_survive(trouble: &Fault, position: u32, arriving: usize) {
    let cluster = cluster();
    let producer = acknowledged_once(&cluster);
    cluster.inject(Fault::hold().on(Api::Produce));
    cluster.inject(trouble.clone().on(Api::Produce).after(position));

    let futures = send_five(&producer);
    await_batches(&cluster, arriving);
    cluster.release();

    let offsets: Vec<_> = futures.iter().map(offset).collect();
    assert_eq!(offsets, [1, 2, 3, 4, 5], "{trouble:?} at {position}");
    assert_eq!(log(&cluster, 0)[1..], long_numbers(5));
}

// SND-05
#[test]
fn a_lost_connection_with_five_requests_on_it_neither_doubles_nor_reorders() {
    let cluster = cluster();
    let producer = acknowledged_once(&cluster);
    cluster.inject(Fault::hold().on(Api::Produce));

    let futures = send_five(&producer);
    await_batches(&cluster, 5);
    cluster.close_connections(NodeId(1));

    assert_eq!(futures.iter().map(offset).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(log(&cluster, 0)[1..], long_numbers(5));
}

// IDEM-04
#[test]
fn batches_behind_one_that_is_refused_for_good_are_numbered_anew() {
    let cluster = cluster();
    let producer = acknowledged_once(&cluster);
    cluster.inject(Fault::hold().on(Api::Produce));
    cluster.inject(Fault::error(ErrorCode::MessageTooLarge).on(Api::Produce));

    let futures = send_five(&producer);
    await_batches(&cluster, 5);
    cluster.release();

    assert_eq!(failure(&futures[0]).code(), Some(ErrorCode::MessageTooLarge));
    assert_eq!(futures[1..].iter().map(offset).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(log(&cluster, 0)[1..], long_numbers(5)[1..]);
    let records = cluster.records(TOPIC, 0);
    let numbering = |index: usize| (records[index].producer_epoch, records[index].sequence);
    assert_eq!((numbering(0), numbering(1), numbering(4)), ((0, 0), (1, 0), (1, 3)));
}

// IDEM-05, IDEM-06, BRK-13
#[test]
fn a_broker_that_forgot_the_producer_is_no_error() {
    for code in
        [None, Some(ErrorCode::OutOfOrderSequenceNumber), Some(ErrorCode::UnknownProducerId)]
    {
        let cluster = cluster();
        let producer = acknowledged_once(&cluster);
        cluster.forget_producers();
        if let Some(code) = code {
            cluster.inject(Fault::error(code).on(Api::Produce));
        }

        for number in numbers(5) {
            answer(&producer.send(record(&number))).expect("acknowledged");
        }

        assert_eq!(log(&cluster, 0), ["first", "0", "1", "2", "3", "4"]);
    }
}

// IDEM-07
#[test]
fn a_duplicate_that_the_broker_cannot_place_is_acknowledged_without_an_offset() {
    let cluster = cluster();
    let producer = acknowledged_once(&cluster);
    cluster.inject(Fault::append_then_error(ErrorCode::DuplicateSequenceNumber).on(Api::Produce));

    let metadata = answer(&producer.send(record("a"))).expect("acknowledged");

    assert!(!metadata.has_offset());
    assert_eq!(offset(&producer.send(record("b"))), 2);
}

// IDEM-14
#[test]
fn what_runs_out_of_time_in_doubt_neither_hides_nor_doubles_what_follows() {
    let cluster = cluster();
    let times = [("delivery.timeout.ms", "1000"), ("request.timeout.ms", "500")];
    let producer = producer(&cluster, &[&[SMALL_BATCHES][..], &times].concat());
    answer(&producer.send(record("first"))).expect("acknowledged");
    let in_doubt = Fault::append_then_error(ErrorCode::RequestTimedOut).on(Api::Produce);
    cluster.inject(in_doubt.always());

    let expires = producer.send(record("a"));
    expires.get_timeout(Duration::from_millis(600)).expect_err("in doubt");
    let behind = producer.send(record("b"));
    let error = failure(&expires);
    cluster.clear_faults();

    assert_eq!(
        (error.deadline(), error.code()),
        (Some(Deadline::Delivery), Some(ErrorCode::RequestTimedOut))
    );
    assert_eq!(error.persistence(), Persistence::Perhaps);
    assert_eq!(offset(&behind), 2);
    assert_eq!(offset(&producer.send(record("c"))), 3);
    assert_eq!(log(&cluster, 0), ["first", "a", "b", "c"]);
}

// IDEM-11
#[test]
fn a_new_epoch_restarts_idle_partitions_too() {
    let cluster = cluster();
    cluster.create_topic("wide", 2);
    let producer = producer(&cluster, &[]);
    let send = |partition: i32| {
        answer(&producer.send(ProducerRecord::without_key("wide", "x").partition(partition)))
    };
    send(0).expect("acknowledged");
    send(1).expect("acknowledged");
    cluster.inject(Fault::error(ErrorCode::InvalidRecord).on(Api::Produce).partition("wide", 0));

    send(0).expect_err("refused");
    for partition in [0, 1, 0, 1] {
        send(partition).expect("acknowledged");
    }

    for partition in 0..2 {
        let mut next = BTreeMap::new();
        for record in cluster.records("wide", partition) {
            let sequence = next.entry(record.producer_epoch).or_insert(0);
            assert_eq!(record.sequence, *sequence, "partition {partition}");
            *sequence += 1;
        }
    }
}

// IDEM-18
#[test]
fn no_record_leaves_before_there_is_a_producer_id() {
    let cluster = cluster();
    cluster.inject(
        Fault::error(ErrorCode::CoordinatorLoadInProgress).on(Api::InitProducerId).times(3),
    );
    cluster.inject(Fault::error(ErrorCode::NotCoordinator).on(Api::InitProducerId));
    cluster.inject(Fault::close_before_append().on(Api::InitProducerId));
    cluster.inject(Fault::respond_with_body([0xff; 16]).on(Api::InitProducerId));
    let producer = producer(&cluster, &[]);

    answer(&producer.send(record("a"))).expect("acknowledged");

    assert_eq!(cluster.pending_faults(), 0);
    assert!(produced(&cluster).iter().all(|batch| batch.producer_id >= 0));
}

// IDEM-19
#[test]
fn without_leave_for_a_producer_id_records_fail_until_it_is_granted() {
    let cluster = cluster();
    cluster.inject(
        Fault::error(ErrorCode::ClusterAuthorizationFailed).on(Api::InitProducerId).always(),
    );
    let producer = producer(&cluster, &[]);

    let error = failure(&producer.send(record("a")));
    cluster.clear_faults();

    assert_eq!(error.code(), Some(ErrorCode::ClusterAuthorizationFailed));
    assert_eq!(offset(&producer.send(record("b"))), 0);
    assert_eq!(log(&cluster, 0), ["b"]);
}

// HOST-16
#[test]
fn a_producer_id_that_is_none_is_asked_for_again() {
    let cluster = cluster();
    cluster.set_versions(Api::InitProducerId, 0..=1);
    let throttle_and_no_error = [0; 4 + 2];
    let minus_ones = [0xff; 8 + 2];
    let body = [throttle_and_no_error.as_slice(), &minus_ones].concat();
    cluster.inject(Fault::respond_with_body(body).on(Api::InitProducerId).times(2));
    let producer = producer(&cluster, &[]);

    answer(&producer.send(record("a"))).expect("acknowledged");

    assert_eq!(cluster.pending_faults(), 0);
    assert!(cluster.records(TOPIC, 0)[0].producer_id >= 0);
}

#[test]
fn a_fatal_error_is_repeated_by_every_later_call() {
    let cluster = cluster();
    let producer = acknowledged_once(&cluster);
    cluster.inject(Fault::error(ErrorCode::ProducerFenced).on(Api::Produce));

    let first = failure(&producer.send(record("a")));
    let later = failure(&producer.send(record("b")));

    assert_eq!((first.code(), first.is_fatal()), (Some(ErrorCode::ProducerFenced), true));
    assert_eq!((later.code(), later.is_fatal()), (Some(ErrorCode::ProducerFenced), true));
    assert_eq!((later.attempts(), later.persistence()), (0, Persistence::NeverSent));
    producer.close(LONG).expect("nothing is left");
}

// IDEM-01, IDEM-03, IDEM-20, IDEM-22, BRK-07
#[test]
fn any_mixture_of_troubles_leaves_every_record_once_and_in_order() {
    for seed in 0..25 {
        let cluster = brokers(3);
        cluster.create_topic("wide", 3);
        let mut dice = Dice(seed);
        for _ in 0..30 {
            cluster.inject(trouble(&mut dice));
        }
        let properties = [("batch.size", "400"), ("request.timeout.ms", "300")];
        let producer = producer(&cluster, &properties);

        let futures = send_and_move_leaders(&cluster, &producer, &mut dice);
        producer.flush_timeout(LONG).expect("in time");

        for (future, number) in futures.iter().zip(0..) {
            assert_eq!(offset(future), number / 3, "seed {seed}");
        }
        for partition in 0..3 {
            let values = cluster.records("wide", partition).into_iter().map(|record| record.value);
            let expected = (0..600)
                .filter(|number| number % 3 == partition)
                .map(|n| Some(n.to_string().into()));
            assert_eq!(values.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "seed {seed}");
        }
    }
}

/// 600 records, in turns to partitions 0, 1 and 2.
fn send_and_move_leaders(
    cluster: &MockCluster,
    producer: &KafkaProducer<str, str>,
    dice: &mut Dice,
) -> Vec<FutureRecordMetadata> {
    let send = |number: i32| {
        if dice.below(60) == 0 {
            cluster.set_leader("wide", number % 3, NodeId(1 + dice.below(3) as i32));
        }
        let value = number.to_string();
        producer.send(ProducerRecord::without_key("wide", value.as_str()).partition(number % 3))
    };
    (0..600).map(send).collect()
}

fn trouble(dice: &mut Dice) -> Fault {
    let fault = match dice.below(10) {
        0 => Fault::error(ErrorCode::NotEnoughReplicas),
        1 => Fault::error(ErrorCode::NotLeaderOrFollower),
        2 => Fault::error(ErrorCode::KafkaStorageError),
        3 => Fault::append_then_error(ErrorCode::RequestTimedOut),
        4 => Fault::append_then_error(ErrorCode::NotEnoughReplicasAfterAppend),
        5 => Fault::close_before_append(),
        6 => Fault::close_after_append(),
        7 => Fault::leave_out(),
        8 => Fault::corrupt_response(4, 1),
        _ => Fault::close_after_bytes(dice.below(30) as usize),
    };
    let fault = match dice.below(4) {
        0 => fault.on(Api::Produce).partition("wide", dice.below(3) as i32),
        1 => fault.on(Api::Produce).at(NodeId(1 + dice.below(3) as i32)),
        _ => fault.on(Api::Produce),
    };
    fault.after(dice.below(8) as u32)
}

/// Numbers that are the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        // SplitMix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// A producer that may have several batches on their way: its first is acknowledged.
fn acknowledged_once(cluster: &MockCluster) -> KafkaProducer<str, str> {
    let producer = producer(cluster, &[SMALL_BATCHES]);
    answer(&producer.send(record("first"))).expect("acknowledged");
    cluster.clear_requests();
    producer
}

/// Five batches of one record.
fn send_five(producer: &KafkaProducer<str, str>) -> Vec<FutureRecordMetadata> {
    long_numbers(5).iter().map(|number| producer.send(record(number))).collect()
}
