//! The outcome of reading properties: values, problems, and what the log should hear about.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::error::ConfigProblem;

/// The value of one property.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Boolean(bool),
    Number(i64),
    Fraction(f64),
    Text(String),
    List(Vec<String>),
}

/// Something that the log should hear once the configuration has proved valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) level: log::Level,
    pub(crate) text: String,
}

/// Every property's value, the user's or the default one, and what was wrong.
///
/// The getters panic where the definitions hold no such property of that type: our own slip, and every
/// configuration that is built would show it.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    pub(super) values: BTreeMap<&'static str, Value>,
    /// What the user named, whatever the value.
    pub(super) explicit: BTreeSet<&'static str>,
    /// What has a problem already: rules over several properties pass it by.
    faulty: BTreeSet<&'static str>,
    pub(crate) problems: Vec<ConfigProblem>,
    pub(crate) notes: Vec<Note>,
}

impl Parsed {
    pub(crate) fn is_explicit(&self, name: &str) -> bool {
        self.explicit.contains(name)
    }

    /// Whether a rule over `names` can be judged: none of them has a problem of its own.
    pub(crate) fn are_sound(&self, names: &[&str]) -> bool {
        names.iter().all(|name| !self.faulty.contains(name))
    }

    pub(crate) fn refuse(&mut self, name: &'static str, reason: String) {
        self.faulty.insert(name);
        self.problems.push(ConfigProblem::new(name, reason));
    }

    pub(crate) fn note(&mut self, level: log::Level, text: String) {
        self.notes.push(Note { level, text });
    }

    pub(super) fn note_ignored(&mut self, name: &str, reason: &str) {
        self.note(log::Level::Info, format!("{name} has no effect here: {reason}"));
    }

    pub(crate) fn boolean(&self, name: &str) -> bool {
        match self.value(name) {
            Value::Boolean(value) => *value,
            other => panic!("{name} is {other:?}, no boolean"),
        }
    }

    pub(crate) fn number(&self, name: &str) -> i64 {
        match self.value(name) {
            Value::Number(value) => *value,
            other => panic!("{name} is {other:?}, no number"),
        }
    }

    /// A number of bytes or of things; a negative one counts as none, and one that this platform cannot address as the
    /// most that it can.
    pub(crate) fn count(&self, name: &str) -> usize {
        usize::try_from(self.number(name).max(0)).unwrap_or(usize::MAX)
    }

    /// As [`count`](Self::count); a negative number means that there is no value.
    pub(crate) fn count_unless_negative(&self, name: &str) -> Option<usize> {
        (self.number(name) >= 0).then(|| self.count(name))
    }

    /// A number of milliseconds; a negative one counts as none.
    pub(crate) fn millis(&self, name: &str) -> Duration {
        Duration::from_millis(self.number(name).max(0).unsigned_abs())
    }

    /// As [`millis`](Self::millis); a negative number means that there is no limit.
    pub(crate) fn millis_unless_negative(&self, name: &str) -> Option<Duration> {
        (self.number(name) >= 0).then(|| self.millis(name))
    }

    /// A text; null is `None`.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.value(name) {
            Value::Text(value) => Some(value),
            Value::Null => None,
            other => panic!("{name} is {other:?}, no text"),
        }
    }

    pub(crate) fn list(&self, name: &str) -> &[String] {
        match self.value(name) {
            Value::List(values) => values,
            other => panic!("{name} is {other:?}, no list"),
        }
    }

    fn value(&self, name: &str) -> &Value {
        let Some(value) = self.values.get(name) else { panic!("{name} is not defined") };
        value
    }
}
