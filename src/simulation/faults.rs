//! What goes wrong, when, and how it gets well again.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::common::node::NodeId;
use crate::error::ErrorCode;
use crate::mock_cluster::{Api, Fault};
use crate::simulation::history::id_of;
use crate::simulation::link::{Link, Pipe};
use crate::simulation::scenario::{log_millis, millis};
use crate::simulation::world::{Event, World, host, nodes, topic_options};
use crate::utils::clock::Instant;
use crate::utils::random::Random;

/// The state of the network and what is to get well again.
#[derive(Debug)]
pub(super) struct Faults {
    random: Random,
    /// Whether the network family is on.
    is_bad_network: bool,
    extra_latency: Duration,
    chops_segments: bool,
    /// New connections to these brokers are refused.
    refusing: BTreeSet<NodeId>,
    /// New connections to these brokers get no answer at all.
    deaf: BTreeSet<NodeId>,
    recoveries: Vec<Recovery>,
}

/// The end of a fault.
#[derive(Clone, Debug)]
enum Recovery {
    Start { node: NodeId, port: u16 },
    Read(NodeId),
    Thaw(NodeId),
    Hear(NodeId),
    InSync { topic: String, partition: i32 },
    Create { topic: usize },
    Latency,
    Release,
}

/// A family's faults and their names for the statistics.
type Strike = (&'static str, fn(&mut World));

const NETWORK: &[Strike] = &[
    ("network: reset", World::reset_a_link),
    ("network: reset all", World::reset_all_links),
    ("network: latency", World::slow_down),
    ("network: stall", World::stall_a_link),
    ("network: half-open", World::silence_a_link),
    ("network: cut after bytes", World::doom_a_link),
    ("network: refuse", World::refuse_connections),
    ("network: blackhole", World::blackhole_connections),
    ("network: chop", World::chop_segments),
];
const BROKER: &[Strike] = &[
    ("broker: crash", World::crash_a_broker),
    ("broker: pause", World::pause_a_broker),
    ("broker: close connections", World::close_connections),
    ("broker: cut request", World::cut_a_request),
];
const LEADERS: &[Strike] = &[
    ("leaders: move", World::move_a_leader),
    ("leaders: move all", World::move_all_leaders),
    ("leaders: shrink", World::shrink_in_sync),
    ("leaders: append then error", World::append_then_error),
    ("leaders: error then append", World::error_then_append),
];
const ERRORS: &[Strike] = &[
    ("errors: produce", World::refuse_batches),
    ("errors: produce for good", World::refuse_batches_for_good),
    ("errors: other requests", World::refuse_other_requests),
];
const ANSWERS: &[Strike] = &[
    ("answers: close before", World::close_before),
    ("answers: close after", World::close_after),
    ("answers: cut", World::cut_an_answer),
    ("answers: lose request", World::lose_a_request),
    ("answers: lose answer", World::lose_an_answer),
    ("answers: delay", World::delay_an_answer),
    ("answers: hold", World::hold_an_answer),
    ("answers: throttle", World::throttle),
    ("answers: leave out", World::leave_out),
];
const STATE_LOSS: &[Strike] = &[
    ("state loss: producer ids", World::forget_producers),
    ("state loss: topic recreated", World::recreate_a_topic),
    ("state loss: partitions added", World::add_partitions),
];
const METADATA: &[Strike] = &[
    ("metadata: lag", World::freeze_metadata),
    ("metadata: topic missing", World::hide_a_topic),
    ("metadata: leaderless", World::hide_a_leader),
    ("metadata: left out", World::leave_out_a_topic),
];
const RARE: &[Strike] = &[
    ("rare: unclean election", World::elect_uncleanly),
    ("rare: idle connections closed", World::close_idle_connections),
];
const FAMILIES: [&[Strike]; 8] =
    [NETWORK, BROKER, LEADERS, ERRORS, ANSWERS, STATE_LOSS, METADATA, RARE];

/// How long nothing has to happen on a connection for it to be idle.
const IDLE: Duration = Duration::from_millis(200);

/// The producers were forgotten indeed.
const PRODUCERS_FORGOTTEN: &str = "state loss: producer ids forgotten";

/// What a leader may answer for now, whether or not it will take the batch later.
const PASSING_CODES: [ErrorCode; 9] = [
    ErrorCode::NotLeaderOrFollower,
    ErrorCode::RequestTimedOut,
    ErrorCode::NetworkException,
    ErrorCode::NotEnoughReplicas,
    ErrorCode::KafkaStorageError,
    ErrorCode::UnknownTopicOrPartition,
    ErrorCode::CorruptMessage,
    ErrorCode::UnknownTopicId,
    ErrorCode::LeaderNotAvailable,
];
/// What ends a batch.
const FINAL_CODES: [ErrorCode; 6] = [
    ErrorCode::MessageTooLarge,
    ErrorCode::InvalidRecord,
    ErrorCode::InvalidTimestamp,
    ErrorCode::TopicAuthorizationFailed,
    ErrorCode::UnknownServerError,
    ErrorCode::PolicyViolation,
];
/// What a leader may answer although it has appended the batch, or will.
const DOUBTFUL_CODES: [ErrorCode; 4] = [
    ErrorCode::NotEnoughReplicasAfterAppend,
    ErrorCode::RequestTimedOut,
    ErrorCode::NotLeaderOrFollower,
    ErrorCode::KafkaStorageError,
];

impl Faults {
    pub(super) fn new(random: Random) -> Self {
        Self {
            random,
            is_bad_network: false,
            extra_latency: Duration::ZERO,
            chops_segments: false,
            refusing: BTreeSet::new(),
            deaf: BTreeSet::new(),
            recoveries: Vec::new(),
        }
    }

    /// How long a segment takes.
    pub(super) fn latency(&mut self, usual: Duration) -> Duration {
        let most = usual + self.extra_latency;
        most.mul_f64(0.2 + 0.8 * self.random.unit_f64())
    }

    /// How many of `available` bytes go in the next segment.
    pub(super) fn segment(&mut self, available: usize) -> usize {
        if self.chops_segments {
            return available.min(1 + self.random.below(60));
        }
        available.min(1460)
    }

    /// Cuts an answer into segments.
    pub(super) fn cut(&mut self, mut bytes: Vec<u8>) -> Vec<Vec<u8>> {
        let mut segments = Vec::new();
        while !bytes.is_empty() {
            let rest = bytes.split_off(self.segment(bytes.len()));
            segments.push(std::mem::replace(&mut bytes, rest));
        }
        segments
    }

    /// How long a connection attempt takes to reach its broker; `None` if it never does.
    pub(super) fn connect_time(&mut self, link: &mut Link, usual: Duration) -> Option<Duration> {
        if self.deaf.contains(&link.broker) {
            return None;
        }
        if self.is_bad_network && self.random.below(10) == 0 {
            let limit = self.random.below(600);
            let pipe = match self.random.below(2) {
                0 => &mut link.to_broker,
                _ => &mut link.to_client,
            };
            pipe.breaks_after = Some(limit);
        }
        let is_slow = self.is_bad_network && self.random.below(12) == 0;
        let slow = if is_slow { log_millis(10, 5_000, &mut self.random) } else { Duration::ZERO };
        Some(self.latency(usual) + slow)
    }

    pub(super) fn refuses(&self, broker: NodeId) -> bool {
        self.refusing.contains(&broker)
    }
}

/// The course of events.
impl World {
    pub(super) fn schedule_families(&mut self) {
        let families = self.scenario.families;
        self.faults.is_bad_network = families.network.is_some();
        for family in 0..FAMILIES.len() {
            self.schedule_next(family);
        }
        if self.scenario.settings.is_idempotent && self.random.below(8) == 0 {
            self.give_one_of_the_last_epochs();
        }
    }

    fn schedule_next(&mut self, family: usize) {
        let families = self.scenario.families;
        let paces = [
            families.network,
            families.broker,
            families.leaders,
            families.errors,
            families.answers,
            families.state_loss,
            families.metadata,
            self.scenario.quirks.rare_faults,
        ];
        if let Some(pace) = paces[family] {
            let wait = pace.mul_f64(0.1 + 1.8 * self.random.unit_f64());
            self.after(wait, Event::Fault(family));
        }
    }

    pub(super) fn strike(&mut self, family: usize) {
        if self.is_healed {
            return;
        }
        let strikes = FAMILIES[family];
        let (name, strike) = strikes[self.random.below(strikes.len())];
        self.note(name, &[]);
        self.coverage.hit(name);
        strike(self);
        self.run_cluster();
        self.schedule_next(family);
    }

    /// Ends everything that is wrong.
    pub(super) fn heal(&mut self) {
        self.note("heal", &[]);
        self.is_healed = true;
        for index in 0..self.faults.recoveries.len() {
            self.recover(index);
        }
        self.cluster.clear_faults();
        self.cluster.release();
        self.faults = Faults { is_bad_network: false, ..Faults::new(self.random.fork()) };
        for link in self.links.values_mut() {
            for pipe in [&mut link.to_broker, &mut link.to_client] {
                pipe.stalled_until = Instant::ZERO;
                pipe.breaks_after = None;
            }
        }
        self.run_cluster();
        self.begin_last_sends();
    }

    fn later(&mut self, wait: Duration, recovery: Recovery) {
        self.faults.recoveries.push(recovery);
        self.after(wait, Event::Recover(self.faults.recoveries.len() - 1));
    }

    pub(super) fn recover(&mut self, index: usize) {
        let Some(recovery) = self.faults.recoveries.get(index).cloned() else { return };
        match recovery {
            Recovery::Start { node, port } if !self.cluster.is_running(node) => {
                self.cluster.start_node(node, host(node), port);
                let is_upgraded = self.cluster.upgrade(node);
                self.coverage.hit_if("an old broker was upgraded", is_upgraded);
            }
            Recovery::Start { .. } => {}
            Recovery::Read(node) => self.cluster.resume_reading(node, self.now),
            Recovery::Thaw(node) => self.cluster.thaw_metadata(node),
            Recovery::Hear(node) => {
                self.faults.refusing.remove(&node);
                self.faults.deaf.remove(&node);
            }
            Recovery::InSync { topic, partition } => {
                self.cluster.restore_in_sync(&topic, partition);
            }
            Recovery::Create { topic } => {
                let plan = self.scenario.topics[topic].clone();
                self.create_topic(&plan.name, topic_options(&plan));
            }
            Recovery::Latency => self.faults.extra_latency = Duration::ZERO,
            Recovery::Release => self.cluster.release(),
        }
        self.run_cluster();
    }

    fn any_node(&mut self) -> NodeId {
        let count = self.scenario.brokers;
        nodes(&self.scenario).nth(self.random.below(count)).unwrap_or(NodeId(1))
    }

    fn any_partition(&mut self) -> (String, i32) {
        let index = self.random.below(self.scenario.topics.len());
        let topic = self.scenario.topics[index].name.clone();
        let count = self.cluster.partition_count(&topic);
        let partition = i32::try_from(self.random.below(count)).unwrap_or(0);
        (topic, partition)
    }

    fn any_link(&mut self) -> Option<u64> {
        let index = self.random.below(self.links.len());
        self.links.keys().nth(index).copied()
    }

    fn any_code(&mut self, codes: &[ErrorCode]) -> ErrorCode {
        codes[self.random.below(codes.len())]
    }

    fn few(&mut self) -> u32 {
        u32::try_from(1 + self.random.below(4)).unwrap_or(1)
    }
}

/// The network.
impl World {
    fn reset_a_link(&mut self) {
        if let Some(link) = self.any_link() {
            self.break_link(link);
        }
    }

    fn reset_all_links(&mut self) {
        for link in self.links.keys().copied().collect::<Vec<_>>() {
            self.break_link(link);
        }
    }

    fn slow_down(&mut self) {
        self.faults.extra_latency = log_millis(1, 2_000, &mut self.random);
        let wait = log_millis(100, 5_000, &mut self.random);
        self.later(wait, Recovery::Latency);
    }

    fn stall_a_link(&mut self) {
        let until = self.now + log_millis(100, 10_000, &mut self.random);
        let direction = self.random.below(3);
        let Some(id) = self.any_link() else { return };
        let Some(link) = self.links.get_mut(&id) else { return };
        if direction != 0 {
            link.to_broker.stalled_until = until;
        }
        if direction != 1 {
            link.to_client.stalled_until = until;
        }
    }

    fn silence_a_link(&mut self) {
        if let Some(link) = self.any_link().and_then(|id| self.links.get_mut(&id)) {
            link.is_silent = true;
        }
    }

    fn doom_a_link(&mut self) {
        let more = self.random.below(2_000);
        let is_request = self.random.below(2) == 0;
        if let Some(link) = self.any_link().and_then(|id| self.links.get_mut(&id)) {
            let pipe = if is_request { &mut link.to_broker } else { &mut link.to_client };
            pipe.breaks_after = Some(pipe.passed_bytes + more);
        }
    }

    fn refuse_connections(&mut self) {
        let node = self.any_node();
        self.faults.refusing.insert(node);
        let wait = log_millis(100, 5_000, &mut self.random);
        self.later(wait, Recovery::Hear(node));
    }

    fn blackhole_connections(&mut self) {
        let node = self.any_node();
        self.faults.deaf.insert(node);
        let wait = log_millis(100, 5_000, &mut self.random);
        self.later(wait, Recovery::Hear(node));
    }

    fn chop_segments(&mut self) {
        self.faults.chops_segments = !self.faults.chops_segments;
    }
}

/// Brokers.
impl World {
    fn crash_a_broker(&mut self) {
        let node = self.any_node();
        let Some(port) = self.cluster.port(node).filter(|_| self.cluster.is_running(node)) else {
            return;
        };
        self.cluster.stop_node(node);
        // Who never starts again from the configured addresses may lose a cluster that moves as a whole.
        let may_move = self.scenario.settings.rebootstrap_trigger.is_some();
        let port = if may_move && self.random.below(3) == 0 { port + 1 } else { port };
        let wait = log_millis(50, 6_000, &mut self.random);
        self.later(wait, Recovery::Start { node, port });
    }

    fn pause_a_broker(&mut self) {
        let node = self.any_node();
        self.cluster.stop_reading(node);
        let wait = log_millis(50, 6_000, &mut self.random);
        self.later(wait, Recovery::Read(node));
    }

    fn close_connections(&mut self) {
        let node = self.any_node();
        self.cluster.close_connections(node);
    }

    fn cut_a_request(&mut self) {
        let (node, bytes) = (self.any_node(), self.random.below(500));
        self.cluster.close_after(node, bytes);
    }
}

/// Leaders and replicas.
impl World {
    fn move_a_leader(&mut self) {
        let ((topic, partition), node) = (self.any_partition(), self.any_node());
        self.cluster.move_leader(&topic, partition, node);
    }

    fn move_all_leaders(&mut self) {
        for topic in self.scenario.topics.clone() {
            let count = self.cluster.partition_count(&topic.name);
            for partition in 0..i32::try_from(count).unwrap_or(0) {
                let node = self.any_node();
                self.cluster.move_leader(&topic.name, partition, node);
            }
        }
    }

    fn shrink_in_sync(&mut self) {
        let (topic, partition) = self.any_partition();
        self.cluster.shrink_in_sync(&topic, partition);
        let wait = log_millis(50, 4_000, &mut self.random);
        self.later(wait, Recovery::InSync { topic, partition });
    }

    fn append_then_error(&mut self) {
        let ((topic, partition), times) = (self.any_partition(), self.few());
        let code = self.any_code(&DOUBTFUL_CODES);
        let fault = Fault::append_then_error(code).on(Api::Produce).times(times);
        self.cluster.inject(fault.partition(topic, partition));
    }

    fn error_then_append(&mut self) {
        let ((topic, partition), wait) =
            (self.any_partition(), log_millis(1, 2_000, &mut self.random));
        let code = self.any_code(&DOUBTFUL_CODES);
        let fault = Fault::error_then_append(code, wait).on(Api::Produce);
        self.cluster.inject(fault.partition(topic, partition));
    }
}

/// What is rare.
impl World {
    /// A replica leads that does not have what was appended last.
    fn elect_uncleanly(&mut self) {
        let ((topic, partition), node) = (self.any_partition(), self.any_node());
        let count = 1 + self.random.below(3);
        for record in self.cluster.elect_uncleanly(&topic, partition, node, count) {
            self.coverage.hit("rare: a record truncated");
            if let Some(id) = record.value.as_deref().and_then(id_of) {
                self.truncated.insert((topic.clone(), partition, record.offset, id));
            }
        }
    }

    /// Brokers close what nothing has come over for a while.
    fn close_idle_connections(&mut self) {
        let now = self.now;
        for link in self.links.values() {
            let is_quiet = |pipe: &Pipe| pipe.segments.is_empty() && pipe.last_due + IDLE <= now;
            let Some(connection) = link.connection else { continue };
            if is_quiet(&link.to_broker)
                && is_quiet(&link.to_client)
                && self.cluster.close_if_idle(connection, now)
            {
                self.coverage.hit("rare: an idle connection closed by its broker");
            }
        }
    }
}

/// Error codes.
impl World {
    fn refuse_batches(&mut self) {
        let ((topic, partition), times) = (self.any_partition(), self.few());
        let code = self.any_code(&PASSING_CODES);
        let fault = Fault::error(code).on(Api::Produce).times(times);
        self.cluster.inject(fault.partition(topic, partition));
    }

    fn refuse_batches_for_good(&mut self) {
        let (topic, partition) = self.any_partition();
        let code = self.any_code(&FINAL_CODES);
        self.cluster.inject(Fault::error(code).on(Api::Produce).partition(topic, partition));
    }

    fn refuse_other_requests(&mut self) {
        let times = self.few();
        let fault = match self.random.below(4) {
            0 => Fault::error(ErrorCode::CoordinatorLoadInProgress).on(Api::InitProducerId),
            1 => Fault::error(ErrorCode::NotCoordinator).on(Api::InitProducerId),
            2 => Fault::error(ErrorCode::UnknownServerError).on(Api::Metadata),
            _ => Fault::error(ErrorCode::RebootstrapRequired).on(Api::Metadata),
        };
        self.cluster.inject(fault.times(times));
    }

    /// The first producer id comes with an epoch after which few remain.
    fn give_one_of_the_last_epochs(&mut self) {
        let producer_epoch = i16::MAX - i16::try_from(self.random.below(3)).unwrap_or(0);
        self.coverage.hit("client: one of the last epochs");
        self.cluster.give_epoch(producer_epoch);
    }
}

/// Requests and answers.
impl World {
    fn spoil(&mut self, fault: Fault) {
        let fault = match self.random.below(8) {
            0 => fault,
            1 => fault.on(Api::Metadata),
            2 => fault.on(Api::InitProducerId),
            _ => fault.on(Api::Produce),
        };
        let skipped = self.few() - 1;
        let fault = fault.after(skipped);
        self.cluster.inject(fault);
    }

    fn close_before(&mut self) {
        self.spoil(Fault::close_before_append());
    }

    fn close_after(&mut self) {
        self.spoil(Fault::close_after_append());
    }

    fn cut_an_answer(&mut self) {
        let bytes = self.random.below(80);
        self.spoil(Fault::close_after_bytes(bytes));
    }

    fn lose_a_request(&mut self) {
        self.spoil(Fault::lose_request());
    }

    fn lose_an_answer(&mut self) {
        self.spoil(Fault::lose_response());
    }

    fn delay_an_answer(&mut self) {
        let wait = log_millis(1, 6_000, &mut self.random);
        self.spoil(Fault::delay(wait));
    }

    fn hold_an_answer(&mut self) {
        self.spoil(Fault::hold());
        let wait = log_millis(10, 6_000, &mut self.random);
        self.later(wait, Recovery::Release);
    }

    fn throttle(&mut self) {
        let pause = log_millis(1, 3_000, &mut self.random);
        self.spoil(Fault::throttle(pause));
    }

    fn leave_out(&mut self) {
        let (topic, partition) = self.any_partition();
        self.cluster.inject(Fault::leave_out().on(Api::Produce).partition(topic, partition));
    }
}

/// What brokers forget, and what becomes of topics.
impl World {
    /// A partition forgets a producer that was silent for long: nothing of its is under way by then, and the last answer
    /// came long ago.
    fn forget_producers(&mut self) {
        let is_quiet = self.history.lock().pending == 0;
        let under_way = self.links.values().any(|link| !link.to_broker.segments.is_empty());
        if !is_quiet || under_way || !self.cluster.is_quiet() {
            return;
        }
        let settings = &self.scenario.settings;
        let silence = settings.request_timeout + settings.trusted_silence();
        let batches = self.wire.batches.iter().rev();
        let recent = batches.take_while(|batch| batch.at + silence > self.now);
        let busy: BTreeSet<_> = recent.map(|batch| (&*batch.topic, batch.partition)).collect();
        for topic in &self.scenario.topics {
            for partition in 0..topic.partitions {
                if !busy.contains(&(&*topic.name, partition)) {
                    self.coverage.hit(PRODUCERS_FORGOTTEN);
                    self.cluster.forget_producers_of(&topic.name, partition);
                }
            }
        }
    }

    fn recreate_a_topic(&mut self) {
        let topic = self.random.below(self.scenario.topics.len());
        let name = self.scenario.topics[topic].name.clone();
        let logs = self.logs_of(&name, true);
        self.buried.extend(logs);
        self.cluster.delete_topic(&name);
        let wait = millis(0, 1_500, &mut self.random);
        self.later(wait, Recovery::Create { topic });
    }

    fn add_partitions(&mut self) {
        let index = self.random.below(self.scenario.topics.len());
        let topic = &mut self.scenario.topics[index];
        if topic.partitions < 12 && self.cluster.partition_count(&topic.name) > 0 {
            topic.partitions += 1;
            let (name, total) = (topic.name.clone(), topic.partitions);
            self.cluster.add_partitions(&name, total);
            self.remember_producer(&name, total - 1);
        }
    }
}

/// What brokers tell of the cluster.
impl World {
    fn freeze_metadata(&mut self) {
        let node = self.any_node();
        self.cluster.freeze_metadata(node);
        let wait = log_millis(50, 5_000, &mut self.random);
        self.later(wait, Recovery::Thaw(node));
    }

    fn hide_a_topic(&mut self) {
        let ((topic, _), times) = (self.any_partition(), self.few());
        let fault = Fault::error(ErrorCode::UnknownTopicOrPartition).on(Api::Metadata);
        self.cluster.inject(fault.topic(topic).times(times));
    }

    fn hide_a_leader(&mut self) {
        let ((topic, partition), times) = (self.any_partition(), self.few());
        let fault = Fault::error(ErrorCode::LeaderNotAvailable).on(Api::Metadata);
        self.cluster.inject(fault.partition(topic, partition).times(times));
    }

    fn leave_out_a_topic(&mut self) {
        let (topic, _) = self.any_partition();
        self.cluster.inject(Fault::leave_out().on(Api::Metadata).topic(topic));
    }
}
