//! How much memory the callbacks of a batch are expected to take.

use crate::producer::internals::buffer_pool::Demand;
use crate::producer::internals::producer_batch::ProducerBatch;

/// How many callbacks come with so many bytes of records.
#[derive(Clone, Copy, Debug)]
pub(in crate::producer::internals) struct CallbackRate {
    pub(in crate::producer::internals) callbacks: usize,
    pub(in crate::producer::internals) bytes: usize,
}

impl CallbackRate {
    pub(in crate::producer::internals) fn callbacks_in(self, size: usize) -> usize {
        let least = self.callbacks.saturating_mul(MIN_RECORD_BYTES); // bytes may be after a compression that is to come
        self.callbacks.saturating_mul(size) / self.bytes.max(least).max(1)
    }

    /// What is asked of the pool for `size` bytes of records.
    pub(in crate::producer::internals) fn demand(self, size: usize) -> Demand {
        Demand::new(size, ProducerBatch::overhead(self.callbacks_in(size)))
    }
}

/// A record takes so many bytes at least.
const MIN_RECORD_BYTES: usize = 7;
