//! What `close` promises, and the end of the last handle.

use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use kafka_producer::mock_cluster::{Api, Fault, MockCluster};
use kafka_producer::{Deadline, Error, NodeId, Persistence, ProducerRecord};

use crate::setup::{
    Journal, LONG, TOPIC, answer, await_batches, brokers, build, builder, cluster, failure,
    is_closed, log, numbers, producer, record, send_telling, whole_batch,
};
#[cfg(target_os = "linux")]
use crate::setup::{expect_threads_and_files, run_alone, threads_and_files};

const FOR_EVER: [(&str, &str); 2] =
    [("linger.ms", "2147483647"), ("delivery.timeout.ms", "2147483647")];
const SHORT: Duration = Duration::from_millis(50);

// CLS-01
#[test]
fn delivers_everything_and_runs_all_callbacks_before_it_returns() {
    let cluster = cluster();
    let producer = producer(&cluster, &FOR_EVER);
    let journal = Journal::default();
    for number in numbers(5000) {
        let journal = journal.clone();
        let value = number.clone();
        producer.send_with_callback(record(&number), move |result| {
            result.expect("acknowledged");
            journal.note(value);
        });
    }

    producer.close(LONG).expect("in time");

    assert_eq!(log(&cluster, 0), numbers(5000));
    assert_eq!(journal.entries(), numbers(5000));
}

// CLS-02
#[test]
fn without_time_sends_nothing_more() {
    let cluster = cluster();
    let producer = producer(&cluster, &FOR_EVER);
    let told: Vec<_> =
        numbers(10).iter().map(|value| send_telling(&producer, record(value))).collect();

    let error = producer.close(Duration::ZERO).expect_err("records had to be failed");

    assert_eq!(error.deadline(), Some(Deadline::Call));
    for told in told {
        let error = told.try_recv().expect("called").expect_err("never sent");
        assert!(is_closed(&error));
        assert_eq!(error.persistence(), Persistence::NeverSent);
    }
    assert_eq!(log(&cluster, 0).len(), 0);
}

// CLS-03
#[test]
fn fails_what_a_silent_cluster_leaves_unanswered() {
    let cluster = cluster();
    let producer = producer(&cluster, &[("max.in.flight.requests.per.connection", "1")]);
    cluster.inject(Fault::lose_response().on(Api::Produce).always());
    let value = whole_batch();
    let on_its_way = send_telling(&producer, record(&value));
    await_batches(&cluster, 1);
    let waiting = send_telling(&producer, record(&value));

    producer.close(SHORT).expect_err("records had to be failed");

    let errors = [on_its_way, waiting]
        .map(|told| told.try_recv().expect("called").expect_err("not acknowledged"));
    assert!(errors.iter().all(is_closed));
    assert_eq!(
        errors.map(|error| error.persistence()),
        [Persistence::Perhaps, Persistence::NeverSent]
    );
}

// CLS-03, SND-05
#[test]
fn fails_what_an_unreachable_leader_leaves_unsent() {
    let cluster = cluster();
    let producer = producer(&cluster, &[]);
    producer.partitions_for(TOPIC).expect("known");
    cluster.stop_node(NodeId(1));
    let future = producer.send(record("a"));

    producer.close(SHORT).expect_err("records had to be failed");

    assert_eq!(failure(&future).persistence(), Persistence::NeverSent);
}

// CLS-08
#[test]
fn is_not_held_up_by_a_peer_that_accepts_and_stays_silent() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("bound").to_string();
    let producer = build(builder(&address, &[("max.block.ms", "3600000")]));

    thread::scope(|scope| {
        let sending = scope.spawn(|| failure(&producer.send(record("a"))));
        let _connection = silent.accept().expect("it connects");
        producer.close(LONG).expect("nothing was accepted");
        assert!(is_closed(&sending.join().expect("no panic")));
    });
}

// BUF-04
#[test]
fn wakes_those_who_wait_for_memory() {
    let cluster = cluster();
    let properties = [("buffer.memory", "1024"), ("max.block.ms", "3600000")];
    let producer = producer(&cluster, &properties);
    cluster.inject(Fault::hold().on(Api::Produce));
    producer.send(record("a"));
    await_batches(&cluster, 1);

    thread::scope(|scope| {
        let waiting: Vec<_> =
            (0..3).map(|_| scope.spawn(|| failure(&producer.send(record("b"))))).collect();
        let _ = producer.close(Duration::ZERO);
        for waiting in waiting {
            assert!(is_closed(&waiting.join().expect("no panic")));
        }
    });
}

// API-13
#[test]
fn afterwards_every_call_fails_and_nothing_reaches_the_cluster() {
    let cluster = cluster();
    let producer = producer(&cluster, &[]);
    let other_handle = producer.clone();
    producer.send(record("a")).get().expect("acknowledged");
    producer.close(LONG).expect("in time");
    cluster.clear_requests();

    let answers = [
        failure(&other_handle.send(record("b"))),
        failure(&other_handle.send(ProducerRecord::without_key("unknown", "b"))),
        send_telling(&other_handle, record("b")).try_recv().expect("called").expect_err("closed"),
        other_handle.partitions_for(TOPIC).expect_err("closed"),
    ];

    assert!(answers.iter().all(is_closed));
    assert!(answers.iter().all(Error::is_fatal));
    assert_eq!(cluster.requests(), []);
}

// CLS-05
#[test]
fn any_number_of_threads_may_close_as_often_as_they_like() {
    let cluster = cluster();
    let producer = producer(&cluster, &[]);
    let future = producer.send(record("a"));

    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| producer.close(LONG).expect("in time"));
        }
    });

    producer.close(Duration::ZERO).expect("there is nothing left");
    answer(&future).expect("acknowledged");
}

// CLS-12
#[test]
fn the_end_of_the_last_handle_delivers_ten_thousand_records() {
    let cluster = brokers(2);
    cluster.create_topic("wide", 4);
    let producer = producer(&cluster, &FOR_EVER);
    for number in numbers(10_000) {
        producer.send(ProducerRecord::new("wide", number.as_str(), "x"));
    }

    let last = producer.clone();
    drop(producer);
    drop(last);

    let stored: i64 = (0..4).map(|partition| cluster.end_offset("wide", partition)).sum();
    assert_eq!(stored, 10_000);
}

#[test]
fn the_last_handle_may_end_inside_a_callback() {
    let cluster = cluster();
    let (hand_over, handed_over) = mpsc::channel();
    let producer = producer(&cluster, &[]);

    let first = producer.send_with_callback(record("a"), move |_| {
        let last = handed_over.recv_timeout(LONG).expect("a handle");
        drop::<kafka_producer::KafkaProducer<str, str>>(last);
    });
    let second = producer.send(record("b"));
    hand_over.send(producer).expect("the callback waits");

    answer(&first).expect("acknowledged");
    answer(&second).expect("accepted before the end, so acknowledged");
    assert_eq!(log(&cluster, 0), ["a", "b"]);
}

// CLS-04
#[test]
fn returns_in_time_though_a_callback_does_not() {
    let cluster = cluster();
    let producer = producer(&cluster, &[]);
    let (entered, enters) = mpsc::channel();
    let (go_on, wait) = mpsc::channel::<()>();
    let stuck = producer.send_with_callback(record("a"), move |_| {
        entered.send(()).expect("heard");
        let _ = wait.recv_timeout(LONG);
    });
    enters.recv_timeout(LONG).expect("called");
    let behind = producer.send(record("b"));

    let error = producer.close(SHORT).expect_err("the callback holds it up");
    drop(go_on);

    assert_eq!(error.deadline(), Some(Deadline::Call));
    answer(&stuck).expect("acknowledged");
    assert!(is_closed(&failure(&behind)));
}

// CLS-09, MOCK-04
#[cfg(target_os = "linux")]
#[test]
fn leaves_neither_threads_nor_files_behind() {
    run_alone("close::leaves_neither_threads_nor_files_behind", come_and_go);
}

#[cfg(target_os = "linux")]
fn come_and_go() {
    let before = threads_and_files();

    for _ in 0..3 {
        let cluster = MockCluster::start(2).expect("a cluster");
        let closed = producer(&cluster, &[]);
        closed.send(record("a")).get().expect("acknowledged");
        closed.close(LONG).expect("in time");
        let dropped = producer(&cluster, &[]);
        dropped.send(record("b"));
    }

    expect_threads_and_files(before);
}

// They failed with "the producer is closed": the time to drop and the time to deliver ended together.
#[test]
fn what_a_dropped_producer_cannot_deliver_tells_why() {
    let cluster = cluster();
    let properties = [("delivery.timeout.ms", "300"), ("request.timeout.ms", "100")];
    let producer = producer(&cluster, &properties);
    answer(&producer.send(record("a"))).expect("acknowledged");
    cluster.stop_node(NodeId(1));
    let late = producer.send(record("b"));

    drop(producer);

    let error = failure(&late);
    assert_eq!(error.deadline(), Some(Deadline::Delivery), "{error}");
}
