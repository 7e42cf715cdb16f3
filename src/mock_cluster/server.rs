//! The shell around the core: a listener for each broker, a thread for each connection, one for what falls due later.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::common::node::NodeId;
use crate::mock_cluster::cluster_core::ClusterCore;
use crate::mock_cluster::connection::{ConnectionId, Output};
use crate::utils::clock::{Clock, Instant};
use crate::utils::sync::{Condvar, Mutex, MutexGuard};

/// A running cluster's sockets and threads. All of them end when it is dropped.
///
/// Locks: a connection's `writing` comes before `core`; nothing else is held together.
#[derive(Debug)]
pub(super) struct Server {
    shared: Arc<Shared>,
    listeners: Mutex<BTreeMap<NodeId, Listener>>,
    timer: Option<JoinHandle<()>>,
}

/// What all threads see.
#[derive(Debug)]
struct Shared {
    clock: Arc<dyn Clock>,
    core: Mutex<ClusterCore>,
    /// With `core`: reading may go on, a request was recorded, or all ends.
    changed: Condvar,
    /// With `core`: wakes the timer, as something may fall due sooner than it knows, or all ends.
    due_changed: Condvar,
    is_stopping: AtomicBool,
    connections: Mutex<BTreeMap<ConnectionId, Arc<Peer>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// The socket of a connection.
#[derive(Debug)]
struct Peer {
    stream: TcpStream,
    /// Held from taking output to the end of its write: answers keep their order.
    writing: Mutex<()>,
}

#[derive(Debug)]
struct Listener {
    address: SocketAddr,
    is_stopping: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// What one read takes at most.
const READ_BYTES: usize = 256 * 1024;
/// How long a client may leave its answers unread before its connection closes.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a listener rests after the system could not give it a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

impl Server {
    /// Serves every broker that the core knows, each on a free port.
    pub(super) fn start(core: ClusterCore, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let nodes: Vec<NodeId> = core.world.state.brokers.keys().copied().collect();
        let shared = Arc::new(Shared {
            clock,
            core: Mutex::new(core),
            changed: Condvar::new(),
            due_changed: Condvar::new(),
            is_stopping: AtomicBool::new(false),
            connections: Mutex::default(),
            threads: Mutex::default(),
        });
        let mut server = Self { shared, listeners: Mutex::default(), timer: None };
        let shared = server.shared.clone();
        server.timer = Some(spawn("mock-cluster-timer", move || shared.run_timer())?);
        for node in nodes {
            server.start_node(node, 0)?;
        }
        Ok(server)
    }

    /// Looks at or changes the core, then does what follows from the change.
    pub(super) fn with_core<T>(&self, change: impl FnOnce(&mut ClusterCore, Instant) -> T) -> T {
        let now = self.shared.clock.now();
        let mut core = self.shared.core.lock();
        core.world.advance(now);
        let result = change(&mut core, now);
        drop(core);
        self.shared.wake_all();
        result
    }

    /// Waits until `condition` holds, and says whether it does. Looked at after every request.
    pub(super) fn wait_until(
        &self,
        timeout: Duration,
        mut condition: impl FnMut(&mut ClusterCore) -> bool,
    ) -> bool {
        let deadline = self.shared.clock.now() + timeout;
        let mut core = self.shared.core.lock();
        loop {
            if condition(&mut core) {
                return true;
            }
            let left = deadline.saturating_duration_since(self.shared.clock.now());
            if left.is_zero() {
                return false;
            }
            self.shared.changed.wait_for(&mut core, left);
        }
    }

    /// Listens for `node` on `port`, or on a free one if that is 0. Does nothing if it listens already.
    pub(super) fn start_node(&self, node: NodeId, port: u16) -> io::Result<()> {
        let mut listeners = self.listeners.lock();
        if listeners.contains_key(&node) {
            return Ok(());
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let address = listener.local_addr()?;
        let is_stopping = Arc::new(AtomicBool::new(false));
        let host = address.ip().to_string();
        self.with_core(|core, _| core.start_node(node, host, address.port()));
        let (shared, stop) = (self.shared.clone(), is_stopping.clone());
        let name = format!("mock-cluster-{node}");
        let thread = spawn(&name, move || shared.run_listener(&listener, node, &stop))?;
        listeners.insert(node, Listener { address, is_stopping, thread });
        Ok(())
    }

    /// Closes the port and every connection of `node`.
    pub(super) fn stop_node(&self, node: NodeId) {
        let listener = self.listeners.lock().remove(&node);
        self.with_core(|core, _| core.stop_node(node));
        if let Some(listener) = listener {
            listener.stop();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.is_stopping.store(true, Ordering::SeqCst);
        for listener in std::mem::take(&mut *self.listeners.lock()).into_values() {
            listener.stop();
        }
        drop(self.shared.core.lock()); // whoever looked at the flag before it was set waits by now
        self.shared.wake_all();
        for peer in self.shared.connections.lock().values() {
            peer.shut_down();
        }
        let threads = std::mem::take(&mut *self.shared.threads.lock());
        for thread in threads.into_iter().chain(self.timer.take()) {
            join(thread);
        }
    }
}

impl Listener {
    /// Ends the thread, which waits for a connection: so it gets one.
    fn stop(self) {
        self.is_stopping.store(true, Ordering::SeqCst);
        if let Err(error) = TcpStream::connect(self.address) {
            log::debug!("the listener at {} ended by itself: {error}", self.address);
        }
        join(self.thread);
    }
}

impl Shared {
    fn wake_all(&self) {
        self.changed.notify_all();
        self.due_changed.notify_all();
    }

    fn run_listener(self: &Arc<Self>, listener: &TcpListener, node: NodeId, stop: &AtomicBool) {
        while !stop.load(Ordering::SeqCst) {
            match listener.accept() {
                Ok(_) if stop.load(Ordering::SeqCst) => {}
                Ok((stream, _)) => {
                    if let Err(error) = self.accept(stream, node) {
                        log::debug!("a connection to broker {node} failed at once: {error}");
                    }
                }
                Err(error) => {
                    log::debug!("broker {node} cannot accept: {error}");
                    let mut core = self.core.lock();
                    self.changed.wait_for(&mut core, ACCEPT_PAUSE);
                }
            }
        }
    }

    fn accept(self: &Arc<Self>, stream: TcpStream, node: NodeId) -> io::Result<()> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
        let Some(id) = self.core.lock().connect(node, self.clock.now()) else {
            return Ok(());
        };
        let peer = Arc::new(Peer { stream, writing: Mutex::new(()) });
        self.connections.lock().insert(id, peer.clone());
        let shared = self.clone();
        let thread = spawn("mock-cluster-connection", move || {
            if let Err(error) = shared.serve(id, &peer) {
                log::debug!("{id:?} ended: {error}");
            }
            peer.shut_down();
            shared.forget(id);
        });
        let thread = thread.inspect_err(|_| self.forget(id))?;
        self.due_changed.notify_one();
        let mut threads = self.threads.lock();
        threads.retain(|thread| !thread.is_finished());
        threads.push(thread);
        Ok(())
    }

    fn forget(&self, id: ConnectionId) {
        self.connections.lock().remove(&id);
        self.core.lock().disconnect(id);
    }

    /// Reads requests and writes what is due at once, until the connection ends.
    fn serve(&self, id: ConnectionId, peer: &Peer) -> io::Result<()> {
        let mut buffer = vec![0; READ_BYTES];
        while self.wait_until_wanted(id) {
            let count = match (&peer.stream).read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.core.lock().handle(id, &buffer[..count], self.clock.now());
            self.flush(id, peer);
            self.changed.notify_all();
            if self.core.lock().next_due().is_some() {
                self.due_changed.notify_one();
            }
        }
        Ok(())
    }

    /// Waits while the broker does not read; `false` at the end.
    fn wait_until_wanted(&self, id: ConnectionId) -> bool {
        let mut core = self.core.lock();
        loop {
            if self.is_stopping.load(Ordering::SeqCst) || !core.is_connected(id) {
                return false;
            }
            if core.wants_input(id) {
                return true;
            }
            self.changed.wait(&mut core);
        }
    }

    /// Writes everything that is due on a connection.
    fn flush(&self, id: ConnectionId, peer: &Peer) {
        let _writing = peer.writing.lock();
        while let Some(output) = self.next_output(id) {
            let written = match output {
                Output::Bytes(bytes) => (&peer.stream).write_all(&bytes),
                Output::Close => Err(io::ErrorKind::ConnectionAborted.into()),
            };
            if written.is_err() {
                self.core.lock().disconnect(id);
                peer.shut_down();
            }
        }
    }

    fn next_output(&self, id: ConnectionId) -> Option<Output> {
        self.core.lock().take_output(id, self.clock.now())
    }

    /// Does what falls due while no client sends anything.
    fn run_timer(&self) {
        let mut core = self.core.lock();
        while !self.is_stopping.load(Ordering::SeqCst) {
            let now = self.clock.now();
            let due = core.due_connections(now);
            if due.is_empty() {
                self.wait_for_change(&mut core, now);
            } else {
                MutexGuard::unlocked(&mut core, || self.flush_all(&due));
            }
        }
    }

    fn wait_for_change(&self, core: &mut MutexGuard<'_, ClusterCore>, now: Instant) {
        match core.next_due() {
            Some(due) => {
                self.due_changed.wait_for(core, due.saturating_duration_since(now));
            }
            None => self.due_changed.wait(core),
        }
    }

    fn flush_all(&self, ids: &[ConnectionId]) {
        for id in ids {
            let peer = self.connections.lock().get(id).cloned();
            match peer {
                Some(peer) => self.flush(*id, &peer),
                None => self.core.lock().disconnect(*id),
            }
        }
    }
}

impl Peer {
    fn shut_down(&self) {
        if let Err(error) = self.stream.shutdown(Shutdown::Both) {
            log::trace!("the client had closed already: {error}");
        }
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(run)
}

fn join(thread: JoinHandle<()>) {
    if thread.join().is_err() {
        log::error!("a thread of the mock cluster panicked");
    }
}
