//! Causes faults, heals them, and waits until all is well again.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::cluster::{Cluster, NODES, Node};
use crate::fault::{Fault, Kind};
use crate::history::MAX_PARTITIONS;
use crate::load::{Shared, TOPIC};
use crate::proxy::Toxics;
use crate::random::Random;

/// How long the producers are waited for after a fault. (How long they may take is for the test to say.)
const PATIENCE: Duration = Duration::from_secs(60);

/// One fault that was; times are those of the history.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) fault: Fault,
    pub(crate) begin_ms: u32,
    /// When nothing was in the way any more: the fault gone, and a leader for each partition.
    pub(crate) healed_ms: Option<u32>,
    /// When after that each partition had acknowledged something to each producer.
    pub(crate) recovered_ms: Option<u32>,
}

impl Span {
    /// Whether it may have harmed a record that was sent and answered then.
    pub(crate) fn overlaps(&self, sent_ms: u32, told_ms: u32) -> bool {
        self.begin_ms <= told_ms && self.recovered_ms.is_none_or(|end| sent_ms <= end)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:>8} ms  {}", self.begin_ms, self.fault)?;
        match self.healed_ms {
            None => return formatter.write_str(", not healed"),
            Some(healed) => write!(formatter, "; healed at {healed} ms")?,
        }
        match (self.healed_ms, self.recovered_ms) {
            (Some(healed), Some(recovered)) => {
                write!(formatter, ", acknowledged everywhere {} ms later", recovered - healed)
            }
            _ => formatter.write_str(", not acknowledged everywhere"),
        }
    }
}

/// The faults so far, for whoever has to tell of them.
pub(crate) type FaultLog = Arc<Mutex<Vec<Span>>>;

#[derive(Debug)]
pub(crate) struct Injector<'a> {
    pub(crate) cluster: &'a mut Cluster,
    pub(crate) shared: &'a Shared,
    pub(crate) random: Random,
    pub(crate) log: FaultLog,
}

impl Injector<'_> {
    /// Causes `fault`, heals it, and returns when the producers go on and every replica is in sync.
    pub(crate) fn run(&mut self, fault: Fault) {
        let history = &self.shared.history;
        let begin_ms = history.now_ms();
        let span = Span { fault, begin_ms, healed_ms: None, recovered_ms: None };
        self.log.lock().unwrap_or_else(PoisonError::into_inner).push(span);
        self.cause(fault);
        self.ask("led");
        let healed_ms = history.now_ms();
        self.note(|span| span.healed_ms = Some(healed_ms));
        let recovered_ms = self.await_acknowledgements(healed_ms);
        self.note(|span| span.recovered_ms = recovered_ms);
        self.heal_rest(fault);
        // A node that has just come back may still tell of the time before.
        thread::sleep(Duration::from_secs(1));
        self.ask("replicated");
    }

    /// When each producer has had an acknowledgement of each partition, if that is soon.
    pub(crate) fn await_acknowledgements(&self, after_ms: u32) -> Option<u32> {
        let history = &self.shared.history;
        let partitions = self.shared.partitions.load(Ordering::Relaxed) as usize;
        let end = Instant::now() + PATIENCE;
        while !history.acknowledged_after(after_ms, partitions) {
            if Instant::now() >= end {
                return None;
            }
            thread::sleep(Duration::from_millis(5));
        }
        Some(history.now_ms())
    }

    fn note(&self, change: impl FnOnce(&mut Span)) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        change(log.last_mut().expect("the fault of now"));
    }

    /// A command about the topic.
    fn ask(&mut self, command: &str) {
        self.cluster.ask(&format!("{command} {TOPIC}"));
    }

    /// Returns when it is over, as far as the producers are concerned.
    fn cause(&mut self, fault: Fault) {
        let Fault { kind, node, lasts, then_reset } = fault;
        let (one, all) = ([node], [1, 2, 3]);
        let hold_answers = Toxics { hold_answers: true, ..Toxics::default() };
        let cut = Toxics { hold_requests: true, ..hold_answers };
        let refuse = Toxics { refuse: true, ..Toxics::default() };
        match kind {
            Kind::Kill => self.restart("kill", &one, lasts),
            Kind::Terminate => self.restart("terminate", &one, lasts),
            Kind::AllDown => self.restart("kill", &all, lasts),
            Kind::Pause => {
                self.cluster.ask(&format!("pause {node}"));
                thread::sleep(lasts);
                self.cluster.ask(&format!("resume {node}"));
            }
            Kind::MoveLeaders => self.move_leaders(lasts),
            Kind::CutOne => self.spoil(&one, cut, lasts, then_reset),
            Kind::CutAll => self.spoil(&all, cut, lasts, then_reset),
            Kind::HoldAnswers => self.spoil(&one, hold_answers, lasts, then_reset),
            Kind::RefuseOne => self.spoil(&one, refuse, lasts, false),
            Kind::RefuseAll => self.spoil(&all, refuse, lasts, false),
            Kind::Resets => self.reset_again_and_again(lasts),
            Kind::Latency => {
                let latency = Duration::from_millis(300);
                self.spoil(&all, Toxics { latency, ..Toxics::default() }, lasts, false);
            }
            Kind::Bandwidth => {
                let bytes_a_second = Some(64 * 1024);
                self.spoil(&all, Toxics { bytes_a_second, ..Toxics::default() }, lasts, false);
            }
            Kind::RaiseMinInsync => {
                self.cluster.ask(&format!("configure {TOPIC} min.insync.replicas=3"));
                self.cluster.ask(&format!("terminate {node}"));
                thread::sleep(lasts);
                self.cluster.ask(&format!("configure {TOPIC} min.insync.replicas=2"));
            }
            Kind::AddPartition => self.add_partition(),
        }
    }

    /// Heals what the producers need not wait for.
    fn heal_rest(&mut self, fault: Fault) {
        if fault.kind == Kind::RaiseMinInsync {
            self.cluster.ask(&format!("start {}", fault.node));
            self.cluster.ask("await 3");
        }
    }

    fn restart(&mut self, how: &str, nodes: &[Node], down: Duration) {
        let words: Vec<_> = nodes.iter().map(ToString::to_string).collect();
        self.cluster.ask(&format!("{how} {}", words.join(" ")));
        thread::sleep(down);
        for node in words {
            self.cluster.ask(&format!("start {node}"));
        }
        self.cluster.ask("await 3");
    }

    fn spoil(&self, nodes: &[Node], toxics: Toxics, lasts: Duration, then_reset: bool) {
        nodes.iter().for_each(|node| self.cluster.proxy(*node).set(toxics));
        thread::sleep(lasts);
        for node in nodes {
            let proxy = self.cluster.proxy(*node);
            if then_reset {
                proxy.reset();
            }
            proxy.set(Toxics::default());
        }
    }

    fn reset_again_and_again(&self, lasts: Duration) {
        let end = Instant::now() + lasts;
        while Instant::now() < end {
            (1..=NODES).for_each(|node| self.cluster.proxy(node).reset());
            thread::sleep(Duration::from_millis(200));
        }
    }

    fn move_leaders(&mut self, lasts: Duration) {
        let end = Instant::now() + lasts;
        while Instant::now() < end {
            let partitions = self.shared.partitions.load(Ordering::Relaxed);
            let pairs: Vec<_> = (0..partitions)
                .map(|partition| format!("{partition}={}", 1 + self.random.index(NODES)))
                .collect();
            self.cluster.ask(&format!("lead {TOPIC} {}", pairs.join(" ")));
            thread::sleep(Duration::from_millis(500));
        }
    }

    fn add_partition(&mut self) {
        let partitions = self.shared.partitions.load(Ordering::Relaxed) + 1;
        if partitions as usize <= MAX_PARTITIONS {
            self.cluster.ask(&format!("grow {TOPIC} {partitions}"));
            self.shared.partitions.store(partitions, Ordering::Relaxed);
        }
    }
}
