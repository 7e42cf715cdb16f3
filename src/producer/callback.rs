//! Mirrors `org.apache.kafka.clients.producer.Callback`.

use crate::error::Error;
use crate::producer::record_metadata::RecordMetadata;

/// Told once, on the sender thread, what became of a record; or on the caller's thread if `send` itself fails.
///
/// A closure that captures nothing costs no allocation.
pub(crate) type Callback = Box<dyn FnOnce(Result<&RecordMetadata, &Error>) + Send>;
