//! What becomes of a broker's connection, from attempt to attempt.

use super::*;

const NODE: NodeId = NodeId(1);
const BACKOFF: Duration = Duration::from_millis(50);
const SETUP: Duration = Duration::from_secs(10);

#[test]
fn a_node_never_seen_can_be_connected_to_at_once() {
    let states = states();

    assert!(states.can_connect(NODE, Instant::ZERO));
    assert_eq!(states.next_attempt(NODE, Instant::ZERO), None);
    assert!(!states.is_ready(NODE, Instant::ZERO));
}

#[test]
fn a_failed_attempt_is_followed_by_its_backoff() {
    let mut states = states();
    states.connecting(&node("10.0.0.1"), Instant::ZERO);
    assert!(!states.can_connect(NODE, Instant::ZERO));

    states.disconnected(NODE, Instant::ZERO);

    let next = states.next_attempt(NODE, Instant::ZERO).expect("a backoff");
    assert!(next >= Instant::ZERO + BACKOFF.mul_f64(0.8));
    assert!(next <= Instant::ZERO + BACKOFF.mul_f64(1.2));
    assert!(!states.can_connect(NODE, Instant::ZERO));
    assert!(states.can_connect(NODE, next));
}

// NET-02, NET-11
#[test]
fn backoff_and_set_up_time_grow_with_failures_and_start_over_once_ready() {
    let mut states = states();
    let mut now = Instant::ZERO;
    for _ in 0..8 {
        states.connecting(&node("10.0.0.1"), now);
        states.disconnected(NODE, now);
        now = states.next_attempt(NODE, now).expect("a backoff");
    }
    assert!(states.setup_timeout(NODE) > 2 * SETUP);

    states.connecting(&node("10.0.0.1"), now);
    states.checking_api_versions(NODE);
    states.ready(NODE);

    assert!(states.setup_timeout(NODE) <= SETUP.mul_f64(1.2));
    assert_eq!(states.failed_attempts(NODE), 0);
    assert_eq!(states.setup_deadline(NODE), None);
}

#[test]
fn the_set_up_time_covers_everything_up_to_readiness() {
    let mut states = states();
    states.connecting(&node("localhost"), Instant::ZERO);
    let deadline = states.setup_deadline(NODE);
    assert!(deadline.is_some());

    states.resolved(NODE, "localhost", vec![address(1)]);
    assert_eq!(states.setup_deadline(NODE), deadline);
    states.checking_api_versions(NODE);
    assert_eq!(states.setup_deadline(NODE), deadline);
}

// NET-13
#[test]
fn every_address_of_a_name_is_tried_before_it_is_looked_up_again() {
    let mut states = states();
    assert_eq!(states.connecting(&node("kafka"), Instant::ZERO), NextStep::Resolve);
    let first = states.resolved(NODE, "kafka", vec![address(1), address(2)]);
    assert_eq!(first, Some(address(1)));

    states.disconnected(NODE, Instant::ZERO);
    assert_eq!(states.connecting(&node("kafka"), later()), NextStep::Connect(address(2)));
    states.disconnected(NODE, later());
    assert_eq!(states.connecting(&node("kafka"), later()), NextStep::Resolve);
}

#[test]
fn a_look_up_for_the_port_that_a_node_had_before_serves_the_one_it_has() {
    let mut states = states();
    states.connecting(&node("kafka"), Instant::ZERO);
    states.disconnected(NODE, Instant::ZERO);
    let moved = Node::new(NODE, "kafka", 9999, None);
    states.connecting(&moved, later());

    let next = states.resolved(NODE, "kafka", vec![address(1)]);

    assert_eq!(next.map(|address| address.port()), Some(9999));
}

#[test]
fn a_new_look_up_does_not_begin_with_the_address_that_just_failed() {
    let mut states = states();
    states.connecting(&node("kafka"), Instant::ZERO);
    states.resolved(NODE, "kafka", vec![address(1)]);
    states.disconnected(NODE, Instant::ZERO);
    states.connecting(&node("kafka"), later());

    let next = states.resolved(NODE, "kafka", vec![address(1), address(2)]);

    assert_eq!(next, Some(address(2)));
}

// NET-13
#[test]
fn a_connection_that_was_used_is_looked_up_again_when_it_ends() {
    let mut states = states();
    states.connecting(&node("kafka"), Instant::ZERO);
    states.resolved(NODE, "kafka", vec![address(1), address(2)]);
    states.ready(NODE);

    states.disconnected(NODE, Instant::ZERO);

    assert_eq!(states.connecting(&node("kafka"), later()), NextStep::Resolve);
}

#[test]
fn a_broker_that_moved_starts_afresh() {
    let mut states = states();
    states.connecting(&node("10.0.0.1"), Instant::ZERO);
    states.disconnected(NODE, Instant::ZERO);

    let step = states.connecting(&node("10.0.0.2"), later());

    assert_eq!(step, NextStep::Connect("10.0.0.2:9092".parse().expect("an address")));
    assert_eq!(states.failed_attempts(NODE), 0);
}

#[test]
fn a_look_up_that_comes_too_late_serves_the_next_attempt() {
    let mut states = states();
    states.connecting(&node("kafka"), Instant::ZERO);
    states.disconnected(NODE, Instant::ZERO);
    assert_eq!(states.connecting(&node("kafka"), later()), NextStep::AwaitLookup);
    states.disconnected(NODE, later());

    assert_eq!(states.resolved(NODE, "kafka", vec![address(1)]), None);
    assert_eq!(states.connecting(&node("kafka"), later()), NextStep::Connect(address(1)));
}

#[test]
fn a_throttled_node_is_not_ready_and_never_gets_less_to_wait() {
    let mut states = states();
    states.connecting(&node("10.0.0.1"), Instant::ZERO);
    states.ready(NODE);

    states.throttle(NODE, later());
    states.throttle(NODE, Instant::ZERO);

    assert!(!states.is_ready(NODE, Instant::ZERO));
    assert_eq!(states.next_attempt(NODE, Instant::ZERO), Some(later()));
    assert!(states.is_ready(NODE, later()));
}

#[test]
fn a_literal_ipv6_address_is_named_in_brackets() {
    let mut states = states();
    states.connecting(&node("::1"), Instant::ZERO);

    assert_eq!(states.broker(NODE), "[::1]:9092");
}

fn states() -> ClusterConnectionStates {
    ClusterConnectionStates::new(
        ExponentialBackoff::new(BACKOFF, Duration::from_secs(1)),
        ExponentialBackoff::new(SETUP, Duration::from_secs(30)),
        Random::new(1),
    )
}

fn node(host: &str) -> Node {
    Node::new(NODE, host, 9092, None)
}

fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 9092))
}

fn later() -> Instant {
    Instant::ZERO + Duration::from_secs(100)
}
