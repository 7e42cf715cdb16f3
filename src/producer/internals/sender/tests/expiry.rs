//! What becomes of batches that run out of time.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::error::Deadline;
use crate::utils::sync::Mutex;

// Java: SenderTest.testExpiryOfFirstBatchShouldCauseResetIfFutureBatchesFail, the queue's part; testNodeNotReady
#[test]
fn a_batch_that_waits_fails_when_its_time_is_over_and_not_before() {
    let mut fixture = Setup::new().start();
    fixture.client.set_ready(NODE_1, false);
    let future = fixture.append(0, 10);

    assert_eq!(fixture.rest(), Some(DELIVERY_TIMEOUT));
    fixture.advance(DELIVERY_TIMEOUT.saturating_sub(Duration::from_millis(1)));
    fixture.rest();
    assert!(outcome(&future).is_none());
    fixture.advance(Duration::from_millis(1));

    assert_eq!(fixture.rest(), None);
    let error = error(&future);
    assert_eq!(error.deadline(), Some(Deadline::Delivery));
    assert_eq!((error.attempts(), error.persistence()), (0, Persistence::NeverSent));
    assert_eq!(fixture.available_memory(), BUFFER_MEMORY);
    assert!(fixture.sender.is_drained());
}

#[test]
fn a_batch_without_leader_fails_when_its_time_is_over() {
    let mut fixture = Setup::new().start();
    fixture.lead(&[(0, -1)]);
    let future = fixture.append(0, 10);
    assert_eq!(fixture.rest(), Some(DELIVERY_TIMEOUT));

    fixture.advance(DELIVERY_TIMEOUT);
    fixture.rest();

    assert_eq!(error(&future).deadline(), Some(Deadline::Delivery));
}

// Java: SenderTest.testExpiredBatchesInMultiplePartitions
#[test]
fn each_batch_has_its_own_time() {
    let mut fixture = Setup::new().start();
    fixture.client.set_ready(NODE_1, false);
    let first = fixture.append(0, FULL);
    fixture.advance(Duration::from_secs(10));
    let second = fixture.append(0, FULL);
    let other = fixture.append(1, FULL);
    fixture.rest();

    fixture.advance(DELIVERY_TIMEOUT.saturating_sub(Duration::from_secs(10)));

    assert_eq!(fixture.rest(), Some(Duration::from_secs(10)));
    assert!(outcome(&first).is_some());
    assert!(outcome(&second).is_none() && outcome(&other).is_none());
}

#[test]
fn a_batch_that_waits_to_be_sent_again_tells_why_it_had_to() {
    let mut fixture = Setup::new().start();
    let future = fixture.append(0, 10);
    let request = fixture.sent();
    fixture.disconnect(&request, true);
    fixture.client.set_ready(NODE_1, false);
    fixture.advance(DELIVERY_TIMEOUT);

    fixture.rest();

    let error = error(&future);
    assert_eq!((error.attempts(), error.persistence()), (1, Persistence::Perhaps));
    assert!(error.to_string().contains("broker-1"), "{error}");
}

// It said "never sent" of a batch that was sent and refused.
#[test]
fn a_batch_that_was_refused_whenever_it_was_sent_is_refused_and_not_unsent() {
    let mut fixture = Setup::new().start();
    let future = fixture.append(0, 10);
    let request = fixture.sent();
    fixture.refuse(&request, ErrorCode::NotEnoughReplicas);
    fixture.client.set_ready(NODE_1, false);
    fixture.advance(DELIVERY_TIMEOUT);

    fixture.rest();

    assert_eq!(error(&future).persistence(), Persistence::Refused);
}

// INV-09
#[test]
fn a_batch_that_is_held_behind_one_in_doubt_runs_out_of_time_itself() {
    let mut fixture = Setup::new().idempotent().start_with_producer_id();
    fixture.append(0, FULL);
    fixture.sent();
    fixture.advance(DELIVERY_TIMEOUT);
    let held = fixture.append(0, 10);
    assert_eq!(fixture.rest(), Some(DELIVERY_TIMEOUT));
    assert_eq!(fixture.requests().len(), 1, "the first is still unanswered");

    fixture.advance(DELIVERY_TIMEOUT);
    fixture.rest();

    assert_eq!(error(&held).property(), Some("delivery.timeout.ms"));
    assert_eq!(error(&held).persistence(), Persistence::NeverSent);
}

// Another broker's answer cleared the only error that was kept, and the record did not say what it had waited for.
#[test]
fn a_batch_that_was_never_sent_tells_why_its_leader_cannot_be_reached() {
    let mut fixture = Setup::new().start();
    fixture.client.set_ready(NODE_1, false);
    let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
    let unreachable = Error::io(&refused).with_broker("broker-1:9092".to_owned());
    fixture.client.set_last_error(NODE_1, unreachable.clone());
    let future = fixture.append(0, 10);
    fixture.rest();
    fixture.advance(DELIVERY_TIMEOUT);

    fixture.rest();

    let error = error(&future);
    assert_eq!(error.persistence(), Persistence::NeverSent);
    assert!(error.to_string().contains(&unreachable.to_string()), "{error}");
}

// It said that it had never left this process.
#[test]
fn a_batch_that_was_refused_and_then_not_even_written_is_refused_and_not_unsent() {
    let mut fixture = Setup::new().with(|settings| settings.retries = 1).start();
    let future = fixture.append(0, 10);
    let request = fixture.sent();
    fixture.refuse(&request, ErrorCode::NotEnoughReplicas);
    fixture.advance(BACKOFF.mul_f64(1.2));
    let again = fixture.sent();

    fixture.disconnect(&again, false);

    let error = error(&future);
    assert_eq!((error.attempts(), error.persistence()), (2, Persistence::Refused));
    assert!(error.to_string().contains("sent 2 times"), "{error}");
    assert!(error.to_string().contains("it is not in the log"), "{error}");
}

// SND-07
// Java: SenderTest.testInflightBatchesExpireOnDeliveryTimeout, and KAFKA-19012: a buffer that was given back while the
// socket still read it was filled by another partition, and its records ended up in the wrong topic.
#[test]
fn a_batch_on_its_way_fails_in_time_and_keeps_its_memory_until_the_request_ends() {
    let mut fixture = Setup::new().start();
    let future = fixture.append(0, 10);
    let request = fixture.sent();
    let lent = BUFFER_MEMORY - fixture.available_memory();
    assert_eq!(fixture.rest(), Some(DELIVERY_TIMEOUT));
    fixture.advance(DELIVERY_TIMEOUT);

    assert_eq!(fixture.rest(), None);

    let error = error(&future);
    assert_eq!(error.deadline(), Some(Deadline::Delivery));
    assert_eq!((error.attempts(), error.persistence()), (1, Persistence::Perhaps));
    assert_eq!(fixture.available_memory(), BUFFER_MEMORY - lent);
    fixture.disconnect(&request, true);
    assert_eq!(fixture.available_memory(), BUFFER_MEMORY);
}

// It told of no cause although the broker had refused the attempt before.
#[test]
fn a_batch_on_its_way_again_tells_what_the_attempt_before_ended_with() {
    let mut fixture = Setup::new().start();
    let future = fixture.append(0, 10);
    let request = fixture.sent();
    fixture.refuse(&request, ErrorCode::NotEnoughReplicas);
    let backoff = fixture.rest().expect("a deadline");
    fixture.advance(backoff);
    fixture.sent();

    fixture.advance(DELIVERY_TIMEOUT.saturating_sub(backoff));
    fixture.rest();

    let error = error(&future);
    assert_eq!((error.code(), error.attempts()), (Some(ErrorCode::NotEnoughReplicas), 2));
    assert_eq!(error.persistence(), Persistence::Perhaps);
}

// SND-08, SND-09, ACC-12
// Java: SenderTest.testExpiredBatchDoesNotSplitOnMessageTooLargeError and others: the first outcome counts.
#[test]
fn an_answer_that_comes_too_late_changes_nothing() {
    let answers: [fn(&mut Fixture, &Sent); 4] = [
        |fixture, request| fixture.acknowledge(request, 3),
        |fixture, request| fixture.refuse(request, ErrorCode::NotEnoughReplicas),
        |fixture, request| fixture.refuse(request, ErrorCode::MessageTooLarge),
        |fixture, request| fixture.disconnect(request, true),
    ];
    for answer in answers {
        let mut fixture = Setup::new().start();
        let count = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&count);
        let callback: Callback = Box::new(move |_| *counted.lock() += 1);
        let future = fixture.append_with(0, 10, Some(callback));
        fixture.append(0, 10); // so that there is something to split
        let request = fixture.sent();
        fixture.advance(DELIVERY_TIMEOUT);
        fixture.rest();

        answer(&mut fixture, &request);

        assert_eq!(error(&future).deadline(), Some(Deadline::Delivery));
        assert_eq!(*count.lock(), 1);
        assert_eq!((fixture.client.sent_count(), fixture.rest()), (1, None));
        assert!(fixture.sender.is_drained());
    }
}

// SND-07
// What waited was failed before what was on its way and had been sent first.
#[test]
fn callbacks_keep_their_order_where_all_of_a_partition_runs_out_of_time() {
    let mut fixture = Setup::new().start();
    fixture.client.set_max_in_flight(2);
    let order = Arc::new(Mutex::new(Vec::new()));
    for number in 0..6 {
        let order = Arc::clone(&order);
        let callback: Callback = Box::new(move |_| order.lock().push(number));
        fixture.append_with(0, FULL, Some(callback));
        fixture.rest();
    }
    assert_eq!(fixture.requests().len(), 2);

    fixture.advance(DELIVERY_TIMEOUT);
    fixture.rest();

    assert_eq!(*order.lock(), [0, 1, 2, 3, 4, 5]);
}

// Java: SenderTest.testInflightBatchesExpireOnDeliveryTimeout
#[test]
fn batches_of_one_request_expire_each_in_its_time() {
    let mut fixture = Setup::new().start();
    fixture.client.set_ready(NODE_1, false);
    let first = fixture.append(0, 10);
    fixture.advance(Duration::from_secs(10));
    let second = fixture.append(1, 10);
    fixture.client.set_ready(NODE_1, true);
    let request = fixture.sent();
    fixture.advance(DELIVERY_TIMEOUT.saturating_sub(Duration::from_secs(10)));

    assert_eq!(fixture.rest(), Some(Duration::from_secs(10)));
    assert!(outcome(&first).is_some() && outcome(&second).is_none());
    fixture.acknowledge(&request, 5);

    assert_eq!((offset(&second), fixture.rest()), (5, None));
}

// A broker that throttled for long held back the partition, which waits for the end of what is in doubt, and `close`.
#[test]
fn nobody_waits_for_a_request_once_all_of_its_batches_are_out_of_time() {
    let mut fixture = Setup::new().start();
    fixture.client.set_ready(NODE_1, false);
    fixture.append(0, 10);
    fixture.advance(Duration::from_secs(10));
    fixture.append(1, 10);
    fixture.client.set_ready(NODE_1, true);
    let request = fixture.sent();

    fixture.advance(DELIVERY_TIMEOUT.saturating_sub(Duration::from_secs(10)));
    fixture.rest();
    assert_eq!((fixture.client.unawaited(), fixture.sender.is_drained()), (vec![], false));
    fixture.advance(Duration::from_secs(10));
    fixture.rest();

    let unawaited = fixture.client.unawaited();
    assert_eq!((unawaited, fixture.sender.is_drained()), (vec![request.id], true));
}

// A request with the time from before the callback had timed out when it left.
#[test]
fn what_is_sent_after_a_callback_of_an_expiry_has_the_time_after_it() {
    let mut fixture = Setup::new().start();
    fixture.lead(&[(0, -1)]);
    let was_told = Arc::new(AtomicBool::new(false));
    let tell = Arc::clone(&was_told);
    let callback: Callback = Box::new(move |_| tell.store(true, Ordering::SeqCst));
    fixture.append_with(0, 10, Some(callback));
    fixture.rest();
    fixture.advance(DELIVERY_TIMEOUT);
    fixture.append(1, FULL);
    let (before, after) = (fixture.now, fixture.now + Duration::from_secs(100));

    let now =
        fixture.sender.run_once(&|| if was_told.load(Ordering::SeqCst) { after } else { before });

    assert_eq!(now, after, "of the request and of the poll");
    assert_eq!(fixture.requests().len(), 1);
}

// Java: SenderTest.testResetNextBatchExpiry
#[test]
fn what_is_answered_leaves_no_deadline_behind() {
    let mut fixture = Setup::new().start();
    fixture.append(0, 10);
    let first = fixture.sent();
    fixture.advance(Duration::from_secs(1));
    fixture.append(1, 10);
    fixture.rest();
    let second = fixture.requests().remove(1);

    fixture.acknowledge(&first, 0);
    assert_eq!(fixture.rest(), Some(DELIVERY_TIMEOUT));
    fixture.acknowledge(&second, 0);
    assert_eq!(fixture.rest(), None);
}

// Java: SenderTest.testExpiredBatchesAreNotSent... with the retry's own end in place of the drain
#[test]
fn an_answer_after_the_deadline_leads_to_no_other_attempt() {
    let mut fixture = Setup::new().start();
    let future = fixture.append(0, 10);
    let request = fixture.sent();
    fixture.advance(DELIVERY_TIMEOUT);

    fixture.refuse(&request, ErrorCode::NotEnoughReplicas);

    let error = error(&future);
    assert_eq!(error.deadline(), Some(Deadline::Delivery));
    assert_eq!(fixture.client.sent_count(), 1);
}

#[test]
fn a_deadline_beyond_all_time_is_none() {
    let mut fixture =
        Setup::new().with(|settings| settings.delivery_timeout = Duration::MAX).start();
    fixture.client.set_ready(NODE_1, false);
    fixture.append(0, 10);

    assert_eq!(fixture.rest(), None);
}
