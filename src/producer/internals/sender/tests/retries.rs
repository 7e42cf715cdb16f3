//! Batches that are sent again, without idempotence.

use super::*;

// Java: SenderTest.testRetries
#[test]
fn a_retriable_error_is_sent_again_after_the_backoff() {
    let mut fixture = Setup::new().start();
    let future = fixture.append(0, 10);
    let first = fixture.sent();

    fixture.refuse(&first, ErrorCode::NotEnoughReplicas);

    let wait = fixture.rest().expect("a deadline");
    assert!(wait >= BACKOFF.mul_f64(0.8) && wait <= BACKOFF.mul_f64(1.2), "{wait:?}");
    fixture.advance(wait);
    let second = fixture.sent();
    assert_eq!(second.batches, first.batches);
    fixture.acknowledge(&second, 7);
    assert_eq!(offset(&future), 7);
}

// Java draws it anew whenever it looks.
#[test]
fn the_backoff_is_drawn_once() {
    let mut fixture = Setup::new().start();
    fixture.append(0, 10);
    let request = fixture.sent();
    fixture.refuse(&request, ErrorCode::NotEnoughReplicas);
    let wait = fixture.rest().expect("a deadline");

    for _ in 0..20 {
        fixture.append(0, 1);
        assert_eq!(fixture.rest(), Some(wait));
    }
}

// ACC-06, SND-12
#[test]
fn the_backoff_grows() {
    let mut fixture = Setup::new().start();
    fixture.append(0, 10);
    for expected in [100, 200, 400, 800, 1000, 1000] {
        let request = fixture.sent();
        fixture.refuse(&request, ErrorCode::NotEnoughReplicas);
        let wait = fixture.rest().expect("a deadline");
        let expected = Duration::from_millis(expected);
        let most = expected.mul_f64(1.2).min(Duration::from_secs(1));
        assert!(wait >= expected.mul_f64(0.8) && wait <= most, "{wait:?}");
        fixture.advance(wait);
    }
}

#[test]
fn retries_are_counted() {
    let mut fixture = Setup::new().with(|settings| settings.retries = 1).start();
    let future = fixture.append(0, 10);
    let first = fixture.sent();
    fixture.refuse(&first, ErrorCode::NotEnoughReplicas);
    fixture.advance(BACKOFF.mul_f64(1.2));
    let second = fixture.sent();

    fixture.refuse(&second, ErrorCode::NotEnoughReplicas);

    let error = error(&future);
    assert_eq!((error.code(), error.attempts()), (Some(ErrorCode::NotEnoughReplicas), 2));
    assert_eq!((error.topic(), error.partition()), (Some(TOPIC), Some(0)));
    assert!(error.broker().expect("named").contains("broker-1"), "{error}");
}

// Java: SenderTest.testSenderShouldRetryWithBackoffOnRetriableError
#[test]
fn a_lost_connection_is_a_reason_to_try_again_and_to_ask_for_metadata() {
    let mut fixture = Setup::new().start();
    let future = fixture.append(0, 10);
    let first = fixture.sent();

    fixture.disconnect(&first, true);

    assert!(fixture.metadata.next_update() < Some(fixture.now + Duration::from_secs(10)));
    assert!(outcome(&future).is_none());
    fixture.advance(BACKOFF.mul_f64(1.2));
    assert_eq!(fixture.sent().batches, first.batches);
}

#[test]
fn a_batch_that_may_be_in_the_log_says_so_when_it_fails() {
    for (written, persistence) in [(true, Persistence::Perhaps), (false, Persistence::Refused)] {
        let mut fixture = Setup::new().start();
        let future = fixture.append(0, 10);
        let first = fixture.sent();
        fixture.disconnect(&first, written);
        fixture.advance(BACKOFF.mul_f64(1.2));
        let second = fixture.sent();

        fixture.refuse(&second, ErrorCode::MessageTooLarge);

        assert_eq!(error(&future).persistence(), persistence, "{written}");
    }
}

// Java: RecordAccumulatorTest.testRetryBackoff
#[test]
fn a_partition_that_backs_off_holds_up_no_other() {
    let mut fixture = Setup::new().start();
    fixture.append(0, 10);
    let request = fixture.sent();
    fixture.refuse(&request, ErrorCode::NotEnoughReplicas);

    fixture.append(0, 10);
    fixture.append(1, 10);

    assert_eq!(fixture.sent().partitions(), [1]);
}

#[test]
fn a_close_waits_for_what_is_to_be_sent_again() {
    let mut fixture = Setup::new().start();
    fixture.append(0, 10);
    let request = fixture.sent();
    fixture.accumulator.close();
    fixture.refuse(&request, ErrorCode::NotEnoughReplicas);

    assert!(!fixture.sender.is_drained());
    fixture.advance(BACKOFF.mul_f64(1.2));
    let request = fixture.sent();
    fixture.acknowledge(&request, 0);

    assert!(fixture.sender.is_drained());
}
