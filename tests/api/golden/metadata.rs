//! Topics and brokers that are not found.

use std::io::Write;

use kafka_producer::mock_cluster::{Api, Fault, MockCluster, TopicOptions};
use kafka_producer::{ErrorCode, NodeId, ProducerRecord};

use super::Texts;
use crate::error_texts::{error_from, serving, unused_address};
use crate::setup::{TOPIC, build, builder, cluster, failure, producer, record};

pub(super) fn texts() -> Texts {
    [topics(), addresses(), versions(), without_leader()].concat()
}

fn topics() -> Texts {
    let cluster = MockCluster::builder().auto_create_topics(None).start().expect("a cluster");
    cluster.create_topic(TOPIC, 3);
    cluster.create_topic("secret", 1);
    let denied = Fault::error(ErrorCode::TopicAuthorizationFailed).on(Api::Metadata);
    cluster.inject(denied.topic("secret").always());
    let producer = producer(&cluster, &[("max.block.ms", "500")]);
    let send = |topic| failure(&producer.send(ProducerRecord::without_key(topic, "a")));
    let partitions = producer.partitions_for("none").expect_err("there is no such topic");
    vec![
        ("A topic that does not exist", send("none")),
        ("The partitions of a topic that does not exist", partitions),
        ("A partition that does not exist", failure(&producer.send(record("a").partition(3)))),
        ("A topic that may not be seen", send("secret")),
    ]
}

fn addresses() -> Texts {
    let web_server = serving(|listener| {
        for mut peer in listener.incoming().flatten() {
            let _ = peer.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        }
    });
    let tls = serving(|listener| {
        for mut peer in listener.incoming().flatten() {
            let _ = peer.write_all(&[0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x46]);
        }
    });
    let closes = serving(|listener| listener.incoming().for_each(drop));
    let silent = serving(|listener| drop(listener.incoming().collect::<Vec<_>>()));
    let hasty = build(builder(&silent, &[]));
    let did_not_wait = hasty.try_send(record("a")).expect_err("nothing is known");
    vec![
        ("A port where nobody listens", error_from(&unused_address(), "refused")),
        ("A web server", error_from(&web_server, "HTTP")),
        ("A port that speaks TLS", error_from(&tls, "TLS")),
        ("A peer that closes", error_from(&closes, "closed")),
        ("A peer that stays silent", error_from(&silent, "ApiVersions")),
        ("No metadata yet, and the call must not wait", did_not_wait),
    ]
}

fn versions() -> Texts {
    let cluster = cluster();
    cluster.set_versions(Api::Produce, 100..=101);
    let too_new = failure(&producer(&cluster, &[]).send(record("a")));
    let cluster = crate::setup::cluster();
    cluster.remove_api(Api::InitProducerId);
    let too_old = failure(&producer(&cluster, &[]).send(record("a")));
    vec![
        ("A broker without a common version", too_new),
        ("A broker that knows no idempotence", too_old),
    ]
}

fn without_leader() -> Texts {
    let cluster = MockCluster::start(2).expect("a cluster");
    cluster.create_topic_with(TOPIC, TopicOptions::new(1).replication_factor(1));
    let leader = cluster.leader(TOPIC, 0).expect("a leader");
    assert!([NodeId(1), NodeId(2)].contains(&leader));
    let properties =
        [("delivery.timeout.ms", "1000"), ("request.timeout.ms", "500"), ("linger.ms", "0")];
    let producer = producer(&cluster, &properties);
    cluster.stop_node(leader);
    vec![("A partition without leader", failure(&producer.send(record("a"))))]
}
