//! The world around the producer: time, brokers, the network between and the callers.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::client::metadata::Metadata;
use crate::common::node::NodeId;
use crate::common::uuid::Uuid;
use crate::mock_cluster::MockRecord;
use crate::mock_cluster::TopicOptions;
use crate::mock_cluster::cluster_core::ClusterCore;
use crate::mock_cluster::connection::Output;
use crate::mock_cluster::world::ClusterSettings;
use crate::network::wakeup::Wakeup;
use crate::producer::internals::record_accumulator::RecordAccumulator;
use crate::simulation::coverage::Coverage;
use crate::simulation::faults::Faults;
use crate::simulation::history::History;
use crate::simulation::link::Link;
use crate::simulation::scenario::{Scenario, TopicPlan, log_millis};
use crate::simulation::sim_socket::{SimSocket, SocketState};
use crate::simulation::trace::Trace;
use crate::simulation::wire_log::WireLog;
use crate::simulation::workload::Caller;
use crate::utils::clock::Instant;
use crate::utils::random::Random;
use crate::utils::sync::Mutex;

/// Everything but the producer. Time passes only in [`run_until`](Self::run_until).
#[derive(Debug)]
pub(super) struct World {
    pub(super) now: Instant,
    pub(super) random: Random,
    pub(super) scenario: Scenario,
    pub(super) cluster: ClusterCore,
    pub(super) links: BTreeMap<u64, Link>,
    next_link: u64,
    /// Links whose socket can do something that it could not do before.
    pub(super) ready: BTreeSet<u64>,
    events: BTreeMap<(Instant, u64), Event>,
    next_event: u64,
    /// When the cluster is looked at next.
    cluster_due: Option<Instant>,
    pub(super) producer: Producer,
    pub(super) callers: Vec<Caller>,
    pub(super) history: Arc<Mutex<History>>,
    pub(super) wire: WireLog,
    pub(super) trace: Trace,
    pub(super) coverage: Coverage,
    pub(super) faults: Faults,
    pub(super) is_healed: bool,
    /// Nothing more is to happen.
    pub(super) is_over: bool,
    /// The producer is being closed, which decides when it is over.
    pub(super) is_closing: bool,
    pub(super) complaints: Vec<String>,
    /// The logs of topics that were deleted.
    pub(super) buried: Vec<PartitionEvidence>,
    /// Topic, partition, offset and number of every record that was in a log and is there no more.
    pub(super) truncated: BTreeSet<(String, i32, i64, usize)>,
    /// The name of every topic that ever was, by id.
    pub(super) topic_names: BTreeMap<Uuid, String>,
}

/// The parts of the producer that callers' threads touch.
#[derive(Clone, Debug)]
pub(super) struct Producer {
    pub(super) accumulator: Arc<RecordAccumulator>,
    pub(super) metadata: Arc<Metadata>,
    pub(super) wakeup: Wakeup,
}

/// The log of one partition of one incarnation of a topic.
#[derive(Clone, Debug)]
pub(super) struct PartitionEvidence {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) is_deleted: bool,
    pub(super) records: Vec<MockRecord>,
}

/// Something that is going to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A connection attempt reaches the broker.
    Connect(u64),
    ToBroker(u64),
    ToClient(u64),
    /// The cluster has something to do.
    Cluster,
    Caller(usize),
    /// A family's next fault.
    Fault(usize),
    /// A broker or a link is well again.
    Recover(usize),
    Heal,
    Close,
    /// By now everything has to be answered.
    Deadline,
    /// A poll returns for no reason.
    Nothing,
}

/// The wall clock when a run begins.
pub(super) const EPOCH_MILLIS: i64 = 1_700_000_000_000;
/// Where brokers are reached whatever port they advertise, as behind a load balancer.
pub(super) const BOOTSTRAP_PORT: u16 = 9000;
const FIRST_PORT: u16 = 9092;
/// The id of a producer that has sent almost as many records as there are sequences.
pub(super) const LONG_LIVED_PRODUCER: i64 = 500;

impl World {
    pub(super) fn new(
        scenario: Scenario,
        producer: Producer,
        mut random: Random,
        trace: Trace,
    ) -> Self {
        let settings = ClusterSettings {
            auto_create: None,
            epoch_millis_at_zero: EPOCH_MILLIS,
            ..ClusterSettings::new(scenario.brokers)
        };
        let mut cluster = ClusterCore::new(settings);
        for node in nodes(&scenario) {
            cluster.start_node(node, host(node), FIRST_PORT);
        }
        for node in nodes(&scenario).take(scenario.old_brokers()) {
            cluster.set_old(node);
        }
        let faults = Faults::new(random.fork());
        let mut world = Self {
            now: Instant::ZERO,
            random,
            cluster,
            links: BTreeMap::new(),
            next_link: 0,
            ready: BTreeSet::new(),
            events: BTreeMap::new(),
            next_event: 0,
            cluster_due: None,
            producer,
            callers: Vec::new(),
            history: Arc::default(),
            wire: WireLog::default(),
            trace,
            coverage: Coverage::default(),
            faults,
            is_healed: false,
            is_over: false,
            is_closing: false,
            complaints: Vec::new(),
            buried: Vec::new(),
            truncated: BTreeSet::new(),
            topic_names: BTreeMap::new(),
            scenario,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        for topic in self.scenario.topics.clone() {
            let options = topic_options(&topic);
            self.create_topic(&topic.name, options);
            (0..topic.partitions).for_each(|index| self.remember_producer(&topic.name, index));
        }
        for index in 0..self.scenario.callers {
            let random = self.random.fork();
            self.callers.push(Caller::new(index, random));
            let start = log_millis(1, 500, &mut self.random);
            self.after(start, Event::Caller(index));
        }
        self.schedule_families();
        self.after(self.scenario.heals_at, Event::Heal);
        if let Some(close) = self.scenario.closes_at {
            self.after(close.at, Event::Close);
        }
    }

    pub(super) fn create_topic(&mut self, name: &str, options: TopicOptions) {
        self.cluster.create_topic(name, options);
        if let Some(id) = self.cluster.topic_id(name) {
            self.topic_names.insert(id, name.to_owned());
        }
    }

    /// Brokers know the producer from long ago where it is to run out of sequences.
    pub(super) fn remember_producer(&mut self, topic: &str, partition: i32) {
        if let Some(first) = self.scenario.first_sequence() {
            self.cluster.remember_producer(topic, partition, LONG_LIVED_PRODUCER, first - 1);
        }
    }

    pub(super) fn after(&mut self, wait: Duration, event: Event) {
        self.at(self.now + wait, event);
    }

    pub(super) fn at(&mut self, moment: Instant, event: Event) {
        self.next_event += 1;
        self.events.insert((moment.max(self.now), self.next_event), event);
    }

    pub(super) fn note(&mut self, what: &str, numbers: &[i64]) {
        self.trace.note(self.now, what, numbers);
    }

    pub(super) fn complain(&mut self, complaint: String) {
        self.trace.explain(|| complaint.clone());
        self.complaints.push(complaint);
    }

    /// Lets the world go on until the producer has a reason to wake up: a socket, a wake-up, `deadline`, or the end.
    pub(super) fn run_until(&mut self, deadline: Option<Instant>) -> Instant {
        self.wake_callers();
        loop {
            while let Some(entry) = self.events.first_entry().filter(|e| e.key().0 <= self.now) {
                let event = entry.remove();
                self.happen(event);
                if event == Event::Nothing {
                    return self.now;
                }
            }
            let is_woken = self.producer.wakeup.take();
            if is_woken || !self.ready.is_empty() || self.is_over {
                return self.now;
            }
            if deadline.is_some_and(|deadline| deadline <= self.now) {
                return self.now;
            }
            let next = self.events.first_key_value().map(|((moment, _), _)| *moment);
            let Some(next) = next.into_iter().chain(deadline).min() else {
                self.complain("INV-22: nothing is ever going to happen".to_owned());
                self.is_over = true;
                return self.now;
            };
            self.now = next;
            self.history.lock().now = next;
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Connect(link) => self.accept(link),
            Event::ToBroker(link) => self.deliver_to_broker(link),
            Event::ToClient(link) => self.deliver_to_client(link),
            Event::Cluster => self.run_cluster(),
            Event::Caller(index) => self.run_caller(index),
            Event::Fault(family) => self.strike(family),
            Event::Recover(index) => self.recover(index),
            Event::Heal => self.heal(),
            Event::Close => self.note("close", &[]),
            Event::Deadline => {
                let pending = self.history.lock().pending;
                if pending > 0 || !self.all_callers_done() {
                    self.complain(format!(
                        "INV-22: {pending} records unanswered long after the heal"
                    ));
                }
                self.is_over = true;
            }
            Event::Nothing => {}
        }
        if event == Event::Close {
            self.is_over = true;
        }
    }

    pub(super) fn all_callers_done(&self) -> bool {
        self.callers.iter().all(Caller::is_done)
    }

    /// Ends the run once there is nothing left to wait for.
    pub(super) fn end_if_done(&mut self) {
        if self.is_closing {
            return;
        }
        if self.is_healed && self.all_callers_done() && self.history.lock().pending == 0 {
            self.is_over = true;
        }
    }
}

/// Connections.
impl World {
    /// Begins a connection; what becomes of it depends on the network and the broker.
    pub(super) fn connect(
        &mut self,
        node: NodeId,
        address: std::net::SocketAddr,
    ) -> (u64, Arc<Mutex<SimSocket>>) {
        let id = self.next_link;
        self.next_link += 1;
        let broker = self.broker_at(address);
        let is_buggy = self.scenario.families.is_buggy_client && !self.is_healed;
        let most = if is_buggy { 1 + self.random.below(200) } else { usize::MAX };
        let socket = Arc::new(Mutex::new(SimSocket::new(self.scenario.send_buffer, most)));
        self.wire.connects.push((self.now, node));
        self.note("connect", &[i64::from(node.0), i64::from(broker.map_or(-1, |b| b.0))]);
        let mut link = Link::new(broker.unwrap_or(NodeId(0)), Arc::clone(&socket));
        let wait = self.faults.connect_time(&mut link, self.scenario.usual_latency);
        self.links.insert(id, link);
        if let Some(wait) = wait {
            self.after(wait, Event::Connect(id));
        }
        (id, socket)
    }

    fn broker_at(&self, address: std::net::SocketAddr) -> Option<NodeId> {
        let node = nodes(&self.scenario).find(|node| host(*node) == address.ip().to_string())?;
        let port = address.port();
        (port == BOOTSTRAP_PORT || self.cluster.port(node) == Some(port)).then_some(node)
    }

    fn accept(&mut self, id: u64) {
        let Some(link) = self.links.get_mut(&id).filter(|link| !link.is_closed_by_client) else {
            self.links.remove(&id);
            return;
        };
        let refused = self.faults.refuses(link.broker);
        link.connection = if refused { None } else { self.cluster.connect(link.broker, self.now) };
        let state = match link.connection {
            Some(_) => SocketState::Open,
            None => SocketState::Failed(io::ErrorKind::ConnectionRefused),
        };
        link.socket.lock().state = state;
        self.ready.insert(id);
    }

    /// Takes what the client wrote on its way.
    pub(super) fn transmit(&mut self, id: u64) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let bytes = std::mem::take(&mut link.socket.lock().outgoing);
        if bytes.is_empty() || link.is_silent {
            return;
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let size = self.faults.segment(rest.len());
            let due = self.now + self.faults.latency(self.scenario.usual_latency);
            let due = link.to_broker.push(rest[..size].to_vec(), due);
            rest = &rest[size..];
            self.next_event += 1;
            self.events.insert((due, self.next_event), Event::ToBroker(id));
        }
    }

    /// The client has closed its end; what it wrote before may still arrive.
    pub(super) fn hang_up(&mut self, id: u64) {
        let drops_rest = self.random.below(3) == 0;
        let Some(link) = self.links.get_mut(&id) else { return };
        link.is_closed_by_client = true;
        if drops_rest {
            link.to_broker.segments.clear();
        }
        self.note("hang up", &[id.try_into().unwrap_or(0)]);
        self.forget_if_drained(id);
    }

    fn forget_if_drained(&mut self, id: u64) {
        let Some(link) = self.links.get(&id) else { return };
        if !link.is_closed_by_client || !(link.to_broker.segments.is_empty() || link.is_silent) {
            return;
        }
        match link.connection {
            // A broker that does not read finds the requests later, and the end behind them.
            Some(connection) if self.cluster.has_unread_input(connection) => {
                self.after(Duration::from_millis(50), Event::ToBroker(id));
            }
            connection => {
                if let Some(connection) = connection {
                    self.cluster.disconnect(connection);
                }
                self.links.remove(&id);
            }
        }
    }

    fn deliver_to_broker(&mut self, id: u64) {
        loop {
            let Some(link) = self.links.get_mut(&id) else { return };
            if link.is_silent {
                break;
            }
            let segment = match link.to_broker.pop(self.now) {
                Ok(Some(segment)) => segment,
                Ok(None) => break,
                Err(due) => return self.at(due, Event::ToBroker(id)),
            };
            let (bytes, breaks) = link.to_broker.pass(segment.bytes);
            let mut socket = link.socket.lock();
            socket.unacknowledged = socket.unacknowledged.saturating_sub(bytes.len());
            drop(socket);
            if let Some(connection) = link.connection {
                self.cluster.handle(connection, &bytes, self.now);
            }
            self.ready.insert(id);
            if breaks {
                self.break_link(id);
            }
            self.pump(id);
        }
        self.forget_if_drained(id);
    }

    fn deliver_to_client(&mut self, id: u64) {
        loop {
            let Some(link) = self.links.get_mut(&id) else { return };
            if link.is_silent || link.is_closed_by_client {
                return;
            }
            let segment = match link.to_client.pop(self.now) {
                Ok(Some(segment)) => segment,
                Ok(None) => return,
                Err(due) => return self.at(due, Event::ToClient(id)),
            };
            let is_end = segment.bytes.is_empty();
            let (bytes, breaks) = link.to_client.pass(segment.bytes);
            let mut socket = link.socket.lock();
            socket.incoming.extend(bytes);
            socket.is_finished |= is_end;
            drop(socket);
            self.ready.insert(id);
            if breaks {
                self.break_link(id);
            }
        }
    }

    /// Both ends find the connection reset.
    pub(super) fn break_link(&mut self, id: u64) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if let Some(connection) = link.connection.take() {
            self.cluster.disconnect(connection);
        }
        link.to_broker.segments.clear();
        link.to_client.segments.clear();
        link.socket.lock().state = SocketState::Failed(io::ErrorKind::ConnectionReset);
        self.ready.insert(id);
        self.note("reset", &[id.try_into().unwrap_or(0)]);
    }

    /// Puts what the broker has to say on its way.
    pub(super) fn pump(&mut self, id: u64) {
        while let Some(link) = self.links.get_mut(&id) {
            let Some(connection) = link.connection else { return };
            let Some(output) = self.cluster.take_output(connection, self.now) else { break };
            let due = self.now + self.faults.latency(self.scenario.usual_latency);
            let segments = match output {
                Output::Bytes(bytes) => self.faults.cut(bytes),
                Output::Close => {
                    link.connection = None;
                    self.cluster.disconnect(connection);
                    vec![Vec::new()]
                }
            };
            for segment in segments {
                let due = link.to_client.push(segment, due);
                self.next_event += 1;
                self.events.insert((due, self.next_event), Event::ToClient(id));
            }
        }
        self.schedule_cluster();
    }

    /// Makes sure that the cluster's next late answer is not missed.
    pub(super) fn schedule_cluster(&mut self) {
        let Some(due) = self.cluster.next_due() else { return };
        let due = due.max(self.now);
        if self.cluster_due.is_none_or(|known| due < known) {
            self.cluster_due = Some(due);
            self.at(due, Event::Cluster);
        }
    }

    /// Looks at every connection: brokers may have closed some or have late answers.
    pub(super) fn run_cluster(&mut self) {
        self.cluster_due = None;
        let due: BTreeSet<_> = self.cluster.due_connections(self.now).into_iter().collect();
        let links = self.links.iter();
        let ids: Vec<_> = links
            .filter(|(_, link)| link.connection.is_some_and(|connection| due.contains(&connection)))
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            self.pump(id);
        }
        self.schedule_cluster();
    }
}

/// The evidence at the end.
impl World {
    /// The logs as they are now.
    pub(super) fn logs(&self) -> Vec<PartitionEvidence> {
        let mut logs = self.buried.clone();
        for topic in &self.scenario.topics {
            logs.extend(self.logs_of(&topic.name, false));
        }
        logs
    }

    pub(super) fn logs_of(&self, topic: &str, is_deleted: bool) -> Vec<PartitionEvidence> {
        let count = i32::try_from(self.cluster.partition_count(topic)).unwrap_or(0);
        (0..count)
            .map(|partition| PartitionEvidence {
                topic: topic.to_owned(),
                partition,
                is_deleted,
                records: self.cluster.records(topic, partition),
            })
            .collect()
    }
}

pub(super) fn nodes(scenario: &Scenario) -> impl Iterator<Item = NodeId> + use<> {
    (1..).map(NodeId).take(scenario.brokers)
}

/// The address of a broker.
pub(super) fn host(node: NodeId) -> String {
    format!("10.0.0.{}", node.0)
}

pub(super) fn topic_options(topic: &TopicPlan) -> TopicOptions {
    let options = TopicOptions::new(topic.partitions).min_insync_replicas(topic.min_in_sync);
    if topic.has_log_append_time { options.log_append_time() } else { options }
}
