//! What `try_send` promises: it never waits.

use std::sync::mpsc::{self, TryRecvError};
use std::time::Duration;

use kafka_producer::mock_cluster::{Api, Fault};
use kafka_producer::{ErrorKind, NodeId};

use crate::setup::{
    LONG, TOPIC, answer, build, builder, cluster, failure, is_closed, log, producer, record,
    whole_batch,
};

#[test]
fn without_metadata_nothing_is_taken_and_the_callback_is_not_called() {
    let cluster = cluster();
    let producer = producer(&cluster, &[]);
    let (tell, told) = mpsc::channel::<()>();

    let refused =
        producer.try_send_with_callback(record("a"), move |_| tell.send(()).expect("heard"));

    let error = refused.expect_err("no metadata yet");
    assert_eq!(*error.kind(), ErrorKind::WouldBlock { waiting_for: "metadata" });
    assert_eq!(told.try_recv(), Err(TryRecvError::Disconnected));
    producer.partitions_for(TOPIC).expect("known");
    answer(&producer.try_send(record("b")).expect("taken")).expect("acknowledged");
    assert_eq!(log(&cluster, 0), ["b"]);
}

#[test]
fn asking_in_vain_brings_the_metadata_on_its_way() {
    let cluster = cluster();
    let producer = producer(&cluster, &[]);

    assert!(producer.try_send(record("a")).expect_err("not yet").is_would_block());

    let asked = cluster.wait_for_requests(LONG, |requests| {
        requests.iter().any(|request| request.api == Api::Metadata && request.topics == [TOPIC])
    });
    assert!(asked);
}

#[test]
fn a_full_buffer_takes_nothing_until_an_answer_makes_room() {
    let cluster = cluster();
    let producer = producer(&cluster, &[("buffer.memory", "1024"), ("linger.ms", "0")]);
    cluster.inject(Fault::hold().on(Api::Produce));
    let first = producer.send(record("a"));
    crate::setup::await_batches(&cluster, 1);

    let error = producer.try_send(record("b")).expect_err("no room");

    assert_eq!(*error.kind(), ErrorKind::WouldBlock { waiting_for: "memory" });
    cluster.release();
    answer(&first).expect("acknowledged");
    answer(&producer.send(record("c"))).expect("acknowledged");
    assert_eq!(log(&cluster, 0), ["a", "c"]);
}

#[test]
fn an_unreachable_cluster_does_not_make_it_wait() {
    let producer = build(builder("127.0.0.1:1", &[("max.block.ms", "3600000")]));

    assert!(producer.try_send(record("a")).expect_err("no metadata").is_would_block());

    producer.close(Duration::ZERO).expect("nothing was taken");
}

#[test]
fn what_waiting_cannot_mend_is_told_by_the_future() {
    let cluster = cluster();
    let producer = producer(&cluster, &[("max.request.size", "1000")]);
    producer.partitions_for(TOPIC).expect("known");

    let too_large = producer.try_send(record(&whole_batch())).expect("answered");
    producer.close(LONG).expect("in time");
    let too_late = producer.try_send(record("a")).expect("answered");

    assert!(matches!(failure(&too_large).kind(), ErrorKind::RecordTooLarge { .. }));
    assert!(is_closed(&failure(&too_late)));
}

#[test]
fn says_why_there_is_no_metadata_yet() {
    let cluster = cluster();
    let address = cluster.bootstrap_servers();
    cluster.stop_node(NodeId(1));
    let producer = build(builder(&address, &[("max.block.ms", "10")]));
    while producer.partitions_for(TOPIC).expect_err("nobody there").to_string().ends_with("(10 ms)")
    {
    }

    let error = producer.try_send(record("a")).expect_err("no metadata").to_string();

    let expected =
        "topic orders: the call would have to wait for metadata: broker ".to_owned() + &address;
    assert!(error.starts_with(&expected), "{error}");
}
