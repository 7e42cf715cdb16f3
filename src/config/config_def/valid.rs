//! Mirrors the validators of `org.apache.kafka.common.config.ConfigDef`.

use std::fmt;

use crate::config::config_def::parsed::Value;

/// Which values of a property's type are allowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Valid {
    Any,
    AtLeast(i64),
    Between(i64, i64),
    /// A range, or one number outside it that stands for "not chosen".
    BetweenOr(i64, i64, i64),
    FractionBetween(f64, f64),
    OneOf(&'static [&'static str]),
    OneOfIgnoringCase(&'static [&'static str]),
    NonEmpty,
    /// A list without empty or repeated elements.
    UniqueList,
    /// As [`Valid::UniqueList`], with one element at least.
    NonEmptyUniqueList,
}

impl Valid {
    /// What is wrong with `value`, as words that follow it.
    pub(super) fn check(self, value: &Value) -> Result<(), &'static str> {
        match value {
            Value::Number(number) => self.check_number(*number),
            Value::Fraction(number) => match self {
                Self::FractionBetween(least, most) if !(least..=most).contains(number) => {
                    Err("is out of range")
                }
                _ => Ok(()),
            },
            Value::Text(text) => self.check_text(text),
            Value::List(items) => self.check_list(items),
            Value::Null | Value::Boolean(_) => Ok(()),
        }
    }

    fn check_number(self, number: i64) -> Result<(), &'static str> {
        let fits = match self {
            Self::AtLeast(least) => number >= least,
            Self::Between(least, most) => (least..=most).contains(&number),
            Self::BetweenOr(least, most, other) => {
                (least..=most).contains(&number) || number == other
            }
            _ => true,
        };
        if fits { Ok(()) } else { Err("is out of range") }
    }

    fn check_text(self, text: &str) -> Result<(), &'static str> {
        match self {
            Self::OneOf(known) if !known.contains(&text) => Err("is not one of the known values"),
            Self::OneOfIgnoringCase(known)
                if !known.iter().any(|value| value.eq_ignore_ascii_case(text)) =>
            {
                Err("is not one of the known values")
            }
            Self::NonEmpty if text.is_empty() => Err("is empty"),
            _ => Ok(()),
        }
    }

    fn check_list(self, items: &[String]) -> Result<(), &'static str> {
        if self == Self::NonEmptyUniqueList && items.is_empty() {
            return Err("is empty");
        }
        if !matches!(self, Self::UniqueList | Self::NonEmptyUniqueList) {
            return Ok(());
        }
        if items.iter().any(String::is_empty) {
            return Err("has an empty element");
        }
        let repeats = |(index, item)| items[..index].contains(item);
        if items.iter().enumerate().any(repeats) { Err("names an element twice") } else { Ok(()) }
    }
}

impl fmt::Display for Valid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => formatter.write_str("anything"),
            Self::AtLeast(least) => write!(formatter, "{least} or more"),
            Self::Between(least, most) => write!(formatter, "{least} to {most}"),
            Self::BetweenOr(least, most, other) => {
                write!(formatter, "{least} to {most}, or {other}")
            }
            Self::FractionBetween(least, most) => write!(formatter, "{least:?} to {most:?}"),
            Self::OneOf(known) => formatter.write_str(&known.join(", ")),
            Self::OneOfIgnoringCase(known) => {
                write!(formatter, "{}, in any case", known.join(", "))
            }
            Self::NonEmpty => formatter.write_str("any text but the empty one"),
            Self::UniqueList => {
                formatter.write_str("a list, separated by commas, no element empty or repeated")
            }
            Self::NonEmptyUniqueList => formatter
                .write_str("a list, separated by commas, not empty, no element empty or repeated"),
        }
    }
}
