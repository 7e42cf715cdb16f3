//! Calls that fail themselves, and what becomes of records when the producer ends.

use std::sync::mpsc;
use std::time::Duration;

use kafka_producer::mock_cluster::{Api, Fault};

use super::Texts;
use crate::setup::{LONG, answer, await_batches, cluster, failure, producer, record, whole_batch};

const SHORT: Duration = Duration::from_millis(20);

pub(super) fn texts() -> Texts {
    [in_vain(), inside_a_callback()].concat()
}

fn in_vain() -> Texts {
    let cluster = cluster();
    let producer = producer(&cluster, &[("max.in.flight.requests.per.connection", "1")]);
    cluster.inject(Fault::lose_response().on(Api::Produce).always());
    let value = whole_batch();
    let on_its_way = producer.send(record(&value));
    await_batches(&cluster, 1);
    let waiting = producer.send(record(&value));

    let get = on_its_way.get_timeout(SHORT).expect_err("no answer");
    let flush = producer.flush_timeout(SHORT).expect_err("no answer");
    let close = producer.close(SHORT).expect_err("no answer");
    vec![
        ("get_timeout in vain", get),
        ("flush_timeout in vain", flush),
        ("close in vain", close),
        ("A record on its way when the producer ended", failure(&on_its_way)),
        ("A record that waited when the producer ended", failure(&waiting)),
        ("A record for a closed producer", failure(&producer.send(record("a")))),
        (
            "partitions_for of a closed producer",
            producer.partitions_for("orders").expect_err("closed"),
        ),
    ]
}

fn inside_a_callback() -> Texts {
    let cluster = cluster();
    let producer = producer(&cluster, &[]);
    let (tell, told) = mpsc::channel();
    let inside = producer.clone();
    let sent = producer.send_with_callback(record("a"), move |_| {
        let pending = inside.send(record("b"));
        let refused = [inside.flush(), inside.close(LONG), pending.get().map(drop)];
        tell.send(refused.map(Result::unwrap_err)).expect("heard");
    });
    answer(&sent).expect("acknowledged");
    let [flush, close, get] = told.recv_timeout(LONG).expect("called");
    vec![
        ("flush inside a callback", flush),
        ("close inside a callback", close),
        ("get inside a callback", get),
    ]
}
