//! How an idempotent producer comes by its number.

use super::*;

const INITIAL_BACKOFF: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(80)..=Duration::from_millis(120);

// Java: SenderTest.testInitProducerIdRequest; Java asks when the producer starts.
#[test]
fn is_asked_for_once_a_record_needs_it() {
    let mut fixture = Setup::new().idempotent().start();
    assert_eq!(fixture.rest(), None);
    assert_eq!(fixture.client.sent_count(), 0);

    fixture.append(0, 10);
    assert_eq!(fixture.rest(), Some(DELIVERY_TIMEOUT));
    assert_eq!(fixture.producer_id_requests().len(), 1);
    assert_eq!(fixture.requests().len(), 0);
    fixture.give_producer_id(7, 3);

    let batch = &fixture.request().batches[0];
    assert_eq!((batch.producer_id, batch.epoch, batch.sequence), (7, 3, 0));
}

// Java: SenderTest.testInitProducerIdWithMaxInFlightOne and testClusterAuthorizationExceptionInInitProducerIdRequest
#[test]
fn a_retriable_error_is_asked_about_again_after_a_growing_backoff() {
    let mut fixture = Setup::new().idempotent().start();
    fixture.append(0, 10);
    fixture.refuse_producer_id(ErrorCode::CoordinatorLoadInProgress);
    let first = fixture.rest().expect("a deadline");
    assert!(INITIAL_BACKOFF.contains(&first), "{first:?}");
    assert_eq!(fixture.producer_id_requests().len(), 0);

    fixture.advance(first);
    fixture.refuse_producer_id(ErrorCode::CoordinatorLoadInProgress);
    let second = fixture.rest().expect("a deadline");
    assert!(second >= Duration::from_millis(160), "{second:?}");

    fixture.advance(second);
    fixture.give_producer_id(7, 0);
    assert_eq!(fixture.request().batches[0].producer_id, 7);
}

#[test]
fn a_lost_connection_is_a_reason_to_ask_again() {
    let mut fixture = Setup::new().idempotent().start();
    let future = fixture.append(0, 10);
    fixture.rest();
    let error = Error::new(ErrorKind::Disconnected);
    let request = fixture.producer_id_requests()[0];
    fixture
        .client
        .respond(request, ResponseOutcome::Disconnected { error, timed_out: false, written: true });

    let wait = fixture.rest().expect("a deadline");
    assert!(INITIAL_BACKOFF.contains(&wait), "{wait:?}");
    fixture.advance(wait);
    fixture.give_producer_id(7, 0);
    let request = fixture.request();
    fixture.acknowledge(&request, 0);

    assert_eq!(offset(&future), 0);
}

// The end of a backoff that was over kept the sender from waiting at all.
#[test]
fn a_node_that_is_not_ready_after_the_backoff_is_waited_for() {
    let mut fixture = Setup::new().idempotent().start();
    fixture.append(0, 10);
    fixture.refuse_producer_id(ErrorCode::CoordinatorLoadInProgress);
    fixture.client.set_ready(NODE_1, false);
    fixture.advance(Duration::from_secs(1));

    assert!(fixture.rest() > Some(Duration::from_secs(100)));
    fixture.client.set_ready(NODE_1, true);
    fixture.rest();

    assert_eq!(fixture.producer_id_requests().len(), 1);
}

#[test]
fn a_node_that_refuses_for_a_while_is_asked_after_it() {
    let mut fixture = Setup::new().idempotent().start();
    fixture.client.set_ready(NODE_1, false);
    let attempt = fixture.now + Duration::from_millis(70);
    fixture.client.set_next_attempt(NODE_1, attempt);

    fixture.append(0, 10);

    assert_eq!(fixture.rest(), Some(Duration::from_millis(70)));
}

// No event tells that the backoff of the only node is over.
#[test]
fn without_a_node_to_ask_it_is_tried_again_soon() {
    let mut fixture = Setup::new().idempotent().start();
    fixture.client.set_least_loaded(None);

    fixture.append(0, 10);

    let wait = fixture.rest().expect("a deadline");
    assert!(INITIAL_BACKOFF.contains(&wait), "{wait:?}");
}

#[test]
fn nobody_asks_again_once_no_record_needs_it() {
    let mut fixture = Setup::new().idempotent().start();
    fixture.append(0, 10);
    fixture.rest();
    fixture.advance(DELIVERY_TIMEOUT);
    fixture.refuse_producer_id(ErrorCode::CoordinatorLoadInProgress);
    fixture.advance(Duration::from_secs(1));

    assert_eq!(fixture.rest(), None);
    fixture.append(0, 10);
    fixture.give_producer_id(7, 0);

    assert_eq!(fixture.request().partitions(), [0]);
}

// Java: SenderTest.testClusterAuthorizationExceptionInInitProducerIdRequest
#[test]
fn an_error_that_will_not_pass_fails_what_waits_and_a_later_record_asks_again() {
    let mut fixture = Setup::new().idempotent().start();
    let futures = [fixture.append(0, 10), fixture.append(3, 10)];
    fixture.refuse_producer_id(ErrorCode::ClusterAuthorizationFailed);

    for future in &futures {
        assert_eq!(error(future).code(), Some(ErrorCode::ClusterAuthorizationFailed));
    }
    assert_eq!(fixture.available_memory(), BUFFER_MEMORY);
    assert_eq!(fixture.rest(), None);
    let later = fixture.append(0, 10);
    let wait = fixture.rest().expect("a deadline");
    fixture.advance(wait);
    fixture.give_producer_id(7, 0);
    let request = fixture.request();
    fixture.acknowledge(&request, 0);

    assert_eq!(offset(&later), 0);
}

// Java: SenderTest.testIdempotentUnknownProducerHandlingWhenRetentionLimitReached... for brokers before 0.11
#[test]
fn a_broker_that_has_none_fails_records_with_the_property_to_change() {
    let mut fixture = Setup::new().idempotent().start();
    let future = fixture.append(0, 10);
    fixture.rest();
    let cause = Error::new(ErrorKind::UnsupportedVersion { message: "InitProducerId".into() });

    fixture
        .client
        .respond(fixture.producer_id_requests()[0], ResponseOutcome::UnsupportedVersion(cause));
    fixture.rest();

    let error = error(&future);
    assert!(error.to_string().contains("enable.idempotence"), "{error}");
}

#[test]
fn a_record_that_runs_out_of_time_before_there_is_one_fails() {
    let mut fixture = Setup::new().idempotent().start();
    let future = fixture.append(0, 10);
    fixture.rest();

    fixture.advance(DELIVERY_TIMEOUT);
    fixture.rest();

    assert!(error(&future).deadline().is_some());
}
