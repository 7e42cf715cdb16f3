//! A TCP proxy before each broker, which spoils the connections through it.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

/// What is wrong with the way to a broker; nothing by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Toxics {
    /// Connections are refused; those that were there are reset.
    pub(crate) refuse: bool,
    /// Nothing passes in this direction; what was on its way comes once this is over.
    pub(crate) hold_requests: bool,
    pub(crate) hold_answers: bool,
    /// How much longer a round trip takes.
    pub(crate) latency: Duration,
    /// How much passes in each direction.
    pub(crate) bytes_a_second: Option<u64>,
}

/// The proxy of one broker. Its port stays the same until it is dropped, and nothing of it is left then.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    way: Arc<Way>,
}

/// What the threads of a proxy share.
#[derive(Debug)]
struct Way {
    broker: SocketAddr,
    state: Mutex<State>,
    /// Told when the state changes.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    toxics: Toxics,
    /// Those that are over may be among them; their sockets are closed all the same.
    connections: Vec<Weak<Connection>>,
    /// Where a refusing proxy lets go of its port and takes it again.
    is_listening: bool,
    is_closed: bool,
}

/// The two sockets of a connection: client's and broker's.
#[derive(Debug)]
struct Connection {
    client: TcpStream,
    broker: TcpStream,
    is_over: AtomicBool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Requests,
    Answers,
}

impl Proxy {
    /// Listens on `port` for connections to pass on to `broker`.
    pub(crate) fn start(port: u16, broker: SocketAddr) -> io::Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let state = Mutex::new(State { is_listening: true, ..State::default() });
        let way = Arc::new(Way { broker, state, changed: Condvar::new() });
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let accepting = Arc::clone(&way);
        thread::spawn(move || accepting.accept_all(listener, address));
        Ok(Self { address, way })
    }

    pub(crate) fn set(&self, toxics: Toxics) {
        {
            let mut state = self.way.lock();
            state.toxics = toxics;
        }
        self.way.changed.notify_all();
        if toxics.refuse {
            self.reset();
        }
        // A listener notices a change once it is woken; and the change is in force once it has noticed.
        drop(TcpStream::connect(self.address));
        let state = self.way.lock();
        let wrong = |state: &mut State| state.is_listening == state.toxics.refuse;
        let limit = Duration::from_secs(5);
        drop(self.way.changed.wait_timeout_while(state, limit, wrong));
    }

    /// Resets every connection, as a firewall that lost its table would.
    pub(crate) fn reset(&self) {
        for connection in self.way.lock().connections.drain(..) {
            connection.upgrade().iter().for_each(|connection| connection.reset());
        }
        self.way.changed.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.way.lock().is_closed = true;
        self.way.changed.notify_all();
        self.reset();
        drop(TcpStream::connect(self.address));
    }
}

impl Way {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept_all(self: &Arc<Self>, mut listener: TcpListener, address: SocketAddr) {
        loop {
            let accepted = listener.accept();
            if self.lock().is_closed {
                return;
            }
            if self.lock().toxics.refuse {
                drop(listener);
                drop(accepted);
                match self.listen_again(address) {
                    Some(again) => listener = again,
                    None => return,
                }
            } else if let Ok((client, _)) = accepted {
                // A broker that is down refuses, and so does its proxy, a moment late.
                let _ = self.connect(client);
            }
        }
    }

    /// Waits until connections are accepted again; `None` if that will not be.
    fn listen_again(&self, address: SocketAddr) -> Option<TcpListener> {
        self.set_listening(false);
        let refusing = |state: &mut State| state.toxics.refuse && !state.is_closed;
        let state = self.changed.wait_while(self.lock(), refusing);
        let is_closed = state.unwrap_or_else(PoisonError::into_inner).is_closed;
        if is_closed {
            return None;
        }
        let listener = TcpListener::bind(address).expect("the port of a moment ago");
        self.set_listening(true);
        Some(listener)
    }

    fn set_listening(&self, is_listening: bool) {
        self.lock().is_listening = is_listening;
        self.changed.notify_all();
    }

    fn connect(self: &Arc<Self>, client: TcpStream) -> io::Result<()> {
        // A paused broker's queue of new connections may be full; then there is no answer at all.
        let broker = TcpStream::connect_timeout(&self.broker, Duration::from_secs(5))?;
        client.set_nodelay(true)?;
        broker.set_nodelay(true)?;
        let connection = Arc::new(Connection { client, broker, is_over: AtomicBool::new(false) });
        {
            let mut state = self.lock();
            state.connections.retain(|each| each.strong_count() > 0);
            state.connections.push(Arc::downgrade(&connection));
        }
        for direction in [Direction::Requests, Direction::Answers] {
            let (sender, receiver) = mpsc::sync_channel(64);
            let (reading, read_way) = (Arc::clone(&connection), Arc::clone(self));
            thread::spawn(move || read_way.read_all(&reading, direction, &sender));
            let (writing, write_way) = (Arc::clone(&connection), Arc::clone(self));
            thread::spawn(move || write_way.write_all(&writing, direction, &receiver));
        }
        Ok(())
    }

    /// Reads until the end, and notes when each piece may go on.
    fn read_all(
        &self,
        connection: &Connection,
        direction: Direction,
        pieces: &SyncSender<(Instant, Vec<u8>)>,
    ) {
        let mut source = connection.source(direction);
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(length @ 1..) = source.read(&mut buffer) {
            let due = Instant::now() + self.lock().toxics.latency / 2;
            if pieces.send((due, buffer[..length].to_vec())).is_err() {
                break;
            }
        }
    }

    /// Writes each piece when it may, until there are no more.
    fn write_all(
        &self,
        connection: &Connection,
        direction: Direction,
        pieces: &Receiver<(Instant, Vec<u8>)>,
    ) {
        while !connection.is_over.load(Ordering::Relaxed) {
            let (due, piece) = match pieces.recv_timeout(Duration::from_millis(500)) {
                Ok(piece) => piece,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let toxics = self.await_passage(connection, direction);
            if let Some(bytes_a_second) = toxics.bytes_a_second {
                let micros = piece.len() as u64 * 1_000_000 / bytes_a_second;
                thread::sleep(Duration::from_micros(micros));
            }
            if connection.sink(direction).write_all(&piece).is_err() {
                break;
            }
        }
        connection.close();
    }

    fn await_passage(&self, connection: &Connection, direction: Direction) -> Toxics {
        let held = |state: &mut State| {
            let toxics = &state.toxics;
            let is_held = match direction {
                Direction::Requests => toxics.hold_requests,
                Direction::Answers => toxics.hold_answers,
            };
            is_held && !state.is_closed && !connection.is_over.load(Ordering::Relaxed)
        };
        let state = self.changed.wait_while(self.lock(), held);
        state.unwrap_or_else(PoisonError::into_inner).toxics
    }
}

impl Connection {
    fn source(&self, direction: Direction) -> &TcpStream {
        match direction {
            Direction::Requests => &self.client,
            Direction::Answers => &self.broker,
        }
    }

    fn sink(&self, direction: Direction) -> &TcpStream {
        match direction {
            Direction::Requests => &self.broker,
            Direction::Answers => &self.client,
        }
    }

    /// Ends it in an orderly way, as when either side has closed.
    fn close(&self) {
        if !self.is_over.swap(true, Ordering::Relaxed) {
            for socket in [&self.client, &self.broker] {
                let _ = socket.shutdown(Shutdown::Both);
            }
        }
    }

    /// Ends it so that the client sees a reset: that is sent when the last thread lets go of the socket, and shutting
    /// down the side that reads makes them let go without a word to the client.
    fn reset(&self) {
        self.is_over.store(true, Ordering::Relaxed);
        let _ = SockRef::from(&self.client).set_linger(Some(Duration::ZERO));
        let _ = self.client.shutdown(Shutdown::Read);
        let _ = self.broker.shutdown(Shutdown::Both);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    /// A proxy before a broker that sends back what it gets.
    fn echo() -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let broker = listener.local_addr().expect("an address");
        thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                thread::spawn(move || {
                    let mut source = stream.try_clone().expect("another handle");
                    io::copy(&mut source, &mut stream)
                });
            }
        });
        Proxy::start(0, broker).expect("a proxy")
    }

    fn connect(proxy: &Proxy) -> TcpStream {
        let stream = TcpStream::connect(proxy.address).expect("a connection");
        stream.set_read_timeout(Some(SOON)).expect("a time-out");
        stream
    }

    /// Sends a byte, and how long it took to come back.
    fn round_trip(stream: &mut TcpStream) -> io::Result<Duration> {
        let start = Instant::now();
        stream.write_all(b"x")?;
        stream.read_exact(&mut [0])?;
        Ok(start.elapsed())
    }

    #[test]
    fn what_is_held_arrives_afterwards() {
        let proxy = echo();
        let mut stream = connect(&proxy);
        round_trip(&mut stream).expect("an echo");
        for toxics in [
            Toxics { hold_requests: true, ..Toxics::default() },
            Toxics { hold_answers: true, ..Toxics::default() },
        ] {
            proxy.set(toxics);
            stream.write_all(b"x").expect("a byte");
            stream.set_read_timeout(Some(Duration::from_millis(200))).expect("a time-out");
            stream.read_exact(&mut [0]).expect_err("held");
            stream.set_read_timeout(Some(SOON)).expect("a time-out");
            proxy.set(Toxics::default());
            stream.read_exact(&mut [0]).expect("no longer held");
        }
    }

    #[test]
    fn latency_is_added_to_a_round_trip() {
        let proxy = echo();
        let mut stream = connect(&proxy);

        proxy.set(Toxics { latency: Duration::from_millis(300), ..Toxics::default() });
        let slow = round_trip(&mut stream).expect("an echo");
        proxy.set(Toxics::default());

        assert!(slow >= Duration::from_millis(300), "{slow:?}");
    }

    #[test]
    fn bandwidth_is_limited() {
        let proxy = echo();
        let mut stream = connect(&proxy);
        proxy.set(Toxics { bytes_a_second: Some(64 * 1024), ..Toxics::default() });

        let start = Instant::now();
        stream.write_all(&[7; 32 * 1024]).expect("bytes");
        stream.read_exact(&mut [0; 32 * 1024]).expect("bytes");

        assert!(start.elapsed() >= Duration::from_millis(500), "{:?}", start.elapsed());
    }

    #[test]
    fn a_reset_is_seen_as_one() {
        let proxy = echo();
        let mut stream = connect(&proxy);
        round_trip(&mut stream).expect("an echo");

        proxy.reset();

        let error = stream.read_exact(&mut [0]).expect_err("reset");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        round_trip(&mut connect(&proxy)).expect("an echo through a new connection");
    }

    #[test]
    fn a_refusing_proxy_refuses_and_returns_to_its_port() {
        let proxy = echo();
        let mut stream = connect(&proxy);
        round_trip(&mut stream).expect("an echo");

        proxy.set(Toxics { refuse: true, ..Toxics::default() });
        round_trip(&mut stream).expect_err("reset");
        let error = TcpStream::connect(proxy.address).expect_err("refused");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);

        proxy.set(Toxics::default());
        round_trip(&mut connect(&proxy)).expect("an echo");
    }
}
