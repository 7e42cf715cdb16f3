//! What callbacks promise.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use kafka_producer::mock_cluster::{Api, Fault};
use kafka_producer::{ErrorKind, FutureRecordMetadata, KafkaProducer, ProducerRecord};

use crate::setup::{
    Journal, LONG, TOPIC, answer, cluster, failure, is_closed, log, numbers, offset, producer,
    record, send_telling, whole_batch,
};

// API-14, INV-08
#[test]
fn those_of_a_partition_run_once_and_in_the_order_of_send() {
    let cluster = cluster();
    let producer = producer(&cluster, &[("batch.size", "200")]);
    let journal = Journal::default();

    for number in numbers(1000) {
        let journal = journal.clone();
        let value = number.clone();
        producer.send_with_callback(record(&number), move |_| journal.note(value));
    }
    producer.flush().expect("in time");

    assert_eq!(journal.entries(), numbers(1000));
}

// API-14
#[test]
fn a_callback_has_returned_when_get_returns() {
    let cluster = cluster();
    let producer = producer(&cluster, &[]);
    let journal = Journal::default();
    let (go_on, wait) = mpsc::channel::<()>();
    let of_callback = journal.clone();
    let future = producer.send_with_callback(record("a"), move |_| {
        wait.recv_timeout(LONG).expect("told to go on");
        of_callback.note("callback");
    });

    let future = thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            answer(&future).expect("acknowledged");
            journal.note("get");
            future
        });
        go_on.send(()).expect("the callback waits");
        waiter.join().expect("no panic")
    });

    assert_eq!(journal.entries(), ["callback", "get"]);
    assert!(future.is_done());
}

// CON-05
#[test]
fn a_panic_in_a_callback_ends_there() {
    let cluster = cluster();
    let producer = producer(&cluster, &[]);

    let future = producer.send_with_callback(record("a"), |_| panic!("on purpose"));
    let told = send_telling(&producer, record("b"));

    assert_eq!(offset(&future), 0);
    assert_eq!(told.recv_timeout(LONG).expect("called").expect("acknowledged").offset(), 1);
}

#[test]
fn the_callback_of_a_record_that_is_not_accepted_runs_before_send_returns() {
    let cluster = cluster();
    let producer = producer(&cluster, &[]);
    let (tell, told) = mpsc::channel();

    producer.send_with_callback(record("a").partition(-1), move |result| {
        tell.send((thread::current().id(), result.is_err())).expect("heard");
    });

    assert_eq!(told.try_recv(), Ok((thread::current().id(), true)));
}

// The request was sent with the time from before the callback, and had timed out when it left.
#[test]
fn a_callback_that_takes_longer_than_a_request_may_costs_the_next_request_nothing() {
    let cluster = cluster();
    let producer = producer(
        &cluster,
        &[
            ("enable.idempotence", "false"),
            ("retries", "0"),
            ("linger.ms", "0"),
            ("request.timeout.ms", "1000"),
        ],
    );
    answer(&producer.send(record("knows the topic"))).expect("acknowledged");
    cluster.inject(Fault::delay(Duration::from_millis(20)).on(Api::Produce).times(2));
    let (enter, entered) = mpsc::channel();
    let (_never, for_long) = mpsc::channel::<()>();
    producer.send_with_callback(record("a"), move |_| {
        enter.send(()).expect("heard");
        for_long.recv_timeout(Duration::from_millis(1500)).expect_err("nobody sends");
    });
    entered.recv_timeout(LONG).expect("called");

    let next = producer.send(record("b"));

    assert_eq!(offset(&next), 2);
}

// It ended the process, for want of a stack.
#[test]
fn a_callback_that_sends_again_whatever_is_refused_comes_to_an_end() {
    fn send_until_acknowledged(
        producer: &KafkaProducer<str, str>,
        refused: &Arc<AtomicUsize>,
    ) -> FutureRecordMetadata {
        let (of_callback, counted) = (producer.clone(), Arc::clone(refused));
        producer.send_with_callback(record("a"), move |answer| {
            if answer.is_err() {
                counted.fetch_add(1, Ordering::SeqCst);
                send_until_acknowledged(&of_callback, &counted);
            }
        })
    }
    let cluster = cluster();
    let producer = producer(&cluster, &[]);
    producer.close(LONG).expect("in time");
    let refused = Arc::default();

    for round in 1..=2 {
        let future = send_until_acknowledged(&producer, &refused);

        assert!(is_closed(&failure(&future)));
        assert_eq!(refused.load(Ordering::SeqCst), 8 * round, "as often as documented");
    }
    assert_eq!(Arc::strong_count(&refused), 1, "what callbacks captured is let go of");
}

// API-17
#[test]
fn a_callback_may_send() {
    let cluster = cluster();
    let producer = producer(&cluster, &[]);
    let (tell, told) = mpsc::channel();
    let of_callback = producer.clone();

    producer.send_with_callback(record("a"), move |_| {
        let future = of_callback.send_with_callback(record("b"), |_| ());
        tell.send(future).expect("heard");
    });

    let nested = told.recv_timeout(LONG).expect("called");
    assert_eq!(offset(&nested), 1);
    assert_eq!(log(&cluster, 0), ["a", "b"]);
}

// API-17
#[test]
fn a_send_in_a_callback_does_not_wait_for_memory_that_only_its_own_thread_can_free() {
    let cluster = cluster();
    let properties = [("buffer.memory", "32768"), ("max.block.ms", "3600000")];
    let producer = producer(&cluster, &properties);
    let (entered, enters) = mpsc::channel();
    let (go_on, wait) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    let inside = producer.clone();

    producer.send_with_callback(record("a"), move |_| {
        entered.send(()).expect("heard");
        wait.recv_timeout(LONG).expect("told to go on");
        tell.send(inside.send(record("c"))).expect("heard");
    });
    enters.recv_timeout(LONG).expect("called");
    let value = whole_batch();
    let fill = std::iter::from_fn(|| producer.try_send(record(&value[..10_000])).ok());
    let filling: Vec<_> = fill.collect();
    go_on.send(()).expect("the callback waits");

    let nested = told.recv_timeout(LONG).expect("it does not hang");
    assert_eq!(*failure(&nested).kind(), ErrorKind::WouldBlock { waiting_for: "memory" });
    assert_eq!(filling.iter().map(offset).collect::<Vec<_>>(), [1, 2]);
}

// API-17
#[test]
fn a_send_in_a_callback_does_not_wait_for_metadata_either() {
    let cluster = cluster();
    let producer = producer(&cluster, &[("max.block.ms", "3600000")]);
    let (tell, told) = mpsc::channel();
    let of_callback = producer.clone();

    producer.send_with_callback(record("a"), move |_| {
        let future = of_callback.send(ProducerRecord::without_key("another topic", "b"));
        tell.send(future).expect("heard");
    });

    let nested = told.recv_timeout(LONG).expect("it does not hang");
    assert_eq!(*failure(&nested).kind(), ErrorKind::WouldBlock { waiting_for: "metadata" });
}

// API-18, CLS-04
#[test]
fn what_would_wait_for_the_callback_itself_is_refused_in_it() {
    let cluster = cluster();
    let producer =
        producer(&cluster, &[("linger.ms", "3600000"), ("delivery.timeout.ms", "7200000")]);
    let (tell, told) = mpsc::channel();
    let inside = producer.clone();

    let first = producer.send_with_callback(record("a"), move |_| {
        let pending = inside.send(record("b"));
        let refused = [
            ("flush", inside.flush()),
            ("close", inside.close(Duration::ZERO)),
            ("close", inside.close(LONG)),
            ("get", pending.get_timeout(LONG).map(|_| ())),
            ("get", pending.get().map(|_| ())),
        ];
        tell.send(refused).expect("heard");
    });
    answer(&first).expect("acknowledged");

    for (method, result) in told.recv_timeout(LONG).expect("it does not hang") {
        let error = result.expect_err("refused");
        assert_eq!(*error.kind(), ErrorKind::CalledFromCallback { method });
    }
    producer.flush().expect("the producer goes on");
    assert_eq!(log(&cluster, 0), ["a", "b"]);
}

#[test]
fn a_callback_may_read_an_answer_that_is_there() {
    let cluster = cluster();
    let producer = producer(&cluster, &[]);
    let first = producer.send(record("a"));
    answer(&first).expect("acknowledged");
    let (tell, told) = mpsc::channel();

    producer.send_with_callback(record("b"), move |_| {
        tell.send(first.get().map(|metadata| metadata.offset())).expect("heard");
    });

    assert_eq!(told.recv_timeout(LONG).expect("called"), Ok(0));
}

// CON-05
#[test]
fn the_callback_of_one_producer_may_wait_for_another() {
    let cluster = cluster();
    cluster.create_topic("copies", 1);
    let (one, other) = (producer(&cluster, &[]), producer(&cluster, &[]));
    let (tell, told) = mpsc::channel();

    one.send_with_callback(record("a"), move |_| {
        let copied = other.send(ProducerRecord::without_key("copies", "a")).get();
        tell.send((copied, other.close(LONG))).expect("heard");
    });

    let (copied, closed) = told.recv_timeout(LONG).expect("it does not hang");
    assert_eq!(copied.expect("acknowledged").offset(), 0);
    closed.expect("in time");
    assert_eq!(cluster.records(TOPIC, 0).len(), 1);
}
