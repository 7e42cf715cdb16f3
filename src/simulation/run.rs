//! One run: a producer and its world from a seed, to the verdict.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::client::host_resolver::{HostResolver, Resolved};
use crate::client::metadata::{Metadata, MetadataSettings};
use crate::client::network_client::{NetworkClient, NetworkClientSettings};
use crate::common::node::NodeId;
use crate::compress::{Compression, CompressionType};
use crate::error::{Error, ErrorKind};
use crate::network::wakeup::Wakeup;
use crate::producer::internals::buffer_pool::BufferPool;
use crate::producer::internals::built_in_partitioner::StickySettings;
use crate::producer::internals::partition_ref::PartitionId;
use crate::producer::internals::producer_id_and_epoch::ProducerIdAndEpoch;
use crate::producer::internals::record_accumulator::{
    RecordAccumulator, is_split_harmless, largest_batch,
};
use crate::producer::internals::sender::{Sender, SenderSettings};
use crate::producer::internals::sender_signal::SenderSignal;
use crate::simulation::REGRESS_PLAIN;
use crate::simulation::checkers::{self, Evidence};
use crate::simulation::coverage::Coverage;
use crate::simulation::quirks::Quirks;
use crate::simulation::scenario::{Scenario, Settings};
use crate::simulation::sim_network::SimNetwork;
use crate::simulation::trace::Trace;
use crate::simulation::world::{
    BOOTSTRAP_PORT, Event, LONG_LIVED_PRODUCER, Producer, World, host, nodes,
};
use crate::utils::clock::Instant;
use crate::utils::exponential_backoff::ExponentialBackoff;
use crate::utils::random::Random;

/// What a run showed.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) complaints: Vec<String>,
    pub(super) trace_hash: u64,
    pub(super) lines: Vec<String>,
    pub(super) coverage: Coverage,
}

/// More than the topics of a scenario ever have together.
const MAX_PARTITIONS: usize = 100;
/// More turns than this without time passing are a loop.
const MAX_IDLE_TURNS: u32 = 1_000;

/// Runs the world of `seed` to its end. `explains` keeps the trace as text.
pub(super) fn run(seed: u64, explains: bool) -> Verdict {
    let simulation = Simulation::new(seed, explains);
    let world = Rc::clone(&simulation.world);
    let ended = panic::catch_unwind(AssertUnwindSafe(|| simulation.run()));
    let mut complaints = match ended {
        Ok(complaints) => complaints,
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(ToString::to_string);
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            vec![format!("INV-27: panic: {}", text.unwrap_or_default())]
        }
    };
    let Ok(world) = world.try_borrow() else {
        complaints.push("the world is still in use".to_owned());
        let coverage = Coverage::default();
        return Verdict { complaints, trace_hash: 0, lines: Vec::new(), coverage };
    };
    Verdict {
        complaints,
        trace_hash: world.trace.hash(),
        lines: world.trace.lines().to_vec(),
        coverage: world.coverage.clone(),
    }
}

/// The producer, put together as `KafkaProducer` does it, and the world around it.
struct Simulation {
    world: Rc<RefCell<World>>,
    sender: Sender<NetworkClient<SimNetwork>>,
    producer: Producer,
    scenario: Scenario,
    now: Instant,
    idle_turns: u32,
}

impl Simulation {
    fn new(seed: u64, explains: bool) -> Self {
        let mut random = Random::new(seed);
        let mut scenario = Scenario::draw(&mut random);
        if !REGRESS_PLAIN.contains(&seed) {
            scenario.quirks = Quirks::draw(&mut Random::new(!seed), scenario.is_calm());
        }
        let settings = scenario.settings;
        let mut trace = Trace::new(explains);
        trace.explain(|| format!("{scenario:#?}"));
        let wakeup = Wakeup::detached();
        let signal = Arc::new(SenderSignal::new(wakeup.clone()));
        let metadata = metadata_settings(&scenario);
        let metadata = Arc::new(Metadata::new(metadata, random.fork()));
        let codec = scenario.quirks.codec;
        let accumulator = accumulator(&settings, &signal, random.fork())
            .with_compression(Compression { codec, level: None });
        let accumulator = Arc::new(accumulator);
        let producer = Producer {
            accumulator: Arc::clone(&accumulator),
            metadata: Arc::clone(&metadata),
            wakeup,
        };
        let world = World::new(scenario.clone(), producer.clone(), random.fork(), trace);
        let world = Rc::new(RefCell::new(world));
        let client = NetworkClient::new(
            client_settings(&settings),
            Arc::clone(&metadata),
            SimNetwork::new(Rc::clone(&world)),
            Box::new(NoResolver),
            random.fork(),
        );
        let settings = SenderSettings { codec, ..sender_settings(&settings) };
        let mut sender = Sender::new(settings, client, metadata, accumulator, random);
        if let Some((first, known)) =
            scenario.first_sequence().zip(sender.transaction_manager_mut())
        {
            known.handle_producer_id(ProducerIdAndEpoch { id: LONG_LIVED_PRODUCER, epoch: 0 });
            let partitions = (0..MAX_PARTITIONS).map(PartitionId::new);
            partitions.for_each(|partition| known.assume_sent(partition, first));
        }
        Self { world, sender, producer, scenario, now: Instant::ZERO, idle_turns: 0 }
    }

    fn run(mut self) -> Vec<String> {
        let mut fatal = None;
        while !self.world.borrow().is_over && fatal.is_none() {
            self.turn();
            fatal = self.sender.fatal_error().cloned();
        }
        self.close(fatal.as_ref());
        let mut world = self.world.borrow_mut();
        let history = std::mem::take(&mut *world.history.lock());
        let mut complaints = std::mem::take(&mut world.complaints);
        complaints.extend(history.complaints.iter().cloned());
        let wire = std::mem::take(&mut world.wire);
        let mut coverage = std::mem::take(&mut world.coverage);
        for topic in &self.scenario.topics {
            coverage.hit_if("a batch came again", world.cluster.duplicates(&topic.name) > 0);
        }
        let evidence = Evidence {
            scenario: &self.scenario,
            history: &history,
            logs: world.logs(),
            wire: &wire,
            truncated: &world.truncated,
            is_fatal: fatal.is_some(),
        };
        complaints.extend(checkers::check(&evidence));
        checkers::note_coverage(&evidence, &mut coverage);
        world.coverage = coverage;
        for complaint in &complaints {
            world.trace.explain(|| complaint.clone());
        }
        complaints
    }

    fn turn(&mut self) {
        let now = self.now;
        let next = self.sender.run_once(&|| now);
        assert!(next >= self.now, "time went back");
        self.idle_turns = if next == self.now { self.idle_turns + 1 } else { 0 };
        if self.idle_turns == MAX_IDLE_TURNS {
            let mut world = self.world.borrow_mut();
            world.complain(format!("INV-24: {MAX_IDLE_TURNS} turns at {next:?} without an event"));
            world.is_over = true;
        }
        self.now = next;
    }

    /// What `KafkaProducer::close` and the sender thread do at the end.
    fn close(&mut self, fatal: Option<&Error>) {
        let reason = fatal.cloned().unwrap_or_else(|| Error::new(ErrorKind::Closed));
        match fatal {
            Some(error) => self.producer.accumulator.poison(error.clone()),
            None => self.producer.accumulator.close(),
        }
        self.producer.metadata.close();
        let timeout = self.scenario.closes_at.map_or(CLOSE_LIMIT, |close| close.timeout);
        let deadline = self.now + timeout;
        let mut world = self.world.borrow_mut();
        world.is_closing = true;
        world.at(deadline, Event::Nothing);
        drop(world);
        while fatal.is_none() && !self.sender.is_drained() && self.now < deadline {
            if self.idle_turns >= MAX_IDLE_TURNS {
                break;
            }
            self.world.borrow_mut().is_over = false;
            self.turn();
        }
        self.sender.abort(&reason, self.now);
        self.check_quiet();
    }

    /// Nothing is left behind.
    fn check_quiet(&self) {
        let mut world = self.world.borrow_mut();
        world.history.lock().is_ended = true;
        let accumulator = &self.producer.accumulator;
        world.release_waiters();
        let pool = accumulator.pool();
        if pool.available() != pool.total() {
            let missing = pool.total() - pool.available();
            world.complain(format!("INV-11: {missing} bytes of the pool are missing"));
        }
        if pool.is_exhausted() {
            world.complain("INV-11: somebody still waits for memory".to_owned());
        }
        if !accumulator.incomplete().is_empty() {
            world.complain("INV-11: batches are incomplete at the end".to_owned());
        }
        if !world.links.values().all(|link| link.is_closed_by_client) {
            world.complain("INV-12: connections are open at the end".to_owned());
        }
    }
}

/// The time in which what is there is sent, where the application waits for that.
const CLOSE_LIMIT: Duration = Duration::from_secs(60);

fn metadata_settings(scenario: &Scenario) -> MetadataSettings {
    let settings = &scenario.settings;
    MetadataSettings {
        bootstrap: nodes(scenario).map(|node| (host(node), BOOTSTRAP_PORT)).collect(),
        refresh_backoff: ExponentialBackoff::new(
            settings.retry_backoff,
            settings.retry_backoff_max,
        ),
        max_age: settings.metadata_max_age,
        max_idle: Duration::from_secs(300),
        rebootstrap_trigger: settings.rebootstrap_trigger,
    }
}

fn accumulator(
    settings: &Settings,
    signal: &Arc<SenderSignal>,
    random: Random,
) -> RecordAccumulator {
    let wakes = Arc::clone(signal);
    let pool = BufferPool::new(settings.buffer_memory, settings.batch_size, move || wakes.wake());
    let sticky = StickySettings {
        sticky_bytes: settings.batch_size,
        is_adaptive: settings.is_adaptive,
        unavailable_nodes: ArcSwap::default(),
    };
    let signal = Arc::clone(signal);
    let is_split_harmless =
        is_split_harmless(settings.is_idempotent, settings.acks, settings.max_in_flight);
    let largest = largest_batch(settings.batch_size, settings.max_request_size, is_split_harmless);
    RecordAccumulator::new(settings.batch_size, Arc::new(pool), Arc::new(sticky), signal, random)
        .with_largest_batch(largest)
}

fn client_settings(settings: &Settings) -> NetworkClientSettings {
    NetworkClientSettings {
        client_id: "simulated".into(),
        max_in_flight: settings.max_in_flight,
        reconnect_backoff: ExponentialBackoff::new(
            settings.reconnect_backoff,
            settings.reconnect_backoff_max,
        ),
        connection_setup_timeout: ExponentialBackoff::new(
            settings.setup_timeout,
            settings.setup_timeout,
        ),
        request_timeout: settings.request_timeout,
    }
}

fn sender_settings(settings: &Settings) -> SenderSettings {
    SenderSettings {
        acks: settings.acks,
        max_request_size: settings.max_request_size,
        retries: settings.retries,
        request_timeout: settings.request_timeout,
        delivery_timeout: settings.delivery_timeout,
        linger: settings.linger,
        retry_backoff: ExponentialBackoff::new(settings.retry_backoff, settings.retry_backoff_max),
        is_idempotent: settings.is_idempotent,
        trusted_silence: settings.trusted_silence(),
        guarantees_order: settings.max_in_flight == 1,
        codec: CompressionType::None,
        availability_timeout: if settings.is_adaptive {
            settings.availability_timeout
        } else {
            Duration::ZERO
        },
    }
}

/// Every address of the simulated cluster is spelled out.
#[derive(Debug)]
struct NoResolver;

impl HostResolver for NoResolver {
    fn resolve(&mut self, node: NodeId, host: &Arc<str>, _port: u16) {
        unreachable!("node {node}: {host} needs no look-up");
    }

    fn next_answer(&mut self) -> Option<Resolved> {
        None
    }
}
