//! The numbers of an idempotent producer's batches, as long as brokers answer as they should.

use super::*;

// Java: SenderTest.testIdempotenceWithMultipleInflights
#[test]
fn batches_of_a_partition_are_numbered_one_after_the_other() {
    let mut fixture = Setup::new().idempotent().start_with_producer_id();
    fixture.append(0, 300);
    fixture.append(0, 300);
    fixture.append(0, FULL);
    fixture.append(0, FULL);

    fixture.rest();

    let sequences: Vec<_> = fixture.requests().iter().map(Sent::sequence).collect();
    assert_eq!(sequences, [(0, 0, 1), (0, 0, 3), (0, 0, 4)]);
}

// Java loses a refused first batch behind an accepted second one.
#[test]
fn one_batch_is_in_flight_until_the_first_is_acknowledged() {
    let mut fixture = Setup::new().idempotent().start();
    for _ in 0..3 {
        fixture.append(0, FULL);
    }
    fixture.give_producer_id(7, 0);

    let first = fixture.request();
    assert_eq!(first.sequence(), (0, 0, 0));
    fixture.acknowledge(&first, 0);

    let sequences: Vec<_> = fixture.requests().iter().map(Sent::sequence).collect();
    assert_eq!(sequences, [(0, 0, 1), (0, 0, 2)]);
}

#[test]
fn a_partition_that_waits_for_its_first_answer_holds_up_no_other() {
    let mut fixture = Setup::new().idempotent().start();
    fixture.append(0, FULL);
    fixture.append(0, FULL);
    fixture.give_producer_id(7, 0);

    fixture.append(1, 10);

    assert_eq!(fixture.rest(), Some(DELIVERY_TIMEOUT));
    assert_eq!(fixture.requests()[1].sequence(), (1, 0, 0));
}

// Java: SenderTest.testIdempotenceWithMultipleInflightsRetriedInOrder
#[test]
fn batches_that_fail_together_are_sent_again_one_by_one_with_their_numbers() {
    let mut fixture = Setup::new().idempotent().start_with_producer_id();
    for _ in 0..3 {
        fixture.append(0, FULL);
    }
    fixture.rest();
    let requests = fixture.requests();
    assert_eq!(requests.len(), 3);
    for request in requests.iter().rev() {
        fixture.disconnect(request, true);
    }
    fixture.advance(BACKOFF.mul_f64(1.2));

    for sequence in 1..=3 {
        let request = fixture.sent();
        assert_eq!(request.sequence(), (0, 0, sequence));
        fixture.acknowledge(&request, i64::from(sequence));
    }

    assert!(fixture.sender.is_drained());
}

// Java: SenderTest.testIdempotenceWithMultipleInflightsWhereFirstFailsFatallyAndSequenceOfFutureBatchesIsAdjusted, with a
// first batch that is refused for the moment
#[test]
fn batches_behind_one_that_was_refused_for_the_moment_keep_their_numbers() {
    let mut fixture = Setup::new().idempotent().start_with_producer_id();
    let futures: Vec<_> = (0..3).map(|_| fixture.append(0, FULL)).collect();
    fixture.rest();
    let requests = fixture.requests();
    fixture.refuse(&requests[0], ErrorCode::NotEnoughReplicas);
    fixture.refuse(&requests[1], ErrorCode::OutOfOrderSequenceNumber);
    fixture.refuse(&requests[2], ErrorCode::OutOfOrderSequenceNumber);
    fixture.advance(BACKOFF.mul_f64(1.2));

    for sequence in 1..=3 {
        let request = fixture.sent();
        assert_eq!(request.sequence(), (0, 0, sequence));
        fixture.acknowledge(&request, i64::from(sequence));
    }

    assert_eq!(futures.iter().map(offset).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn a_new_batch_does_not_overtake_one_that_is_to_be_sent_again() {
    let mut fixture = Setup::new().idempotent().start_with_producer_id();
    fixture.append(0, FULL);
    let request = fixture.sent();
    fixture.disconnect(&request, true);

    fixture.append(0, FULL);
    fixture.rest();
    assert_eq!(fixture.requests().len(), 0);
    fixture.advance(BACKOFF.mul_f64(1.2));

    let first = fixture.sent();
    assert_eq!(first.sequence(), (0, 0, 1));
    fixture.acknowledge(&first, 1);
    assert_eq!(fixture.request().sequence(), (0, 0, 2));
}

// Java: SenderTest.testIdempotentProducerWithDuplicate...
#[test]
fn a_batch_that_the_broker_has_already_is_a_success() {
    let mut fixture = Setup::new().idempotent().start_with_producer_id();
    let future = fixture.append(0, 10);
    let request = fixture.sent();
    fixture.disconnect(&request, true);
    fixture.advance(BACKOFF.mul_f64(1.2));
    let again = fixture.sent();

    fixture.refuse(&again, ErrorCode::DuplicateSequenceNumber);

    assert!(!outcome(&future).expect("done").expect("success").has_offset());
    fixture.append(0, 10);
    assert_eq!(fixture.sent().sequence(), (0, 0, 2));
}

// Java sends five to the old leader and five to the new one. If some of the first were appended and their answers lost,
// the new leader does not know them any more, calls their retries out of order, and the records are written twice.
#[test]
fn a_new_leader_is_sent_nothing_before_the_old_one_has_answered() {
    let mut fixture = Setup::new().idempotent().start_with_producer_id();
    fixture.client.set_max_in_flight(5);
    for _ in 0..8 {
        fixture.append(0, FULL);
    }
    fixture.rest();
    assert_eq!(fixture.requests().len(), 5);

    fixture.lead(&[(0, 2)]);
    fixture.rest();
    for sequence in 1..=5 {
        let oldest = fixture.requests().remove(0);
        assert_eq!((oldest.node, oldest.sequence()), (NODE_1, (0, 0, sequence)));
        fixture.acknowledge(&oldest, i64::from(sequence));
    }

    let first = fixture.request();
    assert_eq!((first.node, first.sequence()), (NODE_2, (0, 0, 6)));
}

// The request of the first attempt may still hold the bytes.
#[test]
fn a_retry_to_another_leader_carries_the_same_bytes() {
    let mut fixture = Setup::new().idempotent().start_with_producer_id();
    fixture.append(0, 10);
    let first = fixture.sent();
    fixture.disconnect(&first, true);
    fixture.lead(&[(0, 2)]);

    let second = fixture.sent();

    assert_eq!((second.node, second.batches), (NODE_2, first.batches));
}

#[test]
fn without_acks_nothing_is_numbered() {
    let mut fixture = Setup::new().with(|settings| settings.acks = 0).start();
    fixture.append(0, 10);

    let batch = fixture.sent().batches.remove(0);

    assert_eq!((batch.producer_id, batch.epoch, batch.sequence), (-1, -1, -1));
}
