//! One node among several: who is asked, and whose trouble is whose.

use super::*;

// NET-14
#[test]
fn a_name_that_takes_long_to_look_up_holds_up_its_own_node_only() {
    let mut setup = Setup::ready(13);
    let ResponseBody::Metadata(mut response) = cluster(&[1, 2]) else { unreachable!() };
    response.brokers[1].host = "slow-to-look-up".into();
    setup.metadata.request_update();
    setup.now = setup.now + Duration::from_secs(2);
    setup.poll();
    setup.answer(&ResponseBody::Metadata(response));

    assert!(!setup.client.ready(NodeId(2), setup.now));
    for _ in 0..3 {
        setup.now = setup.now + Duration::from_secs(2);
        setup.send(produce(Uuid::ZERO));
        setup.poll();
        let responses = setup.answer(&produce_response(0));
        assert!(matches!(responses[0].outcome, ResponseOutcome::Answered(_)));
    }
    assert_eq!(setup.asked_hosts(), ["slow-to-look-up"]);
    setup.now = setup.now + 2 * SETUP_TIMEOUT;
    setup.poll();

    let error = setup.metadata.last_error().expect("given up").to_string();
    assert!(error.starts_with("broker slow-to-look-up:9092: no address of the host"), "{error}");
    assert!(setup.client.next_attempt(NodeId(2), setup.now) > Some(setup.now), "it backs off");
    setup.poll(); // writes the question for metadata
    assert!(setup.client.ready(NODE, setup.now));
}

// MET-09
#[test]
fn the_least_loaded_node_is_one_without_requests() {
    let mut setup = Setup::with_nodes(&[1, 2]);
    setup.make_ready(NodeId(2));
    setup.send(produce(Uuid::ZERO));
    setup.poll();

    for _ in 0..20 {
        assert_eq!(setup.client.least_loaded_node(setup.now), Some(NodeId(2)));
    }
}

// MET-09, SND-13
#[test]
fn the_least_loaded_node_is_neither_throttled_nor_still_connecting() {
    let mut setup = Setup::with_nodes(&[1, 2, 3]);
    setup.make_ready(NodeId(2));
    setup.client.selector.accepts = false;
    assert!(!setup.client.ready(NodeId(3), setup.now));
    setup.send(produce(Uuid::ZERO));
    setup.poll();
    setup.answer(&produce_response(2000));
    setup.client.selector.disconnect(BOOTSTRAP, DisconnectCause::Idle);
    setup.poll();

    for _ in 0..20 {
        assert_eq!(setup.client.least_loaded_node(setup.now), Some(NodeId(2)));
    }
}

// MET-09
#[test]
fn a_node_that_cannot_be_reached_is_not_picked_for_ever() {
    let mut setup = Setup::with_nodes(&[1, 2]);
    for node in [BOOTSTRAP, NODE] {
        setup.client.selector.disconnect(node, DisconnectCause::EndOfStream);
    }
    setup.client.selector.accepts = false;
    setup.client.selector.connects.clear();

    for _ in 0..6 {
        setup.now = setup.now + 4 * SETUP_TIMEOUT;
        setup.poll();
    }

    for node in [NODE, NodeId(2)] {
        let connects = &setup.client.selector.connects;
        assert!(connects.iter().any(|(to, _)| *to == node), "{node}: {connects:?}");
    }
}

// Clusters whose brokers are replaced, each time under new numbers, made the client grow.
#[test]
fn brokers_that_left_the_cluster_are_forgotten() {
    let mut setup = Setup::with_nodes(&[1, 2]);
    assert!(!setup.client.ready(NodeId(2), setup.now));
    setup.client.selector.disconnect(NodeId(2), DisconnectCause::EndOfStream);
    setup.poll();
    assert!(setup.client.connections.is_known(NodeId(2)));
    setup.now = setup.now + Duration::from_secs(2);
    setup.poll();

    setup.answer(&cluster(&[1]));

    assert_eq!(setup.client.connections.nodes(), [BOOTSTRAP, NODE]);
}

// The error of the whole client is cleared by the first broker that answers.
#[test]
fn why_a_broker_cannot_be_reached_is_known_until_it_can() {
    let mut setup = Setup::with_nodes(&[1, 2]);
    assert!(!setup.client.ready(NodeId(2), setup.now));
    setup.client.selector.disconnect(NodeId(2), DisconnectCause::EndOfStream);
    setup.poll();
    setup.now = setup.now + Duration::from_secs(2);
    setup.poll();
    setup.answer(&cluster(&[1, 2]));
    assert_eq!(setup.metadata.last_error(), None);

    let error = setup.client.last_error(NodeId(2)).expect("a reason").to_string();
    assert!(error.starts_with("broker 10.0.0.2:9092"), "{error}");
    setup.make_ready(NodeId(2));

    assert_eq!(setup.client.last_error(NodeId(2)), None);
}
