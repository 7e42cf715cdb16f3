//! What is sent again, what is not, and when it ends.

use std::time::Duration;

use kafka_producer::mock_cluster::{Api, Fault, RecordedRequest};
use kafka_producer::{Deadline, ErrorCode, NodeId, Persistence, ProducerRecord};

use crate::setup::{
    LONG, TOPIC, answer, await_batches, cluster, failure, log, numbers, offset, produced, producer,
    record, send_telling, whole_batch,
};

const PLAIN: (&str, &str) = ("enable.idempotence", "false");
const IDEMPOTENT: (&str, &str) = ("enable.idempotence", "true");

// SND-01, SND-10, SND-11
#[test]
fn what_may_succeed_later_is_sent_again_unseen() {
    let codes = [
        ErrorCode::CorruptMessage,
        ErrorCode::UnknownTopicOrPartition,
        ErrorCode::LeaderNotAvailable,
        ErrorCode::NotLeaderOrFollower,
        ErrorCode::RequestTimedOut,
        ErrorCode::NetworkException,
        ErrorCode::NotEnoughReplicas,
        ErrorCode::NotEnoughReplicasAfterAppend,
        ErrorCode::KafkaStorageError,
        ErrorCode::FencedLeaderEpoch,
        ErrorCode::UnknownLeaderEpoch,
        ErrorCode::UnknownTopicId,
        ErrorCode::ThrottlingQuotaExceeded,
    ];
    for idempotence in [PLAIN, IDEMPOTENT] {
        let cluster = cluster();
        let producer = producer(&cluster, &[idempotence]);
        for (code, expected) in codes.into_iter().zip(0..) {
            cluster.inject(Fault::error(code).on(Api::Produce).times(2));

            assert_eq!(offset(&producer.send(record("a"))), expected, "{code}");
            assert!(code.is_retriable());
        }
        assert_eq!(produced(&cluster).len(), 3 * codes.len());
    }
}

// SND-01, SND-20
#[test]
fn what_will_never_succeed_fails_at_the_first_attempt() {
    let codes = [
        (ErrorCode::MessageTooLarge, Persistence::Refused),
        (ErrorCode::RecordListTooLarge, Persistence::Refused),
        (ErrorCode::InvalidTopicException, Persistence::Refused),
        (ErrorCode::InvalidRequiredAcks, Persistence::Refused),
        (ErrorCode::TopicAuthorizationFailed, Persistence::Refused),
        (ErrorCode::InvalidTimestamp, Persistence::Refused),
        (ErrorCode::UnsupportedForMessageFormat, Persistence::Refused),
        (ErrorCode::PolicyViolation, Persistence::Refused),
        (ErrorCode::InvalidRecord, Persistence::Refused),
        (ErrorCode::UnsupportedCompressionType, Persistence::Refused),
        (ErrorCode::UnknownServerError, Persistence::Perhaps),
        (ErrorCode::Unknown(999), Persistence::Perhaps),
    ];
    for idempotence in [PLAIN, IDEMPOTENT] {
        let cluster = cluster();
        let producer = producer(&cluster, &[idempotence]);
        for (code, persistence) in codes {
            cluster.inject(Fault::error(code).on(Api::Produce));

            let error = failure(&producer.send(record("refused")));

            assert_eq!((error.code(), error.attempts()), (Some(code), 1));
            assert_eq!(error.persistence(), persistence, "{code}");
            assert!(!error.is_retriable() && !error.is_fatal());
            answer(&producer.send(record("after"))).expect("acknowledged");
        }
        assert_eq!(log(&cluster, 0), ["after"; 12]);
    }
}

// SND-06
#[test]
fn when_the_retries_are_used_up_the_brokers_last_word_is_the_error() {
    for (retries, attempts) in [("0", 1), ("2", 3)] {
        let cluster = cluster();
        let producer = producer(&cluster, &[PLAIN, ("retries", retries)]);
        cluster.inject(Fault::error(ErrorCode::NotEnoughReplicas).on(Api::Produce).always());

        let error = failure(&producer.send(record("a")));

        assert_eq!(
            (error.code(), error.attempts()),
            (Some(ErrorCode::NotEnoughReplicas), attempts)
        );
        assert_eq!(error.deadline(), None);
        assert_eq!(produced(&cluster).len(), attempts as usize);
    }
}

// SND-07
#[test]
fn delivery_timeout_ends_the_attempts_and_tells_the_brokers_last_word() {
    let cluster = cluster();
    let long_backoff = [("retry.backoff.ms", "60000"), ("retry.backoff.max.ms", "60000")];
    let producer = producer(&cluster, &[&hundred_millis()[..], &long_backoff].concat());
    cluster.inject(Fault::error(ErrorCode::NotEnoughReplicas).on(Api::Produce).always());

    let error = failure(&producer.send(record("a")));

    assert_eq!(error.deadline(), Some(Deadline::Delivery));
    assert_eq!(error.code(), Some(ErrorCode::NotEnoughReplicas));
    assert_eq!((error.attempts(), error.persistence()), (1, Persistence::Refused));
    cluster.clear_faults();
    answer(&producer.send(record("b"))).expect("acknowledged");
    assert_eq!(log(&cluster, 0), ["b"]);
}

// SND-07, SND-08, ACC-12
#[test]
fn an_answer_after_delivery_timeout_changes_nothing() {
    let cluster = cluster();
    let producer = producer(&cluster, &hundred_millis());
    cluster.inject(Fault::hold().on(Api::Produce));

    let told = send_telling(&producer, record("a"));
    let error = told.recv_timeout(LONG).expect("called").expect_err("out of time");
    cluster.release();
    producer.flush().expect("in time");

    assert_eq!(error.deadline(), Some(Deadline::Delivery));
    assert_eq!((error.attempts(), error.persistence()), (1, Persistence::Perhaps));
    assert!(told.try_recv().is_err(), "called once");
    answer(&producer.send(record("b"))).expect("acknowledged");
    assert_eq!(log(&cluster, 0), ["a", "b"]);
}

// ACC-10
#[test]
fn what_ran_out_of_time_unsent_is_never_sent() {
    let cluster = cluster();
    let producer = producer(&cluster, &hundred_millis());
    producer.partitions_for(TOPIC).expect("known");
    cluster.stop_node(NodeId(1)); // before there is a connection on which bytes could be lost

    let error = failure(&producer.send(record("b")));
    cluster.start_node(NodeId(1)).expect("its port is free");
    while answer(&producer.send(record("c"))).is_err() {}

    assert_eq!(error.deadline(), Some(Deadline::Delivery));
    assert_eq!(error.persistence(), Persistence::NeverSent);
    assert!(!log(&cluster, 0).contains(&"b".to_owned()));
}

// SND-04
#[test]
fn a_lost_answer_costs_the_connection_and_nothing_else() {
    let cluster = cluster();
    let producer = producer(&cluster, &[("request.timeout.ms", "100")]);
    cluster.inject(Fault::lose_response().on(Api::Produce));

    assert_eq!(offset(&producer.send(record("a"))), 0);

    assert_eq!(log(&cluster, 0), ["a"]);
    let connections = connections(&cluster.requests());
    assert_eq!(connections.len(), 2);
    assert!(connections[0] < connections[1]);
}

// SND-04, SND-05
#[test]
fn without_idempotence_a_lost_answer_may_double_a_record() {
    for trouble in
        [Fault::close_after_append(), Fault::append_then_error(ErrorCode::RequestTimedOut)]
    {
        let cluster = cluster();
        let producer = producer(&cluster, &[PLAIN]);
        cluster.inject(trouble.on(Api::Produce));

        assert_eq!(offset(&producer.send(record("a"))), 1);
        assert_eq!(log(&cluster, 0), ["a", "a"]);
    }
}

// INV-04
#[test]
fn without_retries_a_lost_answer_is_told_as_doubt() {
    let cluster = cluster();
    let producer = producer(&cluster, &[PLAIN, ("retries", "0")]);
    cluster.inject(Fault::close_after_append().on(Api::Produce));

    let error = failure(&producer.send(record("a")));

    assert_eq!((error.attempts(), error.persistence()), (1, Persistence::Perhaps));
    assert_eq!(log(&cluster, 0), ["a"]);
}

// SND-12
#[test]
fn attempts_are_spaced_by_a_growing_backoff() {
    let cluster = cluster();
    let properties = [("retry.backoff.ms", "20"), ("retry.backoff.max.ms", "50")];
    let producer = producer(&cluster, &properties);
    cluster.inject(Fault::error(ErrorCode::NotEnoughReplicas).on(Api::Produce).times(4));

    answer(&producer.send(record("a"))).expect("acknowledged");

    let requests = cluster.requests();
    let produce: Vec<_> = requests.iter().filter(|request| request.api == Api::Produce).collect();
    let gaps = produce.windows(2).map(|pair| pair[1].at - pair[0].at);
    // 20 ms · 2^n up to 50 ms, less 20 % of jitter. Upper bounds would measure this machine.
    for (gap, least) in gaps.zip([16, 32, 40, 40]) {
        assert!(gap >= Duration::from_millis(least), "{gap:?} < {least} ms");
    }
    assert_eq!(produce.len(), 5);
}

// SND-13
#[test]
fn a_throttled_producer_pauses() {
    let cluster = cluster();
    let producer = producer(&cluster, &[]);
    cluster.inject(Fault::throttle(Duration::from_millis(50)).on(Api::Produce));

    answer(&producer.send(record("a"))).expect("acknowledged");
    answer(&producer.send(record("b"))).expect("acknowledged");

    let requests = cluster.requests();
    let at: Vec<_> =
        requests.iter().filter(|request| request.api == Api::Produce).map(|r| r.at).collect();
    assert!(at[1] - at[0] >= Duration::from_millis(50), "{at:?}");
}

// SND-19
#[test]
fn each_partition_of_a_request_is_judged_by_itself() {
    let cluster = cluster();
    cluster.create_topic("wide", 3);
    let producer = producer(&cluster, &[("linger.ms", "60000")]);
    cluster
        .inject(Fault::error(ErrorCode::NotEnoughReplicas).on(Api::Produce).partition("wide", 1));
    cluster.inject(Fault::error(ErrorCode::InvalidRecord).on(Api::Produce).partition("wide", 2));

    let futures: Vec<_> = (0..3)
        .map(|partition| {
            producer.send(ProducerRecord::without_key("wide", "x").partition(partition))
        })
        .collect();
    producer.flush().expect("in time");

    let answers: Vec<_> = futures.iter().map(|future| answer(future).map(|m| m.offset())).collect();
    assert_eq!(answers[..2], [Ok(0), Ok(0)]);
    let error = answers[2].as_ref().expect_err("refused");
    assert_eq!((error.partition(), error.code()), (Some(2), Some(ErrorCode::InvalidRecord)));
    let partitions: Vec<_> = produced(&cluster).iter().map(|batch| batch.partition).collect();
    assert_eq!(partitions, [0, 1, 2, 1]);
}

// HOST-03, HOST-05, HOST-06
#[test]
fn an_answer_that_cannot_be_used_costs_its_connection_and_nothing_else() {
    for trouble in [
        Fault::leave_out(),
        Fault::corrupt_response(4, 0xff),
        Fault::close_after_bytes(3),
        Fault::close_after_bytes(20),
        Fault::respond_with_body([0xff; 64]),
        Fault::respond_with_body([]),
        Fault::respond_with_bytes([0x7f, 0xff, 0xff, 0xff]),
        Fault::respond_with_bytes([0xff; 8]),
    ] {
        let cluster = cluster();
        let producer = producer(&cluster, &[]);
        cluster.inject(trouble.on(Api::Produce).times(2));

        assert_eq!(offset(&producer.send(record("a"))), 0);
        assert_eq!(offset(&producer.send(record("b"))), 1);
        assert_eq!(log(&cluster, 0), ["a", "b"]);
    }
}

// ACC-11
#[test]
fn one_request_in_flight_keeps_the_order_without_idempotence() {
    let cluster = cluster();
    let properties = [PLAIN, ("max.in.flight.requests.per.connection", "1"), ("batch.size", "200")];
    let producer = producer(&cluster, &properties);
    for skipped in [0, 3, 1, 7, 2] {
        cluster.inject(Fault::error(ErrorCode::NotEnoughReplicas).on(Api::Produce).after(skipped));
    }

    for number in numbers(10_000) {
        producer.send(record(&number));
    }
    producer.close(LONG).expect("in time");

    assert_eq!(cluster.pending_faults(), 0);
    assert_eq!(log(&cluster, 0), numbers(10_000));
}

// ACC-11
#[test]
fn one_request_in_flight_is_one_and_five_are_five() {
    for in_flight in [1, 5] {
        let cluster = cluster();
        let max_in_flight = in_flight.to_string();
        let properties = [("max.in.flight.requests.per.connection", max_in_flight.as_str())];
        let producer = producer(&cluster, &properties);
        answer(&producer.send(record("a"))).expect("acknowledged");
        cluster.clear_requests();
        cluster.inject(Fault::hold().on(Api::Produce));

        let value = whole_batch();
        // One by one: what waits behind others goes together.
        for sent in 1..=10 {
            producer.send(record(&value));
            await_batches(&cluster, in_flight.min(sent));
        }
        let more = cluster.wait_for_requests(Duration::from_millis(20), |requests| {
            requests.iter().filter(|request| request.api == Api::Produce).count() > in_flight
        });

        assert!(!more);
        cluster.release();
        producer.close(LONG).expect("in time");
        assert_eq!(cluster.end_offset(TOPIC, 0), 11);
    }
}

// KIP-467
#[test]
fn a_broker_may_say_which_record_of_a_batch_is_at_fault() {
    let cluster = cluster();
    cluster.set_versions(Api::Produce, 3..=8);
    let producer = producer(&cluster, &[("linger.ms", "60000")]);
    cluster.inject(Fault::respond_with_body(refusal_of_record_1()).on(Api::Produce));

    let futures = ["a", "b", "c"].map(|value| producer.send(record(value)));
    producer.flush().expect("in time");

    let errors = futures.each_ref().map(failure);
    assert!(errors.iter().all(|error| error.code() == Some(ErrorCode::InvalidRecord)));
    let at_fault = errors.each_ref().map(|error| error.to_string().contains("no key"));
    assert_eq!(at_fault, [false, true, false]);
    assert!(errors[0].to_string().contains("one is bad"), "{}", errors[0]);
}

/// The body of a Produce answer, version 8.
fn refusal_of_record_1() -> Vec<u8> {
    let string = |text: &str| {
        let length = i16::try_from(text.len()).expect("short").to_be_bytes();
        [&length, text.as_bytes()].concat()
    };
    let one = 1_i32.to_be_bytes();
    [
        &one, // topic
        &string(TOPIC)[..],
        &one, // partition
        &0_i32.to_be_bytes(),
        &ErrorCode::InvalidRecord.code().to_be_bytes(),
        &[0xff; 3 * 8], // offset, time, start of the log
        &one,           // record
        &1_i32.to_be_bytes(),
        &string("it has no key"),
        &string("one is bad"),
        &0_i32.to_be_bytes(), // throttle
    ]
    .concat()
}

/// `delivery.timeout.ms` and what may not be longer.
fn hundred_millis() -> [(&'static str, &'static str); 3] {
    [("delivery.timeout.ms", "100"), ("request.timeout.ms", "100"), ("linger.ms", "0")]
}

/// Those that produce requests came on, in order.
fn connections(requests: &[RecordedRequest]) -> Vec<u64> {
    let produce = requests.iter().filter(|request| request.api == Api::Produce);
    produce.map(|request| request.connection).collect()
}
