//! The one error type of this crate. Takes the place of Java's exception classes.

mod error_code;
mod error_kind;

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use crate::common::topic_partition::TopicPartition;

pub use error_code::ErrorCode;
pub use error_kind::{ConfigProblem, Deadline, ErrorKind};

/// Why a record, a call or a producer failed.
///
/// Cheap to clone: one failed batch answers many futures and callbacks. [`kind`](Self::kind) says what happened, the
/// other methods where and whether it is worth another try. `Display` tells all of it in one line, the causes included.
///
/// ```
/// use kafka_producer::{Error, ErrorCode, Persistence};
///
/// fn is_worth_another_try(error: &Error) -> bool {
///     // What may be in the log already would be there twice.
///     error.is_retriable() && error.persistence() != Persistence::Perhaps
/// }
///
/// assert!(is_worth_another_try(&ErrorCode::NotEnoughReplicas.into()));
/// assert!(!is_worth_another_try(&ErrorCode::RequestTimedOut.into()));
/// assert!(!is_worth_another_try(&ErrorCode::MessageTooLarge.into()));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Arc<Inner>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Inner {
    kind: ErrorKind,
    topic: Option<Arc<str>>,
    partition: Option<i32>,
    broker: Option<Arc<str>>,
    attempts: u32,
    elapsed: Option<Duration>,
    persistence: Persistence,
    /// Whether it ended its producer, whatever its kind.
    ends_producer: bool,
    cause: Option<Error>,
}

/// Whether a record that failed may be in the log all the same.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// It never left this process.
    NeverSent,
    /// It was sent and the outcome is unknown: the broker may have appended it.
    Perhaps,
    /// A broker said that it did not append it.
    Refused,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind) -> Self {
        let persistence = kind.usual_persistence();
        Self(Arc::new(Inner {
            kind,
            topic: None,
            partition: None,
            broker: None,
            attempts: 0,
            elapsed: None,
            persistence,
            ends_producer: false,
            cause: None,
        }))
    }

    pub(crate) fn broker_code(code: ErrorCode, message: Option<&str>) -> Self {
        Self::new(ErrorKind::Broker { code, message: message.map(Into::into) })
    }

    pub(crate) fn io(error: &std::io::Error) -> Self {
        Self::new(ErrorKind::Io { kind: error.kind(), message: error.to_string().into() })
    }

    pub(crate) fn with_topic(self, topic: &Arc<str>) -> Self {
        self.with(|inner| inner.topic = Some(Arc::clone(topic)))
    }

    pub(crate) fn with_partition(self, partition: i32) -> Self {
        self.with(|inner| inner.partition = Some(partition))
    }

    pub(crate) fn with_topic_partition(self, topic_partition: &TopicPartition) -> Self {
        self.with_topic(topic_partition.shared_topic()).with_partition(topic_partition.partition())
    }

    /// `broker` as a reader wants to see it: its address, and its number if known.
    pub(crate) fn with_broker(self, broker: impl fmt::Display) -> Self {
        self.with(|inner| inner.broker = Some(broker.to_string().into()))
    }

    pub(crate) fn with_attempts(self, attempts: u32) -> Self {
        self.with(|inner| inner.attempts = attempts)
    }

    pub(crate) fn with_elapsed(self, elapsed: Duration) -> Self {
        self.with(|inner| inner.elapsed = Some(elapsed))
    }

    pub(crate) fn with_persistence(self, persistence: Persistence) -> Self {
        self.with(|inner| inner.persistence = persistence)
    }

    pub(crate) fn with_cause(self, cause: Option<Self>) -> Self {
        self.with(|inner| inner.cause = cause)
    }

    /// For an error that has ended its producer.
    pub(crate) fn into_fatal(self) -> Self {
        self.with(|inner| inner.ends_producer = true)
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// What happened.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// The topic concerned; `None` where it is about none.
    #[must_use]
    pub fn topic(&self) -> Option<&str> {
        self.0.topic.as_deref()
    }

    /// The partition concerned, once it was chosen; `None` before that, or where it is about none.
    #[must_use]
    pub fn partition(&self) -> Option<i32> {
        self.0.partition
    }

    /// The address of the broker concerned, with its number if that is known; `None` where none had a part in it.
    #[must_use]
    pub fn broker(&self) -> Option<&str> {
        self.0.broker.as_deref()
    }

    /// How often the record was sent; 0 if never.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// How long ago the record's batch had begun when it failed; `None` for what never got into a batch.
    #[must_use]
    pub fn elapsed(&self) -> Option<Duration> {
        self.0.elapsed
    }

    /// The broker's code, also where it is the cause of a time-out.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match (&self.0.kind, &self.0.cause) {
            (ErrorKind::Broker { code, .. }, _) => Some(*code),
            (_, Some(cause)) => cause.code(),
            _ => None,
        }
    }

    /// The deadline that ran out, if one did.
    #[must_use]
    pub fn deadline(&self) -> Option<Deadline> {
        match self.0.kind {
            ErrorKind::Timeout { deadline, .. } => Some(deadline),
            ErrorKind::BufferExhausted { .. } => Some(Deadline::MaxBlock),
            _ => None,
        }
    }

    /// The property that decided, under its Java name: the one to change.
    #[must_use]
    pub fn property(&self) -> Option<&str> {
        match &self.0.kind {
            ErrorKind::RecordTooLarge { property, .. } => Some(property),
            ErrorKind::InvalidConfig { problems } => problems.first().map(ConfigProblem::property),
            _ => self.deadline()?.property(),
        }
    }

    /// Whether the same call may succeed later, with nothing changed on this side. Never so if it [is
    /// fatal](Self::is_fatal).
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        if self.is_fatal() {
            return false;
        }
        match &self.0.kind {
            ErrorKind::Broker { code, .. } => code.is_retriable(),
            ErrorKind::Timeout { .. }
            | ErrorKind::BufferExhausted { .. }
            | ErrorKind::WouldBlock { .. }
            | ErrorKind::Disconnected
            | ErrorKind::Io { .. }
            | ErrorKind::UnknownHost { .. } => true,
            _ => false,
        }
    }

    /// Whether this producer will never send again and has to be replaced.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        if self.0.ends_producer {
            return true;
        }
        match &self.0.kind {
            ErrorKind::Closed | ErrorKind::SenderPanicked { .. } => true,
            ErrorKind::Broker { code, .. } => {
                matches!(code, ErrorCode::ProducerFenced | ErrorCode::InvalidProducerIdMapping)
            }
            _ => false,
        }
    }

    /// Whether the record may be in the log although it failed.
    #[must_use]
    pub fn persistence(&self) -> Persistence {
        self.0.persistence
    }

    /// Whether a call would have had to wait: what `try_send` answers.
    #[must_use]
    pub fn is_would_block(&self) -> bool {
        matches!(self.0.kind, ErrorKind::WouldBlock { .. })
    }
}

/// For tests of your own error handling, as with [`MockProducer`](crate::MockProducer).
impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self::new(kind)
    }
}

/// The error that a broker's answer with this code becomes, for tests of your own error handling.
impl From<ErrorCode> for Error {
    fn from(code: ErrorCode) -> Self {
        Self::broker_code(code, None)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { attempts, elapsed, persistence, .. } = &*self.0;
        self.0.fmt_where_and_what(None, formatter)?;
        if *attempts > 0 {
            let times = if *attempts == 1 { "time" } else { "times" };
            write!(formatter, ", sent {attempts} {times}")?;
        }
        if let Some(elapsed) = elapsed {
            write!(formatter, ", {} ms after it was accepted", elapsed.as_millis())?;
        }
        match persistence {
            Persistence::Perhaps => formatter.write_str("; it may be in the log all the same")?,
            _ if *attempts > 0 => formatter.write_str("; it is not in the log")?,
            _ if elapsed.is_some() => formatter.write_str("; it was never sent")?,
            _ => {}
        }
        let mut effect = self;
        while let Some(cause) = &effect.0.cause {
            formatter.write_str(": ")?;
            cause.0.fmt_where_and_what(Some(&effect.0), formatter)?;
            effect = cause;
        }
        Ok(())
    }
}

impl Inner {
    /// Topic, partition, broker and kind; a cause does not repeat the place of its effect.
    fn fmt_where_and_what(
        &self,
        effect: Option<&Self>,
        formatter: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        let is_there =
            |effect: &Self| (&effect.topic, effect.partition) == (&self.topic, self.partition);
        match (&self.topic, self.partition) {
            _ if effect.is_some_and(is_there) => {}
            (Some(topic), _) if topic.is_empty() => {} // then that is the error
            (Some(topic), Some(partition)) => {
                write!(formatter, "{}-{partition}: ", OneLine(topic))?;
            }
            (Some(topic), None) => write!(formatter, "topic {}: ", OneLine(topic))?,
            _ => {}
        }
        if let Some(broker) = &self.broker {
            write!(formatter, "broker {broker}: ")?;
        }
        write!(formatter, "{}", self.kind)
    }
}

/// A name that somebody chose: neither breaks the line nor fills the screen.
struct OneLine<'a>(&'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut characters = self.0.chars();
        for character in characters.by_ref().take(MAX_NAME_CHARACTERS) {
            match character {
                _ if character.is_control() => write!(formatter, "{}", character.escape_default())?,
                _ => formatter.write_char(character)?,
            }
        }
        if characters.next().is_some() { formatter.write_str("…") } else { Ok(()) }
    }
}

/// As long as a topic's name may be.
const MAX_NAME_CHARACTERS: usize = 249;

impl fmt::Debug for Error {
    /// As `Display`: this is what a failed `main` or `expect` shows.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.as_ref().map(|cause| cause as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_without_sense_neither_breaks_the_line_nor_fills_the_screen() {
        let of_topic = |topic: &str| Error::new(ErrorKind::Closed).with_topic(&topic.into());

        let broken = of_topic("a\0b\n").to_string();
        assert!(broken.starts_with("topic a\\u{0}b\\n: "), "{broken}");
        let long = of_topic(&"x".repeat(70_000)).to_string();
        assert!(long.len() < 400 && long.contains("x…: "), "{long}");
    }

    #[test]
    fn tells_where_what_and_why_in_one_line() {
        let refused = Error::io(&std::io::Error::from(std::io::ErrorKind::ConnectionRefused))
            .with_broker("localhost:9");
        let error = Error::new(ErrorKind::Timeout {
            deadline: Deadline::MaxBlock,
            limit: Duration::from_secs(60),
            waiting_for: "metadata",
        })
        .with_topic(&"orders".into())
        .with_cause(Some(refused));

        assert_eq!(
            error.to_string(),
            "topic orders: no metadata within max.block.ms (60000 ms): broker localhost:9: \
             connection refused"
        );
        assert_eq!(error.property(), Some("max.block.ms"));
        assert!(error.is_retriable());
    }

    #[test]
    fn the_code_of_the_cause_is_the_code() {
        let cause = Error::broker_code(ErrorCode::NotEnoughReplicas, None);
        let error = Error::new(ErrorKind::Closed).with_cause(Some(cause));

        assert_eq!(error.code(), Some(ErrorCode::NotEnoughReplicas));
    }

    #[test]
    fn says_whether_the_record_may_be_in_the_log() {
        let refused = Error::broker_code(ErrorCode::MessageTooLarge, None);
        let unknown = Error::broker_code(ErrorCode::RequestTimedOut, None);

        assert_eq!(refused.persistence(), Persistence::Refused);
        assert_eq!(unknown.persistence(), Persistence::Perhaps);
        assert_eq!(Error::new(ErrorKind::Closed).persistence(), Persistence::NeverSent);
    }
}
