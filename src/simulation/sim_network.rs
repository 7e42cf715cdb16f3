//! `Selectable` over simulated sockets: the production channels on top, the [`World`] beneath.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use crate::common::node::NodeId;
use crate::network::idle_expiry_manager::IdleExpiryManager;
use crate::network::kafka_channel::{KafkaChannel, Readiness};
use crate::network::network_send::NetworkSend;
use crate::network::selectable::{DisconnectCause, Disconnection, PollResults, Selectable};
use crate::protocol::api_keys::ApiKey;
use crate::simulation::sim_socket::SimTransport;
use crate::simulation::wire_log::{Asked, WireBatch, batches_of};
use crate::simulation::world::{Event, World};
use crate::utils::clock::Instant;

/// The producer's connections. Its `poll` is where the world goes on.
#[derive(Debug)]
pub(super) struct SimNetwork {
    world: Rc<RefCell<World>>,
    connections: BTreeMap<NodeId, Connection>,
    /// Watches connections under the numbers of their links, which are never used again.
    idle: IdleExpiryManager,
    /// What sockets are read into.
    scratch: Vec<u8>,
}

#[derive(Debug)]
struct Connection {
    channel: KafkaChannel,
    link: u64,
    /// The requests whose answers are due, oldest first.
    in_flight: VecDeque<Asked>,
}

const SCRATCH_BYTES: usize = 4096;

impl SimNetwork {
    pub(super) fn new(world: Rc<RefCell<World>>) -> Self {
        let idle = IdleExpiryManager::new(world.borrow().scenario.quirks.max_idle);
        Self { world, connections: BTreeMap::new(), idle, scratch: vec![0; SCRATCH_BYTES] }
    }

    /// Runs every channel that can go on, as the real selector does.
    fn run_channels(&mut self, now: Instant, results: &mut PollResults) {
        let nodes: Vec<_> = self.connections.keys().copied().collect();
        for node in nodes {
            let Some(connection) = self.connections.get_mut(&node) else { continue };
            if !std::mem::take(&mut connection.channel.is_queued) {
                continue;
            }
            connection.channel.last_active = now;
            let ran = connection.channel.run(&mut self.scratch, results);
            connection.channel.is_queued = ran.is_ok() && connection.channel.is_runnable();
            self.world.borrow_mut().transmit(connection.link);
            if let Err(cause) = ran {
                self.lose(node, cause, results);
            }
        }
    }

    fn lose(&mut self, node: NodeId, cause: DisconnectCause, results: &mut PollResults) {
        let Some(connection) = self.connections.remove(&node) else { return };
        let mut world = self.world.borrow_mut();
        world.note("lost", &[i64::from(node.0)]);
        world.hang_up(connection.link);
        let send_started = connection.channel.is_send_started();
        results.connected.retain(|connected| *connected != node);
        results.disconnected.push(Disconnection { node, cause, send_started });
    }

    /// Tells the channels what their sockets can do now.
    fn take_readiness(&mut self) {
        let ready = std::mem::take(&mut self.world.borrow_mut().ready);
        for connection in self.connections.values_mut() {
            if ready.contains(&connection.link) {
                let readiness = Readiness { readable: true, writable: true, is_over: false };
                connection.channel.handle_readiness(readiness);
                connection.channel.is_queued = true;
            }
        }
    }

    fn is_busy(&self, results: &PollResults) -> bool {
        let runnable = self.connections.values().any(|connection| connection.channel.is_queued);
        runnable || !results.is_empty()
    }

    fn next_expiry(&mut self) -> Option<Instant> {
        let connections = &self.connections;
        self.idle.next_deadline(|token| last_active(connections, token))
    }

    fn close_idle_channels(&mut self, now: Instant, results: &mut PollResults) {
        loop {
            let connections = &self.connections;
            let expired = self.idle.next_expired(now, |token| last_active(connections, token));
            let node = expired.and_then(|token| node_of(connections, token));
            let Some(node) = node else { return };
            self.world.borrow_mut().coverage.hit("an idle connection was closed by us");
            self.lose(node, DisconnectCause::Idle, results);
        }
    }

    fn count_answers(&mut self, results: &PollResults) {
        let world = &mut *self.world.borrow_mut();
        for (node, frame) in &results.completed_receives {
            let connection = self.connections.get_mut(node);
            let asked = connection.and_then(|connection| connection.in_flight.pop_front());
            let Some(asked) = asked else { continue };
            let throttle_ms = world.wire.note_answer(&asked, frame, world.now);
            world.coverage.hit_if("a broker throttled the producer", throttle_ms > 0);
        }
    }

    fn record(&mut self, node: NodeId, payload: &[u8]) {
        let Some(connection) = self.connections.get_mut(&node) else { return };
        let world = &mut *self.world.borrow_mut();
        let Some(asked) = Asked::read(payload, world.wire.batches.len()) else {
            return world.complain("INV-13: a request that cannot be read".to_owned());
        };
        let api = asked.api;
        world.note("request", &[i64::from(node.0), i64::from(api.id())]);
        if api != ApiKey::Produce || world.scenario.settings.acks != 0 {
            connection.in_flight.push_back(asked);
        }
        let produces = connection.in_flight.iter().filter(|it| it.api == ApiKey::Produce).count();
        world.wire.most_in_flight = world.wire.most_in_flight.max(produces);
        match api {
            ApiKey::Metadata => world.wire.metadata_requests.push((world.now, node)),
            ApiKey::Produce => world.record_batches(node, payload),
            _ => {}
        }
    }
}

impl World {
    fn record_batches(&mut self, node: NodeId, payload: &[u8]) {
        let batches = batches_of(payload);
        if batches.is_empty() {
            self.complain("INV-13: a produce request that cannot be read".to_owned());
        }
        if batches.len() > 1 {
            let sizes: usize = batches.iter().map(|(.., bytes)| bytes.len()).sum();
            self.wire.largest_shared_request = self.wire.largest_shared_request.max(sizes);
        }
        let metadata = std::sync::Arc::clone(&self.producer.metadata);
        let snapshot = metadata.snapshot();
        for (name, topic_id, partition, bytes) in batches {
            let known = self.topic_names.get(&topic_id).cloned();
            let topic = if name.is_empty() { known.unwrap_or_default() } else { name };
            let Some(batch) = WireBatch::read(&bytes) else {
                self.complain("INV-15: a batch without a header".to_owned());
                continue;
            };
            let announced_leader = snapshot.cluster.leader(&topic, partition);
            let described = snapshot.topic(&topic).and_then(|topic| topic.partition(partition));
            let announced_epoch = described.and_then(|described| described.leader_epoch);
            let sequence = i64::from(batch.base_sequence);
            self.trace.explain(|| {
                format!(
                    "{topic}-{partition} to node {node}: {} records, epoch {}, sequence {sequence}",
                    batch.record_count, batch.epoch
                )
            });
            self.note("batch", &[i64::from(partition), sequence, i64::from(batch.epoch)]);
            let at = self.now;
            self.wire.batches.push(WireBatch {
                at,
                node,
                topic,
                topic_id,
                partition,
                announced_leader,
                announced_epoch,
                ..batch
            });
        }
    }
}

impl Selectable for SimNetwork {
    fn connect(&mut self, node: NodeId, address: SocketAddr, now: Instant) {
        assert!(!self.connections.contains_key(&node), "one connection a node");
        let (link, socket) = self.world.borrow_mut().connect(node, address);
        let token = usize::try_from(link).unwrap_or(usize::MAX);
        self.idle.watch(token, now);
        let channel = KafkaChannel::new(node, token, Box::new(SimTransport(socket)), now);
        self.connections.insert(node, Connection { channel, link, in_flight: VecDeque::new() });
    }

    fn send(&mut self, node: NodeId, send: NetworkSend) {
        self.record(node, &send.payload());
        let Some(connection) = self.connections.get_mut(&node) else { return };
        connection.channel.set_send(send);
        connection.channel.is_queued = connection.channel.is_runnable();
    }

    fn poll(
        &mut self,
        timeout: Option<Duration>,
        now: Instant,
        results: &mut PollResults,
    ) -> Instant {
        results.clear();
        self.run_channels(now, results);
        let timeout = timeout.map(|timeout| now + timeout);
        let deadline = match timeout.into_iter().chain(self.next_expiry()).min() {
            _ if self.is_busy(results) => Some(now),
            deadline => deadline,
        };
        let mut world = self.world.borrow_mut();
        if world.scenario.families.is_buggy_client && world.random.below(8) == 0 {
            world.at(now, Event::Nothing);
        }
        let now = world.run_until(deadline);
        drop(world);
        self.take_readiness();
        self.run_channels(now, results);
        self.close_idle_channels(now, results);
        self.count_answers(results);
        now
    }

    fn lift_receive_limit(&mut self, node: NodeId) {
        if let Some(connection) = self.connections.get_mut(&node) {
            connection.channel.lift_receive_limit();
        }
    }

    fn close(&mut self, node: NodeId) -> bool {
        let Some(connection) = self.connections.remove(&node) else { return false };
        let mut world = self.world.borrow_mut();
        world.note("closed by us", &[i64::from(node.0)]);
        world.hang_up(connection.link);
        connection.channel.is_send_started()
    }
}

fn node_of(connections: &BTreeMap<NodeId, Connection>, token: usize) -> Option<NodeId> {
    connections.values().map(|it| &it.channel).find(|it| it.token == token).map(|it| it.node)
}

fn last_active(connections: &BTreeMap<NodeId, Connection>, token: usize) -> Option<Instant> {
    let mut channels = connections.values().map(|connection| &connection.channel);
    channels.find(|channel| channel.token == token).map(|channel| channel.last_active)
}
