//! Mirrors `org.apache.kafka.clients.producer.internals.IncompleteBatches`.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::producer::internals::produce_request_result::ProduceRequestResult;
use crate::utils::sync::Mutex;

/// The batches that were created and not yet answered: what `flush` and `close` wait for.
#[derive(Debug, Default)]
pub(crate) struct IncompleteBatches {
    /// By batch id, so oldest first.
    batches: Mutex<BTreeMap<u64, Arc<ProduceRequestResult>>>,
}

impl IncompleteBatches {
    pub(crate) fn add(&self, id: u64, result: Arc<ProduceRequestResult>) {
        self.batches.lock().insert(id, result);
    }

    /// Call it once the batch's callbacks have run: a `flush` that does not find it does not wait for them.
    pub(crate) fn remove(&self, id: u64) {
        self.batches.lock().remove(&id);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.batches.lock().is_empty()
    }

    /// All of this moment, oldest first.
    pub(crate) fn snapshot(&self) -> Vec<Arc<ProduceRequestResult>> {
        self.batches.lock().values().cloned().collect()
    }

    /// All of them, which are complete from now on.
    pub(super) fn take_all(&self) -> BTreeMap<u64, Arc<ProduceRequestResult>> {
        std::mem::take(&mut *self.batches.lock())
    }
}
