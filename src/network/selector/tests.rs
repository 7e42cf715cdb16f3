//! Over loopback sockets: what the operating system does cannot be made up.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use super::*;
use crate::error::ErrorKind;
use crate::network::network_send::Splice;
use crate::utils::clock::SystemClock;

const NODE: NodeId = NodeId(7);
/// Long enough for any step on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_request_goes_out_and_its_answer_comes_in() {
    let mut setup = Setup::connected();

    setup.selector.send(NODE, send(b"ping", &[]));
    setup.poll_until(|seen| !seen.completed_sends.is_empty());
    assert_eq!(setup.peer_reads(8), b"\0\0\0\x04ping");
    setup.peer.write_all(b"\0\0\0\x04pong").unwrap();
    setup.poll_until(|seen| !seen.completed_receives.is_empty());

    assert_eq!(setup.seen.completed_sends, [NODE]);
    assert_eq!(setup.seen.completed_receives, [(NODE, b"pong".to_vec())]);
}

#[test]
fn nothing_is_written_before_the_poll() {
    let mut setup = Setup::connected();

    setup.selector.send(NODE, send(b"ping", &[]));

    setup.peer.set_nonblocking(true).unwrap();
    let read = setup.peer.read(&mut [0; 1]);
    assert_eq!(read.unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn several_answers_that_came_together_come_out_of_one_poll() {
    let mut setup = Setup::connected();

    setup.peer.write_all(b"\0\0\0\x01a\0\0\0\x01b\0\0\0\x01c\0\0").unwrap();
    setup.poll_until(|seen| !seen.completed_receives.is_empty());

    let frames = setup.seen.completed_receives.iter().map(|(_, frame)| frame.as_slice());
    assert_eq!(frames.collect::<Vec<_>>(), [b"a", b"b", b"c"]);
}

#[test]
fn an_answer_may_come_byte_by_byte() {
    let mut setup = Setup::connected();

    for byte in b"\0\0\0\x04pong" {
        assert!(setup.seen.completed_receives.is_empty());
        setup.peer.write_all(&[*byte]).unwrap();
        setup.poll(Duration::from_millis(20));
    }
    setup.poll_until(|seen| !seen.completed_receives.is_empty());

    assert_eq!(setup.seen.completed_receives, [(NODE, b"pong".to_vec())]);
}

// NET-15
#[test]
fn a_large_request_goes_out_whole_while_the_peer_reads_slowly() {
    let batch: Vec<u8> = (0..16_u32 << 20).map(|position| (position % 251) as u8).collect();
    let mut setup = Setup::connected();
    setup.selector.send(NODE, send(b"headtail", &[(4, batch.clone())]));
    let mut peer = setup.peer.try_clone().unwrap();
    let size = 4 + 8 + batch.len();
    let reader = thread::spawn(move || {
        let mut read = vec![0; size];
        peer.read_exact(&mut read).unwrap();
        read
    });

    setup.poll_until(|seen| !seen.completed_sends.is_empty());

    let read = reader.join().unwrap();
    assert_eq!(&read[4..8], b"head");
    assert!(read[8..size - 4] == batch);
    assert_eq!(&read[size - 4..], b"tail");
    assert!(setup.polls < 100_000, "{} polls", setup.polls);
}

// NET-15
#[test]
fn a_peer_that_does_not_read_costs_no_turns() {
    let mut setup = Setup::connected();
    setup.selector.send(NODE, send(b"", &[(0, vec![0; 64 << 20])]));
    for _ in 0..20 {
        setup.poll(Duration::from_millis(10));
    }

    // All buffers are full now: the wait must last.
    let before = setup.now;
    setup.poll(Duration::from_millis(100));

    assert!(setup.now.saturating_duration_since(before) >= Duration::from_millis(100));
    assert!(setup.selector.close(NODE), "a part had left");
}

// NET-15
#[test]
fn an_answer_larger_than_one_turn_reads_arrives_without_further_events() {
    let mut setup = Setup::connected();
    setup.selector.lift_receive_limit(NODE);
    let answer = vec![3; 8 << 20];
    let mut peer = setup.peer.try_clone().unwrap();
    let sent = answer.clone();
    let writer = thread::spawn(move || {
        peer.write_all(&i32::try_from(sent.len()).unwrap().to_be_bytes()).unwrap();
        peer.write_all(&sent).unwrap();
    });

    setup.poll_until(|seen| !seen.completed_receives.is_empty());

    writer.join().unwrap();
    assert!(setup.seen.completed_receives[0].1 == answer);
}

#[test]
fn a_peer_that_has_not_shown_itself_to_be_a_broker_may_not_send_much() {
    let mut setup = Setup::connected();

    setup.peer.write_all(&(1_i32 << 20).to_be_bytes()).unwrap();

    assert!(setup.lost().to_string().contains("1048576 bytes"));
}

// NET-16
#[test]
fn a_closed_port_refuses() {
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let mut setup = Setup::connected();

    setup.selector.connect(NodeId(8), address, setup.now);
    setup.poll_until(|seen| !seen.disconnected.is_empty());

    let Disconnection { node: NodeId(8), cause: DisconnectCause::Failed(error), .. } =
        &setup.seen.disconnected[0]
    else {
        panic!("{:?}", setup.seen)
    };
    let kind = io::ErrorKind::ConnectionRefused;
    assert!(matches!(error.kind(), ErrorKind::Io { kind: seen, .. } if *seen == kind), "{error}");
}

// NET-16
#[test]
fn an_address_that_cannot_be_connected_to_is_reported_by_the_poll() {
    let mut setup = Setup::connected();

    setup.selector.connect(NodeId(8), "255.255.255.255:1".parse().unwrap(), setup.now);
    setup.poll_until(|seen| !seen.disconnected.is_empty());

    assert_eq!(setup.seen.disconnected[0].node, NodeId(8));
}

// NET-16
#[test]
fn a_connection_that_ends_as_it_begins_is_reported_lost_once_and_can_be_made_anew() {
    let mut setup = Setup::connected();
    setup.selector.connect(NodeId(8), setup.address(), setup.now);
    drop(accept(&setup.listener));

    setup.poll_until(|seen| !seen.disconnected.is_empty());
    setup.poll(Duration::from_millis(20));
    assert_eq!(setup.seen.disconnected.len(), 1);
    assert_eq!(setup.seen.disconnected[0].node, NodeId(8));

    setup.selector.connect(NodeId(8), setup.address(), setup.now);
    let mut peer = accept(&setup.listener);
    peer.write_all(b"\0\0\0\x04pong").unwrap();
    setup.poll_until(|seen| !seen.completed_receives.is_empty());
    assert_eq!(setup.seen.completed_receives, [(NodeId(8), b"pong".to_vec())]);
}

#[test]
fn a_request_to_a_connection_that_has_just_been_lost_is_dropped() {
    let mut setup = Setup::connected();
    setup.peer.shutdown(std::net::Shutdown::Both).unwrap();
    setup.poll_until(|seen| !seen.disconnected.is_empty());

    setup.selector.send(NODE, send(b"ping", &[]));
    setup.poll(Duration::ZERO);

    assert!(setup.seen.completed_sends.is_empty());
}

#[test]
fn a_wait_without_end_does_not_overflow_into_none() {
    let mut setup = Setup::connected();
    let wakeup = setup.selector.wakeup();
    let before = setup.now;
    let waker = thread::spawn(move || {
        thread::park_timeout(Duration::from_millis(50));
        wakeup.wake();
    });

    setup.poll(Duration::MAX);

    assert!(setup.now.saturating_duration_since(before) >= Duration::from_millis(30));
    waker.join().unwrap();
}

// NET-17
#[test]
fn what_arrived_before_the_end_is_delivered_and_half_a_frame_is_not() {
    let mut setup = Setup::connected();

    setup.peer.write_all(b"\0\0\0\x04pong\0\0\0\x04po").unwrap();
    setup.peer.shutdown(std::net::Shutdown::Both).unwrap();
    setup.poll_until(|seen| !seen.disconnected.is_empty());

    assert_eq!(setup.seen.completed_receives, [(NODE, b"pong".to_vec())]);
    assert_eq!(setup.seen.disconnected[0].cause, DisconnectCause::EndOfStream);
}

#[test]
fn a_reset_is_reported_as_such() {
    let mut setup = Setup::connected();

    socket2::SockRef::from(&setup.peer).set_linger(Some(Duration::ZERO)).unwrap();
    let stranger = TcpStream::connect(setup.address()).unwrap();
    drop(std::mem::replace(&mut setup.peer, stranger));

    let kind = io::ErrorKind::ConnectionReset;
    let error = setup.lost();
    assert!(matches!(error.kind(), ErrorKind::Io { kind: seen, .. } if *seen == kind), "{error}");
}

#[test]
fn a_peer_that_speaks_http_is_told_from_a_broker() {
    let mut setup = Setup::connected();

    setup.peer.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();

    assert!(setup.lost().to_string().contains("HTTP"));
}

#[test]
fn an_open_connection_without_traffic_costs_no_turns() {
    let mut setup = Setup::connected();

    let before = setup.now;
    setup.poll(Duration::from_millis(100));

    assert!(setup.now.saturating_duration_since(before) >= Duration::from_millis(100));
}

#[test]
fn a_wakeup_ends_the_wait_also_if_it_came_before() {
    let mut setup = Setup::connected();
    let wakeup = setup.selector.wakeup();
    let deadline = setup.now + PATIENCE;

    wakeup.wake();
    setup.poll(PATIENCE);
    let waker = thread::spawn(move || wakeup.wake());
    setup.poll(PATIENCE);

    waker.join().unwrap();
    assert!(setup.now < deadline);
}

/// To come back after every request would make the next ones small.
#[test]
fn that_a_request_has_left_waits_for_the_answer_where_there_is_time() {
    let mut setup = Setup::leisurely();
    let mut peer = setup.peer.try_clone().unwrap();
    let answers = thread::spawn(move || {
        peer.read_exact(&mut [0; 8]).unwrap();
        peer.write_all(b"\0\0\0\x04pong").unwrap();
    });

    setup.selector.send(NODE, send(b"ping", &[]));
    setup.poll(PATIENCE);

    answers.join().unwrap();
    assert_eq!(setup.seen.completed_sends, [NODE]);
    assert_eq!(setup.seen.completed_receives, [(NODE, b"pong".to_vec())]);
}

#[test]
fn that_a_request_has_left_is_told_at_once_where_no_answer_follows() {
    let settings = SelectorSettings::default();
    let mut setup = Setup::with(SelectorSettings { max_doze: PATIENCE, ..settings });
    let deadline = setup.now + PATIENCE;

    setup.selector.send(NODE, send(b"ping", &[]));
    setup.poll(PATIENCE);

    assert_eq!(setup.seen.completed_sends, [NODE]);
    assert!(setup.now < deadline);
}

#[test]
fn that_a_request_has_left_is_told_at_once_where_somebody_waits() {
    let mut setup = Setup::leisurely();
    setup.selector.wakeup().caller_waits();
    let deadline = setup.now + PATIENCE;

    setup.selector.send(NODE, send(b"ping", &[]));
    setup.poll(PATIENCE);

    assert_eq!(setup.seen.completed_sends, [NODE]);
    assert!(setup.now < deadline);
}

#[test]
fn many_wakeups_from_many_threads_lose_none() {
    let mut setup = Setup::connected();
    let published = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (wakeup, published) = (setup.selector.wakeup(), Arc::clone(&published));
            thread::spawn(move || {
                for _ in 0..5000 {
                    published.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    wakeup.wake();
                }
            })
        })
        .collect();

    // Without a time-out: one wake-up lost, and this never ends.
    while published.load(std::sync::atomic::Ordering::Relaxed) < 20_000 {
        let mut results = PollResults::default();
        setup.now = setup.selector.poll(None, setup.now, &mut results);
    }

    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

// NET-12
#[test]
fn a_connection_that_nobody_uses_is_closed() {
    let settings = SelectorSettings {
        connections_max_idle: Some(Duration::from_millis(50)),
        ..SelectorSettings::default()
    };
    let mut setup = Setup::with(settings);

    let mut results = PollResults::default();
    while results.disconnected.is_empty() {
        setup.now = setup.selector.poll(None, setup.now, &mut results);
    }

    assert_eq!(results.disconnected[0].cause, DisconnectCause::Idle);
    assert_eq!(setup.peer.read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn a_closed_connection_says_nothing_more_and_its_node_can_be_connected_to_anew() {
    let mut setup = Setup::connected();
    setup.peer.write_all(b"\0\0\0\x04pong").unwrap();

    assert!(!setup.selector.close(NODE), "nothing was being written");
    setup.selector.connect(NODE, setup.address(), setup.now);
    setup.poll_until(|seen| seen.connected.len() == 2);

    assert!(setup.seen.completed_receives.is_empty() && setup.seen.disconnected.is_empty());
}

struct Setup {
    selector: Selector,
    listener: TcpListener,
    peer: TcpStream,
    now: Instant,
    polls: usize,
    /// Everything that any poll brought.
    seen: PollResults,
}

impl Setup {
    fn connected() -> Self {
        Self::with(SelectorSettings::default())
    }

    /// Dozes for as long as a test may last.
    fn leisurely() -> Self {
        let all_are_answered = true;
        let settings = SelectorSettings::default();
        Self::with(SelectorSettings { max_doze: PATIENCE, all_are_answered, ..settings })
    }

    fn with(settings: SelectorSettings) -> Self {
        let clock = Arc::new(SystemClock);
        let now = clock.now();
        let mut selector = Selector::new(settings, clock).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        selector.connect(NODE, listener.local_addr().unwrap(), now);
        let peer = accept(&listener);
        let seen = PollResults::default();
        let mut setup = Self { selector, listener, peer, now, polls: 0, seen };
        setup.poll_until(|seen| seen.connected == [NODE]);
        setup
    }

    fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    fn poll(&mut self, timeout: Duration) {
        let mut results = PollResults::default();
        self.now = self.selector.poll(Some(timeout), self.now, &mut results);
        self.polls += 1;
        self.seen.connected.append(&mut results.connected);
        self.seen.disconnected.append(&mut results.disconnected);
        self.seen.completed_sends.append(&mut results.completed_sends);
        self.seen.completed_receives.append(&mut results.completed_receives);
    }

    fn poll_until(&mut self, is_done: impl Fn(&PollResults) -> bool) {
        let deadline = self.now + PATIENCE;
        while !is_done(&self.seen) {
            assert!(self.now < deadline, "nothing came; so far {:?}", self.seen);
            self.poll(Duration::from_secs(1));
        }
    }

    /// Why the connection was lost.
    fn lost(&mut self) -> Error {
        self.poll_until(|seen| !seen.disconnected.is_empty());
        match self.seen.disconnected.pop().map(|disconnection| disconnection.cause) {
            Some(DisconnectCause::Failed(error)) => error,
            other => panic!("{other:?}"),
        }
    }

    fn peer_reads(&mut self, size: usize) -> Vec<u8> {
        let mut read = vec![0; size];
        self.peer.read_exact(&mut read).unwrap();
        read
    }
}

fn accept(listener: &TcpListener) -> TcpStream {
    listener.accept().unwrap().0
}

fn send(own: &[u8], splices: &[(usize, Vec<u8>)]) -> NetworkSend {
    let splices = splices.iter().map(|(position, bytes)| Splice {
        position: 4 + position,
        source: Arc::new(bytes.clone()),
        piece: 0,
    });
    NetworkSend::new([&[0; 4], own].concat(), splices.collect()).unwrap()
}
