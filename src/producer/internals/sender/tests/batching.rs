//! When batches are sent, and how they share requests.

use super::*;

#[test]
fn a_topic_s_batches_grow_until_one_is_refused_even_if_that_cannot_be_split() {
    let mut fixture = Setup::new().start();
    fixture.append(0, 10);
    let request = fixture.sent();
    assert!(fixture.may_batches_grow());

    fixture.refuse(&request, ErrorCode::MessageTooLarge);

    assert!(!fixture.may_batches_grow());
}

// ACC-01
#[test]
fn a_batch_that_is_not_full_lingers() {
    let mut fixture = Setup::new().linger().start();
    fixture.append(0, 10);

    assert_eq!(fixture.rest(), Some(LINGER));
    assert_eq!(fixture.requests().len(), 0);
    fixture.advance(LINGER);

    assert_eq!(fixture.sent().partitions(), [0]);
}

// ACC-01
#[test]
fn a_full_batch_is_sent_at_once() {
    let mut fixture = Setup::new().linger().start();
    fixture.fill(0);
    fixture.append(1, 10);

    assert_eq!(fixture.sent().partitions(), [0]);
}

#[test]
fn a_batch_with_another_behind_it_is_sent_at_once_and_that_one_lingers() {
    let mut fixture = Setup::new().linger().start();
    fixture.append(0, FULL / 2);
    fixture.append(0, FULL / 2);

    let request = fixture.sent();

    assert_eq!((request.batches.len(), request.batches[0].count), (1, 1));
    assert_eq!(fixture.rest(), Some(LINGER));
}

// ACC-05
// Java: RecordAccumulatorTest.testFlush
#[test]
fn a_record_that_somebody_waits_for_does_not_linger() {
    let mut fixture = Setup::new().linger().start();
    let future = fixture.append(0, 10);
    fixture.append(1, 10);
    fixture.rest();

    assert!(future.get_timeout(Duration::ZERO).is_err());

    assert_eq!(fixture.sent().partitions(), [0]);
}

#[test]
fn a_batch_that_is_flushed_while_the_one_before_it_waits_does_not_linger_after_that() {
    let mut fixture = Setup::new().linger().start();
    fixture.client.set_ready(NODE_1, false);
    fixture.append(0, FULL);
    let future = fixture.append(0, 10);
    fixture.rest();
    assert!(future.get_timeout(Duration::ZERO).is_err());

    fixture.client.set_ready(NODE_1, true);
    fixture.rest();

    assert_eq!(fixture.requests().len(), 2);
}

// ACC-05
// Java: RecordAccumulatorTest.testNextReadyCheckDelay, with close in place of time.
#[test]
fn nothing_lingers_once_the_producer_closes() {
    let mut fixture = Setup::new().linger().start();
    fixture.append(0, 10);
    fixture.append(1, 10);
    fixture.rest();

    fixture.accumulator.close();

    assert_eq!(fixture.sent().partitions(), [0, 1]);
}

// ACC-05
#[test]
fn nothing_lingers_while_a_caller_waits_for_memory() {
    let mut fixture = Setup::new().linger().buffer_memory(BATCH_SIZE).start();
    fixture.append(0, 10);
    fixture.rest();
    let pool = Arc::clone(fixture.accumulator.pool());
    let waiting = Arc::clone(&pool);
    let caller = std::thread::spawn(move || {
        waiting.allocate(BATCH_SIZE, Duration::from_secs(60)).map(|buffer| buffer.size())
    });
    while !pool.is_exhausted() {
        std::thread::yield_now();
    }

    let request = fixture.sent();
    fixture.acknowledge(&request, 0);

    assert_eq!(caller.join().expect("no panic"), Ok(BATCH_SIZE));
}

// A caller that never waits for memory would otherwise find none until the linger is over.
#[test]
fn nothing_lingers_once_a_caller_was_refused_memory() {
    let mut fixture = Setup::new().linger().buffer_memory(BATCH_SIZE).start();
    fixture.append(0, 10);
    fixture.rest();

    let refused = fixture.accumulator.pool().allocate(BATCH_SIZE, Duration::ZERO);

    assert!(refused.is_err());
    let request = fixture.sent();
    fixture.acknowledge(&request, 0);
    fixture.append(1, 10);
    assert_eq!(fixture.rest(), Some(LINGER));
}

// Java: RecordAccumulatorTest.testDrainBatches
#[test]
fn a_request_carries_one_batch_of_each_partition() {
    let mut fixture = Setup::new().start();
    for partition in [3, 0, 3, 1, 0] {
        fixture.append(partition, FULL);
    }
    fixture.client.set_max_in_flight(1);

    let first = fixture.sent();
    assert_eq!(first.partitions(), [0, 1, 3]);
    fixture.acknowledge(&first, 0);

    assert_eq!(fixture.sent().partitions(), [0, 3]);
}

// ACC-04
// Java: RecordAccumulatorTest.testPartialDrain
#[test]
fn a_request_is_no_larger_than_it_may_be() {
    let mut fixture = Setup::new().with(|settings| settings.max_request_size = 2500).start();
    for partition in 0..5 {
        fixture.append(partition, 900);
    }

    fixture.rest();

    let sent: Vec<_> = fixture.requests().iter().map(Sent::partitions).collect();
    assert_eq!(sent, [vec![0, 1], vec![2, 3], vec![4]]);
}

// ACC-04
#[test]
fn a_batch_larger_than_a_request_may_be_goes_alone() {
    let mut fixture = Setup::new().with(|settings| settings.max_request_size = 500).start();
    for partition in 0..3 {
        fixture.append(partition, 900);
    }

    fixture.rest();

    let sent: Vec<_> = fixture.requests().iter().map(Sent::partitions).collect();
    assert_eq!(sent, [[0], [1], [2]]);
}

// Java: SenderTest.testNodeNotReady
#[test]
fn a_node_that_is_not_ready_does_not_hold_up_others() {
    let mut fixture = Setup::new().start();
    fixture.lead(&[(1, 2)]);
    fixture.client.set_ready(NODE_1, false);
    let attempt = fixture.now + Duration::from_millis(70);
    fixture.client.set_next_attempt(NODE_1, attempt);
    fixture.append(0, 10);
    fixture.append(1, 10);

    let request = fixture.sent();

    assert_eq!((request.node, request.partitions()), (NODE_2, vec![1]));
    assert_eq!(fixture.rest(), Some(Duration::from_millis(70)));
}

// PAR-03
// A broker that had once refused was avoided long after its partitions had gone elsewhere, and so never heard of again.
#[test]
fn a_node_is_avoided_only_while_it_has_batches_waiting() {
    let timeout = Duration::from_secs(5);
    let later = timeout + Duration::from_millis(1);
    let mut fixture = Setup::new().with(|settings| settings.availability_timeout = timeout).start();
    fixture.client.set_ready(NODE_2, false);
    fixture.lead(&[(0, 2)]);
    let avoided = |fixture: &Fixture| {
        fixture.accumulator.sticky().unavailable_nodes.load().iter().copied().collect::<Vec<_>>()
    };
    fixture.append(0, 10);
    fixture.rest();
    assert_eq!(avoided(&fixture), []);
    fixture.advance(later);
    fixture.rest();
    assert_eq!(avoided(&fixture), [NODE_2]);

    fixture.lead(&[]);
    fixture.rest();
    assert_eq!(avoided(&fixture), []);
    fixture.advance(later);
    fixture.rest();
    assert_eq!(avoided(&fixture), []);
}

// ACC-04
// Java: RecordAccumulatorTest.testDrainOnANode (drain index)
#[test]
fn no_partition_starves_while_others_are_always_full() {
    let mut fixture = Setup::new().with(|settings| settings.max_request_size = 1500).start();
    fixture.client.set_max_in_flight(1);
    let mut served = [0; 5];
    for partition in 0..5 {
        fixture.append(partition, FULL);
        fixture.append(partition, FULL);
    }

    for _ in 0..50 {
        let request = fixture.sent();
        for partition in request.partitions() {
            served[usize::try_from(partition).expect("small")] += 1;
            fixture.append(partition, FULL);
        }
        fixture.acknowledge(&request, 0);
    }

    assert_eq!(served, [10; 5]);
}

#[test]
fn a_record_appended_between_two_turns_is_seen_by_the_second() {
    let mut fixture = Setup::new().linger().start();
    for _ in 0..3 {
        fixture.fill(0);
        let request = fixture.sent();
        fixture.acknowledge(&request, 0);
    }

    assert_eq!(fixture.client.sent_count(), 3);
    assert_eq!(fixture.rest(), None);
}

// A caller may read the clock later than the sender did for the turn that finds its batch.
#[test]
fn without_linger_a_batch_from_after_the_start_of_the_turn_is_sent_in_it() {
    let mut fixture = Setup::new().start();
    fixture.advance(Duration::from_micros(10));
    fixture.append(0, 10);
    fixture.now = Instant::ZERO + Duration::from_secs(1);

    assert_eq!(fixture.sent().partitions(), [0]);
}

#[test]
fn an_idle_sender_waits_for_an_event_and_nothing_else() {
    let mut fixture = Setup::new().linger().start();
    assert_eq!(fixture.rest(), None);
    fixture.fill(0);

    let request = fixture.sent();
    fixture.acknowledge(&request, 0);

    assert_eq!(fixture.rest(), None);
    assert!(fixture.sender.is_drained());
}

// Printing a batch that was taken apart panicked: it has no result.
#[test]
fn a_sender_that_keeps_the_boxes_of_batches_can_be_printed() {
    let mut fixture = Setup::new().start();
    fixture.append(0, FULL);
    let request = fixture.sent();
    fixture.acknowledge(&request, 0);

    assert!(format!("{:?}", fixture.sender).contains("ProducerBatch"));
}
