//! What an idempotent producer makes of errors: when its sequences start anew, and when they must not.

use super::*;

// Java: SenderTest.testIdempotenceWithMultipleInflightsWhereFirstFailsFatallyAndSequenceOfFutureBatchesIsAdjusted
#[test]
fn behind_a_batch_that_failed_for_good_sequences_start_anew_under_the_next_epoch() {
    let mut fixture = Setup::new().idempotent().start_with_producer_id();
    let failed = fixture.append(0, FULL);
    let futures = [fixture.append(0, FULL), fixture.append(0, FULL)];
    fixture.rest();
    let requests = fixture.requests();
    fixture.refuse(&requests[0], ErrorCode::MessageTooLarge);
    assert_eq!(error(&failed).code(), Some(ErrorCode::MessageTooLarge));
    fixture.refuse(&requests[1], ErrorCode::OutOfOrderSequenceNumber);
    assert_eq!(fixture.requests().len(), 1, "nothing anew while the last one is on its way");
    fixture.refuse(&requests[2], ErrorCode::OutOfOrderSequenceNumber);
    fixture.advance(BACKOFF.mul_f64(1.2));

    let first = fixture.sent();
    assert_eq!(first.sequence(), (0, 1, 0));
    fixture.acknowledge(&first, 4);
    let second = fixture.sent();
    assert_eq!(second.sequence(), (0, 1, 1));
    fixture.acknowledge(&second, 5);

    assert_eq!(futures.each_ref().map(offset), [4, 5]);
    assert!(fixture.sender.is_drained());
}

#[test]
fn a_first_batch_that_fails_for_good_costs_an_epoch_and_nothing_else() {
    let mut fixture = Setup::new().idempotent().start();
    fixture.append(0, FULL);
    fixture.append(0, FULL);
    fixture.give_producer_id(7, 0);
    let first = fixture.request();

    fixture.refuse(&first, ErrorCode::InvalidRecord);

    assert_eq!(fixture.request().sequence(), (0, 1, 0));
}

// What may be in the log under its old number must not be sent under a new one.
#[test]
fn sequences_do_not_start_anew_while_a_batch_is_in_doubt() {
    let mut fixture = Setup::new().idempotent().start_with_producer_id();
    for _ in 0..3 {
        fixture.append(0, FULL);
    }
    fixture.rest();
    let requests = fixture.requests();
    fixture.disconnect(&requests[0], true);
    fixture.refuse(&requests[1], ErrorCode::MessageTooLarge);
    fixture.refuse(&requests[2], ErrorCode::OutOfOrderSequenceNumber);
    fixture.advance(BACKOFF.mul_f64(1.2));

    let doubtful = fixture.sent();
    assert_eq!(doubtful.sequence(), (0, 0, 1));
    fixture.acknowledge(&doubtful, 4);

    assert_eq!(fixture.sent().sequence(), (0, 1, 0));
}

#[test]
fn partitions_without_trouble_change_their_epoch_when_nothing_of_theirs_is_on_its_way() {
    let mut fixture = Setup::new().idempotent().start_with_producer_id();
    fixture.append(1, 10);
    let unconcerned = fixture.sent();
    fixture.append(0, 10);
    fixture.rest();
    let refused = fixture.requests().remove(1);
    fixture.refuse(&refused, ErrorCode::MessageTooLarge);

    fixture.append(1, 10);
    fixture.append(0, 10);
    fixture.rest();
    assert_eq!(fixture.requests()[1].sequence(), (0, 1, 0));
    assert_eq!(fixture.requests().len(), 2);
    fixture.acknowledge(&unconcerned, 3);

    assert_eq!(fixture.requests()[1].sequence(), (1, 1, 0));
}

// IDEM-10
// Java: TransactionManagerTest.testEpochUpdateAfterBumpFromEndTxn... for idempotent producers; the request for the
// number was put off until something else happened.
#[test]
fn after_the_last_epoch_comes_a_new_producer_id() {
    let mut fixture = Setup::new().idempotent().start();
    fixture.append(0, FULL);
    let future = fixture.append(0, FULL);
    fixture.give_producer_id(7, i16::MAX);
    let first = fixture.request();

    fixture.refuse(&first, ErrorCode::MessageTooLarge);
    fixture.give_producer_id(8, 0);

    let second = fixture.request();
    assert_eq!((second.batches[0].producer_id, second.batches[0].sequence), (8, 0));
    fixture.acknowledge(&second, 2);
    assert_eq!(offset(&future), 2);
}

// IDEM-10
// Java: SenderTest.testForceCloseWithProducerIdReset
#[test]
fn an_end_by_force_does_not_wait_for_a_new_producer_id() {
    let mut fixture = Setup::new().idempotent().start();
    fixture.append(0, FULL);
    let waiting = fixture.append(0, FULL);
    fixture.give_producer_id(7, i16::MAX);
    let first = fixture.request();
    fixture.refuse(&first, ErrorCode::MessageTooLarge);
    assert_eq!(fixture.producer_id_requests().len(), 1, "it asks for a new one");

    fixture.accumulator.close();
    fixture.sender.abort(&Error::new(ErrorKind::Closed), fixture.now);

    let error = error(&waiting);
    assert_eq!((error.kind(), error.persistence()), (&ErrorKind::Closed, Persistence::NeverSent));
    assert_eq!(fixture.available_memory(), BUFFER_MEMORY);
}

// Java: SenderTest.testCorrectHandlingOfOutOfOrderResponses and TransactionManagerTest.testBatchesReceivedAfterClose...
#[test]
fn an_out_of_order_answer_to_the_next_expected_batch_proves_a_gap_and_costs_an_epoch() {
    let mut fixture = Setup::new().idempotent().start_with_producer_id();
    fixture.append(0, 10);
    let request = fixture.sent();

    fixture.refuse(&request, ErrorCode::OutOfOrderSequenceNumber);
    fixture.advance(BACKOFF.mul_f64(1.2));

    assert_eq!(fixture.sent().sequence(), (0, 1, 0));
}

// A simulation found it. Java insists on the number until the record's time is over: a batch that was given another one
// before is taken to prove nothing.
#[test]
fn a_batch_may_prove_a_gap_more_than_once() {
    let mut fixture = Setup::new().idempotent().start_with_producer_id();
    fixture.append(0, FULL);
    let twice = fixture.append(0, FULL);
    fixture.rest();
    for request in fixture.requests() {
        fixture.refuse(&request, ErrorCode::OutOfOrderSequenceNumber);
    }
    fixture.advance(BACKOFF.mul_f64(1.2));
    let first = fixture.sent();
    fixture.acknowledge(&first, 2);
    let behind = fixture.sent();
    assert_eq!(behind.sequence(), (0, 1, 1));

    fixture.refuse(&behind, ErrorCode::OutOfOrderSequenceNumber);
    fixture.advance(BACKOFF.mul_f64(2.4));

    let last = fixture.sent();
    assert_eq!(last.sequence(), (0, 2, 0));
    fixture.acknowledge(&last, 2);
    assert_eq!(offset(&twice), 2);
}

// IDEM-08
// Java: SenderTest.testResetOfProducerStateShouldAllowQueuedBatchesToDrain
#[test]
fn an_expired_batch_is_settled_by_the_success_of_the_one_behind_it() {
    let mut fixture = Setup::new().idempotent().start_with_producer_id();
    let behind = fixture.expire_the_first_of_two();

    fixture.append(0, 10);
    fixture.rest();
    assert_eq!(fixture.requests().len(), 1, "in doubt until the second is answered");
    fixture.acknowledge(&behind, 9);

    assert_eq!(fixture.request().sequence(), (0, 0, 3));
}

// IDEM-08
// Java: SenderTest.testExpiryOfUnsentBatchesShouldNotCauseUnresolvedSequences and its counterparts
#[test]
fn an_expired_batch_with_nothing_behind_it_costs_an_epoch() {
    let mut fixture = Setup::new().idempotent().start_with_producer_id();
    fixture.append(0, FULL);
    let request = fixture.sent();
    fixture.advance(DELIVERY_TIMEOUT);
    fixture.append(0, 10);
    fixture.rest();
    assert_eq!(fixture.requests().len(), 1);

    fixture.disconnect(&request, true);

    assert_eq!(fixture.request().sequence(), (0, 1, 0));
}

#[test]
fn an_expired_batch_that_is_acknowledged_late_costs_nothing() {
    let mut fixture = Setup::new().idempotent().start_with_producer_id();
    fixture.append(0, FULL);
    let request = fixture.sent();
    fixture.advance(DELIVERY_TIMEOUT);
    fixture.append(0, 10);
    fixture.rest();

    fixture.acknowledge(&request, 5);

    assert_eq!(fixture.request().sequence(), (0, 0, 2));
}

// IDEM-08
#[test]
fn the_batch_right_behind_an_expired_one_may_prove_that_it_is_missing() {
    let mut fixture = Setup::new().idempotent().start_with_producer_id();
    let behind = fixture.expire_the_first_of_two();

    fixture.refuse(&behind, ErrorCode::OutOfOrderSequenceNumber);
    fixture.advance(BACKOFF.mul_f64(1.2));

    assert_eq!(fixture.sent().sequence(), (0, 1, 0));
}

// Java: SenderTest.testExpiryOfUnsentBatchesShouldNotCauseUnresolvedSequences
#[test]
fn a_batch_that_expires_unsent_leaves_the_sequences_alone() {
    let mut fixture = Setup::new().idempotent().start_with_producer_id();
    fixture.client.set_ready(NODE_1, false);
    fixture.append(0, 10);
    fixture.rest();
    fixture.advance(DELIVERY_TIMEOUT);
    fixture.rest();

    fixture.client.set_ready(NODE_1, true);
    fixture.append(0, 10);

    assert_eq!(fixture.sent().sequence(), (0, 0, 1));
}

// The second batch was looked at before the first had failed, was held back, and never looked at again.
#[test]
fn a_batch_behind_one_that_expired_while_it_waited_to_be_sent_again_is_sent() {
    for is_in_doubt in [true, false] {
        let mut fixture = Setup::new().idempotent().start_with_producer_id();
        let first = fixture.append(0, FULL);
        fixture.rest();
        fixture.advance(Duration::from_secs(1));
        let second = fixture.append(0, FULL);
        fixture.rest();
        let requests = fixture.requests();
        fixture.advance(DELIVERY_TIMEOUT.saturating_sub(Duration::from_millis(1050)));
        fixture.disconnect(&requests[0], is_in_doubt);
        fixture.disconnect(&requests[1], is_in_doubt);
        fixture.advance(Duration::from_millis(300));
        assert!(outcome(&first).is_none());

        let again = fixture.sent();
        assert!(error(&first).deadline().is_some());
        fixture.acknowledge(&again, 6);

        assert_eq!(offset(&second), 6, "{is_in_doubt}");
    }
}

// Nothing else would have started another turn.
#[test]
fn a_new_batch_behind_one_that_expired_while_it_waited_to_be_sent_again_is_sent_without_delay() {
    for is_in_doubt in [true, false] {
        let mut fixture = Setup::new().idempotent().start_with_producer_id();
        fixture.append(0, FULL);
        let request = fixture.sent();
        fixture.advance(DELIVERY_TIMEOUT.saturating_sub(Duration::from_millis(10)));
        fixture.disconnect(&request, is_in_doubt);
        fixture.append(0, 10);
        fixture.rest();
        fixture.advance(Duration::from_millis(10));

        assert_eq!(fixture.sent().sequence(), (0, 1, 0), "{is_in_doubt}");
    }
}

// The second batch kept its number, was refused for the gap before it, and cost another epoch and an attempt.
#[test]
fn a_batch_behind_one_that_expires_unsent_under_a_new_epoch_is_the_first_of_it() {
    for is_in_doubt in [true, false] {
        let mut fixture = Setup::new().idempotent().start_with_producer_id();
        fixture.append(0, FULL);
        let expiring = fixture.append(0, FULL);
        fixture.rest();
        fixture.advance(Duration::from_secs(1));
        let behind = fixture.append(0, FULL);
        fixture.rest();
        let requests = fixture.requests();
        fixture.refuse(&requests[0], ErrorCode::MessageTooLarge);
        fixture.disconnect(&requests[1], is_in_doubt);
        fixture.disconnect(&requests[2], false);
        fixture.client.set_ready(NODE_1, false);
        fixture.advance(DELIVERY_TIMEOUT.saturating_sub(Duration::from_secs(1)));
        fixture.rest();
        assert!(error(&expiring).deadline().is_some());

        fixture.client.set_ready(NODE_1, true);
        let first = fixture.sent();
        assert_eq!(first.sequence(), (0, 1, 0), "{is_in_doubt}");
        fixture.acknowledge(&first, 4);
        fixture.append(0, FULL);

        assert_eq!(offset(&behind), 4);
        assert_eq!(fixture.sent().sequence(), (0, 1, 1));
    }
}

// Java: SenderTest.testUnknownProducerIdHandlingWhenLogStartOffset... (KAFKA-5793)
#[test]
fn a_broker_that_forgot_the_producer_costs_an_epoch() {
    let mut fixture = Setup::new().idempotent().start_with_producer_id();
    fixture.append(0, 10);
    let request = fixture.sent();

    fixture.forget_producer(&request, 10);
    fixture.advance(BACKOFF.mul_f64(1.2));
    let again = fixture.sent();
    assert_eq!(again.sequence(), (0, 1, 0));
    fixture.forget_producer(&again, 10);
    fixture.advance(BACKOFF.mul_f64(4.0));

    assert_eq!(fixture.sent().sequence(), (0, 1, 0), "once is enough");
}

#[test]
fn a_broker_that_knows_neither_the_producer_nor_its_log_is_asked_again() {
    let mut fixture = Setup::new().idempotent().start_with_producer_id();
    fixture.append(0, 10);
    let request = fixture.sent();

    fixture.forget_producer(&request, -1);
    fixture.advance(BACKOFF.mul_f64(1.2));

    assert_eq!(fixture.sent().sequence(), (0, 0, 1));
}

// A simulation found it: the broker of a topic created anew, which knows nothing of the producer, took its second batch
// and refused the first, so that records were written twice and out of order.
#[test]
fn a_topic_created_anew_gets_one_batch_alone() {
    let mut fixture = Setup::new().idempotent().start_with_producer_id();
    fixture.append(0, FULL);
    let to_old_topic = fixture.sent();
    fixture.recreate_topic(9);
    fixture.append(0, FULL);
    fixture.append(0, FULL);

    assert_eq!(fixture.rest_with_requests().len(), 1);
    fixture.acknowledge(&to_old_topic, 0);
    let first = fixture.request();
    assert_eq!(first.sequence(), (0, 0, 2));
    fixture.acknowledge(&first, 0);

    assert_eq!(fixture.request().sequence(), (0, 0, 3));
}

// A broker may forget a producer that was silent for long. While its batches are answered it does not.
#[test]
fn after_a_long_silence_a_partition_gets_one_batch_alone() {
    for (silence, in_flight) in
        [(TRUSTED_SILENCE - Duration::from_millis(1), 2), (TRUSTED_SILENCE, 1)]
    {
        let mut fixture = Setup::new().idempotent().start_with_producer_id();
        fixture.advance(silence);
        fixture.append(0, FULL);
        fixture.append(0, FULL);

        let requests = fixture.rest_with_requests();
        assert_eq!(requests.len(), in_flight, "{silence:?}");
        fixture.acknowledge(&requests[0], 1);
        fixture.append(0, FULL);

        assert_eq!(fixture.rest_with_requests().len(), 2, "{silence:?}");
    }
}

// A topic that was deleted may be there again before the metadata tells.
#[test]
fn behind_a_failed_attempt_one_batch_goes_alone() {
    let mut fixture = Setup::new().idempotent().start_with_producer_id();
    fixture.append(0, FULL);
    let request = fixture.sent();
    fixture.refuse(&request, ErrorCode::UnknownTopicOrPartition);
    fixture.append(0, FULL);
    fixture.advance(BACKOFF.mul_f64(1.2));

    let alone = fixture.sent();
    assert_eq!(alone.sequence(), (0, 0, 1));
    fixture.acknowledge(&alone, 1);

    assert_eq!(fixture.request().sequence(), (0, 0, 2));
}

// Java: SenderTest.testUnsupportedForMessageFormatInProduceRequest and testClusterAuthorizationExceptionInProduceRequest
#[test]
fn some_errors_end_the_producer() {
    for (code, is_the_end) in [
        (ErrorCode::ClusterAuthorizationFailed, true),
        (ErrorCode::ProducerFenced, true),
        (ErrorCode::InvalidProducerIdMapping, true),
        (ErrorCode::TopicAuthorizationFailed, false),
        (ErrorCode::UnsupportedForMessageFormat, false),
    ] {
        let mut fixture = Setup::new().idempotent().start_with_producer_id();
        let future = fixture.append(0, 10);
        let request = fixture.sent();

        fixture.refuse(&request, code);

        let error = error(&future);
        assert_eq!((error.code(), error.is_fatal()), (Some(code), is_the_end));
        let fatal = fixture.sender.fatal_error().map(Error::is_fatal);
        assert_eq!(fatal, is_the_end.then_some(true), "{code}");
    }
}

#[test]
fn retries_that_are_used_up_cost_an_epoch() {
    let mut fixture =
        Setup::new().idempotent().with(|settings| settings.retries = 0).start_with_producer_id();
    let future = fixture.append(0, FULL);
    fixture.append(0, 10);
    fixture.rest();
    let requests = fixture.requests();
    fixture.refuse(&requests[0], ErrorCode::NotEnoughReplicas);
    fixture.acknowledge(&requests[1], 0);

    assert_eq!(error(&future).code(), Some(ErrorCode::NotEnoughReplicas));
    fixture.append(0, 10);
    assert_eq!(fixture.sent().sequence(), (0, 1, 0));
}

#[test]
fn every_partition_in_trouble_starts_anew_under_one_epoch() {
    let mut fixture = Setup::new().idempotent().start();
    fixture.append(0, 10);
    fixture.append(1, 10);
    fixture.give_producer_id(7, 0);
    let request = fixture.request();
    fixture.refuse(&request, ErrorCode::MessageTooLarge);

    fixture.append(0, 10);
    fixture.append(1, 10);

    let epochs: Vec<_> = fixture.sent().batches.iter().map(|batch| batch.epoch).collect();
    assert_eq!(epochs, [1, 1]);
}

impl Fixture {
    /// Comes to rest; the produce requests that are then in flight, oldest first.
    fn rest_with_requests(&mut self) -> Vec<Sent> {
        self.rest();
        self.requests()
    }

    /// Sends two batches a second apart; the first expires on its way and is lost with its connection. Returns the
    /// second's request.
    fn expire_the_first_of_two(&mut self) -> Sent {
        self.append(0, FULL);
        let first = self.sent();
        self.advance(Duration::from_secs(1));
        self.append(0, FULL);
        self.rest();
        let behind = self.requests().remove(1);
        self.advance(DELIVERY_TIMEOUT.saturating_sub(Duration::from_secs(1)));
        self.rest();
        self.disconnect(&first, true);
        behind
    }

    /// The broker lost what it knew of the producer, in a log that begins at `log_start_offset`.
    fn forget_producer(&mut self, request: &Sent, log_start_offset: i64) {
        let answer = |batch: &SentBatch| PartitionProduceResponse {
            index: batch.partition,
            error_code: ErrorCode::UnknownProducerId,
            log_start_offset,
            ..PartitionProduceResponse::default()
        };
        self.answer(request.id, request.batches.iter().map(answer).collect());
        self.rest();
    }
}

// A simulation found it: the part's sequences were never given back, and its partition took no record any more.
#[test]
fn a_part_that_runs_out_of_time_before_it_is_sent_gives_its_sequences_back() {
    let mut fixture = Setup::new().idempotent().start_with_producer_id();
    fixture.append(0, 300);
    fixture.append(0, 300);
    let whole = fixture.sent();
    fixture.refuse(&whole, ErrorCode::MessageTooLarge);
    let first_part = fixture.sent();

    fixture.advance(DELIVERY_TIMEOUT);
    fixture.turn();
    fixture.disconnect(&first_part, true);
    fixture.append(0, 300);

    assert_eq!(fixture.sent().sequence(), (0, 1, 0));
}

// A simulation found it: the parts of a batch that was in the log already were appended behind it, under a new epoch.
#[test]
fn parts_of_a_batch_that_may_be_in_the_log_fail_where_the_broker_does_not_know_them_again() {
    let mut fixture = Setup::new().idempotent().start_with_producer_id();
    let futures = [300, 300].map(|size| fixture.append(0, size));
    let whole = fixture.sent();
    fixture.disconnect(&whole, true);
    fixture.advance(BACKOFF.mul_f64(1.2));
    let again = fixture.sent();
    fixture.refuse(&again, ErrorCode::MessageTooLarge);

    for (future, sequence) in futures.iter().zip(1..) {
        let part = fixture.sent();
        assert_eq!(part.sequence(), (0, 0, sequence));
        fixture.refuse(&part, ErrorCode::OutOfOrderSequenceNumber);

        assert_eq!(error(future).code(), Some(ErrorCode::OutOfOrderSequenceNumber));
        assert_eq!(error(future).persistence(), Persistence::Perhaps);
    }
    fixture.append(0, 10);
    assert_eq!(fixture.sent().sequence(), (0, 1, 0), "nothing is in doubt any more");
}

// Both batches are in the log, and the broker, started anew, remembers the last one only. Java starts sequences anew, and the
// broker appends both a second time.
#[test]
fn a_batch_with_one_in_doubt_behind_it_keeps_its_number_until_that_one_is_answered() {
    for is_behind_in_log in [true, false] {
        let mut fixture = Setup::new().idempotent().start_with_producer_id();
        let first = fixture.append(0, FULL);
        let second = fixture.append(0, FULL);
        fixture.rest();
        for request in fixture.requests() {
            fixture.disconnect(&request, true);
        }
        fixture.advance(BACKOFF.mul_f64(1.2));
        let again = fixture.sent();
        assert_eq!(again.sequence(), (0, 0, 1));
        fixture.refuse(&again, ErrorCode::OutOfOrderSequenceNumber);
        fixture.advance(BACKOFF.mul_f64(2.4));
        fixture.rest();
        let requests = fixture.requests();
        let sequences = requests.iter().map(Sent::sequence);
        assert_eq!(sequences.collect::<Vec<_>>(), [(0, 0, 1), (0, 0, 2)]);

        fixture.refuse(&requests[0], ErrorCode::OutOfOrderSequenceNumber);
        if is_behind_in_log {
            fixture.acknowledge(&requests[1], 2);
            fixture.advance(BACKOFF.mul_f64(4.8));
            let last = fixture.sent();
            assert_eq!((last.sequence(), offset(&second)), ((0, 0, 1), 2));
            fixture.refuse(&last, ErrorCode::OutOfOrderSequenceNumber);
            assert_eq!(error(&first).persistence(), Persistence::Perhaps, "it is there, too");
            fixture.append(0, 10);
            assert_eq!(fixture.sent().sequence(), (0, 0, 3), "and all goes on");
        } else {
            fixture.refuse(&requests[1], ErrorCode::OutOfOrderSequenceNumber);
            fixture.advance(BACKOFF.mul_f64(4.8));
            let anew = fixture.sent();
            assert_eq!(anew.sequence(), (0, 1, 0), "neither is");
            fixture.acknowledge(&anew, 1);
            assert_eq!(offset(&first), 1);
        }
    }
}
