//! Mirrors `org.apache.kafka.clients.producer.ProducerConfig`.

mod builder;
mod definitions;
mod documentation;
mod settings;
mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use builder::ProducerConfigBuilder;
pub use values::{Acks, MetadataRecoveryStrategy, PartitionerClass};

use crate::error::{Error, ErrorKind};
use crate::producer::producer_config::definitions::DEFINITIONS;
use crate::producer::producer_config::settings::Settings;

/// The settings of a producer, checked and complete.
///
/// They come from the typed [`builder`](Self::builder), from Kafka's own property names, or from a `.properties` file;
/// the names, defaults, ranges and rules are those of Java's producer. Nothing is ignored in silence: a name that does
/// not exist, a value out of range and a feature that this crate lacks are refused, all of them in one error.
///
/// ```
/// use kafka_producer::ProducerConfig;
///
/// let config = ProducerConfig::from_properties([
///     ("bootstrap.servers", "localhost:9092"),
///     ("client.id", "DemoProducer"),
/// ])?;
///
/// let error = ProducerConfig::from_properties([("linger", "5 ms"), ("acks", "2")]).unwrap_err();
/// let text = error.to_string();
/// assert!(text.contains("did you mean linger.ms?"));
/// assert!(text.contains("acks: \"2\" is not one of the known values (allowed: all, -1, 0, 1"));
/// assert!(text.contains("bootstrap.servers: must be set"));
/// # Ok::<(), kafka_producer::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ProducerConfig {
    /// What the user named, and nothing else.
    given: BTreeMap<String, String>,
    settings: Arc<Settings>,
}

/// The number in the next automatic client id.
static NEXT_CLIENT: AtomicU64 = AtomicU64::new(1);

impl ProducerConfig {
    /// Settings by methods, with types and units.
    pub fn builder() -> ProducerConfigBuilder {
        ProducerConfigBuilder::default()
    }

    /// Settings by Kafka's property names. Of a name given twice the last value counts.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] with every problem there is.
    pub fn from_properties<N: AsRef<str>, V: AsRef<str>>(
        properties: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, Error> {
        Self::builder().properties(properties).build()
    }

    /// Settings from a `.properties` file, as Kafka's own tools take with `--producer.config`.
    ///
    /// The syntax is Java's, the encoding UTF-8. To change some of its settings, begin with
    /// [`ProducerConfigBuilder::properties_file`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] if the file cannot be read, [`ErrorKind::InvalidConfig`] with every problem in it.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::builder().properties_file(path)?.build()
    }

    /// The properties that were given, by name: [`from_properties`](Self::from_properties) makes the same settings of
    /// them. Defaults are left out, because some rules ask whether a property was given.
    #[must_use]
    pub fn to_properties(&self) -> BTreeMap<String, String> {
        self.given.clone()
    }

    /// Every property there is, with type, default, valid values and meaning, as Markdown.
    #[must_use]
    pub fn documentation() -> String {
        documentation::page()
    }

    fn from_given(given: BTreeMap<String, String>) -> Result<Self, Error> {
        let mut parsed = DEFINITIONS.parse(&given);
        let mut settings = Settings::resolve(&mut parsed);
        if !parsed.problems.is_empty() {
            return Err(Error::new(ErrorKind::InvalidConfig { problems: parsed.problems }));
        }
        if !parsed.is_explicit("client.id") {
            let number = NEXT_CLIENT.fetch_add(1, Ordering::Relaxed);
            settings.client_id = format!("producer-{number}");
        }
        for note in &parsed.notes {
            log::log!(note.level, "[Producer clientId={}] {}", settings.client_id, note.text);
        }
        Ok(Self { given, settings: Arc::new(settings) })
    }
}

impl fmt::Debug for ProducerConfig {
    /// The client id and what was given; secrets are hidden.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ProducerConfig")
            .field("client_id", &self.settings.client_id)
            .field("given", &Shown(&self.given))
            .finish()
    }
}

/// Properties as they may be printed.
struct Shown<'p>(&'p BTreeMap<String, String>);

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |name: &str, value| if DEFINITIONS.may_show(name) { value } else { "[hidden]" };
        formatter
            .debug_map()
            .entries(self.0.iter().map(|(name, value)| (name, shown(name, value.as_str()))))
            .finish()
    }
}

#[cfg(test)]
mod tests;
