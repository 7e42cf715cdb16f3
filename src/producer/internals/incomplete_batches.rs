//! Mirrors `org.apache.kafka.clients.producer.internals.IncompleteBatches`.

use std::sync::Arc;

use crate::producer::internals::produce_request_result::ProduceRequestResult;
use crate::utils::hash::HashMap;
use crate::utils::sync::Mutex;

/// The batches that were created and not yet answered: what `flush` and `close` wait for.
#[derive(Debug, Default)]
pub(crate) struct IncompleteBatches {
    /// By batch id. Later batches have greater ones.
    batches: Mutex<HashMap<u64, Arc<ProduceRequestResult>>>,
}

/// How many are removed under one lock, which callers wait for meanwhile.
const REMOVED_AT_ONCE: usize = 32;

impl IncompleteBatches {
    pub(crate) fn add(&self, id: u64, result: Arc<ProduceRequestResult>) {
        self.batches.lock().insert(id, result);
    }

    /// Forgets batches whose callbacks have run: a `flush` that does not find one does not wait for it.
    pub(crate) fn remove(&self, ids: impl IntoIterator<Item = u64>) {
        let mut ids = ids.into_iter().peekable();
        while ids.peek().is_some() {
            let mut batches = self.batches.lock();
            for id in ids.by_ref().take(REMOVED_AT_ONCE) {
                batches.remove(&id);
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.batches.lock().is_empty()
    }

    /// All of this moment, oldest first.
    pub(crate) fn snapshot(&self) -> Vec<Arc<ProduceRequestResult>> {
        let batches = {
            let batches = self.batches.lock();
            batches.iter().map(|(id, result)| (*id, Arc::clone(result))).collect()
        };
        in_order(batches)
    }

    /// All of them, oldest first, which are complete from now on.
    pub(super) fn take_all(&self) -> Vec<Arc<ProduceRequestResult>> {
        let batches = std::mem::take(&mut *self.batches.lock());
        in_order(batches.into_iter().collect())
    }
}

fn in_order<R>(mut batches: Vec<(u64, R)>) -> Vec<R> {
    batches.sort_unstable_by_key(|(id, _)| *id);
    batches.into_iter().map(|(_, result)| result).collect()
}
