//! The thread around the sender: how it ends, and that nothing hangs then. Mirrors `SenderTest`'s closes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use super::*;
use crate::producer::internals::record_accumulator::AppendError;
use crate::producer::internals::sender_thread::{self, Lifecycle, SenderShared};
use crate::utils::clock::SystemClock;

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(60);

// SND-22
#[test]
fn a_panic_fails_every_pending_record_with_its_cause() {
    let fixture = Setup::new().start();
    fixture.client.set_ready(NODE_1, false);
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let callback: Callback = Box::new(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let future = fixture.append_with(0, 10, Some(callback));
    fixture.client.panic_in_next_poll("out of thin air");

    let running = Running::start(fixture);

    let error = future.get_timeout(LONG).expect_err("a panic");
    assert!(error.is_fatal());
    assert!(error.to_string().contains("out of thin air"), "{error}");
    running.expect_end();
    assert_eq!(count.load(Ordering::SeqCst), 1);
    assert_eq!(running.accumulator.closed_error().kind(), error.kind());
    assert_eq!(running.accumulator.pool().available(), BUFFER_MEMORY);
    assert!(running.client.is_closed());
}

// A descriptor that somebody else closed: waiting for it fails at once, again and again.
#[test]
fn a_network_that_cannot_be_waited_for_ends_the_producer_and_does_not_spin() {
    let fixture = Setup::new().start();
    fixture.client.set_ready(NODE_1, false);
    let future = fixture.append(0, 10);
    let kind = std::io::ErrorKind::InvalidInput;
    fixture.client.fail_next_poll(Error::io(&std::io::Error::new(kind, "bad descriptor")));

    let running = Running::start(fixture);

    let error = future.get_timeout(LONG).expect_err("no network");
    assert!(error.to_string().contains("bad descriptor"), "{error}");
    running.expect_end();
    let later = running.accumulator.closed_error();
    assert_eq!(later.kind(), error.kind());
    for error in [error, later] {
        assert!(error.is_fatal() && !error.is_retriable(), "{error}");
    }
}

// SND-22
// Such batches were neither in their queue nor with a request: they vanished, and whoever waited did so forever.
#[test]
fn a_panic_in_the_midst_of_a_request_fails_its_records_too() {
    let mut fixture = Setup::new().start();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let callback: Callback = Box::new(move |result| {
        assert!(result.is_err());
        counted.fetch_add(1, Ordering::SeqCst);
        panic!("a callback's own fault");
    });
    let future = fixture.append_with(0, 10, Some(callback));
    let other = fixture.append(1, 10);
    let unsent = fixture.append(2, 10);
    fixture.lead(&[(2, -1)]);
    fixture.client.panic_in_next_send("out of thin air");

    let running = Running::start(fixture);

    for future in [future, other] {
        let error = future.get_timeout(LONG).expect_err("a panic");
        assert!(error.is_fatal() && error.to_string().contains("out of thin air"), "{error}");
        assert_eq!((error.topic(), error.persistence()), (Some(TOPIC), Persistence::Perhaps));
    }
    let error = unsent.get_timeout(LONG).expect_err("a panic");
    assert_eq!(error.persistence(), Persistence::NeverSent);
    running.expect_end();
    assert_eq!(count.load(Ordering::SeqCst), 1);
    assert_eq!(running.accumulator.pool().available(), BUFFER_MEMORY);
}

// Java: KafkaProducerTest.testCloseWhenWaitingForMetadataUpdate and SenderTest.testCloseWithProducerIdReset...
#[test]
fn a_close_sends_what_was_accepted_and_takes_no_more() {
    let fixture = Setup::new().linger().start();
    let future = fixture.append(0, 10);
    let running = Running::start(fixture);

    running.close();

    let request = running.await_request();
    let answer = PartitionProduceResponse { base_offset: 3, ..PartitionProduceResponse::default() };
    let name = TOPIC.to_owned();
    let topic =
        TopicProduceResponse { name, partitions: vec![answer], ..TopicProduceResponse::default() };
    let response = ProduceResponse { topics: vec![topic], ..ProduceResponse::default() };
    running.client.respond(request, ResponseOutcome::Answered(ResponseBody::Produce(response)));
    assert_eq!(future.get_timeout(LONG).expect("success").offset(), 3);
    running.expect_end();
    assert_eq!(running.append(), Err(AppendError::Closed));
    assert_eq!(*running.accumulator.closed_error().kind(), ErrorKind::Closed);
}

// Java: SenderTest.testForceShutdownWithIncompleteTransaction, the part that all producers share
#[test]
fn a_forced_close_fails_what_is_left() {
    let fixture = Setup::new().start();
    let future = fixture.append(0, 10);
    let running = Running::start(fixture);
    running.await_request();

    running.lifecycle.force_close();

    let error = future.get_timeout(LONG).expect_err("closed");
    assert_eq!((error.kind(), error.persistence()), (&ErrorKind::Closed, Persistence::Perhaps));
    running.expect_end();
}

#[test]
fn an_error_that_ends_the_producer_is_the_answer_to_every_later_record() {
    let mut fixture = Setup::new().idempotent().start_with_producer_id();
    let future = fixture.append(0, 10);
    let request = fixture.sent();
    let waiting = fixture.append(0, FULL);
    let answer = PartitionProduceResponse {
        error_code: ErrorCode::ProducerFenced,
        ..PartitionProduceResponse::default()
    };
    fixture.answer(request.id, vec![answer]);

    let running = Running::start(fixture);

    running.expect_end();
    assert_eq!(error(&future).code(), Some(ErrorCode::ProducerFenced));
    assert_eq!(error(&waiting).code(), Some(ErrorCode::ProducerFenced));
    assert_eq!(running.accumulator.closed_error().code(), Some(ErrorCode::ProducerFenced));
    assert!(running.accumulator.closed_error().is_fatal());
}

// ACC-15, ACC-13
// Each record is either refused or answered, wherever the end finds it.
#[test]
fn no_record_of_a_thread_that_appends_during_the_end_is_forgotten() {
    for _ in 0..50 {
        let fixture = Setup::new().linger().start();
        let count = Arc::new(AtomicUsize::new(0));
        let running = Arc::new(Running::start(fixture));
        let callers: Vec<JoinHandle<usize>> = (0..2)
            .map(|_| {
                let (running, count) = (Arc::clone(&running), Arc::clone(&count));
                thread::spawn(move || {
                    let mut accepted = 0;
                    while running.append_counted(&count).is_ok() {
                        accepted += 1;
                    }
                    accepted
                })
            })
            .collect();

        running.await_request();
        running.lifecycle.force_close();

        let accepted = callers.into_iter().map(|caller| caller.join().expect("no panic"));
        let accepted: usize = accepted.sum();
        running.expect_end();
        assert_eq!(count.load(Ordering::SeqCst), accepted);
        assert!(running.accumulator.incomplete().is_empty());
    }
}

/// A sender that has a thread.
struct Running {
    lifecycle: Arc<Lifecycle>,
    client: MockClient,
    accumulator: Arc<RecordAccumulator>,
    metadata: Arc<Metadata>,
}

impl Running {
    fn start(fixture: Fixture) -> Self {
        let Fixture { sender, client, metadata, accumulator, .. } = fixture;
        let shared = SenderShared {
            accumulator: Arc::clone(&accumulator),
            metadata: Arc::clone(&metadata),
            clock: Arc::new(SystemClock),
        };
        let (lifecycle, _thread) = sender_thread::spawn(sender, shared, "test").expect("a thread");
        Self { lifecycle, client, accumulator, metadata }
    }

    fn close(&self) {
        self.lifecycle.initiate_close();
        self.accumulator.close();
    }

    fn expect_end(&self) {
        assert!(self.lifecycle.await_end(LONG), "the thread does not end");
    }

    /// The number of the oldest request in flight, once there is one.
    fn await_request(&self) -> i32 {
        loop {
            match self.client.in_flight().first() {
                Some((request, _)) => return *request,
                None => thread::yield_now(),
            }
        }
    }

    fn append(&self) -> Result<(), AppendError> {
        self.append_counted(&Arc::default())
    }

    /// Waits for memory, if there is none.
    fn append_counted(&self, count: &Arc<AtomicUsize>) -> Result<(), AppendError> {
        let topics = self.accumulator.topics(&self.metadata);
        let headers = Headers::new();
        let value = [0; 300];
        let record = RecordContents::new(1, None, Some(&value), &headers);
        let append = Append {
            topic: topics.get(TOPIC).expect("known"),
            partition_count: 10,
            partition: None,
            record,
            max_wait: LONG,
        };
        let count = Arc::clone(count);
        let mut callback: Option<Callback> = Some(Box::new(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
        }));
        let now = || Instant::ZERO + LONG;
        self.accumulator.append(&append, &mut callback, &now).map(|_| ())
    }
}
