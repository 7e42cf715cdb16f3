//! A future's reference to the result of its record's batch.

use std::cell::Cell;
use std::ops::Deref;
use std::sync::Arc;

use crate::producer::internals::produce_request_result::ProduceRequestResult;

thread_local! {
    static KEPT: Cell<Option<Arc<ProduceRequestResult>>> = const { Cell::new(None) };
}

/// Counted, but not for nothing: the thread keeps the reference that was dropped last for its next record, which mostly
/// goes to the same batch. So a caller who drops futures at once changes the count once a batch and not twice a record.
#[derive(Debug)]
pub(crate) struct SharedResult(Option<Arc<ProduceRequestResult>>);

/// What this thread keeps, while it looks for a place for a record. Drop it with no lock held.
pub(super) struct CachedResult(Option<Arc<ProduceRequestResult>>);

impl CachedResult {
    #[inline(always)]
    pub(super) fn take() -> Self {
        Self(KEPT.try_with(Cell::take).unwrap_or_default()) // a thread that ends keeps none
    }

    /// Nothing kept.
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// A reference to `result`, not counted anew if it is the one that was kept.
    #[inline(always)]
    pub(super) fn share(&mut self, result: &Arc<ProduceRequestResult>) -> SharedResult {
        match &self.0 {
            Some(kept) if Arc::ptr_eq(kept, result) => SharedResult(self.0.take()),
            _ => SharedResult::new(result),
        }
    }
}

/// Lets go of what this thread keeps, and so of the producer that it belongs to.
pub(crate) fn release_kept_reference() {
    drop(CachedResult::take());
}

impl SharedResult {
    pub(crate) fn new(result: &Arc<ProduceRequestResult>) -> Self {
        Self(Some(Arc::clone(result)))
    }
}

impl Deref for SharedResult {
    type Target = ProduceRequestResult;

    #[expect(clippy::expect_used, reason = "there until the drop")]
    fn deref(&self) -> &ProduceRequestResult {
        self.0.as_deref().expect("a result")
    }
}

impl Drop for SharedResult {
    #[inline(always)]
    fn drop(&mut self) {
        let Some(result) = self.0.take() else {
            return;
        };
        // What was kept so far goes, or, where nothing can be kept any more, this one.
        drop(KEPT.try_with(|kept| kept.replace(Some(result))));
    }
}
