//! The order of batches within a partition.

use super::*;

// Java: SenderTest.testSendInOrder and testCanRetryWithoutIdempotence with max.in.flight.requests.per.connection=1
#[test]
fn with_one_request_in_flight_a_partition_waits_for_its_answer() {
    let mut fixture = Setup::new().with(|settings| settings.guarantees_order = true).start();
    fixture.append(0, FULL);
    fixture.append(0, FULL);
    fixture.append(1, FULL);

    let first = fixture.sent();
    assert_eq!(first.partitions(), [0, 1]);
    fixture.append(0, FULL);
    fixture.rest();
    assert_eq!(fixture.requests().len(), 1);
    fixture.acknowledge(&first, 0);

    assert_eq!(fixture.request().partitions(), [0]);
}

// Java: SenderTest.testSendInOrder
#[test]
fn a_partition_that_waits_for_its_answer_does_not_follow_its_leader_before() {
    let mut fixture = Setup::new().with(|settings| settings.guarantees_order = true).start();
    fixture.append(0, FULL);
    let first = fixture.sent();
    fixture.append(0, FULL);
    fixture.lead(&[(0, 2)]);

    fixture.rest();
    assert_eq!(fixture.requests().len(), 1);
    fixture.disconnect(&first, true);

    let retry = fixture.request();
    assert_eq!((retry.node, &retry.batches), (NODE_2, &first.batches));
}

// What had lingered for long enough took its place in line without a look.
#[test]
fn a_partition_that_waits_for_its_answer_does_not_go_on_when_its_next_batch_has_lingered() {
    let in_order = |settings: &mut SenderSettings| settings.guarantees_order = true;
    let mut fixture = Setup::new().linger().with(in_order).start();
    fixture.fill(0);
    let first = fixture.sent();
    fixture.append(0, 10);
    fixture.rest();
    fixture.advance(LINGER);

    fixture.rest();
    assert_eq!(fixture.requests().len(), 1);
    fixture.acknowledge(&first, 0);

    assert_eq!(fixture.request().partitions(), [0]);
}

#[test]
fn a_partition_whose_batch_expired_waits_for_the_end_of_the_request_all_the_same() {
    let mut fixture = Setup::new().with(|settings| settings.guarantees_order = true).start();
    fixture.append(0, FULL);
    let first = fixture.sent();
    fixture.advance(DELIVERY_TIMEOUT);
    fixture.append(0, 10);

    fixture.rest();
    assert_eq!(fixture.requests().len(), 1);
    fixture.disconnect(&first, true);

    assert_eq!(fixture.request().batches[0].count, 1);
    assert!(fixture.request().batches[0].size < FULL);
}

// ACC-07
// Java: RecordAccumulatorTest.testReenqueue... (order of the deque)
#[test]
fn batches_that_fail_together_are_sent_again_in_their_order() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let mut fixture = Setup::new().start();
        for size in [600, 700, 800] {
            fixture.append(0, size);
        }
        fixture.rest();
        let requests = fixture.requests();

        for index in order {
            fixture.disconnect(&requests[index], false);
        }
        fixture.advance(Duration::from_millis(200));
        fixture.rest();

        let sent = fixture.requests();
        let again: Vec<_> = sent.iter().map(|request| request.batches[0].size).collect();
        let first: Vec<_> = requests.iter().map(|request| request.batches[0].size).collect();
        assert_eq!(again, first, "{order:?}");
    }
}

#[test]
fn callbacks_run_in_the_order_of_the_records() {
    let mut fixture = Setup::new().start();
    let order = Arc::new(crate::utils::sync::Mutex::new(Vec::new()));
    for number in 0..6 {
        let order = Arc::clone(&order);
        let callback: Callback = Box::new(move |_| order.lock().push(number));
        fixture.append_with(0, 400, Some(callback));
    }
    fixture.rest();

    for request in fixture.requests() {
        fixture.acknowledge(&request, 0);
    }

    assert_eq!(*order.lock(), [0, 1, 2, 3, 4, 5]);
}
