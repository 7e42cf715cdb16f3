//! Mirrors `org.apache.kafka.clients.producer.internals.IncompleteBatches`.

use std::sync::Arc;

use crate::producer::internals::BATCHES_PER_LOCK;
use crate::producer::internals::batch_ref::BatchId;
use crate::producer::internals::produce_request_result::ProduceRequestResult;
use crate::utils::saturate::saturate_u32;
use crate::utils::sync::Mutex;

/// The batches that were created and not yet answered: what `flush` and `close` wait for.
#[derive(Debug, Default)]
pub(crate) struct IncompleteBatches(Mutex<Entries>);

/// Where a batch is found, if it still is there: its place may be another one's by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IncompleteKey {
    id: BatchId,
    place: u32,
}

/// A table with the numbers of its empty places, which are used again.
#[derive(Debug, Default)]
struct Entries {
    /// Each with the id of its batch.
    entries: Vec<Option<(BatchId, Arc<ProduceRequestResult>)>>,
    empty: Vec<u32>,
}

impl IncompleteBatches {
    /// Adds the result of batch `id`; returns what [`remove`](Self::remove) knows it by.
    pub(crate) fn add(&self, id: BatchId, result: Arc<ProduceRequestResult>) -> IncompleteKey {
        let Entries { entries, empty } = &mut *self.0.lock();
        if let Some(place) = empty.pop() {
            if let Some(entry) = entries.get_mut(place as usize) {
                *entry = Some((id, result));
                return IncompleteKey { id, place };
            }
        }
        entries.push(Some((id, result)));
        IncompleteKey { id, place: saturate_u32(entries.len() - 1) }
    }

    /// Forgets batches whose callbacks have run, if it still knows them: a `flush` that does not find one does not wait for
    /// it.
    pub(crate) fn remove(&self, keys: impl IntoIterator<Item = IncompleteKey>) {
        let mut keys = keys.into_iter().peekable();
        while keys.peek().is_some() {
            let Entries { entries, empty } = &mut *self.0.lock();
            for IncompleteKey { id, place } in keys.by_ref().take(BATCHES_PER_LOCK) {
                let entry = entries.get_mut(place as usize);
                let found = entry.and_then(|entry| entry.take_if(|(other, _)| *other == id));
                if found.is_some() {
                    empty.push(place);
                }
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        let entries = self.0.lock();
        entries.entries.len() == entries.empty.len()
    }

    /// All of this moment, oldest first.
    pub(crate) fn snapshot(&self) -> Vec<Arc<ProduceRequestResult>> {
        let batches = self.0.lock().entries.iter().flatten().cloned().collect();
        in_order(batches)
    }

    /// Takes out all of them, oldest first: none is incomplete any more.
    pub(super) fn take_all(&self) -> Vec<Arc<ProduceRequestResult>> {
        let all = std::mem::take(&mut *self.0.lock());
        in_order(all.entries.into_iter().flatten().collect())
    }
}

fn in_order<R>(mut batches: Vec<(BatchId, R)>) -> Vec<R> {
    batches.sort_unstable_by_key(|(id, _)| *id);
    batches.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::topic_partition::TopicPartition;
    use crate::producer::internals::partition_ref::{PartitionId, PartitionRef};
    use crate::producer::internals::sender_signal::SenderSignal;

    // One that ran out of time on its way is removed then, and once more when its late answer comes.
    #[test]
    fn whoever_is_removed_twice_takes_nobody_else_along() {
        let batches = IncompleteBatches::default();
        let [first, second, third] = [(); 3].map(|()| result());
        let gone = batches.add(BatchId::new(1), Arc::clone(&first));
        let stays = batches.add(BatchId::new(2), Arc::clone(&second));

        batches.remove([gone, gone]);
        let last = batches.add(BatchId::new(3), Arc::clone(&third));
        assert_eq!(last.place, gone.place);
        batches.remove([gone]);

        let snapshot = batches.snapshot();
        assert_eq!(snapshot.len(), 2);
        assert!(snapshot.iter().zip([&second, &third]).all(|(it, other)| Arc::ptr_eq(it, other)));
        batches.remove([last, stays]);
        assert!(batches.is_empty() && batches.snapshot().is_empty());
    }

    fn result() -> Arc<ProduceRequestResult> {
        let signal = SenderSignal::detached();
        let partition = PartitionRef::new(PartitionId::new(0), TopicPartition::new("t", 0), signal);
        Arc::new(ProduceRequestResult::new(&partition))
    }
}
