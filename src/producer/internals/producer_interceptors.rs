//! Mirrors `org.apache.kafka.clients.producer.internals.ProducerInterceptors`.

use std::fmt;
use std::sync::Arc;

use crate::common::header::Headers;
use crate::error::Error;
use crate::producer::callback::Callback;
use crate::producer::producer_interceptor::ProducerInterceptor;
use crate::producer::producer_record::ProducerRecord;
use crate::producer::record_metadata::RecordMetadata;
use crate::utils::panics::contain;

/// The interceptors in their order. One that panics is logged and stops neither the record nor the others.
pub(crate) struct ProducerInterceptors<K: ?Sized, V: ?Sized> {
    interceptors: Arc<[Box<dyn ProducerInterceptor<K, V>>]>,
}

impl<K: ?Sized + 'static, V: ?Sized + 'static> ProducerInterceptors<K, V> {
    pub(crate) fn new(interceptors: Vec<Box<dyn ProducerInterceptor<K, V>>>) -> Self {
        Self { interceptors: interceptors.into() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.interceptors.is_empty()
    }

    /// Shows each of them the record, changed by those before.
    pub(crate) fn on_send(&self, record: &mut ProducerRecord<'_, K, V>) {
        for interceptor in self.interceptors.iter() {
            if contain(|| interceptor.on_send(record)).is_none() {
                tell_of_panic("on_send; the record goes on");
            }
        }
    }

    /// Wraps `callback` so that the interceptors learn the result right before it.
    pub(crate) fn wrap(&self, headers: &Headers<'_>, callback: Option<Callback>) -> Callback {
        let interceptors = Arc::clone(&self.interceptors);
        let headers = headers.clone().into_owned();
        Box::new(move |result: Result<&RecordMetadata, &Error>| {
            for interceptor in interceptors.iter() {
                if contain(|| interceptor.on_acknowledgement(result, &headers)).is_none() {
                    tell_of_panic("on_acknowledgement; the callback runs all the same");
                }
            }
            if let Some(callback) = callback {
                callback(result);
            }
        })
    }
}

impl<K: ?Sized, V: ?Sized> fmt::Debug for ProducerInterceptors<K, V> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ProducerInterceptors({})", self.interceptors.len())
    }
}

fn tell_of_panic(place: &str) {
    contain(|| log::warn!("an interceptor panicked in {place}")); // a logger may be what panicked
}
