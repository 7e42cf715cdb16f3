//! What a run is judged by, and what it tells.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use crate::checker::{Findings, Summary};
use crate::fault::Kind;
use crate::history::{History, Outcome, Sent, THREADS_PER_PRODUCER};
use crate::injector::Span;
use crate::load::{PROFILES, Profile};
use crate::resources::{Resources, rise};

/// From the end of a fault to the next acknowledgement of every partition.
const RECOVERY_LIMIT_MS: u32 = 15_000;

/// How much later than its time-out says a call may return, or a callback run.
const GRACE_MS: u32 = 1_000;

/// The least time, without a run's first quarter, to judge growth by: it takes ten minutes of faults until every buffer was
/// full once.
const GROWTH_MINUTES: f64 = 14.0;
/// By how many KiB the peak of this process's memory may rise in ten minutes,
const MEMORY_RISE_KIB: f64 = 4096.0;
/// or by which share, if that is more: it goes up and down with what callers and brokers have under way.
const MEMORY_RISE: f64 = 0.05;
/// And how many threads or descriptors more there may be in ten minutes.
const COUNT_RISE: f64 = 2.0;

/// What one producer went through.
#[derive(Debug, Default)]
struct Course {
    acknowledged: u64,
    failed: BTreeMap<usize, u64>,
    /// The longest that `send` took, and that an answer took after it.
    longest_send_ms: u32,
    longest_answer_ms: u32,
}

/// All that is known at the end of a run.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) history: &'a History,
    pub(crate) spans: &'a [Span],
    pub(crate) looks: &'a [Resources],
    /// What the producers held after they had been closed.
    pub(crate) leftovers: Option<String>,
    pub(crate) summary: Summary,
    pub(crate) findings: Findings,
    /// What the brokers complained of.
    pub(crate) complaints: Vec<String>,
}

impl Report<'_> {
    /// Everything that is wrong, a line each; empty for a good run.
    pub(crate) fn verdict(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (rule, broken) in &self.findings {
            wrong.push(format!("{} records {rule}:", broken.count));
            wrong.extend(broken.cases.iter().map(|case| format!("  {case}")));
        }
        let unexplained: Vec<_> = self.unexplained().collect();
        if !unexplained.is_empty() {
            wrong.push(format!("{} failures unexplained:", unexplained.len()));
            wrong.extend(unexplained.into_iter().take(5).map(|story| format!("  {story}")));
        }
        let is_slow = |span: &&Span| span.recovery_ms().is_none_or(|took| took > RECOVERY_LIMIT_MS);
        let slow = self.spans.iter().filter(is_slow);
        wrong.extend(slow.map(|span| format!("slow to recover: {span}")));
        for (course, profile) in self.courses().iter().zip(&PROFILES) {
            wrong.extend(course.overrun(profile));
        }
        if let Some(complaint) = self.complaints.first() {
            let count = self.complaints.len();
            wrong.push(format!("brokers complained {count} times, first: {complaint}"));
        }
        wrong.extend(self.leftovers.clone());
        wrong.extend(self.too_much_growth());
        wrong
    }

    /// Failures that no fault accounts for.
    fn unexplained(&self) -> impl Iterator<Item = String> {
        let names: Vec<_> = self.history.kinds().into_iter().map(|kind| kind.name).collect();
        let is_explained = move |thread: usize, sent: Sent| {
            let Outcome::Failed { kind } = sent.outcome else { return true };
            PROFILES[thread / THREADS_PER_PRODUCER].may_fail
                && names[kind].starts_with("time-out of ")
                && self.spans.iter().any(|span| span.overlaps(sent.sent_ms, sent.told_ms))
        };
        self.history
            .all()
            .filter(move |(thread, _, sent)| !is_explained(*thread, *sent))
            .map(|(thread, number, _)| self.history.story(thread, number))
    }

    fn courses(&self) -> Vec<Course> {
        let mut courses: Vec<_> = PROFILES.iter().map(|_| Course::default()).collect();
        for (thread, _, sent) in self.history.all() {
            let course = &mut courses[thread / THREADS_PER_PRODUCER];
            let send_ms = sent.returned_ms.saturating_sub(sent.sent_ms);
            course.longest_send_ms = course.longest_send_ms.max(send_ms);
            let answer_ms = sent.told_ms.saturating_sub(sent.returned_ms);
            course.longest_answer_ms = course.longest_answer_ms.max(answer_ms);
            match sent.outcome {
                Outcome::Acknowledged { .. } => course.acknowledged += 1,
                Outcome::Failed { kind } => *course.failed.entry(kind).or_default() += 1,
                Outcome::Untold => {}
            }
        }
        courses
    }

    /// The looks to judge growth by: not those from before everything had its size.
    fn settled_looks(&self) -> &[Resources] {
        &self.looks[self.looks.len() / 4..]
    }

    fn too_much_growth(&self) -> Option<String> {
        let looks = self.settled_looks();
        let (first, last) = (looks.first()?, looks.last()?);
        let minutes = f64::from(last.at_ms - first.at_ms) / 60_000.0;
        let times = minutes / 2.0 / 10.0; // from one half to the other
        let memory_kib = (MEMORY_RISE_KIB * times).max(MEMORY_RISE * last.resident_kib as f64);
        let grows = rise(looks, |look| look.resident_kib) > memory_kib
            || rise(looks, |look| look.threads) > COUNT_RISE * times
            || rise(looks, |look| look.descriptors) > COUNT_RISE * times;
        (minutes >= GROWTH_MINUTES && grows).then(|| self.describe_resources())
    }

    fn describe_resources(&self) -> String {
        let looks = self.settled_looks();
        let Some(last) = looks.last() else { return "resources unknown".to_owned() };
        format!(
            "memory {} KiB, threads {}, descriptors {}; their peaks in the second half of the time against the first: \
             {:+} KiB, {:+}, {:+}",
            last.resident_kib,
            last.threads,
            last.descriptors,
            rise(looks, |look| look.resident_kib),
            rise(looks, |look| look.threads),
            rise(looks, |look| look.descriptors),
        )
    }

    /// The time that each kind of fault took to recover from: how many faults, median and longest.
    fn recoveries(&self) -> BTreeMap<Kind, Vec<u32>> {
        let mut recoveries: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for span in self.spans {
            recoveries
                .entry(span.fault.kind)
                .or_default()
                .push(span.recovery_ms().unwrap_or(u32::MAX));
        }
        recoveries.values_mut().for_each(|times| times.sort_unstable());
        recoveries
    }
}

impl Span {
    fn recovery_ms(&self) -> Option<u32> {
        Some(self.recovered_ms? - self.healed_ms?)
    }
}

impl Course {
    fn overrun(&self, profile: &Profile) -> Vec<String> {
        let mut overrun = Vec::new();
        let mut check = |what, took_ms: u32, limit: std::time::Duration| {
            if u128::from(took_ms) > limit.as_millis() + u128::from(GRACE_MS) {
                overrun.push(format!("{}: {what} took {took_ms} ms", profile.name));
            }
        };
        check("send", self.longest_send_ms, profile.max_block);
        check("an answer", self.longest_answer_ms, profile.delivery_timeout);
        overrun
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = self.history.kinds();
        for (course, profile) in self.courses().iter().zip(&PROFILES) {
            let failed: u64 = course.failed.values().sum();
            writeln!(
                formatter,
                "{}: {} acknowledged, {failed} failed; longest send {} ms, longest answer {} ms",
                profile.name, course.acknowledged, course.longest_send_ms, course.longest_answer_ms
            )?;
            for (kind, count) in &course.failed {
                let kind = &kinds[*kind];
                writeln!(formatter, "  {count} of {} ({:?})", kind.name, kind.persistence)?;
                writeln!(formatter, "    such as {}", kind.example)?;
            }
        }
        let count = |rule| self.findings.get(rule).map_or(0, |broken| broken.count);
        let Summary { sent, read, ambiguous_present, ambiguous_absent, .. } = self.summary;
        writeln!(
            formatter,
            "sent {sent}, read {read}; lost {}, duplicated {}, reordered {}, failures unexplained {}; of those that failed \
             and may be in the log {ambiguous_present} are, {ambiguous_absent} are not",
            count("lost"),
            count("duplicated"),
            count("reordered"),
            self.unexplained().count(),
        )?;
        let mut recoveries = String::new();
        for (kind, times) in self.recoveries() {
            let (median, longest) = (times[times.len() / 2], times[times.len() - 1]);
            write!(recoveries, " {kind:?} {median}")?;
            if times.len() > 1 {
                write!(recoveries, " (longest of {}: {longest})", times.len())?;
            }
            recoveries.push(',');
        }
        writeln!(
            formatter,
            "ms from the end of a fault to an acknowledgement of each partition:{}",
            recoveries.trim_end_matches(',')
        )?;
        write!(formatter, "{}", self.describe_resources())
    }
}
