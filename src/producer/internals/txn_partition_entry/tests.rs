use super::*;
use crate::producer::internals::partition_ref::PartitionId;

const FIRST: ProducerIdAndEpoch = ProducerIdAndEpoch { id: 7, epoch: 0 };
const LOG: LogIdentity =
    LogIdentity { topic_id: Uuid::ZERO, leader: NodeId(1), leader_epoch: Some(3) };
const ATTEMPT: SendAttempt = SendAttempt {
    producer: FIRST,
    log: LOG,
    now: Instant::ZERO,
    trusted_silence: Duration::from_secs(60),
};
const SECOND: ProducerIdAndEpoch = ProducerIdAndEpoch { id: 7, epoch: 1 };

#[test]
fn sequences_follow_one_another() {
    let mut entry = confirmed();

    assert_eq!(entry.assign_sequence(batch(2, 10), FIRST, LOG).base_sequence, 5);
    assert_eq!(entry.assign_sequence(batch(3, 1), FIRST, LOG).base_sequence, 15);
    assert_eq!(entry.assign_sequence(batch(4, 1), FIRST, LOG).base_sequence, 16);
}

#[test]
fn one_batch_at_a_time_until_the_first_is_accepted() {
    let mut entry = TxnPartitionEntry::new(FIRST, LOG);
    let state = entry.assign_sequence(batch(1, 5), FIRST, LOG);

    assert!(!entry.may_send(id(2), &ATTEMPT));
    entry.handle_request_ended();
    entry.handle_completed_batch(batch(1, 5), state, Instant::ZERO);
    assert!(entry.may_send(id(2), &ATTEMPT));
}

#[test]
fn a_log_that_may_not_know_the_producer_gets_one_batch_at_a_time() {
    let new_topic = LogIdentity { topic_id: Uuid::from_bytes([1; 16]), ..LOG };
    let new_leader = LogIdentity { leader: NodeId(2), ..LOG };
    let new_epoch = LogIdentity { leader_epoch: Some(4), ..LOG };
    for log in [new_topic, new_leader, new_epoch] {
        let mut entry = confirmed();
        let there = SendAttempt { log, ..ATTEMPT };
        assert!(entry.may_send(id(2), &there));
        let state = entry.assign_sequence(batch(2, 1), FIRST, log);

        assert!(!entry.may_send(id(3), &there), "{log:?}");
        entry.handle_request_ended();
        entry.handle_completed_batch(batch(2, 1), state, Instant::ZERO);
        entry.assign_sequence(batch(3, 1), FIRST, log);

        assert!(entry.may_send(id(4), &there), "{log:?}");
    }
}

#[test]
fn an_answer_from_another_log_says_nothing_of_the_present_one() {
    let mut entry = confirmed();
    let old = entry.assign_sequence(batch(2, 1), FIRST, LOG);
    let new_log = LogIdentity { topic_id: Uuid::from_bytes([1; 16]), ..LOG };

    entry.handle_request_ended();
    entry.handle_completed_batch(batch(2, 1), old, Instant::ZERO);
    entry.assign_sequence(batch(3, 1), FIRST, new_log);

    assert!(!entry.may_send(id(4), &SendAttempt { log: new_log, ..ATTEMPT }));
}

#[test]
fn after_a_long_silence_one_batch_goes_alone() {
    let mut entry = confirmed();
    let at = |seconds| Instant::ZERO + Duration::from_secs(seconds);
    let later = |seconds| SendAttempt { now: at(seconds), ..ATTEMPT };
    let state = entry.assign_sequence(batch(2, 1), FIRST, LOG);

    assert!(entry.may_send(id(3), &later(59)));
    assert!(!entry.may_send(id(3), &later(60)));
    entry.handle_request_ended();
    entry.handle_completed_batch(batch(2, 1), state, at(60));
    entry.assign_sequence(batch(3, 1), FIRST, LOG);

    assert!(entry.may_send(id(4), &later(61)));
}

#[test]
fn no_more_batches_are_in_flight_than_a_broker_remembers() {
    let mut entry = confirmed();
    let first = entry.assign_sequence(batch(2, 1), FIRST, LOG);
    for number in 3..7 {
        entry.assign_sequence(batch(number, 1), FIRST, LOG);
    }

    assert!(!entry.may_send(id(7), &ATTEMPT));
    entry.handle_request_ended();
    assert!(!entry.may_send(id(7), &ATTEMPT));
    entry.handle_completed_batch(batch(2, 1), first, Instant::ZERO);
    assert!(entry.may_send(id(7), &ATTEMPT));
}

#[test]
fn a_batch_that_may_be_sent_again_is_not_pushed_out_of_the_broker_s_memory() {
    let mut entry = confirmed();
    let oldest = entry.assign_sequence(batch(2, 1), FIRST, LOG);
    for number in 3..7 {
        let state = entry.assign_sequence(batch(number, 1), FIRST, LOG);
        entry.handle_request_ended();
        entry.handle_completed_batch(batch(number, 1), state, Instant::ZERO);
    }

    assert!(!entry.may_send(id(7), &ATTEMPT));
    entry.handle_completed_batch(batch(2, 1), oldest, Instant::ZERO);
    assert!(entry.may_send(id(7), &ATTEMPT));
}

#[test]
fn a_batch_that_is_sent_again_keeps_its_sequence_and_goes_first() {
    let mut entry = confirmed();
    let first = entry.assign_sequence(batch(2, 1), FIRST, LOG);
    entry.assign_sequence(batch(3, 1), FIRST, LOG);
    entry.handle_request_ended();
    entry.handle_request_ended();

    assert!(!entry.may_send(id(3), &ATTEMPT));
    assert!(entry.may_send(id(2), &ATTEMPT));
    assert_eq!(entry.assign_sequence(batch(2, 1), FIRST, LOG), first);
}

// IDEM-09
#[test]
fn sequences_go_round_to_zero() {
    assert_eq!(sequence_after(i32::MAX, 1), 0);
    assert_eq!(sequence_after(i32::MAX - 1, 3), 1);
    assert_eq!(sequence_before(0), i32::MAX);
}

// IDEM-09
// Java: TransactionManagerTest.testSequenceNumberOverflow. The sequences after the turn seemed to be older than those
// before it, so that a gap was seen where there was none.
#[test]
fn an_acknowledgement_beyond_the_turn_counts() {
    let mut entry = confirmed();
    let third = i32::MAX / 3;
    for (number, record_count) in [(2, third), (3, third), (4, third + 3)] {
        let state = entry.assign_sequence(batch(number, record_count), FIRST, LOG);
        entry.handle_request_ended();
        entry.handle_completed_batch(batch(number, record_count), state, Instant::ZERO);
    }

    assert_eq!(entry.expected_sequence(), 6);
    assert_eq!(entry.next_sequence, 6);
}

#[test]
fn a_late_acknowledgement_of_an_older_batch_does_not_go_back() {
    let mut entry = confirmed();
    let (older, newer) = (
        entry.assign_sequence(batch(2, 3), FIRST, LOG),
        entry.assign_sequence(batch(3, 3), FIRST, LOG),
    );
    entry.mark_sequence_unresolved(id(2));

    entry.handle_completed_batch(batch(3, 3), newer, Instant::ZERO);
    entry.handle_completed_batch(batch(2, 3), older, Instant::ZERO);

    assert_eq!(entry.expected_sequence(), 11);
}

#[test]
fn a_new_epoch_starts_at_zero_once_nothing_is_under_way() {
    let mut entry = confirmed();
    entry.assign_sequence(batch(2, 3), FIRST, LOG);
    assert!(!entry.may_send(id(3), &SendAttempt { producer: SECOND, ..ATTEMPT }));

    entry.handle_request_ended();
    entry.forget(id(2));
    assert!(entry.may_send(id(3), &SendAttempt { producer: SECOND, ..ATTEMPT }));
    let state = entry.assign_sequence(batch(3, 1), SECOND, LOG);
    assert_eq!((state.producer_epoch, state.base_sequence), (1, 0));
}

#[test]
fn batches_behind_one_that_is_withdrawn_move_up() {
    let mut entry = started_anew();

    assert!(entry.take_back_sequence(id(2)));

    assert!(entry.may_send(id(3), &ATTEMPT));
    assert_eq!(entry.assign_sequence(batch(3, 3), SECOND, LOG), SECOND.at_sequence(0));
    assert_eq!(entry.next_sequence, 7);
    assert!(entry.take_back_sequence(id(4)));
    assert_eq!(entry.next_sequence, 3);
    assert!(!entry.needs_bump());
}

#[test]
fn a_batch_that_was_sent_with_its_sequence_is_not_withdrawn() {
    let mut entry = started_anew();
    entry.assign_sequence(batch(2, 3), SECOND, LOG);
    entry.handle_request_ended();

    assert!(!entry.take_back_sequence(id(2)));

    entry.mark_sequence_unresolved(id(2));
    assert!(entry.take_back_sequence(id(3)), "the one behind it was not sent");
    assert_eq!(entry.assign_sequence(batch(4, 4), SECOND, LOG), SECOND.at_sequence(3));
    assert_eq!(entry.handle_out_of_order(id(4)), Some(id(4)));
}

#[test]
fn an_expired_batch_is_settled_by_those_behind_it() {
    let mut entry = confirmed();
    entry.assign_sequence(batch(2, 3), FIRST, LOG);
    let behind = entry.assign_sequence(batch(3, 3), FIRST, LOG);
    entry.mark_sequence_unresolved(id(2));
    entry.handle_request_ended();
    assert!(!entry.may_send(id(4), &ATTEMPT));

    entry.handle_request_ended();
    entry.handle_completed_batch(batch(3, 3), behind, Instant::ZERO);
    entry.resolve();

    assert!(!entry.needs_bump());
    assert!(entry.may_send(id(4), &ATTEMPT));
}

#[test]
fn the_parts_of_a_batch_are_in_doubt_as_it_was_until_one_is_accepted() {
    for is_in_doubt in [false, true] {
        let mut entry = confirmed();
        let whole = entry.assign_sequence(batch(2, 6), FIRST, LOG);
        entry.handle_request_ended();
        entry.split(id(2), &[batch(3, 2), batch(4, 4)], is_in_doubt);
        entry.split(id(4), &[batch(5, 1), batch(6, 3)], false);

        assert!([3, 5, 6].map(id).iter().all(|id| entry.is_whole_in_doubt(*id) == is_in_doubt));

        entry.handle_completed_batch(batch(3, 2), whole, Instant::ZERO);
        assert!(!entry.is_whole_in_doubt(id(5)) && !entry.is_whole_in_doubt(id(6)));
    }
}

#[test]
fn a_batch_beyond_the_one_that_settles_a_doubt_may_prove_a_gap() {
    let mut entry = confirmed();
    entry.assign_sequence(batch(2, 3), FIRST, LOG);
    let behind = entry.assign_sequence(batch(3, 3), FIRST, LOG);
    entry.assign_sequence(batch(4, 3), FIRST, LOG);
    entry.mark_sequence_unresolved(id(2));
    assert_eq!(entry.handle_out_of_order(id(4)), None);

    entry.handle_completed_batch(batch(3, 3), behind, Instant::ZERO);

    assert_eq!(entry.handle_out_of_order(id(4)), Some(id(4)));
}

// A broker that was started anew knows only the last batch again: under a new epoch it would take all of them twice.
#[test]
fn a_batch_that_is_called_out_of_order_is_missing_only_if_those_behind_it_are() {
    let mut entry = confirmed();
    for number in [2, 3, 4] {
        entry.assign_sequence(batch(number, 3), FIRST, LOG);
        entry.handle_request_ended();
    }
    assert!(entry.may_send(id(2), &ATTEMPT) && !entry.may_send(id(3), &ATTEMPT), "one by one");

    assert_eq!(entry.handle_out_of_order(id(4)), None);
    assert!(!entry.may_send(id(3), &ATTEMPT), "the first may be what it misses");
    assert_eq!(entry.handle_out_of_order(id(2)), None);
    assert!(entry.may_send(id(3), &ATTEMPT) && entry.may_send(id(4), &ATTEMPT));
    entry.assign_sequence(batch(3, 3), FIRST, LOG);
    assert!(!entry.may_send(id(2), &ATTEMPT), "that one may tell what became of it");
    entry.handle_request_ended();

    assert_eq!(entry.handle_out_of_order(id(3)), Some(id(2)));
}

#[test]
fn what_one_log_said_of_a_batch_proves_no_gap_in_the_next_nor_while_it_is_on_its_way_again() {
    let mut entry = confirmed();
    for number in [2, 3] {
        entry.assign_sequence(batch(number, 3), FIRST, LOG);
        entry.handle_request_ended();
    }
    assert_eq!(entry.handle_out_of_order(id(2)), None);
    entry.assign_sequence(batch(2, 3), FIRST, LOG);

    assert_eq!(entry.handle_out_of_order(id(3)), None, "the first may be accepted now");

    assert!(entry.may_send(id(3), &ATTEMPT));
    let other_log = LogIdentity { leader: NodeId(9), ..LOG };
    entry.assign_sequence(batch(2, 3), FIRST, other_log);
    assert_eq!(entry.handle_out_of_order(id(2)), None, "the other log may have both");
    entry.assign_sequence(batch(3, 3), FIRST, other_log);
    assert_eq!(entry.handle_out_of_order(id(3)), Some(id(2)));
}

#[test]
fn the_end_of_what_is_in_doubt_does_not_move_back() {
    let mut entry = confirmed();
    for number in [2, 3, 4] {
        entry.assign_sequence(batch(number, 3), FIRST, LOG);
        entry.handle_request_ended();
    }
    entry.mark_sequence_unresolved(id(4));
    entry.mark_sequence_unresolved(id(2));

    assert_eq!(
        entry.handle_out_of_order(id(3)),
        None,
        "the last one may be in the log, and so this one"
    );
}

#[test]
fn a_batch_that_was_overtaken_leaves_no_doubt_behind() {
    let mut entry = confirmed();
    entry.assign_sequence(batch(2, 3), FIRST, LOG);
    let behind = entry.assign_sequence(batch(3, 3), FIRST, LOG);
    assert!(!entry.is_overtaken(id(2)));

    entry.handle_completed_batch(batch(3, 3), behind, Instant::ZERO);

    assert!(entry.is_overtaken(id(2)));
    entry.mark_sequence_unresolved(id(2));
    assert!(!entry.is_unresolved());
}

#[test]
fn the_parts_of_a_batch_that_was_refused_are_not_missing_but_to_come() {
    let mut entry = confirmed();
    for number in [2, 3] {
        entry.assign_sequence(batch(number, 6), FIRST, LOG);
        entry.handle_request_ended();
    }
    entry.split(id(2), &[batch(5, 2), batch(6, 4)], false);

    assert_eq!(entry.handle_out_of_order(id(3)), None);
    assert_eq!(entry.handle_out_of_order(id(5)), Some(id(5)), "but then nothing is before it");
}

#[test]
fn a_batch_that_was_refused_for_good_need_not_be_asked_after() {
    let mut entry = confirmed();
    for number in [2, 3] {
        entry.assign_sequence(batch(number, 3), FIRST, LOG);
        entry.handle_request_ended();
    }
    entry.handle_attempt_failed(id(2), true);
    entry.handle_attempt_failed(id(3), false);

    assert_eq!(entry.handle_out_of_order(id(2)), Some(id(2)));
}

#[test]
fn what_gets_another_number_anyway_is_not_asked_after() {
    let mut entry = confirmed();
    for number in [2, 3, 4] {
        entry.assign_sequence(batch(number, 3), FIRST, LOG);
        entry.handle_request_ended();
    }
    entry.request_bump(id(3));
    entry.forget(id(3));

    assert_eq!(entry.handle_out_of_order(id(2)), Some(id(2)));
}

#[test]
fn an_expired_batch_with_nothing_behind_it_costs_an_epoch() {
    let mut entry = confirmed();
    entry.assign_sequence(batch(2, 3), FIRST, LOG);
    entry.mark_sequence_unresolved(id(2));
    entry.handle_request_ended();

    entry.resolve();

    assert!(entry.needs_bump());
}

// A batch that may be in the log under its old sequence must not be sent under a new one.
#[test]
fn sequences_start_anew_only_behind_what_may_have_been_accepted() {
    let mut entry = confirmed();
    let doubtful = entry.assign_sequence(batch(2, 3), FIRST, LOG);
    entry.assign_sequence(batch(3, 3), FIRST, LOG);
    entry.assign_sequence(batch(4, 3), FIRST, LOG);
    for _ in 0..3 {
        entry.handle_request_ended();
    }

    entry.request_bump(id(3)); // refused for good
    entry.forget(id(3));
    assert!(!entry.is_ready_to_bump());
    assert!(entry.may_send(id(2), &ATTEMPT));
    assert_eq!(entry.assign_sequence(batch(2, 3), FIRST, LOG), doubtful);
    entry.handle_request_ended();
    entry.handle_completed_batch(batch(2, 3), doubtful, Instant::ZERO);
    assert!(!entry.may_send(id(4), &ATTEMPT));

    assert!(entry.is_ready_to_bump());
    entry.start_at_beginning(SECOND);
    assert_eq!(entry.assign_sequence(batch(4, 3), SECOND, LOG), SECOND.at_sequence(0));
}

/// An entry whose batches 2, 3 and 4, of three, three and four records, got new sequences under [`SECOND`].
fn started_anew() -> TxnPartitionEntry {
    let mut entry = confirmed();
    for (number, record_count) in [(2, 3), (3, 3), (4, 4)] {
        entry.assign_sequence(batch(number, record_count), FIRST, LOG);
        entry.handle_request_ended();
    }
    entry.request_bump(id(2));
    entry.start_at_beginning(SECOND);
    entry
}

/// An entry whose first batch, of five records, was accepted.
fn confirmed() -> TxnPartitionEntry {
    let mut entry = TxnPartitionEntry::new(FIRST, LOG);
    let state = entry.assign_sequence(batch(1, 5), FIRST, LOG);
    entry.handle_request_ended();
    entry.handle_completed_batch(batch(1, 5), state, Instant::ZERO);
    entry
}

fn batch(number: u64, record_count: i32) -> BatchRef {
    BatchRef { partition: PartitionId::new(0), id: id(number), record_count }
}

fn id(number: u64) -> BatchId {
    BatchId::new(number)
}
