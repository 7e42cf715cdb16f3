//! Mirrors `org.apache.kafka.clients.producer.internals.FutureRecordMetadata`.

use std::time::Duration;

use crate::error::{Deadline, Error, ErrorKind, Persistence};
use crate::producer::internals::produce_request_result::RecordShare;
use crate::producer::internals::shared_result::SharedResult;
use crate::producer::record_metadata::RecordMetadata;

/// The answer to one `send`, now or later. Dropping it changes nothing: the record is sent all the same.
#[derive(Debug)]
pub struct FutureRecordMetadata(Repr);

#[derive(Debug)]
enum Repr {
    /// `send` itself failed.
    Failed(Error),
    /// The record is in a batch.
    Accepted { result: SharedResult, share: RecordShare },
}

impl FutureRecordMetadata {
    pub(crate) fn failed(error: Error) -> Self {
        Self(Repr::Failed(error))
    }

    #[inline(always)]
    pub(crate) fn accepted(result: SharedResult, share: RecordShare) -> Self {
        Self(Repr::Accepted { result, share })
    }

    /// Itself, unless the record was not taken because it would have had to wait.
    pub(crate) fn or_would_block(self) -> Result<Self, Error> {
        match self.0 {
            Repr::Failed(error) if error.is_would_block() => Err(error),
            repr => Ok(Self(repr)),
        }
    }

    /// Waits for the acknowledgement: at most `delivery.timeout.ms`, which every record is answered within.
    ///
    /// Does not sit out `linger.ms`: the record's batch is sent at once, so that `send(..).get()` costs a round trip.
    /// The callbacks of all records that travelled with it have run when this returns.
    ///
    /// # Errors
    ///
    /// What became of the record, if it was not acknowledged. It was not accepted: [`ErrorKind::Serialization`],
    /// [`ErrorKind::InvalidRecord`], [`ErrorKind::RecordTooLarge`], [`ErrorKind::BufferExhausted`], [`ErrorKind::Closed`], or
    /// [`ErrorKind::Timeout`] with [`Deadline::MaxBlock`]. Or it was: [`ErrorKind::Broker`], [`ErrorKind::Timeout`] with
    /// [`Deadline::Delivery`], or what ended the producer. [`Error::persistence`] tells whether it may be in the log.
    ///
    /// [`ErrorKind::CalledFromCallback`] if called on the sender thread before the answer is there: it would wait for
    /// itself.
    pub fn get(self) -> Result<RecordMetadata, Error> {
        self.wait(None)
    }

    /// As [`get`](Self::get), but for no longer than `timeout`. The record is sent all the same.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get); [`ErrorKind::Timeout`] with [`Deadline::Call`] if there is no answer yet: call it again.
    pub fn get_timeout(&self, timeout: Duration) -> Result<RecordMetadata, Error> {
        self.wait(Some(timeout))
    }

    /// Whether [`get`](Self::get) would return at once.
    #[must_use]
    pub fn is_done(&self) -> bool {
        match &self.0 {
            Repr::Failed(_) => true,
            Repr::Accepted { result, share } => result.is_done(share.index),
        }
    }

    fn wait(&self, timeout: Option<Duration>) -> Result<RecordMetadata, Error> {
        let (result, share) = match &self.0 {
            Repr::Failed(error) => return Err(error.clone()),
            Repr::Accepted { result, share } => (result, share),
        };
        if !result.is_done(share.index) {
            if result.signal().is_sender_thread() {
                return Err(Error::new(ErrorKind::CalledFromCallback { method: "get" }));
            }
            result.expedite();
        }
        let is_done = result.wait_for(share.index, timeout);
        match result.record_result(share) {
            Some(answer) if is_done => answer,
            _ => Err(self.not_yet(timeout.unwrap_or_default())),
        }
    }

    fn not_yet(&self, limit: Duration) -> Error {
        let waiting_for = "acknowledgement";
        let kind = ErrorKind::Timeout { deadline: Deadline::Call, limit, waiting_for };
        let error = Error::new(kind).with_persistence(Persistence::Perhaps);
        match &self.0 {
            Repr::Failed(_) => error,
            Repr::Accepted { result, .. } => error.with_topic_partition(result.topic_partition()),
        }
    }
}
