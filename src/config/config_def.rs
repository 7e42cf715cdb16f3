//! Mirrors `org.apache.kafka.common.config.ConfigDef`, with two differences: all problems are reported at once, and a
//! property that this crate cannot honour is refused in place of being ignored.

mod nearest_name;
mod parsed;
mod property;
mod valid;

use std::collections::BTreeMap;

pub(crate) use parsed::Parsed;
pub(crate) use property::{Property, Support};
pub(crate) use valid::Valid;

use crate::config::config_def::parsed::Value;
use crate::error::ConfigProblem;

/// The properties of one client, and what is known about names that are none of them.
#[derive(Debug)]
pub(crate) struct ConfigDef {
    /// Each name occurs once.
    pub(crate) properties: &'static [&'static [Property]],
    /// Names that begin so are free to end as the user likes.
    pub(crate) prefixes: &'static [Property],
    /// Names of earlier Java releases and of other clients, each with what to do in its place.
    pub(crate) replaced: &'static [(&'static str, &'static str)],
}

impl ConfigDef {
    /// Every property, in the order of the definitions.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'static Property> {
        self.properties.iter().copied().flatten()
    }

    /// Whether the value of `name` may be shown. What a misspelt name stands for is unknown: its value is hidden, too.
    pub(crate) fn may_show(&self, name: &str) -> bool {
        self.iter().find(|property| property.name == name).is_some_and(|found| !found.is_secret())
    }

    /// The values of all properties: `given` where there is one, else the default.
    ///
    /// An invalid value leaves a problem behind, and the default in its place.
    pub(crate) fn parse(&self, given: &BTreeMap<String, String>) -> Parsed {
        let mut parsed = Parsed::default();
        for (name, text) in given {
            if self.iter().all(|property| property.name != name) {
                self.parse_stranger(name, text, &mut parsed);
            }
        }
        for property in self.iter() {
            match given.get(property.name) {
                Some(text) => parse_given(property, text.trim(), &mut parsed),
                None => parse_absent(property, &mut parsed),
            }
        }
        parsed
    }

    /// `name` is not in the table: a prefix may allow it, anything else is a problem.
    fn parse_stranger(&self, name: &str, text: &str, parsed: &mut Parsed) {
        match self.prefixes.iter().find(|prefix| name.starts_with(prefix.name)) {
            Some(prefix) => match prefix.support {
                Support::Works => {}
                Support::Ignored(reason) => parsed.note_ignored(name, reason),
                Support::Refused { reason, .. } => {
                    let shown = prefix.shown(text);
                    parsed.problems.push(ConfigProblem::new(name, not_supported(&shown, reason)));
                }
            },
            None => parsed.problems.push(ConfigProblem::new(name, self.why_unknown(name))),
        }
    }

    fn why_unknown(&self, name: &str) -> String {
        if let Some((_, advice)) = self.replaced.iter().find(|(replaced, _)| *replaced == name) {
            return format!("is not a property of this producer: {advice}");
        }
        let names = self.iter().map(|property| property.name);
        match nearest_name::nearest_name(name, names) {
            Some(nearest) => format!("is not a property of this producer, did you mean {nearest}?"),
            None => "is not a property of this producer, docs/CONFIGURATION.md lists them".into(),
        }
    }
}

fn parse_given(property: &'static Property, text: &str, parsed: &mut Parsed) {
    parsed.explicit.insert(property.name);
    match property.parse(text) {
        Ok(value) => {
            match property.support {
                Support::Works => {}
                Support::Ignored(reason) => parsed.note_ignored(property.name, reason),
                Support::Refused { but, reason } => {
                    if !(is_default(property, &value) || but.contains(&text)) {
                        let why = not_supported(&property.shown(text), reason);
                        parsed.refuse(property.name, why);
                    }
                }
            }
            parsed.values.insert(property.name, value);
        }
        Err(what) => {
            let shown = property.shown(text);
            parsed.refuse(property.name, format!("{shown} {what} ({})", property.expectation()));
            parsed.values.insert(property.name, property.default_value());
        }
    }
}

fn parse_absent(property: &'static Property, parsed: &mut Parsed) {
    if property.is_required() {
        parsed.refuse(property.name, format!("must be set ({})", property.expectation()));
    }
    parsed.values.insert(property.name, property.default_value());
}

/// Whether `value` asks for what happens anyway.
fn is_default(property: &Property, value: &Value) -> bool {
    let default = property.default_value();
    match (value, &default) {
        (Value::Text(value), Value::Text(default)) => value.eq_ignore_ascii_case(default),
        _ => *value == default,
    }
}

fn not_supported(shown: &str, reason: &str) -> String {
    format!("{shown} is not supported by this version of the crate: {reason}")
}
