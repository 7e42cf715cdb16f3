//! Mirrors `org.apache.kafka.common.network.Selector`.
//!
//! Differs in that one poll may complete several answers of one connection, and in that nothing is registered anew
//! for each write: mio tells of a change once, and the channel remembers it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use mio::event::Event;
use mio::{Events, Interest, Poll, Token, Waker};

use crate::common::node::NodeId;
use crate::error::{Error, ErrorKind};
use crate::network::idle_expiry_manager::IdleExpiryManager;
use crate::network::kafka_channel::{KafkaChannel, Readiness};
use crate::network::network_send::NetworkSend;
use crate::network::plaintext_transport_layer::{PlaintextTransportLayer, SocketOptions};
use crate::network::selectable::{DisconnectCause, Disconnection, PollResults, Selectable};
use crate::network::transport_layer::TransportLayer;
use crate::network::wakeup::Wakeup;
use crate::utils::clock::{Clock, Instant};
use crate::utils::hash::HashMap;

/// Sockets and the wait for them, over mio. Runs on: the sender thread.
#[derive(Debug)]
pub(crate) struct Selector {
    poll: Poll,
    events: Events,
    wakeup: Wakeup,
    clock: Arc<dyn Clock>,
    options: SocketOptions,
    channels: HashMap<NodeId, KafkaChannel>,
    /// The node of each open connection, by the token under which mio knows it. Tokens are never used again, so that
    /// a late event cannot be taken for one of the connection's successor.
    nodes: HashMap<usize, NodeId>,
    next_token: usize,
    /// Channels that can go on without an event.
    runnable: Vec<NodeId>,
    /// The previous such list, empty: its memory is used again.
    running: Vec<NodeId>,
    /// Connections that failed while they were asked for.
    stillborn: Vec<Disconnection>,
    idle: IdleExpiryManager,
    max_doze: Duration,
    /// Whether something happened lately, so that more is likely to happen soon.
    may_doze: bool,
    all_are_answered: bool,
    /// How much was given to the channels to send since the last wait, in bytes.
    sent: usize,
    /// How many requests are not written, or not to the end.
    unwritten: usize,
    /// How many waits may begin with a spin: while a thread waits for an answer, and once more, for it is likely to
    /// send again.
    spins: u8,
    /// What the sockets are read into before it is cut into frames.
    scratch: Box<[u8]>,
}

/// How [`Selector`] treats its connections.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SelectorSettings {
    pub(crate) options: SocketOptions,
    /// `connections.max.idle.ms`; `None` keeps idle connections for ever.
    pub(crate) connections_max_idle: Option<Duration>,
    /// How long, after something happened, callers' hints may be left for the next event, and that a request has left for
    /// its answer; zero for not at all.
    pub(crate) max_doze: Duration,
    /// Whether an answer follows each request: if not, that it has left is all that will be heard of it.
    pub(crate) all_are_answered: bool,
}

const WAKE_TOKEN: Token = Token(usize::MAX);
const EVENTS_PER_POLL: usize = 256;
const SCRATCH_BYTES: usize = 64 * 1024;
/// How long to look for an answer that a thread waits for before sleeping.
const MAX_SPIN: Duration = Duration::from_micros(50);
/// From how many bytes between two waits on the next one begins with a nap: a full batch with default settings.
const SENT_BEFORE_NAP: usize = 16 * 1024;
/// Short beside a round trip, long beside what it costs to wake. Only where records may linger.
const NAP: Duration = Duration::from_micros(150);
const MAX_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

impl Selector {
    /// # Errors
    ///
    /// The system gives no poll descriptor.
    pub(crate) fn new(settings: SelectorSettings, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let wakeup = Wakeup::new(Waker::new(poll.registry(), WAKE_TOKEN)?);
        Ok(Self {
            poll,
            events: Events::with_capacity(EVENTS_PER_POLL),
            wakeup,
            clock,
            options: settings.options,
            channels: HashMap::default(),
            nodes: HashMap::default(),
            next_token: 0,
            runnable: Vec::new(),
            running: Vec::new(),
            stillborn: Vec::new(),
            idle: IdleExpiryManager::new(settings.connections_max_idle),
            max_doze: settings.max_doze,
            may_doze: false,
            all_are_answered: settings.all_are_answered,
            sent: 0,
            unwritten: 0,
            spins: 0,
            scratch: vec![0; SCRATCH_BYTES].into_boxed_slice(),
        })
    }

    /// What wakes this selector from other threads.
    pub(crate) fn wakeup(&self) -> Wakeup {
        self.wakeup.clone()
    }

    fn open(&mut self, node: NodeId, address: SocketAddr, now: Instant) -> io::Result<()> {
        let mut transport = PlaintextTransportLayer::connect(address, self.options)?;
        let token = self.next_token;
        let interests = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(transport.socket(), Token(token), interests)?;
        self.next_token += 1;
        self.nodes.insert(token, node);
        self.channels.insert(node, KafkaChannel::new(node, token, Box::new(transport), now));
        self.idle.watch(token, now);
        Ok(())
    }

    /// Drops the connection to `node`; returns whether a part of the request being written had left.
    fn drop_channel(&mut self, node: NodeId) -> Option<bool> {
        let mut channel = self.channels.remove(&node)?;
        self.nodes.remove(&channel.token);
        self.unwritten -= usize::from(channel.has_send());
        if let Err(error) = self.poll.registry().deregister(channel.transport.socket()) {
            log::debug!("node {node}: cannot deregister its socket: {error}");
        }
        Some(channel.is_send_started())
    }

    fn disconnect(&mut self, node: NodeId, cause: DisconnectCause, results: &mut PollResults) {
        if let Some(send_started) = self.drop_channel(node) {
            results.connected.retain(|connected| *connected != node);
            results.disconnected.push(Disconnection { node, cause, send_started });
        }
    }

    /// Puts `node` on the list of channels that can go on, once.
    fn queue(&mut self, node: NodeId) {
        if let Some(channel) = self.channels.get_mut(&node) {
            if !channel.is_queued {
                channel.is_queued = true;
                self.runnable.push(node);
            }
        }
    }

    /// Runs every channel on the list; those that still can go on are on the next one.
    fn run_channels(&mut self, now: Instant, results: &mut PollResults) {
        let spare = std::mem::take(&mut self.running);
        let mut running = std::mem::replace(&mut self.runnable, spare);
        for node in running.drain(..) {
            let Some(channel) = self.channels.get_mut(&node) else { continue };
            channel.is_queued = false;
            channel.last_active = now;
            let had_send = channel.has_send();
            let outcome = channel.run(&mut self.scratch, results);
            self.unwritten -= usize::from(had_send && !channel.has_send());
            match outcome {
                Ok(()) if channel.is_runnable() => self.queue(node),
                Ok(()) => {}
                Err(cause) => self.disconnect(node, cause, results),
            }
        }
        self.running = running;
    }

    /// Waits for events, and puts their channels on the list.
    ///
    /// Wakes cost more than what they bring while answers come and batches fill all the time. So for a moment after
    /// something happened it only dozes: the next answer is likely to wake it anyway, and then it sees to everything.
    /// And while a lot is sent and nobody waits, it naps before it looks for answers, so that there are several.
    fn wait(&mut self, timeout: Option<Duration>, results: &mut PollResults) {
        let mut may_sleep = timeout.is_none_or(|timeout| !timeout.is_zero());
        if may_sleep && self.spins > 0 {
            may_sleep = !self.spin(timeout.unwrap_or(MAX_SPIN).min(MAX_SPIN));
        }
        let dozes = may_sleep && self.may_doze;
        let is_busy = std::mem::take(&mut self.sent) >= SENT_BEFORE_NAP && self.spins == 0;
        // A request that a socket has not taken whole is not left waiting for the end of a nap.
        let may_nap = dozes && self.unwritten == 0;
        if may_nap && is_busy && timeout.is_none_or(|timeout| timeout > NAP) {
            self.wakeup.nap(NAP);
        }
        let sleeps = match dozes {
            true => self.wakeup.try_to_doze(),
            false => may_sleep && self.wakeup.try_to_sleep(),
        };
        // The system counts milliseconds in 32 bits.
        let longest = if dozes { self.max_doze } else { MAX_WAIT };
        let timeout = match timeout {
            _ if !sleeps => Some(Duration::ZERO),
            None if !dozes => None,
            timeout => Some(timeout.map_or(longest, |timeout| timeout.min(longest))),
        };
        let polled = self.poll.poll(&mut self.events, timeout);
        let is_woken = self.wakeup.end_wait();
        self.may_doze &= is_woken || !self.events.is_empty();
        match polled {
            Ok(()) => self.take_events(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                let message = format!("cannot wait for the network: {error}").into();
                let kind = ErrorKind::Io { kind: error.kind(), message };
                results.failure = Some(Error::new(kind));
            }
        }
    }

    /// Looks for events for a while without sleeping, which would take longer than many an answer. Whoever else wants to
    /// run is let. Returns whether there is something to do.
    fn spin(&mut self, limit: Duration) -> bool {
        let until = self.clock.now() + limit;
        loop {
            let polled = self.poll.poll(&mut self.events, Some(Duration::ZERO));
            if polled.is_err() || !self.events.is_empty() || self.wakeup.is_requested() {
                self.take_events();
                return true;
            }
            if self.clock.now() >= until {
                return false;
            }
            thread::yield_now();
        }
    }

    fn take_events(&mut self) {
        for event in &self.events {
            let Some(&node) = self.nodes.get(&event.token().0) else { continue };
            let Some(channel) = self.channels.get_mut(&node) else { continue };
            channel.handle_readiness(readiness(event));
            if !channel.is_queued {
                channel.is_queued = true;
                self.runnable.push(node);
            }
        }
    }

    /// The time until the next connection has been idle for too long.
    fn until_next_expiry(&mut self, now: Instant) -> Option<Duration> {
        let (channels, nodes) = (&self.channels, &self.nodes);
        let deadline = self.idle.next_deadline(|token| last_active(channels, nodes, token))?;
        Some(deadline.saturating_duration_since(now))
    }

    fn close_idle_channels(&mut self, now: Instant, results: &mut PollResults) {
        loop {
            let (channels, nodes) = (&self.channels, &self.nodes);
            let expired = self.idle.next_expired(now, |token| last_active(channels, nodes, token));
            let Some(node) = expired.and_then(|token| self.nodes.get(&token).copied()) else {
                return;
            };
            self.disconnect(node, DisconnectCause::Idle, results);
        }
    }
}

impl Selectable for Selector {
    fn connect(&mut self, node: NodeId, address: SocketAddr, now: Instant) {
        debug_assert!(!self.channels.contains_key(&node), "one connection a node");
        if let Err(error) = self.open(node, address, now) {
            let cause = DisconnectCause::Failed(Error::io(&error));
            self.stillborn.push(Disconnection { node, cause, send_started: false });
        }
    }

    fn send(&mut self, node: NodeId, send: NetworkSend) {
        // It may have been lost in the poll whose results are being handled: then they say so.
        let Some(channel) = self.channels.get_mut(&node) else { return };
        self.sent += send.size();
        self.unwritten += 1;
        channel.set_send(send);
        if channel.is_runnable() {
            self.queue(node);
        }
    }

    fn poll(
        &mut self,
        timeout: Option<Duration>,
        now: Instant,
        results: &mut PollResults,
    ) -> Instant {
        results.clear();
        results.disconnected.append(&mut self.stillborn);
        self.run_channels(now, results);
        self.spins =
            if self.wakeup.has_waiting_callers() { 2 } else { self.spins.saturating_sub(1) };
        // That a request has left can wait for the next answer, or for more to send: to look at once after every request
        // makes the next one small.
        let is_unhurried = self.all_are_answered && self.may_doze && self.spins == 0;
        let has_news = if is_unhurried { results.has_arrivals() } else { !results.is_empty() };
        let is_busy = has_news || !self.runnable.is_empty();
        let until_expiry = self.until_next_expiry(now);
        let timeout = match timeout.into_iter().chain(until_expiry).min() {
            _ if is_busy => Some(Duration::ZERO),
            timeout => timeout,
        };
        self.wait(timeout, results);
        let now = self.clock.now();
        self.run_channels(now, results);
        self.may_doze |= !self.max_doze.is_zero() && !results.is_empty();
        self.close_idle_channels(now, results);
        now
    }

    fn lift_receive_limit(&mut self, node: NodeId) {
        if let Some(channel) = self.channels.get_mut(&node) {
            channel.lift_receive_limit();
        }
    }

    fn close(&mut self, node: NodeId) -> bool {
        self.stillborn.retain(|disconnection| disconnection.node != node);
        self.drop_channel(node).unwrap_or(false)
    }
}

fn readiness(event: &Event) -> Readiness {
    // An end or a failure shows itself to whoever reads.
    let is_over = event.is_error() || event.is_read_closed() || event.is_write_closed();
    Readiness {
        readable: event.is_readable() || is_over,
        writable: event.is_writable() || is_over,
        is_over,
    }
}

fn last_active(
    channels: &HashMap<NodeId, KafkaChannel>,
    nodes: &HashMap<usize, NodeId>,
    token: usize,
) -> Option<Instant> {
    channels.get(nodes.get(&token)?).map(|channel| channel.last_active)
}

#[cfg(test)]
mod tests;
