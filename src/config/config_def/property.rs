//! One property: its name, type, default, valid values and documentation.

use std::fmt;
use std::num::{IntErrorKind, ParseIntError};

use crate::config::config_def::parsed::Value;
use crate::config::config_def::valid::Valid;

/// What a property is. Built in constant tables: a type first, then whatever differs from the usual.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Property {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) default: DefaultValue,
    valid: Valid,
    pub(crate) importance: Importance,
    pub(crate) support: Support,
    pub(crate) doc: &'static str,
}

/// The types of Java's `ConfigDef`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Boolean,
    Short,
    Int,
    Long,
    Double,
    String,
    List,
    Class,
    /// Text that is never shown.
    Password,
}

/// The value of a property that is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DefaultValue {
    Required,
    Null,
    Text(&'static str),
}

impl fmt::Display for DefaultValue {
    /// As the documentation has it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Required => formatter.write_str("none, it must be set"),
            Self::Null => formatter.write_str("not set"),
            Self::Text("") => formatter.write_str("empty"),
            Self::Text(text) => write!(formatter, "`{text}`"),
        }
    }
}

/// How much a user should care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Importance {
    High,
    Medium,
    Low,
}

/// What this crate makes of a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Support {
    /// It does what Java's does.
    Works,
    /// It is accepted and changes nothing, for this reason.
    Ignored(&'static str),
    /// Any value but the default and `but` is refused, for this reason.
    Refused { but: &'static [&'static str], reason: &'static str },
}

/// The longest part of a value that an error shows.
const SHOWN_CHARACTERS: usize = 80;

impl Property {
    const fn new(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            default: DefaultValue::Null,
            valid: Valid::Any,
            importance: Importance::Low,
            support: Support::Works,
            doc: "",
        }
    }

    pub(crate) const fn boolean(name: &'static str) -> Self {
        Self::new(name, Kind::Boolean)
    }

    pub(crate) const fn short(name: &'static str) -> Self {
        Self::new(name, Kind::Short)
    }

    pub(crate) const fn int(name: &'static str) -> Self {
        Self::new(name, Kind::Int)
    }

    pub(crate) const fn long(name: &'static str) -> Self {
        Self::new(name, Kind::Long)
    }

    pub(crate) const fn double(name: &'static str) -> Self {
        Self::new(name, Kind::Double)
    }

    pub(crate) const fn string(name: &'static str) -> Self {
        Self::new(name, Kind::String)
    }

    /// Empty by default, and without empty or repeated elements.
    pub(crate) const fn list(name: &'static str) -> Self {
        Self::new(name, Kind::List).default("").valid(Valid::UniqueList)
    }

    pub(crate) const fn class(name: &'static str) -> Self {
        Self::new(name, Kind::Class)
    }

    pub(crate) const fn password(name: &'static str) -> Self {
        Self::new(name, Kind::Password)
    }

    pub(crate) const fn required(self) -> Self {
        Self { default: DefaultValue::Required, ..self }
    }

    pub(crate) const fn default(self, text: &'static str) -> Self {
        Self { default: DefaultValue::Text(text), ..self }
    }

    pub(crate) const fn valid(self, valid: Valid) -> Self {
        Self { valid, ..self }
    }

    pub(crate) const fn at_least(self, least: i64) -> Self {
        self.valid(Valid::AtLeast(least))
    }

    pub(crate) const fn between(self, least: i64, most: i64) -> Self {
        self.valid(Valid::Between(least, most))
    }

    pub(crate) const fn high(self) -> Self {
        Self { importance: Importance::High, ..self }
    }

    pub(crate) const fn medium(self) -> Self {
        Self { importance: Importance::Medium, ..self }
    }

    pub(crate) const fn ignored(self, reason: &'static str) -> Self {
        Self { support: Support::Ignored(reason), ..self }
    }

    /// Refuses every value but the default, which asks for nothing.
    pub(crate) const fn refused(self, reason: &'static str) -> Self {
        self.refused_but(&[], reason)
    }

    /// Refuses every value but the default and `but`.
    pub(crate) const fn refused_but(
        self,
        but: &'static [&'static str],
        reason: &'static str,
    ) -> Self {
        Self { support: Support::Refused { but, reason }, ..self }
    }

    pub(crate) const fn doc(self, doc: &'static str) -> Self {
        Self { doc, ..self }
    }

    #[cfg(test)]
    pub(crate) fn default_text(&self) -> Option<&'static str> {
        match self.default {
            DefaultValue::Text(text) => Some(text),
            DefaultValue::Required | DefaultValue::Null => None,
        }
    }

    pub(crate) fn is_secret(&self) -> bool {
        self.kind == Kind::Password
    }

    pub(crate) fn is_required(&self) -> bool {
        self.default == DefaultValue::Required
    }

    /// `text` as an error may show it: quoted, control characters escaped, cut if long, hidden if secret.
    pub(crate) fn shown(&self, text: &str) -> String {
        if self.is_secret() {
            return "its value (hidden)".into();
        }
        match text.char_indices().nth(SHOWN_CHARACTERS) {
            Some((end, _)) => format!("{:?}... ({} bytes)", &text[..end], text.len()),
            None => format!("{text:?}"),
        }
    }

    /// What would be right, for the end of an error.
    pub(super) fn expectation(&self) -> String {
        let allowed = self.allowed();
        match self.default {
            DefaultValue::Text(default) if !default.is_empty() => {
                format!("allowed: {allowed}; default: {default}")
            }
            _ => format!("allowed: {allowed}"),
        }
    }

    /// The valid values in words.
    pub(crate) fn allowed(&self) -> String {
        match (self.valid, self.kind.bounds()) {
            (Valid::Any, None | Some((_, i64::MAX))) => self.kind.in_words().into(),
            (Valid::AtLeast(least), Some((_, i64::MAX))) => format!("{least} or more"),
            (Valid::Any, Some((least, most))) => format!("{least} to {most}"),
            (Valid::AtLeast(least), Some((_, most))) => format!("{least} to {most}"),
            (valid, _) => valid.to_string(),
        }
    }

    pub(super) fn default_value(&self) -> Value {
        match (self.default, self.kind) {
            (DefaultValue::Text(text), _) => self.parse(text).unwrap_or(Value::Null),
            (_, Kind::List) => Value::List(Vec::new()),
            _ => Value::Null,
        }
    }

    /// `text`, trimmed, as a value; or what is wrong with it, as words that follow it.
    pub(super) fn parse(&self, text: &str) -> Result<Value, &'static str> {
        let value = match self.kind {
            Kind::Boolean if text.eq_ignore_ascii_case("true") => Value::Boolean(true),
            Kind::Boolean if text.eq_ignore_ascii_case("false") => Value::Boolean(false),
            Kind::Boolean => return Err("is neither true nor false"),
            Kind::Short | Kind::Int | Kind::Long => Value::Number(parse_number(text)?),
            Kind::Double => Value::Fraction(text.parse().map_err(|_| "is not a number")?),
            Kind::String | Kind::Class | Kind::Password => Value::Text(text.into()),
            Kind::List if text.is_empty() => Value::List(Vec::new()),
            Kind::List => Value::List(text.split(',').map(|item| item.trim().into()).collect()),
        };
        if let (Value::Number(number), Some((least, most))) = (&value, self.kind.bounds()) {
            if !(least..=most).contains(number) {
                return Err("is out of range");
            }
        }
        self.valid.check(&value)?;
        Ok(value)
    }
}

fn parse_number(text: &str) -> Result<i64, &'static str> {
    text.parse().map_err(|error: ParseIntError| match error.kind() {
        IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "is out of range",
        _ => "is not a whole number",
    })
}

impl Kind {
    /// The smallest and the largest number of the type.
    pub(crate) const fn bounds(self) -> Option<(i64, i64)> {
        match self {
            Self::Short => Some((i16::MIN as i64, i16::MAX as i64)),
            Self::Int => Some((i32::MIN as i64, i32::MAX as i64)),
            Self::Long => Some((i64::MIN, i64::MAX)),
            _ => None,
        }
    }

    const fn in_words(self) -> &'static str {
        match self {
            Self::Boolean => "true or false",
            Self::Short | Self::Int | Self::Long => "a whole number",
            Self::Double => "a number",
            Self::String | Self::Password => "any text",
            Self::List => "a list, separated by commas",
            Self::Class => "a class name",
        }
    }
}
