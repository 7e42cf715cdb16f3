//! Mirrors `org.apache.kafka.clients.producer.ProducerInterceptor` (KIP-42).

use crate::common::header::Headers;
use crate::error::Error;
use crate::producer::producer_record::ProducerRecord;
use crate::producer::record_metadata::RecordMetadata;

/// Sees, and may change, every record before it is serialized, and sees what became of it.
///
/// A panic in either method is caught and logged; it stops neither the record nor the interceptors behind.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use kafka_producer::{Error, Headers, ProducerInterceptor, RecordMetadata};
///
/// /// Counts what was not acknowledged.
/// struct FailureCounter(Arc<AtomicU64>);
///
/// impl ProducerInterceptor<str, str> for FailureCounter {
///     fn on_acknowledgement(&self, result: Result<&RecordMetadata, &Error>, _headers: &Headers<'_>) {
///         self.0.fetch_add(u64::from(result.is_err()), Ordering::Relaxed);
///     }
/// }
/// ```
pub trait ProducerInterceptor<K: ?Sized, V: ?Sized>: Send + Sync {
    /// Called by `send`, before anything else. Runs on: the caller's thread.
    fn on_send(&self, record: &mut ProducerRecord<'_, K, V>) {
        let _ = record;
    }

    /// Called once for every record, right before its callback. Runs on: the sender thread, or the caller's if `send`
    /// itself fails.
    ///
    /// `headers` are those that were sent (KIP-512).
    fn on_acknowledgement(&self, result: Result<&RecordMetadata, &Error>, headers: &Headers<'_>) {
        let _ = (result, headers);
    }
}
