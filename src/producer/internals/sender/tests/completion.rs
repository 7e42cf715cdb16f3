//! What answers mean for batches and their records.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;
use crate::protocol::message::produce::RecordError;

// Java: SenderTest.testSimple
#[test]
fn an_acknowledged_batch_answers_each_record_with_its_offset() {
    let mut fixture = Setup::new().start();
    let futures = [fixture.append(0, 10), fixture.append(0, 10)];
    let request = fixture.sent();
    assert_eq!((request.acks, request.batches[0].count), (-1, 2));

    fixture.acknowledge(&request, 40);

    assert_eq!(futures.each_ref().map(offset), [40, 41]);
    assert_eq!(fixture.available_memory(), BUFFER_MEMORY);
    assert!(fixture.accumulator.incomplete().is_empty());
}

// SND-16
// Java: SenderTest.testTransactionalSplit... without acks: the record is answered once it is with the socket.
#[test]
fn without_acks_a_batch_is_done_when_it_is_with_the_socket() {
    let mut fixture = Setup::new().with(|settings| settings.acks = 0).start();
    let future = fixture.append(0, 10);
    let request = fixture.sent();
    assert_eq!(request.acks, 0);
    assert!(outcome(&future).is_none());

    fixture.client.respond(request.id, ResponseOutcome::Sent);
    fixture.rest();

    let metadata = outcome(&future).expect("done").expect("success");
    assert!(!metadata.has_offset());
    assert_eq!(fixture.available_memory(), BUFFER_MEMORY);
}

// Java lets such a batch run out of its time.
#[test]
fn a_partition_that_the_answer_leaves_out_is_sent_again() {
    let mut fixture = Setup::new().start();
    fixture.append(0, 10);
    let left_out = fixture.append(1, 10);
    let request = fixture.sent();

    fixture.answer(request.id, vec![PartitionProduceResponse::default()]);
    fixture.rest();
    fixture.advance(BACKOFF.mul_f64(1.2));

    let request = fixture.sent();
    assert_eq!(request.partitions(), [1]);
    fixture.acknowledge(&request, 9);
    assert_eq!(offset(&left_out), 9);
}

// Java throws inside its poll, and the partitions behind the stranger hear nothing.
#[test]
fn an_answer_for_a_partition_that_was_not_asked_about_is_ignored() {
    let mut fixture = Setup::new().start();
    let futures = [fixture.append(0, 10), fixture.append(2, 10)];
    let request = fixture.sent();
    let answer = |index, base_offset| PartitionProduceResponse {
        index,
        base_offset,
        ..PartitionProduceResponse::default()
    };

    fixture.answer(request.id, vec![answer(7, 1), answer(2, 2), answer(-1, 3), answer(0, 4)]);
    fixture.rest();

    assert_eq!(futures.each_ref().map(offset), [4, 2]);
}

// Kafka answers in the order of a hash map: looking for each batch among all answers took the square of their number.
#[test]
fn answers_come_in_any_order() {
    let mut fixture = Setup::new().start();
    let futures: Vec<_> = (0..10).map(|partition| fixture.append(partition, 10)).collect();
    let request = fixture.sent();

    let answer = |index| PartitionProduceResponse {
        index,
        base_offset: i64::from(100 + index),
        ..PartitionProduceResponse::default()
    };
    let order = [3, 9, 0, 5, 1, 8, 2, 7, 6, 4];
    let mut answers: Vec<_> = order.into_iter().map(answer).collect();
    answers.push(PartitionProduceResponse { base_offset: 7, ..answer(3) });
    fixture.answer(request.id, answers);
    fixture.rest();

    let offsets = futures.iter().map(offset);
    assert_eq!(offsets.collect::<Vec<_>>(), (100..110).collect::<Vec<_>>());
}

#[test]
fn an_answer_of_another_kind_is_as_good_as_none() {
    let mut fixture = Setup::new().start();
    fixture.append(0, 10);
    let request = fixture.sent();

    let body = ResponseBody::InitProducerId(InitProducerIdResponse::default());
    fixture.client.respond(request.id, ResponseOutcome::Answered(body));
    fixture.rest();
    fixture.advance(BACKOFF.mul_f64(1.2));

    assert_eq!(fixture.sent().batches, request.batches);
}

// Java: SenderTest.testRecordErrorPropagatedToApplication (KIP-467)
#[test]
fn a_refused_record_is_told_apart_from_its_neighbours() {
    let mut fixture = Setup::new().start();
    let futures = [fixture.append(0, 10), fixture.append(0, 10), fixture.append(0, 10)];
    let request = fixture.sent();
    let refusal = |batch_index, message: Option<&str>| RecordError {
        batch_index,
        message: message.map(Into::into),
    };

    let answer = PartitionProduceResponse {
        error_code: ErrorCode::InvalidRecord,
        error_message: Some("refused".into()),
        record_errors: vec![refusal(1, Some("no key")), refusal(2, None), refusal(-5, None)],
        ..PartitionProduceResponse::default()
    };
    fixture.answer(request.id, vec![answer]);
    fixture.rest();

    let [neighbour, without_key, without_message] = futures.each_ref().map(error);
    assert!(without_key.to_string().contains("no key"), "{without_key}");
    assert!(without_message.to_string().contains("refused"), "{without_message}");
    assert!(!neighbour.to_string().contains("no key"), "{neighbour}");
    for error in [neighbour, without_key, without_message] {
        assert_eq!(error.code(), Some(ErrorCode::InvalidRecord));
        assert_eq!((error.topic(), error.partition()), (Some(TOPIC), Some(0)));
        assert_eq!((error.broker(), error.attempts()), (Some("broker-1:9092 (id 1)"), 1));
        assert!(error.elapsed().is_some());
    }
}

// Java: SenderTest.testUnsupportedVersion...
#[test]
fn a_broker_that_knows_no_common_version_fails_the_batch() {
    let mut fixture = Setup::new().start();
    let future = fixture.append(0, 10);
    let request = fixture.sent();
    let kind = ErrorKind::UnsupportedVersion { message: "Produce".into() };

    fixture
        .client
        .respond(request.id, ResponseOutcome::UnsupportedVersion(Error::new(kind.clone())));
    fixture.rest();

    let error = error(&future);
    assert_eq!(error.kind(), &kind);
    assert_eq!(error.persistence(), Persistence::NeverSent);
}

#[test]
fn a_batch_that_fails_for_good_gives_its_memory_back() {
    let mut fixture = Setup::new().start();
    let future = fixture.append(0, 10);
    let request = fixture.sent();

    fixture.refuse(&request, ErrorCode::TopicAuthorizationFailed);

    assert_eq!(error(&future).persistence(), Persistence::Refused);
    assert_eq!(fixture.available_memory(), BUFFER_MEMORY);
    assert!(fixture.sender.is_drained());
}

// A flush that found nothing incomplete returned before the last callbacks had run.
#[test]
fn a_batch_is_incomplete_until_its_callbacks_have_run() {
    let mut fixture = Setup::new().start();
    let was_incomplete = Arc::new(AtomicBool::new(false));
    let (seen, accumulator) = (Arc::clone(&was_incomplete), Arc::clone(&fixture.accumulator));
    let callback: Callback = Box::new(move |_| {
        seen.store(!accumulator.incomplete().is_empty(), Ordering::SeqCst);
    });
    fixture.append_with(0, 10, Some(callback));
    let request = fixture.sent();

    fixture.acknowledge(&request, 0);

    assert!(was_incomplete.load(Ordering::SeqCst));
    assert!(fixture.accumulator.incomplete().is_empty());
}

#[test]
fn a_callback_that_panics_harms_nobody_else() {
    let mut fixture = Setup::new().start();
    let first = fixture.append_with(0, 10, Some(Box::new(|_| panic!("a callback's own fault"))));
    let second = fixture.append(0, 10);
    let request = fixture.sent();

    fixture.acknowledge(&request, 0);

    assert_eq!((offset(&first), offset(&second)), (0, 1));
}

// ACC-12
#[test]
fn an_answer_that_comes_twice_is_ignored() {
    let mut fixture = Setup::new().start();
    let future = fixture.append(0, 10);
    let request = fixture.sent();
    fixture.acknowledge(&request, 1);

    let response = ClientResponse { correlation_id: request.id, outcome: ResponseOutcome::Sent };
    fixture.sender.handle_response(response, fixture.now);

    assert_eq!(offset(&future), 1);
}

// ACC-15
// Java: SenderTest.testForceClose...
#[test]
fn an_abort_answers_everything_wherever_it_is() {
    let mut fixture = Setup::new().linger().start();
    let count = Arc::new(AtomicUsize::new(0));
    let counting = |count: &Arc<AtomicUsize>| -> Option<Callback> {
        let count = Arc::clone(count);
        Some(Box::new(move |result| {
            assert!(result.is_err());
            count.fetch_add(1, Ordering::SeqCst);
        }))
    };
    fixture.lead(&[(3, -1)]);
    let on_its_way = fixture.append_with(0, FULL, counting(&count));
    fixture.append(0, FULL);
    let backing_off = fixture.append_with(1, FULL, counting(&count));
    fixture.append(1, FULL);
    fixture.rest();
    let sent = fixture.requests().remove(0);
    fixture.disconnect(&sent, true);
    fixture.append_with(2, 10, counting(&count));
    fixture.append_with(3, 10, counting(&count));
    fixture.rest();
    fixture.append_with(4, 10, counting(&count));

    fixture.accumulator.close();
    fixture.sender.abort(&Error::new(ErrorKind::Closed), fixture.now);

    assert_eq!(count.load(Ordering::SeqCst), 5);
    assert_eq!(error(&on_its_way).persistence(), Persistence::Perhaps);
    assert_eq!(error(&backing_off).persistence(), Persistence::Perhaps);
    assert!(fixture.client.is_closed());
    assert!(fixture.accumulator.incomplete().is_empty());
    assert_eq!(fixture.available_memory(), BUFFER_MEMORY);
}
