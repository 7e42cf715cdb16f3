//! The run: send all the time, fail all the time, and read back what is there.

use std::fmt::Display;
use std::io::Write;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{env, io, process, thread};

use crate::checker::Checker;
use crate::cluster::Cluster;
use crate::fault::{Fault, KINDS};
use crate::history::History;
use crate::injector::{FaultLog, Injector};
use crate::kafka::distribution;
use crate::load::{Load, RATE, Shared, THREADS, TOPIC};
use crate::random::Random;
use crate::report::Report;
use crate::resources::Resources;

const PARTITIONS: u32 = 8;

/// What one run is given.
#[derive(Clone, Copy, Debug)]
struct Plan {
    seed: u64,
    length: Duration,
}

impl Plan {
    fn from_environment() -> Self {
        let minutes = number("FAULTS_MINUTES").unwrap_or(3);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let seed = number("FAULTS_SEED").unwrap_or(now.as_secs());
        Self { seed, length: Duration::from_secs(60 * minutes) }
    }

    /// The records of one thread, when the last fault and all that follows take their time.
    fn capacity(&self) -> usize {
        let seconds = self.length.as_secs() + 300;
        RATE * usize::try_from(seconds).expect("a length in reason")
    }
}

fn number(variable: &str) -> Option<u64> {
    let value = env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable} is not a number: {value}")))
}

/// SOAK-01, BRK-01, BRK-02, BRK-05, BRK-06, BRK-07, NET-09, NET-11, IDEM-14, IDEM-20, IDEM-21.
#[test]
fn what_is_acknowledged_survives_every_fault() {
    if !distribution::is_available() {
        return;
    }
    let plan = Plan::from_environment();
    tell(format_args!(
        "{} minutes of faults, FAULTS_SEED={}",
        plan.length.as_secs() / 60,
        plan.seed
    ));
    let log = FaultLog::default();
    let _guard = TellFaults(Arc::clone(&log));
    give_up_after(plan.length * 2 + Duration::from_secs(600), &log);
    let mut cluster = Cluster::start().unwrap_or_else(|reason| panic!("no Kafka: {reason}"));
    cluster.ask(&format!("create {TOPIC} {PARTITIONS} min.insync.replicas=2"));
    cluster.ask(&format!("replicated {TOPIC}"));
    let history = History::new(plan.seed, THREADS, plan.capacity());
    let shared = Arc::new(Shared::new(history, PARTITIONS));

    let (looks, leftovers) = cause_faults(plan, &mut cluster, &shared, &log);

    let mut checker = Checker::new(&shared.history, THREADS);
    cluster.read(TOPIC, |record| checker.read(record));
    let (summary, findings) = checker.finish();
    let spans = log.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let complaints = cluster.complaints();
    let history = &shared.history;
    let report =
        Report { history, spans: &spans, looks: &looks, leftovers, summary, findings, complaints };
    tell(&report);
    let verdict = report.verdict();
    if !verdict.is_empty() {
        let folder = cluster.keep_folder().display();
        panic!("FAULTS_SEED={}, nodes kept in {folder}\n{}", plan.seed, verdict.join("\n"));
    }
}

/// Lets the producers run among faults, and stops them.
///
/// Returns what this process held in the quiet moments between faults, and what was not settled at the end.
fn cause_faults(
    plan: Plan,
    cluster: &mut Cluster,
    shared: &Arc<Shared>,
    log: &FaultLog,
) -> (Vec<Resources>, Option<String>) {
    let mut random = Random::new(plan.seed);
    let before = Resources::look(&shared.history);
    let load = Load::start(cluster.bootstrap(), shared, &mut random);
    let mut injector = Injector { cluster, shared, random, log: Arc::clone(log) };
    injector.await_acknowledgements(0).expect("an undisturbed start");
    let end = Instant::now() + plan.length;
    let mut looks = Vec::new();
    let mut bag = Vec::new();
    while Instant::now() < end {
        thread::sleep(Duration::from_millis(injector.random.within(500..=3_000)));
        looks.extend(Resources::look(&shared.history));
        let kind = bag.pop().unwrap_or_else(|| {
            bag.extend(KINDS);
            injector.random.shuffle(&mut bag);
            bag.pop().expect("some kinds")
        });
        let fault = Fault::draw(kind, &mut injector.random);
        injector.run(fault);
    }
    let finished = load.finish().map_err(|error| format!("flush or close: {error}"));
    (looks, finished.err().or_else(|| leftovers(before, shared)))
}

/// What producers that are closed have left behind, if that is still there a while later.
fn leftovers(before: Option<Resources>, shared: &Shared) -> Option<String> {
    let before = before?;
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let after = Resources::look(&shared.history)?;
        if after.threads <= before.threads && after.descriptors <= before.descriptors {
            return None;
        }
        if Instant::now() >= end {
            return Some(format!("before the producers {before:?}, after them {after:?}"));
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Ends this process, and the nodes with it, if the run hangs.
fn give_up_after(limit: Duration, log: &FaultLog) {
    let log = Arc::clone(log);
    thread::spawn(move || {
        thread::sleep(limit);
        tell_faults(&log);
        tell(format_args!("given up after {} s", limit.as_secs()));
        process::exit(1);
    });
}

/// Tells of the faults where a test fails.
#[derive(Debug)]
struct TellFaults(FaultLog);

impl Drop for TellFaults {
    fn drop(&mut self) {
        if thread::panicking() {
            tell_faults(&self.0);
        }
    }
}

fn tell_faults(log: &FaultLog) {
    for span in log.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        tell(span);
    }
}

/// Straight to the terminal: what a passing test prints is not shown, and these are figures to look at.
fn tell(what: impl Display) {
    let _ = writeln!(io::stderr(), "{what}");
}
