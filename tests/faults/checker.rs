//! Judges what a reader found in the log by what the producers had told.

use std::collections::BTreeMap;

use kafka_producer::Persistence;

use crate::history::{History, Outcome};
use crate::kafka::record::Record;
use crate::stamp::Stamp;

/// How often a rule was broken, and the first cases.
#[derive(Debug, Default)]
pub(crate) struct Broken {
    pub(crate) count: u64,
    pub(crate) cases: Vec<String>,
}

/// What is found broken; the keys are rules, in words.
pub(crate) type Findings = BTreeMap<&'static str, Broken>;

const CASES: usize = 5;

/// Takes every record of the topic, each partition in the order of its offsets.
#[derive(Debug)]
pub(crate) struct Checker<'a> {
    history: &'a History,
    persistence: Vec<Persistence>,
    /// By thread and number: whether the record has been read.
    seen: Vec<Vec<bool>>,
    /// The newest record of each thread in each partition.
    newest: BTreeMap<(u32, u32), Stamp>,
    findings: Findings,
    summary: Summary,
}

/// How the records divide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) sent: u64,
    pub(crate) read: u64,
    pub(crate) acknowledged: u64,
    pub(crate) failed: u64,
    /// Failed, perhaps persisted, and in the log.
    pub(crate) ambiguous_present: u64,
    pub(crate) ambiguous_absent: u64,
}

impl<'a> Checker<'a> {
    /// All of `history` must be known before the first record is read.
    pub(crate) fn new(history: &'a History, threads: usize) -> Self {
        Self {
            history,
            persistence: history.kinds().iter().map(|kind| kind.persistence).collect(),
            seen: vec![vec![false; history.capacity()]; threads],
            newest: BTreeMap::new(),
            findings: Findings::new(),
            summary: Summary::default(),
        }
    }

    pub(crate) fn read(&mut self, record: &Record) {
        self.summary.read += 1;
        let place = format!("partition {} offset {}", record.partition, record.offset);
        let stamp = record.value.as_deref().and_then(Stamp::read);
        let Some(stamp) = stamp.filter(|stamp| stamp.run == self.history.run()) else {
            return self.find("altered or invented", || place);
        };
        let (thread, number) = (stamp.thread as usize, stamp.number as usize);
        let history = self.history;
        let case = || format!("{place}: {}", history.story(thread, number));
        let Some(sent) = history.sent(thread, number) else {
            return self.find("altered or invented", case);
        };
        if record.partition != i32::try_from(stamp.partition).unwrap_or(-1)
            || sent.partition != stamp.partition
        {
            self.find("in another partition", case);
        }
        if std::mem::replace(&mut self.seen[thread][number], true) {
            self.find("duplicated", case);
        }
        let before = self.newest.insert((stamp.thread, stamp.partition), stamp);
        if let Some(before) = before.filter(|before| before.counter >= stamp.counter) {
            let place = format!("{place}, after {}", before.number);
            self.find("reordered", || format!("{place}: {}", history.story(thread, number)));
        }
        match sent.outcome {
            Outcome::Acknowledged { offset } if offset != record.offset => {
                self.find("at another offset than acknowledged", case);
            }
            Outcome::Failed { kind } if self.persistence[kind] != Persistence::Perhaps => {
                self.find("there although the failure was definite", case);
            }
            _ => {}
        }
    }

    /// Looks at what was not read, and tells everything that is wrong.
    pub(crate) fn finish(mut self) -> (Summary, Findings) {
        let history = self.history;
        for (thread, number, sent) in history.all() {
            let is_there = self.seen[thread][number];
            self.summary.sent += 1;
            match sent.outcome {
                Outcome::Untold => self.find("never answered", || history.story(thread, number)),
                Outcome::Acknowledged { .. } => {
                    self.summary.acknowledged += 1;
                    if !is_there {
                        self.find("lost", || history.story(thread, number));
                    }
                }
                Outcome::Failed { kind } => {
                    self.summary.failed += 1;
                    if self.persistence[kind] == Persistence::Perhaps {
                        self.summary.ambiguous_present += u64::from(is_there);
                        self.summary.ambiguous_absent += u64::from(!is_there);
                    }
                }
            }
        }
        for (thread, number) in history.told_twice() {
            self.find("answered twice", || history.story(thread, number));
        }
        (self.summary, self.findings)
    }

    fn find(&mut self, rule: &'static str, case: impl FnOnce() -> String) {
        let broken = self.findings.entry(rule).or_default();
        broken.count += 1;
        if broken.cases.len() < CASES {
            broken.cases.push(case());
        }
    }
}

#[cfg(test)]
mod tests {
    use kafka_producer::{Error, ErrorCode};

    use super::*;

    const RUN: u64 = 77;

    /// One thread and partition: records 0, 1, 2 acknowledged, 3 refused, 4 perhaps persisted and there.
    fn good() -> (History, Vec<Record>) {
        let history = History::new(RUN, 1, 10);
        for number in 0..5 {
            history.send(0, number, 0);
            history.returned(0, number);
        }
        for number in 0..3 {
            history.acknowledge(0, number, i64::try_from(number).expect("small"));
        }
        history.fail(0, 3, &Error::from(ErrorCode::MessageTooLarge));
        history.fail(0, 4, &Error::from(ErrorCode::RequestTimedOut));
        (history, [(0, 0), (1, 1), (2, 2), (3, 4)].map(|(at, number)| record(at, number)).into())
    }

    fn record(offset: i64, number: u32) -> Record {
        let stamp = Stamp { run: RUN, thread: 0, partition: 0, number, counter: number };
        Record {
            partition: 0,
            offset,
            timestamp_ms: 0,
            key: None,
            value: Some(stamp.value(50)),
            headers: Vec::new(),
        }
    }

    fn judge(history: &History, records: &[Record]) -> (Summary, Vec<&'static str>) {
        let mut checker = Checker::new(history, 1);
        records.iter().for_each(|record| checker.read(record));
        let (summary, findings) = checker.finish();
        (summary, findings.into_keys().collect())
    }

    #[track_caller]
    fn finds(spoil: impl FnOnce(&History, &mut Vec<Record>), expected: &[&str]) {
        let (history, mut records) = good();
        spoil(&history, &mut records);
        assert_eq!(judge(&history, &records).1, expected);
    }

    #[test]
    fn a_good_history_is_found_good() {
        let (history, records) = good();
        let (summary, findings) = judge(&history, &records);

        assert_eq!(findings, [""; 0]);
        let expected = Summary {
            sent: 5,
            read: 4,
            acknowledged: 3,
            failed: 2,
            ambiguous_present: 1,
            ambiguous_absent: 0,
        };
        assert_eq!(summary, expected);
    }

    #[test]
    fn an_acknowledged_record_that_is_missing_is_lost() {
        finds(|_, records| drop(records.remove(1)), &["lost"]);
    }

    #[test]
    fn an_ambiguous_record_may_be_missing() {
        finds(|_, records| drop(records.pop()), &[]);
    }

    #[test]
    fn an_ambiguous_record_may_not_be_there_twice() {
        finds(|_, records| records.push(record(4, 4)), &["duplicated", "reordered"]);
    }

    #[test]
    fn a_second_copy_is_found() {
        let expected = ["at another offset than acknowledged", "duplicated", "reordered"];
        finds(|_, records| records.push(record(4, 2)), &expected);
    }

    #[test]
    fn records_that_changed_places_are_found() {
        let swap = |_: &History, records: &mut Vec<Record>| {
            records[0] = record(0, 1);
            records[1] = record(1, 0);
        };
        finds(swap, &["at another offset than acknowledged", "reordered"]);
    }

    #[test]
    fn a_flipped_bit_is_found() {
        let flip = |_: &History, records: &mut Vec<Record>| {
            records[1].value.as_mut().expect("a value")[40] ^= 4;
        };
        finds(flip, &["altered or invented", "lost"]);
    }

    #[test]
    fn a_record_of_another_run_is_found() {
        let stamp = Stamp { run: RUN + 1, thread: 0, partition: 0, number: 5, counter: 5 };
        let other = Record { value: Some(stamp.value(50)), ..record(4, 5) };
        finds(|_, records| records.push(other), &["altered or invented"]);
    }

    #[test]
    fn a_record_that_was_never_sent_is_found() {
        finds(|_, records| records.push(record(4, 7)), &["altered or invented"]);
    }

    #[test]
    fn a_record_in_another_partition_is_found() {
        finds(|_, records| records[2].partition = 1, &["in another partition"]);
    }

    #[test]
    fn a_refused_record_may_not_be_there() {
        let resurrect = |_: &History, records: &mut Vec<Record>| {
            records[3] = record(3, 3);
            records.push(record(4, 4));
        };
        finds(resurrect, &["there although the failure was definite"]);
    }

    #[test]
    fn a_shifted_offset_is_found() {
        finds(|_, records| records[2].offset = 7, &["at another offset than acknowledged"]);
    }

    #[test]
    fn a_record_without_an_answer_is_found() {
        finds(|history, _| history.send(0, 5, 0), &["never answered"]);
    }

    #[test]
    fn a_second_answer_is_found() {
        finds(|history, _| history.acknowledge(0, 1, 1), &["answered twice"]);
    }
}
